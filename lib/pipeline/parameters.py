"""The parameter files of a study's notebooks, and the options by which a command is told of a
study.

Beside each result lie its complete, checked parameters: `train.yaml` in a run's folder, and
`02_failures.yaml` to `05_report.yaml` in the study's.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import yaml

from lib.base import artefacts, study_file
from lib.base.config import STAGES, STEMS, Stage
from lib.base.study_file import Study


class Task(NamedTuple):
    """One notebook to run: a stage and, of the training, which run. `place` is its result's path
    without the ending, relative to the project or absolute, as `outputs` is."""

    place: Path
    stage: str
    arm: str = ""
    seed: int = 0


def tasks(study: Study, outputs: str) -> list[Task]:
    """All notebooks of a study, in the order in which they can run; arms that are brought have
    none."""
    folder = Path(outputs) / study.name
    runs = [
        Task(folder / arm / f"seed-{seed}" / "train", "train", arm, seed)
        for arm, seeds in study.seeds.items()
        if study_file.kind(study.arms[arm]) == study_file.TRAINED
        for seed in seeds
    ]
    return runs + [Task(folder / STEMS[stage], stage) for stage in list(STAGES)[1:]]


def resolve(study: Study, task: Task, outputs: str) -> Stage:
    """A notebook's complete parameters; raises ParameterError with one line for every mistake."""
    if task.stage == "train":
        return study_file.train(study, task.arm, task.seed, outputs)
    return study_file.view(study, task.stage, outputs)


def write(task: Task, parameters: Stage) -> Path:
    """Write a notebook's parameters as YAML, unless they stand there already: make looks at the
    file's time."""
    path = artefacts.ROOT / f"{task.place}.yaml"
    text = yaml.safe_dump(parameters.model_dump(), sort_keys=False, allow_unicode=True).encode()
    if not path.is_file() or path.read_bytes() != text:
        artefacts.write_bytes(path, text)
    return path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options that name a study, the folder of all studies, and some of its arms and seeds."""
    parser.add_argument("study")
    parser.add_argument("--outputs", default="outputs", help="folder of all studies")
    parser.add_argument("--arms", nargs="+", default=[], help="some of the study's arms")
    parser.add_argument(
        "--seeds", nargs="+", default=[], type=_seed, help="in place of the study's"
    )


def _seed(word: str) -> int:
    """make waits for a folder of the number as it is written: 00 would never be there."""
    if not word.isascii() or not word.isdigit() or str(int(word)) != word:
        raise argparse.ArgumentTypeError(f"a seed is a whole number such as 42, got {word!r}")
    return int(word)


def chosen(options: argparse.Namespace) -> Study:
    """The study that `add_options`'s options name; raises ParameterError."""
    return study_file.read(options.study).chosen(options.arms, options.seeds)
