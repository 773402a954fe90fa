"""Does a confidence of 0.8 mean right eight times in ten?"""

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from lib.base.artefacts import row_blocks
from lib.base.checks import finite, labelled, scored

TEMPERATURE_BOUNDS = (0.01, 100.0)  # fit_temperature never leaves them


def _probabilities(probabilities, labels) -> tuple[np.ndarray, np.ndarray]:
    probabilities, labels = labelled("probabilities", probabilities, labels)
    probabilities = finite("probabilities", probabilities, -1e-6, 1 + 1e-6)
    sums = probabilities.sum(axis=1)
    if np.abs(sums - 1).max() > 1e-3:  # wide enough for float16
        raise ValueError(
            f"probabilities: got rows that sum to {sums.min():g} to {sums.max():g}; allowed: 1"
        )
    return np.clip(probabilities, 0, 1), labels


def softmax(logits, temperature: float = 1.0) -> np.ndarray:
    """Class probabilities (N, K), float64, of logits (N, K) divided by the temperature."""
    return np.exp(log_softmax(logits, temperature))


def log_softmax(logits, temperature: float = 1.0) -> np.ndarray:
    """Their logarithms."""
    logits = np.asarray(logits, dtype=np.float64)
    logits = (logits - logits.max(axis=1, keepdims=True)) / temperature
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def negative_log_likelihood(logits, labels, temperature: float = 1.0) -> float:
    """Mean of -log p(label) in nats, from *logits* (N, K), where no probability can round to 0."""
    return float(log_losses(logits, labels, temperature).mean())


def log_losses(logits, labels, temperature: float = 1.0) -> np.ndarray:
    """-log p(label) of each image in nats, (N,)."""
    logits, labels = labelled("logits", logits, labels)
    return -log_softmax(logits, temperature)[np.arange(len(labels)), labels]


def brier_score(probabilities, labels) -> float:
    """Mean over images of the squared error summed over the classes, 0 to 2, from probabilities (N,
    K) (Brier 1950)."""
    return float(brier_losses(probabilities, labels).mean())


def brier_losses(probabilities, labels) -> np.ndarray:
    """Squared error of each image, summed over the classes, (N,)."""
    probabilities, labels = _probabilities(probabilities, labels)
    target = np.arange(probabilities.shape[1]) == labels[:, None]
    return np.square(probabilities - target).sum(axis=1)


def fit_temperature(logits, labels) -> float:
    """The temperature with the lowest negative log-likelihood (Guo et al. 2017,
    https://arxiv.org/abs/1706.04599).

    The likelihood is convex in 1/T, so the zero of its slope is the minimum. Where there is none
    inside TEMPERATURE_BOUNDS (every image right, say) the nearer bound is returned; logits with no
    signal give 1."""
    logits, labels = labelled("logits", logits, labels)

    def mean(function):
        return np.concatenate(
            [function(finite("logits", part), labels[rows]) for rows, part in row_blocks(logits)]
        ).mean()

    def own(part, labels):
        return part[np.arange(len(labels)), labels] - part.max(axis=1)

    def expected(part, inverse):
        part = part - part.max(axis=1, keepdims=True)
        weights = np.exp(part * inverse)
        return (weights * part).sum(axis=1) / weights.sum(axis=1)

    right = mean(own)

    def slope(inverse):
        return mean(lambda part, _: expected(part, inverse)) - right

    hottest, coldest = 1 / TEMPERATURE_BOUNDS[1], 1 / TEMPERATURE_BOUNDS[0]
    if not mean(lambda part, _: np.ptp(part, axis=1)):
        return 1.0
    if slope(hottest) >= 0:
        return TEMPERATURE_BOUNDS[1]
    if slope(coldest) <= 0:
        return TEMPERATURE_BOUNDS[0]
    return float(1 / brentq(slope, hottest, coldest, xtol=1e-12))


def at_bound(temperature: float) -> bool:
    """Whether a temperature is one of TEMPERATURE_BOUNDS: then none is the best, and it was not
    fitted."""
    return temperature in TEMPERATURE_BOUNDS


def _binned(confidence: np.ndarray, correct: np.ndarray, bins: int, equal_mass: bool):
    """Edges (bins + 1,) and per bin (bins,): images, summed confidence, right answers; bins are
    (low, high]."""
    inner = np.arange(1, bins) / bins
    if equal_mass:  # edges are confidences that occur, so equal confidences share a bin
        last = (np.arange(1, bins) * len(confidence) + bins - 1) // bins - 1
        inner = np.sort(confidence)[last]
    index = np.searchsorted(inner, confidence, side="left")
    sums = [np.bincount(index, weights, minlength=bins) for weights in (None, confidence, correct)]
    return np.concatenate(([0.0], inner, [1.0])), *sums


def calibration_error(confidence, correct, bins: int = 15, equal_mass: bool = False) -> float:
    """Image-weighted mean gap, 0 to 1, between confidence and accuracy in a bin; from confidence
    (N,), correct (N,)."""
    confidence, correct = scored(confidence, correct, low=0, high=1)
    _, _, expected, right = _binned(confidence, correct, bins, equal_mass)
    return float(np.abs(right - expected).sum() / len(correct))


def expected_calibration_error(
    probabilities, labels, bins: int = 15, equal_mass: bool = False
) -> float:
    """Top-class calibration error, 0 to 1 (Guo et al. 2017); equal_mass: bins of equal count (Nixon
    et al. 2019).

    From probabilities (N, K), labels (N,); `calibration_error` is the same, and quicker to
    bootstrap, from (N,) arrays."""
    probabilities, labels = _probabilities(probabilities, labels)
    return calibration_error(
        probabilities.max(axis=1), probabilities.argmax(axis=1) == labels, bins, equal_mass
    )


def classwise_calibration_error(probabilities, labels, bins: int = 15) -> float:
    """Mean over the K classes of the calibration error of p(class), 0 to 1 (Kull et al. 2019,
    arXiv:1910.12656)."""
    probabilities, labels = _probabilities(probabilities, labels)
    return classwise_of_sums(class_sums(probabilities, labels, bins), len(labels))


def class_sums(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> np.ndarray:
    """Summed p(class) and images of the class, by class and bin of p(class), (2, K, bins): what
    some images add to the class-wise error."""
    size = (probabilities.shape[1], bins)
    # a table's 0.2 went through a logarithm in float32, and belongs below the edge at 0.2
    edges = np.arange(1, bins) / bins + 1e-7
    index = np.searchsorted(edges, probabilities, side="left") + bins * np.arange(size[0])
    expected = np.bincount(index.ravel(), probabilities.ravel(), size[0] * bins)
    right = np.bincount(index[np.arange(len(labels)), labels], minlength=size[0] * bins)
    return np.stack([expected, right]).reshape(2, *size)


def classwise_of_sums(sums: np.ndarray, images: int) -> float:
    """The class-wise error from `class_sums` of all images."""
    return float(np.mean(np.abs(sums[1] - sums[0]).sum(1) / images))


def reliability(confidence, correct, bins: int = 15, equal_mass: bool = False) -> pd.DataFrame:
    """One row a bin (low, high]: low, high, count, mean confidence, accuracy; NaN in empty bins."""
    confidence, correct = scored(confidence, correct, low=0, high=1)
    edges, count, expected, right = _binned(confidence, correct, bins, equal_mass)
    images = np.where(count, count, np.nan)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "count": count,
            "confidence": expected / images,
            "accuracy": right / images,
        }
    )
