"""How fast a GPU trains, beside a plain loop and beside its own matrix product, in one process.

    python benchmarks/gpu.py [--rounds 3] [--images 45000] [--workers 8] [--device cuda]
                             [--width 64]

Needs CIFAR-100 in data/ (or $CIFAR100_ROOT). Rounds are interleaved; each is one pass over the
images, the first one (which warms up, captures and compiles) counted apart. Rows: a plain loop
(DataLoader, torchvision's transforms, fp32, torch's own settings), our step taken one by one, as a
CUDA graph, as a graph with whatever algorithms cuDNN finds fastest (then bits need not repeat), and
as a graph of the compiled network. Appends to benchmarks/results/gpu.json; a row that fails is
named, the rest is measured, and the exit status is 1. On a CPU the two rows that need no GPU
rehearse it.
"""

import argparse
import json
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms
from torchvision.datasets import CIFAR100

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.base import study_file  # noqa: E402
from lib.data import cifar, dataset  # noqa: E402
from lib.model import resnet18  # noqa: E402
from lib.training import cuda_graph, loop, machine

EPOCHS, TRAINING_IMAGES = 50, 45_000


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def matmul_rate(device: torch.device) -> float:
    """Operations a second of one large bf16 matrix product on random data: what the device can do
    at most."""
    side, times = 8192 if device.type == "cuda" else 512, []
    one, other = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(13):
        wait(device)
        began = time.perf_counter()
        one @ other
        wait(device)
        times.append(time.perf_counter() - began)
    return 2 * side**3 / statistics.median(times[3:])


def training_operations(width: int) -> float:
    """Floating-point operations of a training step for each image: convolutions and the last layer,
    forward and both backward passes."""
    model, images = resnet18(100, width), torch.randn(2, 3, 32, 32)
    with FlopCounterMode(display=False) as counter:
        model(images).sum().backward()
    return counter.get_total_flops() / 2


def plain_loop(options, splits, device: torch.device):
    """What one would write."""
    torch.manual_seed(0)
    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(splits.mean, splits.std),
        ]
    )
    loader = DataLoader(
        Subset(CIFAR100(cifar.find().parent, transform=transform), range(options.images)),
        batch_size=128,
        shuffle=True,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
        pin_memory=device.type == "cuda",
    )
    model = resnet18(100, options.width).to(device)
    optimizer, loss_of = (
        torch.optim.SGD(model.parameters(), 0.1, 0.9, weight_decay=5e-4),
        nn.CrossEntropyLoss(),
    )

    def run():
        defaults(True)
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            loss_of(
                model(images.to(device, non_blocking=True)), labels.to(device, non_blocking=True)
            ).backward()
            optimizer.step()
        wait(device)

    return run


def defaults(on: bool) -> None:
    """torch's own settings, or the project's."""
    machine.set_deterministic(torch.get_num_threads())
    if on:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32 = False, True


def our_loop(
    options,
    splits,
    device: torch.device,
    captured: bool,
    compiled: bool = False,
    any_algorithm: bool = False,
):
    """An epoch of the study's arm cutmix, and the state that it trains."""
    values = [
        ("width", str(options.width)),
        ("epochs", "1000"),
        ("milestones", "[]"),
        ("device", device.type),
    ]
    params = study_file.train(study_file.read("cifar100"), "cutmix", 42, "unused", values)
    cuda_graph.COMPILED = compiled
    state = loop.start(
        params,
        splits,
        Path("unused"),
        device,
        machine.choose_precision("auto", device),
        "benchmark",
    )
    state.engine = cuda_graph.Engine(state)
    state.engine.usable = captured and device.type == "cuda"
    cuda_graph.COMPILED = False

    def run():
        defaults(False)
        # left on, it holds cuDNN to repeatable algorithms by itself
        torch.use_deterministic_algorithms(not any_algorithm)
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = (
            any_algorithm,
            not any_algorithm,
        )
        loop.reset_totals(state)
        loop.train_epoch(state)
        if captured and not state.engine.graph and device.type == "cuda":
            raise SystemExit("the CUDA graph was not captured; its row would be another")

    return run, state


def rows(options, splits, device: torch.device) -> dict:
    step_by_step, state = our_loop(options, splits, device, captured=False)

    def evaluation():
        defaults(False)
        loop.evaluate(state)

    found = {
        "plain loop": plain_loop(options, splits, device),
        "step by step": step_by_step,
        "evaluation after an epoch": evaluation,
    }
    if device.type == "cuda":
        found |= {
            "CUDA graph": our_loop(options, splits, device, True)[0],
            "CUDA graph, any algorithm": our_loop(
                options, splits, device, True, any_algorithm=True
            )[0],
            "CUDA graph of the compiled network": our_loop(
                options, splits, device, True, compiled=True
            )[0],
        }
    return found


def measure(todo: dict, rounds: int, device: torch.device):
    """Seconds of each row's passes and of its first one, the limit found in each round, and why
    rows failed: those are left out from then on."""
    seconds, first, limits, failed = {}, {}, [], {}
    for number in range(rounds + 1):
        limits.append(matmul_rate(device))
        for name, function in todo.items():
            if name in failed:
                continue
            began = time.perf_counter()
            try:
                function()
            except (Exception, SystemExit) as error:
                failed[name] = f"{type(error).__name__}: {error}"
                print(f"{name}: {failed[name]}", file=sys.stderr, flush=True)
                continue
            took = time.perf_counter() - began
            if number:
                seconds.setdefault(name, []).append(took)
            else:
                first[name] = took
    return seconds, first, limits, failed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in (("rounds", 3), ("images", TRAINING_IMAGES), ("workers", 8), ("width", 64)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cuda")
    parser.add_argument(
        "--results", type=Path, default=Path(__file__).parent / "results" / "gpu.json"
    )
    options = parser.parse_args()
    device = machine.choose_device(options.device)
    torch.set_num_threads(2)
    loop.CHECKPOINT_SECONDS = float("inf")
    whole = dataset.load("cifar100")
    splits = dataset.Splits(
        **{
            **vars(whole),
            "train": whole.train.first(options.images),
            "val": whole.val.first(options.images),
        }
    )
    defaults(False)
    seconds, first, limits, failed = measure(rows(options, splits, device), options.rounds, device)
    limit, operations = statistics.median(limits), training_operations(options.width)
    where = torch.cuda.get_device_name() if device.type == "cuda" else machine.processor()
    print(
        f"{where}, torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}: bf16 "
        f"matrix product {limit / 1e12:.1f} TFLOP/s ({min(limits) / 1e12:.1f} to "
        f"{max(limits) / 1e12:.1f}); {operations / 1e9:.2f} GFLOP an image"
    )
    found, plain = {}, statistics.median(seconds.get("plain loop", [float("nan")]))
    for name, times in seconds.items():
        rate = options.images / statistics.median(times)
        found[name] = {
            "seconds": times,
            "first": first[name],
            "images_per_second": rate,
            "run_seconds": EPOCHS * TRAINING_IMAGES / rate,
            "share_of_limit": rate * operations / limit,
        }
        said = (
            f"{statistics.median(times):.2f} s"
            if name.startswith("evaluation")
            else (
                f"{rate:10,.0f} images/s ({options.images / max(times):,.0f} to "
                f"{options.images / min(times):,.0f})  {found[name]['run_seconds']:8.1f} s for "
                f"{EPOCHS} epochs  {found[name]['share_of_limit']:6.1%} of the limit  "
                f"{rate * plain / options.images:6.1f} x plain"
            )
        )
        print(f"{name:36s} {said}  first pass {first[name]:.1f} s")
    options.results.parent.mkdir(exist_ok=True)
    kept = json.loads(options.results.read_text()) if options.results.exists() else []
    kept.append(
        {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "device": where,
            "torch": torch.__version__,
            "cudnn": torch.backends.cudnn.version(),
            "arguments": {name: str(value) for name, value in vars(options).items()},
            "matmul_flops": limits,
            "operations_an_image": operations,
            "rows": found,
            "failed": failed,
        }
    )
    options.results.write_text(json.dumps(kept, indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
