"""Released runs: taken over where a study would train the same and nowhere else, halved without
moving a prediction."""

import shutil

import numpy as np
import pytest
import torch
from project import copied, make

from lib.base import artefacts, study_file
from lib.base.config import check
from lib.data import dataset
from lib.model import resnet18
from lib.pipeline import command_line, train_many
from lib.training import record, released

VALUES = [
    ("train_size", "60"),
    ("val_size", "40"),
    ("test_size", "50"),
    ("width", "2"),
    ("epochs", "2"),
    ("milestones", "[1]"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run of the smoke study's two arms, small, and its folder of outputs."""
    outputs = tmp_path_factory.mktemp("outputs")
    for arm in ("baseline", "cutmix"):
        params = study_file.train(study_file.read("smoke"), arm, 0, str(outputs), VALUES)
        assert train_many.train_run(params) == "finished"
    return outputs


@pytest.fixture(scope="module")
def kept(trained, tmp_path_factory):
    """The two runs as released, one with weights, in a project of their own."""
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artefacts, "ROOT", root)
        released.release("smoke", str(trained), [], ["baseline/0"])
    return root


@pytest.fixture
def project(kept, tmp_path, monkeypatch):
    shutil.copytree(kept, tmp_path / "project")
    shutil.copytree(
        artefacts.ROOT / "lib",
        tmp_path / "project" / "lib",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    monkeypatch.setattr(artefacts, "ROOT", tmp_path / "project")
    return tmp_path / "project"


def wanted(trained, arm="baseline", **changes):
    values = record.read_record(trained / "smoke" / arm / "seed-0" / "run.json")["params"]
    return check("train", values | {"outputs": "outputs"} | changes)


def digest(trained):
    return record.read_record(trained / "smoke" / "baseline" / "seed-0" / "run.json")["data_digest"]


# --- halving


def test_half_precision_moves_no_first_guess():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 8, (5000, 10)).astype(np.float32)
    top = logits.max(1)
    near = (logits.argmax(1) + 1) % 10
    # a tie in float16, most of them
    logits[np.arange(5000), near] = np.nextafter(top, -np.float32(np.inf))
    stored = released.half(logits)
    assert (logits.astype(np.float16).argmax(1) != logits.argmax(1)).any()
    assert stored.dtype == np.float16 and (stored.argmax(1) == logits.argmax(1)).all()
    assert (np.abs(stored - logits) <= 2 * np.spacing(np.abs(stored)).astype(np.float32)).all()


@pytest.mark.slow
def test_what_is_released_is_half_as_large_and_predicted_by_its_own_weights(trained, kept):
    splits = dataset.load("phantom", sizes={"train": 60, "val": 40, "test": 50})
    run = record.load_run(kept / "released" / "smoke" / "baseline" / "seed-0")
    weights = artefacts.read_weights(run.path / "model.safetensors")
    assert all(
        tensor.dtype == torch.float16 for tensor in weights.values() if tensor.is_floating_point()
    )
    assert all(weight.dtype == torch.float32 for weight in record.load_model(run, 20).parameters())
    assert released.agreement(run, splits) == released.agreement(run, splits, "val") == 1
    bare = record.load_run(kept / "released" / "smoke" / "cutmix" / "seed-0")
    own = record.load_run(trained / "smoke" / "cutmix" / "seed-0")
    assert not record.has_weights(bare) and (bare.test.predicted == own.test.predicted).all()
    np.testing.assert_allclose(bare.test.logits, own.test.logits, rtol=2e-3, atol=2e-3)
    assert bare.info["key"] == own.info["key"] and bare.info["stored"] == {
        "logits": "float16",
        "weights": None,
    }
    with pytest.raises(artefacts.ArtefactError, match="without its weights"):
        record.load_model(bare, 20)


# --- taking over


def test_a_run_of_the_same_parameters_and_data_is_taken_over_whatever_the_machine(
    project, trained, capsys
):
    for arm, changes in (
        ("baseline", {"threads": 7, "device": "cpu", "precision": "fp32"}),
        ("cutmix", {}),
    ):
        params = wanted(trained, arm, **changes)
        run = released.at_hand(params, digest(trained), key="of another machine")
        assert run.path == record.folder(params) and released.is_released(run)
        assert run.info["test_accuracy"] == (run.test.correct).mean()
        assert {path.name for path in run.path.iterdir()} == {
            *run.info["sha256"],
            "run.json",
            "released.txt",
        }
    assert "released/smoke/cutmix/seed-0" in capsys.readouterr().out
    assert released.at_hand(params, digest(trained), key="of another machine")  # and again


@pytest.mark.parametrize("devices", [1, 2])
def test_a_record_of_the_first_edition_that_names_devices_is_read_taken_over_and_verified(
    project, trained, devices
):
    params = wanted(trained)
    path = released.place(params) / "run.json"
    info = record.read_record(path)
    record.write_record(path, info | {"params": info["params"] | {"devices": devices}})
    run = released.adopt(params, digest(trained))
    assert run.info["params"] == record.load_run(path.parent).info["params"] == info["params"]
    assert (run.path / "run.json").read_bytes() == path.read_bytes()
    assert released.verify("smoke")


def test_a_run_that_the_first_edition_finished_here_is_used_but_not_one_of_another_training(
    project, trained, capsys
):
    params, full = wanted(trained), digest(trained)
    path = record.folder(params) / "run.json"
    shutil.copytree(released.place(params), path.parent)
    info = record.read_record(path)
    record.write_record(path, info | {"params": info["params"] | {"devices": 1}})
    shutil.rmtree(released.place(params))
    assert released.at_hand(params, full, "none").path == path.parent
    assert "first edition" in capsys.readouterr().out
    assert released.at_hand(params, full, "none", retrain=True) is None
    assert released.at_hand(params, "0" * 64, "none") is None
    record.write_record(path, info)
    assert released.at_hand(params, full, "none") is None


def test_the_full_size_runs_that_are_kept_still_spare_their_training(tmp_path):
    info = record.read_record(
        artefacts.ROOT / "released" / "cifar100" / "label_smoothing" / "seed-43" / "run.json"
    )
    assert info["params"]["devices"] == 1
    params = check("train", record.todays(info["params"]) | {"outputs": str(tmp_path)})
    assert released.is_released(released.adopt(params, info["data_digest"]))


@pytest.mark.parametrize(
    "changes, other, said",
    [
        ({"epochs": 3}, False, "epochs 2, here 3"),
        ({"label_smoothing": 0.1}, False, "label_smoothing 0.0, here 0.1"),
        ({"data_seed": 1}, False, "data_seed 42, here 1"),
        ({}, True, "other data"),
        ({"seed": 1}, False, None),
    ],
)
def test_another_training_is_not_taken_over(project, trained, capsys, changes, other, said):
    params = wanted(trained, **changes)
    assert released.at_hand(params, "0" * 64 if other else digest(trained), key="none") is None
    assert not record.folder(params).exists()
    out = capsys.readouterr().out
    assert said in out if said else not out


def test_retrain_counts_neither_a_released_run_nor_what_was_taken_over(project, trained):
    params = wanted(trained)
    assert released.at_hand(params, digest(trained), "none", retrain=True) is None
    taken = released.at_hand(params, digest(trained), "none")
    # even under the same key
    assert released.at_hand(params, digest(trained), taken.info["key"], retrain=True) is None
    own = shutil.copytree(
        trained / "smoke" / "baseline" / "seed-0", record.folder(params), dirs_exist_ok=True
    )
    (own / "released.txt").unlink()
    assert released.at_hand(
        params, digest(trained), taken.info["key"], retrain=True
    ).path == record.folder(params)


NO = ["", " ", "0", "no", "No", "false", "FALSE"]


@pytest.mark.parametrize("word", [*NO, "1", "yes", "true", "00", None])
def test_retrain_is_asked_for_by_a_word_that_does_not_mean_no(monkeypatch, word):
    monkeypatch.delenv("REPORT_RETRAIN", raising=False)
    if word is not None:
        monkeypatch.setenv("REPORT_RETRAIN", word)
    assert released.asked_to_retrain() == (word not in [*NO, None])


@pytest.mark.slow
def test_make_trains_what_was_taken_over_when_retrain_does_not_mean_no(tmp_path):
    goal = copied(tmp_path) / "outputs" / "smoke" / "baseline" / "seed-0" / "train.ipynb"
    # the check writes the run's parameters, which are older than the run from then on
    make(tmp_path, "-n", str(goal.relative_to(tmp_path)), "STUDY=smoke")
    for path in (goal, goal.with_name("released.txt")):
        path.touch()
    for word in [*NO, "1", "yes"]:
        plan = make(tmp_path, "-n", str(goal.relative_to(tmp_path)), "STUDY=smoke", RETRAIN=word)
        assert plan.returncode == 0, plan.stderr
        assert ("-m lib run" in plan.stdout) == (word not in NO), word


def test_a_run_finished_here_comes_before_a_released_one(project, trained):
    params = wanted(trained)
    shutil.copytree(trained / "smoke" / "baseline" / "seed-0", record.folder(params))
    run = released.at_hand(
        params, digest(trained), record.read_record(record.folder(params) / "run.json")["key"]
    )
    assert not released.is_released(run)


@pytest.mark.parametrize(
    "name", ["predictions.npz", "model.safetensors", "history.csv", "run.json"]
)
def test_a_damaged_released_run_is_named_and_nothing_is_taken_over(project, trained, name):
    path = released.place(wanted(trained)) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(artefacts.ArtefactError, match=name):
        released.at_hand(wanted(trained), digest(trained), "none")
    assert not (record.folder(wanted(trained)) / "run.json").exists()


def test_verify_recomputes_and_fails_where_the_weights_are_others(
    project, trained, capsys, monkeypatch
):
    assert released.verify("smoke")
    said = capsys.readouterr().out.splitlines()
    assert (
        len(said) == 2 and "100.00% of 50 test predictions" in said[0] and "no weights" in said[1]
    )
    monkeypatch.setattr(record, "load_model", lambda run, classes: resnet18(classes, 2).eval())
    assert not released.verify("smoke")
    assert "TOO FEW" in capsys.readouterr().out


# --- releasing


def command(*arguments) -> int:
    return command_line.main([*map(str, arguments)])


def test_the_readme_says_what_lies_there_and_keeps_what_an_author_wrote(project):
    place = project / "released" / "smoke"
    text = (place / "README.md").read_text(encoding="utf-8")
    info = record.load_run(place / "baseline" / "seed-0").info
    assert all(
        word in text
        for word in (
            f"{info['test_accuracy']:.2%}",
            info["commit"],
            info["sha256"]["model.safetensors"],
        )
    )
    assert text.count("| float16 |") == text.count("| none |") == 1
    noted = text.replace("\n\n| arm", "\n\nA note.\n\nAnother\nof two lines.\n\n| arm")
    (place / "README.md").write_text(noted, encoding="utf-8")
    assert released.readme(place) == noted


def test_a_run_released_anew_without_its_weights_leaves_none(project, trained, monkeypatch):
    place = project / "released" / "smoke"
    assert command("release", "smoke", "baseline/0", "--outputs", trained) == 0
    assert not record.has_weights(record.load_run(place / "baseline" / "seed-0"))
    assert {path.name for path in (place / "baseline" / "seed-0").iterdir()} == {
        "history.csv",
        "predictions.npz",
        "run.json",
    }
    assert "| float16 |" not in (place / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["smoke", "nope/0"], "no finished run nope/0"),
        (["nope"], "no finished run"),
        (["smoke", "cutmix/0", "--weights", "baseline/0"], "no finished run baseline/0"),
    ],
)
def test_what_is_not_there_is_one_line(project, trained, monkeypatch, capsys, arguments, said):
    assert command("release", *arguments, "--outputs", trained) == 2
    assert said in (err := capsys.readouterr().err) and err.count("\n") == 1
    assert command("verify", "nope") == 2
    assert "nothing released" in capsys.readouterr().err
