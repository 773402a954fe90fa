"""Artefacts on disk: everything appears whole or not at all, and what is read back is what was
written. Digests, the project's commit and the lock of a folder stand here as well.
"""

import contextlib
import errno
import functools
import hashlib
import io
import json
import mmap
import os
import struct
import subprocess
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from safetensors import SafetensorError

from lib.base.errors import ArtefactError, LockedError
from lib.base.log import log

ROOT = Path(__file__).resolve().parents[2]
# bytes from which a stored array is mapped: below, reading it costs nothing
LARGE = 2**26
# cells of a table at a time: 8 MB a copy in float64, which stays in the cache
CELLS = 2**20
# what a file system says that has no locks, or no flush: drives under WSL, CIFS, FUSE
LACKING = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}


def _to_disk(file, folder: Path) -> None:
    try:
        # guard: content-before-name
        os.fsync(file.fileno())
    except OSError as error:
        # guard: a-flush-is-a-wish
        if error.errno not in LACKING:
            raise
        _tell_unflushed(folder)


@functools.cache
def _tell_unflushed(folder: Path) -> None:
    log.warning(f"{folder}: its file system flushes no file: a loss of power may lose what is new")


@contextlib.contextmanager
def atomic_write(path):
    """Open `path` for binary writing; the file appears under its name only when the block ends
    without an error.

    Written beside its place, flushed to the disk and renamed. Raises ArtefactError when the disk
    refuses; the previous file is then untouched.
    """
    path = Path(path)
    temporary = None
    try:
        # guard: regular-file
        if path.exists() and not path.is_file():
            raise ArtefactError(f"{path}: not a regular file, refusing to replace it")
        path.parent.mkdir(parents=True, exist_ok=True)
        # guard: written-beside
        descriptor, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
        )
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            _to_disk(file, path.parent)
        # guard: permissions-are-a-wish
        with contextlib.suppress(OSError):
            os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            # guard: full-disk
            raise ArtefactError(
                f"{path}: {error.strerror or error}; nothing was replaced"
            ) from error
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_bytes(path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)


def write_json(path, content: dict) -> None:
    """Write strict JSON (no NaN), keys in the given order."""
    write_bytes(path, json_bytes(content))


def json_bytes(content: dict) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def write_table(path, table: pd.DataFrame, index: bool = False) -> None:
    write_bytes(path, table.to_csv(index=index, lineterminator="\n").encode())


def arrays_bytes(**arrays: np.ndarray) -> bytes:
    """Named arrays as a compressed .npz, to be kept in git."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def write_arrays(path, **arrays: np.ndarray) -> None:
    """Write named arrays as an .npz, not compressed: logits hardly shrink, and `read_arrays` can
    map what is stored."""
    with atomic_write(path) as file:
        np.savez(file, **arrays)


def weights_bytes(model) -> bytes:
    """A model's parameters and buffers as safetensors, one that is used twice under both names."""
    from safetensors.torch import save  # here, since it brings torch: exporters do without

    state = model.state_dict()
    return save({name: tensor.contiguous().cpu().clone() for name, tensor in state.items()})


def write_weights(path, model) -> None:
    write_bytes(path, weights_bytes(model))


@contextlib.contextmanager
def _opened(path, sha256: str | None = None):
    """A file to read; raises ArtefactError if it is missing or its SHA-256 is not the recorded
    one."""
    try:
        with open(path, "rb") as file:
            # guard: file-sum
            if sha256 is not None and hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise ArtefactError(
                    f"{path}: damaged or changed since it was written (SHA-256 differs from the "
                    "record); delete its folder to make it again"
                )
            file.seek(0)
            yield file
    except OSError as error:
        raise ArtefactError(f"{path}: {error.strerror or error}") from None


def read_bytes(path, sha256: str | None = None) -> bytes:
    """The content of a file; raises ArtefactError if it is missing or its SHA-256 is not the
    recorded one."""
    with _opened(path, sha256) as file:
        return file.read()


def read_json(path) -> dict:
    try:
        content = json.loads(read_bytes(path))
    except (ValueError, RecursionError):
        raise ArtefactError(f"{path}: not valid JSON") from None
    if not isinstance(content, dict):
        raise ArtefactError(f"{path}: expected names and values, found {type(content).__name__}")
    return content


def read_arrays(path, sha256: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of an .npz by name; large ones that are not compressed are mapped, so that they
    may outgrow memory."""
    with _opened(path, sha256) as file:
        try:
            # guard: arrays-only
            with np.load(file, allow_pickle=False) as archive:
                entries = {name: archive.zip.getinfo(f"{name}.npy") for name in archive.files}
                return {
                    name: _mapped(file, entry) if _large(entry) else archive[name]
                    for name, entry in entries.items()
                }
        except Exception as error:  # NumPy, zipfile and zlib have many words for a damaged archive
            raise ArtefactError(f"{path}: not a readable array file ({error})") from None


def _large(entry: zipfile.ZipInfo) -> bool:
    return entry.compress_type == zipfile.ZIP_STORED and entry.file_size >= LARGE


def _mapped(file, entry: zipfile.ZipInfo) -> np.memmap:
    """An array of the open .npz `file`, read-only. The archive's own checksum is not looked at."""
    file.seek(entry.header_offset + 26)
    # past the name and the extra field
    file.seek(sum(struct.unpack("<2H", file.read(4))), os.SEEK_CUR)
    np.lib.format.read_magic(file)
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    return np.memmap(file, dtype, "r", file.tell(), shape, "F" if fortran else "C")


def row_blocks(table: np.ndarray):
    """(slice of rows, their copy in memory), CELLS at a time, of (N, K); at least one block.

    What was read of a mapped array is given back: else it would count as the process's own memory.
    """
    rows = max(CELLS // max(table.shape[1], 1), 1)
    for start in range(0, max(len(table), 1), rows):
        chosen = slice(start, start + rows)
        yield chosen, np.array(table[chosen])
        if isinstance(table, np.memmap):
            table.base.madvise(mmap.MADV_DONTNEED)


def read_table(path, sha256: str | None = None) -> pd.DataFrame:
    content = read_bytes(path, sha256)
    try:
        return pd.read_csv(io.BytesIO(content))
    except ValueError as error:  # of which pandas' own and those of the encoding are kinds
        # guard: readable-table
        raise ArtefactError(
            f"{path}: not a readable table ({' '.join(str(error).split())})"
        ) from None


def read_weights(path, sha256: str | None = None) -> dict:
    from safetensors.torch import load

    try:
        return load(read_bytes(path, sha256))
    except SafetensorError as error:
        raise ArtefactError(f"{path}: not a readable weight file ({error})") from None


def sha256_of(path) -> str:
    with _opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(content) -> str:
    """SHA-256 of anything that JSON can hold, the same for the same content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def commit() -> str:
    """The project's git commit, with "+changes" when files differ from it; outside a checkout
    $REPORT_COMMIT or "unknown"."""

    # guard: own-commit
    told = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # nor that of a repository that the project's folder lies in
    told["GIT_CEILING_DIRECTORIES"] = str(ROOT.parent)

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", str(ROOT), *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=told,
        ).stdout

    try:
        return git("rev-parse", "--short=12", "HEAD").strip() + (
            "+changes" if git("status", "--porcelain", "-uno").strip() else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("REPORT_COMMIT", "unknown")


# One writer a folder: a lock that dies with its holder.


@contextmanager
def locked(path: Path):
    """Hold `path` as a lock that dies with its holder; raises LockedError that names the holder.
    On a file system without locks it is held by nobody, and that is said."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # guard: one-writer
        held = FileLock(path, fallback_to_soft=False).acquire(blocking=False)
    except Timeout:
        holder = path.read_text(encoding="utf-8").strip()
        raise LockedError(f"{path.parent}: being written by another process ({holder})") from None
    except OSError as error:
        # guard: a-lock-is-a-wish
        if error.errno in LACKING:
            held = _nobodys(path.parent)
        else:
            # guard: outputs-writable
            raise ArtefactError(f"{path.parent}: cannot be written to ({error.strerror})") from None
    with held:
        path.write_text(f"pid {os.getpid()} on {os.uname().nodename}", encoding="utf-8")
        yield


def _nobodys(folder: Path):
    log.warning(f"{folder}: no locks on this file system: run no second command on it meanwhile")
    return contextlib.nullcontext()
