"""Released runs: trained elsewhere, kept in released/<study>/<arm>/seed-<n>, and used where a study
would train the same.

`python -m lib verify` recomputes the predictions of every released network, in fp32 on this
machine. `python -m lib release` copies the finished runs of outputs/<study>, or those named, and
writes the README of what is there.

A released run has the files of a run folder, logits in float16, and of some runs the weights, in
float16 as well: its predictions were made from exactly these.
"""

import argparse
import hashlib
import os
from itertools import takewhile
from pathlib import Path

import numpy as np

from lib.base import artefacts
from lib.base.log import log
from lib.data import dataset
from lib.training import inference, machine, network, record

AGREEMENT = 0.999  # of predictions made here and elsewhere; sums differ in their last digits
SPLITS = ("val", "test")


def place(params) -> Path:
    return artefacts.ROOT / "released" / params.study / params.arm / f"seed-{params.seed}"


def asked_to_retrain() -> bool:
    """What RETRAIN of make, or REPORT_RETRAIN, says: 0, no, false and nothing mean no."""
    return os.environ.get("REPORT_RETRAIN", "").strip().lower() not in ("", "0", "no", "false")


def at_hand(params, data_digest: str, key: str, retrain: bool = False) -> record.Run | None:
    """The run that spares training: one that was finished here under the same key or by the first
    edition, else the released one of the same parameters and data. With `retrain` released runs do
    not count, nor what was taken over from them."""
    folder = record.folder(params)
    if retrain:
        taken = (folder / record.TAKEN_OVER).is_file()
        return None if taken else record.finished(folder, key, params)
    own = record.finished(folder, key, params) or of_first_edition(params, data_digest)
    return own or adopt(params, data_digest)


def differences(info: dict, params, data_digest: str) -> list[str]:
    """In what a record's training differs from the one wanted, a few words each."""
    theirs, ours = (record.content(values) for values in (info["params"], params.model_dump()))
    code = info.get("network_code", "")
    other = [
        f"{name} {theirs.get(name)}, here {ours.get(name)}"
        for name in {**theirs, **ours}
        if theirs.get(name) != ours.get(name)
    ]
    if not other and code != network.digest(params):
        other = ["other code of the network"]
    return other + ["other data"] * (info["data_digest"] != data_digest)


def of_first_edition(params, data_digest: str) -> record.Run | None:
    """The finished run of the same parameters and data that the first edition left in the folder:
    its key followed other rules."""
    path = record.folder(params) / "run.json"
    try:
        info = record.read_record(path)
    except artefacts.ArtefactError:
        return None
    if not record.GONE <= set(info["params"]) or differences(info, params, data_digest):
        return None
    log.info("a finished run of the first edition is used: RETRAIN=1 would train")
    return record.finished(path.parent, info["key"])


def adopt(params, data_digest: str) -> record.Run | None:
    """Take the released run over into the run's folder; None where there is none of the same
    parameters and data, and why is printed.

    Raises ArtefactError for one that is damaged.
    """
    source, folder = place(params), record.folder(params)
    if not (source / "run.json").is_file():
        return None
    info = record.read_record(source / "run.json")
    if other := differences(info, params, data_digest):
        log.info(
            f"{source.relative_to(artefacts.ROOT)} is of another training ({'; '.join(other)}): "
            "not used"
        )
        return None
    files = {
        name: artefacts.read_bytes(source / name, digest) for name, digest in info["sha256"].items()
    }
    taken = {record.TAKEN_OVER: f"{source.relative_to(artefacts.ROOT)}\n".encode()}
    fill(folder, taken | files | {"run.json": artefacts.read_bytes(source / "run.json")})
    log.info(f"taken over from {source.relative_to(artefacts.ROOT)}: RETRAIN=1 would train")
    return record.load_run(folder)


def fill(folder: Path, files: dict[str, bytes]) -> None:
    """Write a run's files, run.json last: until it is there, this is no finished run."""
    for name in ("run.json", "model.safetensors"):
        (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        artefacts.write_bytes(folder / name, content)


def is_released(run: record.Run) -> bool:
    """Whether a run was trained elsewhere: taken over, or read where it was released."""
    return (run.path / record.TAKEN_OVER).is_file() or (
        artefacts.ROOT / "released"
    ) in run.path.resolve().parents


def half(logits: np.ndarray) -> np.ndarray:
    """Logits in float16, (N, classes), the first guess of every image kept: where rounding would
    tie or move it, it is moved up one step."""
    rounded, top = logits.astype(np.float16), logits.argmax(1)
    moved = np.flatnonzero(rounded.argmax(1) != top)
    rounded[moved, top[moved]] = np.nextafter(rounded[moved].max(1), np.float16(np.inf))
    return rounded


def halved(run: record.Run, weights: bool) -> dict[str, bytes]:
    """The files of a run as it is released, by name; run.json last."""
    if run.history is None:
        raise artefacts.ArtefactError(
            f"{run.path}: an arm that was brought is not released; keep its own files"
        )
    info, files = dict(run.info), {"history.csv": artefacts.read_bytes(run.path / "history.csv")}
    own, logits = {split: getattr(run, split) for split in SPLITS}, {}
    if weights:
        model = record.load_model(run, info["classes"]).half()
        files["model.safetensors"] = artefacts.weights_bytes(model)
        logits = predicted(run, model.float().to(machine.choose_device("auto")))
    arrays = {}
    for split, stored in own.items():
        new = logits.get(split, stored.logits)
        arrays |= {
            f"{split}_index": stored.index,
            f"{split}_labels": stored.labels,
            f"{split}_logits": half(new),
        }
        if run.best_epoch:
            arrays[f"best_{split}_logits"] = half(run.best_epoch[split].logits)
        info[f"{split}_accuracy"] = float((new.argmax(1) == stored.labels).mean())
    files["predictions.npz"] = artefacts.arrays_bytes(**arrays)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    stored = {"logits": "float16", "weights": "float16" if weights else None}
    return files | {"run.json": record.record_bytes(info | {"stored": stored, "sha256": sums})}


def predicted(run: record.Run, model) -> dict[str, np.ndarray]:
    """A model's logits of the images that a run was validated and tested on."""
    splits = dataset.load_for(run.info["params"], run.info["data_digest"])
    return {
        split: inference.logits(model, getattr(splits, split).images, splits.mean, splits.std)
        for split in SPLITS
    }


def release(study: str, outputs: str, chosen: list[str], with_weights: list[str]) -> None:
    """Copy the finished runs of a study, or those `chosen`, halved, into released/<study>.

    Raises ArtefactError where there is none, or none of a name.
    """
    root, kept = artefacts.ROOT / outputs / study, artefacts.ROOT / "released" / study
    there = {
        f"{path.parent.parent.name}/{path.parent.name.removeprefix('seed-')}": path.parent
        for path in sorted(root.glob("*/seed-*/run.json"))
    }
    wanted = chosen or list(there)
    unknown = set(with_weights) - set(wanted) | set(wanted) - set(there)
    if unknown or not there:
        raise artefacts.ArtefactError(
            f"{root}: no finished run {', '.join(sorted(unknown))}".rstrip()
        )
    for name in wanted:
        folder, weights = kept / there[name].relative_to(root), name in with_weights
        fill(folder, halved(record.load_run(there[name]), weights))
        print(folder.relative_to(artefacts.ROOT), "with weights" if weights else "", flush=True)
    artefacts.write_bytes(kept / "README.md", readme(kept).encode())


def readme(study: Path) -> str:
    """What lies in a study's folder of released runs: where and when it was trained, how well it
    does, and its hashes. What an author wrote above the present table is kept."""
    rows, hashes, old = [], [], study / "README.md"
    blocks = old.read_text(encoding="utf-8").split("\n\n") if old.is_file() else []
    for path in sorted(study.glob("*/seed-*/run.json")):
        info, place = record.read_record(path), path.parent
        print_of, stored = info["fingerprint"], info.get("stored", {})
        step = info.get("steps", print_of.get("step", "plain"))
        cells = (
            place.parent.name,
            info["params"]["seed"],
            f"{info['test_accuracy']:.2%}",
            f"{info['train_accuracy']:.2%}",
            f"{info['training_seconds']:.0f}",
            print_of["device_name"],
            print_of["precision"],
            step,
            info["commit"],
            info["finished"][:10],
            stored.get("weights") or "none",
        )
        rows.append(f"| {' | '.join(map(str, cells))} |")
        hashes += [
            f"{digest}  {place.parent.name}/{place.name}/{name}"
            for name, digest in info["sha256"].items()
        ]
    notes = takewhile(lambda block: not block.startswith("| arm"), blocks[2:])
    return "\n\n".join(
        [
            f"# Released runs of the study `{study.name}`",
            f"Trained elsewhere and kept here: `make report STUDY={study.name}` uses a run "
            "whose\nparameters and data are the study's, and says so; `RETRAIN=1` trains. Logits "
            "are float16;\npredictions were made from exactly the weights that are stored.\n"
            f"`make verify STUDY={study.name}` recomputes them.\nWritten by `python -m "
            "lib release`; paragraphs between this one and the table stay.",
            *notes,
            "| arm | seed | test accuracy | clean train | training, s | device | precision | "
            "step | commit | finished | weights |\n" + "|---" * 11 + "|\n" + "\n".join(rows),
            "SHA-256:",
            "```\n" + "\n".join(hashes) + "\n```\n",
        ]
    )


def agreement(run: record.Run, splits, split: str = "test") -> float:
    """Share of a split's images whose first guess, from the stored weights in fp32 on this machine,
    is the stored one."""
    model, part = record.load_model(run, len(splits.class_names)), getattr(splits, split)
    again = inference.logits(model, part.images, splits.mean, splits.std)
    return float((again.argmax(1) == getattr(run, split).predicted).mean())


def verify(study: str) -> bool:
    """Print, for every released run of a study, whether its files are whole and, where it has
    weights, whether its predictions are theirs."""
    good, root = True, artefacts.ROOT / "released" / study
    if not root.is_dir():
        raise artefacts.ArtefactError(f"released/{study}: there is nothing released of this study")
    for path in sorted(root.glob("*/run.json")) + sorted(root.glob("*/*/run.json")):
        run = record.load_run(path.parent)
        for name, digest in run.info["sha256"].items():
            artefacts.read_bytes(path.parent / name, digest)
        said = "no weights, hashes hold"
        if record.has_weights(run):
            splits = dataset.load_for(run.info["params"], run.info["data_digest"])
            share = agreement(run, splits)
            good &= share >= AGREEMENT
            said = (
                f"{share:.2%} of {len(splits.test):,} test predictions are those of the weights"
                + ("" if share >= AGREEMENT else "  TOO FEW")
            )
        print(f"{path.parent.relative_to(artefacts.ROOT)}  {said}", flush=True)
    return good


def verify_main(arguments: list[str]) -> int:
    """Recompute the predictions of a study's released networks, in fp32 on this machine."""
    parser = argparse.ArgumentParser(prog="python -m lib verify", description=verify_main.__doc__)
    parser.add_argument("study")
    options = parser.parse_args(arguments)
    # on a GPU fp32 then means fp32, too
    machine.set_deterministic(2)
    return 0 if verify(options.study) else 1


def release_main(arguments: list[str]) -> int:
    """Copy finished runs of outputs/<study> into released/<study>, halved, and write its README."""
    parser = argparse.ArgumentParser(prog="python -m lib release", description=release_main.__doc__)
    parser.add_argument("study")
    parser.add_argument("runs", nargs="*", metavar="ARM/SEED", help="default: all")
    parser.add_argument("--weights", nargs="+", default=[], metavar="ARM/SEED", help="kept as well")
    parser.add_argument("--outputs", default="outputs", help="folder of all studies")
    options = parser.parse_args(arguments)
    machine.set_deterministic(2)
    release(options.study, options.outputs, options.runs, options.weights)
    return 0
