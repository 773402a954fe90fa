"""A user's own images: decoded as torchvision would, once, whole or not at all; what is missing or
damaged is one line."""

import logging
import shutil
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import folder_of_pictures
import numpy as np
import pytest
import torch
from PIL import Image
from project import study
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from lib.base import artefacts, identity, study_file
from lib.base.errors import ParameterError
from lib.data import dataset, outside, own_images
from lib.data.cifar import DataError
from lib.pipeline import preflight

SIZES = {"train": 12, "test": 4}  # of each of three classes
SIDE = 64


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stress-test"


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    return folder_of_pictures.write(
        tmp_path_factory.mktemp("painted") / "root", SIZES, sides=(64, 80, 96)
    )


@pytest.fixture
def root(painted, tmp_path):
    return shutil.copytree(painted, tmp_path / "root")


def load(root, **options):
    return dataset.load("folder", root, **{"seed": 0, "image_size": SIDE} | options)


def refused(root, **options) -> str:
    with pytest.raises(DataError) as caught:
        load(root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pictures_and_labels_are_torchvisions(root):
    splits = load(root)
    for name, size in (("train", 36 - 3), ("val", 3), ("test", 12)):
        split = getattr(splits, name)
        theirs = ImageFolder(
            root / ("test" if name == "test" else "train"),
            v2.Compose([v2.Resize(SIDE), v2.CenterCrop(SIDE), v2.PILToTensor()]),
        )
        assert splits.class_names == theirs.classes and len(split) == size
        for place, index in enumerate(split.index):
            assert (
                torch.equal(split.images[place], theirs[index][0])
                and split.labels[place] == theirs[index][1]
            )
            assert split.files[place] == str((root / theirs.imgs[index][0]).relative_to(root))
    assert np.array_equal(
        np.sort(np.concatenate([splits.train.index, splits.val.index])), np.arange(36)
    )
    # not in the order of the classes: any first images are a sample
    assert len(set(splits.train.labels[:12].tolist())) == 3
    assert not np.array_equal(load(root, seed=1).train.index, splits.train.index)


def test_a_validation_split_of_ones_own_is_used_and_sizes_are_kept(tmp_path):
    splits = load(
        folder_of_pictures.write(tmp_path / "root", {"train": 4, "val": 3, "test": 2}),
        sizes={"train": 7, "test": 5},
    )
    assert [len(getattr(splits, name)) for name in ("train", "val", "test")] == [7, 9, 5]
    assert all(path.startswith("val/") for path in splits.val.files) and splits.train.images[
        :
    ].shape == (7, 3, SIDE, SIDE)
    with pytest.raises(ValueError, match="folder has 9 val images, 10 were asked for"):
        load(tmp_path / "root", sizes={"val": 10})


def test_a_picture_is_turned_as_its_camera_says(root):
    path = next((root / "test").glob("*/000.png"))
    picture = Image.open(path).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise to be seen upright
    picture.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    split = load(root).test
    place = split.files.tolist().index(str(path.relative_to(root)))
    assert np.array_equal(
        split.images[place].numpy(),
        np.asarray(v2.CenterCrop(SIDE)(v2.Resize(SIDE)(picture))).transpose(2, 0, 1),
    )


def test_pictures_are_decoded_once_and_anew_when_one_changes(root, cache, monkeypatch):
    first, decoded = load(root), own_images.pixels
    monkeypatch.setattr(own_images, "pixels", lambda *_, **__: pytest.fail("decoded again"))
    monkeypatch.setattr("lib.data.dataset.walk", lambda _: pytest.fail("walked again"))
    assert load(root).digest == first.digest
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    shutil.copy2(next((root / "train").glob("*/001.png")), next((root / "test").glob("*/000.png")))
    assert load(root).digest != first.digest and load(root, image_size=32).test.images.shape[
        2:
    ] == (32, 32)
    assert own_images.pixels is decoded and not list(root.rglob("*.npy"))


def test_a_walk_is_not_taken_for_that_of_other_arrays(root, cache):
    first = load(root)
    path = first.test.images.path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)  # at another time
    assert load(root).digest != first.digest
    for kept in path.parent.glob("walk-*.json"):
        kept.write_text("{")
    assert load(root).mean == first.mean


def test_what_was_interrupted_leaves_no_half_split(root, cache, monkeypatch):
    decoded, calls = own_images.pixels, []

    def dies(path, image_size):
        calls.append(path)
        if len(calls) > 40:  # within test, after the 36 of train
            raise KeyboardInterrupt
        return decoded(path, image_size)

    monkeypatch.setattr(own_images, "pixels", dies)
    with pytest.raises(KeyboardInterrupt):
        load(root)
    assert [path.name for path in cache.rglob("*_images.npy")] == ["train_images.npy"] and not list(
        cache.rglob("*.tmp")
    )
    calls.clear()
    (next(cache.rglob("train_images.npy")).parent / ".test_images.npy.x.tmp").write_text(
        "of a killed process"
    )
    monkeypatch.setattr(
        own_images,
        "pixels",
        lambda path, image_size: calls.append(path) or decoded(path, image_size),
    )
    splits = load(root)
    assert len(calls) == 12 and len(splits.test) == 12 and not list(cache.rglob("*.tmp"))


def test_two_that_start_at_once_decode_once(root, monkeypatch):
    decoded, calls = own_images.pixels, []
    monkeypatch.setattr(
        own_images,
        "pixels",
        lambda path, image_size: calls.append(path) or decoded(path, image_size),
    )
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: load(root), range(2))
    assert len(calls) == 48 and one.digest == other.digest


def test_unreadable_pictures_are_named_together_and_nothing_of_their_split_is_kept(root, cache):
    good, (first, second, third) = {}, sorted((root / "test").glob("*/*.png"))[:3]
    for path, content in ((first, b"no picture"), (second, second.read_bytes()[:200])):
        good[path] = path.read_bytes()
        path.write_bytes(content)
    good[third] = third.read_bytes()
    Image.fromarray(np.zeros((64, 64), np.uint16)).save(third)
    said = refused(root)
    assert (
        all(str(path) in said for path in (first, second, third))
        and "not a readable picture" in said
        and "8 bits" in said
    )
    assert not list(cache.rglob("test_*")) and list(cache.rglob("train_images.npy"))
    for path, content in good.items():
        path.write_bytes(content)
    assert len(load(root).test) == 12


def emptied(folder):
    for path in folder.iterdir():
        path.unlink()
    (folder / "notes.txt").write_text("no picture")


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda root: shutil.rmtree(root), "no such folder"),
        (lambda root: shutil.rmtree(root / "train"), "neither pictures"),
        (lambda root: shutil.rmtree(root / "test"), "test: No such file"),
        (
            lambda root: emptied(sorted((root / "train").iterdir())[1]),
            "no picture there; pictures end in .jpg",
        ),
        (
            lambda root: [
                shutil.rmtree(folder) for folder in sorted((root / "train").iterdir())[1:]
            ],
            "1 class folders are there; two or more",
        ),
        (
            lambda root: [shutil.rmtree(folder) for folder in (root / "test").iterdir()],
            "0 class folders are there",
        ),
        (
            lambda root: shutil.rmtree(sorted((root / "test").iterdir())[0]),
            "not those of train: missing",
        ),
        (lambda root: (root / "test" / "unheard of").mkdir(), "unknown ['unheard of']"),
        (
            lambda root: [
                (root / split / "a\nb").mkdir()
                or shutil.copy2(next((root / split).glob("*/000.png")), root / split / "a\nb")
                for split in ("train", "test")
            ],
            "(got 'a\\nb')",
        ),
    ],
    ids=[
        "root",
        "train",
        "test",
        "empty class",
        "one class",
        "no class",
        "class missing",
        "class unknown",
        "odd name",
    ],
)
def test_a_folder_that_is_not_whole_is_one_line(root, change, says):
    change(root)
    assert says in refused(root)


def test_folders_that_begin_with_a_dot_are_no_class(root):
    (root / "train" / ".ipynb_checkpoints").mkdir()
    assert len(load(root).class_names) == 3


def test_files_that_train_has_as_well_are_counted(root, caplog):
    caplog.set_level(logging.INFO, "lib")
    load(root)
    assert not [line for line in caplog.messages if "in train too" in line]
    for name in ("one.png", "other.png"):
        shutil.copy(
            next((root / "train").glob("*/000.png")), next((root / "test").iterdir()) / name
        )
    load(root)
    assert f"{root}: 2 of 14 files of test are in train too" in caplog.messages


def test_folders_that_are_no_split_are_told(root, caplog):
    caplog.set_level(logging.INFO, "lib")
    (root / "validation").mkdir()
    (root / ".git").mkdir()
    (root / "more.png").touch()
    load(root)
    (line,) = [line for line in caplog.messages if "no split" in line]
    assert line.startswith(f"{root}: passed over 'more.png', 'validation', for it is no split")


def test_files_that_repeat_within_a_split_or_in_val_and_test_are_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO, "lib")
    root = folder_of_pictures.write(tmp_path / "root", {"train": 4, "val": 2, "test": 2})
    one, other, *_ = (folder for folder in sorted((root / "val").iterdir()))
    shutil.copy(next((root / "train" / one.name).iterdir()), root / "train" / other.name / "x.png")
    shutil.copy(next(one.iterdir()), root / "test" / one.name / "x.png")
    load(root)
    assert caplog.messages[:2] == [
        f"{root}: 1 of 13 files of train repeat another of it",
        f"{root}: 1 of 7 files of test are in val too",
    ]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_root_that_looks_like_the_one_that_is_there_is_told_apart(root, form):
    there = root.rename(root.parent / unicodedata.normalize(form, "é"))
    other = unicodedata.normalize("NFD" if form == "NFC" else "NFC", str(there))
    assert ascii(str(there)) in refused(other)


@pytest.mark.parametrize("sizes, left", [({}, 1), ({"train": 2}, 8)], ids=["drawn", "cut"])
def test_a_class_without_a_training_picture_is_told(tmp_path, caplog, sizes, left):
    caplog.set_level(logging.INFO, "lib")
    root = folder_of_pictures.write(tmp_path / "one", {"train": 1, "test": 1}, classes=10)
    load(root, sizes=sizes)
    (line,) = [line for line in caplog.messages if "no training picture" in line]
    assert (f" and {left - 1} more," in line) == (left > 1)


def test_what_stands_in_the_place_of_the_splits_is_shown(root):
    for split in ("train", "test"):
        (root / split).rename(root / split.upper())
    assert refused(root).endswith("are there, but 'TEST', 'TRAIN'")


def test_too_few_to_draw_a_validation_split_from(tmp_path):
    root = folder_of_pictures.write(tmp_path / "few", {"train": 3, "test": 1})
    assert "9 training images are too few to draw one in 10 for validation" in refused(root)


def test_a_full_or_closed_disk_is_one_line(root, monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    assert "0.0 GB are free; XDG_CACHE_HOME names another place" in refused(root)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert "XDG_CACHE_HOME names another place" in refused(root)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_names_of_classes_are_of_one_unicode_form(arrays, form):
    text = unicodedata.normalize(form, "café\nÅngström\n")
    (arrays / "classes.txt").write_text(text, encoding="utf-8")
    names = unicodedata.normalize("NFC", "café\nÅngström").split("\n")
    assert load(arrays).class_names == names


@pytest.fixture
def arrays(tmp_path):
    """The second layout, with a validation split."""
    folder, random = tmp_path / "arrays", np.random.default_rng(1)
    folder.mkdir()
    for split, count in (("train", 20), ("val", 6), ("test", 8)):
        np.save(
            folder / f"{split}_images.npy",
            random.integers(0, 256, (count, 3, SIDE, SIDE), dtype=np.uint8),
        )
        np.save(folder / f"{split}_labels.npy", (np.arange(count) % 2).astype(np.uint8))
    (folder / "classes.txt").write_text("\ufeffcat\r\ndog <&> | `\r\n", encoding="utf-8")
    return folder


def test_arrays_are_read_where_they_are(arrays, cache):
    # another program's list beside them says nothing
    (arrays / "test_files.txt").write_text("0000.jpg\n0001.jpg\n")
    splits = load(arrays)
    (arrays / "test_files.txt").unlink()
    assert splits.class_names == ["cat", "dog <&> | `"] and [
        len(part) for part in (splits.train, splits.val, splits.test)
    ] == [20, 6, 8]
    for name in ("train", "val", "test"):
        split, images = getattr(splits, name), np.load(arrays / f"{name}_images.npy")
        assert (
            np.array_equal(split.images[:].numpy(), images[split.index])
            and split.labels.tolist() == (split.index % 2).tolist()
        )
        assert split.images.path.parent == arrays and split.files is None
    assert sorted(path.name for path in arrays.iterdir()) == sorted(
        [
            *(
                f"{split}_{what}.npy"
                for split in ("train", "val", "test")
                for what in ("images", "labels")
            ),
            "classes.txt",
        ]
    )
    for path in arrays.glob("val_*"):
        path.unlink()
    assert [len(part) for part in (load(arrays).train, load(arrays).val)] == [18, 2]


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda folder: (folder / "val_labels.npy").unlink(), "val_labels.npy: No such file"),
        (lambda folder: (folder / "test_images.npy").unlink(), "test_images.npy: No such file"),
        (lambda folder: (folder / "classes.txt").unlink(), "classes.txt: No such file"),
        (
            lambda folder: (folder / "classes.txt").write_text("cat\n"),
            "two or more different names",
        ),
        (
            lambda folder: (folder / "classes.txt").write_text("cat\ncat\n"),
            "two or more different names",
        ),
        (
            lambda folder: (folder / "classes.txt").write_bytes(b"cat\n\xff\n"),
            "printable, without blanks at its ends (got '\\udcff')",
        ),
        (
            lambda folder: (folder / "classes.txt").write_text("cat\ndog\nmouse\n"),
            "no train image of the classes 'mouse'",
        ),
        (
            lambda folder: np.save(folder / "test_labels.npy", np.arange(8) % 3),
            "8 whole numbers from 0 to 1",
        ),
        (lambda folder: np.save(folder / "test_labels.npy", np.zeros(8)), "holds float64 (8,)"),
        (lambda folder: np.save(folder / "test_labels.npy", np.arange(7) % 2), "holds int64 (7,)"),
        (
            lambda folder: np.save(folder / "test_labels.npy", np.array([{}] * 8)),
            "test_labels.npy: not a readable .npy file",
        ),
        (
            lambda folder: (folder / "test_labels.npy").write_bytes(b""),
            "test_labels.npy: not a readable .npy file",
        ),
        (
            lambda folder: np.save(
                folder / "train_images.npy", np.zeros((20, 3, SIDE, 32), np.uint8)
            ),
            "64x32 px, image_size is 64",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_one_line(arrays, change, says):
    change(arrays)
    assert says in refused(arrays)


def test_the_cases_of_a_folder_are_checked_before_anything_runs(root, tmp_path, monkeypatch):
    data = f"{{source: folder, root: {root}, image_size: 64, test_size: 5}}"
    study(tmp_path, "own", "width: 16", data=data, cases=str(tmp_path / "cases.yaml"))
    monkeypatch.setattr(artefacts, "ROOT", tmp_path)
    (tmp_path / "cases.yaml").write_text("cases:\n  - {id: 11, hypothesis: dark}\n")
    preflight.checked(study_file.read("own"))
    (tmp_path / "cases.yaml").write_text("cases:\n  - {id: 12, hypothesis: dark}\n")
    with pytest.raises(ParameterError, match="no test image has id 12"):
        preflight.checked(study_file.read("own"))
    shutil.rmtree(root)
    with pytest.raises(ParameterError, match=": no such folder"):
        preflight.checked(study_file.read("own"))


def test_pictures_can_be_told_by_their_files(root):
    listed = (load(root).test.images.path.parent / "test_files.txt").read_text().splitlines()
    assert (
        len(listed) == 12
        and all((root / path).is_file() for path in listed)
        and artefacts.ROOT.is_dir()
    )


def test_a_tilde_that_is_no_home_is_a_name(tmp_path):
    """A forgotten slash, "~photos"."""
    with pytest.raises(DataError, match="~no-such-user: no such folder"):
        own_images.place("~no-such-user")
    with pytest.raises(DataError, match="~no-such-user: no such folder"):
        outside.read("~no-such-user", 32)
    assert identity.of(["~no-such-user"])
