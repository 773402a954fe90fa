"""The phantom: generated 32x32 images whose failures have planted, recorded causes, to score a
diagnosis against.

Twenty shapes in ten look-alike pairs, on darker textures, more or less opaque. In training eight of
the classes stand mostly on a background of their own, a texture that no other class has, and
nothing else is wrong. In validation and test a stated share of the images is hard for one recorded
cause each:

- background: the object stands on the background that another class was tied to in training;
- second_object: a larger object of another class stands, paler, behind or beside the labelled one
  in front;
- look_alike: the object is small and the detail that tells its pair apart is faint: drawn at 58 to
  69 per cent where the class has it, at 31 to 42 per cent where it lacks it (so the label holds,
  but has to be read off closely);
- label_error: a plain picture of another class than the recorded one.
"""

from dataclasses import dataclass

import numpy as np

from lib.data.phantom import shapes
from lib.data.phantom.paint import scene
from lib.data.phantom.shapes import draw, keys, noise

CLASS_NAMES: list[str] = list(shapes.templates()[0])
SUPERCLASS: list[int] = [label // 4 for label in range(20)]
SUPERCLASS_NAMES: list[str] = ["round", "angular", "building", "vessel", "mover"]
CAUSES = ("none", "background", "second_object", "look_alike", "label_error")
NONE, BACKGROUND, SECOND_OBJECT, LOOK_ALIKE, LABEL_ERROR = range(5)
SHARES = (66, 12, 8, 9, 5)  # per cent of the causes, in every class of val and test
# in the order of their textures
_TIED_NAMES = ("castle", "fish", "ring", "car", "square", "cup", "tent", "spray")
TIED_CLASSES = tuple(CLASS_NAMES.index(name) for name in _TIED_NAMES)
BIAS = 94  # per cent of a tied class's ordinary pictures that show its own background
SPLITS = ("train", "val", "test")
_TIES = np.full(20, -1, np.int64)
_TIES[list(TIED_CLASSES)] = np.arange(len(TIED_CLASSES))  # class -> its texture, -1 if it has none
_CHUNK = 256  # pictures painted at a time, so that the work stays in the processor's cache


@dataclass(frozen=True)
class Images:
    """N pictures and what is known of them; arrays of NumPy."""

    images: np.ndarray  # (N, 3, 32, 32) uint8
    labels: np.ndarray  # (N,) int64, as recorded
    # (N,) int64, what really stands there; differs from the label for label_error only
    object_class: np.ndarray
    cause: np.ndarray  # (N,) int8, index into CAUSES
    # (N,) int64, the class the cause points at, the wrong prediction to expect; -1 for none
    cause_class: np.ndarray
    mask: np.ndarray  # (N, 32, 32) bool, every pixel that the main object touches


def generate(split: str, size: int, seed: int) -> Images:
    """The first `size` pictures of a split of a seed; a longer split starts with the shorter one,
    byte for byte.

    Classes are equally frequent in every 20 pictures, and causes within a class in every 2000 (val
    and test). Raises ValueError for an unknown split, a size below 1 or a seed outside 0..2**63 -
    1."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    if not isinstance(size, (int, np.integer)) or size < 1:
        raise ValueError(f"size must be a whole number of at least 1, got {size!r}")
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise ValueError(f"seed must be a whole number from 0 to 2**63 - 1, got {seed!r}")
    plan = _plan(split, int(size), int(seed))
    parts = [
        _paint({name: value[i : i + _CHUNK] for name, value in plan.items()})
        for i in range(0, size, _CHUNK)
    ]
    images, mask = map(np.concatenate, zip(*parts))
    return Images(
        images, plan["labels"], plan["object_class"], plan["cause"], plan["cause_class"], mask
    )


def _plan(split: str, size: int, seed: int) -> dict[str, np.ndarray]:
    """What each picture will show: labels, causes, textures and random keys, arrays (N,)."""
    stream = SPLITS.index(split)
    key = keys(seed, stream, 0, size)
    blocks = -(-size // 20)  # every 20 pictures are a permutation of the classes
    labels = (
        keys(seed, 10 + stream, 0, 20 * blocks)
        .reshape(blocks, 20)
        .argsort(1, kind="stable")
        .reshape(-1)
    )
    labels = labels[:size].astype(np.int64)
    cause = np.zeros(size, np.int64)
    if split != "train":
        # of each class's pictures k = 0, 1, ... take the place 61 k + offset of 100
        offset = keys(seed, 20 + stream, 0, 20) % np.uint64(100)
        place = (np.arange(size) // 20 * 61 + offset.astype(np.int64)[labels]) % 100
        cause = np.searchsorted(np.cumsum(SHARES), place, side="right")
    partner = labels ^ 1
    step = draw(key, 0, 0, 18)  # a class that is neither the label's nor its partner's
    other = (labels // 2 * 2 + 2 + step) % 20
    tied = np.array(TIED_CLASSES, np.int64)
    # (N, 8), at most one True a row: its own pair's texture
    barred = tied[None, :] // 2 == labels[:, None] // 2
    lure = np.where(
        barred.any(1), (barred.argmax(1) + 1 + draw(key, 1, 0, 7)) % 8, draw(key, 1, 0, 8)
    )
    cause_class = np.choose(cause, [np.full(size, -1, np.int64), tied[lure], other, partner, other])
    object_class = np.where(cause == LABEL_ERROR, other, labels)
    neutral = draw(key, 2, shapes.TIED, len(shapes.NAMES))
    own = (
        (_TIES[object_class] >= 0)
        & (draw(key, 3, 0, 100) < BIAS)
        & np.isin(cause, (NONE, LABEL_ERROR))
    )
    texture = np.where(cause == BACKGROUND, lure, np.where(own, _TIES[object_class], neutral))
    return {
        "key": key,
        "labels": labels,
        "cause": cause.astype(np.int8),
        "cause_class": cause_class,
        "object_class": object_class,
        "texture": texture,
    }


def _paint(plan: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The pictures (n, 3, 32, 32), uint8, of a plan, and the masks (n, 32, 32) of their main
    objects."""
    layers = scene(
        plan["key"], plan["object_class"], plan["cause"], plan["cause_class"], plan["texture"]
    )
    grain = noise(plan["key"], 90, 3 * 32 * 32).reshape(-1, 3, 32, 32)
    grain = grain * draw(plan["key"], 91, 6, 15)[:, None, None, None].astype(np.int16) >> 4
    return (layers.picture + grain).clip(0, 255).astype(np.uint8), layers.main > 0
