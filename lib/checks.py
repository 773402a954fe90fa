"""Checks of array arguments; every error is one line that says what was got and what is allowed."""
import numpy as np


def same_length(**arrays) -> list[np.ndarray]:
    """The arrays in order; raises ValueError unless each has one dimension and all share one length above 0."""
    arrays = {name: np.asarray(values) for name, values in arrays.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) != 1 or any(len(shape) != 1 or shape[0] == 0 for shape in shapes.values()):
        got = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"shapes: got {got}; allowed: one dimension and one shared length of at least 1")
    return list(arrays.values())


def finite(name: str, values, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """The values as float64; raises ValueError if any is NaN, infinite or outside [low, high]."""
    values = np.asarray(values, dtype=np.float64)
    if bad := int(np.sum(~np.isfinite(values))):
        raise ValueError(f"{name}: got {bad} of {values.size} values that are not finite; allowed: finite numbers")
    if values.size and not (low <= values.min() and values.max() <= high):
        raise ValueError(f"{name}: got {values.min():g} to {values.max():g}; allowed: {low:g} to {high:g}")
    return values


def flags(name: str, values) -> np.ndarray:
    """The values as bool; raises ValueError for anything but booleans, 0 and 1."""
    values = np.asarray(values)
    if values.dtype != bool and not np.isin(values, (0, 1)).all():
        raise ValueError(f"{name}: got {values.dtype} values other than 0 and 1; allowed: booleans, 0 and 1")
    return values.astype(bool)


def classes(name: str, values, below: int | None = None) -> np.ndarray:
    """Class numbers as int64; raises ValueError unless they are integers from 0 up to `below` (excluded)."""
    values = np.asarray(values)
    allowed = "integers from 0" + ("" if below is None else f" to {below - 1}")
    if values.dtype.kind not in "iu":
        raise ValueError(f"{name}: got {values.dtype}; allowed: {allowed}")
    if values.size and (values.min() < 0 or (below is not None and values.max() >= below)):
        raise ValueError(f"{name}: got {values.min()} to {values.max()}; allowed: {allowed}")
    return values.astype(np.int64)


def whole(name: str, value: int) -> int:
    """The value; raises ValueError unless it is a whole number of at least 1."""
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name}: got {value!r}; allowed: whole numbers from 1")
    return value


def fraction(name: str, value: float) -> float:
    """The value; raises ValueError unless it lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name}: got {value}; allowed: above 0 and below 1")
    return value
