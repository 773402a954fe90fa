"""Grad-CAM (Selvaraju et al., https://arxiv.org/abs/1610.02391): which places of a layer raise a
class's logit."""

import torch
from torch import nn

from lib.data.streams import at_once


class GradCAM:
    """Watch one layer of a network for the length of a `with` block; the hook is always removed at
    its end.

    model: a network in eval mode that returns (N, classes) logits; layer: one of its modules, with
    (N, C, h, w) output."""

    def __init__(self, model: nn.Module, layer: nn.Module):
        self.model, self.layer = model, layer

    def __enter__(self):
        self._handle = self.layer.register_forward_hook(self._keep)
        return self

    def __exit__(self, *_):
        self._handle.remove()

    def _keep(self, module, inputs, output):
        # A detached leaf: the gradient stops here, whether or not the weights want one.
        self._features = output.detach().requires_grad_()
        return self._features.clone()  # a copy, because the next layer may work in place

    def maps(self, images: torch.Tensor, targets: torch.Tensor, relu: bool = False) -> torch.Tensor:
        """The maps of class `targets` (N,) for normalised images (N, 3, H, W): float32 (N, h, w),
        in logits.

        Raw: signed and unscaled, unless `relu` cuts them off below zero. With average pooling and
        one linear layer behind `layer`, the sum over a map plus the class's bias is the logit,
        exactly. Raises ValueError outside a `with` block's eval-mode network or for targets that do
        not fit the images."""
        if self.model.training:
            raise ValueError("Grad-CAM needs the network in eval mode: call model.eval() first")
        if targets.shape != (len(images),):
            raise ValueError(
                f"targets must be one class an image, ({len(images)},), got {tuple(targets.shape)}"
            )
        with torch.enable_grad():
            logits = self.model(images)
            chosen = logits.gather(1, targets[:, None].to(logits.device))
            (gradient,) = torch.autograd.grad(chosen.sum(), self._features)
        weights = gradient.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        maps = (weights * self._features).sum(1).detach().float()
        return maps.relu() if relu else maps


def pair_maps(
    model: nn.Module, layer: str, images: torch.Tensor, wrong: torch.Tensor, true: torch.Tensor
) -> torch.Tensor:
    """Maps of the wrong and the true class of each image: (N, 2, h, w), in logits."""
    step = at_once(images, len(images) or 1)
    with GradCAM(model, getattr(model, layer)) as cam:
        return torch.cat(
            [
                torch.stack([cam.maps(few, one), cam.maps(few, other)], 1)
                for few, one, other in zip(
                    *(values.split(step) for values in (images, wrong, true))
                )
            ]
        )


def completeness(
    model: nn.Module,
    layer: str,
    maps: torch.Tensor,
    images: torch.Tensor,
    wrong: torch.Tensor,
    true: torch.Tensor,
) -> float | None:
    """The largest deviation, in logits, of (sum over a map + bias) from the logit; None where no
    such identity holds.

    It holds for the layer before the average pooling. maps: (N, 2, h, w) of `wrong` and `true`,
    from `pair_maps`."""
    if layer != "layer4" or not len(images):
        return None
    with torch.no_grad():
        classes = torch.stack([wrong, true], 1)
        logits = torch.cat([model(few) for few in images.split(at_once(images, len(images)))])
        expected = logits.gather(1, classes) - model.fc.bias[classes]
    return (maps.sum((2, 3)) - expected).abs().max().item()
