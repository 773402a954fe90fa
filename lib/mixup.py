"""MixUp (Zhang et al., https://arxiv.org/abs/1710.09412)."""

import torch
from scipy.special import betaincinv


def draw(count: int, alpha: float, generator: torch.Generator) -> tuple[torch.Tensor, float]:
    """One batch's MixUp: each image's partner (count,), and lam, the share of its own picture, of
    Beta(alpha, alpha)."""
    # The quantile of one uniform number is a Beta draw; torch's own Beta takes no generator.
    uniform = torch.rand((), generator=generator, dtype=torch.float64).item()
    partner = torch.randperm(count, generator=generator)
    return partner, float(betaincinv(alpha, alpha, uniform))


def blend(images: torch.Tensor, labels: torch.Tensor, partner: torch.Tensor, lam: float):
    """Each image mixed with its partner, pixel by pixel: (mixed, labels, partner_labels, lam).

    images: normalised, (N, C, h, w); labels, partner: (N,). The input is not changed."""
    partner = partner.to(images.device)
    return lam * images + (1 - lam) * images[partner], labels, labels[partner], lam
