"""Corruptions against Pillow, SciPy, Matplotlib and torchvision, image by image, and against the
distribution that noise promises."""

import matplotlib.colors as colours
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import fft, ndimage, stats
from torchvision.transforms.v2 import functional

from lib.data.phantom import draw
from lib.evaluation.corruptions import CONSTANTS, SEVERITIES, corrupt, normal

PUBLISHED = {  # typed from make_cifar_c.py a second time
    "gaussian_noise": [0.04, 0.06, 0.08, 0.09, 0.10],
    "defocus_blur": [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)],
    "contrast": [0.75, 0.5, 0.4, 0.3, 0.15],
    "brightness": [0.05, 0.1, 0.15, 0.2, 0.3],
    "pixelate": [0.95, 0.9, 0.85, 0.75, 0.65],
    "jpeg_compression": [80, 65, 58, 50, 40],
}
MADE = draw.generate("test", 24, 0).images
IMAGES = torch.from_numpy(
    np.concatenate(
        (MADE, np.random.default_rng(0).integers(0, 256, (8, 3, 32, 32), dtype=np.uint8))
    )
)
INDEX = np.arange(len(IMAGES)) + 7
EVERY = [(kind, severity) for kind in CONSTANTS for severity in SEVERITIES]


def pillow(image) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


LUMINANCE = np.array(
    [  # ITU-T T.81, table K.1
        16,
        11,
        10,
        16,
        24,
        40,
        51,
        61,
        12,
        12,
        14,
        19,
        26,
        58,
        60,
        55,
        14,
        13,
        16,
        24,
        40,
        57,
        69,
        56,
        14,
        17,
        22,
        29,
        51,
        87,
        80,
        62,
        18,
        22,
        37,
        56,
        68,
        109,
        103,
        77,
        24,
        35,
        55,
        64,
        81,
        104,
        113,
        92,
        49,
        64,
        78,
        87,
        103,
        121,
        120,
        101,
        72,
        92,
        95,
        98,
        112,
        100,
        103,
        99,
    ]
).reshape(8, 8)


def reference_jpeg(grey, quality):
    """One channel (h, w) through the discrete cosine transform of 8x8 blocks and its
    quantisation."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    step = np.clip((LUMINANCE * scale + 50) // 100, 1, 255)
    blocks = grey.numpy().reshape(4, 8, 4, 8).swapaxes(1, 2) - 128.0
    kept = np.round(fft.dctn(blocks, axes=(2, 3), norm="ortho") / step) * step
    return (
        np.clip(fft.idctn(kept, axes=(2, 3), norm="ortho") + 128, 0, 255)
        .swapaxes(1, 2)
        .reshape(32, 32)
    )


def reference_pixelate(image, constant):
    side = int(32 * constant)
    return np.asarray(
        pillow(image).resize((side, side), Image.BOX).resize((32, 32), Image.BOX)
    ).transpose(2, 0, 1)


def reference_brightness(image, constant):
    hsv = colours.rgb_to_hsv(image.permute(1, 2, 0).numpy() / 255)
    hsv[..., 2] = np.clip(hsv[..., 2] + constant, 0, 1)
    return 255 * colours.hsv_to_rgb(hsv).transpose(2, 0, 1)


def reference_contrast(image, constant):
    return (
        255
        * torch.cat(
            [functional.adjust_contrast(channel[None] / 255, constant) for channel in image]
        ).numpy()
    )


def reference_defocus(image, constant):
    radius, sigma = constant
    y, x = np.mgrid[-8:9, -8:9]
    kernel = ndimage.gaussian_filter(
        (np.hypot(x, y) <= radius).astype(float), sigma, radius=1, mode="constant"
    )
    return np.stack(
        [
            ndimage.convolve(channel.numpy().astype(float), kernel / kernel.sum(), mode="mirror")
            for channel in image
        ]
    )


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize(
    "kind, reference, tolerance",
    [
        ("pixelate", reference_pixelate, 0),
        ("brightness", reference_brightness, 0.51),
        ("contrast", reference_contrast, 0.51),
        ("defocus_blur", reference_defocus, 0.51),
    ],
)
def test_each_kind_is_that_of_an_independent_library(kind, reference, tolerance, severity):
    ours = corrupt(IMAGES, kind, severity, INDEX).numpy().astype(float)
    theirs = np.stack([reference(image, PUBLISHED[kind][severity - 1]) for image in IMAGES])
    assert np.abs(ours - theirs).max() <= tolerance


@pytest.mark.parametrize("quality, severity", list(zip(PUBLISHED["jpeg_compression"], SEVERITIES)))
def test_jpeg_of_grey_images_is_that_of_the_standard(quality, severity):
    grey = IMAGES[:, 1]
    ours = (
        corrupt(grey[:, None].repeat(1, 3, 1, 1), "jpeg_compression", severity, INDEX)
        .numpy()
        .astype(float)
    )
    theirs = np.stack([reference_jpeg(image, quality) for image in grey])
    assert (ours[:, 0] == ours[:, 1]).all() and (ours[:, 0] == ours[:, 2]).all()
    alike = np.abs(ours[:, 0] - theirs).reshape(-1, 4, 8, 4, 8).max((2, 4)) < 1  # (N, 4, 4) blocks
    # a coefficient near half a step may fall to either side; one quality off gives 0.57 at most
    assert alike.mean() > 0.7


def test_jpeg_halves_the_resolution_of_colour_and_not_of_brightness():
    red, luma = (
        torch.zeros(1, 3, 32, 32, dtype=torch.uint8),
        torch.zeros(1, 3, 32, 32, dtype=torch.uint8),
    )
    red[:, 0, :, ::2], luma[:, :, :, ::2] = 255, 255
    red[:, 1] = torch.where(red[:, 0] > 0, 0, 130)  # stripes of about equal brightness
    stripes = [
        (one[..., ::2].float().mean() - one[..., 1::2].float().mean()).abs().item()
        for one in (
            corrupt(red, "jpeg_compression", 1, INDEX[:1])[:, 0],
            corrupt(luma, "jpeg_compression", 1, INDEX[:1])[:, 0],
        )
    ]
    assert stripes[0] < 30 and stripes[1] > 200


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noise_is_standard_normal_and_independent(severity):
    drawn = normal(severity, np.arange(300), (3, 32, 32)).numpy()
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 0.001
    moments = (
        drawn.mean(),
        drawn.var() - 1,
        stats.skew(drawn, axis=None),
        stats.kurtosis(drawn, axis=None),
    )
    assert np.all(np.abs(moments) < 4 * np.sqrt(np.array([1, 2, 6, 24]) / drawn.size))
    flat = drawn.reshape(300, -1)
    elsewhere = normal(severity % 5 + 1, np.arange(300), (3, 32, 32)).numpy().reshape(300, -1)
    others = flat[:, 1:], flat[1:], flat[:, 1536:], np.abs(flat[:, 1536:]), elsewhere
    # next place, next image, the other of a Box-Muller pair and its size, another severity
    for other in others:
        own = flat[: other.shape[0], : other.shape[1]]
        assert abs(np.corrcoef(own.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(own.size)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noise_has_the_published_strength(severity):
    grey = torch.full((50, 3, 32, 32), 128, dtype=torch.uint8)
    noisy = corrupt(grey, "gaussian_noise", severity, np.arange(50)).double()
    # and of rounding
    expected = np.hypot(255 * PUBLISHED["gaussian_noise"][severity - 1], np.sqrt(1 / 12))
    assert noisy.std().item() == pytest.approx(expected, rel=0.01)
    assert noisy.mean().item() == pytest.approx(128, abs=0.3)


@pytest.mark.parametrize("kind, severity", EVERY)
def test_an_image_is_corrupted_alike_in_every_batch_and_order(kind, severity):
    together, order = (
        corrupt(IMAGES, kind, severity, INDEX),
        torch.randperm(len(IMAGES), generator=torch.Generator().manual_seed(0)),
    )
    assert torch.equal(corrupt(IMAGES[order], kind, severity, INDEX[order]), together[order])
    assert torch.equal(
        torch.cat(
            [
                corrupt(IMAGES[i : i + 1], kind, severity, INDEX[i : i + 1])
                for i in range(len(IMAGES))
            ]
        ),
        together,
    )
    assert together.dtype == torch.uint8 and together.shape == IMAGES.shape


@pytest.mark.parametrize("kind", CONSTANTS)
def test_a_higher_severity_does_more_and_the_input_stays(kind):
    before = IMAGES.clone()
    damage = [
        (corrupt(IMAGES[:24], kind, severity, INDEX[:24]).double() - IMAGES[:24])
        .square()
        .mean()
        .item()
        for severity in SEVERITIES
    ]
    assert damage == sorted(damage) and damage[0] < damage[-1]
    assert torch.equal(IMAGES, before)


def test_noise_belongs_to_the_image_and_not_to_its_place():
    grey = torch.full((2, 3, 32, 32), 128, dtype=torch.uint8)
    one, two = (
        corrupt(grey, "gaussian_noise", 3, np.array([4, 5])),
        corrupt(grey, "gaussian_noise", 3, np.array([5, 9])),
    )
    assert torch.equal(one[1], two[0]) and not torch.equal(one[0], one[1])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kind": "fog"}, "kind: got 'fog'"),
        ({"severity": 0}, "severity: got 0"),
        ({"images": IMAGES / 255}, "images: got torch.float32"),
        ({"index": INDEX[:3]}, "and 3 ids"),
        ({"images": IMAGES[:, :1]}, "images: got"),
    ],
)
def test_bad_input_is_one_clear_line(change, message):
    with pytest.raises(ValueError, match=message) as error:
        corrupt(**({"images": IMAGES, "kind": "contrast", "severity": 1, "index": INDEX} | change))
    assert "\n" not in str(error.value)
