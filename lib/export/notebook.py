"""What both formats share: which cells show, how figures and tables are numbered, and how Markdown
is read."""

import re
import sys

# jsonschema's check of web addresses: a second to load, and no notebook asks for it
sys.modules.setdefault("rfc3987_syntax", None)

from nbconvert.preprocessors import Preprocessor  # noqa: E402
from traitlets import Unicode  # noqa: E402

from lib.export.markdown import (  # noqa: E402
    CONTROL,
    ReportError,
    convert_markdown,
    jupyter_markdown,
)

HIDDEN = {
    "enabled": True,
    "remove_cell_tags": {"remove-cell", "parameters", "injected-parameters"},
    "remove_input_tags": {"remove-input"},
    "remove_all_outputs_tags": {"remove-output"},
}
SHOWN_FIRST = (
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/html",
    "text/latex",
    "text/plain",
)
ANSI_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LABEL = re.compile(r"[A-Za-z][\w-]*", re.A)
FIRST_HEADING = re.compile(r"\A\s*#[ \t]+(.+?)[ \t]*#*[ \t]*(?:\n|\Z)")


def plain_text(text: str) -> str:
    """`text` as a terminal leaves it: no colours, no control characters, only the last state of a
    rewritten line."""
    lines = (
        line.rstrip("\r").rpartition("\r")[2] for line in ANSI_COLOUR.sub("", text).split("\n")
    )
    return "\n".join(CONTROL.sub("", line) for line in lines).rstrip()


def simplify(output, cell_number: int):
    """The output with one representation and that one's metadata, or None where nothing is
    shown."""
    if output.output_type == "error":
        raise ReportError(f"cell {cell_number} failed with {output.ename}: {output.evalue}")
    if output.output_type == "stream":
        output.text = plain_text(output.text)
        return output if output.name == "stdout" and output.text else None
    kind = next((kind for kind in SHOWN_FIRST if kind in output.data), None)
    if kind is None:
        return None
    content, details = output.data[kind], dict(output.metadata.get(kind) or {})
    if "alt" in details:
        details["alt"] = CONTROL.sub("", details["alt"])
    if kind.startswith("text/"):
        content = plain_text(content)
    plain = "<table" not in content and "page" not in details
    if kind == "text/latex" or kind == "text/html" and plain:
        kind, content = "text/markdown", re.sub(r"\n\s*\n", "\n", content)
    output.output_type, output.data, output.metadata = "display_data", {kind: content}, details
    return output


def take_title(notebook) -> None:
    """Move the heading that opens the prose into the notebook's metadata; a title already there
    wins."""
    prose = (
        (container, key) for container, key, inline, _ in markdown_places(notebook) if not inline
    )
    container, key = next(prose, ({"": ""}, ""))
    if heading := FIRST_HEADING.match(container[key]):
        container[key] = container[key][heading.end() :]
    notebook.metadata["title"] = notebook.metadata.get("title") or (
        heading[1] if heading else "Report"
    )


def number_captions(notebook) -> dict[str, str]:
    """Name every captioned output in order, "Figure 1" or "Table 1", in its metadata; return label
    -> name."""
    counts, references = {"Figure": 0, "Table": 0}, {}
    for output in displayed(notebook):
        if not output.metadata.get("caption"):
            continue
        kind = "Table" if "text/html" in output.data else "Figure"
        counts[kind] += 1
        output.metadata["name"] = f"{kind} {counts[kind]}"
        label = output.metadata.setdefault(
            "label", output.metadata["name"].lower().replace(" ", "-")
        )
        if not LABEL.fullmatch(label):
            raise ReportError(
                f"{output.metadata['name']}: a label has letters, digits, - and _ only, not "
                f'"{label}"'
            )
        if label in references:
            raise ReportError(
                f'{references[label]} and {output.metadata["name"]} have the same label "{label}"'
            )
        references[label] = output.metadata["name"]
    return references


def displayed(notebook) -> list:
    """The displayed outputs in order."""
    return [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "display_data"
    ]


def markdown_places(notebook):
    """Yield where the notebook holds Markdown: (container, key, inline, attachments), in reading
    order."""
    yield notebook.metadata, "title", True, {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield cell, "source", False, cell.get("attachments", {})
        for output in cell.get("outputs", []):
            if "text/markdown" in output.get("data", {}):
                yield output.data, "text/markdown", False, {}
            elif output.get("metadata", {}).get("caption"):
                yield output.metadata, "caption", True, {}


class PrepareReport(Preprocessor):
    """Leave in the notebook what a report shows, numbered, its Markdown already converted to
    `target`."""

    target = Unicode("html").tag(config=True)

    def preprocess(self, notebook, resources):
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                cell.outputs = [
                    output
                    for output in (simplify(output, number) for output in cell.outputs)
                    if output
                ]
        take_title(notebook)
        references = number_captions(notebook)
        places = list(markdown_places(notebook))
        pieces = [
            {"text": jupyter_markdown(container[key], attachments), "inline": inline}
            for container, key, inline, attachments in places
        ]
        converted = convert_markdown(pieces, references, self.target)
        for (container, key, _, _), text in zip(places, converted["pieces"]):
            container[key] = text
        resources["headings"] = converted["headings"]
        return notebook, resources
