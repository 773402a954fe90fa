"""Data: CIFAR-100 is the official one, damage and malice are refused, the phantom's records fit its
images."""

import hashlib
import os
import pickle
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision

from lib.base.artefacts import ROOT
from lib.data import augment, cifar, dataset
from lib.data.cifar import DataError
from lib.data.phantom import draw

PARENT = os.environ.get("CIFAR100_ROOT") or str(ROOT / "data")
CIFAR100_DIGEST = "145492623b7e4f462374a0e159ab1fc8e3b40f630ee85c367232ff668a2ad33b"  # of seed 42
SUPERCLASSES = """
aquatic_mammals: beaver dolphin otter seal whale
fish: aquarium_fish flatfish ray shark trout
flowers: orchid poppy rose sunflower tulip
food_containers: bottle bowl can cup plate
fruit_and_vegetables: apple mushroom orange pear sweet_pepper
household_electrical_devices: clock keyboard lamp telephone television
household_furniture: bed chair couch table wardrobe
insects: bee beetle butterfly caterpillar cockroach
large_carnivores: bear leopard lion tiger wolf
large_man-made_outdoor_things: bridge castle house road skyscraper
large_natural_outdoor_scenes: cloud forest mountain plain sea
large_omnivores_and_herbivores: camel cattle chimpanzee elephant kangaroo
medium_mammals: fox porcupine possum raccoon skunk
non-insect_invertebrates: crab lobster snail spider worm
people: baby boy girl man woman
reptiles: crocodile dinosaur lizard snake turtle
small_mammals: hamster mouse rabbit shrew squirrel
trees: maple_tree oak_tree palm_tree pine_tree willow_tree
vehicles_1: bicycle bus motorcycle pickup_truck train
vehicles_2: lawn_mower rocket streetcar tank tractor
"""  # as the data set's page lists them, https://www.cs.toronto.edu/~kriz/cifar.html


def statistics_of(split):
    pixels = split.images.double().div(255).transpose(0, 1).flatten(1)
    return pixels.mean(1), pixels.std(1, correction=0)


# --- the phantom


@pytest.fixture(scope="module")
def small():
    return dataset.load("phantom", sizes={"train": 120, "val": 80, "test": 100}, seed=7)


def test_the_phantoms_splits_are_what_its_generator_makes(small):
    for name, size in (("train", 120), ("val", 80), ("test", 100)):
        split, made = getattr(small, name), draw.generate(name, size, 7)
        assert (
            len(split) == size
            and split.images.dtype == torch.uint8
            and split.labels.dtype == torch.int64
        )
        assert np.array_equal(split.images.numpy(), made.images) and np.array_equal(
            split.labels.numpy(), made.labels
        )
        assert split.index.tolist() == list(range(size))
    assert small.class_names == draw.CLASS_NAMES and small.superclass.tolist() == draw.SUPERCLASS


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_the_planted_table_has_one_row_an_image_that_fits_it(small, name):
    split, made = getattr(small, name), draw.generate(name, len(getattr(small, name)), 7)
    assert len(split.planted) == len(split) and list(split.planted) == [
        "cause",
        "cause_class",
        "object_class",
    ]
    assert split.planted["cause"].tolist() == [draw.CAUSES[cause] for cause in made.cause]
    assert split.planted["object_class"].tolist() == made.object_class.tolist()
    assert split.planted["cause_class"].tolist() == made.cause_class.tolist()
    wrong = split.planted["object_class"].to_numpy() != split.labels.numpy()
    assert np.array_equal(wrong, (split.planted["cause"] == "label_error").to_numpy())
    assert wrong.any() == (name != "train")


def test_the_first_images_keep_their_rows(small):
    part = small.test.first(30)
    assert torch.equal(part.images, small.test.images[:30]) and torch.equal(
        part.labels, small.test.labels[:30]
    )
    pd.testing.assert_frame_equal(part.planted, small.test.planted.iloc[:30])
    assert (
        len(part) == 30
        and part.index.tolist() == list(range(30))
        and len(small.test.first(10**6)) == 100
    )


def test_mean_and_deviation_are_torchs_own_of_the_training_pixels(small):
    mean, std = statistics_of(small.train)
    np.testing.assert_allclose(small.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(small.std, std, rtol=1e-10)


def test_the_digest_depends_on_every_image_label_and_place(small):
    parts = {name: getattr(small, name) for name in ("train", "val", "test")}
    assert dataset.digest(parts) == small.digest
    assert (
        dataset.load("phantom", sizes={"train": 120, "val": 80, "test": 100}, seed=7).digest
        == small.digest
    )
    assert (
        dataset.load("phantom", sizes={"train": 120, "val": 80, "test": 100}, seed=8).digest
        != small.digest
    )
    for name, split in parts.items():
        images, labels, index = split.images.clone(), split.labels.clone(), split.index.copy()
        images[-1, 2, 31, 31] ^= 1
        labels[-1] += 1
        index[-1] += 1
        for changed in (
            dataset.Split(images, split.labels, split.index),
            dataset.Split(split.images, labels, split.index),
            dataset.Split(split.images, split.labels, index),
        ):
            assert dataset.digest(parts | {name: changed}) != small.digest


def test_sizes_of_zero_mean_all(monkeypatch):
    monkeypatch.setattr(dataset, "PHANTOM_SIZES", {"train": 60, "val": 40, "test": 20})
    splits = dataset.load("phantom", sizes={"train": 0, "val": 20})
    assert [len(split) for split in (splits.train, splits.val, splits.test)] == [60, 20, 20]


def test_a_runs_data_is_found_again_and_other_data_is_refused(small):
    parameters = {
        "data": "phantom",
        "root": "",
        "image_size": 32,
        "data_seed": 7,
        "train_size": 120,
        "val_size": 80,
        "test_size": 100,
    }
    assert dataset.load_for(parameters, small.digest).digest == small.digest
    with pytest.raises(DataError, match=f"made from {small.digest[:12]}"):
        dataset.load_for(parameters | {"data_seed": 8}, small.digest)


@pytest.mark.parametrize(
    "name, sizes, says",
    [
        ("cifar1000", {}, "known are cifar100, cifar10, phantom"),
        ("phantom", {"train": -1}, "size"),
        ("phantom", {"tset": 5}, "train, val, test"),
    ],
)
def test_what_cannot_be_loaded_is_said(name, sizes, says):
    with pytest.raises(ValueError, match=says):
        dataset.load(name, sizes=sizes)


# --- CIFAR-100's files


@pytest.fixture
def offline(monkeypatch):
    """torchvision's download fails; the list of the folders it was asked to fill."""
    asked = []

    def fail(root, download):
        asked.append(root)
        raise URLError("no route to host")

    monkeypatch.setattr(torchvision.datasets, "CIFAR100", fail)
    return asked


def test_missing_data_is_one_message_with_the_folder_the_files_and_a_way_out(
    tmp_path, offline, monkeypatch
):
    monkeypatch.setenv("CIFAR100_ROOT", str(tmp_path))
    with pytest.raises(DataError) as caught:
        dataset.load("cifar100")
    message = str(caught.value)
    assert (
        f"not in {tmp_path / 'cifar-100-python'} (missing: train, test, meta)" in message
        and "URLError" in message
    )
    assert "DATA=" in message and "'phantom'" in message and "\n" not in message
    assert offline == [str(tmp_path)] and caught.value.__suppress_context__


def test_a_single_missing_file_is_named(tmp_path, offline):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test"):
        (folder / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"\(missing: meta\)"):
        dataset.load("cifar100", tmp_path)


def test_nothing_is_downloaded_when_the_files_are_there(tmp_path, offline, monkeypatch):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test", "meta"):
        (folder / name).write_bytes(b"")
    assert cifar.find(tmp_path) == folder
    monkeypatch.setenv("CIFAR100_ROOT", str(tmp_path))
    assert cifar.find() == folder and not offline
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    monkeypatch.setenv("CIFAR100_ROOT", f"~/{tmp_path.name}")
    assert cifar.find() == folder and cifar.parent() == tmp_path


def test_a_file_with_the_wrong_sum_is_named_and_not_opened(tmp_path, offline):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test", "meta"):
        (folder / name).write_bytes(pickle.dumps(Touch(tmp_path / "ran")))
    with pytest.raises(DataError, match="cifar-100-python/train: not the official CIFAR-100 file"):
        cifar.read(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match="train: No such file"):
        cifar.official(tmp_path / "train", "0" * 64)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch '{self.path}'",)


def sums_patched(monkeypatch, content):
    monkeypatch.setitem(cifar.SHA256, "meta", hashlib.sha256(content).hexdigest())


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda path: pickle.dumps(Touch(path), 0),
        lambda path: pickle.dumps({"data": Touch(path)}, 2),
        lambda path: pickle.dumps(Touch(path)),
        lambda path: b"cbuiltins\neval\n(S'open(%r, \"w\")'\ntR." % str(path),
        lambda path: b"cnumpy.f2py.diagnose\nrun\n(tR.",
        lambda path: b"ctorch\nload\n(S'x'\ntR.",
        lambda path: b"cnumpy\nsave\n(S'x'\ntR.",
        lambda path: pickle.dumps(np.array([Touch(path)], dtype=object), 2),
        lambda path: b"not a pickle",
    ],
    ids=[
        "protocol 0",
        "inside, protocol 2",
        "protocol 4",
        "eval",
        "numpy's own",
        "torch.load",
        "numpy.save",
        "in an array",
        "noise",
    ],
)
def test_a_malicious_pickle_with_the_right_sum_runs_nothing(tmp_path, monkeypatch, make):
    path = tmp_path / "meta"
    path.write_bytes(make(tmp_path / "ran"))
    sums_patched(monkeypatch, path.read_bytes())
    with pytest.raises(DataError, match="meta: refused"):
        cifar.official(path, cifar.SHA256["meta"])
    assert not (tmp_path / "ran").exists()


def test_an_array_as_python_2_pickled_it_is_read(tmp_path):
    content = (
        b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
        b"(K\x01(K\x06tcnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ"
        b"\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89U\x06\x00\x01\x7f\x80\xfe\xfftbs."
    )
    (tmp_path / "train").write_bytes(content)
    read = cifar.official(tmp_path / "train", hashlib.sha256(content).hexdigest())
    assert read["data"].tolist() == [0, 1, 127, 128, 254, 255] and read["data"].dtype == np.uint8


# --- CIFAR-10, of which there is no copy here: files in its format, made for the test


NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def python_2(value) -> bytes:
    """A value as Python 2 pickled it, protocol 2, without its frame."""
    if isinstance(value, dict):
        pairs = b"".join(python_2(part) for pair in value.items() for part in pair)
        return b"}(" + pairs + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(python_2, value)) + b"e"
    if isinstance(value, (str, bytes)):
        value = value.encode() if isinstance(value, str) else value
        return b"T" + len(value).to_bytes(4, "little") + value
    if isinstance(value, int):
        return b"J" + value.to_bytes(4, "little")
    shape = b"(" + b"".join(map(python_2, value.shape)) + b"t"
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01"
        + shape
        + b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNN"
        + b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + python_2(value.tobytes())
        + b"tb"
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The parent folder of CIFAR-10's files, 20 images each, and the sums of these files."""
    root, rng, sums = tmp_path_factory.mktemp("cifar10"), np.random.default_rng(0), {}
    (root / "cifar-10-batches-py").mkdir()
    for name in cifar.MD5:
        content = {
            "batch_label": name,
            "labels": rng.permutation(20).tolist(),
            "data": rng.integers(256, size=(20, 3072), dtype=np.uint8),
            "filenames": [f"{name}_{row}.png" for row in range(20)],
        }
        content["labels"] = [label % 10 for label in content["labels"]]
        if name == "batches.meta":
            content = {"num_cases_per_batch": 10_000, "label_names": NAMES, "num_vis": 3072}
        payload = b"\x80\x02" + python_2(content) + b"."
        (root / "cifar-10-batches-py" / name).write_bytes(payload)
        sums[name] = hashlib.md5(payload).hexdigest()
    return root, sums


@pytest.fixture
def cifar10(made, monkeypatch):
    """The same, where their sums are taken for the official ones, torchvision's as well."""
    root, sums = made
    theirs = torchvision.datasets.CIFAR10
    for name, digest in sums.items():
        monkeypatch.setitem(cifar.MD5, name, digest)
    for part in ("train_list", "test_list"):
        entries = [[name, sums[name]] for name, _ in getattr(theirs, part)]
        monkeypatch.setattr(theirs, part, entries)
    monkeypatch.setitem(theirs.meta, "md5", sums["batches.meta"])
    return root


def test_the_sums_of_cifar10_are_those_that_torchvision_lists():
    theirs = torchvision.datasets.CIFAR10
    lists = dict(theirs.train_list + theirs.test_list)
    assert cifar.MD5 == lists | {theirs.meta["filename"]: theirs.meta["md5"]}
    assert cifar.SETS["cifar10"][1] == theirs.base_folder


@pytest.mark.filterwarnings("ignore")  # numpy.core, which torchvision lets the pickle name
def test_cifar10_is_read_as_torchvision_reads_it(cifar10):
    splits = dataset.load("cifar10", cifar10)
    assert [len(split) for split in (splits.train, splits.val, splits.test)] == [90, 10, 20]
    train, test = (torchvision.datasets.CIFAR10(cifar10, train=train) for train in (True, False))
    for split, theirs in ((splits.train, train), (splits.val, train), (splits.test, test)):
        pictures = theirs.data[split.index].transpose(0, 3, 1, 2)
        assert np.array_equal(split.images.numpy(), pictures)
        assert split.labels.tolist() == np.array(theirs.targets)[split.index].tolist()
    assert sorted([*splits.train.index, *splits.val.index]) == list(range(100))
    assert splits.class_names == train.classes
    animals = [NAMES[label] for label in np.flatnonzero(splits.superclass == 0)]
    assert animals == ["bird", "cat", "deer", "dog", "frog", "horse"]
    assert splits.superclass_names == ["animals", "vehicles"]


def test_a_file_of_cifar10_with_the_wrong_sum_is_named(cifar10, monkeypatch):
    monkeypatch.setitem(cifar.MD5, "data_batch_3", "0" * 32)
    with pytest.raises(DataError, match=r"data_batch_3: not the official CIFAR-10 file \(MD5"):
        dataset.load("cifar10", cifar10)


def test_cifar10_is_downloaded_by_torchvision_where_a_file_is_missing(tmp_path, monkeypatch):
    asked = []

    def fail(root, download):
        asked.append((root, download))
        raise URLError("no route to host")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", fail)
    with pytest.raises(DataError) as caught:
        dataset.load("cifar10", tmp_path)
    assert asked == [(str(tmp_path), True)] and "\n" not in str(caught.value)
    assert f"CIFAR-10 is not in {tmp_path / 'cifar-10-batches-py'}" in str(caught.value)


# --- CIFAR-100 itself


@pytest.fixture(scope="module")
def official():
    if not all(
        os.path.isfile(os.path.join(PARENT, "cifar-100-python", name))
        for name in ("train", "test", "meta")
    ):
        pytest.skip(f"the official CIFAR-100 files are not in {PARENT}")
    return dataset.load("cifar100", PARENT)


@pytest.fixture(scope="module")
def theirs(official):
    return {train: torchvision.datasets.CIFAR100(PARENT, train=train) for train in (True, False)}


@pytest.mark.slow
def test_the_splits_have_their_sizes_and_cover_the_official_files_once(official):
    assert [len(split) for split in (official.train, official.val, official.test)] == [
        45_000,
        5_000,
        10_000,
    ]
    for split in (official.train, official.val, official.test):
        assert split.images.shape == (len(split), 3, 32, 32) and split.images.dtype == torch.uint8
        assert split.labels.dtype == torch.int64 and split.planted is None
    assert np.array_equal(
        np.sort(np.concatenate([official.train.index, official.val.index])), np.arange(50_000)
    )
    assert np.array_equal(official.test.index, np.arange(10_000))


@pytest.mark.slow
def test_images_and_labels_are_torchvisions(official, theirs):
    train, test = theirs[True], theirs[False]
    for split, reference in ((official.train, train), (official.val, train), (official.test, test)):
        assert np.array_equal(split.labels.numpy(), np.array(reference.targets)[split.index])
        for row in np.random.default_rng(0).choice(len(split), 300, replace=False):
            picture = np.asarray(reference[split.index[row]][0]).transpose(2, 0, 1)
            assert np.array_equal(split.images[row].numpy(), picture)


def test_every_class_is_as_frequent_as_it_should_be(official):
    splits = official.train, official.val, official.test
    counts = [np.bincount(split.labels.numpy(), minlength=100) for split in splits]
    assert (counts[0] + counts[1] == 500).all() and (counts[2] == 100).all()
    # 50 expected, deviation 6.7: the split is a random one
    assert 25 <= counts[1].min() and counts[1].max() <= 80


def test_names_are_torchvisions_and_superclasses_those_of_the_data_sets_page(official, theirs):
    assert official.class_names == theirs[True].classes
    lines = [line.split(": ") for line in SUPERCLASSES.strip().splitlines()]
    expected = {name: group for group, names in lines for name in names.split()}
    assert len(expected) == 100
    found = {
        name: official.superclass_names[group]
        for name, group in zip(official.class_names, official.superclass)
    }
    assert found == expected


def test_the_digest_is_pinned(official):
    assert official.digest == CIFAR100_DIGEST


def test_statistics_are_those_of_the_train_split_alone(official):
    for channel in range(3):
        values = official.train.images[:, channel].numpy()
        mean = values.mean(dtype=np.float64) / 255
        square = (values.astype(np.uint16) ** 2).mean(dtype=np.float64) / 255**2
        assert official.mean[channel] == pytest.approx(mean, rel=1e-12)
        assert official.std[channel] == pytest.approx((square - mean**2) ** 0.5, rel=1e-9)
    # as published for all 50,000
    np.testing.assert_allclose(official.mean, [0.5071, 0.4865, 0.4409], atol=1e-3)
    np.testing.assert_allclose(official.std, [0.2673, 0.2564, 0.2762], atol=1e-3)


@pytest.mark.slow
def test_sizes_seeds_and_what_is_too_much(official, monkeypatch):
    files = cifar.read(PARENT)
    monkeypatch.setattr(dataset, "read", lambda root: files)
    small = dataset.load("cifar100", sizes={"train": 200, "val": 0, "test": 50})
    assert [len(split) for split in (small.train, small.val, small.test)] == [200, 5_000, 50]
    assert (
        torch.equal(small.train.images, official.train.images[:200])
        and small.digest != official.digest
    )
    assert not np.array_equal(
        dataset.load("cifar100", sizes={"train": 200}, seed=43).train.index, small.train.index
    )
    for split, size in (("train", 45_001), ("val", 5_001), ("test", 10_001)):
        with pytest.raises(ValueError, match=f"{size - 1} {split} images, {size} were asked for"):
            dataset.load("cifar100", sizes={split: size})


@pytest.mark.parametrize("constant", [(0,), (0, 2), (0, 1, 2)], ids=["one", "two", "all"])
@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_channel_without_variance_is_divided_by_1(constant, level):
    images = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    images[:, list(constant)] = level
    mean, std = dataset.statistics(images)
    for channel in range(3):
        pixels = images[:, channel].numpy() / 255
        assert mean[channel] == pytest.approx(pixels.mean())
        assert std[channel] == (1 if channel in constant else pytest.approx(pixels.std()))
    assert augment.normalise(images, mean, std).isfinite().all()
