"""Weights that others have saved: read without running anything, and put into a network only where
every parameter and buffer of it comes from the file.
"""

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from lib.base.errors import NetworkError

CURE = (
    "where the network was trained, torch.save(net.state_dict(), 'weights.pt') makes a file of "
    "weights alone"
)
# a count of batches that plays no part in prediction, and that older files do not have
COUNTER = "num_batches_tracked"


def read(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a file by dotted names; what holds them, `state_dict` or `model` say, is the
    first part of the name.

    Reads safetensors and torch files, the latter with weights_only=True. Raises NetworkError, with
    the cure, for anything else: a network pickled whole, TorchScript, ONNX, a Git LFS pointer, a
    file that is cut short."""
    try:
        with open(path, "rb") as file:
            head = file.read(200)
    except OSError as error:
        raise NetworkError(f"weights {path}: cannot be read ({error.strerror})") from None
    if line := _foreign(path, head):
        raise NetworkError(f"weights {path}: {line}")
    content = _safetensors(path) if head[8:9] == b"{" else _torch(path)
    tensors = dict(_flat(content))
    if not tensors:
        raise NetworkError(f"weights {path}: holds no named tensors; {CURE}")
    return tensors


def _foreign(path: Path, head: bytes) -> str | None:
    """What a file is that torch and safetensors do not read, and what to do."""
    if not head:
        return "the file is empty; copy it again"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the weights; git lfs pull fetches them"
    if path.suffix.lower() == ".onnx":
        return (
            "ONNX is not read; give the network's Python code as `network` and its weights as "
            "saved by torch.save(net.state_dict(), …), or its predictions as `predictions`"
        )
    if head.lstrip()[:1] == b"<":
        return "a web page, not the weights; download the file itself"
    if head.startswith(b"\x89HDF"):
        return "HDF5 (Keras) is not read; save a torch or safetensors file"
    if head.startswith(b"PK") and zipfile.is_zipfile(path):
        names = zipfile.ZipFile(path).namelist()
        if any(name.endswith("/constants.pkl") for name in names):
            return (
                "TorchScript, which is more than weights; torch.save(torch.jit.load(…)."
                "state_dict(), 'weights.pt') makes a file of weights alone"
            )
        if not any(name.endswith("data.pkl") for name in names):
            return f"an archive that torch did not write; {CURE}"
    return None


def _safetensors(path: Path) -> dict:
    try:
        return safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise NetworkError(
            f"weights {path}: no whole safetensors file ({error}); copy it again"
        ) from None


def _torch(path: Path):
    try:
        # guard: brought-weights-only
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader trips over foreign bytes in a dozen ways
        # its own advice is to run what is in the file
        if what := re.search(r"GLOBAL (\S+)|Unsupported (?:class|type) (\S+)", str(error)):
            more = (what[1] or what[2]).rstrip(".,")
            line = f"holds more than weights ({more}), and nothing in it is run; {CURE}"
        else:
            line = f"not a file of weights, or cut short ({type(error).__name__}); {CURE}"
        raise NetworkError(f"weights {path}: {line}") from None


def _flat(content, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(content, torch.Tensor) and name:
        yield name, content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from _flat(value, f"{name}.{key}" if name else str(key))


def fit(
    network: nn.Module, tensors: dict[str, torch.Tensor], source: str, key: str = ""
) -> str | None:
    """Put the tensors of a file into a network, by name: names as they are, or with leading parts
    taken off until all fit. key: the leading parts that are meant where several sets fit; "." for
    none.

    Returns a line on what the file holds besides, or None. Raises NetworkError unless every
    parameter and buffer comes from the file, of one set."""
    wanted = {
        name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)
    }
    if odd := [name for name, value in wanted.items() if not isinstance(value, torch.Tensor)]:
        raise NetworkError(f"weights {source}: the network keeps {odd[0]}, which is no tensor")
    groups, found = _tied(wanted), _prefixes(wanted, tensors)
    fitting = [
        prefix
        for prefix in found
        if all(any(prefix + name in tensors for name in names) for names in groups)
    ]
    # guard: every-weight-from-the-file
    if not fitting:
        raise NetworkError(f"weights {source}: {_mismatch(wanted, tensors, found)}")
    right = [prefix for prefix in fitting if not _misshapen(prefix, wanted, tensors)]
    if not right:
        raise NetworkError(f"weights {source}: {_misshapen(fitting[0], wanted, tensors)}")
    prefix = _chosen(right, wanted, tensors, source, key)
    _put(network, prefix, groups, tensors, source)
    names = {prefix + name for name in network.state_dict()}
    left = [name for name in tensors if name not in names]
    return _left_over(left, source) if left else None


def _tied(wanted: dict[str, torch.Tensor]) -> list[list[str]]:
    """The names of each tensor: one that is used in two places has two, and a file may have one of
    them."""
    groups = {}
    for name, tensor in wanted.items():
        own = nn.parameter.is_lazy(tensor) or not tensor.numel()
        place = name if own else (tensor.data_ptr(), tensor.shape, tensor.stride())
        groups.setdefault(place, []).append(name)
    return list(groups.values())


def _prefixes(wanted, tensors) -> list[str]:
    """The leading parts under which names of the network stand in the file, most names first, else
    as the file has them."""
    counts = Counter()
    for name in tensors:
        parts = name.split(".")
        for place in range(len(parts)):
            if ".".join(parts[place:]) in wanted:
                counts["".join(f"{part}." for part in parts[:place])] += 1
    return sorted(counts, key=lambda prefix: -counts[prefix])


def _mismatch(wanted, tensors, prefixes: list[str]) -> str:
    """How many names fit, and two of each side that do not."""
    prefix = prefixes[0] if prefixes else ""
    missing = [name for name in wanted if prefix + name not in tensors]
    others = [name for name in tensors if name.removeprefix(prefix) not in wanted]
    return (
        f"{len(wanted) - len(missing)} of the network's {len(wanted)} parameters and buffers are "
        f"in the file{_under(prefix)}; it lacks {_two(missing)} and has besides "
        f"{_two([name for name in others if not name.endswith(COUNTER)])}. Allowed: a file of "
        "this very network, whose head is of the data's classes"
    )


def _two(names: list[str]) -> str:
    return (
        ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "") or "none"
    )


def _under(prefix: str) -> str:
    return f" under {prefix.rstrip('.')!r}" if prefix else ""


def _misshapen(prefix: str, wanted, tensors) -> str | None:
    other = [
        name
        for name, tensor in wanted.items()
        if not nn.parameter.is_lazy(tensor)
        and prefix + name in tensors
        and tensors[prefix + name].shape != tensor.shape
    ]
    if not other:
        return None
    theirs, ours = (
        tuple(of[name].shape) for of, name in ((tensors, prefix + other[0]), (wanted, other[0]))
    )
    return (
        f"{other[0]} is {theirs} in the file and {ours} in the network that the factory builds for "
        f"the data's classes ({len(other)} of {len(wanted)} shapes differ)"
    )


def _chosen(prefixes: list[str], wanted, tensors, source: str, key: str) -> str:
    """The one set that is meant; raises NetworkError where the file has several that differ."""
    labels = {prefix: prefix.rstrip(".") or "." for prefix in prefixes}
    meant = [prefix for prefix in prefixes if labels[prefix] == key] or [
        prefix for prefix in prefixes if not key or prefix.startswith(f"{key}.")
    ]
    if not meant:
        raise NetworkError(
            f"weights {source}: no set under {key!r}; weights_key can be "
            f"{', '.join(labels.values())}"
        )
    first, *others = meant
    differ = [
        prefix
        for prefix in others
        if any(
            not torch.equal(tensors[first + name], tensors[prefix + name])
            for name in wanted
            if first + name in tensors and prefix + name in tensors
        )
    ]
    # guard: one-set-of-weights
    if differ:
        raise NetworkError(
            f"weights {source}: {len(differ) + 1} sets in it fit the network and differ; "
            f"weights_key says which: {', '.join(labels[prefix] for prefix in [first, *differ])}"
        )
    return first


def _put(network: nn.Module, prefix: str, groups, tensors, source: str) -> None:
    own, state = network.state_dict(), {}
    for names in groups:
        there = next(prefix + name for name in names if prefix + name in tensors)
        state |= {name: tensors.get(prefix + name, tensors[there]) for name in names}
    counters = {name: tensors.get(prefix + name, own[name]) for name in own if name not in state}
    try:
        network.load_state_dict(state | counters)
        now = network.state_dict()
        other = [name for name in state if not torch.equal(now[name], state[name].to(now[name]))]
    except Exception as error:  # of the network's own code, too
        text = " ".join(str(error).split())[:200]
        raise NetworkError(f"weights {source}: cannot be put into the network ({text})") from None
    if other:
        raise NetworkError(
            f"weights {source}: {other[0]} is not what the file holds after it was put in place"
        )


def _left_over(names: list[str], source: str) -> str:
    return (
        f"weights {source}: {len(names)} of its tensors are no part of the network and not used: "
        f"{_two(names)}"
    )
