"""What a benchmark owes: one row that fails does not cost the others."""

import sys

import torch

from lib.base import artefacts

sys.path.insert(0, str(artefacts.ROOT / "benchmarks"))
import gpu  # noqa: E402


def test_a_row_that_fails_is_named_and_the_others_are_measured(monkeypatch, capsys):
    def fail(error):
        calls.append(error)
        raise error

    calls, errors = (
        [],
        {"first": torch.OutOfMemoryError("no memory"), "last": SystemExit("not captured")},
    )
    monkeypatch.setattr(gpu, "matmul_rate", lambda device: 1.0)
    todo = {
        "first": lambda: fail(errors["first"]),
        "good": lambda: None,
        "last": lambda: fail(errors["last"]),
    }
    seconds, first, limits, failed = gpu.measure(todo, 2, torch.device("cpu"))
    assert (
        {name: len(times) for name, times in seconds.items()} == {"good": 2}
        and list(first) == ["good"]
        and len(limits) == 3
    )
    assert (
        failed == {"first": "OutOfMemoryError: no memory", "last": "SystemExit: not captured"}
        and len(calls) == 2
    )
    assert capsys.readouterr().err.splitlines() == [
        f"{name}: {why}" for name, why in failed.items()
    ]
