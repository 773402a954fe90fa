"""Two classifiers on the same images: what was corrected, what was broken, and what chance would
explain."""

from collections import Counter
from functools import reduce
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy

from lib.base.checks import flags, same_length
from lib.evaluation.significance import benjamini_hochberg, bonett_price, grouped, sign_flip


class McNemar(NamedTuple):
    """Images wrong in a and right in b, images right in a and wrong in b, exact two-sided
    p-value."""

    corrected: int
    regressed: int
    p_value: float


class Interval(NamedTuple):
    """An estimate with the ends of its interval, all in the unit of the statistic."""

    estimate: float
    low: float
    high: float


def mcnemar(correct_a, correct_b) -> McNemar:
    """Exact McNemar test of correct (N,) of two models, https://doi.org/10.1007/BF02295996; p is 1
    without change."""
    correct_a, correct_b = same_length(correct_a=correct_a, correct_b=correct_b)
    correct_a, correct_b = flags("correct_a", correct_a), flags("correct_b", correct_b)
    corrected, regressed = int(np.sum(~correct_a & correct_b)), int(np.sum(correct_a & ~correct_b))
    changed = corrected + regressed
    p_value = float(scipy.stats.binomtest(corrected, changed).pvalue) if changed else 1.0
    return McNemar(corrected, regressed, p_value)


def paired_bootstrap(
    statistic, *arrays, draws: int = 2000, level: float = 0.95, seed: int = 0, strata=None
) -> Interval:
    """Percentile interval of statistic(*arrays) -> float over rows drawn jointly from all arrays
    (Efron 1979).

    The arrays (N, ...) share their first axis; with strata (N,), a class each say, every stratum
    keeps its size. Both ends are NaN when the statistic is NaN in any draw. Raises ValueError for
    bad shapes."""
    arrays = [np.asarray(array) for array in arrays]
    rows, *_ = same_length(
        **{f"array {i}": np.arange(len(array)) for i, array in enumerate(arrays)}
    )
    strata, values = _strata(strata, len(rows)), np.empty(draws)
    order, generator = np.argsort(strata, kind="stable"), np.random.default_rng(seed)
    size, start = np.bincount(strata)[strata[order]], np.searchsorted(strata[order], strata[order])
    for draw in range(draws):
        chosen = order[start + generator.integers(size)]
        values[draw] = statistic(*(array[chosen] for array in arrays))
    return percentiles(statistic(*arrays), values, level)


def difference_of_means(
    correct_a, correct_b, draws: int = 2000, level: float = 0.95, seed: int = 0, strata=None
) -> Interval:
    """The paired bootstrap of mean(correct_b) - mean(correct_a), as a share of images, without
    drawing images.

    A draw needs only how many rows changed by -1, 0 and +1: one multinomial per stratum, the same
    distribution."""
    correct_a, correct_b = same_length(correct_a=correct_a, correct_b=correct_b)
    change = flags("correct_b", correct_b).astype(int) - flags("correct_a", correct_a)
    strata = _strata(strata, len(change))
    outcomes = np.bincount(strata * 3 + change + 1, minlength=3 * (strata.max() + 1)).reshape(-1, 3)
    size = outcomes.sum(axis=1)  # (strata,)
    drawn = np.random.default_rng(seed).multinomial(
        size, outcomes / size[:, None], (draws, len(size))
    )
    return percentiles(change.mean(), (drawn @ [-1, 0, 1]).sum(axis=1) / len(change), level)


def _strata(strata, length: int) -> np.ndarray:
    strata = np.zeros(length, dtype=int) if strata is None else strata
    _, strata = same_length(rows=np.arange(length), strata=strata)
    return np.unique(strata, return_inverse=True)[1]


def percentiles(estimate, values, level: float) -> Interval:
    """The estimate with the quantiles of `values` that leave equal tails outside `level`."""
    tail = (1 - level) / 2
    return Interval(float(estimate), *map(float, np.quantile(values, [tail, 1 - tail])))


def student(estimate: float, each: np.ndarray, level: float = 0.95) -> Interval:
    """Student's interval of the mean of `each` (seeds,), around it."""
    half = scipy.stats.t.isf((1 - level) / 2, len(each) - 1) * each.std(ddof=1) / np.sqrt(len(each))
    return Interval(*map(float, (estimate, estimate - half, estimate + half)))


def student_p(each: np.ndarray) -> float:
    """Student's two-sided p-value of the mean of `each` (seeds,) being 0; 1 where all are 0."""
    error = each.std(ddof=1) / np.sqrt(len(each))
    if not error:
        return float(each.mean() == 0)
    return float(2 * scipy.stats.t.sf(abs(each.mean()) / error, len(each) - 1))


def hull(intervals: list[Interval]) -> Interval:
    """The estimate of the first, from the lowest end of all to the highest."""
    return Interval(
        intervals[0].estimate, min(one.low for one in intervals), max(one.high for one in intervals)
    )


def paired_seeds(*of_arms) -> list[list]:
    """The seeds by which arms are paired, a list an arm: those that all have, in the order of the
    first. Where there are none, the first seeds of one with the first of the other, as many as the
    shortest has."""
    of_arms = [list(seeds) for seeds in of_arms]
    common = [seed for seed in of_arms[0] if all(seed in others for others in of_arms)]
    if common:
        return [common] * len(of_arms)
    return [seeds[: min(map(len, of_arms))] for seeds in of_arms]


def paired_runs(*of_arms: dict) -> list[dict]:
    """The runs {seed: run} of each arm, of its `paired_seeds` alone."""
    return [
        {seed: runs[seed] for seed in seeds} for runs, seeds in zip(of_arms, paired_seeds(*of_arms))
    ]


def migration(labels, predicted_a, predicted_b, confidence_a, confidence_b) -> dict:
    """Images by outcome in a then b, all arrays (N,), and how many of those wrong in both are less
    confident in b.

    Keys: both_right, corrected, regressed, both_wrong, net_gain, both_wrong_less_confident and its
    share of both_wrong (None without such images). Each confidence is the one in that model's own
    prediction."""
    both_wrong = (predicted_a != labels) & (predicted_b != labels)
    corrected, regressed, _ = mcnemar(predicted_a == labels, predicted_b == labels)
    wrong, less = int(both_wrong.sum()), int(np.sum(both_wrong & (confidence_b < confidence_a)))
    return {
        "both_right": len(labels) - corrected - regressed - wrong,
        "corrected": corrected,
        "regressed": regressed,
        "both_wrong": wrong,
        "net_gain": corrected - regressed,
        "both_wrong_less_confident": less,
        "both_wrong_less_confident_share": less / wrong if wrong else None,
    }


def per_class_change(
    labels, correct_a, correct_b, num_classes: int, level: float = 0.95
) -> pd.DataFrame:
    """One row a class: images, accuracy_a and accuracy_b (0 to 1), change, low and high (points),
    and the tests.

    labels (N,); correct_a, correct_b (N,) of one seed or (seeds, N). An image's change is its mean
    over the seeds. Of one seed the interval is Bonett and Price's and p_value the exact McNemar
    test; of several both count the chance of the seeds besides that of the images (see
    `_seeds_besides`). p_adjusted is p_value after Benjamini-Hochberg over the classes; NaN where a
    class has no image. corrected, regressed: means over the seeds."""
    correct_a, correct_b = _seeds(correct_a), _seeds(correct_b)
    labels, seeds = np.asarray(labels, np.int64), len(correct_a)
    change = correct_b.sum(0) - correct_a.sum(0, dtype=int)  # (N,), seeds that are right in b alone

    def total(values):
        return np.bincount(labels, values, minlength=num_classes) / seeds

    images = np.bincount(labels, minlength=num_classes)
    some = np.where(images, images, np.nan)
    low, high = bonett_price(total(change), total(change**2) / seeds, some, level)
    p_value = np.array(
        [
            sign_flip(of_class, seeds) if len(of_class) else np.nan
            for of_class in grouped(change, labels, num_classes)
        ]
    )
    if seeds > 1:
        by_seed = [_by_class(one, labels, some) for one in (correct_a, correct_b)]
        of_image = np.var(correct_b.astype(int) - correct_a, axis=0, ddof=1)
        chance = np.bincount(labels, of_image, num_classes) / some**2
        low, high, p_value = _seeds_besides(low, high, p_value, *by_seed, chance, some, level)
    return pd.DataFrame(
        {
            "images": images,
            "accuracy_a": total(correct_a.sum(0)) / some,
            "accuracy_b": total(correct_b.sum(0)) / some,
            "change": 100 * total(change) / some,
            "low": 100 * low,
            "high": 100 * high,
            "corrected": total((~correct_a & correct_b).sum(0)),
            "regressed": total((correct_a & ~correct_b).sum(0)),
            "p_value": p_value,
            "p_adjusted": benjamini_hochberg(p_value),
        },
        index=pd.RangeIndex(num_classes, name="class"),
    )


def _by_class(correct: np.ndarray, labels: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Accuracy of each class (K,) in each seed, from (seeds, N): (seeds, K)."""
    return np.stack([np.bincount(labels, one, len(images)) for one in correct]) / images


def _seeds_besides(low, high, p_value, a, b, chance, images, level: float):
    """Limits and p-values (K,) that are of images alone, with the chance of the seeds added; a, b:
    accuracies (seeds, K); chance: the part of the variance of b - a between seeds that single
    images make (K,), which that of the images has already.

    The rest of that variance is pooled over the classes, in proportion to what independent images
    would give, since few seeds tell little of one class. It is added to that of the images, and the
    normal distribution becomes Student's with Satterthwaite's degrees of freedom (1946,
    https://doi.org/10.2307/3002019). The pooled variance has those of the seeds alone: what a seed
    does to all classes at once no number of classes can average out."""
    expected = (a.mean(0) * (1 - a.mean(0)) + b.mean(0) * (1 - b.mean(0))) / images
    between = max(np.nansum(np.var(b - a, axis=0, ddof=1) - chance), 0.0)
    ratio = between / max(np.nansum(expected), 1e-12)
    middle, deviation = (low + high) / 2, (high - low) / 2 / scipy.stats.norm.isf((1 - level) / 2)
    of_seeds = ratio * expected / len(a)
    both = deviation**2 + of_seeds
    freedom = (len(a) - 1) * (both / np.maximum(of_seeds, 1e-12)) ** 2
    half = np.sqrt(both) * scipy.stats.t.isf((1 - level) / 2, freedom)
    p_value = 2 * scipy.stats.t.sf(
        scipy.stats.norm.isf(p_value / 2) * deviation / np.sqrt(both), freedom
    )
    return np.clip(middle - half, -1, 1), np.clip(middle + half, -1, 1), p_value


def _seeds(correct) -> np.ndarray:
    """(N,) or (seeds, N) as (seeds, N)."""
    return np.atleast_2d(np.asarray(correct, bool))


def classes_moved(table: pd.DataFrame) -> dict:
    """How many classes were tested, rose, fell or stayed, and how many beyond chance at 5% false
    discoveries; mean_size and another_seed, in points: how far a class moved on average, and how
    far between two seeds of one arm (None where that is not known)."""
    change, moved = table["change"], table["p_adjusted"] < 0.05
    seeds = table["another_seed"].mean() if "another_seed" in table else np.nan
    return {
        "mean_size": float(change.abs().mean()),
        "another_seed": None if np.isnan(seeds) else float(seeds),
        "tested": int(table["images"].gt(0).sum()),
        "better": int((change > 0).sum()),
        "worse": int((change < 0).sum()),
        "equal": int((change == 0).sum()),
        "better_beyond_chance": int((moved & (change > 0)).sum()),
        "worse_beyond_chance": int((moved & (change < 0)).sum()),
    }


def churn(predicted_a, predicted_b) -> float:
    """Share of images, 0 to 1, whose predicted class differs (Milani Fard et al. 2016)."""
    return float(np.mean(np.asarray(predicted_a) != np.asarray(predicted_b)))


def no_worse_by_chance(before: dict, after: dict) -> dict:
    """{"no_worse_by_chance": {estimate, low, high}}: of how many classes with images the accuracy
    would not fall if each image that changed had been as likely to change the other way.

    Of one class that chance is half of one and the chance of no change; classes are independent, so
    that their number is Poisson-binomial, whose central 95 % are the ends."""
    pairs = list(zip(*(of_arm.values() for of_arm in paired_runs(before, after))))
    labels = pairs[0][0].test.labels
    change = sum(b.test.correct.astype(int) - a.test.correct for a, b in pairs)
    of_classes = [one for one in grouped(change, labels, labels.max() + 1) if len(one)]
    chance = [(1 + _no_change(one)) / 2 for one in of_classes]
    spread_of = reduce(np.convolve, [[1 - one, one] for one in chance])
    low, high = np.searchsorted(np.cumsum(spread_of), [0.025, 0.975])
    ends = {"estimate": float(np.sum(chance)), "low": float(low), "high": float(high)}
    return {"no_worse_by_chance": ends}


def _no_change(change: np.ndarray) -> float:
    """The chance that whole numbers (N,) with signs drawn by a fair coin sum to 0: the mean of
    their characteristic function over as many angles as there are sums."""
    sizes = Counter(np.abs(change).tolist())
    sums = 2 * sum(size * count for size, count in sizes.items()) + 1
    angles = 2 * np.pi * np.arange(sums) / sums
    return float(np.mean(np.prod([np.cos(s * angles) ** n for s, n in sizes.items()], axis=0)))
