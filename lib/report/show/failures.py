"""The exhibits of notebook 02: errors, the images that are looked at, suspected labels, severity.
`before` is the arm whose failures these are."""

import numpy as np
import pandas as pd

from lib.evaluation import failures, labels, severity, summary
from lib.report import failures as words
from lib.report import pictures, style
from lib.report.exhibits import show_figure, show_table

SHOWN = 12  # of the suspected labels
BESIDE = 6  # errors that stand beside right answers


def of_arms(tables: dict[str, pd.DataFrame], **options) -> pd.DataFrame:
    """The arms' tables one under the other, with a column `arm`."""
    return pd.concat([table.assign(arm=arm) for arm, table in tables.items()], **options)


def errors(here, errors: dict[str, pd.DataFrame]) -> None:
    """Every error of every arm; errors: arm to lib.evaluation.failures.errors."""
    everything = of_arms(errors, ignore_index=True)
    caption = "The first wrong test predictions."
    show_table(everything, "errors", caption, here.folder, view=everything.head())


def hypotheses(here, selection: pd.DataFrame) -> None:
    """The images that are looked at, and what is thought to be wrong with them."""
    show_table(
        failures.hypotheses(selection).dropna(axis=1, how="all"),
        "hypotheses",
        words.hypotheses(selection, here.p.before),
        here.folder,
        formats=style.CLASS_FORMATS | {"confidence": "{:.1%}", "scaled_confidence": "{:.1%}"},
    )


def gallery(here, selection: pd.DataFrame) -> None:
    """Their pictures."""
    images = here.splits.test.images[selection["position"]].numpy()
    show_figure(
        pictures.failure_gallery(images, style.titles(selection)),
        "failures",
        **words.failures(selection, here.p.before),
        folder=here.folder,
        vector=False,
        data=selection[["id", "true", "predicted", "confidence"]],
    )

    beside(here, selection)


def surest_right(table: pd.DataFrame, classes) -> list:
    """Of each of these classes the right answer of the discovery half with the highest confidence,
    a row of lib.evaluation.failures.test_table; None where there is none. A class that comes twice
    gets the next one."""
    right = table[table["correct"] & (table["half"] == "discovery")]
    right = right.sort_values(["confidence", "id"], ascending=[False, True])
    found, taken = [], {}
    for name in classes:
        rows, place = right[right["true"] == name], taken.get(name, 0)
        found.append(rows.iloc[place] if place < len(rows) else None)
        taken[name] = place + 1
    return found


def beside(here, selection: pd.DataFrame) -> None:
    """The first errors, and below each the surest right answer of its class; nothing without an
    error."""
    wrong = selection[~selection["correct"]].head(BESIDE).reset_index(drop=True)
    if not len(wrong):
        return
    right = surest_right(here.tables[here.p.before], wrong["true"])
    images = here.splits.test.images
    show_figure(
        pictures.beside_gallery(
            images[wrong["position"].tolist()].numpy(),
            style.titles(wrong),
            [None if row is None else images[int(row["position"])].numpy() for row in right],
            ["" if row is None else words.right_title(row) for row in right],
        ),
        "failures-beside",
        **words.failures_beside(wrong, right, here.p.before),
        folder=here.folder,
        vector=False,
        data=wrong[["id", "true", "predicted", "confidence"]],
    )


def causes(here, causes: pd.DataFrame) -> None:
    """Accuracy by planted cause; causes: lib.evaluation.summary.by_cause."""
    view = summary.by_cause_view(causes, here.p.arms)
    caption, formats = style.causes(here.seeds_of_arms), style.CLASS_FORMATS
    show_table(causes, "causes", caption, here.folder, formats=formats, view=view)


def doubtful(suspects: pd.DataFrame) -> pd.DataFrame:
    """The most doubtful of the suspected labels, of the test split alone."""
    return suspects[suspects["split"] == "test"].head(SHOWN)


def suspected(here, suspects: pd.DataFrame) -> None:
    """The labels that are suspected; suspects: lib.evaluation.labels.annotate."""
    shown, total = doubtful(suspects), int((suspects["split"] == "test").sum())
    show_table(
        suspects,
        "suspected",
        words.suspected(shown, total),
        here.folder,
        formats=words.SUSPECT_FORMATS,
        view=shown.drop(columns=["split", "position", "suggested_class", "runs"]),
    )


def suspected_pictures(here, suspects: pd.DataFrame) -> None:
    """The pictures of the most doubtful ones."""
    shown = doubtful(suspects)
    images = here.splits.test.images[shown["position"].tolist()].numpy()
    show_figure(
        pictures.failure_gallery(images, words.suspected_titles(shown)),
        "suspected",
        **words.suspected_pictures(shown),
        folder=here.folder,
        vector=False,
        data=shown[["id", "true", "suggested"]],
    )


def rescored(here, sets: pd.DataFrame, opinion, listed) -> None:
    """Accuracy without wrong labels and near-duplicates, the test images `listed`; sets:
    lib.evaluation.labels.rescored."""
    known = "that the ciFAIR lists name, as" if here.splits.name == "cifar100" else "that are"
    caption = words.rescored_caption(opinion, listed, here.pair, here.seeds[0], known)
    view = labels.rescored_view(sets, here.p.arms)
    show_table(sets, "rescored", caption, here.folder, view=view)


def within_superclass(here, bands: dict[str, pd.DataFrame]) -> None:
    """Errors inside the true superclass; bands: arm to severity.within_by_confidence."""
    show_figure(
        words.within_superclass_figure(bands).figure,
        "severity",
        **words.within_superclass_caption(bands),
        folder=here.folder,
        data=of_arms(bands),
    )


def confused(here, pairs: pd.DataFrame, errors: int) -> None:
    """The classes that are confused most, among so many errors; pairs: severity.confused_pairs."""
    caption = words.confused(pairs, errors, here.p.before)
    absent = ["same superclass"] * (not severity.has_superclasses(here.splits.superclass))
    view = pairs.drop(columns=absent)
    show_table(pairs, "confused", caption, here.folder, formats=words.PAIR_FORMATS, view=view)


def confusion(here, matrices: dict[str, np.ndarray], classes: list[str], blocks) -> None:
    """Confusion matrices; all three are severity.confusions."""
    show_figure(
        words.confusion_figure(matrices, classes, blocks)[0].figure,
        "confusion",
        **words.confusion_caption(matrices, classes, blocks),
        folder=here.folder,
        data=severity.confusion_table(matrices, classes),
    )
