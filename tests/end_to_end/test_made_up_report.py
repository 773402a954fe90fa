"""Whole reports of made-up studies: each reads true, keeps to its pages, and shows hostile names as
the text they are."""

import importlib.util
import io
import json
import re
import shutil
import subprocess

import made_up
from bs4 import BeautifulSoup
from documents import assert_nothing_runs_or_loads, pdf_text, structure
from pypdf import PdfReader

from lib.base.artefacts import ROOT
from lib.export.html import ReportHTML
from lib.export.pdf import ReportPDF

spec = importlib.util.spec_from_file_location("pages", ROOT / "tools" / "pages.py")
pages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pages)

HOSTILE = [
    "<script>alert(1)</script>",
    '#eval("1+1") $x^2$',
    "\"'\\n\\ ` * _ [a](b)",
    "<img src=x onerror=alert(2)>",
    "שלום مرحبا 🦀",
    "long " * 60,
]
SAME = {"baseline": {"wrong": 0.3}, "cutmix": {"wrong": 0.3}}
SMALL = {"04_compare": {"corruption_images": 0}}


class Rendered:
    """A report in both formats."""

    def __init__(self, notebook):
        self.notebook = notebook
        self.html = ReportHTML().from_notebook_node(notebook)[0]
        self.pdf = ReportPDF().from_notebook_node(notebook)[0]
        self.page, self.reader = (
            BeautifulSoup(self.html, "html.parser"),
            PdfReader(io.BytesIO(self.pdf)),
        )
        self.code = self.page.find(id="hidden-code").extract()
        self.texts = [" ".join(self.page.get_text(" ").split()), pdf_text(self.reader)]


def classes(number: int) -> list[str]:
    return [f"class_{place}" for place in range(number)]


def check(report: Rendered, folder) -> None:
    """What holds of every report, whatever the study."""
    assert_nothing_runs_or_loads(report.page)
    assert "chapters.placed(numbers)" in report.code.get_text()
    for text in report.texts:
        assert not re.search(r"\bnan\b|\bNone\b|<IPython|\[\]\(#", text)
    # each figure has an alternative text in both, and in HTML its data
    figures = report.page("figure", class_=lambda name: name != "table")
    assert len(figures) > 7 and all(figure.img["alt"] for figure in figures)
    assert all(figure.find_next_sibling().get("class") == ["data"] for figure in figures)
    tagged = [alt for tag, alt in structure(report.reader) if tag == "/Figure"]
    panels = report.page("div", class_="panel")
    assert all(panel.img["alt"] for panel in panels)
    assert len(tagged) == len(figures) + len(panels) and all(tagged)
    assert b"pdfuaid" in report.reader.trailer["/Root"]["/Metadata"].get_data()
    assert len(report.reader.pages) < 25
    first, second = (page.extract_text() for page in report.reader.pages[:2])
    assert "Contents" not in first and "Seeds" in first, "page one ends with its footer"
    assert "Contents" in second, "page one is one page"
    assert pages.appendix(report.reader) <= 10, "the body has at most ten pages"
    told = [one for text in pages.paragraphs(report.html) for one in pages.sentences(text)]
    assert len(told) > 10 and [one for one in told if pages.numbers(one) > 4] == []
    assert len(report.page.find(class_="bullets")("li")) == 5
    if shutil.which("pdftotext"):
        path = folder / "report.pdf"
        path.write_bytes(report.pdf)
        boxes = subprocess.run(
            ["pdftotext", "-bbox", path, "-"], capture_output=True, text=True, check=True
        ).stdout
        ends = [float(end) for end in re.findall(r'<word [^>]*xMax="([\d.]+)"', boxes)]
        assert max(ends) < 595 - 45, "a word leaves the measure"
        feet = sorted(float(end) for end in re.findall(r'<word [^>]*yMax="([\d.]+)"', boxes))
        assert feet[-1] < 842 - 20, "a word leaves the page's foot"


def says(report: Rendered, *sentences: str) -> None:
    """Both formats have each sentence; a page of the PDF may end inside one, so that there a half
    is enough."""

    def plain(text):
        return re.sub(r"[\s\xa0\xad]+", "", text)

    page, pdf = map(plain, report.texts)
    for sentence in map(plain, sentences):
        half = len(sentence) // 2
        assert sentence in page, sentence
        assert sentence[:half] in pdf or sentence[half:] in pdf, sentence


def test_no_effect_with_one_seed(tmp_path, monkeypatch):
    report = Rendered(
        made_up.report(tmp_path, monkeypatch, made_up.splits(classes(10), 3, 60), SAME)
    )
    check(report, tmp_path)
    says(
        report,
        "Two networks, baseline and CutMix, answered 60 test images",
        "The predictions are identical on 60 of 60 images",
        "No difference in their number was found",
        "was not found to leave fewer errors in either",
        "how much another seed would change is not known",
        "No difference in what corruption costs the two was found",
    )
    assert not re.search(r"CutMix (raises|lowers) test accuracy", report.texts[0])
    first = report.reader.pages[0].extract_text()
    places = [
        first.find(text)
        for text in ("A made-up study", "alike", "The arms are one", "Do not rely", "Seeds")
    ]
    assert places == sorted(places) and min(places) >= 0, (
        "title, finding, verdict, bullets and footer on the first page"
    )
    second = report.reader.pages[1].extract_text()
    assert second.find("Contents") < second.find("Set-up")
    body = " ".join(pages.paragraphs(report.html))
    assert "identical on 60 of 60 images" in body and "Image by image" not in body


def test_a_worse_arm_with_several_seeds_and_no_superclasses(tmp_path, monkeypatch):
    arms = {
        "baseline": {"wrong": 0.05},
        "cutmix": {"wrong": 0.6, "changed": {"label_smoothing": 0.1}},
    }
    report = Rendered(
        made_up.report(
            tmp_path, monkeypatch, made_up.splits(classes(5), 0, 40), arms, seeds=(0, 1), **SMALL
        )
    )
    check(report, tmp_path)
    says(
        report,
        "Of these four networks those of CutMix get fewer test images right",
        "means of 2 seeds",
        "Each arm was trained with 2 seeds",
        "These classes have no superclasses, so that every error counts alike",
        "Corrupted images were not looked at in this study",
    )
    assert "trained once" not in report.texts[0] and "McNemar" not in report.texts[0]


def test_hundreds_of_classes_are_cut_with_a_note(tmp_path, monkeypatch):
    arms = {"baseline": {"wrong": 0.08, "sure": 6.0}, "cutmix": {"wrong": 0.02, "sure": 6.0}}
    few = SMALL | {"03_gradcam": {"probed": 12, "planted": 2}}
    report = Rendered(
        made_up.report(tmp_path, monkeypatch, made_up.splits(classes(300), 20, 600), arms, **few)
    )
    check(report, tmp_path)
    says(report, "that of CutMix gets more test images right", "Of 300 classes none rise")
    assert "The first 200 of 300 rows; all are in figures/classes.csv." in report.texts[0]
    assert (
        len(report.html) < 3e6
        and (tmp_path / "made-up" / "figures" / "classes.csv").read_text().count("\n") == 301
    )


def test_no_error_at_all_and_no_cases(tmp_path, monkeypatch):
    arms = {"baseline": {"wrong": 0.0}, "cutmix": {"wrong": 0.0}}
    report = Rendered(
        made_up.report(tmp_path, monkeypatch, made_up.splits(classes(5), 2, 30), arms, **SMALL)
    )
    check(report, tmp_path)
    says(
        report,
        "gets all 30 test images right",
        "There is no error to show.",
        "The predictions are identical on 30 of 30 images",
        "No error is made",
    )


def test_one_arm_is_reported_and_nothing_is_compared(tmp_path, monkeypatch):
    report = Rendered(
        made_up.report(
            tmp_path, monkeypatch, made_up.splits(classes(6), 2, 30), {"cutmix": {"wrong": 0.4}}
        )
    )
    check(report, tmp_path)
    says(
        report,
        "The images looked at",
        "nothing here says whether a failure could be cured",
    )
    assert not re.search(
        r"baseline|both arms|each arm was|The arms|held against|[Ii]mage by image", report.texts[0]
    )
    made, results = (
        tmp_path / "made-up",
        json.loads((tmp_path / "made-up" / "results.json").read_text()),
    )
    for name in (
        "tables/changes",
        "tables/churn",
        "figures/classes",
        "figures/before-after",
        "figures/corrected",
    ):
        assert not list(made.glob(f"{name}*"))
    assert (results["compare"]["before"], results["compare"]["after"]) == ("cutmix", "")
    assert not {"accuracy_change", "changes", "mcnemar", "migration", "churn", "classes"} & set(
        results["compare"]
    )


def test_hostile_names_hypotheses_and_title_are_text_everywhere(tmp_path, monkeypatch):
    cases = tmp_path / "cases.yaml"
    cases.write_text(
        json.dumps(
            {"cases": [{"id": place, "hypothesis": name} for place, name in enumerate(HOSTILE)]},
            ensure_ascii=False,
        ),
        encoding="utf-8",
    )
    arms = {"a__b-c": {"wrong": 0.5}, "x_y_": {"wrong": 0.5, "noise": 11}}
    title = " ".join(HOSTILE[:4])
    report = Rendered(
        made_up.report(
            tmp_path,
            monkeypatch,
            made_up.splits(HOSTILE, 3, 36),
            arms,
            title=title,
            cases=str(cases),
            **SMALL,
        )
    )
    assert_nothing_runs_or_loads(report.page)
    for name in HOSTILE:
        says(report, name)
    assert report.page.h1.get_text() == title and report.reader.metadata.title == title
    for played in made_up.played:
        for bundle in (
            output.data
            for cell in played.cells
            for output in cell.get("outputs", [])
            if "data" in output
        ):
            shown = BeautifulSoup(bundle.get("text/html", ""), "html.parser")
            assert not shown(["script", "img"]) and "<script" not in bundle.get("text/markdown", "")
            assert "<script" not in bundle.get("image/svg+xml", "").replace("<!--", "")
