"""Prediction: a trained network over many images, fast and always in eval mode; and the network
made ready for probing, with the maps and features of what it is shown.
"""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lib.data.augment import normalise
from lib.data.streams import at_once
from lib.gradcam import GradCAM
from lib.training import machine


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """A copy for prediction, every BatchNorm folded into the convolution before it; the same
    function in eval mode."""
    model = copy.deepcopy(model).eval()
    for module in list(model.modules()):
        for number in ("1", "2"):
            if isinstance(getattr(module, f"bn{number}", None), nn.BatchNorm2d):
                setattr(
                    module,
                    f"conv{number}",
                    fuse_conv_bn_eval(
                        getattr(module, f"conv{number}"), getattr(module, f"bn{number}")
                    ),
                )
                setattr(module, f"bn{number}", nn.Identity())
        if isinstance(getattr(module, "downsample", None), nn.Sequential):
            module.downsample = fuse_conv_bn_eval(*module.downsample)
    return model


@torch.inference_mode()
def logits(
    model: nn.Module, images, mean, std, precision: str = "fp32", batch_size: int = 250
) -> np.ndarray:
    """Logits of uint8 images (N, 3, h, w), in memory or on disk, on the model's device: float32 (N,
    classes), in eval mode.

    precision: "fp32", or "bf16" for autocast; batch_size: at most, and fewer of large images
    (lib.data.streams.at_once)."""
    machine.keep_memory()
    device = next(model.parameters()).device
    folded = fold_batch_norm(model).to(memory_format=torch.channels_last)
    parts = []
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        for batch in images.split(at_once(images, batch_size)):
            batch = normalise(batch.to(device), mean, std).contiguous(
                memory_format=torch.channels_last
            )
            parts.append(folded(batch).float())
    return torch.cat(parts).cpu().numpy()


# A network made ready for many forward passes, and the one function that every probe sends its
# pictures through.


BATCH = 100  # pictures at most; the fastest on a CPU of 10 to 250


def ready(model: nn.Module, precision: str = "fp32") -> nn.Module:
    """A copy for probing: BatchNorm folded, eval mode, channels last, no gradients of weights. Make
    it once for each network.

    precision: "fp32", or "bf16" for `forward` alone: twice as fast on a CPU that computes it. The
    last layer stays in fp32, or logits near each other would be rounded to ties.
    """
    machine.keep_memory()
    network = fold_batch_norm(model).to(memory_format=torch.channels_last).requires_grad_(False)
    if precision == "bf16":
        network.to(torch.bfloat16).fc.float().register_forward_pre_hook(
            lambda layer, given: (given[0].float(),)
        )
    return network


def inputs(images: torch.Tensor, mean, std) -> torch.Tensor:
    """Pictures (N, 3, h, w) in levels 0..255, uint8 or float, as the network wants them:
    normalised, channels last."""
    return normalise(images, mean, std).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def forward(model: nn.Module, images: torch.Tensor, mean, std) -> torch.Tensor:
    """Logits (N, classes), float32 on the CPU, of pictures (N, 3, h, w) in levels 0..255; `model`
    is from `ready`."""
    weight = next(model.parameters())
    return torch.cat(
        [
            model(inputs(batch.to(weight.device), mean, std).to(weight.dtype)).cpu()
            for batch in images.split(at_once(images, BATCH))
        ]
    )


def maps(
    model: nn.Module, layer: str, images: torch.Tensor, targets: torch.Tensor, mean, std
) -> torch.Tensor:
    """Grad-CAM maps (N, h, w) of one class an image, `targets` (N,), in batches; raw, on the CPU
    (see lib.gradcam)."""
    device, step = next(model.parameters()).device, at_once(images, BATCH)
    with GradCAM(model, getattr(model, layer)) as cam:
        return torch.cat(
            [
                cam.maps(inputs(batch.to(device), mean, std), chosen.to(device)).cpu()
                for batch, chosen in zip(images.split(step), targets.split(step))
            ]
        )


@torch.inference_mode()
def features(model: nn.Module, images: torch.Tensor, mean, std) -> torch.Tensor:
    """What the last layer is given, (N, channels), of pictures (N, 3, h, w) in levels 0..255."""
    kept = []
    handle = model.fc.register_forward_pre_hook(lambda module, given: kept.append(given[0].cpu()))
    try:
        forward(model, images, mean, std)
    finally:
        handle.remove()
    return torch.cat(kept)
