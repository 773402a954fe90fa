"""What a run shows while it trains, read back by others: pandas, the kernel's own books,
TensorBoard's reader."""

import builtins
import sys

import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lib.base.config import Train
from lib.data import dataset
from lib.report import training
from lib.training import loop, record

SETTINGS = dict(
    study="test",
    outputs="unused",
    arm="test",
    seed=3,
    data="phantom",
    root="",
    image_size=32,
    data_seed=0,
    train_size=20,
    val_size=20,
    test_size=20,
    network="resnet18",
    width=2,
    epochs=2,
    milestones=[1],
    batch_size=10,
    learning_rate=0.01,
    momentum=0.9,
    weight_decay=0.0,
    augment=False,
    cutmix_probability=0.0,
    cutmix_alpha=1.0,
    label_smoothing=0.0,
    mixup_probability=0.0,
    mixup_alpha=1.0,
    cutout_size=0,
    schedule="steps",
    precision="fp32",
    device="cpu",
    threads=1,
)


class Handle:
    """Stands in for the handle of a JupyterLab output."""

    def __init__(self):
        self.lines = []

    def update(self, figure):
        self.lines.append([len(axis.lines[0].get_xdata()) for axis in figure.axes])


@pytest.fixture
def state(tmp_path):
    torch.set_num_threads(1)
    splits = dataset.load("phantom", sizes={"train": 20, "val": 20, "test": 20}, seed=0)
    return loop.start(Train(**SETTINGS), splits, tmp_path, torch.device("cpu"), "fp32", key="none")


def trained(state, **options):
    show = training.follow(state, **options)
    for _ in range(2):
        row = loop.train_epoch(state) | loop.evaluate(state)
        loop.finish_epoch(state, row)
        show(row)
    return state


def test_the_history_can_be_read_while_the_run_goes_on_and_is_whole_after_it(state, capsys):
    trained(state, headless=True)
    so_far = pd.read_csv(state.folder / "history.part.csv")
    assert so_far["epoch"].tolist() == [1, 2] and so_far["val_loss"].tolist() == pytest.approx(
        [row["val_loss"] for row in state.history]
    )
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0].startswith("epoch 1/2 ")
        and " GB " in lines[0]
        and lines[1].endswith("about 0 min left")
    )
    record.publish(state, {}, {})
    assert not (state.folder / "history.part.csv").exists()
    assert pd.read_csv(state.folder / "history.csv").equals(so_far)


def test_a_finished_run_keeps_its_history_while_another_trains_in_its_place(state):
    (state.folder / "history.csv").write_text("of the finished run")
    trained(state, headless=True)
    assert (state.folder / "history.csv").read_text() == "of the finished run"


def test_curves_redraw_after_each_epoch_in_a_notebook(state, monkeypatch):
    handle = Handle()
    monkeypatch.setattr(training, "display", lambda display_id: handle)
    trained(state, headless=False)
    assert handle.lines == [[1, 1], [2, 2]]


def test_tensorboard_reads_the_rows_back(state):
    trained(state, headless=True, tensorboard=True)
    reader = EventAccumulator(str(state.folder / "tensorboard"))
    reader.Reload()
    assert set(reader.Tags()["scalars"]) == set(state.history[0])
    for name in ("val_accuracy", "stream_loss"):
        assert [(event.step, event.value) for event in reader.Scalars(name)] == [
            (row["epoch"], pytest.approx(row[name], rel=1e-6)) for row in state.history
        ]


def test_no_event_file_unless_asked_for(state):
    assert not (trained(state, headless=True).folder / "tensorboard").exists()


def test_tensorboard_without_its_package_is_one_line(state, monkeypatch):
    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", lambda name, *rest: _refuse(name, real, *rest))
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with pytest.raises(
        ModuleNotFoundError,
        match="^TENSORBOARD was asked for and its package is not installed: pip install "
        "tensorboard$",
    ):
        training.follow(state, headless=True, tensorboard=True)


def _refuse(name, real, *rest):
    if name.startswith("tensorboard"):
        raise ImportError(name)
    return real(name, *rest)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_peak_memory_is_what_the_kernel_has_counted():
    with open("/proc/self/status", encoding="utf-8") as file:
        counted = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    assert training.peak_memory(torch.device("cpu")) == pytest.approx(counted, rel=0.01)
