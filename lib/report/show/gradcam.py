"""The exhibits of notebook 03: maps, probes, what maps are worth, verdicts, diagnosis cards, and
the score of the diagnosis."""

import numpy as np
import pandas as pd
import torch

from lib.base.text import readable
from lib.diagnosis import faithfulness, stage
from lib.diagnosis import score as marks
from lib.evaluation import labels
from lib.report import cards as words
from lib.report import causes, pictures, style
from lib.report.chapters import findings
from lib.report.exhibits import show_figure, show_table


def gallery(here, name: str, maps, map_titles: list[list[str]], said: dict[str, str]) -> None:
    """The first of the images that are looked at, each with its maps, (N, M, h, w)."""
    few = here.selection.head(here.p.shown)
    images = here.splits.test.images[few["position"]].numpy()
    show_figure(
        pictures.map_gallery(images, maps.numpy(), style.titles(few), map_titles, style.UNIT),
        name,
        **said,
        folder=here.folder,
        vector=False,
        data=few[["id", "true", "predicted"]],
    )


def maps(here, maps: torch.Tensor) -> None:
    """The wrong class, the true class, and their difference, in the arm before; maps: (N, 2, h, w)
    of lib.gradcam.pair_maps."""
    p, few = here.p, here.selection.head(here.p.shown)
    three = torch.stack([*maps.unbind(1), maps[:, 0] - maps[:, 1]], 1)[: p.shown]
    gallery(here, "gradcam", three, style.map_titles(few), style.gradcam(few, p.layer, p.before))


def both_arms(here, maps: dict[str, torch.Tensor]) -> None:
    """The two maps of each arm, side by side."""
    p, few = here.p, here.selection.head(here.p.shown)
    both = torch.cat([maps[p.before], maps[p.after]], 1)[: p.shown]
    said = style.before_after(few, p.layer, p.before, p.after)
    gallery(here, "before-after", both, style.arm_titles(few, here.pair), said)


def probes(here, table: pd.DataFrame) -> None:
    """What each probe does to the errors; table: lib.diagnosis.probes.probe_table."""
    table = causes.ranked(table)
    few = table[table["probe"].map(readable).isin(causes.FEW)]
    for name, of in (("probes-few", few), ("probes", table)):
        show_figure(
            causes.probe_effects_figure(of)[0].figure,
            name,
            **causes.probe_effects_caption(of),
            folder=here.folder,
            data=of.drop(columns="place").round(4),
        )


def deletion(here, curves: dict, areas: dict[str, dict]) -> None:
    """Deletion and insertion; curves: lib.diagnosis.stage.curves, areas: their summary by arm."""
    table = faithfulness.curve_table(curves)
    show_figure(
        causes.deletion_insertion_figure(table)[0].figure,
        "deletion",
        **causes.deletion_insertion_caption(areas, "mean"),
        folder=here.folder,
        data=table.round(4),
    )


def randomisation(here, table: pd.DataFrame, chance: float) -> None:
    """Maps under random weights; table: lib.diagnosis.randomisation.randomisation_table."""
    show_figure(
        causes.randomisation_figure(table, chance).figure,
        "sanity",
        **causes.randomisation_caption(table),
        folder=here.folder,
        data=table.round(4),
    )


def verdicts(here, everything: pd.DataFrame, drawn: dict[str, np.ndarray]) -> None:
    """How often each verdict was given; everything: lib.diagnosis.stage.verdict_table, drawn: the
    errors that were probed, by arm."""
    shares = stage.shares(everything, list(here.pair))
    caption = stage.caption(drawn, here.compared)
    show_table(shares, "verdicts", caption, here.folder, view=stage.shares_view(shares))


def cards(here, cases: pd.DataFrame, found, verdicts: pd.DataFrame) -> int:
    """A diagnosis card a case, some to a figure; returns how many figures. found: the evidence of
    the arm before, verdicts: of its errors. The first has verdicts as different as can be."""
    said = verdicts.iloc[cases["row"]]["verdict"].tolist() if len(cases) else []
    pages = stage.pages(cases.iloc[findings.varied(said, words.SHOWN)], words.SHOWN)
    opinion, _ = labels.known(here.splits)
    for number, few in enumerate(pages, 1):
        known = words.truths(few, verdicts, opinion, here.splits.class_names)
        images = here.splits.test.images[few["position"]].numpy()
        show_figure(
            words.draw_cards(few, images, found, verdicts, known),
            f"cards-{number}",
            caption=words.caption(here.p.before),
            alt=words.alt(few, verdicts),
            folder=here.folder,
            vector=False,
            data=words.data(few, found).round(3),
        )
    return len(pages)


def card_table(here, cases: pd.DataFrame, verdicts: pd.DataFrame) -> None:
    """The same verdicts in words."""
    table, caption = words.card_table(cases, verdicts), words.table_caption(here.p.before)
    formats = style.CLASS_FORMATS | {"probability": "{:.0%}"}
    show_table(table, "cards", caption, here.folder, formats=formats)


def score(here, marked: pd.DataFrame, confusion: pd.DataFrame, scored: dict) -> None:
    """Planted against diagnosed causes; marked, confusion and scored: lib.diagnosis.score's mark,
    confusion and score."""
    view, caption = marks.confusion_view(confusion, scored), marks.score_caption(marked)
    show_table(confusion.reset_index(), "score", caption, here.folder, view=view)
