"""A network that was brought is examined before it is believed: on some images (lib.training.
questions), and once more by all its rows when they are predicted.

A line of a question of kind "refused" ends the arm, "warning" goes into the report, "note" only
tells.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest

from lib.base.errors import NetworkError
from lib.base.random import key, permutation
from lib.base.text import plural
from lib.data.scores import SMALLEST, SUM_TO_ONE, zeros
from lib.training.network import said
from lib.training.questions import QUESTIONS, Case

# a row of probabilities adds to 1 within the rounding of bf16, 8 bits
# another order of the classes is right "far more often": by so much, and not by chance
BETTER_ORDER, CHANCE = 0.05, 1e-4


class Answer(NamedTuple):
    """verdict: passed, note, warning, refused, or not asked because an earlier one was refused."""

    question: str
    verdict: str
    line: str


def ask(case: Case) -> list[Answer]:
    """Every question in order, to the first refusal: what follows would rest on it."""
    return _asked(QUESTIONS, lambda function: function(case))


def _asked(questions, answer_of) -> list[Answer]:
    answers, over = [], False
    for question, kind, function in questions:
        try:
            line = None if over else answer_of(function)
        except Exception as error:  # of code that was brought
            line = str(error) if isinstance(error, NetworkError) else f"fails: {said(error)}"
        verdict = "not asked" if over else kind if line else "passed"
        answers.append(Answer(question, verdict, line or ""))
        over = over or verdict == "refused"
    return answers


# Questions that are asked once, of all rows that were predicted.


def no_probabilities(val: np.ndarray, test: np.ndarray, labels, names) -> str | None:
    """Rows that a cosine head leaves in 0..1 do not all add to 1, nor to 100."""
    logits = np.concatenate([val, test])
    sums = logits.sum(1)
    whole = next((one for one in (1, 100) if (abs(sums / one - 1) <= SUM_TO_ONE).all()), None)
    # guard: no-probabilities
    if not len(logits) or logits.min() < 0 or whole is None:
        return None
    return (
        f"these are probabilities, every row adds to {whole}: let its forward return what goes "
        "into the softmax; accuracy would be the same, but calibration, thresholds and maps wrong"
    )


def another_unit(val: np.ndarray, test: np.ndarray, labels, names) -> str | None:
    """What values alone cannot refuse. Of logarithms of probabilities every number is that of
    logits: a row's own constant changes none."""
    logits = np.concatenate([val, test]).astype(np.float64)
    # guard: another-unit
    if not logits.size or logits.min() < 0 < SUM_TO_ONE < logits.max():
        return None
    if logits.max() <= SUM_TO_ONE and (abs(np.exp(logits).sum(1) - 1) <= SUM_TO_ONE).all():
        return "these are logarithms of probabilities, as log_softmax gives: the same as logits"
    if logits.min() < 0:
        return None
    if logits.max() > 1:
        return (
            "no value is below 0, as logits often are: taken as logits; of votes or shares, let "
            "its forward return what a softmax makes probabilities of"
        )
    return (
        "every value lies in 0..1, and rows do not add to 1: taken as logits, as of a cosine head; "
        "of a sigmoid's, let its forward return what goes into the sigmoid"
    )


def all_finite(val: np.ndarray, test: np.ndarray, labels, names) -> str | None:
    bad = [int((~np.isfinite(rows)).any(1).sum()) for rows in (val, test)]
    if not any(bad):
        return None
    return f"{bad[0]} validation and {bad[1]} test images get logits that are not finite"


def order_of_classes(val: np.ndarray, test: np.ndarray, labels, names) -> str | None:
    """Another order is chosen on one half of validation and judged on the other half: on the same
    images it would always win."""
    predicted, half = val.argmax(1), permutation(key(0), len(val)) % 2
    again = np.empty_like(predicted)
    for which in (0, 1):
        chosen = _assignment(predicted[half != which], labels[half != which], len(names))
        again[half == which] = chosen[predicted[half == which]]
    given, other = predicted == labels, again == labels
    more, fewer = int((other & ~given).sum()), int((given & ~other).sum())
    gain = (more - fewer) / max(len(val), 1)
    # guard: order-of-classes
    if gain < BETTER_ORDER or binomtest(more, more + fewer, alternative="greater").pvalue > CHANCE:
        return None
    order = _assignment(predicted, labels, len(names))
    moved = [
        f"output {place} {names[order[place]]!r}"
        for place in np.flatnonzero(order != np.arange(len(names)))
    ]
    return (
        f"with its outputs in another order it is right on {other.mean():.1%} of validation, as "
        f"they stand on {given.mean():.1%} ({', '.join(moved[:3])}); `classes` gives the order, "
        "in a file the names of its columns"
    )


def _assignment(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """The class of each output, each once, that is right most often; as it is where that is as
    good."""
    counts = 0.5 * np.eye(classes)
    np.add.at(counts, (predicted, labels), 1)
    return linear_sum_assignment(counts, maximize=True)[1]


def better_than_chance(val: np.ndarray, test: np.ndarray, labels, names) -> str | None:
    """Chance: how often answers as frequent as these are right whatever the picture."""
    if not len(val):
        return None
    predicted, classes = val.argmax(1), len(names)
    shares = [np.bincount(values, minlength=classes) / len(val) for values in (predicted, labels)]
    chance, right = float(shares[0] @ shares[1]), int((predicted == labels).sum())
    # so few rows that being right on all of them might be chance
    if chance < 1 and chance ** len(val) > 0.01:
        return None
    if binomtest(right, len(val), min(chance, 1.0), alternative="greater").pvalue <= 0.01:
        return None
    return f"right on {right / len(val):.1%} of validation, by chance it would be on {chance:.1%}"


def true_classes_have_some(val: np.ndarray, test: np.ndarray, labels, names) -> str | None:
    """Whether a table's probabilities of the true class are all above 0, which counts as SMALLEST:
    an average of logarithms rests on what stands in its place."""
    none = zeros(val, labels)
    if not none:
        return None
    return (
        f"{plural(none, 'row')} of validation give{'s' * (none == 1)} the true class a probability "
        f"of 0, counted as {SMALLEST:g}: where rounding made it, negative log-likelihood, "
        "temperature and calibration are wrong; bring logits, or more decimals"
    )


OF_ROWS = (
    ("all logits are finite", "refused", all_finite),
    ("logits and not probabilities", "refused", no_probabilities),
    ("the values look like logits", "note", another_unit),
    ("the classes stand in the data's order", "warning", order_of_classes),
    ("better than chance", "warning", better_than_chance),
)
OF_TABLE = (
    *OF_ROWS[-2:],
    ("every true class has a probability", "warning", true_classes_have_some),
)


def ask_rows(
    val: np.ndarray, test: np.ndarray, labels: np.ndarray, names: list[str]
) -> list[Answer]:
    """The questions of all rows, logits (n, classes) of validation and test; labels: (n,) of
    validation; names: of the classes."""
    return _asked(OF_ROWS, lambda function: function(val, test, labels, names))


def ask_table(val: np.ndarray, labels: np.ndarray, names: list[str]) -> list[Answer]:
    """The same of a file of predictions, which was read as logits: their classes, and zeros."""
    return _asked(OF_TABLE, lambda function: function(val, val, labels, names))


def refuse(arm: str, answers: list[Answer]) -> None:
    """Raises NetworkError with a line for each refusal."""
    # guard: examined-first
    if lines := [answer.line for answer in answers if answer.verdict == "refused"]:
        raise NetworkError("\n".join(f"arm {arm}: {line}" for line in lines))


def summary(answers: list[Answer]) -> str:
    """`examined: 22 questions, 1 warning`."""
    warnings = sum(answer.verdict == "warning" for answer in answers)
    text = f"{warnings or 'no'} warning" + ("" if warnings == 1 else "s")
    return f"examined: {len(answers)} questions, {text}"
