"""Images that belong to no class: does the network's score set them apart from test images?

Scores, high for test images: the largest softmax probability (Hendrycks and Gimpel 2017,
https://arxiv.org/abs/1610.02136) and the negative energy, log sum exp of the logits at temperature
1 (Liu et al. 2020, https://arxiv.org/abs/2010.03759)."""

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import norm, rankdata

from lib.base.artefacts import row_blocks
from lib.base.checks import finite
from lib.base.text import listed, plural, readable, with_limits
from lib.evaluation.metrics import spread
from lib.evaluation.per_image import softmax_score
from lib.evaluation.selective import clopper_pearson

FEWEST = 20  # outside images below which nothing is said of them
KEPT = 0.95  # of the test images, whose threshold the outside images are held against


def negative_energy(logits) -> np.ndarray:
    """log(sum(exp(logits))) of each image, (N, K) -> (N,): minus the energy at temperature 1."""
    return logsumexp(np.asarray(logits, np.float64), axis=1)


SCORES = {"maximum softmax": softmax_score, "energy": negative_energy}


def auroc(inside, outside) -> tuple[float, float, float]:
    """The chance that a test image scores above an outside one, ties half, from scores (N,) and
    (M,), with the ends of its 95 % interval.

    The wider ends of two intervals: DeLong, DeLong and Clarke-Pearson 1988,
    https://doi.org/10.2307/2531595, the variance of the placements of both kinds of image; and
    Newcombe 2006, https://doi.org/10.1002/sim.2324, method 5, which is not 0 wide where all score
    apart."""
    inside, outside = finite("inside", inside), finite("outside", outside)
    ranks, n, m = rankdata(np.concatenate([inside, outside])), len(inside), len(outside)
    above = (ranks[:n] - rankdata(inside)) / m  # share of outside images below each test image
    below = 1 - (ranks[n:] - rankdata(outside)) / n
    area = float(above.mean())
    half = norm.isf(0.025) * np.sqrt(above.var(ddof=1) / n + below.var(ddof=1) / m)
    low, high = _newcombe(area, n, m)
    return area, max(0.0, min(float(area - half), low)), min(1.0, max(float(area + half), high))


def _newcombe(area: float, n: int, m: int) -> tuple[float, float]:
    def off(theta: float) -> float:
        more = ((n + m) / 2 - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        variance = theta * (1 - theta) * (1 + more) / (n * m)
        return (theta - area) ** 2 - norm.isf(0.025) ** 2 * variance

    tiny = 1e-9  # at 0 and at 1 it is 0 whatever the area
    return (
        float(brentq(off, 0, min(area, 1 - tiny))) if area > 0 else 0.0,
        float(brentq(off, max(area, tiny), 1)) if area < 1 else 1.0,
    )


def false_positives(inside, outside, kept: float = KEPT) -> tuple[float, float]:
    """The share of outside images that are taken for test images at the highest threshold that
    keeps `kept` of the test images, and that threshold; scores (N,) and (M,), accepted from the
    threshold on."""
    inside, outside = finite("inside", inside), finite("outside", outside)
    place = int(np.ceil(round(kept * len(inside), 9)))
    threshold = float(np.sort(inside)[::-1][place - 1])
    return float(np.mean(outside >= threshold)), threshold


def _score(score, logits) -> np.ndarray:
    return np.concatenate([score(block) for _, block in row_blocks(logits)])


def outside_numbers(trained: dict[str, dict], logits: dict[str, dict]) -> dict:
    """How well outside images are told from test images, from their logits {arm: {seed: (M, K)}},
    of the seeds whose networks were there to ask.

    `images`, `note`, `scores`: one record an arm and score with auroc and fpr as {mean, sd, n,
    each} and the ends of their intervals over images, mean over seeds (auroc_low, ..., fpr_high).
    With fewer than FEWEST images, or no network, `scores` is empty and the note says why."""
    every = [of_run for of_arm in logits.values() for of_run in of_arm.values()]
    images = len(every[0]) if every else 0
    note = (
        "no network was there to be asked"
        if not every
        else f"{plural(images, 'image')} outside the classes: too few, {FEWEST} are needed"
        if images < FEWEST
        else ""
    )
    records, flat = [], []
    for arm, of_seeds in logits.items() if not note else ():
        pairs = [(trained[arm][seed], of_seeds[seed]) for seed in of_seeds]
        none = any(_no_energy(*pair) for pair in pairs)
        flat += [readable(arm)] * none
        wanted = [name for name in SCORES if pairs and not (name == "energy" and none)]
        records += [_of_arm(arm, name, pairs) for name in wanted]
    if flat:
        note = f"energy says nothing of {listed(flat)}: the outputs are logarithms of probabilities"
    return {"images": images, "note": note, "scores": records}


def _no_energy(run, outside: np.ndarray) -> bool:
    """Whether the outputs are logarithms of probabilities, whose sum is 1: noise is left."""
    return all(
        np.abs(_score(negative_energy, logits)).max() < 1e-3
        for logits in (run.test.logits, outside)
    )


def _of_arm(arm: str, name: str, pairs: list) -> dict:
    each = [_of_run(run, outside, SCORES[name]) for run, outside in pairs]
    means = {end: float(np.mean([of_run[end] for of_run in each])) for end in each[0]}
    spreads = {what: spread([of_run[what] for of_run in each]) for what in ("auroc", "fpr")}
    return {"arm": arm, "score": name} | means | spreads


def _of_run(run, outside: np.ndarray, score) -> dict:
    inside, outside = _score(score, run.test.logits), _score(score, outside)
    area, low, high = auroc(inside, outside)
    share, _ = false_positives(inside, outside)
    limits = clopper_pearson(share * len(outside), len(outside))
    return {
        "auroc": area,
        "auroc_low": low,
        "auroc_high": high,
        "fpr": share,
        "fpr_low": float(limits[0]),
        "fpr_high": float(limits[1]),
    }


def outside_view(numbers: dict) -> pd.DataFrame:
    """The same as it is printed: a row an arm and score."""
    return pd.DataFrame(
        [
            {
                "arm": readable(row["arm"]),
                "score": row["score"],
                "AUROC (95%)": _area(row),
                f"taken for test images where {KEPT:.0%} of those are kept (95%)": with_limits(
                    row["fpr"]["mean"], row["fpr_low"], row["fpr_high"]
                ),
                "seeds": row["auroc"]["n"],
            }
            for row in numbers["scores"]
        ]
    )


def _area(row: dict) -> str:
    return f"{row['auroc']['mean']:.3f} ({row['auroc_low']:.3f} to {row['auroc_high']:.3f})"
