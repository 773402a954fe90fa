"""The report's sentences about the difference between two arms. None says more than its interval allows."""

from lib.base.text import (
    count,
    differences,
    disagreement,
    interval,
    listed,
    name,
    p_value,
    percent,
    plural,
    see,
    settled,
    signed,
    start,
    unsigned,
    verdict,
)
from lib.evaluation.summary import change_text


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
            f"{start(before)} gets {percent(compare['arms'][before]['test_accuracy']['mean'])} of the test images right{_means(compare)}; "
            "no other arm was trained, so nothing is compared."
        )
    change, test = compare["accuracy_change"], compare["mcnemar"]
    exact = "McNemar" if test["n"] == 1 else "sign-flip test over images, seeds as given,"
    numbers = f"{change_text('test_accuracy', change, 1)}{_means(compare)}, {exact} {p_value(test['p_value'])}"
    levels = " to ".join(
        percent(compare["arms"][arm]["test_accuracy"]["mean"]) for arm in (before, after)
    )
    word, found = "raises" if change["estimate"] > 0 else "lowers", settled(change, test)
    if found == "open":
        return f"Whether {name(after)} {word} test accuracy is open: {disagreement(change)} ({levels}: {numbers})."
    if found == "none":
        return f"No difference in test accuracy between {name(before)} and {name(after)} was found ({levels}: {numbers})."
    return f"{start(after)} {word} test accuracy from {levels} ({numbers})."


def sure_and_wrong(compare: dict, label_smoothing: dict) -> str:
    """Errors at 90% confidence or more, and whether their number changed; label_smoothing: {arm: amount}."""

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
        "open": f"whether they are {'more' if change['estimate'] > 0 else 'fewer'} is open: {disagreement(change)}",
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
    """In which arm rejecting by confidence leaves fewer errors, in one sentence; accuracy has its share in that."""
    if not compare["after"]:
        return (
            f"The area under its risk–coverage curve is {compare['arms'][compare['before']]['aurc']['mean']:.3f}: the share of errors "
            "among accepted predictions, on average over all coverages."
        )
    change = compare["aurc_change"]
    estimate, *ends = differences(change, 3)
    if verdict(change) == "none":
        return (
            "Rejecting the least confident predictions was not found to leave fewer errors in either: the areas under the "
            f"risk–coverage curves differ by {estimate} ({interval(*ends)})."
        )
    better, ends = (
        (compare["after"], ends[::-1]) if change["high"] < 0 else (compare["before"], ends)
    )
    return (
        f"Rejecting the least confident predictions leaves fewer errors in {name(better)}: the area under its risk–coverage "
        f"curve is {unsigned(estimate)} smaller ({interval(*map(unsigned, ends))})."
    )


def side_by_side(results: dict) -> str:
    """The section's title and first sentences."""
    compare = results["compare"]
    if not compare["after"]:
        return (
            f"## {start(compare['before'])} in numbers\n\nNo remedy was trained, so none is judged. {see('tab-arms')} has the "
            f"numbers of {name(compare['before'])}, {see('tab-cases')} the images looked at."
        )
    return (
        f"## Is the fix real?\n\n{accuracy(compare)} {see('tab-arms')} has the arms side by side, {see('tab-changes')} every change "
        f"with its interval, {see('tab-cases')} and {see('fig-before-after')} the same images in both."
    )


def moved(results: dict) -> str:
    """The subsection's title; corrected, regressed, wrong in both, against what two seeds of one arm differ by; classes that moved
    beyond chance. "" with one arm, where nothing moves."""
    compare = results["compare"]
    if not compare["after"]:
        return ""
    counts, classes = compare["migration"], compare["classes"]
    before, after, seeds = name(compare["before"]), name(compare["after"]), number_of_seeds(compare)

    def images(number):
        return plural(number, "image") if isinstance(number, int) else f"{number:,.1f} images"

    text = (
        f"### Image by image, class by class\n\n{start(compare['after'])} corrects {images(counts['corrected'])} that {before} gets wrong, "
        f"and gets {images(counts['regressed'])} wrong that {before} gets right: a net change of "
        f"{signed(counts['net_gain'], 0 if isinstance(counts['net_gain'], int) else 1)}{_means(compare)}. "
        f"Both are wrong on {images(counts['both_wrong'])}"
    )
    if counts["both_wrong_less_confident_share"] is not None:
        text += f"; on {percent(counts['both_wrong_less_confident_share'])} of these {after} is the less confident one"
    beyond = classes["better_beyond_chance"] + classes["worse_beyond_chance"]
    moved_classes = (
        f"Of {classes['tested']} classes {count(classes['better'])} {'is' if classes['better'] == 1 else 'are'} more accurate in {after}, "
        f"{count(classes['worse'])} less, and {count(classes['equal'])} as before. "
        + (
            f"Beyond chance, with 5% false discoveries, {count(classes['better_beyond_chance'])} rise and "
            f"{count(classes['worse_beyond_chance'])} fall."
            if beyond
            else "With 5% false discoveries none of these changes is beyond chance."
        )
    )
    given = (
        "" if seeds == 1 else " Chance is that of the test images; the seeds are taken as given."
    )
    return f"{text}. {churn(compare)}\n\n{moved_classes}{given} See {see('fig-classes')}."


def churn(compare: dict) -> str:
    """How many predictions differ between the arms, beside how many differ between seeds of one arm."""
    shares = compare["churn"]
    between = shares["between_arms"]
    text = (
        f"The two predict different classes for {percent(between['class'])} of the test images, and one is right where the "
        f"other is wrong on {percent(between['right'])}"
    )
    seeds = [
        f"{percent(of_seeds['class'])} and {percent(of_seeds['right'])} between seeds of {name(arm)}"
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
            f"{see('tab-ablation', 'fig-ablation')} have the effects on calibration and ranking too. The intervals are "
            "not corrected for their number.",
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
                f"{start(one)} and {name(other)}{given}: together they were not found to give more or less than the sum of each alone "
                f"({numbers})."
            )
        more = "more" if found == "higher" else "less"
        return f"{start(one)} and {name(other)}{given}: together they give {more} than the sum of each alone ({numbers})."
    what = start(effect["effect"])
    if found == "none":
        return f"{what}{given}: no effect on test accuracy was found ({numbers})."
    return f"{what}{given}: test accuracy {'rises' if found == 'higher' else 'falls'} ({numbers})."
