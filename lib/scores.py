"""Confidence scores: what predictions are ranked by, and rejected for."""

import numpy as np

from lib.calibration import softmax


def margin_score(logits) -> np.ndarray:
    """Largest minus second largest logit (N, K) -> (N,), at least 0: the "logits margin" of arXiv:2305.15508."""
    second, first = np.partition(np.asarray(logits, np.float64), (-2, -1), axis=1)[:, -2:].T
    return first - second


def normalised_logit_score(logits, p: float = 2.0) -> np.ndarray:
    """Largest centred logit over the p-norm of the centred logits, (N, K) -> (N,), 0 to 1, 0 where all are equal.

    "MaxLogit-pNorm", Cattelan and Silva 2023, https://arxiv.org/abs/2305.15508; p above 0.
    """
    logits = np.asarray(logits, np.float64)
    centred = logits - logits.max(
        axis=1, keepdims=True
    )  # exactly 0 for equal logits, which a mean is not
    centred -= centred.mean(axis=1, keepdims=True)
    largest = np.abs(centred).max(axis=1, keepdims=True)
    centred /= np.where(
        largest > 0, largest, 1
    )  # the ratio is unchanged, and a high power cannot overflow
    norm = np.sum(np.abs(centred) ** p, axis=1) ** (1 / p)
    return centred.max(axis=1) / np.where(norm > 0, norm, 1)


def softmax_score(logits) -> np.ndarray:
    """Largest softmax probability (N, K) -> (N,): the confidence that the rest of the report speaks of."""
    return softmax(logits).max(axis=1)


SCORES = {"softmax": softmax_score, "margin": margin_score, "normalised": normalised_logit_score}
