"""Tables of predictions, an arm each, brought onto the same rows: classes by name, rows by id.

What follows from an id alone, and so is the same in every arm and in any order of rows: which rows
are set aside for validation where an arm has none, and which half of the test rows a row is in."""

import hashlib
import re
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from lib.base.errors import DataError
from lib.data.predictions_file import Part, PredictionsFile

SPLITS = ("val", "test")
SET_ASIDE = 0.2  # of the ids, for validation, where an arm brings no validation rows


@dataclass(frozen=True, eq=False)
class Matched:
    """parts: {arm: {"val": Part, "test": Part}}, the same ids and labels in every arm, rows in one
    order whatever the files' own; set_aside: the validation rows were test rows of the files;
    notes: what was left out, set aside or taken for granted."""

    class_names: list[str]
    parts: dict[str, dict[str, Part]]
    set_aside: bool
    notes: list[str]


def place_of_id(ids, purpose: str) -> np.ndarray:
    """A number in [0, 1) for each id (text or whole number), (N,), drawn by the id and what it is
    for alone: BLAKE2b, 64 bits, of which float64 keeps 53."""
    key = purpose.encode()
    drawn = b"".join(
        hashlib.blake2b(str(one).encode(), digest_size=8, key=key).digest() for one in ids
    )
    return (np.frombuffer(drawn, "<u8") >> np.uint64(11)) * 2.0**-53


def below(places: np.ndarray, share: float) -> np.ndarray:
    """Whether a place lies in [0, share): the end is not in it, so that [0, a) and [a, 1) share no
    row and miss none."""
    return places < share


def match(arms: dict[str, PredictionsFile], data: PredictionsFile | None = None) -> Matched:
    """Bring all arms onto the rows that they have in common.

    data: ids and labels of the pictures that there are, with logits (N, 0); its classes and their
    order hold, and an id counts within its split. Raises DataError, one line, for arms that are not
    of the same classes, share no id, or give one id two labels."""
    everyone = ({"the data": data} if data else {}) | arms
    everyone, notes = _named(everyone)
    names = _common_classes(everyone, data)
    notes += _without_ids(everyone)
    parts = {arm: _ordered(one, names) for arm, one in everyone.items()}
    if not data and next(iter(arms.values())).has_ids:
        _refuse_split_ids(parts)
    found, lacking = {}, [arm for arm, of_arm in parts.items() if "val" not in of_arm]
    for split in SPLITS if not lacking else ("test",):
        found[split], said = _common_rows(parts, split, names, data is not None)
        notes += said
    if lacking:
        found, said = _set_aside(found["test"], parts, lacking)
        notes += said
    of_arms = {arm: {split: found[split][arm] for split in SPLITS} for arm in arms}
    return Matched(names, of_arms, bool(lacking), notes)


# Classes by name.


def _named(everyone: dict) -> tuple[dict[str, PredictionsFile], list[str]]:
    """The same, arms without class names with those of the first that has some, in its order."""
    named = [arm for arm, one in everyone.items() if one.named]
    without = [arm for arm in everyone if arm not in named]
    if not named:
        named, without = without[:1], without[1:]
    names, notes = everyone[named[0]].class_names, []
    for arm in without:
        if len(everyone[arm].class_names) != len(names):
            raise DataError(
                f"{arm} has {len(everyone[arm].class_names)} classes, {named[0]} has {len(names)}, "
                f"and {arm} does not name them"
            )
        notes.append(f"{arm} does not name its classes: taken to be those of {named[0]}, in order")
    return everyone | {arm: replace(everyone[arm], class_names=names) for arm in without}, notes


def _common_classes(everyone: dict, data) -> list[str]:
    """The names in the order of the data, else sorted, numbers in them as numbers."""
    first, *others = everyone
    names = everyone[first].class_names
    for arm in others:
        theirs = everyone[arm].class_names
        missing = [name for name in names if name not in set(theirs)]
        more = [name for name in theirs if name not in set(names)]
        # guard: same-classes
        if missing or more:
            raise DataError(
                f"{first} and {arm} are not of the same classes: {_some(missing)} only in {first}, "
                f"{_some(more)} only in {arm}"
            )
    return list(names) if data else sorted(names, key=_natural)


def _natural(name: str) -> list:
    return [
        (0, int(piece), "") if piece.isdecimal() else (1, 0, piece)
        for piece in re.split(r"([0-9]+)", name)
    ] + [(1, 0, name)]


def _some(names: list) -> str:
    """ "none", or how many and the first."""
    return f"{len(names):,} ({names[0]!r})" if len(names) else "none"


def _ordered(one: PredictionsFile, names: list[str]) -> dict[str, Part]:
    """The splits of a file with its classes in the order of `names`."""
    place = {name: number for number, name in enumerate(names)}
    order = np.array([place[name] for name in one.class_names])
    return {
        split: Part(
            part.ids,
            order[part.labels],
            part.logits[:, np.argsort(order)] if part.logits.shape[1] else part.logits,
        )
        for split in SPLITS
        if (part := getattr(one, split)) is not None
    }


# Rows by id.


def _without_ids(everyone: dict) -> list[str]:
    """What is said where no arm has ids: rows are matched by place."""
    without = [arm for arm, one in everyone.items() if not one.has_ids]
    if not without:
        return []
    # guard: ids-or-none
    if len(without) < len(everyone):
        other = next(arm for arm in everyone if arm not in without)
        raise DataError(f"{without[0]} has no ids, {other} has: rows are matched by id")
    first, *others = everyone
    for arm, split in product(others, SPLITS):
        one, other = getattr(everyone[first], split), getattr(everyone[arm], split)
        if None not in (one, other) and len(one.labels) != len(other.labels):
            raise DataError(
                f"{first} has {len(one.labels):,} {split} rows, {arm} {len(other.labels):,}, and "
                "no ids: nothing says which belong together"
            )
    return ["the files have no ids: rows are matched by their place"] if others else []


def _refuse_split_ids(parts: dict[str, dict[str, Part]]) -> None:
    """Refuse an id that is a validation row of one arm and a test row of another."""
    for one, of_one in parts.items():
        for other, of_other in parts.items():
            if one == other or "val" not in of_one:
                continue
            both = pd.Index(of_one["val"].ids).intersection(pd.Index(of_other["test"].ids))
            # guard: id-in-two-splits
            if len(both):
                raise DataError(
                    f"{_some(both)} ids are validation rows of {one} and test rows of {other}"
                )


def _common_rows(
    parts: dict, split: str, names: list[str], as_first: bool
) -> tuple[dict[str, Part], list[str]]:
    """The rows that all arms have, in the first one's order or in that of a hash of their ids."""
    ids = {arm: pd.Index(of_arm[split].ids) for arm, of_arm in parts.items()}
    first, *others = ids
    common = ids[first]
    for arm in others:
        common = common.intersection(ids[arm])
        if not len(common):
            raise DataError(
                f"{first} and {arm} have no {split} id in common: {ids[first][0]!r} in {first}, "
                f"{ids[arm][0]!r} in {arm}"
            )
    if as_first:
        common = ids[first][ids[first].isin(common)].to_numpy()
    else:
        common = np.array(sorted(common), object)
        common = common[np.argsort(place_of_id(common, "order"), kind="stable")]
    found = {
        arm: Part(*(values[ids[arm].get_indexer(common)] for values in parts[arm][split]))
        for arm in parts
    }
    _refuse_other_labels(found, split, names)
    left = {arm: index.difference(common) for arm, index in ids.items()}
    return found, [
        f"{len(missing):,} of {len(ids[arm]):,} {split} ids of {arm} are not in every arm and are "
        f"left out: {', '.join(map(repr, missing[:3]))}{', …' if len(missing) > 3 else ''}"
        for arm, missing in left.items()
        if len(missing)
    ]


def _refuse_other_labels(found: dict[str, Part], split: str, names: list[str]) -> None:
    first, *others = found
    for arm in others:
        differ = np.flatnonzero(found[arm].labels != found[first].labels)
        # guard: one-label-an-id
        if len(differ):
            row = differ[0]
            one, other = (names[found[which].labels[row]] for which in (first, arm))
            raise DataError(
                f"{len(differ):,} of {len(found[arm].labels):,} {split} labels of {first} and "
                f"{arm} differ: id {found[arm].ids[row]!r} is {one!r} in {first}, {other!r} in "
                f"{arm}"
            )


def _set_aside(found: dict[str, Part], parts: dict, lacking: list[str]) -> tuple[dict, list[str]]:
    """The test rows of each arm as {"val": {arm: Part}, "test": ...}, parted by id."""
    ids = next(iter(found.values())).ids
    chosen = below(place_of_id(ids, "validation"), SET_ASIDE)
    if chosen.all() or not chosen.any():
        raise DataError(
            f"{lacking[0]} has no validation rows, and {len(ids)} test rows are too few to set "
            f"{SET_ASIDE:.0%} of them aside"
        )
    notes = [
        f"{', '.join(lacking)} without validation rows: of the test ids of all arms "
        f"{int(chosen.sum()):,} of {len(ids):,} ({SET_ASIDE:.0%} asked for, by a hash of the id in "
        f"[0, {SET_ASIDE:g})) are set aside for validation and tested by no arm"
    ]
    notes += [
        f"the {len(of_arm['val'].labels):,} validation rows of {arm} are left out"
        for arm, of_arm in parts.items()
        if "val" in of_arm
    ]
    return {
        split: {arm: Part(*(values[rows] for values in part)) for arm, part in found.items()}
        for split, rows in (("val", chosen), ("test", ~chosen))
    }, notes
