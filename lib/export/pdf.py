"""The report as a tagged PDF (PDF/UA-1): Markdown through pandoc, everything set by Typst."""

import base64
import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from urllib.parse import unquote_to_bytes

import typst
from nbconvert.exporters import Exporter
from traitlets import default
from traitlets.config import Config

from lib.export.markdown import TEMPLATES, ReportError
from lib.export.notebook import HIDDEN, PrepareReport
from lib.export.tables import LINES_OF_FLOAT, literal, typst_table
from lib.report import fonts

SUFFIXES = {
    "image/svg+xml": "svg",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
}
STANDARD = "ua-1"
TALL = 1.8 * 96  # CSS pixels of a picture that may not stay where its text is


class Pictures:
    """The pictures of a report as files that Typst can read; equal pictures are one file."""

    def __init__(self, folder: Path):
        self.folder = folder

    def save(self, content: bytes, kind: str) -> str:
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.{SUFFIXES.get(kind, 'png')}"
        (self.folder / name).write_bytes(content)
        return name

    def save_uri(self, uri: str) -> str:
        head, _, content = uri.partition(",")
        kind = head.removeprefix("data:").partition(";")[0]
        encoded = head.endswith(";base64")
        return self.save(base64.b64decode(content) if encoded else unquote_to_bytes(content), kind)

    def save_output(self, content: str, kind: str) -> str:
        return self.save(
            content.encode() if kind == "image/svg+xml" else base64.b64decode(content), kind
        )


def typst_markdown(text: str, pictures: Pictures) -> str:
    """Converted Markdown; pictures inside it become files."""
    return re.sub(
        r'(#markdown-image\()"(data:image/[^"]*)"',
        lambda found: found[1] + literal(pictures.save_uri(found[2])),
        text,
    )


def typst_figure(body: str, kind: str, details: dict, breakable: bool, floats=False) -> str:
    """`body` with its caption and label."""
    if not details.get("caption"):
        return f"#block(breakable: {str(breakable).lower()}, {body})"
    caption = f"#caption-name({literal(details['label'])})[{details['name']}.] {details['caption']}"
    # a tall picture floats to the head or foot of a page, so that it leaves no hole in the text
    # before it
    tall = kind == "image" and float(details.get("height") or TALL) >= TALL
    placement = "auto" if tall or floats else "none"
    code = (
        f"#figure(kind: {kind}, placement: {placement}, caption: [{caption}], {body}) "
        f"<{details['label']}>"
    )
    return f"#[#show figure: set block(breakable: true)\n{code}]" if breakable else code


def typst_page(page: dict, pictures: Pictures) -> str:
    """Page one (lib.report.chapters.first_page) as Typst code."""

    def texts(rows) -> str:
        return "".join(f"({', '.join(map(literal, row))}), " for row in rows)

    def panel(one) -> str:
        return (
            f"({literal(pictures.save_output(one['content'], one['kind']))}, {literal(one['alt'])})"
        )

    columns = "".join(f"({''.join(f'{panel(one)}, ' for one in of)}), " for of in page["columns"])
    parts = [f"{name}: {literal(page[name])}" for name in ("finding", "standfirst")]
    parts += [f"{name}: ({texts(page[name])})" for name in ("verdicts", "bullets", "footer")]
    return f"#first-page({', '.join([*parts, f'columns: ({columns})'])})"


def typst_output(output, pictures: Pictures, log, body: bool) -> str:
    """One output as Typst code; after the `body` a long table breaks, and stays where it is."""
    if output.output_type == "stream":
        return f"#raw(block: true, {literal(output.text)})"
    (kind, content), details = next(iter(output.data.items())), output.metadata
    if kind == "text/markdown":
        return typst_markdown(content, pictures)
    if "page" in details:
        return typst_page(details["page"], pictures)
    if kind == "text/html":
        table, lines = typst_table(content, pictures.save_uri)
        least, most = LINES_OF_FLOAT
        floats = body and least < lines <= most
        return typst_figure(table, "table", details, lines > least and not floats, floats)
    if kind == "text/plain":
        return f"#raw(block: true, {literal(content)})"
    if not details.get("alt"):
        log.warning("%s has no alternative text", details.get("name", "a figure without caption"))
    size = ", ".join(
        f"{name}: {float(details[name]) * 0.75:g}pt"
        for name in ("width", "height")
        if details.get(name)
    )
    alt = literal(details.get("alt") or details.get("name") or "Figure")
    image = (
        f"fit-image({literal(pictures.save_output(content, kind))}, {alt}{', ' * bool(size)}{size})"
    )
    return typst_figure(image, "image", details, breakable=False)


def typst_source(notebook, pictures: Pictures, log) -> str:
    """The whole report as Typst code, template included."""
    subtitle = literal(str(notebook.metadata.get("subtitle") or ""))
    parts = [
        (TEMPLATES / "report.typ").read_text(encoding="utf-8"),
        f"#show: report.with(title: [{notebook.metadata['title']}], subtitle: {subtitle})",
    ]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(typst_markdown(cell.source, pictures))
        for output in cell.get("outputs", []):
            body = not any(re.search(r"^= Appendix", part, re.M) for part in parts)
            parts.append(typst_output(output, pictures, log, body))
    source = "\n\n".join(parts) + "\n"
    # what floats in the body stands before the appendix, and never inside the list of limits: a
    # list in two parts is none to PDF/UA
    source = re.sub(
        r"^= Limits: .*?(?=^= Appendix)",
        lambda limits: (
            f"#[#show list: block.with(breakable: false)\n\n{limits[0]}]\n\n#place.flush()\n\n"
        ),
        source,
        count=1,
        flags=re.M | re.S,
    )
    # what stands before the first section is page one
    return re.sub(r"^(?==+ )", "#contents\n\n", source, count=1, flags=re.M)


def font_folder(source: str, folder: Path, log) -> Path:
    """A folder of the fonts that Typst is to use besides its own: DejaVu, and what writes the rest
    of `source`."""
    place = folder / "fonts"
    place.mkdir()
    found, missing = fonts.beyond(source)
    for path in [*fonts.own_files(), *found]:
        shutil.copyfile(path, place / path.name)
    # guard: no-box-in-silence
    if missing:
        log.warning("no font of this machine has %s: the PDF cannot show it", " ".join(missing))
    return place


def compile_pdf(source: str, folder: Path, log) -> bytes:
    """`source` as PDF bytes, on every machine the same for the same SOURCE_DATE_EPOCH, or without
    times. A font of the system is read only for letters that the project's own fonts lack."""
    (folder / "report.typ").write_text(source, encoding="utf-8")
    compiler = typst.Compiler(
        ignore_system_fonts=True,
        font_paths=[str(font_folder(source, folder, log))],
        root=str(folder),
        input=str(folder / "report.typ"),
    )
    # a report without times has no hour at which it was made
    timeless = os.environ.get("REPORT_TIMES") == "0"
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or ("0" if timeless else "")
    options = {"format": "pdf", "timestamp": int(epoch) if epoch else None}
    try:
        pdf, warnings = compiler.compile_with_warnings(pdf_standards=[STANDARD], **options)
    except typst.TypstError as problem:
        # one letter without a glyph breaks the standard, but should not cost the report
        log.warning("the PDF does not meet %s: %s", STANDARD, problem.message)
        try:
            pdf, warnings = compiler.compile_with_warnings(**options)
        except typst.TypstError as error:
            raise ReportError(f"Typst: {error.message}") from error
    for warning in warnings:
        log.warning("Typst: %s", warning.message)
    return pdf


class ReportPDF(Exporter):
    """Notebook to a tagged PDF without LaTeX or a browser."""

    output_mimetype = "application/pdf"

    @default("file_extension")
    def _file_extension_default(self):
        return ".pdf"

    @property
    def default_config(self):
        config = Config(
            {"TagRemovePreprocessor": HIDDEN, "CoalesceStreamsPreprocessor": {"enabled": True}}
        )
        config.merge(super().default_config)
        return config

    def _init_preprocessors(self):
        super()._init_preprocessors()
        self.register_preprocessor(PrepareReport(target="typst", parent=self), enabled=True)

    def from_notebook_node(self, nb, resources=None, **kwargs):
        notebook, resources = super().from_notebook_node(nb, resources, **kwargs)
        with tempfile.TemporaryDirectory() as folder:
            source = typst_source(notebook, Pictures(Path(folder)), self.log)
            return compile_pdf(source, Path(folder), self.log), resources
