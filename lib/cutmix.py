"""CutMix (Yun et al., https://arxiv.org/abs/1905.04899)."""
import torch
from scipy.special import betaincinv


def cut_box(height: int, width: int, lam: float, centre_y: int, centre_x: int) -> tuple[int, int, int, int]:
    """The box (top, bottom, left, right) that covers 1 - `lam` of the image before it is clipped at the border."""
    half_height, half_width = (round(side * (1 - lam) ** 0.5) // 2 for side in (height, width))
    return (max(centre_y - half_height, 0), min(centre_y + half_height, height),
            max(centre_x - half_width, 0), min(centre_x + half_width, width))


def cutmix(images: torch.Tensor, labels: torch.Tensor, alpha: float, generator: torch.Generator):
    """Paste one box of a partner image into each image of a batch.

    images: (N, C, h, w); labels: (N,); alpha: parameter of Beta(alpha, alpha), > 0;
    generator: a CPU generator, the only source of randomness.
    Returns (mixed, labels, partner_labels, lam). `lam` is the share of pixels that stayed, counted from the
    clipped integer box: its mean at alpha 1 is about 0.68, not 0.5. The input is not changed.
    Raises ValueError if alpha is not positive or the images have no four dimensions.
    """
    if not alpha > 0:
        raise ValueError(f"alpha must be greater than 0, got {alpha}")
    if images.ndim != 4:
        raise ValueError(f"images must be (N, C, h, w), got {tuple(images.shape)}")
    height, width = images.shape[2:]
    # The quantile of one uniform number is a Beta draw; torch's own Beta takes no generator.
    uniform = torch.rand((), generator=generator, dtype=torch.float64).item()
    centre_y = int(torch.randint(height, (), generator=generator))
    centre_x = int(torch.randint(width, (), generator=generator))
    partner = torch.randperm(len(images), generator=generator).to(images.device)
    top, bottom, left, right = cut_box(height, width, float(betaincinv(alpha, alpha, uniform)), centre_y, centre_x)
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[partner, :, top:bottom, left:right]
    lam = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, labels, labels[partner], lam
