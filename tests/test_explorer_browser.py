"""The explorer in JupyterLab, worked by a real browser where one is installed."""
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

from lib import explorer as logic, explorer_study, runs

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed, the explorer is tested without a browser only")
QUIET = {"fetchNews": "false", "checkForUpdates": False}
PATIENCE = 60_000  # ms; a busy machine starts a kernel slowly


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a copy of the notebook without outputs; yields its address. Nothing is read from or left in the user's own."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.read(runs.ROOT / "notebooks" / "explore.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.update({"outputs": [], "execution_count": None} if cell.cell_type == "code" else {})
    (folder / "work").mkdir()
    nbformat.write(notebook, folder / "work" / "explore.ipynb")
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(QUIET))
    port, token = free_port(), secrets.token_hex(16)
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython",
              "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    environment = {name: value for name, value in os.environ.items() if name != "REPORT_HEADLESS"}
    environment |= {name: str(folder / place) for name, place in places.items()} | {"PYTHONPATH": str(runs.ROOT)}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
               f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder / 'work'}", "--LabApp.news_url=None",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            answered(f"http://127.0.0.1:{port}/api/status?token={token}", server, folder / "log")
            yield f"http://127.0.0.1:{port}/lab/tree/explore.ipynb?token={token}"
        finally:
            server.terminate()  # which stops its kernels as well
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def answered(address: str, server, log, seconds: int = 60) -> None:
    for _ in range(4 * seconds):
        try:
            return urllib.request.urlopen(address).close()
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.25)
    raise AssertionError(f"JupyterLab did not answer within {seconds} s:\n{log.read_text()}")


@pytest.fixture(scope="module")
def page(lab):
    """The notebook after "Run All Cells", at 1280 pixels; a request to any other machine fails."""
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=options)
        page = browser.new_page(viewport={"width": 1280, "height": 2000})
        page.set_default_timeout(PATIENCE)
        page.route(re.compile(r"^https?://(?!127\.0\.0\.1[:/])"), lambda route: route.abort())
        page.goto(lab)
        page.wait_for_selector("text=| Idle")
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator('.lm-Menu-itemLabel:text-is("Run All Cells")').click()
        page.wait_for_selector(".xp-tile img")
        yield page
        browser.close()


@pytest.fixture(scope="module")
def explorer(page):
    return page.locator(".xp").first


@pytest.fixture(scope="module")
def errors():
    """What the explorer shows first: the baseline's errors on the committed runs, most confident first."""
    study = explorer_study.open_study("smoke", "released")
    table = logic.pair_table(study.arm("baseline", 0), study.arm("cutmix", 0))
    return logic.arranged(logic.choose(table), "confidence", False).reset_index(drop=True)


def changed(place, before: str) -> str:
    """The text of a place once it is another one."""
    playwright.expect(place).not_to_have_text(before, timeout=PATIENCE)
    return place.inner_text()


def test_it_opens_with_the_committed_runs(explorer, errors):
    assert explorer.locator(".xp-count").inner_text().startswith(f"{len(errors)} of 800 test images")
    assert explorer.locator(".xp-tile:visible").count() == logic.PAGE
    assert f"Test image {errors['id'][0]}\n" in explorer.locator(".xp-head").inner_text()


def test_a_filter_changes_count_and_grid(explorer, errors):
    count = explorer.locator(".xp-count")
    before = count.text_content()
    of_class = errors["true"].value_counts()
    explorer.get_by_label("true class").select_option(label=of_class.index[0])
    assert changed(count, before).startswith(f"{of_class.iloc[0]} of 800 test images")
    assert set(explorer.locator(".xp-tile:visible figcaption").all_inner_texts()) == {of_class.index[0]}
    before = count.text_content()
    explorer.get_by_label("show", exact=True).select_option(label="corrected")
    corrected = ((errors["true"] == of_class.index[0]) & errors["other_correct"]).sum()
    assert changed(count, before).startswith(f"{corrected} of 800" if corrected else "No image passes")


def test_a_click_opens_a_card_and_the_keyboard_does(explorer, errors):
    head = explorer.locator(".xp-head")
    explorer.get_by_label("show", exact=True).select_option(label="errors of baseline")
    explorer.get_by_label("true class").select_option(label="any")
    playwright.expect(explorer.locator(".xp-count")).to_contain_text(f"{len(errors)} of 800")
    before = head.text_content()
    explorer.get_by_role("button", name=re.compile("^Open test image")).nth(2).click()
    assert f"Test image {errors['id'][2]}\n" in changed(head, before)
    before = head.text_content()
    explorer.get_by_role("button", name=re.compile("^Open test image")).nth(3).press("Enter")
    assert f"Test image {errors['id'][3]}\n" in changed(head, before)
    assert explorer.locator(".xp-chosen").count() == 1 and explorer.locator(".xp-probes tr").count() == 9


def test_a_map_of_any_class_and_a_verdict_on_demand(explorer):
    maps = explorer.locator(".xp-maps")
    before, pictures = maps.text_content(), maps.locator("img").count()
    choice = explorer.get_by_label("map of a further class")
    shown = maps.locator("th[scope=col]").all_inner_texts()
    choice.select_option(label=next(name for name in choice.locator("option").all_inner_texts() if name not in ("none", *shown)))
    changed(maps, before)
    assert maps.locator("img").count() == pictures + 2
    verdicts = explorer.locator(".xp-verdicts")
    assert "ask for one" in verdicts.inner_text()
    explorer.get_by_role("button", name="Diagnose").click()
    playwright.expect(verdicts).to_contain_text("under the rule", timeout=PATIENCE)


def test_the_threshold_moves_both_arms(explorer):
    table, plot = explorer.locator(".xp-points"), explorer.locator(".xp-plot")
    before, drawn = table.text_content(), plot.get_attribute("aria-label")
    explorer.locator(".xp-threshold .noUi-handle").press("ArrowLeft")
    changed(table, before)
    explorer.get_by_label("as a number").fill("0.5")
    explorer.get_by_label("as a number").press("Enter")
    playwright.expect(plot).not_to_have_attribute("aria-label", drawn)
    assert "of 800" in table.inner_text() and explorer.locator(".xp-plot circle").count() == 2


def test_nothing_is_cut_at_1280_pixels_and_pictures_are_enlarged_by_whole_pixels(explorer):
    assert not explorer.evaluate("""all => [...all.querySelectorAll('.xp-tile:not([style*="none"]), .xp-card, .xp-controls, .xp-threshold')]
        .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.className)""")
    sizes = explorer.locator("img:visible").evaluate_all(
        "all => all.map(one => [one.clientWidth, one.naturalWidth, getComputedStyle(one).imageRendering])")
    assert sizes and all(shown % sent == 0 and drawn == "pixelated" for shown, sent, drawn in sizes)
