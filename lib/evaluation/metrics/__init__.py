"""Numbers that readers expect beside accuracy, each from stored logits: `classes` (top-5, macro-F1,
balanced accuracy, worst and best classes), `conformal` (prediction sets), `outside` (images that
belong to no class), `groups` (by the columns of a metadata file)."""

import numpy as np

from lib.data.metadata import read_metadata
from lib.data.outside import read as read_outside
from lib.training import inference, record


def spread(each) -> dict:
    """A number a seed as {mean, sd, n, each}, sd None for one seed."""
    each = np.asarray(each, float)
    sd = float(each.std(ddof=1)) if len(each) > 1 else None
    return {"mean": float(each.mean()), "sd": sd, "n": len(each), "each": each.tolist()}


from lib.evaluation.metrics import classes, conformal, groups, outside  # noqa: E402


def numbers(trained: dict[str, dict], names: list[str]) -> dict:
    """`classes` and `sets` of a study's runs {arm: {seed: run}}."""
    return {
        "classes": classes.class_numbers(trained, names),
        "sets": conformal.set_numbers(trained),
    }


def of_groups(trained: dict[str, dict], pair: tuple[str, ...], metadata: str, ids) -> dict | None:
    """The arms by the groups of a metadata file, with `notes` on what does not match; None without
    a file. Raises DataError for a file that is no such table."""
    if not metadata:
        return None
    rows, matched = groups.assign(read_metadata(metadata), ids)
    found = groups.group_numbers(trained, pair, rows)
    return found | {"notes": groups.notes(found, matched)}


def of_outside(trained: dict[str, dict], splits, named: str) -> dict | None:
    """How well pictures of no class are told apart by the networks that are there; None where none
    are named. Raises DataError for pictures that cannot be read."""
    if not named or splits.test.images is None:
        return None
    images = read_outside(named, splits.test.images.shape[-1])
    logits = {
        arm: {
            seed: inference.logits(
                record.load_model(run, len(splits.class_names)), images, splits.mean, splits.std
            )
            for seed, run in of_seeds.items()
            if record.has_weights(run)
        }
        for arm, of_seeds in trained.items()
    }
    return outside.outside_numbers(trained, logits)
