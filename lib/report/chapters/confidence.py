"""What confidence is worth, as a probability and as a ground to reject: plots (data in, axes out;
nothing is computed or saved here) and sentences.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from lib.base.text import (
    compared,
    interval,
    level,
    listed,
    name,
    percent,
    readable,
    see,
    start,
    verdict,
)
from lib.evaluation import scope
from lib.evaluation.calibration import at_bound
from lib.evaluation.summary import MEASURES, missing
from lib.report.comparison import number_of_seeds, ranking, subject, sure_and_wrong
from lib.report.style import WIDTH, colours, label_ends

SCALED = "#444444"  # after temperature scaling


def risk_coverage(curves: dict[str, pd.DataFrame], target: float):
    """Share of errors among the accepted against the share accepted; curves: arm to
    lib.evaluation.rejection.curve, drawn with its band; target: the share that is allowed."""
    ax = plt.subplots(figsize=(WIDTH * 0.62, 2.6), layout="constrained")[1]
    ax.axhline(target, color="0.4", linewidth=0.8, linestyle="--", zorder=1.6)  # over the grid
    for arm, colour in colours(curves).items():
        curve = curves[arm]
        ax.plot(curve["coverage"], curve["risk"], color=colour, label=readable(arm))
        ax.fill_between(
            curve["coverage"], curve["low"], curve["high"], color=colour, alpha=0.15, linewidth=0
        )
    tops = [curve.loc[curve["coverage"] >= 0.05, "high"].max() for curve in curves.values()]
    ax.set(
        xlabel="coverage: share of test images accepted",
        ylabel="risk: errors among them",
        xlim=(0, 1),
        ylim=(0, max(*tops, 1.2 * target)),
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


def reliability_figure(
    tables: dict[str, pd.DataFrame], columns: int = 3, scaled: dict[str, pd.DataFrame] | None = None
):
    """Accuracy against confidence in bins, one square panel an arm, a line a seed; dashed: after
    temperature scaling; the bars below count the images of each bin before it.

    tables: arm to lib.evaluation.summary.reliability; scaled: the same after scaling.
    Returns the axes (2 rows of panels, panels a row)."""
    columns = max(min(columns, len(tables)), 2)
    rows = -(-len(tables) // columns)
    figure, axes = plt.subplots(
        2 * rows,
        columns,
        figsize=(0.1 + 2.2667 * columns, 3.1 * rows),
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
        after = (scaled or {}).get(arm)
        _reliability(upper, lower, tables[arm], after, colour, arm)
    for axis in axes[:, 0]:
        axis.set_ylabel("images" if axis in axes[1::2, 0] else "accuracy")
    if scaled:
        dots = Line2D([], [], color="black", marker="o", markersize=2.5, linewidth=1)
        dashed = Line2D([], [], color=SCALED, linestyle="--")
        figure.legend(
            [dots, dashed], ["before scaling", "after"], loc="outside upper right", ncols=2
        )
    return axes


def _reliability(upper, lower, table: pd.DataFrame, scaled, colour: str, arm: str) -> None:
    upper.plot([0, 1], [0, 1], color="#777777", linewidth=0.7)
    upper.set_box_aspect(1)
    if scaled is not None:
        for _, of_seed in scaled.groupby("seed"):
            upper.plot(of_seed["confidence"], of_seed["accuracy"], "--", color=SCALED)
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


# The report's sentences about confidence: what it is worth as a probability, and as a ground to
# reject.


CALIBRATION = ("ece", "ece_scaled", "nll", "nll_scaled", "brier", "brier_scaled")
SCORES = {"margin": "the logit margin", "normalised": "the normalised logit"}


def confidence(results: dict) -> str:
    """Confident errors; mean confidence when wrong and when right, after each arm's temperature,
    without which arms cannot be held against one another; errors at matched coverage."""
    compare, smoothed = results["compare"], results["study"]["label_smoothing"]
    sentences = [sure_and_wrong(compare, smoothed)]
    for arm in compared(compare):
        numbers = compare["arms"][arm]
        said = [
            f"{percent(scaled)} confident on average when {when} (before scaling {percent(raw)})"
            for raw, scaled, when in (
                (*(numbers[f"confidence_on_{which}"]["mean"] for which in two), when)
                for two, when in (
                    (("errors", "errors_scaled"), "wrong"),
                    (("right", "right_scaled"), "right"),
                )
            )
            if not missing(raw)
        ]
        sentences.append(f"After scaling by its temperature {name(arm)} is {listed(said)}.")
    return " ".join(
        [
            *sentences,
            matched(compare),
            f"See {see('fig-confidence', 'tab-confident-errors')}.",
        ]
    )


def smoothing(study: dict, arms) -> str:
    """The ceiling that label smoothing puts on confidence, when one of these arms has it."""
    amount = max(study["label_smoothing"][arm] for arm in arms)
    return amount and (
        "Label smoothing rewards a confidence of "
        f"{1 - amount + amount / study['classes']:.3f} and not of 1, even on a certain image: with "
        "it fewer errors at high confidence are no sign of better judgement."
    )


def matched(compare: dict) -> str:
    """Errors among equally many most confident predictions, whatever the scale of their
    confidence."""
    counts = {row["arm"]: row for row in compare["confident_errors"]}
    digits = 0 if number_of_seeds(compare) == 1 else 1
    said = listed(
        [f"{counts[arm]['top 20%']:.{digits}f} in {name(arm)}" for arm in compared(compare)]
    )
    if not compare["after"]:
        return (
            "Among its 20% most confident predictions, the number of errors is "
            f"{counts[compare['before']]['top 20%']:.{digits}f}."
        )
    return (
        f"Among the 20% most confident predictions of each, the errors are {said}; this count is "
        "over equally many predictions of each, whatever the level of their confidence."
    )


def calibration_text(results: dict) -> str:
    """What scaling does in each arm, and which calibration numbers changed between the two."""
    compare = results["compare"]
    arms = {arm: compare["arms"][arm] for arm in compared(compare)}
    sentences = [
        f"The temperature of {name(arm)} is {numbers['temperature']['mean']:.2f}, "
        f"{_fitted(numbers['temperature'])}."
        for arm, numbers in arms.items()
    ]
    of = {
        found: [
            measure
            for measure in CALIBRATION
            if compare["after"] and scope.said(compare["changes"][measure]) == found
        ]
        for found in ("lower", "higher", "none")
    }
    for found in ("lower", "higher"):
        if of[found]:
            sentences.append(
                f"From {subject(compare, compare['before'])} to "
                f"{subject(compare, compare['after'])} these are {found}: "
                f"{listed([_label(measure) for measure in of[found]])}"
                + f" ({see('tab-changes')})" * (compare["churn"]["between_arms"]["class"] > 0)
                + "."
            )
    if of["none"]:
        sentences.append(
            f"Between {subject(compare, compare['before'])} and "
            f"{subject(compare, compare['after'])} no difference was found, corrected for the "
            f"number of measures, in {listed([_label(measure) for measure in of['none']])}."
        )
    return " ".join([*sentences, f"See {see('tab-calibration', 'fig-reliability')}."])


def _fitted(temperature: dict) -> str:
    """Where a temperature {mean, n, each} comes from."""
    bounds = sum(map(at_bound, temperature["each"]))
    if not bounds:
        return "fitted on validation"
    where = f" in {bounds} of {temperature['n']} seeds" if temperature["n"] > 1 else ""
    return f"a bound of the search, for validation has no best one{where}"


def _label(measure: str) -> str:
    label = MEASURES[measure].label.removesuffix(", bins of equal width").removesuffix(", nats")
    return label.replace("Negative", "negative")


def rejecting(results: dict) -> str:
    compare, sentences = results["compare"], []
    for arm in compared(compare):
        row = compare["rejection"][arm]
        several = row["n"] > 1
        if row["selective_risk"] is None:
            sentences.append(
                f"{start(arm)} accepts nothing" + (" in any seed." if several else ".")
            )
            continue
        spread = (
            f"means of {row['n']} seeds"
            + f", the risk of the {row['accepting']} that accept any"
            * (row["accepting"] < row["n"])
            if several
            else interval(percent(row["risk_low"]), percent(row["risk_high"]))
        )
        sentences.append(
            f"{start(arm)} accepts {percent(row['coverage'])} of the test images, and "
            f"{percent(row['selective_risk'])} of these are wrong ({spread})."
        )
    apart = (
        f"{see('fig-coverage')} has the risk at every coverage, {see('tab-rejection')} other "
        "thresholds."
        if not compare["after"]
        else f"{_shares_differ(compare)}{see('fig-coverage')} has the risk at every coverage, "
        f"{see('tab-rejection')} other thresholds{' and arms' * (len(compare['rejection']) > 2)}."
    )
    return (
        f"Suppose that predictions below {level(compare['reject_below'])} confidence are "
        f"rejected. {' '.join(sentences)} {apart} {ranking(compare)} {scores_text(compare)}"
    )


def _shares_differ(compare: dict) -> str:
    """Why the risks at one threshold cannot be held against one another, where that is so."""
    accepted = {percent(compare["rejection"][arm]["coverage"]) for arm in compared(compare)}
    if len(accepted) == 1:
        return ""
    return (
        "This threshold accepts different shares in the two, so that their risks cannot be held "
        "against one another; the curves can. "
    )


def scores_text(compare: dict) -> str:
    """Whether another score than maximum softmax ranks the errors better, in the two arms."""
    told, none = [], []
    for arm in compared(compare):
        for score, label in SCORES.items():
            change = compare["scores"][arm][score]
            if verdict(change) == "none":
                none.append(f"{label} in {name(arm)}")
            else:
                better = "better" if change["high"] < 0 else "worse"
                told.append(f"in {name(arm)} {label} ranks the errors {better}")
    told += [f"no difference was found for {listed(none)}"] if none else []
    return (
        f"Other scores to reject by, against maximum softmax: {'; '.join(told)} "
        f"({see('tab-scores')})."
    )
