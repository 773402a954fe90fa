"""The explorer's widgets without a browser, its HTML, and what stands in its place where there are
no widgets."""

import base64
import io
import re
import threading
import time

import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from explorers import HOSTILE
from explorers import study as made_up
from nbconvert import HTMLExporter
from PIL import Image

from lib.base import artefacts
from lib.base.text import readable
from lib.explorer import app, card, html, selection, threshold
from lib.explorer.app import STYLE, Explorer


@pytest.fixture(autouse=True)
def without_networks(monkeypatch):
    """Maps, probes and verdicts of made-up arms, which have no network."""
    monkeypatch.setattr(
        card,
        "maps",
        lambda arms, position, classes: np.random.default_rng(0).normal(
            size=(len(arms), len(classes), 4, 4)
        ),
    )
    monkeypatch.setattr(
        card,
        "bars",
        lambda arm, position, wrong, true: pd.DataFrame(
            {"picture": ["as it is", "no colour"], "wrong": [0.75, 0.5], "true": [0.125, 0.25]}
        ),
    )
    verdict = pd.Series(
        {
            "verdict": "background",
            "trusted": True,
            "probability": 0.9,
            "low": 0.8,
            "high": 0.95,
            "second": "label_error",
            "led": "log true",
            "value": -1.0,
            "turns": 0.5,
            "instead": "label_error",
        }
    )
    monkeypatch.setattr(
        card,
        "verdict_of",
        lambda arm, position: None if arm.run.test.correct[position] else verdict,
    )


def pieces(page) -> list[str]:
    """Every piece of HTML that the page shows, besides its style."""
    found, queue = [], [page.widget]
    while queue:
        one = queue.pop()
        queue += getattr(one, "children", ())
        found += (
            [one.value]
            if type(one).__name__ == "HTML" and not one.value.startswith("<style>")
            else []
        )
    return found


def read(html: str) -> str:
    return " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())


def visible(page) -> int:
    return sum(box.layout.display != "none" for box, _, _ in page.grid.tiles)


def test_names_from_outside_are_text_everywhere():
    page = Explorer(made_up(["<script>arm</script>", 'b"onclick=alert(1)'], HOSTILE, images=60))
    page.card.maps_of.value = 4
    everything = "".join(pieces(page))
    soup = BeautifulSoup(everything, "html.parser")
    assert {tag.name for tag in soup.find_all(True)} <= {
        "div",
        "span",
        "p",
        "b",
        "i",
        "em",
        "br",
        "h3",
        "h4",
        "dl",
        "dt",
        "dd",
        "img",
        "figure",
        "figcaption",
        "table",
        "caption",
        "tr",
        "th",
        "td",
        "svg",
        "g",
        "defs",
        "path",
        "use",
        "clippath",
        "rect",
        "text",
    }
    for tag in soup.find_all(True):
        assert not [name for name in tag.attrs if name.startswith("on")], tag
        assert tag.name != "img" or tag["src"].startswith("data:image/png;base64,")
    assert (
        "<script>alert(1)</script>" in soup.get_text()
        and '"><img src=x onerror=alert(1)>' in soup.get_text()
    )
    assert any('"><img src=x' in image["alt"] for image in soup.find_all("img"))


def test_every_control_has_a_name_and_every_picture_a_text():
    page = Explorer(made_up(["baseline", "cutmix"]))
    controls = [
        page.arm,
        page.other,
        page.seed,
        page.outcome,
        *page.filters.values(),
        page.low,
        page.high,
        page.order,
        page.grid.number,
        page.grid.previous,
        page.grid.next,
        page.card.maps_of,
        page.threshold.slider,
        page.threshold.typed,
        page.threshold.scaled,
        *(button for _, _, button in page.grid.tiles),
    ]
    assert all(control.description for control in controls)
    assert len({control.description for control in controls}) == len(controls)
    pictures = [
        image
        for html in pieces(page)
        for image in BeautifulSoup(html, "html.parser").find_all("img")
    ]
    assert len(pictures) > selection.PAGE and all(image["alt"] for image in pictures)


def test_pictures_are_sent_pixel_for_pixel_and_enlarged_by_whole_pixels():
    study = made_up(["baseline"])
    image = study.splits.test.images[3].numpy()
    shown = BeautifulSoup(html.picture(image, "large", "x"), "html.parser").img
    sent = Image.open(io.BytesIO(base64.b64decode(shown["src"].partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(sent), image.transpose(1, 2, 0))
    assert all(side % 32 == 0 for side in html.SIDES.values())
    assert (
        "image-rendering: pixelated" in re.search(r"\.xp-picture \{([^}]*)\}", STYLE.read_text())[1]
    )


def test_filters_change_the_grid_and_an_empty_selection_says_so():
    study = made_up(["baseline", "cutmix"])
    page, a = Explorer(study), study.arm("baseline", 0)
    wrong = int((~a.run.test.correct).sum())
    assert read(page.grid.count.value).startswith(f"{wrong} of 300 test images")
    page.filters["true"].value = "man"
    of_class = int((~a.run.test.correct & (a.run.test.labels == 3)).sum())
    assert read(page.grid.count.value).startswith(f"{of_class} of 300") and visible(page) == min(
        of_class, selection.PAGE
    )
    assert {
        read(picture.value).split()[0]
        for box, picture, _ in page.grid.tiles
        if box.layout.display != "none"
    } == {"man"}
    page.low.value = 1.0
    assert "No image passes" in page.grid.count.value and visible(page) == 0
    assert page.grid.previous.disabled and page.grid.next.disabled
    page.low.value, page.filters["true"].value, page.outcome.value = 0, "", "all"
    assert read(page.grid.count.value).startswith("300 of 300") and visible(page) == selection.PAGE


def test_pages_turn_and_a_filter_goes_back_to_the_first():
    page = Explorer(made_up(["baseline", "cutmix"]))
    page.outcome.value = "all"
    first = page.grid.rows[0].id
    page.grid.next.click()
    assert (
        page.grid.number.value == 2
        and page.grid.rows[0].id != first
        and not page.grid.previous.disabled
    )
    page.grid.number.value = page.grid.number.max
    assert page.grid.next.disabled and visible(page) == 300 % selection.PAGE
    page.order.value = page.order.options[1][1]
    assert (
        page.grid.number.value == 1
        and page.grid.rows[0].confidence == page.table["confidence"].min()
    )


def test_a_click_opens_the_card_with_its_verdict_and_asks_for_a_map():
    study = made_up(["baseline", "cutmix"], superclass=[0, 0, 1, 1, 2])
    page, (a, b) = Explorer(study), (study.arm(name, 0) for name in ("baseline", "cutmix"))
    page.grid.tiles[4][2].click()
    row = page.grid.rows[4]
    assert f"Test image {row.id}" in page.card.answer[
        "head"
    ].value and f"superclass {row.superclass}" in read(page.card.answer["head"].value)
    assert ["xp-chosen" in box._dom_classes for box, _, _ in page.grid.tiles].index(True) == 4
    top = read(page.card.answer["top"].value)
    assert all(f"{100 * arm.probability[row.position].max():.1f}%" in top for arm in (a, b))
    assert "75% 12%" in read(page.card.answer["probes"].value)
    asked = next(
        number for number in range(5) if number not in card.shown_classes([a, b], row.position)
    )
    name = study.splits.class_names[asked].replace("_", " ")
    assert name not in page.card.answer["maps"].value
    page.card.maps_of.value = asked
    maps = BeautifulSoup(page.card.answer["maps"].value, "html.parser")
    assert maps.find_all("th", scope="col")[-1].text == name and len(
        maps.find_all("img")
    ) == 2 * len(maps.find_all("th", scope="col"))
    assert f"logit {a.run.test.logits[row.position, asked]:.1f}".replace(
        "-", "−"
    ) in maps.text.replace("-", "−")
    assert "Background, with probability 90%" in page.card.answer["verdict"].value


def test_events_that_come_in_two_threads_are_handled_one_after_the_other(monkeypatch):
    """JupyterLab sends a click and a choice to two threads of the kernel."""
    page = Explorer(made_up(["baseline", "cutmix"]))
    at_work, most, begun, quick = [], [], threading.Event(), card.maps

    def slow(*asked):
        at_work.append(1)
        most.append(len(at_work))
        begun.set()
        time.sleep(0.2)
        at_work.pop()
        return quick(*asked)

    monkeypatch.setattr(card, "maps", slow)
    click = threading.Thread(target=page.grid.choose, args=(1,))
    click.start()
    assert begun.wait(5)
    shown = card.shown_classes(page.arms, page.card.position)
    asked = next(number for _, number in page.card.maps_of.options[1:] if number not in shown)
    page.card.maps_of.value = asked
    click.join()
    assert most == [1, 1]
    assert readable(page.study.splits.class_names[asked]) in read(page.card.answer["maps"].value)


def test_arms_change_places_and_keep_their_colours():
    page = Explorer(made_up(["baseline", "cutmix", "no_augmentation"]))
    before = page._arm_colours()
    page.arm.value = "cutmix"
    assert (page.arm.value, page.other.value) == (
        "cutmix",
        "baseline",
    ) and page._arm_colours() == before
    assert list(page._arm_colours()) == ["cutmix", "baseline"]
    page.other.value = ""
    assert (
        "outcome" not in page.table
        and page.outcome.value == "errors"
        and len(page.threshold.table.value.split("xp-arm")) == 2
    )
    page.other.value = "cutmix"  # an arm is not held against itself
    assert page.other.value == ""
    page.other.value = "no_augmentation"
    assert "outcome" in page.table


def test_one_arm_and_no_superclasses():
    page = Explorer(made_up(["baseline"]))
    assert page.other.value == "" and {"corrected", "regressed"}.isdisjoint(
        value for _, value in page.outcome.options
    )
    assert [name for name, one in page.filters.items() if one.layout.display == "none"] == [
        "superclass",
        "cause",
        "verdict",
    ]
    assert "superclass" not in read(page.card.answer["head"].value)
    page.outcome.value = "right"
    page.grid.choose(0)
    assert "no error to diagnose" in page.card.answer["verdict"].value


def test_seeds_that_both_arms_have_are_offered():
    study = made_up(["baseline", "cutmix"])
    study.seeds["cutmix"] = [0, 1]
    assert [value for _, value in Explorer(study).seed.options] == [0]
    study.seeds["cutmix"] = [1]
    study.loaded["cutmix", 1] = study.arm("cutmix", 0)
    assert Explorer(study).other.value == ""


def test_the_threshold_says_what_the_numbers_say():
    study = made_up(["baseline", "cutmix"])
    panel = Explorer(study).threshold
    panel.slider.value = 0.6
    for scaled in (False, True):
        panel.scaled.value = scaled
        for arm in (study.arm(name, 0) for name in study.seeds):
            said = threshold.in_words(threshold.operating_point(arm, 0.6, scaled), 300)
            assert all(words in read(panel.table.value) for words in said.values())
    before = panel.table.value
    panel.typed.value = 0.3
    assert panel.slider.value == 0.3 and panel.table.value != before
    panel.slider.value = 1.0
    plot = BeautifulSoup(panel.plot.value, "html.parser")
    assert (
        "nothing accepted" in panel.table.value
        and not plot.select("[id^=dot] use")
        and plot.select("[id^=curve] path")
    )


def test_the_dot_of_the_plot_stands_on_its_curve():
    arm = made_up(["baseline"]).arm("baseline", 0)
    curve, point = (
        threshold.curve(arm, True),
        threshold.operating_point(arm, 0.5, True),
    )
    plot = threshold.risk_plot({"baseline": curve}, {"baseline": point}, {"baseline": "#0072B2"})
    plot = BeautifulSoup(plot, "html.parser")
    path, dot = plot.find(id="curve-0").path["d"], plot.find(id="dot-0").use
    line = np.array(re.findall(r"[-\d.]+", path), float).reshape(-1, 2)
    assert np.interp(float(dot["x"]), *line.T) == pytest.approx(float(dot["y"]), abs=1.0)
    assert (
        f"coverage {point['coverage']:.1%}" in plot.svg["aria-label"] and plot.svg["role"] == "img"
    )


@pytest.fixture
def displayed(monkeypatch):
    kept = []
    monkeypatch.setattr(app, "display", lambda data, raw: kept.append(data))
    return kept


def test_headless_there_is_a_picture_with_a_text_and_no_widget(displayed):
    study = made_up(["baseline", "cutmix"])
    app.show(study)
    (data,) = displayed
    assert set(data) == {"text/html", "text/plain"}
    image = BeautifulSoup(data["text/html"], "html.parser").img
    most = (
        study.arm("baseline", 0)
        .table.query("not correct")
        .sort_values(["scaled_confidence", "id"], ascending=[False, True])
        .head(12)
    )
    assert re.findall(r"(\d+), \w", image["alt"].partition(": ")[2]) == [
        str(one) for one in most["id"]
    ]


def test_in_jupyterlab_the_widget_and_the_picture_are_one_output(displayed, monkeypatch):
    monkeypatch.delenv("REPORT_HEADLESS")
    app.show(made_up(["baseline"]))
    (data,) = displayed
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}


def test_without_errors_the_picture_is_left_out(displayed):
    app.show(made_up(["baseline", "cutmix"], signal=100.0))
    (data,) = displayed
    assert (
        data["text/plain"].startswith("Errors of baseline: 0 of 300 test images")
        and "<img" not in data["text/html"]
    )


def test_names_are_text_in_the_static_grid_too():
    study = made_up(["baseline"], HOSTILE, images=60)
    soup = BeautifulSoup(app.static(study, study.arm("baseline", 0))["text/html"], "html.parser")
    assert [tag.name for tag in soup.find_all(True)] == ["img", "p"] and set(soup.img.attrs) == {
        "src",
        "width",
        "alt",
    }
    assert "<script>alert(1)</script>" in soup.img["alt"]


@pytest.mark.parametrize("names", [["baseline"], ["baseline", "cutmix"]])
def test_titles_of_the_static_grid(names):
    study = made_up(names)
    table = selection.pair_table(*(study.arm(name, 0) for name in names))
    first = app.titles(selection.choose(table).head(2))[0].splitlines()
    row = selection.choose(table).iloc[0]
    assert (
        len(first) == 1 + len(names)
        and first[0].startswith(f"{row['id']} ")
        and f"{row['confidence']:.0%}" in first[1]
    )


@pytest.mark.parametrize("live", [False, True])
def test_exported_to_html_the_notebook_shows_its_grid(live):
    notebook = nbformat.read(artefacts.ROOT / "notebooks" / "explore.ipynb", as_version=4)
    output = notebook.cells[-1].outputs[0]
    if live:  # saved from JupyterLab after a session, which keeps no widget's state
        output.data["application/vnd.jupyter.widget-view+json"] = {
            "model_id": "gone",
            "version_major": 2,
            "version_minor": 0,
        }
    page = BeautifulSoup(HTMLExporter().from_notebook_node(notebook)[0], "html.parser")
    (image,) = page.select(".jp-OutputArea-output img")
    assert image["alt"].startswith("The 12 most confident errors of baseline: ") and image[
        "src"
    ].startswith("data:image/png;base64,")
    assert output.data["text/plain"] in page.get_text()
    assert not page.select('script[type="application/vnd.jupyter.widget-view+json"]')
