"""Run one notebook with papermill: parameters checked before, the result under its name only if it
succeeded.

    python -m lib.pipeline.execute NOTEBOOK OUTPUT [-f FILE]... [-p NAME VALUE]...

Files and values are laid over one another in the order they are given; later ones win.
"""

import argparse
import logging
import os
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    # while the modules below are read there is nothing to save and nothing to say
    # guard: quiet-start
    signal.signal(signal.SIGINT, signal.SIG_DFL)
os.environ.setdefault("REPORT_HEADLESS", "1")
# a debugger's warning on every kernel start
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
# jsonschema's check of web addresses: a second to load, and no notebook asks for it
sys.modules.setdefault("rfc3987_syntax", None)

import papermill  # noqa: E402  (reads the environment above)
from nbclient.exceptions import DeadKernelError  # noqa: E402
from papermill.exceptions import PapermillExecutionError  # noqa: E402
from traitlets.config import Config  # noqa: E402

from lib.base import artefacts, signals  # noqa: E402
from lib.base.artefacts import locked  # noqa: E402
from lib.base.config import STAGES, ParameterError, check, defaults, gather
from lib.base.errors import Error  # noqa: E402

# Asked to stop, a kernel gets SIGINT, after 30 s SIGTERM, and after 30 more it is killed: time for
# a step or an evaluation, and a checkpoint.
KERNEL = {"transport_encryption": "auto", "shutdown_wait_time": 60.0}


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


def execute(notebook: Path, output: Path, files=(), values=()) -> float:
    """Run `notebook` from the project's folder and leave it at `output`; returns seconds.

    On failure `<output>.part.ipynb` stays for reading and `output` is not made. Raises
    ParameterError, ArtefactError, PapermillExecutionError, DeadKernelError or OSError.
    """
    stage = notebook.stem.partition("_")[2]
    if stage not in STAGES or not notebook.is_file():
        raise ParameterError(
            f"{notebook}: not one of the project's notebooks (0<n>_<stage>.ipynb, a stage being "
            f"{', '.join(STAGES)})"
        )
    given, origin = gather(files, values)
    # guard: known-names-only
    checked = check(stage, {**defaults(notebook), **given}, origin)
    # guard: part-first
    part = output.with_suffix(".part.ipynb")
    began = time.monotonic()
    with locked(output.parent / f".{output.stem}.lock"):
        if stage == "train":
            # a run's folder is its own: what a killed writer left there is nobody's
            for left in output.parent.glob(".*.tmp"):
                left.unlink()
        name = f"{checked.study}/{getattr(checked, 'arm', stage)}" + (
            f"/{checked.seed}" if stage == "train" else ""
        )
        papermill.execute_notebook(
            # papermill formats its paths
            *(str(path).replace("{", "{{").replace("}", "}}") for path in (notebook, part)),
            parameters={key: getattr(checked, key) for key in given},
            kernel_name="python3",
            cwd=str(artefacts.ROOT),
            progress_bar=False,
            log_output=False,
            stdout_file=_Prefixed(name) if stage == "train" else None,
            coalesce_streams=True,
            config=Config({"KernelManager": KERNEL}),
            extra_arguments=[
                "--IPKernelApp.log_level=50",  # or a kernel that is being stopped logs that it was
                f"--IPKernelApp.exec_lines=from lib.base import signals; "
                f"signals.end_with({os.getpid()}, {signal.SIGKILL:d})",
            ],
        )
        with open(part, "rb") as file:
            artefacts.write_bytes(output, file.read())
        part.unlink()
    return time.monotonic() - began


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebook", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("-f", dest="files", action="append", default=[], metavar="FILE")
    parser.add_argument(
        "-p", dest="values", action="append", nargs=2, default=[], metavar=("NAME", "VALUE")
    )
    arguments = parser.parse_args()
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
    try:
        seconds = execute(**vars(arguments))
    except SystemExit as left:
        print(
            f"{arguments.output}: stopped; the same command goes on from the last checkpoint",
            file=sys.stderr,
        )
        return left.code
    except (PapermillExecutionError, DeadKernelError) as error:
        # guard: dead-kernel
        what = (
            f"{error.ename}: {error.evalue}"
            if isinstance(error, PapermillExecutionError)
            else f"{error}; was it out of memory?"
        )
        print(
            f"{arguments.notebook}: {what}\nThe notebook as far as it came: "
            f"{arguments.output.with_suffix('.part.ipynb')}",
            file=sys.stderr,
        )
        return 1
    except (Error, OSError) as error:
        # guard: disk-of-papermill
        print(error, file=sys.stderr)
        return 2
    print(f"{arguments.output}: {seconds:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
