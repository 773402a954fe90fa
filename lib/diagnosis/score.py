"""The check of the checker: on a phantom the causes of the real errors are planted too, so what the
spike-ins promise can be held against what is found.
"""

import numpy as np
import pandas as pd

from lib.base.text import listed, name, readable, with_limits
from lib.diagnosis import verdict
from lib.diagnosis.confusion import by_source, interval, measures, resampled
from lib.diagnosis.judgement import Judgement
from lib.diagnosis.rule import confusions
from lib.diagnosis.verdict import CAUSES

# what a table calls the measures that are of no single cause
OVERALL = {"macro recall": "mean of four", "called": "nothing called something"}


def agreement(
    judged: Judgement, split, predicted: np.ndarray, chosen=(), seed: int = 0
) -> pd.DataFrame:
    """Recall of every cause as the spike-ins estimate it and as the phantom's planted causes give
    it, over the errors whose cause acts; one row a cause, with the mean and "nothing called
    something" last.

    split: the phantom's test split; predicted: of every image of it; chosen: positions that were
    not drawn at random, left out. Columns promised, found and difference (found less promised),
    each with 95 % bootstrap limits, and errors; agree: whether the limits of the difference hold 0;
    all found and all errors: the second count, which takes in the errors whose predicted class is
    not the one that the planted cause points at."""
    known = verdict.planted(split, judged.position, predicted[judged.position])
    drawn = ~np.isin(judged.position, np.asarray(chosen))
    spiked = confusions(judged.rule, judged.spiked.cause, judged.spiked.source)
    tables = [spiked, *(_truth(judged, known, of) for of in (drawn & known["acts"], drawn))]
    estimates = [measures(counts.sum(0)[None]) for counts in tables]
    draws = [measures(resampled(counts, seed + n)) for n, counts in enumerate(tables)]
    acting, every = (_errors(counts) for counts in tables[1:])
    rows = []
    for measure, shown in ({f"recall {cause}": cause for cause in CAUSES[:-1]} | OVERALL).items():
        promised, found, of_all = (one[measure][0] for one in estimates)
        apart = interval(found - promised, draws[1][measure] - draws[0][measure])
        rows.append(
            {"cause": shown, "errors": acting[shown]}
            | _limits("promised", interval(promised, draws[0][measure]))
            | _limits("found", interval(found, draws[1][measure]))
            | _limits("difference", apart)
            | {"agree": not (apart["low"] > 0 or apart["high"] < 0), "all errors": every[shown]}
            | _limits("all found", interval(of_all, draws[2][measure]))
        )
    return pd.DataFrame(rows)


def checked(judged: Judgement | None, run, splits, chosen=()) -> pd.DataFrame | None:
    """`agreement` of a run on a phantom; None for other data, and where nothing was judged."""
    if judged is None or judged.verdicts is None or splits.test.planted is None:
        return None
    if np.isin(judged.position, np.asarray(chosen)).all():
        return None
    return agreement(judged, splits.test, run.test.predicted, chosen)


def _truth(judged: Judgement, known: pd.DataFrame, of: np.ndarray) -> np.ndarray:
    """Counts (errors, causes, causes) of planted against called causes."""
    called = judged.verdicts["verdict"].to_numpy()
    return by_source(known["planted"].to_numpy()[of], called[of], judged.position[of])


def _errors(counts: np.ndarray) -> dict[str, int]:
    """How many errors each row of the table is about."""
    planted = dict(zip(CAUSES, counts.sum((0, 2)).astype(int).tolist()))
    nothing = planted.pop(CAUSES[-1])
    return planted | dict(zip(OVERALL.values(), (sum(planted.values()), nothing)))


def _limits(name: str, entry: dict) -> dict:
    return {name: entry["estimate"], f"{name} low": entry["low"], f"{name} high": entry["high"]}


def agreement_view(table: pd.DataFrame) -> pd.DataFrame:
    """`agreement` as it is printed: shares with their limits, a row a cause."""

    def shown(what: str) -> list[str | None]:
        limits = table[[what, f"{what} low", f"{what} high"]].to_numpy(float)
        return [None if np.isnan(row).any() else with_limits(*row) for row in limits]

    agrees = [("no", "yes")[row.agree] if row.errors else None for row in table.itertuples()]
    return pd.DataFrame(
        {
            "cause": [readable(cause) for cause in table["cause"]],
            "planted errors promise (95%)": shown("promised"),
            "errors": table["errors"],
            "found (95%)": shown("found"),
            "agree": agrees,
            "all errors": table["all errors"],
            "found of all (95%)": shown("all found"),
        }
    )


def agreement_caption(arm: str) -> str:
    return (
        f"The check of the checker, {name(arm)}: how often each cause is found, as the planted "
        "errors promise it and on the phantom's own errors, whose causes are known; with 95% "
        "bootstrap intervals. They agree where the interval of their difference holds 0. Errors: "
        "those whose cause points at the predicted class; all errors: whatever was predicted, so "
        "that the planted cause need not be why."
    )


def agreement_text(table: pd.DataFrame) -> str:
    """Whether the spike-ins promise what is found, and where not, which way they err."""
    apart = table[~table["agree"]]
    if not len(apart):
        return "What the planted errors promise and what is found on the phantom agree."
    said = [
        f"{readable(row.cause)} {'more' if row.difference > 0 else 'less'} often than promised "
        f"({row.found:.0%} against {row.promised:.0%})"
        for row in apart.itertuples()
    ]
    return f"Against the phantom's own causes it finds {listed(said)}."
