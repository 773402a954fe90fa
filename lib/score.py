"""How good is the instrument? Diagnosed causes against the phantom's planted ones."""

import numpy as np
import pandas as pd

from lib.base.text import readable
from lib.evaluation.paired import Interval
from lib.verdict import CAUSES

DRAWS = 2000


def confusion(errors: pd.DataFrame) -> pd.DataFrame:
    """Counts of errors: a row for each planted cause, a column for each diagnosed one. `errors` has planted and verdict."""
    counts = pd.crosstab(errors["planted"], errors["verdict"]).reindex(
        index=CAUSES, columns=CAUSES, fill_value=0
    )
    return counts.rename_axis(index="planted", columns="diagnosed")


def score(errors: pd.DataFrame, seed: int = 0) -> dict:
    """Recall and precision of every cause, and the mean recall of the four causes, each with a 95% bootstrap interval.

    errors: planted, verdict and phantom, the phantom that each error is from. Phantoms are drawn with replacement, then the errors
    of each: the interval covers the choice of both. `called` is the share of errors without an acting cause that got one.
    """
    parts = [of_phantom for _, of_phantom in errors.groupby("phantom", sort=False)] or [errors]
    counts = np.stack([confusion(of_phantom).to_numpy() for of_phantom in parts])  # (P, C, C)
    generator, size = np.random.default_rng(seed), counts.sum((1, 2))
    chosen = generator.integers(
        len(counts), size=(DRAWS, max(len(counts) - 1, 1))
    )  # one fewer: all of them would be too narrow
    share = (counts / np.maximum(size, 1)[:, None, None]).reshape(len(counts), -1)
    drawn = (
        generator.multinomial(size[chosen], share[chosen]).sum(1).reshape(DRAWS, *counts.shape[1:])
    )
    found, drawn = _measures(counts.sum(0)[None]), _measures(drawn)
    return {name: _interval(found[name][0], drawn[name]) for name in found}


def _measures(counts: np.ndarray) -> dict[str, np.ndarray]:
    """By name, each (draws,), from counts (draws, planted, diagnosed); NaN where nothing was planted or diagnosed."""

    def divide(part, whole):
        return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)

    hit = np.diagonal(counts, axis1=1, axis2=2)  # (draws, causes)
    recall = {
        cause: divide(hit[:, place], counts[:, place].sum(1)) for place, cause in enumerate(CAUSES)
    }
    precision = {
        cause: divide(hit[:, place], counts[:, :, place].sum(1))
        for place, cause in enumerate(CAUSES)
    }
    return (
        {f"recall {cause}": value for cause, value in recall.items()}
        | {f"precision {cause}": value for cause, value in precision.items()}
        | {
            "macro recall": np.mean([recall[cause] for cause in CAUSES[:-1]], axis=0),
            "called": 1 - recall[CAUSES[-1]],
        }
    )


def _interval(estimate: float, drawn: np.ndarray) -> dict:
    drawn = drawn[~np.isnan(drawn)]
    ends = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (np.nan, np.nan)
    return Interval(float(estimate), *map(float, ends))._asdict()


def view(counts: pd.DataFrame, found: dict) -> pd.DataFrame:
    """The confusion matrix as it is printed, with the recall of each row and, in the last row, the precision of each column."""

    def share(entry):
        return (
            None
            if np.isnan(entry["estimate"])
            else f"{entry['estimate']:.0%} ({entry['low']:.0%} to {entry['high']:.0%})"
        )

    table = counts.rename(index=readable, columns=readable).reset_index()
    table["recall (95%)"] = [share(found[f"recall {cause}"]) for cause in CAUSES]
    last = {
        "planted": "precision (95%)",
        **{readable(cause): share(found[f"precision {cause}"]) for cause in CAUSES},
    }
    return pd.concat([table.astype(object), pd.DataFrame([last])], ignore_index=True)
