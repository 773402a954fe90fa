"""Arms are matched by the names of their classes and the ids of their rows."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.base.errors import DataError
from lib.data import matching
from lib.data.predictions_file import Part, PredictionsFile

NAMES = ["ape", "cat2", "cat10"]
SIZE = 200


def part(size=SIZE, seed=0, prefix="t"):
    random = np.random.default_rng(seed)
    ids = np.array([f"{prefix}{number}" for number in range(size)], object)
    labels = np.arange(size) % 3
    return Part(ids, labels, random.normal(size=(size, 3)).astype(np.float32))


def file(test=None, val=None, names=NAMES, **more):
    given = {"named": True, "has_ids": True, "kind": "logits", "hard": False, "notes": []} | more
    return PredictionsFile(
        Path("arm.npz"), list(names), val=val, test=part() if test is None else test, **given
    )


def rows(one: Part, chosen) -> Part:
    return Part(*(values[chosen] for values in one))


def same(one: Part, other: Part) -> bool:
    return all(np.array_equal(*values) for values in zip(one, other))


def test_rows_and_classes_in_another_order_are_the_same_to_the_bit():
    plain = file(val=part(40, 1, "v"))
    order = [2, 0, 1]

    def turned(one):
        back = rows(one, slice(None, None, -1))
        return Part(back.ids, np.argsort(order)[back.labels], back.logits[:, order])

    other = file(turned(plain.test), turned(plain.val), [NAMES[place] for place in order])
    alone = matching.match({"a": plain}).parts["a"]
    matched = matching.match({"a": other, "b": plain})
    assert matched.class_names == NAMES and matched.notes == [] and not matched.set_aside
    for split in ("val", "test"):
        assert same(matched.parts["a"][split], matched.parts["b"][split])
        assert same(matched.parts["a"][split], alone[split])
    assert sorted(alone["test"].ids) == sorted(plain.test.ids)


def test_what_is_not_in_every_arm_is_counted_and_named():
    one, other = part(), rows(part(seed=1), slice(3, None))
    matched = matching.match({"a": file(one), "b": file(other)})
    assert matched.notes[0] == (
        "3 of 200 test ids of a are not in every arm and are left out: 't0', 't1', 't2'"
    )
    kept = [matched.parts["a"][split].ids for split in ("val", "test")]
    assert sorted(np.concatenate(kept)) == sorted(other.ids)


def test_rows_are_set_aside_by_the_hash_of_their_id_in_every_arm():
    matched = matching.match({"a": file(), "b": file(part(seed=1), part(30, 2, "v"))})
    assert matched.set_aside
    chosen = {
        one
        for one in part().ids
        if int.from_bytes(
            hashlib.blake2b(one.encode(), digest_size=8, key=b"validation").digest(), "little"
        )
        < 0.2 * 2**64
    }
    for arm in "ab":
        assert set(matched.parts[arm]["val"].ids) == chosen
        assert set(matched.parts[arm]["test"].ids) == set(part().ids) - chosen
    assert matched.notes == [
        f"a without validation rows: of the test ids of all arms {len(chosen)} of 200 (20% asked "
        "for, by a hash of the id in [0, 0.2)) are set aside for validation and tested by no arm",
        "the 30 validation rows of b are left out",
    ]


def test_the_end_of_a_share_is_not_in_it():
    places = np.array([0.0, 0.2, np.nextafter(0.2, 0), 0.5])
    assert matching.below(places, 0.2).tolist() == [True, False, True, False]


def test_places_of_ids_are_even_and_of_each_purpose_their_own():
    ids = list(map(str, range(20_000)))
    one, other = (matching.place_of_id(ids, purpose) for purpose in ("validation", "half"))
    assert 0 <= one.min() and one.max() < 1
    for places in (one, other):
        np.testing.assert_allclose(np.histogram(places, 10, (0, 1))[0], 2000, atol=200)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert (matching.place_of_id(ids[::-1], "half") == other[::-1]).all()


@pytest.mark.parametrize(
    "other, words",
    [
        (file(names=["ape", "cat2", "dog"]), r"1 \('cat10'\) only in a, 1 \('dog'\) only in b"),
        (file(part(prefix="x")), "no test id in common: 't0' in a, 'x0' in b"),
        (
            file(part()._replace(labels=(np.arange(SIZE) + 1) % 3)),
            "200 of 200 test labels .* differ",
        ),
        (file(has_ids=False), "b has no ids, a has"),
        (file(part(prefix="x"), part(5)), r"5 \('t0'\) ids are validation rows of b and test"),
    ],
)
def test_arms_that_do_not_belong_together_are_refused_in_one_line(other, words):
    with pytest.raises(DataError, match=words) as caught:
        matching.match({"a": file(), "b": other})
    assert "\n" not in str(caught.value)


def test_a_label_that_differs_names_the_id_and_both_classes():
    wrong = part()
    wrong.labels[7] = 0
    with pytest.raises(DataError, match="1 of 200 .* id 't7' is 'cat2' in a, 'ape' in b"):
        matching.match({"a": file(), "b": file(wrong)})


def test_without_ids_rows_are_matched_by_place_where_all_labels_agree():
    def by_place(one):
        return file(
            one._replace(ids=np.array(list(map(str, range(len(one.ids)))), object)), has_ids=False
        )

    matched = matching.match({"a": by_place(part()), "b": by_place(part(seed=1))})
    assert "matched by their place" in matched.notes[0]
    with pytest.raises(DataError, match="labels .* differ"):
        matching.match({"a": by_place(part()), "b": by_place(rows(part(), slice(None, None, -1)))})
    with pytest.raises(DataError, match="200 test rows, b 150, and no ids"):
        matching.match({"a": by_place(part()), "b": by_place(rows(part(), slice(150)))})
    validated = [replace(by_place(part()), val=part(size, 1)) for size in (9, 6)]
    with pytest.raises(DataError, match="9 val rows, b 6, and no ids"):
        matching.match(dict(zip("ab", validated)))


def test_an_arm_without_class_names_takes_those_of_the_first_that_has_some():
    unnamed = file(names=["0", "1", "2"], named=False)
    first = file(names=["dog", "bee", "cat"])
    matched = matching.match({"a": unnamed, "b": first})
    assert matched.class_names == ["bee", "cat", "dog"]
    assert same(matched.parts["a"]["test"], matched.parts["b"]["test"])
    with pytest.raises(DataError, match="b has 3 classes, a has 2"):
        two = replace(first, class_names=["x", "y"], test=Part(*part()[:2], np.zeros((SIZE, 2))))
        matching.match({"a": two, "b": unnamed})


def test_the_data_give_the_order_of_rows_and_classes():
    data = file(part()._replace(logits=np.zeros((SIZE, 0))), part(9, 1, "t"), names=NAMES[::-1])
    arm = file(rows(part(), slice(None, None, -2)), part(9, 1, "t"), names=NAMES[::-1])
    matched = matching.match({"a": arm}, data)
    assert matched.class_names == NAMES[::-1]
    assert matched.parts["a"]["test"].ids.tolist() == part().ids[1::2].tolist()
    assert "100 of 200 test ids of the data are not in every arm" in matched.notes[0]


def test_too_few_rows_to_set_some_aside_are_refused():
    with pytest.raises(DataError, match="too few to set 20% of them aside"):
        matching.match({"a": file(part(1))})
