"""What is at hand before a study begins: released runs are taken over, and training that takes long
is named and does not begin unasked."""

import os
import shutil

import nbformat
import pandas as pd
import pytest
from project import ROOT, copied, make, study

from lib.base import artefacts, study_file
from lib.base.errors import Error
from lib.data import dataset
from lib.pipeline import at_hand, parameters
from lib.training import checkpoint, record


@pytest.fixture
def smoke(tmp_path, monkeypatch):
    """The smoke study in a project of its own, with its released runs."""
    monkeypatch.setattr(artefacts, "ROOT", tmp_path)
    monkeypatch.delenv("REPORT_RETRAIN", raising=False)
    (tmp_path / "params").mkdir()
    shutil.copy2(ROOT / "params" / "smoke.yaml", tmp_path / "params")
    shutil.copytree(ROOT / "released" / "smoke", tmp_path / "released" / "smoke")
    return tmp_path


def folder(project, arm):
    return project / "outputs" / "smoke" / arm / "seed-0"


def test_released_runs_are_taken_over_and_the_notebook_says_so(smoke, monkeypatch):
    monkeypatch.setattr(at_hand, "seconds_left", lambda runs: 1e9 if runs else 0.0)
    at_hand.prepare(study_file.read("smoke"), "outputs", asked=False)
    for arm in ("baseline", "cutmix"):
        taken = record.load_run(folder(smoke, arm))
        notebook = nbformat.read(folder(smoke, arm) / "train.ipynb", as_version=4)
        nbformat.validate(notebook)
        (cell,) = notebook.cells
        assert (
            f"released/smoke/{arm}/seed-0" in cell.source and "Nothing was trained" in cell.source
        )
        assert f"{taken.info['test_accuracy']:.1%}" in cell.source


def test_without_make_finished_runs_are_not_begun_anew(smoke, monkeypatch):
    study = study_file.read("smoke")
    tasks = parameters.tasks(study, "outputs")
    stages = [task.stage for task in tasks]
    assert at_hand.to_do(tasks, study, "outputs") == tasks and stages.count("train") == 2
    at_hand.prepare(study, "outputs", asked=False)
    left = [task.stage for task in at_hand.to_do(tasks, study, "outputs")]
    assert left == [stage for stage in stages if stage != "train"]
    (folder(smoke, "cutmix") / "run.json").unlink()
    assert [task.arm for task in at_hand.to_do(tasks, study, "outputs")][:2] == ["cutmix", ""]
    monkeypatch.setenv("REPORT_RETRAIN", "1")
    assert at_hand.to_do(tasks, study, "outputs") == tasks


def test_a_long_training_is_named_and_nothing_begins(smoke, monkeypatch):
    shutil.rmtree(smoke / "released" / "smoke" / "cutmix")
    monkeypatch.setattr(at_hand, "seconds_left", lambda runs: 9000.0 * len(runs))
    with pytest.raises(Error) as told:
        at_hand.prepare(study_file.read("smoke"), "outputs", asked=False)
    assert "1 run would have to be trained here: cutmix/0, about 2.5 hours" in str(told.value)
    assert "`make train STUDY=smoke`" in str(told.value)
    assert (folder(smoke, "baseline") / "run.json").is_file()
    assert not (folder(smoke, "cutmix") / "run.json").exists()
    # asked for, or short, it may begin
    at_hand.prepare(study_file.read("smoke"), "outputs", asked=True)
    monkeypatch.setattr(at_hand, "seconds_left", lambda runs: at_hand.LONG - 1.0)
    at_hand.prepare(study_file.read("smoke"), "outputs", asked=False)


def test_a_released_run_of_another_training_is_not_taken_over(smoke, monkeypatch):
    path = smoke / "params" / "smoke.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("epochs: 8", "epochs: 9"))
    assert "epochs: 9" in path.read_text(encoding="utf-8")
    left = []
    monkeypatch.setattr(at_hand, "seconds_left", lambda runs: left.extend(runs) or 0.0)
    at_hand.prepare(study_file.read("smoke"), "outputs", asked=False)
    assert [p.arm for p in left] == ["baseline", "cutmix"]
    assert not list(smoke.glob("outputs/smoke/*/*/train.ipynb"))


def test_seconds_are_those_of_the_epochs_behind_else_of_measured_steps(smoke, monkeypatch):
    p = study_file.train(study_file.read("smoke"), "cutmix", 0, "outputs")
    measured = at_hand.seconds_left([p])
    assert 0 < measured < 600  # half a minute on one core
    again = at_hand.seconds_left([p, p.model_copy(update={"epochs": 3 * p.epochs})])
    assert 1.5 < again / measured < 12
    folder(smoke, "cutmix").mkdir(parents=True)
    table = pd.DataFrame({"seconds": [10.0, 70.0, 10.0]})
    table.to_csv(folder(smoke, "cutmix") / record.HISTORY_SO_FAR, index=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(record, "key", lambda p, digest: f"{p.epochs} epochs of {digest}")
    # without its checkpoint, or beside one of other parameters, nothing is behind it
    assert at_hand.seconds_left([p]) > 0 and not len(at_hand._epochs_behind(p))
    shorter = p.model_copy(update={"epochs": 2})
    digest = dataset.load_for(p.model_dump()).digest
    checkpoint.write(folder(smoke, "cutmix"), {"key": record.key(p, digest)})
    assert at_hand.seconds_left([p]) == 10 * (p.epochs - 3) * p.threads / 2
    assert at_hand.seconds_left([shorter]) > 0 and not len(at_hand._epochs_behind(shorter))


def test_a_released_run_is_taken_over_beside_an_old_run_of_another_setting(smoke, monkeypatch):
    path = smoke / "params" / "smoke.yaml"
    at_hand.prepare(study_file.read("smoke"), "outputs", asked=False)
    other = folder(smoke, "baseline")
    info = record.read_record(other / "run.json")
    (other / record.TAKEN_OVER).unlink()
    record.write_record(other / "run.json", info | {"params": info["params"] | {"epochs": 3}})
    assert (other / "train.ipynb").is_file() and path.is_file()
    at_hand.prepare(study_file.read("smoke"), "outputs", asked=False)
    assert record.read_record(other / "run.json")["params"]["epochs"] == info["params"]["epochs"]


def test_the_record_of_a_finished_run_follows_its_pictures(smoke):
    at_hand.prepare(study_file.read("smoke"), "outputs", asked=False)
    path, text = folder(smoke, "baseline"), (folder(smoke, "baseline") / "run.json").read_bytes()
    record.follow(path, record.read_record(path / "run.json")["params"]["root"])
    assert (path / "run.json").read_bytes() == text
    record.follow(path, "elsewhere")
    assert record.load_run(path).info["params"]["root"] == "elsewhere"


@pytest.mark.slow
def test_make_begins_no_long_training_but_by_make_train(tmp_path):
    project = copied(tmp_path)
    study(project, "long", "epochs: 100000\nwidth: 8", data="{source: phantom}")
    result = make(project, "report", "STUDY=long")
    assert result.returncode and "baseline/0, about" in result.stderr, result.stderr
    assert "nothing was begun" in result.stderr
    plan = make(project, "-n", "train", "STUDY=long")
    assert "run long train --arm baseline --seed 0" in plan.stdout, plan.stderr
    assert not list(project.glob("outputs/long/*/*/run.json"))
