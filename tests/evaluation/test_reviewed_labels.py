"""Accuracy on sets of test images, counted by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.evaluation import labels
from lib.evaluation.paired import difference_of_means

LABELS = np.array([0, 0, 1, 1, 2, 2])
PAIR = ("baseline", "cutmix")


def run(*predicted):
    return SimpleNamespace(test=SimpleNamespace(labels=LABELS, predicted=np.array(predicted)))


@pytest.fixture
def runs():
    # 3 and 3 of 6 right
    return {
        "baseline": run(0, 1, 1, 0, 2, 1),
        "cutmix": run(0, 1, 1, 1, 0, 1),
    }


@pytest.fixture
def opinion():
    rejected = np.array([False, True, False, False, False, True])
    return labels.Opinion(
        np.ones(6, bool),
        rejected,
        np.array([0, 1, 1, 1, 2, -1]),
        np.array(list("abcdef"), object),
        "reviewers",
    )


def test_three_label_sets_with_and_without_near_duplicates(runs, opinion):
    duplicates = np.array([True, False, False, False, False, False])
    table = labels.rescored(runs, PAIR, opinion, duplicates)
    assert table[["labels", "duplicates", "images"]].to_numpy().tolist() == [
        ["as recorded", "kept", 6],
        ["rejected removed", "kept", 4],
        ["corrected", "kept", 5],
        ["as recorded", "removed", 5],
        ["rejected removed", "removed", 3],
        ["corrected", "removed", 4],
    ]
    assert table["baseline"].tolist() == pytest.approx([3 / 6, 3 / 4, 4 / 5, 2 / 5, 2 / 3, 3 / 4])
    assert table["cutmix"].tolist() == pytest.approx([3 / 6, 3 / 4, 4 / 5, 2 / 5, 2 / 3, 3 / 4])
    assert (table["change"] == 0).all() and (table["low"] < 0).all() and (table["high"] > 0).all()


def test_the_interval_is_that_of_the_comparison(runs):
    table = labels.rescored(runs, PAIR, None, np.array([True] + 5 * [False]))
    expected = difference_of_means(*(of_arm.test.predicted == LABELS for of_arm in runs.values()))
    assert table.loc[0, ["change", "low", "high"]].tolist() == list(expected)
    assert table["labels"].tolist() == ["as recorded", "as recorded"]


def test_nothing_known_is_no_table_and_an_empty_set_no_row(runs, opinion):
    assert labels.rescored(runs, PAIR, None, None).empty
    assert labels.rescored(runs, PAIR, opinion, np.ones(6, bool))["duplicates"].tolist() == 3 * [
        "kept"
    ]


def test_the_view_names_near_duplicates_only_where_they_are_known(runs, opinion):
    table = labels.rescored(runs, PAIR, opinion, None)
    view = labels.rescored_view(table, ["baseline", "cutmix"])
    assert list(view) == [
        "labels",
        "images",
        "baseline",
        "CutMix",
        "change, points (95%)",
    ] and view["baseline"].tolist() == ["50.0%", "75.0%", "80.0%"]
    assert "near-duplicates" in labels.rescored_view(
        labels.rescored(runs, PAIR, opinion, LABELS == 0), ["baseline"]
    )


def test_suspicions_are_scored_on_the_labels_that_somebody_looked_at(opinion):
    looked = np.array([True, True, True, False, True, True])
    opinion = labels.Opinion(
        looked, opinion.rejected, opinion.corrected, opinion.words, "reviewers"
    )
    suspects = pd.DataFrame(
        {
            "split": ["test"] * 4 + ["val"],
            "position": [1, 2, 3, 5, 0],
            "suggested_class": [1, 0, 0, 0, 1],
        }
    )
    errors = pd.DataFrame({"position": [1, 3, 5], "scaled_confidence": [0.95, 0.9, 0.2]})
    cases = pd.DataFrame(
        {"id": [11, 13, 12], "position": [1, 3, 2], "why": ["named", "named", "mined"]}
    )
    known = labels.rescored_numbers(
        pd.DataFrame(), opinion, None, errors, suspects, [], [], cases, ["none", "one", "two"]
    )["opinion"]
    # nobody looked at 13, and 12 is not named
    assert known["named"] == [{"id": 11, "corrected": "one"}]
    # position 1 was chosen as a case, 3 was not looked at: of 2 and 5, 5 is rejected
    found = known["suspected"]
    assert [found[name] for name in ("all", "found", "wanted", "hits")] == [4, 2, 1, 1]
    assert found["precision"]["estimate"] == 0.5 and found["recall"]["estimate"] == 1
    assert known["named_alike"]["of"] == 0
    unchosen = labels.rescored_numbers(
        *(pd.DataFrame(), opinion, None, errors, suspects, [], []),
        *(cases.assign(why="mined"), ["none", "one", "two"]),
    )["opinion"]
    assert unchosen["suspected"]["hits"] == 2 and unchosen["named_alike"]["estimate"] == 1
    assert known["rejected_among_errors"]["estimate"] == pytest.approx(2 / 3)
    assert known["sure_errors"] == 2 and known["rejected_among_sure_errors"]["estimate"] == 0.5
    assert (
        labels.rescored_numbers(
            pd.DataFrame(),
            None,
            None,
            errors,
            suspects,
            [],
            ["label_review.json"],
            cases,
            ["none", "one", "two"],
        )["opinion"]
        is None
    )


def test_rejected_labels_are_counted_by_what_other_seeds_make_of_the_error(opinion):
    errors = pd.DataFrame(
        {
            "position": [0, 1, 2, 5],
            "persistence": ["of this network", "persistent", "persistent", "persistent"],
        }
    )
    # 1 and 5 are rejected
    found = labels.rejected_by_persistence(errors, opinion)
    assert found["persistent"]["errors"] == 3
    assert found["persistent"]["estimate"] == pytest.approx(2 / 3)
    assert found["of this network"]["estimate"] == 0 and found["shifting"]["estimate"] is None
    assert labels.rejected_by_persistence(errors.assign(persistence=""), opinion) is None
    assert labels.rejected_by_persistence(errors[["position"]], opinion) is None
