"""The tables that notebook 05 makes itself: what was judged, and where everything comes from."""

import pandas as pd

from lib.base import artefacts
from lib.base.text import readable
from lib.report import conditions, ledger
from lib.report import provenance as origin
from lib.report.chapters import brief, findings, model_card
from lib.report.chapters import first_page as page_one
from lib.report.exhibits import keep_table, show_page, show_table


def first_page(here, results: dict) -> None:
    """Page one."""
    show_page(page_one.page(here, results))


def card(here, results: dict) -> None:
    """Write the model card beside the report."""
    text = model_card.model_card(results, here.p.study, here.p.title)
    artefacts.write_bytes(here.folder / "model-card.md", text.encode())


def facts(here, results: dict) -> None:
    """Keep the table of what was claimed and not found, a row a fact."""
    rows = findings.facts_table(results["ledger"])
    if len(rows):
        keep_table(rows, "facts", findings.FACTS_CAPTION, here.folder)


def judged(here, judged: pd.DataFrame, checked: pd.DataFrame) -> None:
    """Keep the claims, those that were tested and those that were not, the conditions and what the
    assignment asks, for the chapters that show them. judged: lib.report.ledger.judge, checked:
    conditions.check_conditions."""
    folder, untested = here.folder, judged[judged["verdict"] == ledger.UNTESTED]
    if here.p.claims:
        view = ledger.ledger_view(judged, tested=True)
        keep_table(judged, "ledger", ledger.ledger_caption(), folder, view=view)
        if len(untested):
            view = ledger.ledger_view(judged, tested=False)
            keep_table(untested, "untested", ledger.untested_caption(), folder, view=view)
    if here.p.conditions:
        view = conditions.conditions_view(checked)
        keep_table(checked, "conditions", ledger.conditions_caption(), folder, view=view)
    if here.p.brief:
        asked = brief.table(artefacts.read_json(folder / "results.json"))
        keep_table(asked, "brief", brief.CAPTION, folder, view=brief.view(asked))


def provenance(here) -> None:
    """The runs, the seconds of the stages, and the parameters."""
    runs, formats = origin.runs_table(here.runs), {"arm": readable, "training, s": "{:.0f}"}
    caption = "The runs." + origin.RELEASED * bool(runs["run"].str.contains("released").any())
    show_table(runs, "runs", caption, here.folder, formats=formats)
    caption = "Seconds of the stages between training and this report."
    stages, formats = origin.stages_table(here.folder), {"seconds": "{:.1f}"}
    if len(stages):
        show_table(stages, "stages", caption, here.folder, formats=formats)
    parameters = origin.parameters_table(here.runs)
    show_table(parameters, "parameters", "Parameters of every arm.", here.folder)
