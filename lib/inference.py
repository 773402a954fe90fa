"""Prediction: a trained network over many images, fast and always in eval mode."""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lib import machine
from lib.data.augment import normalise
from lib.data.streams import at_once


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """A copy for prediction, every BatchNorm folded into the convolution before it; the same function in eval mode."""
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
    """Logits of uint8 images (N, 3, h, w), in memory or on disk, on the model's device: float32 (N, classes), in eval mode.

    precision: "fp32", or "bf16" for autocast; batch_size: at most, and fewer of large images (lib.data.streams.at_once).
    """
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
