"""What an earlier study may have had in place of the arm before: the numbers of the change from
each other arm, from stored predictions alone; and what claims ask of a run's epochs and classes.
"""

import pandas as pd

from lib.evaluation import changes, failures, summary
from lib.evaluation.metrics import spread
from lib.evaluation.paired import classes_moved, no_worse_by_chance

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
