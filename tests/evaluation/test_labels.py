"""Confident learning against cleanlab itself, and the rule that joins the runs."""

import numpy as np
import pandas as pd
import pytest
from cleanlab.filter import find_label_issues
from synthetic import run

from lib.evaluation import labels as suspects
from lib.evaluation.calibration import softmax

RANKINGS = {
    "self_confidence": suspects.self_confidence,
    "normalized_margin": suspects.normalised_margin,
}


def noisy(seed: int, images: int, classes: int, sharpness: float = 2.0, noise: float = 0.2):
    """Labels with mistakes, and probabilities of a classifier that mostly knows better."""
    generator = np.random.default_rng(seed)
    true = generator.integers(classes, size=images)
    logits = sharpness * (
        np.eye(classes)[true] + 0.7 * generator.standard_normal((images, classes))
    )
    recorded = np.where(
        generator.random(images) < noise, generator.integers(classes, size=images), true
    )
    return recorded, softmax(logits)


@pytest.mark.parametrize(
    "seed, images, classes, sharpness",
    [
        (0, 500, 2, 2),
        (1, 1000, 10, 2),
        (2, 2000, 100, 4),
        (3, 60, 20, 1),
        (4, 40, 50, 3),
        (5, 300, 5, 0.1),
    ],
)
def test_the_same_images_in_the_same_order_as_cleanlab(seed, images, classes, sharpness):
    recorded, probabilities = noisy(seed, images, classes, sharpness)
    mask = find_label_issues(recorded, probabilities, filter_by="confident_learning", n_jobs=1)
    named = suspects.confident_learning(recorded, probabilities)
    assert mask.any() and ((named != suspects.NONE) == mask).all()
    for method, score in RANKINGS.items():
        ranked = find_label_issues(
            recorded,
            probabilities,
            filter_by="confident_learning",
            n_jobs=1,
            return_indices_ranked_by=method,
        )
        flagged = np.flatnonzero(mask)
        assert (
            ranked.tolist()
            == flagged[np.argsort(score(recorded, probabilities)[flagged], kind="stable")].tolist()
        )


def test_the_class_named_by_hand():
    probabilities = np.array(
        [[0.9, 0.1, 0.0], [0.1, 0.7, 0.2], [0.0, 0.2, 0.8], [0.1, 0.8, 0.1], [0.5, 0.45, 0.05]]
    )
    # thresholds: class 0 (0.9 + 0.1 + 0.5) / 3, class 1 0.7, class 2 0.8
    recorded = np.array([0, 1, 2, 0, 0])
    assert suspects.confident_learning(recorded, probabilities).tolist() == [-1, -1, -1, 1, -1]
    assert suspects.normalised_margin(recorded, probabilities) == pytest.approx(
        [0.9, 0.75, 0.8, 0.15, 0.525]
    )


def test_a_class_without_images_is_never_named():
    probabilities = np.array([[0.2, 0.0, 0.8], [0.9, 0.0, 0.1], [0.0, 0.3, 0.7]])
    assert suspects.confident_learning([0, 0, 1], probabilities).tolist() == [-1, -1, -1]


def of_runs(*suggestions):
    """Opinions of runs that name these classes for the first of many images, which is labelled 0 of
    4."""
    recorded = np.append(0, np.repeat(np.arange(4), 30))
    sure = 0.8 * np.eye(4)[recorded] + 0.05
    return [
        suspects.opinion(recorded, np.vstack([0.9 * np.eye(4)[one] + 0.025, sure[1:]]))
        for one in suggestions
    ]


@pytest.mark.parametrize(
    "suggestions, votes",
    [
        ([1], 1),
        ([1, 1], 2),
        ([1, 2], None),
        ([1, 0], None),
        ([1, 1, 0], 2),
        ([0, 1, 2], None),
        ([2, 2, 1, 1], None),
        ([3, 0, 3, 3, 1], 3),
    ],
)
def test_more_than_half_of_the_runs_must_name_the_same_class(suggestions, votes):
    table = suspects.suspected(of_runs(*suggestions))
    assert table["position"].tolist() == ([] if votes is None else [0])
    if votes:
        row = table.iloc[0]
        assert (row["votes"], row["suggested"]) == (votes, max(suggestions, key=suggestions.count))
        assert row["agreeing"] == votes and row["margin"] < 0.5


def test_mistakes_that_several_runs_agree_on_are_told_from_the_mistakes_of_one():
    generator = np.random.default_rng(0)
    true = generator.integers(10, size=2000)
    wrong = generator.choice(2000, 100, replace=False)
    recorded = true.copy()
    recorded[wrong] = (true[wrong] + 1) % 10
    runs = [
        suspects.opinion(
            recorded, softmax(6 * (np.eye(10)[true] + 0.45 * generator.standard_normal((2000, 10))))
        )
        for _ in range(3)
    ]
    alone, together = (
        suspects.list_score(suspects.suspected(several)["position"], wrong)
        for several in (runs[:1], runs)
    )
    assert (
        together["precision"]["low"] > alone["precision"]["high"]
        and together["recall"]["estimate"] > 0.6
    )


def test_score_counts_and_says_nothing_of_nothing():
    result = suspects.list_score([1, 2, 3], [2, 3, 4, 5])
    assert (result["hits"], result["precision"]["estimate"], result["recall"]["estimate"]) == (
        2,
        2 / 3,
        0.5,
    )
    assert suspects.list_score([], [])["precision"] == {"estimate": None, "low": 0.0, "high": 1.0}


def test_copies_of_a_run_are_one_run_in_the_reports_numbers():
    first, other = run(0), run(1)
    table = pd.DataFrame({"split": "test", "id": [0, 1], "votes": [2, 1]})
    found = suspects.label_numbers(table, [first, run(0), other], {"test": 300}, [])
    assert found["runs"] == 2 and found["unanimous"] == 1
