"""Surroundings that are less than usual: no HOME, the C locale, closed stdin, a checkout that
nothing may write to, a clock that jumps."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import hostile
import nbformat
import pytest
from project import command, copied, make, study

DATA = "{source: phantom, train_size: 100, val_size: 40, test_size: 40}"
TINY = "# größer: 图\nwidth: 1\nepochs: 1\nbatch_size: 50"


def contents(folder: Path) -> dict:
    """What stands in the checkout; Python's byte code, which it leaves out where it may not write,
    does not count."""
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run made with hardly any environment, from a checkout in a folder with a blank, outputs
    elsewhere: (project, run folder, checkout before)."""
    project, outputs = (
        copied(tmp_path_factory.mktemp("a b ü")),
        tmp_path_factory.mktemp("elsewhere-é"),
    )
    study(project, "tiny", TINY, "baseline cutmix", data=DATA)
    before = contents(project)
    folder = outputs / "tiny" / "baseline" / "seed-0"
    words = command(project, str(folder / "train.ipynb"), "STUDY=tiny", f"OUTPUTS={outputs}")
    bare = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C",
        "SECRET_TOKEN": "hunter2-hunter2",
        "TMPDIR": str(outputs),
    }
    result = subprocess.run(
        ["bash", "-c", 'exec "$@" <&-', "bash", *words], capture_output=True, text=True, env=bare
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Traceback" not in result.stderr and "Warning" not in result.stderr
    return project, folder, before, outputs


def test_a_run_needs_no_home_no_locale_and_no_stdin(trained):
    assert (trained[1] / "run.json").is_file() and (trained[1] / "train.ipynb").is_file()


def test_nothing_is_written_to_the_checkout_when_outputs_are_elsewhere(trained):
    assert contents(trained[0]) == trained[2]


def test_an_executed_notebook_tells_no_environment_and_no_place_but_where_it_was_sent(trained):
    text = (trained[1] / "train.ipynb").read_text(encoding="utf-8") + (
        trained[1] / "run.json"
    ).read_text(encoding="utf-8")
    assert (
        json.loads((trained[1] / "train.ipynb").read_text(encoding="utf-8"))["metadata"][
            "papermill"
        ]["environment_variables"]
        == {}
    )
    assert "SECRET_TOKEN" not in text and "hunter2" not in text
    assert (
        str(Path.home()) + "/" not in text
        and str(trained[0]) not in text
        and str(Path(sys.prefix)) not in text
    )


@pytest.fixture(scope="module")
def again(trained):
    """The same command once the clock has jumped: what make says, and the record before."""
    project, folder, _, outputs = trained
    record, later = (folder / "run.json").read_bytes(), time.time() + 3600
    os.utime(project / "lib" / "training" / "loop.py", (later, later))
    said = make(project, str(folder / "train.ipynb"), "STUDY=tiny", f"OUTPUTS={outputs}")
    return said, record


def test_a_clock_that_jumps_trains_nothing_again(trained, again):
    folder, (result, record) = trained[1], again
    assert result.returncode == 0 and "epoch 1/1" not in result.stdout, (
        result.stdout + result.stderr
    )
    assert (folder / "run.json").read_bytes() == record
    nbformat.validate(nbformat.read(folder / "train.ipynb", as_version=4))


def test_jupyter_listens_on_this_machine_alone_and_asks_for_its_token(trained):
    planned = make(trained[0], "-n", "lab").stdout.splitlines()
    (plan,) = (line for line in planned if "jupyterlab --" in line and "test " not in line)
    assert "--ServerApp.ip=localhost" in plan
    assert not any(
        word in plan
        for word in (
            "0.0.0.0",
            "allow-root",
            "allow_root",
            "token",
            "password",
            "allow_remote_access",
            "allow_origin",
        )
    )


def shown(folder: Path) -> list:
    """What the run's notebook shows, and the bytes of its figures."""
    cells = nbformat.read(folder / "train.ipynb", as_version=4).cells
    figures = {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
    return [[cell.get("outputs") for cell in cells], figures]


@pytest.mark.usefixtures("again")
def test_no_setting_of_the_users_changes_a_byte(trained, tmp_path):
    project, folder, _, outputs = trained
    seen = shown(folder)
    (folder / "train.ipynb").unlink()
    words = command(project, str(folder / "train.ipynb"), "STUDY=tiny", f"OUTPUTS={outputs}")
    env = hostile.surroundings(tmp_path)
    result = subprocess.run(words, capture_output=True, text=True, env=env)
    assert result.returncode == 0, result.stdout + result.stderr
    assert seen == shown(folder) and seen[1]


def test_make_lab_says_what_to_do_as_root(trained):
    if os.getuid() == 0:
        result = make(trained[0], "lab")
        assert result.returncode == 2 and "Jupyter does not serve root" in result.stderr
