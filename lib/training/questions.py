"""What a network that was brought is asked, on some images, before it is believed: each question is
a function that returns nothing or one line, what is wrong, where and what helps.
"""

import contextlib
import copy
import difflib
import random
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lib.base.errors import NetworkError
from lib.base.text import one_form
from lib.data.streams import PIXELS
from lib.gradcam import GradCAM, find_layer
from lib.training import inference, network
from lib.training.network import Brought, said
from lib.training.surroundings import RANDOM_STATES, put_back

IMAGES = 64  # at most, and fewer of large ones: 5 of 224 px
# of the spread of logits: 32-bit sums in another order differ by some 1e-6 of it, in the deepest
# networks seen by 1e-5; what dropout or a batch's statistics change is more than 1e-2. Logits of
# 16 bits have 3 digits
ROUNDING, ROUNDING_16 = 1e-3, 3e-2
# steps that choose, arrange or convert numbers and make none
ARRANGED = ("Index", "View", "UnsafeView", "Squeeze", "Slice", "ToCopy", "Clone", "Permute")
# sides of pictures that networks are made for
SIDES = (28, 32, 48, 64, 96, 128, 160, 192, 224, 240, 256, 288, 299, 320, 384, 448, 480, 512)


@dataclass
class Case:
    """What the questions are asked of: an arm, the data's classes, and some images uint8 (n, 3, h,
    w). What is made of them is made once."""

    arm: Brought
    class_names: list[str]
    images: torch.Tensor
    places: list[Path]
    device: torch.device = torch.device("cpu")

    @cached_property
    def built(self) -> tuple[nn.Module, str | None]:
        with put_back():
            _seed(1)
            return self._load()

    def _load(self) -> tuple[nn.Module, str | None]:
        return network.load(self.arm, self.class_names, self.places, self.images.shape[-1])

    @cached_property
    def second(self) -> nn.Module:
        """The same, built once more where other random numbers are drawn."""
        with put_back():
            _seed(2)
            return self._load()[0].to(self.device)

    @cached_property
    def network(self) -> nn.Module:
        return self.built[0].to(self.device)

    @cached_property
    def before(self) -> dict[str, torch.Tensor]:
        """Parameters and buffers before the first prediction."""
        return {name: tensor.detach().clone() for name, tensor in _tensors(self.network)}

    @cached_property
    def inputs(self) -> torch.Tensor:
        count = min(IMAGES, PIXELS // 4 // self.images.shape[-1] ** 2)
        images = self.images[: max(count, 2)].to(self.device)
        return inference.inputs(images, *self.network.brought_statistics, self.network)

    @property
    def few(self) -> torch.Tensor:
        """For the questions that ask again: an eighth of them."""
        return self.inputs[: max(2, len(self.inputs) // 8)]

    @property
    def fewest(self) -> torch.Tensor:
        """For what shows on every image: as few, and one of large ones."""
        return self.inputs[: max(1, len(self.inputs) // 8)]

    @cached_property
    def alone(self) -> torch.Tensor:
        """The logits of the first image, shown by itself."""
        return _predict(self.network, self.inputs[:1], 1)[0]

    @cached_property
    def first(self) -> tuple[torch.Tensor, list[str], bool]:
        """The logits, what predicting them changed outside the network, and whether they were taken
        out of an object."""
        wrapped = []
        handle = self.network.register_forward_hook(
            lambda module, inputs, output: wrapped.append(not isinstance(output, torch.Tensor)),
            prepend=True,
        )
        self.before  # noqa: B018
        try:
            logits, changed = _predict(self.network, self.inputs, 1)
        finally:
            handle.remove()
        return logits, changed, any(wrapped)

    @property
    def logits(self) -> torch.Tensor:
        return self.first[0]

    @property
    def bound(self) -> float:
        full = self.logits.dtype in (torch.float32, torch.float64)
        return (ROUNDING if full else ROUNDING_16) * float(self.logits.float().std())

    @cached_property
    def layer(self) -> str | None:
        """The named layer of the maps, or the found one."""
        return self.arm.layer or find_layer(self.network, self.few)


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@torch.no_grad()
def _predict(model: nn.Module, inputs: torch.Tensor, seed: int) -> tuple[torch.Tensor, list[str]]:
    with put_back() as changed:
        _seed(seed)
        states = torch.get_rng_state(), np.random.get_state()[2], random.getstate()
        logits = model(inputs)
        drew = not (
            torch.equal(states[0], torch.get_rng_state())
            and states[1:] == (np.random.get_state()[2], random.getstate())
        )
    others = [name for name in changed if name != RANDOM_STATES]
    return logits, others + [RANDOM_STATES] * drew


def _tensors(model: nn.Module):
    yield from model.named_parameters()
    yield from model.named_buffers()


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference; infinite for another shape or where only one is not finite."""
    if one.shape != other.shape:
        return float("inf")
    one, other = one.float(), other.float()
    same = (one == other) | (one.isnan() & other.isnan())
    return float((one - other).abs().nan_to_num(torch.inf, torch.inf).masked_fill(same, 0).max())


# The questions, in the order in which they are asked.


def statistics_of_pixels(case: Case) -> str | None:
    mean, std = case.arm.mean, case.arm.std
    # guard: pixels-in-0-to-1
    if all(0 <= value <= 1 for value in mean) and all(0 < value <= 1 for value in std):
        return None
    return (
        f"mean {mean} and std {std} are not of pixels in 0..1; of pixels in 0..255 divide both by "
        "255; mean 0 and std 1 are of a network that normalises by itself"
    )


def names_of_classes(case: Case) -> str | None:
    ours, theirs = case.class_names, list(map(one_form, case.arm.classes))
    if not theirs or sorted(ours) == sorted(theirs):
        return None
    other = [f"{name!r} is not one" for name in theirs if name not in ours]
    other += [f"{name!r} is missing" for name in ours if name not in theirs]
    return (
        f"classes: the data's {len(ours)} class names, each once, in the order of the network's "
        f"outputs; got {len(theirs)}, {', '.join(other[:3]) or 'some of them twice'}"
    )


def weights_from_the_file(case: Case) -> str | None:
    """NetworkError is its line."""
    case.network  # noqa: B018
    return None


def left_in_the_file(case: Case) -> str | None:
    return case.built[1]


def two_builds(case: Case) -> str | None:
    own, other = case.before, dict(_tensors(case.second))
    differ = [name for name in own if name not in other or not _equal(own[name], other[name])]
    source = f"the file {case.arm.weights}" if case.arm.weights else "its factory"
    # guard: two-builds-equal
    if differ:
        return (
            f"two builds differ in {len(differ)} of {len(own)} parameters and buffers "
            f"({', '.join(differ[:2])}): they are drawn at random and do not come from {source}"
            + ("" if case.arm.weights else "; name a file of `weights` that has them")
        )
    apart = _apart(_predict(case.second, case.fewest, 2)[0], case.logits[: len(case.fewest)])
    if apart > case.bound:
        return (
            f"two builds with the same weights answer otherwise, by up to {apart:.2g}: something "
            "that is neither parameter nor buffer is drawn when it is built; make it a buffer"
        )
    return None


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool(((one == other) | (one != one)).all())


def one_table_of_logits(case: Case) -> str | None:
    try:
        shape = tuple(case.logits.shape)
    except NetworkError as error:
        return str(error)
    except Exception as error:
        return _why(case, error)
    wanted = (len(case.inputs), len(case.class_names))
    # guard: as-wide-as-the-classes
    if shape == wanted:
        return None
    if len(shape) == 2 and shape[0] == wanted[0]:
        return f"gives {shape[1]} outputs an image, and the data have {wanted[1]} classes"
    return f"returns {shape} for {wanted[0]} images of {wanted[1]} classes; allowed: {wanted}"


def _why(case: Case, error: Exception) -> str:
    """Why it cannot be shown the data's images: the size or the colours that it takes instead."""
    side = case.images.shape[-1]
    for channels, other in product((3, 1), sorted(SIDES, key=lambda one: abs(one - side))):
        if _runs(case, channels, other):
            if channels == 1:
                return (
                    f"takes grey pictures of {other} px, 1 channel, and the data have 3 channels "
                    f"of {side} px: let its forward average them, x.mean(1, keepdim=True)"
                )
            return (
                f"takes pictures of {other} px and fails at {side} px, the data's image_size "
                f"({said(error)}); set image_size, or resize in its forward"
            )
    return f"fails on pictures (n, 3, {side}, {side}): {said(error)}"


def _runs(case: Case, channels: int, side: int) -> bool:
    try:
        _predict(case.network, torch.zeros(2, channels, side, side, device=case.device), 1)
        return True
    except Exception:
        return False


def taken_out_of_an_object(case: Case) -> str | None:
    return "returns an object; its `logits` are used" if case.first[2] else None


def no_sigmoid(case: Case) -> str | None:
    """By the last step of what was computed: values alone may be a cosine head's."""
    if case.logits.min() < 0 or case.logits.max() > 1:
        return None
    step = None
    # what fails under gradients gets occlusion, and is said there
    with put_back(), torch.enable_grad(), contextlib.suppress(Exception):
        # no leaf, which could not be changed in place
        step = case.network(case.inputs[:1].detach().clone().requires_grad_() * 1).grad_fn
        while step and step.name().startswith(ARRANGED):
            step = step.next_functions[0][0]
    # guard: no-sigmoid
    if step is None or step.name() != "SigmoidBackward0":
        return None
    return (
        "its last step is a sigmoid: let its forward return what goes into it; accuracy would be "
        "the same, but calibration, thresholds and maps wrong"
    )


def finite(case: Case) -> str | None:
    bad = int((~case.logits.isfinite()).any(1).sum())
    # guard: brought-finite
    if not bad:
        return None
    return f"gives logits that are not finite for {bad} of {len(case.logits)} images"


def one_image(case: Case) -> str | None:
    shape, wanted = tuple(case.alone.shape), case.logits.shape[1]
    if shape == (1, wanted):
        return None
    return f"returns {shape} for a single image; allowed: (1, {wanted}); a squeeze() in it drops it"


def same_twice(case: Case) -> str | None:
    apart = _apart(case.logits, _predict(case.network, case.inputs, 2)[0])
    drew = RANDOM_STATES in case.first[1]
    # guard: no-randomness
    if apart <= case.bound and not (apart and drew):
        return None
    return (
        f"gives other logits for the same images, by up to {apart:.2g} where they spread by "
        f"{float(case.logits.std()):.2g}: something is random after net.eval(), F.dropout without "
        "training=self.training for one; or it remembers what it was shown"
    )


def alone_and_in_company(case: Case) -> str | None:
    alone = [case.alone, _predict(case.network, case.few[1:2], 1)[0]]
    among, _ = _predict(case.network, case.few.flip(0), 1)
    apart = max(
        _apart(torch.cat(alone), case.logits[: len(alone)]),
        _apart(among.flip(0), case.logits[: len(among)]),
    )
    # guard: whatever-the-company
    if apart <= case.bound:
        return None
    return (
        f"an image gets other logits alone than among others, by up to {apart:.2g}: it uses the "
        "batch's own statistics after net.eval()"
    )


def buffers_stay(case: Case) -> str | None:
    changed = [
        name for name, tensor in _tensors(case.network) if not _equal(case.before[name], tensor)
    ]
    if not changed:
        return None
    return f"predicting changes {len(changed)} of its parameters and buffers: {changed[0]}"


def surroundings_stay(case: Case) -> str | None:
    changed = [name for name in case.first[1] if name != RANDOM_STATES]
    if not changed:
        return None
    return f"predicting changes what every network shares: {', '.join(changed)}"


def copies_are_its_own(case: Case) -> str | None:
    logits = case.logits[: len(case.fewest)]
    try:
        other = copy.deepcopy(case.network)
    except Exception as error:
        return f"cannot be copied ({said(error)}), which the checks of its maps need"
    if (apart := _apart(_predict(other, case.fewest, 1)[0], logits)) > case.bound:
        return f"a copy of it answers otherwise, by up to {apart:.2g}"
    _scramble(other)
    case.second.load_state_dict(other.state_dict())
    wanted, _ = _predict(case.second, case.fewest, 1)
    # guard: a-copy-is-its-own
    if _apart(_predict(other, case.fewest, 1)[0], wanted) > ROUNDING * _spread(wanted):
        return (
            "a copy of it that is given other weights does not answer as a network that is built "
            "with them: part of it stays that of the first network; write its forward into the "
            "class in place of `net.forward = …`"
        )
    if not all(_equal(case.before[name], tensor) for name, tensor in _tensors(case.network)):
        return "shares its weights with its copies: changing a copy changes the network itself"
    return None


def _spread(logits: torch.Tensor) -> float:
    """Of logits that may have overflowed."""
    return float(logits.double().nan_to_num().std())


@torch.no_grad()
def _scramble(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.is_floating_point():
            noise = torch.randn(parameter.shape, generator=generator).to(parameter)
            parameter += noise * (parameter.std(correction=0) + 0.1)


def normalised_once(case: Case) -> str | None:
    if (case.arm.mean, case.arm.std) == ([0.0] * 3, [1.0] * 3):
        return None
    for name, module in case.network.named_modules():
        held = {**vars(module), **module._parameters, **module._buffers}
        own = [what for what in held if _is_statistic(what, held[what])]
        # guard: normalised-once
        if own:
            where = f"{name}.{own[0]}".lstrip(".")
            return (
                f"holds {where}, three numbers, and seems to normalise by itself, besides the "
                "arm's mean and std; if it does, set mean: 0 and std: 1"
            )
    return None


def _is_statistic(name: str, value) -> bool:
    """Whether an attribute is a mean or deviation of three channels, or a step of that name; a
    BatchNorm's own are not."""
    words = name.lower().strip("_").split("_")
    if words[0] == "running" or not {"mean", "std", "normalize", "normalise"} & set(words):
        return False
    size = value.numel() if isinstance(value, torch.Tensor) else len(value) if _listed(value) else 0
    return size == 3


def _listed(value) -> bool:
    return isinstance(value, (list, tuple, np.ndarray))


def named_layer(case: Case) -> str | None:
    layer, finished = case.arm.layer, []
    if not layer:
        return None
    modules = dict(case.network.named_modules(remove_duplicate=False))
    if layer not in modules:
        near = difflib.get_close_matches(layer, modules, 1)
        return f"layer {layer}: there is no such module" + (f"; is it {near[0]}?" if near else "")
    handle = modules[layer].register_forward_hook(lambda *call: finished.append(call[2]))
    try:
        _predict(case.network, case.few, 1)
    finally:
        handle.remove()
    # guard: layer-named-is-a-map
    if len(finished) != 1:
        return f"layer {layer}: runs {len(finished)} times an image; maps need one that runs once"
    shape = tuple(finished[0].shape) if isinstance(finished[0], torch.Tensor) else None
    if shape and len(shape) == 4 and shape[2] * shape[3] > 1:
        return None
    found = find_layer(case.network, case.few)
    return (
        f"layer {layer}: gives {shape or type(finished[0]).__name__}, and maps need (N, C, h, w) "
        f"of more than one cell; {found or 'no module'} has it; without `layer` "
        + ("that is taken" if found else "occlusion stands in place of maps")
    )


def map_of_named_layer(case: Case) -> str | None:
    line = _map_line(case) if case.arm.layer else None
    return f"layer {case.arm.layer}: {line}" if line else None


def maps_or_occlusion(case: Case) -> str | None:
    if case.arm.layer:
        return None
    why = _map_line(case)
    if case.layer is None:
        why = "no module that runs once and last holds the places gives (N, C, h, w)"
    elif why:
        why, case.layer = f"layer {case.layer}: {why}", None
    return f"occlusion stands in place of Grad-CAM maps: {why}" if why else None


def _map_line(case: Case) -> str | None:
    """Why the maps of the layer say nothing."""
    if case.layer is None:
        return None
    layer = case.network.get_submodule(case.layer)
    try:
        with put_back(), GradCAM(case.network, layer) as cam:
            maps = cam.maps(case.few, case.logits[: len(case.few)].argmax(1))
    except Exception as error:
        return f"no gradient reaches it ({said(error)})"
    # guard: a-map-says-something
    if (~maps.isfinite()).flatten(1).any(1).all():
        return "its map is not finite on any image"
    return "its map is zero on every image" if not maps.any() else None


QUESTIONS = (
    ("mean and std are of pixels in 0..1", "refused", statistics_of_pixels),
    ("the class names are the data's", "refused", names_of_classes),
    ("every weight comes from the file", "refused", weights_from_the_file),
    ("nothing else is in the file", "note", left_in_the_file),
    ("one table of logits, as wide as the classes", "refused", one_table_of_logits),
    ("it is returned as it is", "note", taken_out_of_an_object),
    ("the logits are finite", "refused", finite),
    ("its last step is no sigmoid", "refused", no_sigmoid),
    ("the same images give the same logits", "refused", same_twice),
    ("one image alone has its row", "refused", one_image),
    ("an image is judged without its company", "refused", alone_and_in_company),
    ("two builds are equal", "refused", two_builds),
    ("predicting changes no buffer", "refused", buffers_stay),
    ("predicting changes nothing outside", "refused", surroundings_stay),
    ("a copy is its own", "refused", copies_are_its_own),
    ("pictures are normalised once", "warning", normalised_once),
    ("the named layer gives a map", "refused", named_layer),
    ("its map says something", "refused", map_of_named_layer),
    ("a layer for maps is found", "note", maps_or_occlusion),
)
