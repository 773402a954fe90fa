"""Probes and maps over all errors: their plots (data in, axes out; nothing is computed or saved
here), what stands under these, and the sentences on what maps are worth.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from lib.base.text import (
    interval,
    listed,
    name,
    p_value,
    percent,
    plural,
    readable,
    signed,
    start,
    verdict,
)
from lib.evaluation import scope
from lib.report.style import WIDTH, colours

GREY = "#777777"
STEP = 0.22  # between the arms of a row, in rows


def deletion_insertion_figure(table: pd.DataFrame):
    """Mean probability while cells are deleted and inserted, in the map's order (line) and at
    random (dashes), with bands.

    table: from lib.diagnosis.faithfulness.curve_table.
    """
    _, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.6), layout="constrained", sharey=True)
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


def randomisation_figure(table: pd.DataFrame, chance: float):
    """Rank correlation with the trained network's map after each stage got random weights: mean
    with interval, mean absolute.

    table: from lib.diagnosis.randomisation.randomisation_table; chance: the mean absolute
    correlation of cells in random order."""
    _, ax = plt.subplots(figsize=(WIDTH * 0.62, 2.5), layout="constrained")
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


# of each kind of change one, for the body
FEW = (
    "hottest cells covered, mean colour",
    "random cells covered, mean colour",
    "coldest cells covered, mean colour",
    "only hottest cells shown, mean colour",
    "patches shuffled, 4×4",
    "no colour",
    "no detail",
    "shifted or mirrored",
)


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """The probes by how often they change the first arm's answer, most often first."""
    first = table[table["arm"] == table["arm"].iloc[0]]
    order = first.sort_values("flip", ascending=False)["probe"].tolist()
    return table.assign(place=table["probe"].map(order.index)).sort_values(
        ["arm", "place"], kind="stable", ignore_index=True
    )


def probe_effects_figure(table: pd.DataFrame):
    """How often each probe changes a wrong answer, and changes it to the true class: a row a probe,
    a colour an arm, intervals.

    table: from lib.diagnosis.probes.probe_table.
    """
    probes, palette = list(table["probe"].unique()), colours(table["arm"].unique())
    size = (WIDTH, 0.95 + 0.23 * len(probes))
    _, axes = plt.subplots(1, 2, figsize=size, layout="constrained", sharey=True)
    for axis, share, title in zip(
        axes, ("flip", "to_true"), ("the answer changes", "it changes to the true class")
    ):
        for number, (arm, colour) in enumerate(palette.items()):
            rows = table[table["arm"] == arm]
            place = rows["probe"].map(probes.index) + STEP * (number - (len(palette) - 1) / 2)
            axis.hlines(
                place, rows[f"{share}_low"], rows[f"{share}_high"], color=colour, linewidth=1
            )
            axis.scatter(rows[share], place, color=colour, s=10, zorder=3)
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


# What stands under the probes' figures and what is read aloud in their place; every number comes
# from the data drawn.


FILLINGS = {
    "mean": "the mean colour of the training pixels",
    "blur": "a blurred copy of the picture",
    "noise": "noise",
}


def deletion_insertion_caption(numbers: dict[str, dict], filling: str) -> dict[str, str]:
    """numbers: lib.diagnosis.faithfulness.area_summary by arm; filling: the kind of filling of
    deleted cells."""
    images = listed([f"{of_arm['images']:,} of {name(arm)}" for arm, of_arm in numbers.items()])
    said = "; ".join(
        f"{readable(arm)} "
        + ", ".join(
            f"{curve} {of_arm[curve]['map']:.3f} against {of_arm[curve]['random']:.3f}"
            for curve in ("deletion", "insertion")
        )
        for arm, of_arm in numbers.items()
        if of_arm["images"]
    )
    return {
        "caption": "Deletion and insertion: the probability of the wrong class, before scaling, "
        f"while the cells of its map are covered by {FILLINGS[filling]} (left), or "
        "shown in a picture of nothing else (right), the hottest first, against cells "
        f"in random order. Means over the errors ({images}); bands are pointwise 95% "
        "intervals of the mean. The more the map says of what the network uses, the "
        "faster its line falls on the left and rises on the right.",
        "alt": "Deletion and insertion curves. Areas in the map's order against random order: "
        f"{said or 'none'}.",
    }


def randomisation_caption(table: pd.DataFrame) -> dict[str, str]:
    """table: from lib.diagnosis.randomisation.randomisation_table."""
    said = "; ".join(
        f"{readable(arm)}: "
        + ", ".join(f"{row.stage} {signed(row.correlation, 2)}" for row in rows.itertuples())
        for arm, rows in table.groupby("arm", sort=False)
    )
    images = (
        f"{table['images'].min():,}"
        if table["images"].nunique() == 1
        else f"{table['images'].min():,} to {table['images'].max():,}"
    )
    return {
        "caption": "Do the maps depend on the weights? The network's stages get random weights "
        "one after the other, from the last down; Spearman correlation of each map's "
        f"cells with the map of the trained network, mean over {images} images with "
        "its 95% interval. A map that depends on what was learnt falls to 0. Dotted: "
        "the mean without sign, which for cells in random order is at the dashed line.",
        "alt": f"Rank correlation by stage made random, from the top down. {said}.",
    }


def probe_effects_caption(table: pd.DataFrame) -> dict[str, str]:
    """table: from lib.diagnosis.probes.probe_table."""
    said = "; ".join(
        f"{readable(arm)}: "
        + ", ".join(
            f"{readable(row.probe)} {percent(row.flip, 0)} ({percent(row.to_true, 0)})"
            for row in rows.itertuples()
        )
        for arm, rows in table.groupby("arm", sort=False)
    )
    images = listed(
        [
            f"{plural(int(rows['images'].max()), 'error')} of {name(arm)}"
            for arm, rows in table.groupby("arm", sort=False)
        ]
    )
    return {
        "caption": f"What each change of the picture does to a wrong prediction, over {images}: "
        "how often another class wins, and how often that is the true one, with 95% "
        "Wilson intervals. Hottest, coldest and random cells: a quarter of the map's. "
        "Detail is what a Gaussian of 2 pixels takes away, fine detail what one of 1 does, at a "
        "side of 32 px.",
        "alt": "Share of errors that another class wins after each probe, and in brackets the "
        f"true class. {said}.",
    }


# The report's sentences about maps and what they are worth, from plain numbers alone. None says
# more than its interval allows.


def faithfulness(numbers: dict[str, dict]) -> str:
    """By arm, from lib.diagnosis.faithfulness.area_summary: is the map's order better than random
    order?"""
    return " ".join(_faithful(arm, of_arm) for arm, of_arm in numbers.items())


def _faithful(arm: str, numbers: dict) -> str:
    if not numbers["images"]:
        return f"{start(arm)} makes no error, so its maps could not be tested."
    if not scope.enough(numbers["images"]):
        few = plural(numbers["images"], "error")
        return f"{start(arm)} makes {few}: too few to test its maps."
    deletion, insertion = (
        _than_random(numbers["deletion"], "lowers", -1),
        _than_random(numbers["insertion"], "raises", 1),
    )
    return (
        f"In {name(arm)}, over {plural(numbers['images'], 'error')}, covering the cells in the "
        f"map's order {deletion}. Showing them in that order {insertion}."
    )


def _than_random(curve: dict, verb: str, better: int) -> str:
    difference = curve["difference"]
    said = (
        f"difference in area {signed(difference['estimate'], 3)}, "
        f"{interval(signed(difference['low'], 3), signed(difference['high'], 3))}"
    )
    found = {"higher": 1, "lower": -1, "none": 0}[verdict(difference)]
    how = (
        "neither faster nor slower than random order, as far as was found"
        if not found
        else (f"{'faster' if found == better else 'more slowly'} than random order")
    )
    return f"{verb} the probability of the wrong class {how} ({said})"


def randomisation_text(rows: list[dict], chance: float) -> str:
    """The rows of lib.diagnosis.randomisation.randomisation_table: what is left of the maps once
    the first stage, and once all stages, have random weights."""
    sentences = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        first, *_, last = [row for row in rows if row["arm"] == arm]
        sentences.append(
            f"With random weights in {first['stage']} the maps of {name(arm)} correlate with the "
            f"trained ones at {_correlation(first)}. With random weights everywhere they do at "
            f"{_correlation(last)}."
        )
    return (
        " ".join(sentences)
        + f" Cells in random order would be at {chance:.2f} without sign; maps are smooth, so "
        "that unrelated ones lie higher."
    )


def _correlation(row: dict) -> str:
    if row["correlation"] is None:
        return "no value (the maps are the same everywhere)"
    ends = (
        "" if row["low"] is None else f"{interval(signed(row['low'], 2), signed(row['high'], 2))}; "
    )
    return f"{signed(row['correlation'], 2)} ({ends}{row['absolute']:.2f} without sign)"


def occlusion(numbers: dict[str, dict]) -> str:
    """By arm, from lib.diagnosis.randomisation.map_agreement of maps and occlusion: does the second
    opinion order the cells alike? "" where all maps are occlusion themselves."""
    if not numbers:
        return ""
    return (
        "Covering one square after the other and reading how far the logit falls is a second "
        "opinion that needs no gradient. "
        + " ".join(_second(arm, found) for arm, found in numbers.items())
    )


def _second(arm: str, found: dict) -> str:
    correlation = found["correlation"]
    if correlation is None:
        return f"In {name(arm)} its rank correlation with the map has no value."
    if not scope.enough(found["images"]):
        few = plural(found["images"], "error")
        return f"In {name(arm)} {few} {'is' if found['images'] == 1 else 'are'} too few for it."
    ends = interval(signed(correlation["low"], 2), signed(correlation["high"], 2))
    return (
        f"In {name(arm)}, over {plural(found['images'], 'error')}, its cells' rank correlation "
        f"with those of the map is {signed(correlation['estimate'], 2)} ({ends}). With the map of "
        f"another error's picture it is {signed(found['another']['estimate'], 2)}."
    )


def attention(found: dict, before: str, after: str) -> str:
    """From lib.diagnosis.faithfulness.compare: does the second arm spread its positive evidence
    over more cells?

    It is said only where the interval of the mean and Wilcoxon's test of ranks agree.
    """
    left_out = (
        f"; {plural(found['excluded'], 'image')} without a positive cell in one of the arms left "
        "out"
        if found["excluded"]
        else ""
    )
    if not found["images"]:
        return (
            "The spread of attention could not be compared: no image has a positive cell in "
            f"both arms{left_out}."
        )
    if not scope.enough(found["images"]):
        few = plural(found["images"], "image")
        return f"The spread of attention could not be compared: {few} are too few{left_out}."
    over = f"over {plural(found['images'], 'error')} of {name(before)}{left_out}"
    entropy, hottest = found["normalised_entropy"], found["hottest_share"]
    difference = entropy["difference"]
    ends = interval(signed(difference["low"], 3), signed(difference["high"], 3))
    numbers = (
        "The entropy of the positive part, as a share of its maximum, goes from "
        f"{entropy['before']:.3f} to {entropy['after']:.3f}. That is a change of "
        f"{signed(difference['estimate'], 3)} ({ends}; Wilcoxon {p_value(entropy['p_value'])})."
    )
    moved = verdict(difference)
    ranks = "none"
    if entropy["p_value"] < 0.05:
        ranks = "higher" if entropy["rank_sum"] > 0 else "lower"
    what = {
        "higher": f"{start(after)} spreads its attention over more cells than {name(before)}",
        "lower": f"{start(after)} gathers its attention in fewer cells than {name(before)}",
        "none": f"No difference in the spread of attention between {name(before)} and "
        f"{name(after)} was found",
    }[moved]
    if ranks != moved:
        what = (
            f"Whether {name(after)} spreads its attention otherwise than {name(before)} is "
            "open: the mean and the ranks disagree"
        )
    return (
        f"{what} ({over}). {numbers} The hottest cell has {percent(hottest['before'])} and "
        f"{percent(hottest['after'])} of the positive part."
    )


def controls(contrasts: dict[str, dict], probe: str, control: str, errors: dict[str, int]) -> str:
    """By arm, from lib.diagnosis.probes.contrast of flips over so many `errors`: does a probe
    change more answers than its control of equal area? "" where all arms have too few."""
    said = []
    for arm, change in contrasts.items():
        if not scope.enough(errors[arm]):
            continue
        ends = interval(f"{signed(100 * change['low'])}", f"{signed(100 * change['high'])}")
        word = {
            "higher": "more often",
            "lower": "less often",
            "none": "neither more nor less often, as far as was found,",
        }[verdict(change)]
        size = f"{signed(100 * change['estimate'])} points, {ends}"
        said.append(f"It changes a wrong answer {word} in {name(arm)} ({size}).")
    return f"Covering {probe} is compared with covering {control}. {' '.join(said)}" if said else ""
