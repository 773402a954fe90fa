"""The rule on made-up planted errors: selection against determinants, scores against
scikit-learn, folds that share no picture."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_score, recall_score

from lib.diagnosis import rule
from lib.diagnosis.verdict import CAUSES

pytestmark = pytest.mark.slow

EACH = 60


def planted(apart: float = 2.0, seed: int = 0, columns: int = 30):
    """Errors whose first five readings tell the causes apart, and others that do not."""
    generator = np.random.default_rng(seed)
    cause = np.repeat(CAUSES, EACH)
    values = generator.normal(size=(len(cause), columns))
    values[np.arange(len(cause)), np.repeat(np.arange(5), EACH)] += apart
    source = generator.integers(len(cause) // 2, size=len(cause))
    names = [f"reading {place}" for place in range(columns)]
    return pd.DataFrame(values, columns=names), cause, source


def test_readings_are_chosen_by_wilks_lambda():
    readings, cause, _ = planted(columns=8)
    values = readings.to_numpy()

    def wilks(columns):
        groups = [values[cause == name][:, columns] for name in CAUSES]
        within = sum((group - group.mean(0)).T @ (group - group.mean(0)) for group in groups)
        total = (values[:, columns] - values[:, columns].mean(0)).T
        return np.linalg.det(within) / np.linalg.det(total @ total.T)

    chosen = []
    for _ in range(4):
        left = [place for place in range(8) if place not in chosen]
        chosen.append(min(left, key=lambda place: wilks([*chosen, place])))
    assert rule.chosen(readings, cause, 4) == [f"reading {place}" for place in chosen]


def test_a_reading_that_repeats_another_or_never_changes_is_not_chosen():
    readings, cause, _ = planted()
    readings = readings.assign(copy=2 * readings["reading 0"] + 1, constant=3.0)
    names = rule.chosen(readings, cause, 40)
    assert "constant" not in names and len({"copy", "reading 0"} & set(names)) == 1


def test_the_threshold_is_the_order_statistic_of_conformal_prediction():
    best = np.linspace(0.01, 0.99, 99)
    nothing = np.stack([best, *np.zeros((3, 99)), 1 - best], 1)
    assert rule.threshold(nothing, 0.2) == pytest.approx(0.8)
    assert rule.threshold(nothing, 0.05) == pytest.approx(0.95)
    # three errors cannot promise 5 %
    assert rule.threshold(nothing[:3], 0.05) == np.inf


def test_at_most_the_allowed_share_of_nothing_is_called_something():
    """Over many draws of calibration and new errors from one distribution."""
    generator, called = np.random.default_rng(0), []
    for _ in range(300):
        nothing = generator.dirichlet(np.ones(5), 40)
        limit = rule.threshold(nothing[:39], 0.2)
        called.append(rule.call(nothing[39:], limit)[0] != "unexplained")
    assert np.mean(called) < 0.2 + 3 * np.sqrt(0.16 / 300)
    assert np.mean(called) > 0.1


def test_scores_are_scikit_learns_on_held_out_verdicts():
    readings, cause, source = planted()
    learnt = rule.learn(readings, cause, source, boosted=False)
    called = rule.held_out(learnt, cause)
    found = rule.score(learnt, cause, source)
    recall = recall_score(cause, called, labels=CAUSES, average=None)
    precision = precision_score(cause, called, labels=CAUSES, average=None)
    for place, name in enumerate(CAUSES):
        assert found[f"recall {name}"]["estimate"] == pytest.approx(recall[place])
        assert found[f"precision {name}"]["estimate"] == pytest.approx(precision[place])
    macro = found["macro recall"]
    assert macro["estimate"] == pytest.approx(recall[:4].mean())
    assert macro["low"] < macro["estimate"] < macro["high"] and macro["estimate"] > 0.6
    strict = rule.score(learnt, cause, source, rule.STRICT)
    assert strict["called"]["estimate"] < found["called"]["estimate"]


def test_noise_is_scored_as_noise():
    """Readings that know nothing: no cause is found more often than chance allows."""
    readings, cause, source = planted(apart=0.0)
    learnt = rule.learn(readings, cause, source, boosted=False)
    found = rule.score(learnt, cause, source)
    assert found["macro recall"]["estimate"] < 0.15 and found["called"]["estimate"] < 0.35


def test_of_fewer_pictures_than_folds_there_is_no_rule():
    readings, cause, source = planted()
    assert rule.learn(readings, cause, source % (rule.FOLDS - 1), boosted=False) is None
    assert rule.learn(readings, cause, source % rule.FOLDS, boosted=False)


def test_no_picture_is_in_two_folds():
    readings, cause, source = planted()
    learnt = rule.learn(readings, cause, source, boosted=False)
    folds = pd.Series(learnt.fold).groupby(source).nunique()
    assert (folds == 1).all() and set(learnt.fold) == set(range(rule.FOLDS))


def test_the_same_errors_give_the_same_rule_with_five_probabilities():
    readings, cause, source = planted()
    first, second = (rule.learn(readings, cause, source, boosted=False) for _ in range(2))
    assert first.model.names == second.model.names
    assert np.array_equal(first.model.weights, second.model.weights)
    p = rule.probabilities(first.model, readings)
    np.testing.assert_allclose(p.sum(1), 1)
    assert (np.array(CAUSES)[p.argmax(1)] == cause).mean() > 0.7


def test_a_cause_that_was_hardly_planted_is_never_a_verdict():
    readings, cause, source = planted()
    few = np.ones(len(cause), bool)
    few[np.flatnonzero(cause == "look_alike")[5:]] = False
    learnt = rule.learn(readings[few].reset_index(drop=True), cause[few], source[few], False)
    p = rule.probabilities(learnt.model, readings)
    assert (p[:, CAUSES.index("look_alike")] == 0).all()
    assert "look_alike" not in rule.held_out(learnt, cause[few])
    nothing = cause != "unexplained"
    assert rule.learn(readings[nothing], cause[nothing], source[nothing]) is None


def test_a_boosted_rule_is_taken_only_where_it_finds_more():
    """Causes that lie on a ring are told apart by no line."""
    readings, cause, source = planted()
    assert isinstance(rule.learn(readings, cause, source).model, rule.Linear)
    generator = np.random.default_rng(0)
    size = np.repeat(np.arange(5), EACH) + generator.uniform(0.2, 0.8, len(cause))
    sign = generator.choice([-1, 1], len(cause))
    ring = pd.DataFrame({"size": size * sign, "noise": generator.normal(size=len(cause))})
    assert isinstance(rule.learn(ring, cause, source).model, rule.Boosted)
