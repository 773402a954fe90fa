"""Markdown and formulas to HTML or Typst: every piece of a report in one pandoc process."""

import json
import re
import subprocess
from pathlib import Path

import pypandoc

from lib.base.errors import ReportError

TEMPLATES = Path(__file__).with_name("templates")
# no font has them, and PDF/UA-1 forbids what cannot be shown
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# HTML that prose and tables may hold. Everything else is shown as the text it is.
ALLOWED_TAGS = frozenset(
    """a abbr b blockquote br caption cite code col colgroup dd del details dfn div dl dt em
    figcaption figure h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp section small span
    strong sub summary sup table tbody td tfoot th thead tr u ul var wbr""".split()
)


def convert_markdown(pieces: list[dict], references: dict[str, str], target: str) -> dict:
    """Convert all `pieces` ({"text", "inline"}) to "html" or "typst" by one pandoc process.

    Returns {"pieces": [str], "headings": [{"level", "id", "number", "text"}]}.
    """
    request = {
        "target": target,
        "pieces": pieces,
        "references": references,
        "tags": sorted(ALLOWED_TAGS),
    }
    process = subprocess.run(
        [pypandoc.get_pandoc_path(), "lua", str(TEMPLATES / "markdown.lua")],
        input=json.dumps(request),
        capture_output=True,
        encoding="utf-8",
    )
    if process.returncode:
        raise ReportError(process.stderr.strip().splitlines()[-1])
    return json.loads(process.stdout)


def jupyter_markdown(text: str, attachments: dict) -> str:
    """`text` with what Jupyter accepts and pandoc does not: bare LaTeX environments, pasted
    pictures."""
    text = CONTROL.sub("", text)
    for name, bundle in attachments.items():
        kind, content = next(iter(bundle.items()))
        text = text.replace(f"](attachment:{name})", f"](data:{kind};base64,{content})")
    text = re.sub(
        r"(?<!\$)\\begin\{equation(\*?)\}(.*?)\\end\{equation\1\}", r"$$\2$$", text, flags=re.S
    )
    return re.sub(
        r"(?<!\$)\\begin\{align(\*?)\}(.*?)\\end\{align\1\}",
        r"$$\\begin{aligned}\2\\end{aligned}$$",
        text,
        flags=re.S,
    )
