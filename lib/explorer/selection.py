"""What the explorer shows of two arms on the same test images: one table, filters, order and pages.
No widget is involved."""

import numpy as np
import pandas as pd

from lib.base.text import percent, plural, readable
from lib.diagnosis.judgement import given
from lib.explorer.loading import Arm

OUTCOMES = ("corrected", "regressed", "both wrong", "both right")
PAGE = 18


def pair_table(arm: Arm, other: Arm | None = None) -> pd.DataFrame:
    """One row a test image, in the split's order: position, id, classes, and what each arm makes of
    it.

    predicted, confidence, correct: of `arm`; other_predicted, …: of `other`, absent without one, as
    is `outcome`, one of OUTCOMES. Confidences are after temperature scaling, as the report ranks
    its errors. cause: planted; verdict: of the errors of `arm`, else ""; each absent where nobody
    knows it.
    """
    columns = [
        "position",
        "id",
        "true",
        "true_superclass",
        "predicted",
        "scaled_confidence",
        "correct",
    ]
    table = arm.table[columns].rename(
        columns={"true_superclass": "superclass", "scaled_confidence": "confidence"}
    )
    if "cause" in arm.table:
        table["cause"] = arm.table["cause"]
    if arm.verdicts is not None:
        table["verdict"] = given(arm.verdicts).reindex(table["position"]).fillna("").to_numpy()
    if other is not None:
        a, b = table["correct"].to_numpy(), other.table["correct"].to_numpy()
        table = table.assign(
            other_predicted=other.table["predicted"],
            other_confidence=other.table["scaled_confidence"],
            other_correct=b,
            outcome=np.select([~a & b, a & ~b, ~a & ~b], OUTCOMES[:3], OUTCOMES[3]),
        )
    return table


def outcomes(table: pd.DataFrame, arm: str) -> dict[str, str]:
    """What can be asked for first, in words to its key: errors, everything, and how two arms
    differ."""
    return {f"errors of {readable(arm)}": "errors", "all test images": "all"} | (
        {outcome: outcome for outcome in OUTCOMES} if "outcome" in table else {"right": "right"}
    )


def choose(
    table: pd.DataFrame, outcome: str = "errors", low: float = 0.0, high: float = 1.0, **equal
) -> pd.DataFrame:
    """The images that pass every filter. low, high: limits of the arm's confidence, both included.

    equal: column to the value wanted, None for any, of true, predicted, superclass, cause and
    verdict."""
    keep = {"all": True, "errors": ~table["correct"], "right": table["correct"]}.get(outcome)
    keep = (table["outcome"] == outcome if keep is None else keep) & table["confidence"].between(
        low, high
    )
    for column, value in equal.items():
        if value is not None:
            keep &= table[column] == value
    return table[keep]


def orders(table: pd.DataFrame, arm: str, other: str | None) -> dict[str, tuple[str, bool]]:
    """The orders on offer: words to the column and whether it rises."""
    found = {
        f"most confident, {readable(arm)}": ("confidence", False),
        f"least confident, {readable(arm)}": ("confidence", True),
    }
    if "outcome" in table:
        found |= {f"most confident, {readable(other)}": ("other_confidence", False)}
    return found | {"id": ("id", True)}


def arranged(chosen: pd.DataFrame, column: str, rises: bool) -> pd.DataFrame:
    """In this order; equal ones by id."""
    return chosen.sort_values([column, "id"], ascending=[rises, True])


def pages(images: int) -> int:
    return max(1, -(-images // PAGE))


def page(arranged: pd.DataFrame, number: int) -> pd.DataFrame:
    """The images of page 1, 2, …"""
    return arranged.iloc[(number - 1) * PAGE : number * PAGE]


def count(chosen: pd.DataFrame, table: pd.DataFrame) -> str:
    """ "355 of 800 test images, 44.4%"."""
    share = f", {percent(len(chosen) / len(table))}" if len(chosen) else ""
    return f"{len(chosen):,} of {plural(len(table), 'test image')}{share}"


def summary(arm: Arm, other: Arm | None = None) -> str:
    """What the two arms do on the test split, in lines of text."""
    table = pair_table(arm, other)
    lines = [
        f"{readable(one.name)}: {plural(int((~one.table['correct']).sum()), 'error')} in "
        f"{plural(len(table), 'test image')}, "
        f"{(one.table.loc[~one.table['correct'], 'scaled_confidence'] >= 0.9).sum():,} of them "
        f"with at least 90% confidence after temperature scaling (T = {one.temperature:.2f})"
        for one in (arm, other)
        if one
    ]
    if other is not None:
        lines.append(
            f"from {readable(arm.name)} to {readable(other.name)}: "
            + ", ".join(
                f"{(table['outcome'] == outcome).sum():,} {outcome}" for outcome in OUTCOMES
            )
        )
    if arm.verdicts is None:
        lines.append(f"no verdicts on the errors of {readable(arm.name)} are kept with these runs")
    return "\n".join(lines)
