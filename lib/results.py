"""The numbers of a study, by name: each stage writes its own, the report reads them all."""

import math
from pathlib import Path

import numpy as np

from lib.base import artefacts

STAGES = ("failures", "gradcam", "compare")


def folder(params) -> Path:
    """outputs/<study>, whose place is the project unless `outputs` is absolute."""
    return artefacts.ROOT / params.outputs / params.study


def plain(value):
    """`value` as JSON can hold it: NumPy and NaN become numbers and null."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write(study: Path, stage: str, numbers: dict) -> None:
    artefacts.write_json(study / "results" / f"{stage}.json", plain(numbers))


def collect(study: Path, extra: dict) -> dict:
    """Join the stages' numbers with `extra` into results.json and return them."""
    everything = {
        stage: artefacts.read_json(study / "results" / f"{stage}.json") for stage in STAGES
    } | plain(extra)
    artefacts.write_json(study / "results.json", everything)
    return everything
