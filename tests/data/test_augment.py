import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2
from torchvision.transforms.functional import crop, erase, hflip, pad

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


@pytest.mark.parametrize("moved", [True, False])
def test_cutout_is_torchvisions_erase_of_the_same_box_after_all_else(images, moved):
    draws = augment.draw_augmentation(3, 1, np.arange(60), moved, cutout_size=9)
    without = augment.draw_augmentation(3, 1, np.arange(60), moved)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
    ours = augment.training_batch(images, draws, mean, std)
    theirs = augment.training_batch(images, without, mean, std)
    boxes = draws[:, 3:].tolist()
    for one, other, (top, bottom, left, right) in zip(ours, theirs, boxes):
        assert torch.equal(one, erase(other, top, left, bottom - top, right - left, 0.0))
    assert any(bottom - top == right - left == 9 for top, bottom, left, right in boxes)


@pytest.mark.parametrize("side, size", [(32, 8), (32, 16), (64, 7)])
def test_cutouts_centre_is_uniform_and_its_box_is_clipped_as_devries_and_taylor_clip_it(side, size):
    boxes = augment.draw_cutout(5, 0, np.arange(20_000), side, size)
    # y1 = clip(y - length // 2, 0, h), y2 = clip(y + length // 2, 0, h) for an even length
    expected = [(max(c - size // 2, 0), min(c - size // 2 + size, side)) for c in range(side)]
    for axis in (boxes[:, :2], boxes[:, 2:]):
        places = [tuple(place) for place in axis.tolist()]
        assert set(places) == set(expected)
        middle = [places.count(place) for place in expected if place[1] - place[0] == size]
        assert stats.chisquare(middle).pvalue > 0.001
    assert stats.pearsonr(boxes[:, 0], boxes[:, 2]).pvalue > 0.001


def test_cutouts_draws_belong_to_seed_epoch_and_image_and_move_nothing_else():
    index = np.array([5, 900, 44_999])
    both = augment.draw_augmentation(1, 2, index, True, cutout_size=8)
    assert torch.equal(both[:, :3], augment.draw_augmentation(1, 2, index, True))
    alone = augment.draw_augmentation(1, 2, index, False, cutout_size=8)
    assert torch.equal(both[:, 3:], alone[:, 3:])
    assert torch.equal(augment.draw_augmentation(1, 2, index[1:2], True, cutout_size=8), both[1:2])
    many = augment.draw_cutout(1, 2, np.arange(1000), 32, 8)
    for seed, epoch in ((2, 2), (1, 3)):
        other = augment.draw_cutout(seed, epoch, np.arange(1000), 32, 8)
        assert (many != other).any(1).double().mean() > 0.95


def test_the_input_stays_as_it_was(images):
    before = images.clone()
    draws = augment.draw_augmentation(0, 0, np.arange(60), True, cutout_size=8)
    augment.training_batch(images, draws, (0.5,) * 3, (0.2,) * 3)
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
    cut = augment.proof(splits, seed=0, augment=False, cutout_size=8)
    assert cut["train"] > 0.9 and cut["val"] == cut["test"] == 0


def test_what_is_no_number_turns_no_proof_round():
    splits = dataset.load("phantom", sizes={"train": 60, "val": 20, "test": 20})
    odd = dataclasses.replace(splits, mean=(0.5, float("nan"), 0.5))
    assert augment.proof(odd, seed=0, augment=True) == {"train": 1, "val": 0, "test": 0}
