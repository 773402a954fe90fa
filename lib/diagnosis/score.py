"""The check of the checker: on a phantom the causes of the real errors are planted too, so what the
spike-ins promise can be held against what is found.
"""

import numpy as np
import pandas as pd

from lib.base.text import name, readable, with_limits
from lib.diagnosis import verdict
from lib.diagnosis.confusion import by_source, interval, measures, resampled
from lib.diagnosis.judgement import Judgement
from lib.diagnosis.rule import confusions
from lib.diagnosis.verdict import CAUSES

FOUND, RIGHT, SHARE = "found", "verdict right", "share of errors"
# measure and cause of each row, by the name of what it is computed from
ROWS = (
    {f"recall {cause}": (FOUND, cause) for cause in CAUSES[:-1]}
    | {"macro recall": (FOUND, "mean of causes"), "called": (FOUND, "nothing called something")}
    | {f"precision {cause}": (RIGHT, cause) for cause in CAUSES[:-1]}
    | {f"share {cause}": (SHARE, cause) for cause in CAUSES}
)


def agreement(
    judged: Judgement, split, predicted: np.ndarray, chosen=(), seed: int = 0
) -> pd.DataFrame:
    """What the spike-ins promise beside what the phantom's planted causes give, a row a measure and
    cause: how often each cause is found, how often its verdict is right at the corrected mix, and
    its share.

    split: the phantom's test split; predicted: of every image of it; chosen: positions that were
    not drawn at random, left out. Columns promised, found and difference (found less promised),
    each with 95 % bootstrap limits; agree: whether the limits of the difference hold 0, None where
    nothing was promised or found; errors: how many the row is of. These are over the errors whose
    planted cause points at the predicted class, shares over all; all found and all errors: the
    second count, over all errors, whatever was predicted."""
    known = verdict.planted(split, judged.position, predicted[judged.position])
    drawn = ~np.isin(judged.position, np.asarray(chosen))
    promised = _promised(judged, seed)
    # the mean is over the causes that the rule knows, on either side
    knows = [cause for cause in CAUSES[:-1] if not np.isnan(promised[f"recall {cause}"][0])]
    acting, every = (
        _planted(judged, known, of, knows, seed + 1)
        for of in (drawn & known["acts"].to_numpy(), drawn)
    )
    rows = []
    for row, (measure, cause) in ROWS.items():
        of_all, of_alls, all_errors = every[row]
        # shares are promised of all errors
        found, founds, errors = (every if measure == SHARE else acting)[row]
        hoped, hopes = promised[row]
        apart = interval(found - hoped, founds - hopes)
        agree = None if np.isnan(found - hoped) else not (apart["low"] > 0 or apart["high"] < 0)
        rows.append(
            {"measure": measure, "cause": cause, "errors": errors}
            | _limits("promised", interval(hoped, hopes))
            | _limits("found", interval(found, founds))
            | _limits("difference", apart)
            | {"agree": agree, "all errors": all_errors}
            | _limits("all found", interval(of_all, of_alls))
        )
    return pd.DataFrame(rows)


def _promised(judged: Judgement, seed: int) -> dict[str, tuple]:
    """Estimate and draws of each row by the planted errors."""
    spiked = confusions(judged.rule, judged.spiked.cause, judged.spiked.source)
    found, drawn = measures(spiked.sum(0)[None]), measures(resampled(spiked, seed))
    promised = {name: (found[name][0], drawn[name]) for name in found}
    mix = judged.mixture
    for place, cause in enumerate(CAUSES):
        unknown = 0.0 if cause in mix.trusted else np.nan
        promised[f"precision {cause}"] = (
            mix.precision[place] + unknown,
            mix.drawn_precision[:, place] + unknown,
        )
        promised[f"share {cause}"] = mix.shares[place] + unknown, mix.drawn[:, place] + unknown
    return promised


def _planted(
    judged: Judgement, known: pd.DataFrame, of: np.ndarray, knows: list[str], seed: int
) -> dict[str, tuple]:
    """Estimate, draws and number of errors of each row by what was planted into the errors `of`;
    knows: the causes that the rule knows."""
    called = judged.verdicts["verdict"].to_numpy()
    truth = by_source(known["planted"].to_numpy()[of], called[of], judged.position[of])
    table, draws = truth.sum(0), resampled(truth, seed)
    found, drawn = measures(table[None], knows), measures(draws, knows)
    size = {"macro recall": table[list(map(CAUSES.index, knows))].sum(), "called": table[-1].sum()}
    for place, cause in enumerate(CAUSES):
        size |= {f"recall {cause}": table[place].sum(), f"precision {cause}": table[:, place].sum()}
        size[f"share {cause}"] = total = table.sum()
        found[f"share {cause}"] = [table[place].sum() / max(total, 1)]
        drawn[f"share {cause}"] = draws[:, place].sum(1) / max(total, 1)
    return {name: (found[name][0], drawn[name], int(size[name])) for name in ROWS}


def checked(judged: Judgement | None, run, splits, chosen=()) -> pd.DataFrame | None:
    """`agreement` of a run on a phantom; None for other data, and where nothing was judged."""
    if judged is None or judged.verdicts is None or splits.test.planted is None:
        return None
    if np.isin(judged.position, np.asarray(chosen)).all():
        return None
    return agreement(judged, splits.test, run.test.predicted, chosen)


def _limits(name: str, entry: dict) -> dict:
    return {name: entry["estimate"], f"{name} low": entry["low"], f"{name} high": entry["high"]}


def agreement_view(table: pd.DataFrame) -> pd.DataFrame:
    """`agreement` as it is printed: shares with their limits, a row a cause."""

    def shown(what: str) -> list[str | None]:
        limits = table[[what, f"{what} low", f"{what} high"]].to_numpy(float)
        return [None if np.isnan(row).any() else with_limits(*row) for row in limits]

    return pd.DataFrame(
        {
            "measure": table["measure"],
            "cause": [readable(cause) for cause in table["cause"]],
            "planted errors promise (95%)": shown("promised"),
            "errors": table["errors"],
            "on its errors (95%)": shown("found"),
            "agree": [{True: "yes", False: "no"}.get(agree) for agree in table["agree"]],
            "all errors": table["all errors"],
            "on all errors (95%)": shown("all found"),
        }
    )


def agreement_caption(arm: str) -> str:
    return (
        f"The check of the checker, {name(arm)}: how often each cause is found, how often its "
        "verdict is right, and its share, as the planted errors promise it and on the phantom's "
        "own errors, whose causes are known; with 95% bootstrap intervals. They agree where the "
        "interval of their difference holds 0. Errors: those whose cause points at the predicted "
        "class, or for a share all that were read; all errors: whatever was predicted, so that the "
        "planted cause need not be why."
    )
