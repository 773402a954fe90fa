"""What chance would explain: exact tests of paired changes, limits of their mean, false discoveries
among many, calibration errors."""

import numpy as np
import scipy


def grouped(values: np.ndarray, group: np.ndarray, groups: int) -> list[np.ndarray]:
    """The values of each group 0 to groups - 1, in their order: one sort, where a mask a group
    would read all values for each."""
    ends = np.cumsum(np.bincount(group, minlength=groups))[:-1]
    return np.split(values[np.argsort(group, kind="stable")], ends)


def sign_flip(changes, unit: int = 1) -> float:
    """Exact two-sided p-value of the sum of changes (N,), whole numbers from -unit to unit, under
    flips of their signs.

    With several seeds, `changes` is how many more of them are right in b on an image, and `unit`
    their number. Fisher's randomisation test over images
    (https://doi.org/10.1214/088342304000000396 has its history); with one seed McNemar's."""
    changes = np.asarray(changes, dtype=np.int64)
    if changes.size and np.abs(changes).max() > unit:
        raise ValueError(
            f"changes: got {changes.min()} to {changes.max()}; allowed: -{unit} to {unit}"
        )
    chance = np.ones(1)  # of each possible sum, from the lowest, in steps of 1
    for size in range(1, unit + 1):
        number = int(np.sum(np.abs(changes) == size))
        share = _without_zeros(scipy.stats.binom.pmf(np.arange(number + 1), number, 0.5))
        spread = np.zeros(2 * size * (len(share) - 1) + 1)
        spread[:: 2 * size] = share
        chance = _without_zeros(np.convolve(chance, spread))
    sums = np.arange(len(chance)) - len(chance) // 2
    return float(min(1.0, chance[np.abs(sums) >= abs(changes.sum())].sum()))


def _without_zeros(chance: np.ndarray) -> np.ndarray:
    """Equally many values off both ends, of which all are 0: of 300,000 images 20,000 values are
    more, and only they grow the work."""
    ends = min(np.argmax(chance > 0), np.argmax(chance[::-1] > 0))
    return chance[ends : len(chance) - ends]


def bonett_price(total, squares, images, level: float):
    """Limits of the mean change of paired proportions, from sums of changes and of their squares,
    each (K,).

    Bonett and Price 2012, https://doi.org/10.3102/1076998611411915: one image that rose and one
    that fell are added."""
    mean = total / (images + 2)
    half = scipy.stats.norm.isf((1 - level) / 2) * np.sqrt(
        ((squares + 2) / (images + 2) - mean**2) / (images + 2)
    )
    return np.clip(mean - half, -1, 1), np.clip(mean + half, -1, 1)


def benjamini_hochberg(p_values) -> np.ndarray:
    """P-values adjusted for the false discovery rate, in the given order; NaN stays NaN and is not
    counted.

    Benjamini and Hochberg 1995, https://doi.org/10.1111/j.2517-6161.1995.tb02031.x. Raises
    ValueError outside 0 to 1."""
    adjusted = np.array(p_values, dtype=np.float64)
    tested = ~np.isnan(adjusted)
    adjusted[tested] = scipy.stats.false_discovery_control(adjusted[tested])
    return adjusted


def chance_error(gap: np.ndarray, cell: np.ndarray) -> float:
    """The calibration error that chance alone gives a calibrated network: the sum over bins of
    sqrt(2 / pi * V) / images.

    gap: confidence c minus right (0 or 1), or the reverse; cell: the bin of each, of the same
    shape. V, the sum of c (1 - c) in a bin, is the variance of its sum of gaps; the mean size of a
    normal value is sqrt(2 / pi) standard deviations."""
    size = np.abs(gap).ravel()  # c or 1 - c
    return float(
        np.sqrt(2 / np.pi * np.bincount(cell.ravel(), size * (1 - size))).sum() / size.size
    )
