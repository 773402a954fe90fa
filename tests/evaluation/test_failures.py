"""Which errors are looked at: the rules are stated, hold without a network, and do not depend on
the order of the rows."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.base.config import ParameterError
from lib.data.phantom import draw
from lib.evaluation import failures
from lib.evaluation.calibration import fit_temperature, softmax
from lib.training.record import Predictions


def test_a_half_is_the_parity_of_the_id_whatever_else_is_asked_for():
    assert failures.half([1214, 8225, 0]).tolist() == ["discovery", "confirmation", "discovery"]
    ids = np.random.default_rng(0).permutation(10_000)
    halves = failures.half(ids)
    assert (halves[:100] == failures.half(ids[:100])).all() and (
        halves == "discovery"
    ).sum() == 5_000


@pytest.mark.parametrize("seed", [42, 43])
def test_the_phantoms_classes_and_causes_are_alike_in_both_halves(seed):
    plan = draw._plan("test", 4_000, seed)
    first = failures.half(np.arange(4_000)) == "discovery"
    for what in ("labels", "cause"):
        counts = np.bincount(plan[what])
        expected = np.abs(np.bincount(plan[what][first]) - counts / 2)
        assert (expected < 4 * np.sqrt(counts) / 2).all()  # four standard deviations of a fair coin


def test_the_temperature_ranks_images_anew_and_changes_no_prediction():
    logits = np.array([[4.8, 0.0, 0.0, 0.0], [3.5, 0.0, -40.0, -40.0], [0.0, 1.0, 0.0, 0.0]])
    sharp, flat = softmax(logits).max(1), softmax(logits, 3.0).max(1)
    # many small rivals weigh more when logits are divided
    assert sharp[0] > sharp[1] and flat[0] < flat[1]
    assert (
        np.argsort(softmax(logits), 1, kind="stable")
        == np.argsort(softmax(logits, 3.0), 1, kind="stable")
    ).all()


def arm_of(*predicted) -> dict:
    """Runs by seed that predict these classes of images that are all of class 0."""
    return {
        seed: SimpleNamespace(
            val=Predictions(np.arange(2), np.zeros(2, int), np.eye(3)[[0, seed % 3]]),
            test=Predictions(
                np.arange(len(of_seed)),
                np.zeros(len(of_seed), int),
                np.eye(3)[of_seed] * (1 + 0.1 * seed),
            ),
        )
        for seed, of_seed in enumerate(map(list, predicted))
    }


def test_an_error_is_persistent_shifting_or_of_this_network_alone():
    of_seeds = arm_of([0, 1, 1, 1, 2], [1, 1, 2, 0, 2], [0, 1, 1, 1, 2])
    kinds = ["", "persistent", "shifting", "of this network", "persistent"]
    assert failures.persistence(of_seeds[0], of_seeds).tolist() == kinds
    assert failures.persistence(of_seeds[1], of_seeds).tolist() == [
        "of this network",
        "persistent",
        "shifting",
        "",
        "persistent",
    ]
    # one seed, or copies of one, cannot tell
    alone = {0: of_seeds[0], 1: of_seeds[0]}
    assert set(failures.persistence(of_seeds[0], alone)) == {""}


def test_persistent_errors_are_mined_first_and_counted_at_each_confidence():
    table = pd.DataFrame(
        {
            "id": [2, 4, 6, 8, 10],
            "half": "discovery",
            "true": "a",
            "predicted": list("bcdef"),
            "confidence": [0.999, 0.995, 0.95, 0.6, 0.4],
            "scaled_confidence": [0.99, 0.9, 0.8, 0.5, 0.3],
            "correct": False,
            "persistence": [
                "of this network",
                "persistent",
                "shifting",
                "persistent",
                "of this network",
            ],
        }
    )
    ranked = failures.errors(table)
    assert failures.mine(ranked, 3)["id"].tolist() == [4, 8, 6]
    assert failures.mine(ranked.drop(columns="persistence"), 3)["id"].tolist() == [2, 4, 6]
    shares = pd.DataFrame(failures.persistence_shares(ranked)).set_index("confidence")
    assert shares.loc[0, ["errors", *failures.PERSISTENCE]].tolist() == [5, 2, 1, 2]
    assert shares.loc[0.9, ["errors", *failures.PERSISTENCE]].tolist() == [3, 1, 1, 1]
    assert failures.persistence_shares(ranked.assign(persistence="")) is None
    assert failures.persistence_shares(ranked.drop(columns="persistence")) is None


def test_the_table_has_both_confidences_and_the_half():
    generator = np.random.default_rng(0)
    names = ["a", "b", "c"]
    splits = SimpleNamespace(
        class_names=names,
        superclass=np.array([0, 0, 1]),
        superclass_names=["x", "y"],
        test=SimpleNamespace(planted=None, files=None),
    )
    parts = [
        Predictions(
            np.arange(300), generator.integers(3, size=300), 5 * generator.standard_normal((300, 3))
        )
        for _ in range(2)
    ]
    run = SimpleNamespace(val=parts[0], test=parts[1])
    table = failures.test_table(run, splits)
    temperature = fit_temperature(run.val.logits, run.val.labels)
    assert temperature > 2 and table["scaled_confidence"].to_numpy() == pytest.approx(
        softmax(run.test.logits, temperature).max(1)
    )
    assert table["confidence"].to_numpy() == pytest.approx(softmax(run.test.logits).max(1))
    assert (table["half"] == np.where(table["id"] % 2, "confirmation", "discovery")).all()
    ranked = failures.errors(table)
    assert ranked["scaled_confidence"].is_monotonic_decreasing and not ranked["correct"].any()


def errors_of(*rows):
    return pd.DataFrame(rows, columns=["id", "true", "predicted", "scaled_confidence"]).assign(
        half=lambda table: failures.half(table["id"])
    )


def test_mined_are_the_surest_of_the_discovery_half_once_a_pair_without_the_named():
    ranked = errors_of(
        (1, "a", "b", 0.99),
        (2, "a", "b", 0.98),
        (4, "a", "b", 0.97),
        (6, "b", "a", 0.96),
        (8, "c", "a", 0.95),
        (10, "c", "b", 0.94),
    )
    assert failures.mine(ranked, 3, without=[8])["id"].tolist() == [2, 6, 10]
    planted = ranked.assign(cause=["none", "wrong", "none", "wrong", "wrong", "background"])
    assert failures.mine(planted, 3)["id"].tolist() == [2, 10, 6]
    assert (
        failures.mine(ranked, 0)["id"].tolist()
        == []
        == failures.mine(ranked.iloc[:1], 5)["id"].tolist()
    )


@pytest.mark.parametrize(
    "text, said",
    [
        ("cases: 3", "expected 'cases:'"),
        ("cases:\n  - {id: 1}", "expected 'cases:'"),
        ("cases:\n  - {id: a, hypothesis: b}", "whole numbers"),
        ("cases:\n  - {id: 1, hypothesis: b}\n  - {id: 1, hypothesis: c}", "each given once"),
        ("cases:\n  - {id: 77, hypothesis: b}", "no test image has id 77"),
    ],
)
def test_cases_that_cannot_be_are_one_clear_line(tmp_path, text, said):
    path = tmp_path / "cases.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=said) as error:
        failures.read_cases(str(path), np.arange(10))
    assert "\n" not in str(error.value)
