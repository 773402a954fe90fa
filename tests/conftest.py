"""Tests import the project's lib, in the kernels that they start as well, and run without a
display, a thread each."""

import gc
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = str(ROOT)
os.environ.setdefault("MPLBACKEND", "agg")
os.environ["REPORT_HEADLESS"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side


from lib.base.log import to_stdout  # noqa: E402

gc.disable()  # until all tests are known: what they import stays
to_stdout()


def pytest_collection_modifyitems(items):
    """What runs from end to end is slow, and what is slow begins first: then both cores end
    together."""
    for item in items:
        if "end_to_end" in item.path.parts:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish():
    """What is imported by now stays: no search for what can be freed looks through it again."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def main_module_as_it_was():
    """IPython's shell, which some tests play cells in, puts its own module in the place of
    __main__; new processes need the old one."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(scope="module")
def one_thread():
    """Whatever other tests of this process have set: sums of one thread, and no thread waits for
    another."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
