"""Runs on a cluster: a node that dies in mid-epoch costs nothing but time, leaves no orphan, and
changes no bit."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from project import copied, environment, study

from lib.base import artefacts, signals
from lib.base.errors import JobError
from lib.pipeline import cluster, execute

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TINY = """\
title: tiny
data: {source: phantom, train_size: 300, val_size: 40, test_size: 40}
train: {width: 4, epochs: 6, milestones: [4], batch_size: 50, precision: fp32}
arms:
  baseline:
  cutmix: {cutmix_probability: 0.5, label_smoothing: 0.1}
seeds: [0, 1]
"""
REFERENCE = """
import sys, torch
from pathlib import Path
from lib import data
from lib.base import artefacts, study_file
from lib.training import loop, machine, record
machine.set_deterministic(1)
device = torch.device("cpu")
for arm in ("baseline", "cutmix"):
    for seed in (0, 1):
        p = study_file.train(study_file.read("tiny"), arm, seed, "reference")
        sizes = {"train": p.train_size, "val": p.val_size, "test": p.test_size}
        splits = data.load(p.data, sizes=sizes, seed=p.data_seed)
        precision = machine.choose_precision(p.precision, device)
        state = loop.start(p, splits, record.folder(p), device, precision, "none")
        while state.epoch < p.epochs:
            loop.finish_epoch(state, loop.train_epoch(state))
        artefacts.write_weights(state.folder / "model.safetensors", state.model)
"""


@pytest.fixture
def project(tmp_path):
    """A copy of the project with a tiny study and a checkpoint after each epoch."""
    copied(tmp_path)
    (tmp_path / "params" / "tiny.yaml").write_text(TINY, encoding="utf-8")
    engine = tmp_path / "lib" / "training" / "loop.py"
    engine.write_text(
        engine.read_text(encoding="utf-8").replace(
            "CHECKPOINT_SECONDS = 60", "CHECKPOINT_SECONDS = 0"
        ),
        encoding="utf-8",
    )
    return tmp_path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def below(process: int) -> list[int]:
    """The process and its descendants, from /proc."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ProcessLookupError):
            continue
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def command_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder).parent): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("model.safetensors")
    }


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_node_killed_in_mid_epoch_changes_no_bit_and_leaves_no_orphan(project):
    subprocess.run(
        [sys.executable, "-c", REFERENCE],
        cwd=project,
        check=True,
        env=os.environ | {"PYTHONPATH": str(project)},
    )
    address, started = f"tcp://127.0.0.1:{free_port()}", []

    def dask(*arguments):
        started.append(
            subprocess.Popen(
                [str(Path(sys.executable).parent / "dask"), *arguments],
                cwd=project,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return started[-1]

    try:
        dask(
            "scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            address.rpartition(":")[2],
            "--no-dashboard",
            "--dashboard-address",
            "127.0.0.1:0",
        )
        nodes = [
            dask(
                "worker",
                address,
                "--host",
                "127.0.0.1",
                "--nthreads",
                "2",
                "--no-dashboard",
                "--memory-limit",
                "0",
                "--local-directory",
                str(project / "scratch"),
            )
            for _ in range(2)
        ]
        training = subprocess.Popen(
            ["make", "train", "STUDY=tiny", f"ON={address}", f"VENV={sys.prefix}", "JOBS=4"],
            cwd=project,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(training)
        lines = []
        for line in training.stdout:
            lines.append(line)
            running = [one for one in below(nodes[0].pid) if "lib run" in command_of(one)]
            if "epoch 2/6" in line and running:
                break
        time.sleep(0.1)  # into the next epoch
        node = below(nodes[0].pid)
        for one in node:
            # the node's own; the run must end by itself
            if "lib run" not in command_of(one) and "ipykernel" not in command_of(one):
                os.kill(one, signal.SIGKILL)
        lost = time.monotonic()
        while (
            any("lib run" in command_of(one) or "ipykernel" in command_of(one) for one in node)
            and time.monotonic() - lost < execute.STOP_SECONDS
        ):
            time.sleep(0.1)
        assert time.monotonic() - lost < execute.STOP_SECONDS, "a run goes on without its node"
        lines += training.stdout
        assert training.wait() == 0, "".join(lines)
        found = hashes(project / "outputs" / "tiny")
        assert len(found) == 4 and found == hashes(project / "reference" / "tiny")
        assert "".join(lines).count("epoch 1/6") <= 4, "a moved run goes on from its checkpoint"
        moved = [name for name in re.findall(r"(\S+/train.ipynb): on tcp", "".join(lines))]
        assert len(moved) in (5, 6) and len(set(moved)) == 4, (
            "what the lost node ran, one or two of them, began once more elsewhere"
        )
    finally:
        for process in started:
            for one in reversed(below(process.pid)):
                try:
                    os.kill(one, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            process.wait()
    again = ["make", "-q", "train", "STUDY=tiny", "ON=dask", f"VENV={sys.prefix}"]
    assert subprocess.run(again, cwd=project, env=environment()).returncode == 0


@pytest.mark.parametrize("status", [0, 2, 1])
def test_what_a_job_says_beside_its_status_makes_no_failure_of_it(monkeypatch, tmp_path, status):
    worker = SimpleNamespace(
        get_current_task=lambda: "key",
        address="here",
        log_event=lambda topic, line: None,
        state=SimpleNamespace(tasks={"key": SimpleNamespace(state="executing")}),
    )
    monkeypatch.setattr(cluster, "get_worker", lambda: worker)
    command = ["sh", "-c", f"echo 'ld.so: cannot be preloaded' >&2; exit {status}"]
    if status == 1:
        with pytest.raises(JobError, match="cannot be preloaded"):
            cluster.job("one", command, {}, str(tmp_path), "none.lock", "topic")
    else:
        told = cluster.job("one", command, {}, str(tmp_path), "none.lock", "topic")
        assert told == (status, "ld.so: cannot be preloaded")


def test_workers_are_as_many_as_gpus_or_as_runs_fit_on_the_cores(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert len(cluster.slots("smoke")) == 8  # one thread each
    assert len(cluster.slots("cifar100")) == 4  # two threads each
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert cluster.slots("smoke") == [{"CUDA_VISIBLE_DEVICES": "2"}, {"CUDA_VISIBLE_DEVICES": "5"}]


@pytest.mark.parametrize(
    "text, said",
    [
        ("threads: 0", "train: threads: input should be greater than or equal to 1"),
        ("threads: many", "train: threads: input should be a valid integer"),
        ("threads: [1", "not valid YAML"),
        ("7", "train: input should be a valid dictionary"),
    ],
)
def test_a_broken_study_is_one_clear_line(monkeypatch, tmp_path, capsys, text, said):
    study(tmp_path, "broken", text)
    monkeypatch.setattr(artefacts, "ROOT", tmp_path)
    for name in ("DASK_SCHEDULER_ADDRESS", "DASK_SCHEDULER_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(signals, "leave_once", lambda: None)
    assert cluster.start("broken", ["true"], None) == 2
    told = capsys.readouterr().err
    assert "params/broken.yaml: " in told and said in told and told.count("\n") == 1


def test_a_scheduler_that_is_not_there_is_one_clear_line(monkeypatch, capfd):
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", f"tcp://127.0.0.1:{free_port()}")
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    result = subprocess.run(
        [sys.executable, "-m", "lib.pipeline.cluster", "start", "smoke", "true"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (
        result.returncode == 2
        and result.stderr.startswith("no Dask scheduler at tcp://")
        and len(result.stderr.splitlines()) == 1
    )
