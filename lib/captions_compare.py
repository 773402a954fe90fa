"""Captions and alt texts of the comparison; every number comes from the data drawn."""

import pandas as pd

from lib.base.text import interval, level, name, percent, plural, points, readable, signed, start
from lib.captions import CLASS_FORMATS
from lib.evaluation.ablation import arms_text
from lib.evaluation.summary import missing

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
    over = f", and over the {len(given)} seeds, paired, no narrower than Student's interval over the seeds."
    return INTERVALS + ("." if len(given) == 1 else over)


MEANINGS = "ECE: expected calibration error; AURC: area under the risk–coverage curve; both lower is better."


def arms(names: list[str], given: list[int]) -> str:
    what = f"{start(names[0])} in numbers" if len(names) == 1 else "The arms side by side"
    return f"{what}, on test unless said otherwise. AURC: area under the risk–coverage curve; lower is better. {seeds(given)}"


def changes(before: str, after: str, given: list[int]) -> str:
    return (
        f"From {name(before)} to {name(after)}: every number and its change (shares in points). Temperatures are those fitted on "
        f"validation. {MEANINGS} {seeds(given)} {intervals(given)} Of calibration errors the "
        "interval is widened by what two calibrated networks would show by chance."
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
        f"{readable(arm)} {mean(arm, 'confidence_on_errors')} when wrong, {mean(arm, 'confidence_on_right')} when right"
        for arm in numbers
    )
    band = (
        ""
        if len(given) == 1
        else f" Mean of {len(given)} seeds, shaded from the lowest to the highest."
    )
    return {
        "caption": f"Confidence, the largest softmax probability before any scaling, of wrong and of right test predictions.{band}",
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
        "caption": f"Test errors made with at least the given confidence, before any scaling.{spread}",
        "alt": f"Counts of errors by confidence. {said}.",
    }


def confident_errors(given: list[int]) -> str:
    return (
        "Confident test errors: at ≥ 90% and ≥ 99% confidence, which label smoothing caps near its ceiling (the top "
        "probability that is best for the loss on a certain image), and among the 10, 20 and 50% most confident predictions of each arm. "
        f"{seeds(given)}"
    )


def calibration(given: list[int]) -> str:
    return (
        "Calibration on test, without and with the temperature that was fitted on validation. ECE: expected calibration error of the "
        f"predicted class, 15 bins; class-wise: the mean over classes of that of each class's probability. {seeds(given)}"
    )


def reliability(numbers: dict, given: list[int]) -> dict[str, str]:
    said = "; ".join(
        f"{readable(arm)} {of_arm['ece']['mean']:.3f}" for arm, of_arm in numbers.items()
    )
    lines = "" if len(given) == 1 else f" One line a seed ({len(given)}); bars are means."
    return {
        "caption": "Reliability before scaling: accuracy against confidence in 15 bins of equal width, and the images in each. On "
        f"the diagonal, confidence means what it says.{lines}",
        "alt": f"Reliability diagrams. Expected calibration error: {said}.",
    }


def gallery(
    kind: str, drawn: pd.DataFrame, total: int, pair: tuple[str, str], given: list[int]
) -> dict[str, str]:
    before, after = map(name, pair)
    said = "; ".join(
        f"{readable(row.true)}, {readable(pair[0])} {readable(row.before)} ({percent(row.before_confidence, 0)}), "
        f"{readable(pair[1])} {readable(row.after)} ({percent(row.after_confidence, 0)})"
        for row in drawn.itertuples()
    )
    one = "" if len(given) == 1 else f" Both arms of seed {given[0]}."
    return {
        "caption": f"{len(drawn)} of {plural(total, 'test image')} {RULE[kind].format(before, after)}. Above each: id and true class, what "
        f"{before} predicts, what {after} predicts.{one}",
        "alt": f"Pictures of {plural(len(drawn), 'test image')}, {kind}: {said}.",
    }


def churn(given: list[int]) -> str:
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
        "caption": f"Change of test accuracy from {name(before)} to {name(after)}, class by class{ends_only}, with 95% intervals for paired "
        "proportions (Bonett and Price). Black: beyond chance after Benjamini–Hochberg over all classes; grey: "
        f"within it.{mean}",
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
        "caption": f"Risk against coverage: predictions are accepted from the most confident down. {band}",
        "alt": f"Risk–coverage curves. Area under the curve: {said}.",
    }


def rejection(given: list[int]) -> str:
    return (
        "Accepting only predictions with at least the given confidence: coverage is the share accepted, risk the share of errors "
        "among them"
        + (" with its 95% Clopper–Pearson interval. " if len(given) == 1 else ". ")
        + seeds(given)
    )


def promises(risk: float) -> str:
    return (
        f"The lowest confidence that validation allows for a risk of {level(risk)} at most (95% Clopper–Pearson limit, corrected for 20 "
        "thresholds tried), and what became of it on test. Kept: the risk on test is no higher; broken: its interval lies above."
    )


def scores(given: list[int]) -> str:
    return (
        "Three scores to reject by, each from the same logits: areas under the risk–coverage curve (AURC), above that of a perfect "
        f"ranking (E-AURC), and under the generalised curve (AUGRC); lower is better. {seeds(given)} {intervals(given)}"
    )


def effects_table(given: list[int]) -> str:
    return (
        "What each factor does with the others as given, and, with ×, what two do together beyond the sum of each alone. Accuracy in "
        f"points. {intervals(given)} They are not corrected for their number."
    )


def effects(found: list[dict], given: list[int]) -> dict[str, str]:
    said = "; ".join(
        f"{effect['effect']} given {effect['given']} ({arms_text(effect['arms'])}) "
        f"{points(effect['test_accuracy']['estimate'])} points, "
        + interval(*(points(effect["test_accuracy"][end]) for end in ("low", "high")))
        for effect in found
    )
    return {
        "caption": f"Effects of the factors. Black: the interval leaves 0 out; grey: it does not. {intervals(given)}",
        "alt": f"Effects on accuracy: {said}.",
    }
