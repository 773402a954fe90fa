"""Data sets: CIFAR-100 and CIFAR-10 from the official files or the built-in phantom, uint8 tensors
in memory; or a folder of images, read as needed. And what is found in a walk over all their images:
the statistics of the training pixels, and the digest that a run is known by.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lib.base import artefacts, random
from lib.base.errors import ParameterError
from lib.base.log import log
from lib.base.text import one_form
from lib.data import own_images
from lib.data.cifar import DataError, read, read_cifar10
from lib.data.own_images import SPLITS, stamp
from lib.data.phantom import draw
from lib.data.streams import PIXELS, Stream, at_once, take

EVALUATED = ("val", "test")
PHANTOM_SIZES = {"train": 8_000, "val": 2_000, "test": 4_000}
CIFAR_SIZES = {"train": 45_000, "val": 5_000, "test": 10_000}
# of what is known without a look
SIZES = {"phantom": PHANTOM_SIZES, "cifar10": CIFAR_SIZES, "cifar100": CIFAR_SIZES}
# of CIFAR, and of a folder without a validation split, one in so many training images is drawn
VAL_SHARE = 10
WALK = 2  # of the rule by which a walk finds its numbers


@dataclass(frozen=True)
class Split:
    """images: uint8 (N, 3, h, w), in memory or on disk; labels: int64 (N,); index: int64 (N,), the
    place in the official file or folder.

    planted: for the phantom a table with one row an image: cause, cause_class, object_class; else
    None. files: (N,) the picture files of a folder of pictures, relative to it; else None. Rows
    without pictures have None for images."""

    images: torch.Tensor | Stream | None
    labels: torch.Tensor
    index: np.ndarray
    planted: pd.DataFrame | None = None
    files: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, size: int) -> "Split":
        return self.of(slice(size))

    def of(self, rows) -> "Split":
        """Those rows alone; rows: a slice or whole numbers."""
        planted = None if self.planted is None else self.planted.iloc[rows].reset_index(drop=True)
        files = None if self.files is None else self.files[rows]
        return Split(take(self.images, rows), self.labels[rows], self.index[rows], planted, files)


@dataclass(frozen=True)
class Splits:
    """The three splits, the names, and the mean and deviation of the training pixels (per channel,
    in 0..1)."""

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


def load(
    name: str, root=None, sizes: dict[str, int] | None = None, seed: int = 42, image_size: int = 32
) -> Splits:
    """Load "cifar100", "cifar10", "phantom" or "folder".

    root: of CIFAR the folder that holds cifar-100-python/ or cifar-10-batches-py/ (default:
    $CIFAR100_ROOT, else data/ in the project), of folder the images (see lib.data.own_images);
    sizes: images per split, 0 or absent for all; seed: of the train/val split, or of the phantom;
    image_size: pixels of a side, of folder alone. Raises ValueError for an unknown name or a size
    the data set cannot give, DataError for missing or damaged files."""
    sizes = {split: size for split, size in (sizes or {}).items() if size}
    if set(sizes) - set(PHANTOM_SIZES) or any(size < 0 for size in sizes.values()):
        raise ValueError(f"sizes must be counts of {', '.join(PHANTOM_SIZES)}, got {sizes}")
    if name == "phantom":
        splits, names = _phantom({**PHANTOM_SIZES, **sizes}, seed)
    elif name == "cifar100":
        splits, names = _cifar(*read(root), seed)
    elif name == "cifar10":
        splits, names = _cifar(*read_cifar10(root), seed)
    elif name == "folder":
        found = own_images.read(root, image_size)
        splits, names = _folder(found, seed)
    else:
        raise ValueError(f"unknown data set {name!r}; known are cifar100, cifar10, phantom, folder")
    for split, size in sizes.items():
        if size > len(splits[split]):
            raise ParameterError(
                f"{name} has {len(splits[split])} {split} images, {size} were asked for"
            )
        splits[split] = splits[split].first(size)
    if name == "folder":
        _tell_untrained(splits["train"], names["class_names"])
    known = remembered(splits, found.cache) if name == "folder" else walk(splits)
    return Splits(
        name,
        **splits,
        **names,
        mean=tuple(known["mean"]),
        std=tuple(known["std"]),
        digest=known["digest"],
    )


def load_for(parameters: dict, digest: str | None = None) -> Splits:
    """The data that a run is to be, or was, made from; raises DataError if its digest is not the
    recorded one. `rows`, of a run of brought predictions, is the file that says of which rows it
    is."""
    if parameters["data"] == "none":
        splits = without_pictures(rows_of(parameters["rows"]))
    else:
        sizes = {split: parameters[f"{split}_size"] for split in ("train", "val", "test")}
        splits = load(
            parameters["data"],
            parameters["root"],
            sizes,
            parameters["data_seed"],
            parameters["image_size"],
        )
        if parameters.get("rows"):
            splits = on_rows(splits, rows_of(parameters["rows"]))
    if digest is not None and splits.digest != digest:
        raise DataError(
            f"the {splits.name} data now at hand has digest {splits.digest[:12]}, the run was "
            f"made from {digest[:12]}"
        )
    return splits


def _phantom(sizes: dict[str, int], seed: int):
    splits = {}
    for split, size in sizes.items():
        made = draw.generate(split, size, seed)
        planted = pd.DataFrame(
            {
                "cause": np.array(draw.CAUSES)[made.cause],
                "cause_class": made.cause_class,
                "object_class": made.object_class,
            }
        )
        splits[split] = Split(
            torch.from_numpy(made.images), torch.from_numpy(made.labels), np.arange(size), planted
        )
    return splits, {
        "class_names": draw.CLASS_NAMES,
        "superclass": np.array(draw.SUPERCLASS),
        "superclass_names": draw.SUPERCLASS_NAMES,
    }


def _cifar(train: dict, test: dict, meta: dict, seed: int):
    superclass = np.zeros(len(meta["fine_label_names"]), dtype=np.int64)
    superclass[np.array(test["fine_labels"])] = test["coarse_labels"]
    order = random.permutation(random.key(seed), len(train["fine_labels"]))
    val = len(order) // VAL_SHARE
    splits = {
        "train": _select(train, order[val:]),
        "val": _select(train, order[:val]),
        "test": _select(test, np.arange(len(test["fine_labels"]))),
    }
    return splits, {
        "class_names": meta["fine_label_names"],
        "superclass": superclass,
        "superclass_names": meta["coarse_label_names"],
    }


def _select(official: dict, index: np.ndarray) -> Split:
    images = torch.from_numpy(official["data"].reshape(-1, 3, 32, 32)[index])
    return Split(images, torch.tensor(official["fine_labels"])[index], index)


def _folder(found: own_images.Found, seed: int):
    """Each split in a random order of the seed: files come sorted by class, and any first images
    should be a sample of all."""

    def chosen(split, index):
        images, labels, files = found.parts[split]
        return Split(
            images.take(index),
            torch.from_numpy(labels)[index],
            index,
            files=None if files is None else files[index],
        )

    train, val, test = (
        random.permutation(
            random.key(seed, *purpose),
            len(found.parts[split].labels) if split in found.parts else 0,
        )
        for split, purpose in (("train", ()), ("val", (1,)), ("test", (2,)))
    )
    count = len(train) // VAL_SHARE
    splits = {"test": chosen("test", test)}
    if len(val):
        splits |= {"train": chosen("train", train), "val": chosen("val", val)}
    elif count:
        splits |= {"train": chosen("train", train[count:]), "val": chosen("train", train[:count])}
    else:
        raise DataError(
            f"{len(train)} training images are too few to draw one in {VAL_SHARE} for "
            "validation; a folder val/ spares that"
        )
    return splits, {
        "class_names": found.class_names,
        "superclass": np.arange(len(found.class_names)),
        "superclass_names": found.class_names,
    }


def _tell_untrained(train: Split, names: list[str]) -> None:
    counts = np.bincount(train.labels, minlength=len(names))
    absent = [name for name, count in zip(names, counts) if not count]
    # guard: a-class-that-is-not-trained
    if absent:
        more = f" and {len(absent) - 1} more" * (len(absent) > 1)
        log.info(
            f"no training picture is left of class {absent[0]!r}{more}, once validation is drawn "
            "and the sizes are kept; a folder val/ spares the first"
        )


# A walk over all images of a data set: the statistics of its training pixels, and the digest that a
# run is known by.


def walk(splits: dict) -> dict:
    """mean and std of the training pixels, per channel, in 0..1, and the digest of all splits
    (`Split` by name)."""
    mean, std = statistics(splits["train"].images)
    return {"mean": mean, "std": std, "digest": digest(splits)}


def remembered(splits: dict, folder: Path) -> dict:
    """`walk` of streamed splits, read from `folder` while the arrays' sizes and times are those of
    the walk that was kept there."""
    stamps = [stamp(splits[split].images.path) for split in SPLITS]
    asked = {"rule": WALK, "files": stamps, "rows": _rows(splits)}
    path = folder / f"walk-{artefacts.digest(asked)[:16]}.json"
    try:
        return artefacts.read_json(path)
    except artefacts.ArtefactError:
        found = walk(splits)
    try:
        artefacts.write_json(path, found)
    except artefacts.ArtefactError:
        # a place that cannot be written to costs the next walk, and nothing else
        pass
    return found


def statistics(images) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, in 0..1, from exact integer counts; a channel
    that varies by less than a level is divided by 1."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    counts = sum(
        torch.stack(
            [
                torch.bincount(block[:, channel].flatten().int(), minlength=256)
                for channel in range(3)
            ]
        )
        for block in _blocks(images)
    )
    share = counts.double() / counts.sum(1, keepdim=True)
    mean = share @ levels
    std = (share @ levels**2 - mean**2).sqrt()
    # guard: a-channel-without-variance
    std = torch.where(std * 255 > 1, std, 1)
    return mean.tolist(), std.tolist()


def digest(splits: dict) -> str:
    """SHA-256 of all places, labels and images, split by split."""
    total = hashlib.sha256()
    for split in SPLITS:
        total.update(_numbers(splits[split]))
        for block in _blocks(splits[split].images):
            total.update(np.ascontiguousarray(block.numpy()))
    return total.hexdigest()


def _rows(splits: dict) -> str:
    """What chose the images and labelled them."""
    return artefacts.digest(
        [
            [len(splits[split]), hashlib.sha256(_numbers(splits[split])).hexdigest()]
            for split in SPLITS
        ]
    )


def _numbers(split) -> bytes:
    return b"".join(
        np.ascontiguousarray(array).astype("<i8").tobytes()
        for array in (split.index, split.labels.numpy())
    )


def _blocks(images):
    return images.split(at_once(images, PIXELS))


# Rows of predictions that were brought: without pictures, or of those the data have.


@dataclass(frozen=True, eq=False)
class Rows:
    """Which rows predictions are of: ids of val and test, text (N,), labels int64 (N,), and the
    classes. set_aside: the validation rows are test rows of the data."""

    class_names: list[str]
    ids: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    set_aside: bool

    @property
    def digest(self) -> str:
        """SHA-256 of all of it; no id holds a line break."""
        total = hashlib.sha256(f"{self.class_names} {self.set_aside}".encode())
        for split in EVALUATED:
            total.update("\n".join(self.ids[split]).encode())
            total.update(np.ascontiguousarray(self.labels[split], "<i8"))
        return total.hexdigest()


def rows_of(path) -> Rows:
    """The rows of a run folder's predictions.npz."""
    arrays = artefacts.read_arrays(path)
    try:
        return Rows(
            arrays["class_names"].tolist(),
            *(
                {split: np.asarray(arrays[f"{split}_{what}"]) for split in EVALUATED}
                for what in ("ids", "labels")
            ),
            bool(arrays["set_aside"]),
        )
    except KeyError as error:
        raise DataError(f"{path}: {error} is missing: no brought predictions") from None


def without_pictures(rows: Rows) -> Splits:
    """Splits of labels alone: no training rows, no pictures, no superclasses."""

    def split(name: str) -> Split:
        labels = rows.labels.get(name, np.zeros(0, np.int64))
        return Split(None, torch.from_numpy(np.array(labels)), np.arange(len(labels)))

    names = rows.class_names
    return Splits(
        "none", *map(split, SPLITS), names, np.arange(len(names)), names, (), (), rows.digest
    )


def ids(splits: Splits, split: str) -> np.ndarray:
    """What brought predictions call each picture, text (N,): in a folder of pictures the path below
    its split, else the place in the official file."""
    part = getattr(splits, split)
    if part.files is None:
        return part.index.astype(str).astype(object)
    return np.array([one_form(file).split("/", 1)[1] for file in part.files], object)


def positions(splits: Splits, rows: Rows) -> dict[str, tuple[str, np.ndarray]]:
    """Where the pictures of the rows stand: {split: (split of the data, places in it)}.

    Raises DataError for a row without a picture."""
    found = {}
    for split in EVALUATED:
        source = "test" if rows.set_aside else split
        known = ids(splits, source)
        place = pd.Index(known).get_indexer(pd.Index(rows.ids[split].astype(object)))
        if (place < 0).any():
            raise DataError(
                f"no picture of {source} has the id {rows.ids[split][place.argmin()]!r}, as "
                f"{known[0]!r} is one"
            )
        found[split] = (source, place)
    return found


def on_rows(splits: Splits, rows: Rows) -> Splits:
    """The pictures of those rows alone, in their order; the same splits where these are all of
    them."""
    found = positions(splits, rows)
    if all(
        source == split and np.array_equal(place, np.arange(len(getattr(splits, split))))
        for split, (source, place) in found.items()
    ):
        return splits
    digest = artefacts.digest([splits.digest, rows.digest])
    parts = {split: getattr(splits, source).of(place) for split, (source, place) in found.items()}
    return replace(splits, **parts, digest=digest)
