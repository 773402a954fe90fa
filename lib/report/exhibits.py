"""Figures and tables as a study keeps them: a picture for people, the data beside it, and what a
report shows again."""

import base64
import html
import io
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown, display

from lib.base import artefacts
from lib.base.text import readable

FOLDED, PRINTED = 200, 100  # rows of a figure's data and of a table that a report shows
# a whole multiple of 32 at one inch, so that 32x32 pictures scale by whole pixels
PIXELS_PER_INCH = 192
# of a drawing: paths and places, in points, of which two decimals are enough, and line ends, of
# which a notebook makes a line each
PLACES, LONG = re.compile(rb'\b(?:d|x|y)="[^"]*"'), re.compile(rb"(\.\d\d)\d+")
ENDS = re.compile(rb"\s*\n\s*")


def show_text(text: str) -> None:
    """Display sentences in Markdown; nothing where there are none."""
    if text:
        display(Markdown(text))


def show_figure(
    figure, name: str, caption: str, alt: str, folder, data: pd.DataFrame, vector: bool = True
) -> None:
    """Keep a figure as <folder>/figures/<name>.png (and .svg) with its data as .csv, and display
    it.

    caption: Markdown; alt: what the figure says, for those who cannot see it, required; data: the
    numbers drawn, of pictures what stands over them; vector: False for pictures. Raises ValueError
    without an alt text."""
    if not alt.strip():
        raise ValueError(f"figure {name}: an alt text is required")
    place = Path(folder) / "figures"
    width, height = figure.get_size_inches()
    metadata = {
        "alt": alt,
        "caption": caption,
        "label": f"fig-{name}",
        "width": round(width * 96),
        "height": round(height * 96),
    }
    metadata["table"] = as_html(data.head(FOLDED)) + _cut(
        len(data), FOLDED, f"figures/{name}.csv", "<p>{}</p>"
    )
    artefacts.write_table(place / f"{name}.csv", data)
    png = rendered(figure, "png", dpi=PIXELS_PER_INCH, metadata={"Software": None})
    bundle = {"image/png": base64.b64encode(png).decode(), "text/plain": f"<Figure: {alt}>"}
    artefacts.write_bytes(place / f"{name}.png", png)
    if vector:
        svg = rendered(figure, "svg", metadata={"Date": None, "Creator": None})
        bundle["image/svg+xml"] = svg.decode()
        artefacts.write_bytes(place / f"{name}.svg", svg)
    plt.close(figure)
    _keep(
        place / f"{name}.json",
        bundle,
        {kind: metadata for kind in bundle if kind.startswith("image/")},
    )


def show_table(
    table: pd.DataFrame,
    name: str,
    caption: str,
    folder,
    formats: dict | None = None,
    view: pd.DataFrame | None = None,
) -> None:
    """Keep a table as `keep_table` does, and display it."""
    keep_table(table, name, caption, folder, formats, view)
    replay(folder, "tables", name)


def keep_table(
    table: pd.DataFrame,
    name: str,
    caption: str,
    folder,
    formats: dict | None = None,
    view: pd.DataFrame | None = None,
) -> None:
    """Keep a table as <folder>/tables/<name>.csv, in full precision, for `replay`, which displays
    it, or `view` in its place.

    formats: column to a format such as "{:.1%}" or a function.
    """
    place = Path(folder) / "tables"
    artefacts.write_table(place / f"{name}.csv", table)
    shown = table if view is None else view
    caption += _cut(len(shown), PRINTED, f"`tables/{name}.csv`", " {}")
    bundle = {
        "text/html": as_html(shown.head(PRINTED), formats),
        "text/plain": f"<Table: {len(table)} rows>",
    }
    metadata = {"text/html": {"caption": caption, "label": f"tab-{name}"}}
    artefacts.write_json(place / f"{name}.json", {"data": bundle, "metadata": metadata})


def panel(figure, alt: str, vector: bool = True) -> dict:
    """A figure as `show_page` takes it: kind, content and alt; without a caption."""
    kind = "svg" if vector else "png"
    options = {"metadata": {"Date": None, "Creator": None}} if vector else {}
    options = options or {"dpi": PIXELS_PER_INCH, "metadata": {"Software": None}}
    content = rendered(figure, kind, **options)
    plt.close(figure)
    text = content.decode() if vector else base64.b64encode(content).decode()
    return {"kind": "image/svg+xml" if vector else "image/png", "content": text, "alt": alt}


def show_page(page: dict) -> None:
    """Display page one (lib.report.chapters.first_page.page): plain HTML in a notebook, while the
    exporters set what stands in its metadata."""
    lines = [f"<p><b>{html.escape(page['finding'])}</b></p>"]
    lines += [
        f"<p>{html.escape(' – '.join(filter(None, one[1:])))}</p>" for one in page["verdicts"]
    ]
    lines += [f"<p>{html.escape(' '.join(one))}</p>" for one in page["bullets"] + page["footer"]]
    display(
        {"text/html": "\n".join(lines), "text/plain": page["finding"]},
        raw=True,
        metadata={"text/html": {"page": page}},
    )


def replay(folder, kind: str, name: str) -> None:
    """Display a kept figure or table again; `kind` is "figures" or "tables". A plot comes as SVG.

    Raises ArtefactError if it was never made.
    """
    kept = artefacts.read_json(Path(folder) / kind / f"{name}.json")
    _display(kept, "image/png" if "image/svg+xml" in kept["data"] else None)


def _keep(path: Path, bundle: dict, metadata: dict) -> None:
    kept = {"data": bundle, "metadata": metadata}
    artefacts.write_json(path, kept)
    _display(kept, "image/svg+xml")


def _display(kept: dict, without: str | None) -> None:
    """One picture is enough for a notebook, which would otherwise carry each plot twice."""
    display(
        {kind: content for kind, content in kept["data"].items() if kind != without},
        raw=True,
        metadata={kind: entry for kind, entry in kept["metadata"].items() if kind != without},
    )


def _cut(rows: int, shown: int, file: str, form: str) -> str:
    """The note on a table that is longer than what is shown of it, else ""."""
    return (
        form.format(f"The first {shown} of {rows:,} rows; all are in {file}.")
        if rows > shown
        else ""
    )


def rendered(figure, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, **options)
    if kind != "svg":
        return buffer.getvalue()
    return PLACES.sub(lambda place: LONG.sub(rb"\1", place[0]), ENDS.sub(b" ", buffer.getvalue()))


def as_html(table: pd.DataFrame, formats: dict | None = None) -> str:
    """A plain HTML table without its index, every cell escaped."""
    shown = pd.DataFrame(
        {
            column: [_cell(value, (formats or {}).get(column)) for value in table[column]]
            for column in table
        }
    )
    shown.columns = [readable(column) for column in shown.columns]
    return shown.to_html(index=False, escape=True, border=0)


def _cell(value, form) -> str:
    if value is None or value is pd.NA or value != value:
        return "–"
    if callable(form):
        return form(value)
    if form:
        return form.format(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
