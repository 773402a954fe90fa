"""Train many runs of a study without notebooks: each is written as soon as it is finished, and one
that was cut off goes on.

    python -m lib.pipeline.train_many STUDY [--runs ARM/SEED ...] [--outputs DIR] [--minutes M]
                                      [--jobs K] [--compile] [-p NAME VALUE]...

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
import signal
import subprocess
import sys
import time

import pandas as pd

from lib.base import artefacts, config, signals
from lib.base.artefacts import locked
from lib.base.errors import Error, LockedError, ParameterError, StoppedError, TrainingError
from lib.base.log import to_stdout
from lib.data import augment, dataset
from lib.training import cuda_graph, loop, machine, record
from lib.training.loop import line, peak_memory


def parameters(
    study: str, arm: str, seed: int, outputs: str, values: list[tuple[str, str]]
) -> config.Train:
    """One run's parameters, laid over one another as `make train` does; raises ParameterError."""
    folder = artefacts.ROOT / "params" / study
    files = [
        str(path)
        for path in (folder / "train.yaml", folder / "arms" / f"{arm}.yaml")
        if path.is_file()
    ]
    found, origin = config.gather(files, values)
    names = {"study": study, "arm": arm, "seed": seed, "outputs": str(outputs)}
    return config.check(
        "train",
        {**config.defaults(artefacts.ROOT / "notebooks" / "01_train.ipynb"), **found, **names},
        origin,
    )


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
        machine.set_deterministic(p.threads)
        device = machine.choose_device(p.device)
        precision = machine.choose_precision(p.precision, device)
        fingerprint = machine.fingerprint(device, precision, p.data)
        key = record.key(p, splits.digest)
        if record.finished(folder, key):
            print(f"{name}  finished before", flush=True)
            return "finished"
        if time.monotonic() + longest > deadline:
            return "left"
        proof, state = (
            augment.proof(splits, p.seed, p.augment, cutout_size=p.cutout_size),
            loop.start(p, splits, folder, device, precision, key),
        )
        with signals.deferred() as asked_to_stop:
            while state.epoch < p.epochs:
                row = loop.train_epoch(state, progress=lambda steps: until(steps, deadline))
                row |= loop.evaluate(state)
                loop.finish_epoch(state, row)
                artefacts.write_table(folder / record.HISTORY_SO_FAR, pd.DataFrame(state.history))
                print(f"{name}  {line(row, p.epochs, peak_memory(device))}", flush=True)
                if asked_to_stop():
                    loop.save(state)
                    raise StoppedError(
                        f"stopped on request after epoch {state.epoch}; saved: the same command "
                        "goes on there"
                    )
        run = record.publish(state, fingerprint, proof)
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


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study")
    parser.add_argument(
        "--runs",
        nargs="+",
        metavar="ARM/SEED",
        help="in this order (default: all of the study, seed by seed)",
    )
    parser.add_argument("--outputs", default="outputs")
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
        "-p", dest="values", action="append", nargs=2, default=[], metavar=("NAME", "VALUE")
    )
    options = parser.parse_args()
    to_stdout()
    parent, others = os.environ.get("REPORT_PARENT"), []
    if parent:  # one of its --jobs
        signals.end_with(int(parent))
    deadline = time.monotonic() + 60 * options.minutes
    cuda_graph.COMPILED = options.compile
    try:
        arms, seeds = config.study(options.study)
        chosen = [
            name.partition("/")
            for name in options.runs or [f"{arm}/{seed}" for seed in seeds for arm in arms]
        ]
        if not all(arm in arms and seed.isdigit() for arm, _, seed in chosen):
            raise ParameterError(
                f"--runs: wanted ARM/SEED with an arm of {', '.join(arms)}, got "
                f"{' '.join(options.runs)}"
            )
        todo = [
            parameters(options.study, arm, int(seed), options.outputs, options.values)
            for arm, _, seed in chosen
        ]
        for _ in range(options.jobs - 1):
            others.append(
                subprocess.Popen(
                    [sys.executable, "-m", "lib.pipeline.train_many", *sys.argv[1:], "--jobs", "1"],
                    cwd=artefacts.ROOT,
                    env=os.environ | {"REPORT_PARENT": str(os.getpid())},
                )
            )
        left = train_all(todo, deadline, others)
    except (Error, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        for other in others:
            other.terminate()  # nothing, when it has ended
        for other in others:
            other.wait()
    if left and not parent:
        print(f"left: {' '.join(left)}; the same command goes on with them", flush=True)
    return 3 if left else 0


if __name__ == "__main__":
    signals.leave_once()
    sys.exit(main())
