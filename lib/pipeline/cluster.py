"""Many runs on many machines: `make train ON=dask` gives each training to Dask, whose scheduler
places it and moves it when a worker is lost.

    python -m lib.pipeline.cluster start [--jobs N] STUDY MAKE...
    python -m lib.pipeline.cluster run ADDRESS OUTPUT ARGUMENT...

`start` runs a make command with ON=<address of a cluster>. `run` is one training, whose result is
OUTPUT: `python -m lib run ARGUMENT...` on a worker of that cluster. The cluster is the one that
DASK_SCHEDULER_ADDRESS or DASK_SCHEDULER_FILE names, else one of this machine that ends with the
command. Workers need this folder and this Python under the same paths.
"""

import argparse
import contextlib
import fcntl
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

# read below, and by the workers started here
os.environ.setdefault("DASK_DISTRIBUTED__LOGGING__DISTRIBUTED", "error")

from distributed import Client, Nanny, Scheduler, SpecCluster, get_worker  # noqa: E402

from lib.base.errors import JobError

# of a job that failed; a job whose worker was lost is moved, three times at most (Dask's
# allowed-failures)
RETRIES = 1
LOCK_SECONDS = 120  # a lost worker's job may still be saving its checkpoint
LOOPBACK = "127.0.0.1"
KEPT = (
    "PYTHONPATH",
    "PYTHONHASHSEED",
    "PYDEVD_DISABLE_FILE_VALIDATION",
    "CIFAR100_ROOT",
    "REPORT_TENSORBOARD",
    "REPORT_HEADLESS",
    "REPORT_RETRAIN",
)


def job(
    name: str, command: list[str], environment: dict[str, str], folder: str, lock: str, topic: str
) -> tuple[int, str]:
    """On a worker: run `command`, send its lines to `topic`, return its status, 0 or 2 where it
    refused to begin, and what it said besides.

    Raises JobError for any other failure, so that Dask tries again. The command stops when nobody
    waits for it any longer."""
    worker, key = get_worker(), get_worker().get_current_task()
    for _ in range(LOCK_SECONDS):
        with contextlib.suppress(FileNotFoundError), open(lock, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(1)
                continue
        break
    worker.log_event(topic, f"{name}: on {worker.address}")
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | environment,
            text=True,
            encoding="utf-8",
            bufsize=1,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )

        def wanted() -> bool:
            task = worker.state.tasks.get(key)
            return task is not None and task.state not in ("cancelled", "released")

        def watch():
            while process.poll() is None and wanted():
                time.sleep(1)
            process.terminate()  # nothing, when it has ended

        threading.Thread(target=watch, daemon=True).start()
        for line in process.stdout:
            worker.log_event(topic, line.rstrip("\n"))
        code = process.wait()
        errors.seek(0)
        said = errors.read().strip()
    if code not in (0, 2):
        raise JobError(said or f"ended with status {code}")
    return code, said


def run(address: str, output: Path, arguments: list[str]) -> int:
    """One training on the cluster at `address`; its lines are printed here. The exit status is
    `python -m lib run`'s."""
    from lib.base import signals

    signals.leave_once()
    signals.end_with(int(os.environ.get("REPORT_MAKE") or os.getppid()))
    topic = f"{output} {uuid.uuid4()}"
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    with Client(address, set_as_default=False) as client:
        client.subscribe_topic(topic, lambda event: print(event[1], flush=True))
        future = client.submit(
            job,
            str(output),
            [sys.executable, "-m", "lib", "run", *arguments],
            environment,
            os.getcwd(),
            str(output.absolute().parent / f".{output.stem}.lock"),
            topic,
            key=topic,
            pure=False,
            retries=RETRIES,
        )
        try:
            code, said = future.result()
        except JobError as error:
            print(error, file=sys.stderr)
            return 1
        except SystemExit as left:
            future.cancel(force=True)
            print(
                f"{output}: stopped; the same command goes on from the last checkpoint",
                file=sys.stderr,
            )
            return left.code
        except Exception as error:  # whatever became of the scheduler and its workers
            print(f"{output}: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    if said:
        print(said, file=sys.stderr)
    return code


def gpus() -> list[str]:
    """The GPUs of this machine, as CUDA_VISIBLE_DEVICES names them."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    except FileNotFoundError:
        return []
    return [
        str(number)
        for number, line in enumerate(
            line for line in listed.stdout.splitlines() if line.startswith("GPU")
        )
    ]


def slots(study: str) -> list[dict[str, str]]:
    """What each worker of this machine has in its environment: one GPU, or as many workers as runs
    of the study fit on the cores. Raises ParameterError for a study that cannot say how many that
    are."""
    from lib.base import study_file

    known = study_file.read(study)
    arm = next(iter(known.arms))
    params = study_file.train(known, arm, known.seeds[arm][0], "outputs")
    found = gpus() if params.device in ("auto", "cuda") else []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in found] or [{}] * max(
        cores // params.threads, 1
    )


def local(environments: list[dict[str, str]]) -> SpecCluster:
    """A scheduler and a worker for each environment, all on loopback; they end with this
    process."""
    dashboard = importlib.util.find_spec("bokeh") is not None
    served = {"host": LOOPBACK, "dashboard": dashboard, "dashboard_address": f"{LOOPBACK}:0"}
    workers = {
        number: {
            "cls": Nanny,
            "options": {
                "host": LOOPBACK,
                "nthreads": 1,
                "memory_limit": 0,
                "env": environment,
                "dashboard": False,
                "dashboard_address": f"{LOOPBACK}:0",
            },
        }
        for number, environment in enumerate(environments)
    }
    return SpecCluster(
        workers,
        scheduler={"cls": Scheduler, "options": {"port": 0, **served}},
        silence_logs="ERROR",
    )


def start(study: str, command: list[str], jobs: int | None) -> int:
    """Run the make command on the cluster there is, or on one of its own, with as many trainings at
    a time as it has slots."""
    from lib.base import signals
    from lib.base.config import ParameterError

    signals.leave_once()
    with contextlib.ExitStack() as stack:
        address = os.environ.get("DASK_SCHEDULER_ADDRESS")
        place = (
            {"scheduler_file": os.environ["DASK_SCHEDULER_FILE"]}
            if not address and "DASK_SCHEDULER_FILE" in os.environ
            else {}
        )
        try:
            cluster = None if address or place else stack.enter_context(local(slots(study)))
        except ParameterError as error:
            print(error, file=sys.stderr)
            return 2
        try:
            client = stack.enter_context(Client(address or cluster, set_as_default=False, **place))
        except (OSError, ValueError) as error:
            print(
                f"no Dask scheduler at {address or place['scheduler_file']}: {error}",
                file=sys.stderr,
            )
            return 2
        address = client.scheduler.address
        slots_there = jobs or max(sum(client.nthreads().values()), 1)
        print(
            f"Dask at {address}: {slots_there} at a time"
            + (f"; dashboard {client.dashboard_link}" if importlib.util.find_spec("bokeh") else ""),
            flush=True,
        )
        # this make's jobs are its own
        flags = re.sub(
            r"(^| )(-j\d*|--jobs\S*|--jobserver-\S+)", "", os.environ.get("MAKEFLAGS", "")
        )
        make = subprocess.Popen(
            [*command, "--no-print-directory", f"--jobs={slots_there}", f"ON={address}"],
            env=os.environ | {"MAKEFLAGS": flags},
        )
        try:
            return make.wait()
        except SystemExit as left:
            make.terminate()
            make.wait()
            return left.code


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    starting = verbs.add_parser("start")
    starting.add_argument("--jobs", type=int)
    starting.add_argument("study")
    starting.add_argument("command", nargs=argparse.REMAINDER)
    running = verbs.add_parser("run")
    running.add_argument("address")
    running.add_argument("output", type=Path)
    running.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    return (
        start(given.study, given.command, given.jobs)
        if given.verb == "start"
        else run(given.address, given.output, given.arguments)
    )


if __name__ == "__main__":
    sys.exit(main())
