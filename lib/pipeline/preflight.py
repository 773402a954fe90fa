"""Check a whole study before anything of it runs, every mistake at once, write what its notebooks
are run with, and the arms and seeds for make, and take over the runs that are released.
"""

import argparse
import shlex

import numpy as np

from lib.base import artefacts
from lib.base.config import Stage
from lib.base.errors import Error, ParameterError
from lib.base.study_file import Study
from lib.data import dataset, own_images
from lib.evaluation import failures
from lib.pipeline import arms, at_hand, parameters
from lib.pipeline.parameters import Task
from lib.report import claims, conditions

TEST_IMAGES = {"phantom": dataset.PHANTOM_SIZES["test"], "cifar10": 10_000, "cifar100": 10_000}


def checked(study: Study, outputs: str = "outputs") -> dict[Task, Stage]:
    """The parameters of every notebook of a study. Raises ParameterError with one line for every
    mistake in them and in the files that they name."""
    lines, found = [], {}

    def attempt(function, *arguments):
        try:
            return function(*arguments)
        except Error as error:
            lines.extend(str(error).splitlines())

    for task in parameters.tasks(study, outputs):
        found[task] = attempt(parameters.resolve, study, task, outputs)
    ids = attempt(arms.check, study)
    trained, content = [task for task in found if task.stage == "train"], study.content
    if ids is not None:
        attempt(failures.read_cases, content.cases, ids)
    elif trained and found[trained[0]] and not arms.brought(study):
        attempt(lambda: failures.read_cases(content.cases, _test_ids(found[trained[0]])))
    attempt(conditions.read_conditions, content.conditions, str(study.path))
    # guard: claims-read-first
    attempt(claims.read_claims, content.claims)
    if lines:
        # a mistake of all arms is told once
        raise ParameterError("\n".join(dict.fromkeys(lines)))
    return found


def _test_ids(train) -> np.ndarray:
    """The ids that test images can have; of a folder all that are there, whichever of them a
    test_size draws."""
    if train.data == "folder":
        return np.arange(own_images.test_images(train.root))
    return np.arange(train.test_size or TEST_IMAGES[train.data])


def prepare(study: Study, outputs: str = "outputs", asked: bool = True) -> list[Task]:
    """Check a study, write its notebooks' parameters and take over released runs; last, for make,
    `.study.mk`. Returns the notebooks in the order in which they can run. asked: whether training
    was, however long it takes."""
    found = checked(study, outputs)
    for task, checked_parameters in found.items():
        parameters.write(task, checked_parameters)
    runs = {
        artefacts.ROOT / f"{task.place}.ipynb": p
        for task, p in found.items()
        if task.stage == "train"
    }
    at_hand.prepare(study, runs, asked)
    lines = ["# Written by `python -m lib check`.", f"ARMS := {' '.join(study.arms)}"]
    lines += [f"BROUGHT := {' '.join(arms.brought(study))}"]
    lines += [f"FILES := {' '.join(arms.files(study))}"]
    lines += [f"{name} := {_words(places)}" for name, places in _read_by(study).items()]
    lines += [f"SEEDS_{arm} := {' '.join(map(str, seeds))}" for arm, seeds in study.seeds.items()]
    folder = artefacts.ROOT / outputs / study.name
    artefacts.write_bytes(folder / ".study.mk", "\n".join([*lines, ""]).encode())
    return list(found)


def _read_by(study: Study) -> dict[str, list[str]]:
    """What a study reads besides the project's own files, for make, which asks for its content:
    the pictures that are trained on, and all there is."""
    data, content = study.content.data, study.content
    pictures = [data["root"]] if data["source"] == "folder" and data.get("root") else []
    named = [data.get("metadata"), data.get("outside"), content.claims, content.cases]
    # guard: known-by-content
    return {"PICTURES": pictures, "READS": pictures + arms.files(study) + [*filter(None, named)]}


def _words(places: list[str]) -> str:
    """Words of a shell, as make writes them down."""
    return shlex.join(map(str, places)).replace("$", "$$").replace("#", "\\#")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib check", description=__doc__)
    parameters.add_options(parser)
    parser.add_argument("--train", action="store_true", help="training may take long: it is asked")
    options = parser.parse_args(arguments)
    prepare(parameters.chosen(options), options.outputs, options.train)
    return 0
