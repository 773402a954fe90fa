"""A model card in Markdown with the keys that model hubs read, from the numbers of the report:
`model-card.md` stands beside it."""

import re

import yaml

from lib.base.text import percent, readable
from lib.report import training
from lib.report.chapters import body, findings, first_page
from lib.training.network import OWN

# links to figures and tables lead nowhere outside the report
LINK = re.compile(r"\[\]\(#[\w-]+\)")
IN_BRACKETS = re.compile(r"\s*\((?:\[\]\(#[\w-]+\)(?: and |, )?)+\)")
MEASURES = {"accuracy": "test_accuracy", "expected_calibration_error": "ece"}


def keys(results: dict, name: str) -> dict:
    """The front matter: what a hub lists and draws, one result an arm."""
    data = results["study"]["data"]
    study = results["study"]
    networks = set(study["origins"].values()) - {"predictions"}
    data = data if study["image_size"] else "unknown"
    kind = data.lower().replace("-", "").removeprefix("the ").replace(" ", "_")
    return {
        "pipeline_tag": "image-classification",
        **({"library_name": "pytorch"} if networks else {}),
        "tags": ["image-classification", *["resnet"] * (OWN in study["networks"])],
        "datasets": [kind],
        "metrics": ["accuracy"],
        "model-index": [
            {
                "name": f"{name}/{arm}",
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"name": data, "type": kind, "split": "test"},
                        "metrics": [
                            {"type": kind, "value": round(numbers[measure]["mean"], 4)}
                            for kind, measure in MEASURES.items()
                        ],
                    }
                ],
            }
            for arm, numbers in results["compare"]["arms"].items()
        ],
    }


def model_card(results: dict, name: str, title: str) -> str:
    """The whole card; name: the study's, title: the report's."""
    front = yaml.safe_dump(keys(results, name), sort_keys=False, allow_unicode=True)
    sections = {
        "Model description": without_heading(body.setup(results)),
        "Evaluation": evaluation(results),
        "Where it fails": without_heading(body.where(results)),
        "Intended use": f"{first_page.finding(results)}. {_use(results)}",
        "Limitations": training.limits(results),
        "Training": training.done(results),
    }
    parts = [f"---\n{front}---", f"# {title}"]
    parts += [f"## {heading}\n\n{unlinked(text)}" for heading, text in sections.items()]
    return "\n\n".join(parts) + "\n"


def _use(results: dict) -> str:
    lead, rest = first_page.rely(results)
    passed, missed, untested = findings.conditions(results)
    text = f"{lead} {rest}"
    if results["conditions"]:
        text += (
            f" Of the study's own conditions {passed} hold, {len(missed)} failed and "
            f"{untested} could not be tested."
        )
    return text


def evaluation(results: dict) -> str:
    """A row an arm."""
    lines = ["| arm | test accuracy | calibration error | errors |", "|---|---|---|---|"]
    for arm, numbers in results["compare"]["arms"].items():
        accuracy, ece = numbers["test_accuracy"]["mean"], numbers["ece"]["mean"]
        label = readable(arm).replace("|", r"\|")
        lines.append(
            f"| {label} | {percent(accuracy)} | {ece:.3f} | {numbers['errors']['mean']:,.0f} |"
        )
    return "\n".join(lines)


def without_heading(section: str) -> str:
    """A section's paragraph."""
    return section.partition("\n\n")[2]


def unlinked(text: str) -> str:
    """Sentences without links to figures and tables; one that needs a link goes."""
    kept = re.split(r"(?<=[.!?])(?= )", IN_BRACKETS.sub("", text))
    return "".join(sentence for sentence in kept if not LINK.search(sentence)).strip()
