"""Where it fails by what is known of the pictures: accuracy, confident errors and the change
between arms for each value of each column of a metadata file."""

import numpy as np
import pandas as pd

from lib.base.text import count, plural, readable, signed, with_limits
from lib.evaluation.metrics import spread
from lib.evaluation.paired import paired_runs, per_class_change
from lib.evaluation.selective import clopper_pearson
from lib.evaluation.significance import benjamini_hochberg
from lib.evaluation.summary import confidences

SURE = 0.9  # confidence from which an error counts as confident
FEWEST = 6  # images below which a group is no finding: no interval, no test
ABSENT, EMPTY = "(not in the metadata)", "(empty)"
ENDS = ("estimate", "low", "high")


def assign(metadata: pd.DataFrame, ids) -> tuple[pd.DataFrame, dict]:
    """The metadata of the test images, in their order, ids (N,) compared as text; how many images
    have none, and how many ids are no test image's."""
    ids = pd.Index([str(one) for one in ids])
    rows = metadata.reindex(ids).fillna(ABSENT).replace("", EMPTY)
    absent = ~ids.isin(metadata.index)
    unknown = metadata.index.difference(ids)
    return rows, {"missing": int(absent.sum()), "other_ids": len(unknown)}


def group_numbers(trained: dict[str, dict], pair: tuple[str, ...], rows: pd.DataFrame) -> dict:
    """{"columns": {column: {"groups": records, "note": words}}, "tested", "beyond_chance"}.

    rows: a column a property, one row a test image (`assign`). A record has group, images, `arms`
    {arm: accuracy, low, high, confident_errors}, means over seeds, and of two arms change
    {estimate, low, high} (shares), p_value and p_adjusted, over the seeds by which the arms are
    paired. The false discovery rate is held over all groups of all columns together. A group of
    fewer than FEWEST images has no interval and no test, a column without two larger ones no
    groups."""
    columns = {name: _column(trained, pair, rows[name]) for name in rows}
    records = [record for column in columns.values() for record in column["groups"]]
    if len(pair) == 2:
        p_values = [np.nan if one["p_value"] is None else one["p_value"] for one in records]
        for record, adjusted in zip(records, benjamini_hochberg(p_values) if records else []):
            record["p_adjusted"] = None if np.isnan(adjusted) else float(adjusted)
    found = [one for one in records if one.get("p_adjusted") is not None]
    return {
        "columns": columns,
        "tested": sum(one.get("p_value") is not None for one in records),
        "beyond_chance": sum(one["p_adjusted"] < 0.05 for one in found),
    }


def _column(trained: dict, pair: tuple[str, ...], values: pd.Series) -> dict:
    names, group = np.unique(values.to_numpy(str), return_inverse=True)
    sizes = np.bincount(group)
    note = _note(sizes)
    if np.sum(sizes >= FEWEST) < 2:
        return {"groups": [], "note": note}
    of_arms = {arm: _of_arm(trained[arm], group, sizes) for arm in pair}
    changes = _changes(trained, pair, group, sizes)
    records = [
        {
            "group": str(names[place]),
            "images": int(sizes[place]),
            "arms": {arm: of_arm[place] for arm, of_arm in of_arms.items()},
        }
        | (changes[place] if changes else {})
        for place in np.argsort(-sizes, kind="stable")
    ]
    return {"groups": records, "note": note}


def _note(sizes: np.ndarray) -> str:
    """What cannot be said of a column's groups, "" where all are large enough."""
    images, single, small = sizes.sum(), np.sum(sizes == 1), np.sum(sizes < FEWEST)
    if single == images:
        return "as many values as images: no groups"
    if len(sizes) == 1:
        return "one value for all images: no groups"
    parts = [f"{count(int(single))} of {plural(len(sizes), 'group')} of one image"] * bool(single)
    parts += [f"{count(int(small))} of fewer than {FEWEST}: not tested"] * bool(small)
    if np.sum(sizes >= FEWEST) < 2:
        parts.append(f"fewer than two groups of {FEWEST} images or more: nothing to compare")
    return "; ".join(parts)


def _of_arm(of_seeds: dict, group: np.ndarray, sizes: np.ndarray) -> list[dict]:
    confidence, right = confidences(of_seeds)  # (seeds, N)
    sure = ~right & (confidence >= SURE)

    def means(values):
        return [np.bincount(group, of_seed, len(sizes)) for of_seed in values]

    hits, wrong = np.mean(means(right), axis=0), np.transpose(means(sure))
    low, high = clopper_pearson(hits, sizes)
    return [
        {
            "accuracy": float(hits[place] / size),
            "low": float(low[place]) if size >= FEWEST else None,
            "high": float(high[place]) if size >= FEWEST else None,
            "confident_errors": spread(wrong[place]),
        }
        for place, size in enumerate(sizes)
    ]


def _changes(trained: dict, pair: tuple[str, ...], group, sizes) -> list[dict]:
    """The change of each group from the first arm to the second; [] of one arm."""
    if len(pair) == 1:
        return []
    runs = paired_runs(*(trained[arm] for arm in pair))
    right = [np.stack([run.test.correct for run in of_arm.values()]) for of_arm in runs]
    table = per_class_change(group, *right, len(sizes))
    return [_change(row, row.images >= FEWEST) for row in table.itertuples()]


def _change(row, enough: bool) -> dict:
    ends = [row.change / 100, row.low / 100, row.high / 100]
    change = dict(zip(ENDS, map(float, ends if enough else [ends[0], np.nan, np.nan])))
    return {
        "change": {end: None if value != value else value for end, value in change.items()},
        "p_value": float(row.p_value) if enough else None,
        "p_adjusted": None,
    }


def groups_table(numbers: dict) -> pd.DataFrame:
    """One row a column and group, in full."""
    return pd.DataFrame(
        [
            {"column": column, "group": row["group"], "images": row["images"]}
            | {
                f"{arm} {name}": of_arm[name]["mean"]
                if name == "confident_errors"
                else of_arm[name]
                for arm, of_arm in row["arms"].items()
                for name in of_arm
            }
            | (row.get("change") or {})
            | {name: row[name] for name in ("p_value", "p_adjusted") if name in row}
            for column, of_column in numbers["columns"].items()
            for row in of_column["groups"]
        ]
    )


def groups_view(numbers: dict) -> pd.DataFrame:
    """The same as it is printed."""
    return pd.DataFrame(
        [
            {"column": readable(column), "group": row["group"], "images": f"{row['images']:,}"}
            | {
                f"{readable(arm)} {what}": text
                for arm, of_arm in row["arms"].items()
                for what, text in (
                    ("accuracy (95%)", _accuracy(of_arm)),
                    (f"errors at ≥ {SURE:.0%}", _count(of_arm["confident_errors"])),
                )
            }
            | ({"change, points (95%)": _points(row["change"])} if "change" in row else {})
            | ({"adjusted p": _p_value(row["p_adjusted"])} if "p_adjusted" in row else {})
            for column, of_column in numbers["columns"].items()
            for row in of_column["groups"]
        ]
    )


def _accuracy(of_arm: dict) -> str:
    if of_arm["low"] is None:
        return f"{of_arm['accuracy']:.0%}"
    return with_limits(of_arm["accuracy"], of_arm["low"], of_arm["high"])


def _count(entry: dict) -> str:
    return f"{entry['mean']:,.{0 if entry['n'] == 1 else 1}f}"


def _p_value(p: float | None) -> str | None:
    return None if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _points(change: dict) -> str:
    texts = [signed(100 * change[end]) for end in ENDS if change[end] is not None]
    return texts[0] if len(texts) == 1 else "{} ({} to {})".format(*texts)


def notes(numbers: dict, matched: dict) -> list[str]:
    """What the report says beside the table: columns whose groups say nothing, ids that do not
    match."""
    lines = [
        f"{readable(column)}: {of_column['note']}"
        for column, of_column in numbers["columns"].items()
        if of_column["note"]
    ]
    if matched["missing"]:
        missing = plural(matched["missing"], "test image")
        lines.append(f"{missing} not in the metadata: a group of their own")
    if matched["other_ids"]:
        others = plural(matched["other_ids"], "id")
        none = "is no test image's" if matched["other_ids"] == 1 else "are no test image's"
        lines.append(f"{others} of the metadata {none} (of validation, perhaps)")
    return lines
