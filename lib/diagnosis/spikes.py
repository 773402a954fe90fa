"""Spike-ins: known causes of error planted into test pictures that a network gets right, so that
the diagnosis can be scored on a study's own pictures.

Analytical chemistry adds a known amount to a sample and looks how much of it is found. Here a
picture is changed so that the network's answer turns for a reason that is known, or its recorded
label is; a rule then has to find out which reason it was (lib.diagnosis.rule). What is random is
counted (lib.base.random): the same network, pictures and seed give the same plants.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from lib.base import random
from lib.data.streams import at_once
from lib.diagnosis.verdict import CAUSES
from lib.training import inference

EACH = 300  # planted errors of a cause; from 150, shares of the causes came out too sure
ROUNDS = 16  # of as many tries as are wanted; most causes need three to eight
# places, as shares of the free room above and to the left
CORNERS_AND_SIDES = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.0), (0.5, 1.0))
ELSEWHERE = ((0.0, 0.5), (1.0, 0.5), (0.2, 0.2), (0.2, 0.8), (0.8, 0.2), (0.8, 0.8))
NEAR = 0.05  # share of the classes that count as near where no superclass says so
SPIKES = 41  # purpose of the random stream


class Strength(NamedTuple):
    """How much is planted; lengths are shares of the picture's side, ranges (least, most).

    object: side of the second object, at one of `places`; middle: side of the part that is kept on
    other surroundings, at most `shift` off the centre; detail: side to which a picture is reduced;
    levels: 0..255 by which each pixel is shifted."""

    object: tuple[float, float]
    places: tuple[tuple[float, float], ...]
    middle: tuple[float, float]
    shift: float
    detail: tuple[float, float]
    levels: tuple[int, int]


MEDIUM = Strength((0.44, 0.72), CORNERS_AND_SIDES, (0.38, 0.65), 0.1, (0.28, 0.55), (1, 3))
SMALLER = Strength((0.34, 0.44), ELSEWHERE, (0.65, 0.75), 0.05, (0.55, 0.7), (1, 1))
LARGER = Strength((0.72, 0.8), ELSEWHERE, (0.28, 0.38), 0.2, (0.2, 0.28), (4, 6))
# as many of each: a rule that knew one strength alone would promise too much of real errors
STRENGTHS = (MEDIUM, SMALLER, LARGER)


class Planted(NamedTuple):
    """N planted errors: pictures uint8 (N, 3, h, w), the recorded and the predicted class (N,), the
    network's logits (N, classes), the cause (N,) and the position (N,) of the source picture."""

    images: torch.Tensor
    recorded: np.ndarray
    predicted: np.ndarray
    logits: np.ndarray
    cause: np.ndarray
    source: np.ndarray


class Tries(NamedTuple):
    """Changed pictures, each with its source's class, the class that is to be predicted (NO_CLASS
    for any near one, or any at all) and the source's position."""

    images: torch.Tensor
    wanted: np.ndarray
    source: np.ndarray


NO_CLASS = -1


class Pool(NamedTuple):
    """What is planted into: the ready network, a split, the positions that it gets right, near
    (classes, classes) and what normalises the pictures."""

    network: nn.Module
    images: torch.Tensor
    labels: np.ndarray
    logits: np.ndarray
    right: np.ndarray
    near: np.ndarray
    mean: tuple
    std: tuple


def pool(run, network: nn.Module, splits) -> Pool:
    """The pool of a run's test split; `network` is lib.training.inference.ready's, in fp32."""
    return Pool(
        network,
        splits.test.images,
        run.test.labels,
        run.test.logits,
        np.flatnonzero(run.test.correct),
        near_classes(run, splits.superclass),
        splits.mean,
        splits.std,
    )


def near_classes(run, superclass: np.ndarray) -> np.ndarray:
    """Which classes are near each other, bool (classes, classes): those of one superclass; where
    every class is its own, the NEAR of them that validation confuses most with it."""
    superclass = np.asarray(superclass)
    near = superclass[:, None] == superclass[None]
    np.fill_diagonal(near, False)
    if near.any():
        return near
    classes = len(superclass)
    confused = np.zeros((classes, classes))
    np.add.at(confused, (run.val.labels, run.val.predicted), 1)
    confused += confused.T
    np.fill_diagonal(confused, -1)
    most = np.argsort(-confused, 1, kind="stable")[:, : max(1, round(NEAR * classes))]
    np.put_along_axis(near, most, True, 1)
    return near


def plant(
    into: Pool, each: int = EACH, seed: int = 0, strengths=STRENGTHS, causes=CAUSES
) -> Planted:
    """Up to `each` errors of every cause, those whose answer turned as intended; as many of every
    strength.

    A picture counts as planted when the network, right before, now predicts the class that the
    cause points at: the second object's, the surroundings', a near one where detail was lost, any
    other where nothing was done that a person could name. Raises ValueError where the network gets
    nothing right."""
    if not len(into.right):
        raise ValueError("plant: the network gets no picture right; there is nothing to plant into")
    return _joined([_of_cause(into, cause, each, seed, strengths) for cause in causes])


def _joined(parts: list[Planted], most: int | None = None) -> Planted:
    """The first `most` of all parts."""
    return Planted(
        torch.cat([part.images for part in parts])[:most],
        *(np.concatenate([part[place] for part in parts])[:most] for place in range(1, 6)),
    )


def _of_cause(into: Pool, cause: str, each: int, seed: int, strengths) -> Planted:
    """As many of every strength; a label error has none."""
    used = strengths[:1] if cause == "label_error" else strengths
    few, parts = -(-each // len(used)), []
    for place, strength in enumerate(used):
        stream = random.key(seed, SPIKES, CAUSES.index(cause), place)
        parts.append(_rounds(into, cause, few, stream, strength))
    return _joined(parts, each)


def _rounds(into: Pool, cause: str, each: int, stream: int, strength: Strength) -> Planted:
    """Rounds of tries until `each` turned as intended, or the rounds are over."""
    parts, found = [], 0
    for start in range(0, ROUNDS * each, each):
        if found >= each:
            break
        numbers = np.arange(start, start + each)
        part = (
            _label_errors(into, stream, numbers)
            if cause == "label_error"
            else _turned(into, cause, MAKERS[cause](into, stream, numbers, strength))
        )
        parts.append(part)
        found += len(part.source)
    return _joined(parts, each)


def _turned(into: Pool, cause: str, tries: Tries) -> Planted:
    """The tries whose answer is the one that the cause points at."""
    images, wanted, source = tries
    logits = _logits(into, images)
    predicted, recorded = logits.argmax(1), into.labels[source]
    intended = {
        "look_alike": into.near[recorded, predicted],
        "unexplained": predicted != recorded,
    }.get(cause, (predicted == wanted) & (predicted != recorded))
    kept = np.flatnonzero(intended)
    return Planted(
        images[torch.from_numpy(kept)],
        recorded[kept],
        predicted[kept],
        logits[kept],
        np.full(len(kept), cause),
        source[kept],
    )


def _logits(into: Pool, images: torch.Tensor) -> np.ndarray:
    if not len(images):
        return np.empty((0, into.logits.shape[1]), np.float32)
    return inference.forward(into.network, images, into.mean, into.std).numpy()


# The five causes. Each maker is given try numbers (n,), whose random draws are its own.


def _uniform(stream: int, numbers: np.ndarray, slot: int, low=0.0, high=1.0) -> np.ndarray:
    """Numbers (n,) from `low` to `high`, of each try and slot."""
    drawn = random.bits(stream, numbers.astype(np.uint64) * np.uint64(16) + np.uint64(slot))
    return low + (high - low) * (drawn >> np.uint64(11)) * 2.0**-53


def _sources(into: Pool, stream: int, numbers: np.ndarray) -> np.ndarray:
    """The picture of each try: every right one once before any comes again."""
    order = random.permutation(random.key(stream, SPIKES), len(into.right))
    return into.right[order[numbers % len(order)]]


def _pairs(into: Pool, stream: int, numbers: np.ndarray):
    """Pictures of two classes: numbers, source and partner of the tries that have such a pair."""
    source = _sources(into, stream, numbers)
    drawn = _uniform(stream, numbers, 0, 0, len(into.right)).astype(int)
    partner = into.right[drawn]
    two = into.labels[source] != into.labels[partner]
    return numbers[two], source[two], partner[two]


def _resized(pictures: torch.Tensor, side: int, **how) -> torch.Tensor:
    """Pictures (n, 3, h, w) at another side, in whole levels."""
    made = F.interpolate(pictures.float(), size=(side, side), **how)
    return made.round().clamp(0, 255).to(torch.uint8)


def _side(share: float, side: int) -> int:
    return int(np.clip(round(share * side), 1, side - 1))


def second_object(into: Pool, stream: int, numbers: np.ndarray, strength: Strength) -> Tries:
    """Another class's picture, reduced, in a corner or at a side."""
    numbers, source, partner = _pairs(into, stream, numbers)
    made, other = into.images[source].clone(), into.images[partner]
    whole = made.shape[-1]
    shares = _uniform(stream, numbers, 1, *strength.object)
    places = _uniform(stream, numbers, 2, 0, len(strength.places)).astype(int)
    for row, (share, place) in enumerate(zip(shares, places)):
        side = _side(share, whole)
        top, left = (round(part * (whole - side)) for part in strength.places[place])
        small = _resized(
            other[row : row + 1], side, mode="bilinear", antialias=True, align_corners=False
        )
        made[row, :, top : top + side, left : left + side] = small[0]
    return Tries(made, into.labels[partner], source)


def background(into: Pool, stream: int, numbers: np.ndarray, strength: Strength) -> Tries:
    """The middle of a picture on the surroundings of another class's."""
    numbers, source, partner = _pairs(into, stream, numbers)
    own, made = into.images[source], into.images[partner].clone()
    whole = made.shape[-1]
    shares = _uniform(stream, numbers, 1, *strength.middle)
    shifts = [_uniform(stream, numbers, 2 + axis, -1, 1) * strength.shift for axis in (0, 1)]
    for row, share in enumerate(shares):
        side = _side(share, whole)
        start = (whole - side) // 2
        top, left = (
            int(np.clip(start + round(shift[row] * whole), 0, whole - side)) for shift in shifts
        )
        made[row, :, top : top + side, left : left + side] = own[
            row, :, start : start + side, start : start + side
        ]
    return Tries(made, into.labels[partner], source)


def look_alike(into: Pool, stream: int, numbers: np.ndarray, strength: Strength) -> Tries:
    """Detail lost: reduced and enlarged again."""
    source = _sources(into, stream, numbers)
    made = into.images[source].clone()
    whole = made.shape[-1]
    for row, share in enumerate(_uniform(stream, numbers, 1, *strength.detail)):
        small = _resized(made[row : row + 1], _side(share, whole), mode="area")
        made[row] = _resized(small, whole, mode="bilinear", align_corners=False)[0]
    return Tries(made, np.full(len(source), NO_CLASS), source)


def nothing(into: Pool, stream: int, numbers: np.ndarray, strength: Strength) -> Tries:
    """Small adversarial shifts, one step against the recorded class (Goodfellow et al.,
    https://arxiv.org/abs/1412.6572): no cause that a person could name."""
    source = _sources(into, stream, numbers)
    least, most = strength.levels
    levels = _uniform(stream, numbers, 1, least, most + 1).astype(np.int64)
    made, step = into.images[source].clone(), at_once(into.images, inference.BATCH)
    device = next(into.network.parameters()).device
    for few in (slice(start, start + step) for start in range(0, len(source), step)):
        pictures = made[few].float().requires_grad_()
        inputs = inference.inputs(pictures.to(device), into.mean, into.std, into.network)
        logits = into.network(inputs)
        if not logits.requires_grad:  # the pictures stay as they are, and no answer turns
            break
        labels = torch.from_numpy(into.labels[source[few]]).to(device)
        (gradient,) = torch.autograd.grad(
            F.cross_entropy(logits, labels, reduction="sum"), pictures
        )
        shift = gradient.sign() * torch.from_numpy(levels[few]).view(-1, 1, 1, 1)
        made[few] = (pictures.detach() + shift).round().clamp(0, 255).to(torch.uint8)
    return Tries(made, np.full(len(source), NO_CLASS), source)


MAKERS: dict[str, Callable[..., Tries]] = {
    "background": background,
    "second_object": second_object,
    "look_alike": look_alike,
    "unexplained": nothing,
}


def _label_errors(into: Pool, stream: int, numbers: np.ndarray) -> Planted:
    """The pictures as they are, recorded as the runner-up or, every second one, as any other
    class."""
    source = _sources(into, stream, numbers)
    shown, logits = into.labels[source], into.logits[source]
    classes = logits.shape[1]
    others = logits.copy()
    np.put_along_axis(others, shown[:, None], -np.inf, 1)
    step = 1 + _uniform(stream, numbers, 1, 0, classes - 1).astype(int)
    recorded = np.where(numbers % 2 == 0, others.argmax(1), (shown + step) % classes)
    return Planted(
        into.images[source], recorded, shown, logits, np.full(len(source), "label_error"), source
    )
