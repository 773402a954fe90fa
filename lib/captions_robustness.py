"""What stands under the figures and tables of robustness, and what is read aloud in a figure's place."""

import pandas as pd

from lib.base.text import listed, name, percent, plural, readable
from lib.evaluation.corruptions import NAMES, SMALL
from lib.plots_robustness import SHOWN_SEVERITY

SOURCE = "[Hendrycks and Dietterich 2019](https://arxiv.org/abs/1903.12261)"


def examples(index: int, label: str, side: int = 32) -> dict[str, str]:
    """side: of the picture, in pixels."""
    return {
        "caption": f"Test image {index} ({name(label)}), clean and under the generated corruptions at severity {SHOWN_SEVERITY} of 5, "
        f"after {SOURCE}, with the severities of {'CIFAR-C' if side <= SMALL else 'ImageNet-C'}.",
        "alt": f"Seven pictures of test image {index} ({readable(label)}): clean, then with {listed(list(NAMES.values()))}.",
    }


def left_out(numbers: dict) -> str:
    """The arms that are not shown, and why; nothing where all are."""
    without = numbers.get("without")
    return (
        f" Not of {listed([name(arm) for arm in without])}: of released runs whose weights were not kept."
        if without
        else ""
    )


def accuracy(numbers: dict) -> dict[str, str]:
    said = "; ".join(
        f"{readable(arm)} {percent(means['clean']['accuracy'])} clean, {percent(means['corrupted']['accuracy'])} on "
        "average under corruption"
        for arm, means in numbers["arms"].items()
    )
    return {
        "caption": f"Accuracy on {plural(numbers['images'], 'test image')} under generated corruptions of rising severity, of seed {numbers['seed']}.{left_out(numbers)}",
        "alt": f"Accuracy against severity, a panel a corruption: {said}.",
    }


def by_corruption(numbers: dict, before: str, after: str) -> str:
    change = after and (
        f" The change is {name(after)} minus {name(before)} with its 95% bootstrap interval over images, each drawn with all "
        "its severities; the intervals are not adjusted for their number."
    )
    return (
        f"Accuracy on {plural(numbers['images'], 'test image')}, under a corruption the mean of its {numbers['severities']} "
        f"severities.{change} Of seed {numbers['seed']}, predicted anew in the precision of its training.{left_out(numbers)}"
    )


def by_arm(numbers: dict) -> str:
    return (
        f"Accuracy and calibration on {plural(numbers['images'], 'test image')}, clean and as the mean of six corruptions at {numbers['severities']} "
        "severities. Calibration error is the expected one, in 15 bins; the temperature was fitted on clean validation images. "
        f"Of seed {numbers['seed']}.{left_out(numbers)}"
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
