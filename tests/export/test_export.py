"""The report's two formats, from notebooks built here: same numbers, nothing lost, nothing that
runs or loads."""

import base64
import io
import re

import nbformat
import nbformat.v4 as v4
import pytest
from bs4 import BeautifulSoup
from documents import assert_nothing_runs_or_loads, pdf_text, structure
from nbconvert.exporters import templateexporter
from PIL import Image
from pypdf import PdfReader

from lib.export.__main__ import main
from lib.export.html import ReportHTML
from lib.export.markdown import ReportError
from lib.export.pdf import ReportPDF
from lib.export.tables import typst_table

pytestmark = pytest.mark.slow

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="96" height="48"><rect width="90" '
    'height="40"/></svg>'
)
HOSTILE = (
    '<script>alert(1)</script><img src=x onerror=alert(2)> #eval("1") $x$ "quoted" '
    "\\new\\slash */ // "
    "<fig-one> @you שלום مرحبا " + "long " * 60
)


def png(size: int = 32) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (10, 120, 200)).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def escaped(text: str) -> str:
    """`text` as Markdown that shows it."""
    return re.sub(r"([\\`*_{}\[\]$#|~<>&])", r"\\\1", text)


def html_escaped(text: str) -> str:
    return (
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    )


def code(*outputs, source="pass", tags=()):
    return v4.new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


def display(data: dict, metadata: dict | None = None):
    return v4.new_output(
        "display_data", data={**data, "text/plain": "fallback"}, metadata=metadata or {}
    )


def printed(text: str, name: str = "stdout"):
    return v4.new_output("stream", name=name, text=text)


def figure(
    label: str, caption: str = "A caption.", alt: str = "Blue box", vector: bool = True, **more
):
    data = {"image/png": png(), **({"image/svg+xml": SVG} if vector else {})}
    details = {"caption": caption, "label": label, "alt": alt, "width": 96, "height": 48, **more}
    return code(display(data, {kind: dict(details) for kind in data}))


def table(label: str, html: str, caption: str = "A caption."):
    return code(display({"text/html": html}, {"text/html": {"caption": caption, "label": label}}))


def rows(*lines) -> str:
    head, *body = [
        "".join(f"<{tag}>{cell}</{tag}>" for cell in line)
        for tag, line in zip(["th"] + ["td"] * len(lines), lines)
    ]
    return (
        f'<table class="dataframe"><thead><tr>{head}</tr></thead><tbody>'
        + "".join(f"<tr>{line}</tr>" for line in body)
        + "</tbody></table>"
    )


def notebook(*cells, **metadata):
    return v4.new_notebook(
        cells=[v4.new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells],
        metadata=metadata,
    )


def to_html(*cells, **metadata) -> BeautifulSoup:
    return BeautifulSoup(
        ReportHTML().from_notebook_node(notebook(*cells, **metadata))[0], "html.parser"
    )


def to_pdf(*cells, **metadata) -> PdfReader:
    return PdfReader(io.BytesIO(ReportPDF().from_notebook_node(notebook(*cells, **metadata))[0]))


def test_both_formats_number_alike_and_fill_references():
    cells = [
        "# Title\n\n[](#tab-b), [](#fig-two), [](#fig-one), [](#tab-a), [above](#The-part)",
        "## The part",
        figure("fig-one"),
        table("tab-a", rows("a", "1")),
        figure("fig-two"),
        table("tab-b", rows("b", "2")),
        code(display({"text/markdown": "Again [](#fig-two)."})),
    ]
    page, reader = to_html(*cells), to_pdf(*cells)
    links = [link["href"] for link in page.main.find("p")("a")]
    assert links == ["#tab-b", "#fig-two", "#fig-one", "#tab-a", "#The-part"]
    text = pdf_text(reader)
    for shown in (page.main.get_text().replace("\xa0", " "), text.replace("\xa0", " ")):
        assert "Table 2, Figure 2, Figure 1, Table 1, above" in shown
        assert "Again Figure 2." in shown
    captions = {block["id"]: block.figcaption.get_text(" ", strip=True) for block in page("figure")}
    assert captions == {
        "fig-one": "Figure 1. A caption.",
        "tab-a": "Table 1. A caption.",
        "fig-two": "Figure 2. A caption.",
        "tab-b": "Table 2. A caption.",
    }
    assert all(
        text.count(f"{name}. A caption.") == 1
        for name in ("Figure 1", "Figure 2", "Table 1", "Table 2")
    )
    assert all(page.find(id=link["href"][1:]) for link in page("a"))


@pytest.mark.parametrize("exporter", [ReportHTML, ReportPDF])
@pytest.mark.parametrize(
    "cells, message",
    [
        (["See [](#fig-nowhere)."], "fig-nowhere"),
        (["See [this](#Nowhere)."], "Nowhere"),
        ([figure("fig-a"), figure("fig-a")], "fig-a"),
        ([figure("fig a")], "fig a"),
        ([r"A formula $\nonsense{x}$."], "nonsense"),
        (
            [code(v4.new_output("error", ename="ValueError", evalue="bad lambda", traceback=[]))],
            "ValueError: bad lambda",
        ),
    ],
)
def test_what_cannot_be_published_is_an_error_that_names_it(exporter, cells, message):
    with pytest.raises(ReportError, match=message):
        exporter().from_notebook_node(notebook(*cells))


def test_a_nbconvert_of_another_python_brings_its_templates(monkeypatch):
    monkeypatch.setattr(templateexporter, "jupyter_path", lambda *_: ["/nowhere"])
    monkeypatch.setattr(ReportHTML, "template_data_paths", ["/nowhere"])
    assert "Hello" in to_html("Hello").text


def test_hostile_text_is_shown_as_text_in_html():
    page = to_html(
        "# " + escaped(HOSTILE),
        "## " + escaped(HOSTILE),
        figure("fig-one", escaped(HOSTILE), HOSTILE),
        table("tab-one", rows([html_escaped(HOSTILE)], [html_escaped(HOSTILE)]), escaped(HOSTILE)),
        HOSTILE,
        code(printed(HOSTILE)),
        subtitle=HOSTILE,
    )
    start = HOSTILE[: HOSTILE.index("long")]
    places = [
        page.title,
        page.h1,
        page.h2,
        page.nav,
        *page("figcaption"),
        page.th,
        page.td,
        *page("pre", tabindex="0"),
        *page(class_="subtitle"),
    ]
    assert len(places) == 10
    assert all(start in place.get_text() for place in places)
    assert page.find("figure").img["alt"] == HOSTILE
    assert_nothing_runs_or_loads(page)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "<svg onload=alert(1)></svg>",
        "[x](javascript:alert(1))",
        "<a href='java\tscript:alert(1)' onclick='x'>k</a>",
        "![pixel](https://e.org/p.png)",
        "<img src='https://example.org/p.png'>",
        "<style>@import url(//e.org/x)</style>",
        "<iframe src='//e.org'></iframe>",
        "<p style='background:url(//e.org)'>p</p>",
        "<details ontoggle=alert(1) open>\n\nx\n\n</details>",
        "<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>",
    ],
)
def test_raw_html_in_markdown_and_outputs_neither_runs_nor_loads(text):
    html = (
        "<style>td { background: url(https://e.org) } @import "
        f"'x';</style><table><tr><td>{text}</td></tr></table>"
    )
    outputs = [code(display({"text/html": content})) for content in (html, text)]
    assert_nothing_runs_or_loads(to_html("# Title", text, *outputs))


def test_raw_html_that_is_harmless_stays():
    styler = (
        '<style>#T_x_row0_col0 { background-color: #ffe08a }</style><table id="T_x"><tr>'
        '<td id="T_x_row0_col0">7</td></tr></table>'
    )
    folded = "<details><summary>More</summary>\n\nH<sub>2</sub>O\n\n</details>"
    page = to_html("# Title", folded, table("tab-x", styler))
    assert page.main.details.summary.get_text() == "More" and page.main.sub.get_text() == "2"
    rule = next(style.get_text() for style in page.main("style"))
    assert "#T_x_row0_col0" in rule and "background-color:#ffe08a;color:#111" in rule


def test_hostile_text_is_shown_as_text_in_pdf():
    reader = to_pdf(
        "# " + escaped(HOSTILE),
        "## " + escaped(HOSTILE[:100]),
        figure("fig-one", escaped(HOSTILE), HOSTILE),
        table("tab-one", rows(["n"], [html_escaped(HOSTILE)]), escaped(HOSTILE)),
        HOSTILE,
        subtitle=HOSTILE,
    )
    text = pdf_text(reader)
    start = '<img src=x onerror=alert(2)> #eval("1") $x$ "quoted" \\new\\slash */ // <fig-one> @you'
    assert all(
        f"{before} <script>alert(1)</script>{start}" in text for before in ("Figure 1.", "Table 1.")
    )
    assert text.count(start) >= 5
    assert ("Figure", HOSTILE) in [(tag.strip("/"), alt) for tag, alt in structure(reader)]
    assert reader.metadata.title.startswith("<script>alert(1)</script>")


@pytest.mark.parametrize(
    "cell",
    [
        table("tab-one", rows(["a"], ["x\x00\x07y"]), "Bell\x07"),
        figure("fig-one", alt="Bell\x07"),
        table("tab-one", "<table></table>"),
        table("tab-one", rows(["only", "a head"])),
        table("tab-one", "<table><tr><td>no head</td></tr></table>"),
        table("tab-one", rows(["a", "b"], ["x" * 300, "1"])),
        figure("fig-one", width=600, height=3000),
        code(display({"image/png": png()})),
        code(printed("\x00")),
        v4.new_raw_cell("#raw"),
    ],
)
def test_pdf_keeps_its_standard_and_its_page_for_odd_content(cell):
    reader = to_pdf("# Title", cell)
    assert b"pdfuaid" in reader.trailer["/Root"]["/Metadata"].get_data()
    assert len(reader.pages) == 1 and "Contents" not in pdf_text(reader)


def test_raw_html_in_pdf_is_read_or_shown():
    cells = [
        "# Title",
        "a <svg onload=x> b",
        "H<sub>2</sub>O<br>and <b>bold</b>",
        "<p>block</p>",
        "<nobody>",
    ]
    text = pdf_text(to_pdf(*cells))
    assert (
        "a <svg onload=x> b" in text
        and "H2O and bold" in text
        and "block" in text
        and "<nobody>" in text
    )


def test_html_is_one_accessible_page():
    data = rows(["epoch", "loss"], ["1", "0.5"])
    page = to_html(
        "# The *title*",
        "Text before.",
        "## First",
        figure("fig-one", table=data),
        "### Second",
        table("tab-one", data),
        subtitle="a study & its date",
    )
    assert (page.title.get_text(), page.h1.get_text(), page.find(class_="subtitle").get_text()) == (
        "The title",
        "The title",
        "a study & its date",
    )
    assert [link.get_text() for link in page.nav("a")] == ["1 First", "1.1 Second"]
    assert [heading.get_text() for heading in page(["h2", "h3"])] == ["1 First", "1.1 Second"]
    assert page.find("details", class_="data").summary.get_text() == "Data of figure 1"
    assert [cell["scope"] for cell in page("th")] == ["col"] * 4
    assert all("number" in cell["class"] for cell in page("td"))
    assert all(block["tabindex"] == "0" for block in page(class_="scroll"))
    assert page.find("figure").img["src"].startswith("data:image/svg+xml,")
    assert len(page("h1")) == 1 and len({tag["id"] for tag in page(id=True)}) == len(page(id=True))


def test_title_may_come_from_an_output():
    cells = [
        code(source="removed", tags=["remove-cell"]),
        code(display({"text/markdown": "# Built *title*\n\nProse."})),
        "## First",
    ]
    page, reader = to_html(*cells), to_pdf(*cells)
    assert (page.title.get_text(), reader.metadata.title) == ("Built title", "Built title")
    assert [heading.get_text() for heading in page(["h1", "h2"])] == ["Built title", "1 First"]
    assert "Prose." in page.main.get_text() and [entry.title for entry in reader.outline] == [
        "1 First"
    ]


def test_code_is_folded_in_html_and_absent_in_pdf_and_hidden_cells_are_in_neither():
    cells = [
        "# Title",
        code(
            printed("epoch 1\repoch 2\n\x1b[31mred\x1b[0m\n"),
            printed("a warning\n", "stderr"),
            source="visible = 1",
        ),
        code(printed("output of hidden input\n"), source="no_input", tags=["remove-input"]),
        *(
            code(printed("removed output\n"), source="removed_source", tags=[tag])
            for tag in ("remove-cell", "parameters", "injected-parameters")
        ),
    ]
    page, text = to_html(*cells), pdf_text(to_pdf(*cells))
    folded = page("details", class_="code")
    # the last: all hidden code at the end
    assert [block.pre.get_text().strip() for block in folded] == ["visible = 1", "no_input"]
    assert (
        not any(block.has_attr("open") for block in folded)
        and folded[-1].summary.get_text() == "Show code"
    )
    folded[-1].decompose()
    assert page.find("pre", tabindex="0").get_text() == "epoch 2\nred"
    assert "epoch 2 red" in text and "output of hidden input" in text and "visible" not in text
    for shown in (str(page.body), text):
        assert not any(word in shown for word in ("a warning", "no_input", "removed", "epoch 1"))


def test_formulas_are_mathml_and_have_alternative_text_in_pdf():
    cells = [
        "# Title",
        "Inline $p_k \\ge \\tau$, costs \\$5.\n\n$$\n\\frac{1}{N} \\sum_i x_i\n$$",
        figure("fig-one", "At $\\eta = 0.1$."),
    ]
    page = to_html(*cells)
    assert [formula.get("display") for formula in page("math")] == ["inline", "block", "inline"]
    assert page.find("figcaption").math and "costs $5." in page.get_text()
    assert [alt for tag, alt in structure(to_pdf(*cells)) if tag == "/Formula"] == [
        "p_k \\ge \\tau",
        " \\frac{1}{N} \\sum_i x_i ",
        "\\eta = 0.1",
    ]


def test_pdf_is_tagged_titled_and_has_bookmarks_and_alternative_texts():
    picture = f'<img src="data:image/png;base64,{png()}" alt="picture 17" width="64">'
    reader = to_pdf(
        "# The title",
        "## First",
        figure("fig-one", alt="Vector box"),
        "#### Deep",
        "## Last",
        figure("fig-two", alt="Raster box", vector=False),
        table("tab-one", rows(["image"], [picture])),
    )
    assert reader.metadata.title == "The title"
    marked = reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert marked == True  # noqa: E712  pypdf's own boolean
    assert b"pdfuaid" in reader.trailer["/Root"]["/Metadata"].get_data()
    outline = [entry if isinstance(entry, list) else entry.title for entry in reader.outline]
    assert [outline[0], outline[1][0].title, outline[2]] == ["1 First", "1.1 Deep", "2 Last"]
    tags = structure(reader)
    assert {"Vector box", "Raster box", "picture 17"} <= {alt for _, alt in tags}
    assert {"/Table", "/THead", "/TH", "/TD", "/Caption", "/H1", "/H2"} <= {tag for tag, _ in tags}


def test_small_pictures_in_cells_show_in_html():
    picture = f'<img src="data:image/png;base64,{png()}" alt="picture 17" width="64">'
    image = to_html("# Title", table("tab-one", rows(["image"], [picture]))).td.img
    assert (image["alt"], image["width"], image["src"]) == (
        "picture 17",
        "64",
        f"data:image/png;base64,{png()}",
    )


def test_long_tables_repeat_their_header_in_pdf_and_wide_ones_stay_on_the_page():
    long = rows(["identity", "value"], *([f"row{number}", "1.5"] for number in range(120)))
    wide = rows(
        [f"measure number {number}" for number in range(18)],
        [f"0.{number}12345" for number in range(18)],
    )
    reader = to_pdf("# Title", table("tab-long", long), "## Wide", table("tab-wide", wide))
    with_rows = [
        page.extract_text() for page in reader.pages if re.search(r"row\d", page.extract_text())
    ]
    assert len(with_rows) >= 3 and all("identity" in text for text in with_rows)
    starts = []

    def remember(text, page, place, *_):
        if text.strip():
            starts.append(page[0] * place[4] + page[4])

    reader.pages[-1].extract_text(visitor_text=remember)
    # the page is 595 points wide, and its margin 49
    assert max(starts) < 595 - 49


@pytest.mark.parametrize("lines", range(4))
def test_a_row_of_several_lines_stays_on_one_page_in_pdf(lines):
    words = [
        [f"first{number} " + "and so on " * 60 + f"last{number}", "1.5"] for number in range(60)
    ]
    reader = to_pdf(
        "# Title",
        "\n\n".join(["A line."] * lines),
        table("tab-long", rows(["a long text", "value"], *words)),
    )
    ends = [
        [set(re.findall(rf"{end}(\d+)", page.extract_text())) for end in ("first", "last")]
        for page in reader.pages
    ]
    assert len(ends) > 2 and all(first == last for first, last in ends)
    assert set().union(*(first for first, _ in ends)) == set(map(str, range(60)))


def test_a_row_taller_than_a_page_is_there_to_its_last_word_in_pdf():
    tall = rows(["a long text", "value"], ["start " + "and so on " * 3000 + "finish", "1.5"])
    texts = [page.extract_text() for page in to_pdf("# Title", table("tab-long", tall)).pages]
    # what runs off a page's foot is still in its text
    words = [len(re.findall(r"\bso\b", text)) for text in texts]
    assert sum(words) == 3000 and max(words) < 1500 and "finish" in texts[-1]


def test_a_cell_over_more_rows_than_a_page_holds_still_breaks_in_pdf():
    first, *others = [f"<td>row{number}</td></tr>" for number in range(120)]
    rows = first + "".join(f"<tr>{other}" for other in others)
    spanned = (
        "<table><thead><tr><th>group</th><th>value</th></tr></thead><tbody><tr><td "
        f"rowspan='120'>all</td>{rows}</tbody></table>"
    )
    with_rows = [
        re.findall(r"row\d+", page.extract_text())
        for page in to_pdf("# Title", table("tab-long", spanned)).pages
    ]
    assert sum(map(len, with_rows)) == 120 and max(map(len, with_rows)) < 100


@pytest.mark.parametrize("lines, length", [(30, 20), (36, 20), (38, 12)])
def test_a_table_of_some_rows_is_on_one_page_and_the_text_goes_on_before_it(lines, length):
    short = rows(["identity", "value"], *([f"row{number}", "1.5"] for number in range(length)))
    cells = ["\n\n".join(["A line."] * lines), table("tab-short", short), "What follows."]
    texts = [page.extract_text() for page in to_pdf("# Title", *cells).pages]
    assert [len(re.findall(r"row\d+", text)) for text in texts] == [0, length]
    assert "What follows." in texts[0]


def test_a_reference_says_the_page_of_what_stands_far_from_it_in_pdf():
    numbers = range(1, 10)
    named = ", ".join(f"[](#fig-{number})" for number in numbers)
    wide = [figure(f"fig-{number}", width=600, height=300) for number in numbers]
    pages = [
        " ".join(page.extract_text().replace("\xa0", " ").split())
        for page in to_pdf("# Title", f"{named}.", *wide).pages
    ]
    stands = [
        next(place for place, text in enumerate(pages, 1) if f"Figure {number}. A" in text)
        for number in numbers
    ]
    assert {1, 2, 3} <= set(stands)
    assert (
        ", ".join(
            f"Figure {number}" + f" on page {place}" * (place > 2)
            for number, place in zip(numbers, stands)
        )
        in pages[0]
    )


def test_a_wide_table_of_intervals_keeps_its_type_and_its_intervals_whole_in_pdf():
    number = "−0.087 (−0.093 to −0.081)"
    wide = rows(["what", *"abcdef"], *([f"row{row}", *[number] * 6] for row in range(3)))
    page, sizes = to_pdf("# Title", table("tab-wide", wide)).pages[0], []
    text = page.extract_text(
        visitor_text=lambda text, _, place, __, size: (
            sizes.append(size * abs(place[3] or 1)) if "0.087" in text else None
        )
    )
    assert min(sizes) >= 8  # points
    assert text.replace("\xa0", " ").count("(−0.093 to −0.081)") == 18


def test_columns_of_long_text_share_the_page_and_no_more_than_they_need():
    long = rows(["a", "b", "c"], ["so and so " * 20, "and so on " * 40, "1.5"])
    code, _ = typst_table(long, None)
    widths = [float(width) for width in re.findall(r"([\d.]+)fr", code)]
    assert len(widths) == 2 and widths[0] < widths[1]
    code, _ = typst_table(rows(["a", "b"], ["thirty letters are enough here", "1.5"]), None)
    assert "fr" not in code


@pytest.mark.parametrize("lines", [34, 35, 36])
def test_caption_of_a_long_table_stays_with_its_rows_in_pdf(lines):
    long = rows(["identity", "value"], *([f"row{number}", "1.5"] for number in range(60)))
    reader = to_pdf("# Title", "\n\n".join(["A line."] * lines), table("tab-long", long))
    assert "row0" in next(
        page.extract_text() for page in reader.pages if "Table 1." in page.extract_text()
    )


@pytest.mark.parametrize(
    "name, value, dated",
    [("SOURCE_DATE_EPOCH", "1700000000", "2023"), ("REPORT_TIMES", "0", "1970")],
)
def test_same_notebook_gives_the_same_bytes(monkeypatch, name, value, dated):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv(name, value)
    built = notebook(
        "# Title", "## Part $x$", figure("fig-one"), table("tab-one", rows(["a"], ["1"]))
    )
    for exporter in (ReportHTML, ReportPDF):
        assert exporter().from_notebook_node(built)[0] == exporter().from_notebook_node(built)[0]
    assert f"/CreationDate(D:{dated}".encode() in ReportPDF().from_notebook_node(built)[0]


def test_command_writes_both_files_or_neither(tmp_path, capsys):
    source, paths = tmp_path / "report.ipynb", [tmp_path / "report.html", tmp_path / "report.pdf"]
    arguments = [str(source), "--html", str(paths[0]), "--pdf", str(paths[1])]
    nbformat.write(notebook("# Title", figure("fig-one")), source)
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(map(str, paths))
    assert paths[0].read_bytes().startswith(b"<!DOCTYPE html>") and paths[
        1
    ].read_bytes().startswith(b"%PDF-")
    before = [path.read_bytes() for path in paths]
    nbformat.write(notebook("# Title", "[](#fig-gone)"), source)
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and "fig-gone" in captured.err and not captured.out
    assert [path.read_bytes() for path in paths] == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "report.html",
        "report.ipynb",
        "report.pdf",
    ]
    assert main([str(tmp_path / "absent.ipynb"), *arguments[1:]]) == 1
