"""The README's pictures from a finished study: `python tools/readme_figures.py STUDY_FOLDER DOCS`.

The explorer's is taken in JupyterLab by Chromium or Chrome, and left as it is where neither is
installed."""

import io
import sys
import tempfile
from pathlib import Path

import nbformat
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
import browser  # noqa: E402

from lib.base import artefacts  # noqa: E402

PICTURES = ("before-after",)
CARD = 1214  # the test image whose card the explorer shows
WIDEST = 1296  # pixels


def small_png(content: bytes, colours: int | None = None) -> bytes:
    """A PNG without transparency; larger ones are halved, which keeps a 32x32 picture's pixels
    whole. The same bytes for the same picture.

    `colours`: of a palette, for a screenshot, which has few.
    """
    with Image.open(io.BytesIO(content)) as picture:
        picture = picture.convert("RGB")
    while picture.width > WIDEST:
        picture = picture.reduce(2)
    picture = picture.quantize(colours, Image.Quantize.MAXCOVERAGE) if colours else picture
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def explorer(study: Path) -> bytes:
    """The explorer of a study as a PNG: the images of CARD's class that the first arm gets wrong,
    and its card with what is said of both arms."""
    notebook = nbformat.read(artefacts.ROOT / "notebooks" / "explore.ipynb", as_version=4)
    next(
        cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])
    ).source = f"study, outputs = {study.name!r}, {str(study.parent)!r}"
    from playwright.sync_api import expect  # here, since it is asked for by authors only

    with (
        tempfile.TemporaryDirectory() as folder,
        browser.lab(notebook, folder) as address,
        browser.page_of(address, 1550, 3000) as page,
    ):
        browser.run_all(page)
        shown = page.locator(".xp").first
        count = shown.locator(".xp-count").inner_text()
        shown.get_by_label("true class").select_option(label="lobster")
        # the grid before has the picture too, and is then drawn anew
        expect(shown.locator(".xp-count")).not_to_have_text(count, timeout=browser.PATIENCE)
        shown.get_by_role("button", name=f"Open test image {CARD}").click()
        page.wait_for_selector(".xp-card >> text=crab and of the true class")
        shown.get_by_label("map of a further class").select_option(label="spider")
        page.wait_for_selector(".xp-verdicts p >> nth=1")
        page.wait_for_selector(".xp-maps th >> text=spider")
        return shown.screenshot(animations="disabled")


def main(arguments: list[str]) -> int:
    study, docs = map(Path, arguments)
    try:
        made = {
            name: small_png(artefacts.read_bytes(study / "figures" / f"{name}.png"))
            for name in PICTURES
        }
        if browser.PROGRAM:
            made["explorer"] = small_png(explorer(study.resolve()), 256)
        for name, content in made.items():
            artefacts.write_bytes(docs / f"{name}.png", content)
            print(f"{docs / name}.png: {len(content) / 1e3:.0f} kB")
    except artefacts.ArtefactError as error:
        print(f"{error}; `make report` of this study makes it", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
