"""A study of predictions alone, made from released runs:

    python tools/brought_study.py STUDY DEST [ARM ...] [--seed N] [--places]

For each arm (the first two by name, where none is named) of released/STUDY the predictions of one
seed are written to DEST, as .npz of logits and as .csv of probabilities. DEST/STUDY-brought.yaml is
a study file of them, which takes the .npz of one arm and the .csv of the next. Ids are split/place;
with --places the place alone, by which pictures of the same data are found."""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.base import artefacts
from lib.base.errors import Error
from lib.data import cifar
from lib.data.phantom import draw
from lib.evaluation.calibration import softmax
from lib.training import record

SPLITS = ("val", "test")


def class_names(run: record.Run) -> list[str]:
    """Those of the data that a run was made from; places where these are not at hand."""
    data = run.info["params"]["data"]
    if data == "phantom":
        return list(draw.CLASS_NAMES)
    root = Path(os.environ.get("CIFAR100_ROOT") or artefacts.ROOT / "data")
    meta = root / "cifar-100-python" / "meta"
    if data == "cifar100" and meta.is_file():
        return cifar.official(meta, cifar.SHA256["meta"])["fine_label_names"]
    return list(map(str, range(run.test.logits.shape[1])))


def ids(run: record.Run, split: str, places: bool) -> np.ndarray:
    prefix = "" if places else f"{split}/"
    return np.array([f"{prefix}{place}" for place in getattr(run, split).index])


def write_npz(path: Path, run: record.Run, places: bool) -> None:
    """Logits as they are stored."""
    arrays = {"class_names": np.array(class_names(run))}
    for split in SPLITS:
        part = getattr(run, split)
        arrays |= {
            f"{split}_logits": part.logits,
            f"{split}_labels": part.labels,
            f"{split}_ids": ids(run, split, places),
        }
    artefacts.write_arrays(path, **arrays)


def write_csv(path: Path, run: record.Run, places: bool) -> None:
    """Probabilities, with all the digits they have."""
    names, tables = class_names(run), []
    for split in SPLITS:
        part = getattr(run, split)
        of_rows = {
            "split": split,
            "id": ids(run, split, places),
            "label": np.array(names)[part.labels],
        }
        shares = pd.DataFrame(softmax(part.logits), columns=names)
        tables.append(pd.concat([pd.DataFrame(of_rows), shares], axis=1))
    artefacts.write_table(path, pd.concat(tables))


def write_study(study: str, dest: Path, arms: list[str], seed: int, places: bool) -> dict:
    """Write the files of all arms, and the study file; the content of that."""
    chosen = {}
    for number, arm in enumerate(arms):
        run = record.load_run(artefacts.ROOT / "released" / study / arm / f"seed-{seed}")
        write_npz(dest / f"{arm}.npz", run, places)
        write_csv(dest / f"{arm}.csv", run, places)
        chosen[arm] = {"predictions": str(dest / f"{arm}.{'csv' if number % 2 else 'npz'}")}
    data = {"source": run.info["params"]["data"] if places else "none"}
    content = {"title": f"Predictions of {study}", "data": data, "arms": chosen, "seeds": [seed]}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    artefacts.write_bytes(dest / f"{study}-brought.yaml", text.encode())
    return content


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study")
    parser.add_argument("dest", type=Path)
    parser.add_argument("arms", nargs="*", default=[])
    parser.add_argument("--seed", type=int)
    parser.add_argument("--places", action="store_true")
    options = parser.parse_args()
    there = sorted((artefacts.ROOT / "released" / options.study).glob("*/seed-*/run.json"))
    arms = options.arms or list(dict.fromkeys(path.parent.parent.name for path in there))[:2]
    seeds = [int(path.parent.name.removeprefix("seed-")) for path in there]
    try:
        if not seeds:
            raise artefacts.ArtefactError(f"released/{options.study}: no released run")
        seed = min(seeds) if options.seed is None else options.seed
        write_study(options.study, options.dest.resolve(), arms, seed, options.places)
    except Error as error:
        print(error, file=sys.stderr)
        return 2
    print(options.dest / f"{options.study}-brought.yaml")
    return 0


if __name__ == "__main__":
    sys.exit(main())
