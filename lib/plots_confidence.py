"""Plots of what confidence is worth: data in, axes out; nothing is computed or saved here."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import PercentFormatter

from lib.base.text import readable
from lib.plots import WIDTH, colours, label_ends


def risk_coverage(curves: dict[str, pd.DataFrame], ax=None):
    """Share of errors among the accepted against the share accepted; curves: arm to lib.evaluation.rejection.curve, drawn with its band."""
    ax = plt.subplots(figsize=(WIDTH * 0.62, 2.6), layout="constrained")[1] if ax is None else ax
    for arm, colour in colours(curves).items():
        curve = curves[arm]
        ax.plot(curve["coverage"], curve["risk"], color=colour, label=readable(arm))
        ax.fill_between(
            curve["coverage"], curve["low"], curve["high"], color=colour, alpha=0.15, linewidth=0
        )
    highest = max(curve.loc[curve["coverage"] >= 0.05, "high"].max() for curve in curves.values())
    ax.set(
        xlabel="coverage: share of test images accepted",
        ylabel="risk: errors among them",
        xlim=(0, 1),
        ylim=(0, highest),
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1, 0))
    label_ends(
        ax,
        {
            readable(arm): (curves[arm]["risk"].iloc[-1], colour)
            for arm, colour in colours(curves).items()
        },
    )
    return ax


def reliability(tables: dict[str, pd.DataFrame], columns: int = 3):
    """Accuracy against confidence in bins, one panel an arm, a line a seed; the bars below count the images of each bin.

    tables: arm to lib.evaluation.summary.reliability. Returns the axes (2 rows of panels, panels a row).
    """
    columns = min(columns, len(tables))
    rows = -(-len(tables) // columns)
    figure, axes = plt.subplots(
        2 * rows,
        columns,
        figsize=(WIDTH, 2.9 * rows),
        layout="constrained",
        sharex=True,
        squeeze=False,
        height_ratios=(3, 1) * rows,
    )
    for place in range(rows * columns):
        upper, lower = axes[2 * (place // columns) : 2 * (place // columns) + 2, place % columns]
        if place >= len(tables):
            upper.set_axis_off()
            lower.set_axis_off()
            continue
        arm, colour = list(colours(tables).items())[place]
        _reliability(upper, lower, tables[arm], colour, arm)
    for axis in axes[:, 0]:
        axis.set_ylabel("images" if axis in axes[1::2, 0] else "accuracy")
    return axes


def _reliability(upper, lower, table: pd.DataFrame, colour: str, arm: str) -> None:
    upper.plot([0, 1], [0, 1], color="#777777", linewidth=0.7)
    for _, of_seed in table.groupby("seed"):
        upper.plot(
            of_seed["confidence"],
            of_seed["accuracy"],
            "o-",
            color=colour,
            markersize=2.5,
            linewidth=1,
        )
    bins = table.groupby(["low", "high"])["count"].mean().reset_index()
    lower.bar(
        bins["low"],
        bins["count"],
        bins["high"] - bins["low"],
        align="edge",
        color=colour,
        alpha=0.5,
    )
    upper.set(title=readable(arm), xlim=(0, 1), ylim=(0, 1))
    lower.set(xlabel="confidence")
    lower.tick_params(labelbottom=True)
    for axis in (upper.yaxis, lower.xaxis):
        axis.set_major_formatter(PercentFormatter(1, 0))
