"""Names in any script: drawn by a font that has their letters, or said to be drawn by none."""

import io
import logging
import xml.etree.ElementTree as xml

import matplotlib.pyplot as plt
import pytest
from fontTools import ttLib
from matplotlib.ft2font import FT2Font
from pypdf import PdfReader

from lib.base.text import shorten
from lib.export import pdf
from lib.report import exhibits, fonts, style

NAMES = ["日本語の花", "中文植物花", "ดอกไม้", "🐈"]


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A system whose fonts are those that a test puts there, made of DejaVu with other letters."""
    monkeypatch.setattr(fonts.font_manager, "findSystemFonts", lambda: sorted(map(str, there())))

    def there():
        return tmp_path.glob("*.ttf")

    def put(name: str, letters: str):
        font = ttLib.TTFont(fonts.own_files()[0])
        glyph = font.getBestCmap()[ord("A")]
        for table in font["cmap"].tables:
            if table.format in (4, 12):
                table.cmap = {ord(one): glyph for one in letters if ord(one) < 2**16}
        for record in font["name"].names:
            if record.nameID in (1, 4, 6, 16):
                record.string = name
        font.save(tmp_path / f"{name}.ttf")
        fonts._beyond.cache_clear()
        return tmp_path / f"{name}.ttf"

    fonts._beyond.cache_clear()
    yield put
    fonts._beyond.cache_clear()
    plt.rcdefaults()


def test_what_dejavu_has_needs_no_font_of_the_system(system):
    system("Other", "abcé→日")
    for text in ("maple tree", "café → ≥ ⁻¹", "Привет", "Ελλάς", "עברית"):
        assert fonts.beyond(text) == ([], "")
    assert fonts.families("café") == ["DejaVu Sans"]


def test_the_fewest_fonts_write_what_dejavu_cannot(system):
    few, many = system("A few", "日"), system("Many", "日本語の花中文植物")
    thai = system("Thai", "ดอกไม้")
    assert fonts.beyond(NAMES[0] + NAMES[1]) == ([many], "")
    found, missing = fonts.beyond("".join(NAMES))
    assert sorted(found) == sorted([many, thai]) and few not in found and missing == "🐈"


def test_a_file_that_is_no_outline_font_is_passed_over(system, tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert fonts.beyond("日") == ([], "日")


def test_figures_and_the_pdf_are_written_with_the_font_that_is_found(system, tmp_path, caplog):
    system("Many", "日本語の花中文植物ดอกไม้")
    style.apply()
    style.show_names(NAMES[:3])
    figure, axis = plt.subplots()
    axis.set_title(shorten(NAMES[0]))
    svg = exhibits.rendered(figure, "svg").decode()
    plt.close(figure)
    assert xml.fromstring(svg) is not None and "LastResort" not in svg
    assert plt.rcParams["font.family"] == ["DejaVu Sans", "Many"]
    (tmp_path / "pdf").mkdir()
    source = f'#set document(title: "x")\n= {NAMES[0]}'
    made = pdf.compile_pdf(source, tmp_path / "pdf", logging.getLogger("lib"))
    used = PdfReader(io.BytesIO(made)).pages[0]["/Resources"]["/Font"].values()
    assert any(font["/BaseFont"].endswith("+Many") for font in used) and not caplog.messages


def test_a_letter_without_a_font_is_said(system, tmp_path, caplog):
    (tmp_path / "pdf").mkdir()
    source = f'#set document(title: "x")\n= {NAMES[3]}'
    pdf.compile_pdf(source, tmp_path / "pdf", logging.getLogger("lib"))
    assert caplog.messages[0] == "no font of this machine has 🐈: the PDF cannot show it"


def test_the_font_with_a_box_for_every_letter_is_none_of_ours():
    names = [FT2Font(str(path)).family_name for path in fonts.own_files()]
    assert names and all(name.startswith("DejaVu") for name in names)
