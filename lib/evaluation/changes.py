"""The change from one arm to another on the same test images, paired by seed: numbers, images,
classes, against noise."""

from itertools import combinations

import numpy as np
import pandas as pd

from lib.base.text import readable
from lib.evaluation import bootstrap, paired
from lib.evaluation.significance import sign_flip
from lib.evaluation.summary import MEASURES, confidence_of, confidences, with_interval, with_spread

CHANGES = (
    "test_accuracy",
    "errors",
    "errors_ge_90",
    "errors_ge_99",
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


def paired_numbers(
    trained: dict[str, dict], pair: tuple[str, ...], numbers: dict, sampled: dict
) -> dict:
    """Everything that changed between the two arms of `pair`, with its interval, and what does so
    between seeds alone; {} of one arm."""
    # guard: one-arm-no-pair
    if len(pair) == 1:
        return {}
    before, after = (trained[arm] for arm in pair)
    changes = {
        name: bootstrap.interval(sampled, numbers, {pair[1]: 1, pair[0]: -1}, name)._asdict()
        for name in CHANGES
    }
    return {
        "changes": changes,
        "accuracy_change": changes["test_accuracy"],
        "aurc_change": changes["aurc"],
        "mcnemar": mcnemar(before, after),
        "sure_tests": sure_tests(before, after),
        "migration": migration(before, after),
        "churn": churn(before, after, pair),
    }


def changes_table(paired: dict, numbers: dict, pair: tuple[str, str]) -> pd.DataFrame:
    """One row a number: its values in both arms and its change, in full."""
    return pd.DataFrame(
        [
            {
                "number": MEASURES[name].label,
                **{arm: numbers[arm][name]["mean"] for arm in pair},
                **change,
            }
            for name, change in paired["changes"].items()
        ]
    )


def changes_view(paired: dict, numbers: dict, pair: tuple[str, str]) -> pd.DataFrame:
    """The same as it is printed."""
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


def _right(of_seeds: dict) -> np.ndarray:
    return np.stack([run.test.correct for run in of_seeds.values()])  # (seeds, N)


def mcnemar(before: dict, after: dict) -> dict:
    """Images corrected and regressed, means over the seeds, with the exact p-value: of one seed
    McNemar's test."""
    a, b = _right(before), _right(after)
    p_value = sign_flip((b.sum(0) - a.sum(0, dtype=int)), len(a))
    return {
        "corrected": _plain((~a & b).sum() / len(a)),
        "regressed": _plain((a & ~b).sum() / len(a)),
        "p_value": p_value,
        "n": len(a),
    }


def sure_tests(before: dict, after: dict) -> dict:
    """The same test of the errors at each of lib.evaluation.bootstrap.LEVELS: of one seed, of the
    images that are one in one arm alone."""

    def sure(of_seeds, level):
        confidence, right = confidences(of_seeds)
        return (~right & (confidence >= level)).sum(0, dtype=int)

    return {
        f"errors_ge_{100 * level:.0f}": {
            "p_value": sign_flip(sure(after, level) - sure(before, level), len(before)),
            "n": len(before),
        }
        for level in bootstrap.LEVELS
    }


def migration(before: dict, after: dict) -> dict:
    """lib.evaluation.paired.migration, its counts as means over the seeds; the share is that of all
    seeds together."""
    each = pd.DataFrame(
        [
            paired.migration(
                a.test.labels,
                a.test.predicted,
                b.test.predicted,
                confidence_of(a),
                confidence_of(b),
            )
            for a, b in zip(before.values(), after.values())
        ]
    ).drop(columns="both_wrong_less_confident_share")
    counts = {name: _plain(each[name].mean()) for name in each}
    wrong = counts["both_wrong"]
    return counts | {
        "both_wrong_less_confident_share": counts["both_wrong_less_confident"] / wrong
        if wrong
        else None
    }


def _plain(value: float):
    return int(value) if value == int(value) else float(value)


def churn(before: dict, after: dict, pair: tuple[str, str]) -> dict:
    """Shares of test images: "class", another class is predicted; "right", right in one and wrong
    in the other.

    between_arms: means over the seeds, both arms trained with the same one. between_seeds: for each
    arm the means over the pairs of its seeds, None with one seed.
    """

    def mean(runs):
        return {
            "class": np.mean([paired.churn(a.test.predicted, b.test.predicted) for a, b in runs]),
            "right": np.mean([np.mean(a.test.correct != b.test.correct) for a, b in runs]),
        }

    seeds = {
        arm: list(combinations(of_seeds.values(), 2))
        for arm, of_seeds in zip(pair, (before, after))
    }
    return {
        "between_arms": mean(list(zip(before.values(), after.values()))),
        "between_seeds": {arm: mean(pairs) if pairs else None for arm, pairs in seeds.items()},
    }


def churn_table(numbers: dict) -> pd.DataFrame:
    """`churn` with one row a pair of networks."""
    rows = [{"between": "the two arms, same seed", **numbers["between_arms"]}]
    rows += [
        {"between": f"two seeds of {readable(arm)}", **(shares or {"class": None, "right": None})}
        for arm, shares in numbers["between_seeds"].items()
    ]
    return pd.DataFrame(rows).rename(
        columns={"class": "another class predicted", "right": "right in one, wrong in the other"}
    )


def class_change(table: pd.DataFrame) -> dict[str, dict]:
    """{class: its change of accuracy with its interval}, as shares."""
    ends = table[["change", "low", "high"]].dropna().rename(columns={"change": "estimate"}) / 100
    return ends.to_dict("index")


def class_table(before: dict, after: dict, names: list[str]) -> pd.DataFrame:
    """lib.evaluation.paired.per_class_change with the classes' names."""
    labels = next(iter(before.values())).test.labels
    return paired.per_class_change(labels, _right(before), _right(after), len(names)).set_axis(
        pd.Index(names, name="class")
    )
