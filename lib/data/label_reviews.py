"""What people found out about CIFAR-100's test images: labels reviewed, near-duplicates listed;
looked up, never shipped."""

import argparse
import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data import cifar
from lib.data.cifar import DataError

ORIGINS = {
    "label_review.json": "github.com/cleanlab/label-errors, mturk/cifar100_mturk.json",
    "duplicates_train_test.csv": "github.com/cvjena/cifair, meta/duplicates_cifar100.csv",
    "duplicates_test_test.csv": "github.com/cvjena/cifair, meta/duplicates_cifar100_test.csv",
}
REVIEW, *DUPLICATES = ORIGINS
TEST_IMAGES, CLASSES = 10_000, 100
ANSWERS = ("given", "guessed", "both", "neither")


def read_review(path, labels: np.ndarray) -> pd.DataFrame:
    """Five human judgements each of suspicious test labels: id, given, guessed (class numbers),
    votes, verdict.

    verdict: the answer of at least three of the five (the recorded class, the guessed one, both,
    neither), else "no majority". `labels` are those of the first N images of the official test
    file, and so are the rows. Northcutt, Athalye and Mueller 2021,
    https://arxiv.org/abs/2103.14749. Raises DataError for a file that is not such a review of these
    labels."""
    try:
        rows = [
            (
                item["id"],
                item["given_original_label"],
                item["our_guessed_label"],
                *(item["mturk"][answer] for answer in ANSWERS),
            )
            for item in json.loads(_content(path))
        ]
        if not all(type(value) is int for row in rows for value in row):
            raise TypeError("whole numbers only")
        table = pd.DataFrame(
            rows,
            columns=["id", "given", "guessed", *(f"{answer} votes" for answer in ANSWERS)],
            dtype="int64",
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise _unfit(
            path, "entries with id, given_original_label, our_guessed_label and mturk", error
        ) from None
    _check_ids(path, table["id"], once=True)
    table = table[table["id"] < len(labels)]
    differ = table[table["given"].to_numpy() != labels[table["id"]]]
    if len(differ) or not table["guessed"].between(0, CLASSES - 1).all():
        raise DataError(
            f"{path}: not a review of this test split: "
            + (
                f"image {differ['id'].iloc[0]} has label {labels[differ['id'].iloc[0]]} here and "
                f"{differ['given'].iloc[0]} there"
                if len(differ)
                else "a guessed class is none of the classes"
            )
        )
    votes = table[[f"{answer} votes" for answer in ANSWERS]].to_numpy()
    odd = (votes < 0).any(1) | (votes.sum(1) != 5)
    if odd.any():
        raise DataError(
            f"{path}: expected five judgements an image, image {table['id'][odd].iloc[0]} has "
            "others"
        )
    verdict = np.where(votes.max(1) >= 3, np.array(ANSWERS)[votes.argmax(1)], "no majority")
    return table[["id", "given", "guessed"]].assign(votes=votes.max(1), verdict=verdict)


def read_duplicates(path) -> np.ndarray:
    """The ids of the test images that a list of near-duplicates names, (N,): exact, near or very
    similar ones.

    Columns TestID, TrainID, Distance, Judgment; in the list of pairs inside the test split both ids
    are of test images. Barz and Denzler 2020, https://arxiv.org/abs/1902.00423. Raises DataError
    for another file."""
    columns = ["TestID", "TrainID"] if Path(path).name == DUPLICATES[1] else ["TestID"]
    try:
        rows = list(csv.DictReader(io.StringIO(_content(path))))
        ids = pd.Series([int(row[column]) for row in rows for column in columns], dtype="int64")
        judged = {int(row["Judgment"]) for row in rows}
    except (ValueError, KeyError, TypeError, csv.Error, OverflowError) as error:
        raise _unfit(path, "columns TestID, TrainID, Distance and Judgment", error) from None
    if not judged <= {0, 1, 2}:
        raise DataError(
            f"{path}: Judgment must be 0 (exact), 1 (near) or 2 (very similar), got "
            f"{min(judged - {0, 1, 2})}"
        )
    _check_ids(path, ids)
    return np.unique(ids)


def look_up(labels: np.ndarray, root=None) -> tuple[pd.DataFrame | None, np.ndarray | None]:
    """The review, and the ids of near-duplicates of both lists; None for what does not stand there
    in full."""
    place, absent = cifar.parent(root), missing(root)
    review = None if REVIEW in absent else read_review(place / REVIEW, labels)
    if set(DUPLICATES) & set(absent):
        return review, None
    return review, np.unique(np.concatenate([read_duplicates(place / name) for name in DUPLICATES]))


def missing(root=None) -> list[str]:
    """The files of ORIGINS that do not stand in the data folder."""
    return [name for name in ORIGINS if not (cifar.parent(root) / name).is_file()]


def _content(path) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None


def _unfit(path, expected: str, error: Exception) -> DataError:
    return DataError(f"{path}: expected {expected} ({type(error).__name__}: {error})")


def _check_ids(path, ids: pd.Series, once: bool = False) -> None:
    if not len(ids):
        raise DataError(f"{path}: empty")
    outside = ids[~ids.between(0, TEST_IMAGES - 1)]
    if len(outside):
        raise DataError(f"{path}: ids must lie from 0 to {TEST_IMAGES - 1}, got {outside.iloc[0]}")
    if once and ids.duplicated().any():
        raise DataError(f"{path}: image {ids[ids.duplicated()].iloc[0]} is listed twice")


def main(arguments: list[str]) -> int:
    """Fetch or check CIFAR-100, and say which of the look-up files stand beside it and where the
    others come from."""
    argparse.ArgumentParser(prog="python -m lib data", description=main.__doc__).parse_args(
        arguments
    )
    _, test, _ = cifar.read()
    print(f"{cifar.parent()}: the official CIFAR-100 files, SHA-256 as recorded")
    labels = np.array(test["fine_labels"])
    for name, origin in ORIGINS.items():
        if name in missing():
            print(f"{name}: not there; optional, save under this name {origin}")
        elif name == REVIEW:
            review = read_review(cifar.parent() / name, labels)
            print(
                f"{name}: {len(review):,} labels reviewed, "
                f"{(review['verdict'] != 'given').sum():,} rejected"
            )
        else:
            print(f"{name}: {len(read_duplicates(cifar.parent() / name)):,} test images")
    return 0
