"""One writer a folder: a lock that dies with its holder."""
import fcntl
import os
from contextlib import contextmanager
from pathlib import Path

from lib import runs


@contextmanager
def locked(path: Path):
    """Hold `path` as a lock; raises ArtefactError that names the holder. The lock dies with its holder."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+", encoding="utf-8")
    except OSError as error:
        # guard: outputs-writable
        raise runs.ArtefactError(f"{path.parent}: cannot be written to ({error.strerror})") from None
    with file:
        try:
            # guard: one-writer
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise runs.ArtefactError(f"{path.parent}: being written by another process ({file.read().strip()})") from None
        file.truncate(0)
        file.write(f"pid {os.getpid()} on {os.uname().nodename}")
        file.flush()
        yield
