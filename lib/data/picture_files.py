"""Which files below a folder are pictures of a study, and what one of them is to a network. What is
passed over is counted, and what cannot be read is named.
"""

import os
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin

from lib.base.errors import DataError
from lib.base.log import log
from lib.base.text import listed

# what Pillow reads without a program of the system
ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".gif"),
    *(".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".tga"),
)
DEEP = ("I", "F")  # how Pillow's names of modes with more than 8 bits a channel begin
HIDDEN = "names that begin with a dot"
NAMED = 5  # files or endings that a message names
# Beyond so many squares of the wanted side a picture is cut out before it is resized: one that is
# a thousand times longer than wide would take a thousand times the memory.
LONGEST = 16
# A PNG may say more of itself (XMP, a profile) than Pillow would read; its pixels are as good.
PngImagePlugin.MAX_TEXT_CHUNK = 2**26
PngImagePlugin.MAX_TEXT_MEMORY = 2**28
# How files begin that stand in for a picture, and what to do about them.
STAND_INS = {
    b"version https://git-lfs.github.com/spec/": "a Git LFS pointer, no picture: `git lfs pull`",
    b"/annex/objects/": "a git-annex pointer, no picture: `git annex get`",
    b"<!doctype html": "a web page, no picture: what was to be downloaded was not",
    b"<html": "a web page, no picture: what was to be downloaded was not",
}


# The folders of classes, and the files in them.


def class_folders(folder: Path) -> dict[str, str]:
    """Name to path of the class folders, in order of the names; those that begin with a dot are
    nobody's class. One name in two Unicode forms is one name. Raises DataError."""
    try:
        entries = [entry for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != "."]
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from None
    found = {}
    for entry in sorted(entries, key=lambda entry: entry.name):
        name = unicodedata.normalize("NFC", entry.name)
        if name in found:
            other = os.path.basename(found[name])
            raise DataError(
                f"{folder}: two class folders have one name in two Unicode forms, {other!a} and "
                f"{entry.name!a}"
            )
        found[name] = entry.path
    if len(found) < 2:
        raise DataError(
            f"{folder}: {len(found)} class folders are there; two or more are needed, "
            f"{folder.name}/<class>/<picture>"
        )
    printable(list(found), folder)
    return dict(sorted(found.items()))


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
    """Path and label of every picture, by class and name, in the order in which torchvision's
    ImageFolder lists them; says how many files are passed over. Raises DataError."""
    folders = class_folders(folder)
    if list(folders) != names:
        missing, unknown = sorted(set(names) - set(folders)), sorted(set(folders) - set(names))
        raise DataError(
            f"{folder}: its class folders are not those of train: missing {_told(missing)}, "
            f"unknown {_told(unknown)}"
        )
    # where the walk has been: no picture is listed twice
    seen, passed, files = {_identity(folder): str(folder)}, _beside(folder, folders), []
    for label, place in enumerate(folders.values()):
        files += [(path, label) for path in _below(place, seen, passed)]
    empty = sorted(set(range(len(names))) - {label for _, label in files})
    _tell_passed_over(folder, passed)
    if empty:
        raise DataError(
            f"{', '.join(str(folder / names[label]) for label in empty)}: no picture there; "
            f"pictures end in {', '.join(ENDINGS)}"
        )
    return files


def _beside(folder: Path, folders: dict[str, str]) -> Counter:
    """What stands beside the class folders, and belongs to none."""
    names = [name for name in os.listdir(folder) if str(folder / name) not in folders.values()]
    hidden = sum(name[0] == "." for name in names)
    return Counter({HIDDEN: hidden, "in no class": len(names) - hidden})


def tree(folder: Path) -> list[str]:
    """All pictures below a folder without classes, in order; says how many files are passed over.
    Raises DataError."""
    passed = Counter()
    files = _below(str(folder), {}, passed)
    _tell_passed_over(folder, passed)
    return files


def _below(folder: str, seen: dict[tuple, str], passed: Counter) -> list[str]:
    """The pictures below a folder; `seen` and `passed` are added to."""
    found = []
    for place, below, names in os.walk(folder, followlinks=True):
        # guard: no-folder-twice
        if (first := seen.setdefault(_identity(place), place)) != place:
            raise DataError(f"{place}: leads to {first}, whose pictures are listed already")
        passed[HIDDEN] += sum(name[0] == "." for name in below)
        below[:] = [name for name in below if name[0] != "."]
        for name in sorted(names):
            ending = os.path.splitext(name)[1].lower()
            # guard: hidden-at-every-depth
            if name[0] == ".":
                passed[HIDDEN] += 1
            elif ending in ENDINGS:
                found.append((place, os.path.join(place, name)))
            else:
                passed[ending or "no ending"] += 1
    return [path for _, path in sorted(found)]


def _identity(folder) -> tuple[int, int]:
    told = os.stat(folder)
    return told.st_dev, told.st_ino


def _tell_passed_over(folder: Path, passed: Counter) -> None:
    # guard: passed-over-counted
    if passed := +passed:
        kinds = [f"{count} × {kind}" for kind, count in passed.most_common(NAMED)]
        kinds += ["others"] * (len(passed) > NAMED)
        log.info(f"{folder}: passed over as no picture of a class: {listed(kinds)}")


def _told(names: list[str]) -> str:
    """Names as a message has them; letters that only look alike are told apart."""
    return f"{names}" + ("" if all(name.isascii() for name in names) else f" ({names!a})")


# One picture.


def pixels(path: str, image_size: int, fitted=None) -> bytes | str:
    """One picture, turned as its EXIF says, its shorter side resized and its centre cut out: 3 *
    size * size bytes; or what is wrong. fitted: another rule, of a PIL picture and the size."""
    try:
        with Image.open(path) as opened:
            if opened.mode.startswith(DEEP):
                return f"more than 8 bits a channel ({opened.mode})"
            picture = _upright(opened).convert("RGB")
        return np.asarray((fitted or _square)(picture, image_size)).transpose(2, 0, 1).tobytes()
    except Exception as error:  # Pillow's decoders trip over foreign bytes in a dozen ways
        said = " ".join(str(error).replace(repr(path), "").split()) or type(error).__name__
        return stand_in(path) or f"not a readable picture ({said})"


def _upright(picture: Image.Image) -> Image.Image:
    picture.load()
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damaged EXIF says nothing of the pixels
        return picture


def _square(picture: Image.Image, side: int) -> Image.Image:
    """The centre of the picture, its shorter side resized, as torchvision does both."""
    from torchvision.transforms.functional import center_crop, resize

    width, height = picture.size
    # guard: memory-of-the-output
    if max(width, height) > LONGEST * min(width, height):
        short = min(width, height)
        picture = center_crop(picture, [min(height, LONGEST * short), min(width, LONGEST * short)])
    return center_crop(resize(picture, side), side)


def squares(paths: list[Path], image_size: int) -> torch.Tensor:
    """Pictures resized to squares whatever their sides, nothing cut off: uint8 (N, 3, size, size).
    Raises DataError for one that cannot be read."""
    from torchvision.transforms.functional import resize

    found = [
        pixels(str(path), image_size, lambda picture, size: resize(picture, [size, size]))
        for path in paths
    ]
    bad = [f"{path}: {one}" for path, one in zip(paths, found) if isinstance(one, str)]
    if bad:
        raise DataError("; ".join(bad[:NAMED]))
    shape = (len(found), 3, image_size, image_size)
    return torch.frombuffer(bytearray(b"".join(found)), dtype=torch.uint8).view(shape)


def stand_in(path: str) -> str:
    """What stands there in place of a picture, if that can be told; else nothing."""
    try:
        with open(path, "rb") as file:
            head = file.read(64).lstrip().lower()
    except OSError:
        return ""
    # guard: a-stand-in-is-named
    if not head:
        return "an empty file"
    return next((said for begins, said in STAND_INS.items() if head.startswith(begins)), "")


def unreadable(bad: dict[str, list[str]]) -> str:
    """What is wrong with which pictures, `bad` by reason, in one line."""
    parts = []
    for reason, paths in bad.items():
        more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
        parts.append(f"{', '.join(paths[:NAMED])}{more}: {reason}")
    return "; ".join(parts)
