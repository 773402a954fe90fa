"""Accuracy once more: without the test labels that are known to be wrong, with them corrected, without near-duplicates."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.base.text import points, readable
from lib.compare import difference_of_means
from lib.data import label_reviews
from lib.labels import score, share

UNKNOWN = -1
SURE = 0.9  # confidence after temperature scaling from which an error counts as sure


@dataclass(frozen=True)
class Opinion:
    """What is known of the test labels from elsewhere, arrays (N,) over the test split.

    reviewed: somebody looked, nothing is known of the others; rejected: the recorded label is wrong or not the only one;
    corrected: the right class, the recorded one where it was not rejected, UNKNOWN where none was accepted.
    words: the same in words, "" where nobody looked; source: "reviewers" or "planted".
    """

    reviewed: np.ndarray
    rejected: np.ndarray
    corrected: np.ndarray
    words: np.ndarray
    source: str


def known(splits) -> tuple[Opinion | None, np.ndarray | None]:
    """The opinion on the test labels and which test images (N,) have a near-duplicate; None for what nobody knows.

    The phantom knows its planted label errors; for CIFAR-100 the files of lib.data.label_reviews are looked up.
    """
    test, labels = splits.test, splits.test.labels.numpy()
    if test.planted is not None:
        causes = test.planted["cause"].to_numpy()
        right = test.planted["object_class"].to_numpy(np.int64)
        return Opinion(
            np.ones(len(labels), bool), causes == "label_error", right, causes, "planted"
        ), None
    if splits.name != "cifar100":
        return None, None
    review, duplicates = label_reviews.look_up(labels)
    listed = None if duplicates is None else np.isin(test.index, duplicates)
    if review is None:
        return None, listed
    reviewed, rejected, corrected = (
        np.zeros(len(labels), bool),
        np.zeros(len(labels), bool),
        labels.copy(),
    )
    reviewed[review["id"]] = True
    of_rejected = review[review["verdict"] != "given"]
    rejected[of_rejected["id"]] = True
    corrected[of_rejected["id"]] = of_rejected["guessed"].where(
        of_rejected["verdict"] == "guessed", UNKNOWN
    )
    words = np.full(len(labels), "", dtype=object)
    words[review["id"]] = [_in_words(row, splits.class_names) for row in review.itertuples()]
    return Opinion(reviewed, rejected, corrected, words, "reviewers"), listed


def _in_words(row, names: list[str]) -> str:
    """What five reviewers said of one label: "crab (5 of 5)"."""
    if row.verdict == "no majority":
        return row.verdict
    said = {"given": names[row.given], "guessed": names[row.guessed]}.get(row.verdict, row.verdict)
    return f"{readable(said)} ({row.votes} of 5)"


def annotate(suspects: pd.DataFrame, opinion: Opinion | None) -> pd.DataFrame:
    """lib.labels.suspected_in with what is known of each test label, in words, in a column named for the source."""
    if opinion is None:
        return suspects
    words = np.where(
        suspects["split"] == "test",
        opinion.words[np.where(suspects["split"] == "test", suspects["position"], 0)],
        "",
    )
    return suspects.assign(**{opinion.source: words})


def rescored(
    runs: dict, pair: tuple[str, ...], opinion: Opinion | None, duplicates: np.ndarray | None
) -> pd.DataFrame:
    """Accuracy of every arm on every set of test images, and where `pair` is two arms the second minus the first with its paired 95 % interval.

    runs: arm to one run. A row a set: labels ("as recorded", "rejected removed", "corrected"), duplicates ("kept", "removed"), images,
    an accuracy an arm; of two arms change, low, high. Corrected labels leave out rejected images without an accepted class. Empty without an opinion
    and duplicates.
    """
    labels = runs[pair[0]].test.labels
    everything = np.ones(len(labels), bool)
    ways = {"as recorded": (labels, everything)}
    if opinion is not None:
        ways |= {
            "rejected removed": (labels, ~opinion.rejected),
            "corrected": (opinion.corrected, opinion.corrected != UNKNOWN),
        }
    sets = {"kept": everything} | ({} if duplicates is None else {"removed": ~duplicates})
    rows = []
    for kept, without in sets.items() if len(ways) * len(sets) > 1 else ():
        for way, (truth, usable) in ways.items():
            chosen = usable & without
            if not chosen.any():
                continue
            right = {arm: (run.test.predicted == truth)[chosen] for arm, run in runs.items()}
            rows.append(
                {"labels": way, "duplicates": kept, "images": int(chosen.sum())}
                | {arm: hit.mean() for arm, hit in right.items()}
            )
            if len(pair) == 2:
                estimate, low, high = difference_of_means(*(right[arm] for arm in pair))
                rows[-1] |= {"change": estimate, "low": low, "high": high}
    return pd.DataFrame(rows)


def view(table: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """`rescored` as it is printed: percentages, the change in points with its interval."""
    shown = table[["labels", "images"]].copy()
    if table["duplicates"].nunique() > 1:
        shown.insert(1, "near-duplicates", table["duplicates"])
    for arm in arms:
        shown[readable(arm)] = [f"{value:.1%}" for value in table[arm]]
    if "change" not in table:
        return shown
    return shown.assign(
        **{
            "change, points (95%)": [
                f"{points(row.change)} ({points(row.low)} to {points(row.high)})"
                for row in table.itertuples()
            ]
        }
    )


def numbers(
    table: pd.DataFrame,
    opinion: Opinion | None,
    duplicates,
    errors: pd.DataFrame,
    suspects: pd.DataFrame,
    arms: list[str],
    missing: list[str],
    cases: pd.DataFrame,
    class_names: list[str],
) -> dict:
    """What the report says of what is known of the test labels, by name; `errors` are those of the arm before.

    missing: the files that would tell more; cases: the selected images, of which the named ones are looked up.
    """
    sets = [
        {
            "labels": row["labels"],
            "duplicates": row["duplicates"],
            "images": row["images"],
            "accuracy": {arm: row[arm] for arm in arms},
            "change": {"estimate": row["change"], "low": row["low"], "high": row["high"]}
            if "change" in row
            else None,
        }
        for row in table.to_dict("records")
    ]
    result = {
        "missing": missing,
        "sets": sets,
        "duplicates": None if duplicates is None else int(duplicates.sum()),
        "opinion": None,
    }
    if opinion is None:
        return result
    rejected = opinion.rejected[errors["position"]]
    sure = (errors["scaled_confidence"] >= SURE).to_numpy()
    found = suspects.loc[suspects["split"] == "test", "position"].to_numpy(int)
    return result | {
        "opinion": {
            "source": opinion.source,
            "reviewed": int(opinion.reviewed.sum()),
            "rejected": int(opinion.rejected.sum()),
            "corrected": int((opinion.rejected & (opinion.corrected != UNKNOWN)).sum()),
            "errors": len(errors),
            "rejected_among_errors": share(int(rejected.sum()), len(errors)),
            "sure": SURE,
            "sure_errors": int(sure.sum()),
            "rejected_among_sure_errors": share(int((rejected & sure).sum()), int(sure.sum())),
            "suspected": {"all": len(found)}
            | score(found[opinion.reviewed[found]], np.flatnonzero(opinion.rejected)),
            "named_alike": _named_alike(suspects, opinion),
            "named": _named(cases, opinion, class_names),
        }
    }


def _named(cases: pd.DataFrame, opinion: Opinion, class_names: list[str]) -> list[dict]:
    """What the named cases show to those who looked: the recorded class unless it was rejected; None if they do not agree on one."""
    looked_at = cases[(cases["why"] == "named") & opinion.reviewed[cases["position"]]]
    right = opinion.corrected[looked_at["position"]]
    return [
        {"id": int(number), "corrected": None if label == UNKNOWN else class_names[label]}
        for number, label in zip(looked_at["id"], right)
    ]


def _named_alike(suspects: pd.DataFrame, opinion: Opinion) -> dict:
    """Of the suspected test labels that were corrected, the share for which the runs name the same class."""
    chosen = suspects[suspects["split"] == "test"]
    position = chosen["position"].to_numpy(int)
    settled = opinion.rejected[position] & (opinion.corrected[position] != UNKNOWN)
    alike = chosen["suggested_class"].to_numpy(int)[settled] == opinion.corrected[position][settled]
    return {"of": int(settled.sum())} | share(int(alike.sum()), int(settled.sum()))
