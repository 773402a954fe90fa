"""The report's chapters in order: the heading of each, who writes its sentences, and which kept
figures and tables stand below them. The body is what one reads; the appendix has everything else.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from lib.base.text import compared, escape
from lib.report import brought, cards, comparison, failures, ledger, provenance
from lib.report import training as study
from lib.report.chapters import (
    body,
    brief,
    confidence,
    findings,
    glossary,
    measures,
    robustness,
)
from lib.report.judgement import UNTESTED


class Chapter(NamedTuple):
    """`heading` in Markdown, "" where the text goes on, or where the sentences bring their own;
    `sentences`: results.json to Markdown; `exhibits`: results.json to "figures/<name>" and
    "tables/<name>"; `needs`: whether results.json has what it is about."""

    heading: str
    sentences: Callable[[dict], str]
    exhibits: Callable[[dict], Iterable[str]] = lambda results: ()
    needs: Callable[[dict], object] = lambda results: True

    def text(self, results: dict) -> str:
        """Heading and sentences."""
        return "\n\n".join(filter(None, (self.heading, self.sentences(results))))


def shown(*names: str) -> Callable[[dict], tuple[str, ...]]:
    """The same exhibits in every study."""
    return lambda results: names


BESIDE = 6  # errors that stand in the body, beside right answers


def title(said: str) -> str:
    """The document's title."""
    return f"# {escape(said)}"


def placed(results: dict) -> Iterable[tuple[str, list[str]]]:
    """Text and exhibits of every chapter; an exhibit of the body is not shown again behind it."""
    shown = set()
    for chapter in [*BODY, *APPENDIX]:
        if not chapter.needs(results):
            continue
        names = [name for name in chapter.exhibits(results) if name not in shown]
        shown.update(names)
        yield chapter.text(results), names


def below(sentences: Callable[[dict], str]) -> Callable[[dict], str]:
    """The same, with a section's heading made one of the appendix."""

    def lowered(results: dict) -> str:
        text = sentences(results)
        return f"#{text}" if text.startswith("## ") else text

    return lowered


# Exhibits that not every study has: what they need is asked of results.json.


def given(has: Callable[[dict], object], *names: str) -> Callable[[dict], tuple[str, ...]]:
    """These exhibits where `has` finds something."""
    return lambda results: names if has(results) else ()


def _asked(results: dict):
    """The arms whose network was there, if there were pictures to ask it about."""
    return results["gradcam"]["asked"]


def _trained(results: dict):
    return results["study"]["widths"]


def _both(results: dict):
    return results["compare"]["after"]


def _claims(results: dict):
    return results["ledger"]["claims"]


def _probed(results: dict):
    return results["gradcam"]["faithfulness"]


def _ruled(results: dict):
    """Whether the diagnosis could be fitted to planted errors."""
    return results["gradcam"].get("rule")


def _shared(results: dict):
    """Whether the shares of causes are known, which else are dashes."""
    return cards.shared(_ruled(results) or {})


def _scored(results: dict) -> list[str]:
    return ["tables/instrument"] + ["tables/agreement"] * bool(results["gradcam"]["agreement"])


def _curves(results: dict) -> list[str]:
    return [f"figures/training-{arm}" for arm in results["study"]["proof"]]


def _failing(results: dict) -> str:
    return f"{study.failing(results)} {failures.mining(results)}"


def _failures(results: dict) -> list[str]:
    more = results["failures"]["selected"] > BESIDE  # than stand in the body
    return ["figures/failures"] * (more and study.pictured(results)) + ["tables/hypotheses"]


def _ledger(results: dict) -> list[str]:
    if not _claims(results):
        return []
    return ["tables/ledger"] + ["tables/untested"] * bool(results["ledger"]["verdicts"][UNTESTED])


def _severity(results: dict) -> list[str]:
    found = results["failures"]
    optional = {"figures/severity": found["severity"], "tables/confused": found["confused"]}
    return [name for name, there in optional.items() if there] + ["figures/confusion"]


def _suspected(results: dict):
    return results["failures"]["labels"]["splits"]["test"]["suspected"]


def _doubtful(results: dict) -> list[str]:
    if not _suspected(results):
        return []
    return ["figures/suspected"] * study.pictured(results) + ["tables/suspected"]


def _cards(results: dict) -> list[str]:
    found = results["gradcam"]
    tables = ["tables/cards"] if found["cases"] else []
    return tables + [f"figures/cards-{page + 1}" for page in range(found["pages"])]


def _maps(results: dict) -> list[str]:
    tested = ["figures/deletion"] * bool(_probed(results))
    random = ["figures/sanity"] * bool(results["gradcam"]["randomisation"])
    both = len(_asked(results)) == 2
    return ["figures/before-after" if both else "figures/gradcam", *tested, *random]


def _side_by_side(results: dict) -> list[str]:
    changed = bool(_both(results)) and not findings.alike(results)
    cases = ["tables/cases"] if results["compare"]["cases"] else []
    return ["tables/changes"] * changed + cases


def _moved(results: dict) -> list[str]:
    galleries = [f"figures/{kind}" for kind in results["compare"]["galleries"]]
    galleries += _two("figures/classes")(results)
    # between the arms alone the numbers stand in the text
    between_seeds = (results["compare"].get("churn") or {}).get("between_seeds") or {}
    return [*galleries, *(_two("tables/churn")(results) if any(between_seeds.values()) else ())]


def _two(*names: str) -> Callable[[dict], tuple[str, ...]]:
    """These exhibits where two arms differ."""
    return given(lambda of: _both(of) and not findings.identical(of), *names)


def _where(results: dict) -> list[str]:
    names = ["tables/causes"] if results["failures"]["causes"] is not None else []
    names = names or ["figures/severity"] * bool(results["failures"]["severity"])
    wrong = results["failures"]["selected"] > results["failures"]["named_right"]
    return ["figures/failures-beside"] * (wrong and study.pictured(results)) + names


def _why(results: dict) -> list[str]:
    found = results["gradcam"]
    cards_shown = ["figures/cards-1"] * bool(found["pages"])
    probes_shown = ["figures/probes-few"] * bool(_probed(results))
    return cards_shown + probes_shown + ["tables/verdicts"] * _shared(results)


def _remedy(results: dict) -> list[str]:
    if not _both(results) or findings.identical(results):
        return []
    galleries = [f"figures/{kind}" for kind in results["compare"]["galleries"]]
    ablation = ["figures/ablation"] * bool(results["compare"]["ablation"])
    kept = [name for name in galleries if name != "figures/both-wrong"]
    return [*ablation, *kept, f"figures/{findings.classes_figure(results)}"]


def _use(results: dict) -> list[str]:
    promised = ["tables/promises"] * bool(findings.allowed(results))
    return ["figures/coverage", *promised, "figures/reliability"]


def _rejecting(results: dict) -> list[str]:
    rows = results["compare"]["promises"]
    promised = ["tables/promises"] * any(row["threshold"] is not None for row in rows)
    if {row["arm"] for row in rows} - set(compared(results["compare"])):
        promised += ["tables/promises-all"]
    return ["tables/rejection", "figures/coverage", *promised, "tables/scores"]


def _robust(results: dict) -> list[str]:
    names = ["figures/robustness"] * bool(results["compare"]["robustness"])
    return names + ["tables/rescored"] * bool(results["failures"]["known"]["sets"])


BODY = [
    Chapter("", body.setup, shown("tables/arms")),
    Chapter("", body.claims, given(lambda of: of["ledger"]["facts"], "tables/facts")),
    Chapter("", body.where, _where),
    Chapter("", body.why, _why, _asked),
    Chapter("", body.remedy, _remedy),
    Chapter("", body.use, _use),
    Chapter("", body.robust, _robust),
    Chapter("", body.limits, given(lambda of: of["conditions"], "tables/conditions")),
]

APPENDIX = [
    Chapter("## Appendix", lambda of: ""),
    Chapter("### What was done", study.done),
    Chapter("### What was brought", brought.chapter, needs=lambda of: of["study"]["brought"]),
    Chapter("", below(ledger.scope), given(_claims)),
    Chapter("", ledger.ledger, _ledger),
    Chapter("### Training", study.training, _curves, _trained),
    Chapter("### Errors", _failing, _failures),
    Chapter("### How bad the errors are", failures.severity, _severity),
    Chapter(
        "### Suspicious labels",
        failures.suspicious,
        _doubtful,
    ),
    Chapter("### Probes", cards.probing, given(_probed, "figures/probes"), _asked),
    Chapter("### The verdicts", cards.verdicts_text, given(_shared, "tables/verdicts"), _asked),
    Chapter("### Cases", cards.cases_text, _cards, _asked),
    Chapter("### What the maps are worth", cards.maps_text, _maps, _asked),
    Chapter("### What the verdicts are worth", cards.instrument, _scored, _ruled),
    Chapter("", below(comparison.side_by_side), _side_by_side),
    Chapter(
        "",
        comparison.ablation,
        given(lambda of: of["compare"]["ablation"], "figures/ablation", "tables/ablation"),
    ),
    Chapter(
        "### Confidence in full",
        confidence.confidence,
        shown("figures/confidence", "tables/confident-errors"),
    ),
    Chapter(
        "### Calibration",
        confidence.calibration_text,
        shown("tables/calibration", "figures/reliability"),
    ),
    Chapter("", comparison.moved, _moved),
    Chapter(
        "### Without wrong labels or near-duplicates",
        failures.rescored_text,
        given(lambda of: of["failures"]["known"]["sets"], "tables/rescored"),
    ),
    Chapter(
        "### Corrupted images",
        robustness.robustness,
        given(
            lambda of: of["compare"]["robustness"],
            *("figures/corruptions", "figures/robustness"),
            *("tables/robustness", "tables/robustness-arms"),
        ),
    ),
    Chapter(
        "### Rejecting predictions",
        confidence.rejecting,
        _rejecting,
    ),
    Chapter("### Other measures", measures.notes, measures.exhibits),
    Chapter("### Glossary", glossary.glossary),
    Chapter("### Sources of the methods", provenance.sources),
    Chapter("", brief.sentences, brief.exhibits),
]
