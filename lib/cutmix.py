"""CutMix (Yun et al., https://arxiv.org/abs/1905.04899)."""

import torch
import torch.nn.functional as F
from scipy.special import betaincinv

from lib import mixup
from lib.base import random


def cut_box(
    height: int, width: int, lam: float, centre_y: int, centre_x: int
) -> tuple[int, int, int, int]:
    """The box (top, bottom, left, right) that covers 1 - `lam` of the image before it is clipped at
    the border."""
    half_height, half_width = (round(side * (1 - lam) ** 0.5) // 2 for side in (height, width))
    return (
        max(centre_y - half_height, 0),
        min(centre_y + half_height, height),
        max(centre_x - half_width, 0),
        min(centre_x + half_width, width),
    )


def draw(
    count: int, height: int, width: int, alpha: float, generator: torch.Generator
) -> tuple[torch.Tensor, tuple, float]:
    """One batch's CutMix: each image's partner (count,), the box (top, bottom, left, right), and
    lam, the share outside the box."""
    # The quantile of one uniform number is a Beta draw; torch's own Beta takes no generator.
    uniform = torch.rand((), generator=generator, dtype=torch.float64).item()
    centre_y = int(torch.randint(height, (), generator=generator))
    centre_x = int(torch.randint(width, (), generator=generator))
    partner = torch.randperm(count, generator=generator)
    top, bottom, left, right = box = cut_box(
        height, width, float(betaincinv(alpha, alpha, uniform)), centre_y, centre_x
    )
    return partner, box, 1 - (bottom - top) * (right - left) / (height * width)


def paste(
    images: torch.Tensor, labels: torch.Tensor, partner: torch.Tensor, box: tuple, lam: float
):
    """What was drawn, done: (mixed, labels, partner_labels, lam). The input is not changed."""
    partner, (top, bottom, left, right) = partner.to(images.device), box
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[partner, :, top:bottom, left:right]
    return mixed, labels, labels[partner], lam


def cutmix(images: torch.Tensor, labels: torch.Tensor, alpha: float, generator: torch.Generator):
    """Paste one box of a partner image into each image of a batch.

    images: (N, C, h, w); labels: (N,); alpha: parameter of Beta(alpha, alpha), > 0; generator: a
    CPU generator, the only source of randomness. Returns (mixed, labels, partner_labels, lam).
    `lam` is the share of pixels that stayed, counted from the clipped integer box: its mean at
    alpha 1 is about 0.68, not 0.5. The input is not changed. Raises ValueError if alpha is not
    positive or the images have no four dimensions."""
    if not alpha > 0:
        raise ValueError(f"alpha must be greater than 0, got {alpha}")
    if images.ndim != 4:
        raise ValueError(f"images must be (N, C, h, w), got {tuple(images.shape)}")
    return paste(images, labels, *draw(len(images), *images.shape[2:], alpha, generator))


def mixed_loss(
    outputs: torch.Tensor,
    labels: torch.Tensor,
    partner_labels: torch.Tensor,
    lam: float,
    smoothing: float,
):
    """lam CE(own label) + (1 - lam) CE(partner's label), label smoothing in both; mean over the
    batch."""
    own = F.cross_entropy(outputs, labels, label_smoothing=smoothing)
    return (
        own
        if lam == 1
        else lam * own
        + (1 - lam) * F.cross_entropy(outputs, partner_labels, label_smoothing=smoothing)
    )


def draw_for_step(params, step: int, count: int, height: int, width: int):
    """The partners, box and lam of a step's batch, or None: CutMix or MixUp, whose box is None,
    each with the arm's probability. A function of (seed, step)."""
    generator = torch.Generator().manual_seed(random.key(params.seed, step, 2) >> 1)
    uniform = torch.rand((), generator=generator).item()
    if uniform < params.cutmix_probability:
        return draw(count, height, width, params.cutmix_alpha, generator)
    if uniform < params.cutmix_probability + params.mixup_probability:
        partner, lam = mixup.draw(count, params.mixup_alpha, generator)
        return partner, None, lam
    return None


def mix(images, labels, params, step: int):
    """A batch mixed as drawn. Returns (images, labels, partner_labels, lam)."""
    drawn = draw_for_step(params, step, len(images), *images.shape[2:])
    if drawn is None:
        return images, labels, labels, 1.0
    partner, box, lam = drawn
    if box is None:
        return mixup.blend(images, labels, partner, lam)
    return paste(images, labels, partner, box, lam)
