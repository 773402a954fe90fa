"""A finished run: what it is known by and the files it leaves, and the way back from these to its
record, its stored predictions and its network.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from lib.base import artefacts, code
from lib.base.artefacts import row_blocks
from lib.gradcam import find_layer
from lib.training import checkpoint, inference, loop, machine, network

# Parameters that some released runs do not record, and what they were; those that they record and
# that are no longer.
YOUNGER = {
    "image_size": 32,
    "root": "",
    "mixup_probability": 0.0,
    "mixup_alpha": 1.0,
    "cutout_size": 0,
    "schedule": "steps",
    "network": "resnet18",
    "strict_resume": False,
}
GONE = {"devices"}
WEIGHTS = "model.safetensors"  # a released run may do without
FILES = ("predictions.npz", "history.csv", WEIGHTS)  # of a run, beside its record


@dataclass(frozen=True, eq=False)
class Predictions:
    """index, labels: int64 (N,); logits: float32 (N, classes), large ones mapped:
    lib.evaluation.per_image walks them, some rows at a time. text_ids: (N,) the ids of brought
    predictions, else None."""

    index: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    text_ids: np.ndarray | None = None

    @property
    def ids(self) -> np.ndarray:
        """What each row is known by, (N,): text of brought predictions, else its index."""
        return self.index if self.text_ids is None else self.text_ids

    @cached_property
    def predicted(self) -> np.ndarray:
        return np.concatenate([rows.argmax(1) for _, rows in row_blocks(self.logits)])

    @property
    def correct(self) -> np.ndarray:
        return self.predicted == self.labels


@dataclass(frozen=True)
class Run:
    """A finished run: `info` is run.json, `history` has one row an epoch, and is None for a run
    that was not trained here (info["origin"] is not "trained"). best_epoch: the predictions "val"
    and "test" of the epoch best on validation, None where that is the last or was not kept."""

    path: Path
    info: dict
    history: pd.DataFrame | None
    val: Predictions
    test: Predictions
    best_epoch: dict[str, Predictions] | None = None


def write_record(path, info: dict) -> None:
    """Write run.json with its own checksum."""
    artefacts.write_bytes(path, record_bytes(info))


def record_bytes(info: dict) -> bytes:
    return artefacts.json_bytes(info | {"record": artefacts.digest(info)})


def read_record(path) -> dict:
    """The content of a run.json; raises ArtefactError if it is not what was written."""
    info = artefacts.read_json(path)
    # guard: record-sum
    if info.pop("record", None) != artefacts.digest(info):
        raise artefacts.ArtefactError(
            f"{path}: damaged or changed since it was written; delete its folder to make it again"
        )
    return info


def todays(params: dict) -> dict:
    """The parameters of a run.json, of an earlier version perhaps, by the names of today."""
    return {name: value for name, value in (YOUNGER | params).items() if name not in GONE}


def load_run(path) -> Run:
    """Read a run folder back; raises ArtefactError for files that are missing, damaged or not
    finite."""
    path = Path(path)
    info = read_record(path / "run.json")
    sums, params = info.get("sha256"), info.get("params")
    trained = info.setdefault("origin", "trained") == "trained"
    width = params.get("width") if isinstance(params, dict) else None
    if not (
        isinstance(sums, dict)
        and set(FILES if trained else FILES[:1]) - {WEIGHTS} <= set(sums) <= set(FILES)
        and isinstance(params, dict)
        and (not trained or type(width) is int and 0 < width <= 512)
        and {"key", "data_digest"} <= set(info)
    ):
        raise artefacts.ArtefactError(
            f"{path / 'run.json'}: no record of a run: key, data_digest, params and the SHA-256 "
            f"of {', '.join(FILES)} must be in it"
        )
    info["params"] = todays(params)
    if info["origin"] == "predictions":
        # for lib.data.dataset.load_for, wherever the folder lies now
        info["params"]["rows"] = str(path / "predictions.npz")
    arrays = artefacts.read_arrays(path / "predictions.npz", sums["predictions.npz"])
    history = artefacts.read_table(path / "history.csv", sums["history.csv"]) if trained else None
    file = path / "predictions.npz"
    last = {split: _predictions(file, arrays, split) for split in ("val", "test")}
    return Run(path, info, history, **last, best_epoch=_of_best_epoch(file, arrays))


def _of_best_epoch(path, arrays: dict[str, np.ndarray]) -> dict[str, Predictions] | None:
    splits = ("val", "test")
    best = {f"{split}_logits": arrays.get(f"best_{split}_logits") for split in splits}
    if any(logits is None for logits in best.values()):
        return None
    return {split: _predictions(path, arrays | best, split) for split in splits}


def _predictions(path: Path, arrays: dict[str, np.ndarray], split: str) -> Predictions:
    """One split's part of a file; raises ArtefactError unless its arrays fit each other and every
    logit is finite."""
    index, labels, logits = (
        arrays.get(f"{split}_{what}") for what in ("index", "labels", "logits")
    )
    if any(
        array is None or array.dtype.kind != kind
        for array, kind in ((index, "i"), (labels, "i"), (logits, "f"))
    ):
        raise artefacts.ArtefactError(
            f"{path}: expected {split}_index and {split}_labels of integers and {split}_logits "
            "of floats"
        )
    if (
        logits.ndim != 2
        or not index.shape == labels.shape == logits.shape[:1]
        or not ((0 <= labels) & (labels < logits.shape[1])).all()
    ):
        raise artefacts.ArtefactError(
            f"{path}: {split} index {index.shape}, labels {labels.shape} and logits "
            f"{logits.shape} do not fit each other"
        )
    logits = logits.astype(np.float32, copy=False)
    # guard: finite-logits
    if not all(np.isfinite(rows).all() for _, rows in row_blocks(logits)):
        raise artefacts.ArtefactError(
            f"{path}: {split} logits that are not finite; the run diverged"
        )
    ids = arrays.get(f"{split}_ids")
    return Predictions(
        index, labels.astype(np.int64), logits, None if ids is None else ids.astype(object)
    )


def load_runs(folder, arms: dict[str, list[int]]) -> dict[str, dict[int, Run]]:
    """All runs of a study, runs[arm][seed], from `folder` (relative to the project or absolute);
    `arms` has each arm's seeds.

    Raises ArtefactError if one is missing or was made from other data than the first.
    """
    loaded = {
        arm: {seed: load_run(artefacts.ROOT / folder / arm / f"seed-{seed}") for seed in seeds}
        for arm, seeds in arms.items()
    }
    brought = next((run for run in _all(loaded) if run.info["origin"] == "predictions"), None)
    if brought:
        loaded = {
            arm: {seed: _on_rows_of(brought, run) for seed, run in of_arm.items()}
            for arm, of_arm in loaded.items()
        }
    everything = _all(loaded)
    for run in everything:
        # guard: same-data
        if run.info["data_digest"] != everything[0].info["data_digest"]:
            raise artefacts.ArtefactError(
                f"{run.path}: made from other data than {everything[0].path}"
            )
    return loaded


def _all(loaded: dict[str, dict[int, Run]]) -> list[Run]:
    return [run for of_arm in loaded.values() for run in of_arm.values()]


def _on_rows_of(brought: Run, run: Run) -> Run:
    """A run of the same pictures as brought predictions: on the rows of these, by their ids."""
    if (
        run.info["origin"] == "predictions"
        or run.info["data_digest"] != brought.info["digest_of_all"]
    ):
        return run
    sources = {"val": run.test if brought.info["set_aside"] else run.val, "test": run.test}
    parts = {}
    for split, part in sources.items():
        wanted = getattr(brought, split)
        rows = pd.Index(part.index).get_indexer(wanted.index)
        parts[split] = Predictions(
            part.index[rows], part.labels[rows], part.logits[rows], wanted.text_ids
        )
    info = run.info | {
        "data_digest": brought.info["data_digest"],
        "params": run.info["params"] | {"rows": brought.info["params"]["rows"]},
    }
    return replace(run, info=info, best_epoch=None, **parts)


def has_weights(run: Run) -> bool:
    """Whether the run's network was kept: of a released run perhaps only its predictions were."""
    return WEIGHTS in run.info["sha256"]


def load_model(run: Run, classes: int) -> nn.Module:
    """The trained network of a run, in eval mode, float32, whatever its weights were stored as, and
    a brought one with its own mean and deviation; raises ArtefactError where they were not."""
    if not has_weights(run):
        raise artefacts.ArtefactError(
            f"{run.path}: a released run without its weights; RETRAIN=1 trains it"
        )
    model = network.for_params(run.info["params"], classes)
    weights = artefacts.read_weights(
        run.path / "model.safetensors", run.info["sha256"]["model.safetensors"]
    )
    try:
        model.load_state_dict(
            {
                name: tensor.float() if tensor.is_floating_point() else tensor
                for name, tensor in weights.items()
            }
        )
    except RuntimeError as error:
        raise artefacts.ArtefactError(
            f"{run.path / 'model.safetensors'}: not this network's weights "
            f"({' '.join(str(error).split())})"
        ) from None
    if brought := run.info.get("brought"):
        return network.finish(model, network.Brought(**brought), run.info["class_names"])
    return model.eval()


def map_layer(run: Run) -> str | None:
    """The dotted name of the layer of a run's maps; None where occlusion stands in their place."""
    return run.info.get("layer", "layer4")


# The record of a run: what it is known by, and the files it leaves.


# The code that decides a run's bits; data have a digest of their own, but for the mean and
# deviation that lib.data.dataset computes. A change here makes a finished run out of date.
CODE = (
    "lib/base/random.py",
    "lib/model.py",
    "lib/cutmix.py",
    "lib/mixup.py",
    "lib/data/augment.py",
    "lib/data/dataset.py",
    "lib/data/streams.py",
    "lib/training",
)
HISTORY_SO_FAR = "history.part.csv"
# the run was trained elsewhere (lib.training.released); make looks for it
TAKEN_OVER = "released.txt"
# names and places; the choices made stand in the fingerprint
NOT_CONTENT = {"study", "outputs", "arm", "root", "device", "precision", "threads", "strict_resume"}


def folder(params) -> Path:
    """outputs/<study>/<arm>/seed-<n>, whose place is the project unless `outputs` is absolute."""
    # guard: study-folder
    return artefacts.ROOT / params.outputs / params.study / params.arm / f"seed-{params.seed}"


def content(params: dict) -> dict:
    """The parameters, of a run.json say, that decide what is trained; the rest are names and
    places."""
    return {name: value for name, value in todays(params).items() if name not in NOT_CONTENT}


def key(params, data_digest: str) -> str:
    """What a run is known by: parameters, data, code. Its machine stands beside it in run.json."""
    deciding = code.digest(artefacts.ROOT / name for name in CODE) + network.digest(params)
    # a precision that is asked for is part of the training; "auto" is any machine's own
    wanted = content(params.model_dump()) | {"precision": params.precision}
    return artefacts.digest({"params": wanted, "data": data_digest, "code": deciding})


class Setting(NamedTuple):
    """How a run is trained on this machine, and what it is known by."""

    device: torch.device
    precision: str
    fingerprint: dict
    key: str


def set_up(params, splits) -> Setting:
    """Make this process deterministic, choose device and arithmetic, and name the run that these
    parameters and data make. Raises ValueError for a device or a precision that is not there."""
    machine.set_deterministic(params.threads)
    device = machine.choose_device(params.device)
    precision = machine.choose_precision(params.precision, device)
    fingerprint = machine.fingerprint(device, precision, params.data)
    return Setting(device, precision, fingerprint, key(params, splits.digest))


def begin(params, splits, setting: Setting) -> loop.State:
    """A new run in its folder, or the one that was interrupted there: lib.training.loop.start."""
    place = folder(params)
    return loop.start(params, splits, place, setting.device, setting.precision, setting.key)


def finished(path: Path, run_key: str, params=None) -> Run | None:
    """The run in that folder, if it was finished under the same key and its files are whole; with
    `params` that say strict_resume, on a machine like this alone."""
    try:
        run = load_run(path)
        for name, digest in run.info["sha256"].items():
            artefacts.read_bytes(path / name, digest)
        # guard: finished-elsewhere
        if params and params.strict_resume and not _of_this_machine(run, params):
            return None
        # guard: run-key
        return run if run.info["key"] == run_key else None
    except artefacts.ArtefactError:
        return None


def follow(path: Path, root: str) -> None:
    """Let the record of a finished run name the place of today of its folder of pictures."""
    info = read_record(path / "run.json")
    if info["params"].get("root", root) != root:
        write_record(path / "run.json", info | {"params": info["params"] | {"root": root}})


def _of_this_machine(run: Run, params) -> bool:
    device = machine.choose_device(params.device)
    here = machine.fingerprint(
        device, machine.choose_precision(params.precision, device), params.data
    )
    return run.info.get("machines", [run.info["fingerprint"]]) == [here]


def publish(state: loop.State, fingerprint: dict, proof: dict) -> Run:
    """Measure the last epoch's network on all splits, once, write the run's files, and read them
    back.

    run.json comes last: a folder without it holds no finished run.
    """
    params, splits = state.params, state.splits
    device = next(state.model.parameters()).device
    logits = {
        name: inference.logits(state.model, getattr(splits, name).images, splits.mean, splits.std)
        for name in ("val", "test")
    }
    train_loss, train_accuracy = loop.measure(state, splits.train)
    arrays = {
        f"{name}_{what}": value
        for name, split in (("val", splits.val), ("test", splits.test))
        for what, value in (
            ("index", split.index),
            ("labels", split.labels.numpy()),
            ("logits", logits[name]),
        )
    }
    history = pd.DataFrame(state.history)
    best = _at_best_epoch(state)
    artefacts.write_arrays(state.folder / "predictions.npz", **arrays, **best)
    artefacts.write_weights(state.folder / "model.safetensors", state.model)
    artefacts.write_table(state.folder / "history.csv", history)
    mixed, accuracy = (
        int(history["mixed_batches"].sum()),
        {name: _accuracy(arrays, name) for name in ("val", "test")},
    )
    info = {
        "params": params.model_dump(),
        "key": state.key,
        "data_digest": splits.digest,
        "classes": len(splits.class_names),
        "parameters": sum(p.numel() for p in state.model.parameters()),
        "train_accuracy": train_accuracy,
        "train_loss": train_loss,
        "val_accuracy": accuracy["val"],
        "test_accuracy": accuracy["test"],
        "best_epoch": state.best["epoch"] if best else None,
        "share_that_differs_between_two_readings": proof,
        "mixed_batches": mixed,
        "mean_lambda": history["lambda_sum"].sum() / mixed if mixed else None,
        "training_seconds": history["seconds"].sum(),
        "fingerprint": fingerprint,
        "versions": machine.versions(),
        "commit": artefacts.commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": {
            name: artefacts.sha256_of(state.folder / name)
            for name in ("model.safetensors", "history.csv", "predictions.npz")
        },
    }
    if params.network != network.OWN:
        images = splits.test.images[:2].to(device)
        images = inference.inputs(images, splits.mean, splits.std, state.model)
        info["layer"] = find_layer(inference.ready(state.model), images)
        info["network_code"] = network.digest(params)
    if len(state.machines) > 1:
        info["machines"] = state.machines
    if state.engine and not state.engine.usable:
        info["steps"] = "one by one"  # a CUDA graph, which the fingerprint names, was not captured
    # guard: record-last
    write_record(state.folder / "run.json", info)
    checkpoint.remove(state.folder)
    for name in (HISTORY_SO_FAR, TAKEN_OVER):
        (state.folder / name).unlink(missing_ok=True)
    return load_run(state.folder)


def _at_best_epoch(state: loop.State) -> dict[str, np.ndarray]:
    """The logits of the epoch best on validation, which decides nothing: a claim may be of it. {}
    where that is the last."""
    if not state.best or state.best["epoch"] == state.epoch:
        return {}
    last = {name: value.clone() for name, value in state.model.state_dict().items()}
    state.model.load_state_dict(state.best["model"])
    splits = state.splits
    found = {
        f"best_{name}_logits": inference.logits(
            state.model, getattr(splits, name).images, splits.mean, splits.std
        )
        for name in ("val", "test")
    }
    state.model.load_state_dict(last)
    return found


def _accuracy(arrays: dict, name: str) -> float:
    return float((arrays[f"{name}_logits"].argmax(1) == arrays[f"{name}_labels"]).mean())
