"""What happens to a batch between memory and the network. Each split gets its own transform, and a
run proves it."""

import numpy as np
import torch
import torch.nn.functional as F

from lib.base import random
from lib.data.streams import at_once

PADDED = 8  # the padding is one in so many of a side's pixels: 4 at 32 px


def normalise(images: torch.Tensor, mean, std) -> torch.Tensor:
    """uint8 (N, 3, h, w) to float32 with zero mean and unit deviation per channel; `mean` and `std`
    in 0..1.

    Tensors on the device stay where they are: a CUDA graph may not copy from the host.
    """
    mean, std = (
        torch.as_tensor(values, dtype=torch.float32, device=images.device).view(1, 3, 1, 1)
        for values in (mean, std)
    )
    return (images.float() / 255 - mean) / std


# 31 bits: the bias of a remainder is then under 2 to the minus 21
LOW, SHIFT = np.uint64(0x7FFFFFFF), np.uint64(31)


def draw_augmentation(
    seed: int,
    epoch: int,
    index: np.ndarray,
    augment: bool,
    image_size: int = 32,
    cutout_size: int = 0,
) -> torch.Tensor | None:
    """(N, 3) whole numbers: top offset 0..8, left offset 0..8, flip 0..1, for image `index` in that
    epoch; with Cutout (N, 7), the box of `draw_cutout` after them.

    Offsets are of images of 32 px; they go up to a quarter of the side. None when the arm trains
    with neither; with Cutout alone no image moves."""
    if not augment and not cutout_size:
        return None
    bits = random.bits(random.key(seed, epoch, 1), index)
    side = np.uint64(2 * (image_size // PADDED) + 1)
    # separate bit ranges
    columns = (bits & LOW) % side, ((bits >> SHIFT) & LOW) % side, bits >> np.uint64(63)
    draws = torch.from_numpy(np.stack(columns, 1).astype(np.int64))
    if not augment:
        draws = torch.tensor([image_size // PADDED, image_size // PADDED, 0]).expand_as(draws)
    if not cutout_size:
        return draws
    return torch.cat([draws, draw_cutout(seed, epoch, index, image_size, cutout_size)], 1)


def draw_cutout(
    seed: int, epoch: int, index: np.ndarray, image_size: int, cutout_size: int
) -> torch.Tensor:
    """(N, 4): top, bottom, left and right of the square of `cutout_size` px that Cutout blanks,
    its centre anywhere in the image, clipped at the border, for image `index` in that epoch."""
    bits = random.bits(random.key(seed, epoch, 3), index)
    centres = np.stack([bits & LOW, (bits >> SHIFT) & LOW], 1) % np.uint64(image_size)
    start = torch.from_numpy(centres.astype(np.int64)) - cutout_size // 2
    ends = torch.stack([start, start + cutout_size], 2)  # (N, row and column, start and end)
    return ends.clamp(0, image_size).flatten(1)


def crop_and_flip(images: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Shift each image by its own offsets after zero padding by an eighth of its side, and flip it
    left to right where drawn.

    images: uint8 (N, 3, h, w), square; draws: (N, 3 or 7) from `draw_augmentation`. The input is
    not changed."""
    count, channels, height, width = images.shape
    padding = width // PADDED
    rows = draws[:, 0, None] + torch.arange(height, device=images.device)  # (N, h)
    columns = torch.arange(width, device=images.device).expand(count, width)
    # (N, w)
    columns = draws[:, 1, None] + torch.where(draws[:, 2, None] == 1, columns.flip(1), columns)
    padded = F.pad(images, (padding,) * 4).flatten(2)  # (N, 3, (h + 2p) (w + 2p))
    place = rows[:, :, None] * (width + 2 * padding) + columns[:, None, :]  # (N, h, w)
    return padded.gather(2, place.view(count, 1, -1).expand(-1, channels, -1)).view_as(images)


def cut_out(images: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Cutout (DeVries and Taylor, https://arxiv.org/abs/1708.04552): each image's own box set to 0,
    which is the mean colour.

    images: normalised (N, 3, h, w); boxes: (N, 4) from `draw_cutout`. The input is not changed."""
    row, column = (torch.arange(side, device=images.device) for side in images.shape[2:])
    top, bottom, left, right = boxes[:, :, None].unbind(1)  # (N, 1) each
    rows, columns = (row >= top) & (row < bottom), (column >= left) & (column < right)
    return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def training_batch(images: torch.Tensor, draws: torch.Tensor | None, mean, std) -> torch.Tensor:
    """A batch as training sees it: cropped and flipped when there are draws, then normalised, then
    cut out when the draws have boxes."""
    images = normalise(images if draws is None else crop_and_flip(images, draws), mean, std)
    return images if draws is None or draws.shape[1] == 3 else cut_out(images, draws[:, 3:])


def proof(
    splits, seed: int, augment: bool, size: int = 256, cutout_size: int = 0
) -> dict[str, float]:
    """Read the first images of each split twice, as two epochs would; return the share that differs
    between readings.

    Uses the functions that training and prediction use: near 1 for an augmented train split,
    exactly 0 for val and test."""

    def differs(split, reading):
        # the two readings of each are several copies
        parts, step = (
            [],
            max(at_once(split.images, size) // 4, 1),
        )
        for start in range(0, min(size, len(split)), step):
            place = slice(start, min(start + step, size))
            one, two = (reading(split.images[place], split.index[place], epoch) for epoch in (0, 1))
            # what is no number equals itself here: it is no difference between two readings
            unlike = (one != two) & ~(one.isnan() & two.isnan())
            parts.append(unlike.flatten(1).any(1))
        return torch.cat(parts).double().mean().item()

    def training(images, index, epoch):
        return training_batch(
            images,
            draw_augmentation(seed, epoch, index, augment, images.shape[-1], cutout_size),
            splits.mean,
            splits.std,
        )

    def prediction(images, *_):
        return normalise(images, splits.mean, splits.std)

    return {
        "train": differs(splits.train, training),
        "val": differs(splits.val, prediction),
        "test": differs(splits.test, prediction),
    }
