"""Check a whole study before anything of it runs, every mistake at once, and write what its
notebooks are run with, and the arms and seeds for make.
"""

import argparse
import shlex

import numpy as np

from lib.base import artefacts, text
from lib.base.config import Stage
from lib.base.errors import DataError, Error, ParameterError
from lib.base.log import log
from lib.base.study_file import Study
from lib.data import dataset
from lib.data.metadata import read_metadata
from lib.data.outside import read as read_outside
from lib.data.streams import mapped
from lib.evaluation import failures
from lib.pipeline import arms, at_hand, parameters
from lib.pipeline.parameters import Task
from lib.report import claims, conditions, fonts

NAMED, SHOWN = 3, 10  # names and letters that a message shows


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
        if found[task] and task.stage == "train":
            attempt(_fits, found[task])
    ids = attempt(arms.check, study)
    trained, content = [task for task in found if task.stage == "train"], study.content
    train = found[trained[0]] if trained else None
    splits = attempt(_pictures, train) if train and train.data == "folder" else None
    _tell_undrawn(study, splits.class_names if splits else [])
    _tell_alike(study, splits.class_names if splits else [])
    # guard: what-comparing-reads-first
    if content.data.get("metadata"):
        attempt(_metadata, content.data["metadata"], splits, ids)
    if content.data.get("outside") and train:
        attempt(read_outside, content.data["outside"], train.image_size)
    # guard: brought-cases-first
    if ids is not None:
        attempt(failures.read_cases, content.cases, ids)
    elif train and not arms.brought(study) and (splits or train.data != "folder"):
        attempt(lambda: failures.read_cases(content.cases, _test_ids(train, splits)))
    attempt(conditions.read_conditions, content.conditions, str(study.path))
    # guard: claims-read-first
    attempt(claims.read_claims, content.claims)
    if lines:
        # a mistake of all arms is told once
        raise ParameterError("\n".join(dict.fromkeys(lines)))
    return found


def _fits(train) -> None:
    """Raises ParameterError for more images than there are."""
    if train.data in ("cifar10", "cifar100"):
        for split, there in dataset.CIFAR_SIZES.items():
            if (asked := getattr(train, f"{split}_size")) > there:
                of = f"{split}_size: {train.data} has {there} {split} images"
                raise ParameterError(f"params/{train.study}.yaml: {of}, {asked} were asked for")


def _pictures(train) -> dataset.Splits:
    """The pictures, decoded: what is wrong with any of them is said now. Raises DataError."""
    try:
        return dataset.load_for(train.model_dump())
    except ValueError as error:
        raise DataError(str(error)) from None


def _metadata(path, splits: dataset.Splits | None, brought: np.ndarray | None) -> None:
    """Raises DataError for a file that is no table, or of none of the test pictures; brought: the
    ids by which what is brought knows them."""
    table, known = read_metadata(path), dataset.ids(splits, "test") if splits else brought
    known = [] if known is None else [str(one) for one in known]
    # guard: metadata-of-these-pictures
    if known and not table.index.isin(known).any():
        raise DataError(
            f"{path}: no id is a test picture's: {table.index[0]!r} in the file, {known[0]!r} "
            "among the pictures"
        )


def _tell_undrawn(study: Study, names: list[str]) -> None:
    """Say which names hold letters that no font of this machine has."""
    shown = [*names, study.content.title]
    _, missing = fonts.beyond("".join(shown))
    # guard: undrawn-names-are-told
    if missing:
        odd = [name for name in shown if set(name) & set(missing)]
        more = f" and {len(odd) - NAMED} more" if len(odd) > NAMED else ""
        log.warning(
            f"{study.path}: no font of this machine has {' '.join(missing[:SHOWN])}: "
            f"figures and the PDF will show boxes in {', '.join(map(repr, odd[:NAMED]))}{more}; "
            "on Debian `apt install fonts-noto` helps"
        )


def _tell_alike(study: Study, names: list[str]) -> None:
    """Say which classes may be one that was written twice."""
    if together := text.look_alike(names):
        pairs = ["/".join(map(ascii, some)) for some in together[:NAMED]]
        more = f" and {len(together) - NAMED} more" if len(together) > NAMED else ""
        log.warning(
            f"{study.path}: classes whose names look alike: {', '.join(pairs)}{more}; should they "
            "be one?"
        )


def _test_ids(train, splits: dataset.Splits | None) -> np.ndarray:
    """The ids that test images can have; of a folder all that are there, whichever of them a
    test_size draws."""
    if splits:
        return np.arange(len(mapped(splits.test.images.path)))
    return np.arange(train.test_size or dataset.SIZES[train.data]["test"])


def prepare(study: Study, outputs: str = "outputs") -> list[Task]:
    """Check a study and write its notebooks' parameters. Returns the notebooks in the order in
    which they can run."""
    found = checked(study, outputs)
    for task, checked_parameters in found.items():
        parameters.write(task, checked_parameters)
    return list(found)


def _tell_make(study: Study, outputs: str, checked_as: str) -> None:
    """Write `.study.mk`, whole and last: where it says what was checked, nothing is left to do."""
    lines = ["# Written by `python -m lib check`.", f"ARMS := {' '.join(study.arms)}"]
    lines += [f"BROUGHT := {' '.join(arms.brought(study))}"]
    lines += [f"{name} := {_words(places)}" for name, places in _read_by(study).items()]
    lines += [f"SEEDS_{arm} := {' '.join(map(str, seeds))}" for arm, seeds in study.seeds.items()]
    lines += [f"CHECKED := {checked_as}"] * bool(checked_as)
    folder = artefacts.ROOT / outputs / study.name
    artefacts.write_bytes(folder / ".study.mk", "\n".join([*lines, ""]).encode())


def _read_by(study: Study) -> dict[str, list[str]]:
    """What a study reads besides the project's own files, for make, which asks for its content:
    what is trained with, all that is looked at, and what is claimed."""
    data, content = study.content.data, study.content
    pictures = [data["root"]] if data["source"] == "folder" and data.get("root") else []
    named = [data.get("metadata"), data.get("outside"), content.cases]
    # guard: known-by-content
    return {
        "TRAINS_WITH": pictures + arms.code_of_trained(study),
        "READS": pictures + arms.files(study) + [*filter(None, named)],
        "CLAIMS": [*filter(None, [content.claims])],
    }


def _words(places: list[str]) -> str:
    """Words of a shell, as make writes them down."""
    return shlex.join(map(str, places)).replace("$", "$$").replace("#", "\\#")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib check", description=__doc__)
    parameters.add_options(parser)
    parser.add_argument(
        "--begin",
        choices=["short", "any"],
        help="take over released runs; short: and stop where training would take long",
    )
    parser.add_argument("--checked", default="", help="the state of the study's files, for make")
    options = parser.parse_args(arguments)
    study = parameters.chosen(options)
    prepare(study, options.outputs)
    if options.begin:
        at_hand.prepare(study, options.outputs, asked=options.begin == "any")
    _tell_make(study, options.outputs, options.checked)
    return 0
