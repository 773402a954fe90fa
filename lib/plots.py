"""Plots of numbers. One function a figure: data in, axes out; nothing is computed or saved here."""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lib.wording import level, readable

# Okabe and Ito's colours, told apart by colour-blind readers; an arm keeps its colour in every figure.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SHOWN_CLASSES = 200  # of more, the ends
WIDTH = 6.9  # inches, a page's measure


def style() -> None:
    """Use the report's style from here on."""
    plt.style.use(Path(__file__).with_name("report.mplstyle"))


def colours(arms) -> dict[str, str]:
    return {arm: COLOURS[number % len(COLOURS)] for number, arm in enumerate(arms)}


def training_curves(history: pd.DataFrame, milestones, axes=None):
    """Loss and accuracy of each epoch on the stream, on clean train images and on val, the rate's steps marked."""
    axes = plt.subplots(1, 2, figsize=(WIDTH, 2.5), layout="constrained")[1] if axes is None else axes
    names = {"stream": "training stream", "train": "train, clean", "val": "validation"}
    for axis, what in zip(axes, ("loss", "accuracy")):
        for (column, label), colour, dash in zip(names.items(), ("#8a8a8a", "#0072B2", "#D55E00"), (":", "-", "-")):
            axis.plot(history["epoch"], history[f"{column}_{what}"], dash, color=colour, label=label)
        for milestone in milestones:
            axis.axvline(milestone + 0.5, color="#555555", linewidth=0.7, linestyle=(0, (2, 2)))
        axis.set(xlabel="epoch", title=what)
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes[0].set_ylabel("cross-entropy, nats")
    axes[1].yaxis.set_major_formatter(PercentFormatter(1, 0))
    axes[0].legend()
    return axes


def confidence_histograms(tables: dict[str, pd.DataFrame], axes=None):
    """Confidence of wrong and of right predictions, each arm one outline; `tables` holds every test image of an arm."""
    axes = plt.subplots(1, 2, figsize=(WIDTH, 2.4), layout="constrained")[1] if axes is None else axes
    tables = {readable(arm): table for arm, table in tables.items()}
    everything = pd.concat([table.assign(arm=arm) for arm, table in tables.items()], ignore_index=True)
    for axis, right in zip(axes, (False, True)):
        sns.histplot(everything[everything["correct"] == right], x="confidence", hue="arm", hue_order=list(tables), bins=20,
                     binrange=(0, 1), element="step", fill=False, palette=colours(tables), ax=axis, legend=right)
        axis.set(title="right predictions" if right else "wrong predictions", xlabel="confidence", ylabel="test images")
        axis.xaxis.set_major_formatter(PercentFormatter(1, 0))
    legend = axes[1].get_legend()
    if legend:
        legend.set_title(None)
    return axes


def errors_by_threshold(counts: pd.DataFrame, ax=None):
    """Errors made with at least each confidence: one group of bars a level, one bar an arm, counts written on them."""
    ax = plt.subplots(figsize=(WIDTH, 2.3), layout="constrained")[1] if ax is None else ax
    counts = counts.rename(columns=readable, index=lambda share: f"≥ {level(share)}")
    long = counts.reset_index().melt(counts.index.name, var_name="arm", value_name="errors")
    sns.barplot(long, x=counts.index.name, y="errors", hue="arm", palette=colours(counts.columns), ax=ax, width=0.75)
    for bars in ax.containers:
        ax.bar_label(bars, fontsize=6.5, padding=1)
    ax.set(xlabel="confidence of the wrong prediction", ylabel="test errors")
    ax.grid(axis="x", visible=False)
    ax.legend(title=None)
    return ax


def per_class_change(change: pd.DataFrame, arms: tuple[str, str], axes=None):
    """Change of accuracy of every class with its interval, largest gain first; `change` is lib.compare's table, in points."""
    ranked = change.sort_values("change", ascending=False)
    if len(ranked) > SHOWN_CLASSES:
        ranked = pd.concat([ranked.head(SHOWN_CLASSES // 2), ranked.tail(SHOWN_CLASSES // 2)])
    panels = [ranked.iloc[start:start + 50] for start in range(0, len(ranked), 50)]
    if axes is None:
        height = 0.6 + 0.145 * max(map(len, panels))
        axes = plt.subplots(1, len(panels), figsize=(WIDTH, height), layout="constrained", sharex=True, squeeze=False)[1][0]
    for axis, panel in zip(axes, panels):
        place = np.arange(len(panel))
        colour = np.where(panel["p_adjusted"] < 0.05, np.where(panel["change"] > 0, COLOURS[2], COLOURS[1]), "#777777")
        axis.hlines(place, panel["low"], panel["high"], color=colour, linewidth=1)
        axis.scatter(panel["change"], place, c=colour, s=9, zorder=3)
        axis.axvline(0, color="black", linewidth=0.7)
        axis.set_yticks(place, panel.index.map(readable), fontsize=6 if len(ranked) > 25 else 7)
        axis.set_ylim(len(panel) - 0.3, -0.7)
        axis.set_xlabel(f"{readable(arms[1])} minus {readable(arms[0])}, points")
        axis.grid(axis="y", visible=False)
    return axes


def risk_coverage(curves: dict[str, tuple], ax=None):
    """Share of errors among the accepted against the share accepted; curves: arm to (coverage, risk)."""
    ax = plt.subplots(figsize=(WIDTH * 0.62, 2.6), layout="constrained")[1] if ax is None else ax
    for arm, colour in colours(curves).items():
        ax.plot(*curves[arm], color=colour, label=readable(arm))
    ax.set(xlabel="coverage: share of test images accepted", ylabel="risk: errors among them", xlim=(0, 1), ylim=(0, None))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1, 0))
    ax.legend()
    return ax


def reliability(tables: dict[str, pd.DataFrame], axes=None):
    """Accuracy against confidence in bins, one panel an arm; the bars below count the images of each bin."""
    if axes is None:
        axes = plt.subplots(2, len(tables), figsize=(3.45 * len(tables), 3.2), layout="constrained", sharex=True, squeeze=False,
                            height_ratios=(3, 1))[1]
    for (upper, lower), (arm, table), colour in zip(axes.T, tables.items(), colours(tables).values()):
        upper.plot([0, 1], [0, 1], color="#777777", linewidth=0.7)
        upper.plot(table["confidence"], table["accuracy"], "o-", color=colour, markersize=3)
        lower.bar(table["low"], table["count"], table["high"] - table["low"], align="edge", color=colour, alpha=0.5)
        upper.set(title=readable(arm), ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
        lower.set(xlabel="confidence", ylabel="images")
        for axis in (upper.yaxis, lower.xaxis):
            axis.set_major_formatter(PercentFormatter(1, 0))
    return axes
