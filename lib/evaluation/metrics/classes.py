"""Top-k accuracy, macro-F1, balanced accuracy, worst and best classes with their intervals."""

import numpy as np
import pandas as pd

from lib.base.artefacts import row_blocks
from lib.base.checks import labelled
from lib.base.text import percent, readable, with_limits
from lib.evaluation.metrics import spread
from lib.evaluation.selective import clopper_pearson

TOP = 5
ENDS = 5  # classes shown at each end
LABELS = {
    "top": f"Top-{TOP} accuracy",
    "macro_f1": "Macro-F1",
    "balanced_accuracy": "Balanced accuracy",
}


def top_hits(logits, labels, top: int = TOP) -> np.ndarray:
    """The chance, 0 to 1, that each label (N,) is among the `top` largest logits (N, K).

    Equal logits are taken as in random order, so that neither the order of the rows nor that of the
    classes counts: with g larger logits and e equal ones, the own among them, (top - g) / e.
    """
    logits, labels = labelled("logits", logits, labels)
    hits = []
    for rows, block in row_blocks(logits):
        own = np.take_along_axis(block, labels[rows, None], 1)
        larger, equal = (block > own).sum(1), (block == own).sum(1)
        hits.append(np.clip((top - larger) / equal, 0, 1))
    return np.concatenate(hits)


def _counts(labels, predicted, classes: int) -> tuple[np.ndarray, ...]:
    """Images, predictions and right predictions of each class, (classes,)."""
    labels, predicted = np.asarray(labels, np.int64), np.asarray(predicted, np.int64)
    return tuple(
        np.bincount(values, minlength=classes)
        for values in (labels, predicted, labels[labels == predicted])
    )


def macro_f1(labels, predicted, classes: int) -> float:
    """The mean of the classes' F1, 0 to 1, from labels and predictions (N,).

    F1 is 2 right / (images + predictions); a class that has neither does not count, one that has
    one of them and no right prediction counts 0 (scikit-learn's zero_division=0).
    """
    images, given, right = _counts(labels, predicted, classes)
    there = images + given > 0
    return float(np.mean(2 * right[there] / (images + given)[there]))


def balanced_accuracy(labels, predicted, classes: int) -> float:
    """The mean accuracy of the classes that have images, 0 to 1, from labels and predictions (N,).

    Brodersen et al. 2010, https://doi.org/10.1109/ICPR.2010.764; of equally many images a class it
    is the accuracy."""
    images, _, right = _counts(labels, predicted, classes)
    return float(np.mean(right[images > 0] / images[images > 0]))


def class_accuracies(of_seeds: dict, names: list[str]) -> pd.DataFrame:
    """One row a class with images, worst first: class, images, accuracy (mean over the seeds), low,
    high.

    The intervals, Clopper and Pearson's, hold for all classes together (Bonferroni): the worst and
    the best of many are chosen for being at the ends, so that one interval alone would be too
    narrow. Seeds are those that were trained: images are the only chance that counts here."""
    counted = [
        _counts(run.test.labels, run.test.predicted, len(names)) for run in of_seeds.values()
    ]
    images, right = counted[0][0], np.mean([of_run[2] for of_run in counted], axis=0)
    there = images > 0
    low, high = clopper_pearson(right, images, 1 - 0.05 / max(there.sum(), 1))
    table = pd.DataFrame(
        {
            "class": names,
            "images": images,
            "accuracy": right / np.where(there, images, 1),
            "low": low,
            "high": high,
        }
    )
    return table[there].sort_values(["accuracy", "class"], ignore_index=True)


def class_numbers(trained: dict[str, dict], names: list[str]) -> dict:
    """{arm: numbers}: `top`, `macro_f1`, `balanced_accuracy` as {mean, sd, n, each}; `worst` and
    `best`, ENDS records each of `class_accuracies`, worst and best first; `note`.

    With at most TOP classes `top` is None, and the note says why."""
    return {arm: _of_arm(of_seeds, names) for arm, of_seeds in trained.items()}


def _of_arm(of_seeds: dict, names: list[str]) -> dict:
    tests, classes = [run.test for run in of_seeds.values()], len(names)
    table = class_accuracies(of_seeds, names)
    few = min(ENDS, len(table) // 2)
    trivial = classes <= TOP
    return {
        "top": None if trivial else spread([top_hits(t.logits, t.labels).mean() for t in tests]),
        "macro_f1": spread([macro_f1(t.labels, t.predicted, classes) for t in tests]),
        "balanced_accuracy": spread(
            [balanced_accuracy(t.labels, t.predicted, classes) for t in tests]
        ),
        "worst": table.head(few).to_dict("records"),
        "best": table.tail(few)[::-1].to_dict("records"),
        "note": f"of {classes} classes the first {TOP} are all" if trivial else "",
    }


def class_numbers_view(numbers: dict) -> pd.DataFrame:
    """The three numbers as they are printed: a row a number, a column an arm."""
    return pd.DataFrame(
        [
            {"": label, **{arm: _written(of_arm[name]) for arm, of_arm in numbers.items()}}
            for name, label in LABELS.items()
        ]
    )


def _written(entry: dict | None) -> str | None:
    if entry is None:
        return None
    deviation = "" if entry["sd"] is None else f" ± {percent(entry['sd'])}"
    return percent(entry["mean"]) + deviation


def ends_view(numbers: dict) -> pd.DataFrame:
    """The worst and the best classes as they are printed: a row a rank, columns an arm and end."""
    cells = {
        f"{readable(arm)}, {end}": [
            f"{readable(row['class'])} {with_limits(row['accuracy'], row['low'], row['high'])}"
            for row in of_arm[end]
        ]
        for arm, of_arm in numbers.items()
        for end in ("worst", "best")
    }
    return pd.DataFrame(cells)
