"""Does each remedy train? A short run of each on the phantom, and whether it ends above chance.

    python benchmarks/remedies.py [REMEDY ...]

Prints validation accuracy, the chance of so many right answers from guesses, and seconds. What a
remedy does to a batch is held against its reference in the tests: test_cutmix and test_mixup,
test_augment (Cutout), test_loop (smoothing, the cosine schedule).
"""

import sys
import tempfile
import time
from pathlib import Path

import torch
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.base.config import Train
from lib.data import dataset
from lib.training import loop, record

REMEDIES = {
    "none": {},
    "CutMix": {"cutmix_probability": 0.5},
    "MixUp": {"mixup_probability": 0.5},
    "Cutout": {"cutout_size": 12},
    "label smoothing": {"label_smoothing": 0.1},
    "cosine schedule": {"schedule": "cosine", "milestones": []},
    "more epochs": {"epochs": 12, "milestones": [9]},
}
SIZES, CLASSES = {"train": 3000, "val": 400, "test": 60}, 20
SHORT = {"study": "remedies", "data": "phantom", "seed": 42, "width": 8, "epochs": 8}
SHORT |= {"milestones": [6], "batch_size": 50, "learning_rate": 0.05, "precision": "fp32"}
SHORT |= {f"{name}_size": size for name, size in SIZES.items()}


def trained(remedy: str, splits, outputs: str) -> tuple[float, float]:
    """Validation accuracy after the last epoch, and the chance of guesses to be as good."""
    defaults = {
        name: field.default for name, field in Train.model_fields.items() if not field.is_required()
    }
    params = Train(**defaults | SHORT | {"outputs": outputs, "arm": "one"} | REMEDIES[remedy])
    cpu = torch.device("cpu")
    state = loop.start(params, splits, record.folder(params), cpu, "fp32", remedy)
    *_, row = loop.epochs(state)
    right = round(row["val_accuracy"] * SIZES["val"])
    return row["val_accuracy"], binomtest(right, SIZES["val"], 1 / CLASSES, "greater").pvalue


def main(*remedies: str) -> int:
    torch.set_num_threads(1)
    splits, bad = dataset.load("phantom", sizes=SIZES, seed=42), 0
    for remedy in remedies or REMEDIES:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as outputs:
            accuracy, chance = trained(remedy, splits, outputs)
        bad += chance > 1e-6
        seconds = time.monotonic() - began
        print(f"{remedy:16}{accuracy:6.1%}  p = {chance:.1g}  {seconds:.0f} s", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
