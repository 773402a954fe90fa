"""Many runs without notebooks: the bits of an undisturbed run whenever the time was up, nothing
trained twice, no notebook needed."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest
import torch

from lib.base import artefacts, signals, study_file
from lib.base.errors import ParameterError
from lib.pipeline import command_line, train_many
from lib.training import cuda_graph, loop, record

pytestmark = pytest.mark.slow

VALUES = [
    ("train_size", "60"),
    ("val_size", "40"),
    ("test_size", "50"),
    ("width", "2"),
    ("epochs", "3"),
    ("milestones", "[2]"),
    ("batch_size", "20"),
    ("device", "cpu"),
    ("precision", "fp32"),
]


def run_of(outputs, arm="cutmix", seed=0):
    return study_file.train(study_file.read("smoke"), arm, seed, str(outputs), VALUES)


def weights(params):
    return record.load_run(record.folder(params)).info["sha256"]["model.safetensors"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    params = run_of(tmp_path_factory.mktemp("undisturbed"))
    assert train_many.train_run(params) == "finished"
    return params


def test_a_run_folder_is_that_of_a_training_but_for_the_notebook_and_is_not_trained_twice(
    undisturbed, capsys, monkeypatch
):
    folder = record.folder(undisturbed)
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {
        "run.json",
        "history.csv",
        "model.safetensors",
        "predictions.npz",
    }
    monkeypatch.setattr(loop, "start", lambda *_: pytest.fail("trained again"))
    assert train_many.train_run(undisturbed) == "finished"
    assert "finished before" in capsys.readouterr().out


@pytest.mark.parametrize("steps", [1, 4, 8])
def test_cut_off_by_the_clock_it_goes_on_and_ends_with_the_same_bits(
    undisturbed, tmp_path, monkeypatch, capsys, steps
):
    params, taken, clock = run_of(tmp_path), [], time.monotonic
    monkeypatch.setattr(
        train_many.time, "monotonic", lambda: clock() + (1e6 if len(taken) >= steps else 0)
    )
    real = loop.train_step
    monkeypatch.setattr(loop, "train_step", lambda *arguments: (real(*arguments), taken.append(1)))
    assert train_many.train_all([params], clock() + 1000) == ["cutmix/0"]
    assert (
        "stopped on request" in capsys.readouterr().err
        and not (record.folder(params) / "run.json").exists()
    )
    assert steps <= len(taken) <= steps + 1
    monkeypatch.undo()
    assert train_many.train_all([params], float("inf")) == []
    assert weights(params) == weights(undisturbed)


def test_no_run_is_begun_that_would_not_end_in_time(tmp_path, monkeypatch):
    began = []
    clock = [0.0]
    monkeypatch.setattr(train_many.time, "monotonic", lambda: clock[0])

    def train_run(params, deadline, longest):
        if clock[0] + longest > deadline:
            return "left"
        began.append(params.seed)
        clock[0] += 40
        return "finished"

    monkeypatch.setattr(train_many, "train_run", train_run)
    assert train_many.train_all([run_of(tmp_path, seed=seed) for seed in range(4)], 100.0) == [
        "cutmix/2",
        "cutmix/3",
    ]
    assert began == [0, 1]
    monkeypatch.undo()
    monkeypatch.setattr(loop, "start", lambda *_: pytest.fail("begun"))
    assert train_many.train_run(run_of(tmp_path), time.monotonic() + 10, longest=60.0) == "left"


def test_a_run_that_another_process_writes_is_passed_over_and_looked_at_once_more(
    tmp_path, capsys, monkeypatch
):
    with artefacts.locked(record.folder(run_of(tmp_path)) / ".train.lock"):
        assert train_many.train_all([run_of(tmp_path)], float("inf")) == ["cutmix/0"]
    assert capsys.readouterr().out.count("another process") == 2
    became, waited = iter(["locked", "finished", "finished"]), []
    monkeypatch.setattr(
        train_many, "attempt", lambda p, *_: (became_of.append(p.seed), next(became))[1]
    )
    became_of, other = [], SimpleNamespace(wait=lambda: waited.append(len(became_of)))
    assert (
        train_many.train_all(
            [run_of(tmp_path, seed=seed) for seed in (0, 1)], float("inf"), [other]
        )
        == []
    )
    assert became_of == [0, 1, 0] and waited[0] == 2, (
        "the second look is after the own processes have ended"
    )


@pytest.mark.parametrize("place", ["start", "evaluate", "measure"])
def test_memory_that_runs_out_anywhere_leaves_that_run_and_the_next_is_trained(
    tmp_path, capsys, monkeypatch, place
):
    def no_memory(*_):
        monkeypatch.undo()
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20.00 MiB")

    monkeypatch.setattr(loop, place, no_memory)
    assert train_many.train_all([run_of(tmp_path, "baseline"), run_of(tmp_path)], float("inf")) == [
        "baseline/0"
    ]
    assert capsys.readouterr().err == "baseline/0: OutOfMemoryError: CUDA out of memory.\n"
    assert (record.folder(run_of(tmp_path)) / "run.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_processes_of_many_jobs_save_and_end_with_the_one_that_started_them(tmp_path, number):
    values = [
        word for name, value in VALUES + [("epochs", "100000")] for word in ("-p", name, value)
    ]
    parent = psutil.Popen(
        [
            sys.executable,
            "-m",
            "lib",
            "train",
            "smoke",
            "--jobs",
            "2",
            "--outputs",
            str(tmp_path),
            *values,
        ],
        cwd=artefacts.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    training = set()
    for line in parent.stdout:
        training |= {line.split()[0]} if "epoch" in line else set()
        if len(training) == 2:
            break
    (child,) = parent.children()
    parent.send_signal(number)
    said = parent.communicate(timeout=60)[0]  # which ends when nobody holds the other end
    there = psutil.wait_procs([parent, child], 20)[1]
    for process in there:
        process.kill()
    assert (
        there == []
        and "Traceback" not in said
        and parent.returncode == (3 if number == signal.SIGTERM else -number)
    ), said
    assert len(list(tmp_path.rglob("checkpoint.pt"))) == (2 if number == signal.SIGTERM else 1), (
        said
    )


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "lib", "train", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=artefacts.ROOT,
        env=os.environ | environment,
    )


def test_two_processes_share_the_work_and_the_exit_status_says_whether_all_is_done(
    undisturbed, tmp_path, monkeypatch, capsys
):
    values = [word for name, value in VALUES for word in ("-p", name, value)]
    done = command("smoke", "--outputs", tmp_path, "--jobs", 2, *values)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("of training") == 2 and weights(run_of(tmp_path)) == weights(
        undisturbed
    )
    assert (record.folder(run_of(tmp_path, "baseline")) / "run.json").exists()
    monkeypatch.setattr(cuda_graph, "COMPILED", False)
    monkeypatch.setattr(signals, "leave_once", lambda: None)
    late = ["--outputs", str(tmp_path / "late"), "--runs", "cutmix/0", "--minutes", "0", *values]
    assert command_line.main(["train", "smoke", *late]) == 3
    assert "left: cutmix/0" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("nope",), "there is no study 'nope'"),
        (("smoke", "--runs", "nope/0"), "wanted ARM/SEED"),
        (("smoke", "-p", "epochs", "-1"), "epochs"),
        (("smoke", "--runs", "baseline/²"), "wanted ARM/SEED"),
    ],
)
def test_a_mistake_is_one_line(monkeypatch, capsys, arguments, said):
    monkeypatch.setattr(cuda_graph, "COMPILED", False)
    monkeypatch.setattr(signals, "leave_once", lambda: None)
    assert command_line.main(["train", *arguments]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_an_arm_that_is_brought_is_not_trained_over():
    theirs = {"network": "a:b", "weights": "w.pt", "mean": 0, "std": 1}
    study = SimpleNamespace(
        arms={"theirs": theirs, "ours": {}}, seeds={"theirs": [0], "ours": [0, 1]}, path="s.yaml"
    )
    assert train_many.chosen_runs(study, []) == [("ours", 0), ("ours", 1)]
    with pytest.raises(ParameterError, match="an arm that is trained here, ours; got theirs/0"):
        train_many.chosen_runs(study, ["theirs/0"])
    study.arms = {"theirs": theirs}
    with pytest.raises(ParameterError, match="s.yaml: every arm is brought"):
        train_many.chosen_runs(study, [])


def test_neither_training_nor_releasing_needs_notebooks_or_plots():
    blocked = (
        "papermill",
        "matplotlib",
        "seaborn",
        "IPython",
        "nbformat",
        "nbclient",
        "nbconvert",
        "traitlets",
        "tqdm",
    )
    code = (
        f"import sys\nsys.modules.update(dict.fromkeys({blocked}))\nimport "
        "lib.pipeline.train_many, lib.training.released"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=artefacts.ROOT)


def test_compiling_is_asked_for_and_recorded(monkeypatch):
    monkeypatch.setattr(cuda_graph, "COMPILED", False)
    monkeypatch.setattr(signals, "leave_once", lambda: None)
    monkeypatch.setattr(train_many, "train_all", lambda *_: [])
    arguments = ["smoke", "--compile", "--minutes", "0", "--runs", "cutmix/0"]
    assert train_many.main(arguments) == 0 and "compiled" in cuda_graph.kind()
