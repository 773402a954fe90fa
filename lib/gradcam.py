"""Grad-CAM (Selvaraju et al., https://arxiv.org/abs/1610.02391): which places of a layer raise a
class's logit."""

from collections import Counter
from math import prod

import torch
from torch import nn

from lib.data.streams import at_once


class GradCAM:
    """Watch one layer of a network for the length of a `with` block; the hook is always removed at
    its end.

    model: a network in eval mode that returns (N, classes) logits; layer: one of its modules, with
    (N, C, h, w) output, that runs once an image."""

    def __init__(self, model: nn.Module, layer: nn.Module):
        self.model, self.layer = model, layer

    def __enter__(self):
        self._runs = 0
        self._handle = self.layer.register_forward_hook(self._keep)
        return self

    def __exit__(self, *_):
        self._handle.remove()

    def _keep(self, module, inputs, output):
        self._runs += 1
        # A detached leaf: the gradient stops here, whether or not the weights want one.
        self._features = output.detach().requires_grad_()
        return self._features.clone()  # a copy, because the next layer may work in place

    def maps(self, images: torch.Tensor, targets: torch.Tensor, relu: bool = False) -> torch.Tensor:
        """The maps of class `targets` (N,) for normalised images (N, 3, H, W): float32 (N, h, w),
        in logits.

        Raw: signed and unscaled, unless `relu` cuts them off below zero. With average pooling and
        one linear layer behind `layer`, the sum over a map plus the class's bias is the logit,
        exactly. Raises ValueError outside a `with` block's eval-mode network, for targets that do
        not fit the images, or for a layer that does not run once: of several runs the last would
        be taken for all."""
        if self.model.training:
            raise ValueError("Grad-CAM needs the network in eval mode: call model.eval() first")
        if targets.shape != (len(images),):
            raise ValueError(
                f"targets must be one class an image, ({len(images)},), got {tuple(targets.shape)}"
            )
        self._runs = 0
        with torch.enable_grad():
            logits = self.model(images)
            # guard: layer-runs-once
            if self._runs != 1:
                raise ValueError(f"the layer runs {self._runs} times an image, Grad-CAM needs one")
            chosen = logits.gather(1, targets[:, None].to(logits.device))
            (gradient,) = torch.autograd.grad(chosen.sum(), self._features)
        weights = gradient.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        maps = (weights * self._features).sum(1).detach().float()
        return maps.relu() if relu else maps


def find_layer(model: nn.Module, images: torch.Tensor) -> str | None:
    """The dotted name of the last module whose output is a map, (N, C, h, w) of several cells that
    differ, and that runs once; None where there is none.

    There is none, either, where the places live on behind it in another form: the convolution that
    cuts a transformer's patches gives such a map, and everything happens afterwards. images: some
    normalised images (N, 3, H, W) that the network, in eval mode, is shown once."""
    outputs = _outputs(model, images)
    runs = Counter(name for name, _, _ in outputs)
    maps = [
        place for place, (name, _, map_like) in enumerate(outputs) if map_like and runs[name] == 1
    ]
    if not maps:
        return None
    name, shape, _ = outputs[maps[-1]]
    later = [other for _, other, map_like in outputs[maps[-1] + 1 :] if not map_like]
    return None if any(_holds_places(other, shape, images) for other in later) else name


def _holds_places(shape: tuple, of_map: tuple, images: torch.Tensor) -> bool:
    """Whether a module's output has places in another form than (N, C, h, w): (N, tokens, C), but
    not a map with its places in a row, or (N, h, w, C)."""
    if len(shape) == 3:
        return shape[1] > 1 and shape[1:] != (of_map[1], prod(of_map[2:]))
    same_form = len(shape) == 4 and shape[1] * images.shape[3] == shape[2] * images.shape[2]
    return same_form and shape[1] > 1


def _outputs(model: nn.Module, images: torch.Tensor) -> list[tuple[str, tuple, bool]]:
    """(name, shape of the output, whether it is a map) of every module, as they finish."""
    finished = []

    def keep(name):
        return lambda module, inputs, output: finished.append((name, *_shape(output, images)))

    handles = [
        module.register_forward_hook(keep(name)) for name, module in model.named_modules() if name
    ]
    try:
        with torch.no_grad():
            model(images)
    finally:
        for handle in handles:
            handle.remove()
    return finished


def _shape(output, images: torch.Tensor) -> tuple[tuple, bool]:
    """The shape of a tensor, and whether it has the images' places: (N, h, w, C) has not, nor what
    pooling has spread over many cells alike."""
    shape = tuple(output.shape) if isinstance(output, torch.Tensor) else ()
    if len(shape) != 4 or len(output) != len(images) or shape[2] * shape[3] < 2:
        return shape, False
    same_form = shape[2] * images.shape[3] == shape[3] * images.shape[2]
    return shape, bool(same_form and (output.flatten(2) != output[:, :, :1, 0]).any())


def completeness(
    model: nn.Module,
    layer: str | None,
    maps: torch.Tensor,
    images: torch.Tensor,
    wrong: torch.Tensor,
    true: torch.Tensor,
) -> float | None:
    """The largest deviation, in logits, of (sum over a map + bias) from the logit; None where no
    such identity holds.

    It holds where average pooling and one linear layer are all that follows `layer`: then the mean
    of an image's features and of their mirror image has the image's logits, twice the features
    give twice the logits but for the bias, and the bias is what features of zero give. maps: (N, 2,
    h, w) of `wrong` and `true`; images: normalised."""
    if layer is None or not len(images):
        return None
    step = at_once(images, len(images))
    parts = [_behind(model, model.get_submodule(layer), few) for few in images.split(step)]
    logits, mixed, twice, bias = (torch.cat(values) for values in zip(*parts))
    # of rounding there is less, of anything else between layer and logits more
    bound = 1e-3 * (logits - bias).abs().max()
    if (mixed - logits).abs().max() > bound or (twice + bias - 2 * logits).abs().max() > bound:
        return None
    expected = (logits - bias).gather(1, torch.stack([wrong, true], 1))
    return (maps.sum((2, 3)) - expected).abs().max().item()


def _behind(model: nn.Module, layer: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    """The logits of images, and with other features in the layer's place: their mean with their
    mirror image, twice themselves; and those of features of zero, and images of zero, since a
    shortcut may pass the layer."""
    changes = (
        torch.clone,
        lambda features: (features + features.flip((2, 3))) / 2,
        lambda features: 2 * features,
    )
    logits = [_with_features(model, layer, images, change) for change in changes]
    return [*logits, _with_features(model, layer, torch.zeros_like(images), torch.zeros_like)]


@torch.no_grad()
def _with_features(model, layer, images, change) -> torch.Tensor:
    handle = layer.register_forward_hook(lambda module, inputs, output: change(output))
    try:
        return model(images)
    finally:
        handle.remove()
