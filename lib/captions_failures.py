"""Captions and alt texts of the failures stage; every number comes from the data drawn."""

import numpy as np
import pandas as pd

from lib.base.text import count, level, listed, name, percent, plural, readable, shorten
from lib.evaluation.labels import RULE
from lib.evaluation.severity import chances

PAIR_FORMATS = {"class": readable, "other": readable, "share": "{:.1%}"}
SUSPECT_FORMATS = {
    "true": readable,
    "suggested": readable,
    "planted": readable,
    "self_confidence": "{:.1%}",
    "margin": "{:.3f}",
}


def failures(selection: pd.DataFrame, arm: str) -> dict[str, str]:
    named, mined = (int((selection["why"] == why).sum()) for why in ("named", "mined"))
    parts = [f"the {plural(named, 'named case')}"] * (named > 0)
    parts += [
        f"the {plural(mined, 'most confident error')} of the discovery half, at most one for a pair of classes"
    ] * (mined > 0)
    above = "id, true class, predicted class with its confidence before scaling" + (
        ", planted cause" if "cause" in selection else ""
    )
    said = "; ".join(
        f"{readable(row.true)} predicted {readable(row.predicted)} ({percent(row.confidence, 0)})"
        for row in selection.itertuples()
    )
    return {
        "caption": f"Test images as {name(arm)} predicts them: {listed(parts) if parts else 'none'}. Above each: {above}.",
        "alt": f"Pictures of {plural(len(selection), 'test image')}: {said or 'none'}.",
    }


def hypotheses(selection: pd.DataFrame, arm: str) -> str:
    named = (selection["why"] == "named").any()
    return (
        f"The test images looked at, as {name(arm)} predicts them; confidence before and after temperature scaling. "
        + (
            "Hypotheses are those of the named cases; they are put to the test under Cases."
            if named
            else "No hypotheses were stated beforehand."
        )
    )


def suspected(shown: pd.DataFrame, total: int) -> str:
    known = {
        "reviewers": "Reviewers: what most of five people say, where they were asked. ",
        "planted": "Planted: what the phantom knows. ",
    }
    return (
        f"The {plural(len(shown), 'most doubtful label')} of {total:,} suspected in the test split: {RULE}. Votes: runs in which it "
        "does; agreeing: runs that predict that class. Self-confidence, the probability of the recorded class, and margin, 0 where "
        "the other class is certain and 0.5 where both are alike, are means over the runs, after temperature scaling. "
        + "".join(text for source, text in known.items() if source in shown)
        + "A suspicion, not a verdict."
    )


def suspected_pictures(shown: pd.DataFrame) -> dict[str, str]:
    said = "; ".join(
        f"image {row.id}, labelled {readable(row.true)}, rather {readable(row.suggested)}"
        for row in shown.itertuples()
    )
    return {
        "caption": f"The {plural(len(shown), 'test image')} whose label is most doubtful. Above each: id and recorded class, the class "
        "that the runs suggest.",
        "alt": f"Pictures of test images with suspected labels: {said or 'none'}.",
    }


def suspected_titles(shown: pd.DataFrame) -> list[str]:
    return [
        f"{row.id} {shorten(row.true)}\n→ {shorten(row.suggested)}" for row in shown.itertuples()
    ]


def rescored(opinion, duplicates, pair: tuple[str, ...], seed: int) -> str:
    """Caption of the headline metrics on every set of test images; opinion: lib.evaluation.labels.Opinion or None."""
    change = (
        f" and {name(pair[1])} minus {name(pair[0])}, paired bootstrap over images"
        if len(pair) == 2
        else ""
    )
    by, parts = "", [f"Test accuracy (seed {seed}){change}."]
    if opinion is not None:
        by = (
            "most reviewers did not confirm"
            if opinion.source == "reviewers"
            else "the phantom's record contradicts"
        )
        gone, mended = (
            int(opinion.rejected.sum()),
            int((opinion.rejected & (opinion.corrected >= 0)).sum()),
        )
        parts.append(
            f"Rejected removed: without the {plural(gone, 'label')} that {by}; "
            f"corrected: {count(mended)} of them replaced"
            + (
                f", the other {plural(gone - mended, 'image')} without one accepted class left out."
                if gone > mended
                else "."
            )
        )
    if duplicates is not None:
        parts.append(
            f"Near-duplicates removed: without the {plural(int(duplicates.sum()), 'test image')} that the ciFAIR lists name, "
            "as a copy or near copy of a train image or of another test image."
        )
    return " ".join(parts)


def within_superclass(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    said = "; ".join(
        f"{readable(arm)} "
        + ", ".join(
            f"{level(row.low)} to {level(row.high)}: {percent(row.share, 0)}"
            for row in table.itertuples()
            if row.errors
        )
        for arm, table in tables.items()
    )
    chance = listed(list(dict.fromkeys(percent(chance) for chance in chances(tables))))
    return {
        "caption": "Share of test errors that stay inside the true superclass, by confidence after temperature scaling, with 95% "
        "Clopper–Pearson intervals; above each, the errors of the band. Dashed: the share if wrong classes were drawn "
        "at random.",
        "alt": f"Shares by band of confidence. {said}. Chance: {chance}.",
    }


def confused(pairs: pd.DataFrame, errors: int, arm: str) -> str:
    return (
        f"The {plural(len(pairs), 'pair')} of classes that {name(arm)} confuses most, both directions added, with the share of its "
        f"{errors:,} test errors."
    )


def confusion(
    matrices: dict[str, np.ndarray], names: list[str], blocks: list[tuple[str, int]]
) -> dict[str, str]:
    said = []
    for arm, matrix in matrices.items():
        wrong = np.where(np.eye(len(names), dtype=bool), 0, matrix)
        row, column = np.unravel_index(wrong.argmax(), wrong.shape)
        said.append(
            f"{readable(arm)}: "
            + (
                f"largest cell {readable(names[row])} taken for {readable(names[column])}, {percent(wrong[row, column], 0)}"
                if wrong.any()
                else "no errors"
            )
        )
    what = "matrix" if len(matrices) == 1 else "matrices"
    order = f", classes ordered by superclass, the {len(blocks)} blocks outlined" if blocks else ""
    return {
        "caption": f"Confusion {what} on test, errors only{order}. A row is a true class, a column a predicted one; the colour is "
        "the share of the row's images. Grey: right predictions.",
        "alt": f"Confusion {what} of {plural(len(names), 'class', 'classes')}{order}. {'; '.join(said)}.",
    }
