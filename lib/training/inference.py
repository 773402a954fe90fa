"""Prediction: a trained network over many images, fast and always in eval mode; and the network
made ready for probing, with the maps and features of what it is shown.
"""

import copy
from itertools import product

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lib.data.augment import normalise
from lib.data.streams import at_once
from lib.gradcam import GradCAM
from lib.model import ResNet, layout
from lib.training import machine


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """A copy for prediction; of our own network with every BatchNorm folded into the convolution
    before it, the same function in eval mode. In another network names say nothing of what runs
    after what: nothing is folded."""
    model = copy.deepcopy(model).eval()
    # guard: own-network-folded
    if type(model) is not ResNet:
        return model
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
        # as many modules as before: a layer of the maps may be any of them
        short = getattr(module, "downsample", None)
        if short is not None and isinstance(short[1], nn.BatchNorm2d):
            module.downsample = nn.Sequential(fuse_conv_bn_eval(*short), nn.Identity())
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
    folded = fold_batch_norm(model).to(memory_format=layout(model))
    parts = []
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        for batch in images.split(at_once(images, batch_size)):
            parts.append(folded(inputs(batch.to(device), mean, std, model)).float())
    return torch.cat(parts).cpu().numpy()


# A network made ready for many forward passes, and the one function that every probe sends its
# pictures through.


CELLS = 4  # of a side, that `occlusion` covers one by one: what our own maps have at 32 px
BATCH = 100  # pictures at most; the fastest on a CPU of 10 to 250


def ready(model: nn.Module, precision: str = "fp32") -> nn.Module:
    """A copy for probing: BatchNorm folded, eval mode, channels last, no gradients of weights. Make
    it once for each network.

    precision: "fp32", or "bf16" for `forward` alone: twice as fast on a CPU that computes it. The
    last layer stays in fp32, or logits near each other would be rounded to ties. A network that is
    not our own stays in fp32.
    """
    machine.keep_memory()
    network = fold_batch_norm(model).to(memory_format=layout(model)).requires_grad_(False)
    if precision == "bf16" and type(network) is ResNet:
        network.to(torch.bfloat16).fc.float().register_forward_pre_hook(
            lambda layer, given: (given[0].float(),)
        )
    return network


def inputs(images: torch.Tensor, mean, std, model: nn.Module | None = None) -> torch.Tensor:
    """Pictures (N, 3, h, w) in levels 0..255, uint8 or float, as the network wants them: normalised
    with its own mean and deviation where it was brought with them, channels last if it is ours."""
    mean, std = getattr(model, "brought_statistics", (mean, std))
    form = torch.channels_last if model is None else layout(model)
    return normalise(images, mean, std).contiguous(memory_format=form)


@torch.inference_mode()
def forward(model: nn.Module, images: torch.Tensor, mean, std) -> torch.Tensor:
    """Logits (N, classes), float32 on the CPU, of pictures (N, 3, h, w) in levels 0..255; `model`
    is from `ready`."""
    weight = next(model.parameters())
    return torch.cat(
        [
            model(inputs(batch.to(weight.device), mean, std, model).to(weight.dtype)).float().cpu()
            for batch in images.split(at_once(images, BATCH))
        ]
    )


def maps(
    model: nn.Module, layer: str | None, images: torch.Tensor, targets: torch.Tensor, mean, std
) -> torch.Tensor:
    """Grad-CAM maps (N, h, w) of one class an image, `targets` (N,), in batches; raw, on the CPU
    (see lib.gradcam). Without a layer, of a transformer say, those of `occlusion`."""
    if layer is None:
        return occlusion(model, images, targets, mean, std)
    device, step = next(model.parameters()).device, at_once(images, BATCH)
    with GradCAM(model, model.get_submodule(layer)) as cam:
        return torch.cat(
            [
                cam.maps(inputs(batch.to(device), mean, std, model), chosen.to(device)).cpu()
                for batch, chosen in zip(images.split(step), targets.split(step))
            ]
        )


def pair_maps(
    model: nn.Module, layer: str | None, images: torch.Tensor, wrong, true, mean, std
) -> torch.Tensor:
    """`maps` of the wrong and the true class of each image: (N, 2, h, w), in logits."""
    if not len(images):
        # the cells are those of any picture, and not every network takes none
        one, none = images.new_zeros((1, *images.shape[1:])), torch.zeros(1, dtype=torch.int64)
        return pair_maps(model, layer, one, none, none, mean, std)[:0]
    found = [maps(model, layer, images, target, mean, std) for target in (wrong, true)]
    return torch.stack(found, 1)


def occlusion(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor, mean, std
) -> torch.Tensor:
    """By how much the logit of class `targets` (N,) falls when one cell of a picture (N, 3, h, w)
    is covered with the mean colour (Zeiler and Fergus, https://arxiv.org/abs/1311.2901): float32
    (N, CELLS, CELLS), in logits."""
    step = at_once(images, BATCH)
    return torch.cat(
        [
            _drops(model, batch, chosen, mean, std)
            for batch, chosen in zip(images.split(step), targets.split(step))
        ]
    )


def _drops(model, images: torch.Tensor, targets: torch.Tensor, mean, std) -> torch.Tensor:
    def logit(pictures):
        return forward(model, pictures, mean, std).gather(1, targets[:, None])[:, 0]

    colour = (255 * torch.tensor(mean)).round().to(images.dtype).view(3, 1, 1)
    whole, side, drops = logit(images), images.shape[-1] // CELLS, []
    for row, column in product(range(0, CELLS * side, side), repeat=2):
        covered = images.clone()
        covered[:, :, row : row + side, column : column + side] = colour
        drops.append(whole - logit(covered))
    return torch.stack(drops, 1).view(-1, CELLS, CELLS)


@torch.inference_mode()
def features(model: nn.Module, images: torch.Tensor, mean, std) -> torch.Tensor:
    """What the last module that runs and has weights of its own is given, averaged over places: (N,
    channels), of pictures (N, 3, h, w) in levels 0..255."""
    last, kept = {}, []

    def keep(module, given):
        last.update(enumerate(given[:1]))

    handles = [
        module.register_forward_pre_hook(keep)
        for module in model.modules()
        if any(True for _ in module.parameters(recurse=False))
    ]
    handles.append(model.register_forward_hook(lambda *_: kept.append(_averaged(last[0]))))
    try:
        forward(model, images, mean, std)
    finally:
        for handle in handles:
            handle.remove()
    return torch.cat(kept)


def _averaged(values: torch.Tensor) -> torch.Tensor:
    """(N, C) of (N, C) as it is, of a convolution's (N, C, h, w) or of a transformer's (N, tokens,
    C)."""
    values = values.float().cpu()
    if values.ndim == 4:
        return values.mean((2, 3))
    return values.mean(1) if values.ndim == 3 else values
