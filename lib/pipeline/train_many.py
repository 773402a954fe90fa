"""Train many runs of a study without notebooks: each is written as soon as it is finished, and one
that was cut off goes on.

A run folder is that of `make train` in every file but the executed notebook. A run that is
finished, or that another process writes, is passed over, so that the same command may be given
again, and to several processes at once. When the minutes are over it saves what it trains and
stops; it begins no run that would not end in time. Asked to stop it saves as well, and with it the
processes of --jobs. Exit status: 0 all runs are finished, 3 some are left.

Needs torch, torchvision, numpy, scipy, pandas, safetensors, pydantic, PyYAML and filelock 4; no
notebook, no plots."""

import argparse
import functools
import os
import re
import signal
import subprocess
import sys
import time

import pandas as pd

from lib.base import artefacts, config, signals, study_file
from lib.base.artefacts import locked
from lib.base.errors import Error, LockedError, ParameterError, StoppedError, TrainingError
from lib.base.study_file import TRAINED, Study, kind
from lib.data import augment, dataset
from lib.training import cuda_graph, loop, record
from lib.training.loop import line, peak_memory


@functools.lru_cache(maxsize=1)
def load(
    name: str, root: str, image_size: int, train_size: int, val_size: int, test_size: int, seed: int
):
    return dataset.load(
        name, root, {"train": train_size, "val": val_size, "test": test_size}, seed, image_size
    )


def until(steps, deadline: float):
    """The steps; past the deadline this process is asked to stop, as by a signal: after the step,
    with a checkpoint."""
    for step in steps:
        if time.monotonic() > deadline:
            os.kill(os.getpid(), signal.SIGTERM)
        yield step


def train_run(p: config.Train, deadline: float = float("inf"), longest: float = 0.0) -> str:
    """Train one run: "finished", or "left" where less than the `longest` run's seconds remain.
    Raises TrainingError when it is cut off."""
    name, folder = f"{p.study}/{p.arm}/{p.seed}", record.folder(p)
    with locked(folder / ".train.lock"):
        splits = load(
            p.data, p.root, p.image_size, p.train_size, p.val_size, p.test_size, p.data_seed
        )
        setting = record.set_up(p, splits)
        if record.finished(folder, setting.key, p):
            print(f"{name}  finished before", flush=True)
            return "finished"
        if time.monotonic() + longest > deadline:
            return "left"
        proof = augment.proof(splits, p.seed, p.augment, cutout_size=p.cutout_size)
        state = record.begin(p, splits, setting)
        for row in loop.epochs(state, progress=lambda steps: until(steps, deadline)):
            artefacts.write_table(folder / record.HISTORY_SO_FAR, pd.DataFrame(state.history))
            print(f"{name}  {line(row, p.epochs, peak_memory(state.device))}", flush=True)
        run = record.publish(state, setting.fingerprint, proof)
    print(
        f"{name}  finished: test accuracy {run.info['test_accuracy']:.2%}, "
        f"{run.info['training_seconds']:.0f} s of training",
        flush=True,
    )
    return "finished"


def attempt(p: config.Train, deadline: float, longest: float) -> str:
    """What becomes of a run: "finished", "left", "locked" by another process, or "stopped" on
    request; what went wrong is told in a line."""
    try:
        return train_run(p, deadline, longest)
    except LockedError as error:
        print(f"{p.arm}/{p.seed}: {error}", flush=True)
        return "locked"
    except TrainingError as error:
        print(f"{p.arm}/{p.seed}: {error}", file=sys.stderr, flush=True)
        return "stopped" if isinstance(error, StoppedError) else "left"
    except Error:
        raise
    # of torch: memory that an evaluation lacks, a compilation, a device; the next run may do
    # without
    except RuntimeError as error:
        print(
            f"{p.arm}/{p.seed}: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}",
            file=sys.stderr,
            flush=True,
        )
        return "left"


def train_all(todo: list[config.Train], deadline: float, others=()) -> list[str]:
    """Train the runs one after the other; returns those that are left. A second look, when the
    processes `others` have ended, takes what they or another process gave up: what is still locked
    then is left as well."""
    left, longest = [], 0.0
    for look in (1, 2):
        locked = []
        for number, p in enumerate(todo):
            began = time.monotonic()
            became = attempt(p, deadline, longest)
            if became == "stopped":
                return left + [f"{one.arm}/{one.seed}" for one in locked + todo[number:]]
            if became == "finished":
                longest = max(longest, time.monotonic() - began)
            elif became == "locked" and look == 1:
                locked.append(p)
            else:
                left.append(f"{p.arm}/{p.seed}")
        for other in others:
            other.wait()
        todo = locked
    return left


def chosen_runs(study: Study, named: list[str]) -> list[tuple[str, int]]:
    """The arm and seed of the runs named ARM/SEED, else of all, seed by seed; raises
    ParameterError."""
    arms = [arm for arm, said in study.arms.items() if kind(said) == TRAINED]
    there = [(arm, seed) for arm in arms for seed in study.seeds[arm]]
    wanted = [name.partition("/")[::2] for name in named]
    if not all(arm in arms and re.fullmatch("[0-9]+", seed) for arm, seed in wanted):
        raise ParameterError(
            f"--runs: wanted ARM/SEED with an arm that is trained here, "
            f"{', '.join(arms) or 'and there is none'}; got {' '.join(named)}"
        )
    if not there:
        raise ParameterError(f"{study.path}: every arm is brought: there is nothing to train")
    return [(arm, int(seed)) for arm, seed in wanted] or sorted(there, key=lambda run: run[1])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lib train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study")
    parser.add_argument(
        "--runs",
        nargs="+",
        default=[],
        metavar="ARM/SEED",
        help="in this order (default: all of the study, seed by seed)",
    )
    parser.add_argument("--outputs", default="outputs", help="folder of all studies")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="stop before so many are over"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="on a GPU: compile the network first, a minute once a process",
    )
    parser.add_argument(
        "-p",
        dest="values",
        action="append",
        nargs=2,
        default=[],
        metavar=("NAME", "VALUE"),
        help="a parameter in place of the study's",
    )
    options = parser.parse_args(arguments)
    signals.leave_once()
    parent, others = os.environ.get("REPORT_PARENT"), []
    if parent:  # one of its --jobs
        signals.end_with(int(parent))
    deadline = time.monotonic() + 60 * options.minutes
    cuda_graph.COMPILED = options.compile
    study = study_file.read(options.study)
    todo = [
        study_file.train(study, arm, seed, options.outputs, options.values)
        for arm, seed in chosen_runs(study, options.runs)
    ]
    command = [sys.executable, "-m", "lib", "train", *arguments, "--jobs", "1"]
    try:
        for _ in range(options.jobs - 1):
            environment = os.environ | {"REPORT_PARENT": str(os.getpid())}
            others.append(subprocess.Popen(command, cwd=artefacts.ROOT, env=environment))
        left = train_all(todo, deadline, others)
    except ValueError as error:
        raise Error(str(error)) from None
    finally:
        for other in others:
            other.terminate()  # nothing, when it has ended
        for other in others:
            other.wait()
    if left and not parent:
        print(f"left: {' '.join(left)}; the same command goes on with them", flush=True)
    return 3 if left else 0
