"""The phantom's twenty shapes, drawn in integers: silhouettes on a fine grid, averaged down to 32x32 pixels.

Shapes come in ten look-alike pairs (classes 2k and 2k + 1): the second has one small detail that the first lacks.
"""

from functools import cache
from math import isqrt

import numpy as np

GRID = (
    96  # cells a side of a template; the shapes below are in units of half a cell, -95..95, y down
)
TURNS = (
    (1024, 0),
    (1020, 89),
    (1020, -89),
    (1008, 178),
    (1008, -178),
)  # 1024 (cos, sin) of 0, 5, -5, 10, -10 degrees


def _box(x, y, left, top, right, bottom):
    return (x >= left) & (x <= right) & (y >= top) & (y <= bottom)


def _ball(x, y, cx, cy, radius):
    return (x - cx) ** 2 + (y - cy) ** 2 <= radius**2


def _wedge(x, y, top, bottom, at_top, at_bottom):
    """A trapezoid around x = 0 with half widths `at_top` and `at_bottom`."""
    half = at_top * (bottom - top) + (at_bottom - at_top) * (y - top)
    return (y >= top) & (y <= bottom) & (np.abs(x) * (bottom - top) <= half)


def _pairs(x, y):
    """Ten pairs (name, plain shape, name, detail, adds): the second shape is the first with its detail added or cut."""
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
    """The class names and the summed areas (class, turn, GRID + 1, GRID + 1), int32, of their silhouettes."""
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
    """Factors (class,), int64, in 256ths, that make a box of nominal size large enough for its shape.

    Then the plain shape of every pair covers two fifths of the nominal square; both of a pair have one factor, so that
    size does not give the class away.
    """
    areas = [int(templates()[1][label // 2 * 2, 0, -1, -1]) for label in range(len(templates()[0]))]
    return np.array([isqrt(256 * 256 * 2 * GRID * GRID // (5 * area)) for area in areas], np.int64)


def coverage(shape, turn, mirrored, top, left, height, width) -> np.ndarray:
    """How much of each pixel a shape covers: (N, 32, 32), int16, 0 (nothing) to 128 (all of it).

    All arguments are int64 (N,): class, row of TURNS, 0 or 1, and the template's box in sixteenths of a pixel.
    """
    edges = np.arange(33) * 16
    rows = (
        (edges - top[:, None]) * GRID // height[:, None]
    )  # (N, 33), template cells at the pixels' edges
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
