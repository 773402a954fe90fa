"""An arm whose network was trained elsewhere: examined, asked about validation and test, and kept
as a run is.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from lib.base import artefacts, code
from lib.base.log import log
from lib.training import examination, inference, machine, network, record
from lib.training.examination import Answer
from lib.training.network import Brought
from lib.training.questions import IMAGES, Case

CPU = torch.device("cpu")
EXAMINATION = "examination.json"  # beside run.json


def examine(arm: Brought, splits, places: list[Path], device=CPU) -> Case:
    """What the questions of lib.training.examination are asked of: the first validation images."""
    images = splits.val.images[:IMAGES]
    return Case(arm, splits.class_names, images, places, device)


def run_key(arm: Brought, splits, places: list[Path]) -> str:
    """What a brought run is known by: what the arm says, its weights, the code beside the study,
    the data with the names of their classes, and our own code that predicts."""
    files = network.files(arm.network, places)
    names, size = splits.class_names, splits.val.images.shape[-1]
    if arm.weights:
        sum_of_weights = artefacts.sha256_of(network.found(arm.weights, places))
    else:
        # the factory's own; what it draws at random is drawn alike
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            own = network.build(arm.network, len(names), places, image_size=size)
        sum_of_weights = hashlib.sha256(artefacts.weights_bytes(own)).hexdigest()
    deciding = code.digest(artefacts.ROOT / name for name in record.CODE)
    return artefacts.digest(
        {
            "arm": arm.model_dump(),
            "weights": sum_of_weights,
            "code": deciding + code.digest(files),
            "data": splits.digest,
            "classes": names,
        }
    )


def take_in(arm: Brought, params: dict, splits, device=CPU) -> record.Run:
    """Examine an arm's network, predict validation and test with it and write its run; the one that
    is there under the same key stays.

    params: those of its data, as lib.base.config.Train has them, with study, outputs, arm and seed.
    Raises NetworkError, a line for each refusal, before anything is written."""
    folder, places = _folder(params), network.beside(params["study"])
    key = run_key(arm, splits, places)
    if run := record.finished(folder, key):
        record.follow(folder, params["root"])
        return run
    case = examine(arm, splits, places, device)
    answers = examination.ask(case)
    examination.refuse(params["arm"], answers)
    logits = {
        split: inference.logits(
            case.network, getattr(splits, split).images, splits.mean, splits.std
        )
        for split in ("val", "test")
    }
    labels = splits.val.labels.numpy()
    answers += examination.ask_rows(logits["val"], logits["test"], labels, splits.class_names)
    examination.refuse(params["arm"], answers)
    log.info(examination.summary(answers))
    return _write(folder, arm, params, splits, case, answers, logits, key)


def _folder(params: dict) -> Path:
    return (
        artefacts.ROOT
        / params["outputs"]
        / params["study"]
        / params["arm"]
        / (f"seed-{params['seed']}")
    )


def _write(
    folder: Path,
    arm: Brought,
    params: dict,
    splits,
    case: Case,
    answers: list[Answer],
    logits: dict[str, np.ndarray],
    key: str,
) -> record.Run:
    arrays, accuracy = {}, {}
    for name, values in logits.items():
        split = getattr(splits, name)
        labels = split.labels.numpy()
        arrays |= {f"{name}_index": split.index, f"{name}_labels": labels, f"{name}_logits": values}
        accuracy[name] = float((values.argmax(1) == labels).mean())
    (folder / "run.json").unlink(missing_ok=True)
    artefacts.write_arrays(folder / "predictions.npz", **arrays)
    artefacts.write_weights(folder / record.WEIGHTS, case.network)
    artefacts.write_json(folder / EXAMINATION, {"answers": [one._asdict() for one in answers]})
    info = {
        "origin": "network",
        "params": params | {"network": arm.network, "precision": "fp32"},
        "brought": arm.model_dump(),
        "class_names": splits.class_names,
        "layer": case.layer,
        "examined": examination.summary(answers),
        "warnings": [one.line for one in answers if one.verdict == "warning"],
        "key": key,
        "data_digest": splits.digest,
        "classes": len(splits.class_names),
        "parameters": sum(weight.numel() for weight in case.network.parameters()),
        "val_accuracy": accuracy["val"],
        "test_accuracy": accuracy["test"],
        "fingerprint": machine.fingerprint(case.device, "fp32", params["data"]),
        "versions": machine.versions(),
        "commit": artefacts.commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": {
            name: artefacts.sha256_of(folder / name) for name in (record.WEIGHTS, "predictions.npz")
        },
    }
    record.write_record(folder / "run.json", info)
    return record.load_run(folder)
