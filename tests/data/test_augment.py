import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2
from torchvision.transforms.functional import crop, hflip, pad

from lib.base import random
from lib.data import augment, dataset


@pytest.fixture(scope="module")
def images():
    return torch.randint(
        256, (60, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def test_crop_and_flip_are_torchvisions_for_the_same_offsets(images):
    draws = augment.draw_augmentation(3, 1, np.arange(60), True)
    ours = augment.crop_and_flip(images, draws)
    for image, one, (top, left, flip) in zip(images, ours, draws.tolist()):
        expected = crop(pad(image, 4), top, left, 32, 32)
        assert torch.equal(one, hflip(expected) if flip else expected)


def test_augmented_pixels_are_distributed_as_torchvisions(images):
    """Where a marked pixel lands, over many draws, against RandomCrop and RandomHorizontalFlip."""
    marked = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    marked[..., 15, 10] = 255
    count = 6000
    ours = augment.crop_and_flip(
        marked.expand(count, -1, -1, -1), augment.draw_augmentation(0, 0, np.arange(count), True)
    )
    transform = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()])
    torch.manual_seed(0)
    theirs = torch.cat([transform(marked) for _ in range(count)])
    tables = [augmented[:, 0].double().sum(0) / 255 for augmented in (ours, theirs)]
    cells = [table[11:20].flatten() for table in tables]
    assert all(cell.sum() == count for cell in cells)
    used = (cells[0] + cells[1]) > 0
    assert (
        stats.chi2_contingency(torch.stack([cell[used] for cell in cells]).numpy()).pvalue > 0.001
    )


def test_the_input_stays_as_it_was(images):
    before = images.clone()
    augment.training_batch(
        images, augment.draw_augmentation(0, 0, np.arange(60), True), (0.5,) * 3, (0.2,) * 3
    )
    assert torch.equal(images, before)


def test_draws_belong_to_seed_epoch_and_image_and_to_nothing_else():
    index = np.array([5, 900, 44_999])
    alone = augment.draw_augmentation(1, 2, index[1:2], True)
    assert torch.equal(augment.draw_augmentation(1, 2, index, True)[1:2], alone)
    everything = augment.draw_augmentation(1, 2, np.arange(1000), True)
    for other in (
        augment.draw_augmentation(2, 2, np.arange(1000), True),
        augment.draw_augmentation(1, 3, np.arange(1000), True),
    ):
        # a repeat by chance: 1 in 162
        assert 0.95 < (everything != other).any(1).double().mean() < 1


def test_draws_are_uniform():
    draws = augment.draw_augmentation(9, 0, np.arange(20_000), True).numpy()
    for column, values in enumerate((9, 9, 2)):
        counts = np.bincount(draws[:, column], minlength=values)
        assert len(counts) == values and stats.chisquare(counts).pvalue > 0.001
    joint = np.bincount(draws @ [18, 2, 1], minlength=162)
    assert stats.chisquare(joint).pvalue > 0.001


def test_order_is_a_permutation_that_moves_on_average_a_third():
    order = random.permutation(random.key(1, 0, 0), 9_000)
    assert sorted(order) == list(range(9_000))
    assert np.abs(order - np.arange(9_000)).mean() == pytest.approx(3_000, rel=0.05)
    assert not np.array_equal(order, random.permutation(random.key(1, 1, 0), 9_000))


def test_bits_are_splitmix64():
    """The published first outputs of SplitMix64 for seed 0, through its finaliser."""
    counters = np.arange(1, 4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert [hex(value) for value in random.mix(counters).tolist()] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_keys_differ_with_every_counter_and_with_their_order():
    keys = {
        random.key(*counters)
        for counters in ((0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 1), (0, 1, 0))
    }
    assert len(keys) == 7


def test_normalised_train_pixels_have_mean_zero_and_deviation_one():
    splits = dataset.load("phantom", sizes={"train": 300, "val": 20, "test": 20})
    normal = augment.normalise(splits.train.images, splits.mean, splits.std)
    torch.testing.assert_close(normal.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(normal.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)


def test_the_proof_sees_which_split_moves():
    splits = dataset.load("phantom", sizes={"train": 200, "val": 100, "test": 100})
    moving = augment.proof(splits, seed=0, augment=True)
    assert moving["train"] > 0.9 and moving["val"] == moving["test"] == 0
    assert augment.proof(splits, seed=0, augment=False) == {"train": 0, "val": 0, "test": 0}
