"""A file of predictions that somebody brings: .npz, or a table .csv, .csv.gz, .tsv.

.npz: `test_logits` (N, classes), `test_labels` (N,), and perhaps `test_ids`, the same for `val`,
and `class_names`. A table: columns `split` (val or test), `label`, perhaps `id`, and one a class.
Both hold logits, probabilities or their logarithms (lib.data.scores). What is wrong is one line:
file, place, rule.
"""

import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.base.errors import DataError
from lib.base.text import one_form
from lib.data import scores

SPLITS = ("val", "test")
OWN = ("split", "id", "label")  # columns that are no class
ARRAYS = ("logits", "labels", "ids")
ROWS = 50_000  # of a table at a time
# columns that programs write beside the classes; one of them is a class where a label says so
LEFT_OVER = re.compile(
    "unnamed: [0-9]+|index|idx|filename|(max_)?prob(ability)?|confidences?|scores?|loss|entropy|"
    "margin|pred(iction|icted|icted_class|icted_label|ictions)?|true_label|y_true|y_pred"
)
PLACE = re.compile(r"0|[1-9][0-9]*")
# what a spreadsheet makes of a long number
REWRITTEN = re.compile(r"[0-9](\.[0-9]+)?E\+[0-9]+")
# what no number has that a table is given in
ODD = re.compile(r"[^ -~]|_")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SHOWN = 10  # classes that a note names


class Part(NamedTuple):
    """One split: ids, text (N,); labels, int64 (N,); logits, float32 (N, classes)."""

    ids: np.ndarray
    labels: np.ndarray
    logits: np.ndarray


@dataclass(frozen=True, eq=False)
class PredictionsFile:
    """What a file holds. val is None without validation rows. named, has_ids: whether the file
    gives names of classes and ids; else both are places from 0. kind, hard, notes: see
    lib.data.scores.Scores."""

    path: Path
    class_names: list[str]
    named: bool
    has_ids: bool
    val: Part | None
    test: Part
    kind: str
    hard: bool
    notes: list[str]


class _Rows(NamedTuple):
    """A split as it stands in the file: `place`, filled with a number of `rows`, says where a row
    stands; labels are text or whole numbers."""

    place: str
    rows: np.ndarray
    ids: np.ndarray | None
    labels: np.ndarray
    values: np.ndarray

    def where(self, row: int) -> str:
        return self.place.format(self.rows[row])


def read(path, ids_by_split: bool = False) -> PredictionsFile:
    """Read a file of predictions; raises DataError, one line, for what does not hold.

    ids_by_split: an id is unique within its split alone, as places in CIFAR's files are; else it
    may not stand in both."""
    path = Path(path)
    try:
        names, splits = (_arrays if path.suffix.lower() == ".npz" else _table)(path)
        return _checked(path, names, splits, ids_by_split)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def _checked(path: Path, names, splits: dict[str, _Rows], by_split: bool) -> PredictionsFile:
    if "test" not in splits:
        raise DataError("no test rows")
    names = names and list(map(one_form, names))
    splits = {split: _of_one_form(rows) for split, rows in splits.items()}
    width = splits["test"].values.shape[1]
    listed = list(names or map(str, range(width)))
    _check_classes(listed, width)
    has_ids = _check_ids(splits, by_split)
    labels, of_labels = _places(splits, listed)
    found = scores.as_logits(
        np.concatenate([rows.values for rows in splits.values()]),
        listed,
        lambda row: _where(splits, row),
        [len(rows.labels) for rows in splits.values()],
    )
    ends = np.cumsum([len(rows.labels) for rows in splits.values()])[:-1]
    parts = {
        split: Part(_ids(rows), labels[split], logits)
        for (split, rows), logits in zip(splits.items(), np.split(found.logits, ends))
    }
    shown = ", ".join(listed[:SHOWN]) + (", …" if len(listed) > SHOWN else "")
    notes = [f"{len(listed)} classes: {shown}", of_labels, *found.notes]
    return PredictionsFile(
        path, listed, bool(names), has_ids, parts.get("val"), parts["test"], *found[1:3], notes
    )


def _of_one_form(rows: _Rows) -> _Rows:
    """The same with ids and names of classes in one Unicode form."""
    return rows._replace(
        **{
            name: np.array(list(map(one_form, values)), object)
            for name in ("ids", "labels")
            if (values := getattr(rows, name)) is not None and values.dtype.kind == "O"
        }
    )


def _where(splits: dict[str, _Rows], row: int) -> str:
    """Where a row of all splits, one after the other, stands."""
    for rows in splits.values():
        if row < len(rows.rows):
            return rows.where(row)
        row -= len(rows.rows)


def _check_classes(names: list[str], width: int) -> None:
    if len(names) != width or width < 2:
        raise DataError(f"{len(names)} class names for {width} columns of numbers; two are needed")
    if not all(name.strip() for name in names):
        raise DataError("class_names: a name is empty")
    # guard: one-name-a-class
    if twice := _first_twice([name.strip() for name in names]):
        raise DataError(f"two columns for the class {twice!r}; a class has one")


def _first_twice(names) -> str | None:
    names = pd.Index(names)
    return names[names.duplicated()][0] if names.has_duplicates else None


def _check_ids(splits: dict[str, _Rows], by_split: bool) -> bool:
    with_ids = [split for split, rows in splits.items() if rows.ids is not None]
    if with_ids and len(with_ids) < len(splits):
        raise DataError(f"ids of {with_ids[0]} alone; both splits have them or none")
    for split in with_ids:
        ids, where = splits[split].ids, splits[split].where
        if bad := [row for row, one in enumerate(ids) if not one.strip() or CONTROL.search(one)]:
            raise DataError(f"{where(bad[0])}: the id {ids[bad[0]]!r} is empty or no text")
        # guard: id-given-twice
        if twice := _first_twice(ids):
            hint = " (has a spreadsheet rewritten it?)" if REWRITTEN.fullmatch(twice) else ""
            first, second, *_ = np.flatnonzero(ids == twice)
            raise DataError(
                f"id {twice!r} is given twice{hint}: {where(first)} and {where(second)}"
            )
    # guard: id-in-both-splits
    if len(with_ids) == 2 and not by_split:
        both = np.intersect1d(splits["val"].ids, splits["test"].ids)
        if len(both):
            raise DataError(
                f"id {both[0]!r} is in val and in test ({len(both):,} such); without pictures an "
                "id may stand in one split alone: put its split before it, val/… and test/…"
            )
    return bool(with_ids)


def _ids(rows: _Rows) -> np.ndarray:
    if rows.ids is not None:
        return rows.ids
    return np.array(list(map(str, range(len(rows.labels)))), object)


def _places(splits: dict[str, _Rows], names: list[str]) -> tuple[dict[str, np.ndarray], str]:
    """The labels as places of classes, and what they were: names or places, all of them."""
    written = np.concatenate([rows.labels.astype(object) for rows in splits.values()])
    kinds = {rows.labels.dtype.kind == "O" for rows in splits.values()}
    if len(kinds) > 1:
        raise DataError("labels are text in one split and numbers in the other")
    codes, found = pd.factorize(written)
    # whole numbers of an .npz are places, whatever the classes are called
    places, said = _meaning(list(map(str, found)), names if kinds == {True} else [], len(names))
    wrong = np.array([isinstance(place, str) for place in places])[codes]
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{_where(splits, row)}: {places[codes[row]]}")
    ends = np.cumsum([len(rows.labels) for rows in splits.values()])[:-1]
    return dict(zip(splits, np.split(np.array(places, np.int64)[codes], ends))), said


def _meaning(written: list[str], names: list[str], classes: int) -> tuple[list, str]:
    """The place of each label that occurs, what is wrong where it has none, and what labels are."""
    place_of = {name: place for place, name in enumerate(names)}
    named = next((label for label in written if label in place_of), None)
    # guard: wholly-names-or-places
    if named is not None:
        wrong = (
            "label {!r} is no class, as label {!r} is: labels are names of classes, or places from "
            "0, in the whole file"
        )
        return [
            place_of.get(label, wrong.format(label, named)) for label in written
        ], "labels are names of classes"
    wrong = f"label {{!r}} is no class and no place from 0 to {classes - 1}"
    return [
        int(label) if PLACE.fullmatch(label) and int(label) < classes else wrong.format(label)
        for label in written
    ], "labels are places of classes, from 0"


# .npz


def _arrays(path: Path) -> tuple[list[str] | None, dict[str, _Rows]]:
    arrays = _load(path)
    known = {f"{split}_{what}" for split in SPLITS for what in ARRAYS} | {"class_names"}
    if unknown := sorted(set(arrays) - known):
        raise DataError(f"unknown array {unknown[0]!r}; known are {', '.join(sorted(known))}")
    names, splits = arrays.get("class_names"), {}
    for split in SPLITS:
        given = {what: arrays[key] for what in ARRAYS if (key := f"{split}_{what}") in arrays}
        if given and not {"logits", "labels"} <= set(given):
            raise DataError(f"{split}_logits and {split}_labels belong together; one is missing")
        if given and given["logits"].shape[:1] != (0,):
            splits[split] = _array_rows(split, **given)
    if len({rows.values.shape[1] for rows in splits.values()}) > 1:
        raise DataError("val_logits and test_logits have not equally many columns")
    return None if names is None else list(_text("class_names", names)), splits


def _load(path: Path) -> dict[str, np.ndarray]:
    name = "its index"
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {}
            for name in archive.files:
                arrays[name] = archive[name]
            return arrays
    except OSError:
        raise
    # NumPy, zipfile and zlib have many words for a damaged archive, and for a file that is none
    except Exception as error:
        raise DataError(
            f"{name} cannot be read ({' '.join(str(error).split())}); an .npz of plain arrays is "
            "asked for: text as np.array(x, dtype=str), numbers as np.array(x, dtype=float)"
        ) from None


def _array_rows(split: str, logits, labels, ids=None) -> _Rows:
    if logits.ndim != 2 or logits.dtype.kind not in "fiu":
        raise DataError(
            f"{split}_logits: {logits.dtype} of shape {logits.shape}; allowed: numbers (rows, "
            "classes)"
        )
    if labels.dtype.kind in "SU":
        labels = _text(f"{split}_labels", labels)
    elif labels.dtype.kind not in "iu":
        raise DataError(f"{split}_labels: {labels.dtype}; allowed: whole numbers or class names")
    if ids is not None and ids.dtype.kind in "iu":
        ids = ids.astype(str)
    ids = None if ids is None else _text(f"{split}_ids", ids)
    for what, values in (("labels", labels), ("ids", ids)):
        if values is not None and values.shape != logits.shape[:1]:
            raise DataError(
                f"{split}_{what}: shape {values.shape} does not fit {split}_logits {logits.shape}"
            )
    rows = np.arange(len(logits))
    return _Rows(f"{split}_logits[{{}}]", rows, ids, labels, logits.astype(np.float64))


def _text(name: str, values: np.ndarray) -> np.ndarray:
    if values.ndim != 1 or values.dtype.kind not in "SU":
        raise DataError(
            f"{name}: {values.dtype} of shape {values.shape}; allowed: text, one a row "
            "(np.array(x, dtype=str))"
        )
    try:
        text = [one.decode() if isinstance(one, bytes) else str(one) for one in values]
        # a file name of other bytes, as os.listdir gives it, is no text either
        "".join(text).encode()
        return np.array(text, object)
    except UnicodeError:
        raise DataError(f"{name}: bytes that are not UTF-8") from None


# .csv, .csv.gz, .tsv


def _table(path: Path) -> tuple[list[str], dict[str, _Rows]]:
    pieces, header, marks = [], None, ""
    try:
        for piece in pd.read_csv(path, chunksize=ROWS, **_dialect(path)):
            cells = piece.to_numpy(object)
            if header is None:
                header, cells = _header(cells[0]), cells[1:]
                classes = [place for place, name in enumerate(header) if name not in OWN]
            if len(cells):
                row = 1 + sum(len(values) for *_, values in pieces)
                numbers, marks = _numbers(cells[:, classes], header, classes, row, marks)
                pieces.append(
                    [*(cells[:, header.index(own)] for own in OWN if own in header), numbers]
                )
    except DataError:
        raise
    # pandas' own, those of the encoding, and those of a damaged archive
    except (ValueError, EOFError, zlib.error) as error:
        words = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise DataError(
            f"not a readable table ({words}); UTF-8 with equally many cells a line"
        ) from None
    if not pieces:
        raise DataError("a header and no rows")
    columns = dict(
        zip([own for own in OWN if own in header] + ["values"], map(np.concatenate, zip(*pieces)))
    )
    names = [header[place] for place in classes]
    _refuse_left_over(names, columns["label"])
    return names, _by_split(**columns)


def _dialect(path: Path) -> dict:
    """How pandas reads the file, all as text: its encoding and compression by its first bytes, its
    separator by the header, in which `split` and `label` stand."""
    with open(path, "rb") as file:
        begin = file.read(4)
    if begin[:2] == b"PK":
        raise DataError("a zip or spreadsheet file; save the sheet as CSV (UTF-8)")
    options = {
        "header": None,
        "dtype": str,
        "na_filter": False,
        "encoding": "utf-16" if begin[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig",
        "compression": "gzip" if begin[:2] == b"\x1f\x8b" else None,
    }
    for separator in (",", ";", "\t"):
        # one cell a line is what another separator sees, and of the header alone
        first = pd.read_csv(path, sep=separator, nrows=1, **options).iloc[0].tolist()
        if {"split", "label"} <= set(first):
            return options | {"sep": separator}
    raise DataError(
        f"no columns split and label in the header, which begins {','.join(first)[:60]!r}; columns "
        "are split, label, perhaps id, and one a class, with commas, semicolons or tabs between"
    )


def _header(cells) -> list[str]:
    names = list(cells)
    if empty := [place + 1 for place, name in enumerate(names) if not name.strip()]:
        raise DataError(
            f"column {empty[0]} has no name; row numbers, or an index? Remove it or name it"
        )
    # guard: one-column-a-class
    if twice := _first_twice([name.strip() for name in names]):
        raise DataError(f"two columns {twice!r}; a class has one")
    return names


def _numbers(cells, header, classes, row: int, marks: str) -> tuple[np.ndarray, str]:
    """The cells (rows, classes) as float64; marks: the decimal marks seen so far, these added."""
    text = "".join(cells.ravel())
    marks += "".join(mark for mark in ".," if mark in text and mark not in marks)
    # guard: one-decimal-mark
    if len(marks) > 1:
        mark = np.array([marks[1] in cell for cell in cells.ravel()]).reshape(cells.shape)
        raise DataError(
            f"{_cell(mark, cells, header, classes, row)} has {marks[1]!r}, other numbers have "
            f"{marks[0]!r}; one decimal mark in the whole file"
        )
    if "," in marks:
        cells = np.array([cell.replace(",", ".") for cell in cells.ravel()], object).reshape(
            cells.shape
        )
    try:
        # Python's float knows 1_000 and the digits of all scripts
        if not ODD.search(text):
            return cells.astype(np.float64), marks
    except ValueError:
        pass
    bad = np.array([not _is_number(cell) for cell in cells.ravel()]).reshape(cells.shape)
    short = " (or its row has too few cells)" if not cells[bad][0] else ""
    raise DataError(f"{_cell(bad, cells, header, classes, row)} is not a number{short}")


def _is_number(cell: str) -> bool:
    try:
        return not ODD.search(cell) and float(cell) is not None
    except ValueError:
        return False


def _cell(bad: np.ndarray, cells: np.ndarray, header, classes, row: int) -> str:
    down, across = np.argwhere(bad)[0]
    return f"row {row + down}, column {header[classes[across]]!r}: {cells[down, across]!r}"


def _refuse_left_over(names: list[str], labels: np.ndarray) -> None:
    """Refuse a column that other programs write, unless its name is a label."""
    known = {name for name in names if LEFT_OVER.fullmatch(name.strip().lower())}
    # guard: left-over-column
    if known and (known := known - set(pd.unique(labels))):
        column = next(name for name in names if name in known)
        raise DataError(
            f"column {column!r} looks like no class; remove it, or rename the class (classes "
            f"taken: {', '.join(name for name in names if name not in known)})"
        )


def _by_split(split, label, values, id=None) -> dict[str, _Rows]:
    """The rows of each split, in the file's order; rows are counted from 1, the header left out."""
    odd = ~np.isin(split, SPLITS)
    if odd.any():
        raise DataError(
            f"row {odd.argmax() + 1}, column 'split': {split[odd.argmax()]!r}; allowed: val, test"
        )
    return {
        one: _Rows(
            "row {}", chosen + 1, None if id is None else id[chosen], label[chosen], values[chosen]
        )
        for one in SPLITS
        if len(chosen := np.flatnonzero(split == one))
    }
