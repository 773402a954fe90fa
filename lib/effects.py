"""What an intervention did to wrong predictions: how far the wrong logit fell, how often the answer changed, and to what."""
import numpy as np
import pandas as pd
from scipy.stats import norm

from lib.compare import Interval, paired_bootstrap

MEASURES = ("drop", "flip", "to_true")


def measure(whole, changed, wrong, true) -> pd.DataFrame:
    """One row an error: drop of the logit of the wrong class, flip (another class wins), to_true (the true class wins).

    whole: logits (N, K) of the pictures as they are; changed: of the changed pictures, (N, K), or (draws, N, K) of a random
    intervention, whose draws are averaged; wrong, true: classes (N,). Flips are 0 or 1, or a share of the draws.
    """
    whole, changed, wrong, true = map(np.asarray, (whole, changed, wrong, true))
    changed, rows = changed[None] if changed.ndim == 2 else changed, np.arange(len(wrong))
    return of_answers(whole[rows, wrong] - changed[:, rows, wrong], changed.argmax(2), wrong, true)


def of_answers(drop, answer, wrong, true) -> pd.DataFrame:
    """The same from what is known already: drop of the wrong logit and class that wins, both (draws, N)."""
    drop, answer, wrong, true = map(np.asarray, (drop, answer, wrong, true))
    return pd.DataFrame({"drop": drop.mean(0), "flip": (answer != wrong).mean(0), "to_true": (answer == true).mean(0)})


def table(found: dict[str, dict[str, pd.DataFrame]]) -> pd.DataFrame:
    """One row for each arm and probe of found[arm][probe], a table from `measure`: arm, probe, images, the three means, and of
    flip and to_true a 95% Wilson interval (Wilson 1927), which is wider than need be where draws were averaged.
    """
    return pd.DataFrame([{"arm": arm, "probe": probe, "images": len(errors), **errors[list(MEASURES)].mean(),
                          **{f"{name}_{end}": bound for name in ("flip", "to_true")
                             for end, bound in zip(("low", "high"), wilson(errors[name].mean(), len(errors)))}}
                         for arm, of_arm in found.items() for probe, errors in of_arm.items()])


def contrast(probe: pd.DataFrame, control: pd.DataFrame, name: str, seed: int = 0) -> Interval:
    """Mean of one of MEASURES under a probe minus that under its control, on the same errors, with a bootstrap interval."""
    return paired_bootstrap(np.mean, (probe[name] - control[name]).to_numpy(), seed=seed)


def wilson(share: float, images: int, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a share of so many images; NaN for no images."""
    if not images:
        return np.nan, np.nan
    z = norm.isf((1 - level) / 2)
    centre = (share + z**2 / (2 * images)) / (1 + z**2 / images)
    half = z * np.sqrt(share * (1 - share) / images + z**2 / (4 * images**2)) / (1 + z**2 / images)
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))
