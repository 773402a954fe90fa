"""What can be read off an error: the prediction itself, both maps, the network's answers to 44
changed pictures (15 in the quick mode), and what other networks say to the same picture.

A *lead* is the log-odds of the recorded ("true") over the predicted ("wrong") class. All
probabilities are after temperature scaling, fitted on validation.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from lib.data.streams import at_once
from lib.diagnosis.evidence import as_fitted, confusion_rank, fast
from lib.diagnosis.interventions import fill, grey, low_pass, patch_shuffle, replace, windows
from lib.diagnosis.probes import CHUNK, SHIFTS, SIDE
from lib.diagnosis.randomisation import rank_correlation
from lib.evaluation import calibration
from lib.training import inference

SMALL, LARGE, STRIDE = 8, 16, 8  # pixels of SIDE; on larger pictures in proportion
SHUFFLED = 4  # patches a side
LEAST = 1e-6  # probabilities below are alike, or their logarithm would be all there is

# Families of changed pictures, and how their name goes on in a sentence.
FAMILIES = {
    "low:1": "without fine detail",
    "low:2": "without detail",
    "moved": "shifted or mirrored",
    "window": "from one large square alone",
    "cover": "with one large square covered",
    "square": "with one small square covered",
    "grey": "without colour",
    "shuffle": "with 4×4 patches shuffled",
}
GRIDS = {"window": 3, "cover": 3, "square": 4}  # places a side
WHAT = {
    "lead": "lead of the true class",
    "true": "probability of the true class",
    "wrong": "probability of the wrong class",
}
OVER = {
    "max": "largest {what} {how}",
    "min": "least {what} {how}",
    "sd": "spread of the {what} {how}",
    "middle": "{what} {how}, in the middle of the picture",
    "rim": "{what} {how}, along its rim",
}
CLEAN = {
    "confidence": "confidence in the wrong class",
    "runner-up": "probability of the runner-up",
    "margin": "log-odds of the wrong class over the runner-up",
    "entropy": "entropy of the prediction",
    "log true": "log-probability of the true class",
    "rank": "logarithm of the true class's rank",
    "confused": "share of classes that validation confuses more with the true class than the "
    "wrong one",
}
MAPS = {
    f"{part} {what}": f"{words} of the {whose}"
    for part, whose in (
        ("wrong map", "wrong class's map"),
        ("true map", "true class's map"),
        ("maps' difference", "true class's map less the wrong one's"),
    )
    for what, words in (
        ("max", "hottest cell"),
        ("min", "coldest cell"),
        ("sd", "spread"),
        ("rim", "rim less middle"),
    )
} | {"maps' correlation": "rank correlation of the two classes' maps"}
OTHERS = {
    "others true": "probability that other networks give the true class",
    "others wrong": "probability that other networks give the wrong class",
    "others lead": "lead of the true class in other networks",
    "others confidence": "confidence of other networks",
    "others say true": "share of other networks that say the true class",
    "others say wrong": "share of other networks that say the wrong class",
}


def _in_words() -> dict[str, str]:
    """Every reading that comes of changed pictures, as a sentence would have it."""
    words = {}
    for family, how in FAMILIES.items():
        if family in GRIDS:
            words |= {
                f"{family} {what} {over}": form.format(what=said, how=how)
                for what, said in WHAT.items()
                for over, form in OVER.items()
            }
            words |= {
                f"{family} far": f"distance from the middle of the largest lead {how}",
                f"{family} apart": "distance between the places where the true and the wrong "
                f"class are likeliest {how}",
            }
        else:
            words |= {f"{family} {what}": f"{said} {how}" for what, said in WHAT.items()}
        words |= {
            f"{family} says true": f"share of answers that are the true class {how}",
            f"{family} says other": f"share of answers that are neither class {how}",
        }
    return words | {
        "moved max": f"largest {WHAT['lead']} {FAMILIES['moved']}",
        "moved sd": f"spread of the {WHAT['lead']} {FAMILIES['moved']}",
    }


READINGS = CLEAN | MAPS | OTHERS | _in_words()


class Subject(NamedTuple):
    """A network that is asked: `network` in fp32 for maps and predictions, `fast` for many passes,
    its temperature, confused (classes, classes), the name of the layer of its maps (None without),
    and what normalises the pictures."""

    network: nn.Module
    fast: nn.Module
    temperature: float
    confused: np.ndarray
    layer: str | None
    mean: tuple
    std: tuple


def subject(run, model: nn.Module, splits, layer: str | None) -> Subject:
    """A run's network made ready to be asked."""
    temperature = calibration.fit_temperature(run.val.logits, run.val.labels)
    return Subject(
        inference.ready(model),
        fast(run, model),
        temperature,
        confusion_rank(run, temperature),
        layer,
        splits.mean,
        splits.std,
    )


def questions(
    images: torch.Tensor, mean, keys, quick: bool = False
) -> Iterator[tuple[str, torch.Tensor]]:
    """The changed pictures (N, 3, h, w) that are asked about, one after the other, with the name of
    their family. images: uint8 (N, 3, h, w), square, of a multiple of 32 pixels."""
    side = images.shape[-1]
    scale = side // SIDE
    for sigma in (1, 2):
        yield f"low:{sigma}", low_pass(images, sigma * scale)
    shifts = SHIFTS[::2] if quick else SHIFTS
    for down, right in shifts:
        yield "moved", torch.roll(images, (scale * down, scale * right), (2, 3))
    yield "moved", images.flip(3)
    blurred, plain = fill(images, "blur", mean, keys), fill(images, "mean", mean, keys)
    places = windows(LARGE * scale, STRIDE * scale, side)
    for place, (_, _, mask) in enumerate(places):
        # of nine places the middle and the corners
        if not quick or place % 2 == 0:
            yield "window", replace(images, ~mask, blurred)
            yield "cover", replace(images, mask, plain)
    if quick:
        return
    for _, _, mask in windows(SMALL * scale, STRIDE * scale, side):
        yield "square", replace(images, mask, plain)
    yield "grey", grey(images)
    for seed in (0, 1):
        yield "shuffle", patch_shuffle(images, SHUFFLED, keys, seed)


class Answers(NamedTuple):
    """What a network says to K changed pictures of N errors, arrays (K, N): the lead, both
    probabilities, the class that wins."""

    lead: np.ndarray
    true: np.ndarray
    wrong: np.ndarray
    answer: np.ndarray


def ask(
    asked: Subject, images, recorded: np.ndarray, predicted: np.ndarray, keys, quick: bool = False
) -> dict[str, Answers]:
    """The answers by family. images: uint8 (N, 3, h, w), in memory or on disk; recorded and
    predicted: classes (N,); keys (N,): see lib.diagnosis.interventions."""
    parts, step = [], at_once(images, CHUNK)
    for start in range(0, len(recorded), step):
        few = slice(start, start + step)
        pair, part = (recorded[few], predicted[few]), {}
        for family, changed in questions(images[few], asked.mean, np.asarray(keys)[few], quick):
            part.setdefault(family, []).append(_answer(asked, changed, *pair))
        parts.append({family: map(np.stack, zip(*found)) for family, found in part.items()})
    by_family = {family: zip(*(part[family] for part in parts)) for family in parts[0]}
    return {
        family: Answers(*(np.concatenate(values, 1) for values in found))
        for family, found in by_family.items()
    }


def _answer(asked: Subject, pictures: torch.Tensor, recorded, predicted) -> tuple:
    logits = inference.forward(asked.fast, pictures, asked.mean, asked.std).numpy()
    probability, rows = calibration.softmax(logits, asked.temperature), np.arange(len(logits))
    lead = (logits[rows, recorded] - logits[rows, predicted]) / asked.temperature
    return lead, probability[rows, recorded], probability[rows, predicted], logits.argmax(1)


def read(
    asked: Subject,
    images,
    recorded: np.ndarray,
    predicted: np.ndarray,
    logits: np.ndarray,
    opinions: list[np.ndarray],
    keys,
    quick: bool = False,
) -> pd.DataFrame:
    """All readings of N errors, a column each, by names of READINGS; those of maps only where the
    subject has a layer, those of other networks only where there are `opinions`.

    logits: the subject's own (N, classes); opinions: probabilities (N, classes) of each other
    network, after its temperature."""
    answers = ask(asked, images, recorded, predicted, keys, quick)
    columns = of_prediction(asked, recorded, predicted, logits)
    if asked.layer:
        columns |= of_maps(asked, images, recorded, predicted)
    for family, found in answers.items():
        columns |= of_answers(family, found, recorded, predicted, quick)
    if opinions:
        columns |= of_others(opinions, recorded, predicted)
    return pd.DataFrame(columns)[[name for name in READINGS if name in columns]].astype(float)


def of_prediction(asked: Subject, recorded, predicted, logits: np.ndarray) -> dict:
    """What the clean prediction says."""
    rows, p = np.arange(len(recorded)), calibration.softmax(logits, asked.temperature)
    true, second = p[rows, recorded], np.sort(p, 1)[:, -2]
    wrong = p[rows, predicted]
    return {
        "confidence": wrong,
        "runner-up": second,
        "margin": _log(wrong) - _log(second),
        "entropy": -(p * np.log(np.maximum(p, 1e-12))).sum(1),
        "log true": _log(true),
        "rank": np.log1p((p > true[:, None]).sum(1)),
        "confused": asked.confused[recorded, predicted],
    }


def of_maps(asked: Subject, images, recorded, predicted) -> dict:
    """Both classes' Grad-CAM maps on 4x4 cells, over the temperature."""
    pair = [
        as_fitted(
            inference.maps(
                asked.network, asked.layer, images, torch.from_numpy(target), asked.mean, asked.std
            )[:, None]
        )[:, 0].numpy()
        / asked.temperature
        for target in (predicted, recorded)
    ]
    ring = np.ones((4, 4), bool)
    ring[1:3, 1:3] = False
    # of a map that is the same everywhere there is none
    columns = {"maps' correlation": np.nan_to_num(rank_correlation(*pair))}
    whole = {"wrong map": pair[0], "true map": pair[1], "maps' difference": pair[1] - pair[0]}
    for name, cells in whole.items():
        columns |= {
            f"{name} max": cells.max((1, 2)),
            f"{name} min": cells.min((1, 2)),
            f"{name} sd": cells.std((1, 2)),
            f"{name} rim": cells[:, ring].mean(1) - cells[:, ~ring].mean(1),
        }
    return columns


def of_answers(family: str, found: Answers, recorded, predicted, quick: bool) -> dict:
    """What the answers to one family of changed pictures say."""
    other = (found.answer != recorded) & (found.answer != predicted)
    columns = {
        f"{family} says true": (found.answer == recorded).mean(0),
        f"{family} says other": other.mean(0),
    }
    if family in GRIDS:
        return columns | of_grid(family, found, places(family, quick))
    columns |= {f"{family} {what}": getattr(found, what).mean(0) for what in WHAT}
    if family == "moved":
        columns |= {"moved max": found.lead.max(0), "moved sd": found.lead.std(0)}
    return columns


def places(family: str, quick: bool) -> np.ndarray:
    """Where a family's places lie, (K, 2), in steps from the picture's middle."""
    side = GRIDS[family]
    place = np.stack(np.divmod(np.arange(side * side), side), 1) - (side - 1) / 2
    return place[::2] if quick else place


def of_grid(family: str, found: Answers, place: np.ndarray) -> dict:
    """Extremes, spread, middle and rim of the answers over the places of a square, and where they
    are extreme."""
    far = np.hypot(*place.T)
    middle = far == far.min()
    columns = {}
    for what in WHAT:
        values = getattr(found, what)
        columns |= {
            f"{family} {what} max": values.max(0),
            f"{family} {what} min": values.min(0),
            f"{family} {what} sd": values.std(0),
            f"{family} {what} middle": values[middle].mean(0),
            f"{family} {what} rim": values[~middle].mean(0),
        }
    gap = place[found.true.argmax(0)] - place[found.wrong.argmax(0)]
    return columns | {
        f"{family} far": far[found.lead.argmax(0)],
        f"{family} apart": np.hypot(*gap.T),
    }


def of_others(opinions: list[np.ndarray], recorded, predicted) -> dict:
    """What other networks say to the same picture, means over them."""
    rows, p = np.arange(len(recorded)), np.stack(opinions)
    true, wrong = p[:, rows, recorded], p[:, rows, predicted]
    answer = p.argmax(2)
    return {
        "others true": true.mean(0),
        "others wrong": wrong.mean(0),
        "others lead": (_log(true) - _log(wrong)).mean(0),
        "others confidence": p.max(2).mean(0),
        "others say true": (answer == recorded).mean(0),
        "others say wrong": (answer == predicted).mean(0),
    }


def _log(probability: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probability, LEAST))
