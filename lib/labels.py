"""Which recorded labels look wrong: confident learning in every run, and the runs' agreement on one other class."""

import numpy as np
import pandas as pd

from lib.base.artefacts import row_blocks
from lib.calibration import softmax
from lib.chance import grouped
from lib.columns import columns, temperature
from lib.failures import half
from lib.selective import clopper_pearson

RULE = "confident learning names one and the same other class in more than half of the runs"
NONE = -1


def thresholds(labels: np.ndarray, own: np.ndarray, classes: int) -> np.ndarray:
    """The mean probability of each class on the images labelled so, (classes,); `own`: of each image's label, (N,). Infinite without images."""
    return np.array(
        [
            np.mean(of_class) if len(of_class) else np.inf
            for of_class in grouped(own, labels, classes)
        ]
    )


def confident_learning(labels, probabilities, threshold=None) -> np.ndarray:
    """The other class that confident learning names for each image, int64 (N,); NONE where it has no doubt of the label.

    A class is confident of an image when its probability reaches the mean probability that it has on the images labelled
    so; of several such classes the likeliest counts, and none where the label is the likeliest class anyway. Northcutt, Jiang
    and Chuang 2021, https://doi.org/10.1613/jair.1.12125. From labels (N,) and out-of-sample probabilities (N, K).
    threshold: those means (K,), where the rows are not all there are.
    """
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
    """How far the label's probability is above that of the likeliest other class, from 0 to 1; 0.5 where they are equal."""
    others = np.where(
        np.arange(probabilities.shape[1]) == np.reshape(labels, (-1, 1)), -np.inf, probabilities
    )
    return (self_confidence(labels, probabilities) - others.max(1) + 1) / 2


def opinion(labels, probabilities, threshold=None) -> pd.DataFrame:
    """What a run's probabilities (N, K) say of each label: named (by confident learning), predicted, self_confidence, margin."""
    return pd.DataFrame(
        {
            "named": confident_learning(labels, probabilities, threshold),
            "predicted": probabilities.argmax(1),
            "self_confidence": self_confidence(labels, probabilities),
            "margin": normalised_margin(labels, probabilities),
        }
    )


def suspected(of_runs: list[pd.DataFrame]) -> pd.DataFrame:
    """The images whose label is suspected (RULE), most doubtful first; `of_runs` has the `opinion` of each run.

    Columns: position, suggested (class), votes (runs in which confident learning names it), agreeing (runs that predict it),
    self_confidence and margin (means over the runs). Ranked by votes, then by margin, then by position.
    """
    named, predicted = (
        np.stack([of_run[column] for of_run in of_runs]) for column in ("named", "predicted")
    )  # (runs, N)
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
    """`suspected` on val and on test, each by itself, with split, id, the classes' names, half (of test) and the number of runs."""
    parts, names = [], np.array(splits.class_names)
    for split in ("val", "test"):
        recorded = getattr(runs[0], split)
        table = suspected([opinion_of(run, split) for run in runs])
        position = table["position"].to_numpy()
        ids, of_class = recorded.index[position], table["suggested"].to_numpy(int)
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


def numbers(suspects: pd.DataFrame, runs: int, images: dict[str, int], named_ids) -> dict:
    """What the report says of suspected labels, by name. images: how many each split has; named_ids: ids of the named cases."""
    of_test = suspects[suspects["split"] == "test"]
    named = of_test[of_test["id"].isin(list(named_ids))]
    columns = [column for column in ("id", "true", "suggested", "reviewers") if column in named]
    return {
        "runs": runs,
        "splits": {
            split: {"images": size, "suspected": int((suspects["split"] == split).sum())}
            for split, size in images.items()
        },
        "unanimous": int((of_test["votes"] == runs).sum()),
        "named": named[columns].to_dict("records"),
    }


def score(found, wanted) -> dict:
    """How well a list of ids meets the ids it should hold: counts, precision and recall with 95 % Clopper-Pearson limits.

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
