"""The studies of a folder on one page: `python -m lib.pipeline.index OUTPUTS` writes
OUTPUTS/index.html."""

import argparse
import html
from pathlib import Path
from urllib.parse import quote

from lib.base import artefacts
from lib.base.text import percent, readable, settled
from lib.evaluation.summary import change_text
from lib.export.markdown import TEMPLATES

STYLE = TEMPLATES / "report" / "static" / "report.css"
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Studies</title>
<style>
{style}
main {{ grid-column: 1 / -1; }}
header {{ grid-column: 1 / -1; }}
tbody th {{ min-width: 12rem; }}
</style>
</head>
<body>
<header><h1>Studies</h1></header>
<main>
{body}
</main>
</body>
</html>
"""
HEAD = ("study", "finished, UTC", "test accuracy", "from the first arm to the second", "report")


def studies(outputs: Path) -> list[dict]:
    """What is known of every study with a report in `outputs`, the newest first."""
    found = [_study(report.parent) for report in outputs.glob("*/report.html")]
    return sorted(
        sorted(found, key=lambda study: study["folder"]),
        key=lambda study: study["finished"],
        reverse=True,
    )


def _study(folder: Path) -> dict:
    """Title and time from the executed notebook, numbers from results.json; what cannot be read is
    left out and said."""
    study = {
        "folder": folder.name,
        "title": folder.name,
        "finished": "",
        "accuracy": [],
        "change": "",
        "pdf": (folder / "report.pdf").exists(),
    }
    try:
        record = artefacts.read_json(folder / "05_report.ipynb")["metadata"]["papermill"]
        compare = artefacts.read_json(folder / "results.json")["compare"]
        arms = compare["arms"]
        accuracy = [
            (readable(arm), _accuracy(of_arm["test_accuracy"])) for arm, of_arm in arms.items()
        ]
        return study | {
            "title": record["parameters"].get("title", folder.name),
            "finished": record["end_time"][:16].replace("T", " "),
            "accuracy": accuracy,
            "change": _change(compare) if compare["after"] else "one arm, nothing compared",
        }
    except (artefacts.ArtefactError, KeyError, TypeError, AttributeError):
        return study | {"change": "its results cannot be read"}


def _change(compare: dict) -> str:
    change, pair = (
        compare["accuracy_change"],
        [readable(compare[which]) for which in ("before", "after")],
    )
    found = settled(change, compare["mcnemar"])
    found = {"none": "no difference found: ", "open": "open: "}.get(found, "")
    runs = compare["arms"][compare["before"]]["test_accuracy"]["n"]
    return f"{' to '.join(pair)}: {found}{change_text('test_accuracy', change, runs)}"


def _accuracy(entry: dict) -> str:
    spread = (
        ""
        if entry["n"] == 1 or entry["sd"] is None
        else f" ± {100 * entry['sd']:.1f} ({entry['n']} seeds)"
    )
    return percent(entry["mean"]) + spread


def page(found: list[dict]) -> str:
    """The page; every text from a study is escaped."""
    if not found:
        body = "<p>No study has a report yet.</p>"
    else:
        head = "".join(f'<th scope="col">{name}</th>' for name in HEAD)
        rows = "\n".join(f"<tr>{_row(study)}</tr>" for study in found)
        body = (
            '<div class="scroll" tabindex="0" role="region" aria-label="Studies">\n<table>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
        )
    return PAGE.format(style=STYLE.read_text(encoding="utf-8"), body=body)


def _row(study: dict) -> str:
    place = quote(study["folder"])
    links = [f'<a href="{place}/report.html">HTML</a>'] + [
        f'<a href="{place}/report.pdf">PDF</a>'
    ] * study["pdf"]
    accuracy = "<br>".join(html.escape(f"{arm} {value}") for arm, value in study["accuracy"])
    title = html.escape(study["title"])
    name = (
        ""
        if study["title"] == study["folder"]
        else f"<br><code>{html.escape(study['folder'])}</code>"
    )
    return (
        f'<th scope="row"><a href="{place}/report.html">{title}</a>{name}</th><td '
        f'class="short">{html.escape(study["finished"])}</td><td '
        f'class="short">{accuracy}</td><td class="long">{html.escape(study["change"])}</td><td '
        f'class="short">{", ".join(links)}</td>'
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib index", description=__doc__)
    parser.add_argument("outputs", nargs="?", default="outputs", help="folder of all studies")
    outputs = artefacts.ROOT / parser.parse_args(arguments).outputs
    artefacts.write_bytes(outputs / "index.html", page(studies(outputs)).encode())
    return 0
