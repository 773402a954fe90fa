"""Data sets as uint8 tensors in memory: CIFAR-100 from the official files, or the built-in phantom."""
import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from lib import phantom, randomness
from lib.cifar100 import DataError, read

CIFAR100_VAL = 5_000
PHANTOM_SIZES = {"train": 8_000, "val": 2_000, "test": 4_000}


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
    if set(sizes) - set(PHANTOM_SIZES) or any(size < 0 for size in sizes.values()):
        raise ValueError(f"sizes must be counts of {', '.join(PHANTOM_SIZES)}, got {sizes}")
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
    train, test, meta = read(root)
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
