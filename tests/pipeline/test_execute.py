"""Running a notebook: whole or not there, one writer at a time, one line for a failure, no
parameter that is code."""

import json
import os
import signal
import subprocess
import sys

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from lib.base import artefacts
from lib.base.config import ParameterError
from lib.pipeline import execute

pytestmark = pytest.mark.slow

PARAMETERS = '''study = "smoke"
outputs = "outputs"
runs = "released/smoke"
arms = ["a", "b"]  # as in the real notebooks
seeds = [0]
before = "a"
after = "b"
title = "A title"
claims = ""
conditions = ""'''
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


def run_main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["lib.pipeline.execute", *map(str, arguments)])
    before = signal.getsignal(signal.SIGTERM)
    try:
        return execute.main()
    finally:
        signal.signal(signal.SIGTERM, before)


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
        "print(arms, seeds)",
    )
    (tmp_path / "report.yaml").write_text(
        "title: 'A \"Größe\" – {study}'\nseeds: [1, 2]\n", encoding="utf-8"
    )
    command = (
        f"'{sys.executable}' -m lib.pipeline.execute '{source.relative_to(tmp_path)}' '{{seed}} "
        "é/out.ipynb' -f report.yaml -p seeds '[3]' <&-"
    )
    spoken = ("LC_", "LANG", "PYTHONUTF8", "PYTHONIO")
    c_locale = {
        name: value for name, value in os.environ.items() if not name.startswith(spoken)
    } | {"LC_ALL": "C"}
    result = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, env=c_locale
    )
    assert result.returncode == 0, result.stderr
    assert (
        result.stderr == ""
        and result.stdout.startswith("{seed} é/out.ipynb: ")
        and result.stdout.endswith(" s\n")
    )
    assert names(source.parent) == ["05_report.ipynb", "out.ipynb"] and names(tmp_path) == [
        "report.yaml",
        "{seed} é",
    ]
    cells = nbformat.read(source.parent / "out.ipynb", as_version=4).cells
    printed = "".join(output.text for cell in cells for output in cell.get("outputs", []))
    assert printed.splitlines() == [
        'title is A "Größe" – {study}',
        str(artefacts.ROOT),
        "['a', 'b'] [3]",
    ]
    nbformat.validate(nbformat.read(source.parent / "out.ipynb", as_version=4))


def test_a_failing_notebook_stays_as_a_part_and_is_one_clear_line(tmp_path, monkeypatch, capfd):
    source = notebook(
        tmp_path, "print('so far')", "raise RuntimeError('the disk is on fire')", "print('never')"
    )
    assert run_main(monkeypatch, source, tmp_path / "out" / "x.ipynb") == 1
    assert names(tmp_path / "out") == ["x.part.ipynb"]
    printed = capfd.readouterr()
    assert printed.err.splitlines() == [
        f"{source}: RuntimeError: the disk is on fire",
        f"The notebook as far as it came: {tmp_path / 'out' / 'x.part.ipynb'}",
    ]
    part = (tmp_path / "out" / "x.part.ipynb").read_text(encoding="utf-8")
    assert "so far" in part and "the disk is on fire" in part and "never\\n" not in part


def test_a_killed_kernel_is_one_clear_line_and_keeps_the_part(tmp_path, monkeypatch, capfd):
    source = notebook(tmp_path, "print('so far', flush=True)", "import os\nos.kill(os.getpid(), 9)")
    assert run_main(monkeypatch, source, tmp_path / "out" / "x.ipynb") == 1
    error = capfd.readouterr().err
    assert f"{source}: Kernel died; was it out of memory?" in error and "Traceback" not in error
    assert names(tmp_path / "out") == ["x.part.ipynb"]


# --- without one


def test_only_given_parameters_reach_papermill_checked_and_by_name(
    tmp_path, no_kernel, monkeypatch
):
    source, output = notebook(tmp_path), tmp_path / "out" / "x.ipynb"
    monkeypatch.setattr(artefacts, "write_bytes", lambda path, content: None)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.part.ipynb").write_bytes(b"")
    (tmp_path / "a.yaml").write_text("title: first\nseeds: [1]\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("title: second\n", encoding="utf-8")
    execute.execute(
        source,
        output,
        [tmp_path / "a.yaml", tmp_path / "b.yaml"],
        [("seeds", "[2]"), ("study", "other")],
    )
    ((_, target, options),) = no_kernel
    assert options["parameters"] == {"title": "second", "seeds": [2], "study": "other"}
    assert target == str(tmp_path / "out" / "x.part.ipynb") and options["cwd"] == str(
        artefacts.ROOT
    )


@pytest.mark.parametrize(
    "values, says",
    [
        ([(EVIL, "1")], "unknown parameter"),
        ([("titel", "x")], "did you mean 'title'"),
        ([("seeds", "0")], "seeds: input should be a valid list"),
        ([("study", "../../x")], "-p study: study: string should match"),
        ([("title", "[1")], "-p title: not valid YAML"),
        ([("title", "!!python/object/apply:os.system [touch ran]")], "not valid YAML"),
    ],
)
def test_bad_parameters_never_reach_papermill(
    tmp_path, no_kernel, monkeypatch, capfd, values, says
):
    monkeypatch.chdir(tmp_path)
    source = notebook(tmp_path)
    arguments = [text for name, value in values for text in ("-p", name, value)]
    assert run_main(monkeypatch, source, tmp_path / "out" / "x.ipynb", *arguments) == 2
    message = capfd.readouterr().err
    assert says in message and len(message.splitlines()) == 1
    assert not no_kernel and names(tmp_path) == ["05_report.ipynb"]


def test_an_evil_name_in_a_file_is_named_with_its_file_and_does_not_run(tmp_path, no_kernel):
    source = notebook(tmp_path)
    (tmp_path / "evil.yaml").write_text(json.dumps({EVIL: 1, "7": 2}), encoding="utf-8")
    with pytest.raises(ParameterError) as caught:
        execute.execute(source, tmp_path / "x.ipynb", [tmp_path / "evil.yaml"])
    assert [line.split(": ")[:2] for line in str(caught.value).splitlines()] == [
        [str(tmp_path / "evil.yaml"), EVIL],
        [str(tmp_path / "evil.yaml"), "7"],
    ]
    assert not no_kernel and not (tmp_path / "ran").exists()


def test_a_key_that_is_no_text_is_named_with_its_file(tmp_path):
    (tmp_path / "a.yaml").write_text("7: x\n", encoding="utf-8")
    with pytest.raises(ParameterError, match="a.yaml: 7: unknown parameter"):
        execute.execute(notebook(tmp_path), tmp_path / "x.ipynb", [tmp_path / "a.yaml"])


def test_values_are_laid_over_one_another_and_the_last_one_is_blamed(tmp_path):
    for name, value in (("a", "title: 1\nseeds: [0]\n"), ("b", "title: 2\n")):
        (tmp_path / f"{name}.yaml").write_text(value, encoding="utf-8")
    files = [str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")]
    values, origin = execute.gather(files, [("arms", "[x, y]")])
    assert values == {"title": 2, "seeds": [0], "arms": ["x", "y"]}
    assert origin == {"title": files[1], "seeds": files[0], "arms": "-p arms"}


def test_defaults_are_literals_and_no_code_is_run(tmp_path):
    assert execute.defaults(notebook(tmp_path)) == {
        "study": "smoke",
        "outputs": "outputs",
        "runs": "released/smoke",
        "arms": ["a", "b"],
        "seeds": [0],
        "before": "a",
        "after": "b",
        "title": "A title",
        "claims": "",
        "conditions": "",
    }
    with pytest.raises(ValueError):
        execute.defaults(notebook(tmp_path, parameters="study = open('ran', 'w')"))


def test_lines_of_a_run_carry_its_name(capsys):
    execute._Prefixed("smoke/baseline/0").write("one\ntwo\n")
    assert capsys.readouterr().out == "smoke/baseline/0  one\nsmoke/baseline/0  two\n"


def test_a_disk_that_fails_is_one_clear_line(tmp_path, monkeypatch, capfd):
    def fail(*_, **__):
        raise OSError(28, os.strerror(28), "x.part.ipynb")

    monkeypatch.setattr(papermill, "execute_notebook", fail)
    assert run_main(monkeypatch, notebook(tmp_path), tmp_path / "x.ipynb") == 2
    assert "No space left on device: 'x.part.ipynb'" in capfd.readouterr().err


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
        assert run_main(monkeypatch, notebook(tmp_path), tmp_path / "out" / "x.ipynb") == 2
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
    assert run_main(monkeypatch, notebook(tmp_path), tmp_path / "file" / "x.ipynb") == 2
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
