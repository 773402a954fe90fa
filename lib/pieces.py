"""Finished runs as they are released, packed into pieces that travel, and unpacked again.

    python -m lib.pieces pack STUDY --to FOLDER [--outputs DIR] [--runs ARM/SEED ...] [--weights ARM/SEED ...]
    python -m lib.pieces unpack FOLDER [--into released]

Packing halves the logits, and the weights of the runs named after --weights, whose predictions are then made anew from the halved weights;
of the other runs no weights travel. Pieces are of 15 MiB at most; a list of their hashes lies beside them. Unpacking checks every hash,
leaves what it does not know alone, and writes the README of the study's released runs.
"""
import argparse
import hashlib
import io
import sys
import tarfile
from pathlib import Path

from lib import data, inference, machine, predict, released, runs

PIECE = 15 * 2**20


def halved(run: predict.Run, weights: bool) -> dict[str, bytes]:
    """The files of a run as it is released, by name; run.json last."""
    info, files = dict(run.info), {"history.csv": runs.read_bytes(run.path / "history.csv")}
    logits = {split: getattr(run, split).logits for split in ("val", "test")}
    if weights:
        splits, device = data.load_for(info["params"], info["data_digest"]), machine.choose_device("auto")
        model = predict.load_model(run, info["classes"]).half()
        files["model.safetensors"] = runs.weights_bytes(model)
        model = model.float().to(device)
        logits = {split: inference.logits(model, getattr(splits, split).images, splits.mean, splits.std) for split in logits}
    arrays = {f"{split}_{what}": value for split in logits for what, value in (
        ("index", getattr(run, split).index), ("labels", getattr(run, split).labels), ("logits", released.half(logits[split])))}
    files["predictions.npz"] = runs.arrays_bytes(**arrays)
    for split in logits:
        info[f"{split}_accuracy"] = float((logits[split].argmax(1) == getattr(run, split).labels).mean())
    info |= {"stored": {"logits": "float16", "weights": "float16" if weights else None},
             "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}}
    return files | {"run.json": predict.record_bytes(info)}


def pack(study: str, folder: Path, outputs: str, chosen: list[str], with_weights: list[str]) -> list[Path]:
    """Pack the finished runs of a study, or those `chosen`; returns the pieces and their list. Raises ArtefactError."""
    root = runs.ROOT / outputs / study
    places = [root / arm / f"seed-{seed}" for arm, _, seed in (name.partition("/") for name in chosen)]
    places = places or [path.parent for path in sorted(root.glob("*/seed-*/run.json"))]
    names = {place: f"{place.parent.name}/{place.name.removeprefix('seed-')}" for place in places}
    unknown = set(with_weights) - set(names.values())
    if unknown or not places:
        raise runs.ArtefactError(f"{root}: no finished run {', '.join(sorted(unknown))}".rstrip())
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for place, name in names.items():
            for file, content in halved(predict.load_run(place), name in with_weights).items():
                entry = tarfile.TarInfo(f"{study}/{place.parent.name}/{place.name}/{file}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            print(f"{study}/{name}  packed" + (", with weights" if name in with_weights else ""), flush=True)
    whole = buffer.getvalue()
    digest = hashlib.sha256(whole).hexdigest()
    parts = [whole[start:start + PIECE] for start in range(0, len(whole), PIECE)]
    pieces = {f"{study}-{digest[:8]}-{number}.piece": part for number, part in enumerate(parts, 1)}
    for name, part in pieces.items():
        runs.write_bytes(folder / name, part)
    listed = {"sha256": digest, "pieces": {name: hashlib.sha256(part).hexdigest() for name, part in pieces.items()}}
    runs.write_json(folder / f"{study}-{digest[:8]}.json", listed)
    return [folder / name for name in (*pieces, f"{study}-{digest[:8]}.json")]


def unpack(folder: Path, into: Path) -> list[Path]:
    """Unpack every list of pieces in a folder; returns the run folders. Nothing of a list is written unless all its pieces are whole.

    Raises ArtefactError for a piece that is missing or damaged, or a name that leads elsewhere.
    """
    found = []
    lists = sorted(folder.glob("*.json"))
    if not lists:
        raise runs.ArtefactError(f"{folder}: no list of pieces (*.json) here")
    for path in lists:
        listed = runs.read_json(path)
        if not (isinstance(listed.get("sha256"), str) and isinstance(listed.get("pieces"), dict) and listed["pieces"]):
            raise runs.ArtefactError(f"{path}: no list of pieces: sha256 and pieces must be in it; only such lists (*.json) may be in the folder")
        whole = b"".join(runs.read_bytes(folder / Path(name).name, digest) for name, digest in listed["pieces"].items())
        if hashlib.sha256(whole).hexdigest() != listed["sha256"]:
            raise runs.ArtefactError(f"{path}: the pieces are whole and not what was packed")
        with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
            files = {entry.name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}
        if any(len(Path(name).parts) != 4 or ".." in Path(name).parts or Path(name).is_absolute() for name in files):
            raise runs.ArtefactError(f"{path}: holds names that are no run's files")
        for name, content in files.items():  # a run's record comes last
            runs.write_bytes(into / name, content)
        found += sorted({(into / name).parent for name in files})
    for study in sorted({place.parent.parent for place in found}):
        runs.write_bytes(study / "README.md", readme(study).encode())
    return found


def readme(study: Path) -> str:
    """What lies in a study's folder of released runs: where and when it was trained, how well it does, and its hashes."""
    rows, hashes = [], []
    for path in sorted(study.glob("*/seed-*/run.json")):
        info, place = predict.read_record(path), path.parent
        print_of, stored = info["fingerprint"], info.get("stored", {})
        step = info.get("steps", print_of.get("step", "plain"))
        rows.append(f"| {place.parent.name} | {info['params']['seed']} | {info['test_accuracy']:.2%} | {info['train_accuracy']:.2%} | "
                    f"{info['training_seconds']:.0f} | {print_of['device_name']} | {print_of['precision']} | {step} | "
                    f"{info['commit']} | {info['finished'][:10]} | {stored.get('weights') or 'none'} |")
        hashes += [f"{digest}  {place.parent.name}/{place.name}/{name}" for name, digest in info["sha256"].items()]
    return (f"# Released runs of the study `{study.name}`\n\nTrained elsewhere and kept here: `make report STUDY={study.name}` uses a run whose "
            "parameters and data are the study's, and says so; `RETRAIN=1` trains. Logits are float16; predictions were made from exactly the "
            f"weights that are stored. `make verify STUDY={study.name}` recomputes them. Written by `lib.pieces`.\n\n"
            "| arm | seed | test accuracy | clean train | training, s | device | precision | step | commit | finished | weights |\n"
            "|---|---|---|---|---|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n\nSHA-256:\n\n```\n" + "\n".join(hashes) + "\n```\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    packing, unpacking = verbs.add_parser("pack"), verbs.add_parser("unpack")
    packing.add_argument("study")
    packing.add_argument("--to", type=Path, required=True)
    packing.add_argument("--outputs", default="outputs")
    for name in ("--runs", "--weights"):
        packing.add_argument(name, nargs="+", default=[], metavar="ARM/SEED")
    unpacking.add_argument("folder", type=Path)
    unpacking.add_argument("--into", type=Path, default=runs.ROOT / "released")
    options = parser.parse_args()
    machine.set_deterministic(2)  # and fp32 on a GPU means fp32: see there
    try:
        made = pack(options.study, options.to, options.outputs, options.runs, options.weights) if options.verb == "pack" else unpack(
            options.folder, options.into)
    except (runs.ArtefactError, data.DataError) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(map(str, made)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
