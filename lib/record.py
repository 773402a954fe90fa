"""The record of a run: what it is known by, and the files it leaves."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from lib import checkpoint, inference, machine, predict, train
from lib.base import artefacts, code

# The code that decides a run's bits; data have a digest of their own, but for the mean and deviation
# that lib.data.dataset computes. A change here makes a finished run out of date.
CODE = (
    "lib/base/random.py",
    "lib/model.py",
    "lib/cutmix.py",
    "lib/cutmix.py",
    "lib/data/dataset.py",
    "lib/data/dataset.py",
    "lib/data/augment.py",
    "lib/data/streams.py",
    "lib/train.py",
    "lib/graphs.py",
    "lib/inference.py",
    "lib/machine.py",
    "lib/record.py",
)
HISTORY_SO_FAR = "history.part.csv"
TAKEN_OVER = "released.txt"  # the run was trained elsewhere (lib.released); make looks for it
NOT_CONTENT = {
    "study",
    "outputs",
    "arm",
    "root",
    "device",
    "precision",
}  # names and places; the choices made stand in the fingerprint


def folder(params) -> Path:
    """outputs/<study>/<arm>/seed-<n>, whose place is the project unless `outputs` is absolute."""
    # guard: study-folder
    return artefacts.ROOT / params.outputs / params.study / params.arm / f"seed-{params.seed}"


def content(params: dict) -> dict:
    """The parameters, of a run.json say, that decide what is trained; the rest are names and places."""
    return {
        name: value for name, value in predict.todays(params).items() if name not in NOT_CONTENT
    }


def key(params, data_digest: str, fingerprint: dict) -> str:
    """What a run's bits depend on: parameters, data, code, machine."""
    deciding = code.digest(artefacts.ROOT / name for name in CODE)
    return artefacts.digest(
        {
            "params": content(params.model_dump()),
            "data": data_digest,
            "code": deciding,
            "fingerprint": fingerprint,
        }
    )


def finished(path: Path, run_key: str) -> predict.Run | None:
    """The run in that folder, if it was finished under the same key and its files are whole."""
    try:
        run = predict.load_run(path)
        for name, digest in run.info["sha256"].items():
            artefacts.read_bytes(path / name, digest)
        # guard: run-key
        return run if run.info["key"] == run_key else None
    except artefacts.ArtefactError:
        return None


def publish(state: train.State, fingerprint: dict, proof: dict) -> predict.Run:
    """Measure the last epoch's network on all splits, once, write the run's files, and read them back.

    run.json comes last: a folder without it holds no finished run.
    """
    params, splits = state.params, state.splits
    logits = {
        name: inference.logits(state.model, getattr(splits, name).images, splits.mean, splits.std)
        for name in ("val", "test")
    }
    train_loss, train_accuracy = train.measure(state, splits.train)
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
    artefacts.write_arrays(state.folder / "predictions.npz", **arrays)
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
    if state.engine and not state.engine.usable:
        info["steps"] = "one by one"  # a CUDA graph, which the fingerprint names, was not captured
    # guard: record-last
    predict.write_record(state.folder / "run.json", info)
    checkpoint.remove(state.folder)
    for name in (HISTORY_SO_FAR, TAKEN_OVER):
        (state.folder / name).unlink(missing_ok=True)
    return predict.load_run(state.folder)


def _accuracy(arrays: dict, name: str) -> float:
    return float((arrays[f"{name}_logits"].argmax(1) == arrays[f"{name}_labels"]).mean())
