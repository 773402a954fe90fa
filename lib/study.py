"""A study as a notebook opens it: its parameters, its runs, its data, its folder."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from lib.base import artefacts, config
from lib.data import dataset
from lib.data.dataset import Splits
from lib.evaluation import failures, paired, scope, summary
from lib.report import style
from lib.training import inference, record
from lib.training.record import Run


@dataclass(frozen=True)
class Study:
    """What the stages after training share. `p` are the stage's checked parameters, `folder` is
    where the study's results lie. What is read or computed is so once, when it is first asked for.
    """

    p: config.View
    folder: Path

    @property
    def pair(self) -> tuple[str, ...]:
        """The arms that are looked at closely: before and after, or the one that there is."""
        return self.p.pair

    @cached_property
    def runs(self) -> dict[str, dict[int, Run]]:
        """All runs, runs[arm][seed]; of runs that are copies of one another one alone. Raises
        ArtefactError for a run that is missing."""
        loaded = record.load_runs(self.p.runs, self.p.arms)
        return {arm: scope.distinct(of_seeds) for arm, of_seeds in loaded.items()}

    @property
    def seeds(self) -> list[int]:
        """The seeds of the first arm of the pair by which the two are paired."""
        return paired.paired_seeds(*(self.runs[arm] for arm in self.pair))[0]

    @property
    def seeds_of_arms(self) -> dict[str, list[int]]:
        """Each arm's seeds."""
        return {arm: list(of_seeds) for arm, of_seeds in self.runs.items()}

    @cached_property
    def first(self) -> dict[str, Run]:
        """Each arm's run whose images are looked at: of the pair's first common seed."""
        return summary.first_runs(self.runs, self.pair)

    @property
    def compared(self) -> dict[str, Run]:
        """The first run of each arm of the pair."""
        return {arm: self.first[arm] for arm in self.pair}

    @property
    def parameters(self) -> dict[str, dict]:
        """The training's parameters of each arm that was trained by this project."""
        return {
            arm: run.info["params"] for arm, run in self.first.items() if run.history is not None
        }

    @cached_property
    def splits(self) -> Splits:
        """The data that all runs were trained and tested on."""
        info = self.first[self.p.before].info
        splits = dataset.load_for(info["params"], info["data_digest"])
        style.show_names([*splits.class_names, *splits.superclass_names])
        return splits

    @property
    def pictured(self) -> bool:
        """Whether there are pictures, and not predictions alone."""
        return self.splits.test.images is not None

    @property
    def asked(self) -> dict[str, Run]:
        """Those of `compared` whose network was kept, if there are pictures to ask it about."""
        return {
            arm: run
            for arm, run in self.compared.items()
            if self.pictured and record.has_weights(run)
        }

    @cached_property
    def models(self) -> dict[str, nn.Module]:
        """The networks of `asked`, in eval mode."""
        classes = len(self.splits.class_names)
        return {arm: record.load_model(run, classes) for arm, run in self.asked.items()}

    @property
    def layers(self) -> dict[str, str | None]:
        """The layer of each asked network's maps, None where occlusion stands in their place."""
        return {arm: record.map_layer(run) for arm, run in self.asked.items()}

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Each arm's test predictions, a row an image: lib.evaluation.failures.test_table."""
        return {
            arm: failures.test_table(run, self.splits, self.runs[arm])
            for arm, run in self.first.items()
        }

    def ids(self) -> np.ndarray:
        """What each test image is known by outside, text (N,): of brought predictions their ids, of
        a folder the path below its split, else the place in the official file."""
        if self.first[self.p.before].test.text_ids is not None:
            return self.first[self.p.before].test.text_ids
        return dataset.ids(self.splits, "test")

    @cached_property
    def selection(self) -> pd.DataFrame:
        """The images that notebook 02 chose to look at, a row each."""
        return failures.read_selection(self.folder, self.tables[self.p.before])

    def looked_at(self) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
        """The pictures of `selection`, uint8 (N, 3, h, w), None without any, and their true class
        and the one that is held against it, int64 (N,)."""
        images = self.splits.test.images[self.selection["position"]] if self.pictured else None
        return images, *failures.class_pair(self.selection, self.splits)

    def inputs(self, arm: str) -> torch.Tensor:
        """The pictures of `selection` as the arm's network takes them, float32 (N, 3, h, w)."""
        images, splits = self.looked_at()[0], self.splits
        return inference.inputs(images, splits.mean, splits.std, self.models[arm])

    def keep(self, name: str, table: pd.DataFrame) -> None:
        """Write tables/<name>.csv without showing it."""
        artefacts.write_table(self.folder / "tables" / f"{name}.csv", table)

    def keep_maps(self, maps: dict[str, torch.Tensor]) -> None:
        """Write the maps of each arm, maps.npz."""
        arrays = {arm: of_arm.numpy() for arm, of_arm in maps.items()}
        artefacts.write_arrays(self.folder / "maps.npz", **arrays)

    def write(self, stage: str, numbers: dict) -> None:
        """Write a stage's numbers, from which the report reads them."""
        summary.write_numbers(self.folder, stage, numbers)

    def collect(self, numbers: dict) -> dict:
        """Join `numbers` with those of all stages into results.json, and return them."""
        return summary.collect(self.folder, numbers | {"brief": self.p.brief})


def open_study(stage: str, names: dict) -> Study:
    """The study that a notebook's `parameters` cell names; `names` is its `globals()`. Figures have
    the report's style from here on. Raises ParameterError for parameters that are wrong."""
    p = config.from_notebook(stage, names)
    style.apply(p.arms)
    torch.set_num_threads(1)  # another stage runs beside this one, and arms side by side
    return Study(p, summary.folder(p))


def open_run(names: dict) -> config.Train:
    """The parameters of the run that notebook 01's `parameters` cell names, in the same way."""
    p = config.from_notebook("train", names)
    style.apply()
    return p
