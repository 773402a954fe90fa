import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2

from lib.cutmix import cutmix


def batch(size=6, side=32):
    """Images whose every pixel is the image's number, so that a pixel says where it came from."""
    return torch.arange(1, size + 1).view(size, 1, 1, 1).expand(
        size, 3, side, side
    ).float().clone(), torch.arange(size)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(20))
def test_every_pixel_is_its_own_or_its_partners_and_lambda_is_the_own_share(seed):
    images, labels = batch()
    mixed, own, partner, lam = cutmix(images, labels, 1.0, generator(seed))
    assert torch.equal(own, labels) and torch.equal(partner.sort().values, labels)
    for image, mine, theirs in zip(mixed, own + 1, partner + 1):
        assert set(image.unique().tolist()) <= {mine.item(), theirs.item()}
        if mine != theirs:
            assert (image == mine).float().mean().item() == pytest.approx(lam, abs=1e-6)


def test_one_box_at_the_same_place_in_every_image():
    images, labels = batch()
    mixed, own, partner, lam = cutmix(images, labels, 1.0, generator(3))
    changed = (mixed != images)[partner != own]
    assert 0 < lam < 1 and (changed == changed[0, 0]).all()
    rows, columns = changed[0, 0].nonzero(as_tuple=True)
    assert changed[0, 0].sum() == (rows.max() - rows.min() + 1) * (
        columns.max() - columns.min() + 1
    )


def test_the_input_stays_as_it_was():
    images, labels = batch()
    copies = images.clone(), labels.clone()
    cutmix(images, labels, 1.0, generator(1))
    assert torch.equal(images, copies[0]) and torch.equal(labels, copies[1])


def test_the_generator_is_the_only_randomness():
    images, labels = batch()
    results = []
    for seed, other in ((4, 0), (4, 1), (5, 0)):
        torch.manual_seed(other)
        results.append(cutmix(images, labels, 1.0, generator(seed))[0])
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


def realised(alpha, draws=4000):
    images, labels = torch.zeros(2, 1, 32, 32), torch.arange(2)
    source = generator(7)
    return np.array([cutmix(images, labels, alpha, source)[3] for _ in range(draws)])


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_realised_lambda_is_distributed_as_torchvisions(alpha):
    ours = realised(alpha)
    transform = v2.CutMix(num_classes=2, alpha=alpha)
    torch.manual_seed(0)
    images, labels = torch.zeros(2, 1, 32, 32), torch.arange(2)
    theirs = np.array([transform(images, labels)[1][0, 0].item() for _ in range(4000)])
    theirs = np.where(theirs < 0, 0, theirs)
    # torchvision's label is soft: with itself as partner (half of its rolls of two never are) the
    # share stays lambda
    assert stats.ks_2samp(ours, theirs).pvalue > 0.001


def test_mean_realised_lambda_is_not_one_half():
    assert realised(1.0).mean() == pytest.approx(0.68, abs=0.02)


@pytest.mark.parametrize("alpha", [0, -1, float("nan")])
def test_alpha_must_be_positive(alpha):
    with pytest.raises(ValueError, match="alpha must be greater than 0"):
        cutmix(*batch(), alpha, generator())


def test_images_must_have_four_dimensions():
    with pytest.raises(ValueError, match="images must be"):
        cutmix(torch.zeros(3, 32, 32), torch.arange(3), 1.0, generator())
