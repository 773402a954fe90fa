"""A network that is named, `package.module:function`, in place of our own: its factory is found and
called. Naming it runs its code. What an arm that brings one says of it stands here as well; its
weights are read by lib.training.weights.
"""

import contextlib
import copy
import dataclasses
import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, field_validator
from torch import nn

from lib.base import artefacts, code
from lib.base.config import NETWORK, Entry
from lib.base.errors import NetworkError
from lib.base.text import one_form
from lib.model import resnet18
from lib.training import weights
from lib.training.surroundings import modules_of, put_back

OWN = "resnet18"


class Brought(Entry):
    """What an arm says of a network that was trained elsewhere.

    network: `package.module:function`, or resnet18 for our own; weights: its file, relative to the
    study or the project, "" for a factory that loads them itself; weights_key: which of several
    sets in that file; mean, std: of the pixels in 0..1 that it was trained on, one number or three
    (0 and 1 for a network that normalises by itself); layer: of the maps, a dotted path, "" for the
    last that has any; classes: the data's class names in the order of the network's outputs, []
    where that is the data's own."""

    network: Annotated[str, Field(pattern=NETWORK)]
    weights: str = ""
    weights_key: str = ""
    mean: Annotated[list[float], Field(min_length=3, max_length=3)]
    std: Annotated[list[float], Field(min_length=3, max_length=3)]
    layer: str = ""
    classes: list[str] = []

    @property
    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return tuple(self.mean), tuple(self.std)

    @field_validator("mean", "std", mode="before")
    @classmethod
    def _of_each_channel(cls, value):
        value = value if isinstance(value, list) else [value]
        return value * 3 if len(value) == 1 else value


def beside(study: str) -> list[Path]:
    """Where what a study names is looked for: beside its own files, then in the project."""
    params = artefacts.ROOT / "params"
    return [params / study, params, artefacts.ROOT]


def build(
    name: str, classes: int, places: list[Path], width: int = 64, image_size: int = 32
) -> nn.Module:
    """A network before any weights are read: our own for the name resnet18, else what the factory
    gives, called as f(num_classes=classes) if it takes that name and as f() if not.

    It is looked for in `places`, then in the environment. Its initial weights come from torch's
    global generator; whatever else an import or a factory changes is put back. Raises NetworkError,
    one line, for a name that leads to no network."""
    if name == OWN:
        return resnet18(classes, width, image_size)
    return _called(name, classes, places)[0]


def for_params(params: dict, classes: int) -> nn.Module:
    """The network of a run's parameters, before any weights are read; of one that is named, the
    logits are taken out of what it returns."""
    name, places = params.get("network", OWN), beside(params.get("study", ""))
    network = build(name, classes, places, params.get("width", 64), params["image_size"])
    if name != OWN:
        network.register_forward_hook(lambda module, given, output: logits_in(output, classes))
    return network


@torch.no_grad()
def to_train(params, classes: int) -> nn.Module:
    """The network that a run starts with. Raises NetworkError unless it maps its images to (N,
    classes) logits."""
    network = for_params(params.model_dump(), classes)
    if params.network == OWN:
        return network
    images = torch.zeros(2, 3, params.image_size, params.image_size)
    try:
        with put_back():
            shape = tuple(network.eval()(images).shape)
    except Exception as error:
        raise NetworkError(
            f"network {params.network}: fails on images of {params.image_size} px ({said(error)})"
        ) from None
    # guard: trained-on-its-classes
    if shape != (2, classes):
        raise NetworkError(
            f"network {params.network}: returns {shape} for 2 images of {classes} classes"
        )
    return network.train()


def refuse_one_image(network: nn.Module, params) -> None:
    """Raise NetworkError where a batch of one image, an epoch's last, cannot be trained on:
    BatchNorm has no spread of one value."""
    image = torch.zeros(1, 3, params.image_size, params.image_size)
    try:
        with put_back():
            copy.deepcopy(network).train()(image)
    except Exception as error:
        raise NetworkError(
            f"network {params.network}: fails on one image, and with batch_size "
            f"{params.batch_size} the last batch has one: take another ({said(error)})"
        ) from None


def traces(name: str, classes: int, places: list[Path]) -> tuple[list[str], list[Path]]:
    """What building the network changed outside itself, which was put back, and the files beside
    the study that it is made of."""
    if name == OWN:
        return [], []
    _, changed, files = _called(name, classes, places)
    return changed, files


def files(name: str, places: list[Path]) -> list[Path]:
    """The files beside the study that a network is made of, whatever number of classes its factory
    takes."""
    if name == OWN:
        return []
    module_name = name.partition(":")[0]
    with put_back(), modules_of(_folders(module_name, places)) as found:
        factory = _factory(name)
        # one that reads the weights of its own classes fails here, when it has imported its files
        with contextlib.suppress(NetworkError):
            _made(name, factory, 2)
    return found


def digest(params) -> str:
    """What the files of a network that stand beside the study say to Python; "" for our own and for
    one of the environment."""
    found = files(params.network, beside(params.study))
    return code.digest(found) if found else ""


def _called(name: str, classes: int, places: list[Path]):
    with put_back() as changed:
        with modules_of(_folders(name.partition(":")[0], places)) as found:
            network = _made(name, _factory(name), classes)
    return network, [what for what in changed if what not in UNSAID], found


def _factory(name: str):
    module_name, _, function = name.partition(":")
    module = _imported(name, module_name)
    factory = getattr(module, function, None)
    # guard: factory-there
    if not callable(factory):
        raise NetworkError(
            f"network {name}: {module_name} has no function {function!r}; it has "
            f"{', '.join(_functions(module)) or 'none'}"
        )
    return factory


UNSAID = ("random states", "sys.path")  # of any factory that draws weights; of any import here


def _folders(module_name: str, places: list[Path]) -> list[Path]:
    """Where the module's file was found, its own folder first, as if it were run from there, unless
    that holds its package's name again; none for a module of the environment."""
    importlib.invalidate_caches()
    path = Path(*module_name.split("."))
    for place in places:
        file = next(
            (
                place / candidate
                for candidate in (path.with_name(f"{path.name}.py"), path / "__init__.py")
                if (place / candidate).is_file()
            ),
            None,
        )
        if file:
            again = (file.parent / path.parts[0]).exists()
            return list(dict.fromkeys([place, file.parent] if again else [file.parent, place]))
    return []


def _imported(name: str, module_name: str):
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise NetworkError(
                f"network {name}: there is no module {error.name!r}, neither beside the study nor "
                "in the project or its environment"
            ) from None
        raise NetworkError(f"network {name}: importing it needs {error.name!r}") from None
    except (Exception, SystemExit) as error:
        raise NetworkError(f"network {name}: cannot be imported ({said(error)})") from None


def _functions(module) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    ][:8]


def _made(name: str, factory, classes: int) -> nn.Module:
    # torch.inference_mode, in an outer block, would make weights that no gradient passes
    with torch.inference_mode(False), torch.enable_grad():
        try:
            network = _of_classes(factory, classes)
        except (Exception, SystemExit) as error:
            raise NetworkError(f"network {name}: its factory fails ({said(error)})") from None
    # guard: factory-gives-a-network
    if not isinstance(network, nn.Module):
        raise NetworkError(
            f"network {name}: its factory returns {type(network).__name__}, not a torch.nn.Module"
        )
    if isinstance(network, torch.jit.ScriptModule):
        raise NetworkError(
            f"network {name}: TorchScript has no modules to watch for maps; return the network of "
            "the Python class, and name its weights"
        )
    if not any(True for _ in network.parameters()):
        raise NetworkError(f"network {name}: has no parameters; there is nothing that was trained")
    return network


def _of_classes(factory, classes: int):
    """f(num_classes=classes) where it names that, or takes any name and hands it on, as
    torchvision's do; else f()."""
    try:
        taken = inspect.signature(factory).parameters.values()
    except ValueError:
        return factory()
    if any(one.name == "num_classes" for one in taken):
        return factory(num_classes=classes)
    if any(one.kind == one.VAR_KEYWORD for one in taken):
        try:
            return factory(num_classes=classes)
        except TypeError as error:
            if "num_classes" not in str(error):
                raise
    return factory()


def said(error: BaseException) -> str:
    """An error of code that was brought, in one line of at most 200 letters."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


# A network with its weights, as an arm brings it.


def load(
    arm: Brought, class_names: list[str], places: list[Path], image_size: int = 32
) -> tuple[nn.Module, str | None]:
    """The arm's network in eval mode with its weights, outputs in the data's order; and a line on
    what its file holds besides, or None. Raises NetworkError."""
    network = build(arm.network, len(class_names), places, image_size=image_size)
    left = None
    if arm.weights:
        tensors = weights.read(found(arm.weights, places))
        left = weights.fit(network, tensors, arm.weights, arm.weights_key)
    return finish(network, arm, class_names), left


def finish(network: nn.Module, arm: Brought, class_names: list[str]) -> nn.Module:
    """The network as it is used everywhere: in eval mode, with its own mean and deviation, and its
    outputs (N, classes) taken out of what it returns, in the order of the data's classes."""
    network.brought_statistics = arm.statistics
    given = list(map(one_form, arm.classes))
    order = [given.index(name) for name in class_names] if given else None
    network.register_forward_hook(
        lambda module, inputs, output: _in_order(logits_in(output, len(class_names)), order)
    )
    return network.eval()


def logits_in(output, classes: int) -> torch.Tensor:
    """The tensor of logits in what a network returns: itself, or an object's `logits` where that is
    its only tensor (N, classes). Raises NetworkError where it is not plain which one is meant."""
    if isinstance(output, torch.Tensor):
        return output
    parts = {name: part for name, part in _parts(output).items() if isinstance(part, torch.Tensor)}
    tables = [name for name, part in parts.items() if part.shape[1:] == (classes,)]
    # guard: one-table-of-logits
    if "logits" in parts and set(tables) <= {"logits"}:
        return parts["logits"]
    shapes = ", ".join(f"{name} {tuple(part.shape)}" for name, part in parts.items())
    raise NetworkError(
        f"returns {type(output).__name__} ({shapes or 'without a tensor'}), and which part are the "
        "logits is not said; let its forward return one (N, classes) tensor"
    )


def _parts(output) -> dict:
    """What a dictionary, a dataclass, a named tuple or any other object holds, by name."""
    if isinstance(output, Mapping):
        return {str(name): value for name, value in output.items()}
    if isinstance(output, (tuple, list)):
        names = getattr(output, "_fields", range(len(output)))
        return {str(name): value for name, value in zip(names, output)}
    if dataclasses.is_dataclass(output):
        return {one.name: getattr(output, one.name) for one in dataclasses.fields(output)}
    return dict(getattr(output, "__dict__", {}))


def _in_order(logits: torch.Tensor, order: list[int] | None) -> torch.Tensor:
    return logits if order is None else logits[:, order]


def found(path: str, places: list[Path]) -> Path:
    """A file that the study names, beside it or in the project; a path that is there nowhere is
    left to its reader to complain of."""
    there = [place / path for place in places if (place / path).exists()]
    return there[0] if there else places[-1] / path
