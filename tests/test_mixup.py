"""MixUp against torchvision's, and which of MixUp and CutMix a batch gets."""

import numpy as np
import pytest
import torch
from scipy import stats
from small_runs import WIDE_SETTINGS
from torch import nn
from torchvision.transforms import v2

from lib import cutmix, mixup
from lib.base.config import Train

IMAGES = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([4, 2, 0, 1, 5, 3])


def params(**changes):
    return Train(**WIDE_SETTINGS | changes)


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_images_and_labels_are_torchvisions_for_the_same_lambda(alpha):
    """v2.MixUp pairs each image with the one before it; its soft label tells lambda."""
    torch.manual_seed(1)
    theirs, soft = v2.MixUp(num_classes=6, alpha=alpha)(IMAGES, LABELS)
    lam = soft[0, LABELS[0]].item()
    ours, own, partner, kept = mixup.blend(IMAGES, LABELS, torch.arange(6).roll(1), lam)
    torch.testing.assert_close(ours, theirs)
    assert 0 < lam < 1 and kept == lam and torch.equal(own, LABELS)
    outputs = torch.randn(6, 6, generator=torch.Generator().manual_seed(2))
    assert cutmix.mixed_loss(outputs, own, partner, lam, 0.1).item() == pytest.approx(
        nn.CrossEntropyLoss(label_smoothing=0.1)(outputs, soft).item(), rel=1e-5
    )


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_lambda_is_a_beta_draw_and_partners_are_a_permutation(alpha):
    generator = torch.Generator().manual_seed(3)
    drawn = [mixup.draw(6, alpha, generator) for _ in range(2000)]
    assert stats.kstest([lam for _, lam in drawn], stats.beta(alpha, alpha).cdf).pvalue > 0.001
    assert all(sorted(partner.tolist()) == list(range(6)) for partner, _ in drawn)


def test_the_input_stays_as_it_was():
    images, labels = IMAGES.clone(), LABELS.clone()
    mixup.blend(images, labels, torch.arange(6).roll(1), 0.3)
    assert torch.equal(images, IMAGES) and torch.equal(labels, LABELS)


def kinds(steps=600, **changes):
    """Of each step's batch "CutMix", "MixUp" or "none", by its pixels alone."""
    images, labels = torch.arange(1.0, 3.0).view(2, 1, 1, 1).expand(2, 3, 32, 32), LABELS[:2]
    found = []
    for step in range(steps):
        mixed, own, partner, lam = cutmix.mix(images, labels, params(**changes), step)
        # a batch of two may be paired with itself, and a box be clipped to nothing
        apart = lam < 1 and not torch.equal(own, partner)
        whole = set(mixed.unique().tolist()) <= {1.0, 2.0}
        found.append(("CutMix" if whole else "MixUp") if apart else "none")
    return np.array(found)


def test_a_batch_gets_one_of_the_two_at_most_at_their_probabilities():
    found = kinds(cutmix_probability=0.3, mixup_probability=0.5)
    # half of the permutations of two images are no change
    assert (found == "CutMix").mean() == pytest.approx(0.15, abs=0.05)
    assert (found == "MixUp").mean() == pytest.approx(0.25, abs=0.06)
    assert set(kinds(100, mixup_probability=1.0)) == {"MixUp", "none"}
    assert set(kinds(100)) == {"none"}


def test_a_draw_belongs_to_seed_and_step_and_mixup_moves_none_of_cutmixs():
    both, alone = (
        [
            cutmix.draw_for_step(params(cutmix_probability=0.4, **more), step, 6, 32, 32)
            for step in range(200)
        ]
        for more in ({"mixup_probability": 0.6}, {})
    )
    assert all(drawn is not None for drawn in both) and any(drawn is None for drawn in alone)
    for one, other in zip(both, alone):
        if other is not None:
            assert torch.equal(one[0], other[0]) and one[1:] == other[1:]
        else:
            assert one[1] is None and 0 <= one[2] <= 1
    again = [
        cutmix.draw_for_step(params(cutmix_probability=0.4, mixup_probability=0.6), step, 6, 32, 32)
        for step in (150, 3)
    ]
    for drawn, step in zip(again, (150, 3)):
        assert torch.equal(drawn[0], both[step][0]) and drawn[1:] == both[step][1:]
