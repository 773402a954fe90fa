"""A study as a notebook opens it: its parameters, its runs, its data, its folder."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lib.base import config
from lib.data import dataset
from lib.data.dataset import Splits
from lib.evaluation import failures, summary
from lib.training import record
from lib.training.record import Run


@dataclass(frozen=True)
class Study:
    """What the stages after training share. `p` are the stage's checked parameters, `folder` is
    where the study's results lie."""

    p: config.View
    folder: Path

    @cached_property
    def runs(self) -> dict[str, dict[int, Run]]:
        """All runs, runs[arm][seed]."""
        return record.load_runs(self.p.runs, self.p.arms)

    @cached_property
    def first(self) -> dict[str, Run]:
        """Each arm's run of its first seed: the one whose images are looked at."""
        return {arm: next(iter(of_seeds.values())) for arm, of_seeds in self.runs.items()}

    @cached_property
    def splits(self) -> Splits:
        """The data that all runs were trained and tested on."""
        info = self.first[self.p.before].info
        return dataset.load_for(info["params"], info["data_digest"])

    @cached_property
    def tables(self) -> dict:
        """Each arm's test predictions, a row an image: lib.evaluation.failures.test_table."""
        return {arm: failures.test_table(run, self.splits) for arm, run in self.first.items()}

    @property
    def pair(self) -> tuple[str, ...]:
        """The arms that are looked at closely: before and after, or the one that there is."""
        return self.p.pair

    def write(self, stage: str, numbers: dict) -> None:
        """Write a stage's numbers, from which the report reads them."""
        summary.write_numbers(self.folder, stage, numbers)


def open_study(stage: str, names: dict) -> Study:
    """The study that a notebook's `parameters` cell names; `names` is its `globals()`. Raises
    ParameterError for parameters that are wrong."""
    p = config.from_notebook(stage, names)
    return Study(p, summary.folder(p))
