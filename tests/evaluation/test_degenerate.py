"""Degenerate but legal input: words, and numbers that do not depend on the order of rows."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.evaluation import bootstrap, changes, failures, per_image, rejection, selective, summary
from lib.evaluation.degenerate import cannot_tell
from lib.training.record import Predictions, Run

NAMES = ["ape", "bee", "cat"]
TRUTH = np.arange(60) % 3


def part(labels, logits):
    return Predictions(np.arange(len(labels)), np.asarray(labels), np.asarray(logits, np.float32))


def noisy(labels, wrong, seed=0):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(len(labels), 3))
    top = np.where(random.random(len(labels)) < wrong, (labels + 1) % 3, labels)
    logits[np.arange(len(labels)), top] += 20 * (1 + random.random(len(labels)))
    return logits


def run(test, val=None):
    info = {"origin": "predictions", "params": {}, "classes": 3}
    return Run(Path("."), info, None, val or part(TRUTH, noisy(TRUTH, 0.3, 9)), test)


def words(one, other=None) -> list[str]:
    trained = {"one": {0: one}} | ({"other": {0: other}} if other else {})
    return cannot_tell(trained, tuple(trained), NAMES)


ORDINARY = part(TRUTH, noisy(TRUTH, 0.3, 1))


def test_ordinary_rows_need_no_words():
    assert words(run(ORDINARY), run(part(TRUTH, noisy(TRUTH, 0.3, 2)))) == []


@pytest.mark.parametrize(
    "one, line",
    [
        (run(part(TRUTH % 2, noisy(TRUTH % 2, 0.0))), "1 class without a test row ('cat')"),
        (
            run(part(TRUTH, noisy(TRUTH, 0.3) - [0, 0, 99])),
            "one never predicts 1 class of the test rows ('cat')",
        ),
        (
            run(ORDINARY, part(TRUTH, noisy(TRUTH, 0.0))),
            "one makes no error on validation: its temperature is the lower bound of the search, "
            "0.01",
        ),
        (
            run(ORDINARY, part(TRUTH, noisy(TRUTH, 1.0))),
            "one has no best temperature on validation: its temperature is the upper bound",
        ),
        (run(part(TRUTH, noisy(TRUTH, 0.0))), "one makes no error on test"),
        (run(part(TRUTH, noisy(TRUTH, 1.0))), "one makes nothing but errors on test"),
        (
            run(part(TRUTH, 5 * np.eye(3)[noisy(TRUTH, 0.3).argmax(1)])),
            "one makes every prediction with the same confidence",
        ),
        (run(ORDINARY, part(TRUTH % 2, noisy(TRUTH % 2, 0.3))), "without a validation row"),
    ],
)
def test_what_rows_cannot_tell_is_said(one, line):
    assert any(said.startswith(line) or line in said for said in words(one))
    assert all("\n" not in said for said in words(one))


def test_a_tables_true_class_of_probability_0_is_told_whatever_the_split():
    shares = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.3, 0.1, 0.6]] * 20)
    logits = np.log(np.maximum(shares, 1e-38))
    (line,) = [line for line in words(run(part([2, 1, 2] * 20, logits))) if "probability" in line]
    assert line.startswith("one gives the true class of 20 rows a probability of 0")
    # as logits they are no probabilities
    assert not any("probability" in line for line in words(run(part([2, 1, 2] * 20, logits - 5))))


def test_arms_without_a_discordant_row_are_named():
    assert "right on the same test rows" in words(run(ORDINARY), run(ORDINARY))[-1]
    # arms are paired by the seeds that both have, not by place
    other = run(part(TRUTH, noisy(TRUTH, 0.3, 2)))
    seeds = {"one": {42: run(ORDINARY), 43: other}, "other": {43: run(ORDINARY)}}
    assert cannot_tell(seeds, ("one", "other"), NAMES) == []


def legal():
    yield run(ORDINARY)
    yield run(part(TRUTH, noisy(TRUTH, 0.0)), part(TRUTH, noisy(TRUTH, 0.0)))
    yield run(part(TRUTH, noisy(TRUTH, 1.0)), part(TRUTH, noisy(TRUTH, 1.0)))
    yield run(part(TRUTH, np.zeros((60, 3))), part(TRUTH, np.zeros((60, 3))))
    yield run(part(TRUTH % 2, noisy(TRUTH % 2, 0.3)), part(TRUTH % 2, noisy(TRUTH % 2, 0.3)))
    yield run(part([1], [[1.0, 2, 3]]))
    yield run(ORDINARY, part([1], [[1.0, 2, 3]]))


@pytest.mark.parametrize("one", list(legal()))
def test_legal_rows_give_numbers_without_a_warning(one):
    """With itself as the other arm: no number is infinite, no temperature is below 0."""
    trained = {"one": {0: one}, "other": {0: one}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        numbers = {arm: summary.arm_numbers(of_seeds) for arm, of_seeds in trained.items()}
        fitted = {arm: of_arm["temperature"]["each"] for arm, of_arm in numbers.items()}
        sampled = bootstrap.resample(trained, fitted, 20)
        paired = changes.paired_numbers(trained, ("one", "other"), numbers, sampled)
        rejection.rejection_view(rejection.rejection(trained, [0.5, 1.0]))
        rejection.promises_view(rejection.promises(trained, 0.2))
        rejection.curve(trained["one"])
        changes.class_table(trained["one"], trained["other"], NAMES)
    assert 0.01 <= fitted["one"][0] <= 100
    assert paired["mcnemar"]["p_value"] == 1
    each = [numbers["one"][name]["mean"] for name in numbers["one"]]
    assert np.isfinite([one for one in each if one is not None and one == one]).all()
    assert numbers["one"]["aurc"]["mean"] >= 0 and numbers["one"]["e_aurc"]["mean"] >= -1e-12


# --- ties


def test_equal_confidences_are_one_block_whatever_the_class_and_the_order_of_rows():
    """Hard labels: no threshold parts them, so that AURC is the share of errors."""
    guesses = noisy(TRUTH, 0.3, 3).argmax(1)
    hard = part(TRUTH, 5 * np.eye(3)[guesses])
    confidence = per_image.columns(hard).confidence
    assert len(set(confidence)) == 1
    assert selective.aurc(confidence, hard.correct) == pytest.approx((guesses != TRUTH).mean())


def test_a_probability_written_as_a_threshold_reaches_it():
    """Through float32 logarithms, as a table's numbers go."""
    top = np.round(np.linspace(0.35, 0.99, 65), 2)
    rest = np.random.default_rng(0).random(65)
    shares = np.stack([top, (1 - top) * rest, (1 - top) * (1 - rest)], 1)
    found = per_image.softmax_score(np.log(shares).astype(np.float32))
    likeliest = shares.max(1) == top
    np.testing.assert_array_equal(found[likeliest], top[likeliest])
    assert likeliest.sum() > 50
    saturated = 1 - np.array([1e-9, 2e-9, 1e-12])
    np.testing.assert_allclose(1 - per_image.without_noise(saturated), 1 - saturated, rtol=1e-2)


def test_tied_scores_give_the_same_in_any_order_of_rows():
    random = np.random.default_rng(0)
    confidence, correct = random.choice([0.2, 0.5, 0.9], 200), random.random(200) < 0.6
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(200)
        one, other = (confidence, correct), (confidence[order], correct[order])
        for function in (selective.aurc, selective.excess_aurc, selective.augrc):
            assert function(*one) == function(*other)
        assert selective.threshold_for_risk(*one, 0.5) == selective.threshold_for_risk(*other, 0.5)
        for table, more in (
            (selective.rejection_table, [0.2, 0.5, 0.9]),
            (selective.counts_at_matched_coverage, [0.1, 0.5]),
        ):
            pd.testing.assert_frame_equal(table(*one, more), table(*other, more))


def test_errors_of_equal_scaled_confidence_are_ranked_by_their_own():
    """With no error on validation the temperature is 0.01, and every scaled confidence 1."""
    table = pd.DataFrame(
        {
            "correct": False,
            "scaled_confidence": 1.0,
            "confidence": [0.6, 0.9, 0.9],
            "id": ["a", "c", "b"],
        }
    )
    assert failures.errors(table)["id"].tolist() == ["b", "c", "a"]
