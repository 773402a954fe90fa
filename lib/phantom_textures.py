"""The phantom's backgrounds: textures in integers, each a field 0..128 that blends two colours.

The first TIED textures each belong to one class (see phantom.TIED_CLASSES), the rest are the neutral pool.
"""

import numpy as np

from lib.phantom_random import draw, lattice

TIED = 8
NAMES = (
    "brick",
    "waves",
    "lawn",
    "dots",
    "tiles",
    "planks",
    "lattice",
    "zigzag",
    "clouds",
    "patches",
    "slope",
    "bars",
    "bands",
    "facets",
    "halo",
    "gravel",
)
_Y, _X = np.arange(32)[None, :, None], np.arange(32)[None, None, :]


def _triangle(position, period):
    """A triangle wave 0..128."""
    return np.abs(position % period * 256 // period - 128)


def _cloud(keys, slot, step):
    """Value noise: a random value at every `step` pixels (N,), linearly blended between, 0..128."""
    shift = [draw(keys, slot + axis, 0, 8)[:, None, None] for axis in (1, 2)]
    step = step[:, None, None]
    (cy, fy), (cx, fx) = np.divmod(_Y + shift[0], step), np.divmod(_X + shift[1], step)
    corner = [lattice(keys, slot, cy + dy, cx + dx) >> 1 for dy in (0, 1) for dx in (0, 1)]
    upper = corner[0] * (step - fx) + corner[1] * fx
    lower = corner[2] * (step - fx) + corner[3] * fx
    return (upper * (step - fy) + lower * fy) // (step * step)


def field(texture: int, keys: np.ndarray) -> np.ndarray:
    """The texture's field (N, 32, 32), int16 0..128, for the images with these keys (N,); every image differs."""
    py, px, a, b = (draw(keys, 200 + slot, 0, 64)[:, None, None] for slot in range(4))
    y, x = _Y + py, _X + px
    slant = np.where(a % 2 == 0, x + y, x - y + 64)
    name = NAMES[texture]
    if name == "brick":  # mortar lines, each course shifted by half a brick
        course = y // 5
        brick = (x + course % 2 * 5) // 10
        tone = 70 + (lattice(keys, 210, course, brick) >> 2)
        value = np.where((y % 5 == 0) | ((x + course % 2 * 5) % 10 == 0), 0, tone)
    elif name == "waves":  # rows of round crests, each row half a crest further
        row = y // 6
        value = np.where(
            (y % 6) * 4 <= ((x + row % 2 * 6) % 12 - 6) ** 2 // 2 + 4, 128, 24 + y % 6 * 10
        )
    elif name == "lawn":  # short upright strokes, out of step from column to column
        value = lattice(keys, 210, (y + lattice(keys, 211, 0 * y[:, :1], x) % 6) // 6, x) >> 1
    elif name == "dots":  # round spots on a square grid
        value = np.where((y % 6 - 2) ** 2 + (x % 6 - 2) ** 2 <= 4, 128, 20)
    elif name == "tiles":  # a chessboard of worn tiles
        value = (y // 4 + x // 4) % 2 * 80 + (lattice(keys, 210, y // 4, x // 4) >> 3) + 8
    elif name == "planks":  # boards with dark seams and grain along them
        board = y // 7
        tone = (
            50 + (lattice(keys, 210, board, 0 * x) >> 2) % 32 + (lattice(keys, 211, y, x // 6) >> 3)
        )
        value = np.where(y % 7 == 0, 0, tone)
    elif name == "lattice":  # thin wires crossing on both diagonals
        value = np.where(((x + y) % 8 == 0) | ((x - y + 64) % 8 == 0), 128, 16)
    elif name == "zigzag":  # steep folds, set side by side
        value = _triangle(x + np.abs(y % 12 - 6), 8)
    elif name == "clouds":
        value = _cloud(keys, 212, 6 + a[:, 0, 0] % 5)
    elif name == "patches":  # a quilt of flat blocks
        value = lattice(keys, 210, y // (5 + a % 4), x // (5 + b % 4)) >> 1
    elif name == "slope":  # an even slope with some cloud in it
        value = (_triangle(slant, 64) + _cloud(keys, 212, 8 + a[:, 0, 0] % 4)) >> 1
    elif name == "bars":  # upright bars of uneven tone
        value = lattice(keys, 210, 0 * y, x // (3 + a % 4)) >> 1
    elif name == "bands":  # broad slanting bands with blurred rims
        value = _triangle(slant, 14 + b % 8)
    elif name == "facets":  # triangles: the square cells of a grid, each cut along a diagonal
        size = 8 + a % 4
        value = lattice(keys, 210, y // size, x // size * 2 + (y % size > x % size)) >> 1
    elif name == "halo":  # rings round a point outside or inside the picture
        value = _triangle(((_Y - b % 32) ** 2 + (_X - a % 32) ** 2) // 8, 24 + b // 4)
    else:  # gravel: fine grains in clumps
        value = (lattice(keys, 210, y // 2, x // 2) + _cloud(keys, 212, 6 + 0 * a[:, 0, 0])) // 3
    return np.broadcast_to(value, (len(keys), 32, 32)).clip(0, 128).astype(np.int16)
