"""The study's interventions on its wrong predictions, the network's answer to each, and what that
amounts to over all errors, beside the controls.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.stats import norm
from torch import nn

from lib.data.streams import at_once
from lib.diagnosis.interventions import (
    FILLS,
    coldest,
    fill,
    grey,
    high_pass,
    hottest,
    low_pass,
    patch_shuffle,
    pixels,
    random_cells,
    replace,
    windows,
)
from lib.evaluation.paired import Interval, paired_bootstrap
from lib.training.inference import forward

SHARE = 0.25  # of the map's cells that are covered or shown: 4 of 16
DRAWS = 2  # of what is random
# pixels of the pictures that the lengths below are of; larger pictures have larger lengths, in
# proportion
SIDE = 32
SQUARE, LARGE, STRIDE = 8, 16, 4
SHIFTS = ((2, 0), (-2, 0), (0, 2), (0, -2))  # down and right
CHUNK = 500  # errors at a time, at most, so that memory does not grow with them
FILLED = {"mean": "mean colour", "blur": "blur", "noise": "noise"}
LABELS = {
    f"{part}:{kind}": f"{words}, {FILLED[kind]}"
    for part, words in (
        ("hot", "hottest cells covered"),
        ("cold", "coldest cells covered"),
        ("random", "random cells covered"),
        ("only-hot", "only hottest cells shown"),
        ("only-cold", "only coldest cells shown"),
    )
    for kind in FILLS
}
LABELS |= {
    "shuffle:2": "patches shuffled, 2×2",
    "shuffle:4": "patches shuffled, 4×4",
    "shuffle:8": "patches shuffled, 8×8",
    "grey": "no colour",
    "low:1": "no fine detail",
    "low:2": "no detail",
    "high:1": "fine detail only",
    "high:2": "detail only",
    "square": "each square of a quarter's side covered",
    "window": "only a square of half the side shown",
    "moved": "shifted or mirrored",
}


class Response(NamedTuple):
    """What a network says to the changed pictures of N errors, arrays (draws, N).

    drop: by how much the logit of the wrong class fell; gap: logit of the true minus that of the
    wrong class, over the temperature; wrong, true: probabilities of the two classes after
    temperature scaling; answer: the class that wins."""

    drop: np.ndarray
    gap: np.ndarray
    wrong: np.ndarray
    true: np.ndarray
    answer: np.ndarray


def variants(
    images: torch.Tensor, maps: torch.Tensor, mean, keys
) -> Iterator[tuple[str, Iterator[torch.Tensor]]]:
    """Every probe's name in LABELS and its changed pictures, one batch (N, 3, h, w) a draw or
    place.

    images: uint8 (N, 3, h, w), square, of a multiple of 32 pixels; maps: (N, h, w) of the wrong
    class; mean: of the training pixels; keys (N,): see lib.diagnosis.interventions.
    """
    side = images.shape[-1]
    scale, whole = side // SIDE, torch.ones_like(maps, dtype=torch.bool)
    hot, cold = hottest(maps, SHARE), coldest(maps, SHARE)
    drawn = random_cells(keys, *maps.shape[1:], SHARE, DRAWS)
    for kind in FILLS:
        filling = fill(images, kind, mean, keys)
        for part, cells in (
            ("hot", hot[None]),
            ("cold", cold[None]),
            ("random", drawn),
            ("only-hot", (whole ^ hot)[None]),
            ("only-cold", (whole ^ cold)[None]),
        ):
            yield f"{part}:{kind}", (replace(images, pixels(one, side), filling) for one in cells)
    for grid in (2, 4, 8):
        yield f"shuffle:{grid}", (patch_shuffle(images, grid, keys, seed) for seed in range(DRAWS))
    yield "grey", iter([grey(images)])
    for sigma in (1, 2):
        yield f"low:{sigma}", iter([low_pass(images, sigma * scale)])
        yield f"high:{sigma}", iter([high_pass(images, sigma * scale, mean)])
    yield (
        "moved",
        iter(
            [
                *(
                    torch.roll(images, (scale * down, scale * right), (2, 3))
                    for down, right in SHIFTS
                ),
                images.flip(3),
            ]
        ),
    )
    blurred, plain = fill(images, "blur", mean, keys), fill(images, "mean", mean, keys)
    yield (
        "square",
        (
            replace(images, mask, plain)
            for _, _, mask in windows(SQUARE * scale, STRIDE * scale, side)
        ),
    )
    yield (
        "window",
        (
            replace(images, ~mask, blurred)
            for _, _, mask in windows(LARGE * scale, STRIDE * scale, side)
        ),
    )


def respond(
    model: nn.Module,
    images: torch.Tensor,
    maps: torch.Tensor,
    wrong: torch.Tensor,
    true: torch.Tensor,
    mean,
    std,
    temperature: float,
    keys,
    names=LABELS,
) -> dict[str, Response]:
    """The network's responses to the probes of these names; `model` is from
    lib.training.inference.ready, wrong and true are classes (N,)."""
    step = at_once(images, CHUNK)
    parts = [
        _respond(
            model,
            *(
                values[place : place + step]
                for values in (images, maps, wrong, true, np.asarray(keys))
            ),
            mean,
            std,
            temperature,
            names,
        )
        for place in range(0, len(images), step)
    ]
    return {
        name: Response(
            *(np.concatenate(values, axis=1) for values in zip(*(part[name] for part in parts)))
        )
        for name in parts[0]
    }


def _respond(
    model, images, maps, wrong, true, keys, mean, std, temperature, names
) -> dict[str, Response]:
    rows = torch.arange(len(images))
    before = forward(model, images, mean, std)[rows, wrong]
    responses = {}
    for name, pictures in variants(images, maps, mean, keys):
        if name not in names:
            continue
        draws = []
        for changed in pictures:
            logits = forward(model, changed, mean, std)
            probability = (logits / temperature).softmax(1)
            draws.append(
                (
                    before - logits[rows, wrong],
                    (logits[rows, true] - logits[rows, wrong]) / temperature,
                    probability[rows, wrong],
                    probability[rows, true],
                    logits.argmax(1),
                )
            )
        responses[name] = Response(*(torch.stack(values).numpy() for values in zip(*draws)))
    return responses


# What an intervention did to wrong predictions: how far the wrong logit fell, how often the answer
# changed, and to what.


MEASURES = ("drop", "flip", "to_true")


def measure_probe(response: Response, wrong, true) -> pd.DataFrame:
    """One row an error: drop of the logit of the wrong class, flip (another class wins), to_true
    (the true class wins).

    wrong, true: classes (N,). The draws of a random intervention, or its places, are averaged:
    flips are shares of them."""
    return pd.DataFrame(
        {
            "drop": response.drop.mean(0),
            "flip": (response.answer != np.asarray(wrong)).mean(0),
            "to_true": (response.answer == np.asarray(true)).mean(0),
        }
    )


def probe_table(found: dict[str, dict[str, pd.DataFrame]]) -> pd.DataFrame:
    """One row for each arm and probe of found[arm][probe], a table from `measure_probe`: arm,
    probe, images, the three means, and of flip and to_true a 95% Wilson interval (Wilson 1927,
    https://doi.org/10.1080/01621459.1927.10502953), which is wider than need be where draws were
    averaged."""
    return pd.DataFrame(
        [
            {
                "arm": arm,
                "probe": probe,
                "images": len(errors),
                **errors[list(MEASURES)].mean(),
                **{
                    f"{name}_{end}": bound
                    for name in ("flip", "to_true")
                    for end, bound in zip(("low", "high"), wilson(errors[name].mean(), len(errors)))
                },
            }
            for arm, of_arm in found.items()
            for probe, errors in of_arm.items()
        ]
    )


def contrast(probe: pd.DataFrame, control: pd.DataFrame, name: str, seed: int = 0) -> Interval:
    """Mean of one of MEASURES under a probe minus that under its control, on the same errors, with
    a bootstrap interval."""
    return paired_bootstrap(np.mean, (probe[name] - control[name]).to_numpy(), seed=seed)


def wilson(share: float, images: int, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a share of so many images; NaN for no images."""
    if not images:
        return np.nan, np.nan
    z = norm.isf((1 - level) / 2)
    centre = (share + z**2 / (2 * images)) / (1 + z**2 / images)
    half = z * np.sqrt(share * (1 - share) / images + z**2 / (4 * images**2)) / (1 + z**2 / images)
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))
