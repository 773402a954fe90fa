"""The project as another system checks it out: macOS and Windows hold names and line ends
otherwise, and start processes anew in place of forking them."""

import re
import subprocess
import sys
from pathlib import PurePosixPath

import pytest
from project import ROOT

# what Windows keeps for itself
RESERVED = {
    "aux",
    "con",
    "nul",
    "prn",
    *(f"{name}{n}" for name in ("com", "lpt") for n in range(10)),
}


@pytest.fixture(scope="module")
def names() -> list[str]:
    command = ["git", "ls-files", "-z"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        pytest.skip("not a checkout of git")
    return result.stdout.rstrip("\0").split("\0")


def test_no_two_names_differ_by_case_alone(names):
    assert len({name.casefold() for name in names}) == len(names) > 100


def test_names_are_allowed_everywhere(names):
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9._/-]+", name) and len(name) < 120
        parts = PurePosixPath(name).parts
        assert not {part.split(".")[0].lower() for part in parts} & RESERVED
        assert not any(part.endswith(".") for part in parts)


def test_line_ends_are_those_of_the_commit_whatever_git_is_set_to(names, tmp_path):
    options = ["-c", "core.autocrlf=true", "-c", "core.eol=crlf"]
    copy = tmp_path / "copy"
    for command in (
        ["clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(copy)],
        ["-C", str(copy), *options, "checkout", "--quiet", "HEAD"],
    ):
        subprocess.run(["git", *command], check=True, capture_output=True)
    texts = (".mk", ".py", ".yaml", ".csv", ".json", ".txt", ".sh", ".ipynb", "Makefile")
    for name in (name for name in names if name.endswith(texts) and (copy / name).is_file()):
        assert b"\r\n" not in (copy / name).read_bytes(), name


@pytest.mark.parametrize(
    "word", ["multiprocessing", "os.fork", "ProcessPoolExecutor", "num_workers"]
)
def test_no_process_is_forked(word):
    """Threads, and processes that are started anew: what is forked with threads may hang."""
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "lib").rglob("*.py")}
    assert not [str(path) for path, text in texts.items() if word in text]


def test_windows_without_wsl_is_one_line():
    code = "import sys, runpy; sys.platform = 'win32'; runpy.run_module('lib', run_name='__main__')"
    words = [sys.executable, "-c", code]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1 and "use WSL" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("how", ["in the folder", "by the path"])
def test_notebooks_find_lib_whatever_opens_them(how, tmp_path):
    """Without site-packages: an environment's own hint does not count."""
    code, folder = "import lib.base.log; print(lib.__path__[0])", ROOT / "notebooks"
    (tmp_path / "opener.py").write_text(f"import sys; sys.path.insert(0, {str(folder)!r}); {code}")
    words, place = {
        "in the folder": (["-c", code], folder),
        "by the path": ([str(tmp_path / "opener.py")], tmp_path),
    }[how]
    result = subprocess.run(
        [sys.executable, "-S", *words], cwd=place, env={}, capture_output=True, text=True
    )
    assert result.stdout.strip() == str(ROOT / "lib"), result.stderr
