"""The report's style: an arm's colour, plots of an arm's numbers (data in, axes out; nothing is
computed or saved here), and the captions, alt texts and picture titles of training and Grad-CAM.
"""

from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lib.base import text
from lib.base.text import escape, headed, level, listed, name, percent, plural, readable, shorten
from lib.report import fonts

# Okabe and Ito's colours, told apart by colour-blind readers; an arm keeps its colour in every
# figure.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SHOWN_CLASSES, FEW_CLASSES = 200, 24  # of more, the ends; the few stand in the body
GREY = "#6e6e6e"
WIDTH = 6.9  # inches, a page's measure


_study: list[str] = []


def apply(arms=()) -> None:
    """Use the report's style from here on, and give each of the study's arms its colour, whichever
    of them a figure shows."""
    plt.style.use(Path(__file__).with_name("report.mplstyle"))
    _study[:] = arms
    text.keep_apart(arms)


def show_names(names: list[str]) -> None:
    """Figures will show these names, of classes and their groups: each is written unlike any other,
    and where DejaVu lacks its letters with a font of the system."""
    text.keep_apart([*_study, *names])
    plt.rcParams["font.family"] = fonts.families("".join(names))


def colours(arms) -> dict[str, str]:
    return {
        arm: COLOURS[(_study.index(arm) if arm in _study else number) % len(COLOURS)]
        for number, arm in enumerate(arms)
    }


def label_ends(axis, ends: dict[str, tuple[float, str]], apart: float = 0.075) -> None:
    """Write names beside the right ends of lines, in their colours; `ends`: name to height in data
    and colour.

    Names keep `apart` of the axis's height, so that they never touch. To be called once the axis
    has its limits."""
    low, high = axis.get_ylim()
    ranked = sorted(
        ((value - low) / (high - low), label, colour) for label, (value, colour) in ends.items()
    )
    places = []
    for height, _, _ in ranked:
        places.append(max(height, places[-1] + apart) if places else height)
    over = max(places[-1] - 1, 0) if places else 0  # what leaves the top moves all down
    for place, (_, label, colour) in zip(places, ranked):
        axis.text(
            1.02,
            place - over,
            label,
            color=colour,
            transform=axis.transAxes,
            va="center",
            fontsize=8,
        )


def rate_steps(history: pd.DataFrame, milestones) -> list[int]:
    """The milestones after which the rate was divided by 10: all that were reached, and under a
    cosine schedule none."""
    rate = history.groupby("epoch")["learning_rate"].first()
    return [
        milestone
        for milestone in milestones
        if milestone + 1 in rate.index and np.isclose(10 * rate[milestone + 1], rate[milestone])
    ]


def training_curves(history: pd.DataFrame, milestones, colour: str = COLOURS[0]):
    """Loss and accuracy of each epoch on the stream, on clean train images and on val, the rate's
    steps marked, where the history has any (`rate_steps`).

    With several seeds, one under the other: the mean, and a band from the lowest to the highest.
    `colour` is the arm's."""
    _, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.5), layout="constrained")
    names = {"stream": "training stream", "train": "train, clean", "val": "validation"}
    epochs = history.groupby("epoch")
    mean, low, high = epochs.mean(), epochs.min(), epochs.max()
    for axis, what in zip(axes, ("loss", "accuracy")):
        for (column, label), shade, dash in zip(
            names.items(), (GREY, colour, colour), (":", (0, (4, 2)), "-")
        ):
            name = f"{column}_{what}"
            axis.plot(mean.index, mean[name], linestyle=dash, color=shade, label=label)
            if len(history) > len(mean):
                axis.fill_between(
                    mean.index, low[name], high[name], color=shade, alpha=0.2, linewidth=0
                )
        for milestone in rate_steps(history, milestones):
            axis.axvline(milestone + 0.5, color="#555555", linewidth=0.7, linestyle=(0, (2, 2)))
        axis.set(xlabel="epoch", title=what)
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes[0].set_ylabel("cross-entropy, nats")
    axes[1].yaxis.set_major_formatter(PercentFormatter(1, 0))
    label_ends(
        axes[1],
        {
            line.get_label(): (line.get_ydata()[-1], line.get_color())
            for line in axes[1].lines[: len(names)]
        },
    )
    return axes


def confidence_histograms(confidences: dict[str, tuple]):
    """Confidence of wrong and of right predictions, each arm one outline: the mean over its seeds.

    confidences: arm to (confidence, correct), each (seeds, N).
    """
    _, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.4), layout="constrained")
    edges = np.linspace(0, 1, 21)
    for arm, colour in colours(confidences).items():
        confidence, correct = confidences[arm]
        for axis, right in zip(axes, (False, True)):
            each = np.array(
                [
                    np.histogram(one[of_one == right], edges)[0]
                    for one, of_one in zip(confidence, correct)
                ]
            )
            axis.stairs(each.mean(0), edges, color=colour, label=readable(arm), linewidth=1.3)
            if len(each) > 1:
                axis.stairs(
                    each.max(0), edges, baseline=each.min(0), color=colour, alpha=0.2, fill=True
                )
    for axis, title in zip(axes, ("wrong predictions", "right predictions")):
        # few predictions are far from certain, and errors few: on a root of the counts both show
        axis.set_yscale("symlog", linthresh=1)
        axis.set(title=title, xlabel="confidence", ylabel="test images", ylim=(0, None))
        axis.xaxis.set_major_formatter(PercentFormatter(1, 0))
    labels = axes[1].get_legend_handles_labels()
    axes[1].figure.legend(*labels, loc="outside upper right", ncols=len(confidences))
    return axes


def errors_by_threshold(counts: pd.DataFrame, deviations: pd.DataFrame):
    """Errors made with at least each confidence: one group of bars a level, one bar an arm, counts
    written on them.

    deviations: of the same shape, their standard deviations over seeds; NaN for one seed.
    """
    height = 2.3 if len(counts.columns) < 4 else 3.0
    _, ax = plt.subplots(figsize=(WIDTH, height), layout="constrained")
    wide, place = 0.8 / len(counts.columns), np.arange(len(counts))
    for number, (arm, colour) in enumerate(colours(counts).items()):
        several = deviations[arm].notna().all()
        bars = ax.bar(
            place + (number + 0.5) * wide - 0.4,
            counts[arm],
            wide,
            color=colour,
            label=readable(arm),
            yerr=deviations[arm] if several else None,
            error_kw={"linewidth": 0.7},
        )
        ax.bar_label(
            bars,
            [f"{count:.0f}" for count in counts[arm]],
            fontsize=8,
            padding=2,
            rotation=0 if len(counts.columns) < 4 else 90,
        )
    ax.set_xticks(place, [f"≥ {level(share)}" for share in counts.index])
    ax.set(xlabel="confidence of the wrong prediction", ylabel="test errors")
    ax.grid(axis="x", visible=False)
    ax.legend(title=None)
    return ax


def at_ends(change: pd.DataFrame, shown: int) -> pd.DataFrame:
    """The classes ranked by their change, largest gain first; of more than `shown` those at both
    ends."""
    ranked = change.sort_values("change", ascending=False)
    if len(ranked) <= shown:
        return ranked
    ranked = ranked.dropna(subset="change")
    return pd.concat([ranked.head(shown // 2), ranked.tail(shown // 2)])


def per_class_change(change: pd.DataFrame, arms: tuple[str, str], axes=None):
    """Change of accuracy of every class with its interval, largest gain first; `change` is
    lib.evaluation.paired's table, in points."""
    ranked = at_ends(change, SHOWN_CLASSES)
    panels = [ranked.iloc[start : start + 50] for start in range(0, len(ranked), 50)]
    if axes is None:
        height = 0.6 + 0.16 * max(map(len, panels))
        axes = plt.subplots(
            1,
            len(panels),
            figsize=(WIDTH, height),
            layout="constrained",
            sharex=True,
            squeeze=False,
        )[1][0]
    for axis, panel in zip(axes, panels):
        place = np.arange(len(panel))
        colour = np.where(panel["p_adjusted"] < 0.05, "black", "#9a9a9a")
        axis.hlines(place, panel["low"], panel["high"], color=colour, linewidth=1)
        axis.scatter(panel["change"], place, c=colour, s=9, zorder=3)
        axis.axvline(0, color="black", linewidth=0.7)
        axis.set_yticks(
            place,
            panel.index.map(partial(shorten, length=22)),
            fontsize=8,
        )
        axis.set_ylim(len(panel) - 0.3, -0.7)
        axis.set_xlabel(f"{readable(arms[1])} minus {readable(arms[0])}, points")
        axis.grid(axis="y", visible=False)
    return axes


# What stands under a figure and what is read aloud in its place; every number comes from the data
# drawn.


CLASS_FORMATS = {column: readable for column in ("true", "predicted", "planted cause")}
UNIT = "contribution of a cell to the logit"


def training(arm: str, history: pd.DataFrame, milestones: list[int]) -> dict[str, str]:
    milestones = rate_steps(history, milestones)
    epochs, steps = history.groupby("epoch"), listed([str(epoch) for epoch in milestones])
    last, seeds = epochs.mean().iloc[-1], len(history) // len(epochs)
    return {
        "caption": f"Training of {name(arm)}. The stream is what the optimiser saw: augmented "
        "and, where the arm mixes some, mixed images, where a right answer counts by its share. "
        "The other curves are measured on clean images in eval mode, of train on up "
        "to 5,000."
        + (
            " Vertical lines: the learning rate is divided by 10 after "
            f"{'epoch' if len(milestones) == 1 else 'epochs'} {steps}."
            if steps
            else ""
        )
        + (
            f" Mean of {seeds} seeds, with a band from the lowest to the highest."
            if seeds > 1
            else ""
        ),
        # the curve is of some train images, so its end is not to the digit what the text says
        "alt": f"Loss and accuracy of {readable(arm)} over {plural(len(epochs), 'epoch')}; at "
        f"the end about {percent(last['train_accuracy'], 0)} on clean train images and "
        f"{percent(last['val_accuracy'], 0)} on validation.",
    }


def made_at(layer: str | None, arm: str = "") -> str:
    """How maps were made, of an arm; `layer` is a module's dotted name, None for occlusion."""
    of = f" of {name(arm)}" if arm else ""
    if layer:
        return f"Grad-CAM{of} at {escape(layer)}"
    return f"Occlusion{of}, by how much the logit falls when a cell is covered,"


def gradcam(selection: pd.DataFrame, layer: str | None, arm: str, before: str) -> dict[str, str]:
    """Of the maps of one arm, for the class that the arm before predicted."""
    whose = "the predicted class" if arm == before else f"the class that {name(before)} predicted"
    said = "; ".join(
        f"{readable(row.true)} against {readable(against(row))}" for row in selection.itertuples()
    )
    return {
        "caption": f"{made_at(layer, arm)} for {whose} (of a right "
        "prediction: the runner-up), for the true class, and their difference. Raw "
        "maps on one scale: red cells raise the logit, blue cells lower it.",
        "alt": f"Rows of a picture and three maps for {plural(len(selection), 'test image')}: "
        f"{said}.",
    }


def before_after(selection: pd.DataFrame, layers: dict[str, str | None]) -> dict[str, str]:
    """layers: of the arms before and after."""
    before, after = layers
    made = [made_at(layer, arm) for arm, layer in layers.items()]
    if layers[before] == layers[after]:
        made = [made_at(layers[before])]
    return {
        "caption": f"The same images in {name(before)} and {name(after)}: {listed(made)} "
        f"for the class that {name(before)} predicted (of a right prediction: the "
        "runner-up) and for the true class, all on one scale.",
        "alt": f"Rows of a picture and four maps, two of {readable(before)} and two of "
        f"{readable(after)}, for {plural(len(selection), 'test image')}.",
    }


def titles(selection: pd.DataFrame) -> list[str]:
    """Two or three short lines over a picture: id and true class, prediction and confidence,
    planted cause."""

    def one(row):
        lines = [
            headed(row.id, row.true),
            f"→ {shorten(row.predicted, 9)} {percent(row.confidence, 0)}",
        ]
        return "\n".join(lines + ([readable(row.cause)] if "cause" in selection else []))

    return [one(row) for row in selection.itertuples()]


def against(row) -> str:
    """The class held against the true one: the wrong prediction, or the runner-up of a right
    one."""
    return row.runner_up if row.correct else row.predicted


def map_titles(selection: pd.DataFrame) -> list[list[str]]:
    return [
        [f"for {shorten(against(row), 12)}", f"for {shorten(row.true, 12)}", "difference"]
        for row in selection.itertuples()
    ]


def arm_titles(selection: pd.DataFrame, arms) -> list[list[str]]:
    return [
        [
            f"{shorten(arm, 14)}:\nfor {shorten(label, 12)}"
            for arm in arms
            for label in (against(row), row.true)
        ]
        for row in selection.itertuples()
    ]


def causes(given: dict[str, list[int]]) -> str:
    """given: each arm's seeds."""
    several = max(map(len, given.values())) > 1
    return (
        f"Test accuracy by planted cause{', means over seeds' * several}, with 95% "
        "Clopper–Pearson intervals over images. A label error counts as an error even where the "
        "network is right."
    )
