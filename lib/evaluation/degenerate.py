"""What rows cannot tell, in words: classes without rows, classes never predicted, arms without an
error, with one confidence for all, or right on the same rows. Such input is legal; a number made of
it says nothing, and a report says so."""

import numpy as np

from lib.base.text import listed, plural
from lib.data.scores import zeros
from lib.evaluation.calibration import TEMPERATURE_BOUNDS, at_bound
from lib.evaluation.paired import paired_runs
from lib.evaluation.per_image import columns, temperature

NAMED = 3  # classes that a line names


def cannot_tell(trained: dict[str, dict], pair: tuple[str, ...], names: list[str]) -> list[str]:
    """One line for each thing that the rows of a study cannot tell, [] for none.

    trained: {arm: {seed: run}}, all of the same rows; pair: the arms before and after, or the one
    that there is; names: of the classes."""
    first = next(iter(next(iter(trained.values())).values()))
    lines = [
        line
        for split in ("val", "test")
        if (line := _without_rows(split, getattr(first, split).labels, names))
    ]
    for arm, of_seeds in trained.items():
        for seed, run in of_seeds.items():
            who = arm if len(of_seeds) == 1 else f"{arm} with seed {seed}"
            lines += _of_run(who, run, names)
    if len(pair) == 2:
        lines += _of_pair(pair, *(trained[arm] for arm in pair))
    return lines


def _some(classes: np.ndarray, names: list[str]) -> str:
    shown = [repr(names[number]) for number in classes[:NAMED]]
    return listed(shown + ([f"{len(classes) - NAMED:,} more"] if len(classes) > NAMED else []))


def _without_rows(split: str, labels: np.ndarray, names: list[str]) -> str | None:
    empty = np.flatnonzero(np.bincount(labels, minlength=len(names)) == 0)
    if not len(empty):
        return None
    kind = "validation" if split == "val" else split
    return (
        f"{plural(len(empty), 'class', 'classes')} without a {kind} row ({_some(empty, names)}): "
        "nothing is said of how well they are recognised"
    )


def _of_run(who: str, run, names: list[str]) -> list[str]:
    lines, fitted = _of_nothing(who, run), temperature(run)
    predicted = np.bincount(run.test.predicted, minlength=len(names))
    there = np.bincount(run.test.labels, minlength=len(names))
    never = np.flatnonzero((predicted == 0) & (there > 0))
    if len(never):
        lines.append(
            f"{who} never predicts {plural(len(never), 'class', 'classes')} of the test rows "
            f"({_some(never, names)}): they have no precision"
        )
    if at_bound(fitted):
        why = "makes no error" if run.val.correct.all() else "has no best temperature"
        end = "lower" if fitted == TEMPERATURE_BOUNDS[0] else "upper"
        lines.append(
            f"{who} {why} on validation: its temperature is the {end} bound of the search, "
            f"{fitted:g}, and numbers after scaling say nothing"
        )
    if run.test.correct.all() or not run.test.correct.any():
        word = "no error" if run.test.correct.all() else "nothing but errors"
        lines.append(f"{who} makes {word} on test: there is nothing to rank or to reject")
    elif len(set(columns(run.test).confidence.tolist())) == 1 < len(run.test.labels):
        lines.append(
            f"{who} makes every prediction with the same confidence: no threshold can part errors "
            "from right answers, and AURC is the share of errors"
        )
    return lines


def _of_nothing(who: str, run) -> list[str]:
    """What those of a table's probabilities of the true class do that are 0."""
    table = run.info.get("origin") == "predictions"
    rows = sum(zeros(one.logits, one.labels) for one in (run.val, run.test) if table)
    return [
        f"{who} gives the true class of {plural(rows, 'row')} a probability of 0, as rounding "
        "does: its negative log-likelihood, its temperature and all numbers after scaling say "
        "little"
    ] * (rows > 0)


def _of_pair(pair: tuple[str, ...], before: dict, after: dict) -> list[str]:
    differ = any(
        (a.test.correct != b.test.correct).any()
        for a, b in zip(*(of.values() for of in paired_runs(before, after)))
    )
    if differ:
        return []
    return [
        f"{pair[0]} and {pair[1]} are right on the same test rows: no row speaks for either, and a "
        "test of the difference has nothing to test"
    ]
