"""The marks of the diagnosis: against the phantoms' planted causes, and against human reviewers where there are some."""

import numpy as np
import pandas as pd

from lib import verdict
from lib.base import artefacts
from lib.data import dataset
from lib.diagnosis import examine
from lib.evaluation import labels
from lib.evaluation.failures import half
from lib.score import confusion, score
from lib.training import record
from lib.verdict import sentence
from lib.why import side_by_side, verdict_table


def mark(own: pd.DataFrame, others: list[str], rule: dict, study: str) -> pd.DataFrame:
    """Diagnosed and planted causes on the confirmation halves of this study's phantom and of other runs' phantoms.

    own: rows of `verdict_table` of the arm; others: run folders, relative to the project or absolute. Raises ArtefactError for a
    run that is missing, and DataError where its phantom is not the one it was trained on.
    """

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
    """How often most reviewers did not confirm the label of an error that the rule calls a label error, and of any other; None without reviews.

    errors: rows of `verdict_table` of one arm. Only errors that reviewers looked at count. Shares with 95% Clopper-Pearson intervals.
    """
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
    """The score on the arm after, whose like the rule was not fitted on: arm, before, errors, macro recall. `errors`: its rows of `verdict_table`."""
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
        f"Planted cause (rows) against diagnosed cause (columns): errors on the confirmation halves of {phantoms} phantom{'s' * several} "
        f"whose planted cause points at the predicted class, or that have none; {left_out} others are left out here. "
        f"95% bootstrap intervals over {'phantoms and ' * several}errors."
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
