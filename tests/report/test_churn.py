"""What another seed does stands beside what the other arm does, wherever that is told."""

import pandas as pd
import pytest

from lib.report import comparison

ONE = {"between_arms": {}, "between_seeds": {"baseline": None, "cutmix": None}}
SEVERAL = {
    "between_arms": {},
    "between_seeds": {
        "baseline": {"corrected": 655.0, "regressed": 655.0},
        "cutmix": {"corrected": 593.3, "regressed": 593.3},
    },
}
DRAWN = pd.DataFrame(
    {
        "true": ["sea", "road"],
        "before": ["plain", "sea"],
        "before_confidence": [0.99, 0.9],
        "after": ["sea", "road"],
        "after_confidence": [0.8, 0.7],
        "in all seeds": [True, False],
    }
)
PAIR, SEEDS = ("baseline", "cutmix"), {"baseline": [42, 43, 44], "cutmix": [42, 43, 44]}


def caption(kind, churn, seeds=SEEDS):
    return comparison.gallery(kind, DRAWN, 807, PAIR, seeds, churn)["caption"]


@pytest.mark.parametrize("kind", ["corrected", "regressed"])
def test_a_gallery_says_how_many_another_seed_would_change(kind):
    text = caption(kind, SEVERAL)
    assert "1 of the 2 shown is so in every pair of seeds." in text
    word = {"corrected": "corrected", "regressed": "lost"}[kind]
    assert f"655 with baseline and 593 with CutMix are {word}" in text


def test_what_both_get_wrong_is_changed_by_nobody():
    text = caption("both wrong", SEVERAL)
    assert "1 of the 2 shown is so in every pair of seeds." in text and "655" not in text


def test_with_one_seed_it_is_said_once_not_to_be_known():
    alone = {"baseline": [42], "cutmix": [42]}
    assert "known" not in caption("corrected", ONE, alone) + comparison.churn_caption(alone)
    assert "not known from one seed" in comparison.beside_seeds({"churn": ONE})


def test_corrected_and_lost_stand_beside_those_of_another_seed():
    assert comparison.beside_seeds({"churn": SEVERAL}) == (
        "from one seed of an arm to another, 655 with baseline and 593 with CutMix are corrected, "
        "and as many are lost"
    )


def test_a_class_stands_beside_what_it_does_between_two_seeds():
    table = pd.DataFrame({"change": [4.0, -2.0], "another_seed": [3.0, 5.0]}, index=["sea", "road"])
    text = comparison.classes(table, *PAIR, SEEDS)["caption"]
    assert "moves by 3.0 points on average, between two seeds of one arm by 4.0" in text
    unknown = table.assign(another_seed=float("nan"))
    assert "two seeds" not in comparison.classes(unknown, *PAIR, SEEDS)["caption"]
