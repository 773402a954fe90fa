"""Paints the phantom's scenes, without noise, in integers: a background, perhaps a second object,
the main object."""

from dataclasses import dataclass

import numpy as np

from lib.data.phantom import shapes
from lib.data.phantom.shapes import draw

CAUSE_SECOND, CAUSE_ALIKE, CAUSE_LABEL = 2, 3, 4
# nominal sizes in sixteenths of a pixel: an object covers about two fifths of its square
SIZES = (208, 337)
SMALL, LARGE = (208, 233), (272, 297)  # main and second object of a second_object picture
# of 128: how opaque the object is; less than 128 in ordinary and background pictures alone
CLARITY = (72, 129)
HAZE = 84  # of 128: how strongly the second object shows, since it stands behind
ALIKE_SIZES = (184, 241)
# of 128: how much of its own shape, not of its partner's, a look_alike picture shows
ALIKE_OWN = (74, 89)
# three brightnesses, dealt out to background, main and second object. The background is the
# darkest: where objects may be lighter or darker than it, a narrow network learns nothing at first,
# for longer with one seed than with another
_LEVELS = np.array([46, 124, 202])
_DEALS = np.array([(0, 1, 2), (0, 2, 1)])


@dataclass(frozen=True)
class Scene:
    """Noise-free layers of n pictures."""

    picture: np.ndarray  # (n, 3, 32, 32) int16, 0..255
    background: np.ndarray  # (n, 3, 32, 32) int16, the same without objects
    main: np.ndarray  # (n, 32, 32) int16, how much of each pixel the main object covers, 0..128
    second: np.ndarray  # (n, 32, 32) int16, the same of the second object


def scene(key, object_class, cause, cause_class, texture) -> Scene:
    """The scenes of n pictures from their random keys (n,), uint64, and their plan, int arrays (n,)
    of lib.data.phantom.draw."""
    alike, double = cause == CAUSE_ALIKE, cause == CAUSE_SECOND
    box, second_box = _boxes(key, object_class, np.where(double, cause_class, 0), alike, double)
    pose = draw(key, 40, 0, len(shapes.TURNS)), draw(key, 41, 0, 2)
    main = shapes.coverage(object_class, *pose, *box)
    if alike.any():
        own = draw(key[alike], 42, *ALIKE_OWN)[:, None, None]
        partner = shapes.coverage(
            object_class[alike] ^ 1, *(values[alike] for values in (*pose, *box))
        )
        main[alike] = (main[alike] * own + partner * (128 - own)) >> 7
    second = np.zeros_like(main)
    if double.any():
        pose = draw(key[double], 43, 0, len(shapes.TURNS)), draw(key[double], 44, 0, 2)
        second[double] = shapes.coverage(
            cause_class[double], *pose, *(values[double] for values in second_box)
        )
    field = np.empty((len(key), 32, 32), np.int16)
    for one in np.unique(texture):
        field[texture == one] = shapes.field(int(one), key[texture == one])
    # (n, 3): of the background, the main and the second object
    level = _LEVELS[_DEALS[draw(key, 50, 0, len(_DEALS))]]
    contrast = draw(key, 51, 18, 31) * (2 * draw(key, 52, 0, 2) - 1)
    background = _blend(
        _colour(key, 60, level[:, 0] - contrast), _colour(key, 64, level[:, 0] + contrast), field
    )
    picture = _blend(background, _shaded(key, 68, level[:, 2]), second * HAZE >> 7)
    clarity = np.where(
        alike | double | (cause == CAUSE_LABEL), 128, draw(key, 53, *CLARITY)
    ).astype(np.int16)
    picture = _blend(picture, _shaded(key, 76, level[:, 1]), main * clarity[:, None, None] >> 7)
    return Scene(picture, background, main, second)


def _boxes(key, main_class, second_class, alike, double) -> tuple[list, list]:
    """The boxes (top, left, height, width), int64 (n,), in sixteenths of a pixel, of the main and
    the second object.

    With a second object (`double`) the main one keeps to a corner and the second to the opposite
    one."""
    size = np.where(double, draw(key, 21, *SMALL), draw(key, 22, *SIZES))
    size = np.where(alike, draw(key, 20, *ALIKE_SIZES), size)
    scale = shapes.box_sizes()
    size, large = size * scale[main_class] >> 8, draw(key, 23, *LARGE) * scale[second_class] >> 8
    starts, extents, second_starts = [], [], []
    for axis in (0, 1):
        extent = size * draw(key, 30 + axis, 90, 101) // 100
        room, second_room = 512 - extent, 512 - large
        first_corner = draw(key, 24 + axis, 0, 2) == 0
        near = room * draw(key, 34 + axis, 0, 33) // 256
        inside = np.where(first_corner, near, room - near)
        starts.append(np.where(double, inside, room * draw(key, 32 + axis, 0, 257) // 256))
        gap = second_room * draw(key, 36 + axis, 0, 65) // 256
        second_starts.append(np.where(first_corner, second_room - gap, gap))
        extents.append(extent)
    return starts + extents, second_starts + [large, large]


def _colour(key, slot, level) -> np.ndarray:
    """A colour (n, 3, 1, 1), int16, of roughly the given brightness (n,)."""
    shift = draw(key, slot, -12, 13)
    channels = [level + shift + draw(key, slot + 1 + channel, -26, 27) for channel in range(3)]
    return np.stack(channels, 1).clip(0, 255).astype(np.int16)[:, :, None, None]


def _shaded(key, slot, level) -> np.ndarray:
    """An object's surface (n, 3, 32, 32), int16: a colour that brightens evenly across the picture
    in one direction."""
    slope = [draw(key, slot + 4 + axis, -10, 11)[:, None, None] for axis in (0, 1)]
    ramp = (slope[0] * (2 * np.arange(32) - 31)[:, None] + slope[1] * (2 * np.arange(32) - 31)) >> 5
    return (_colour(key, slot, level) + ramp[:, None].astype(np.int16)).clip(0, 255)


def _blend(under: np.ndarray, over: np.ndarray, share: np.ndarray) -> np.ndarray:
    """`over` laid on `under`, both int16 (n, 3, 32 or 1, 32 or 1), as far as `share` (n, 32, 32)
    says, 0..128."""
    return under + ((over - under) * share[:, None] >> 7)
