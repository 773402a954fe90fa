"""tools/pages.py measures what was set: gaps, type and numbers that are known beforehand."""

import importlib.util
import shutil

import numpy as np
import pytest
import typst

from lib.base.artefacts import ROOT

spec = importlib.util.spec_from_file_location("pages", ROOT / "tools" / "pages.py")
pages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pages)

SOURCE = """
#set page(width: 100mm, height: 200mm, margin: 20mm)
#set text(font: "Libertinus Serif", 11pt)
#place(top + left, rect(width: 50mm, height: 40mm, fill: black))
#place(top + left, dy: 120mm, rect(width: 50mm, height: 40mm, fill: black))
#pagebreak()
= Appendix
#text(7pt)[small type]
"""


def test_the_largest_gap_is_that_between_two_marks():
    image = np.full((1000, 10), 255, np.uint8)
    image[[100, 400, 900]] = 0
    assert pages.gap(image) == pytest.approx(0.499)
    assert pages.gap(image[:500], ends=False) == pytest.approx(299 / 500)


@pytest.mark.skipif(not shutil.which("pdftoppm"), reason="poppler is not installed")
def test_a_made_up_document(tmp_path):
    (tmp_path / "made.typ").write_text(SOURCE)
    path = tmp_path / "made.pdf"
    typst.compile(tmp_path / "made.typ", output=path)
    first, second = pages.measure(path)
    assert first.white == pytest.approx(0.4, abs=0.01) and first.words == 0
    assert second.type == pytest.approx(7, abs=0.1) and second.words == 3
    assert pages.appendix(pages.PdfReader(path)) == 1
    text = "<main><p>From 3 to 4,100 points.</p><h2>8 Appendix</h2><p>5</p></main>"
    path.with_suffix(".html").write_text(text)
    assert "at most 2" in pages.report(path)


@pytest.mark.parametrize(
    "sentence, count",
    [
        ("It falls from 78.8% to 68.3% (−10.5 points, 95% interval −11.6 to −9.4).", 5),
        ("Table 3 and Figure 4 show ResNet-18 on CIFAR-100.", 0),
        ("Of 10,000 images 61% are accepted.", 2),
    ],
)
def test_numbers_are_counted_as_a_reader_does(sentence, count):
    assert pages.numbers(sentence) == count


def test_sentences_end_where_they_end():
    assert len(pages.sentences("One is 0.5 here. Two follows; e.g. this. Three!")) == 3
