"""docs/colab.ipynb: it leaves torch alone, installs all that is needed, calls what there is."""

import re
import subprocess
from importlib.metadata import requires
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from project import ROOT

from lib.base import environment, study_file
from lib.pipeline.command_line import VERBS

NOTEBOOK = nbformat.read(ROOT / "docs" / "colab.ipynb", 4)
CODE = "\n".join(cell.source for cell in NOTEBOOK.cells if cell.cell_type == "code")
TEXT = "\n".join(cell.source for cell in NOTEBOOK.cells)
# what an import is called where it is installed
PROJECT_OF = {"PIL": "pillow", "sklearn": "scikit-learn"}


@pytest.fixture(scope="module")
def rest() -> set[str]:
    """The packages that it installs."""
    (line,) = re.findall(r"^!(grep .*) > rest\.in$", CODE, re.M)
    result = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True)
    return set(re.findall(r"^[\w-]+", result.stdout, re.M))


def test_it_is_a_notebook_without_results():
    nbformat.validate(NOTEBOOK)
    assert not any(cell.get("outputs") for cell in NOTEBOOK.cells)


def test_the_torch_that_is_there_stays(rest):
    assert rest and not rest & {"torch", "torchvision", "jupyterlab", "pytest"}


def test_nothing_is_missing(rest):
    through_others = {re.split(r"[ ;<>=!\[(]", need)[0] for one in rest for need in needs(one)}
    wanted = {PROJECT_OF.get(name, name) for name in environment.PACKAGES}
    assert wanted - {"torch", "torchvision"} <= rest | through_others


def needs(package: str) -> list[str]:
    return [need for need in requires(package) or [] if "extra ==" not in need]


@pytest.fixture
def cloning(tmp_path, monkeypatch):
    """The first cell run with an address: what ended it, if anything."""
    monkeypatch.chdir(tmp_path)
    (cell,) = (cell for cell in NOTEBOOK.cells if cell.get("id") == "clone")

    def run(address: str):
        assert cell.source.startswith('REPOSITORY = ""')
        source = cell.source.replace('""', repr(address), 1)
        return InteractiveShell.instance().run_cell(source).error_in_exec

    return run


def test_an_address_that_is_not_filled_in_is_one_line(cloning, tmp_path):
    error = cloning("")
    assert isinstance(error, SystemExit) and "fill in the address" in str(error)
    assert not list(tmp_path.iterdir())


def test_an_address_without_the_project_is_one_line(cloning, tmp_path):
    error = cloning(str(tmp_path / "nothing"))
    assert isinstance(error, SystemExit) and "no clone of the project" in str(error)


def test_a_clone_is_made_once(cloning, tmp_path):
    place = tmp_path / "its origin"
    (place / "lib").mkdir(parents=True)
    (place / "lib" / "study.py").touch()
    for words in ("init", "add .", "-c user.name=a -c user.email=b commit -m c"):
        subprocess.run(["git", "-C", place, *words.split()], check=True, capture_output=True)
    for _ in range(2):
        assert cloning(str(place)) is None
        assert Path.cwd() == tmp_path / "stress-test" and Path("lib/study.py").is_file()


def test_what_it_calls_exists():
    called = re.findall(r"(?:python|\{sys.executable\}) -m lib (\w+)(?: ([a-z]\w*))?", TEXT)
    assert called and {verb for verb, _ in called} <= set(VERBS)
    assert {study for _, study in called if study} <= set(study_file.names())
