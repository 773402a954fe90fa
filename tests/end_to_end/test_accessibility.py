"""The report in a real browser, where one is installed: axe-core's rules, and nothing cut, at both
widths and in both modes."""

import io

import browser
import nbformat
import pytest
from pypdf import PdfReader

from lib.base import artefacts
from lib.export.html import ReportHTML

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)
pytestmark = pytest.mark.skipif(
    browser.PROGRAM is None, reason="no Chromium or Chrome is installed"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The committed report of the smoke study, its folded data open; it needs no script, and axe is
    none of its own."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(
        ReportHTML().from_notebook_node(
            nbformat.read(artefacts.ROOT / "notebooks" / "05_report.ipynb", as_version=4)
        )[0],
        encoding="utf-8",
    )
    with browser.page_of(path.as_uri()) as page:
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        yield page


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_and_nothing_is_cut(page, width, mode):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=mode)
    found = axe.Axe().run(page)
    assert found.response["passes"] and not found.violations_count, found.generate_report()
    assert page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    ), "the page scrolls sideways"
    cut = page.evaluate(
        "[...document.querySelectorAll('figure.table .scroll')].filter(one => one.scrollWidth > "
        "one.clientWidth + 1).map(one => one.innerText)"
    )
    assert width < 1280 or not cut, cut


# marks the caption and the last row of every table that is not long; how many
MARK = """() => {
  const tables = [...document.querySelectorAll('figure.table')].filter(
    one => one.querySelectorAll('tbody tr').length < 24)
  tables.forEach((one, number) => {
    one.querySelector('figcaption').prepend(`from${number}to `)
    one.querySelector('tbody tr:last-child').firstElementChild.prepend(`last${number}row `)
  })
  return tables.length
}"""


def test_on_paper_a_table_of_some_rows_is_whole_below_its_caption(page):
    page.set_viewport_size({"width": 1280, "height": 900})
    tables = page.evaluate(MARK)
    sheets = PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages
    texts = [sheet.extract_text() for sheet in sheets]
    whole = [
        sum(f"from{number}to" in text and f"last{number}row" in text for text in texts)
        for number in range(tables)
    ]
    assert len(texts) > 5 and whole == [1] * tables and tables > 5
