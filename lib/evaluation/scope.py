"""What numbers allow to be said, which every sentence asks before it claims anything.

- Of a *method* only with LEAST_SEEDS networks an arm; with fewer, of these networks.
- A difference where the interval of the paired difference leaves 0 out. Two intervals that overlap
  say nothing of the difference.
- "Equivalent within a margin" where two one-sided tests both reject. "No difference found" is not
  the same: a wide interval finds none, and shows no equivalence.
- A trend by a test of trend over all rows.
- Nothing from fewer than LEAST_ROWS rows, and one vote for runs that are copies of one another.
"""

from typing import NamedTuple

import numpy as np
import scipy

from lib.base.text import verdict
from lib.evaluation.significance import benjamini_hochberg

LEAST_SEEDS = 3
LEAST_ROWS = 6
# with fewer, the p-value of a rank correlation is too small where values are equal
TREND_ROWS = 10
LEVEL = 0.05
# points of accuracy, as a share, that two arms may differ by and still be called equivalent
MARGIN = 0.01

METHOD, NETWORKS = "method", "networks"


def about(seeds: int) -> str:
    """METHOD or NETWORKS: what a sentence on a pair of arms with so many seeds in common is
    about."""
    return METHOD if seeds >= LEAST_SEEDS else NETWORKS


def networks(seeds: int) -> str:
    """The networks of two arms in words: "these two networks", "these four networks"."""
    return f"these {('two', 'four')[seeds - 1]} networks" if seeds < LEAST_SEEDS else "the two arms"


def caveat(seeds: int) -> str:
    """What stands behind a sentence that is about networks alone; "" behind one on a method."""
    if about(seeds) == METHOD:
        return ""
    number = "One network" if seeds == 1 else "Two networks"
    return f"{number} an arm: this says nothing of the method."


def enough(rows: int) -> bool:
    """Whether so many rows allow any finding."""
    return rows >= LEAST_ROWS


# Differences of two arms.


def said(change: dict) -> str:
    """What may be said of a change: what `found` made of it among many, or by its interval."""
    return change.get("found") or verdict(change)


def found(
    changes: dict[str, dict], p_values: dict[str, float], primary: tuple = ()
) -> dict[str, str]:
    """What may be said of each of several changes {estimate, low, high} of the same two arms:
    "higher", "lower" or "none".

    The `primary` ones, which the study asks first, go by their intervals. The others are many:
    they must hold after Benjamini and Hochberg's correction for their number at LEVEL, too, or
    among twenty numbers one would differ by chance."""
    others = [name for name in changes if name not in primary]
    adjusted = dict(zip(others, benjamini_hochberg([p_values[name] for name in others])))
    return {
        name: "none" if adjusted.get(name, 0) >= LEVEL else verdict(change)
        for name, change in changes.items()
    }


class Equivalence(NamedTuple):
    """margin m; low and high, the ends of the interval at 1 - 2 LEVEL; whether it lies inside -m
    to m."""

    margin: float
    low: float
    high: float
    equivalent: bool


def equivalence(low: float, high: float, margin: float = MARGIN) -> Equivalence:
    """Two one-sided tests at LEVEL (Schuirmann 1987, https://doi.org/10.1007/BF01068419), by the
    ends of the interval at 1 - 2 LEVEL, in the unit of the margin. Raises ValueError for a margin
    that is not above 0."""
    if not margin > 0:
        raise ValueError(f"margin: got {margin}; allowed: above 0")
    return Equivalence(margin, low, high, bool(-margin < low and high < margin))


# Trends and shares over rows.


def trend(values, by) -> dict:
    """Whether `values` rise with `by`, both (N,): Spearman's rank correlation over all rows.

    Keys: rows, rho, p_value, found ("rises", "falls" or "none"). The last three are None with fewer
    than TREND_ROWS rows, or where one of the two is constant."""
    values, by = np.asarray(values, float), np.asarray(by, float)
    unknown = {"rows": len(values), "rho": None, "p_value": None, "found": None}
    if len(values) < TREND_ROWS or not np.ptp(values) or not np.ptp(by):
        return unknown
    rho, p_value = map(float, scipy.stats.spearmanr(values, by))
    found = "none" if p_value >= LEVEL else "rises" if rho > 0 else "falls"
    return unknown | {"rho": rho, "p_value": p_value, "found": found}


# Copies of one run.


def distinct(of_seeds: dict) -> dict:
    """The runs by seed without those whose logits are another's, bit for bit: of copies the first
    stays."""
    kept = {}
    for seed, run in of_seeds.items():
        if not any(same(run, other) for other in kept.values()):
            kept[seed] = run
    return kept


def same(run, other) -> bool:
    """Whether two runs are one: their logits of validation and of test are equal."""
    return run is other or all(
        np.array_equal(getattr(run, split).logits, getattr(other, split).logits)
        for split in ("val", "test")
    )
