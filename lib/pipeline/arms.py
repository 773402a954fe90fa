"""The arms that a study brings: networks that were trained elsewhere, and predictions alone. They
are examined before anything runs, and taken in as runs.
"""

import os
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from lib.base import artefacts, study_file
from lib.base.errors import ParameterError
from lib.base.study_file import NETWORK, PREDICTIONS, TRAINED, Study, kind
from lib.data import dataset, matching, predictions_file
from lib.training import brought_predictions, examination, intake, network
from lib.training.network import Brought


def brought(study: Study) -> list[str]:
    """The arms that are not trained here."""
    return [arm for arm, said in study.arms.items() if kind(said) != TRAINED]


def files(study: Study) -> list[str]:
    """The files that these arms are made of: what they name, and the code of networks that stands
    beside the study."""
    found, places = list(_of_kind(study, PREDICTIONS).values()), network.beside(study.name)
    for said in (_network(study, arm) for arm in _of_kind(study, NETWORK)):
        found += [network.found(said.weights, places)] if said.weights else []
        found += network.files(said.network, places)
    return list(map(str, dict.fromkeys(found)))


def code_of_trained(study: Study) -> list[str]:
    """The files beside the study of networks of one's own that are trained here."""
    found, places = [], network.beside(study.name)
    for arm, seeds in study.seeds.items():
        if kind(study.arms[arm]) == TRAINED:
            name = study_file.train(study, arm, seeds[0], "outputs").network
            found += network.files(name, places)
    return list(map(str, dict.fromkeys(found)))


def check(study: Study) -> np.ndarray | None:
    """Read, match and examine all that is brought. Returns the ids by which test images are known,
    None where nothing is brought. Raises an Error with one line for the first thing that is
    wrong."""
    of, networks = _of_kind(study, PREDICTIONS), _of_kind(study, NETWORK)
    said = {arm: _network(study, arm) for arm in networks}
    splits = _splits(study) if of or networks else None
    ids = splits.test.index if splits else None
    if of:
        read = {arm: predictions_file.read(path, splits is not None) for arm, path in of.items()}
        matched = matching.match(read, splits and brought_predictions.pictures(splits))
        ids = next(iter(matched.parts.values()))["test"].ids
    for arm in networks:
        case = intake.examine(said[arm], splits, network.beside(study.name))
        examination.refuse(arm, examination.ask(case))
    return ids


def take_in(study: Study, outputs: str) -> None:
    """Write a run folder for each arm that is brought, and set its time: make looks at it."""
    of, splits = _of_kind(study, PREDICTIONS), _splits(study) if brought(study) else None
    folders = {arm: _folder(study, arm, outputs) for arm in brought(study)}
    if of:
        params = {arm: _params(study, arm, outputs) for arm in of}
        brought_predictions.take_in(of, folders, params, splits)
    for arm in _of_kind(study, NETWORK):
        intake.take_in(_network(study, arm), _params(study, arm, outputs), splits)
    for folder in folders.values():
        os.utime(folder / "run.json")


def _of_kind(study: Study, wanted: str) -> dict[str, Path]:
    """Those arms, and the file of predictions of each."""
    return {
        arm: artefacts.ROOT / said.get("predictions", "")
        for arm, said in study.arms.items()
        if kind(said) == wanted
    }


def _folder(study: Study, arm: str, outputs: str) -> Path:
    return artefacts.ROOT / outputs / study.name / arm / f"seed-{study.seeds[arm][0]}"


def _params(study: Study, arm: str, outputs: str) -> dict:
    """What a brought run records of its study and its data."""
    place = {"study": study.name, "outputs": outputs, "arm": arm, "seed": study.seeds[arm][0]}
    if study.content.data["source"] == "none":
        return place | {"data": "none"}
    known = study_file.train(study, arm, place["seed"], outputs).model_dump()
    return place | {name: known[name] for name in study_file.PICTURES}


def _splits(study: Study) -> dataset.Splits | None:
    """The study's data; None without pictures."""
    if study.content.data["source"] == "none":
        return None
    return dataset.load_for(_params(study, next(iter(study.arms)), "outputs"))


def _network(study: Study, arm: str) -> Brought:
    """What an arm says of its network, checked; raises ParameterError."""
    said = {name: value for name, value in study.arms[arm].items() if name != "seeds"}
    try:
        return Brought.model_validate({"network": network.OWN} | said)
    except ValidationError as error:
        lines = [
            f"{study.path}: arms.{arm}: {'.'.join(map(str, item['loc']))}: {item['msg']}"
            + f" (got {item['input']!r}; numbers, yes and no need quotes)"
            * (item["type"] == "string_type")
            for item in error.errors(include_url=False)
        ]
        raise ParameterError("\n".join(lines)) from None
