"""An arm in place of the one before: the same numbers as if it had been named; classes by chance
against draws and SciPy; epochs."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, poisson_binom
from synthetic import run

from lib.evaluation import bootstrap, candidates, changes, failures, summary
from lib.evaluation.paired import classes_moved

NAMES = list("abcde")
SPLITS = SimpleNamespace(
    class_names=NAMES,
    superclass=np.zeros(5, int),
    superclass_names=["all"],
    test=SimpleNamespace(planted=None, files=None, index=np.arange(300)),
)
PAIR = ("a", "c")


@pytest.fixture(scope="module")
def study():
    trained = {
        arm: {seed: run(10 * place + seed, signal=signal) for seed in (0, 1)}
        for place, (arm, signal) in enumerate({"a": 1.0, "b": 2.0, "c": 2.5}.items())
    }
    numbers = {arm: summary.arm_numbers(of_seeds) for arm, of_seeds in trained.items()}
    temperatures = {arm: of_arm["temperature"]["each"] for arm, of_arm in numbers.items()}
    return trained, numbers, bootstrap.resample(trained, temperatures, 100)


def test_a_candidate_has_the_numbers_that_it_would_have_as_the_arm_before(study):
    trained, numbers, sampled = study
    table = failures.test_table(trained["a"][0], SPLITS)
    selection = failures.selection(table, failures.read_cases("", np.arange(300)), 3)
    found = candidates.in_place_of(trained, PAIR, numbers, sampled, SPLITS, selection, 0.2)
    assert list(found) == ["b"]
    named = changes.paired_numbers(trained, ("b", "c"), numbers, sampled, 0.2)
    classes = changes.class_table(trained["b"], trained["c"], NAMES)
    for key, value in named.items():
        assert found["b"][key] == value, key
    assert found["b"]["class_change"] == changes.class_change(classes)
    assert classes_moved(classes).items() <= found["b"]["classes"].items()
    first = found["b"]["cases"][0]
    row = failures.test_table(trained["b"][0], SPLITS).set_index("id").loc[first["id"]]
    # under the name of the arm before, as claims ask for it
    assert first["a predicts"] == row["predicted"]
    assert first["a confidence"] == row["confidence"] and "c right" in first


def test_one_arm_has_no_candidates(study):
    trained, numbers, sampled = study
    assert candidates.in_place_of(trained, ("a",), numbers, sampled, SPLITS, pd.DataFrame()) == {}


def test_of_classes_that_change_by_chance_about_half_are_no_worse(study):
    trained, *_ = study
    a, c = trained["a"][0].test, trained["c"][0].test
    ends = candidates.no_worse_by_chance({0: trained["a"][0]}, {0: trained["c"][0]})
    ends = ends["no_worse_by_chance"]
    changed = [int(np.sum((a.correct != c.correct) & (a.labels == k))) for k in range(5)]
    # of n images an even number is a tie with the chance of n / 2 heads
    ties = [binom.pmf(n // 2, n, 0.5) if n % 2 == 0 else 0.0 for n in changed]
    chance = [(1 + tie) / 2 for tie in ties]
    assert ends["estimate"] == pytest.approx(sum(chance))
    below = poisson_binom(chance).cdf(np.arange(6))
    assert ends["low"] == np.argmax(below >= 0.025) and ends["high"] == np.argmax(below >= 0.975)


def test_over_several_seeds_it_is_what_flipped_images_show(study):
    trained, *_ = study
    ends = candidates.no_worse_by_chance(trained["a"], trained["c"])["no_worse_by_chance"]
    change = sum(
        trained["c"][seed].test.correct.astype(int) - trained["a"][seed].test.correct
        for seed in (0, 1)
    )
    signs = np.random.default_rng(0).choice([-1, 1], (4000, 300)) * change
    labels = trained["a"][0].test.labels
    sums = np.stack([signs[:, labels == k].sum(1) for k in range(5)])
    assert ends["estimate"] == pytest.approx((sums >= 0).sum(0).mean(), abs=0.06)


def test_copies_of_one_run_are_no_worse_in_every_class(study):
    trained, *_ = study
    ends = candidates.no_worse_by_chance(trained["a"], trained["a"])["no_worse_by_chance"]
    assert ends == {"estimate": 5.0, "low": 5.0, "high": 5.0}


def test_epochs_are_means_over_seeds():
    one, other = run(0), run(1)
    other.history.loc[1, "val_loss"] = 0.7
    records = candidates.histories({"a": {0: one, 1: other}})["a"]
    assert [record["epoch"] for record in records] == [1, 2]
    assert records[1]["val_loss"]["mean"] == pytest.approx(0.6)
    assert records[1]["val_loss"]["sd"] == pytest.approx(np.std([0.5, 0.7], ddof=1))
    assert records[0]["val_accuracy"]["each"] == [1.0, 1.0]


def test_a_run_without_a_history_has_no_epochs():
    brought = run(0)
    without = type(brought)(brought.path, brought.info, pd.DataFrame(), brought.val, brought.test)
    assert candidates.histories({"a": {0: without}}) == {"a": []}


def test_images_are_shown_of_the_seed_that_the_two_arms_share(study):
    trained, _, _ = study
    arms = {"a": trained["a"], "c": {1: trained["c"][1], 2: trained["c"][0]}}
    table = failures.test_table(arms["a"][1], SPLITS)
    selection = failures.selection(table, failures.read_cases("", np.arange(300)), 3)
    shown = candidates._cases(arms, dict(zip(PAIR, PAIR)), SPLITS, selection)
    for row in shown:
        assert row["a predicts"] == table.set_index("id").loc[row["id"], "predicted"]


def test_the_number_of_seeds_is_that_of_those_with_a_value():
    entry = summary.entry([0.76, None, 0.70], [0, 1, 2])
    assert (entry["n"], entry["seeds"]) == (2, [0, 1, 2])
    assert entry["sd"] == pytest.approx(np.std([0.76, 0.70], ddof=1))
    assert summary.entry([0.7, None], [0, 1])["sd"] is None
