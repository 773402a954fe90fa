"""The machine a run is made on: device, arithmetic, determinism, and the record of all three."""

import ctypes
import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from lib.base.errors import ParameterError
from lib.training import cuda_graph

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "pandas",
    "matplotlib",
    "seaborn",
    "papermill",
    "nbconvert",
    "nbval",
)


def choose_device(name: str) -> torch.device:
    """ "auto" takes CUDA, then MPS, then the CPU; from here on fp32 means fp32 there. Raises
    ParameterError for a device that is not there."""
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    # guard: device-there
    if not available[name]:
        raise ParameterError(
            f"device: {name} was asked for and is not available; here are "
            f"{', '.join(d for d in available if available[d])}"
        )
    # or "fp32" on a GPU would mean 10 bits of mantissa, for who only predicts as well
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """ "auto" takes bf16 where the device computes it natively, else fp32. Raises ParameterError
    where bf16 cannot run."""
    native = {
        "cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False),
        "cpu": torch.cpu._is_avx512_bf16_supported,
        "mps": lambda: False,
    }[device.type]()
    # guard: native-bf16
    if name == "bf16" and device.type == "cuda" and not native:
        raise ParameterError("precision: this GPU has no bf16 arithmetic; use fp32 or auto")
    return name if name != "auto" else "bf16" if native else "fp32"


def set_deterministic(threads: int) -> None:
    """Same build, device and thread count: same bits. Sums of one and of two threads differ, so the
    count is fixed."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # asked for by older CUDA builds
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # every new tensor filled with NaN: 4 % of a step, no other bits
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.allow_tf32 = False  # as in choose_device, whatever was set since
    torch.backends.cudnn.benchmark = False
    # guard: deterministic-kernels
    torch.backends.cudnn.deterministic = True


def keep_memory() -> None:
    """Keep what one batch frees for the next one, instead of giving it back and faulting it in
    anew: 4 % of a training step's time.

    Changes no bits. Only glibc has the two settings (mallopt(3)); elsewhere nothing happens.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def fingerprint(device: torch.device, precision: str, data: str = "") -> dict:
    """What must be equal for two runs with one seed to be equal bit for bit."""
    found = {
        "torch": str(torch.__version__),
        "device": device.type,
        "device_name": torch.cuda.get_device_name() if device.type == "cuda" else processor(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "layout": "channels_last",
    }
    if device.type == "cuda":
        # Images on disk come batch by batch, which a graph cannot.
        found |= {
            "cudnn": torch.backends.cudnn.version(),
            "algorithms": "deterministic",
            "step": "plain" if data == "folder" else cuda_graph.kind(),
        }
    return found


def versions() -> dict[str, str]:
    """Of what is installed: a machine that only trains needs no notebooks."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
