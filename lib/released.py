"""Released runs: trained elsewhere, kept in released/<study>/<arm>/seed-<n>, and used where a study would train the same.

    python -m lib.released verify STUDY          # recompute the predictions of every released network, in fp32 on this machine

A released run has the files of a run folder, logits in float16, and of some runs the weights, in float16 as well: its predictions were
made from exactly these.
"""
import argparse
import signal
import sys
from pathlib import Path

import numpy as np
import torch

from lib import data, inference, predict, record, runs

MACHINES_OWN = {"threads"}  # decides bits but not what is trained
AGREEMENT = 0.999  # of predictions made here and elsewhere; sums differ in their last digits


def place(params) -> Path:
    return runs.ROOT / "released" / params.study / params.arm / f"seed-{params.seed}"


def at_hand(params, data_digest: str, key: str, retrain: bool = False) -> predict.Run | None:
    """The run that spares training: one that was finished here under the same key, else the released one of the same parameters and
    data. With `retrain` released runs do not count, nor what was taken over from them."""
    folder = record.folder(params)
    if retrain:
        return None if (folder / record.TAKEN_OVER).is_file() else record.finished(folder, key)
    return record.finished(folder, key) or adopt(params, data_digest)


def adopt(params, data_digest: str) -> predict.Run | None:
    """Take the released run over into the run's folder; None where there is none of the same parameters and data, and why is printed.

    Raises ArtefactError for one that is damaged.
    """
    source, folder = place(params), record.folder(params)
    if not (source / "run.json").is_file():
        return None
    info = predict.read_record(source / "run.json")
    theirs, ours = (record.content(values) for values in (info["params"], params.model_dump()))
    other = [f"{name} {theirs.get(name)}, here {ours.get(name)}" for name in {**theirs, **ours}
             if name not in MACHINES_OWN and theirs.get(name) != ours.get(name)]
    other += ["other data"] * (info["data_digest"] != data_digest)
    if other:
        print(f"{source.relative_to(runs.ROOT)} is of another training ({'; '.join(other)}): not used", flush=True)
        return None
    files = {name: runs.read_bytes(source / name, digest) for name, digest in info["sha256"].items()}
    record_of = runs.read_bytes(source / "run.json")
    for name in ("run.json", "model.safetensors"):  # until the last file is there, this is no finished run
        (folder / name).unlink(missing_ok=True)
    runs.write_bytes(folder / record.TAKEN_OVER, f"{source.relative_to(runs.ROOT)}\n".encode())
    for name, content in (files | {"run.json": record_of}).items():
        runs.write_bytes(folder / name, content)
    print(f"taken over from {source.relative_to(runs.ROOT)}: RETRAIN=1 would train", flush=True)
    return predict.load_run(folder)


def is_released(run: predict.Run) -> bool:
    """Whether a run was trained elsewhere: taken over, or read where it was released."""
    return (run.path / record.TAKEN_OVER).is_file() or (runs.ROOT / "released") in run.path.resolve().parents


def half(logits: np.ndarray) -> np.ndarray:
    """Logits in float16, (N, classes), the first guess of every image kept: where rounding would tie or move it, it is moved up one step."""
    rounded, top = logits.astype(np.float16), logits.argmax(1)
    moved = np.flatnonzero(rounded.argmax(1) != top)
    rounded[moved, top[moved]] = np.nextafter(rounded[moved].max(1), np.float16(np.inf))
    return rounded


def agreement(run: predict.Run, splits, split: str = "test") -> float:
    """Share of a split's images whose first guess, from the stored weights in fp32 on this machine, is the stored one."""
    model, part = predict.load_model(run, len(splits.class_names)), getattr(splits, split)
    again = inference.logits(model, part.images, splits.mean, splits.std)
    return float((again.argmax(1) == getattr(run, split).predicted).mean())


def verify(study: str) -> bool:
    """Print, for every released run of a study, whether its files are whole and, where it has weights, whether its predictions are theirs."""
    good, root = True, runs.ROOT / "released" / study
    for path in sorted(root.glob("*/run.json")) + sorted(root.glob("*/*/run.json")):
        run = predict.load_run(path.parent)
        for name, digest in run.info["sha256"].items():
            runs.read_bytes(path.parent / name, digest)
        said = "no weights, hashes hold"
        if predict.has_weights(run):
            splits = data.load_for(run.info["params"], run.info["data_digest"])
            share = agreement(run, splits)
            good &= share >= AGREEMENT
            said = f"{share:.2%} of {len(splits.test):,} test predictions are those of the weights" + ("" if share >= AGREEMENT else "  TOO FEW")
        print(f"{path.parent.relative_to(runs.ROOT)}  {said}", flush=True)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["verify"])
    parser.add_argument("study")
    options = parser.parse_args()
    torch.set_num_threads(2)
    if not (runs.ROOT / "released" / options.study).is_dir():
        print(f"released/{options.study}: there is nothing released of this study", file=sys.stderr)
        return 2
    try:
        return 0 if verify(options.study) else 1
    except (runs.ArtefactError, data.DataError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that has seen enough, `head` say, is no error
    sys.exit(main())
