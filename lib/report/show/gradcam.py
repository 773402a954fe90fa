"""The exhibits of notebook 03: maps, probes, what maps are worth, verdicts, diagnosis cards, and
the score of the diagnosis."""

import numpy as np
import pandas as pd
import torch

from lib.base.text import readable
from lib.diagnosis import faithfulness, score, stage
from lib.evaluation import labels
from lib.report import cards as words
from lib.report import causes, pictures, style
from lib.report.chapters import findings
from lib.report.exhibits import show_figure, show_table


def gallery(here, name: str, maps, map_titles: list[list[str]], said: dict[str, str]) -> None:
    """The first of the images that are looked at, each with its maps, (N, M, h, w) at least."""
    few = here.selection.head(here.p.shown)
    images = here.splits.test.images[few["position"]].numpy()
    show_figure(
        pictures.map_gallery(
            images, maps[: len(few)].numpy(), style.titles(few), map_titles, style.UNIT
        ),
        name,
        **said,
        folder=here.folder,
        vector=False,
        data=few[["id", "true", "predicted"]],
    )


def maps(here, maps: dict[str, torch.Tensor]) -> None:
    """The wrong class, the true class, and their difference, in the first arm that was asked; maps:
    (N, 2, h, w) by arm, of lib.training.inference.pair_maps."""
    few, (arm, of_arm) = here.selection.head(here.p.shown), next(iter(maps.items()))
    three = torch.stack([*of_arm.unbind(1), of_arm[:, 0] - of_arm[:, 1]], 1)
    said = style.gradcam(few, here.layers[arm], arm, here.p.before)
    gallery(here, "gradcam", three, style.map_titles(few), said)


def both_arms(here, maps: dict[str, torch.Tensor]) -> None:
    """The two maps of each arm, side by side."""
    few = here.selection.head(here.p.shown)
    both = torch.cat(pictures.on_one_grid([of_arm[: len(few)] for of_arm in maps.values()]), 1)
    said = style.before_after(few, here.layers)
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


def verdicts(here, judged: dict) -> None:
    """What stands behind the errors of each arm; judged: lib.diagnosis.stage.judge_arms."""
    table = stage.corrected_shares(judged, here.selection["position"])
    if len(table):
        caption = stage.corrected_caption(judged, here.asked)
        show_table(table, "verdicts", caption, here.folder, view=stage.corrected_view(table))


def cards(here, cases: pd.DataFrame, found, verdicts, agree: np.ndarray | None) -> int:
    """A diagnosis card a case, some to a figure; returns how many figures. found: the evidence of
    the arm before, verdicts: of its errors, or None; agree: of every test image,
    lib.diagnosis.label_doubt.support by other runs, or None. The first figure has verdicts as
    different as can be."""
    said = (
        [""] * len(cases) if verdicts is None else verdicts.iloc[cases["row"]]["verdict"].tolist()
    )
    pages = stage.pages(cases.iloc[findings.varied(said, words.SHOWN)], words.SHOWN)
    opinion, _ = labels.known(here.splits)
    for number, few in enumerate(pages, 1):
        known = words.truths(few, verdicts, opinion, here.splits.class_names)
        images = here.splits.test.images[few["position"]].numpy()
        share = None if agree is None else agree[few["position"]]
        show_figure(
            words.draw_cards(few, images, found, verdicts, known, share),
            f"cards-{number}",
            caption=words.caption(here.p.before, known is not None),
            alt=words.alt(few, verdicts),
            folder=here.folder,
            vector=False,
            data=words.data(few, found).round(3),
        )
    return len(pages)


def card_table(here, cases: pd.DataFrame, found, verdicts, agree: np.ndarray | None) -> None:
    """The same in words."""
    share = None if agree is None else agree[cases["position"]]
    table = words.card_table(cases, found, verdicts, share)
    caption = words.table_caption(here.p.before, table)
    show_table(table, "cards", caption, here.folder, formats=style.CLASS_FORMATS)


def instrument(here, judged: dict) -> None:
    """How each arm's rule scores on its planted errors; judged: lib.diagnosis.stage.judge_arms."""
    table = stage.instrument_table(judged)
    if len(table):
        view = stage.instrument_view(table)
        show_table(table, "instrument", stage.INSTRUMENT, here.folder, view=view)


def agreement(here, table: pd.DataFrame) -> None:
    """What planted errors promise and what is found; table: lib.diagnosis.score.agreement."""
    caption = score.agreement_caption(next(iter(here.asked)))
    show_table(table, "agreement", caption, here.folder, view=score.agreement_view(table))
