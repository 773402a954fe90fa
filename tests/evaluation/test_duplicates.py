"""Pictures that stand in two splits: planted copies, and neighbours against scikit-learn's."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from lib.data.dataset import Split
from lib.data.streams import Stream
from lib.evaluation import duplicates

NAMES = ("train", "val", "test")


def pictures(generator, count: int) -> torch.Tensor:
    """Smooth pictures, no two alike: noise of 5x5, enlarged."""
    coarse = torch.from_numpy(generator.integers(0, 256, (count, 3, 5, 5)).astype(np.float32))
    return torch.nn.functional.interpolate(coarse, 32, mode="bicubic").clamp(0, 255).byte()


def made(generator, *sizes: int) -> SimpleNamespace:
    return SimpleNamespace(
        **{
            name: Split(pictures(generator, size), torch.arange(size) % 4, np.arange(size))
            for name, size in zip(NAMES, sizes)
        }
    )


@pytest.fixture
def splits():
    splits = made(np.random.default_rng(0), 300, 60, 200)
    train, val, test = (getattr(splits, name).images for name in NAMES)
    test[3], test[8] = train[7], val[5]
    test[20] = test[11]
    test[30] = test[3]
    # near ones: brighter, mirrored, shifted by a pixel, darker
    test[40] = (train[50].float() * 0.85 + 20).byte()
    test[41] = train[51].flip(-1)
    test[42] = val[9].roll(1, -1)
    test[50] = (test[45].float() * 0.9).byte()
    return splits


def features_of(splits) -> dict:
    """Made up as a network's: noisy, and the same of a picture and its mirror image."""
    generator = np.random.default_rng(1)
    mix = generator.normal(size=(3 * 16, 40))

    def of(images):
        pooled = torch.nn.functional.adaptive_avg_pool2d(images.float(), 4)
        both = (pooled + pooled.flip(-1)).flatten(1).numpy() / 255 - 1
        return np.maximum(both @ mix + 0.2 * generator.normal(size=(len(both), 40)), 0)

    return {name: of(getattr(splits, name).images) for name in NAMES}


def test_equal_pictures_are_found_where_they_are(splits):
    rows = duplicates.equal(splits).itertuples(index=False)
    assert [tuple(row) for row in rows] == [
        (3, "train", 7, "equal"),
        (8, "val", 5, "equal"),
        (20, "test", 11, "equal"),
        (30, "train", 7, "equal"),
    ]


def test_near_ones_are_found_by_features_and_confirmed_by_pixels(splits):
    table = duplicates.repeated(splits, features_of(splits))
    near = table[table["kind"] == "near"]
    assert list(zip(near["position"], near["split"], near["other"])) == [
        (40, "train", 50),
        (41, "train", 51),
        (42, "val", 9),
        (50, "test", 45),
    ]
    # the equal ones stay equal ones
    assert table.loc[table["kind"] == "equal", "position"].tolist() == [3, 8, 20, 30]


def test_features_that_call_a_class_alike_make_no_picture_a_copy(splits):
    same = {name: np.eye(4)[getattr(splits, name).labels] for name in NAMES}
    assert set(duplicates.near(splits, same)["position"]) <= {3, 8, 20, 30, 40, 41, 42, 50}


def test_neighbours_are_scikit_learns():
    generator = np.random.default_rng(2)
    one, other = generator.normal(size=(1200, 16)), generator.normal(size=(700, 16))
    distance, places = NearestNeighbors(n_neighbors=5, metric="cosine").fit(other).kneighbors(one)
    found, cosine = duplicates.neighbours(one, other)
    np.testing.assert_array_equal(found, places)
    np.testing.assert_allclose(cosine, 1 - distance, atol=1e-9)
    assert duplicates.neighbours(one, other[:3])[0].shape == (1200, 3)


def test_alike_is_the_correlation_of_small_copies(splits):
    one, other = splits.train.images[:6], splits.train.images[6:12]
    small = [x.reshape(6, 3, 16, 2, 16, 2).float().mean((3, 5)).numpy() for x in (one, other)]
    by_hand = [
        max(np.corrcoef(a.ravel(), way.ravel())[0, 1] for way in (b, b[..., ::-1]))
        for a, b in zip(*small)
    ]
    np.testing.assert_allclose(duplicates.alike(one, other), by_hand, atol=1e-5)
    # a picture of one colour is like nothing
    grey = torch.full((1, 3, 32, 32), 9, dtype=torch.uint8)
    assert duplicates.alike(grey, grey)[0] == 0


def test_the_headline_is_given_without_them(splits):
    table = duplicates.repeated(splits, features_of(splits))
    listed = duplicates.flagged(table, 200)
    assert listed.sum() == 8 and listed[[3, 50]].all() and not listed[7]
    correct = np.arange(200) % 4 > 0
    correct[listed] = True
    run = SimpleNamespace(test=SimpleNamespace(correct=correct))
    numbers = duplicates.numbers(table, splits, {"baseline": run})
    accuracy = numbers["accuracy"]["baseline"]
    assert accuracy["repeated"] == 1 and accuracy["all"] == correct.mean()
    assert accuracy["without"] == pytest.approx(correct[~listed].mean())
    assert numbers["kinds"] == {
        "equal": {"train": 2, "val": 1, "test": 1},
        "near": {"train": 2, "val": 1, "test": 1},
    }
    # labels are the place modulo 4: of (3, 7), (8, 5), (20, 11), (30, 7), (40, 50), (41, 51),
    # (42, 9) and (50, 45) the first alone has its partner's
    assert numbers["other_label"] == 7
    few = duplicates.numbers(table.head(5), splits, {"baseline": run})
    assert few["accuracy"]["baseline"]["repeated"] is None


def test_without_a_repeated_picture_the_table_is_empty():
    clean = made(np.random.default_rng(3), 20, 20, 20)
    table = duplicates.repeated(clean, features_of(clean))
    assert table.empty and not duplicates.flagged(table, 20).any()
    run = SimpleNamespace(test=SimpleNamespace(correct=np.ones(20, bool)))
    numbers = duplicates.numbers(table, clean, {"a": run})
    assert numbers["repeated"] == 0 and numbers["accuracy"]["a"]["without"] == 1


def test_own_pictures_are_asked_about_and_others_are_not(splits, monkeypatch):
    """By the network's own features; without a network, or of too many pixels, for equal ones."""
    splits.name, splits.class_names, splits.mean, splits.std = "folder", ["a"] * 4, (0,), (1,)
    asked = features_of(splits)
    monkeypatch.setattr(duplicates.record, "load_model", lambda run, classes: f"net of {classes}")
    monkeypatch.setattr(duplicates.inference, "ready", lambda network: network)
    monkeypatch.setattr(
        duplicates.inference,
        "features",
        lambda network, images, *_: torch.from_numpy(
            next(asked[name] for name in NAMES if getattr(splits, name).images is images)
        ),
    )
    kept, gone = (
        SimpleNamespace(info={"sha256": dict.fromkeys(files)})
        for files in ((duplicates.record.WEIGHTS,), ())
    )
    found = duplicates.own(splits, {"a": gone, "b": kept})
    pd.testing.assert_frame_equal(found, duplicates.repeated(splits, asked))
    assert set(found["kind"]) == {"equal", "near"}
    equal = duplicates.own(splits, {"a": gone})
    pd.testing.assert_frame_equal(equal, duplicates.equal(splits))
    monkeypatch.setattr(duplicates, "MOST", 10)
    pd.testing.assert_frame_equal(duplicates.own(splits, {"b": kept}), equal)
    splits.name = "cifar100"
    assert duplicates.own(splits, {"b": kept}) is None
    assert duplicates.numbers(None, splits, {}) is None


def test_near_pictures_that_lie_on_disk_are_found_as_those_in_memory(splits, tmp_path):
    expected = duplicates.repeated(splits, features_of(splits))
    features = features_of(splits)
    for name in NAMES:
        part = getattr(splits, name)
        np.save(tmp_path / f"{name}.npy", part.images.numpy())
        setattr(splits, name, replace(part, images=Stream(tmp_path / f"{name}.npy")))
    pd.testing.assert_frame_equal(duplicates.repeated(splits, features), expected)
