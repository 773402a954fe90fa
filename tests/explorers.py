"""Studies for the explorer's tests: made-up arms of any names, without files and networks."""

from pathlib import Path

import numpy as np
import synthetic
import torch

from lib.data.dataset import Split, Splits
from lib.evaluation import calibration, failures
from lib.explorer.loading import Arm, Study

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a'b&amp;c",
    "$x_1$ *b*",
    "ünïcode 🦀 " + "long" * 60,
]


def splits(names: list[str], images: int, superclass=None) -> Splits:
    pixels = torch.from_numpy(
        np.random.default_rng(3).integers(0, 256, (images, 3, 32, 32), dtype=np.uint8)
    )
    split = Split(pixels, torch.from_numpy(synthetic.labels(images, len(names))), np.arange(images))
    groups = np.arange(len(names)) if superclass is None else np.array(superclass)
    return Splits(
        "made up",
        split,
        split,
        split,
        names,
        groups,
        [f"group {number}" for number in range(groups.max() + 1)],
        (0.5,) * 3,
        (0.2,) * 3,
        "digest",
    )


def arm(name: str, seed: int, of: Splits, verdicts=None, **options) -> Arm:
    run = synthetic.run(seed, len(of.test), classes=len(of.class_names), **options)
    temperature = calibration.fit_temperature(run.val.logits, run.val.labels)
    return Arm(
        name,
        seed,
        run,
        of,
        failures.test_table(run, of),
        temperature,
        calibration.softmax(run.test.logits, temperature),
        verdicts,
    )


def study(
    arms: list[str], names: list[str] | None = None, images: int = 300, superclass=None, **options
) -> Study:
    """One seed an arm, 0; options: of lib's synthetic runs."""
    of = splits(names or ["crab", "lobster", "oak_tree", "man", "road"], images, superclass)
    loaded = {(name, 0): arm(name, place, of, **options) for place, name in enumerate(arms)}
    return Study("made-up", Path("."), {name: [0] for name in arms}, of, None, "", loaded)
