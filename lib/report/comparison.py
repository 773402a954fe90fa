"""The comparison of arms: captions and alt texts of its figures and tables, every number from the
data drawn; the sentences on the difference between two arms; the plot of an ablation.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lib.base.text import (
    count,
    differences,
    disagreement,
    interval,
    level,
    listed,
    name,
    p_value,
    percent,
    plural,
    points,
    readable,
    see,
    settled,
    signed,
    start,
    unsigned,
    verdict,
)
from lib.evaluation.ablation import arms_text
from lib.evaluation.summary import change_text, missing
from lib.report.style import CLASS_FORMATS, WIDTH

INTERVALS = "Intervals: 95%, bootstrap over test images, drawn alike in all arms"
RULE = {
    "corrected": "wrong in {0} and right in {1}; the most confident of {0}'s errors",
    "regressed": "right in {0} and wrong in {1}; the most confident of {1}'s errors",
    "both wrong": "wrong in both; those where the less confident of the two is most confident",
}


def seeds(given: list[int]) -> str:
    return (
        f"One seed ({given[0]})."
        if len(given) == 1
        else f"Mean ± standard deviation of {len(given)} seeds."
    )


def intervals(given: list[int]) -> str:
    over = (
        f", and over the {len(given)} seeds, paired, no narrower than Student's interval over "
        "the seeds."
    )
    return INTERVALS + ("." if len(given) == 1 else over)


MEANINGS = (
    "ECE: expected calibration error; AURC: area under the risk–coverage curve; both "
    "lower is better."
)


def arms(names: list[str], given: list[int]) -> str:
    what = f"{start(names[0])} in numbers" if len(names) == 1 else "The arms side by side"
    return (
        f"{what}, on test unless said otherwise. AURC: area under the risk–coverage curve; "
        f"lower is better. {seeds(given)}"
    )


def changes(before: str, after: str, given: list[int]) -> str:
    return (
        f"From {name(before)} to {name(after)}: every number and its change (shares in points). "
        f"Temperatures are those fitted on validation. {MEANINGS} {seeds(given)} "
        f"{intervals(given)} Of calibration errors the interval is widened by what two "
        "calibrated networks would show by chance."
    )


def cases(pair: tuple[str, ...], given: list[int]) -> str:
    of_seed = "" if len(given) == 1 else f", of seed {given[0]}"
    return f"The images looked at, {' and '.join(f'in {name(arm)}' for arm in pair)}{of_seed}."


def case_formats(pair: tuple[str, ...]) -> dict:
    return CLASS_FORMATS | {
        f"{arm} {what}": form
        for arm in pair
        for what, form in (("predicts", readable), ("confidence", "{:.1%}"))
    }


def confidence(numbers: dict, given: list[int]) -> dict[str, str]:
    def mean(arm, what):
        value = numbers[arm][what]["mean"]
        return "no such prediction" if missing(value) else percent(value)

    said = "; ".join(
        f"{readable(arm)} {mean(arm, 'confidence_on_errors')} when wrong, "
        f"{mean(arm, 'confidence_on_right')} when right"
        for arm in numbers
    )
    band = (
        ""
        if len(given) == 1
        else f" Mean of {len(given)} seeds, shaded from the lowest to the highest."
    )
    return {
        "caption": "Confidence, the largest softmax probability before any scaling, of wrong and "
        f"of right test predictions.{band}",
        "alt": f"Histograms of confidence. Means: {said}.",
    }


def thresholds(counts: pd.DataFrame, given: list[int]) -> dict[str, str]:
    said = "; ".join(
        f"at least {level(share)}: "
        + ", ".join(f"{readable(arm)} {row[arm]:.0f}" for arm in counts)
        for share, row in counts.iterrows()
    )
    spread = (
        "" if len(given) == 1 else f" Means of {len(given)} seeds; whiskers: standard deviation."
    )
    return {
        "caption": "Test errors made with at least the given confidence, before any "
        f"scaling.{spread}",
        "alt": f"Counts of errors by confidence. {said}.",
    }


def confident_errors(given: list[int]) -> str:
    return (
        "Confident test errors: at ≥ 90% and ≥ 99% confidence, which label smoothing caps near "
        "its ceiling (the top probability that is best for the loss on a certain image), and "
        f"among the 10, 20 and 50% most confident predictions of each arm. {seeds(given)}"
    )


def calibration_caption(given: list[int]) -> str:
    return (
        "Calibration on test, without and with the temperature that was fitted on validation. "
        "ECE: expected calibration error of the predicted class, 15 bins; class-wise: the mean "
        f"over classes of that of each class's probability. {seeds(given)}"
    )


def reliability_caption(numbers: dict, given: list[int]) -> dict[str, str]:
    said = "; ".join(
        f"{readable(arm)} {of_arm['ece']['mean']:.3f}" for arm, of_arm in numbers.items()
    )
    lines = "" if len(given) == 1 else f" One line a seed ({len(given)}); bars are means."
    return {
        "caption": "Reliability before scaling: accuracy against confidence in 15 bins of equal "
        "width, and the images in each. On the diagonal, confidence means what it "
        f"says.{lines}",
        "alt": f"Reliability diagrams. Expected calibration error: {said}.",
    }


def gallery(
    kind: str, drawn: pd.DataFrame, total: int, pair: tuple[str, str], given: list[int]
) -> dict[str, str]:
    before, after = map(name, pair)
    said = "; ".join(
        f"{readable(row.true)}, {readable(pair[0])} {readable(row.before)} "
        f"({percent(row.before_confidence, 0)}), {readable(pair[1])} {readable(row.after)} "
        f"({percent(row.after_confidence, 0)})"
        for row in drawn.itertuples()
    )
    one = "" if len(given) == 1 else f" Both arms of seed {given[0]}."
    return {
        "caption": f"{len(drawn)} of {plural(total, 'test image')} "
        f"{RULE[kind].format(before, after)}. Above each: id and true class, what "
        f"{before} predicts, what {after} predicts.{one}",
        "alt": f"Pictures of {plural(len(drawn), 'test image')}, {kind}: {said}.",
    }


def churn_caption(given: list[int]) -> str:
    return "How many test images two networks disagree on." + (
        " With one seed, how many change between seeds of one arm is not known."
        if len(given) == 1
        else " Means over seeds, and over pairs of seeds."
    )


def classes(change: pd.DataFrame, before: str, after: str, given: list[int]) -> dict[str, str]:
    ranked = change.dropna(subset="change").sort_values("change")
    ends = " to ".join(
        f"{signed(ranked['change'].iloc[place])} points ({readable(ranked.index[place])})"
        for place in (0, -1)
    )
    ends_only = ", the 100 largest gains and losses" if len(ranked) > 200 else ""
    mean = (
        ""
        if len(given) == 1
        else (
            f" Mean of {len(given)} seeds, of each image before anything else: "
            "intervals and tests take the seeds as given."
        )
    )
    return {
        "caption": f"Change of test accuracy from {name(before)} to {name(after)}, class by "
        f"class{ends_only}, with 95% intervals for paired proportions (Bonett and "
        "Price). Black: beyond chance after Benjamini–Hochberg over all classes; "
        f"grey: within it.{mean}",
        "alt": f"Change of accuracy of {plural(len(ranked), 'class', 'classes')}, from {ends}.",
    }


def coverage(numbers: dict, given: list[int]) -> dict[str, str]:
    said = "; ".join(
        f"{readable(arm)} {of_arm['aurc']['mean']:.3f}" for arm, of_arm in numbers.items()
    )
    band = (
        "Bands: pointwise 95% Clopper–Pearson intervals."
        if len(given) == 1
        else f"Means of {len(given)} seeds, bands from the lowest to the highest seed."
    )
    return {
        "caption": "Risk against coverage: predictions are accepted from the most confident "
        f"down. {band}",
        "alt": f"Risk–coverage curves. Area under the curve: {said}.",
    }


def rejection(given: list[int]) -> str:
    return (
        "Accepting only predictions with at least the given confidence: coverage is the share "
        "accepted, risk the share of errors among them"
        + (" with its 95% Clopper–Pearson interval. " if len(given) == 1 else ". ")
        + seeds(given)
    )


def promises(risk: float) -> str:
    return (
        f"The lowest confidence that validation allows for a risk of {level(risk)} at most (95% "
        "Clopper–Pearson limit, corrected for 20 thresholds tried), and what became of it on "
        "test. Kept: the risk on test is no higher; broken: its interval lies above."
    )


def scores_caption(given: list[int]) -> str:
    return (
        "Three scores to reject by, each from the same logits: areas under the risk–coverage "
        "curve (AURC), above that of a perfect ranking (E-AURC), and under the generalised curve "
        f"(AUGRC); lower is better. {seeds(given)} {intervals(given)}"
    )


def effects_table(given: list[int]) -> str:
    return (
        "What each factor does with the others as given, and, with ×, what two do together "
        f"beyond the sum of each alone. Accuracy in points. {intervals(given)} They are not "
        "corrected for their number."
    )


def effects_caption(found: list[dict], given: list[int]) -> dict[str, str]:
    said = "; ".join(
        f"{effect['effect']} given {effect['given']} ({arms_text(effect['arms'])}) "
        f"{points(effect['test_accuracy']['estimate'])} points, "
        + interval(*(points(effect["test_accuracy"][end]) for end in ("low", "high")))
        for effect in found
    )
    return {
        "caption": "Effects of the factors. Black: the interval leaves 0 out; grey: it does not. "
        f"{intervals(given)}",
        "alt": f"Effects on accuracy: {said}.",
    }


# The report's sentences about the difference between two arms. None says more than its interval
# allows.


def number_of_seeds(compare: dict) -> int:
    return compare["arms"][compare["before"]]["test_accuracy"]["n"]


def _means(compare: dict) -> str:
    seeds = number_of_seeds(compare)
    return "" if seeds == 1 else f", means of {seeds} seeds"


def accuracy(compare: dict) -> str:
    """What became of test accuracy, in one sentence."""
    before, after = compare["before"], compare["after"]
    if not after:
        return (
            f"{start(before)} gets {percent(compare['arms'][before]['test_accuracy']['mean'])} "
            f"of the test images right{_means(compare)}; no other arm was trained, so nothing is "
            "compared."
        )
    change, test = compare["accuracy_change"], compare["mcnemar"]
    exact = "McNemar" if test["n"] == 1 else "sign-flip test over images, seeds as given,"
    numbers = (
        f"{change_text('test_accuracy', change, 1)}{_means(compare)}, {exact} "
        f"{p_value(test['p_value'])}"
    )
    levels = " to ".join(
        percent(compare["arms"][arm]["test_accuracy"]["mean"]) for arm in (before, after)
    )
    word, found = "raises" if change["estimate"] > 0 else "lowers", settled(change, test)
    if found == "open":
        return (
            f"Whether {name(after)} {word} test accuracy is open: {disagreement(change)} "
            f"({levels}: {numbers})."
        )
    if found == "none":
        return (
            f"No difference in test accuracy between {name(before)} and {name(after)} was "
            f"found ({levels}: {numbers})."
        )
    return f"{start(after)} {word} test accuracy from {levels} ({numbers})."


def sure_and_wrong(compare: dict, label_smoothing: dict) -> str:
    """Errors at 90% confidence or more, and whether their number changed; label_smoothing: {arm:
    amount}."""

    def one(arm, level=""):
        numbers = compare["arms"][arm]
        errors, sure = numbers["errors"]["mean"], numbers["errors_ge_90"]["mean"]
        return (
            f"{sure:,.{digits}f} of its {errors:,.{digits}f} test errors{level}"
            if errors
            else "no test error"
        )

    before, after, seeds = compare["before"], compare["after"], number_of_seeds(compare)
    digits, level = 0 if seeds == 1 else 1, " at 90% confidence or more"
    if not after:
        return f"{start(before)} makes {one(before, level)}."
    change, test = compare["changes"]["errors_ge_90"], compare["sure_tests"]["errors_ge_90"]
    found = settled(change, test)
    said = {
        "none": "no difference in their number was found",
        "higher": "they are more",
        "lower": "they are fewer",
        "open": f"whether they are {'more' if change['estimate'] > 0 else 'fewer'} is open: "
        f"{disagreement(change)}",
    }[found]
    exact = f", exact sign test {p_value(test['p_value'])}" if test["n"] == 1 else ""
    other = one(after, "" if compare["arms"][before]["errors"]["mean"] else level)
    text = (
        f"{start(before)} makes {one(before, level)}, {name(after)} {other}: {said} "
        f"({change_text('errors_ge_90', change, seeds)}{exact})"
    )
    if found == "lower" and label_smoothing[after] > label_smoothing[before]:
        text += f", a number that the label smoothing of {name(after)} lowers by construction"
    return text + "."


def ranking(compare: dict) -> str:
    """In which arm rejecting by confidence leaves fewer errors, in one sentence; accuracy has its
    share in that."""
    if not compare["after"]:
        return (
            "The area under its risk–coverage curve is "
            f"{compare['arms'][compare['before']]['aurc']['mean']:.3f}: the share of errors "
            "among accepted predictions, on average over all coverages."
        )
    change = compare["aurc_change"]
    estimate, *ends = differences(change, 3)
    if verdict(change) == "none":
        return (
            "Rejecting the least confident predictions was not found to leave fewer errors in "
            f"either: the areas under the risk–coverage curves differ by {estimate} "
            f"({interval(*ends)})."
        )
    better, ends = (
        (compare["after"], ends[::-1]) if change["high"] < 0 else (compare["before"], ends)
    )
    return (
        f"Rejecting the least confident predictions leaves fewer errors in {name(better)}: the "
        f"area under its risk–coverage curve is {unsigned(estimate)} smaller "
        f"({interval(*map(unsigned, ends))})."
    )


def side_by_side(results: dict) -> str:
    """The section's title and first sentences."""
    compare = results["compare"]
    if not compare["after"]:
        return (
            f"## {start(compare['before'])} in numbers\n\nNo remedy was trained, so none is "
            f"judged. {see('tab-arms')} has the numbers of {name(compare['before'])}, "
            f"{see('tab-cases')} the images looked at."
        )
    return (
        f"## Is the fix real?\n\n{accuracy(compare)} {see('tab-arms')} has the arms side by "
        f"side, {see('tab-changes')} every change with its interval, {see('tab-cases')} and "
        f"{see('fig-before-after')} the same images in both."
    )


def moved(results: dict) -> str:
    """The subsection's title; corrected, regressed, wrong in both, against what two seeds of one
    arm differ by; classes that moved beyond chance. "" with one arm, where nothing moves."""
    compare = results["compare"]
    if not compare["after"]:
        return ""
    counts, classes = compare["migration"], compare["classes"]
    before, after, seeds = name(compare["before"]), name(compare["after"]), number_of_seeds(compare)

    def images(number):
        return plural(number, "image") if isinstance(number, int) else f"{number:,.1f} images"

    digits = 0 if isinstance(counts["net_gain"], int) else 1
    text = (
        f"### Image by image, class by class\n\n{start(compare['after'])} corrects "
        f"{images(counts['corrected'])} that {before} gets wrong, and gets "
        f"{images(counts['regressed'])} wrong that {before} gets right: a net change of "
        f"{signed(counts['net_gain'], digits)}{_means(compare)}. "
        f"Both are wrong on {images(counts['both_wrong'])}"
    )
    if counts["both_wrong_less_confident_share"] is not None:
        text += (
            f"; on {percent(counts['both_wrong_less_confident_share'])} of these {after} is "
            "the less confident one"
        )
    beyond = classes["better_beyond_chance"] + classes["worse_beyond_chance"]
    moved_classes = (
        f"Of {classes['tested']} classes {count(classes['better'])} "
        f"{'is' if classes['better'] == 1 else 'are'} more accurate in {after}, "
        f"{count(classes['worse'])} less, and {count(classes['equal'])} as before. "
        + (
            f"Beyond chance, with 5% false discoveries, {count(classes['better_beyond_chance'])} "
            f"rise and {count(classes['worse_beyond_chance'])} fall."
            if beyond
            else "With 5% false discoveries none of these changes is beyond chance."
        )
    )
    given = (
        "" if seeds == 1 else " Chance is that of the test images; the seeds are taken as given."
    )
    return f"{text}. {churn_text(compare)}\n\n{moved_classes}{given} See {see('fig-classes')}."


def churn_text(compare: dict) -> str:
    """How many predictions differ between the arms, beside how many differ between seeds of one
    arm."""
    shares = compare["churn"]
    between = shares["between_arms"]
    text = (
        f"The two predict different classes for {percent(between['class'])} of the test images, "
        f"and one is right where the other is wrong on {percent(between['right'])}"
    )
    seeds = [
        f"{percent(of_seeds['class'])} and {percent(of_seeds['right'])} between seeds of "
        f"{name(arm)}"
        for arm, of_seeds in shares["between_seeds"].items()
        if of_seeds
    ]
    return text + (
        f"; these shares are {listed(seeds)} ({see('tab-churn')})."
        if seeds
        else ". How much of this another seed alone would do is not known from one seed."
    )


def ablation(results: dict) -> str:
    """Each effect on accuracy in a sentence, "" for a study without an ablation."""
    found, seeds = results["compare"]["ablation"], number_of_seeds(results["compare"])
    if not found:
        return ""
    sentences = [_effect(effect, seeds) for effect in found]
    return " ".join(
        [
            *sentences,
            f"{see('tab-ablation', 'fig-ablation')} have the effects on calibration and ranking "
            "too. The intervals are not corrected for their number.",
        ]
    )


def _effect(effect: dict, seeds: int) -> str:
    change = effect["test_accuracy"]
    found, numbers = verdict(change), change_text("test_accuracy", change, seeds)
    given = "" if effect["given"] == "nothing else" else f" given {effect['given']}"
    if "×" in effect["effect"]:
        one, other = effect["effect"].split(" × ")
        if found == "none":
            return (
                f"{start(one)} and {name(other)}{given}: together they were not found to give "
                f"more or less than the sum of each alone ({numbers})."
            )
        more = "more" if found == "higher" else "less"
        return (
            f"{start(one)} and {name(other)}{given}: together they give {more} than the sum "
            f"of each alone ({numbers})."
        )
    what = start(effect["effect"])
    if found == "none":
        return f"{what}{given}: no effect on test accuracy was found ({numbers})."
    return f"{what}{given}: test accuracy {'rises' if found == 'higher' else 'falls'} ({numbers})."


# The forest plot of an ablation: data in, axes out.


PANELS = {"test_accuracy": ("accuracy, points", 100), "ece": ("ECE", 1), "aurc": ("AURC", 1)}


def effects_figure(found: list[dict], axes=None):
    """Each effect with its 95% interval, a row an effect and a panel a number; black where the
    interval leaves 0 out."""
    if axes is None:
        axes = plt.subplots(
            1,
            len(PANELS),
            figsize=(WIDTH, 0.7 + 0.24 * len(found)),
            layout="constrained",
            sharey=True,
        )[1]
    place = np.arange(len(found))
    for axis, (measure, (label, scale)) in zip(axes, PANELS.items()):
        estimate, low, high = (
            scale * np.array([effect[measure][end] for effect in found])
            for end in ("estimate", "low", "high")
        )
        colour = np.where((low > 0) | (high < 0), "black", "#9a9a9a")
        axis.hlines(place, low, high, color=colour, linewidth=1.3)
        axis.scatter(estimate, place, c=colour, s=14, zorder=3)
        axis.axvline(0, color="black", linewidth=0.7)
        axis.set(xlabel=f"change of {label}", ylim=(len(found) - 0.4, -0.6))
        axis.grid(axis="y", visible=False)
    labels = [
        effect["effect"]
        + ("" if effect["given"] == "nothing else" else f", with {effect['given']}")
        for effect in found
    ]
    axes[0].set_yticks(place, labels)
    return axes
