"""Test images that one arm gets right and the other wrong, drawn by rule: those made with most confidence."""

import numpy as np
import pandas as pd

from lib.base.text import percent, shorten

SHOWN = 6
KINDS = ("corrected", "regressed", "both wrong")


def draw(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """{kind: the SHOWN most confident}, from two test tables (lib.evaluation.failures.test_table) in the same order.

    The confidence is that of the wrong prediction, of images wrong in both the lower one of the two; equal ones by id.
    """
    sure = {
        "corrected": before["confidence"],
        "regressed": after["confidence"],
        "both wrong": np.minimum(before["confidence"], after["confidence"]),
    }
    chosen = _of_kind(before, after)
    columns = before[["position", "id", "true"]].assign(
        before=before["predicted"],
        before_confidence=before["confidence"],
        after=after["predicted"],
        after_confidence=after["confidence"],
    )
    return {
        kind: columns.assign(sure=sure[kind])[chosen[kind]]
        .sort_values(["sure", "id"], ascending=[False, True])
        .head(SHOWN)
        .reset_index(drop=True)
        for kind in KINDS
    }


def total(before: pd.DataFrame, after: pd.DataFrame, kind: str) -> int:
    """How many images there are of a kind."""
    return int(_of_kind(before, after)[kind].sum())


def _of_kind(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, np.ndarray]:
    a, b = before["correct"].to_numpy(), after["correct"].to_numpy()
    return {"corrected": ~a & b, "regressed": a & ~b, "both wrong": ~a & ~b}


def titles(drawn: pd.DataFrame) -> list[str]:
    """Three lines over a picture: id and true class, then each arm's prediction with its confidence."""
    return [
        f"{row.id} {shorten(row.true)}\n→ {shorten(row.before)} {percent(row.before_confidence, 0)}\n"
        f"→ {shorten(row.after)} {percent(row.after_confidence, 0)}"
        for row in drawn.itertuples()
    ]
