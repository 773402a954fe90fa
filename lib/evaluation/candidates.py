"""What an earlier study may have had in place of the arm before: the numbers of the change from
each other arm, and from the arm itself tested otherwise (lib.evaluation.protocols); and what claims
ask of a run's epochs and classes.
"""

from types import SimpleNamespace

import pandas as pd

from lib.evaluation import bootstrap, changes, failures, rejection, scope, summary
from lib.evaluation.metrics import spread
from lib.evaluation.paired import classes_moved, no_worse_by_chance
from lib.evaluation.protocols import runs_under

MEASURED = ["stream_loss", "stream_accuracy", "train_loss", "val_loss", "val_accuracy"]  # an epoch


def in_place_of(
    trained: dict[str, dict],
    pair: tuple[str, ...],
    numbers: dict,
    sampled: dict,
    splits,
    selection: pd.DataFrame,
    margin: float = scope.MARGIN,
) -> dict[str, dict]:
    """{arm: numbers} of every arm but the two of `pair`: what results.json's `compare` says of the
    change, had that arm been the one before. {} of one arm.

    numbers, sampled, margin: as lib.evaluation.changes.paired_numbers takes them; selection: the
    images looked at, whose columns keep the name of the arm before. No network is asked."""
    if len(pair) == 1:
        return {}
    before, after = pair
    return {
        arm: _change(trained, (arm, after), numbers, sampled, splits, margin)
        | {"cases": _cases(trained, {before: arm, after: after}, splits, selection)}
        for arm in trained
        if arm not in pair
    }


def tested(
    wanted: dict[str, list[str]],
    trained: dict[str, dict],
    pair: tuple[str, ...],
    numbers: dict,
    sampled: dict,
    reject_below: float,
    splits,
    selection: pd.DataFrame,
    margin: float = scope.MARGIN,
) -> dict[str, dict]:
    """The same of the arm before under each protocol of `wanted` (to the names of classes, of
    "subset"), and in `tested` what is the two arms' own under it: `arms`, `rejection`, and
    `images`. {} of one arm; a protocol that cannot be tried is left out."""
    found = {}
    for word, classes in wanted.items() if len(pair) > 1 else ():
        runs = runs_under(word, *(trained[arm] for arm in pair), splits, classes)
        if runs:
            runs = dict(zip(pair, runs))
            of_runs = runs, trained, pair, numbers, sampled
            found[word] = _tested(*of_runs, reject_below, splits, margin)
            found[word]["cases"] = _cases(runs, dict(zip(pair, pair)), splits, selection)
    return found


def _tested(runs, trained: dict, pair, numbers, sampled, reject_below, splits, margin) -> dict:
    own = {arm: of_seeds for arm, of_seeds in runs.items() if of_seeds is not trained[arm]}
    of_own = {arm: summary.arm_numbers(of_seeds) for arm, of_seeds in own.items()}
    temperatures = {arm: of_arm["temperature"]["each"] for arm, of_arm in of_own.items()}
    draws = len(sampled[pair[0]]["test_accuracy"])
    numbers = numbers | of_own
    sampled = sampled | bootstrap.resample(own, temperatures, draws)
    at_level = rejection.rejection(runs, [reject_below]).set_index("arm")
    return _change(runs, pair, numbers, sampled, splits, margin) | {
        "tested": {
            "arms": {arm: numbers[arm] for arm in pair},
            "rejection": at_level.to_dict("index"),
            "images": len(next(iter(runs[pair[0]].values())).test.labels),
        }
    }


def _change(trained: dict, pair: tuple[str, str], numbers, sampled, splits, margin) -> dict:
    one, other = (trained[arm] for arm in pair)
    table = changes.class_table(one, other, splits.class_names)
    return changes.paired_numbers(trained, pair, numbers, sampled, margin) | {
        "classes": classes_moved(table) | no_worse_by_chance(one, other),
        "class_change": changes.class_change(table),
    }


def _cases(trained: dict, arms: dict[str, str], splits, selection: pd.DataFrame) -> list[dict]:
    """The images looked at that there are, under the names that `arms` has for them."""
    of = {name: trained[arm] for name, arm in arms.items()}
    first = summary.first_runs(of, tuple(of))
    names = SimpleNamespace(
        class_names=splits.class_names,
        superclass=splits.superclass,
        superclass_names=splits.superclass_names,
        test=SimpleNamespace(planted=None, files=None),
    )
    tables = {name: failures.test_table(run, names) for name, run in first.items()}
    there = selection["id"].isin(next(iter(tables.values()))["id"])
    return summary.cases_before_after(selection[there], tables).to_dict("records")


def histories(trained: dict[str, dict]) -> dict[str, list[dict]]:
    """{arm: one record an epoch}, of arms that have a history: epoch, and the measures of MEASURED
    as {mean, sd, n, each} over its seeds; [] where the epochs are not numbered."""
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
