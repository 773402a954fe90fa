"""Groups by metadata: numbers by hand and against SciPy; false discoveries; words."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, false_discovery_control
from synthetic import run

from lib.evaluation.metrics import groups
from lib.evaluation.per_image import columns


@pytest.fixture
def trained():
    return {
        "a": {0: run(0, signal=1.0), 1: run(1, signal=1.0), 2: run(2, signal=1.0)},
        "b": {1: run(3, signal=2.5), 0: run(4, signal=2.5)},
    }


def sheet(**values):
    return pd.DataFrame(values)


def test_every_number_of_a_group(trained):
    camera = np.repeat(["old", "new"], [100, 200])
    numbers = groups.group_numbers(trained, ("a", "b"), sheet(camera=camera))
    new, old = numbers["columns"]["camera"]["groups"]
    assert [(one["group"], one["images"]) for one in (new, old)] == [("new", 200), ("old", 100)]
    right = {arm: [one.test.correct[100:] for one in of.values()] for arm, of in trained.items()}
    assert new["arms"]["a"]["accuracy"] == pytest.approx(np.mean(right["a"]))
    sure = [
        (~one.test.correct & (columns(one.test).confidence >= 0.9))[100:].sum()
        for one in trained["a"].values()
    ]
    assert new["arms"]["a"]["confident_errors"]["each"] == sure
    # pairs are of the seeds 0 and 1, whatever their order
    paired = np.mean(right["b"]) - np.mean(right["a"][:2])
    assert new["change"]["estimate"] == pytest.approx(paired)
    assert new["change"]["low"] < paired < new["change"]["high"]


def test_one_seeds_p_value_is_mcnemars_and_its_limits_are_exact(trained):
    one = {arm: {0: of_seeds[0]} for arm, of_seeds in trained.items()}
    half = np.repeat(["x", "y"], 150)
    record = groups.group_numbers(one, ("a", "b"), sheet(half=half))["columns"]["half"]["groups"][0]
    a, b = (one[arm][0].test.correct[:150] for arm in ("a", "b"))
    changed = int(np.sum(a != b))
    assert record["p_value"] == pytest.approx(binomtest(int(np.sum(~a & b)), changed).pvalue)
    exact = binomtest(int(a.sum()), 150).proportion_ci()
    of_a = record["arms"]["a"]
    assert (of_a["low"], of_a["high"]) == pytest.approx((exact.low, exact.high))


def test_false_discoveries_are_held_over_all_columns_together(trained):
    generator = np.random.default_rng(0)
    values = {f"column {place}": generator.choice(list("uvw"), 300) for place in range(3)}
    numbers = groups.group_numbers(trained, ("a", "b"), sheet(**values))
    records = [one for column in numbers["columns"].values() for one in column["groups"]]
    adjusted = false_discovery_control([one["p_value"] for one in records])
    assert [one["p_adjusted"] for one in records] == pytest.approx(adjusted)
    assert numbers["tested"] == 9 and numbers["beyond_chance"] == np.sum(adjusted < 0.05) > 0


def test_two_copies_of_an_arm_change_in_no_group(trained):
    equal = {"a": trained["a"], "b": trained["a"]}
    numbers = groups.group_numbers(equal, ("a", "b"), sheet(x=np.arange(300) % 4))
    assert numbers["beyond_chance"] == 0
    assert {one["change"]["estimate"] for one in numbers["columns"]["x"]["groups"]} == {0.0}


def test_ids_are_text_and_those_without_metadata_are_a_group():
    metadata = sheet(camera=["A", "", "B"]).set_axis(["1", "007", "99"])
    rows, matched = groups.assign(metadata, [1, "007", 7])
    assert rows["camera"].tolist() == ["A", groups.EMPTY, groups.ABSENT]
    assert matched == {"missing": 1, "other_ids": 1}
    assert groups.notes({"columns": {}}, matched) == [
        "1 test image not in the metadata: a group of their own",
        "1 id of the metadata is no test image's (of validation, perhaps)",
    ]


@pytest.mark.parametrize(
    "values, note",
    [
        (np.arange(300), "as many values as images: no groups"),
        (np.zeros(300), "one value for all images: no groups"),
        (np.arange(300) // 2, "fewer than two groups of 6 images or more: nothing to compare"),
    ],
)
def test_columns_that_make_no_groups_are_told_in_words(trained, values, note):
    numbers = groups.group_numbers(trained, ("a", "b"), sheet(x=values))
    assert numbers["columns"]["x"]["groups"] == [] and note in numbers["columns"]["x"]["note"]
    assert len(groups.groups_view(numbers)) == 0 and len(groups.notes(numbers, matched=ALL)) == 1


ALL = {"missing": 0, "other_ids": 0}


def test_groups_of_one_and_of_five_are_shown_and_not_tested(trained):
    values = np.array(["many"] * 150 + ["some"] * 143 + ["five"] * 5 + ["one", "lone"])
    numbers = groups.group_numbers(trained, ("a", "b"), sheet(x=values))
    column = numbers["columns"]["x"]
    assert column["note"] == "2 of 5 groups of one image; 3 of fewer than 6: not tested"
    small = [one for one in column["groups"] if one["images"] < 6]
    assert len(small) == 3 and numbers["tested"] == 2
    for one in small:
        assert one["p_value"] is one["p_adjusted"] is one["change"]["low"] is None
        assert one["arms"]["a"]["low"] is None
    view, table = groups.groups_view(numbers), groups.groups_table(numbers)
    assert len(view) == len(table) == 5
    assert view["adjusted p"].isna().tolist() == [False, False, True, True, True]
    assert float(view["a errors at ≥ 90%"][0]) == pytest.approx(
        column["groups"][0]["arms"]["a"]["confident_errors"]["mean"], abs=0.051
    )
    assert " to " in view["a accuracy (95%)"][0] and " to " not in view["a accuracy (95%)"][4]


def test_one_arm_has_accuracies_and_no_change(trained):
    numbers = groups.group_numbers(trained, ("a",), sheet(x=np.arange(300) % 2))
    assert numbers["tested"] == 0 and "change" not in numbers["columns"]["x"]["groups"][0]
    assert list(groups.groups_view(numbers).columns) == [
        "column",
        "group",
        "images",
        "a accuracy (95%)",
        "a errors at ≥ 90%",
    ]


def test_arms_without_a_common_seed_are_paired_as_everywhere(trained):
    apart = {"a": trained["a"], "b": {7: trained["b"][1], 8: trained["b"][0]}}
    half = np.repeat(["x", "y"], 150)
    found = groups.group_numbers(apart, ("a", "b"), sheet(half=half))["columns"]["half"]["groups"]
    right = [[one.test.correct[:150] for one in of.values()][:2] for of in apart.values()]
    assert found[0]["change"]["estimate"] == pytest.approx(np.mean(right[1]) - np.mean(right[0]))


def test_a_p_value_of_nought_is_a_finding(trained, monkeypatch):
    monkeypatch.setattr(groups, "benjamini_hochberg", lambda values: np.zeros(len(values)))
    half = np.repeat(["x", "y"], 150)
    assert groups.group_numbers(trained, ("a", "b"), sheet(half=half))["beyond_chance"] == 2
