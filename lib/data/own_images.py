"""A user's own images under `root`: folders of pictures, decoded once into a cache, or arrays;
lib.data.streams reads both row by row. See docs/data.md.
"""

import contextlib
import fcntl
import os
import shutil
import unicodedata
from collections import Counter
from functools import partial
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib.base import artefacts, identity
from lib.base.identity import cache_folder
from lib.base.log import log
from lib.base.text import one_form
from lib.data.cifar import DataError
from lib.data.picture_files import NAMED, class_folders, pictures, pixels, printable, unreadable
from lib.data.streams import Stream, ahead

SPLITS = ("train", "val", "test")
LAYOUT = 2  # of the cache


def decoded(folder: Path, image_size: int) -> Path:
    """The cache's folder with the arrays of a folder of pictures; made when it is not there, a
    split at a time, each whole or not at all."""
    names, listed = list(class_folders(folder / "train")), {}
    for split in SPLITS:
        if split != "val" or (folder / split).is_dir():
            listed[split] = pictures(folder / split, names)
    _tell_beside(folder)
    known = {
        split: [
            [os.path.relpath(path, folder), content]
            for (path, _), content in zip(files, _contents(folder / split, files))
        ]
        for split, files in listed.items()
    }
    _tell_repeated(folder, known)
    place = (
        cache_folder()
        / artefacts.digest(
            {"layout": LAYOUT, "image_size": image_size, "files": known, "classes": names}
        )[:16]
    )
    try:
        place.mkdir(parents=True, exist_ok=True)
        with open(place / ".lock", "a") as lock:
            # two arms start at once: the second waits and finds the arrays; where there are no
            # locks both decode, and each file is whole all the same
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            for split, files in listed.items():
                if not (place / f"{split}_images.npy").is_file():
                    _decode(folder, split, files, image_size, place)
            artefacts.write_bytes(place / "classes.txt", _text(names))
    except OSError as error:
        raise DataError(
            f"{place}: {error.strerror}; XDG_CACHE_HOME names another place for decoded images"
        ) from None
    except artefacts.ArtefactError as error:
        raise DataError(f"{error}; XDG_CACHE_HOME names another place for decoded images") from None
    return place


def _tell_beside(folder: Path) -> None:
    """Say what stands beside the splits."""
    names = sorted(name for name in os.listdir(folder) if name not in SPLITS and name[0] != ".")
    # guard: what-is-no-split-is-told
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        log.info(
            f"{folder}: passed over {', '.join(map(ascii, names[:NAMED]))}{more}, for it is no "
            f"split ({', '.join(SPLITS)})"
        )


def _tell_repeated(folder: Path, known: dict[str, list[list[str]]]) -> None:
    """Say how many files of a split are in an earlier one, or there before; the report says it of
    all that look equal."""
    counts, size = Counter(), {split: len(files) for split, files in known.items()}
    split_of: dict[str, str] = {}
    for split, files in known.items():
        for _, content in files:
            # guard: repeated-files-are-told
            counts[split, split_of.setdefault(content, split)] += 1
    once = Counter(split_of.values())
    for (split, first), count in counts.items():
        if split != first:
            log.info(f"{folder}: {count} of {size[split]} files of {split} are in {first} too")
        elif count > once[split]:
            log.info(
                f"{folder}: {count - once[split]} of {size[split]} files of {split} repeat "
                "another of it"
            )


def _decode(
    folder: Path, split: str, files: list[tuple[str, int]], image_size: int, cache: Path
) -> None:
    """Write <split>_labels.npy, <split>_files.txt and, last, <split>_images.npy."""
    shape = (len(files), 3, image_size, image_size)
    needed, free = prod(shape), shutil.disk_usage(cache).free
    if needed > free:
        raise DataError(
            f"{cache}: {split} decoded takes {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are "
            "free; XDG_CACHE_HOME names another place"
        )
    log.info(f"decoding {len(files):,} pictures of {folder / split} once, into {cache}")
    for left in cache.glob(f".{split}_*.tmp"):  # of a killed process; the lock is ours
        left.unlink()
    bad: dict[str, list[str]] = {}
    with artefacts.atomic_write(cache / f"{split}_images.npy") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        paths = [path for path, _ in files]
        reading = partial(pixels, image_size=image_size)
        for path, image in zip(paths, ahead(reading, paths, os.cpu_count() or 1)):
            if isinstance(image, str):
                bad.setdefault(image, []).append(path)
            elif not bad:
                file.write(image)
        if bad:
            raise DataError(
                f"{unreadable(bad)}. Replace or remove what is named: nothing was kept of {split}"
            )
        with artefacts.atomic_write(cache / f"{split}_labels.npy") as labels:
            np.save(labels, np.array([label for _, label in files]))
        artefacts.write_bytes(
            cache / f"{split}_files.txt",
            _text([os.path.relpath(path, folder) for path, _ in files]),
        )


def _contents(folder: Path, files: list[tuple[str, int]]) -> list[str]:
    """What the pictures hold: neither a new time nor a moved folder decodes them again."""
    try:
        return identity.contents(folder, [path for path, _ in files])
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from None


def stamp(path) -> list[int]:
    """Of an array: while it is the same, so is the file."""
    try:
        return identity.stamp(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None


def _text(lines: list[str]) -> bytes:
    """One a line, whatever the file system allows in a name."""
    return "".join(f"{line!r}\n" if "\n" in line else f"{line}\n" for line in lines).encode(
        errors="backslashreplace"
    )


# What stands under `root`, be it folders of pictures or arrays, as the splits of a data set.


class Part(NamedTuple):
    """One split as it stands on disk: its images, labels (N,), and the picture files, in that
    order, if there are any."""

    images: Stream
    labels: np.ndarray
    files: np.ndarray | None


class Found(NamedTuple):
    """The splits that there are (val may be absent), the classes, and the cache's folder."""

    parts: dict[str, Part]
    class_names: list[str]
    cache: Path


def place(root) -> Path:
    """The folder that `root` names, relative to the project or absolute. Raises DataError if it
    holds neither layout."""
    folder = artefacts.ROOT / os.path.expanduser(root)
    if not folder.is_dir():
        raise DataError(f"root: {folder}: no such folder{_other_form(folder)}")
    if not (folder / "train").is_dir() and not (folder / "train_images.npy").is_file():
        names = sorted(os.listdir(folder))[:NAMED]
        raise DataError(
            f"root: {folder}: neither pictures (train/<class>/<picture>) nor arrays "
            f"(train_images.npy) are there, but {', '.join(map(repr, names)) or 'nothing'}"
        )
    return folder


def _other_form(folder: Path) -> str:
    """What a name that looks the same is on the disk."""
    for form in ("NFC", "NFD"):
        other = Path(unicodedata.normalize(form, str(folder)))
        if other.is_dir():
            return f"; one that looks the same has other signs: write {str(other)!a}"
    return ""


def read(root, image_size: int) -> Found:
    """The images under `root`, as squares of `image_size` pixels. Raises DataError with one line
    for what is missing or damaged."""
    folder = place(root)
    if (folder / "train_images.npy").is_file():
        arrays, there = (
            folder,
            [split for split in SPLITS if split != "val" or list(folder.glob("val_*.npy"))],
        )
        stamps = [[split, *stamp(arrays / f"{split}_images.npy")] for split in there]
        cache = (
            cache_folder()
            / artefacts.digest({"arrays": str(folder.resolve()), "files": stamps})[:16]
        )
    else:
        arrays = cache = decoded(folder, image_size)
        there = [split for split in SPLITS if (arrays / f"{split}_images.npy").is_file()]
    names = list(map(one_form, _lines(arrays / "classes.txt")))
    if len(set(printable(names, arrays / "classes.txt"))) < max(len(names), 2):
        raise DataError(
            f"{arrays / 'classes.txt'}: allowed are two or more different names, one a line"
        )
    files = {split: _files(cache, split) if arrays == cache else None for split in there}
    parts = {split: _part(arrays, split, names, image_size, files[split]) for split in there}
    return Found(parts, names, cache)


def _files(folder: Path, split: str) -> np.ndarray | None:
    """The pictures that were decoded, if that is how they are known."""
    path = folder / f"{split}_files.txt"
    return np.array(_lines(path), dtype=object) if path.is_file() else None


def _part(folder: Path, split: str, names: list[str], image_size: int, files) -> Part:
    path = folder / f"{split}_labels.npy"
    images = Stream(folder / f"{split}_images.npy")
    if images.shape[2:] != (image_size, image_size):
        raise DataError(
            f"{images.path}: its images have {images.shape[2]}x{images.shape[3]} px, image_size "
            f"is {image_size}"
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
            f"{path}: holds {labels.dtype} {labels.shape}; allowed: {len(images)} whole numbers "
            f"from 0 to {len(names) - 1}, one an image, the places of their classes in "
            "classes.txt"
        )
    empty = [
        name for name, count in zip(names, np.bincount(labels, minlength=len(names))) if not count
    ]
    if empty:
        raise DataError(f"{path}: no {split} image of the classes {', '.join(map(repr, empty))}")
    return Part(images, labels.astype(np.int64), files)


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
