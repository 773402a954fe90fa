"""Figures made of pictures, small ones drawn by whole pixels, and of maps laid over them; and the
images that only one of two arms gets right.
"""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb

from lib.base.text import headed, percent, shorten

# what pulls to the wrong and to the true class, in maps, bars and words alike; no arm's colours
PULL = ("#762a83", "#1b7837")
SMALL = 64  # pixels of a side up to which a picture is drawn by whole pixels
MAP_COLOURS = "RdBu_r"  # red raises the logit, blue lowers it, white does neither


def grid(rows: int, columns: int, cell: float, above: float, left: float = 0.0, below: float = 0.0):
    """A figure of picture axes `cell` inches wide, `above` inches apart for titles. Returns
    (figure, axes (rows, columns))."""
    gap = 0.125  # inches: 24 of 192 pixels
    width, height = left + columns * (cell + gap), rows * (cell + above) + below
    figure = plt.figure(figsize=(width, height))
    axes = np.empty((rows, columns), dtype=object)
    for row, column in np.ndindex(rows, columns):
        bottom = height - (row + 1) * (cell + above)
        axes[row, column] = figure.add_axes(
            ((left + column * (cell + gap)) / width, bottom / height, cell / width, cell / height)
        )
        axes[row, column].set_axis_off()
    return figure, axes


def picture(axis, image: np.ndarray, title: str = "", colour: str = "black") -> None:
    """Draw one (3, h, w) uint8 or (h, w, 3) float image with its pixels as squares, or averaged
    where it has more than are drawn."""
    image = image.transpose(1, 2, 0) if image.shape[0] == 3 else image
    axis.imshow(image, interpolation="none" if len(image) <= SMALL else "antialiased")
    axis.set_title(title, fontsize=8, pad=3, linespacing=1.15, color=colour)


def overlay(image: np.ndarray, raw: np.ndarray, limit: float) -> np.ndarray:
    """A map in logits over a grey image (3, H, W): (H, W, 3) in 0..1; each cell of the map stays a
    square.

    `limit` is the logit at which the colour is full; the same for all maps of a figure.
    """
    grey = image.mean(0) / 255
    cells = _as_pixels(raw, grey.shape)
    colour = plt.get_cmap(MAP_COLOURS)(Normalize(-limit, limit)(cells))[..., :3]
    strength = 0.25 + 0.5 * np.clip(np.abs(cells) / limit, 0, 1)[..., None]
    return np.clip((1 - strength) * grey[..., None] + strength * colour, 0, 1)


def tinted(image: np.ndarray, raw: np.ndarray, limit: float) -> np.ndarray:
    """A map over the grey picture: to the wrong class where positive, to the true one where
    negative."""
    grey = 0.35 + 0.65 * image.mean(0) / 255
    cells = _as_pixels(raw, grey.shape)[..., None]
    strength = np.clip(np.abs(cells) / limit, 0, 1) * 0.85
    colour = np.where(cells > 0, to_rgb(PULL[0]), to_rgb(PULL[1]))
    return (1 - strength) * grey[..., None] + strength * colour


def _as_pixels(raw: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Each pixel's cell of a map."""
    return raw[np.ix_(*(np.arange(n) * m // n for n, m in zip(shape, raw.shape)))]


def on_one_grid(maps: list) -> list:
    """Maps, tensors (N, M, h, w) each, cut into cells of one size, so that they can stand in one
    figure; cells keep their values."""
    sides = [math.lcm(*(one.shape[axis] for one in maps)) for axis in (2, 3)]
    return [
        one.repeat_interleave(sides[0] // one.shape[2], 2).repeat_interleave(
            sides[1] // one.shape[3], 3
        )
        for one in maps
    ]


def failure_gallery(images: np.ndarray, titles: list[str], columns: int = 6):
    """A grid of pictures (N, 3, h, w) with a title each."""
    rows = -(-len(images) // columns)
    figure, axes = grid(max(rows, 1), max(min(columns, len(images)), 1), cell=1.0, above=0.5)
    for axis, image, title in zip(axes.flat, images, titles):
        picture(axis, image, title)
    return figure


def beside_gallery(wrong: np.ndarray, titles: list[str], right: list, right_titles: list[str]):
    """Errors (N, 3, h, w) in a row, below each a right answer (3, h, w) or None, with titles."""
    figure, axes = grid(2, max(len(wrong), 2), cell=1.0, above=0.4375)
    for column, image, title, other, other_title in zip(axes.T, wrong, titles, right, right_titles):
        picture(column[0], image, title)
        if other is not None:
            picture(column[1], other, other_title, PULL[1])
    return figure


def map_gallery(
    images: np.ndarray,
    raw: np.ndarray,
    picture_titles: list[str],
    map_titles: list[list[str]],
    unit: str,
):
    """Columns of a picture and its maps below it, or rows where that takes less room, on one scale,
    with a colour bar.

    images: (N, 3, H, W); raw: (N, M, h, w), in logits; map_titles: M titles for each of the N
    images."""
    limit = float(np.abs(raw).max(initial=0)) or 1.0
    across, down = max(len(images), 2), 1 + raw.shape[1]
    lying = across < down <= 6  # six pictures are a page's measure
    figure, axes = grid(
        *((across, down) if lying else (down, across)), cell=1.0, above=0.4375, below=0.6
    )
    for column, image, its_maps, title, titles in zip(
        axes if lying else axes.T, images, raw, picture_titles, map_titles
    ):
        picture(column[0], image, title)
        for axis, one, map_title in zip(column[1:], its_maps, titles):
            picture(axis, overlay(image, one, limit), map_title)
    width, height = figure.get_size_inches()
    bar = figure.add_axes(
        (0.06 / width, 0.38 / height, min(width - 0.12, 4) / width, 0.08 / height)
    )
    figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), MAP_COLOURS),
        cax=bar,
        orientation="horizontal",
        label=unit,
    )
    bar.tick_params(labelsize=8, length=2)
    bar.xaxis.label.set_size(8)
    return figure


# Test images that one arm gets right and the other wrong, drawn by rule: those made with most
# confidence.


SHOWN = 6
KINDS = ("corrected", "regressed", "both wrong")


def most_confident(
    before: pd.DataFrame, after: pd.DataFrame, steady: dict[str, np.ndarray] | None = None
) -> dict[str, pd.DataFrame]:
    """{kind: the SHOWN most confident}, from two test tables (lib.evaluation.failures.test_table)
    in the same order.

    The confidence is that of the wrong prediction, of images wrong in both the lower one of the
    two; equal ones by id. steady: lib.evaluation.changes.steadiness; images of which every pair of
    seeds says the same come first, and `in all seeds` says which these are."""
    sure = {
        "corrected": before["confidence"],
        "regressed": after["confidence"],
        "both wrong": np.minimum(before["confidence"], after["confidence"]),
    }
    chosen = _of_kind(before, after)
    columns = before[["position", "id", "true"]].assign(
        before=before["predicted"],
        before_confidence=before["confidence"],
        after=after["predicted"],
        after_confidence=after["confidence"],
    )
    always = {
        kind: np.zeros(len(before), bool) if steady is None else steady[kind] == 1 for kind in KINDS
    }
    return {
        kind: columns.assign(sure=sure[kind], **{"in all seeds": always[kind]})[chosen[kind]]
        .sort_values(["in all seeds", "sure", "id"], ascending=[False, False, True])
        .head(SHOWN)
        .reset_index(drop=True)
        for kind in KINDS
    }


def total(before: pd.DataFrame, after: pd.DataFrame, kind: str) -> int:
    """How many images there are of a kind."""
    return int(_of_kind(before, after)[kind].sum())


def _of_kind(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, np.ndarray]:
    a, b = before["correct"].to_numpy(), after["correct"].to_numpy()
    return {"corrected": ~a & b, "regressed": a & ~b, "both wrong": ~a & ~b}


def titles(drawn: pd.DataFrame) -> list[str]:
    """Three lines over a picture: id and true class, then each arm's prediction with its
    confidence."""
    return [
        f"{headed(row.id, row.true)}\n→ {shorten(row.before, 9)} "
        f"{percent(row.before_confidence, 0)}\n→ {shorten(row.after, 9)} "
        f"{percent(row.after_confidence, 0)}"
        for row in drawn.itertuples()
    ]
