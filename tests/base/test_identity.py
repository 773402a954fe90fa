"""Files are known by what they hold, under the names they have below their folder."""

import os
import shutil

import pytest

from lib.base import identity


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(identity, "SETTLED_NS", 0)
    for name in ("train/cat/1.png", "train/cat/2.png", "train/dog/1.png", "test/cat/1.png"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "root"


@pytest.mark.parametrize("kind", ["pipe", "nothing", "itself"])
def test_what_is_no_file_has_no_content_and_is_not_waited_for(folder, kind):
    before, path = identity.of([folder]), folder / "train" / "cat" / "odd"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("odd" if kind == "itself" else "/nowhere")
    assert identity.of([folder]) == before


def rewrite(folder):
    path = folder / "train/cat/1.png"
    told = path.stat()
    path.write_text(path.read_text()[::-1])
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "train/cat/1.png").rename(root / "train/dog/9.png"),
        lambda root: (root / "train/cat/3.png").write_text("new"),
        lambda root: (root / "train/cat/1.png").unlink(),
        lambda root: os.replace(root / "train/cat/1.png", root / "train/cat/2.png"),
        rewrite,
    ],
    ids=["moved", "added", "removed", "replaced", "rewritten with the same size and time"],
)
def test_any_change_of_a_picture_is_another_identity(folder, change):
    before = identity.of([folder])
    assert identity.of([folder]) == before
    change(folder)
    assert identity.of([folder]) != before


def test_neither_times_nor_the_folders_place_nor_hidden_files_count(folder):
    before = identity.of([folder])
    os.utime(folder / "train/cat/1.png", (1, 1))
    (folder / "train/cat/.ipynb_checkpoints").mkdir()
    (folder / "train/cat/.ipynb_checkpoints/1.png").write_text("a copy")
    (folder / ".DS_Store").write_text("")
    assert identity.of([folder]) == before
    assert identity.of([shutil.move(folder, folder.with_name("moved"))]) == before


def test_what_did_not_change_is_not_read_again(folder):
    before = identity.of([folder])
    (folder / "train/cat/1.png").chmod(0)
    if os.getuid():
        with pytest.raises(PermissionError):
            identity.of([folder])
    (folder / "train/cat/1.png").chmod(0o644)
    identity.of([folder])
    real, read = open, []

    def counted(path, *mode):
        read.append(path)
        return real(path, *mode)

    identity.open = counted
    try:
        assert identity.of([folder]) == before and not read
    finally:
        del identity.open


@pytest.mark.parametrize("to", [".", "..", "../.."])
def test_a_link_that_loops_is_walked_once(folder, to):
    before = identity.files(folder)
    (folder / "train/cat/loop").symlink_to(to)
    assert len(identity.files(folder)) == len(before)


def test_a_file_alone_and_one_that_is_missing(folder):
    path = folder / "train/cat/1.png"
    assert identity.of([path]) != identity.of([folder / "nothing"]) == identity.of(["nothing"])
