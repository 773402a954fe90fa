"""Does the engine train as well as a plain loop? Test accuracy of both, over seeds, the recipe
being the same.

    python benchmarks/accuracy.py [--seeds 5] [--epochs 5] [--images 10000] [--width 16]

The plain loop is torchvision's and torch's own: transforms on PIL images, DataLoader, v2.CutMix,
CrossEntropyLoss with label smoothing, MultiStepLR, fp32. Needs CIFAR-100 in data/ (or
$CIFAR100_ROOT); 15 min on two cores, a run on each. Finished runs are kept in
outputs/bench-accuracy and not repeated; the result goes to benchmarks/results/accuracy.json."""

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from scipy.stats import ttest_ind
from torch import nn
from torch.utils.data import DataLoader, Subset, default_collate
from torchvision import transforms
from torchvision.datasets import CIFAR100
from torchvision.transforms import v2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.engine import BATCH, RECIPE, plain_network  # noqa: E402
from lib.base import artefacts
from lib.base.config import Train  # noqa: E402
from lib.data import cifar, dataset  # noqa: E402
from lib.training import inference, machine
from lib.training import loop as training

LOOPS = ("plain", "ours")


def plain(seed: int, options, splits) -> nn.Module:
    """The network after the plain loop."""
    torch.manual_seed(seed)
    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(splits.mean, splits.std),
        ]
    )
    mix = v2.RandomApply([v2.CutMix(num_classes=100, alpha=1.0)], p=0.5)
    images = Subset(
        CIFAR100(cifar.find().parent, transform=transform),
        splits.train.index[: options.images].tolist(),
    )
    loader = DataLoader(
        images, BATCH, shuffle=True, collate_fn=lambda batch: mix(*default_collate(batch))
    )
    model = plain_network(options.width)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones(options))
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    for _ in range(options.epochs):
        model.train()
        for batch, labels in loader:
            optimizer.zero_grad()
            loss_of(model(batch), labels).backward()
            optimizer.step()
        scheduler.step()
    return model


def ours(seed: int, options, splits) -> nn.Module:
    """The network after the project's loop."""
    params = Train(
        **RECIPE | {"seed": seed, "epochs": options.epochs, "milestones": milestones(options)},
        network="resnet18",
        width=options.width,
        threads=1,
    )
    part = dataset.Splits(**{**vars(splits), "train": splits.train.first(options.images)})
    device = torch.device("cpu")
    state = training.start(
        params, part, Path("unused"), device, machine.choose_precision("auto", device), "bench"
    )
    for _ in range(options.epochs):
        training.finish_epoch(state, training.train_epoch(state))
    return state.model


def milestones(options) -> list[int]:
    return [options.epochs // 2 + 1]


def accuracy(loop: str, seed: int, options) -> float:
    """Test accuracy, 0 to 1, of one run; of the file that keeps it, if there is one."""
    place = (
        artefacts.ROOT
        / "outputs"
        / "bench-accuracy"
        / f"{loop}-w{options.width}-e{options.epochs}-n{options.images}-s{seed}.json"
    )
    if not place.is_file():
        machine.set_deterministic(1)
        training.CHECKPOINT_SECONDS = float("inf")
        splits = dataset.load("cifar100")
        model = (plain if loop == "plain" else ours)(seed, options, splits)
        logits = inference.logits(model, splits.test.images, splits.mean, splits.std)
        artefacts.write_json(
            place, {"accuracy": float((logits.argmax(1) == splits.test.labels.numpy()).mean())}
        )
    return artefacts.read_json(place)["accuracy"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in (("seeds", 5), ("epochs", 5), ("images", 10_000), ("width", 16)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        futures = {
            (loop, seed): pool.submit(accuracy, loop, seed, options)
            for seed in range(options.seeds)
            for loop in LOOPS
        }
        found = {
            loop: np.array([futures[loop, seed].result() for seed in range(options.seeds)])
            for loop in LOOPS
        }
    for loop, values in found.items():
        print(
            f"{loop:6s} {values.mean():.2%}, standard deviation {values.std(ddof=1):.2%}, of "
            f"{len(values)} seeds: {np.round(values * 100, 1)}"
        )
    test = ttest_ind(found["ours"], found["plain"], equal_var=False)
    low, high = test.confidence_interval()
    print(
        f"ours - plain: {(found['ours'].mean() - found['plain'].mean()) * 100:+.2f} points, 95% "
        f"Welch interval {low * 100:+.2f} to {high * 100:+.2f}"
    )
    place = Path(__file__).parent / "results" / "accuracy.json"
    kept = json.loads(place.read_text()) if place.exists() else []
    kept.append(
        {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "arguments": vars(options),
            "processor": machine.processor(),
            "torch": torch.__version__,
            "accuracy": {loop: values.tolist() for loop, values in found.items()},
            "interval": [low, high],
        }
    )
    artefacts.write_bytes(place, (json.dumps(kept, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
