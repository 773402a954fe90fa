"""Checks of arrays that a user hands in; an error is one line: what was got, what is allowed."""

import numpy as np


def same_length(**arrays) -> list[np.ndarray]:
    """The arrays in order; ValueError unless all have one dimension and one length above 0."""
    shapes = {name: np.shape(values) for name, values in arrays.items()}
    first, *others = shapes.values()
    if len(first) != 1 or not first[0] or any(shape != first for shape in others):
        raise ValueError(
            f"shapes: got {', '.join(f'{name} {shape}' for name, shape in shapes.items())}; "
            "allowed: one dimension and one shared length of at least 1"
        )
    return [np.asarray(values) for values in arrays.values()]


def finite(name: str, values, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """The values as float64; ValueError if any is NaN, infinite or outside [low, high]."""
    values = np.asarray(values, dtype=np.float64)
    if bad := int(np.sum(~np.isfinite(values))):
        raise ValueError(
            f"{name}: got {bad} of {values.size} values that are not finite; "
            "allowed: finite numbers"
        )
    if not (low <= values.min() and values.max() <= high):
        raise ValueError(
            f"{name}: got {values.min():g} to {values.max():g}; allowed: {low:g} to {high:g}"
        )
    return values


def flags(name: str, values) -> np.ndarray:
    """The values as bool; ValueError for anything but booleans, 0 and 1."""
    values = np.asarray(values)
    if values.dtype != bool and not np.isin(values, (0, 1)).all():
        raise ValueError(
            f"{name}: got {values.dtype} values other than 0 and 1; allowed: booleans, 0 and 1"
        )
    return values.astype(bool)


def scored(confidence, correct, **limits) -> tuple[np.ndarray, np.ndarray]:
    """The confidence (N,) of answers, within the limits of `finite`, and whether each is right."""
    confidence, correct = same_length(confidence=confidence, correct=correct)
    return finite("confidence", confidence, **limits), flags("correct", correct)


def labelled(name: str, scores, labels) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N, K) as they are, and labels (N,) as int64; ValueError if the two do not fit."""
    scores, labels = np.asanyarray(scores), np.asarray(labels)
    if scores.ndim != 2 or 0 in scores.shape or labels.shape != scores.shape[:1]:
        raise ValueError(
            f"shapes: got {name} {scores.shape}, labels {labels.shape}; "
            "allowed: (images, classes) and (images,), neither of them 0"
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(
            f"labels: got {labels.dtype} from {min(labels)} to {max(labels)}; "
            f"allowed: integers from 0 to {scores.shape[1] - 1}"
        )
    return scores, labels.astype(np.int64)
