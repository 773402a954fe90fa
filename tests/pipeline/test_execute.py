"""Running a notebook: whole or not there, one writer at a time, one line for a failure, no
parameter that is code."""

import json
import os
import subprocess
import sys
import tempfile
import time

import nbformat
import papermill
import pytest
import yaml
from jupyter_client.provisioning.local_provisioner import LocalPortCache
from nbformat.v4 import new_code_cell, new_notebook
from zmq.error import ZMQError

from lib.base import artefacts, environment
from lib.base.errors import Error, ParameterError
from lib.pipeline import execute
from lib.pipeline.parameters import Task

pytestmark = pytest.mark.slow

VALUES = {
    "study": "smoke",
    "outputs": "outputs",
    "runs": "released/smoke",
    "arms": {"a": [0], "b": [0]},
    "before": "a",
    "after": "b",
    "title": "A title",
    "claims": "",
    "conditions": [],
    "brief": False,
}
PARAMETERS = "\n".join(f"{name} = {value!r}" for name, value in VALUES.items())
EVIL = "title=0;import os;os.system('touch ran')#"


def notebook(folder, *cells, name="05_report.ipynb", parameters=PARAMETERS):
    folder.mkdir(parents=True, exist_ok=True)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    content = new_notebook(
        metadata=kernel,
        cells=[
            new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            *map(new_code_cell, cells),
        ],
    )
    nbformat.write(content, folder / name)
    return folder / name


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def values(folder, **changes):
    """A file of parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(VALUES | changes), encoding="utf-8")
    return path


def run(monkeypatch, source, output):
    """`execute.run` of the stage report with this notebook and output in place of its own."""
    file = values(source.parent / "given")
    monkeypatch.setattr(execute.parameters, "resolve", lambda *_: None)
    monkeypatch.setattr(execute.parameters, "write", lambda *_: file)
    real = execute.execute
    monkeypatch.setattr(execute, "execute", lambda notebook, file, _: real(source, file, output))
    try:
        return execute.run(None, Task(output.with_suffix(""), "report"), "outputs")
    except Error as error:
        print(error, file=sys.stderr)
        return 2


@pytest.fixture
def no_kernel(monkeypatch):
    """papermill is not started; what it was asked to do."""
    asked = []
    monkeypatch.setattr(
        papermill, "execute_notebook", lambda *paths, **options: asked.append((*paths, options))
    )
    return asked


# --- with a kernel


def test_a_run_leaves_its_output_alone_also_without_stdin_and_in_the_c_locale(tmp_path):
    """From another folder, with a name that papermill would format; closed stdin; no UTF-8 from the
    environment."""
    source = notebook(
        tmp_path / "{seed} é",
        "print('title is', title)",
        "import os\nprint(os.getcwd())",
        "print(arms)",
        "import logging\nlogging.getLogger('matplotlib.font_manager').warning('fonts, slowly')",
    )
    (tmp_path / "report.yaml").write_text(
        yaml.safe_dump(VALUES | {"title": 'A "Größe" – {study}'}), encoding="utf-8"
    )
    code = (
        "from pathlib import Path; from lib.pipeline import execute; "
        f"execute.execute(Path('{source.relative_to(tmp_path)}'), Path('report.yaml'), "
        "Path('{seed} é/out.ipynb'))"
    )
    command = f"'{sys.executable}' -c \"{code}\" <&-"
    spoken = ("LC_", "LANG", "PYTHONUTF8", "PYTHONIO")
    c_locale = {
        name: value for name, value in os.environ.items() if not name.startswith(spoken)
    } | {"LC_ALL": "C", "PYTHONUTF8": "1", "PYTHONPATH": str(artefacts.ROOT)}
    result = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, env=c_locale
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == result.stdout == ""
    assert names(source.parent) == ["05_report.ipynb", "out.ipynb"] and names(tmp_path) == [
        "report.yaml",
        "{seed} é",
    ]
    cells = nbformat.read(source.parent / "out.ipynb", as_version=4).cells
    printed = "".join(output.text for cell in cells for output in cell.get("outputs", []))
    assert printed.splitlines() == [
        'title is A "Größe" – {study}',
        str(artefacts.ROOT),
        "{'a': [0], 'b': [0]}",
    ]
    nbformat.validate(nbformat.read(source.parent / "out.ipynb", as_version=4))


def test_a_failing_notebook_stays_as_a_part_and_is_one_clear_line(tmp_path, monkeypatch, capfd):
    source = notebook(
        tmp_path, "print('so far')", "raise RuntimeError('the disk is on fire')", "print('never')"
    )
    assert run(monkeypatch, source, tmp_path / "out" / "x.ipynb") == 1
    assert names(tmp_path / "out") == ["x.part.ipynb"]
    printed = capfd.readouterr()
    assert printed.err.splitlines() == [
        "05_report: RuntimeError: the disk is on fire",
        f"The notebook as far as it came: {tmp_path / 'out' / 'x.part.ipynb'}",
    ]
    part = (tmp_path / "out" / "x.part.ipynb").read_text(encoding="utf-8")
    assert "so far" in part and "the disk is on fire" in part and "never\\n" not in part


def test_a_killed_kernel_is_one_clear_line_and_keeps_the_part(tmp_path, monkeypatch, capfd):
    source = notebook(tmp_path, "print('so far', flush=True)", "import os\nos.kill(os.getpid(), 9)")
    assert run(monkeypatch, source, tmp_path / "out" / "x.ipynb") == 1
    error = capfd.readouterr().err
    assert "05_report: Kernel died; was it out of memory?" in error and "Traceback" not in error
    assert names(tmp_path / "out") == ["x.part.ipynb"]


# --- without one


def test_all_parameters_of_the_file_reach_papermill_and_no_other(tmp_path, no_kernel, monkeypatch):
    source, output = notebook(tmp_path), tmp_path / "out" / "x.ipynb"
    monkeypatch.setattr(artefacts, "write_bytes", lambda path, content: None)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.part.ipynb").write_bytes(b"")
    execute.execute(source, values(tmp_path, title="other"), output)
    ((_, target, options),) = no_kernel
    assert options["parameters"] == VALUES | {"title": "other"}
    assert target == str(tmp_path / "out" / "x.part.ipynb")
    assert options["cwd"] == str(artefacts.ROOT)


@pytest.mark.parametrize(
    "change, says",
    [
        ({EVIL: 1}, "unknown parameter"),
        ({"titel": "x"}, "did you mean 'title'"),
        ({"arms": 0}, "arms: input should be a valid dictionary"),
        ({"study": "../../x"}, "study: string should match"),
        ({7: "x"}, "7: unknown parameter"),
    ],
)
def test_bad_parameters_never_reach_papermill_and_the_file_is_named(
    tmp_path, no_kernel, change, says
):
    file = values(tmp_path)
    file.write_text(yaml.safe_dump(VALUES | change), encoding="utf-8")
    with pytest.raises(ParameterError) as caught:
        execute.execute(notebook(tmp_path), file, tmp_path / "x.ipynb")
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{file}: ") and says in line
    assert not no_kernel and not (tmp_path / "ran").exists()


def test_a_file_that_lacks_a_parameter_is_refused_whatever_the_notebook_says(tmp_path, no_kernel):
    file = values(tmp_path)
    kept = {name: value for name, value in VALUES.items() if name != "title"}
    file.write_text(yaml.safe_dump(kept), encoding="utf-8")
    with pytest.raises(ParameterError, match="title: missing"):
        execute.execute(notebook(tmp_path), file, tmp_path / "x.ipynb")
    assert not no_kernel


def test_code_in_a_file_is_refused_and_does_not_run(tmp_path, no_kernel):
    file = values(tmp_path)
    file.write_text("title: !!python/object/apply:os.system [touch ran]\n", encoding="utf-8")
    with pytest.raises(ParameterError, match="not valid YAML"):
        execute.execute(notebook(tmp_path), file, tmp_path / "x.ipynb")


def test_lines_of_a_run_carry_its_name(capsys):
    execute._Prefixed("smoke/baseline/0").write("one\ntwo\n")
    assert capsys.readouterr().out == "smoke/baseline/0  one\nsmoke/baseline/0  two\n"


CELLS = {
    "completed": ("markdown", ["# 05 Report\n", "Long text.\n"]),
    "completed ": ("code", ["x = 1"]),
    "completed  ": ("markdown", ["## Planted causes"]),
    "running": ("code", ["y = 2"]),
    "pending": ("markdown", ["## After"]),
}


def test_a_long_notebook_says_each_minute_how_far_it_is(tmp_path, monkeypatch, capsys):
    cells = [
        {"cell_type": kind, "metadata": {"papermill": {"status": status.strip()}}, "source": lines}
        for status, (kind, lines) in CELLS.items()
    ]

    def slowly(notebook, part, **_):
        time.sleep(0.3)
        with open(part, "w") as file:
            json.dump({"cells": cells}, file)
        time.sleep(0.3)

    monkeypatch.setattr(papermill, "execute_notebook", slowly)
    monkeypatch.setattr(execute, "TELL_SECONDS", 0.1)
    execute.execute(notebook(tmp_path), values(tmp_path), tmp_path / "x.ipynb")
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"{tmp_path / 'x.ipynb'}: 0 min so far"
    assert told[-1].endswith("x.ipynb: 0 min so far, cell 4 of 5: Planted causes")
    time.sleep(0.2)
    assert not capsys.readouterr().out


def test_the_last_time_says_how_long_the_rest_takes(tmp_path):
    """Seconds of five cells, three of them done; a notebook that was never run says nothing."""
    for name, seconds in (("part", None), ("earlier", (1.0, 2.0, None, 60.0, 30.0))):
        cells = [
            {"cell_type": "code", "metadata": {"papermill": {"status": status}}, "source": []}
            for status in ["completed"] * 3 + ["pending"] * 2
        ]
        for cell, duration in zip(cells, seconds or []):
            cell["metadata"]["papermill"]["duration"] = duration
        (tmp_path / name).write_text(json.dumps({"cells": cells}))
    told = execute._place(tmp_path / "part", tmp_path / "earlier")
    assert told == ", cell 4 of 5; from here on 1.5 min the last time"
    for no_durations in ("none", "part"):
        assert execute._place(tmp_path / "part", tmp_path / no_durations) == ", cell 4 of 5"


FAILURES = {
    "disk": (
        OSError(28, os.strerror(28), "x.part.ipynb"),
        "x.part.ipynb: No space left on device",
    ),
    "slow kernel": (
        RuntimeError("Kernel didn't respond in 600 seconds"),
        "RuntimeError: Kernel didn't respond in 600 seconds",
    ),
    "port": (ZMQError(98), "Address already in use (a port of 127.0.0.1)"),
    "loopback": (OSError(99, os.strerror(99)), "127.0.0.1: is the loopback interface up?"),
    "open files": (OSError(24, os.strerror(24)), "`ulimit -n 4096` allows more"),
}


def _failing(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(papermill, "execute_notebook", fail)


def test_a_disk_that_fails_is_one_clear_line(tmp_path, monkeypatch, capfd):
    for error, says in FAILURES.values():
        _failing(monkeypatch, error)
        assert run(monkeypatch, notebook(tmp_path), tmp_path / "x.ipynb") == 2
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith("05_report: not executed: ") and says in line


def test_a_kernel_that_does_not_start_is_one_clear_line(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(environment.sys, "executable", "/bin/false")
    assert run(monkeypatch, notebook(tmp_path), tmp_path / "x.ipynb") in (1, 2)
    said = capfd.readouterr().err
    assert "Traceback" not in said and said.startswith("05_report: ")
    assert not (tmp_path / "x.ipynb").exists()


def test_a_kernel_needs_no_port_whatever_its_folder_is_called(tmp_path, monkeypatch):
    def refused(*_):
        raise AssertionError("a port was chosen, and may be another program's by now")

    monkeypatch.setattr(LocalPortCache, "find_available_port", refused)
    for name in ("s", "long" * 25):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
        (tmp_path / name).mkdir()
        file = values(tmp_path)
        execute.execute(notebook(tmp_path, "print(title)"), file, tmp_path / f"{name}.ipynb")
        assert "A title" in (tmp_path / f"{name}.ipynb").read_text(encoding="utf-8")


# --- one writer at a time

HOLDER = """import pathlib, sys
from lib.base.artefacts import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_is_refused_with_the_holders_pid_and_free_after_kill_9(
    tmp_path, no_kernel, monkeypatch, capfd
):
    lock = tmp_path / "out" / ".x.lock"
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], **pipes)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(
            artefacts.ArtefactError, match="being written by another process"
        ) as caught:
            with execute.locked(lock):
                pass
        assert f"(pid {holder.pid} on {os.uname().nodename})" in str(caught.value)
        assert run(monkeypatch, notebook(tmp_path), tmp_path / "out" / "x.ipynb") == 2
        assert (
            f"pid {holder.pid} on" in capfd.readouterr().err
            and not no_kernel
            and names(tmp_path / "out") == []
        )
        with execute.locked(tmp_path / "out" / ".y.lock"):
            # another output in the same folder is free
            pass
    finally:
        holder.kill()
        holder.communicate()
    with execute.locked(lock):
        assert lock.read_text(encoding="utf-8").startswith(f"pid {os.getpid()} on ")


def test_a_lock_is_free_after_its_block_however_it_ended(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError, match="inside"):
            with execute.locked(tmp_path / ".lock"):
                raise RuntimeError("inside")


def test_a_folder_that_cannot_be_written_to_is_said_before_anything_runs(
    tmp_path, no_kernel, monkeypatch, capfd
):
    (tmp_path / "file").write_bytes(b"")
    assert run(monkeypatch, notebook(tmp_path), tmp_path / "file" / "x.ipynb") == 2
    message = capfd.readouterr().err
    assert (
        f"{tmp_path / 'file'}: cannot be written to (" in message
        and "Traceback" not in message
        and not no_kernel
    )


def test_a_read_only_folder_is_said_before_anything_runs(tmp_path):
    folder = tmp_path / "outputs"
    folder.mkdir()
    folder.chmod(0o555)
    child = os.fork()
    if child == 0:  # root may write anywhere, so as nobody
        try:
            os.setuid(65534) if os.getuid() == 0 else None
            with execute.locked(folder / ".x.lock"):
                os._exit(1)
        except artefacts.ArtefactError as error:
            os._exit(0 if "cannot be written to (Permission denied)" in str(error) else 2)
        finally:
            os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
