"""Plots of where errors go. One function a figure: data in, axes out; nothing is computed or saved here."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import PowerNorm
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from lib.base.text import level, readable, shorten
from lib.evaluation.severity import chances
from lib.plots import WIDTH, colours

WRITTEN = 40  # names that fit beside one matrix


def within_superclass(tables: dict[str, pd.DataFrame], ax=None):
    """Share of errors inside the true superclass by band of confidence, an arm a colour, the errors counted above.

    Dashed: chance in each arm.

    tables: arm to lib.evaluation.severity.within_by_confidence.
    """
    ax = plt.subplots(figsize=(WIDTH, 2.4), layout="constrained")[1] if ax is None else ax
    first = next(iter(tables.values()))
    place, step = np.arange(len(first)), 0.7 / len(tables)
    for number, (arm, colour) in enumerate(colours(tables).items()):
        table, shift = tables[arm], (number - (len(tables) - 1) / 2) * step
        shown = table["errors"].to_numpy() > 0
        middle, share = (place + shift)[shown], table["share"][shown]
        reach = [share - table["share_low"][shown], table["share_high"][shown] - share]
        ax.errorbar(
            middle,
            share,
            yerr=reach,
            fmt="o",
            color=colour,
            markersize=3.5,
            linewidth=1,
            label=readable(arm),
        )
        for where, top, count in zip(middle, table["share_high"][shown], table["errors"][shown]):
            ax.annotate(
                f"{count:,}",
                (where, top),
                (0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=6,
                rotation=0 if len(tables) < 3 else 90,
            )
    for number, chance in enumerate(chances(tables)):
        ax.axhline(
            chance,
            color="#555555",
            linewidth=0.8,
            linestyle=(0, (4, 3)),
            label="_chance" if number else "chance",
        )
    ax.set_xticks(place, [f"{level(row.low)} to {level(row.high)}" for row in first.itertuples()])
    highest = max(table.loc[table["errors"] > 0, "share_high"].max() for table in tables.values())
    ax.set(
        xlabel="confidence of the wrong prediction, after temperature scaling",
        ylim=(0, 1.3 * highest if highest > 0 else None),
    )
    ax.set_ylabel("errors inside\nthe true superclass")
    ax.yaxis.set_major_formatter(PercentFormatter(1, 0))
    ax.grid(axis="x", visible=False)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(tables) + 1)
    return ax


def confusion(
    matrices: dict[str, np.ndarray], names: list[str], blocks: list[tuple[str, int]], axes=None
):
    """Confusion matrices of the arms side by side, errors only, on one root scale; the diagonal is grey.

    matrices: arm to shares of the true class (K, K), rows true; names: of the K classes in that order; blocks: name and number
    of classes of each superclass in that order, empty when there are none. Names of classes stand on the axes where they fit,
    else names of blocks, else none.
    """
    errors = {
        arm: np.where(np.eye(len(names), dtype=bool), np.nan, matrix)
        for arm, matrix in matrices.items()
    }
    largest = max(float(np.nan_to_num(matrix).max(initial=0)) for matrix in errors.values())
    norm = PowerNorm(0.5, 1e-9, largest or 1.0)
    labels = (
        names
        if len(names) <= WRITTEN
        else [name for name, _ in blocks]
        if len(blocks) <= WRITTEN
        else []
    )
    if axes is None:
        beside = 0.05 * max(
            (len(shorten(label, 22)) for label in labels), default=0
        )  # inches that the longest label takes
        size = (WIDTH, (WIDTH - 0.4 - beside) / len(matrices) + beside + 1.1)
        axes = plt.subplots(
            1, len(matrices), figsize=size, layout="constrained", sharey=True, squeeze=False
        )[1][0]
    shades = plt.get_cmap("YlOrRd").with_extremes(bad="#bdbdbd", under="white")
    edges = np.cumsum([0] + [size for _, size in blocks])
    for axis, (arm, matrix) in zip(axes, errors.items()):
        drawn = axis.imshow(matrix, cmap=shades, norm=norm, interpolation="none")
        for start, end in zip(edges[:-1], edges[1:]):
            axis.add_patch(
                Rectangle(
                    (start - 0.5, start - 0.5),
                    end - start,
                    end - start,
                    fill=False,
                    edgecolor="#222222",
                    linewidth=0.6,
                )
            )
        axis.spines[:].set_visible(True)
        _ticks(
            axis,
            labels,
            np.arange(len(names)) if labels is names else (edges[:-1] + edges[1:] - 1) / 2,
        )
        axis.set(title=readable(arm), xlabel="predicted", ylabel="true" if axis is axes[0] else "")
        axis.grid(visible=False)
    bar = axes[0].figure.colorbar(drawn, ax=list(axes), shrink=0.6, aspect=30, location="bottom")
    bar.set_label("share of the true class's test images, root scale", fontsize=7)
    bar.ax.xaxis.set_major_formatter(PercentFormatter(1, 0))
    bar.ax.tick_params(labelsize=6, length=2)
    return axes


def _ticks(axis, labels: list[str], places: np.ndarray) -> None:
    texts, size = [shorten(label, 22) for label in labels], 6 if len(labels) <= 25 else 4.5
    axis.set_xticks(places[: len(texts)], texts, rotation=90, fontsize=size)
    axis.set_yticks(places[: len(texts)], texts, fontsize=size)
    axis.tick_params(length=1.5, pad=1)
