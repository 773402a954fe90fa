"""Does a map say what the network uses? Deletion and insertion in its order, occlusion as a second
opinion, and how far its evidence is spread.

Networks are from `lib.training.inference.ready`, pictures (N, 3, H, W) in levels 0..255, maps (N,
h, w) raw.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata, t, wilcoxon
from torch import nn

from lib.diagnosis.interventions import pixels, random_ranks, ranks, replace, windows
from lib.evaluation.paired import paired_bootstrap
from lib.training.inference import forward


class Curves(NamedTuple):
    """The target's probability after each step, float64 (N, steps + 1): none to all of the cells
    deleted, or inserted.

    deletion and insertion follow the map, hottest cell first; random is the mean of deletions in
    random order. Read backwards it is the insertion in random order: what is left after k cells of
    a random order is itself a random choice."""

    deletion: np.ndarray
    insertion: np.ndarray
    random: np.ndarray


def curves(
    model: nn.Module,
    images: torch.Tensor,
    maps: torch.Tensor,
    targets: torch.Tensor,
    filling: torch.Tensor,
    mean,
    std,
    keys,
    steps: int = 16,
    draws: int = 1,
    seed: int = 0,
) -> Curves:
    """Deletion and insertion of class `targets` (N,) (Petsiuk et al. 2018,
    https://arxiv.org/abs/1806.07421), cell by cell.

    filling: what a deleted cell shows, from `lib.diagnosis.interventions.fill`; keys, seed: of the
    random orders, see there. Costs (steps - 1) (2 + draws) + 2 forward passes an image. Raises
    ValueError unless `steps` divides the cells of a map."""
    cells = maps.shape[1:].numel()
    if steps < 1 or cells % steps:
        raise ValueError(f"steps: got {steps}; allowed: divisors of {cells}, the cells of a map")

    def probability(pictures):
        return (
            forward(model, pictures, mean, std)
            .softmax(1)
            .gather(1, targets[:, None])[:, 0]
            .double()
        )

    def removal(order):
        inner = [
            probability(
                replace(images, pixels(order < cells * step // steps, images.shape[-1]), filling)
            )
            for step in range(1, steps)
        ]
        return torch.stack([whole, *inner, empty], 1).numpy()  # (N, steps + 1)

    whole, empty = probability(images), probability(filling)
    of_map = ranks(maps)
    random = [removal(order) for order in random_ranks(keys, *maps.shape[1:], draws, seed)]
    return Curves(removal(of_map), removal(cells - 1 - of_map)[:, ::-1], np.mean(random, axis=0))


def area(curve: np.ndarray) -> np.ndarray:
    """Areas under curves (N, steps + 1), 0 to 1, by the trapezoid rule over the share of cells:
    (N,)."""
    return np.trapezoid(curve, dx=1 / (curve.shape[1] - 1), axis=1)


def area_summary(found: Curves, seed: int = 0) -> dict:
    """Mean areas in the map's order and in random order, and their paired difference with a
    bootstrap interval over images.

    A faithful map has a smaller deletion area than random order (difference below 0) and a larger
    insertion area. Without images both are None.
    """
    random, numbers = (
        area(found.random),
        {"images": len(found.random), "steps": found.random.shape[1] - 1},
    )
    if not len(random):
        return numbers | {"deletion": None, "insertion": None}
    for name in ("deletion", "insertion"):
        of_map = area(getattr(found, name))
        difference = paired_bootstrap(np.mean, of_map - random, seed=seed)
        numbers[name] = {
            "map": float(of_map.mean()),
            "random": float(random.mean()),
            "difference": difference._asdict(),
        }
    return numbers


def curve_table(found: dict[str, Curves]) -> pd.DataFrame:
    """Mean curves for a figure, by arm: arm, curve, order, share of cells, probability, and a
    pointwise 95% t interval of it."""
    rows = [
        _points(curve).assign(arm=arm, curve=name, order=order)
        for arm, of_arm in found.items()
        for name in ("deletion", "insertion")
        for order, curve in (
            ("map", getattr(of_arm, name)),
            ("random", of_arm.random[:, :: 1 if name == "deletion" else -1]),
        )
    ]
    return pd.concat(rows, ignore_index=True)[
        ["arm", "curve", "order", "share", "probability", "low", "high"]
    ]


def _points(curve: np.ndarray) -> pd.DataFrame:
    half = t_half_width(curve)
    centre = curve.mean(0)
    return pd.DataFrame(
        {
            "share": np.linspace(0, 1, curve.shape[1]),
            "probability": centre,
            "low": centre - half,
            "high": centre + half,
        }
    )


def t_half_width(values: np.ndarray) -> np.ndarray:
    """Half the width of the 95% t interval of each column's mean, (N, K) to (K,); NaN for a single
    row."""
    number = len(values)
    if number < 2:
        return np.full(values.shape[1], np.nan)
    return t.ppf(0.975, number - 1) * values.std(0, ddof=1) / np.sqrt(number)


def occlusion(drops: np.ndarray, size: int = 8, stride: int = 4, side: int = 32) -> torch.Tensor:
    """By how much the logit falls when a square is covered, by pixel: float32 (N, side, side), in
    logits.

    drops: (squares, N), the fall with each square of `lib.diagnosis.interventions.windows` covered,
    in their order. Each pixel has the mean over the squares that cover it (Zeiler and Fergus 2014,
    https://arxiv.org/abs/1311.2901)."""
    total, covered = torch.zeros(drops.shape[1], side, side), torch.zeros(side, side)
    for (_, _, mask), drop in zip(windows(size, stride, side), drops, strict=True):
        total[:, mask] += torch.from_numpy(drop)[:, None]
        covered += mask
    return total / covered.clamp(min=1)


def by_cell(values: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Means of pixels (N, H, W) in the cells of a map: (N, height, width)."""
    return nn.functional.adaptive_avg_pool2d(values[:, None], (height, width))[:, 0]


# Is a map's evidence in one place or spread out, and does an arm spread it more? Maps are raw, (N,
# h, w), in logits.


MEASURES = ("entropy", "normalised_entropy", "hottest_share")


def spread(maps) -> pd.DataFrame:
    """How the positive part of each map is spread, one row a map; NaN for a map without a positive
    cell.

    entropy: of the positive part as shares of its sum, in nats, 0 (one cell) to log(h w) (all
    alike); normalised_entropy: that over log(h w), 0 to 1; hottest_share: share of the hottest
    cell, 1/(h w) to 1. No measure depends on the map's strength."""
    maps = np.asarray(maps, dtype=np.float64)
    positive = maps.clip(0).reshape(len(maps), np.prod(maps.shape[1:]))
    total = positive.sum(1, keepdims=True)
    shares = np.divide(positive, total, out=np.full_like(positive, np.nan), where=total > 0)
    terms = shares * np.log(np.where(shares > 0, shares, 1))  # 0 log 0 is 0
    entropy = -terms.sum(1) + 0.0  # no negative zero
    return pd.DataFrame(
        {
            "entropy": entropy,
            "normalised_entropy": entropy / np.log(positive.shape[1]),
            "hottest_share": shares.max(1),
        }
    )


def compare(before, after, seed: int = 0) -> dict:
    """Two arms' maps of the same images, both (N, h, w): images compared and excluded, and for each
    measure of `spread` its means in both, after minus before with a paired bootstrap interval, and
    the p-value of Wilcoxon's signed-rank test.

    An image without a positive cell in either arm is excluded; None stands for what no image is
    left for. Raises ValueError for different numbers of maps.
    """
    if len(before) != len(after):
        raise ValueError(
            f"attention: got {len(before)} and {len(after)} maps; allowed: the same images in "
            "both arms"
        )
    before, after = spread(before), spread(after)
    defined = (before["entropy"].notna() & after["entropy"].notna()).to_numpy()
    measures = {
        measure: _paired(
            before[measure].to_numpy()[defined], after[measure].to_numpy()[defined], seed
        )
        for measure in MEASURES
    }
    return {"images": int(defined.sum()), "excluded": int((~defined).sum()), **measures}


def _paired(before: np.ndarray, after: np.ndarray, seed: int) -> dict | None:
    if not len(before):
        return None
    difference = after - before
    p_value = float(wilcoxon(difference).pvalue) if difference.any() else 1.0
    signed_ranks = rankdata(np.abs(difference)) @ np.sign(difference)
    return {
        "before": float(before.mean()),
        "after": float(after.mean()),
        "p_value": p_value,
        "rank_sum": float(signed_ranks),
        "difference": paired_bootstrap(np.mean, difference, seed=seed)._asdict(),
    }
