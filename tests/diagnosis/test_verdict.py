"""The rule against scikit-learn's logistic regression, and its refutations against the rule
itself."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from lib.base import artefacts, config
from lib.data import dataset
from lib.diagnosis import evidence, verdict

CASES = 400


@pytest.fixture(scope="module")
def rule():
    return verdict.read_rule()


@pytest.fixture(scope="module")
def statistics(rule):
    values = rule["centre"] + rule["scale"] * np.random.default_rng(0).normal(
        size=(CASES, len(rule["statistics"]))
    )
    return pd.DataFrame(values, columns=rule["statistics"])


def sklearn_model(rule) -> LogisticRegression:
    model = LogisticRegression()
    model.coef_, model.intercept_, model.classes_ = (
        rule["weights"],
        rule["intercept"],
        np.array(rule["causes"]),
    )
    return model


def moved(statistics, decided, by) -> pd.DataFrame:
    """Each error's leading statistic put `by` beyond its tipping point, seen from where it is."""
    away = np.sign(decided["turns"] - decided["value"])
    changed = statistics.copy()
    for row, one in enumerate(decided.itertuples()):
        changed.loc[row, one.led] = one.turns + by * away[row]
    return changed


def test_the_verdict_is_that_of_scikit_learn(rule, statistics):
    decided, model = verdict.decide(statistics, rule), sklearn_model(rule)
    values = (statistics.to_numpy() - rule["centre"]) / rule["scale"]
    expected = model.predict_proba(values)
    assert (decided["verdict"] == model.predict(values)).all() and decided["verdict"].nunique() == 5
    np.testing.assert_allclose(decided["probability"], expected.max(1), rtol=1e-9)
    assert (decided["second"] == model.classes_[expected.argsort(1)[:, -2]]).all()


def test_columns_may_stand_in_any_order_and_rows_keep_their_names(rule, statistics):
    mixed = statistics.set_index(statistics.index + 7)[statistics.columns[::-1]].assign(other=1.0)
    pd.testing.assert_frame_equal(
        verdict.decide(mixed, rule), verdict.decide(statistics, rule).set_axis(mixed.index)
    )


def test_the_verdict_turns_where_it_says(rule, statistics):
    decided = verdict.decide(statistics, rule)
    before, past = (
        verdict.decide(moved(statistics, decided, by), rule)["verdict"] for by in (-1e-6, 1e-6)
    )
    assert (before == decided["verdict"]).all() and (past == decided["instead"]).all()
    third = decided["instead"] != decided["second"]
    assert 0 < third.mean() < 0.3  # on the way to the second cause another one may win first


def test_what_led_speaks_most_against_the_second_cause(rule, statistics):
    decided = verdict.decide(statistics, rule)
    for row, one in enumerate(decided.head(50).itertuples()):
        first, second = (rule["causes"].index(cause) for cause in (one.verdict, one.second))
        said = {
            name: (rule["weights"][first, place] - rule["weights"][second, place])
            * (statistics.loc[row, name] - rule["centre"][place])
            / rule["scale"][place]
            for place, name in enumerate(rule["statistics"])
        }
        assert one.led == max(said, key=said.get) and one.value == statistics.loc[row, one.led]


@pytest.mark.parametrize("name", ["hottest", "maps"])
def test_an_undefined_statistic_says_nothing_and_leads_to_nothing(rule, statistics, name):
    place = rule["statistics"].index(name)
    undefined, ordinary = (
        statistics.assign(**{name: np.nan}),
        statistics.assign(**{name: rule["centre"][place]}),
    )
    decided, expected = verdict.decide(undefined, rule), verdict.decide(ordinary, rule)
    assert (decided["verdict"] == expected["verdict"]).all()
    np.testing.assert_allclose(decided["probability"], expected["probability"], rtol=1e-12)
    assert (
        decided["value"].notna().all()
        and decided["turns"].notna().all()
        and (decided["led"] != name).all()
    )


def test_an_undefined_statistic_never_leads_even_where_all_others_speak_against_the_verdict(rule):
    small = {
        "causes": ["background", "unexplained"],
        "statistics": ["a", "b"],
        "centre": np.zeros(2),
        "scale": np.ones(2),
        "weights": np.array([[1.0, 1.0], [0.0, 0.0]]),
        "intercept": np.array([5.0, 0.0]),
    }
    one = verdict.decide(pd.DataFrame({"a": [np.nan], "b": [-1.0]}), small).iloc[0]
    assert (one["verdict"], one["led"], one["value"], one["turns"]) == (
        "background",
        "b",
        -1.0,
        -5.0,
    )


def test_the_written_rule_is_the_codes_and_was_fitted_elsewhere(rule):
    assert tuple(rule["causes"]) == verdict.CAUSES and rule["statistics"] == list(
        evidence.STATISTICS
    )
    assert rule["weights"].shape == (len(verdict.CAUSES), len(evidence.STATISTICS)) and rule[
        "intercept"
    ].shape == (len(verdict.CAUSES),)
    assert (
        all(np.isfinite(rule[name]).all() for name in ("centre", "scale", "weights", "intercept"))
        and (rule["scale"] > 0).all()
    )
    fitted = rule["fitted"]
    assert (
        fitted["split"] == "val"
        and set(fitted["by_cause"]) == set(verdict.CAUSES)
        and sum(fitted["by_cause"].values()) == fitted["errors"]
    )
    scored = config.read_yaml(artefacts.ROOT / "params" / "phantom.yaml")["gradcam"]["scored"]
    seeds = {int(place.rsplit("-", 1)[1]) for place in scored}
    assert seeds == {43, 44, 45, 46} and not set(fitted["phantoms"]) & (seeds | {42})


def test_two_causes_never_weigh_a_statistic_alike(rule):
    # else nothing of it could turn a verdict
    assert all(len(set(column)) == len(verdict.CAUSES) for column in rule["weights"].T)


def test_a_planted_cause_acts_only_where_it_points_at_the_prediction():
    split = dataset.load("phantom", sizes={"train": 20, "val": 20, "test": 300}).test
    position = np.arange(299, -1, -2)
    pointed = split.planted["cause_class"].to_numpy()[position]
    known = verdict.planted(split, position, pointed)
    causes = split.planted["cause"].to_numpy()[position]
    assert known["planted"].tolist() == [
        "unexplained" if cause == "none" else cause for cause in causes
    ]
    assert set(known["planted"]) == set(verdict.CAUSES) and known["acts"].all()
    elsewhere = verdict.planted(split, position, (pointed + 1) % 20)
    assert (elsewhere["acts"] == (causes == "none")).all()
