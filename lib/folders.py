"""A user's own images: folders of pictures, decoded once into a cache, or arrays; lib.streams reads both. See docs/data.md."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib import decode
from lib.base import artefacts
from lib.cifar100 import DataError
from lib.decode import SPLITS
from lib.streams import Stream, mapped


class Part(NamedTuple):
    """One split as it stands on disk: its images, labels (N,), and the picture files, in that order, if there are any."""

    images: Stream
    labels: np.ndarray
    files: np.ndarray | None


class Found(NamedTuple):
    """The splits that there are (val may be absent), the classes, and the cache's folder."""

    parts: dict[str, Part]
    class_names: list[str]
    cache: Path


def place(root) -> Path:
    """The folder that `root` names, relative to the project or absolute. Raises DataError if it holds neither layout."""
    folder = artefacts.ROOT / Path(root).expanduser()
    if not folder.is_dir():
        raise DataError(f"root: {folder}: no such folder")
    if not (folder / "train").is_dir() and not (folder / "train_images.npy").is_file():
        raise DataError(
            f"root: {folder}: neither pictures (train/<class>/<picture>) nor arrays (train_images.npy) are there"
        )
    return folder


def test_images(root) -> int:
    """How many test images there are, without decoding any."""
    folder = place(root)
    if (folder / "train_images.npy").is_file():
        return len(mapped(folder / "test_images.npy"))
    return len(decode.pictures(folder / "test", decode.class_names(folder / "train")))


def read(root, image_size: int) -> Found:
    """The images under `root`, as squares of `image_size` pixels. Raises DataError with one line for what is missing or damaged."""
    folder = place(root)
    if (folder / "train_images.npy").is_file():
        arrays, there = (
            folder,
            [split for split in SPLITS if split != "val" or list(folder.glob("val_*.npy"))],
        )
        stamps = [[split, *decode.stamp(arrays / f"{split}_images.npy")] for split in there]
        cache = (
            decode.cache()
            / artefacts.digest({"arrays": str(folder.resolve()), "files": stamps})[:16]
        )
    else:
        arrays = cache = decode.decoded(folder, image_size)
        there = [split for split in SPLITS if (arrays / f"{split}_images.npy").is_file()]
    names = _lines(arrays / "classes.txt")
    if len(set(decode.printable(names, arrays / "classes.txt"))) < max(len(names), 2):
        raise DataError(
            f"{arrays / 'classes.txt'}: allowed are two or more different names, one a line"
        )
    return Found({split: _part(arrays, split, names, image_size) for split in there}, names, cache)


def _part(folder: Path, split: str, names: list[str], image_size: int) -> Part:
    path, files = folder / f"{split}_labels.npy", folder / f"{split}_files.txt"
    images = Stream(folder / f"{split}_images.npy")
    if images.shape[2:] != (image_size, image_size):
        raise DataError(
            f"{images.path}: its images have {images.shape[2]}x{images.shape[3]} px, image_size is {image_size}"
        )
    try:
        labels = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path}: {getattr(error, 'strerror', None) or 'not a readable .npy file'}"
        ) from None
    if (
        labels.dtype.kind not in "iu"
        or labels.shape != (len(images),)
        or labels.min() < 0
        or labels.max() >= len(names)
    ):
        raise DataError(
            f"{path}: holds {labels.dtype} {labels.shape}; allowed: {len(images)} whole numbers from 0 to {len(names) - 1}, "
            "one an image, the places of their classes in classes.txt"
        )
    empty = [
        name for name, count in zip(names, np.bincount(labels, minlength=len(names))) if not count
    ]
    if empty:
        raise DataError(f"{path}: no {split} image of the classes {', '.join(map(repr, empty))}")
    return Part(
        images,
        labels.astype(np.int64),
        np.array(_lines(files), dtype=object) if files.is_file() else None,
    )


def _lines(path: Path) -> list[str]:
    try:
        return (
            path.read_bytes()
            .decode("utf-8-sig", errors="surrogateescape")
            .replace("\r\n", "\n")
            .removesuffix("\n")
            .split("\n")
        )
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
