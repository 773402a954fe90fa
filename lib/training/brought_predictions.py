"""Predictions that somebody brings, as run folders: read, matched, written as training writes its
own, so that lib.training.record.load_run reads them back."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from lib.base import artefacts, code
from lib.data import dataset, matching, predictions_file
from lib.data.predictions_file import Part, PredictionsFile
from lib.training import examination, machine, record
from lib.training.intake import EXAMINATION

# The code that decides what a run folder of predictions holds.
CODE = (
    "lib/data/matching.py",
    "lib/data/predictions_file.py",
    "lib/data/scores.py",
    "lib/training/brought_predictions.py",
    "lib/training/examination.py",
)


def take_in(
    files: dict[str, Path],
    folders: dict[str, Path],
    params: dict[str, dict],
    splits: dataset.Splits | None = None,
) -> dict[str, record.Run]:
    """Read the file of each arm, match the arms, write their run folders and read these back.

    params: of each arm, what its run.json keeps; `data` is "none" or, where `splits` are the
    pictures that the ids find, what these were loaded by. All arms of predictions of a study are
    taken in together. Raises DataError, one line, before anything is written."""
    read = {arm: predictions_file.read(path, splits is not None) for arm, path in files.items()}
    matched = matching.match(read, splits and pictures(splits))
    rows, index = _rows(matched), {split: None for split in matching.SPLITS}
    if splits:
        for split, (source, place) in dataset.positions(splits, rows).items():
            index[split] = getattr(splits, source).index[place]
    digest = (dataset.on_rows(splits, rows) if splits else rows).digest
    return {
        arm: _write(folders[arm], one, matched, arm, index, params[arm], splits, digest)
        for arm, one in read.items()
    }


def pictures(splits: dataset.Splits) -> PredictionsFile:
    """The data as what predictions are matched with: ids, labels, no logits."""

    def part(split):
        labels = getattr(splits, split).labels.numpy()
        return Part(dataset.ids(splits, split), labels, np.zeros((len(labels), 0), np.float32))

    return PredictionsFile(
        Path(splits.name), splits.class_names, True, True, part("val"), part("test"), "", False, []
    )


def key(path, data_digest: str) -> str:
    """What a run of brought predictions is known by: its file, the matched rows, the code."""
    return artefacts.digest(
        {
            "file": artefacts.sha256_of(path),
            "data": data_digest,
            "code": code.digest(artefacts.ROOT / name for name in CODE),
        }
    )


def _rows(matched: matching.Matched) -> dataset.Rows:
    parts = next(iter(matched.parts.values()))
    return dataset.Rows(
        matched.class_names,
        {split: part.ids for split, part in parts.items()},
        {split: part.labels for split, part in parts.items()},
        matched.set_aside,
    )


def _write(folder, one, matched, arm, index, params, splits, digest) -> record.Run:
    """One arm's run folder; run.json comes last."""
    parts = matched.parts[arm]
    arrays = {
        "class_names": np.array(matched.class_names),
        "set_aside": np.array(matched.set_aside),
    }
    for split, part in parts.items():
        arrays |= {
            f"{split}_index": np.arange(len(part.ids)) if index[split] is None else index[split],
            f"{split}_ids": part.ids.astype(str),
            f"{split}_labels": part.labels,
            f"{split}_logits": part.logits,
        }
    for name in ("run.json", *record.FILES):
        (Path(folder) / name).unlink(missing_ok=True)
    artefacts.write_arrays(Path(folder) / "predictions.npz", **arrays)
    val = parts["val"]
    answers = examination.ask_table(val.logits, val.labels, matched.class_names)
    artefacts.write_json(
        Path(folder) / EXAMINATION, {"answers": [one._asdict() for one in answers]}
    )
    accuracy = {
        split: float((part.logits.argmax(1) == part.labels).mean()) for split, part in parts.items()
    }
    record.write_record(
        Path(folder) / "run.json",
        {
            "origin": "predictions",
            "params": params | {"predictions": str(one.path)},
            "key": key(one.path, digest),
            "data_digest": digest,
            "digest_of_all": splits.digest if splits else digest,
            "set_aside": matched.set_aside,
            "classes": len(matched.class_names),
            "kind": one.kind,
            "hard": one.hard,
            "notes": one.notes + matched.notes,
            "examined": examination.summary(answers),
            **{f"{split}_accuracy": share for split, share in accuracy.items()},
            "versions": machine.versions(),
            "commit": artefacts.commit(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "sha256": {"predictions.npz": artefacts.sha256_of(Path(folder) / "predictions.npz")},
        },
    )
    return record.load_run(folder)
