"""What the machine lacks is said before training: a device, bf16, memory; determinism is on."""

import os
import subprocess
import sys

import pytest
import torch
from small_runs import started

from lib.training import loop, machine


@pytest.fixture
def with_cuda(monkeypatch):
    """As where a GPU is, which computes bf16 only by emulation."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation
    )


@pytest.fixture
def bare(monkeypatch):
    """As where no accelerator is."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_asked_for_and_absent_is_named_with_those_there_are(bare, name):
    with pytest.raises(
        ValueError, match=f"^device: {name} was asked for and is not available; here are cpu$"
    ):
        machine.choose_device(name)
    assert machine.choose_device("auto").type == machine.choose_device("cpu").type == "cpu"


def test_auto_takes_the_gpu_where_one_is_and_fp32_means_fp32_there(with_cuda, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert machine.choose_device("auto").type == "cuda" and not torch.backends.cudnn.allow_tf32


def test_bf16_is_refused_where_it_would_be_emulated(with_cuda):
    device = torch.device("cuda")
    with pytest.raises(
        ValueError, match="precision: this GPU has no bf16 arithmetic; use fp32 or auto"
    ):
        machine.choose_precision("bf16", device)
    assert (
        machine.choose_precision("auto", device)
        == machine.choose_precision("fp32", device)
        == "fp32"
    )


@pytest.mark.slow
def test_determinism_is_on_whatever_was_set_before():
    code = """import os, torch
from lib.training import machine
torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = True, False
machine.set_deterministic(1)
cudnn = torch.backends.cudnn
print(torch.are_deterministic_algorithms_enabled(), cudnn.benchmark, cudnn.deterministic)
print(cudnn.allow_tf32, torch.get_num_threads(), os.environ["CUBLAS_WORKSPACE_CONFIG"])"""
    clean = {name: value for name, value in os.environ.items() if name != "CUBLAS_WORKSPACE_CONFIG"}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean)
    assert said.stdout.split() == ["True", "False", "True", "False", "1", ":4096:8"], said.stderr


def test_out_of_memory_is_one_line_with_the_batch_size_to_try(tmp_path, monkeypatch):
    def no_memory(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    state = started(tmp_path)
    monkeypatch.setattr(loop, "train_step", no_memory)
    with pytest.raises(
        loop.TrainingError,
        match="^cpu is out of memory at batch_size 20, width 2; try batch_size: 10$",
    ):
        loop.train_epoch(state)
    assert not list(tmp_path.rglob("run.json"))
