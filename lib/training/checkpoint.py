"""Checkpoints of an unfinished run: written whole, checked when read, the previous one kept."""

import hashlib
import io
from pathlib import Path

import torch

from lib.base import artefacts
from lib.base.log import log

NAMES = ("checkpoint.pt", "checkpoint-previous.pt")


def write(folder: Path, content: dict) -> None:
    """Keep `content` (tensors, numbers, text) as the newest checkpoint; the one before it becomes
    the previous one."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = buffer.getvalue()
    newest, previous = (folder / name for name in NAMES)
    if newest.is_file():
        # guard: previous-checkpoint
        newest.replace(previous)
    artefacts.write_bytes(newest, hashlib.sha256(payload).digest() + payload)


def read(folder: Path, key: str) -> dict | None:
    """The newest checkpoint that is whole and belongs to `key`, or None, in main memory: a GPU
    holds the run's own tensors already.

    Damaged ones are named and passed over.
    """
    for name in NAMES:
        path = folder / name
        if not path.is_file():
            continue
        content = path.read_bytes()
        # guard: checkpoint-sum
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            log.warning(f"{path}: damaged, passed over")
            continue
        try:
            # guard: checkpoint-weights-only
            checkpoint = torch.load(io.BytesIO(content[32:]), map_location="cpu", weights_only=True)
        except Exception as error:  # torch's reader trips over foreign bytes in a dozen ways
            # guard: checkpoint-foreign-bytes
            log.warning(f"{path}: refused ({type(error).__name__}), passed over")
            continue
        # guard: checkpoint-key
        if isinstance(checkpoint, dict) and checkpoint.get("key") == key:
            return checkpoint
    return None


def remove(folder: Path) -> None:
    for name in NAMES:
        (folder / name).unlink(missing_ok=True)
