"""A walk over all images of a data set: the statistics of its training pixels, and the digest that a run is known by."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from lib.base import artefacts
from lib.decode import SPLITS, stamp
from lib.streams import PIXELS, at_once


def walk(splits: dict) -> dict:
    """mean and std of the training pixels, per channel, in 0..1, and the digest of all splits (lib.data.Split by name)."""
    mean, std = statistics(splits["train"].images)
    return {"mean": mean, "std": std, "digest": digest(splits)}


def remembered(splits: dict, folder: Path) -> dict:
    """`walk` of streamed splits, read from `folder` while the arrays' sizes and times are those of the walk that was kept there."""
    stamps = [stamp(splits[split].images.path) for split in SPLITS]
    path = folder / f"walk-{artefacts.digest({'files': stamps, 'rows': _rows(splits)})[:16]}.json"
    try:
        return artefacts.read_json(path)
    except artefacts.ArtefactError:
        found = walk(splits)
    try:
        artefacts.write_json(path, found)
    except (
        artefacts.ArtefactError
    ):  # a place that cannot be written to costs the next walk, and nothing else
        pass
    return found


def statistics(images) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, in 0..1, from exact integer counts."""
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
