"""Run one notebook of a study with papermill: parameters checked before and written beside the
result, which gets its name only if the notebook succeeded.
"""

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

os.environ.setdefault("REPORT_HEADLESS", "1")

import papermill  # noqa: E402  (reads the environment above)
from nbclient.exceptions import DeadKernelError  # noqa: E402
from papermill.exceptions import PapermillExecutionError  # noqa: E402
from traitlets.config import Config  # noqa: E402
from zmq.error import ZMQError  # noqa: E402

from lib.base import artefacts, config, environment, errors, signals  # noqa: E402
from lib.base.artefacts import locked  # noqa: E402
from lib.base.config import STAGES, STEMS  # noqa: E402
from lib.base.errors import Error, ParameterError  # noqa: E402
from lib.base.study_file import Study  # noqa: E402
from lib.pipeline import parameters  # noqa: E402
from lib.pipeline.parameters import Task  # noqa: E402

# Asked to stop, a kernel gets SIGINT, after 30 s SIGTERM, and after 30 more it is killed: time for
# a step or an evaluation, and a checkpoint.
STOP_SECONDS = 60.0
START_SECONDS = 600  # of a kernel on a loaded machine
TELL_SECONDS = 60.0


class _Prefixed:
    """A stream that puts the run's name before each line, so that runs side by side can be told
    apart."""

    def __init__(self, prefix: str):
        self.prefix = prefix

    def write(self, text: str) -> None:
        for line in text.splitlines():
            print(f"{self.prefix}  {line}", flush=True)

    def flush(self) -> None:
        pass


@contextlib.contextmanager
def _told(output: Path, part: Path):
    """Within the block a line a minute: how long a notebook has run, where it is, and how long the
    rest took the last time."""
    over, began = threading.Event(), time.monotonic()

    def tell():
        while not over.wait(TELL_SECONDS):
            minutes = (time.monotonic() - began) / 60
            print(f"{_shown(output)}: {minutes:.0f} min so far{_place(part, output)}", flush=True)

    threading.Thread(target=tell, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _place(part: Path, earlier: Path) -> str:
    """How many cells of a notebook that runs are done, below which heading the next stands, and how
    long it and those after it took the last time, where that is known."""
    try:
        cells = json.loads(part.read_text(encoding="utf-8"))["cells"]
        done = [cell["metadata"]["papermill"]["status"] == "completed" for cell in cells]
        before = cells[: done.index(False)]
    except (OSError, ValueError, KeyError):  # not written yet, or just now
        return ""
    lines = [line for cell in before for line in cell["source"] if cell["cell_type"] == "markdown"]
    headings = [line.strip("# \n") for line in lines if line.startswith("#")]
    below = "".join(f": {heading}" for heading in headings[-1:])
    return f", cell {len(before) + 1} of {len(cells)}{below}{_rest(earlier, len(before))}"


def _rest(earlier: Path, done: int) -> str:
    """How long the cells after the first `done` took when the notebook was run before."""
    try:
        cells = json.loads(earlier.read_text(encoding="utf-8"))["cells"][done:]
        seconds = sum(cell["metadata"]["papermill"]["duration"] or 0 for cell in cells)
    except (OSError, ValueError, KeyError):
        return ""
    return f"; from here on {seconds / 60:.1f} min the last time"


def execute(notebook: Path, file: Path, output: Path) -> float:
    """Run a notebook (0<n>_<stage>.ipynb) from the project's folder with the parameters of `file`
    (YAML) and leave it at `output`; returns seconds.

    On failure `<output>.part.ipynb` stays for reading and `output` is not made. Raises
    ParameterError, ArtefactError, PapermillExecutionError, DeadKernelError or OSError.
    """
    stage, values = notebook.stem.partition("_")[2], config.read_yaml(file)
    # guard: known-names-only
    checked = config.check(stage, values, dict.fromkeys(values, str(file)))
    # guard: part-first
    part = output.with_suffix(".part.ipynb")
    began = time.monotonic()
    with locked(output.parent / f".{output.stem}.lock"):
        if stage == "train":
            # a run's folder is its own: what a killed writer left there is nobody's
            for left in output.parent.glob(".*.tmp"):
                left.unlink()
        telling = contextlib.nullcontext() if stage == "train" else _told(output, part)
        with environment.of_a_kernel() as sockets, telling:
            papermill.execute_notebook(
                # papermill formats its paths
                *(str(path).replace("{", "{{").replace("}", "}}") for path in (notebook, part)),
                parameters=values,
                kernel_name="python3",
                cwd=str(artefacts.ROOT),
                progress_bar=False,
                start_timeout=START_SECONDS,
                log_output=False,
                stdout_file=_Prefixed(_name(checked)) if stage == "train" else None,
                coalesce_streams=True,
                config=Config({"KernelManager": sockets | {"shutdown_wait_time": STOP_SECONDS}}),
                extra_arguments=[
                    # or a kernel that is being stopped logs that it was
                    "--IPKernelApp.log_level=50",
                    "--IPKernelApp.exec_lines=from lib.base import environment, signals; "
                    "environment.quiet_fonts(); "
                    f"signals.end_with({os.getpid()}, {signal.SIGKILL:d})",
                ],
            )
        with open(part, "rb") as file:
            artefacts.write_bytes(output, file.read())
        part.unlink()
    return time.monotonic() - began


def _shown(path: Path) -> str:
    """A path as it is told: from the project's folder, where it is in there."""
    path = Path(os.path.abspath(path))
    return str(path.relative_to(artefacts.ROOT) if path.is_relative_to(artefacts.ROOT) else path)


def _from_here(path: Path) -> Path:
    """A path of the project as it is called from the present folder."""
    return path if path.is_absolute() else Path(os.path.relpath(artefacts.ROOT / path))


def _name(checked: config.Train) -> str:
    return f"{checked.study}/{checked.arm}/{checked.seed}"


def run(study: Study, task: Task, outputs: str) -> int:
    """Write a notebook's parameters, run it, and say what became of it: the exit status."""
    file = parameters.write(task, parameters.resolve(study, task, outputs))
    # the executed notebook keeps both paths, and tells of no other place
    notebook = _from_here(Path("notebooks") / f"{STEMS[task.stage]}.ipynb")
    output = Path(f"{task.place}.ipynb")
    try:
        seconds = execute(notebook, file, _from_here(output))
    except SystemExit as left:
        then = "goes on from the last checkpoint" if task.stage == "train" else "begins it anew"
        print(f"{output}: stopped; the same command {then}", file=sys.stderr)
        return left.code
    except (PapermillExecutionError, DeadKernelError) as error:
        errors.trace(error)
        # guard: dead-kernel
        what = (
            f"{error.ename}: {error.evalue}"
            if isinstance(error, PapermillExecutionError)
            else f"{error}; was it out of memory?"
        )
        print(
            f"{STEMS[task.stage]}: {what}\nThe notebook as far as it came: "
            f"{output.with_suffix('.part.ipynb')}",
            file=sys.stderr,
        )
        return 1
    except Error:
        raise
    except (OSError, RuntimeError, ZMQError) as error:
        # guard: disk-of-papermill
        raise Error(f"{STEMS[task.stage]}: not executed: {errors.line(error)}") from error
    print(f"{output}: {seconds:.0f} s", flush=True)
    return 0


def chosen_task(study: Study, options: argparse.Namespace) -> Task:
    """The notebook that the command line names; raises ParameterError for one that is not of the
    study."""
    for task in parameters.tasks(study, options.outputs):
        if task[1:] == (options.stage, options.arm, options.seed):
            return task
    raise ParameterError(
        f"{study.path}: no run of arm '{options.arm}' and seed {options.seed}; there are "
        + ", ".join(
            f"{arm} with {', '.join(map(str, seeds))}" for arm, seeds in study.seeds.items()
        )
    )


def quiet() -> None:
    """Let a job be stopped once, with whoever asked for it, and the libraries be silent."""
    logging.getLogger("papermill").setLevel(logging.ERROR)
    # of a task that was left waiting for a kernel that is being stopped
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    # guard: leave-once
    # by an exception: papermill then stops the kernel, and the kernel saves its checkpoint
    signals.leave_once()
    make = int(os.environ.get("REPORT_MAKE") or os.getppid())
    signals.end_with(make)
    if "REPORT_MAKE" in os.environ:
        # guard: stop-with-make
        signals.stop_with(make)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib run", description=__doc__)
    parameters.add_options(parser)
    parser.add_argument(
        "stage",
        choices=[*STAGES, "arms"],
        help="a notebook; or arms: take in what the study brings",
    )
    parser.add_argument("--arm", default="", help="of the stage train")
    parser.add_argument("--seed", default=0, type=int, help="of the stage train")
    options = parser.parse_args(arguments)
    study = parameters.chosen(options)
    if options.stage == "arms":
        from lib.pipeline import arms  # which imports torch

        arms.take_in(study, options.outputs)
        return 0
    task = chosen_task(study, options)
    quiet()
    return run(study, task, options.outputs)
