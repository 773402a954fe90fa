"""The report's chapters in order: the heading of each, who writes its sentences, and which kept
figures and tables stand below them."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from lib.base.text import escape
from lib.report import (
    brief,
    cards,
    comparison,
    confidence,
    failures,
    ledger,
    measures,
    provenance,
    robustness,
)
from lib.report import training as study


class Chapter(NamedTuple):
    """`heading` in Markdown, "" where the text goes on, or where the sentences bring their own;
    `sentences`: results.json to Markdown; `exhibits`: results.json to "figures/<name>" and
    "tables/<name>"."""

    heading: str
    sentences: Callable[[dict], str]
    exhibits: Callable[[dict], Iterable[str]] = lambda results: ()

    def text(self, results: dict) -> str:
        """Heading and sentences."""
        return "\n\n".join(filter(None, (self.heading, self.sentences(results))))


def shown(*names: str) -> Callable[[dict], tuple[str, ...]]:
    """The same exhibits in every study."""
    return lambda results: names


def title(said: str, results: dict) -> str:
    """The document's title, and what the study found."""
    return f"# {escape(said)}\n\n{study.finding(results)}"


# Exhibits that not every study has: what they need is asked of results.json.


def given(has: Callable[[dict], object], *names: str) -> Callable[[dict], tuple[str, ...]]:
    """These exhibits where `has` finds something."""
    return lambda results: names if has(results) else ()


def _both(results: dict):
    return results["compare"]["after"]


def _claims(results: dict):
    return results["ledger"]["claims"]


def _probed(results: dict):
    return results["gradcam"]["faithfulness"]


def _curves(results: dict) -> list[str]:
    return [f"figures/training-{arm}" for arm in results["compare"]["arms"]]


def _failing(results: dict) -> str:
    return f"{study.failing(results)} {failures.mining(results)} {study.planted(results)}"


def _failures(results: dict) -> list[str]:
    causes = ["tables/causes"] if results["failures"]["causes"] is not None else []
    return ["figures/failures", *causes, "tables/hypotheses"]


def _severity(results: dict) -> list[str]:
    found = results["failures"]
    optional = {"figures/severity": found["severity"], "tables/confused": found["confused"]}
    return [name for name, there in optional.items() if there] + ["figures/confusion"]


def _suspected(results: dict):
    return results["failures"]["labels"]["splits"]["test"]["suspected"]


def _cards(results: dict) -> list[str]:
    found = results["gradcam"]
    tables = ["tables/cards"] if found["cases"] else []
    return tables + [f"figures/cards-{page + 1}" for page in range(found["pages"])]


def _maps(results: dict) -> list[str]:
    tested = ["figures/deletion", "figures/sanity"] if _probed(results) else []
    return ["figures/gradcam", *tested]


def _side_by_side(results: dict) -> list[str]:
    two = ["figures/before-after", "tables/changes"] if _both(results) else []
    return [*two, "tables/cases"]


def _moved(results: dict) -> list[str]:
    galleries = [f"figures/{kind}" for kind in results["compare"]["galleries"]]
    return galleries + (["tables/churn", "figures/classes"] if _both(results) else [])


CHAPTERS = [
    Chapter("", ledger.ledger),
    Chapter("", cards.first_page, given(lambda of: of["gradcam"]["score"], "tables/score")),
    Chapter("", lambda of: "", shown("tables/arms")),
    # the first page ends here, with the contents
    Chapter("## What was done", study.done),
    Chapter("", ledger.scope, given(_claims, "tables/ledger")),
    Chapter("## Training", study.training, _curves),
    Chapter("## Where it fails", _failing, _failures),
    Chapter("### How bad the errors are", failures.severity, _severity),
    Chapter(
        "### Suspicious labels",
        failures.suspicious,
        given(_suspected, "figures/suspected", "tables/suspected"),
    ),
    Chapter("## Why it fails", cards.probing, given(_probed, "figures/probes")),
    Chapter("### The verdicts", cards.verdicts_text, shown("tables/verdicts")),
    Chapter("### Cases", cards.cases_text, _cards),
    Chapter("### Can the maps be trusted?", cards.maps_text, _maps),
    Chapter("### Can the verdicts be trusted?", cards.instrument),
    Chapter("", comparison.side_by_side, _side_by_side),
    Chapter(
        "",
        comparison.ablation,
        given(lambda of: of["compare"]["ablation"], "figures/ablation", "tables/ablation"),
    ),
    Chapter(
        "### Confidence",
        confidence.confidence,
        shown("figures/confidence", "figures/thresholds", "tables/confident-errors"),
    ),
    Chapter(
        "### Calibration",
        confidence.calibration_text,
        shown("tables/calibration", "figures/reliability"),
    ),
    Chapter("", comparison.moved, _moved),
    Chapter(
        "### Without wrong labels and near-duplicates",
        failures.rescored_text,
        given(lambda of: of["failures"]["known"]["sets"], "tables/rescored"),
    ),
    Chapter(
        "### Does it hold on corrupted images?",
        robustness.robustness,
        given(
            lambda of: of["compare"]["robustness"],
            *("figures/corruptions", "figures/robustness"),
            *("tables/robustness", "tables/robustness-arms"),
        ),
    ),
    Chapter(
        "## Would one deploy it?",
        confidence.rejecting,
        shown("tables/rejection", "figures/coverage", "tables/promises", "tables/scores"),
    ),
    Chapter("### Other measures", measures.notes, measures.exhibits),
    Chapter("## Limits", study.limits, given(_claims, "tables/untested")),
    Chapter("", ledger.conditions, given(lambda of: of["conditions"], "tables/conditions")),
    Chapter("## Sources of the methods", provenance.sources),
    Chapter("", brief.sentences, brief.exhibits),
]
