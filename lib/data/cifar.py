"""The official CIFAR-100 files: found, checked, and read without running the code a pickle may
hold."""

import fcntl
import hashlib
import io
import os
import pickle
from pathlib import Path

import numpy as np

from lib.base.artefacts import ROOT
from lib.base.errors import DataError

SHA256 = {
    "train": "735e79b04f092ca3d2e6d07f368c0a7d70d48c48d28865950cc24454cf45129b",
    "test": "4b67687d9933c4db8f0831104447f15b93774f4f464bd0516f0f0f2ac83b7864",
    "meta": "a5d4786345c961390f865e93b434dbd5c6904ce880667e0cb888c97d449f28b9",
}


def read(root=None) -> tuple[dict, dict, dict]:
    """The contents of the files train, test and meta. Raises DataError if one is missing or
    damaged."""
    folder = find(root)
    return tuple(official(folder / name, SHA256[name]) for name in ("train", "test", "meta"))


def find(root=None) -> Path:
    """The folder of the official files; downloaded by torchvision when it is absent. Raises
    DataError."""
    root = Path(root or os.environ.get("CIFAR100_ROOT") or ROOT / "data")
    folder = root / "cifar-100-python"
    missing = [name for name in SHA256 if not (folder / name).is_file()]
    if missing:
        from torchvision.datasets import CIFAR100

        try:
            root.mkdir(parents=True, exist_ok=True)
            with open(root / ".download.lock", "a") as lock:
                # two arms start at once: the second waits and finds the files
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not all((folder / name).is_file() for name in SHA256):
                    CIFAR100(str(root), download=True)
        # whatever the network, the disk or the archive did: the user's way out is the same
        except Exception as error:
            # guard: no-network
            raise DataError(
                f"CIFAR-100 is not in {folder} (missing: {', '.join(missing)}) and could not be "
                f"downloaded ({type(error).__name__}). Put the official files train, test and "
                "meta there, or name their parent folder with DATA=; the study 'phantom' needs "
                "no download."
            ) from None
    return folder


class _ClosedUnpickler(pickle.Unpickler):
    """Rebuilds arrays, and nothing else: an official file needs only these three names."""

    def find_class(self, module: str, name: str):
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in allowed:
            # guard: three-names
            raise pickle.UnpicklingError(f"asks for {module}.{name}")
        return allowed[module, name]


def official(path: Path, sha256: str) -> dict:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    # guard: official-sum
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(
            f"{path}: not the official CIFAR-100 file (SHA-256 differs); delete it to download "
            "it again"
        )
    try:
        return _ClosedUnpickler(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise DataError(f"{path}: refused ({error})") from None
