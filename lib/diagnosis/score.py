"""How good is the instrument? Diagnosed causes against the phantom's planted ones, and suspected
label errors against human reviewers where there are some.
"""

import numpy as np
import pandas as pd

from lib.base import artefacts
from lib.base.text import listed, readable
from lib.data import dataset
from lib.diagnosis import verdict
from lib.diagnosis.confusion import (
    DRAWS,
    by_source,
    confusion,
    interval,
    measures,
    resampled,
)
from lib.diagnosis.evidence import examine
from lib.diagnosis.rule import confusions
from lib.diagnosis.stage import side_by_side, verdict_table
from lib.diagnosis.verdict import CAUSES, sentence
from lib.evaluation import labels
from lib.evaluation.failures import half
from lib.training import record


def score(errors: pd.DataFrame, seed: int = 0) -> dict:
    """Recall and precision of every cause, and the mean recall of the four causes, each with a 95%
    bootstrap interval.

    errors: planted, verdict and phantom, the phantom that each error is from. Phantoms are drawn
    with replacement, then the errors of each: the interval covers the choice of both. `called` is
    the share of errors without an acting cause that got one."""
    parts = [of_phantom for _, of_phantom in errors.groupby("phantom", sort=False)] or [errors]
    counts = np.stack([confusion(of_phantom).to_numpy() for of_phantom in parts])  # (P, C, C)
    generator, size = np.random.default_rng(seed), counts.sum((1, 2))
    # one fewer: all of them would be too narrow
    chosen = generator.integers(len(counts), size=(DRAWS, max(len(counts) - 1, 1)))
    share = (counts / np.maximum(size, 1)[:, None, None]).reshape(len(counts), -1)
    drawn = (
        generator.multinomial(size[chosen], share[chosen]).sum(1).reshape(DRAWS, *counts.shape[1:])
    )
    found, drawn = measures(counts.sum(0)[None]), measures(drawn)
    return {name: interval(found[name][0], drawn[name]) for name in found}


def confusion_view(counts: pd.DataFrame, found: dict) -> pd.DataFrame:
    """The confusion matrix as it is printed, with the recall of each row and, in the last row, the
    precision of each column."""

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


# The marks of the diagnosis: against the phantoms' planted causes, and against human reviewers
# where there are some.


def mark(own: pd.DataFrame, others: list[str], rule: dict, study: str) -> pd.DataFrame:
    """Diagnosed and planted causes on the confirmation halves of this study's phantom and of other
    runs' phantoms.

    own: rows of `verdict_table` of the arm; others: run folders, relative to the project or
    absolute. Raises ArtefactError for a run that is missing, and DataError where its phantom is not
    the one it was trained on."""

    def diagnose(place: str) -> pd.DataFrame:
        run = record.load_run(artefacts.ROOT / place)
        splits = dataset.load_for(run.info["params"], run.info["data_digest"])
        confirming = np.flatnonzero(half(splits.test.index) == "confirmation")
        found = examine(run, record.load_model(run, len(splits.class_names)), splits, confirming)
        return verdict_table(
            {"": found}, {"": verdict.decide(found.statistics, rule)}, splits
        ).assign(phantom=place)

    marked = pd.concat(
        [own.assign(phantom=study), *side_by_side(diagnose, others).values()], ignore_index=True
    )
    return marked[marked["half"] == "confirmation"].reset_index(drop=True)


def reviewed(errors: pd.DataFrame, splits) -> dict | None:
    """How often most reviewers did not confirm the label of an error that the rule calls a label
    error, and of any other; None without reviews.

    errors: rows of `verdict_table` of one arm. Only errors that reviewers looked at count. Shares
    with 95% Clopper-Pearson intervals."""
    opinion, _ = labels.known(splits)
    if opinion is None or opinion.source != "reviewers":
        return None
    looked_at = errors[opinion.reviewed[errors["position"]]]
    called, rejected = (
        looked_at["verdict"] == "label_error",
        opinion.rejected[looked_at["position"]],
    )
    return {
        name: {"errors": int(chosen.sum())}
        | labels.share(int(rejected[chosen].sum()), int(chosen.sum()))
        for name, chosen in (("called", called), ("others", ~called))
    }


def second_score(errors: pd.DataFrame, before: str, arm: str, study: str) -> dict:
    """The score on the arm after, whose like the rule was not fitted on: arm, before, errors, macro
    recall. `errors`: its rows of `verdict_table`."""
    chosen = errors[(errors["half"] == "confirmation") & errors["acts"]].assign(phantom=study)
    return {
        "arm": arm,
        "before": before,
        "errors": len(chosen),
        "macro recall": score(chosen)["macro recall"],
    }


def score_caption(marked: pd.DataFrame) -> str:
    left_out = int((~marked["acts"]).sum())
    phantoms, several = marked["phantom"].nunique(), marked["phantom"].nunique() > 1
    return (
        "Planted cause (rows) against diagnosed cause (columns): errors on the confirmation "
        f"halves of {phantoms} phantom{'s' * several} whose planted cause points at the "
        f"predicted class, or that have none; {left_out} others are left out here. 95% bootstrap "
        f"intervals over {'phantoms and ' * several}errors."
    )


def score_numbers(marked: pd.DataFrame | None) -> dict | None:
    """What the report says about the score; None for data without planted causes."""
    if marked is None:
        return None
    acting = marked[marked["acts"]]
    table = confusion(acting)
    off = table.where(~np.eye(len(table), dtype=bool), 0).stack()
    planted, diagnosed = off.idxmax()
    worst = {"planted": planted, "diagnosed": diagnosed, "errors": int(off.max()), "id": None}
    own = acting["arm"] != ""  # `mark` names no arm on other phantoms
    example = acting[own & (acting["planted"] == planted) & (acting["verdict"] == diagnosed)]
    if off.max() and len(example):
        case = example.sort_values("probability", ascending=False).iloc[0]
        worst |= {
            "id": int(case["id"]),
            "true": case["true"],
            "predicted": case["predicted"],
            "sentence": sentence(case),
        }
    return {
        "phantoms": marked["phantom"].nunique(),
        "errors": len(acting),
        "others": int((~marked["acts"]).sum()),
        "causes": list(verdict.CAUSES[:-1]),
        "acting": score(acting),
        "strict": score(marked),
        "worst": worst,
    }


# The check of the checker: on a phantom the causes of the real errors are planted too, so what the
# spike-ins promise can be held against what is found.


def agreement(judged, split, predicted: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """Recall of every cause as the spike-ins estimate it and as the phantom's planted causes give
    it, over the errors whose cause acts; one row a cause, with "nothing called something" last.

    judged: lib.diagnosis.judgement.Judgement; split: the phantom's test split; predicted: of every
    image of it. Columns promised, found and difference (found less promised), each with 95 %
    bootstrap limits, and errors; agree: whether the limits of the difference hold 0."""
    known = verdict.planted(split, judged.position, predicted[judged.position])
    acting = known["acts"].to_numpy()
    truth = by_source(
        known["planted"].to_numpy()[acting],
        judged.verdicts["verdict"].to_numpy()[acting],
        judged.position[acting],
    )
    spiked = confusions(judged.rule, judged.spiked.cause, judged.spiked.source)
    estimate = [measures(counts.sum(0)[None]) for counts in (spiked, truth)]
    drawn = [measures(resampled(counts, seed + n)) for n, counts in enumerate((spiked, truth))]
    names = {f"recall {cause}": cause for cause in CAUSES[:-1]}
    names |= {"macro recall": "mean of four", "called": "nothing called something"}
    errors = dict(zip(CAUSES, truth.sum((0, 2)).astype(int)))
    rows = []
    for name, shown in names.items():
        promised, found = (one[name][0] for one in estimate)
        apart = interval(found - promised, drawn[1][name] - drawn[0][name])
        rows.append(
            {"cause": shown, "errors": errors.get(shown, int(truth.sum()))}
            | _limits("promised", interval(promised, drawn[0][name]))
            | _limits("found", interval(found, drawn[1][name]))
            | _limits("difference", apart)
            | {"agree": bool(apart["low"] <= 0 <= apart["high"])}
        )
    return pd.DataFrame(rows).replace({"errors": {0: None}})


def _limits(name: str, entry: dict) -> dict:
    return {name: entry["estimate"], f"{name} low": entry["low"], f"{name} high": entry["high"]}


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
