"""What a user's settings would change never reaches what the project starts; an environment that
was half made is made anew."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import hostile
import pytest

from lib.base import environment
from lib.base.artefacts import ROOT

SCRIPT = "lib/base/environment.py"


def test_what_is_foreign_goes_and_what_decides_nothing_stays(tmp_path):
    user = hostile.surroundings(tmp_path)
    kept = {
        "REPORT_RETRAIN": "1",
        "XDG_CACHE_HOME": "/cache",
        "HTTPS_PROXY": "http://proxy",
        "CUDA_VISIBLE_DEVICES": "1",
        "PIP_INDEX_URL": "https://mirror/simple",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DASK_SCHEDULER_ADDRESS": "tcp://here:1",
    }
    found = environment.neutral(user | kept)
    assert found.items() >= (kept | environment.OWN).items()
    assert set(found) == {*kept, *environment.OWN, "PATH", "HOME", "CDPATH", "LD_LIBRARY_PATH"}
    assert environment.neutral(found) == found


@pytest.mark.parametrize("value", ["", "0", "no", "False", " off "])
def test_no_means_no_in_every_flag(value):
    flags = dict.fromkeys(environment.FLAGS, value)
    assert environment.neutral(flags) == environment.OWN
    assert environment.neutral(dict.fromkeys(flags, "1")).keys() > flags.keys()


@pytest.mark.parametrize("name", environment.LIBRARIES)
def test_libraries_of_an_active_conda_are_not_loaded(name):
    conda = {
        "CONDA_PREFIX": "/opt/conda/envs/a",
        "CONDA_PREFIX_1": "/opt/conda",
        "CONDA_SHLVL": "2",
    }
    folders = ("/opt/conda/lib", "/usr/lib/driver", "/opt/conda/envs/a/lib", "/opt/condas/lib")
    found = environment.neutral(conda | {name: os.pathsep.join(folders)})
    assert found[name].split(os.pathsep) == ["/usr/lib/driver", "/opt/condas/lib"]
    assert environment.neutral({name: folders[0]})[name] == folders[0]


@pytest.mark.slow
def test_a_command_runs_in_neutral_surroundings_from_any_folder(tmp_path):
    # numpy brings a libstdc++ of its own, torch loads the system's
    code = "import os, lib, numpy, torch; print(lib.__file__, os.environ['LC_ALL'], __debug__)"
    result = subprocess.run(
        [sys.executable, "-IS", str(ROOT / SCRIPT), "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=hostile.surroundings(tmp_path),
    )
    assert result.stdout.split() == [str(ROOT / "lib/__init__.py"), "C.UTF-8", "True"], result


def test_a_process_enters_once_whatever_its_imports_set(tmp_path):
    (tmp_path / "again.py").write_text(
        "import os, sys\nfrom lib.base import environment\nprint('begun', flush=True)\n"
        "os.environ['MPLCONFIGDIR'] = '/somewhere'\nenvironment.enter(sys.orig_argv[1:])\n"
    )
    result = subprocess.run(
        [sys.executable, "-IS", str(ROOT / SCRIPT), str(tmp_path / "again.py")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stdout.splitlines() == ["begun"], result


def test_a_kernel_has_a_place_for_matplotlib_where_its_user_has_none(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    for home, given in ((tmp_path, False), (tmp_path / "file", True)):
        monkeypatch.setenv("HOME", str(home))
        with environment.of_a_kernel():
            assert ("MPLCONFIGDIR" in os.environ) == given


def test_a_command_of_a_user_without_a_home_is_silent_and_leaves_nothing(tmp_path):
    for folder in ("home", "temporary"):
        (tmp_path / folder).mkdir()
    (tmp_path / "fonts.py").write_text(
        "import sys\nfrom lib.base import environment\nenvironment.enter(sys.orig_argv[1:])\n"
        "import matplotlib\nprint(matplotlib.get_cachedir())\n"
        "import logging\nlogging.getLogger('matplotlib.font_manager').warning('slowly')\n"
    )
    for home, place in (("home", "home"), ("fonts.py", "temporary")):
        result = subprocess.run(
            [sys.executable, "-IS", str(ROOT / SCRIPT), str(tmp_path / "fonts.py")],
            capture_output=True,
            text=True,
            env={"HOME": str(tmp_path / home), "TMPDIR": str(tmp_path / "temporary")},
        )
        assert result.stdout.startswith(str(tmp_path / place)) and not result.stderr, result
        assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.slow
def test_of_pips_settings_those_stay_that_say_how_the_network_is_reached(tmp_path):
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nuser = true\ntarget = /nowhere\nindex-url = https://mirror/simple\n"
        "[install]\nproxy = http://proxy:1\nno-deps = true\n"
    )
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-IS", SCRIPT, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=bare | {"PIP_NO_BINARY": ":all:"},
    )
    lines = {line.split("=")[0].rpartition(".")[2] for line in result.stdout.splitlines()}
    assert {"index-url", "proxy"} <= lines and not lines & {
        "user",
        "target",
        "no-deps",
        "no-binary",
    }


def test_a_kernels_surroundings_end_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "qtagg")
    before = dict(os.environ)
    with environment.of_a_kernel():
        assert "MPLBACKEND" not in os.environ
        folder = Path(os.environ["IPYTHONDIR"])
        assert sys.executable in (folder / "kernels/python3/kernel.json").read_text()
    assert dict(os.environ) == before and not folder.exists()


@pytest.fixture
def short():
    """A folder whose path is short enough for sockets, whatever runs the tests."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.parametrize("ended", [True, False], ids=["killed", "alive"])
def test_what_a_killed_process_left_goes_with_the_next(short, monkeypatch, ended):
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    code = (
        "import tempfile; from lib.base import environment\n"
        f"tempfile.tempdir = {str(short)!r}\n"
        "with environment.of_a_kernel(): print('begun', flush=True); input()"
    )
    words = [sys.executable, "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, cwd=ROOT, **pipes) as process:
        process.stdout.readline()
        (left,) = short.iterdir()
        if ended:
            process.kill()
            process.wait()
        for age, stays in ((0, True), (2 * environment.YOUNG, not ended)):
            then = time.time() - age
            os.utime(left / environment.ALIVE, (then, then))
            with environment.of_a_kernel():
                assert len(list(short.iterdir())) == 1 + stays
            assert left.exists() == stays
        process.kill()


# --- the environment that make fills

ROOMS = ("study", "export/html", "export/pdf", "pipeline/execute", "explorer/app")


@pytest.fixture
def project(tmp_path):
    """A project of nothing but rooms that can be imported, and a lock without packages."""
    for name in ROOMS:
        path = tmp_path / "p" / "lib" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "p" / "lib" / "base").mkdir()
    shutil.copy(ROOT / SCRIPT, tmp_path / "p" / SCRIPT)
    (tmp_path / "p" / "requirements.txt").write_text("# none\n")
    return tmp_path / "p"


def fill(project):
    return subprocess.run(
        [sys.executable, "-IS", SCRIPT, "fill", ".venv"],
        cwd=project,
        capture_output=True,
        text=True,
    )


def finds_lib(project, folder):
    return subprocess.run(
        [project / ".venv/bin/python", "-c", "import lib; print(lib.__path__[0])"],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    ).stdout.strip()


@pytest.mark.slow
def test_a_half_made_environment_is_made_anew_and_a_moved_one_works(project, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / ".venv"], check=True)
    result = fill(project)
    assert result.returncode == 0 and ".venv: made anew" in result.stdout, result
    assert finds_lib(project, tmp_path) == str(project / "lib")
    moved = project.rename(tmp_path / "q")
    assert finds_lib(moved, tmp_path) == str(moved / "lib")
    python = moved / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    result = fill(moved)
    assert result.returncode == 0 and ".venv: made anew" in result.stdout, result


@pytest.mark.slow
def test_an_environment_is_done_when_the_projects_imports_work(project):
    (project / "lib" / "study.py").write_text("import needed\n")
    assert fill(project).returncode == 1
    (lib,) = (project / ".venv" / "lib").glob("python*/site-packages")
    (project / "lib" / "study.py").write_text(
        "import pathlib, sys\nassert not pathlib.Path(sys.prefix, 'damaged').exists()\n"
    )
    (project / ".venv" / "damaged").touch()
    result = fill(project)
    assert result.returncode == 0 and ".venv: made anew" in result.stdout, result


def test_an_environment_of_another_user_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda place, mode: place != str(tmp_path))
    monkeypatch.setattr(environment, "_runs", lambda *words, **options: True)
    with pytest.raises(SystemExit) as caught:
        environment.fill(str(tmp_path))
    assert "make VENV=" in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_environment_is_left_alone(project):
    python = project / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/false\n")
    result = fill(project)
    assert result.returncode == 1 and "is no environment of venv" in result.stderr
    assert len(result.stderr.splitlines()) == 1 and python.is_file()
