"""The phantom's images are reproducible to the byte, and what its labels and causes claim holds in
the pixels."""

import hashlib

import numpy as np
import pytest

from lib.data.phantom import draw, paint, shapes
from lib.data.phantom.paint import scene

FIELDS = ("images", "labels", "object_class", "cause", "cause_class", "mask")
NOISE = 14  # no pixel may differ by more from the scene without noise


@pytest.fixture(scope="module")
def test_split():
    return draw.generate("test", 2000, 5)


@pytest.fixture(scope="module")
def layers():
    """The same pictures' plan and their layers without noise."""
    plan = draw._plan("test", 2000, 5)
    names = ("key", "object_class", "cause", "cause_class", "texture")
    return plan, scene(*(plan[name] for name in names))


def digest(data: draw.Images) -> str:
    sha = hashlib.sha256()
    for name in FIELDS:
        array = getattr(data, name)
        sha.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()


@pytest.mark.parametrize(
    "split, size, seed, expected",
    [
        ("train", 300, 0, "9af54c9b2e532337114cfee5052ed21120b8e703af4062e619b7620e20527d29"),
        ("val", 300, 1, "0c0998fa5b9755110d317eab2352675e455e0d88d6951d569b92431aa963f352"),
        ("test", 300, 2, "66696dd1e0d3837083b66b50516686dc3e42b4de760d6bf4d9cc92b9ce75917a"),
        (
            "test",
            300,
            2**63 - 1,
            "48e1baa599f9eeaa391bc4bfaa5296f5148c36781b44f2a4669b995e3e2a7570",
        ),
    ],
)
def test_the_bytes_are_pinned(split, size, seed, expected):
    assert digest(draw.generate(split, size, seed)) == expected


def test_shapes_and_types(test_split):
    kinds = {
        name: (getattr(test_split, name).shape, getattr(test_split, name).dtype.name)
        for name in FIELDS
    }
    assert kinds == {
        "images": ((2000, 3, 32, 32), "uint8"),
        "labels": ((2000,), "int64"),
        "object_class": ((2000,), "int64"),
        "cause": ((2000,), "int8"),
        "cause_class": ((2000,), "int64"),
        "mask": ((2000, 32, 32), "bool"),
    }


def test_the_vocabulary():
    assert len(set(draw.CLASS_NAMES)) == 20
    assert draw.SUPERCLASS == sorted(list(range(5)) * 4) and len(draw.SUPERCLASS_NAMES) == 5
    assert draw.CAUSES == ("none", "background", "second_object", "look_alike", "label_error")
    assert sum(draw.SHARES) == 100 and len(draw.SHARES) == len(draw.CAUSES)
    # one of a pair at most
    assert len(set(label // 2 for label in draw.TIED_CLASSES)) == shapes.TIED == 8


@pytest.mark.parametrize("split", draw.SPLITS)
@pytest.mark.parametrize("size", [1, 255, 257])
def test_a_shorter_split_starts_a_longer_one(split, size):
    short, long = draw.generate(split, size, 3), draw.generate(split, 300, 3)
    for name in FIELDS:
        assert np.array_equal(getattr(short, name), getattr(long, name)[:size]), name


def test_classes_are_balanced_and_so_are_causes_within_a_class(test_split):
    assert (np.bincount(test_split.labels, minlength=20) == 100).all()
    for label in range(20):
        assert (
            tuple(np.bincount(test_split.cause[test_split.labels == label], minlength=5))
            == draw.SHARES
        )
    part = draw.generate("val", 500, 0)
    assert (np.bincount(part.labels) == 25).all()
    assert np.abs(np.bincount(part.cause, minlength=5) / 5 - draw.SHARES).max() < 2  # per cent


def test_training_is_clean():
    data = draw.generate("train", 500, 0)
    assert (
        (data.cause == 0).all()
        and (data.cause_class == -1).all()
        and (data.labels == data.object_class).all()
    )


def test_seeds_and_splits_share_no_picture():
    seen = [
        picture.tobytes()
        for split in draw.SPLITS
        for seed in (0, 1)
        for picture in draw.generate(split, 500, seed).images
    ]
    assert len(set(seen)) == len(seen) == 3000


def test_tied_classes_stand_on_their_own_background_at_the_stated_share():
    plan = draw._plan("train", 8000, 0)
    tied = np.isin(plan["labels"], draw.TIED_CLASSES)
    own = np.array(draw.TIED_CLASSES)[plan["texture"][tied].clip(0, 7)] == plan["labels"][tied]
    own &= plan["texture"][tied] < shapes.TIED
    assert abs(own.mean() * 100 - draw.BIAS) < 2
    assert (plan["texture"][tied][~own] >= shapes.TIED).all()
    assert (plan["texture"][~tied] >= shapes.TIED).all()
    # the whole neutral pool is in use
    assert np.bincount(plan["texture"][~tied], minlength=16)[8:].min() > 500


def test_outside_the_objects_a_picture_is_its_texture(test_split, layers):
    """And outside the mask alone, unless a second object was planted: so the mask covers the
    object."""
    plan, scenes = layers
    difference = np.abs(test_split.images.astype(int) - scenes.background).max(1)
    free = ~test_split.mask & (scenes.second == 0)
    assert difference[free].max() <= NOISE
    assert (scenes.second[test_split.cause != draw.SECOND_OBJECT] == 0).all()
    core = (scenes.main == 128) & (difference > NOISE)  # far enough from the background to be seen
    assert core.sum() > 0.95 * (scenes.main == 128).sum()
    assert test_split.mask.sum((1, 2)).min() >= 30


def test_each_texture_is_recognisable_without_noise():
    """Two tied textures with the same random numbers differ much, and so do two pictures of one
    texture."""
    fields = [
        shapes.field(texture, draw._plan("test", 40, 0)["key"]).astype(int) for texture in range(16)
    ]
    for i, one in enumerate(fields):
        assert one.shape == (40, 32, 32) and one.min() >= 0 and one.max() <= 128 and one.std() > 10
        assert np.abs(one[:-1] - one[1:]).mean() > 4
        assert all(np.abs(one - other).mean() > 15 for other in fields[:i])


def test_objects_are_lighter_than_what_is_behind_them(test_split, layers):
    """On the mean of the pixels that they cover whole; a pale one on a light texture by little."""
    _, scenes = layers
    covered, behind = scenes.main == 128, scenes.background.mean(1)
    chosen = covered.any((1, 2)) & (test_split.cause != draw.SECOND_OBJECT)
    lighter = [
        (picture.mean(0) - under)[here].mean()
        for picture, under, here in zip(
            scenes.picture[chosen], behind[chosen], covered[chosen], strict=True
        )
    ]
    assert np.min(lighter) > 0 and np.mean(lighter) > 50


def test_background_pictures_show_the_texture_of_the_class_they_point_at(test_split, layers):
    plan, scenes = layers
    chosen = test_split.cause == draw.BACKGROUND
    tied = np.array(draw.TIED_CLASSES)
    assert np.array_equal(tied[plan["texture"][chosen]], test_split.cause_class[chosen])
    assert (test_split.cause_class[chosen] // 2 != test_split.labels[chosen] // 2).all()
    assert set(test_split.cause_class[chosen]) == set(draw.TIED_CLASSES)
    for texture in range(8):
        # the brightness outside the mask follows that texture's field, however it is coloured
        rows = np.flatnonzero(chosen & (plan["texture"] == texture))
        field = shapes.field(texture, plan["key"][rows])
        wrong = shapes.field((texture + 1) % 8, plan["key"][rows])
        pictures, outside = test_split.images[rows].mean(1), ~test_split.mask[rows]
        assert (
            _correlation(pictures, field, outside)
            > 0.75
            > 0.4
            > _correlation(pictures, wrong, outside)
        )


def _correlation(pictures, values, where):
    """The mean over n pictures of how well two values agree in the pixels `where`, all (n, 32, 32),
    up to sign."""
    return np.mean(
        [
            abs(np.corrcoef(one[here], two[here])[0, 1])
            for one, two, here in zip(pictures, values, where)
        ]
    )


def test_the_second_object_is_larger_and_of_the_class_pointed_at(test_split, layers):
    plan, scenes = layers
    chosen = test_split.cause == draw.SECOND_OBJECT
    main, second = (
        layer[chosen].sum((1, 2), dtype=np.int64) for layer in (scenes.main, scenes.second)
    )
    assert (second > main).all()
    visible = ((scenes.second > 0) & ~test_split.mask)[chosen].sum((1, 2))
    assert (visible > 0.8 * (scenes.second > 0)[chosen].sum((1, 2))).mean() > 0.9
    assert (test_split.cause_class[chosen] // 2 != test_split.labels[chosen] // 2).all()
    assert (plan["texture"][chosen] >= shapes.TIED).all()


def test_look_alikes_differ_in_few_pixels_and_show_more_of_their_own_shape(
    test_split, layers, monkeypatch
):
    plan, scenes = layers
    chosen = test_split.cause == draw.LOOK_ALIKE
    assert np.array_equal(test_split.cause_class[chosen], test_split.labels[chosen] ^ 1)
    assert (plan["texture"][chosen] >= shapes.TIED).all()
    part = [
        plan[name][chosen] for name in ("key", "object_class", "cause", "cause_class", "texture")
    ]
    pure = []
    # the same pictures with the label's shape alone, then with the partner's alone
    for own_share in (128, 0):
        monkeypatch.setattr(paint, "ALIKE_OWN", (own_share, own_share + 1))
        pure.append(scene(*part).main.astype(int))
    differs = (np.abs(pure[0] - pure[1]) > 8).sum((1, 2))
    assert differs.min() >= 3 and differs.max() <= 50
    to_own, to_partner = (np.abs(scenes.main[chosen] - shape).sum((1, 2)) for shape in pure)
    assert (to_own < 0.8 * to_partner).all() and (to_own > 0.3 * to_partner).all()
    areas = scenes.main.sum((1, 2), dtype=np.int64)
    assert areas[chosen].mean() < 0.75 * areas[test_split.cause == draw.NONE].mean()


def test_only_label_errors_are_mislabelled(test_split, layers):
    chosen = test_split.cause == draw.LABEL_ERROR
    assert np.array_equal(test_split.labels != test_split.object_class, chosen)
    assert np.array_equal(test_split.cause_class[chosen], test_split.object_class[chosen])
    assert (test_split.object_class[chosen] // 2 != test_split.labels[chosen] // 2).all()
    assert (test_split.cause_class[test_split.cause == draw.NONE] == -1).all()


def test_a_mask_has_the_form_of_its_class(test_split):
    """Shapes are told apart by their masks alone: the nearest class's average, centred, is mostly
    the right one."""
    data = draw.generate("train", 3000, 0)
    means = np.stack([_centred(data.mask[data.labels == label]).mean(0) for label in range(20)])
    chosen = test_split.cause != draw.LOOK_ALIKE
    found = _centred(test_split.mask[chosen])
    nearest = ((found[:, None] - means) ** 2).sum((2, 3)).argmin(1)
    assert (nearest == test_split.object_class[chosen]).mean() > 0.5


def _centred(masks):
    """Masks (n, 32, 32) cut to their extents and stretched to (n, 16, 16)."""
    out = np.empty((len(masks), 16, 16))
    for i, mask in enumerate(masks):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        grid = [
            line[0] + np.arange(16) * (line[-1] - line[0] + 1) // 16 for line in (rows, columns)
        ]
        out[i] = mask[np.ix_(*grid)]
    return out


@pytest.mark.parametrize(
    "split, size, seed, message",
    [
        ("dev", 10, 0, "split must be one of train, val, test, got 'dev'"),
        ("test", 0, 0, "size must be a whole number of at least 1, got 0"),
        ("test", 2.5, 0, "size must be a whole number of at least 1, got 2.5"),
        ("test", 10, -1, r"seed must be a whole number from 0 to 2\*\*63 - 1, got -1"),
        (
            "test",
            10,
            2**63,
            r"seed must be a whole number from 0 to 2\*\*63 - 1, got 9223372036854775808",
        ),
    ],
)
def test_bad_input_is_named(split, size, seed, message):
    with pytest.raises(ValueError, match=message):
        draw.generate(split, size, seed)
