"""The comparison of arms: captions and alt texts of its figures and tables, every number from the
data drawn; the sentences on the difference between two arms; the plot of an ablation.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lib.base.text import (
    Seeds,
    count,
    differences,
    disagreement,
    each_arm,
    interval,
    level,
    listed,
    most,
    name,
    p_value,
    percent,
    plural,
    points,
    readable,
    see,
    settled,
    several,
    signed,
    start,
    unsigned,
    verdict,
    with_interval,
)
from lib.evaluation import changes as changes_of
from lib.evaluation import scope
from lib.evaluation.ablation import arms_text
from lib.evaluation.summary import change_text, missing
from lib.report.style import CLASS_FORMATS, SHOWN_CLASSES, WIDTH

INTERVALS = "Intervals: 95%, bootstrap over test images, drawn alike in all arms"
RULE = {
    "corrected": ("wrong in {0} and right in {1}", "the most confident of {0}'s errors"),
    "regressed": ("right in {0} and wrong in {1}", "the most confident of {1}'s errors"),
    "both wrong": ("wrong in both", "those where the less confident of the two is most confident"),
}


def seeds(given: Seeds) -> str:
    if most(given) == 1:
        return f"One seed ({each_arm(given)[0][0]})."
    return f"Mean ± standard deviation of {several(given)}."


def intervals(given: Seeds) -> str:
    if most(given) == 1:
        return f"{INTERVALS}."
    over = several(given) if len(set(map(len, each_arm(given)))) == 1 else "seeds that arms share"
    return (
        f"{INTERVALS}, and over the {over}, paired, no narrower than Student's interval over the "
        "seeds."
    )


MEANINGS = (
    "ECE: expected calibration error; AURC: area under the risk–coverage curve; both "
    "lower is better."
)


def arms(names: list[str], given: Seeds) -> str:
    what = f"{start(names[0])} in numbers" if len(names) == 1 else "The arms side by side"
    return (
        f"{what}, on test unless said otherwise. AURC: area under the risk–coverage curve; "
        f"lower is better. {seeds(given)}"
    )


def changes(before: str, after: str, given: Seeds) -> str:
    return (
        f"From {name(before)} to {name(after)}: every number and its change (shares in points). "
        f"Temperatures are those fitted on validation. {MEANINGS} {seeds(given)} "
        f"{intervals(given)} Of calibration errors the interval is widened by what two "
        "calibrated networks would show by chance. Sentences call different what is so after a "
        "correction for the number of measures (Benjamini–Hochberg), accuracy aside."
    )


def cases(pair: tuple[str, ...], given: Seeds) -> str:
    of_seed = "" if most(given) == 1 else f", of seed {each_arm(given)[0][0]}"
    return f"The images looked at, {' and '.join(f'in {name(arm)}' for arm in pair)}{of_seed}."


def case_formats(pair: tuple[str, ...]) -> dict:
    return CLASS_FORMATS | {
        f"{arm} {what}": form
        for arm in pair
        for what, form in (("predicts", readable), ("confidence", "{:.1%}"))
    }


def confidence(numbers: dict, given: Seeds) -> dict[str, str]:
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
        if most(given) == 1
        else f" Mean of {several(given)}, shaded from the lowest to the highest."
    )
    return {
        "caption": "Confidence, the largest softmax probability before any scaling, of wrong and "
        f"of right test predictions.{band}",
        "alt": f"Histograms of confidence. Means: {said}.",
    }


def thresholds(counts: pd.DataFrame, given: Seeds) -> dict[str, str]:
    said = "; ".join(
        f"at least {level(share)}: "
        + ", ".join(f"{readable(arm)} {row[arm]:.0f}" for arm in counts)
        for share, row in counts.iterrows()
    )
    spread = (
        "" if most(given) == 1 else f" Means of {several(given)}; whiskers: standard deviation."
    )
    return {
        "caption": "Test errors made with at least the given confidence, before any "
        f"scaling.{spread}",
        "alt": f"Counts of errors by confidence. {said}.",
    }


def confident_errors(given: Seeds, capped: bool) -> str:
    """capped: whether an arm was trained with label smoothing."""
    ceiling = (
        ", which label smoothing makes rare (its ceiling: the top probability that is best for the "
        "loss on a certain image),"
    )
    return (
        f"Confident test errors: at ≥ 90% and ≥ 99% confidence{ceiling * capped} and among the 10, "
        f"20 and 50% most confident predictions of each arm. {seeds(given)}"
    )


def calibration_caption(given: Seeds) -> str:
    return (
        "Calibration on test, without and with the temperature that was fitted on validation. "
        "ECE: expected calibration error of the predicted class, 15 bins; class-wise: the mean "
        f"over classes of that of each class's probability. {seeds(given)}"
    )


def reliability_caption(numbers: dict, given: Seeds) -> dict[str, str]:
    said = "; ".join(
        f"{readable(arm)} {of_arm['ece']['mean']:.3f}" for arm, of_arm in numbers.items()
    )
    lines = "" if most(given) == 1 else f" One line a seed ({several(given)}); bars are means."
    return {
        "caption": "Reliability: accuracy against confidence in 15 bins of equal width, dashed "
        "after temperature scaling, and the images in each bin before it. On the "
        f"diagonal, confidence means what it says.{lines}",
        "alt": f"Reliability diagrams. Expected calibration error: {said}.",
    }


def gallery(
    kind: str, drawn: pd.DataFrame, total: int, pair: tuple[str, str], given: Seeds, churn: dict
) -> dict[str, str]:
    """churn: lib.evaluation.changes.churn, what another seed does besides the other arm."""
    before, after = map(name, pair)
    said = "; ".join(
        f"{readable(row.true)}, {readable(pair[0])} {readable(row.before)} "
        f"({percent(row.before_confidence, 0)}), {readable(pair[1])} {readable(row.after)} "
        f"({percent(row.after_confidence, 0)})"
        for row in drawn.itertuples()
    )
    what, surest = (text.format(before, after) for text in RULE[kind])
    one, first = "", ""
    if most(given) > 1:
        one = f" Both arms of seed {each_arm(given)[0][0]}."
        first = "first those that are so in every pair of seeds, and of these "
    return {
        "caption": f"{len(drawn)} of {plural(total, 'test image')} {what}; {first}{surest}. Above "
        f"each: id and label, what {before} predicts, what {after} predicts.{one}"
        f"{_steady(kind, drawn, churn)}",
        "alt": f"Pictures of {plural(len(drawn), 'test image')}, {kind}: {said}.",
    }


def _steady(kind: str, drawn: pd.DataFrame, churn: dict) -> str:
    """How many of the drawn images every pair of seeds changes so, and how many another seed of one
    arm does."""
    alone = _of_seeds(churn, kind) if kind in MOVES else ""
    if not any(churn["between_seeds"].values()):
        return ""  # told once, where the change is
    always = int(drawn["in all seeds"].sum())
    shown = f"{count(always).capitalize() if always else 'Not one'} of the {len(drawn)} shown"
    if always == len(drawn) > 1:
        shown = "All that are shown"
    text = f" {shown} {'is' if always < 2 else 'are'} so in every pair of seeds."
    return text + f" From one seed of an arm to another, {alone}." * bool(alone)


MOVES = {"corrected": "corrected", "regressed": "lost"}


def _of_seeds(churn: dict, kind: str) -> str:
    """ "664 are corrected with baseline and 593 with cutmix"; "unknown" with one seed an arm."""
    seeds = {arm: of_seeds for arm, of_seeds in churn["between_seeds"].items() if of_seeds}
    said = [f"{of_seeds[kind]:,.0f} with {name(arm)}" for arm, of_seeds in seeds.items()]
    return f"{listed(said)} are {MOVES[kind]}" if said else "unknown"


def beside_seeds(compare: dict) -> str:
    """What stands beside corrected and regressed wherever they are told: what another seed of the
    same arm does."""
    churn = compare["churn"]
    if not any(churn["between_seeds"].values()):
        return "what another seed of one arm does is not known from one seed"
    return (
        f"from one seed of an arm to another, {_of_seeds(churn, 'corrected')}, and as many are lost"
    )


def churn_caption(given: Seeds) -> str:
    means = " Means over seeds, and over pairs of seeds." * (most(given) > 1)
    return f"How many test images two networks disagree on.{means}"


def classes(
    change: pd.DataFrame, before: str, after: str, given: Seeds, shown: int = SHOWN_CLASSES
) -> dict[str, str]:
    ranked = change.dropna(subset="change").sort_values("change")
    ends = " to ".join(
        f"{signed(ranked['change'].iloc[place])} points ({readable(ranked.index[place])})"
        for place in (0, -1)
    )
    ends_only = f", the {shown // 2} largest gains and losses" * (len(ranked) > shown)
    mean = (
        ""
        if most(given) == 1
        else (
            f" Mean of {several(given)}; intervals and tests count the chance of the seeds "
            "besides that of the images."
        )
    )
    return {
        "caption": f"Change of test accuracy from {name(before)} to {name(after)}, class by "
        f"class{ends_only}, with 95% intervals for paired proportions (Bonett and "
        "Price). Black: beyond chance after Benjamini–Hochberg over all classes; "
        f"grey: within it.{mean}{_class_of_seeds(change)}",
        "alt": f"Change of accuracy of {plural(len(ranked), 'class', 'classes')}, from {ends}.",
    }


def _class_of_seeds(change: pd.DataFrame) -> str:
    """By how much a class changes, beside what another seed of one arm does."""
    another = change["another_seed"].mean() if "another_seed" in change else np.nan
    if np.isnan(another):
        return ""
    return (
        f" A class moves by {change['change'].abs().mean():.1f} points on average, between two "
        f"seeds of one arm by {another:.1f}."
    )


def coverage(numbers: dict, given: Seeds, target: float) -> dict[str, str]:
    said = "; ".join(
        f"{readable(arm)} {of_arm['aurc']['mean']:.3f}" for arm, of_arm in numbers.items()
    )
    band = (
        "Bands: pointwise 95% Clopper–Pearson intervals."
        if most(given) == 1
        else f"Means of {several(given)}, bands from the lowest to the highest seed."
    )
    return {
        "caption": "Risk against coverage: predictions are accepted from the most confident "
        f"down. {band} Dashed: the risk that this study allows, {level(target)}.",
        "alt": f"Risk–coverage curves. Area under the curve: {said}.",
    }


def rejection(given: Seeds) -> str:
    return (
        "Accepting only predictions with at least the given confidence: coverage is the share "
        "accepted, risk the share of errors among them"
        + (" with its 95% Clopper–Pearson interval. " if most(given) == 1 else ". ")
        + seeds(given)
    )


def promises(risk: float) -> str:
    return (
        f"The lowest confidence that validation allows for a risk of {level(risk)} at most (95% "
        "Clopper–Pearson limit, corrected for 20 thresholds tried), and what became of it on "
        "test. Kept: the risk on test is no higher; broken: its interval lies above."
    )


def scores_caption(given: Seeds) -> str:
    return (
        "Three scores to reject by, each from the same logits: areas under the risk–coverage "
        "curve (AURC), above that of a perfect ranking (E-AURC), and under the generalised curve "
        f"(AUGRC); lower is better. {seeds(given)} {intervals(given)}"
    )


def effects_table(given: Seeds) -> str:
    return (
        "What each factor does with the others as given, and, with ×, what two do together "
        f"beyond the sum of each alone. Accuracy in points. {intervals(given)} They are not "
        "corrected for their number."
    )


def effects_caption(found: list[dict], given: Seeds) -> dict[str, str]:
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
    """The seeds that the two arms have in common; of one arm those that it has."""
    alone = compare["arms"][compare["before"]]["test_accuracy"]["n"]
    return len(compare["seeds"]) if "seeds" in compare else alone


def about(compare: dict) -> str:
    """What may be said of the change: lib.evaluation.scope.about."""
    return compare.get("about") or scope.about(number_of_seeds(compare))


def subject(compare: dict, arm: str) -> str:
    """The arm, where a sentence may be about it; else its networks."""
    if about(compare) == scope.METHOD:
        return f"the arm {name(arm)}"
    return f"the network{'' if number_of_seeds(compare) == 1 else 's'} of {name(arm)}"


def caveat(compare: dict) -> str:
    """ " " and what stands behind a sentence on networks alone."""
    if about(compare) == scope.METHOD:
        return ""
    return f" {scope.caveat(min(number_of_seeds(compare), scope.LEAST_SEEDS - 1))}"


def equivalent(compare: dict) -> str:
    """Whether the accuracies are shown to be as good as equal, which no difference found is not."""
    found = compare.get("equivalence")
    if not found:
        return ""
    margin = f"{100 * found['margin']:g}"
    within = f"within ±{margin} point{'' if margin == '1' else 's'}"
    return (
        f" They are equivalent {within}."
        if found["equivalent"]
        else f" That they are equivalent {within} is not shown."
    )


def _means(compare: dict) -> str:
    seeds = number_of_seeds(compare)
    return "" if seeds == 1 else f", means of {seeds} seeds"


def accuracy(compare: dict) -> str:
    """What became of test accuracy from one arm to the other."""
    before, after = name(compare["before"]), name(compare["after"])
    change, test = compare["accuracy_change"], compare["mcnemar"]
    numbers = f"{change_text('test_accuracy', change, 1)}{_means(compare)}"
    found = settled(change, test)
    if found == "open":
        word = "raises" if change["estimate"] > 0 else "lowers"
        return (
            f"Whether {after} {word} test accuracy is open: {disagreement(change)} ({numbers})."
            f"{caveat(compare)}"
        )
    networks = "" if about(compare) == scope.METHOD else "the networks of "
    if found == "none":
        return (
            f"No difference in test accuracy between {networks}{before} and {after} was found "
            f"({numbers}).{equivalent(compare)}{caveat(compare)}"
        )
    if about(compare) == scope.METHOD:
        word = "raises" if found == "higher" else "lowers"
        small = equivalent(compare) if (compare.get("equivalence") or {}).get("equivalent") else ""
        return f"The arm {after} {word} test accuracy ({numbers}).{small}"
    those = "those" if number_of_seeds(compare) > 1 else "that"
    return (
        f"Of {scope.networks(min(number_of_seeds(compare), 2))} {those} of {after} "
        f"get{'s' * (those == 'that')} {'more' if found == 'higher' else 'fewer'} test images "
        f"right ({numbers}).{caveat(compare)}"
    )


def among_many(change: dict) -> str:
    """What stands behind "no difference was found" where the interval alone would say otherwise."""
    alone = scope.said(change) == "none" != verdict(change)
    return " after correction for the number of measures" if alone else ""


def tested(compare: dict) -> str:
    """The exact test of the images that differ, which knows nothing of other seeds; "" of one
    arm."""
    if not compare["after"]:
        return ""
    test = compare["mcnemar"]
    which = "McNemar's exact test" if test["n"] == 1 else "The sign-flip test"
    return (
        f"{which} over images, {'these networks' if test['n'] == 1 else 'these seeds'} as given: "
        f"{p_value(test['p_value'])}."
    )


def sure_and_wrong(compare: dict, label_smoothing: dict) -> str:
    """Errors at 90% confidence or more, and whether their number changed, after scaling each arm by
    its temperature; label_smoothing: {arm: amount}."""
    before, after, seeds = compare["before"], compare["after"], number_of_seeds(compare)
    digits, level = 0 if seeds == 1 else 1, "at 90% confidence or more"
    numbers = changes_of.of_pair(compare["arms"], (before, after) if after else (before,))
    if not after:
        sure, errors = (numbers[before][one]["mean"] for one in ("errors_ge_90", "errors"))
        return (
            f"{start(before)} makes {sure:,.{digits}f} of its {errors:,.{digits}f} errors {level}."
        )
    measure = "errors_ge_90_scaled"
    change, test = compare["changes"][measure], compare["sure_tests"][measure]
    found = settled(change, test)
    if found != "open":
        found = scope.said(change)
    said = {
        "none": f"No difference in their number was found{among_many(change)}",
        "higher": "They are more",
        "lower": "They are fewer",
        "open": f"Whether they are {'more' if change['estimate'] > 0 else 'fewer'} is open: "
        f"{disagreement(change)}",
    }[found]
    scaled, raw = (
        listed([f"{of[one]['mean']:,.{digits}f} with {name(arm)}" for arm, of in numbers.items()])
        for one in (measure, "errors_ge_90")
    )
    capped = label_smoothing[after] > label_smoothing[before]
    return (
        f"Errors {level} after scaling are {scaled}. {said} "
        f"({change_text(measure, change, seeds)}). Before scaling they are {raw}"
        + f", which the label smoothing of {name(after)} reduces by construction" * capped
        + "."
    )


def ranking(compare: dict) -> str:
    """In which arm rejecting by confidence leaves fewer errors, and whether more than accuracy does
    so."""
    if not compare["after"]:
        return (
            "The area under its risk–coverage curve is "
            f"{compare['arms'][compare['before']]['aurc']['mean']:.3f}: the share of errors "
            "among accepted predictions, on average over all coverages."
        )
    change = compare["changes"]["aurc"]
    estimate, *ends = differences(change, 3)
    if scope.said(change) == "none":
        return (
            "Rejecting the least confident predictions was not found to leave fewer errors in "
            f"either{among_many(change)}: the areas under the risk–coverage curves differ by "
            f"{estimate} ({interval(*ends)})."
        )
    better, ends = (
        (compare["after"], ends[::-1]) if change["high"] < 0 else (compare["before"], ends)
    )
    return (
        f"Rejecting the least confident predictions leaves fewer errors in "
        f"{subject(compare, better)}: the area under its risk–coverage curve is "
        f"{unsigned(estimate)} smaller ({interval(*map(unsigned, ends))}). {excess(compare)}"
    ).strip()


def excess(compare: dict) -> str:
    """The same without what accuracy alone does to the area: E-AURC, the area above that of a
    perfect ranking of as many errors."""
    pair = changes_of.of_pair(compare["arms"], (compare["before"], compare["after"])).values()
    if not all(arm["errors"]["mean"] for arm in pair):  # nothing to rank
        return ""
    change = compare["changes"]["e_aurc"]
    found = {
        "none": f"no difference in the ranking itself was found{among_many(change)}",
        "lower": f"{subject(compare, compare['after'])} ranks its errors better",
        "higher": f"{subject(compare, compare['before'])} ranks its errors better",
    }[scope.said(change)]
    return (
        f"Accuracy has its share in that; of the area above that of a perfect ranking (E-AURC), "
        f"{found} ({with_interval(change, 3)})."
    )


def side_by_side(results: dict) -> str:
    """The section's title and first sentences."""
    compare = results["compare"]
    parts = []
    if compare["after"]:
        parts += [tested(compare)] * (compare["churn"]["between_arms"]["class"] > 0)
        changed = any(change["estimate"] for change in compare["changes"].values())
        parts += [f"{see('tab-changes')} has every change with its interval."] * changed
    title = "The arms held against each other" if parts else "The images looked at"
    parts += [f"{see('tab-cases')} has the images looked at."] * bool(compare["cases"])
    return f"## {title}\n\n{' '.join(parts)}" * bool(parts)


def moved(results: dict) -> str:
    """The subsection's title; what both arms get wrong, against what two seeds of one arm differ
    by. "" where nothing moves."""
    compare = results["compare"]
    if not compare["after"] or compare["churn"]["between_arms"]["class"] == 0:
        return ""
    counts, classes = compare["migration"], compare["classes"]
    wrong, share = counts["both_wrong"], counts["both_wrong_less_confident_scaled_share"]
    sentences = [f"Both arms are wrong on {wrong:,.0f} test images{_means(compare)}."]
    if share is not None:
        sentences += [
            f"After scaling each by its temperature, {name(compare['after'])} is the less "
            f"confident one on {percent(share)} of these (before scaling on "
            f"{percent(counts['both_wrong_less_confident_share'])})."
        ]
    sentences += [churn_text(compare)]
    if classes.get("another_seed") is not None:
        sentences += [
            f"A class changes by {classes['mean_size']:.1f} points on average; between two seeds "
            f"of one arm it does by {classes['another_seed']:.1f}."
        ]
    return "### Image by image\n\n" + " ".join(sentences)


def churn_text(compare: dict) -> str:
    """How many predictions differ between the arms, beside how many differ between seeds of one
    arm."""
    shares, after = compare["churn"], compare["after"]
    between = shares["between_arms"]
    sentences = [
        f"The two predict different classes for {percent(between['class'])} of the test images, "
        f"and one is right where the other is wrong on {percent(between['right'])}."
    ]
    seeds = {arm: of_seeds for arm, of_seeds in shares["between_seeds"].items() if of_seeds}
    if not seeds:
        return f"{sentences[0]} How much of this another seed alone would do is not known."
    sentences += [
        f"Between seeds of {name(arm)} these shares are {percent(of_seeds['class'])} and "
        f"{percent(of_seeds['right'])}."
        for arm, of_seeds in seeds.items()
    ]
    alone = [f"one of {name(arm)} {of_seeds['corrected']:,.0f}" for arm, of_seeds in seeds.items()]
    sentences += [
        f"Another seed alone corrects many images and loses as many: {listed(alone)} "
        f"({see('tab-churn')}).",
        f"Of the {between['corrected']:,.0f} that {name(after)} corrects "
        f"{_beyond(beyond(shares))}.",
    ]
    return " ".join(sentences)


def _beyond(more: float) -> str:
    if more <= 0:
        return "none are more than another seed corrects on average"
    return f"{more:,.0f} are more than another seed corrects on average"


def beyond(shares: dict) -> float:
    """Images corrected beyond those that another seed corrects, the mean over arms with several
    seeds."""
    seeds = [of_seeds["corrected"] for of_seeds in shares["between_seeds"].values() if of_seeds]
    return shares["between_arms"]["corrected"] - float(np.mean(seeds))


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
            "too. The intervals are not corrected for their number; what these sentences call an "
            "effect is.",
        ]
    )


def _effect(effect: dict, seeds: int) -> str:
    seeds = len(effect["seeds"]) if "seeds" in effect else seeds
    change = effect["test_accuracy"]
    found, numbers = scope.said(change), change_text("test_accuracy", change, seeds)
    if scope.about(seeds) == scope.NETWORKS:
        numbers += f", {('one network', 'two networks')[seeds - 1]} an arm"
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
        alone = " once corrected for their number" * (change["low"] > 0 or change["high"] < 0)
        return f"{what}{given}: no effect on test accuracy was found{alone} ({numbers})."
    if scope.about(seeds) == scope.NETWORKS:
        return f"{what}{given}: test accuracy is {found} where it is on ({numbers})."
    return f"{what}{given}: test accuracy {'rises' if found == 'higher' else 'falls'} ({numbers})."


# The forest plot of an ablation: data in, axes out.


PANELS = {"test_accuracy": ("accuracy, points", 100), "ece": ("ECE", 1), "aurc": ("AURC", 1)}


def effects_figure(found: list[dict]):
    """Each effect with its 95% interval and, beside it, as a number: a row an effect and a panel a
    measure; black where the interval leaves 0 out."""
    size = (WIDTH, 0.7 + 0.24 * len(found))
    _, axes = plt.subplots(1, len(PANELS), figsize=size, layout="constrained", sharey=True)
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
        for row, value in enumerate(estimate):
            said = signed(value, 1 if scale == 100 else 3)
            axis.text(1.03, row, said, transform=axis.get_yaxis_transform(), va="center")
        axis.set(xlabel=f"change of {label}", ylim=(len(found) - 0.4, -0.6))
        axis.grid(axis="y", visible=False)
    labels = [
        effect["effect"]
        + ("" if effect["given"] == "nothing else" else f", with {effect['given']}")
        for effect in found
    ]
    axes[0].set_yticks(place, labels)
    return axes
