"""Plots of the probes. One function a figure: data in, axes out; nothing is computed or saved here."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from lib.base.text import readable
from lib.plots import WIDTH, colours

GREY = "#777777"
STEP = 0.22  # between the arms of a row, in rows


def deletion_insertion(table: pd.DataFrame, axes=None):
    """Mean probability while cells are deleted and inserted, in the map's order (line) and at random (dashes), with bands.

    table: from lib.diagnosis.faithfulness.table.
    """
    axes = (
        plt.subplots(1, 2, figsize=(WIDTH, 2.6), layout="constrained", sharey=True)[1]
        if axes is None
        else axes
    )
    for axis, curve, what in zip(axes, ("deletion", "insertion"), ("covered", "shown")):
        for arm, colour in colours(table["arm"].unique()).items():
            for order, dash in (("map", "-"), ("random", (0, (3, 2)))):
                line = table[
                    (table["arm"] == arm) & (table["curve"] == curve) & (table["order"] == order)
                ]
                axis.plot(
                    line["share"],
                    line["probability"],
                    color=colour,
                    linestyle=dash,
                    label=f"{readable(arm)}, {order} order",
                )
                axis.fill_between(
                    line["share"], line["low"], line["high"], color=colour, alpha=0.15, linewidth=0
                )
        axis.set(title=curve, xlabel=f"share of cells {what}", xlim=(0, 1))
        axis.xaxis.set_major_formatter(PercentFormatter(1, 0))
    axes[0].set_ylabel("probability of the class")
    axes[0].set_ylim(0, None)
    axes[0].legend()
    return axes


def randomisation(table: pd.DataFrame, chance: float, ax=None):
    """Rank correlation with the trained network's map after each stage got random weights: mean with interval, mean absolute.

    table: from lib.diagnosis.randomisation.table; chance: the mean absolute correlation of cells in random order.
    """
    ax = plt.subplots(figsize=(WIDTH * 0.62, 2.5), layout="constrained")[1] if ax is None else ax
    stages = list(table["stage"].unique())
    for arm, colour in colours(table["arm"].unique()).items():
        rows = table[table["arm"] == arm].set_index("stage").loc[stages]
        place = np.arange(len(stages))
        ax.plot(place, rows["correlation"], "o-", color=colour, markersize=3, label=readable(arm))
        ax.vlines(place, rows["low"], rows["high"], color=colour, linewidth=1)
        ax.plot(
            place,
            rows["absolute"],
            "o:",
            color=colour,
            markersize=3,
            markerfacecolor="white",
            label=f"{readable(arm)}, without sign",
        )
    ax.axhline(
        chance,
        color=GREY,
        linewidth=0.8,
        linestyle=(0, (3, 2)),
        label="cells in random order, without sign",
    )
    ax.axhline(0, color="black", linewidth=0.7)
    ax.set_xticks(
        range(len(stages)), [stage if stage == stages[0] else f"+ {stage}" for stage in stages]
    )
    ax.set(
        xlabel="random weights in",
        ylabel="rank correlation with the map",
        ylim=(min(-0.25, ax.get_ylim()[0]), 1),
    )
    ax.legend()
    return ax


def probe_effects(table: pd.DataFrame, axes=None):
    """How often each probe changes a wrong answer, and changes it to the true class: a row a probe, a colour an arm, intervals.

    table: from lib.diagnosis.probes.table.
    """
    probes, palette = list(table["probe"].unique()), colours(table["arm"].unique())
    if axes is None:
        axes = plt.subplots(
            1, 2, figsize=(WIDTH, 0.95 + 0.23 * len(probes)), layout="constrained", sharey=True
        )[1]
    for axis, name, title in zip(
        axes, ("flip", "to_true"), ("the answer changes", "it changes to the true class")
    ):
        for number, (arm, colour) in enumerate(palette.items()):
            rows = table[table["arm"] == arm]
            place = rows["probe"].map(probes.index) + STEP * (number - (len(palette) - 1) / 2)
            axis.hlines(place, rows[f"{name}_low"], rows[f"{name}_high"], color=colour, linewidth=1)
            axis.scatter(rows[name], place, color=colour, s=10, zorder=3)
        axis.set(title=title, xlabel="share of errors", xlim=(0, None))
        axis.xaxis.set_major_formatter(PercentFormatter(1, 0))
        axis.grid(axis="y", visible=False)
    axes[0].set_yticks(range(len(probes)), [readable(probe) for probe in probes])
    axes[0].set_ylim(len(probes) - 0.5, -0.5)
    handles = [
        Line2D([], [], color=colour, marker="o", markersize=3, label=readable(arm))
        for arm, colour in palette.items()
    ]
    axes[0].figure.legend(handles=handles, loc="outside lower right", ncols=len(palette))
    return axes
