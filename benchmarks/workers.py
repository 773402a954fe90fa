"""Runs an hour against workers: python benchmarks/workers.py [--real]

Trainings of a tiny study (four runs), one and two at a time, by make alone and by ON=dask (--real);
and many workers simulated: one Dask worker with a thread for each, to which make's own jobs,
`python -m lib.pipeline.cluster run`, bring trainings that only sleep. What a run takes longer than
its sleep, and the CPU seconds a run of make and its jobs and of the scheduler, are what handing
work out costs on the machine that asks. Appends to benchmarks/results/workers.json.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
RESULTS = ROOT / "benchmarks" / "results" / "workers.json"
SLEEP, EACH = 30.0, 2  # seconds of a simulated training; how many of them a worker gets
SIMULATED = (1, 2, 8, 32, 64)
TINY = """\
title: tiny
data: {source: phantom, train_size: 2000, val_size: 200, test_size: 200}
train: {width: 8, epochs: 4, milestones: [3], batch_size: 50, precision: fp32}
arms:
  baseline:
  cutmix: {cutmix_probability: 0.5, label_smoothing: 0.1}
seeds: [0, 1]
"""


def keep(row: dict) -> None:
    print(row, flush=True)
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    RESULTS.write_text("[\n" + ",\n".join(map(json.dumps, [*rows, row])) + "\n]\n")


def simulated(workers: int) -> dict:
    """EACH sleeping trainings a worker, brought by make as `make ON=<address>` brings real ones."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        shutil.copytree(ROOT / "lib", project / "lib", ignore=shutil.ignore_patterns("__pycache__"))
        (project / "lib" / "__main__.py").write_text(
            f"import sys, time, pathlib\ntime.sleep({SLEEP})\npathlib.Path(sys.argv[2]).touch()\n"
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        address = f"tcp://127.0.0.1:{port}"
        names = " ".join(f"run-{number}" for number in range(workers * EACH))
        (project / "Makefile").write_text(
            f"all: {names}\nrun-%:\n\t@REPORT_MAKE=$$PPID exec {sys.executable} -m "
            f"lib.pipeline.cluster run {address} $@ $@\n"
        )
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": project}
        dask = [
            sys.executable,
            "-m",
            "distributed.cli.dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--no-dashboard",
        ]
        worker = [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            address,
            "--nthreads",
            str(workers),
            "--no-nanny",
            "--no-dashboard",
        ]
        servers = [subprocess.Popen(command, **quiet) for command in (dask, worker)]
        try:
            from distributed import Client

            with Client(address, timeout=60) as client:
                client.wait_for_workers(1, timeout=60)
            before, began = sum(psutil.Process(servers[0].pid).cpu_times()[:2]), time.monotonic()
            make = subprocess.Popen(
                ["make", "--silent", f"--jobs={workers}", "all"],
                cwd=project,
                stdout=subprocess.DEVNULL,
            )
            _, status, used = os.wait4(make.pid, 0)
            make.returncode = os.waitstatus_to_exitcode(status)
            taken = time.monotonic() - began
            scheduler = sum(psutil.Process(servers[0].pid).cpu_times()[:2]) - before
        finally:
            for server in servers[::-1]:
                server.terminate()
                server.wait()
    if make.returncode:
        sys.exit(f"make ended with {make.returncode}")
    runs = workers * EACH
    return {
        "workers": workers,
        "by": "simulated",
        "runs": runs,
        "seconds": round(taken, 1),
        "overhead": round(taken / EACH - SLEEP, 1),
        "jobs_cpu_a_run": round((used.ru_utime + used.ru_stime) / runs, 2),
        "scheduler_cpu_a_run": round(scheduler / runs, 3),
    }


def real(workers: int, by: str) -> dict:
    """Two arms and two seeds of a tiny study in a copy of the project."""
    from project import copied

    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        copied(project)
        (project / "params" / "tiny.yaml").write_text(TINY)
        command = [
            "make",
            "train",
            "STUDY=tiny",
            f"VENV={Path(sys.executable).parent.parent}",
            f"JOBS={workers}",
        ]
        began = time.monotonic()
        subprocess.run(
            command + ["ON=dask"] * (by == "ON=dask"),
            cwd=project,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        taken = time.monotonic() - began
    return {"workers": workers, "by": by, "runs": 4, "seconds": round(taken, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", action="store_true", help="trainings of a tiny study")
    parser.add_argument("--workers", nargs="+", type=int)
    given = parser.parse_args()
    cases = (
        [(workers, by) for by in ("make", "ON=dask") for workers in given.workers or (1, 2)]
        if given.real
        else [(workers, "simulated") for workers in given.workers or SIMULATED]
    )
    for workers, by in cases:
        row = real(workers, by) if given.real else simulated(workers)
        keep(
            row
            | {
                "runs_an_hour": round(3600 * row["runs"] / row["seconds"], 1),
                "load": round(os.getloadavg()[0], 1),
            }
        )


if __name__ == "__main__":
    main()
