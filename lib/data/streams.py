"""Images that stay on disk: rows of a .npy file are read when they are asked for, and batches ahead
of the work on them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path

import numpy as np
import torch

from lib.data.cifar import DataError

PIXELS = 2**20  # of one channel that are worked on at a time: 1,024 images of 32 px, 20 of 224 px
AHEAD = 2  # batches that are read while one is worked on, each by a thread


class Stream:
    """uint8 images (N, 3, h, w) of a .npy file, or some of them in any order, used like the tensor
    that would hold them.

    Indexing reads with pread(2): of what is mapped whole large pages count as this process's own.
    `take` chooses without reading. Raises DataError for a file that is missing, too short, or holds
    something else.
    """

    dtype = torch.uint8

    def __init__(self, path):
        self.path = Path(path)
        images = mapped(self.path)
        self.shape, self.offset = torch.Size(images.shape), images.offset
        self.file, self.rows = open(self.path, "rb", buffering=0), np.arange(len(images))

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows) -> "Stream":
        """Those images, still unread; rows: a slice, whole numbers or a mask, as for indexing."""
        chosen = object.__new__(Stream)
        vars(chosen).update(vars(self), rows=self.rows[_plain(rows)])
        chosen.shape = torch.Size((len(chosen.rows), *self.shape[1:]))
        return chosen

    def __getitem__(self, rows) -> torch.Tensor:
        """uint8 (n, 3, h, w), or (3, h, w) for one whole number."""
        places = self.rows[_plain(rows)]
        size, batch = (
            prod(self.shape[1:]),
            np.empty((np.size(places), prod(self.shape[1:])), np.uint8),
        )
        for image, place in zip(batch, np.atleast_1d(places).tolist()):
            content = os.pread(self.file.fileno(), size, self.offset + place * size)
            if len(content) < size:
                raise DataError(
                    f"{self.path}: ends within image {place}; it was whole when it was opened"
                )
            image[:] = np.frombuffer(content, np.uint8)
        return torch.from_numpy(batch).view(*np.shape(places), *self.shape[1:])

    def split(self, size: int) -> Iterator[torch.Tensor]:
        """Batches of `size` in order, as a tensor's own `split`, but read one after the other."""
        return batches(
            self, [slice(start, start + size) for start in range(0, max(len(self), 1), size)]
        )


def _plain(rows):
    """An index as NumPy takes it."""
    rows = (
        rows
        if isinstance(rows, slice)
        else rows.cpu().numpy()
        if isinstance(rows, torch.Tensor)
        else np.asarray(rows)
    )
    # of an empty list NumPy does not know that it held whole numbers
    return slice(0) if np.shape(rows) == (0,) else rows


def mapped(path: Path) -> np.memmap:
    """The images of a .npy file, mapped; raises DataError unless they are uint8 (N, 3, h, w)."""
    try:
        images = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"{path}: not a whole .npy file ({' '.join(str(error).split())})") from None
    kind, shape = images.dtype, images.shape
    order = "C" if images.flags.c_contiguous else "Fortran"
    if kind != np.uint8 or len(shape) != 4 or shape[1] != 3 or 0 in shape or order != "C":
        raise DataError(
            f"{path}: holds {kind} {shape} in {order} order; allowed: uint8 (N, 3, h, w) in C order"
        )
    return images


def take(images, rows):
    """images[rows] of a tensor; of a stream those images, still unread."""
    return images.take(rows) if isinstance(images, Stream) else images[rows]


def at_once(images, most: int) -> int:
    """How many images to work on at a time: `most`, or fewer where they are large, so that memory
    does not grow with their side."""
    return max(1, min(most, PIXELS // prod(images.shape[-2:])))


def batches(images, rows: Iterable) -> Iterator[torch.Tensor]:
    """images[batch] of each batch of `rows`; of a stream the next ones are read while one is worked
    on."""
    return (
        map(images.__getitem__, rows)
        if isinstance(images, torch.Tensor)
        else ahead(images.__getitem__, rows, AHEAD)
    )


def ahead(function: Callable, items: Iterable, threads: int) -> Iterator:
    """function(item) of one item after the other, in order, by threads that are at most `threads`
    items ahead."""
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
