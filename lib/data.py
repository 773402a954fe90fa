"""Data sets as uint8 tensors in memory: CIFAR-100 from the official files, or the built-in phantom."""
import hashlib
import io
import os
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lib import phantom, randomness
from lib.runs import ROOT

SHA256 = {
    "train": "735e79b04f092ca3d2e6d07f368c0a7d70d48c48d28865950cc24454cf45129b",
    "test": "4b67687d9933c4db8f0831104447f15b93774f4f464bd0516f0f0f2ac83b7864",
    "meta": "a5d4786345c961390f865e93b434dbd5c6904ce880667e0cb888c97d449f28b9",
}
CIFAR100_VAL = 5_000
PHANTOM_SIZES = {"train": 8_000, "val": 2_000, "test": 4_000}


class DataError(RuntimeError):
    """Data that is missing, damaged or not what a run was made from."""


@dataclass(frozen=True)
class Split:
    """images: uint8 (N, 3, 32, 32); labels: int64 (N,); index: int64 (N,), the place in the official file.

    planted: for the phantom a table with one row an image: cause, cause_class, object_class; else None.
    """

    images: torch.Tensor
    labels: torch.Tensor
    index: np.ndarray
    planted: pd.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, size: int) -> "Split":
        planted = None if self.planted is None else self.planted.head(size)
        return Split(self.images[:size], self.labels[:size], self.index[:size], planted)


@dataclass(frozen=True)
class Splits:
    """The three splits, the names, and the mean and deviation of the training pixels (per channel, in 0..1)."""

    name: str
    train: Split
    val: Split
    test: Split
    class_names: list[str]
    superclass: np.ndarray  # (classes,)
    superclass_names: list[str]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str


def load(name: str, root=None, sizes: dict[str, int] | None = None, seed: int = 42) -> Splits:
    """Load "cifar100" or "phantom".

    root: the folder that holds cifar-100-python/ (default: $CIFAR100_ROOT, else data/ in the project);
    sizes: images per split, 0 or absent for all; seed: of the train/val split, or of the phantom.
    Raises ValueError for an unknown name or a size the data set cannot give, DataError for missing or damaged files.
    """
    sizes = {split: size for split, size in (sizes or {}).items() if size}
    if name == "phantom":
        splits, names = _phantom({**PHANTOM_SIZES, **sizes}, seed)
    elif name == "cifar100":
        splits, names = _cifar100(root, seed)
        for split, size in sizes.items():
            if size > len(splits[split]):
                raise ValueError(f"cifar100 has {len(splits[split])} {split} images, {size} were asked for")
            splits[split] = splits[split].first(size)
    else:
        raise ValueError(f"unknown data set {name!r}; known are cifar100, phantom")
    mean, std = _statistics(splits["train"].images)
    return Splits(name, **splits, **names, mean=mean, std=std, digest=_digest(splits))


def load_for(parameters: dict, digest: str | None = None) -> Splits:
    """The data that a run was made from; raises DataError if its digest is not the recorded one."""
    sizes = {split: parameters[f"{split}_size"] for split in ("train", "val", "test")}
    splits = load(parameters["data"], sizes=sizes, seed=parameters["data_seed"])
    if digest is not None and splits.digest != digest:
        raise DataError(f"the {splits.name} data now at hand has digest {splits.digest[:12]}, the run was made from {digest[:12]}")
    return splits


def _phantom(sizes: dict[str, int], seed: int):
    splits = {}
    for split, size in sizes.items():
        made = phantom.generate(split, size, seed)
        planted = pd.DataFrame({"cause": np.array(phantom.CAUSES)[made.cause], "cause_class": made.cause_class,
                                "object_class": made.object_class})
        splits[split] = Split(torch.from_numpy(made.images), torch.from_numpy(made.labels), np.arange(size), planted)
    return splits, {"class_names": phantom.CLASS_NAMES, "superclass": np.array(phantom.SUPERCLASS),
                    "superclass_names": phantom.SUPERCLASS_NAMES}


def _cifar100(root, seed: int):
    folder = cifar100_folder(root)
    train, test, meta = (_official(folder / name, SHA256[name]) for name in ("train", "test", "meta"))
    superclass = np.zeros(100, dtype=np.int64)
    superclass[np.array(test["fine_labels"])] = test["coarse_labels"]
    order = randomness.permutation(randomness.key(seed), 50_000)
    splits = {"train": _select(train, order[CIFAR100_VAL:]), "val": _select(train, order[:CIFAR100_VAL]),
              "test": _select(test, np.arange(10_000))}
    return splits, {"class_names": meta["fine_label_names"], "superclass": superclass,
                    "superclass_names": meta["coarse_label_names"]}


def _select(official: dict, index: np.ndarray) -> Split:
    images = torch.from_numpy(official["data"].reshape(-1, 3, 32, 32)[index])
    return Split(images, torch.tensor(official["fine_labels"])[index], index)


def cifar100_folder(root=None) -> Path:
    """The folder of the official files; downloaded by torchvision when it is absent. Raises DataError."""
    root = Path(root or os.environ.get("CIFAR100_ROOT") or ROOT / "data")
    folder = root / "cifar-100-python"
    missing = [name for name in SHA256 if not (folder / name).is_file()]
    if missing:
        from torchvision.datasets import CIFAR100
        try:
            CIFAR100(str(root), download=True)
        except Exception as error:  # whatever the network, the disk or the archive did: the user's way out is the same
            raise DataError(f"CIFAR-100 is not in {folder} (missing: {', '.join(missing)}) and could not be downloaded "
                            f"({type(error).__name__}). Put the official files train, test and meta there, or name their "
                            "parent folder with DATA=; the study 'phantom' needs no download.") from None
    return folder


class _ClosedUnpickler(pickle.Unpickler):
    """Rebuilds arrays, and nothing else: an official file needs only these three names."""

    def find_class(self, module: str, name: str):
        allowed = {("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
                   ("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"asks for {module}.{name}")
        return allowed[module, name]


def _official(path: Path, sha256: str) -> dict:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"{path}: not the official CIFAR-100 file (SHA-256 differs); delete it to download it again")
    return _ClosedUnpickler(io.BytesIO(content), encoding="latin1").load()


def _statistics(images: torch.Tensor):
    """Mean and standard deviation of each channel, in 0..1, from exact integer counts."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    counts = torch.stack([torch.bincount(images[:, channel].flatten().int(), minlength=256) for channel in range(3)])
    share = counts.double() / counts.sum(1, keepdim=True)
    mean = share @ levels
    std = (share @ levels**2 - mean**2).sqrt()
    return tuple(mean.tolist()), tuple(std.tolist())


def _digest(splits: dict[str, Split]) -> str:
    total = hashlib.sha256()
    for split in ("train", "val", "test"):
        for array in (splits[split].index, splits[split].labels.numpy(), splits[split].images.numpy()):
            total.update(np.ascontiguousarray(array).astype("<i8" if array.dtype != np.uint8 else "u1").tobytes())
    return total.hexdigest()
