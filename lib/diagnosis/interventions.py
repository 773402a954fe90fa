"""Interventions on pictures, in batches: parts covered, shape, colour or detail taken away. No
network is involved.

Pictures are (N, 3, h, w), uint8 or float, in levels 0..255; each result has the type of its input,
uint8 rounded and clipped, and no input is changed. What is random is counted (see lib.base.random):
`keys` (N,) are whole numbers that name the images, and the same key and seed give the same draw in
a batch of any size and order."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from lib.base import random

FILLS = ("mean", "blur", "noise")
BLUR = 0.25  # of a side, 8 of 32 pixels: of the picture remain its coarse colours
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
CELLS, PATCHES, NOISE = 11, 12, 13  # purposes of random streams


def fill(images: torch.Tensor, kind: str, mean, keys, seed: int = 0) -> torch.Tensor:
    """A whole picture (N, 3, h, w) for each image, to take a covered part from; raises ValueError
    for an unknown kind.

    "mean": the colour `mean` (3 values in 0..1) of the training pixels, the network's zero, which
    tells nothing of the image; "noise": uniform over 0..255 for each pixel and channel, which tells
    nothing either and has edges everywhere; "blur": the image under a Gaussian of BLUR of its side,
    which keeps the colours around and makes no edge."""
    if kind == "blur":
        return low_pass(images, BLUR * images.shape[-1])
    if kind == "noise":
        return (
            torch.from_numpy(_noise(keys, seed, images.shape[1:].numel()))
            .reshape(images.shape)
            .to(images)
        )
    if kind == "mean":
        return _like(images, _colour(mean, images).expand(images.shape))
    raise ValueError(f"fill: got {kind!r}; allowed: {', '.join(FILLS)}")


def replace(images: torch.Tensor, mask: torch.Tensor, filling: torch.Tensor) -> torch.Tensor:
    """The images (N, 3, h, w) with the pixels of `mask`, bool (N, h, w) or (h, w), taken from
    `filling`."""
    return torch.where(mask.unsqueeze(-3), filling, images)


def pixels(cells: torch.Tensor, size: int = 32) -> torch.Tensor:
    """Cells (..., h, w) as squares of a picture (..., size, size), or nearly so where h and w do
    not divide `size`; raises ValueError for more cells than pixels."""
    height, width = cells.shape[-2:]
    if max(height, width) > size:
        raise ValueError(f"cells: got {height}x{width}; allowed: at most {size}x{size}")
    rows, columns = (torch.arange(size) * number // size for number in (height, width))
    return cells[..., rows[:, None], columns]


def ranks(maps: torch.Tensor) -> torch.Tensor:
    """The place of each cell in its map, (N, h, w) to int64 (N, h, w): 0 is the hottest; equal
    cells in reading order."""
    return (
        maps.flatten(1).argsort(dim=1, descending=True, stable=True).argsort(dim=1).view(maps.shape)
    )


def hottest(maps: torch.Tensor, share: float) -> torch.Tensor:
    """The cells with the largest values of each map (N, h, w), a share of all: bool (N, h, w)."""
    return ranks(maps) < cell_count(maps.shape[1:].numel(), share)


def coldest(maps: torch.Tensor, share: float) -> torch.Tensor:
    """The cells with the smallest values of each map (N, h, w), as many as `hottest` takes: bool
    (N, h, w)."""
    return ranks(maps) >= maps.shape[1:].numel() - cell_count(maps.shape[1:].numel(), share)


def random_cells(
    keys, height: int, width: int, share: float, draws: int, seed: int = 0
) -> torch.Tensor:
    """As many cells as `hottest` takes, drawn from all alike: bool (draws, N, height, width)."""
    return random_ranks(keys, height, width, draws, seed) < cell_count(height * width, share)


def random_ranks(keys, height: int, width: int, draws: int, seed: int = 0) -> torch.Tensor:
    """A random order of the cells for each image and draw: int64 (draws, N, height, width), each
    0..height * width - 1."""
    orders = [_orders(random.key(seed, CELLS, draw), keys, height * width) for draw in range(draws)]
    return torch.from_numpy(np.stack(orders)).view(draws, len(keys), height, width)


def cell_count(cells: int, share: float) -> int:
    """How many of the cells a share of them is, at least one; raises ValueError unless 0 < share <
    1."""
    if not 0 < share < 1:
        raise ValueError(f"share: got {share}; allowed: above 0 and below 1")
    return max(1, round(share * cells))


def patch_shuffle(images: torch.Tensor, grid: int, keys, seed: int = 0) -> torch.Tensor:
    """Cut into grid x grid squares and put together in another order, so that shape goes and
    texture stays.

    The order is one random cycle through all the squares: none stays where it was. Raises
    ValueError unless `grid` is at least 2 and divides the sides.
    """
    number, channels, height, width = images.shape
    if grid < 2 or height % grid or width % grid:
        raise ValueError(f"grid: got {grid}; allowed: divisors of {height} and {width} from 2")
    cycle = torch.from_numpy(_orders(random.key(seed, PATCHES, grid), keys, grid * grid))
    # (N, grid * grid)
    source = torch.empty_like(cycle).scatter_(1, cycle, cycle.roll(1, 1)).to(images.device)
    tall, wide = height // grid, width // grid
    patches = (
        images.reshape(number, channels, grid, tall, grid, wide)
        .permute(0, 2, 4, 1, 3, 5)
        .flatten(1, 2)
    )
    # (N, grid * grid, 3, tall, wide)
    moved = patches[torch.arange(number, device=images.device)[:, None], source]
    return (
        moved.view(number, grid, grid, channels, tall, wide)
        .permute(0, 3, 1, 4, 2, 5)
        .reshape(images.shape)
    )


def grey(images: torch.Tensor) -> torch.Tensor:
    """Without colour: all three channels are the luma of ITU-R BT.601."""
    luma = (images.float() * images.new_tensor(LUMA, dtype=torch.float32).view(3, 1, 1)).sum(
        1, keepdim=True
    )
    return _like(images, luma.expand(images.shape))


def low_pass(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Without detail: a Gaussian of `sigma` pixels, cut at four of them, the picture mirrored at
    its edges."""
    return _like(images, _blurred(images, sigma))


def high_pass(images: torch.Tensor, sigma: float, mean) -> torch.Tensor:
    """Without coarse light and colour: what `low_pass` takes away, around the colour `mean` (in
    0..1) of the training pixels."""
    return _like(images, images.float() - _blurred(images, sigma) + _colour(mean, images))


def windows(
    size: int = 8, stride: int = 4, side: int = 32
) -> Iterator[tuple[int, int, torch.Tensor]]:
    """Every place of a size x size square in a picture of `side` pixels, as (top, left, mask bool
    (side, side)).

    Rows of places in reading order, 49 of them by default; the last of a row touches the edge.
    Raises ValueError unless 1 <= size <= side and stride >= 1.
    """
    if not 1 <= size <= side or stride < 1:
        raise ValueError(
            f"windows: got size {size} and stride {stride}; allowed: sizes 1 to {side}, strides "
            "from 1"
        )
    starts = sorted({*range(0, side - size + 1, stride), side - size})
    for top, left in ((top, left) for top in starts for left in starts):
        mask = torch.zeros(side, side, dtype=torch.bool)
        mask[top : top + size, left : left + size] = True
        yield top, left, mask


def _like(images: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return (
        values.round().clamp(0, 255).to(torch.uint8)
        if images.dtype == torch.uint8
        else values.to(images.dtype)
    )


def _colour(mean, images: torch.Tensor) -> torch.Tensor:
    return 255 * torch.tensor(mean, dtype=torch.float32, device=images.device).view(3, 1, 1)


def _blurred(images: torch.Tensor, sigma: float) -> torch.Tensor:
    rows, columns = (_gaussian(length, sigma).to(images.device) for length in images.shape[-2:])
    return rows @ images.float() @ columns.T


@lru_cache
def _gaussian(length: int, sigma: float) -> torch.Tensor:
    """The blur of one axis as a matrix (length, length)."""
    return torch.from_numpy(
        gaussian_filter1d(np.eye(length), sigma, axis=0, mode="reflect")
    ).float()


def _orders(stream: int, keys, items: int) -> np.ndarray:
    """A random order of 0..items-1 for each key: int64 (N, items)."""
    return np.argsort(random.bits(stream, _counters(keys, items)), axis=1, kind="stable")


def _noise(keys, seed: int, values: int) -> np.ndarray:
    """Random bytes (N, values) for each key."""
    words = random.bits(random.key(seed, NOISE), _counters(keys, -(-values // 8)))
    return words.astype("<u8").view(np.uint8)[:, :values]


def _counters(keys, items: int) -> np.ndarray:
    """Counters (N, items) that no two keys share."""
    return np.asarray(keys).astype(np.uint64)[:, None] * np.uint64(items) + np.arange(
        items, dtype=np.uint64
    )
