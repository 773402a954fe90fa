"""One writer a folder: a lock that dies with its holder."""

import os
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lib import runs


@contextmanager
def locked(path: Path):
    """Hold `path` as a lock that dies with its holder; raises ArtefactError that names the holder."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # guard: one-writer
        held = FileLock(path, fallback_to_soft=False).acquire(blocking=False)
    except Timeout:
        holder = path.read_text(encoding="utf-8").strip()
        raise runs.ArtefactError(
            f"{path.parent}: being written by another process ({holder})"
        ) from None
    except OSError as error:
        # guard: outputs-writable
        raise runs.ArtefactError(
            f"{path.parent}: cannot be written to ({error.strerror})"
        ) from None
    with held:
        path.write_text(f"pid {os.getpid()} on {os.uname().nodename}", encoding="utf-8")
        yield
