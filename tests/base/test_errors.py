"""One line for what a user or a system can cause; a traceback, and a log, for faults of our own."""

import errno
import os
import re
from pathlib import Path

import pytest
from zmq.error import ZMQError

from lib.base import errors
from lib.pipeline import command_line


def of_system(number, *names):
    return OSError(number, os.strerror(number), *names)


@pytest.mark.parametrize(
    "error, said",
    [
        (of_system(errno.ENOSPC, "a.npz"), "a.npz: No space left on device"),
        (of_system(errno.EACCES, b"a.npz"), "a.npz: Permission denied"),
        (of_system(errno.EROFS), "Read-only file system"),
        (of_system(errno.EMFILE, "a"), "a: Too many open files (`ulimit -n 4096` allows more"),
        (ZMQError(errno.EADDRINUSE), "Address already in use (a port of 127.0.0.1)"),
        (of_system(errno.EADDRNOTAVAIL), "is the loopback interface up?"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "`ulimit -u`"),
        (MemoryError(), "out of memory"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "`make setup` mends"),
        (errors.DataError("root: nothing there"), "root: nothing there"),
    ],
)
def test_what_comes_from_outside_is_one_line(monkeypatch, capsys, error, said):
    def fail(_):
        raise error

    monkeypatch.setattr("lib.pipeline.index.main", fail)
    assert command_line.main(["index"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    monkeypatch.setenv(errors.DEBUG, "")
    assert command_line.main(["index", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyError(1), ImportError("cannot import x", name="lib.base")])
def test_a_fault_of_our_own_has_its_traceback_and_a_log(monkeypatch, capsys, error):
    def fail(_):
        raise error

    monkeypatch.setattr("lib.pipeline.index.main", fail)
    assert command_line.main(["index"]) == 1
    told = capsys.readouterr().err
    (log,) = re.findall(r"please report it with (\S+)", told)
    assert "Traceback" in told and "in fail" in Path(log).read_text(encoding="utf-8")
    Path(log).unlink()


def test_another_python_than_the_projects_is_told_how_to_enter_it(tmp_path, monkeypatch):
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(errors, "__file__", str(tmp_path / "lib" / "base" / "errors.py"))
    absent = ModuleNotFoundError("No module named 'pandas'", name="pandas")
    monkeypatch.setattr(errors.sys, "prefix", errors.sys.base_prefix)
    assert "`source .venv/bin/activate` enters that" in errors.line(absent)
    # in an environment of any folder, as make VENV=folder is
    monkeypatch.setattr(errors.sys, "prefix", "/somewhere")
    assert "`make setup` mends" in errors.line(absent)
