"""Two classifiers on the same images: what was corrected, what was broken, and what chance would explain."""
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binom, norm

from lib.checks import classes, finite, flags, fraction, same_length, whole


class McNemar(NamedTuple):
    """Images wrong in a and right in b, images right in a and wrong in b, exact two-sided p-value."""

    corrected: int
    regressed: int
    p_value: float


class Interval(NamedTuple):
    """An estimate with the ends of its interval, all in the unit of the statistic."""

    estimate: float
    low: float
    high: float


def mcnemar(correct_a, correct_b) -> McNemar:
    """Exact McNemar test of correct (N,) of two models, https://doi.org/10.1007/BF02295996; p is 1 without change."""
    correct_a, correct_b = same_length(correct_a=correct_a, correct_b=correct_b)
    correct_a, correct_b = flags("correct_a", correct_a), flags("correct_b", correct_b)
    corrected, regressed = int(np.sum(~correct_a & correct_b)), int(np.sum(correct_a & ~correct_b))
    return McNemar(corrected, regressed, float(_sign_test(corrected, regressed)))


def _sign_test(corrected, regressed):
    return np.minimum(1.0, 2 * binom.cdf(np.minimum(corrected, regressed), np.add(corrected, regressed), 0.5))


def paired_bootstrap(statistic, *arrays, draws: int = 2000, level: float = 0.95, seed: int = 0,
                     strata=None) -> Interval:
    """Percentile interval of statistic(*arrays) -> float over rows drawn jointly from all arrays (Efron 1979).

    The arrays (N, ...) share their first axis; with strata (N,), a class each say, every stratum keeps its size.
    Both ends are NaN when the statistic is NaN in any draw. Raises ValueError for bad shapes, draws or level.
    """
    arrays = [np.asarray(array) for array in arrays]
    rows, *_ = same_length(**{f"array {i}": np.arange(len(array)) for i, array in enumerate(arrays)})
    strata, values = _strata(strata, len(rows)), np.empty(whole("draws", draws))
    order, generator = np.argsort(strata, kind="stable"), np.random.default_rng(seed)
    size, start = np.bincount(strata)[strata[order]], np.searchsorted(strata[order], strata[order])
    for draw in range(draws):
        chosen = order[start + generator.integers(size)]
        values[draw] = statistic(*(array[chosen] for array in arrays))
    return _percentiles(statistic(*arrays), values, level)


def difference_of_means(correct_a, correct_b, draws: int = 2000, level: float = 0.95, seed: int = 0,
                        strata=None) -> Interval:
    """The paired bootstrap of mean(correct_b) - mean(correct_a), as a share of images, without drawing images.

    A draw needs only how many rows changed by -1, 0 and +1: one multinomial per stratum, the same distribution.
    """
    correct_a, correct_b = same_length(correct_a=correct_a, correct_b=correct_b)
    change = flags("correct_b", correct_b).astype(int) - flags("correct_a", correct_a)
    strata = _strata(strata, len(change))
    outcomes = np.bincount(strata * 3 + change + 1, minlength=3 * (strata.max() + 1)).reshape(-1, 3)
    size = outcomes.sum(axis=1)  # (strata,)
    drawn = np.random.default_rng(seed).multinomial(size, outcomes / size[:, None], (whole("draws", draws), len(size)))
    return _percentiles(change.mean(), (drawn @ [-1, 0, 1]).sum(axis=1) / len(change), level)


def _strata(strata, length: int) -> np.ndarray:
    strata = np.zeros(length, dtype=int) if strata is None else strata
    _, strata = same_length(rows=np.arange(length), strata=strata)
    return np.unique(strata, return_inverse=True)[1]


def _percentiles(estimate, values, level: float) -> Interval:
    tail = (1 - fraction("level", level)) / 2
    return Interval(float(estimate), *map(float, np.quantile(values, [tail, 1 - tail])))


def migration(labels, predicted_a, predicted_b, confidence_a, confidence_b) -> dict:
    """Images by outcome in a then b, all arrays (N,), and how many of those wrong in both are less confident in b.

    Keys: both_right, corrected, regressed, both_wrong, net_gain, both_wrong_less_confident and its share of
    both_wrong (None without such images). Each confidence is the one in that model's own prediction.
    """
    names = ("labels", "predicted_a", "predicted_b", "confidence_a", "confidence_b")
    columns = same_length(**dict(zip(names, (labels, predicted_a, predicted_b, confidence_a, confidence_b))))
    labels, predicted_a, predicted_b = (classes(*pair) for pair in zip(names[:3], columns[:3]))
    confidence_a, confidence_b = (finite(*pair) for pair in zip(names[3:], columns[3:]))
    both_wrong = (predicted_a != labels) & (predicted_b != labels)
    corrected, regressed, _ = mcnemar(predicted_a == labels, predicted_b == labels)
    wrong, less = int(both_wrong.sum()), int(np.sum(both_wrong & (confidence_b < confidence_a)))
    return {"both_right": len(labels) - corrected - regressed - wrong, "corrected": corrected, "regressed": regressed,
            "both_wrong": wrong, "net_gain": corrected - regressed, "both_wrong_less_confident": less,
            "both_wrong_less_confident_share": less / wrong if wrong else None}


def per_class_change(labels, correct_a, correct_b, num_classes: int, level: float = 0.95) -> pd.DataFrame:
    """One row a class: images, accuracy_a and accuracy_b (0 to 1), change, low and high (points), and the tests.

    The interval is Bonett and Price's for paired proportions (https://doi.org/10.3102/1076998611411915), p_value
    the exact McNemar test, p_adjusted its Benjamini-Hochberg value over the classes; NaN where a class has no image.
    """
    columns = same_length(labels=labels, correct_a=correct_a, correct_b=correct_b)
    labels = classes("labels", columns[0], below=num_classes)
    correct_a, correct_b = flags("correct_a", columns[1]), flags("correct_b", columns[2])

    def count(chosen):
        return np.bincount(labels[chosen], minlength=num_classes)

    images, corrected, regressed = count(slice(None)), count(~correct_a & correct_b), count(correct_a & ~correct_b)
    total = np.where(images, images, np.nan)
    low, high = _bonett_price(corrected, regressed, total, level)
    p_value = np.where(images, _sign_test(corrected, regressed), np.nan)
    return pd.DataFrame({
        "images": images, "accuracy_a": count(correct_a) / total, "accuracy_b": count(correct_b) / total,
        "change": 100 * (corrected - regressed) / total, "low": 100 * low, "high": 100 * high,
        "corrected": corrected, "regressed": regressed, "p_value": p_value,
        "p_adjusted": benjamini_hochberg(p_value)}, index=pd.RangeIndex(num_classes, name="class"))


def _bonett_price(corrected, regressed, total, level: float):
    up, down = (corrected + 1) / (total + 2), (regressed + 1) / (total + 2)
    half = norm.isf((1 - fraction("level", level)) / 2) * np.sqrt((up + down - (up - down) ** 2) / (total + 2))
    return np.clip(up - down - half, -1, 1), np.clip(up - down + half, -1, 1)


def benjamini_hochberg(p_values) -> np.ndarray:
    """P-values adjusted for the false discovery rate, in the given order; NaN stays NaN and is not counted.

    Benjamini and Hochberg 1995, https://doi.org/10.1111/j.2517-6161.1995.tb02031.x. Raises ValueError outside 0 to 1.
    """
    adjusted, = same_length(p_values=np.array(p_values, dtype=np.float64))
    tested = np.flatnonzero(~np.isnan(adjusted))
    order = tested[np.argsort(-finite("p_values", adjusted[tested], 0, 1), kind="stable")]  # largest first
    scaled = adjusted[order] * len(order) / np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum.accumulate(np.minimum(scaled, 1))
    return adjusted


def churn(predicted_a, predicted_b) -> float:
    """Share of images, 0 to 1, whose predicted class differs (Milani Fard et al. 2016)."""
    predicted_a, predicted_b = same_length(predicted_a=predicted_a, predicted_b=predicted_b)
    return float(np.mean(classes("predicted_a", predicted_a) != classes("predicted_b", predicted_b)))
