"""What code of others may change outside itself: it is put back when that code has run, and the
modules that it brought do not stand in the way of the next one's.
"""

import contextlib
import io
import logging
import os
import random
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from lib.base.log import log


def _random_states() -> tuple:
    kind, keys, *rest = np.random.get_state()
    there = torch.cuda.is_available() and torch.cuda.is_initialized()
    devices = [state.numpy().tobytes() for state in torch.cuda.get_rng_state_all()] if there else []
    return (
        random.getstate(),
        (kind, keys.tobytes(), *rest),
        torch.get_rng_state().numpy().tobytes(),
        devices,
    )


def _set_random_states(states: tuple) -> None:
    own, (kind, keys, *rest), cpu, devices = states
    random.setstate(own)
    np.random.set_state((kind, np.frombuffer(keys, np.uint32), *rest))
    torch.set_rng_state(_tensor(cpu))
    if devices:
        torch.cuda.set_rng_state_all([_tensor(state) for state in devices])


def _tensor(content: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def _environment() -> dict:
    """Without what torch sets by itself when its compiler is first imported."""
    return {name: value for name, value in os.environ.items() if not name.startswith(TORCHS)}


def _set_environment(values: dict) -> None:
    for name in _environment().keys() - values.keys():
        del os.environ[name]
    os.environ.update(values)


TORCHS = "TORCHINDUCTOR_"


def _cudnn() -> tuple:
    cudnn = torch.backends.cudnn
    return cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32


def _set_cudnn(values: tuple) -> None:
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = values


def _logging() -> tuple:
    return logging.root.level, list(logging.root.handlers), logging.root.manager.disable


def _set_logging(values: tuple) -> None:
    level, logging.root.handlers[:], silent = values
    logging.root.setLevel(level)
    logging.disable(silent)


def _figures() -> dict | None:
    """Of a report's figures, where anything draws some."""
    matplotlib = sys.modules.get("matplotlib")
    return None if matplotlib is None else dict.copy(matplotlib.rcParams)


RANDOM_STATES = "random states"
# by name: how it is read, how it is put back
STATES = {
    "grad mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    # of None: a device that was set, were it the same, is asked for at every call
    "default device": (torch.get_default_device, lambda _: torch.set_default_device(None)),
    "threads": (torch.get_num_threads, torch.set_num_threads),
    "deterministic algorithms": (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    "matmul precision": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    "cuDNN's settings": (_cudnn, _set_cudnn),
    "anomaly detection": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "NumPy's errors": (np.geterr, lambda values: np.seterr(**values)),
    "working folder": (os.getcwd, os.chdir),
    "environment": (_environment, _set_environment),
    "sys.path": (lambda: list(sys.path), lambda paths: sys.path.__setitem__(slice(None), paths)),
    "logging": (_logging, _set_logging),
    "matplotlib's settings": (
        _figures,
        lambda values: dict.update(sys.modules["matplotlib"].rcParams, values),
    ),
    RANDOM_STATES: (_random_states, _set_random_states),
}


@contextlib.contextmanager
def put_back() -> Iterator[list[str]]:
    """Put back, at the end, what the block changed of STATES; what it prints or warns of is kept
    from the reader and only logged. The list that it yields then holds the names of what had
    changed."""
    before, changed = {name: read() for name, (read, _) in STATES.items()}, []
    printed = io.StringIO()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
        ):
            warnings.simplefilter("ignore")
            yield changed
    finally:
        for name, (read, write) in STATES.items():
            # guard: state-put-back
            if before[name] is not None and read() != before[name]:
                changed.append(name)
                write(before[name])
        if text := printed.getvalue().strip():
            log.debug(f"printed by code that was brought: {text}")


@contextlib.contextmanager
def modules_of(folders: list[Path]) -> Iterator[list[Path]]:
    """Import from `folders` first, and as if nothing had been imported from anywhere else under the
    names that stand there; afterwards such modules are forgotten, so that the next `blocks.py` is
    its own. The list that it yields then holds the files of these modules."""
    folders = [folder.resolve() for folder in folders]
    theirs = _names_in(folders) - sys.stdlib_module_names
    # guard: imported-from-elsewhere
    hidden = {
        name: module
        for name, module in sys.modules.items()
        if (top := name.partition(".")[0]) in theirs
        and not _is_of(sys.modules.get(top, module), top, folders)
    }
    for name in hidden:
        del sys.modules[name]
    before, files, own_bytecode = set(sys.modules), [], sys.dont_write_bytecode
    tops = {name.partition(".")[0] for name in before}
    sys.path[:0] = [str(folder) for folder in folders]
    sys.dont_write_bytecode = True
    try:
        yield files
    finally:
        sys.dont_write_bytecode = own_bytecode
        for folder in folders:
            if str(folder) in sys.path:
                sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            top = name.partition(".")[0]
            # guard: modules-forgotten
            if top not in tops and _is_of(sys.modules[name], top, folders):
                files += _file(sys.modules.pop(name))
        sys.modules.update(hidden)
        files.sort()


def _names_in(folders: list[Path]) -> set[str]:
    """What can be imported from the folders themselves."""
    files = (path for folder in folders for path in folder.glob("*.py"))
    packages = (path.parent for folder in folders for path in folder.glob("*/__init__.py"))
    return {path.stem for path in files} | {path.name for path in packages}


def _is_of(module, top: str, folders: list[Path]) -> bool:
    """Whether a module lies in one of the folders itself, not in an environment further below."""
    paths = [Path(path).resolve() for path in _places(module)]
    return any(
        path.is_relative_to(folder)
        and path.relative_to(folder).parts[:1] in ((top,), (f"{top}.py",))
        for path in paths
        for folder in folders
    )


def _places(module) -> list[str]:
    """Its file, or the folders of a package without one."""
    file = getattr(module, "__file__", None)
    return [file] if file else list(getattr(module, "__path__", []))


def _file(module) -> list[Path]:
    file = getattr(module, "__file__", None)
    return [Path(file)] if file else []
