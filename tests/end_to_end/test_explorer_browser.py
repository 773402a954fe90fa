"""The explorer in JupyterLab, worked by a real browser where one is installed."""

import re

import browser
import nbformat
import pytest

from lib.base import artefacts
from lib.explorer import loading
from lib.explorer import selection as logic

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)
pytestmark = pytest.mark.skipif(
    browser.PROGRAM is None,
    reason="no Chromium or Chrome is installed, the explorer is tested without a browser only",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The notebook in JupyterLab after "Run All Cells", at 1280 pixels."""
    with browser.lab(
        nbformat.read(artefacts.ROOT / "notebooks" / "explore.ipynb", as_version=4),
        tmp_path_factory.mktemp("lab"),
    ) as address:
        with browser.page_of(address) as page:
            browser.run_all(page)
            yield page


@pytest.fixture(scope="module")
def explorer(page):
    return page.locator(".xp").first


@pytest.fixture(scope="module")
def errors():
    """What the explorer shows first: the baseline's errors on the committed runs, most confident
    first."""
    study = loading.open_study("smoke", "released")
    table = logic.pair_table(study.arm("baseline", 0), study.arm("cutmix", 0))
    return logic.arranged(logic.choose(table), "confidence", False).reset_index(drop=True)


def changed(place, before: str) -> str:
    """The text of a place once it is another one."""
    playwright.expect(place).not_to_have_text(before, timeout=browser.PATIENCE)
    return place.inner_text()


def test_it_opens_with_the_committed_runs(explorer, errors):
    assert (
        explorer.locator(".xp-count").inner_text().startswith(f"{len(errors)} of 800 test images")
    )
    assert explorer.locator(".xp-tile:visible").count() == logic.PAGE
    assert f"Test image {errors['id'][0]}\n" in explorer.locator(".xp-head").inner_text()


def test_a_filter_changes_count_and_grid(explorer, errors):
    count = explorer.locator(".xp-count")
    before = count.text_content()
    of_class = errors["true"].value_counts()
    explorer.get_by_label("true class").select_option(label=of_class.index[0])
    assert changed(count, before).startswith(f"{of_class.iloc[0]} of 800 test images")
    assert set(explorer.locator(".xp-tile:visible figcaption").all_inner_texts()) == {
        of_class.index[0]
    }
    before = count.text_content()
    explorer.get_by_label("show", exact=True).select_option(label="corrected")
    corrected = ((errors["true"] == of_class.index[0]) & errors["other_correct"]).sum()
    assert changed(count, before).startswith(
        f"{corrected} of 800" if corrected else "No image passes"
    )


def test_a_click_opens_a_card_and_the_keyboard_does(explorer, errors):
    head, probes = explorer.locator(".xp-head"), explorer.locator(".xp-probes")
    explorer.get_by_label("show", exact=True).select_option(label="errors of baseline")
    explorer.get_by_label("true class").select_option(label="any")
    playwright.expect(explorer.locator(".xp-count")).to_contain_text(f"{len(errors)} of 800")
    for place, press in ((2, "click"), (3, "Enter")):
        before, probed = head.text_content(), probes.text_content()
        picture = explorer.get_by_role("button", name=re.compile("^Open test image")).nth(place)
        picture.click() if press == "click" else picture.press(press)
        assert f"Test image {errors['id'][place]}\n" in changed(head, before)
        changed(probes, probed)  # they come after the maps: the next test finds these drawn
    assert (
        explorer.locator(".xp-chosen").count() == 1
        and explorer.locator(".xp-probes tr").count() == 9
    )


def test_a_map_of_any_class_on_demand(explorer):
    maps = explorer.locator(".xp-maps")
    before, pictures = maps.text_content(), maps.locator("img").count()
    choice = explorer.get_by_label("map of a further class")
    shown = maps.locator("th[scope=col]").all_inner_texts()
    choice.select_option(
        label=next(
            name
            for name in choice.locator("option").all_inner_texts()
            if name not in ("none", *shown)
        )
    )
    changed(maps, before)
    playwright.expect(maps.locator("img")).to_have_count(pictures + 2)
    assert "None is kept" in explorer.locator(".xp-verdicts").inner_text()


def test_the_threshold_moves_both_arms(explorer):
    table, plot = explorer.locator(".xp-points"), explorer.locator(".xp-plot")
    before, drawn = table.text_content(), plot.get_attribute("aria-label")
    explorer.locator(".xp-threshold .noUi-handle").press("ArrowLeft")
    changed(table, before)
    explorer.get_by_label("as a number").fill("0.5")
    explorer.get_by_label("as a number").press("Enter")
    playwright.expect(plot).not_to_have_attribute("aria-label", drawn)
    assert (
        "of 800" in table.inner_text() and explorer.locator(".xp-plot [id^=dot] use").count() == 2
    )


def test_nothing_is_cut_at_1280_pixels_and_pictures_are_enlarged_by_whole_pixels(explorer):
    assert not explorer.evaluate("""all => [...all.querySelectorAll(
        '.xp-tile:not([style*="none"]), .xp-card, .xp-controls, .xp-threshold')]
        .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.className)""")
    sizes = explorer.locator("img:visible").evaluate_all(
        "all => all.map(one => [one.clientWidth, one.naturalWidth, "
        "getComputedStyle(one).imageRendering])"
    )
    assert sizes and all(shown % sent == 0 and drawn == "pixelated" for shown, sent, drawn in sizes)


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_nothing_to_object_to_in_either_theme(page, theme):
    page.locator('.lm-MenuBar-itemLabel:text-is("Settings")').click()
    page.locator('.lm-Menu-itemLabel:text-is("Theme")').hover()
    page.locator(f'.lm-Menu-itemLabel:text-is("JupyterLab {theme}")').click()
    page.wait_for_selector(
        f'body[data-jp-theme-light="{str(theme == "Light").lower()}"]', state="attached"
    )
    # ipywidgets gives a slider's handle no name and no way to give one; the field beside it, "as a
    # number", has one
    found = axe.Axe().run(page, context={"include": [".xp"], "exclude": [".noUi-handle"]})
    assert found.response["passes"] and not found.violations_count, found.generate_report()
