"""Pictures that belong to none of a study's classes: a folder of them, or CIFAR-10's test
images."""

import os

import numpy as np
import torch

from lib.base import artefacts
from lib.base.errors import DataError
from lib.data import cifar, picture_files


def read(named: str, image_size: int) -> torch.Tensor:
    """uint8 (N, 3, image_size, image_size), of a folder as own pictures are read, in the order of
    their names. Raises DataError for a folder that is none or holds no picture."""
    if named == "cifar10":
        _, test, _ = cifar.read_cifar10()
        if image_size != 32:
            raise DataError(f"outside: cifar10 has images of 32 px, the study's have {image_size}")
        return torch.from_numpy(np.asarray(test["data"]).reshape(-1, 3, 32, 32))
    folder = artefacts.ROOT / os.path.expanduser(named)
    files = picture_files.tree(folder) if folder.is_dir() else []
    if not files:
        raise DataError(f"outside: {folder}: no such folder, or no picture in it")
    return torch.stack([_picture(path, image_size) for path in files])


def _picture(path: str, size: int) -> torch.Tensor:
    pixels = picture_files.pixels(path, size)
    if isinstance(pixels, str):
        raise DataError(f"outside: {path}: {pixels}")
    return torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(3, size, size)
