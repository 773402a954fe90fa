"""Interventions against OpenCV, Pillow and NumPy, and the promises of what is random."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.stats import chisquare, kstest

from lib.diagnosis import interventions

MEAN = (0.5, 0.4, 0.3)
KEYS = np.arange(100, 140)


@pytest.fixture(scope="module")
def images():
    coarse = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return (255 * F.interpolate(coarse, size=(32, 32), mode="bilinear")).to(torch.uint8)


ALL = {
    **{
        kind: lambda x, keys, kind=kind: interventions.fill(x, kind, MEAN, keys, seed=3)
        for kind in interventions.FILLS
    },
    **{
        f"shuffle {grid}": lambda x, keys, grid=grid: interventions.patch_shuffle(
            x, grid, keys, seed=3
        )
        for grid in (2, 4, 8)
    },
    "grey": lambda x, keys: interventions.grey(x),
    "low pass": lambda x, keys: interventions.low_pass(x, 1.5),
    "high pass": lambda x, keys: interventions.high_pass(x, 1.5, MEAN),
}


@pytest.mark.parametrize("name", ALL)
def test_neither_batch_size_nor_order_changes_a_picture(images, name):
    whole = ALL[name](images, KEYS)
    parts = torch.cat([ALL[name](images[i : i + 7], KEYS[i : i + 7]) for i in range(0, 40, 7)])
    assert whole.dtype == torch.uint8 and whole.shape == images.shape and torch.equal(whole, parts)
    assert torch.equal(ALL[name](images.flip(0), KEYS[::-1]), whole.flip(0))


@pytest.mark.parametrize("name", ALL)
def test_float_pictures_agree_to_rounding_and_no_input_changes(images, name):
    before = images.clone()
    exact = ALL[name](images.float(), KEYS)
    assert exact.dtype == torch.float32 and torch.equal(images, before)
    assert (exact.clamp(0, 255) - ALL[name](images, KEYS).float()).abs().max() <= 0.5 + 1e-3


@pytest.mark.parametrize("sigma", [0.7, 1.5, 8.0])
def test_low_pass_is_the_gaussian_of_opencv(images, sigma):
    width = 2 * int(4 * sigma + 0.5) + 1
    ours = interventions.low_pass(images.float(), sigma)
    for image, blurred in zip(images[:5].float().numpy(), ours.numpy()):
        # as the edge mirrors it
        tiled = np.pad(image, ((0, 0), (32, 32), (32, 32)), mode="symmetric").transpose(1, 2, 0)
        theirs = cv2.GaussianBlur(tiled, (width, width), sigma)[32:64, 32:64].transpose(2, 0, 1)
        np.testing.assert_allclose(blurred, theirs, atol=0.02)


def test_low_and_high_pass_are_the_whole_picture(images):
    low, high = (
        interventions.low_pass(images.float(), 2.0),
        interventions.high_pass(images.float(), 2.0, MEAN),
    )
    torch.testing.assert_close(
        low + high - 255 * torch.tensor(MEAN).view(3, 1, 1), images.float(), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(
        high.mean((2, 3)), 255 * torch.tensor(MEAN).expand(40, 3), atol=1e-2, rtol=0
    )


def test_grey_is_the_luma_of_pillow(images):
    for image, ours in zip(images, interventions.grey(images)):
        theirs = np.array(Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L"))
        assert torch.equal(ours[0], ours[1]) and torch.equal(ours[0], ours[2])
        assert np.abs(ours[0].numpy().astype(int) - theirs).max() <= 1


def patches(image, grid):
    return [
        part.tobytes()
        for rows in np.split(image.numpy(), grid, 1)
        for part in np.split(np.ascontiguousarray(rows), grid, 2)
    ]


@pytest.mark.parametrize("grid", [2, 4, 8])
def test_a_shuffle_moves_every_patch_and_loses_none(images, grid):
    for image, shuffled in zip(images, interventions.patch_shuffle(images, grid, KEYS)):
        before, after = patches(image, grid), patches(shuffled, grid)
        assert sorted(before) == sorted(after) and not any(
            one == other for one, other in zip(before, after)
        )


def test_the_six_cycles_of_four_patches_are_equally_likely():
    numbered = torch.arange(4, dtype=torch.uint8).view(1, 1, 2, 2).expand(6000, 3, 2, 2)
    shuffled = interventions.patch_shuffle(numbered, 2, np.arange(6000))[:, 0].flatten(1).numpy()
    kinds, counts = np.unique(shuffled, axis=0, return_counts=True)
    assert len(kinds) == 6 and chisquare(counts).pvalue > 1e-3


def test_noise_is_uniform_and_another_for_each_key_and_seed(images):
    noise = interventions.fill(images.float(), "noise", MEAN, KEYS).numpy()
    assert kstest((noise.ravel() + 0.5) / 256, "uniform").statistic < 0.01
    assert abs(np.corrcoef(noise.reshape(40, -1))[np.triu_indices(40, 1)]).max() < 0.1
    assert (
        interventions.fill(images.float(), "noise", MEAN, KEYS, seed=1).numpy() == noise
    ).mean() < 0.01


def test_the_mean_fill_is_the_zero_of_the_network(images):
    filled = interventions.fill(images.float(), "mean", MEAN, KEYS)
    torch.testing.assert_close(filled / 255, torch.tensor(MEAN).view(3, 1, 1).expand(images.shape))


@pytest.mark.parametrize("share, cells", [(0.25, 4), (0.5, 8), (0.01, 1)])
def test_hot_and_cold_cells_are_the_ends_of_the_order(share, cells):
    maps = torch.randn(30, 4, 4, generator=torch.Generator().manual_seed(1))
    hot, cold = interventions.hottest(maps, share), interventions.coldest(maps, share)
    for one, its_hot, its_cold in zip(
        maps.flatten(1).numpy(), hot.flatten(1).numpy(), cold.flatten(1).numpy()
    ):
        order = np.argsort(one)
        assert set(np.flatnonzero(its_hot)) == set(order[-cells:]) and set(
            np.flatnonzero(its_cold)
        ) == set(order[:cells])


def test_equal_cells_are_taken_in_reading_order_and_never_twice():
    flat = torch.zeros(1, 4, 4)
    hot, cold = interventions.hottest(flat, 0.25), interventions.coldest(flat, 0.25)
    assert hot.flatten().nonzero().flatten().tolist() == [0, 1, 2, 3]
    assert cold.flatten().nonzero().flatten().tolist() == [12, 13, 14, 15]


def test_random_cells_have_equal_area_and_every_cell_its_turn():
    drawn = interventions.random_cells(np.arange(2000), 4, 4, 0.25, draws=3)
    assert drawn.shape == (3, 2000, 4, 4) and (drawn.sum((2, 3)) == 4).all()
    assert chisquare(drawn.sum((0, 1)).flatten().numpy()).pvalue > 1e-3
    alone = interventions.random_cells(np.array([1234]), 4, 4, 0.25, draws=3)
    assert torch.equal(alone[:, 0], drawn[:, 1234])
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(
        interventions.random_cells(np.arange(2000), 4, 4, 0.25, draws=3, seed=1), drawn
    )


def test_only_masked_pixels_are_replaced(images):
    mask = interventions.pixels(torch.arange(16).view(1, 4, 4).expand(40, 4, 4) == 6)
    assert mask[0, 8:16, 16:24].all() and mask[0].sum() == 64
    covered = interventions.replace(images, mask, torch.zeros_like(images))
    assert covered[:, :, 8:16, 16:24].sum() == 0
    assert torch.equal(covered[:, :, 16:], images[:, :, 16:]) and torch.equal(
        covered[:, :, :, :16], images[:, :, :, :16]
    )
    assert torch.equal(interventions.replace(images, mask[0], torch.zeros_like(images)), covered)


@pytest.mark.parametrize("size, stride, places", [(8, 4, 49), (8, 5, 36), (32, 4, 1)])
def test_windows_are_those_of_fold_and_reach_every_edge(size, stride, places):
    found = list(interventions.windows(size, stride))
    assert len(found) == places and all(
        mask[top:, left:].sum() == size * size for top, left, mask in found
    )
    covered = torch.stack([mask for _, _, mask in found]).sum(0).float()
    assert (covered > 0).all()
    if (32 - size) % stride == 0:
        folded = F.fold(torch.ones(1, size * size, places), (32, 32), size, stride=stride)[0, 0]
        assert torch.equal(covered, folded)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: interventions.fill(x, "pink", MEAN, KEYS), "pink"),
        (lambda x: interventions.patch_shuffle(x, 5, KEYS), "got 5"),
        (lambda x: interventions.patch_shuffle(x, 1, KEYS), "got 1"),
        (lambda x: interventions.hottest(x[:, 0], 1.0), "got 1.0"),
        (lambda x: interventions.pixels(torch.zeros(2, 5, 33)), "got 5x33"),
        (lambda x: list(interventions.windows(33)), "size 33"),
        (lambda x: list(interventions.windows(8, 0)), "stride 0"),
    ],
)
def test_what_makes_no_sense_is_refused(images, call, message):
    with pytest.raises(ValueError, match=message):
        call(images)
