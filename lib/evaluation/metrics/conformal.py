"""Split-conformal prediction sets: the fewest classes that hold the true one as often as promised.

The score of a class is minus the logarithm of its probability: its sets are those of one minus the
probability (Sadinle, Lei and Wasserman 2019, https://doi.org/10.1080/01621459.2017.1395341), and
probabilities near 0 stay apart. Of n validation images the ceil((n + 1) level)-th
smallest score of the true class is the limit: a set holds every class whose score is at most that.
Where validation and test are drawn alike it holds the true class with probability `level` or more,
whatever the network (Vovk, Gammerman and Shafer 2005)."""

import math

import numpy as np
import pandas as pd
from scipy.stats import betabinom

from lib.base.artefacts import row_blocks
from lib.base.checks import finite
from lib.base.text import level as level_text
from lib.base.text import percent, readable
from lib.evaluation.calibration import log_softmax
from lib.evaluation.metrics import spread
from lib.evaluation.per_image import columns

LEVELS = (0.90, 0.95)
# probabilities that a table gives as equal went through a logarithm in float32
ROUNDING = 1e-5


def rank(images: int, level: float) -> int:
    """Which of the `images` sorted scores is the limit, from 1; above `images` none is."""
    # rounded: 0.95 * 20 is 19, and not the 20 that ceil makes of 19.000000000000004
    return math.ceil(round((images + 1) * level, 9))


def rows_needed(level: float) -> int:
    """The fewest validation images with which a set can be smaller than all classes."""
    return next(images for images in range(1, 10**6) if rank(images, level) <= images)


def limit(scores, level: float) -> float | None:
    """The largest score that a class of a set may have, from the scores of the true classes (n,) of
    validation; None where n is too small for the level."""
    scores = finite("scores", scores)
    place = rank(len(scores), level)
    return float(np.sort(scores)[place - 1]) if place <= len(scores) else None


def sets(logits, labels, largest: float) -> tuple[np.ndarray, np.ndarray]:
    """How many classes the set of each image has, and whether it holds the label, both (N,), from
    logits (N, K) and labels (N,)."""
    sizes, holds = [], []
    for rows, block in row_blocks(logits):
        # guard: ties-are-inside
        inside = -log_softmax(block) <= largest + ROUNDING
        sizes.append(inside.sum(1))
        holds.append(np.take_along_axis(inside, labels[rows, None], 1)[:, 0])
    return np.concatenate(sizes), np.concatenate(holds)


def allowed(images: int, calibrated: int, level: float) -> tuple[float, float]:
    """The coverage of `images` test images that chance allows in 95 of 100 studies, low and high.

    Sets that were made from `calibrated` validation images cover a beta-binomial number of others
    (Vovk 2012, https://proceedings.mlr.press/v25/vovk12.html); with ties they cover more."""
    place = rank(calibrated, level)
    covered = betabinom(images, place, calibrated + 1 - place)
    return float(covered.ppf(0.025)) / images, float(covered.ppf(0.975)) / images


def set_numbers(trained: dict[str, dict], levels=LEVELS) -> list[dict]:
    """One record an arm and level: arm, level, validation_images; coverage, size, empty and single
    (shares of sets of no and of one class) as {mean, sd, n, each}; allowed_low and allowed_high,
    the coverage that chance allows; outcome "kept", or "missed" where the mean lies below; note.

    With too few validation images the numbers are None, and the note says how many are needed."""
    return [_of_arm(arm, of_seeds, level) for level in levels for arm, of_seeds in trained.items()]


def _of_arm(arm: str, of_seeds: dict, level: float) -> dict:
    runs = list(of_seeds.values())
    calibrated = len(runs[0].val.labels)
    record = {"arm": arm, "level": level, "validation_images": calibrated, "note": ""}
    if calibrated < rows_needed(level):
        need = f"{level_text(level)} needs {rows_needed(level)} validation images or more"
        empty = ("coverage", "size", "empty", "single", "allowed_low", "allowed_high", "outcome")
        return record | dict.fromkeys(empty) | {"note": f"{need}; there are {calibrated}"}
    each = [_of_run(run, level) for run in runs]
    low, high = allowed(len(runs[0].test.labels), calibrated, level)
    numbers = {name: spread([of_run[name] for of_run in each]) for name in each[0]}
    kept = numbers["coverage"]["mean"] >= low
    ends = {"allowed_low": low, "allowed_high": high, "outcome": "kept" if kept else "missed"}
    return record | numbers | ends


def _of_run(run, level: float) -> dict:
    largest = limit(columns(run.val).log_loss, level)
    size, holds = sets(run.test.logits, run.test.labels, largest)
    return {
        "coverage": holds.mean(),
        "size": size.mean(),
        "empty": np.mean(size == 0),
        "single": np.mean(size == 1),
    }


def sets_view(numbers: list[dict]) -> pd.DataFrame:
    """The same as it is printed: a row a level and arm."""
    return pd.DataFrame(
        [
            {
                "promised": level_text(row["level"]),
                "arm": readable(row["arm"]),
                "covered": row["note"] or _shares(row["coverage"], _digits(row)),
                "chance allows": None if row["note"] else _allowed(row),
                "classes a set": _size(row["size"]),
                "one class": _shares(row["single"]),
                "no class": _shares(row["empty"]),
                "promise": row["outcome"],
            }
            for row in numbers
        ]
    )


def _digits(row: dict) -> int:
    """One, or two where the coverage would be written like what decides on it."""
    return 1 + (percent(row["coverage"]["mean"]) == percent(row["allowed_low"]))


def _allowed(row: dict) -> str:
    low, high = (percent(row[f"allowed_{end}"], _digits(row)) for end in ("low", "high"))
    return f"{low} to {high}"


def _shares(entry: dict | None, digits: int = 1) -> str | None:
    if entry is None:
        return None
    deviation = "" if entry["sd"] is None else f" ± {percent(entry['sd'], digits)}"
    return percent(entry["mean"], digits) + deviation


def _size(entry: dict | None) -> str | None:
    if entry is None:
        return None
    return f"{entry['mean']:.2f}" + ("" if entry["sd"] is None else f" ± {entry['sd']:.2f}")
