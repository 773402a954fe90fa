"""What the logits say of each image: the confidence scores that predictions are ranked by and
rejected for, and every column that the report needs, from some rows at a time.
"""

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from lib.base.artefacts import row_blocks
from lib.evaluation import calibration as cal
from lib.evaluation.calibration import softmax


def margin_score(logits) -> np.ndarray:
    """Largest minus second largest logit (N, K) -> (N,), at least 0: the "logits margin" of
    arXiv:2305.15508."""
    second, first = np.partition(np.asarray(logits, np.float64), (-2, -1), axis=1)[:, -2:].T
    return first - second


def normalised_logit_score(logits, p: float = 2.0) -> np.ndarray:
    """Largest centred logit over the p-norm of the centred logits, (N, K) -> (N,), 0 to 1, 0 where
    all are equal.

    "MaxLogit-pNorm", Cattelan and Silva 2023, https://arxiv.org/abs/2305.15508; p above 0.
    """
    logits = np.asarray(logits, np.float64)
    # exactly 0 for equal logits, which a mean is not
    centred = logits - logits.max(axis=1, keepdims=True)
    centred -= centred.mean(axis=1, keepdims=True)
    largest = np.abs(centred).max(axis=1, keepdims=True)
    # the ratio is unchanged, and a high power cannot overflow
    centred /= np.where(largest > 0, largest, 1)
    norm = np.sum(np.abs(centred) ** p, axis=1) ** (1 / p)
    # a sum over classes depends on their order in the 16th digit
    return np.round(centred.max(axis=1) / np.where(norm > 0, norm, 1), 13)


def softmax_score(logits) -> np.ndarray:
    """Largest softmax probability (N, K) -> (N,): the confidence that the rest of the report speaks
    of."""
    return without_noise(softmax(logits).max(axis=1))


def without_noise(confidence: np.ndarray) -> np.ndarray:
    """The confidence (N,) without what the arithmetic added, so that equal ones are equal.

    A sum over classes depends on their order in the 16th digit. And a probability that a table
    gives as 0.9 went through a logarithm in float32: within 1e-7 of a number of four decimals it is
    that number, and reaches a threshold of 0.9. The ends, 0 and 1, draw nothing towards them."""
    # guard: equal-confidence
    confidence = np.round(confidence, 14)
    near = np.round(confidence, 4)
    # guard: tied-confidence
    drawn = (np.abs(confidence - near) < 1e-7) & (near > 0) & (near < 1)
    return np.where(drawn, near, confidence)


SCORES = {"softmax": softmax_score, "margin": margin_score, "normalised": normalised_logit_score}


# What the report needs of each image, from its logits some rows at a time: an array (images,
# classes) in float64 may outgrow memory. A walk over a million images of a thousand classes takes a
# minute, so what it found is kept as long as the predictions are.


_kept: WeakKeyDictionary = WeakKeyDictionary()


class Columns(NamedTuple):
    """Arrays (N,), probabilities at one temperature; of equally likely classes the first in their
    order. `classwise` is one number."""

    likeliest: np.ndarray
    runner_up: np.ndarray
    confidence: np.ndarray  # the probability of the likeliest class
    second: np.ndarray  # that of the runner-up
    true: np.ndarray  # that of the label
    log_loss: np.ndarray  # nats
    brier: np.ndarray
    classwise: float  # lib.evaluation.calibration.classwise_calibration_error


def _once(part, name, compute):
    kept = _kept.setdefault(part, {})
    if name not in kept:
        kept[name] = compute()
    return kept[name]


def columns(part, temperature: float = 1.0) -> Columns:
    """The columns of a split's predictions."""
    return _once(part, temperature, lambda: _columns(part.logits, part.labels, temperature))


def scores(part) -> dict[str, np.ndarray]:
    """SCORES of each image, by name."""

    def compute():
        parts = [
            [score(logits) for score in SCORES.values()] for _, logits in row_blocks(part.logits)
        ]
        return dict(zip(SCORES, map(np.concatenate, zip(*parts))))

    return _once(part, "scores", compute)


def temperature(run) -> float:
    """The temperature of a run, fitted on validation."""
    return _once(
        run.val, "temperature", lambda: cal.fit_temperature(run.val.logits, run.val.labels)
    )


def _columns(logits: np.ndarray, labels: np.ndarray, temperature: float) -> Columns:
    parts, sums = [], 0.0
    for rows, block in row_blocks(logits):
        found, probabilities = _of_rows(block, labels[rows], temperature)
        parts.append(found)
        sums = sums + cal.class_sums(probabilities, labels[rows])
    return Columns(
        *map(np.concatenate, zip(*parts)), classwise=cal.classwise_of_sums(sums, len(labels))
    )


def _of_rows(logits: np.ndarray, labels: np.ndarray, temperature: float):
    own, log_probabilities = np.arange(len(labels)), cal.log_softmax(logits, temperature)
    probabilities = np.exp(log_probabilities)
    likeliest = probabilities.argmax(1)
    others = log_probabilities.copy()  # in which the unlikely stay apart
    others[own, likeliest] = -np.inf
    runner_up = others.argmax(1)
    return (
        likeliest,
        runner_up,
        without_noise(probabilities[own, likeliest]),
        without_noise(probabilities[own, runner_up]),
        probabilities[own, labels],
        -log_probabilities[own, labels],
        cal.brier_losses(probabilities, labels),
    ), probabilities
