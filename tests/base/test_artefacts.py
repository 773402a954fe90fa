"""Artefacts: whole or not there, the old file kept through every fault, and damage named by every
reader."""

import errno
import hashlib
import io
import json
import os
import pickle
import resource
import signal
import stat
import subprocess
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load as load_safetensors
from small_runs import content, make_run, with_its_sum

from lib.base import artefacts
from lib.base.artefacts import ArtefactError
from lib.evaluation import summary
from lib.training import checkpoint, record

OLD = b"the old content"


def in_child(work) -> int:
    """Run `work()` in a forked child; its exit status, or minus the signal that killed it."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except ArtefactError as error:
            print(error, flush=True)
            os._exit(3)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_self(*_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(OLD)
    return path


def only_old(path):
    return path.read_bytes() == OLD and [entry.name for entry in path.parent.iterdir()] == [
        path.name
    ]


# --- writing


def test_a_write_replaces_the_file_and_leaves_nothing_else(old):
    artefacts.write_bytes(old, b"new")
    assert old.read_bytes() == b"new" and list(old.parent.iterdir()) == [old]


def test_the_file_does_not_exist_before_the_block_ends(tmp_path):
    path = tmp_path / "deep" / "er" / "file"
    with artefacts.atomic_write(path) as file:
        file.write(b"x")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"x"


def test_the_content_is_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    order = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os,
            name,
            lambda *arguments, name=name, real=real: (order.append(name), real(*arguments)),
        )
    artefacts.write_bytes(tmp_path / "file", b"x")
    assert order == ["fsync", "replace"]


@pytest.mark.parametrize("error", [RuntimeError("half-way"), KeyboardInterrupt(), SystemExit(1)])
def test_a_block_that_raises_leaves_the_old_file(old, error):
    with pytest.raises(type(error)):
        with artefacts.atomic_write(old) as file:
            file.write(b"half")
            raise error
    assert only_old(old)


def test_an_error_of_the_disk_is_one_message_with_its_reason(old):
    with pytest.raises(
        ArtefactError, match="file.bin: No space left on device; nothing was replaced"
    ):
        with artefacts.atomic_write(old):
            raise OSError(28, os.strerror(28))
    with pytest.raises(ArtefactError, match="file.bin: what the disk said; nothing"):
        with artefacts.atomic_write(old):
            raise OSError("what the disk said")
    assert only_old(old)


def test_a_full_disk_leaves_the_old_file_and_says_so(old, capfd):
    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        artefacts.write_bytes(old, b"x" * 100_000)

    assert in_child(work) == 3
    assert f"{old}: File too large; nothing was replaced" in capfd.readouterr().out
    assert only_old(old)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_kill_9_inside_a_write_leaves_the_old_file(old, moment):
    def work():
        if moment != "write":
            setattr(os, moment, kill_self)
        with artefacts.atomic_write(old) as file:
            file.write(b"half")
            file.flush()
            if moment == "write":
                kill_self()

    assert in_child(work) == -signal.SIGKILL
    assert old.read_bytes() == OLD


def test_what_is_no_regular_file_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("fifo")
    for name in ("fifo", "folder", "link"):
        with pytest.raises(ArtefactError, match=f"{name}: not a regular file"):
            artefacts.write_bytes(tmp_path / name, b"x")
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode) and (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "folder", "link"]


@pytest.mark.parametrize(
    "name, reason",
    [("n" * 300, "File name too long"), ("file.bin/inside", "Not a directory|File exists")],
)
def test_a_place_that_cannot_be_is_named(old, name, reason):
    with pytest.raises(ArtefactError, match=f"{name}: ({reason})"):
        artefacts.write_bytes(old.parent / name, b"x")
    assert only_old(old)


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_files_get_the_users_usual_permissions(tmp_path, mask):
    before = os.umask(mask)
    try:
        artefacts.write_bytes(tmp_path / "file", b"x")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~mask


def test_json_is_strict_readable_and_in_order(tmp_path):
    content = {"b": 1, "a": ["ü", None, True, 0.1]}
    artefacts.write_json(tmp_path / "x.json", content)
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == content == artefacts.read_json(tmp_path / "x.json")
    assert text.index('"b"') < text.index('"a"') and "ü" in text and text.endswith("}\n")
    with pytest.raises(ValueError):
        artefacts.write_json(tmp_path / "x.json", {"a": float("nan")})
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == text


def test_tables_keep_every_digit(tmp_path):
    table = pd.DataFrame({"epoch": [1, 2], "loss": [1 / 3, 1e-300]})
    artefacts.write_table(tmp_path / "t.csv", table)
    assert (tmp_path / "t.csv").read_bytes().startswith(b"epoch,loss\n1,0.333")
    rows = [
        line.split(",")
        for line in (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()[1:]
    ]
    assert [float(loss) for _, loss in rows] == [1 / 3, 1e-300]


def test_arrays_and_weights_come_back_as_they_were(tmp_path):
    arrays = {"x": np.arange(12.0, dtype=np.float32).reshape(3, 4), "y": np.array([1, -2])}
    artefacts.write_arrays(tmp_path / "a.npz", **arrays)
    back = artefacts.read_arrays(tmp_path / "a.npz", artefacts.sha256_of(tmp_path / "a.npz"))
    assert all(
        np.array_equal(back[name], array) and back[name].dtype == array.dtype
        for name, array in arrays.items()
    )
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).to(
        memory_format=torch.channels_last
    )
    artefacts.write_weights(tmp_path / "m.safetensors", model)
    path = tmp_path / "m.safetensors"
    theirs, ours = load_safetensors(path.read_bytes()), artefacts.read_weights(path)
    for name, tensor in model.state_dict().items():
        assert np.array_equal(theirs[name], tensor.numpy()) and torch.equal(ours[name], tensor)
    assert set(theirs) == set(ours) == set(model.state_dict())


def test_digests_depend_on_content_alone():
    assert (
        artefacts.digest({"a": 1, "b": [1.5]})
        == artefacts.digest({"b": [1.5], "a": 1})
        != artefacts.digest({"a": 1, "b": [1.25]})
    )
    assert artefacts.digest({}) == hashlib.sha256(b"{}").hexdigest()


def test_sha256_is_that_of_the_file(old):
    assert artefacts.sha256_of(old) == hashlib.sha256(OLD).hexdigest()
    assert artefacts.read_bytes(old, hashlib.sha256(OLD).hexdigest()) == OLD


@pytest.mark.slow
def test_the_commit_is_named_with_its_changes_or_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(artefacts, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert artefacts.commit() == "unknown"

    def git(*arguments):
        command = [
            "git",
            "-C",
            tmp_path,
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.org",
            *arguments,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    (tmp_path / "file").write_text("1", encoding="utf-8")
    git("init", "-q")
    git("add", "file")
    git("commit", "-q", "-m", "first")
    head = git("rev-parse", "HEAD").strip()
    assert head.startswith(artefacts.commit()) and len(artefacts.commit()) == 12
    (tmp_path / "file").write_text("2", encoding="utf-8")
    assert artefacts.commit() == head[:12] + "+changes"


# --- damage: each reader of one file alone, without a recorded SHA-256


def damaged(content: bytes):
    """Every truncation, and a flip of two bits of every byte, each alone."""
    yield from (content[:length] for length in range(len(content)))
    for place in range(len(content)):
        for bit in (0, 3):
            yield content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


WRITERS = {
    "x.json": (
        lambda path: artefacts.write_json(path, {"a": 1, "b": [1.5, "ü"]}),
        artefacts.read_json,
    ),
    "x.npz": (lambda path: artefacts.write_arrays(path, x=np.arange(4.0)), artefacts.read_arrays),
    "x.safetensors": (
        lambda path: artefacts.write_weights(path, torch.nn.Linear(1, 2)),
        artefacts.read_weights,
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_damage_is_refused_by_name_or_harmless_but_never_another_error(tmp_path, name):
    write, read = WRITERS[name]
    path = tmp_path / name
    write(path)
    refused = 0
    for spoilt in damaged(path.read_bytes()):
        path.write_bytes(spoilt)
        try:
            assert isinstance(read(path), dict)
        except ArtefactError as error:
            refused += 1
            assert str(error).startswith(f"{path}: ")
    assert refused > 50


@pytest.mark.parametrize("name", WRITERS)
def test_truncated_empty_and_missing_files_are_refused_by_name(tmp_path, name):
    write, read = WRITERS[name]
    path = tmp_path / name
    write(path)
    content = path.read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 2):
        path.write_bytes(content[:length])
        with pytest.raises(ArtefactError, match=name):
            read(path)
    path.unlink()
    with pytest.raises(ArtefactError, match=f"{name}: No such file"):
        read(path)
    path.mkdir()
    with pytest.raises(ArtefactError, match=f"{name}: Is a directory"):
        read(path)


@pytest.mark.parametrize("content", [b"[]", b"3", b'"text"', b"null", b"[" * 100_000, b"\xff\xfe"])
def test_json_that_is_no_record_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(ArtefactError, match="run.json: "):
        artefacts.read_json(tmp_path / "run.json")


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch '{self.path}'",)


def test_arrays_that_hold_objects_are_refused_unopened(tmp_path):
    for name, save in (("a.npz", np.savez), ("a.npy", np.save)):
        save(tmp_path / name, np.array([Evil(tmp_path / "ran")], dtype=object))
        with pytest.raises(ArtefactError, match=f"{name}: not a readable array file"):
            artefacts.read_arrays(tmp_path / name)
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(ArtefactError, match="b.npz"):
        artefacts.read_arrays(tmp_path / "b.npz")
    np.save(tmp_path / "c.npy", np.arange(3))
    with pytest.raises(ArtefactError, match="c.npy"):
        artefacts.read_arrays(tmp_path / "c.npy")
    assert not (tmp_path / "ran").exists()


# --- a run folder


@pytest.fixture
def run_folder(tmp_path):
    return make_run(tmp_path / "baseline" / "seed-0")


def test_a_run_is_read_back(run_folder):
    run = record.load_run(str(run_folder))
    assert list(run.history["train_loss"]) == [1.5, 0.5] and run.info["key"] == "k"
    assert run.test.labels.tolist() == [0, 1, 2] * 2 and run.val.logits.dtype == np.float32
    assert (run.test.correct == (run.test.logits.argmax(1) == run.test.labels)).all()
    assert not record.load_model(run, classes=3).training


def spoil(path, how):
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        middle = len(content) // 2
        path.write_bytes(
            {
                "empty": b"",
                "truncated": content[:-1],
                "longer": content + b"\n",
                "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            }[how]
        )


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "flipped", "longer"])
@pytest.mark.parametrize("name", ["predictions.npz", "history.csv", "model.safetensors"])
def test_a_spoilt_file_of_a_run_is_refused_by_name(run_folder, name, how):
    whole = record.load_run(run_folder)
    spoil(run_folder / name, how)
    with pytest.raises(ArtefactError, match=name):
        record.load_model(whole, classes=3) if name == "model.safetensors" else record.load_run(
            run_folder
        )


@pytest.mark.parametrize("how", ["missing", "empty", "truncated"])
def test_a_run_without_its_whole_record_is_no_run(run_folder, how):
    (run_folder / "run.json").write_bytes((run_folder / "run.json").read_bytes().rstrip())
    spoil(run_folder / "run.json", how)
    with pytest.raises(ArtefactError, match="run.json"):
        record.load_run(run_folder)


def test_no_flipped_bit_of_a_record_goes_unnoticed(run_folder):
    path = run_folder / "run.json"
    content = path.read_bytes()
    whole = record.read_record(path)
    for bit in range(8 * len(content)):
        path.write_bytes(
            content[: bit // 8]
            + bytes([content[bit // 8] ^ (1 << bit % 8)])
            + content[bit // 8 + 1 :]
        )
        try:
            assert record.read_record(path) == whole, bit  # white space: the record is the same
        except ArtefactError:
            pass


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("split", ["val", "test"])
def test_logits_that_are_not_finite_are_refused(tmp_path, split, value):
    logits = np.zeros((6, 3), np.float32)
    make_run(tmp_path, logits)
    with np.load(tmp_path / "predictions.npz") as archive:
        arrays = dict(archive)
    arrays[f"{split}_logits"] = logits + np.array([value, 0, 0], np.float32)
    artefacts.write_arrays(tmp_path / "predictions.npz", **arrays)
    info = record.read_record(tmp_path / "run.json")
    info["sha256"]["predictions.npz"] = artefacts.sha256_of(tmp_path / "predictions.npz")
    record.write_record(tmp_path / "run.json", info)
    with pytest.raises(ArtefactError, match=f"predictions.npz: {split} logits that are not finite"):
        record.load_run(tmp_path)


def test_runs_of_other_data_are_not_compared(tmp_path):
    for arm in ("a", "b"):
        make_run(tmp_path / arm / "seed-0")
    assert set(record.load_runs(tmp_path, {"a": [0], "b": [0]})) == {"a", "b"}
    info = record.read_record(tmp_path / "b" / "seed-0" / "run.json")
    record.write_record(tmp_path / "b" / "seed-0" / "run.json", info | {"data_digest": "another"})
    with pytest.raises(ArtefactError, match="b/seed-0: made from other data than .*a/seed-0"):
        record.load_runs(tmp_path, {"a": [0], "b": [0]})


# --- checkpoints


def test_a_checkpoint_of_a_gpu_is_read_into_main_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    checkpoint.write(tmp_path, content(1))
    assert checkpoint.read(tmp_path, "k")["tensor"].device.type == "cpu"


def test_the_newest_checkpoint_is_read_and_the_one_before_is_kept(tmp_path):
    assert checkpoint.read(tmp_path, "k") is None
    for step in (1, 2, 3):
        checkpoint.write(tmp_path, content(step))
    assert checkpoint.read(tmp_path, "k")["step"] == 3
    assert torch.equal(checkpoint.read(tmp_path, "k")["tensor"], content(3)["tensor"])
    (tmp_path / "checkpoint.pt").unlink()
    assert checkpoint.read(tmp_path, "k")["step"] == 2
    checkpoint.remove(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "flipped", "longer"])
def test_a_spoilt_checkpoint_is_named_and_the_one_before_is_used(tmp_path, how, capsys):
    checkpoint.write(tmp_path, content(1))
    checkpoint.write(tmp_path, content(2))
    spoil(tmp_path / "checkpoint.pt", how)
    assert checkpoint.read(tmp_path, "k")["step"] == 1
    assert (
        how == "missing"
        or f"{tmp_path / 'checkpoint.pt'}: damaged, passed over" in capsys.readouterr().out
    )
    spoil(tmp_path / "checkpoint-previous.pt", "flipped")
    assert checkpoint.read(tmp_path, "k") is None


def test_a_checkpoint_of_another_run_is_not_used(tmp_path):
    checkpoint.write(tmp_path, content(1, key="this"))
    checkpoint.write(tmp_path, content(2, key="another"))
    assert checkpoint.read(tmp_path, "this")["step"] == 1
    assert checkpoint.read(tmp_path, "a third") is None


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_kill_9_inside_a_checkpoint_leaves_one_that_is_whole(tmp_path, moment):
    checkpoint.write(tmp_path, content(1))
    checkpoint.write(tmp_path, content(2))

    def work():
        setattr(os, moment, kill_self)
        checkpoint.write(tmp_path, content(3))

    assert in_child(work) == -signal.SIGKILL
    assert checkpoint.read(tmp_path, "k")["step"] == 2


def saved(value, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda evil: saved({"key": "k", "step": evil}),
        lambda evil: saved({"key": "k", "step": evil}, _use_new_zipfile_serialization=False),
        lambda evil: pickle.dumps(evil, protocol=2),
        lambda evil: saved(torch.ones(2)),
        lambda evil: saved(["k"]),
        lambda evil: b"",
        lambda evil: b"garbage" * 100,
    ],
    ids=["evil", "evil, old format", "evil, bare", "tensor", "list", "nothing", "garbage"],
)
def test_a_foreign_checkpoint_with_the_right_sum_is_refused_and_runs_nothing(tmp_path, make):
    checkpoint.write(tmp_path, content(1))
    checkpoint.write(tmp_path, content(2))
    (tmp_path / "checkpoint.pt").write_bytes(with_its_sum(make(Evil(tmp_path / "ran"))))
    assert checkpoint.read(tmp_path, "k")["step"] == 1
    assert not (tmp_path / "ran").exists()


# --- a study's numbers


def test_numbers_become_plain_json():
    value = {
        1: np.float32(0.5),
        "nan": float("nan"),
        "inf": np.float64("inf"),
        "array": np.array([[1, 2], [3, 4]]),
        "point": np.array(2.5),
        "nans": np.array([1.0, np.nan]),
        "flag": np.bool_(True),
        "tuple": (np.int64(3), None),
        "text": np.str_("a"),
        "deep": [{"x": np.nan}],
    }
    assert summary.plain(value) == {
        "1": 0.5,
        "nan": None,
        "inf": None,
        "array": [[1, 2], [3, 4]],
        "point": 2.5,
        "nans": [1.0, None],
        "flag": True,
        "tuple": [3, None],
        "text": "a",
        "deep": [{"x": None}],
    }
    json.dumps(summary.plain(value), allow_nan=False)


def test_the_stages_numbers_are_joined_by_name(tmp_path):
    for stage in ("failures", "gradcam", "compare"):
        summary.write_numbers(tmp_path, stage, {"value": np.float64(len(stage)), "none": np.nan})
    everything = summary.collect(tmp_path, {"study": {"seeds": np.array([0, 1])}})
    assert everything == json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert everything["compare"] == {"value": 7.0, "none": None} and everything["study"] == {
        "seeds": [0, 1]
    }


def test_a_stage_that_did_not_run_is_named_and_nothing_is_written(tmp_path):
    summary.write_numbers(tmp_path, "failures", {})
    summary.write_numbers(tmp_path, "compare", {})
    with pytest.raises(ArtefactError, match="gradcam.json: No such file"):
        summary.collect(tmp_path, {})
    assert not (tmp_path / "results.json").exists()


def test_a_study_lies_in_outputs_of_the_project_or_where_it_is_told(tmp_path):
    assert (
        summary.folder(SimpleNamespace(outputs="outputs", study="s"))
        == artefacts.ROOT / "outputs" / "s"
    )
    assert summary.folder(SimpleNamespace(outputs=str(tmp_path), study="s")) == tmp_path / "s"


# --- file systems and repositories of others


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EROFS])
def test_a_file_system_that_refuses_chmod_keeps_the_content(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "chmod", refuse)
    artefacts.write_bytes(tmp_path / "x", b"content")
    assert (tmp_path / "x").read_bytes() == b"content" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_a_flush_works_and_says_once_what_is_lost(
    tmp_path, monkeypatch, capsys, number
):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    for name in "xy":
        artefacts.write_bytes(tmp_path / name, b"content")
        assert (tmp_path / name).read_bytes() == b"content"
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{tmp_path}: its file system flushes no file")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_file_system_without_locks_works_and_says_what_is_lost(
    tmp_path, monkeypatch, capsys, number
):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with artefacts.locked(tmp_path / ".lock"):
        (tmp_path / "made").touch()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{tmp_path}: no locks on this file system")


@pytest.mark.parametrize(
    "variables",
    [{"GIT_DIR": ".git"}, {"GIT_DIR": ".git", "GIT_WORK_TREE": "."}, {"GIT_DISCOVERY_ACROSS": "1"}],
    ids=["folder", "folder and tree", "none that counts"],
)
def test_the_commit_is_the_projects_own_whatever_git_variables_say(
    tmp_path, monkeypatch, variables
):
    def git(*words):
        settings = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *settings, *words], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.delenv("REPORT_COMMIT", raising=False)
    git("init")
    git("commit", "--allow-empty", "-m", "another's")
    for name, place in variables.items():
        monkeypatch.setenv(name, str(tmp_path / place))
    (tmp_path / "project").mkdir()
    monkeypatch.setattr(artefacts, "ROOT", tmp_path / "project")
    assert artefacts.commit() == "unknown"
