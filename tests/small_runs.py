"""Small runs: begun, finished, written by hand."""

import hashlib

import numpy as np
import pandas as pd
import torch

from lib.base import artefacts
from lib.base.config import Train
from lib.data import dataset
from lib.model import resnet18
from lib.training import loop, record

SETTINGS = dict(
    study="test",
    arm="both",
    seed=5,
    data="phantom",
    root="",
    image_size=32,
    data_seed=0,
    train_size=90,
    val_size=40,
    test_size=40,
    network="resnet18",
    width=2,
    epochs=3,
    milestones=[2],
    batch_size=20,
    learning_rate=0.05,
    momentum=0.9,
    weight_decay=5e-4,
    augment=True,
    cutmix_probability=0.5,
    cutmix_alpha=1.0,
    label_smoothing=0.1,
    mixup_probability=0.0,
    mixup_alpha=1.0,
    cutout_size=0,
    schedule="steps",
    precision="fp32",
    device="cpu",
    threads=1,
)


WIDE_SETTINGS = dict(
    study="test",
    outputs="unused",
    arm="test",
    seed=3,
    data="phantom",
    root="",
    image_size=32,
    data_seed=0,
    train_size=24,
    val_size=20,
    test_size=20,
    network="resnet18",
    width=64,
    epochs=2,
    milestones=[1],
    batch_size=10,
    learning_rate=0.002,
    momentum=0.9,
    weight_decay=0.5,
    augment=False,
    cutmix_probability=0.0,
    cutmix_alpha=1.0,
    label_smoothing=0.1,
    mixup_probability=0.0,
    mixup_alpha=1.0,
    cutout_size=0,
    schedule="steps",
    precision="fp32",
    device="cpu",
    threads=1,
)


def started(outputs, **changes):
    torch.set_num_threads(1)
    params = Train(**SETTINGS | {"outputs": str(outputs)} | changes)
    splits = dataset.load("phantom", sizes={"train": 90, "val": 40, "test": 40}, seed=0)
    key = record.key(params, splits.digest)
    return loop.start(params, splits, record.folder(params), torch.device("cpu"), "fp32", key)


def make_run(folder, logits=None):
    """A finished run as its record describes it, with weights of a tiny network."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6, 3)).astype(np.float32) if logits is None else logits
    arrays = {
        f"{split}_{what}": value
        for split in ("val", "test")
        for what, value in (
            ("index", np.arange(6)),
            ("labels", np.arange(6) % 3),
            ("logits", logits),
        )
    }
    artefacts.write_arrays(folder / "predictions.npz", **arrays)
    artefacts.write_table(
        folder / "history.csv", pd.DataFrame({"epoch": [1, 2], "train_loss": [1.5, 0.5]})
    )
    artefacts.write_weights(folder / "model.safetensors", resnet18(3, 1))
    sums = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("predictions.npz", "history.csv", "model.safetensors")
    }
    record.write_record(
        folder / "run.json",
        {"params": {"width": 1}, "data_digest": "d", "key": "k", "sha256": sums},
    )
    return folder


def content(step, key="k"):
    return {"key": key, "step": step, "tensor": torch.arange(100.0) + step}


def with_its_sum(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest() + payload
