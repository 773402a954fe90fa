"""What an intervention did to wrong predictions: how far the wrong logit fell, how often the answer changed, and to what."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from lib.evaluation.paired import Interval, paired_bootstrap
from lib.probes import Response

MEASURES = ("drop", "flip", "to_true")


def measure(response: Response, wrong, true) -> pd.DataFrame:
    """One row an error: drop of the logit of the wrong class, flip (another class wins), to_true (the true class wins).

    wrong, true: classes (N,). The draws of a random intervention, or its places, are averaged: flips are shares of them.
    """
    return pd.DataFrame(
        {
            "drop": response.drop.mean(0),
            "flip": (response.answer != np.asarray(wrong)).mean(0),
            "to_true": (response.answer == np.asarray(true)).mean(0),
        }
    )


def table(found: dict[str, dict[str, pd.DataFrame]]) -> pd.DataFrame:
    """One row for each arm and probe of found[arm][probe], a table from `measure`: arm, probe, images, the three means, and of
    flip and to_true a 95% Wilson interval (Wilson 1927,
    https://doi.org/10.1080/01621459.1927.10502953), which is wider than need be where draws were averaged.
    """
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
