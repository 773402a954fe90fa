"""What the report needs of each image, from its logits some rows at a time: an array (images, classes) in float64 may outgrow memory.

A walk over a million images of a thousand classes takes a minute, so what it found is kept as long as the predictions are.
"""

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from lib import calibration as cal
from lib.base.artefacts import row_blocks
from lib.scores import SCORES

_kept: WeakKeyDictionary = WeakKeyDictionary()


class Columns(NamedTuple):
    """Arrays (N,), probabilities at one temperature; of equally likely classes the first in their order. `classwise` is one number."""

    likeliest: np.ndarray
    runner_up: np.ndarray
    confidence: np.ndarray  # the probability of the likeliest class
    second: np.ndarray  # that of the runner-up
    true: np.ndarray  # that of the label
    log_loss: np.ndarray  # nats
    brier: np.ndarray
    classwise: float  # lib.calibration.classwise_calibration_error


def _once(part, name, compute):
    kept = _kept.setdefault(part, {})
    if name not in kept:
        kept[name] = compute()
    return kept[name]


def columns(part, temperature: float = 1.0) -> Columns:
    """The columns of a split's predictions."""
    return _once(part, temperature, lambda: _columns(part.logits, part.labels, temperature))


def scores(part) -> dict[str, np.ndarray]:
    """lib.scores.SCORES of each image, by name."""

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
    others = probabilities.copy()
    others[own, likeliest] = -1
    runner_up = others.argmax(1)
    return (
        likeliest,
        runner_up,
        probabilities[own, likeliest],
        probabilities[own, runner_up],
        probabilities[own, labels],
        -log_probabilities[own, labels],
        cal.brier_losses(probabilities, labels),
    ), probabilities
