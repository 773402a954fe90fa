"""Numbers that readers expect beside accuracy, each from stored logits: `classes` (top-5, macro-F1,
balanced accuracy, worst and best classes), `conformal` (prediction sets), `outside` (images that
belong to no class), `groups` (by the columns of a metadata file)."""

import numpy as np


def spread(each) -> dict:
    """A number a seed as {mean, sd, n, each}, sd None for one seed."""
    each = np.asarray(each, float)
    sd = float(each.std(ddof=1)) if len(each) > 1 else None
    return {"mean": float(each.mean()), "sd": sd, "n": len(each), "each": each.tolist()}
