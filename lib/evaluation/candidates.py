"""What an earlier study may have had in place of the arm before: the numbers of the change from
each other arm, from stored predictions alone; and what claims ask of a run's epochs and classes.
"""

from collections import Counter
from functools import reduce

import numpy as np
import pandas as pd

from lib.evaluation import changes, failures, summary
from lib.evaluation.metrics import spread
from lib.evaluation.paired import classes_moved
from lib.evaluation.significance import grouped

MEASURED = ["stream_loss", "stream_accuracy", "train_loss", "val_loss", "val_accuracy"]  # an epoch


def in_place_of(
    trained: dict[str, dict],
    pair: tuple[str, ...],
    numbers: dict,
    sampled: dict,
    splits,
    selection: pd.DataFrame,
) -> dict[str, dict]:
    """{arm: numbers} of every arm but the two of `pair`: what results.json's `compare` says of the
    change, had that arm been the one before. {} of one arm.

    numbers, sampled: as lib.evaluation.changes.paired_numbers takes them; selection: the images
    looked at, whose columns keep the name of the arm before. No network is asked."""
    if len(pair) == 1:
        return {}
    before, after = pair
    return {
        arm: _change(trained, (arm, after), numbers, sampled, splits)
        | {"cases": _cases(trained, {before: arm, after: after}, splits, selection)}
        for arm in trained
        if arm not in pair
    }


def _change(trained: dict, pair: tuple[str, str], numbers: dict, sampled: dict, splits) -> dict:
    one, other = (trained[arm] for arm in pair)
    table = changes.class_table(one, other, splits.class_names)
    return changes.paired_numbers(trained, pair, numbers, sampled) | {
        "classes": classes_moved(table) | no_worse_by_chance(one, other),
        "class_change": changes.class_change(table),
    }


def _cases(trained: dict, arms: dict[str, str], splits, selection: pd.DataFrame) -> list[dict]:
    first = {name: next(iter(trained[arm].values())) for name, arm in arms.items()}
    tables = {name: failures.test_table(run, splits) for name, run in first.items()}
    return summary.cases_before_after(selection, tables).to_dict("records")


def no_worse_by_chance(before: dict, after: dict) -> dict:
    """{"no_worse_by_chance": {estimate, low, high}}: of how many classes with images the accuracy
    would not fall if each image that changed had been as likely to change the other way.

    Of one class that chance is half of one and the chance of no change; classes are independent, so
    that their number is Poisson-binomial, whose central 95 % are the ends."""
    pairs = [(before[seed], after[seed]) for seed in before if seed in after]
    labels = pairs[0][0].test.labels
    change = sum(b.test.correct.astype(int) - a.test.correct for a, b in pairs)
    of_classes = [one for one in grouped(change, labels, labels.max() + 1) if len(one)]
    chance = [(1 + _no_change(one)) / 2 for one in of_classes]
    spread_of = reduce(np.convolve, [[1 - one, one] for one in chance])
    low, high = np.searchsorted(np.cumsum(spread_of), [0.025, 0.975])
    ends = {"estimate": float(np.sum(chance)), "low": float(low), "high": float(high)}
    return {"no_worse_by_chance": ends}


def _no_change(change: np.ndarray) -> float:
    """The chance that whole numbers (N,) with signs drawn by a fair coin sum to 0: the mean of
    their characteristic function over as many angles as there are sums."""
    sizes = Counter(np.abs(change).tolist())
    sums = 2 * sum(size * count for size, count in sizes.items()) + 1
    angles = 2 * np.pi * np.arange(sums) / sums
    return float(np.mean(np.prod([np.cos(s * angles) ** n for s, n in sizes.items()], axis=0)))


def histories(trained: dict[str, dict]) -> dict[str, list[dict]]:
    """{arm: one record an epoch}: epoch, and the measures of MEASURED as {mean, sd, n, each} over
    its seeds; [] of an arm that was not trained here and brought no history."""
    return {arm: _epochs([run.history for run in of.values()]) for arm, of in trained.items()}


def _epochs(tables: list[pd.DataFrame]) -> list[dict]:
    if any("epoch" not in table for table in tables):
        return []
    each = [table.set_index("epoch")[MEASURED] for table in tables]
    return [
        {"epoch": int(epoch)}
        | {name: spread([table.loc[epoch, name] for table in each]) for name in MEASURED}
        for epoch in each[0].index
        if all(epoch in table.index for table in each)
    ]
