"""What a user knows of each picture besides its class: a CSV file with a column `id` and one column
a property; ids and values are text."""

import csv
import io

import pandas as pd

from lib.base import artefacts
from lib.base.errors import DataError
from lib.base.text import one_form

NAMED = 3  # ids or columns that a message names


def read_metadata(path) -> pd.DataFrame:
    """The file at `path` (relative to the project or absolute): one row an id, a column a property;
    the index holds the ids. "007" stays "007"; an empty cell is "".

    Raises DataError with one line for a file that is no such table."""
    try:
        content = (artefacts.ROOT / path).read_text(encoding="utf-8-sig")
        rows = [row for row in _reader(content) if row]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: no table of text ({' '.join(str(error).split())})") from None
    names, *cells = rows or [[]]
    _check_columns(path, names, cells)
    table = pd.DataFrame(cells, columns=names, dtype=str)
    table["id"] = table["id"].map(one_form)
    _check_ids(path, table["id"])
    return table.set_index("id")


def _reader(content: str):
    """Commas, semicolons or tabs between the cells: what parts `id` from others in the header."""
    # guard: mark-of-the-header
    for mark in ",;\t":
        if "id" in next(csv.reader(io.StringIO(content), delimiter=mark), []):
            return csv.reader(io.StringIO(content), delimiter=mark, strict=True)
    return csv.reader(io.StringIO(content), strict=True)


def _check_columns(path, names: list[str], cells: list[list[str]]) -> None:
    # guard: metadata-columns
    if names.count("id") != 1:
        raise DataError(f"{path}: one column must be called id; there are: {_few(names)}")
    if len(names) == 1 or not cells:
        raise DataError(f"{path}: expected rows with an id and at least one more column")
    if "" in names or len(set(names)) < len(names):
        raise DataError(f"{path}: every column needs a name of its own; there are: {_few(names)}")
    uneven = [place for place, row in enumerate(cells, 1) if len(row) != len(names)]
    if uneven:
        raise DataError(
            f"{path}: row {uneven[0]} has {len(cells[uneven[0] - 1])} cells, the header "
            f"{len(names)}"
        )


def _check_ids(path, ids: pd.Series) -> None:
    twice = ids[ids.duplicated()].unique().tolist()
    # guard: metadata-ids
    if twice:
        raise DataError(f"{path}: ids given twice: {_few(twice)}")
    if (ids == "").any():
        raise DataError(f"{path}: a row without an id")


def _few(names: list) -> str:
    rest = len(names) - NAMED
    return ", ".join(repr(name) for name in names[:NAMED]) + (
        f" and {rest} more" if rest > 0 else ""
    )
