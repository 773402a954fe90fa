"""The report's sentences on corrupted images, built from results.json and from nothing else."""

from lib.base.text import (
    differences,
    interval,
    listed,
    name,
    percent,
    points,
    see,
    unsigned,
    verdict,
    with_interval,
)
from lib.captions_robustness import left_out
from lib.evaluation.corruptions import NAMES


def robustness(results: dict) -> str:
    """Does the change from one arm to the other hold under corruption: three short paragraphs, or that it was not measured."""
    compare = results["compare"]
    numbers, before, after = compare.get("robustness"), compare["before"], compare["after"]
    if not numbers:
        return "Corrupted images were not looked at in this study."
    return "\n\n".join(
        filter(
            None,
            (
                levels(numbers, results["study"]["sizes"]["test"]),
                after and carried(numbers, before, after),
                calibrated(numbers, before, after),
            ),
        )
    )


def levels(numbers: dict, test_images: int) -> str:
    ways = listed(
        [
            f"from {percent(means['clean']['accuracy'])} to {percent(means['corrupted']['accuracy'])} in {name(arm)}"
            for arm, means in numbers["arms"].items()
        ]
    )
    images = (
        f"All {test_images:,} test images"
        if numbers["images"] == test_images
        else f"Of {test_images:,} test images {numbers['images']:,}, drawn at random,"
    )
    return (
        f"{images} were corrupted in six ways at {numbers['severities']} severities each ({see('fig-corruptions')}). From clean "
        f"images to the mean of all corruptions, accuracy goes {ways} ({see('fig-robustness', 'tab-robustness-arms')}).{left_out(numbers)}"
    )


def carried(numbers: dict, before: str, after: str) -> str:
    """The change on clean images, under all corruptions, whether the one holds in the other, and under which kinds."""
    changes = numbers["accuracy_changes"]
    clean, all_kinds = verdict(changes["none"]), verdict(changes["all"])
    return " ".join(
        (
            difference(changes["none"], "On the clean images", before, after),
            difference(changes["all"], "Under corruption", before, after),
            CARRIED[clean, all_kinds],
            drop(changes["drop"], before, after),
            kinds(changes, after),
            f"See {see('tab-robustness')}.",
        )
    )


CARRIED = {
    ("higher", "higher"): "The gain carries over.",
    ("higher", "none"): "So the gain was not found to carry over.",
    ("higher", "lower"): "The gain turns into a loss.",
    ("lower", "lower"): "The loss carries over.",
    ("lower", "none"): "So the loss was not found to carry over.",
    ("lower", "higher"): "The loss turns into a gain.",
} | {
    ("none", under): "No gain on clean images was found that could carry over."
    for under in ("higher", "lower", "none")
}


def spread(change: dict) -> str:
    return with_interval(change, 1, 100, " points")


def difference(change: dict, where: str, before: str, after: str) -> str:
    if verdict(change) == "none":
        return f"{where} no difference in accuracy between {name(before)} and {name(after)} was found ({spread(change)})."
    word = "more" if verdict(change) == "higher" else "less"
    return f"{where} {name(after)} is {word} accurate than {name(before)} ({spread(change)})."


def drop(change: dict, before: str, after: str) -> str:
    """Whether one of the two loses more points than the other on its way from clean to corrupted images."""
    if verdict(change) == "none":
        return f"No difference in what corruption costs the two was found ({spread(change)})."
    more, less = (before, after) if verdict(change) == "higher" else (after, before)
    estimate, *ends = map(unsigned, differences(change, 1, 100))
    ends = ends if verdict(change) == "higher" else ends[::-1]
    return (
        f"Corruption takes {estimate} points more from {name(more)} than from {name(less)} "
        f"({interval(*ends)})."
    )


def kinds(changes: dict, after: str) -> str:
    """Under which corruptions the change is beyond its interval."""
    found = {
        word: [
            f"{NAMES[kind]} ({points(changes[kind]['estimate'])})"
            for kind in NAMES
            if verdict(changes[kind]) == word
        ]
        for word in ("higher", "lower")
    }
    if not any(found.values()):
        return "Taken one by one, under none of the six corruptions was a difference found."
    parts = [
        f"{word} accurate under {listed(found[side])}"
        for side, word in (("higher", "more"), ("lower", "less"))
        if found[side]
    ]
    rest = len(NAMES) - sum(map(len, found.values()))
    others = (
        f"; under the other{f' {rest}' if rest > 1 else ''} no difference was found."
        if rest
        else "."
    )
    return f"Taken one by one, {name(after)} is {' and '.join(parts)}{others}"


def calibrated(numbers: dict, before: str, after: str) -> str:
    """What confidence is worth under corruption, with the temperature of clean validation images."""
    ways = listed(
        [
            f"from {means['clean']['ece_scaled']:.3f} to {means['corrupted']['ece_scaled']:.3f} in {name(arm)}"
            for arm, means in numbers["arms"].items()
        ]
    )
    text = f"From clean to corrupted images, calibration error with the temperature fitted on clean validation images goes {ways}."
    if not after:
        return text
    change = numbers["ece_scaled_change"]
    word = {
        "none": "was not found to differ between {0} and {1}",
        "lower": "is lower in {1} than in {0}",
        "higher": "is higher in {1} than in {0}",
    }[verdict(change)].format(name(before), name(after))
    return f"{text} On corrupted images it {word} ({with_interval(change, 3)})."
