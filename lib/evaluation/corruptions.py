"""Generated corruptions after Hendrycks and Dietterich 2019 (https://arxiv.org/abs/1903.12261),
with CIFAR-C's severities, or for large images ImageNet-C's.

The constants are those of https://github.com/hendrycks/robustness,
ImageNet-C/create_c/make_cifar_c.py and make_imagenet_c.py. Two things differ: values are rounded to
whole levels, where the original cuts them off, and noise is counted, so that an image gets the same
noise in every batch and order.
"""

import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from lib.base import random

SEED = 2019  # of the noise
SEVERITIES = (1, 2, 3, 4, 5)
CONSTANTS = {
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),  # standard deviation; full scale is 1
    # radius of a disk, sigma of its edge, pixels
    "defocus_blur": (
        (0.3, 0.4),
        (0.4, 0.5),
        (0.5, 0.6),
        (1, 0.2),
        (1.5, 0.1),
    ),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),  # factor on the distance from the channel's mean
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),  # added to the value of HSV; full scale is 1
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),  # factor on the side
    "jpeg_compression": (80, 65, 58, 50, 40),  # quality
}
SMALL = 64  # pixels of a side up to which an image has CIFAR-C's severities
LARGE = {
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "defocus_blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
    "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
    "jpeg_compression": (25, 18, 15, 10, 7),
}
# in prose
NAMES = {
    "gaussian_noise": "Gaussian noise",
    "defocus_blur": "defocus blur",
    "contrast": "low contrast",
    "brightness": "brightness",
    "pixelate": "pixelation",
    "jpeg_compression": "JPEG",
}


def corrupt(images: torch.Tensor, kind: str, severity: int, index: np.ndarray) -> torch.Tensor:
    """uint8 images (N, 3, h, w) under a corruption: the same shape and type; the input is not
    changed.

    kind: a name in CONSTANTS; severity: 1 to 5; index: whole numbers (N,), the images' ids, which
    the noise is drawn for. Raises ValueError for another kind, severity, type or shape."""
    if kind not in CONSTANTS:
        raise ValueError(f"kind: got {kind!r}; allowed: {', '.join(CONSTANTS)}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity: got {severity!r}; allowed: 1 to {SEVERITIES[-1]}")
    if (
        images.dtype != torch.uint8
        or images.ndim != 4
        or images.shape[1] != 3
        or len(images) != len(index)
    ):
        raise ValueError(
            f"images: got {images.dtype} of shape {tuple(images.shape)} and {len(index)} ids; "
            "allowed: uint8 (N, 3, h, w)"
        )
    constant = (CONSTANTS if images.shape[-1] <= SMALL else LARGE)[kind][severity - 1]
    if kind == "gaussian_noise":
        return _levels(images + 255 * constant * normal(severity, index, images.shape[1:]))
    return FUNCTIONS[kind](images, constant)


def _levels(values: torch.Tensor) -> torch.Tensor:
    """0..255 to the nearest whole level, halves upwards."""
    return (values + 0.5).clamp(0, 255).to(torch.uint8)  # which cuts off


def normal(severity: int, index: np.ndarray, shape) -> torch.Tensor:
    """Standard normal numbers float32 (N, *shape), a function of severity, id and place (Box and
    Muller 1958)."""
    count = -(-int(np.prod(shape)) // 2)
    start = random.bits(random.key(SEED, severity), index)
    counters = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(random.INCREMENT)
    words = random.mix(start[:, None] + counters)  # (N, count)
    radius = np.sqrt(
        -2
        * np.log(
            ((words >> np.uint64(32)).astype(np.float32) + np.float32(0.5)) / np.float32(2**32)
        )
    )
    angle = (words & np.uint64(0xFFFFFFFF)).astype(np.float32) * np.float32(2 * np.pi / 2**32)
    pairs = np.concatenate((radius * np.cos(angle), radius * np.sin(angle)), 1)[:, : np.prod(shape)]
    return torch.from_numpy(pairs.reshape(-1, *shape))


def defocus_blur(images: torch.Tensor, constant: tuple[float, float]) -> torch.Tensor:
    """Mean over a disk, its edge softened over 3x3 pixels, of a radius above 8 over 5x5; borders
    are mirrored without repeating the outermost pixel."""
    radius, sigma = constant
    soft = 1 if radius <= 8 else 2
    reach = max(int(radius) + soft, 2)
    place = torch.arange(-float(reach), reach + 1)
    disk = (place[:, None] ** 2 + place**2 <= radius**2).float()
    edge = torch.exp(-(torch.arange(-float(soft), soft + 1) ** 2) / (2 * sigma**2))
    kernel = F.conv2d(disk[None, None], torch.outer(edge, edge)[None, None], padding=soft)
    # 4 times as fast
    padded = F.pad(images.float(), (reach,) * 4, mode="reflect").contiguous(
        memory_format=torch.channels_last
    )
    return _levels(
        F.conv2d(padded, (kernel / kernel.sum()).expand(3, 1, *kernel.shape[2:]), groups=3)
    ).contiguous()


def contrast(images: torch.Tensor, constant: float) -> torch.Tensor:
    mean = images.float().mean((2, 3), keepdim=True)
    return _levels((images - mean) * constant + mean)


def brightness(images: torch.Tensor, constant: float) -> torch.Tensor:
    """Raises V of HSV. At equal hue and saturation RGB is proportional to V; black has no hue and
    becomes grey."""
    value = images.amax(1, keepdim=True)
    raised = (value + 255 * constant).clamp(max=255)
    return _levels(torch.where(value > 0, images * (raised / value), raised))


def pixelate(images: torch.Tensor, constant: float) -> torch.Tensor:
    """Resized to int(side * constant) and back with a box filter: every pixel becomes the mean of
    the cell that it falls in."""

    def averaging(side):
        # (side,): the cell of each pixel's centre
        cell = (2 * torch.arange(side) + 1) * int(side * constant) // (2 * side)
        same = (cell[:, None] == cell).float()
        return same / same.sum(1, keepdim=True)

    # Pillow rounds between the two directions
    rows = _levels(images.float() @ averaging(images.shape[3]).T)
    return _levels(averaging(images.shape[2]) @ rows.float())


def jpeg_compression(images: torch.Tensor, constant: int) -> torch.Tensor:
    """Through Pillow's JPEG, with its default of chroma at half the resolution."""

    def through(image):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=constant)
        return np.asarray(Image.open(buffer))

    decoded = np.stack(
        [through(image) for image in images.permute(0, 2, 3, 1).contiguous().numpy()]
    )
    return torch.from_numpy(decoded).permute(0, 3, 1, 2).contiguous()


FUNCTIONS = {
    "defocus_blur": defocus_blur,
    "contrast": contrast,
    "brightness": brightness,
    "pixelate": pixelate,
    "jpeg_compression": jpeg_compression,
}
