"""How bad the errors are: within the superclass or beyond it, how sure, and which classes are taken
for one another."""

import numpy as np
import pandas as pd

from lib.evaluation import scope
from lib.evaluation.failures import chance_within_superclass
from lib.evaluation.labels import share
from lib.evaluation.paired import paired_bootstrap
from lib.evaluation.selective import clopper_pearson

# edges of confidence after temperature scaling; a band is (low, high]
BANDS = (0.0, 0.3, 0.5, 0.7, 0.9, 1.0)

LEGIBLE = 200  # classes of which single cells can still be seen on a page


def has_superclasses(superclass: np.ndarray) -> bool:
    """Whether superclass (K,) tells some classes apart and joins others."""
    return 1 < len(np.unique(superclass)) < len(superclass)


def within_by_confidence(errors: pd.DataFrame, chance: float) -> pd.DataFrame:
    """Share of errors inside the true superclass by band of confidence, with 95 % Clopper-Pearson
    limits.

    errors: lib.evaluation.failures.errors; chance: the share of errors at random. Columns: low,
    high (of the band), errors, within, share (NaN without errors), share_low, share_high, chance.
    """
    band = np.clip(
        np.searchsorted(BANDS, errors["scaled_confidence"], side="left") - 1, 0, len(BANDS) - 2
    )
    inside = (errors["true_superclass"] == errors["predicted_superclass"]).to_numpy()
    count, within = (
        np.bincount(band, weights, len(BANDS) - 1).astype(int) for weights in (None, inside)
    )
    low, high = clopper_pearson(within, count)
    return pd.DataFrame(
        {
            "low": BANDS[:-1],
            "high": BANDS[1:],
            "errors": count,
            "within": within,
            "share": within / np.where(count, count, np.nan),
            "share_low": low,
            "share_high": high,
            "chance": chance,
        }
    )


def within_trend(errors: pd.DataFrame) -> dict:
    """Whether errors stay inside the true superclass the more often, the more confident they are
    after temperature scaling: lib.evaluation.scope.trend over all of them."""
    inside = (errors["true_superclass"] == errors["predicted_superclass"]).to_numpy()
    return scope.trend(inside, errors["scaled_confidence"])


def distance_of_errors(far: np.ndarray) -> float:
    """The mean of superclass distances (N,) over the errors alone: what is left of it when accuracy
    is taken away. NaN without any."""
    return float(far[far > 0].mean()) if far.any() else float("nan")


def chances(tables: dict[str, pd.DataFrame]) -> list[float]:
    """The different chances of the arms (`within_by_confidence`) that make errors, of all where
    none does."""
    made = [table for table in tables.values() if table["errors"].any()]
    return list(dict.fromkeys(float(table["chance"].iloc[0]) for table in made or tables.values()))


def distance(labels: np.ndarray, predicted: np.ndarray, superclass: np.ndarray) -> np.ndarray:
    """Superclass distance of each prediction (N,): 0 right, 1 another class of the true superclass,
    2 beyond it.

    The height of the lowest common ancestor in the tree of classes, superclasses and one root
    (Bertinetto et al. 2020, https://arxiv.org/abs/1912.09393).
    """
    return np.where(
        labels == predicted, 0, np.where(superclass[labels] == superclass[predicted], 1, 2)
    )


def confused_pairs(errors: pd.DataFrame, count: int = 10) -> pd.DataFrame:
    """The `count` pairs of classes with the most errors, both directions added: class, other, the
    errors each way, errors, share (of all errors), same superclass. Equal counts by name."""
    pair = np.sort(errors[["true", "predicted"]].to_numpy(str), axis=1)
    table = pd.DataFrame(
        {
            "class": pair[:, 0],
            "other": pair[:, 1],
            "forth": (errors["true"] == pair[:, 0]).to_numpy(int),
            "inside": (errors["true_superclass"] == errors["predicted_superclass"]).to_numpy(),
        }
    )
    found = table.groupby(["class", "other"], as_index=False).agg(
        forth=("forth", "sum"), errors=("forth", "size"), same=("inside", "first")
    )
    found = found.sort_values(["errors", "class", "other"], ascending=[False, True, True]).head(
        count
    )
    return pd.DataFrame(
        {
            "class": found["class"],
            "other": found["other"],
            "class taken for other": found["forth"],
            "other taken for class": found["errors"] - found["forth"],
            "errors": found["errors"],
            "share": found["errors"] / max(len(errors), 1),
            "same superclass": found["same"].map({True: "yes", False: "no"}),
        }
    ).reset_index(drop=True)


def confusion(labels: np.ndarray, predicted: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Share of the images of each class (row) that are taken for each class (column), (K, K);
    `order` has the class numbers."""
    classes = len(order)
    counts = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(
        classes, classes
    )[np.ix_(order, order)]
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def confusions(
    runs: dict, splits
) -> tuple[dict[str, np.ndarray], list[str], list[tuple[str, int]]]:
    """What lib.report.failures.confusion_figure draws: each arm's matrix, classes ordered by
    superclass, their names, and the blocks.

    More than LEGIBLE classes are joined into their superclasses, where there are any.
    """
    groups, classes = splits.superclass, len(splits.class_names)
    grouped = has_superclasses(groups)
    if grouped and classes > LEGIBLE:
        names, of_class = splits.superclass_names, groups
        order, blocks = np.arange(len(names)), []
    else:
        order, of_class = (
            np.argsort(groups, kind="stable") if grouped else np.arange(classes),
            np.arange(classes),
        )
        names = [splits.class_names[number] for number in order]
        present, sizes = np.unique(groups, return_counts=True)
        blocks = (
            [(splits.superclass_names[group], int(size)) for group, size in zip(present, sizes)]
            if grouped
            else []
        )
    matrices = {
        arm: confusion(of_class[run.test.labels], of_class[run.test.predicted], order)
        for arm, run in runs.items()
    }
    return matrices, names, blocks


def confusion_table(matrices: dict[str, np.ndarray], names: list[str]) -> pd.DataFrame:
    """The cells of the matrices off the diagonal in which an arm has errors: classes and shares,
    the largest first."""
    true, predicted = np.nonzero(sum(matrices.values()) * (1 - np.eye(len(names))))
    table = pd.DataFrame(
        {
            "true": np.array(names, object)[true],
            "predicted": np.array(names, object)[predicted],
            **{arm: matrix[true, predicted] for arm, matrix in matrices.items()},
        }
    )
    return table.iloc[
        np.argsort(-table[list(matrices)].max(axis=1).to_numpy(), kind="stable")
    ].reset_index(drop=True)


def _change(mean, of_pair: list[np.ndarray]) -> dict | None:
    """How much a mean of distances (N,) differs between two arms, images drawn together."""
    if len(of_pair) < 2:
        return None
    return paired_bootstrap(lambda a, b: mean(b) - mean(a), *of_pair)._asdict()


def severity_numbers(
    runs: dict, tables: dict[str, pd.DataFrame], pair: tuple[str, ...], superclass: np.ndarray
) -> dict | None:
    """What the report says about severity, by name, with the change where `pair` is two arms; None
    for classes without superclasses.

    runs: arm to one run.
    """
    if not has_superclasses(superclass):
        return None
    far = {
        arm: distance(run.test.labels, run.test.predicted, superclass) for arm, run in runs.items()
    }
    arms, of_pair = {}, [far[arm] for arm in pair]
    change, of_errors = (_change(mean, of_pair) for mean in (np.mean, distance_of_errors))
    for arm, table in tables.items():
        wrong, labels = table[~table["correct"]], runs[arm].test.labels
        chance = chance_within_superclass(superclass, labels[labels != runs[arm].test.predicted])
        arms[arm] = {
            "errors": len(wrong),
            "within": share(int((far[arm] == 1).sum()), len(wrong)),
            "chance": chance,
            "distance": far[arm].mean(),
            "chance_distance": 2 - chance,
            "distance_of_errors": distance_of_errors(far[arm]) if len(wrong) else None,
            "bands": within_by_confidence(wrong, chance).to_dict("records"),
            "trend": within_trend(wrong),
        }
    return {
        "superclasses": len(np.unique(superclass)),
        "arms": arms,
        "distance_change": change,
        "distance_of_errors_change": of_errors,
    }
