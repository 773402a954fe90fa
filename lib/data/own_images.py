"""A user's own images under `root`: folders of pictures, decoded once into a cache, or arrays;
lib.data.streams reads both row by row. See docs/data.md.
"""

import contextlib
import fcntl
import os
import shutil
from functools import partial
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps

from lib.base import artefacts, identity
from lib.base.identity import cache_folder
from lib.base.log import log
from lib.data.cifar import DataError
from lib.data.streams import Stream, ahead, mapped

SPLITS = ("train", "val", "test")
DEEP = ("I", "F")  # how Pillow's names of modes with more than 8 bits a channel begin
NAMED = 5  # unreadable files that a message names
LAYOUT = 2  # of the cache


def decoded(folder: Path, image_size: int) -> Path:
    """The cache's folder with the arrays of a folder of pictures; made when it is not there, a
    split at a time, each whole or not at all."""
    names, listed = class_names(folder / "train"), {}
    for split in SPLITS:
        if split != "val" or (folder / split).is_dir():
            listed[split] = pictures(folder / split, names)
    known = {
        split: [
            [os.path.relpath(path, folder), content]
            for (path, _), content in zip(files, _contents(folder / split, files))
        ]
        for split, files in listed.items()
    }
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
    bad = []
    with artefacts.atomic_write(cache / f"{split}_images.npy") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        for image in ahead(
            partial(pixels, image_size=image_size),
            [path for path, _ in files],
            os.cpu_count() or 1,
        ):
            bad += [image] if isinstance(image, str) else []
            if not bad:
                file.write(image)
        if bad:
            more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
            raise DataError(
                f"{'; '.join(bad[:NAMED])}{more}. Replace or remove it: nothing was kept of {split}"
            )
        with artefacts.atomic_write(cache / f"{split}_labels.npy") as labels:
            np.save(labels, np.array([label for _, label in files]))
        artefacts.write_bytes(
            cache / f"{split}_files.txt",
            _text([os.path.relpath(path, folder) for path, _ in files]),
        )


def pixels(path: str, image_size: int, fitted=None) -> bytes | str:
    """One picture, turned as its EXIF says, its shorter side resized and its centre cut out: 3 *
    size * size bytes; or what is wrong. fitted: another rule, of a PIL picture and the size."""

    try:
        with Image.open(path) as opened:
            if opened.mode.startswith(DEEP):
                return f"{path}: more than 8 bits a channel ({opened.mode})"
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        return np.asarray((fitted or _centre)(picture, image_size)).transpose(2, 0, 1).tobytes()
    except Exception as error:  # Pillow's decoders trip over foreign bytes in a dozen ways
        return (
            f"{path}: not a readable picture "
            f"({' '.join(str(error).split()) or type(error).__name__})"
        )


def _centre(picture, image_size: int):
    from torchvision.transforms.functional import center_crop, resize

    return center_crop(resize(picture, image_size), image_size)


def squares(paths: list[Path], image_size: int) -> torch.Tensor:
    """Pictures resized to squares whatever their sides, nothing cut off: uint8 (N, 3, size, size).
    Raises DataError for one that cannot be read."""
    from torchvision.transforms.functional import resize

    found = [
        pixels(str(path), image_size, lambda picture, size: resize(picture, [size, size]))
        for path in paths
    ]
    if bad := [one for one in found if isinstance(one, str)]:
        raise DataError("; ".join(bad[:NAMED]))
    shape = (len(found), 3, image_size, image_size)
    return torch.frombuffer(bytearray(b"".join(found)), dtype=torch.uint8).view(shape)


def class_names(folder: Path) -> list[str]:
    """The names of the class folders, in order; those that begin with a dot are nobody's class."""
    try:
        names = sorted(
            entry.name
            for entry in os.scandir(folder)
            if entry.is_dir() and not entry.name.startswith(".")
        )
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from None
    if len(names) < 2:
        raise DataError(
            f"{folder}: {len(names)} class folders are there; two or more are needed, "
            f"{folder.name}/<class>/<picture>"
        )
    return printable(names, folder)


def printable(names: list[str], where: Path) -> list[str]:
    """The names of classes, as they are; raises DataError for one that no report could print."""
    odd = [name for name in names if not name.isprintable() or name != name.strip() or not name]
    if odd:
        raise DataError(
            f"{where}: a class must have a name in UTF-8 and printable, without blanks at its "
            f"ends (got {odd[0]!r})"
        )
    return names


def pictures(folder: Path, names: list[str]) -> list[tuple[str, int]]:
    """Path and label of every picture, by class and name, as torchvision's ImageFolder lists
    them."""
    from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

    here = class_names(folder)
    if here != names:
        raise DataError(
            f"{folder}: its class folders are not those of train: missing "
            f"{sorted(set(names) - set(here))}, unknown {sorted(set(here) - set(names))}"
        )
    files = make_dataset(
        str(folder),
        {name: place for place, name in enumerate(names)},
        IMG_EXTENSIONS,
        allow_empty=True,
    )
    empty = [
        str(folder / names[label])
        for label in sorted(set(range(len(names))) - {label for _, label in files})
    ]
    if empty:
        raise DataError(
            f"{', '.join(empty)}: no picture there; pictures end in {', '.join(IMG_EXTENSIONS)}"
        )
    return files


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
    folder = artefacts.ROOT / Path(root).expanduser()
    if not folder.is_dir():
        raise DataError(f"root: {folder}: no such folder")
    if not (folder / "train").is_dir() and not (folder / "train_images.npy").is_file():
        raise DataError(
            f"root: {folder}: neither pictures (train/<class>/<picture>) nor arrays "
            "(train_images.npy) are there"
        )
    return folder


def test_images(root) -> int:
    """How many test images there are, without decoding any."""
    folder = place(root)
    if (folder / "train_images.npy").is_file():
        return len(mapped(folder / "test_images.npy"))
    return len(pictures(folder / "test", class_names(folder / "train")))


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
    names = _lines(arrays / "classes.txt")
    if len(set(printable(names, arrays / "classes.txt"))) < max(len(names), 2):
        raise DataError(
            f"{arrays / 'classes.txt'}: allowed are two or more different names, one a line"
        )
    return Found({split: _part(arrays, split, names, image_size) for split in there}, names, cache)


def _part(folder: Path, split: str, names: list[str], image_size: int) -> Part:
    path, files = folder / f"{split}_labels.npy", folder / f"{split}_files.txt"
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
