"""The change from one arm to another on the same test images, paired by the seeds that both have:
numbers, images, classes, each beside what another seed of the same arm does.
"""

from itertools import combinations, permutations

import numpy as np
import pandas as pd

from lib.base.text import readable
from lib.evaluation import bootstrap, paired, scope
from lib.evaluation.paired import Interval, hull, paired_runs, paired_seeds
from lib.evaluation.per_image import columns, temperature
from lib.evaluation.significance import bonett_price, sign_flip
from lib.evaluation.summary import (
    MEASURES,
    over_seeds,
    with_interval,
    with_spread,
)

CHANGES = (
    "test_accuracy",
    "errors",
    "errors_ge_90",
    "errors_ge_99",
    "errors_ge_90_scaled",
    "errors_ge_99_scaled",
    "ece",
    "ece_scaled",
    "nll",
    "nll_scaled",
    "brier",
    "brier_scaled",
    "aurc",
    "e_aurc",
    "augrc",
)

# what the study asks first; the rest is asked besides, and corrected for how much that is
PRIMARY = ("test_accuracy", "errors")


def paired_numbers(
    trained: dict[str, dict],
    pair: tuple[str, ...],
    numbers: dict,
    sampled: dict,
    margin: float = scope.MARGIN,
) -> dict:
    """Everything that changed between the two arms of `pair`, with its interval, and what does so
    between seeds alone; {} of one arm.

    seeds: those that the two have in common, over which all of it is; about: what may be said of it
    (lib.evaluation.scope.about), copies of a run counted once; margin: within which the accuracies
    count as equivalent, a share."""
    # guard: one-arm-no-pair
    if len(pair) == 1:
        return {}
    before, after = (trained[arm] for arm in pair)
    common, change = paired_runs(before, after), {pair[1]: 1, pair[0]: -1}
    changes = {
        name: bootstrap.interval(sampled, numbers, change, name)._asdict() for name in CHANGES
    }
    p_values = {name: bootstrap.p_value(sampled, numbers, change, name) for name in CHANGES}
    narrow = bootstrap.interval(sampled, numbers, change, "test_accuracy", level=0.9)
    narrow = hull([narrow, Interval(narrow.estimate, *_limits(*common, level=0.9))])
    return {
        "seeds": list(common[0]),
        "about": scope.about(min(len(scope.distinct(runs)) for runs in common)),
        "equivalence": scope.equivalence(narrow.low, narrow.high, margin)._asdict(),
        "changes": {
            name: changes[name] | {"found": found}
            for name, found in scope.found(changes, p_values, PRIMARY).items()
        },
        "accuracy_change": changes["test_accuracy"],
        "aurc_change": changes["aurc"],
        "mcnemar": mcnemar(before, after),
        "sure_tests": sure_tests(before, after),
        "migration": migration(before, after),
        "churn": churn(before, after, pair),
    }


def changes_table(paired: dict, numbers: dict, pair: tuple[str, str]) -> pd.DataFrame:
    """One row a number: its values in both arms and its change, in full; found: what may be said of
    it (lib.evaluation.scope.found); n: the seeds that both
    arms have, over which all three are."""
    numbers = of_pair(numbers, pair)
    return pd.DataFrame(
        [
            {
                "number": MEASURES[name].label,
                **{arm: numbers[arm][name]["mean"] for arm in pair},
                **change,
                "n": numbers[pair[0]][name]["n"],
            }
            for name, change in paired["changes"].items()
        ]
    )


def changes_view(paired: dict, numbers: dict, pair: tuple[str, str]) -> pd.DataFrame:
    """The same as it is printed."""
    numbers = of_pair(numbers, pair)
    return pd.DataFrame(
        [
            {
                "": MEASURES[name].label,
                **{arm: with_spread(name, numbers[arm][name]) for arm in pair},
                "change (95%)": with_interval(name, change, numbers[pair[0]][name]["n"]),
            }
            for name, change in paired["changes"].items()
        ]
    )


def of_pair(numbers: dict, pair: tuple[str, str]) -> dict[str, dict]:
    """The numbers of the two arms over the seeds that they are compared by."""
    seeds = paired_seeds(*(bootstrap.seeds_of(numbers[arm]["test_accuracy"]) for arm in pair))
    return {arm: over_seeds(numbers[arm], chosen) for arm, chosen in zip(pair, seeds)}


def _right(of_seeds: dict) -> np.ndarray:
    return np.stack([run.test.correct for run in of_seeds.values()])  # (seeds, N)


def _limits(before: dict, after: dict, level: float) -> tuple[float, float]:
    """Bonett and Price's of the change of accuracy: not 0 wide where no image changed."""
    each = _right(after).mean(0) - _right(before).mean(0)
    return tuple(map(float, bonett_price(each.sum(), (each**2).sum(), len(each), level)))


def mcnemar(before: dict, after: dict) -> dict:
    """Images corrected and regressed, means over the seeds, with the exact p-value: of one seed
    McNemar's test."""
    a, b = map(_right, paired_runs(before, after))
    p_value = sign_flip((b.sum(0) - a.sum(0, dtype=int)), len(a))
    return {
        "corrected": _plain((~a & b).sum() / len(a)),
        "regressed": _plain((a & ~b).sum() / len(a)),
        "p_value": p_value,
        "n": len(a),
    }


def sure_tests(before: dict, after: dict) -> dict:
    """The same test of the errors at each of lib.evaluation.bootstrap.LEVELS: of one seed, of the
    images that are one in one arm alone; before and after scaling."""

    before, after = paired_runs(before, after)

    def sure(runs, level, scaled):
        each = [~run.test.correct & (_confidence(run, scaled) >= level) for run in runs.values()]
        return np.sum(each, axis=0)

    return {
        f"errors_ge_{100 * level:.0f}{'_scaled' if scaled else ''}": {
            "p_value": sign_flip(
                sure(after, level, scaled) - sure(before, level, scaled), len(before)
            ),
            "n": len(before),
        }
        for level in bootstrap.LEVELS
        for scaled in (False, True)
    }


def _confidence(run, scaled: bool) -> np.ndarray:
    return columns(run.test, temperature(run) if scaled else 1.0).confidence


def migration(before: dict, after: dict) -> dict:
    """lib.evaluation.paired.migration, its counts as means over the seeds; a share is that of all
    seeds together. Which network is the less confident one is counted twice: as they are, and after
    scaling each by its temperature (names that end in _scaled), the fair way where these differ."""
    runs = list(zip(*(of_arm.values() for of_arm in paired_runs(before, after))))
    each, scaled = (
        pd.DataFrame([_migration(a, b, scaling) for a, b in runs]) for scaling in (False, True)
    )
    less = "both_wrong_less_confident"
    each[f"{less}_scaled"] = scaled[less]
    each = each.drop(columns=f"{less}_share")
    counts = {name: _plain(each[name].mean()) for name in each}
    return counts | {
        f"{name}_share": counts[name] / counts["both_wrong"] if counts["both_wrong"] else None
        for name in (less, f"{less}_scaled")
    }


def _migration(a, b, scaled: bool) -> dict:
    sure = [_confidence(run, scaled) for run in (a, b)]
    return paired.migration(a.test.labels, a.test.predicted, b.test.predicted, *sure)


def _plain(value: float):
    return int(value) if value == int(value) else float(value)


def churn(before: dict, after: dict, pair: tuple[str, str]) -> dict:
    """How two networks differ on the test images: "class", the share for which another class is
    predicted; "right", the share right in one and wrong in the other; "corrected" and "regressed",
    counts.

    between_arms: means over the seeds that both arms have. between_seeds: for each arm the means
    over the pairs of its seeds, None with one seed; which of two seeds is the first means nothing,
    so corrected and regressed are equal there."""
    return {
        "between_arms": _churn(zip(*(runs.values() for runs in paired_runs(before, after)))),
        "between_seeds": {
            arm: _churn(permutations(runs.values(), 2)) if len(runs) > 1 else None
            for arm, runs in zip(pair, (before, after))
        },
    }


def _churn(runs) -> dict:
    """Means over pairs of runs."""
    each = [
        {
            "class": paired.churn(a.test.predicted, b.test.predicted),
            "right": np.mean(a.test.correct != b.test.correct),
            "corrected": np.sum(~a.test.correct & b.test.correct),
            "regressed": np.sum(a.test.correct & ~b.test.correct),
        }
        for a, b in runs
    ]
    return pd.DataFrame(each).mean().to_dict()


def steadiness(before: dict, after: dict) -> dict[str, np.ndarray]:
    """In what share of all pairs of a network of the one arm and one of the other each image (N,)
    is corrected, regressed, wrong in both: 1 where no seed changes that."""
    a, b = (_right(runs).mean(0) for runs in (before, after))
    return {"corrected": (1 - a) * b, "regressed": a * (1 - b), "both wrong": (1 - a) * (1 - b)}


def churn_table(numbers: dict) -> pd.DataFrame:
    """`churn` with one row a pair of networks, so that what another seed does stands below what the
    other arm does."""
    nothing = dict.fromkeys(numbers["between_arms"])
    rows = [{"between": "the two arms, same seed", **numbers["between_arms"]}]
    rows += [
        {"between": f"two seeds of {readable(arm)}", **(shares or nothing)}
        for arm, shares in numbers["between_seeds"].items()
    ]
    return (
        pd.DataFrame(rows)
        .round({"corrected": 1, "regressed": 1})
        .rename(
            columns={
                "class": "another class predicted",
                "right": "right in one, wrong in the other",
            }
        )
    )


def class_change(table: pd.DataFrame) -> dict[str, dict]:
    """{class: its change of accuracy with its interval}, as shares."""
    ends = table[["change", "low", "high"]].dropna().rename(columns={"change": "estimate"}) / 100
    return ends.to_dict("index")


def class_numbers(table: pd.DataFrame, before: dict, after: dict) -> dict:
    """What results.json says of the classes of `class_table`."""
    moved = paired.classes_moved(table) | paired.no_worse_by_chance(before, after)
    return {"classes": moved, "class_change": class_change(table)}


def class_table(before: dict, after: dict, names: list[str]) -> pd.DataFrame:
    """lib.evaluation.paired.per_class_change with the classes' names, and in `another_seed` by how
    many points a class's accuracy differs between two seeds of one arm, the mean over all pairs of
    either (NaN where no arm has two)."""
    labels = next(iter(before.values())).test.labels
    table = paired.per_class_change(
        labels, *map(_right, paired_runs(before, after)), len(names)
    ).assign(another_seed=_between_seeds(labels, (before, after), len(names)))
    return table.set_axis(pd.Index(names, name="class"))


def _between_seeds(labels: np.ndarray, arms, classes: int) -> np.ndarray:
    images = np.bincount(labels, minlength=classes)
    some = np.where(images, images, np.nan)
    differences = [
        np.abs(np.bincount(labels, a.test.correct.astype(float) - b.test.correct, classes)) / some
        for runs in arms
        for a, b in combinations(runs.values(), 2)
    ]
    return 100 * np.mean(differences, axis=0) if differences else np.full(classes, np.nan)
