"""Check a whole study before anything of it runs, every mistake at once: python -m
lib.pipeline.preflight FOLDER [-p NAME VALUE]...

FOLDER is params/<study>; the values are those that make gives to every stage after training (study,
outputs, runs, arms, seeds)."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from lib.base import artefacts
from lib.base.config import STAGES, ParameterError, check, defaults, gather, parse_yaml
from lib.base.errors import Error
from lib.data import dataset, own_images
from lib.evaluation import failures
from lib.report import claims, conditions

NOTEBOOKS = {
    stage: artefacts.ROOT / "notebooks" / f"0{number}_{stage}.ipynb"
    for number, stage in enumerate(STAGES, 1)
}
TEST_IMAGES = {"phantom": dataset.PHANTOM_SIZES["test"], "cifar10": 10_000, "cifar100": 10_000}


def mistakes(folder: Path, values: list[tuple[str, str]]) -> list[str]:
    """One line for every mistake in the study's parameters, for each arm and seed and stage, and in
    the files that they name."""
    lines, of_all = [], {name: parse_yaml(value, f"-p {name}") for name, value in values}
    places = [(name, value) for name, value in values if name in ("study", "outputs")]
    trained, stages = [], {}

    def attempt(function, *arguments):
        try:
            return function(*arguments)
        except Error as error:
            lines.extend(str(error).splitlines())

    for arm in of_all["arms"]:
        for seed in of_all["seeds"]:
            # an arm named no is text
            own = [
                *places,
                ("arm", json.dumps(arm)),
                ("seed", str(seed)),
            ]
            trained.append(
                attempt(
                    _stage, "train", [folder / "train.yaml", folder / "arms" / f"{arm}.yaml"], own
                )
            )
    for stage in list(STAGES)[1:]:
        stages[stage] = attempt(_stage, stage, [folder / f"{stage}.yaml"], values)
    if stages["failures"] and any(trained):
        first = next(filter(None, trained))
        attempt(lambda: failures.read_cases(stages["failures"].cases, _test_ids(first)))
    if stages["report"]:
        attempt(conditions.read_conditions, stages["report"].conditions)
        # guard: claims-read-first
        attempt(claims.read_claims, stages["report"].claims)
    return list(dict.fromkeys(lines))  # a mistake of all arms is told once


def _test_ids(train) -> np.ndarray:
    """The ids that test images can have; of a folder all that are there, whichever of them a
    test_size draws."""
    if train.data == "folder":
        return np.arange(own_images.test_images(train.root))
    return np.arange(train.test_size or TEST_IMAGES[train.data])


def _stage(stage: str, files: list[Path], values):
    given, origin = gather([path for path in files if path.exists()], values)
    return check(stage, {**defaults(NOTEBOOKS[stage]), **given}, origin)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "-p", dest="values", action="append", nargs=2, default=[], metavar=("NAME", "VALUE")
    )
    try:
        lines = mistakes(**vars(parser.parse_args()))
    except ParameterError as error:
        lines = [str(error)]
    for line in lines:
        print(line, file=sys.stderr)
    return 2 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
