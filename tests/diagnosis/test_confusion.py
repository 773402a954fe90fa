"""Recall and precision of planted causes against scikit-learn, and what is left of them where there
is little to mark."""

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from lib.diagnosis import confusion
from lib.diagnosis.verdict import CAUSES

FOUR = CAUSES[:4]


def made_up(errors=600, seed=0, right=0.6, causes=CAUSES):
    generator = np.random.default_rng(seed)
    planted, guess = generator.choice(causes, errors), generator.choice(causes, errors)
    return planted, np.where(generator.random(errors) < right, planted, guess)


def marks(planted, called, source=None):
    """Every measure with its interval."""
    counts = confusion.by_source(
        planted, called, np.arange(len(planted)) if source is None else source
    )
    found = confusion.measures(counts.sum(0)[None])
    drawn = confusion.measures(confusion.resampled(counts))
    return {name: confusion.interval(found[name][0], drawn[name]) for name in found}


def test_estimates_are_those_of_scikit_learn():
    planted, called = made_up()
    found = marks(planted, called)
    for name, measure in (("recall", recall_score), ("precision", precision_score)):
        np.testing.assert_allclose(
            [found[f"{name} {cause}"]["estimate"] for cause in CAUSES],
            measure(planted, called, labels=CAUSES, average=None),
        )
    assert found["macro recall"]["estimate"] == pytest.approx(
        recall_score(planted, called, labels=FOUR, average="macro")
    )
    two = confusion.by_source(planted, called, np.arange(len(planted))).sum(0)[None]
    assert confusion.measures(two, FOUR[:2])["macro recall"][0] == pytest.approx(
        recall_score(planted, called, labels=FOUR[:2], average="macro")
    )
    nothing = planted == "unexplained"
    assert found["called"]["estimate"] == pytest.approx((called[nothing] != "unexplained").mean())


def test_intervals_hold_the_estimate_and_are_those_of_a_share():
    planted, called = made_up(errors=4000)
    found = marks(planted, called)
    assert all(entry["low"] < entry["estimate"] < entry["high"] for entry in found.values())
    share = found["recall background"]
    trials = (planted == "background").sum()
    half = 1.96 * np.sqrt(share["estimate"] * (1 - share["estimate"]) / trials)
    assert share["high"] - share["estimate"] == pytest.approx(half, rel=0.15)


def test_errors_of_one_source_are_no_independent_witnesses():
    planted, called = made_up(errors=1000)
    # each error twice: as two of one picture, and as two pictures
    twice, alone = (
        marks(np.tile(planted, 2), np.tile(called, 2), source)["macro recall"]
        for source in (np.tile(np.arange(1000), 2), np.arange(2000))
    )
    wide, narrow = (entry["high"] - entry["low"] for entry in (twice, alone))
    assert wide == pytest.approx(np.sqrt(2) * narrow, rel=0.1)


def test_the_mean_is_of_the_causes_that_were_planted():
    planted, called = made_up(causes=("background", "second_object", "unexplained"))
    found = marks(planted, called)
    assert np.isnan(found["recall look_alike"]["estimate"])
    assert found["macro recall"]["estimate"] == pytest.approx(
        np.mean([found[f"recall {cause}"]["estimate"] for cause in FOUR[:2]])
    )


def test_no_errors_have_no_marks():
    empty = np.array([], dtype="<U20")
    assert all(np.isnan(entry["estimate"]) for entry in marks(empty, empty).values())
