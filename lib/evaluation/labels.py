"""Which recorded labels look wrong: confident learning in every run, and the runs' agreement on one
other class. And accuracy once more on what is known of the labels from elsewhere: without wrong
ones, with them corrected, without near-duplicates.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.base.artefacts import row_blocks
from lib.base.text import points, readable
from lib.data import label_reviews
from lib.evaluation import scope
from lib.evaluation.calibration import softmax
from lib.evaluation.failures import PERSISTENCE, half
from lib.evaluation.paired import difference_of_means
from lib.evaluation.per_image import columns, temperature
from lib.evaluation.selective import clopper_pearson
from lib.evaluation.significance import grouped

RULE = "confident learning names one and the same other class in more than half of the runs"
NONE = -1


def thresholds(labels: np.ndarray, own: np.ndarray, classes: int) -> np.ndarray:
    """The mean probability of each class on the images labelled so, (classes,); `own`: of each
    image's label, (N,). Infinite without images."""
    return np.array(
        [
            np.mean(of_class) if len(of_class) else np.inf
            for of_class in grouped(own, labels, classes)
        ]
    )


def confident_learning(labels, probabilities, threshold=None) -> np.ndarray:
    """The other class that confident learning names for each image, int64 (N,); NONE where it has
    no doubt of the label.

    A class is confident of an image when its probability reaches the mean probability that it has
    on the images labelled so; where several do, the likeliest class of all counts; none where the
    label is the likeliest class anyway. Northcutt, Jiang and Chuang 2021,
    https://doi.org/10.1613/jair.1.12125. From labels (N,) and out-of-sample probabilities (N, K).
    threshold: those means (K,), where the rows are not all there are."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if threshold is None:
        threshold = thresholds(
            labels, probabilities[np.arange(len(labels)), labels], probabilities.shape[1]
        )
    confident = probabilities >= threshold - 1e-6
    likeliest = probabilities.argmax(1)
    named = np.where(confident.sum(1) > 1, likeliest, confident.argmax(1))
    return np.where(confident.any(1) & (named != labels) & (likeliest != labels), named, NONE)


def self_confidence(labels, probabilities) -> np.ndarray:
    """The probability of the recorded label, (N,): low where the label is doubtful."""
    return probabilities[np.arange(len(labels)), labels]


def normalised_margin(labels, probabilities) -> np.ndarray:
    """How far the label's probability is above that of the likeliest other class, from 0 to 1; 0.5
    where they are equal."""
    others = np.where(
        np.arange(probabilities.shape[1]) == np.reshape(labels, (-1, 1)), -np.inf, probabilities
    )
    return (self_confidence(labels, probabilities) - others.max(1) + 1) / 2


def opinion(labels, probabilities, threshold=None) -> pd.DataFrame:
    """What a run's probabilities (N, K) say of each label: named (by confident learning),
    predicted, self_confidence, margin."""
    return pd.DataFrame(
        {
            "named": confident_learning(labels, probabilities, threshold),
            "predicted": probabilities.argmax(1),
            "self_confidence": self_confidence(labels, probabilities),
            "margin": normalised_margin(labels, probabilities),
        }
    )


def suspected(of_runs: list[pd.DataFrame]) -> pd.DataFrame:
    """The images whose label is suspected (RULE), most doubtful first; `of_runs` has the `opinion`
    of each run.

    Columns: position, suggested (class), votes (runs in which confident learning names it),
    agreeing (runs that predict it), self_confidence and margin (means over the runs). Ranked by
    votes, then by margin, then by position."""
    # (runs, N)
    named, predicted = (
        np.stack([of_run[column] for of_run in of_runs]) for column in ("named", "predicted")
    )
    votes = (named[:, None] == named[None]).sum(1)  # how many runs name what this run names
    first, image = np.where(named == NONE, 0, votes).argmax(0), np.arange(named.shape[1])
    suggested, votes = named[first, image], votes[first, image]
    table = pd.DataFrame(
        {
            "position": image,
            "suggested": suggested,
            "votes": votes,
            "agreeing": (predicted == suggested).sum(0),
            **{
                column: np.mean([of_run[column] for of_run in of_runs], axis=0)
                for column in ("self_confidence", "margin")
            },
        }
    )
    chosen = table[(suggested != NONE) & (2 * votes > len(of_runs))]
    return chosen.sort_values(
        ["votes", "margin", "position"], ascending=[False, True, True], ignore_index=True
    )


def opinion_of(run, split: str) -> pd.DataFrame:
    """A run's `opinion` on val or test, after temperature scaling fitted on val."""
    part, fitted = getattr(run, split), temperature(run)
    threshold = thresholds(part.labels, columns(part, fitted).true, part.logits.shape[1])
    return pd.concat(
        [
            opinion(part.labels[rows], softmax(logits, fitted), threshold)
            for rows, logits in row_blocks(part.logits)
        ],
        ignore_index=True,
    )


def suspected_in(runs: list, splits) -> pd.DataFrame:
    """`suspected` on val and on test, each by itself, with split, id, the classes' names, half (of
    test) and the number of runs, copies of one counted once."""
    runs = list(scope.distinct(dict(enumerate(runs))).values())
    parts, names = [], np.array(splits.class_names)
    for split in ("val", "test"):
        recorded = getattr(runs[0], split)
        table = suspected([opinion_of(run, split) for run in runs])
        position = table["position"].to_numpy()
        ids, of_class = recorded.ids[position], table["suggested"].to_numpy(int)
        of_split = {
            "split": split,
            "position": position,
            "id": ids,
            "half": half(ids) if split == "test" else "",
            "true": names[recorded.labels[position]],
            "suggested": names[of_class],
            "suggested_class": of_class,
        }
        parts.append(
            pd.DataFrame(of_split).assign(
                runs=len(runs), **table[["votes", "agreeing", "self_confidence", "margin"]]
            )
        )
    return pd.concat(parts, ignore_index=True)


def label_numbers(suspects: pd.DataFrame, runs: list, images: dict[str, int], named_ids) -> dict:
    """What the report says of suspected labels, by name. runs: of all arms, of which copies count
    once; images: how many each split has; named_ids: ids of the named cases."""
    number = len(scope.distinct(dict(enumerate(runs))))
    of_test = suspects[suspects["split"] == "test"]
    named = of_test[of_test["id"].isin(list(named_ids))]
    columns = [column for column in ("id", "true", "suggested", "reviewers") if column in named]
    return {
        "runs": number,
        "splits": {
            split: {"images": size, "suspected": int((suspects["split"] == split).sum())}
            for split, size in images.items()
        },
        "unanimous": int((of_test["votes"] == number).sum()),
        "named": named[columns].to_dict("records"),
    }


def list_score(found, wanted) -> dict:
    """How well a list of ids meets the ids it should hold: counts, precision and recall with 95 %
    Clopper-Pearson limits.

    A share without anything to count is None.
    """
    found, wanted = set(map(int, found)), set(map(int, wanted))
    hits = len(found & wanted)
    return {
        "found": len(found),
        "wanted": len(wanted),
        "hits": hits,
        "precision": share(hits, len(found)),
        "recall": share(hits, len(wanted)),
    }


def share(part: int, whole: int) -> dict:
    """part / whole with its 95 % Clopper-Pearson limits; the estimate is None when `whole` is 0."""
    low, high = clopper_pearson(part, whole)
    return {"estimate": part / whole if whole else None, "low": float(low), "high": float(high)}


# Accuracy once more: without the test labels that are known to be wrong, with them corrected,
# without near-duplicates.


UNKNOWN = -1
SURE = 0.9  # confidence after temperature scaling from which an error counts as sure


@dataclass(frozen=True)
class Opinion:
    """What is known of the test labels from elsewhere, arrays (N,) over the test split.

    reviewed: somebody looked, nothing is known of the others; rejected: the recorded label is wrong
    or not the only one; corrected: the right class, the recorded one where it was not rejected,
    UNKNOWN where none was accepted. words: the same in words, "" where nobody looked; source:
    "reviewers" or "planted"."""

    reviewed: np.ndarray
    rejected: np.ndarray
    corrected: np.ndarray
    words: np.ndarray
    source: str


def known(splits) -> tuple[Opinion | None, np.ndarray | None]:
    """The opinion on the test labels and which test images (N,) have a near-duplicate; None for
    what nobody knows.

    The phantom knows its planted label errors; for CIFAR-100 the files of lib.data.label_reviews
    are looked up."""
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


def missing(splits) -> list[str]:
    """The files that would tell more of these labels and do not stand in the data folder."""
    return label_reviews.missing() if splits.name == "cifar100" else []


def _in_words(row, names: list[str]) -> str:
    """What five reviewers said of one label: "crab (5 of 5)"."""
    if row.verdict == "no majority":
        return row.verdict
    said = {"given": names[row.given], "guessed": names[row.guessed]}.get(row.verdict, row.verdict)
    return f"{readable(said)} ({row.votes} of 5)"


def annotate(suspects: pd.DataFrame, opinion: Opinion | None) -> pd.DataFrame:
    """`suspected_in` with what is known of each test label, in words, in a
    column named for the source."""
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
    """Accuracy of every arm on every set of test images, and where `pair` is two arms the second
    minus the first with its paired 95 % interval.

    runs: arm to one run. A row a set: labels ("as recorded", "rejected removed", "corrected"),
    duplicates ("kept", "removed"), images, an accuracy an arm; of two arms change, low, high.
    Corrected labels leave out rejected images without an accepted class. Empty without an opinion
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


def rescored_view(table: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
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


def rescored_numbers(
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
    """What the report says of what is known of the test labels, by name; `errors` are those of the
    arm before.

    missing: the files that would tell more; cases: the selected images, of which the named ones are
    looked up one by one, and left out of what the suspicion is worth: they were chosen."""
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
    chosen = cases.loc[cases["why"] == "named", "position"].to_numpy(int)
    counted = np.setdiff1d(np.flatnonzero(opinion.reviewed), chosen)
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
            | list_score(
                np.intersect1d(found, counted),
                np.intersect1d(np.flatnonzero(opinion.rejected), counted),
            ),
            "by_persistence": rejected_by_persistence(
                errors[~errors["position"].isin(chosen)], opinion
            ),
            "named_alike": _named_alike(suspects[~suspects["position"].isin(chosen)], opinion),
            "named": _named(cases, opinion, class_names),
        }
    }


def rejected_by_persistence(errors: pd.DataFrame, opinion: Opinion) -> dict | None:
    """Of the errors of each kind of lib.evaluation.failures.PERSISTENCE that somebody looked at,
    the share whose label was rejected, and how many they are; None where no other seed can tell."""
    if "persistence" not in errors or not (errors["persistence"] != "").any():
        return None
    looked_at = errors[opinion.reviewed[errors["position"]]]
    result = {}
    for kind in PERSISTENCE:
        rejected = opinion.rejected[looked_at.loc[looked_at["persistence"] == kind, "position"]]
        result[kind] = {"errors": len(rejected)} | share(int(rejected.sum()), len(rejected))
    return result


def _named(cases: pd.DataFrame, opinion: Opinion, class_names: list[str]) -> list[dict]:
    """What the named cases show to those who looked: the recorded class unless it was rejected;
    None if they do not agree on one."""
    looked_at = cases[(cases["why"] == "named") & opinion.reviewed[cases["position"]]]
    right = opinion.corrected[looked_at["position"]]
    return [
        {"id": number, "corrected": None if label == UNKNOWN else class_names[label]}
        for number, label in zip(looked_at["id"], right)
    ]


def _named_alike(suspects: pd.DataFrame, opinion: Opinion) -> dict:
    """Of the suspected test labels that were corrected, the share for which the runs name the same
    class."""
    chosen = suspects[suspects["split"] == "test"]
    position = chosen["position"].to_numpy(int)
    settled = opinion.rejected[position] & (opinion.corrected[position] != UNKNOWN)
    alike = chosen["suggested_class"].to_numpy(int)[settled] == opinion.corrected[position][settled]
    return {"of": int(settled.sum())} | share(int(alike.sum()), int(settled.sum()))
