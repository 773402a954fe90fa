"""Answering only when confident: how many errors remain, and which threshold keeps a promise."""

import math

import numpy as np
import pandas as pd
import scipy

from lib.base.checks import scored


def risk_coverage(confidence, correct) -> tuple[np.ndarray, np.ndarray]:
    """Share of images accepted and share of errors among them, at each distinct confidence, highest
    first.

    Equal confidences are one block, accepted together: no threshold can part them.
    """
    confidence, correct = scored(confidence, correct)
    order = np.argsort(-confidence, kind="stable")
    # guard: ties-together
    block_end = np.append(np.diff(confidence[order]) != 0, True)
    accepted = np.flatnonzero(block_end) + 1
    return accepted / len(correct), np.cumsum(~correct[order])[block_end] / accepted


def aurc(confidence, correct) -> float:
    """Area under the risk-coverage curve, 0 to 1, lower is better (Geifman et al. 2019,
    https://arxiv.org/abs/1805.08206).

    The mean over images of the risk when that image's confidence is the threshold.
    """
    coverage, risk = risk_coverage(confidence, correct)
    return float(np.sum(risk * np.diff(coverage, prepend=0.0)))


def excess_aurc(confidence, correct) -> float:
    """The AURC above that of a score which ranks every right answer before every wrong one
    (https://arxiv.org/abs/1805.08206).

    The best score has no ties, so it is 0 only for a perfect ranking without ties among the errors.
    """
    excess = aurc(confidence, correct)
    _, correct = scored(confidence, correct)
    return excess - aurc(np.arange(len(correct)), np.sort(correct))


def augrc(confidence, correct) -> float:
    """Area under the generalised risk-coverage curve, 0 to 0.5 (Traub et al. 2024,
    https://arxiv.org/abs/2407.01032).

    The risk that an image is both wrong and accepted, averaged over coverage by the trapezoid rule
    from (0, 0)."""
    coverage, risk = risk_coverage(confidence, correct)
    coverage = np.append(0.0, coverage)
    return float(np.trapezoid(coverage * np.append(0.0, risk), coverage))


def clopper_pearson(successes, trials, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Exact two-sided limits (low, high) of a proportion, of the inputs' shape; 0 trials give (0,
    1).

    Clopper and Pearson 1934, https://doi.org/10.1093/biomet/26.4.404.
    """
    successes, trials = np.asarray(successes, np.float64), np.asarray(trials, np.float64)
    tail, failures = (1 - level) / 2, trials - successes
    low = np.where(
        successes > 0, scipy.stats.beta.ppf(tail, np.maximum(successes, 1), failures + 1), 0.0
    )
    return low, np.where(
        failures > 0, scipy.stats.beta.isf(tail, successes + 1, np.maximum(failures, 1)), 1.0
    )


def _accepted(confidence, correct, thresholds):
    """Images and errors among them at confidence >= threshold, both of the thresholds' shape."""
    order = np.argsort(confidence)
    first = np.searchsorted(confidence[order], thresholds, side="left")
    below = np.append(0, np.cumsum(~correct[order]))  # errors among the k least confident
    return len(correct) - first, below[-1] - below[first]


def rejection_table(confidence, correct, thresholds) -> pd.DataFrame:
    """One row a threshold, accepting confidence >= threshold; risks and shares are 0 to 1.

    Columns: threshold, accepted, coverage, errors_accepted, selective_risk (NaN when nothing is
    accepted), risk_low and risk_high (95 % Clopper-Pearson), errors_rejected_share (of all errors;
    NaN without any)."""
    confidence, correct = scored(confidence, correct)
    thresholds = np.atleast_1d(np.asarray(thresholds, np.float64))
    accepted, errors = _accepted(confidence, correct, thresholds)
    low, high = clopper_pearson(errors, accepted)
    total = np.sum(~correct) or np.nan
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "accepted": accepted,
            "coverage": accepted / len(correct),
            "errors_accepted": errors,
            "selective_risk": errors / np.where(accepted, accepted, np.nan),
            "risk_low": low,
            "risk_high": high,
            "errors_rejected_share": 1 - errors / total,
        }
    )


def threshold_for_risk(
    confidence, correct, risk: float, level: float = 0.95, steps: int = 20
) -> float | None:
    """The smallest threshold whose upper Clopper-Pearson limit on the selective risk is at most
    `risk`, or None.

    Tried: the thresholds just above the image at 1/steps, 2/steps, ... of the ranking, and 0, which
    accepts all; each limit holds at 1 - (1 - level) / steps. The ranks are fixed beforehand, and
    given the image at a rank those strictly above it are independent draws from what the threshold
    accepts, so each limit is exact, and by Bonferroni all hold together with probability `level`,
    whatever the score and the shape of its risk. A union bound in place of the binary search of
    Geifman and El-Yaniv 2017 (https://arxiv.org/abs/1705.08500). Accept confidence >= threshold,
    compared in float64. Scores must not be negative."""
    confidence, correct = scored(confidence, correct, low=0)
    rank = np.arange(1, steps) * len(confidence) // steps
    thresholds = np.append(np.nextafter(np.sort(confidence)[::-1][rank], np.inf), 0.0)
    accepted, errors = _accepted(confidence, correct, thresholds)
    bound = clopper_pearson(errors, accepted, 1 - 2 * (1 - level) / steps)[1]
    safe = thresholds[bound <= risk]
    return float(safe.min()) if safe.size else None


def fewest(risk: float, level: float = 0.95, steps: int = 20) -> int:
    """How many rows without an error `threshold_for_risk` needs at least to promise a risk."""
    return math.ceil(math.log((1 - level) / steps) / math.log(1 - risk))


def counts_at_matched_coverage(confidence, correct, coverages) -> pd.DataFrame:
    """Errors among the most confident images, so that two scores are compared on equally many.

    Columns: coverage (as asked, above 0 to 1), accepted (coverage x images, rounded half up),
    errors: a whole number unless the cut parts equal confidences, then the expected number over
    random orders of those."""
    confidence, correct = scored(confidence, correct)
    coverages = np.atleast_1d(np.asarray(coverages, np.float64))
    accepted = np.floor(coverages * len(correct) + 0.5).astype(int)
    coverage, risk = risk_coverage(confidence, correct)
    images = np.append(0.0, coverage * len(correct))
    return pd.DataFrame(
        {
            "coverage": coverages,
            "accepted": accepted,
            "errors": np.interp(accepted, images, images * np.append(0.0, risk)),
        }
    )
