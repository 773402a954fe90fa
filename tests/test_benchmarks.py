"""What a benchmark owes: one row that fails does not cost the others."""

import sys
from pathlib import Path

import pytest
import torch

from lib.base import artefacts

sys.path.insert(0, str(artefacts.ROOT / "benchmarks"))
import gpu  # noqa: E402
import stability  # noqa: E402
import stages  # noqa: E402


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


def test_the_spread_over_seeds_is_the_sample_s_and_none_of_one_seed():
    def record_of(accuracy):
        return {
            "test_accuracy": accuracy,
            "train_accuracy": 1.0,
            "training_seconds": 10 * accuracy,
            "fingerprint": {"precision": "fp32"},
            "params": {"epochs": 3},
        }

    # deviations -0.03, 0.01, 0.02 from 0.73: squares sum to 0.0014, over n - 1
    row = stability.summary([record_of(accuracy) for accuracy in (0.70, 0.74, 0.75)])
    assert row["mean"] == pytest.approx(0.73) and row["deviation"] == pytest.approx(0.0007**0.5)
    assert row["training_seconds"] == pytest.approx(7.4)
    assert stability.summary([record_of(0.7)])["deviation"] is None


def test_twice_doubles_epochs_and_milestones_and_nothing_else():
    base = stability.parameters()
    assert stability.schedule("twice") == {
        "epochs": base.epochs + base.epochs,
        "milestones": [milestone + milestone for milestone in base.milestones],
    }


def test_a_reports_own_lines_give_the_seconds_of_its_parts(monkeypatch):
    said = """make: Entering directory
outputs/smoke/a/seed-0/train.ipynb: 7 s
outputs/smoke/b/seed-0/train.ipynb: 8 s
smoke/a/0  epoch 1/8: 3.0 s
outputs/smoke/02_failures.ipynb: 11 s
outputs/smoke/report.html: 0.94 MB in 2.5 s
outputs/smoke/report.html
"""
    monkeypatch.setattr(stages, "run", lambda *_: (said, 40.0, 60.0))
    rows = stages.report(Path("."), "smoke", Path(".venv"))
    assert rows == {
        "02_failures": 11,
        "report.html": 2.5,
        "trainings": 15,
        stages.WHOLE: 40,
        stages.CPU: 60,
    }
    found = {"before": {"trainings": [9, 30, 10]}, "after": {"trainings": [5, 4, 6], "new": [1]}}
    assert stages.table(found).splitlines()[2:] == [
        "| trainings | 9 / 10 / 30 | 4 / 5 / 6 | 2.00 |",
        "| new | – | 1 / 1 / 1 | – |",
    ]
    assert "wait for 25%" in stages.left({row: [seconds] for row, seconds in rows.items()})
