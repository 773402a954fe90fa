"""A finished study as the explorer reads it: its data, and each arm's predictions, verdicts and
network, each loaded once."""

import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from lib.base import artefacts, study_file
from lib.base.errors import Error, ParameterError
from lib.data.dataset import Splits, load_for
from lib.diagnosis import evidence, verdict
from lib.evaluation import calibration, failures, labels, severity
from lib.report import style
from lib.training import inference, record

# where studies are looked for besides the folder that was asked for
PLACES = ("outputs", "released")
# columns of names, some of which look like numbers
TEXT = ("arm", "id", "true", "predicted")
NUMBERS = ("probability", "low", "high", "value", "turns")


class NotMade(artefacts.ArtefactError):
    """A study that cannot be opened; a notebook shows its one line and no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True, eq=False)
class Arm:
    """One arm and seed: lib.evaluation.failures.test_table, the temperature fitted on val,
    probabilities (N, K) after it.

    verdicts: what 03_gradcam said of its errors, by position in the test split; None where it has
    said nothing of this run."""

    name: str
    seed: int
    run: record.Run
    splits: Splits
    table: pd.DataFrame
    temperature: float
    probability: np.ndarray
    verdicts: pd.DataFrame | None

    @cached_property
    def network(self):
        return record.load_model(self.run, len(self.splits.class_names))

    @property
    def layer(self) -> str | None:
        """Of its maps; None for occlusion."""
        return record.map_layer(self.run)

    @cached_property
    def ready(self):
        """For maps, in fp32."""
        return inference.ready(self.network)

    @cached_property
    def fast(self):
        """For probes."""
        return evidence.fast(self.run, self.network)


@dataclass(frozen=True)
class Study:
    """seeds: the finished seeds of each arm, in the study's order; said: what people or the phantom
    know of each test label."""

    name: str
    folder: Path
    seeds: dict[str, list[int]]
    splits: Splits
    said: np.ndarray | None
    source: str
    loaded: dict = field(default_factory=dict)

    @property
    def grouped(self) -> bool:
        """Whether superclasses tell anything."""
        return severity.has_superclasses(self.splits.superclass)

    def arm(self, name: str, seed: int) -> Arm:
        """Raises NotMade for a run that is damaged."""
        if (name, seed) not in self.loaded:
            try:
                self.loaded[name, seed] = _arm(self, name, seed)
            except artefacts.ArtefactError as error:
                raise NotMade(str(error)) from None
        return self.loaded[name, seed]


def open_study(study: str, outputs: str) -> Study:
    """The study in <outputs>/<study>, which is relative to the project or absolute.

    Raises NotMade, in one line, where no run is finished or its data are not at hand.
    """
    folder = artefacts.ROOT / outputs / study
    seeds = finished(folder)
    if not seeds and any(folder.glob("*/seed-*/run.json")):
        raise NotMade(
            f"{outputs}/{study}: its runs have no networks, and the explorer asks networks; "
            "the report has what predictions alone tell"
        )
    if not seeds:
        there = made(outputs)
        raise NotMade(
            f"{outputs}/{study}: no finished run here; make report STUDY={study} makes one. "
            "Finished studies: "
            + (
                "; ".join(f'study = "{name}", outputs = "{place}"' for place, name in there)
                if there
                else "none yet"
            )
        )
    arm, *_ = seeds
    try:
        info = record.read_record(folder / arm / f"seed-{seeds[arm][0]}" / "run.json")
        splits = load_for(info["params"], info["data_digest"])
        style.show_names([*splits.class_names, *splits.superclass_names])
        opinion, _ = labels.known(splits)
    except (Error, OSError) as error:
        raise NotMade(f"{outputs}/{study}: {error}") from None
    return Study(
        study, folder, seeds, splits, opinion and opinion.words, opinion.source if opinion else ""
    )


def made(outputs: str) -> list[tuple[str, str]]:
    """Folder and name of every study with a finished run, in `outputs` and in PLACES."""
    places = dict.fromkeys([outputs, *PLACES])
    return [
        (place, folder.name)
        for place in places
        if (artefacts.ROOT / place).is_dir()
        for folder in sorted((artefacts.ROOT / place).iterdir())
        if folder.is_dir() and finished(folder)
    ]


def finished(folder: Path) -> dict[str, list[int]]:
    """The finished seeds of each arm of a study's folder, arms in the order of the study's file,
    others after them by name."""
    found = {}
    for path in sorted(folder.glob("*/seed-*/run.json")):
        seed = path.parent.name.removeprefix("seed-")
        if seed.isdecimal() and all(
            (path.parent / name).is_file() for name in ("predictions.npz", "model.safetensors")
        ):
            found.setdefault(path.parent.parent.name, []).append(int(seed))
    order = _declared(folder.name)
    return {
        arm: sorted(found[arm])
        for arm in sorted(found, key=lambda arm: order.index(arm) if arm in order else len(order))
    }


def _declared(study: str) -> list[str]:
    try:
        return list(study_file.read(study).arms)
    except ParameterError:  # a folder of no study
        return []


def _arm(study: Study, name: str, seed: int) -> Arm:
    run = record.load_run(study.folder / name / f"seed-{seed}")
    if run.info["data_digest"] != study.splits.digest:
        raise artefacts.ArtefactError(
            f"{run.path}: made from other data than the study's first run"
        )
    temperature = calibration.fit_temperature(run.val.logits, run.val.labels)
    table = failures.test_table(run, study.splits)
    return Arm(
        name,
        seed,
        run,
        study.splits,
        table,
        temperature,
        calibration.softmax(run.test.logits, temperature),
        read_verdicts(study.folder / "tables" / "verdicts-all.csv", name, table),
    )


def read_verdicts(path: Path, arm: str, table: pd.DataFrame) -> pd.DataFrame | None:
    """The rows of verdicts-all.csv of an arm, by position; None without them, or where they are not
    all errors of this run.

    The file names no seed and may be older than the runs, so its errors and their classes are held
    against the test table."""
    if not path.is_file():
        return None
    # guard: names-are-text
    rows = pd.read_csv(
        io.BytesIO(artefacts.read_bytes(path)),
        dtype=dict.fromkeys(TEXT, str),
        keep_default_na=False,
        na_values={name: [""] for name in NUMBERS},
    )
    rows = rows[rows["arm"] == arm].sort_values("position").set_index("position")
    if not len(rows):  # as without plants, where there are fewer columns
        return None
    predicted = table[~table["correct"]].set_index("position")["predicted"]
    same = predicted.reindex(rows.index).fillna("").eq(rows["predicted"]).all()
    known = set(rows["verdict"]) <= set(verdict.CAUSES)
    return rows if known and same else None
