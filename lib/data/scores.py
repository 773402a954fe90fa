"""What the numbers of a table of predictions are: logits, probabilities or their logarithms.
Decided once, over all rows of the table, and made logits.
"""

from typing import NamedTuple

import numpy as np

from lib.base.errors import DataError

# what sums of float16 probabilities are off by; and what no rounding explains any more
TOLERANCE = (1e-3, 0.05)
DECIMALS = (1, 2, 3, 4, 5)  # of rounded probabilities, looked for in this order
# probabilities below it count as it: near the smallest normal number of float32
SMALLEST = 1e-38
SUM_TO_ONE = 1e-2  # what sums of probabilities are off by at most
FEW = 10  # rows that a question is asked of first, and classes that a line names
# what rounding may add to a probability of 1
NOISE = 1e-6
# what logarithms of probabilities are taken to; the first is that of a softmax
BASES = (np.e, 2, 10)


class Scores(NamedTuple):
    """logits: float32 (N, classes); kind: "logits", "probabilities" or "log-probabilities"; hard:
    every row has the same confidence; notes: what a report must say of them."""

    logits: np.ndarray
    kind: str
    hard: bool
    notes: list[str]


def zeros(logits: np.ndarray, labels: np.ndarray) -> int:
    """How many rows give the true class, labels (N,), a probability of 0, which counts as SMALLEST;
    logits: a table's, (N, classes). Of numbers that were no probabilities none was rounded."""
    sums = np.logaddexp.reduce(logits.astype(np.float64), 1)
    if (np.abs(sums) > SUM_TO_ONE).any():
        return 0
    return int((logits[np.arange(len(logits)), labels] <= np.log(SMALLEST) + 0.5).sum())


def as_logits(
    values: np.ndarray, names: list[str], where, sizes: list[int] | None = None
) -> Scores:
    """The numbers (N, classes), float64, of all rows of a table as logits.

    names: of the classes; where(row) says where a row stands; sizes: rows of each split, one after
    the other: where one of five rows or more is probabilities by itself, all must be. Raises
    DataError, one line, for what is not finite, and for rows that do not fit the others."""
    _refuse(np.isnan(values) | (values == np.inf), values, names, where)
    _refuse_surprisals(values, where)
    if found := _log_probabilities(values):
        return _with_confidence(found)
    _refuse(values == -np.inf, values, names, where)
    _refuse_left_over(values, names)
    found = _probabilities(values, where, sizes or [len(values)]) or Scores(
        values, "logits", False, ["the numbers are logits", *_none_below_0(values)]
    )
    with np.errstate(over="ignore"):
        narrow = found.logits.astype(np.float32)
    _refuse(~np.isfinite(narrow), values, names, where)
    return _with_confidence(found._replace(logits=narrow))


def _none_below_0(values: np.ndarray) -> list[str]:
    # hard predictions have a line of their own
    if len(values) < FEW or values.min() < 0 or ((values > 0).sum(1) <= 1).all():
        return []
    return [
        "none is below 0, as logits often are: where they are votes, shares or scores of another "
        "kind, bring what a softmax makes probabilities of, or probabilities"
    ]


def _refuse(bad: np.ndarray, values: np.ndarray, names: list[str], where) -> None:
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"{where(row)}, class {names[column]!r}: {values[row, column]:g} is not a finite "
            f"number of float32 ({int(bad.sum()):,} such)"
        )


def _log_probabilities(values: np.ndarray) -> Scores | None:
    if values.max() > NOISE or (base := _base(values)) is None:
        return None
    values, least = values * np.log(base), np.log(SMALLEST)
    what = "the numbers are logarithms of probabilities"
    if base != BASES[0]:
        what += f" to base {base}, and count as natural ones: times {np.log(base):.4g}"
    notes = [what] + _clipped(values < least)
    return Scores(np.maximum(values, least).astype(np.float32), "log-probabilities", False, notes)


def _refuse_surprisals(values: np.ndarray, where) -> None:
    """The least likely class would win. A logit of 0 beside large ones looks alike, so that one
    row at least must have no sure answer."""
    unsure = values.min() >= -NOISE and values.min(1).max() > 0.1
    # guard: no-surprisals
    if unsure and _base(-values[:FEW]) and _base(-values):
        raise DataError(
            f"{where(0)}: as all rows, minus the logarithms of probabilities; change their sign"
        )


def _base(values: np.ndarray) -> float | None:
    """What the rows' probabilities were logarithms to; None where the rows do not add to 1.

    Of natural ones a rounding step moves a row's sum by half of it; softmax makes it 1 again."""
    allowed = dict.fromkeys(BASES, TOLERANCE[0])
    step = rounding_step(np.where(np.isfinite(values), values, 0))
    allowed[BASES[0]] = float(np.clip(step / 2 + NOISE, *TOLERANCE))
    fits = (one for one in BASES if np.abs((one**values).sum(1) - 1).max() <= allowed[one])
    return next(fits, None)


def _clipped(below: np.ndarray) -> list[str]:
    if not below.any():
        return []
    return [
        f"{int(below.sum()):,} probabilities of 0, or below {SMALLEST:g}, count as {SMALLEST:g}"
    ]


def rounding_step(values: np.ndarray) -> float:
    """The power of ten that all values are multiples of, but for what float32 cannot hold; 0 for
    none down to 1e-5."""
    for decimals in DECIMALS:
        scaled = values * 10**decimals
        if np.abs(scaled - np.rint(scaled)).max() <= 10**decimals * 2.0**-24:
            return 10.0**-decimals
    return 0.0


def tolerance(values: np.ndarray) -> float:
    """What the sum of a row of probabilities may be off by: half a rounding step a class, within
    TOLERANCE."""
    return float(np.clip(values.shape[1] * rounding_step(values) / 2 + NOISE, *TOLERANCE))


def _probabilities(values: np.ndarray, where, sizes: list[int]) -> Scores | None:
    """The logarithms of rows that sum to 1; None for other numbers."""
    sums, inside = values.sum(1), (values >= -NOISE).all(1) & (values <= 1 + NOISE).all(1)
    _refuse_percentages(values, sums, where)
    if not inside.any():
        return None
    allowed, off = tolerance(values[inside]), np.abs(sums - 1)
    fit = inside & (off <= allowed)
    of_parts = [part.all() for part in np.split(fit, np.cumsum(sizes)[:-1]) if len(part) >= 5]
    # rounding that the cap leaves out: half a step a class
    rounded = inside.all() and off.max() <= values.shape[1] * rounding_step(values) / 2
    # guard: all-rows-probabilities
    if not fit.all() and (fit.mean() > 0.5 or any(of_parts) or rounded):
        row = int(np.argmin(fit))
        raise DataError(
            f"{where(row)}: sums to {sums[row]:g}, where {int(fit.sum()):,} of {len(fit):,} rows "
            f"are probabilities (0 to 1, sum 1 within {allowed:g}): bring probabilities with more "
            "decimals, or logits, in all rows of both splits"
        )
    if not inside.all():
        return None
    if not fit.all():
        # guard: sigmoid-is-told
        note = (
            "the numbers lie between 0 and 1, their rows do not sum to 1: taken as logits, as of a "
            "cosine head; where a sigmoid made them, bring what went into it: accuracy would stay, "
            "but confidence and calibration be wrong"
        )
        return Scores(values, "logits", False, [note])
    shares = np.clip(values, 0, 1) / sums[:, None]
    notes = ["the numbers are probabilities (0 to 1, rows sum to 1)"]
    if np.abs(sums - 1).max() > 1e-4:
        notes.append(
            f"each row was divided by its sum, which lay between {sums.min():.4g} and "
            f"{sums.max():.4g}"
        )
    notes += _clipped(shares < SMALLEST)
    # guard: softmax-once
    if len(shares) >= FEW and _softmax_of_shares(shares):
        notes.append(
            "every row is what a softmax makes of probabilities: if it was taken twice, bring what "
            "went into the second one; else the predictions are nearly even"
        )
    return Scores(np.log(np.maximum(shares, SMALLEST)), "probabilities", False, notes)


def _softmax_of_shares(shares: np.ndarray) -> bool:
    """Whether every row is the softmax of a row in 0..1 that adds to 1: its logarithms are that row
    but for a number that follows from the sum."""
    logs = np.log(np.maximum(shares, SMALLEST))
    before = logs + (1 - logs.sum(1, keepdims=True)) / shares.shape[1]
    return bool((before >= -TOLERANCE[0]).all() and (before <= 1 + TOLERANCE[0]).all())


def _refuse_percentages(values: np.ndarray, sums: np.ndarray, where) -> None:
    off = np.abs(sums / 100 - 1).max()
    # guard: no-percentages
    if values.min() >= 0 and off <= TOLERANCE[1] and off <= tolerance(values / 100):
        raise DataError(
            f"{where(0)}: sums to {sums[0]:.4g}, all rows to 100 or nearly: percentages; divide "
            "them by 100"
        )


def _refuse_left_over(values: np.ndarray, names: list[str]) -> None:
    """Refuse a column that is made of the others, or of the rows' places: a confidence, say."""
    few = values[:FEW]
    if len(names) < 3 or len(few) < 2 or np.abs(values.sum(1) - 1).max() <= tolerance(values):
        return
    for column, name in enumerate(names):
        # guard: made-of-the-others
        if _made_of(few, column) and (word := _made_of(values, column)):
            others = [other for other in names if other != name]
            raise DataError(
                f"column {name!r} is no class but {word}; remove it (classes: "
                f"{', '.join(others[:FEW])}{', …' if len(others) > FEW else ''})"
            )


def _made_of(values: np.ndarray, column: int) -> str | None:
    """What a column is, where it is no class."""
    one, others = values[:, column], np.delete(values, column, 1)
    if len(one) >= FEW and np.ptp(one - np.arange(len(one))) == 0:
        return "the rows' numbers"
    if np.abs(others.sum(1) - 1).max() <= TOLERANCE[0] and 0 <= others.min() and others.max() <= 1:
        return "what stands beside columns that are probabilities without it"
    if len(one) >= FEW and np.ptp(values) > 0 and (one == others.max(1)).all():
        return "the largest of the other columns"
    exponentials = np.exp(others - others.max(1, keepdims=True))
    if np.abs(one - 1 / exponentials.sum(1)).max() <= TOLERANCE[0]:
        return "the confidence that the other columns give"
    return None


def _with_confidence(found: Scores) -> Scores:
    """Said of predictions that are all made with one confidence: hard labels, say."""
    part = found.logits.astype(np.float64)
    confidence = 1 / np.exp(part - part.max(1, keepdims=True)).sum(1)
    if len(confidence) < 2 or np.ptp(confidence) > NOISE:
        return found
    note = (
        f"every prediction has the same confidence ({confidence[0]:.3g}): these are hard "
        "predictions, and nothing can be told of confidence, calibration, thresholds or ranking"
    )
    return found._replace(hard=True, notes=[*found.notes, note])
