"""Training: the recipe, one epoch at a time. The sample stream is a function of (seed, epoch, step)
alone."""

import math
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from lib import cutmix
from lib.base import random, signals
from lib.base.errors import StoppedError, TrainingError
from lib.base.log import log
from lib.data import augment, streams
from lib.data.dataset import Splits
from lib.model import layout
from lib.training import checkpoint, cuda_graph, inference, machine, network

CLEAN_TRAIN_IMAGES = 3_000
CHECKPOINT_SECONDS = 60


@dataclass
class State:
    """A run in progress: `epoch` epochs are finished, and `step` steps of the one after."""

    params: object  # lib.base.config.Train
    splits: Splits
    folder: Path
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    device: torch.device
    precision: str
    key: str
    images: torch.Tensor | streams.Stream  # the training split: whole, on the device, or on disk
    labels: torch.Tensor
    epoch: int = 0
    step: int = 0
    totals: torch.Tensor = None
    history: list[dict] = field(default_factory=list)
    seconds: float = 0.0  # of the current epoch, before the last interruption
    saved: float = field(default_factory=time.monotonic)
    engine: cuda_graph.Engine = None  # takes the steps on a GPU
    machines: list[dict] = field(default_factory=list)  # fingerprints of those that trained it
    best: dict = None  # of the epoch best on validation: "epoch", "accuracy", "model"


def learning_rate(epoch: int, initial: float, milestones: list[int]) -> float:
    """The learning rate of epoch 0, 1, ...: divided by 10 once `milestone` epochs are finished."""
    return initial * 0.1 ** sum(epoch >= milestone for milestone in milestones)


def cosine(epoch: int, initial: float, epochs: int) -> float:
    """The learning rate of epoch 0, 1, ... of `epochs`: half a cosine from `initial` towards 0
    (Loshchilov and Hutter, https://arxiv.org/abs/1608.03983, without restarts)."""
    return initial * (1 + math.cos(math.pi * epoch / epochs)) / 2


def scheduled(params, epoch: int) -> float:
    """The learning rate of epoch 0, 1, ... under the arm's schedule."""
    if params.schedule == "cosine":
        return cosine(epoch, params.learning_rate, params.epochs)
    return learning_rate(epoch, params.learning_rate, params.milestones)


def start(params, splits: Splits, folder, device: torch.device, precision: str, key: str) -> State:
    """A new run, or the interrupted one that `folder` holds for the same `key`. Randomness comes
    from params.seed.

    Raises ValueError when CutMix or MixUp is asked for with fewer than two classes.
    """
    for name, label in (("cutmix_probability", "CutMix"), ("mixup_probability", "MixUp")):
        # guard: two-classes-for-cutmix
        if getattr(params, name) and len(splits.class_names) < 2:
            raise ValueError(f"{name}: {label} needs at least two classes")
    machine.keep_memory()
    torch.manual_seed(params.seed)
    model = network.to_train(params, len(splits.class_names))
    # guard: one-image-tried-first
    if params.network != network.OWN and len(splits.train) % params.batch_size == 1:
        network.refuse_one_image(model, params)
    model = model.to(device, memory_format=layout(model))
    optimizer = torch.optim.SGD(
        model.parameters(), params.learning_rate, params.momentum, weight_decay=params.weight_decay
    )
    images, labels = splits.train.images, splits.train.labels.to(device)
    if isinstance(images, torch.Tensor):
        images = images.to(device)
    state = State(
        params, splits, Path(folder), model, optimizer, device, precision, key, images, labels
    )
    reset_totals(state)
    here = machine.fingerprint(device, precision, params.data)
    found = checkpoint.read(state.folder, key)
    # guard: begun-elsewhere
    if found and params.strict_resume and found["machines"] != [here]:
        log.info("a checkpoint of another machine is passed over: strict_resume")
        found = None
    if found:
        model.load_state_dict(found["model"])
        # guard: optimizer-goes-on
        optimizer.load_state_dict(found["optimizer"])
        state.epoch, state.step, state.history = found["epoch"], found["step"], found["history"]
        # guard: totals-go-on
        state.totals, state.seconds = found["totals"].to(device), found["seconds"]
        state.machines, state.best = found["machines"], found["best"]
    if here not in state.machines:
        if state.machines:
            log.info("goes on from a checkpoint of another machine: its bits are of both")
        state.machines.append(here)
    return state


def reset_totals(state: State) -> None:
    """Loss, right answers and images of the stream, sum of lambda and number of mixed batches: all
    on the device."""
    state.totals = torch.zeros(
        5, dtype=torch.float64 if state.device.type != "mps" else torch.float32, device=state.device
    )
    state.step, state.seconds = 0, 0.0


def train_step(state: State, images: torch.Tensor, labels: torch.Tensor, step: int) -> None:
    """One update on normalised images (N, 3, h, w); `step` counts from the start of the run."""
    params = state.params
    # guard: dropout-by-counter
    if params.network != network.OWN:  # of what it draws itself, dropout say
        torch.manual_seed(random.key(params.seed, step, 4) >> 1)
    images, labels, partner_labels, lam = cutmix.mix(images, labels, params, step)
    count = len(labels)
    with torch.autocast(state.device.type, torch.bfloat16, enabled=state.precision == "bf16"):
        outputs = state.model(images.contiguous(memory_format=layout(state.model)))
    outputs = outputs.float()
    loss = cutmix.mixed_loss(outputs, labels, partner_labels, lam, params.label_smoothing)
    with torch.no_grad():
        guess = outputs.argmax(1)
        right = lam * (guess == labels).sum() + (1 - lam) * (guess == partner_labels).sum()
        summed = torch.stack([loss * count, right])
    # guard: finite-loss
    if state.device.type == "cpu" and not torch.isfinite(summed[0]):
        raise TrainingError(
            f"the loss is {summed[0].item() / count} in epoch {state.epoch + 1}, step "
            f"{state.step + 1}, at learning rate {state.optimizer.param_groups[0]['lr']:g}; no "
            "update was made. Try a smaller learning_rate."
        )
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    state.optimizer.step()
    state.totals += torch.cat(
        [
            summed,
            *(summed.new_full((1,), value) for value in (count, lam if lam < 1 else 0, lam < 1)),
        ]
    ).to(state.totals)


def train_epoch(state: State, progress=iter) -> dict:
    """Run the epoch's remaining steps; the last, smaller batch is kept. `progress` wraps the list
    of steps (tqdm, say).

    Returns the row's first half: epoch (from 1), learning rate, loss and accuracy on the training
    stream (augmented and mixed images, in train mode: of a mixed image a right answer counts by
    its share), seconds, images per second."""
    params, split, began = state.params, state.splits.train, time.monotonic()
    for group in state.optimizer.param_groups:
        group["lr"] = scheduled(params, state.epoch)
    state.model.train()
    order = on_host = torch.from_numpy(
        random.permutation(random.key(params.seed, state.epoch, 0), len(split))
    )
    draws = augment.draw_augmentation(
        params.seed,
        state.epoch,
        split.index,
        params.augment,
        params.image_size,
        params.cutout_size,
    )
    if (
        state.device.type == "cuda"
        and state.engine is None
        and params.network == network.OWN
        and isinstance(state.images, torch.Tensor)
    ):
        state.engine = cuda_graph.Engine(state)
    if state.engine:
        state.engine.begin(order, draws)
    else:
        order, draws = order.to(state.device), None if draws is None else draws.to(state.device)
    batches = order.split(params.batch_size)
    # no reader of a disk waits for a GPU
    places = batches if isinstance(state.images, torch.Tensor) else on_host.split(params.batch_size)
    # of a stream ahead of the step that is under way
    read = streams.batches(state.images, places[state.step :])
    with signals.deferred() as asked_to_stop:
        for batch in progress(batches[state.step :]):
            try:
                if state.engine:
                    state.engine.take(len(batch))
                else:
                    images = next(read).to(state.device)
                    images = augment.training_batch(
                        images,
                        None if draws is None else draws[batch],
                        state.splits.mean,
                        state.splits.std,
                    )
                    train_step(
                        state, images, state.labels[batch], state.epoch * len(batches) + state.step
                    )
            except torch.OutOfMemoryError:
                # guard: out-of-memory
                raise TrainingError(
                    f"{state.device.type} is out of memory at batch_size {params.batch_size}, "
                    f"width {params.width}; try batch_size: {max(params.batch_size // 2, 1)}"
                ) from None
            state.step += 1
            stopping = asked_to_stop()
            # guard: save-when-asked-to-stop
            if stopping or time.monotonic() - state.saved > CHECKPOINT_SECONDS:
                state.seconds, began = state.seconds + time.monotonic() - began, time.monotonic()
                save(state)
            if stopping:
                raise StoppedError(
                    f"stopped on request in epoch {state.epoch + 1}, after step {state.step}; "
                    "saved: the same command goes on there"
                )
    totals = state.totals.tolist()  # waits for the device, whose time counts
    return _row(state, totals, state.seconds + time.monotonic() - began)


def _row(state: State, totals: list[float], seconds: float) -> dict:
    loss, right, images, lam, mixed = totals
    if not np.isfinite(loss):
        raise TrainingError(
            f"the loss is not finite in epoch {state.epoch + 1}; try a smaller learning_rate"
        )
    return {
        "epoch": state.epoch + 1,
        "learning_rate": state.optimizer.param_groups[0]["lr"],
        "stream_loss": loss / images,
        "stream_accuracy": right / images,
        "mixed_batches": int(mixed),
        "lambda_sum": lam,
        "seconds": seconds,
        "images_per_second": images / seconds,
    }


def measure(state: State, split) -> tuple[float, float]:
    """Mean cross-entropy and accuracy on a split's clean images, in eval mode."""
    logits = torch.from_numpy(
        inference.logits(
            state.model, split.images, state.splits.mean, state.splits.std, state.precision
        )
    )
    return F.cross_entropy(logits, split.labels).item(), (
        logits.argmax(1) == split.labels
    ).double().mean().item()


def evaluate(state: State) -> dict:
    """The row's second half: loss and accuracy on up to 3,000 clean train images (always the same)
    and on val."""
    row = {}
    for name, split in (
        ("train", state.splits.train.first(CLEAN_TRAIN_IMAGES)),
        ("val", state.splits.val),
    ):
        row[f"{name}_loss"], row[f"{name}_accuracy"] = measure(state, split)
    return row


def finish_epoch(state: State, row: dict) -> None:
    """Append the epoch's row to the history, keep its network if validation has seen no better one,
    and move on; a checkpoint is due after a minute."""
    state.history.append(row)
    accuracy = row.get("val_accuracy", -1.0)
    if accuracy > (state.best["accuracy"] if state.best else -1.0):
        weights = {name: value.cpu().clone() for name, value in state.model.state_dict().items()}
        state.best = {"epoch": row["epoch"], "accuracy": accuracy, "model": weights}
    state.epoch += 1
    reset_totals(state)
    if time.monotonic() - state.saved > CHECKPOINT_SECONDS:
        save(state)


def epochs(state: State, progress=iter) -> Iterator[dict]:
    """Train the run to its end and yield the row of each epoch once it is finished; `progress` is
    `train_epoch`'s.

    Asked to stop, it saves after the epoch, whose row was yielded, and raises StoppedError."""
    with signals.deferred() as asked_to_stop:
        while state.epoch < state.params.epochs:
            row = train_epoch(state, progress) | evaluate(state)
            finish_epoch(state, row)
            yield row
            if asked_to_stop():
                save(state)
                raise StoppedError(
                    f"stopped on request after epoch {state.epoch}; saved: the same command goes "
                    "on there"
                )


def save(state: State) -> None:
    """Write a checkpoint from which `start` continues with the same bits."""
    checkpoint.write(
        state.folder,
        {
            "key": state.key,
            "epoch": state.epoch,
            "step": state.step,
            "history": state.history,
            "totals": state.totals.cpu(),
            "seconds": state.seconds,
            "machines": state.machines,
            "best": state.best,
            "model": state.model.state_dict(),
            "optimizer": state.optimizer.state_dict(),
        },
    )
    state.saved = time.monotonic()


# Where a training stands, in one line, and how much memory it took.


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that this process has held, on a GPU if it trains there, else in main
    memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def line(row: dict, epochs: int, memory: int) -> str:
    """One line for a log: where the run stands."""
    left = (epochs - row["epoch"]) * row["seconds"]
    return (
        f"epoch {row['epoch']}/{epochs}  stream loss {row['stream_loss']:.3f}  train "
        f"{row['train_accuracy']:.1%}  val {row['val_accuracy']:.1%}  lr "
        f"{row['learning_rate']:g}  {row['images_per_second']:.0f} images/s  {memory / 1e9:.1f} "
        f"GB  {row['seconds']:.0f} s, about {left / 60:.0f} min left"
    )
