"""How often a cause is found, and how often a verdict is right: what a table of planted against
diagnosed causes says, with intervals."""

import numpy as np
import pandas as pd

from lib.diagnosis.verdict import CAUSES
from lib.evaluation.paired import Interval

DRAWS = 2000


def by_source(planted, called, source) -> np.ndarray:
    """Counts (sources, causes, causes) of planted against called causes, a table a source
    picture."""
    places = [pd.Categorical(names, CAUSES).codes for names in (planted, called)]
    sources, row = np.unique(source, return_inverse=True)
    counts = np.zeros((len(sources), len(CAUSES), len(CAUSES)))
    np.add.at(counts, (row, *places), 1)
    return counts


def resampled(counts: np.ndarray, seed: int = 0, draws: int = DRAWS) -> np.ndarray:
    """Summed counts (draws, causes, causes) of as many sources, drawn with replacement: errors of
    one source picture are no independent witnesses."""
    sources = len(counts)
    if not sources:
        return np.zeros((draws, *counts.shape[1:]))
    weights = np.random.default_rng(seed).multinomial(sources, np.full(sources, 1 / sources), draws)
    return (weights @ counts.reshape(sources, -1)).reshape(draws, *counts.shape[1:])


def measures(counts: np.ndarray, causes=CAUSES[:-1]) -> dict[str, np.ndarray]:
    """Recall and precision of every cause, macro recall, the mean of those of `causes` that were
    planted, and `called`, the share of nothing that is called something: by name, each (draws,),
    from counts (draws, planted, diagnosed). NaN where nothing was planted or diagnosed."""

    def divide(part, whole):
        return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)

    hit = np.diagonal(counts, axis1=1, axis2=2)  # (draws, causes)
    recall = {
        cause: divide(hit[:, place], counts[:, place].sum(1)) for place, cause in enumerate(CAUSES)
    }
    of = np.stack([recall[cause] for cause in causes])
    precision = {
        cause: divide(hit[:, place], counts[:, :, place].sum(1))
        for place, cause in enumerate(CAUSES)
    }
    return (
        {f"recall {cause}": value for cause, value in recall.items()}
        | {f"precision {cause}": value for cause, value in precision.items()}
        | {
            "macro recall": divide(np.nansum(of, 0), (~np.isnan(of)).sum(0)),
            "called": 1 - recall[CAUSES[-1]],
        }
    )


def interval(estimate: float, drawn: np.ndarray) -> dict:
    """An estimate with the middle 95 % of what was drawn."""
    drawn = drawn[~np.isnan(drawn)]
    ends = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (np.nan, np.nan)
    return Interval(float(estimate), *map(float, ends))._asdict()
