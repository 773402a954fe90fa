"""Conformal sets: the rank by hand, exact coverage over exchangeable draws, a plain loop, words."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from synthetic import run

from lib.base import artefacts
from lib.evaluation.metrics import conformal
from lib.training.record import Predictions, Run


@pytest.mark.parametrize(
    "images, level, expected",
    [(9, 0.9, 9), (10, 0.9, 10), (19, 0.9, 18), (19, 0.95, 19), (18, 0.95, 19), (5000, 0.95, 4751)],
)
def test_the_rank_counts_the_new_image_too(images, level, expected):
    exact = -(-(images + 1) * Fraction(str(level)) // 1)
    assert conformal.rank(images, level) == expected == exact


def test_too_few_images_have_no_limit_and_the_fewest_are_known():
    assert [conformal.rows_needed(level) for level in (0.5, 0.9, 0.95, 0.99)] == [1, 9, 19, 99]
    scores = np.arange(19) / 19
    assert conformal.limit(scores[:18], 0.95) is None
    assert conformal.limit(scores[::-1], 0.95) == scores[18]
    assert conformal.limit(scores, 0.9) == scores[17]


def test_over_exchangeable_draws_the_coverage_is_the_promised_one():
    """Of n + 1 scores without ties the left-out one is at most the rank-th of the others in exactly
    rank of n + 1 cases."""
    scores = np.random.default_rng(0).random(20)
    covered = [
        scores[out] <= conformal.limit(np.delete(scores, out), 0.9) for out in range(len(scores))
    ]
    assert np.sum(covered) == conformal.rank(19, 0.9) == 18


def test_sets_are_those_of_a_plain_loop(monkeypatch):
    test = run(0, images=40, classes=6).test
    monkeypatch.setattr(artefacts, "CELLS", 6 * 7)
    size, holds = conformal.sets(test.logits, test.labels, -np.log(0.2))
    for row, label, of_row, held in zip(test.logits, test.labels, size, holds):
        chosen = [k for k, p in enumerate(softmax(row.astype(float))) if 1 - p <= 0.8]
        assert (of_row, held) == (len(chosen), label in chosen)


@pytest.mark.parametrize("factor", [1, 20, 100])
def test_sets_of_large_logits_stay_small(factor):
    """One minus the probability is 1 of most classes then."""
    one = run(0, images=400, classes=8, signal=1.0, scale=float(factor))
    (row,) = conformal.set_numbers({"a": {0: one}}, [0.9])
    of_label, every = (
        -log_softmax(part.logits.astype(float), 1)[np.arange(len(part.labels))[:, None], columns]
        for part, columns in ((one.val, one.val.labels[:, None]), (one.test, np.arange(8)))
    )
    inside = every <= np.sort(of_label.ravel())[-(-401 * 9 // 10) - 1] + 1e-9
    assert row["size"]["mean"] == inside.sum(1).mean() < 7


@pytest.mark.parametrize("rows", [8, 9, 199])
@pytest.mark.parametrize("decimals", [1, 2])
def test_equal_probabilities_of_a_table_are_inside_or_outside_together(rows, decimals):
    """Rounded, divided by their sum, and through a logarithm in float32, as a table's are."""
    generator, classes = np.random.default_rng(rows), 4
    shares = softmax(generator.normal(size=(rows + 400, classes)), 1).round(decimals)
    shares /= shares.sum(1, keepdims=True)
    labels = generator.integers(0, classes, len(shares))
    logits = np.log(np.maximum(shares, 1e-38)).astype(np.float32)
    parts = [
        Predictions(np.arange(len(labels[part])), labels[part], logits[part])
        for part in (slice(rows), slice(rows, None))
    ]
    (row,) = conformal.set_numbers({"a": {0: Run(Path("."), {}, None, *parts)}}, [0.9])
    exact = -(-(rows + 1) * Fraction("0.9") // 1)
    if exact > rows:
        assert row["coverage"] is None and row["note"].startswith("90% needs 9 validation images")
        return
    scores = np.sort(1 - shares[np.arange(rows), labels[:rows]])
    inside = 1 - shares[rows:] <= scores[exact - 1] + 1e-12
    assert row["size"]["mean"] == inside.sum(1).mean()
    assert row["coverage"]["mean"] == inside[np.arange(400), labels[rows:]].mean() >= 0.85


def test_what_chance_allows_is_what_draws_show():
    generator, images, calibrated = np.random.default_rng(1), 200, 50
    scores = generator.random((4000, calibrated + images))
    limits = np.sort(scores[:, :calibrated], 1)[:, conformal.rank(calibrated, 0.9) - 1]
    coverage = np.mean(scores[:, calibrated:] <= limits[:, None], 1)
    low, high = conformal.allowed(images, calibrated, 0.9)
    assert np.mean((low <= coverage) & (coverage <= high)) == pytest.approx(0.95, abs=0.015)


def test_numbers_of_arms_levels_and_seeds():
    trained = {"a": {0: run(0), 1: run(1)}, "b": {0: run(2, signal=0.0)}}
    numbers = conformal.set_numbers(trained)
    assert [(row["level"], row["arm"]) for row in numbers] == [
        (0.9, "a"),
        (0.9, "b"),
        (0.95, "a"),
        (0.95, "b"),
    ]
    a90, b90, a95, _ = numbers
    assert a90["coverage"]["n"] == 2 and a95["size"]["mean"] > a90["size"]["mean"]
    assert b90["size"]["mean"] > a90["size"]["mean"]  # a network that knows nothing
    view = conformal.sets_view(numbers)
    assert view["promised"].tolist() == ["90%", "90%", "95%", "95%"]
    assert " ± " in view["covered"][0] and " to " in view["chance allows"][0]


def test_a_network_that_is_worse_on_test_misses_its_promise():
    good, bad = run(0), run(0, signal=0.0)
    mixed = type(good)(good.path, good.info, good.history, good.val, bad.test)
    (row,) = conformal.set_numbers({"a": {0: mixed}}, [0.9])
    assert row["outcome"] == "missed" and row["coverage"]["mean"] < row["allowed_low"]


def test_few_validation_images_are_told_in_words():
    few = run(0, images=12)
    numbers = conformal.set_numbers({"a": {0: few}})
    assert numbers[0]["coverage"] is not None
    assert numbers[1]["coverage"] is None
    assert numbers[1]["note"] == "95% needs 19 validation images or more; there are 12"
    assert conformal.sets_view(numbers)["covered"][1] == numbers[1]["note"]


def test_a_promise_that_is_missed_by_less_than_a_digit_shows_by_what():
    share = {"mean": 0.9415, "sd": None}
    row = {"arm": "a", "level": 0.95, "note": "", "coverage": share, "single": share}
    row |= {"empty": share, "size": {"mean": 2.0, "sd": None}, "outcome": "missed"}
    for low, said in ((0.9424, ("94.15%", "94.24% to 95.70%")), (0.9, ("94.2%", "90.0% to 95.7%"))):
        view = conformal.sets_view([row | {"allowed_low": low, "allowed_high": 0.957}])
        assert (view["covered"][0], view["chance allows"][0]) == said
