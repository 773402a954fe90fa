"""Whoever is stopped, make, its job or the job's kernel, and however: nothing trains on, and a
checkpoint stays where there was a chance."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from project import command, copied, environment, make, study

from lib.base import signals
from lib.pipeline import execute

DATA = "{source: phantom, train_size: 100, val_size: 40, test_size: 40}"
LONG = "width: 2\nepochs: 20000\nmilestones: []\nbatch_size: 50"
CASES = [
    ("TERM", "make"),
    ("INT", "make"),
    ("KILL", "make"),
    ("TERM", "group"),
    ("KILL", "job"),
    ("TERM", "kernel"),
]


def target(case: tuple[str, str]) -> list[str]:
    return [f"outputs/long/baseline/seed-{CASES.index(case)}/train.ipynb", "STUDY=long"]


class Training:
    """make at a run without an end, a seed of its own for each case, in a session of its own;
    `processes` are make, its job and the job's kernel."""

    def __init__(self, project: Path, case: tuple[str, str]):
        self.folder, self.log = (
            (project / target(case)[0]).parent,
            project / f"{'-'.join(case)}.log",
        )
        with open(self.log, "w", encoding="utf-8") as log:
            self.make = psutil.Popen(
                command(project, *target(case)),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment(),
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def wait_for_its_start(self):
        while "epoch 1/" not in self.said():
            assert self.make.poll() is None, self.said()
            time.sleep(0.1)
        (job,) = self.make.children()
        (kernel,) = job.children()
        self.processes = {"make": self.make, "job": job, "kernel": kernel}

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def stop(self, signal_name: str, who: str):
        number = getattr(signal, f"SIG{signal_name}")
        os.killpg(self.make.pid, number) if who == "group" else self.processes[who].send_signal(
            number
        )

    def end(self, seconds: float) -> list[str]:
        """Who is still there after `seconds`; then nobody is."""
        there = psutil.wait_procs(self.processes.values(), seconds)[1]
        for process in there:
            process.kill()
        return [name for name, process in self.processes.items() if process in there]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, request):
    """(project, {case: (training, who was still there after it was stopped)}, what a second make
    said meanwhile and the first one's job)."""
    project, begun, second = copied(tmp_path_factory.mktemp("project")), {}, None
    seeds = " ".join(map(str, range(len(CASES))))
    study(project, "long", LONG, seeds=seeds, data=DATA)
    asked = {
        item.callspec.params.get("case")
        for item in request.session.items
        if hasattr(item, "callspec")
    }
    cases = [case for case in CASES if case in asked] or CASES[:1]
    try:
        for some in (cases[:1], cases[1:]):  # the first alone, which checks the study for all
            begun |= {case: Training(project, case) for case in some}
            for case in some:
                begun[case].wait_for_its_start()
                second = second or (make(project, *target(case)), begun[case].processes["job"].pid)
                begun[case].stop(*case)
        ended = {case: (training, training.end(90)) for case, training in begun.items()}
    # also where a make waits that should have been refused: with make its job and the kernel end
    finally:
        for training in begun.values():
            if training.make.is_running():
                training.make.kill()
    return project, ended, second


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_nothing_trains_on(stopped, case):
    training, still_there = stopped[1][case]
    assert still_there == [], training.said()


@pytest.mark.parametrize("case", [case for case in CASES if case != ("KILL", "job")], ids=" ".join)
def test_a_checkpoint_is_saved_and_said(stopped, case):
    training, _ = stopped[1][case]
    assert (training.folder / "checkpoint.pt").is_file()
    assert (
        "saved: the same command goes on there"
        if case[1] == "kernel"
        else "stopped; the same command goes on from"
    ) in training.said()
    assert "Traceback" not in training.said()


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_what_was_stopped_is_not_done(stopped, case):
    training, _ = stopped[1][case]
    assert (training.folder / "train.part.ipynb").is_file() and not (
        training.folder / "train.ipynb"
    ).exists()
    assert make(stopped[0], "-q", *target(case)).returncode == 1


def test_a_second_make_on_the_same_run_is_refused_and_told_who_has_it(stopped):
    result, job = stopped[2]
    assert (
        result.returncode == 2
        and f"being written by another process (pid {job} on " in result.stderr
        and "Traceback" not in result.stderr
    )


@pytest.mark.parametrize(
    "case, status, of_job",
    [
        (("TERM", "make"), -signal.SIGTERM, 143),
        (("INT", "make"), -signal.SIGINT, 130),
        (("TERM", "group"), -signal.SIGTERM, 143),
        (("TERM", "kernel"), 2, 1),
    ],
    ids=["TERM make", "INT make", "TERM group", "TERM kernel"],
)
def test_the_status_is_the_shells_for_the_signal(stopped, case, status, of_job):
    training, _ = stopped[1][case]
    assert training.make.returncode == status and f"Error {of_job}\n" in training.said()


# --- the parts, in processes of their own


def python(code: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, **options
    )


def test_a_process_whose_parent_is_gone_before_it_asks_ends_as_well():
    child = python(
        "import os; from lib.base import signals; signals.end_with(os.getppid() + 1); print('went "
        "on')"
    )
    assert child.communicate(timeout=20)[0] == "" and child.returncode == -signal.SIGTERM


PARENT = """import os, subprocess, sys
code = ("import sys, time; from lib.base import signals; sys.platform = sys.argv[1]; "
        "signals.end_with({}, 9); print('waits', flush=True); time.sleep(60)")
subprocess.Popen([sys.executable, "-c", code.format(os.getpid()), sys.argv[1]])
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_child_ends_with_its_parent_by_the_system_or_by_looking(platform):
    parent = psutil.Popen(
        [sys.executable, "-c", PARENT, platform],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    while parent.stdout.readline() != "waits\n":
        pass
    (child,) = parent.children()
    parent.kill()
    parent.wait()
    there = psutil.wait_procs([child], 5)[1]
    for process in there:
        process.kill()
    assert there == []


def test_a_second_wish_to_stop_does_not_break_into_the_first():
    code = """import os, signal
from lib.base import signals
signals.leave_once()
try:
    os.kill(os.getpid(), signal.SIGTERM)
finally:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(os.getpid(), number)
    print('cleaned up')
"""
    child = python(code)
    assert child.communicate(timeout=20)[0] == "cleaned up\n" and child.returncode == 143


def test_what_is_ignored_from_the_start_stays_ignored():
    code = (
        "import os, signal; from lib.base import signals; signals.leave_once(); "
        "os.kill(os.getpid(), signal.SIGHUP); print('went on')"
    )
    child = python(code, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert child.communicate(timeout=20)[0] == "went on\n"


def test_ctrl_c_while_the_modules_are_imported_is_no_traceback():
    child = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "lib", "run", "nothing", "train"],
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in child.stderr:
        if "nbformat" in line:
            child.send_signal(signal.SIGINT)
            break
    assert (
        "Traceback" not in child.communicate(timeout=30)[1] and child.returncode == -signal.SIGINT
    )


def test_a_step_and_a_checkpoint_have_time_before_the_kernel_is_killed():
    assert execute.STOP_SECONDS >= 60 and signals.LOOK_SECONDS <= 1


@pytest.mark.parametrize("asks", [True, False])
def test_a_wish_that_nobody_was_told_of_is_not_lost(asks):
    """It came after the block's last look, and the block around it hears of it instead."""
    with signals.deferred() as outer:
        with signals.deferred() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not asks or inner()
        assert outer() is not asks
