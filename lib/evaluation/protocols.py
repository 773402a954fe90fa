"""The same networks, tested in another way: what an earlier study may have done with a network that
was trained as this one was. Nothing is trained.

The arm before is tested so; the arm after stays as it is, but for a subset of the classes, which
both are tested on. Of another epoch, or of some classes, what the training was like is not known.
Some ask stored logits alone; the others ask the network of the first seed whose weights were kept,
with every test picture."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from lib.data import own_images, picture_files
from lib.data.streams import at_once
from lib.evaluation.per_image import temperature
from lib.training import inference, machine
from lib.training.record import has_weights, load_model

BATCH = 100  # pictures whose statistics a norm layer in training mode sees
LOWEST = 30.0  # below every other logit: a probability of nothing
# the words of a claims file, and what they mean, after "with"
PROTOCOLS = {
    "best_seed": "its best seed alone (a peek, for test chose it)",
    "best_epoch": "its epoch best on validation in place of the last",
    "temperature_scaled": "its confidence after temperature scaling",
    "classes_as_text": "its classes numbered in the order of text (0, 1, 10, 11, …)",
    "subset": "the named classes alone",
    "training_mode": "its network left in training mode",
    "normalised_twice": "its pictures normalised twice",
    "not_normalised": "its pictures not normalised",
    "squashed": "its pictures squashed to squares, not cropped",
}


def runs_under(word: str, before: dict, after: dict, splits, classes=()) -> tuple | None:
    """The runs of both arms {seed: run} under a protocol of PROTOCOLS; classes: names, of "subset".
    None where it cannot be tried: without weights or pictures, with one seed, without other epochs,
    or where a class has no such name."""
    if word == "subset":
        return _on_classes(before, after, splits, classes)
    runs = _ASKED[word](before, splits) if word in _ASKED else _FROM_LOGITS[word](before)
    return (runs, after) if runs else None


def _best_seed(runs: dict) -> dict:
    best = max(runs, key=lambda seed: runs[seed].test.correct.mean())
    return {best: runs[best]} if len(runs) > 1 else {}


def _best_epoch(runs: dict) -> dict:
    return {
        seed: replace(run, **(run.best_epoch or {}), history=None)
        for seed, run in runs.items()
        if run.best_epoch or _last_is_best(run.history)
    }


def _last_is_best(history) -> bool:
    return history is not None and history["val_accuracy"].idxmax() == history.index[-1]


def _scaled(runs: dict) -> dict:
    return {
        seed: _with_logits(run, partial(_divided, temperature(run))) for seed, run in runs.items()
    }


def _divided(by: float, logits: np.ndarray) -> np.ndarray:
    return logits / np.float32(by)


def _as_text(runs: dict) -> dict:
    classes = next(iter(runs.values())).test.logits.shape[1]
    place = np.argsort(sorted(range(classes), key=str))  # of each class among the numbers as text
    return {
        seed: _with_logits(run, lambda logits: np.array(logits)[:, place])
        for seed, run in runs.items()
    }


def _with_logits(run, change: Callable):
    parts = {split: getattr(run, split) for split in ("val", "test")}
    return replace(
        run, **{split: _changed(part, change(part.logits)) for split, part in parts.items()}
    )


def _changed(part, logits: np.ndarray):
    return replace(part, logits=logits)


def _on_classes(before: dict, after: dict, splits, classes) -> tuple | None:
    if not set(classes) <= set(splits.class_names):
        return None
    kept = np.array([name in classes for name in splits.class_names])
    chosen = [{seed: _among(run, kept) for seed, run in runs.items()} for runs in (before, after)]
    return tuple(chosen) if len(chosen[0]) and all(map(_any_rows, chosen[0].values())) else None


def _any_rows(run) -> bool:
    return len(run.val.labels) > 0 and len(run.test.labels) > 0


def _among(run, kept: np.ndarray):
    parts = {split: _rows(getattr(run, split), kept) for split in ("val", "test")}
    return replace(run, **parts, history=None)


def _rows(part, kept: np.ndarray):
    """The images of some classes (K,), the likeliest sought among these alone."""
    rows = kept[part.labels]
    logits = np.array(part.logits)[rows]
    logits[:, ~kept] = (logits[:, kept].min(1, keepdims=True) if len(logits) else 0) - LOWEST
    ids = None if part.text_ids is None else part.text_ids[rows]
    return replace(
        part, index=part.index[rows], labels=part.labels[rows], logits=logits, text_ids=ids
    )


_FROM_LOGITS = {
    "best_seed": _best_seed,
    "best_epoch": _best_epoch,
    "temperature_scaled": _scaled,
    "classes_as_text": _as_text,
}


# What asks the network anew. Its temperature stays that of validation as it was predicted.


def _asked(predict: Callable) -> Callable:
    """The protocol whose test logits (N, classes) are predict(model, splits, run), None where it
    cannot be tried."""

    def of_runs(runs: dict, splits) -> dict:
        seed = next((seed for seed, run in runs.items() if has_weights(run)), None)
        if seed is None or splits.test.images is None:
            return {}
        run = runs[seed]
        model = load_model(run, len(splits.class_names)).to(machine.choose_device("auto"))
        logits = predict(model, splits, run)
        return {} if logits is None else {seed: replace(run, test=_changed(run.test, logits))}

    return of_runs


@torch.inference_mode()
def _in_training_mode(model, splits, run) -> np.ndarray:
    """Norm layers take the statistics of each batch, in the order of the file; dropout acts."""
    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.info["params"]["seed"])
        model.train()
        return np.concatenate(
            [
                _batch(model, batch.to(device), splits)
                for batch in splits.test.images.split(at_once(splits.test.images, BATCH))
            ]
        )


def _batch(model, batch: torch.Tensor, splits) -> np.ndarray:
    return model(inference.inputs(batch, splits.mean, splits.std, model)).float().cpu().numpy()


def _normalised(times: int) -> Callable:
    """Its input with the mean and deviation subtracted and divided by `times` times."""

    def predict(model, splits, run) -> np.ndarray:
        mean, std = map(np.asarray, getattr(model, "brought_statistics", (splits.mean, splits.std)))
        # ((x - m) / s - m) / s is (x - (m + m s)) / s^2
        mean, std = (mean * (1 + std), std**2) if times == 2 else (0 * mean, 0 * std + 1)
        model.brought_statistics = (tuple(mean.tolist()), tuple(std.tolist()))
        return inference.logits(model, splits.test.images, splits.mean, splits.std)

    return predict


def _of_squares(model, splits, run) -> np.ndarray | None:
    """Its pictures from their files, resized to squares; None where there are no files."""
    params, files = run.info["params"], splits.test.files
    if files is None or not params.get("root"):
        return None
    folder, size = own_images.place(params["root"]), params["image_size"]
    step = at_once(splits.test.images, 16 * BATCH)
    return np.concatenate(
        [
            inference.logits(
                model,
                picture_files.squares(
                    [folder / str(file) for file in files[start : start + step]], size
                ),
                splits.mean,
                splits.std,
            )
            for start in range(0, len(files), step)
        ]
    )


_ASKED = {
    "training_mode": _asked(_in_training_mode),
    "normalised_twice": _asked(_normalised(2)),
    "not_normalised": _asked(_normalised(0)),
    "squashed": _asked(_of_squares),
}
