"""How fast training and prediction are, beside a plain loop and beside the machine's own
convolutions.

    python benchmarks/engine.py [--width 64] [--rounds 3] [--images 1280] [--threads 2]

Needs CIFAR-100 in data/ (or $CIFAR100_ROOT). Rounds are interleaved, so that a busy moment hits
every row; medians are given with the smallest and the largest round. The plain loops run in a
process of their own, which has none of the engine's settings (memory kept between batches,
deterministic sums); one process computes at a time. Appends to benchmarks/results/engine.json."""

import argparse
import json
import resource
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import CIFAR100
from torchvision.models import resnet18 as torchvision_resnet18

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib import cutmix
from lib.base.config import Train  # noqa: E402
from lib.data import augment, cifar, dataset  # noqa: E402
from lib.model import resnet18  # noqa: E402
from lib.training import inference, loop, machine

BATCH = 128
# as published for CIFAR-100; the plain loops' own
MEAN, STD = (
    (0.507, 0.487, 0.441),
    (0.267, 0.256, 0.276),
)
RECIPE = dict(
    study="bench",
    outputs="unused",
    arm="bench",
    seed=0,
    data="cifar100",
    root="",
    image_size=32,
    data_seed=42,
    train_size=0,
    val_size=0,
    test_size=0,
    epochs=1000,
    milestones=[],
    batch_size=BATCH,
    learning_rate=0.1,
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
    precision="auto",
    device="cpu",
)


def plain_network(width: int) -> nn.Module:
    """torchvision's network where it has one (width 64), else ours: the same layers."""
    if width != 64:
        return resnet18(100, width)
    model = torchvision_resnet18(num_classes=100)
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    return model


def plain_training(width: int, images: int):
    """What one would write: DataLoader, torchvision's transforms on PIL images, fp32."""
    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    folder = cifar.find().parent
    loader = DataLoader(
        Subset(CIFAR100(folder, transform=transform), range(images)), batch_size=BATCH, shuffle=True
    )
    model = plain_network(width)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, weight_decay=5e-4)
    loss_of = nn.CrossEntropyLoss()

    def run():
        model.train()
        for batch, labels in loader:
            optimizer.zero_grad()
            loss_of(model(batch), labels).backward()
            optimizer.step()

    return run


def plain_prediction(width: int, images: int):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    loader = DataLoader(
        Subset(CIFAR100(cifar.find().parent, train=False, transform=transform), range(images)),
        batch_size=BATCH,
    )
    model = plain_network(width).eval()

    def run():
        with torch.no_grad():
            for batch, _ in loader:
                model(batch)

    return run


PLAIN = {"training": plain_training, "prediction": plain_prediction}


@lru_cache
def _prepared(what: str, width: int, images: int, threads: int):
    torch.set_num_threads(threads)
    return PLAIN[what](width, images)


def plain_seconds(what: str, width: int, images: int, threads: int) -> float:
    """Seconds of one pass of a plain loop; made once in each process."""
    run, began = _prepared(what, width, images, threads), time.perf_counter()
    run()
    return time.perf_counter() - began


def convolutions(model: nn.Module, precision: str, backward: bool):
    """Only the network's convolutions on one batch, forward and, if asked, both backward passes:
    the step's limit."""
    calls, hooks = [], []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(
                module.register_forward_hook(
                    lambda conv, inputs, _: calls.append((conv, inputs[0].shape))
                )
            )
    with torch.no_grad():
        model(torch.zeros(BATCH, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    prepared = []
    for number, (conv, shape) in enumerate(calls):
        image = torch.randn(shape, dtype=dtype).contiguous(memory_format=torch.channels_last)
        weight = conv.weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
        out = torch.conv2d(image, weight, stride=conv.stride, padding=conv.padding)
        # nobody needs the gradient of the picture
        need = (backward and number > 0, backward, False)
        prepared.append((image, weight, torch.randn_like(out), conv, need))

    def run():
        with torch.no_grad():
            for image, weight, gradient, conv, need in prepared:
                torch.conv2d(image, weight, stride=conv.stride, padding=conv.padding)
                if backward:
                    torch.ops.aten.convolution_backward(
                        gradient,
                        image,
                        weight,
                        None,
                        conv.stride,
                        conv.padding,
                        (1, 1),
                        False,
                        (0, 0),
                        1,
                        need,
                    )

    return run


def rows(arguments, splits, pool) -> dict:
    """name: (function, images it handles); a function may return the seconds it took, where the
    pool's way is not to count."""
    width, images = arguments.width, arguments.images

    def elsewhere(what):
        return lambda: pool.submit(plain_seconds, what, width, images, arguments.threads).result()

    device = torch.device("cpu")
    precision = machine.choose_precision("auto", device)
    params = Train(**RECIPE, network="resnet18", width=width, threads=arguments.threads)
    part = dataset.Splits(
        **{**vars(splits), "train": splits.train.first(images), "val": splits.val.first(BATCH)}
    )
    state = loop.start(params, part, Path("unused"), device, precision, "bench")
    loop.CHECKPOINT_SECONDS = float("inf")

    def epoch():
        loop.reset_totals(state)
        loop.train_epoch(state)

    batch, labels = part.train.images[:BATCH], part.train.labels[:BATCH]
    draws = augment.draw_augmentation(0, 0, part.train.index[:BATCH], True)
    ready = augment.training_batch(batch, draws, splits.mean, splits.std)

    def step():
        state.model.train()
        loop.train_step(state, ready, labels, 0)

    def pipeline():
        cutmix.mix(augment.training_batch(batch, draws, splits.mean, splits.std), labels, params, 0)

    model, test = resnet18(100, width).eval(), splits.test.images[:images]
    return {
        "plain loop": (elsewhere("training"), images),
        "our loop": (epoch, images),
        "our step": (step, BATCH),
        "convolutions of a step": (convolutions(model, precision, True), BATCH),
        "our input pipeline with CutMix": (pipeline, BATCH),
        "plain prediction": (elsewhere("prediction"), images),
        "our prediction, fp32": (
            lambda: inference.logits(model, test, splits.mean, splits.std),
            images,
        ),
        f"our prediction, {precision}": (
            lambda: inference.logits(model, test, splits.mean, splits.std, precision),
            images,
        ),
        "convolutions of prediction": (convolutions(model, precision, False), BATCH),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in (("width", 64), ("rounds", 3), ("images", 1280), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    machine.set_deterministic(arguments.threads)
    splits = dataset.load("cifar100")
    pool = ProcessPoolExecutor(1, get_context("spawn"))
    todo, seconds = rows(arguments, splits, pool), {}
    for number in range(-1, arguments.rounds):  # the first round warms up
        for name, (function, images) in todo.items():
            repeats = 1 if images > BATCH else 4
            began = time.perf_counter()
            told = [function() for _ in range(repeats)]
            taken = (
                told[0] if isinstance(told[0], float) else (time.perf_counter() - began) / repeats
            )
            if number >= 0:
                seconds.setdefault(name, []).append(taken / images)
    pool.shutdown()
    rate = {name: 1 / statistics.median(times) for name, times in seconds.items()}
    for name, times in seconds.items():
        print(
            f"{name:34s} {rate[name]:8.1f} images/s   ({1 / max(times):.1f} to "
            f"{1 / min(times):.1f})"
        )
    predicted = max(value for name, value in rate.items() if name.startswith("our prediction"))
    # s, of 5,000 clean train and 5,000 val images an epoch
    evaluation, limit = (
        10_000 / predicted,
        10_000 / rate["convolutions of prediction"],
    )
    ratios = {
        "our loop / plain loop": rate["our loop"] / rate["plain loop"],
        "our step / its convolutions": rate["our step"] / rate["convolutions of a step"],
        "input pipeline, share of a step": rate["our step"]
        / rate["our input pipeline with CutMix"],
        "our prediction / plain prediction": predicted / rate["plain prediction"],
        "its convolutions / plain prediction": rate["convolutions of prediction"]
        / rate["plain prediction"],
        "evaluation, share of an epoch of 45,000": evaluation
        / (evaluation + 45_000 / rate["our loop"]),
        "that of the convolutions alone": limit / (limit + 45_000 / rate["convolutions of a step"]),
    }
    for name, value in ratios.items():
        print(f"{name:40s} {value:8.3f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak resident memory {peak:.2f} GB, two copies of the data included")
    place = Path(__file__).parent / "results" / "engine.json"
    place.parent.mkdir(exist_ok=True)
    kept = json.loads(place.read_text()) if place.exists() else []
    kept.append(
        {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "arguments": vars(arguments),
            "processor": machine.processor(),
            "torch": torch.__version__,
            "images_per_second": rate,
            "ratios": ratios,
            "peak_gb": peak,
            "spread": {name: [1 / max(times), 1 / min(times)] for name, times in seconds.items()},
        }
    )
    place.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
