"""Brought predictions become run folders that are read back as any other, with pictures or
without."""

import numpy as np
import pandas as pd
import pytest
import torch
from made_up import write_run

from lib.base import artefacts
from lib.base.errors import ArtefactError, DataError
from lib.data import dataset
from lib.evaluation import failures
from lib.report import brought as brought_report
from lib.training import brought_predictions as brought
from lib.training import record, released

NAMES = ["bee", "cat", "dog"]
SIZE = 90


def save(path, ids, labels, seed=0, val=None, names=NAMES):
    def arrays(split, ids, labels, seed):
        logits = np.random.default_rng(seed).normal(size=(len(ids), len(names)))
        logits[np.arange(len(ids)), labels] += 1
        return {
            f"{split}_ids": np.array(ids),
            f"{split}_labels": labels,
            f"{split}_logits": logits.astype(np.float32),
        }

    content = arrays("test", ids, labels, seed)
    if val is not None:
        content |= arrays("val", *val, seed + 1)
    np.savez(path, class_names=np.array(names), **content)
    return path


def params(arm, **more):
    return {"study": "s", "arm": arm, "seed": 0, "data": "none", "root": ""} | more


def take_in(tmp_path, files, splits=None, **more):
    folders = {arm: tmp_path / "runs" / arm / "seed-0" for arm in files}
    return brought.take_in(files, folders, {arm: params(arm, **more) for arm in files}, splits)


@pytest.fixture
def two(tmp_path):
    ids, labels = [f"0{place}" for place in range(SIZE)], np.arange(SIZE) % 3
    val = [f"v{place}" for place in range(30)], np.arange(30) % 3
    return {
        arm: save(tmp_path / f"{arm}.npz", ids, labels, seed, val)
        for arm, seed in (("one", 0), ("other", 10))
    }


def test_a_run_folder_is_read_back(tmp_path, two):
    take_in(tmp_path, two)
    loaded = record.load_runs(tmp_path / "runs", dict.fromkeys(two, [0]))
    run = loaded["one"][0]
    assert run.info["origin"] == "predictions" and run.history is None
    assert not record.has_weights(run)
    stored = np.load(two["one"])
    place = pd.Index(stored["test_ids"]).get_indexer(run.test.ids)
    np.testing.assert_array_equal(run.test.logits, stored["test_logits"][place])
    np.testing.assert_array_equal(run.test.labels, stored["test_labels"][place])
    assert run.test.ids.tolist() == loaded["other"][0].test.ids.tolist()
    assert run.test.index.tolist() == list(range(SIZE)) and len(run.val.labels) == 30
    right = (stored["test_logits"].argmax(1) == stored["test_labels"]).mean()
    assert run.info["test_accuracy"] == pytest.approx(right) == run.test.correct.mean()


def test_without_pictures_there_are_labels_and_names(tmp_path, two):
    run = take_in(tmp_path, two)["one"]
    splits = dataset.load_for(run.info["params"], run.info["data_digest"])
    assert splits.class_names == NAMES and splits.test.images is None
    assert [len(getattr(splits, name)) for name in ("train", "val", "test")] == [0, 30, SIZE]
    assert splits.test.labels.tolist() == run.test.labels.tolist()
    table = failures.test_table(run, splits)
    assert table["id"].tolist() == run.test.ids.tolist()
    assert set(table["half"]) == {"discovery", "confirmation"}
    with pytest.raises(DataError, match="digest"):
        dataset.load_for(run.info["params"], "0" * 64)


def test_a_folder_may_be_moved_and_damage_is_seen(tmp_path, two):
    take_in(tmp_path, two)
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    run = record.load_run(tmp_path / "elsewhere" / "one" / "seed-0")
    dataset.load_for(run.info["params"], run.info["data_digest"])
    path = run.path / "predictions.npz"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ArtefactError, match="damaged or changed"):
        record.load_run(run.path)


def answers_of(run):
    path = run.path / "examination.json"
    return {one["question"]: one["line"] for one in artefacts.read_json(path)["answers"]}


ORDER, CHANCE = "the classes stand in the data's order", "better than chance"


def certain(tmp_path, order, labels, names):
    """Validation and test rows with a logit of 9 in the column that `order` has for the label."""
    rows = 9.0 * np.eye(len(order))[:, order][labels] + np.linspace(0, 0.3, len(order))
    content = {f"{split}_labels": labels for split in ("val", "test")}
    content |= {f"{split}_logits": rows for split in ("val", "test")}
    np.savez(tmp_path / "a.npz", class_names=np.array(names), **content)
    return take_in(tmp_path, {"a": tmp_path / "a.npz"})["a"]


@pytest.mark.parametrize(
    "order, names",
    [
        ([0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9], [f"c{place:02d}" for place in range(12)]),
        ([2, 0, 1], NAMES),
        ([0, 1, 3, 2], ["ant", *NAMES]),
    ],
    ids=["as text", "from 1", "two exchanged"],
)
def test_columns_in_another_order_than_the_labels_are_told(tmp_path, order, names):
    labels = np.arange(240) % len(order)
    run = certain(tmp_path, order, labels, names)
    assert "right on 100.0% of validation" in answers_of(run)[ORDER]
    assert "warning" in run.info["examined"] and "no warnings" not in run.info["examined"]
    answers = brought_report.numbers({"a": run})["a"]["answers"]
    assert [one["line"] for one in answers if one["verdict"] == "warning"][0].startswith("with its")
    right = certain(tmp_path, range(len(order)), labels, names)
    assert right.info["examined"] == "examined: 3 questions, no warnings"


@pytest.mark.parametrize("rows, told", [(4, False), (90, True)])
def test_no_better_than_chance_is_told_where_rows_can_tell(tmp_path, rows, told):
    labels = np.random.default_rng(0).permutation(np.arange(rows) % 3)
    logits = np.tile([[0.1, 0, 2.0], [3, 0, 1]], (rows // 2, 1))
    content = {f"{split}_labels": labels for split in ("val", "test")}
    content |= {f"{split}_logits": logits for split in ("val", "test")}
    np.savez(tmp_path / "a.npz", **content)
    run = take_in(tmp_path, {"a": tmp_path / "a.npz"})["a"]
    assert ("by chance" in answers_of(run)[CHANCE]) == told


def test_nothing_is_written_where_a_file_is_wrong(tmp_path, two):
    two["other"] = save(tmp_path / "bad.npz", ["1", "1"], np.array([0, 1]))
    with pytest.raises(DataError, match="given twice"):
        take_in(tmp_path, two)
    assert not (tmp_path / "runs").exists()


def test_a_trained_run_still_needs_its_history_and_width(tmp_path, two):
    run = take_in(tmp_path, two)["one"]
    info = record.read_record(run.path / "run.json") | {"origin": "trained"}
    record.write_record(run.path / "run.json", info)
    with pytest.raises(ArtefactError, match="no record of a run"):
        record.load_run(run.path)


def test_what_was_brought_is_not_released(tmp_path, two):
    run = take_in(tmp_path, two)["one"]
    with pytest.raises(ArtefactError, match="an arm that was brought is not released"):
        released.halved(run, False)


def test_the_key_follows_the_file_and_the_rows(tmp_path, two):
    before = take_in(tmp_path, two)["one"].info["key"]
    assert before == take_in(tmp_path, two)["one"].info["key"]
    assert before == brought.key(
        two["one"], record.load_run(tmp_path / "runs" / "one" / "seed-0").info["data_digest"]
    )
    assert before != brought.key(two["other"], "d")


def test_cases_are_named_by_text_ids_as_they_are_written(tmp_path):
    path = tmp_path / "cases.yaml"
    path.write_text("cases:\n- {id: 007, hypothesis: a}\n- {id: 17, hypothesis: b}\n")
    ids = np.array(["7", "007", "17"], object)
    assert failures.read_cases(str(path), ids)["id"].tolist() == ["007", "17"]
    with pytest.raises(Exception, match="no test image has id 007"):
        failures.read_cases(str(path), np.array(["7", "17"], object))


def test_a_selection_keeps_ids_and_names_that_look_like_numbers(tmp_path):
    table = pd.DataFrame(
        {
            "position": [0, 1],
            "id": np.array(["007", "1e5"], object),
            "true": np.array(["1", "2"], object),
            "correct": [True, False],
        }
    )
    artefacts.write_table(tmp_path / "tables" / "selection.csv", table.iloc[::-1])
    found = failures.read_selection(tmp_path, table)
    assert found["id"].tolist() == ["1e5", "007"] and found["true"].tolist() == ["2", "1"]


# --- with pictures


@pytest.fixture(scope="module")
def phantom():
    return dataset.load("phantom", sizes={"train": 40, "val": 30, "test": 60}, seed=1)


PHANTOM = {"data": "phantom", "image_size": 32, "data_seed": 1} | {
    f"{split}_size": size for split, size in (("train", 40), ("val", 30), ("test", 60))
}


def of_phantom(path, splits, test, val=None, seed=0):
    rows = splits.test.labels.numpy()[test]
    val = None if val is None else (val, splits.val.labels.numpy()[val])
    return save(path, splits.test.index[test], rows, seed, val, splits.class_names)


def test_ids_find_the_pictures(tmp_path, phantom):
    test = np.random.default_rng(0).permutation(60)
    path = of_phantom(tmp_path / "a.npz", phantom, test, np.arange(30))
    run = take_in(tmp_path, {"a": path}, phantom, **PHANTOM)["a"]
    splits = dataset.load_for(run.info["params"], run.info["data_digest"])
    assert splits.digest == phantom.digest == run.info["data_digest"]
    np.testing.assert_array_equal(run.test.index, phantom.test.index)
    np.testing.assert_array_equal(run.test.labels, phantom.test.labels)


@pytest.mark.parametrize("with_val", [True, False])
def test_a_trained_arm_is_cut_to_the_rows_of_a_brought_one(tmp_path, phantom, with_val):
    path = of_phantom(
        tmp_path / "a.npz", phantom, np.arange(10, 60), np.arange(3, 30) if with_val else None
    )
    run = take_in(tmp_path, {"a": path}, phantom, **PHANTOM)["a"]
    write_run(tmp_path / "runs", phantom, "b", 0, 0.3, 1, PHANTOM)
    whole = record.load_run(tmp_path / "runs" / "b" / "seed-0")
    loaded = record.load_runs(tmp_path / "runs", {"b": [0], "a": [0]})
    cut = loaded["b"][0]
    assert cut.test.ids.tolist() == run.test.ids.tolist()
    for split in ("val", "test"):
        mine, source = (
            getattr(cut, split),
            whole.test if split == "test" or not with_val else whole.val,
        )
        place = pd.Index(source.index).get_indexer(getattr(run, split).ids.astype(int))
        np.testing.assert_array_equal(mine.logits, source.logits[place])
        np.testing.assert_array_equal(mine.labels, getattr(run, split).labels)
    splits = dataset.load_for(cut.info["params"], cut.info["data_digest"])
    place = run.test.ids.astype(int)
    assert torch.equal(splits.test.images, phantom.test.images[place])
    assert len(splits.val) + len(splits.test) == (77 if with_val else 50)
    tables = [failures.test_table(one, splits) for one in (cut, run)]
    assert tables[0]["half"].tolist() == tables[1]["half"].tolist()
    assert splits.test.planted["cause"].tolist() == tables[0]["cause"].tolist()


def test_an_id_without_a_picture_is_left_out_and_named(tmp_path, phantom):
    path = save(
        tmp_path / "a.npz",
        [*map(str, range(60)), "60"],
        np.append(phantom.test.labels.numpy(), 0),
        val=(list(map(str, range(30))), phantom.val.labels.numpy()),
        names=phantom.class_names,
    )
    run = take_in(tmp_path, {"a": path}, phantom, **PHANTOM)["a"]
    assert "1 of 61 test ids of a are not in every arm and are left out: '60'" in run.info["notes"]
    assert len(run.test.labels) == 60


def test_labels_that_are_not_those_of_the_pictures_are_refused(tmp_path, phantom):
    path = save(
        tmp_path / "a.npz",
        list(map(str, range(60))),
        (phantom.test.labels.numpy() + 1) % len(phantom.class_names),
        names=phantom.class_names,
    )
    with pytest.raises(DataError, match="test labels of the data and a differ"):
        take_in(tmp_path, {"a": path}, phantom, **PHANTOM)


def test_a_picture_of_a_folder_is_known_by_its_path_below_its_split():
    split = dataset.Split(
        None, torch.zeros(2), np.arange(2), files=np.array(["test/a b/1.png", "test/c/d/2.png"])
    )
    splits = dataset.Splits("folder", split, split, split, [], np.zeros(0), [], (), (), "")
    assert dataset.ids(splits, "test").tolist() == ["a b/1.png", "c/d/2.png"]
