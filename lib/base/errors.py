"""What a user or a system can cause, told in one line; a traceback is for faults of our own."""

import errno
import os
import sys
import tempfile
import traceback
from pathlib import Path

from lib.base.text import printed

DEBUG = "REPORT_DEBUG"  # in the environment: every error comes with its traceback


class Error(RuntimeError):
    """The base of all of them."""


class ParameterError(Error, ValueError):
    """One line a mistake: where, what is wrong, what is allowed."""


class ArtefactError(Error):
    """A file that cannot be written, or that is not what its record says."""


class LockedError(ArtefactError):
    """A folder that another process writes to."""


class DataError(Error):
    """Data that are missing, damaged or not what they should be; names of files may hold anything,
    and are told in one line."""

    def __init__(self, message: str = ""):
        # guard: one-line-whatever-the-name
        super().__init__(printed(message))


class NetworkError(Error):
    """A network that was brought, or its weights, and that cannot be used as it is."""


class TrainingError(Error):
    """A run that cannot go on."""


class StoppedError(TrainingError):
    """A run that was asked to stop, and has saved."""


class ReportError(Error):
    """A notebook that cannot become a report."""


class JobError(Error):
    """A job that failed on its machine."""


# What a system's own word leaves open.
CURES = {
    errno.EMFILE: "`ulimit -n 4096` allows more in a process",
    errno.ENFILE: "of the whole machine",
    errno.EADDRINUSE: "a port of 127.0.0.1",
    errno.EADDRNOTAVAIL: "127.0.0.1: is the loopback interface up?",
    errno.EAGAIN: "`ulimit -u` says how many processes may run",
}


def line(error: BaseException) -> str:
    """An error in one line: its subject, the system's word, and what that leaves open."""
    said = " ".join(str(error).split())
    if isinstance(error, Error):
        return str(error)
    if isinstance(error, MemoryError):
        return f"out of memory ({said})" if said else "out of memory"
    if isinstance(error, ImportError):
        own = Path(__file__).resolve().parents[2] / ".venv"
        cure = f"`make setup` mends the environment of {sys.executable}"
        if own.is_dir() and sys.prefix == sys.base_prefix:  # in no environment
            cure = f"{sys.executable} is not the project's: `source .venv/bin/activate` enters that"
        return f"{said}; {cure}"
    number = getattr(error, "errno", None)
    if isinstance(error, OSError) or number in CURES:  # ZMQ's errors are none of OSError's
        subject, said = getattr(error, "filename", None), getattr(error, "strerror", None) or said
        said += f" ({CURES[number]})" if number in CURES else ""
        return f"{os.fsdecode(subject)}: {said}" if isinstance(subject, str | bytes) else said
    return f"{type(error).__name__}: {said}"


def caused_outside(error: BaseException) -> bool:
    """Is it a user's or the system's doing?"""
    return (
        isinstance(error, Error | OSError | MemoryError)
        or getattr(error, "errno", None) in CURES
        or isinstance(error, ImportError)
        and not (error.name or "").startswith("lib")
    )


def trace(error: BaseException) -> None:
    """Print the traceback, where --debug asked for it."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)


def tell(error: BaseException) -> int:
    """Print an error, one of our own with its traceback: the exit status."""
    # guard: one-line-for-what-comes-from-outside
    if caused_outside(error):
        trace(error)
        print(line(error), file=sys.stderr)
        return 2
    traceback.print_exception(error)
    with tempfile.NamedTemporaryFile(
        "w", prefix="stress-test-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        traceback.print_exception(error, file=log)
    print(f"A fault of the project, not yours; please report it with {log.name}", file=sys.stderr)
    return 1
