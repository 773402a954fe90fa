"""Measure a report's pages from their images: `python tools/pages.py REPORT.pdf [...]`.

The largest white gap of each page as a share of its height, without head and foot, and of the last
page and of the one before the appendix only what lies between two marks; words; the smallest type.
Where REPORT.html stands beside it: the paragraphs before the appendix, and the numbers in each of
their sentences. Needs poppler's pdftoppm and pdftotext.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bs4 import BeautifulSoup
from pypdf import PdfReader

MARGIN = 0.055  # share of a page's height that head and foot take
DOTS = 36  # an inch: a line of text is four rows of dots
APPENDIX = "Appendix"
# a number as a reader counts it: "95 %" in "95% interval" is a name, and so are a figure's number
# and that of a class without a word for it
NUMBER = re.compile(r"(?<![\w.])[−+-]?\d[\d,]*(?:\.\d+)?")
NAMES = re.compile(
    r"95% (?:interval|confidence)|(?:Figures?|Tables?|class)\s\d+|ResNet-18|CIFAR-\d+"
)
# not behind an abbreviation, nor inside a number
SENTENCE = re.compile(r"(?<=[.!?:;])\s+(?=[A-Z“])")


class Page(NamedTuple):
    """white: the largest gap, a share of the page's height; type: points, None without text."""

    words: int
    white: float
    type: float | None


def gap(image: np.ndarray, ends: bool = True) -> float:
    """The largest run of white rows of a page image (h, w), 255 white, as a share of its height.
    ends: whether white above the first mark and below the last one counts."""
    margin = round(MARGIN * len(image))
    marked = np.flatnonzero((image[margin : len(image) - margin] < 250).any(1))
    if not len(marked):
        return 1.0 - 2 * MARGIN
    places = [-1, *marked, len(image) - 2 * margin] if ends else marked
    return max(0, int(np.diff(places).max(initial=1)) - 1) / len(image)


def images(path: Path) -> list[np.ndarray]:
    """Every page as grey values (h, w)."""
    made = subprocess.run(
        ["pdftoppm", "-r", str(DOTS), "-gray", path], capture_output=True, check=True
    ).stdout
    found = []
    while made:
        head = re.match(rb"P5\s+(\d+)\s+(\d+)\s+255\s", made)
        width, height = int(head[1]), int(head[2])
        end = head.end() + width * height
        found.append(np.frombuffer(made[head.end() : end], np.uint8).reshape(height, width))
        made = made[end:]
    return found


def smallest_type(page) -> float | None:
    """The size of the smallest text, in points; text inside drawings is outlines, and not seen."""
    sizes = []

    def see(text, _, matrix, __, size):
        if text.strip():
            sizes.append(size * abs(matrix[3] or 1))

    page.extract_text(visitor_text=see)
    return round(min(sizes), 1) if sizes else None


def appendix(reader: PdfReader) -> int:
    """The number of pages before the one on which the appendix begins; all where none does."""
    for entry in reader.outline:
        if not isinstance(entry, list) and APPENDIX in entry.title:
            return reader.get_destination_page_number(entry)
    return len(reader.pages)


def measure(path: Path) -> list[Page]:
    """A report's pages."""
    reader = PdfReader(path)
    last = {len(reader.pages) - 1, appendix(reader) - 1}
    return [
        Page(
            len(page.extract_text().split()),
            gap(image, ends=number not in last),
            smallest_type(page),
        )
        for number, (page, image) in enumerate(zip(reader.pages, images(path)))
    ]


def paragraphs(html: str) -> list[str]:
    """The paragraphs and list items between page one and the appendix."""
    found = []
    for tag in BeautifulSoup(html, "html.parser").main(["h2", "p", "li"]):
        if tag.name == "h2" and APPENDIX in tag.get_text():
            break
        if tag.name != "h2" and not tag.find_parent(["figure", "section"]):
            found.append(" ".join(tag.get_text().split()))
    return found


def sentences(text: str) -> list[str]:
    """A paragraph's sentences, and parts of them that a colon or semicolon sets apart."""
    return SENTENCE.split(text)


def numbers(sentence: str) -> int:
    """How many numbers a sentence tells."""
    return len(NUMBER.findall(NAMES.sub("", sentence)))


def report(path: Path) -> str:
    """What was measured, as text."""
    pages, body = measure(path), appendix(PdfReader(path))
    lines = [f"{path}: {len(pages)} pages, {body} before the appendix"]
    lines += [
        f"  page {number:2}  words {page.words:4}  white {page.white:4.0%}"
        f"{' !' * (page.white > 0.2)}  type {page.type or '–'}{' !' * ((page.type or 8) < 8)}"
        for number, page in enumerate(pages, 1)
    ]
    beside = path.with_suffix(".html")
    if beside.is_file():
        told = [one for text in paragraphs(beside.read_text()) for one in sentences(text)]
        counts = [numbers(one) for one in told]
        lines.append(
            f"  body: {len(told)} sentences, {sum(len(one.split()) for one in told)} words, "
            f"{sum(counts) / max(len(counts), 1):.1f} numbers a sentence, at most "
            f"{max(counts, default=0)}"
        )
        lines += [f"  {count} numbers: {one}" for count, one in zip(counts, told) if count > 4]
    return "\n".join(lines)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(report(Path(name)))
