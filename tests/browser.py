"""Chromium or Chrome, where one is installed, and a JupyterLab of its own for it to open: for tests
and the README's pictures."""

import contextlib
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
from pathlib import Path

import nbformat

from lib.base import artefacts

PROGRAM = next(
    filter(
        None,
        map(
            shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        ),
    ),
    None,
)
PATIENCE = 60_000  # ms; a busy machine starts a kernel slowly
SETTINGS = {"apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}


@contextlib.contextmanager
def page_of(address: str, width: int = 1280, height: int = 2000, scale: int = 1):
    """The page at an address, in a browser that can reach this machine alone."""
    from playwright.sync_api import sync_playwright  # here, since it is asked for by authors only

    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=PROGRAM, args=options)
        page = browser.new_page(
            viewport={"width": width, "height": height}, device_scale_factor=scale
        )
        page.set_default_timeout(PATIENCE)
        page.route(re.compile(r"^https?://(?!127\.0\.0\.1[:/])"), lambda route: route.abort())
        page.goto(address)
        yield page
        browser.close()


def run_all(page) -> None:
    """Run the cells of the notebook that JupyterLab shows, and wait for the explorer's first
    picture."""
    page.wait_for_selector("text=| Idle")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator('.lm-Menu-itemLabel:text-is("Run All Cells")').click()
    page.wait_for_selector(".xp-tile img")


@contextlib.contextmanager
def lab(notebook, folder):
    """JupyterLab on that notebook (nbformat), without its outputs; yields its address. Nothing is
    read from or left in the user's own.

    Raises RuntimeError with the server's log when it does not answer within a minute.
    """
    folder = Path(folder)
    for cell in notebook.cells:
        cell.update({"outputs": [], "execution_count": None} if cell.cell_type == "code" else {})
    (folder / "work").mkdir()
    nbformat.write(notebook, folder / "work" / "explore.ipynb")
    for name, values in SETTINGS.items():
        place = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(values))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port, token = probe.getsockname()[1], secrets.token_hex(16)
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    environment = {name: value for name, value in os.environ.items() if name != "REPORT_HEADLESS"}
    environment |= {name: str(folder / place) for name, place in places.items()} | {
        "PYTHONPATH": str(artefacts.ROOT)
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder / 'work'}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            _answered(f"http://127.0.0.1:{port}/api/status?token={token}", server, folder / "log")
            yield f"http://127.0.0.1:{port}/lab/tree/explore.ipynb?token={token}"
        finally:
            server.terminate()  # which stops its kernels as well
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _answered(address: str, server, log: Path, seconds: int = 60) -> None:
    for _ in range(4 * seconds):
        try:
            return urllib.request.urlopen(address).close()
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.25)
    raise RuntimeError(f"JupyterLab did not answer within {seconds} s:\n{log.read_text()}")
