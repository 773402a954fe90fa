"""The recipe in three functions of nothing but their arguments: learning rate, mixing, loss."""

import torch
import torch.nn.functional as F

from lib import cutmix
from lib.base import random


def learning_rate(epoch: int, initial: float, milestones: list[int]) -> float:
    """The learning rate of epoch 0, 1, ...: divided by 10 once `milestone` epochs are finished."""
    return initial * 0.1 ** sum(epoch >= milestone for milestone in milestones)


def mixed_loss(
    outputs: torch.Tensor,
    labels: torch.Tensor,
    partner_labels: torch.Tensor,
    lam: float,
    smoothing: float,
):
    """lam CE(own label) + (1 - lam) CE(partner's label), label smoothing in both; mean over the batch."""
    own = F.cross_entropy(outputs, labels, label_smoothing=smoothing)
    return (
        own
        if lam == 1
        else lam * own
        + (1 - lam) * F.cross_entropy(outputs, partner_labels, label_smoothing=smoothing)
    )


def draw(params, step: int, count: int, height: int, width: int):
    """The CutMix of a step's batch, with the arm's probability (see lib.cutmix.draw), or None: a function of (seed, step)."""
    generator = torch.Generator().manual_seed(random.key(params.seed, step, 2) >> 1)
    if torch.rand((), generator=generator).item() >= params.cutmix_probability:
        return None
    return cutmix.draw(count, height, width, params.cutmix_alpha, generator)


def mix(images, labels, params, step: int):
    """A batch mixed as drawn. Returns (images, labels, partner_labels, lam)."""
    drawn = draw(params, step, len(images), *images.shape[2:])
    return (images, labels, labels, 1.0) if drawn is None else cutmix.paste(images, labels, *drawn)
