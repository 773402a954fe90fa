"""The official files of CIFAR-100 and CIFAR-10: found, checked, and read without running the code a
pickle may hold."""

import fcntl
import hashlib
import io
import os
import pickle
from pathlib import Path

import numpy as np

from lib.base.artefacts import ROOT
from lib.base.errors import DataError
from lib.base.text import listed

SHA256 = {
    "train": "735e79b04f092ca3d2e6d07f368c0a7d70d48c48d28865950cc24454cf45129b",
    "test": "4b67687d9933c4db8f0831104447f15b93774f4f464bd0516f0f0f2ac83b7864",
    "meta": "a5d4786345c961390f865e93b434dbd5c6904ce880667e0cb888c97d449f28b9",
}
# of CIFAR-10 torchvision lists no others
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}
# name, folder, and the sum of each file
SETS = {
    "cifar100": ("CIFAR-100", "cifar-100-python", SHA256),
    "cifar10": ("CIFAR-10", "cifar-10-batches-py", MD5),
}
# the superclasses of CIFAR-10 are the project's own: the files have none
SUPERCLASSES = ["animals", "vehicles"]
VEHICLES = {"airplane", "automobile", "ship", "truck"}


def read(root=None) -> tuple[dict, dict, dict]:
    """The contents of CIFAR-100's files train, test and meta. Raises DataError if one is missing or
    damaged."""
    folder = find(root)
    return tuple(official(folder / name, SHA256[name]) for name in ("train", "test", "meta"))


def read_cifar10(root=None) -> tuple[dict, dict, dict]:
    """CIFAR-10 as `read` gives CIFAR-100, in that data set's words: the five batches are one after
    the other. Raises DataError if a file is missing or damaged."""
    folder = find(root, "cifar10")
    *batches, test, meta = (official(folder / name, MD5[name]) for name in MD5)
    train = {
        "data": np.concatenate([batch["data"] for batch in batches]),
        "fine_labels": [label for batch in batches for label in batch["labels"]],
    }
    names, labels = meta["label_names"], test["labels"]
    coarse = [int(names[label] in VEHICLES) for label in labels]
    test = {"data": test["data"], "fine_labels": labels, "coarse_labels": coarse}
    return train, test, {"fine_label_names": names, "coarse_label_names": SUPERCLASSES}


def parent(root=None) -> Path:
    """The folder that holds those of the official files; what people say of labels lies there."""
    return Path(os.path.expanduser(root or os.environ.get("CIFAR100_ROOT") or ROOT / "data"))


def find(root=None, name: str = "cifar100") -> Path:
    """The folder of the official files; downloaded by torchvision when it is absent. Raises
    DataError."""
    label, place, sums = SETS[name]
    root = parent(root)
    folder = root / place
    missing = [file for file in sums if not (folder / file).is_file()]
    if missing:
        from torchvision import datasets

        try:
            root.mkdir(parents=True, exist_ok=True)
            with open(root / ".download.lock", "a") as lock:
                # two arms start at once: the second waits and finds the files
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not all((folder / file).is_file() for file in sums):
                    getattr(datasets, name.upper())(str(root), download=True)
        # whatever the network, the disk or the archive did: the user's way out is the same
        except Exception as error:
            # guard: no-network
            raise DataError(
                f"{label} is not in {folder} (missing: {', '.join(missing)}) and could not be "
                f"downloaded ({type(error).__name__}). Put the official files {listed([*sums])} "
                "there, or name their parent folder with DATA=; the study 'phantom' needs no "
                "download."
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


def official(path: Path, digest: str) -> dict:
    """The content of one file. Raises DataError unless it has that digest: SHA-256 of CIFAR-100,
    MD5, which is shorter, of CIFAR-10."""
    label, algorithm = ("CIFAR-100", "SHA-256") if len(digest) == 64 else ("CIFAR-10", "MD5")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    # guard: official-sum
    found = hashlib.new(algorithm.replace("-", ""), content, usedforsecurity=False)
    if found.hexdigest() != digest:
        raise DataError(
            f"{path}: not the official {label} file ({algorithm} differs); delete it to download "
            "it again"
        )
    try:
        return _ClosedUnpickler(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise DataError(f"{path}: refused ({error})") from None
