"""Does the fix carry over to corrupted images? Accuracy and calibration of the arms on one subset
of the test images."""

from itertools import product

import numpy as np
import pandas as pd

from lib.base import random
from lib.base.text import differences, percent, readable
from lib.data.dataset import Split
from lib.data.streams import PIXELS, take
from lib.evaluation import calibration as cal
from lib.evaluation import per_image
from lib.evaluation.corruptions import CONSTANTS, NAMES, SEED, SEVERITIES, corrupt
from lib.evaluation.paired import Interval, hull, paired_bootstrap
from lib.evaluation.significance import chance_error
from lib.training import inference, machine
from lib.training.record import has_weights, load_model

CONDITIONS = [("none", 0), *product(CONSTANTS, SEVERITIES)]  # none: the same images, clean
KIND = np.array([kind for kind, _ in CONDITIONS])
BINS = 15
MEASURES = ("accuracy", "ece", "ece_scaled")


def subset(split: Split, size: int) -> Split:
    """`size` images of a split, or all if it has no more, drawn by their ids alone and kept in
    order."""
    drawn = np.argsort(random.bits(random.key(SEED), split.index), kind="stable")[:size]
    place = np.sort(drawn)
    return Split(take(split.images, place), split.labels[place], split.index[place])


def logits(trained: dict, splits, chosen: Split) -> dict[str, np.ndarray]:
    """Each arm's logits of the chosen images in every condition, float32 (conditions, N, classes);
    trained: arm to run."""
    device = machine.choose_device("auto")
    models = {
        arm: load_model(run, len(splits.class_names)).to(device) for arm, run in trained.items()
    }
    precision = {
        arm: machine.choose_precision(run.info["params"]["precision"], device)
        for arm, run in trained.items()
    }
    parts = {arm: [] for arm in trained}
    # corrupted at a time: 16,384 images of 32 px, 334 of 224 px
    size = max(16 * PIXELS // chosen.images.shape[-1] ** 2, 1)
    for kind, severity in CONDITIONS:
        blocks = {arm: [] for arm in trained}
        for place in range(0, len(chosen), size):
            images, index = chosen.images[place : place + size], chosen.index[place : place + size]
            images = corrupt(images, kind, severity, index) if severity else images
            for arm, model in models.items():
                blocks[arm].append(
                    inference.logits(model, images, splits.mean, splits.std, precision[arm])
                )
        for arm, of_arm in blocks.items():
            parts[arm].append(np.concatenate(of_arm))
    return {arm: np.stack(of_arm) for arm, of_arm in parts.items()}


def temperatures(trained: dict) -> dict[str, float]:
    """Each arm's temperature, fitted on clean validation images."""
    return {arm: per_image.temperature(run) for arm, run in trained.items()}


def corruption_table(
    predicted: dict[str, np.ndarray], labels, scaling: dict[str, float]
) -> pd.DataFrame:
    """One row an arm and condition: arm, corruption ("none" at severity 0), severity, accuracy,
    expected calibration error (`ece`) and the same after scaling by the arm's temperature, all from
    0 to 1."""
    rows = []
    for arm, of_arm in predicted.items():
        for (kind, severity), scores in zip(CONDITIONS, of_arm):
            raw, scaled = (
                cal.expected_calibration_error(cal.softmax(scores, t), labels, BINS)
                for t in (1.0, scaling[arm])
            )
            rows.append((arm, kind, severity, np.mean(scores.argmax(1) == labels), raw, scaled))
    return pd.DataFrame(rows, columns=["arm", "corruption", "severity", *MEASURES])


def accuracy_changes(before: np.ndarray, after: np.ndarray, labels, draws: int) -> dict[str, dict]:
    """Accuracy, after minus before, with its paired 95% interval: clean ("none"), under each
    corruption (mean of the severities), under all ("all"), and what of the change is gone under all
    ("drop": all minus none).

    before, after: logits (conditions, N, classes). Images are drawn, each with all its severities:
    they are no independent rows.
    """
    # (conditions, N)
    change = (after.argmax(2) == labels).astype(float) - (before.argmax(2) == labels)
    of_image = {kind: change[KIND == kind].mean(0) for kind in ("none", *CONSTANTS)} | {
        "all": change[KIND != "none"].mean(0)
    }
    of_image["drop"] = of_image["all"] - of_image["none"]
    return {
        name: paired_bootstrap(np.mean, values, draws=draws)._asdict()
        for name, values in of_image.items()
    }


def calibration_change(
    before: np.ndarray, after: np.ndarray, labels, scaling: tuple[float, float], draws: int
) -> dict:
    """Expected calibration error after scaling, mean of all corruptions and severities, after minus
    before, with its paired 95% interval; below 0 is better. scaling: the two temperatures. The
    interval is widened by what two calibrated networks would show by chance, as in
    lib.evaluation.bootstrap.interval."""

    def difference(gap_a, cell_a, gap_b, cell_b):
        return _mean_error(gap_b, cell_b) - _mean_error(gap_a, cell_a)

    columns = [array for pair in zip((before, after), scaling) for array in _binned(*pair, labels)]
    found = paired_bootstrap(difference, *columns, draws=draws)
    chance = np.sqrt(2) * (chance_error(*columns[2:]) - chance_error(*columns[:2]))
    return hull(
        [found, Interval(found.estimate, found.low - chance, found.high - chance)]
    )._asdict()


def _binned(scores: np.ndarray, temperature: float, labels):
    """Right (0 or 1) minus confidence, and the number of its bin among those of all conditions;
    both (N, conditions - 1)."""
    corrupted = scores[KIND != "none"]
    confidence = np.stack([cal.softmax(one, temperature).max(1) for one in corrupted], 1)
    cell = np.searchsorted(np.arange(1, BINS) / BINS, confidence) + BINS * np.arange(len(corrupted))
    return (corrupted.argmax(2) == labels).T - confidence, cell


def _mean_error(gap: np.ndarray, cell: np.ndarray) -> float:
    """The mean over conditions of lib.evaluation.calibration's error, in one pass."""
    return float(np.abs(np.bincount(cell.ravel(), gap.ravel())).sum() / gap.size)


def measure_robustness(
    trained: dict, splits, chosen: Split, pair: tuple[str, ...], draws: int
) -> tuple[pd.DataFrame, dict]:
    """`corruption_table` of the arms of `pair` (trained: arm to run) on the chosen images, and
    `robustness_numbers`, with the changes where these are two: an arm at full size takes 31,000
    predictions, so that no other arm is asked.

    An arm whose weights were not kept is left out, and there are no changes."""
    without = [arm for arm in pair if not has_weights(trained[arm])]
    trained = {arm: trained[arm] for arm in pair if arm not in without}
    pair = tuple(arm for arm in pair if arm in trained)
    predicted, labels, scaling = (
        logits(trained, splits, chosen),
        chosen.labels.numpy(),
        temperatures(trained),
    )
    measured, changes, of_pair = (
        corruption_table(predicted, labels, scaling),
        {},
        [predicted[arm] for arm in pair],
    )
    if len(pair) == 2:
        changes = {
            "accuracy_changes": accuracy_changes(*of_pair, labels, draws),
            "ece_scaled_change": calibration_change(
                *of_pair, labels, [scaling[arm] for arm in pair], draws
            ),
        }
    of_rows = {
        arm: calibration_of_rows(trained[arm].test, predicted[arm][0], labels, scaling[arm])
        for arm in trained
    }
    return measured, robustness_numbers(
        measured, len(labels), next(iter(trained.values())).info["params"]["seed"]
    ) | changes | {"without": without, "calibration_of_rows": of_rows}


def calibration_of_rows(test, clean: np.ndarray, labels, temperature: float) -> dict:
    """Why a calibration error of few images is not that of all: after scaling, `images` and `ece`
    of the clean subset (logits, (N, classes)), `chance`, what a calibrated network would show on so
    few, and the same of `all` test images."""

    def of(confidence, correct):
        cell = np.searchsorted(np.arange(1, BINS) / BINS, confidence)
        return {
            "images": len(correct),
            "ece": cal.calibration_error(confidence, correct, BINS),
            "chance": chance_error(confidence - correct, cell),
        }

    confidence = cal.softmax(clean, temperature).max(1)
    whole = per_image.columns(test, temperature).confidence
    return of(confidence, clean.argmax(1) == labels) | {"all": of(whole, test.correct)}


def robustness_numbers(measured: pd.DataFrame, images: int, seed: int) -> dict:
    """What the report says about corruptions: each arm's means on clean and on corrupted images."""
    clean = measured["corruption"] == "none"
    means = {
        name: measured[rows].groupby("arm")[list(MEASURES)].mean()
        for name, rows in (("clean", clean), ("corrupted", ~clean))
    }
    return {
        "images": images,
        "seed": seed,
        "severities": len(SEVERITIES),
        "arms": {
            arm: {name: of_arms.loc[arm].to_dict() for name, of_arms in means.items()}
            for arm in measured["arm"].unique()
        },
    }


def by_corruption(measured: pd.DataFrame, changes: dict | None, after: str) -> pd.DataFrame:
    """`corruption_table` as it is printed: a row a corruption, each arm's accuracy (mean of the
    severities), and the change, if there is one."""
    names = {"none": "none (clean)"} | NAMES | {"all": "mean of the six"}
    accuracy = measured.pivot_table("accuracy", "corruption", "arm", sort=False)
    accuracy.loc["all"] = (
        measured[measured["corruption"] != "none"].groupby("arm")["accuracy"].mean()
    )
    view = pd.DataFrame({"corruption": [names[kind] for kind in accuracy.index]})
    for arm in accuracy:
        view[readable(arm)] = [percent(share) for share in accuracy[arm]]
    if not changes:
        return view
    view[f"{readable(after)}, change in points (95%)"] = [
        "{} ({} to {})".format(*differences(change, 1, 100))
        for change in (changes[kind] for kind in accuracy.index)
    ]
    return view


def by_arm(numbers: dict) -> pd.DataFrame:
    """Each arm's accuracy and calibration error, on clean and on corrupted images, a row an arm."""
    words = {
        "accuracy": "accuracy",
        "ece": "calibration error",
        "ece_scaled": "the same after scaling",
    }
    return pd.DataFrame(
        [
            {"arm": arm}
            | {
                f"{word}, {where}": of_arm[where][name]
                for name, word in words.items()
                for where in of_arm
            }
            for arm, of_arm in numbers["arms"].items()
        ]
    )
