"""Answering only when confident, for all arms and seeds: thresholds, a promise made on validation,
scores, curves."""

import numpy as np
import pandas as pd

from lib.base.text import level, readable, with_limits
from lib.evaluation import bootstrap
from lib.evaluation.per_image import SCORES, columns
from lib.evaluation.selective import (
    clopper_pearson,
    counts_at_matched_coverage,
    rejection_table,
    threshold_for_risk,
)
from lib.evaluation.summary import confidence_of, with_spread

CURVE = np.arange(1, 201) / 200  # coverages at which curves are drawn


def rejection(trained: dict[str, dict], thresholds) -> pd.DataFrame:
    """One row a threshold and arm, means over seeds: coverage, errors_accepted, selective_risk (of
    the `accepting` seeds that accept an image) and their sd (NaN for one seed).

    risk_low, risk_high: the 95% Clopper-Pearson interval, of one seed alone (NaN with several).
    """
    rows = []
    for arm, of_seeds in trained.items():
        each = pd.concat(
            [
                rejection_table(confidence_of(run), run.test.correct, thresholds)
                for run in of_seeds.values()
            ]
        )
        of_level = each.groupby("threshold")[["coverage", "errors_accepted", "selective_risk"]]
        limits = each.set_index("threshold")[["risk_low", "risk_high"]]
        joined = of_level.mean().join(of_level.std().add_suffix("_sd"))
        joined["accepting"] = of_level.count()["selective_risk"]
        joined[["risk_low", "risk_high"]] = limits if len(of_seeds) == 1 else np.nan
        rows.append(joined.reset_index().assign(arm=arm, n=len(of_seeds)))
    joined = pd.concat(rows).sort_values("threshold", kind="stable", ignore_index=True)
    return joined[
        [
            "threshold",
            "arm",
            "n",
            *(column for column in joined if column not in ("threshold", "arm", "n")),
        ]
    ]


def rejection_view(joined: pd.DataFrame) -> pd.DataFrame:
    """`rejection` as it is printed: a row a threshold and arm."""

    def spread(row, name, form):
        mean, sd = getattr(row, name), getattr(row, f"{name}_sd")
        return (
            None
            if mean != mean
            else form.format(mean) + ("" if sd != sd else f" ± {form.format(sd)}")
        )

    def risk(row):
        shown = spread(row, "selective_risk", "{:.1%}")
        return (
            shown
            if shown is None or row.n > 1
            else with_limits(row.selective_risk, row.risk_low, row.risk_high)
        )

    rows = list(joined.itertuples())
    return pd.DataFrame(
        {
            "threshold": [level(row.threshold) for row in rows],
            "arm": [readable(row.arm) for row in rows],
            "coverage": [spread(row, "coverage", "{:.1%}") for row in rows],
            "errors let through": [
                spread(row, "errors_accepted", "{:.0f}" if row.n == 1 else "{:.1f}") for row in rows
            ],
            "risk (95%)" if joined["n"].max() == 1 else "risk": [risk(row) for row in rows],
        }
    )


def promises(trained: dict[str, dict], risk: float) -> pd.DataFrame:
    """One row an arm and seed: the threshold that validation allows for `risk`, and what became of
    it on test.

    threshold is None where validation allows none; outcome: "kept" where the test risk is at most
    `risk`, "broken" where its Clopper-Pearson interval lies above, else "above, within chance";
    None without a threshold or an accepted image."""
    rows = []
    for arm, of_seeds in trained.items():
        for seed, run in of_seeds.items():
            threshold = threshold_for_risk(columns(run.val).confidence, run.val.correct, risk)
            row = {"arm": arm, "seed": seed, "target risk": risk, "threshold": threshold}
            if threshold is not None:
                found = rejection_table(confidence_of(run), run.test.correct, [threshold]).iloc[0]
                row |= {
                    name: found[name]
                    for name in ("coverage", "selective_risk", "risk_low", "risk_high")
                }
                row["outcome"] = outcome(found["selective_risk"], found["risk_low"], risk)
            rows.append(row)
    shown = [
        "arm",
        "seed",
        "target risk",
        "threshold",
        "coverage",
        "selective_risk",
        "risk_low",
        "risk_high",
        "outcome",
    ]
    return pd.DataFrame(rows, columns=shown)


KEPT, WITHIN, BROKEN = OUTCOMES = "kept", "above, within chance", "broken"


def outcome(found: float, low: float, risk: float) -> str | None:
    if found != found:
        return None
    return KEPT if found <= risk else BROKEN if low > risk else WITHIN


def promises_view(table: pd.DataFrame) -> pd.DataFrame:
    """`promises` as it is printed."""
    found = table["selective_risk"].notna()
    return pd.DataFrame(
        {
            "arm": table["arm"].map(readable),
            "seed": table["seed"],
            "threshold": [
                f"{value:.3f}" if value == value else "none"
                for value in table["threshold"].astype(float)
            ],
            "test coverage": [
                f"{row.coverage:.1%}" if row.coverage == row.coverage else None
                for row in table.itertuples()
            ],
            "test risk (95%)": [
                with_limits(row.selective_risk, row.risk_low, row.risk_high) if is_found else None
                for row, is_found in zip(table.itertuples(), found)
            ],
            "outcome": table["outcome"],
        }
    )


def scores(numbers: dict[str, dict]) -> pd.DataFrame:
    """One row an arm and score: AURC, E-AURC and AUGRC, means over seeds with sd and n."""
    return pd.DataFrame(
        [
            {
                "arm": arm,
                "score": score,
                "measure": measure,
                **{key: of_arm[_named(measure, score)][key] for key in ("mean", "sd", "n")},
            }
            for arm, of_arm in numbers.items()
            for score in SCORES
            for measure in ("aurc", "e_aurc", "augrc")
        ]
    )


def score_changes(numbers: dict, sampled: dict) -> dict[str, dict]:
    """{arm: {score: interval}}: the AURC of each other score less that of maximum softmax."""
    return {
        arm: {
            score: bootstrap.interval(
                sampled, numbers, {arm: 1}, _named("aurc", score), "aurc"
            )._asdict()
            for score in SCORES
            if score != "softmax"
        }
        for arm in numbers
    }


def scores_view(numbers: dict[str, dict], changes: dict) -> pd.DataFrame:
    """The same as it is printed; `changes` {arm: {score: interval}}: the AURC less that of maximum
    softmax."""
    rows = []
    for arm, of_arm in numbers.items():
        for score, label in (
            ("softmax", "maximum softmax"),
            ("margin", "logit margin"),
            ("normalised", "normalised logit"),
        ):
            change = changes[arm].get(score)
            rows.append(
                {
                    "arm": readable(arm),
                    "score": label,
                    **{
                        name.upper().replace("_", "-"): with_spread(
                            name, of_arm[_named(name, score)]
                        )
                        for name in ("aurc", "e_aurc", "augrc")
                    },
                    "AURC less that of softmax (95%)": change and _interval(change),
                }
            )
    return pd.DataFrame(rows)


def _interval(change: dict) -> str:
    return f"{change['estimate']:+.3f} ({change['low']:+.3f} to {change['high']:+.3f})".replace(
        "-", "−"
    )


def _named(measure: str, score: str) -> str:
    return measure if score == "softmax" else f"{measure}_{score}"


def curve_table(curves: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Every tenth point of the curves, by arm."""
    return pd.concat(
        [table.iloc[::-10].iloc[::-1].assign(arm=arm) for arm, table in curves.items()],
        ignore_index=True,
    ).round(4)


def curve(of_seeds: dict) -> pd.DataFrame:
    """Coverage and mean risk over seeds, with low and high: of one seed the pointwise 95%
    Clopper-Pearson interval, of several the lowest and the highest seed."""
    # (seeds, coverages, 2)
    each = np.array(
        [
            counts_at_matched_coverage(confidence_of(run), run.test.correct, CURVE)[
                ["errors", "accepted"]
            ]
            for run in of_seeds.values()
        ]
    )
    each = each[:, each[0, :, 1] > 0]
    coverage = CURVE[-each.shape[1] :]
    errors, accepted = each[..., 0], each[0, :, 1]
    low, high = (
        clopper_pearson(errors[0], accepted)
        if len(each) == 1
        else ((errors / accepted).min(0), (errors / accepted).max(0))
    )
    return pd.DataFrame(
        {"coverage": coverage, "risk": errors.mean(0) / accepted, "low": low, "high": high}
    )
