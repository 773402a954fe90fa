"""Made-up runs for tests: what lib.training.record.load_run returns, without training."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from lib.training.record import Predictions, Run

PARAMS = {
    "study": "s",
    "outputs": "o",
    "arm": "a",
    "seed": 0,
    "root": "",
    "image_size": 32,
    "network": "resnet18",
    "width": 8,
    "epochs": 2,
    "milestones": [1],
    "batch_size": 50,
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "augment": True,
    "cutmix_probability": 0.0,
    "cutmix_alpha": 1.0,
    "label_smoothing": 0.0,
    "mixup_probability": 0.0,
    "mixup_alpha": 1.0,
    "cutout_size": 0,
    "schedule": "steps",
    "precision": "auto",
    "device": "auto",
    "threads": 1,
}
FINGERPRINT = {"device_name": "AMD EPYC", "threads": 1, "precision": "bf16"}


def labels(images: int, classes: int) -> np.ndarray:
    return np.arange(images) % classes


def predictions(
    seed: int,
    images: int = 300,
    classes: int = 5,
    signal: float = 1.5,
    scale: float = 1.0,
    noise: int = 0,
) -> Predictions:
    """Logits with `signal` on the true class; equal `noise` gives images that are hard in the same
    way."""
    truth = labels(images, classes)
    logits = np.random.default_rng([noise, 99]).normal(
        size=(images, classes)
    ) + np.random.default_rng(seed).normal(size=(images, classes))
    logits[np.arange(images), truth] += signal
    return Predictions(np.arange(images), truth, (scale * logits).astype(np.float32))


def run(seed: int = 0, images: int = 300, params: dict | None = None, **options) -> Run:
    history = pd.DataFrame(
        {
            "epoch": [1, 2],
            "learning_rate": [0.1, 0.01],
            **{
                f"{where}_{what}": [1.0, 0.5]
                for what in ("loss", "accuracy")
                for where in ("stream", "train", "val")
            },
        }
    )
    info = {
        "params": PARAMS | {"seed": seed} | (params or {}),
        "train_accuracy": 0.9,
        "classes": options.get("classes", 5),
        "parameters": 1000,
        "fingerprint": FINGERPRINT,
        "mean_lambda": None,
        "training_seconds": 1.0,
        "share_that_differs_between_two_readings": {"train": 0.99, "val": 0.0, "test": 0.0},
    }
    return Run(
        Path("."),
        info,
        history,
        predictions(seed + 1000, images, **options | {"noise": 7}),
        predictions(seed, images, **options),
    )


def with_statistics(model: nn.Module) -> nn.Module:
    """BatchNorm statistics and weights that are not their initial ones."""
    generator = torch.Generator().manual_seed(5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in (
                (module.running_mean, -0.5),
                (module.running_var, 0.5),
                (module.weight.data, 0.5),
                (module.bias.data, -0.5),
            ):
                tensor.copy_(low + torch.rand(tensor.shape, generator=generator))
    return model
