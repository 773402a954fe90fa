"""What the phantom is drawn from: counter-based random numbers, twenty shapes and sixteen textures.

Every number is a hash of (seed, split, image, slot), so no draw depends on another. Integer
arithmetic on uint64 alone (splitmix64, https://prng.di.unimi.it/splitmix64.c): the same bytes on
every platform and with every version of NumPy.
"""

from functools import cache
from math import isqrt

import numpy as np

from lib.base.random import INCREMENT, MASK, mix


def keys(seed: int, stream: int, first: int, count: int) -> np.ndarray:
    """One uint64 key (count,) for each of the items `first`, `first + 1`, ... of a stream of a
    seed."""
    start = mix(np.array([((seed + 1) * INCREMENT) & MASK], np.uint64))
    start = mix(start ^ np.array([((stream + 1) * 0xD1B54A32D192ED03) & MASK], np.uint64))
    items = np.arange(first + 1, first + 1 + count, dtype=np.uint64)
    return mix(start + items * np.uint64(INCREMENT))


def draw(item_keys: np.ndarray, slot: int, low: int, high: int) -> np.ndarray:
    """One integer (N,), int64, from `low` up to and without `high`, for each key (N,); each slot is
    a fresh number."""
    bits = mix(item_keys + np.uint64(((slot + 1) * INCREMENT) & MASK))
    return ((bits >> np.uint64(32)) * np.uint64(high - low) >> np.uint64(32)).astype(np.int64) + low


def lattice(item_keys: np.ndarray, slot: int, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A random byte, int16 0..255, of each cell (y, x) of each item: (N,) keys, cells that
    broadcast to (N, h, w).

    Cells are numbered -32..479 in each direction.
    """
    bits = mix(item_keys + np.uint64(((slot + 1) * INCREMENT) & MASK))
    cells = ((y + 32) * 512 + (x + 32)).astype(np.uint64)
    bits = mix(bits[:, None, None] + cells * np.uint64(INCREMENT))
    return (bits >> np.uint64(56)).astype(np.int16)


def noise(item_keys: np.ndarray, slot: int, count: int) -> np.ndarray:
    """Noise (N, count), int16: the sum of two uniform half bytes less 15, so triangular on
    -15..15."""
    words = -(-count // 8)
    bits = mix(item_keys + np.uint64(((slot + 1) * INCREMENT) & MASK))
    bits = mix(bits[:, None] + np.arange(words, dtype=np.uint64) * np.uint64(INCREMENT))
    shifts = np.arange(0, 64, 8, dtype=np.uint64)
    octets = (
        ((bits[:, :, None] >> shifts) & np.uint64(255))
        .astype(np.int16)
        .reshape(len(item_keys), -1)[:, :count]
    )
    return (octets >> 4) + (octets & 15) - 15


# The phantom's twenty shapes, drawn in integers: silhouettes on a fine grid, averaged down to 32x32
# pixels. Shapes come in ten look-alike pairs (classes 2k and 2k + 1): the second has one small
# detail that the first lacks.


# cells a side of a template; the shapes below are in units of half a cell, -95..95, y down
GRID = 96
# 1024 (cos, sin) of 0, 5, -5, 10, -10 degrees
TURNS = (
    (1024, 0),
    (1020, 89),
    (1020, -89),
    (1008, 178),
    (1008, -178),
)


def _box(x, y, left, top, right, bottom):
    return (x >= left) & (x <= right) & (y >= top) & (y <= bottom)


def _ball(x, y, cx, cy, radius):
    return (x - cx) ** 2 + (y - cy) ** 2 <= radius**2


def _wedge(x, y, top, bottom, at_top, at_bottom):
    """A trapezoid around x = 0 with half widths `at_top` and `at_bottom`."""
    half = at_top * (bottom - top) + (at_bottom - at_top) * (y - top)
    return (y >= top) & (y <= bottom) & (np.abs(x) * (bottom - top) <= half)


def _pairs(x, y):
    """Ten pairs (name, plain shape, name, detail, adds): the second shape is the first with its
    detail added or cut."""
    disc = _ball(x, y, 0, 0, 84)
    ring = disc & ~_ball(x, y, 0, 0, 44)
    house = _box(x, y, -64, -8, 64, 84) | _wedge(x, y, -80, -8, 0, 88)
    tower = _box(x, y, -44, -40, 44, 86) | _box(x, y, -66, -82, 66, -26)
    cup = _wedge(x, y, -64, 70, 60, 40)
    handle = _ball(x, y, 54, -8, 42) & ~_ball(x, y, 54, -8, 18)
    bottle = _box(x, y, -40, -14, 40, 88) | _box(x, y, -15, -88, 15, -14)
    wheels = _ball(x, y, -50, 40, 24) | _ball(x, y, 50, 40, 24)
    car = _box(x, y, -88, -4, 88, 36) | _wedge(x, y, -44, -4, 40, 58) | wheels
    fish = (x + 18) ** 2 * 9 + y**2 * 25 <= 9 * 70**2
    fish |= (x >= 30) & (x <= 88) & (np.abs(y) * 2 <= x - 8)
    triangle = _wedge(x, y, -80, 72, 0, 88)
    return [
        ("disc", disc, "cookie", _ball(x, y, 58, -58, 44), False),
        ("ring", ring, "horseshoe", _box(x, y, -24, 0, 24, 95), False),
        ("square", _box(x, y, -68, -68, 68, 68), "tag", x - y > 78, False),
        ("triangle", triangle, "tent", _wedge(x, y, 4, 95, 10, 28), False),
        ("house", house, "cottage", _box(x, y, 32, -84, 66, 0), True),
        (
            "tower",
            tower,
            "castle",
            _box(x, y, -36, -95, -12, -54) | _box(x, y, 12, -95, 36, -54),
            False,
        ),
        ("cup", cup, "mug", handle & ~cup, True),
        ("bottle", bottle, "spray", _box(x, y, 15, -88, 60, -54), True),
        ("car", car, "taxi", _box(x, y, -24, -76, 24, -44), True),
        ("fish", fish, "shark", _wedge(x + 14, y, -88, -30, 8, 30), True),
    ]


@cache
def templates() -> tuple[tuple[str, ...], np.ndarray]:
    """The class names and the summed areas (class, turn, GRID + 1, GRID + 1), int32, of their
    silhouettes."""
    ticks = 2 * np.arange(GRID) - GRID + 1
    y0, x0 = np.meshgrid(ticks, ticks, indexing="ij")
    tables, names = [], []
    for cosine, sine in TURNS:
        x, y = (cosine * x0 + sine * y0) >> 10, (cosine * y0 - sine * x0) >> 10
        names, shapes = [], []
        for plain_name, plain, name, detail, adds in _pairs(x, y):
            names += [plain_name, name]
            shapes += [plain, plain | detail if adds else plain & ~detail]
        areas = (
            np.stack(shapes).astype(np.int32).cumsum(1, dtype=np.int32).cumsum(2, dtype=np.int32)
        )
        tables.append(np.pad(areas, ((0, 0), (1, 0), (1, 0))))
    table = np.stack(tables, 1)
    table.setflags(write=False)
    return tuple(names), table


@cache
def box_sizes() -> np.ndarray:
    """Factors (class,), int64, in 256ths, that make a box of nominal size large enough for its
    shape.

    Then the plain shape of every pair covers two fifths of the nominal square; both of a pair have
    one factor, so that size does not give the class away.
    """
    areas = [int(templates()[1][label // 2 * 2, 0, -1, -1]) for label in range(len(templates()[0]))]
    return np.array([isqrt(256 * 256 * 2 * GRID * GRID // (5 * area)) for area in areas], np.int64)


def coverage(shape, turn, mirrored, top, left, height, width) -> np.ndarray:
    """How much of each pixel a shape covers: (N, 32, 32), int16, 0 (nothing) to 128 (all of it).

    All arguments are int64 (N,): class, row of TURNS, 0 or 1, and the template's box in sixteenths
    of a pixel."""
    edges = np.arange(33) * 16
    # (N, 33), template cells at the pixels' edges
    rows = (edges - top[:, None]) * GRID // height[:, None]
    columns = (edges - left[:, None]) * GRID // width[:, None]
    columns = np.where(mirrored[:, None] == 1, GRID - columns, columns)
    area = (rows[:, 1:] - rows[:, :-1])[:, :, None] * np.abs(columns[:, 1:] - columns[:, :-1])[
        :, None, :
    ]
    rows, columns = rows.clip(0, GRID)[:, :, None], columns.clip(0, GRID)[:, None, :]
    table = templates()[1].reshape(-1)
    start = ((shape * len(TURNS) + turn) * (GRID + 1) ** 2)[:, None, None]
    sums = table[start + rows * (GRID + 1) + columns]  # (N, 33, 33)
    covered = np.abs(sums[:, 1:, 1:] - sums[:, 1:, :-1] - sums[:, :-1, 1:] + sums[:, :-1, :-1])
    return (covered * 128 // area).astype(np.int16)


# The phantom's backgrounds: textures in integers, each a field 0..128 that blends two colours. The
# first TIED textures each belong to one class (see lib.data.phantom.draw.TIED_CLASSES), the rest
# are the neutral pool.


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
    """The texture's field (N, 32, 32), int16 0..128, for the images with these keys (N,); every
    image differs."""
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
