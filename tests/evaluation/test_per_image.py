"""Logits that outgrow memory: walked in blocks they give the numbers of the whole, and no stage
holds a copy of them."""

import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from synthetic import predictions, run

from lib.base import artefacts
from lib.evaluation import bootstrap, changes, failures, labels, per_image, rejection, summary
from lib.evaluation import calibration as cal
from lib.evaluation.per_image import SCORES
from lib.training import record

SPLITS = SimpleNamespace(
    class_names=[f"class {number}" for number in range(400)],
    superclass=np.zeros(400, int),
    superclass_names=["all"],
    test=SimpleNamespace(planted=None, files=None),
)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_columns_in_blocks_are_those_of_the_whole_table(monkeypatch, temperature):
    part = predictions(3, images=500, classes=7, scale=3.0)
    part.logits[::5, 3] = part.logits[::5, 2]  # ties
    probabilities = cal.softmax(part.logits, temperature)
    order = np.argsort(-probabilities, 1, kind="stable")
    own = np.arange(500)
    for cells in (2**20, 7 * 90):
        monkeypatch.setattr(artefacts, "CELLS", cells)
        again = record.Predictions(part.index, part.labels, part.logits)
        found = per_image.columns(again, temperature)
        for values, expected in (
            (found.likeliest, order[:, 0]),
            (found.runner_up, order[:, 1]),
            (found.confidence, per_image.without_noise(probabilities.max(1))),
            (found.second, per_image.without_noise(probabilities[own, order[:, 1]])),
            (found.true, probabilities[own, part.labels]),
            (found.log_loss, cal.log_losses(part.logits, part.labels, temperature)),
            (found.brier, cal.brier_losses(probabilities, part.labels)),
            (again.predicted, part.logits.argmax(1)),
        ):
            np.testing.assert_array_equal(values, expected)
        by_class = [
            cal.calibration_error(of_class, part.labels == label)
            for label, of_class in enumerate(probabilities.T)
        ]
        assert found.classwise == pytest.approx(np.mean(by_class), abs=1e-14)
        for name, score in SCORES.items():
            np.testing.assert_array_equal(per_image.scores(again)[name], score(part.logits))
        assert per_image.columns(again, temperature) is found, "a second walk"


def test_temperature_and_opinions_in_blocks_are_those_of_the_whole_table(monkeypatch):
    one = run(4, images=600, classes=6, scale=2.5, signal=2.0)
    fitted = cal.fit_temperature(one.val.logits, one.val.labels)
    whole = labels.opinion(one.test.labels, cal.softmax(one.test.logits, fitted))
    monkeypatch.setattr(artefacts, "CELLS", 6 * 70)
    assert fitted == per_image.temperature(one) != 1
    pd.testing.assert_frame_equal(labels.opinion_of(one, "test"), whole, check_exact=True)
    assert (whole["named"] >= 0).any()


@pytest.mark.slow
def test_no_stage_holds_a_copy_of_the_logits_in_float64(monkeypatch):
    """They would take 12 MB, and a softmax of them takes six such copies; what the images have to
    themselves takes 2."""
    monkeypatch.setattr(artefacts, "CELLS", 2**15)
    monkeypatch.setattr(bootstrap, "CELLS", 2**17)
    trained = {
        arm: {0: run(seed, 4_000, classes=400, signal=4.0)} for seed, arm in enumerate(("a", "b"))
    }
    numbers, stages = (
        {},
        {
            "test_table": lambda: failures.test_table(trained["a"][0], SPLITS),
            "suspected": lambda: labels.suspected_in(
                [of_seeds[0] for of_seeds in trained.values()], SPLITS
            ),
            "arm_numbers": lambda: numbers.update(
                {arm: summary.arm_numbers(of_seeds) for arm, of_seeds in trained.items()}
            ),
            "resample": lambda: numbers.update(
                sampled=bootstrap.resample(trained, {"a": [1.5], "b": [1.5]}, 20)
            ),
            "paired": lambda: changes.paired_numbers(
                trained, ("a", "b"), numbers, numbers["sampled"]
            ),
            "promises": lambda: rejection.promises(trained, 0.1),
        },
    )
    for name, stage in stages.items():
        tracemalloc.start()
        stage()
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        assert peak < 7, f"{name}: {peak:.0f} MB"


# --- on disk


def test_large_arrays_are_mapped_small_and_compressed_ones_read(tmp_path, monkeypatch):
    arrays = {
        "logits": np.random.default_rng(0).normal(size=(50, 9)).astype(np.float32),
        "labels": np.arange(50),
    }
    artefacts.write_arrays(tmp_path / "stored.npz", **arrays)
    artefacts.write_bytes(tmp_path / "packed.npz", artefacts.arrays_bytes(**arrays))
    assert not isinstance(artefacts.read_arrays(tmp_path / "stored.npz")["logits"], np.memmap)
    monkeypatch.setattr(artefacts, "LARGE", 1000)
    for name, is_mapped in (("stored.npz", True), ("packed.npz", False)):
        back = artefacts.read_arrays(tmp_path / name, artefacts.sha256_of(tmp_path / name))
        assert isinstance(back["logits"], np.memmap) == is_mapped and not isinstance(
            back["labels"], np.memmap
        )
        for key, values in arrays.items():
            np.testing.assert_array_equal(back[key], values)
            assert back[key].dtype == values.dtype
    with pytest.raises(ValueError, match="read-only"):
        artefacts.read_arrays(tmp_path / "stored.npz")["logits"][0] = 1


def test_a_damaged_mapped_array_is_refused_or_harmless(tmp_path, monkeypatch):
    monkeypatch.setattr(artefacts, "LARGE", 0)
    path = tmp_path / "x.npz"
    artefacts.write_arrays(path, x=np.arange(4.0))
    content, refused = path.read_bytes(), 0
    for place in range(len(content)):
        for changed in (
            content[:place],
            content[:place] + bytes([content[place] ^ 9]) + content[place + 1 :],
        ):
            path.write_bytes(changed)
            try:
                np.array(artefacts.read_arrays(path).get("x"))
            except artefacts.ArtefactError as error:
                refused += str(error).startswith(f"{path}: ")
    assert refused > len(content)


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads Linux's account of memory"
)
def test_a_walk_gives_back_what_it_read_of_a_mapped_array(tmp_path, monkeypatch):
    def held() -> float:
        """MB of files in this process's memory."""
        return int(Path("/proc/self/status").read_text().split("RssFile:")[1].split()[0]) / 1024

    monkeypatch.setattr(artefacts, "LARGE", 0)
    monkeypatch.setattr(artefacts, "CELLS", 2**18)
    artefacts.write_arrays(tmp_path / "x.npz", x=np.ones((6000, 1000), np.float32))  # 23 MB
    table, before = artefacts.read_arrays(tmp_path / "x.npz")["x"], held()
    total, most = 0.0, 0.0
    for _, rows in artefacts.row_blocks(table):
        total, most = total + rows.sum(dtype=np.float64), max(most, held() - before)
    assert total == 6e6 and most < 8


def test_a_runner_up_is_known_where_its_probability_is_0():
    logits = np.float32([[2000, 0, 1000], [0, -1500, -1000]])
    found = per_image.columns(record.Predictions(np.arange(2), np.zeros(2, int), logits))
    assert found.likeliest.tolist() == [0, 0] and found.runner_up.tolist() == [2, 2]


def test_classwise_error_of_a_table_is_that_of_its_own_numbers():
    """0.2 is the edge of a bin, and off it after a logarithm in float32."""
    generator = np.random.default_rng(0)
    shares = generator.permuted(np.tile([0.6, 0.2, 0.2], (500, 1)), axis=1)
    labels = generator.integers(0, 3, 500)
    part = record.Predictions(np.arange(500), labels, np.log(shares).astype(np.float32))
    expected = np.mean(
        [
            sum(
                abs((labels[at] == k).sum() - shares[at, k].sum()) / 500
                for at in (shares[:, k] == value for value in (0.2, 0.6))
            )
            for k in range(3)
        ]
    )
    assert per_image.columns(part).classwise == pytest.approx(expected, abs=1e-6)
