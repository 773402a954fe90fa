"""Top-k, macro-F1 and balanced accuracy against scikit-learn's; ties; the classes at both ends."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, f1_score, top_k_accuracy_score
from synthetic import run

from lib.base import artefacts
from lib.evaluation.metrics import classes, spread

NAMES = [f"class {number}" for number in range(8)]


@pytest.mark.parametrize("top", [1, 3, 5])
def test_top_k_is_scikit_learns_where_nothing_is_tied(top, monkeypatch):
    test = run(1, classes=8).test
    expected = top_k_accuracy_score(test.labels, test.logits, k=top)
    assert classes.top_hits(test.logits, test.labels, top).mean() == pytest.approx(expected)
    monkeypatch.setattr(artefacts, "CELLS", 8 * 7)  # blocks of 7 rows
    assert classes.top_hits(test.logits, test.labels, top).mean() == pytest.approx(expected)


def test_ties_count_by_their_chance_whatever_the_order_of_rows_and_classes():
    logits = np.array([[3.0, 2, 2, 2, 1], [2, 2, 2, 2, 2], [5, 4, 1, 1, 1]])
    labels = np.array([2, 4, 2])
    # two of the four places are left for three tied classes at top 3, three for five, one for three
    assert classes.top_hits(logits, labels, 3) == pytest.approx([2 / 3, 3 / 5, 1 / 3])
    order, rows = np.array([4, 2, 0, 3, 1]), np.array([2, 0, 1])
    again = classes.top_hits(logits[:, order], np.argsort(order)[labels], 3)
    assert again == pytest.approx(classes.top_hits(logits, labels, 3))
    assert classes.top_hits(logits[rows], labels[rows], 3) == pytest.approx(again[rows])


def test_macro_f1_and_balanced_accuracy_are_scikit_learns():
    generator = np.random.default_rng(0)
    labels, predicted = generator.integers(6, size=200), generator.integers(7, size=200)
    # class 7 has neither image nor prediction, class 6 predictions alone
    assert classes.macro_f1(labels, predicted, 8) == pytest.approx(
        f1_score(labels, predicted, average="macro", zero_division=0)
    )
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        expected = balanced_accuracy_score(labels, predicted)
    assert classes.balanced_accuracy(labels, predicted, 8) == pytest.approx(expected)


def test_the_ends_are_ranked_and_their_intervals_hold_together():
    of_seeds = {seed: run(seed, classes=8) for seed in (0, 1)}
    table = classes.class_accuracies(of_seeds, NAMES)
    right = np.mean([one.test.correct for one in of_seeds.values()], axis=0)
    labels = of_seeds[0].test.labels
    each = {name: right[labels == number].mean() for number, name in enumerate(NAMES)}
    assert dict(zip(table["class"], table["accuracy"])) == pytest.approx(each)
    assert table["accuracy"].is_monotonic_increasing
    one_seed = classes.class_accuracies({0: of_seeds[0]}, NAMES).iloc[0]
    exact = binomtest(round(one_seed.accuracy * one_seed.images), int(one_seed.images))
    expected = exact.proportion_ci(1 - 0.05 / 8)
    assert (one_seed.low, one_seed.high) == pytest.approx((expected.low, expected.high))


def test_a_class_without_images_is_neither_worst_nor_best():
    numbers = classes.class_numbers({"a": {0: run(0, classes=6)}}, [*"abcdef", "none"])["a"]
    named = [row["class"] for row in numbers["worst"] + numbers["best"]]
    assert sorted(named) == list("abcdef")  # three at each end, none twice


def test_numbers_of_arms_and_seeds_and_what_is_printed():
    trained = {"a": {0: run(0, classes=8), 1: run(1, classes=8)}, "b": {0: run(2, classes=8)}}
    numbers = classes.class_numbers(trained, NAMES)
    each = [run(seed, classes=8).test.correct.mean() for seed in (0, 1)]
    assert numbers["a"]["top"]["mean"] > np.mean(each)
    assert numbers["a"]["macro_f1"]["n"] == 2 and numbers["b"]["macro_f1"]["sd"] is None
    view = classes.class_numbers_view(numbers)
    assert (
        list(view.columns) == ["", "a", "b"] and " ± " in view["a"][0] and "±" not in view["b"][0]
    )
    ends = classes.ends_view(numbers)
    assert list(ends.columns) == ["a, worst", "a, best", "b, worst", "b, best"] and len(ends) == 4
    assert ends["a, worst"][0].startswith(numbers["a"]["worst"][0]["class"])


def test_of_five_classes_the_first_five_say_nothing():
    numbers = classes.class_numbers({"a": {0: run(0, classes=5)}}, list("abcde"))["a"]
    assert numbers["top"] is None and numbers["note"] == "of 5 classes the first 5 are all"
    assert classes.class_numbers_view({"a": numbers})["a"].isna().tolist() == [True, False, False]


def test_the_spread_of_seeds():
    assert spread([1, 3]) == {"mean": 2, "sd": pytest.approx(2**0.5), "n": 2, "each": [1, 3]}
