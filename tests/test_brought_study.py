"""A study of predictions alone says what the study says that they came from."""

import importlib.util

import pytest
import yaml

from lib.base import artefacts
from lib.data import dataset
from lib.evaluation import changes, rejection, summary
from lib.training import brought_predictions as brought
from lib.training import record

ARMS = ("baseline", "cutmix")


def tool():
    path = artefacts.ROOT / "tools" / "brought_study.py"
    spec = importlib.util.spec_from_file_location("brought_study", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def released():
    return {
        arm: record.load_run(artefacts.ROOT / "released" / "smoke" / arm / "seed-0") for arm in ARMS
    }


@pytest.mark.parametrize("places", [False, True])
def test_the_numbers_are_those_of_the_study_they_came_from(tmp_path, released, places):
    tool().write_study("smoke", tmp_path, list(ARMS), 0, places)
    content = yaml.safe_load((tmp_path / "smoke-brought.yaml").read_text())
    files = {arm: content["arms"][arm]["predictions"] for arm in ARMS}
    assert [path.rsplit(".", 1)[1] for path in files.values()] == ["npz", "csv"]
    params = released["baseline"].info["params"]
    splits = dataset.load_for(params) if places else None
    folders = {arm: tmp_path / "runs" / arm / "seed-0" for arm in ARMS}
    params = params if places else {"data": "none"}
    runs = brought.take_in(files, folders, {arm: params | {"arm": arm} for arm in ARMS}, splits)
    for arm in ARMS:
        ours, theirs = summary.run_numbers(runs[arm]), summary.run_numbers(released[arm])
        for name, value in ours.items():
            if value is not None:
                assert value == pytest.approx(theirs[name], abs=2e-5), (arm, name)
    one, other = ({arm: {0: run} for arm, run in of.items()} for of in (runs, released))
    assert changes.mcnemar(*one.values()) == changes.mcnemar(*other.values())
    assert changes.migration(*one.values()) == changes.migration(*other.values())
    levels = [0.5, 0.7, 0.9, 0.99]
    columns = ["coverage", "errors_accepted"]
    assert (
        rejection.rejection(one, levels)[columns] == rejection.rejection(other, levels)[columns]
    ).all(axis=None)
    if places:
        assert runs["baseline"].info["data_digest"] == released["baseline"].info["data_digest"]
