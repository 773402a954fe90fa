"""Is a map's evidence in one place or spread out, and does an arm spread it more? Maps are raw, (N, h, w), in logits."""

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from lib.evaluation.paired import paired_bootstrap

MEASURES = ("entropy", "normalised_entropy", "hottest_share")


def spread(maps) -> pd.DataFrame:
    """How the positive part of each map is spread, one row a map; NaN for a map without a positive cell.

    entropy: of the positive part as shares of its sum, in nats, 0 (one cell) to log(h w) (all alike); normalised_entropy: that
    over log(h w), 0 to 1; hottest_share: share of the hottest cell, 1/(h w) to 1. No measure depends on the map's strength.
    """
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
    """Two arms' maps of the same images, both (N, h, w): images compared and excluded, and for each measure of `spread` its means
    in both, after minus before with a paired bootstrap interval, and the p-value of Wilcoxon's signed-rank test.

    An image without a positive cell in either arm is excluded; None stands for what no image is left for. Raises ValueError
    for different numbers of maps.
    """
    if len(before) != len(after):
        raise ValueError(
            f"attention: got {len(before)} and {len(after)} maps; allowed: the same images in both arms"
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
    return {
        "before": float(before.mean()),
        "after": float(after.mean()),
        "p_value": p_value,
        "difference": paired_bootstrap(np.mean, difference, seed=seed)._asdict(),
    }
