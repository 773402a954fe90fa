"""Corrupted images: pictures of them, plots of accuracy under corruption, captions, and the
sentences on whether a change holds there.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import PercentFormatter

from lib.base.text import (
    differences,
    interval,
    listed,
    name,
    percent,
    plural,
    readable,
    see,
    unsigned,
    verdict,
    with_interval,
)
from lib.evaluation.corruptions import CONSTANTS, NAMES, SEVERITIES, SMALL, corrupt
from lib.report.pictures import grid, picture
from lib.report.style import WIDTH, colours

SHOWN_SEVERITY = 3
LOOKED_AT = 200  # images among which the example is chosen


def accuracy_figure(measured: pd.DataFrame):
    """Accuracy against severity, a panel a corruption, a line an arm; `measured` is
    lib.evaluation.robustness's table."""
    how = {"layout": "constrained", "sharex": True, "sharey": True}
    _, axes = plt.subplots(2, 3, figsize=(WIDTH, 3.2), **how)
    for axis, kind in zip(axes.flat, CONSTANTS):
        panel = measured[measured["corruption"].isin(("none", kind))]
        for arm, colour in colours(measured["arm"].unique()).items():
            of_arm = panel[panel["arm"] == arm].sort_values("severity")
            axis.plot(
                of_arm["severity"],
                of_arm["accuracy"],
                "o-",
                color=colour,
                markersize=2.5,
                label=readable(arm),
            )
        axis.set(title=NAMES[kind], xticks=(0, *SEVERITIES), ylim=(0, 1))
        axis.yaxis.set_major_formatter(PercentFormatter(1, 0))
    for axis in axes[-1]:
        axis.set_xlabel("severity (0: clean)")
    for axis in axes[:, 0]:
        axis.set_ylabel("accuracy")
    axes[0, 0].figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=5
    )
    return axes


def example(chosen) -> int:
    """The image of a split that differs most from black, white and plain: of the first LOOKED_AT
    whose mean is within the middle half the one with most contrast."""
    images = chosen.images[: min(len(chosen), LOOKED_AT)].float()
    mean, contrast = images.mean((1, 2, 3)), images.std((1, 2, 3))
    middle = (mean > 64) & (mean < 192)
    return int((contrast * middle if middle.any() else contrast).argmax())


def drawn(chosen, place: int = 0) -> pd.DataFrame:
    """What stands over the pictures of `examples_figure`, and the image's id."""
    return pd.DataFrame(
        {
            "id": chosen.index[place],
            "picture": ["clean", *(NAMES[kind] for kind in CONSTANTS)],
            "severity": [0] + [SHOWN_SEVERITY] * len(CONSTANTS),
        }
    )


def examples_figure(chosen, place: int = 0):
    """One image of a split, clean and under every corruption at SHOWN_SEVERITY."""
    image, index = chosen.images[place : place + 1], chosen.index[place : place + 1]
    # 160 of 192 pixels an inch: 5 for one
    figure, axes = grid(1, 1 + len(CONSTANTS), cell=5 / 6, above=0.25)
    picture(axes[0, 0], image[0].numpy(), "clean")
    for axis, kind in zip(axes[0, 1:], CONSTANTS):
        picture(axis, corrupt(image, kind, SHOWN_SEVERITY, index)[0].numpy(), NAMES[kind])
    return figure


# What stands under the figures and tables of robustness, and what is read aloud in a figure's
# place.


SOURCE = "[Hendrycks and Dietterich 2019](https://arxiv.org/abs/1903.12261)"


def examples_caption(index: int, label: str, side: int = 32) -> dict[str, str]:
    """side: of the picture, in pixels."""
    return {
        "caption": f"Test image {index}, labelled {name(label)}, clean and under the generated "
        f"corruptions at severity {SHOWN_SEVERITY} of 5, after {SOURCE}, with the "
        f"severities of {'CIFAR-C' if side <= SMALL else 'ImageNet-C'}.",
        "alt": f"Seven pictures of test image {index} ({readable(label)}): clean, then with "
        f"{listed(list(NAMES.values()))}.",
    }


def left_out(numbers: dict) -> str:
    """The arms that are not shown, and why; nothing where all are."""
    without = numbers.get("without")
    return (
        f" Not of {listed([name(arm) for arm in without])}, whose network is not at hand."
        if without
        else ""
    )


def accuracy_caption(numbers: dict) -> dict[str, str]:
    said = "; ".join(
        f"{readable(arm)} {percent(means['clean']['accuracy'])} clean, "
        f"{percent(means['corrupted']['accuracy'])} on average under corruption"
        for arm, means in numbers["arms"].items()
    )
    return {
        "caption": f"Accuracy on {plural(numbers['images'], 'test image')} under generated "
        "corruptions of rising severity, of seed "
        f"{numbers['seed']}.{left_out(numbers)}",
        "alt": f"Accuracy against severity, a panel a corruption: {said}.",
    }


def by_corruption(numbers: dict, before: str, after: str) -> str:
    change = (
        f" The change is {name(after)} minus {name(before)} with its 95% bootstrap interval over "
        "images, each drawn with all its severities; the intervals are not adjusted for their "
        "number."
    ) * ("accuracy_changes" in numbers)
    return (
        f"Accuracy on {plural(numbers['images'], 'test image')}, under a corruption the mean of "
        f"its {numbers['severities']} severities.{change} Of seed {numbers['seed']}, predicted "
        f"anew in the precision of its training.{left_out(numbers)}"
    )


def by_arm(numbers: dict) -> str:
    return (
        f"Accuracy and calibration on {plural(numbers['images'], 'test image')}, clean and as "
        f"the mean of six corruptions at {numbers['severities']} severities. Calibration error "
        "is the expected one, in 15 bins; the temperature was fitted on clean validation images. "
        f"Of seed {numbers['seed']}, predicted anew.{left_out(numbers)}"
    )


def arm_formats(view: pd.DataFrame) -> dict:
    return {
        column: readable
        if column == "arm"
        else percent
        if column.startswith("accuracy")
        else "{:.3f}"
        for column in view
    }


# The report's sentences on corrupted images, built from results.json and from nothing else.


def robustness(results: dict) -> str:
    """Does the change from one arm to the other hold under corruption: three short paragraphs, or
    that it was not measured."""
    compare = results["compare"]
    numbers, before, after = compare.get("robustness"), compare["before"], compare["after"]
    if not numbers:
        return "Corrupted images were not looked at in this study."
    return "\n\n".join(
        filter(
            None,
            (
                levels(numbers, results["study"]["sizes"]["test"]),
                "accuracy_changes" in numbers and carried(numbers, before, after),
                calibrated(numbers, before, after),
            ),
        )
    )


def levels(numbers: dict, test_images: int) -> str:
    images = (
        f"All {test_images:,} test images"
        if numbers["images"] == test_images
        else f"Of {test_images:,} test images {numbers['images']:,}, drawn at random,"
    )
    return (
        f"{images} were corrupted in six ways at {numbers['severities']} severities each "
        f"({see('fig-corruptions')}); {see('fig-robustness', 'tab-robustness-arms')} have what "
        f"accuracy becomes.{left_out(numbers)}"
    )


def carried(numbers: dict, before: str, after: str) -> str:
    """The change on clean images, under all corruptions, whether the one holds in the other, and
    under which kinds."""
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
        return (
            f"{where} no difference in accuracy between the networks of {name(before)} and "
            f"{name(after)} was found ({spread(change)})."
        )
    word = "more" if verdict(change) == "higher" else "less"
    return (
        f"{where} the network of {name(after)} is {word} accurate than that of {name(before)} "
        f"({spread(change)})."
    )


def drop(change: dict, before: str, after: str) -> str:
    """Whether one of the two loses more points than the other on its way from clean to corrupted
    images."""
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
        word: [NAMES[kind] for kind in NAMES if verdict(changes[kind]) == word]
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


def of_rows(numbers: dict) -> str:
    """Why these calibration errors of clean images are not those of the whole split."""
    found = numbers.get("calibration_of_rows", {})
    said = [
        f"Of all {one['all']['images']:,} clean images it is {one['all']['ece']:.3f} in "
        f"{name(arm)} (by chance alone {one['all']['chance']:.3f}, and of the few "
        f"{one['chance']:.3f})."
        for arm, one in found.items()
        if one["images"] < one["all"]["images"]
    ]
    if not said:
        return ""
    rows = next(iter(found.values()))
    return (
        " A calibration error of few images is larger by chance alone, and these are of "
        f"{rows['images']:,}. {' '.join(said)}"
    )


def calibrated(numbers: dict, before: str, after: str) -> str:
    """What confidence is worth under corruption, with the temperature of clean validation
    images."""
    ways = listed(
        [
            f"from {means['clean']['ece_scaled']:.3f} to {means['corrupted']['ece_scaled']:.3f} "
            f"in {name(arm)}"
            for arm, means in numbers["arms"].items()
        ]
    )
    text = (
        "From clean to corrupted images, calibration error with the temperature fitted on "
        f"clean validation images goes {ways}.{of_rows(numbers)}"
    )
    if "ece_scaled_change" not in numbers:
        return text
    change = numbers["ece_scaled_change"]
    word = {
        "none": "was not found to differ between {0} and {1}",
        "lower": "is lower in {1} than in {0}",
        "higher": "is higher in {1} than in {0}",
    }[verdict(change)].format(name(before), name(after))
    return f"{text} On corrupted images it {word} ({with_interval(change, 3)})."
