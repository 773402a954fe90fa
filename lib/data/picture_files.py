"""Which files below a folder are pictures of a study, and what one of them is to a network. What is
passed over is counted, and what cannot be read is named.
"""

import contextlib
import io
import os
import stat
import threading
import warnings
from collections import Counter
from math import prod
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from lib.base.errors import DataError
from lib.base.log import log
from lib.base.text import JOINERS, listed, one_form, printed

# what Pillow reads without a program of the system
ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".gif"),
    *(".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".tga"),
)
DEEP = ("I", "F")  # how Pillow's names of modes with more than 8 bits a channel begin
HIDDEN = "names that begin with a dot"
# folders that systems make between a user's own: unpacked archives of macOS, thumbnails of network
# drives, bins
OF_SYSTEMS = {
    *("__MACOSX", "@eaDir", "#recycle", "@Recycle", "$RECYCLE.BIN", "lost+found"),
    "System Volume Information",
}
A_SYSTEMS = "folders of a system"
NAMED = 5  # files or endings that a message names
# Beyond so many squares of the wanted side a picture is cut out before it is resized: one that is
# a thousand times longer than wide would take a thousand times the memory.
LONGEST = 16
# Pictures of more pixels are decoded one at a time, whatever the threads, and a JPEG reduced.
LARGE, one_large = 2**26, threading.Lock()
# What a picture says of itself is nothing to warn of, its size neither: Pillow refuses what is
# twice as large as what it warns of.
warnings.filterwarnings("ignore", module=r"PIL\b")
# What makes the pixels of a PNG; where a JPEG begins and ends.
PNG, OF_PIXELS = b"\x89PNG\r\n\x1a\n", (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
JPEG, JPEGS_END = b"\xff\xd8\xff", b"\xff\xd9"
# How files begin that stand in for a picture, and what to do about them.
A_PAGE = "a web page, no picture: what was to be downloaded was not"
STAND_INS = {
    b"version https://git-lfs.github.com/spec/": "a Git LFS pointer, no picture: `git lfs pull`",
    b"/annex/objects/": "a git-annex pointer, no picture: `git annex get`",
    b"\0gitcrypt": "encrypted by git-crypt, no picture: `git-crypt unlock`",
    b"<!doctype html": A_PAGE,
    b"<html": A_PAGE,
    b"<?xml": "XML, no picture: a server's answer, or a drawing",
    b"<svg": "a drawing (SVG), no picture of pixels",
    b"{": "JSON, no picture: a server's answer",
    b"xsym": "a link of another system, no picture: copy what it leads to",
}


# The folders of classes, and the files in them.


def class_folders(folder: Path) -> dict[str, str]:
    """Name to path of the class folders, in order of the names; those that begin with a dot, or
    that a system made, are nobody's class. One name in two Unicode forms is one name. Raises
    DataError."""
    try:
        entries = [
            entry for entry in os.scandir(folder) if entry.is_dir() and not _foreign(entry.name)
        ]
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from None
    found = {}
    for entry in sorted(entries, key=lambda entry: entry.name):
        name = one_form(entry.name)
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
    odd = [name for name in names if not _is_printable(name) or name != name.strip() or not name]
    if odd:
        raise DataError(
            f"{where}: a class must have a name in UTF-8 and printable, without blanks at its "
            f"ends (got {odd[0]!r})"
        )
    return names


def _is_printable(name: str) -> bool:
    """Persian, Hindi and emoji join their letters by signs that have no look of their own."""
    return name.translate(dict.fromkeys(map(ord, JOINERS))).isprintable()


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
    _refuse_no_files([path for path, _ in files])
    _refuse_one_name([path for path, _ in files])
    if empty:
        raise DataError(
            f"{', '.join(str(folder / names[label]) for label in empty)}: no picture there; "
            f"pictures end in {', '.join(ENDINGS)}"
        )
    return files


def _refuse_one_name(paths: list[str]) -> None:
    """Raises DataError for two files whose names are one in the Unicode form in which they are
    compared."""
    known = {}
    for path in paths:
        other = known.setdefault(one_form(path), path)
        if other != path:
            raise DataError(f"{other!a} and {path!a}: one name in two Unicode forms; rename one")


def _beside(folder: Path, folders: dict[str, str]) -> Counter:
    """What stands beside the class folders, and belongs to none."""
    names = [name for name in os.listdir(folder) if str(folder / name) not in folders.values()]
    return Counter(_foreign(name) or "in no class" for name in names)


def _foreign(name: str) -> str:
    """Which names of files and folders are nobody's picture or class, in words; else nothing."""
    if name[0] == ".":
        return HIDDEN
    # guard: folders-of-systems
    return A_SYSTEMS if name in OF_SYSTEMS else ""


def tree(folder: Path) -> list[str]:
    """All pictures below a folder without classes, in order; says how many files are passed over.
    Raises DataError."""
    passed = Counter()
    files = _below(str(folder), {}, passed)
    _tell_passed_over(folder, passed)
    _refuse_no_files(files)
    return files


def _below(folder: str, seen: dict[tuple, str], passed: Counter) -> list[str]:
    """The pictures below a folder; `seen` and `passed` are added to."""
    found = []
    for place, below, names in os.walk(folder, onerror=_refuse, followlinks=True):
        # guard: no-folder-twice
        if (first := seen.setdefault(_identity(place), place)) != place:
            raise DataError(f"{place}: leads to {first}, whose pictures are listed already")
        passed.update(filter(None, map(_foreign, below)))
        below[:] = [name for name in below if not _foreign(name)]
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


def _refuse(error: OSError) -> None:
    # guard: a-folder-that-cannot-be-read
    raise DataError(f"{error.filename}: {error.strerror}")


def _refuse_no_files(paths: list[str]) -> None:
    """Raise DataError for names of pictures that no file stands behind: to open a pipe would wait
    for ever."""
    bad: dict[str, list[str]] = {}
    for path in paths:
        # guard: files-alone
        if said := _no_file(path):
            bad.setdefault(said, []).append(path)
    if bad:
        raise DataError(f"{unreadable(bad)}. Replace or remove what is named")


def _no_file(path: str) -> str:
    try:
        return "" if stat.S_ISREG(os.stat(path).st_mode) else "no file: a pipe, socket or device"
    except FileNotFoundError:
        cure = ": `git annex get`" if "annex/objects" in os.readlink(path) else ""
        return f"a link to what is not there{cure}"
    except OSError as error:
        return f"{error.strerror}"


def _identity(folder) -> tuple[int, int]:
    told = os.stat(folder)
    return told.st_dev, told.st_ino


def _tell_passed_over(folder: Path, passed: Counter) -> None:
    # guard: passed-over-counted
    if passed := +passed:
        kinds = [f"{count} × {printed(kind)}" for kind, count in passed.most_common(NAMED)]
        if rest := passed.total() - sum(count for _, count in passed.most_common(NAMED)):
            kinds += [f"{rest} others"]
        log.info(f"{folder}: passed over as no picture of a class: {listed(kinds)}")


def _told(names: list[str]) -> str:
    """Names as a message has them; letters that only look alike are told apart."""
    return f"{names}" + ("" if all(name.isascii() for name in names) else f" ({names!a})")


# One picture.


def pixels(path: str, image_size: int, fitted=None) -> bytes | str:
    """One picture, turned as its EXIF says, its shorter side resized and its centre cut out: 3 *
    size * size bytes; or what is wrong. fitted: another rule, of a PIL picture and the size."""
    try:
        picture = (fitted or _square)(_decoded(path, image_size), image_size)
        return np.asarray(picture).transpose(2, 0, 1).tobytes()
    except DataError as error:
        return str(error)
    except Exception as error:  # Pillow's decoders trip over foreign bytes in a dozen ways
        said = " ".join(str(error).replace(repr(path), "").split()) or type(error).__name__
        return stand_in(path) or f"not a readable picture ({said})"


def _decoded(path: str, side: int) -> Image.Image:
    """RGB and upright; what is damaged besides the pixels counts for nothing."""
    try:
        return _rgb(path, side)
    except DataError:
        raise
    except Exception:
        content = Path(path).read_bytes()
        # guard: its-pixels-alone
        if content.startswith(PNG):
            return _rgb(io.BytesIO(_chunks_of_pixels(content)), side)
        # guard: a-jpeg-without-its-end
        if content.startswith(JPEG) and (picture := _ended(content, side)):
            return picture
        raise


def _chunks_of_pixels(content: bytes) -> bytes:
    """A PNG without what else it says."""
    kept, place = [PNG], len(PNG)
    while place < len(content):
        size = 12 + int.from_bytes(content[place : place + 4])
        if content[place + 4 : place + 8] in OF_PIXELS:
            kept.append(content[place : place + size])
        place += size
    return b"".join(kept)


def _ended(content: bytes, side: int) -> Image.Image | None:
    """A JPEG that lacks nothing but its end: where pixels are missing too, they would be made of
    whatever follows."""
    content = content.removesuffix(JPEGS_END[:1])
    one, other = (
        _rgb(io.BytesIO(content + filling + JPEGS_END), side) for filling in (b"", b"U" * 512)
    )
    # guard: no-pixel-of-what-follows
    return one if one == other else None


def _rgb(source, side: int) -> Image.Image:
    with Image.open(source) as picture, _turn_of(picture):
        # of colours Pillow keeps the high byte alone, and tells so in the form of the file's bytes
        forms = [picture.mode, *(str(tile[3]) for tile in picture.tile)]
        if deep := [form for form in forms if form.startswith(DEEP) or ";16" in form]:
            raise DataError(f"more than 8 bits a channel ({deep[0]})")
        # guard: large-ones-are-reduced
        if prod(picture.size) > LARGE:
            picture.draft(None, (4 * side, 4 * side))
        picture.load()
        # damaged EXIF says nothing of the pixels
        with contextlib.suppress(Exception):
            ImageOps.exif_transpose(picture, in_place=True)
        return picture if picture.mode == "RGB" else picture.convert("RGB")


def _turn_of(picture: Image.Image):
    """What a large picture waits for."""
    return one_large if prod(picture.size) > LARGE else contextlib.nullcontext()


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
            head = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    except OSError:
        return ""
    # guard: a-stand-in-is-named
    if not head:
        return "an empty file"
    if not head.strip(b"\0"):
        return "zeros alone: a download or copy that did not end"
    # where links are written as text
    if head.startswith(b"../") and b"annex/objects" in head:
        head = b"/annex/objects/"
    return next((said for begins, said in STAND_INS.items() if head.startswith(begins)), "")


def unreadable(bad: dict[str, list[str]]) -> str:
    """What is wrong with which pictures, `bad` by reason, in one line."""
    parts = []
    for reason, paths in bad.items():
        more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
        parts.append(f"{', '.join(paths[:NAMED])}{more}: {reason}")
    return "; ".join(parts)
