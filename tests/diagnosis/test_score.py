"""The marks of the diagnosis against scikit-learn, and what is left of them where there is little
to mark."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from lib.diagnosis import score
from lib.diagnosis.verdict import CAUSES

FOUR = CAUSES[:4]


def made_up(errors=600, phantoms=3, seed=0, right=0.6, causes=CAUSES) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    planted, guess = generator.choice(causes, errors), generator.choice(causes, errors)
    return pd.DataFrame(
        {
            "planted": planted,
            "verdict": np.where(generator.random(errors) < right, planted, guess),
            "phantom": generator.integers(phantoms, size=errors),
        }
    )


@pytest.fixture(scope="module")
def errors():
    return made_up()


def test_estimates_are_those_of_scikit_learn(errors):
    planted, said = errors["planted"], errors["verdict"]
    counts, found = score.confusion(errors), score.score(errors)
    assert (counts.to_numpy() == confusion_matrix(planted, said, labels=CAUSES)).all()
    assert tuple(counts.index) == tuple(counts.columns) == CAUSES and (
        counts.index.name,
        counts.columns.name,
    ) == ("planted", "diagnosed")
    for name, measure in (("recall", recall_score), ("precision", precision_score)):
        np.testing.assert_allclose(
            [found[f"{name} {cause}"]["estimate"] for cause in CAUSES],
            measure(planted, said, labels=CAUSES, average=None),
        )
    assert found["macro recall"]["estimate"] == pytest.approx(
        recall_score(planted, said, labels=FOUR, average="macro")
    )
    nothing = planted == "unexplained"
    assert found["called"]["estimate"] == pytest.approx((said[nothing] != "unexplained").mean())


def test_a_perfect_diagnosis_is_all_ones(errors):
    found = score.score(errors.assign(verdict=errors["planted"]))
    assert found.pop("called") == {"estimate": 0.0, "low": 0.0, "high": 0.0}
    assert all(entry == {"estimate": 1.0, "low": 1.0, "high": 1.0} for entry in found.values())


def test_intervals_hold_the_estimate_and_shrink_with_more_errors(errors):
    few, many = score.score(errors), score.score(made_up(errors=20_000))
    for found in (few, many):
        assert all(entry["low"] < entry["estimate"] < entry["high"] for entry in found.values())
    assert all(
        many[name]["high"] - many[name]["low"] < 0.5 * (few[name]["high"] - few[name]["low"])
        for name in few
    )


def test_with_one_phantom_the_interval_is_that_of_a_share():
    found = score.score(made_up(errors=4000, phantoms=1))["recall background"]
    errors = made_up(errors=4000, phantoms=1)
    trials = (errors["planted"] == "background").sum()
    half = 1.96 * np.sqrt(found["estimate"] * (1 - found["estimate"]) / trials)
    assert found["high"] - found["estimate"] == pytest.approx(half, rel=0.15) and found[
        "estimate"
    ] - found["low"] == pytest.approx(half, rel=0.15)


def test_phantoms_that_differ_widen_the_interval():
    alike = made_up(errors=4000, phantoms=4)
    unlike = alike.assign(verdict=np.where(alike["phantom"] < 2, alike["planted"], "unexplained"))
    # the same errors, shared out evenly
    mixed = unlike.assign(phantom=np.random.default_rng(1).permutation(unlike["phantom"]))
    wide, narrow = (score.score(one)["recall background"] for one in (unlike, mixed))
    assert wide["high"] - wide["low"] > 5 * (narrow["high"] - narrow["low"])


def test_equal_seeds_give_equal_intervals(errors):
    assert score.score(errors, seed=3) == score.score(errors, seed=3) != score.score(errors, seed=4)


def test_a_cause_never_planted_or_never_diagnosed_has_no_mark():
    some = made_up(causes=("background", "second_object", "unexplained"))
    found = score.score(some.assign(verdict=some["verdict"].replace("second_object", "background")))
    for name in (
        "recall look_alike",
        "precision look_alike",
        "precision second_object",
        "macro recall",
    ):
        assert all(np.isnan(value) for value in found[name].values()), name
    assert found["recall second_object"]["estimate"] == 0
    assert found["recall background"]["estimate"] == pytest.approx(
        (some["verdict"][some["planted"] == "background"] != "unexplained").mean()
    )


def test_no_errors_have_no_marks():
    nothing = made_up().head(0)
    found = score.score(nothing)
    assert score.confusion(nothing).to_numpy().sum() == 0 and all(
        np.isnan(entry["estimate"]) for entry in found.values()
    )
    assert (
        score.confusion_view(score.confusion(nothing), found).loc[:4, "background"].tolist()
        == [0] * 5
    )


def test_the_printed_table_has_recall_by_row_and_precision_by_column(errors):
    some = errors[errors["verdict"] != "look_alike"]
    counts, found = score.confusion(some), score.score(some)
    view = score.confusion_view(counts, found)
    words = ["background", "second object", "look alike", "label error", "unexplained"]
    assert view.columns.tolist() == ["planted", *words, "recall (95%)"] and view[
        "planted"
    ].tolist() == [*words, "precision (95%)"]
    assert (view.loc[:4, words].to_numpy(dtype=int) == counts.to_numpy()).all()

    def written(entry):
        return f"{entry['estimate']:.0%} ({entry['low']:.0%} to {entry['high']:.0%})"

    assert view.loc[:4, "recall (95%)"].tolist() == [
        written(found[f"recall {cause}"]) for cause in CAUSES
    ]
    assert len(set(view.loc[:4, "recall (95%)"])) == 5 and pd.isna(view.loc[5, "recall (95%)"])
    for cause, word in zip(CAUSES, words):
        last = view.loc[5, word]
        assert (
            pd.isna(last) if cause == "look_alike" else last == written(found[f"precision {cause}"])
        )
