"""A study's file, params/<study>.yaml: read, checked, and made into the complete parameters of each
notebook. What it need not say has its default in lib.base.config.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from lib.base import artefacts, config
from lib.base.config import STAGES, Name, Seeds, Stage, Train, View, suggestion
from lib.base.errors import ParameterError

# What an arm may say besides names of `train`: its own seeds; of a network that was trained
# elsewhere, beside `network`; of predictions alone.
OF_ARM = ("seeds",)
OF_NETWORK = ("weights", "weights_key", "mean", "std", "layer", "classes")
OF_PREDICTIONS = ("predictions",)
OF_COMPARE = ("metadata", "outside")  # of the data, asked for by notebook 04 alone
ABOVE = {"title", "claims", "conditions", "cases"}  # parameters that stand on their own
PICTURES = ("data", "root", "image_size", "data_seed", "train_size", "val_size", "test_size")
# predictions alone have no pictures
SOURCES = (*get_args(Train.model_fields["data"].annotation), "none")
RECIPE = tuple(
    name
    for name in Train.model_fields
    if name not in {*Stage.model_fields, *PICTURES, "arm", "seed"}
)
SECTIONS = {
    "data": ("source", *PICTURES[1:], *OF_COMPARE),
    "train": RECIPE,
    **{
        stage: tuple(set(STAGES[stage].model_fields) - {*View.model_fields, *ABOVE, *OF_COMPARE})
        for stage in list(STAGES)[1:]
    },
}


class Content(BaseModel):
    """The file's shape; the sections' values are checked as the notebooks' parameters."""

    model_config = ConfigDict(extra="forbid", strict=True)
    title: str
    data: dict
    train: dict = {}
    arms: Annotated[dict[Name, dict | None], Field(min_length=1)]
    seeds: Seeds = [42]
    before: str | None = None
    after: str | None = None
    failures: dict = {}
    gradcam: dict = {}
    compare: dict = {}
    report: dict = {}
    conditions: list = []
    claims: str = ""
    cases: str = ""


@dataclass(frozen=True)
class Study:
    """A study's file: `arms` has what each arm says, `seeds` the seeds of each."""

    name: str
    path: Path  # relative to the project
    content: Content
    arms: dict[str, dict]
    seeds: dict[str, list[int]]

    def chosen(self, arms: list[str] = (), seeds: list[int] = ()) -> "Study":
        """The study of some of its arms, or of other seeds; raises ParameterError for an arm that
        it has not."""
        for arm in arms:
            if arm not in self.arms:
                raise ParameterError(f"{self.path}: no arm {arm}; {suggestion(arm, self.arms)}")
        kept = arms or list(self.arms)
        roles = {self.content.before, self.content.after}
        gone = {"before": None, "after": None} if roles & (set(self.arms) - set(kept)) else {}
        return Study(
            self.name,
            self.path,
            self.content.model_copy(update=gone),
            {arm: self.arms[arm] for arm in kept},
            {arm: self._of_arm(arm, list(seeds)) or self.seeds[arm] for arm in kept},
        )

    def _of_arm(self, arm: str, seeds: list[int]) -> list[int]:
        return seeds if kind(self.arms[arm]) == TRAINED else seeds[:1]


def names() -> list[str]:
    """All studies that there are."""
    return sorted(path.stem for path in (artefacts.ROOT / "params").glob("*.yaml"))


TRAINED, NETWORK, PREDICTIONS = "trained", "network", "predictions"


def kind(said: dict) -> str:
    """Where an arm comes from: TRAINED by this project, a NETWORK that was trained elsewhere, or
    PREDICTIONS alone."""
    if "predictions" in said:
        return PREDICTIONS
    return NETWORK if set(said) & set(OF_NETWORK) else TRAINED


def plain(name: str) -> str:
    """The name, if it can be a study's or an arm's; raises ParameterError."""
    if not re.fullmatch(config.PLAIN, name):
        raise ParameterError(f"{name!r}: a name holds a-z, 0-9, _ and -, at most 64 of them")
    return name


def read(name: str) -> Study:
    """The study of that name. Raises ParameterError with one line for every mistake in the file's
    shape: a section or a name that is not known, a section that is none."""
    path = Path("params") / f"{plain(name)}.yaml"
    if (artefacts.ROOT / "params" / name).is_dir() and name not in names():
        raise ParameterError(
            f"params/{name}/: a study is one file now, {path}; CHANGELOG.md says how a folder of "
            "the first edition becomes one"
        )
    if name not in names():
        raise ParameterError(f"there is no study '{name}'; {suggestion(name, names())}")
    given = config.read_yaml(artefacts.ROOT / path, str(path))
    lines = [f"{path}: {line}" for line in _misplaced(given)]
    try:
        content = Content.model_validate({str(key): value for key, value in given.items()})
    except ValidationError as error:
        lines += [_shape_line(path, item) for item in error.errors(include_url=False)]
    if lines:
        raise ParameterError("\n".join(lines))
    arms = {arm: said or {} for arm, said in content.arms.items()}
    # what was trained elsewhere is one network
    own = {
        arm: content.seeds if kind(said) == TRAINED else content.seeds[:1]
        for arm, said in arms.items()
    }
    seeds = {arm: said.get("seeds", own[arm]) for arm, said in arms.items()}
    return Study(name, path, content, arms, seeds)


def _misplaced(given: dict):
    """Lines on names that their section does not know, on arms that mix what does not go together,
    and on a source of data that there is not."""
    data, arms = given.get("data"), given.get("arms")
    source = data.get("source") if isinstance(data, dict) else None
    for section, known in SECTIONS.items():
        for name in _unknown(given.get(section), known):
            yield f"{section}: {name}: unknown parameter; {_meant(name, known)}"
    for arm, said in arms.items() if isinstance(arms, dict) else ():
        yield from (f"arms.{arm}: {line}" for line in _of_an_arm(said or {}, source))
    if isinstance(data, dict) and source not in SOURCES:
        yield f"data: source: one of {', '.join(SOURCES)} (got {source!r})"


ALLOWED = {
    TRAINED: (*RECIPE, *OF_ARM, *OF_NETWORK, *OF_PREDICTIONS),
    NETWORK: ("network", *OF_NETWORK, *OF_ARM),
    PREDICTIONS: (*OF_PREDICTIONS, *OF_ARM),
}


def _unknown(said, known) -> list[str]:
    return [str(name) for name in said if name not in known] if isinstance(said, dict) else []


def _of_an_arm(said, source):
    """Lines on what one arm says, of what its kind knows."""
    if not isinstance(said, dict):
        return  # the shape's line tells it
    of = kind(said)
    for name in _unknown(said, ALLOWED[of]):
        if of == TRAINED:
            yield f"{name}: unknown parameter; {_meant(name, ALLOWED[of])}"
        else:
            yield (
                f"{name}: an arm {'of predictions' if of == PREDICTIONS else 'with weights'} is "
                f"not trained here; it knows {', '.join(ALLOWED[of])}"
            )
    if source == "none" and of != PREDICTIONS:
        yield "data: source: none is of predictions alone, and this arm has none"
    if of == PREDICTIONS and not isinstance(said["predictions"], str):
        yield f"predictions: the path of a file (got {said['predictions']!r})"
    yield from _of_seeds(said.get("seeds", [0]), of)


def _of_seeds(seeds, of: str):
    try:
        TypeAdapter(Seeds).validate_python(seeds, strict=True)
    except ValidationError as error:
        yield f"seeds: {error.errors()[0]['msg'].removeprefix('Value error, ')} (got {seeds!r})"
    else:
        if of != TRAINED and len(seeds) > 1:
            yield f"seeds: what is brought is one network, and has one (got {seeds!r})"


def _meant(name: str, known) -> str:
    """Where a name belongs, if it is known elsewhere in the file, else what may have been meant."""
    for section, names_there in SECTIONS.items():
        if name in names_there:
            return f"it belongs under '{section}'"
    return "it stands on its own, not below a section" if name in ABOVE else suggestion(name, known)


def _shape_line(path: Path, item: dict) -> str:
    where = ".".join(str(part) for part in item["loc"] if part != "[key]")
    if item["type"] == "extra_forbidden":
        return f"{path}: {where}: unknown section; {_meant(where, Content.model_fields)}"
    if item["type"] == "missing":
        return f"{path}: {where}: missing; a study has title, data and arms"
    if item["loc"][-1] == "[key]":
        return (
            f"{path}: arms: an arm's name holds a-z, 0-9, _ and -, and no, yes and numbers need "
            f"quotes (got {item['input']!r})"
        )
    message = item["msg"].removeprefix("Value error, ")
    return f"{path}: {where}: {message[0].lower()}{message[1:]} (got {item['input']!r})"


def train(
    study: Study, arm: str, seed: int, outputs: str, values: list[tuple[str, str]] = ()
) -> Train:
    """The complete parameters of one run: defaults, `data`, `train`, the arm's own, and last
    `values` (name and YAML). Raises ParameterError with one line for every mistake."""
    said = study.arms[arm]
    own = {name: said[name] for name in said if name in RECIPE}
    data = {
        "data" if name == "source" else name: value
        for name, value in study.content.data.items()
        if name not in OF_COMPARE
    }
    layers = [
        ("data", data),
        ("train", study.content.train),
        (f"arms.{arm}", own),
    ]
    origin = {name: f"{study.path}: {section}" for section, layer in layers for name in layer}
    given = {name: value for _, layer in layers for name, value in layer.items()}
    for name, value in values:
        given[name], origin[name] = config.parse_yaml(value, f"-p {name}"), f"-p {name}"
    given = _defaults("train") | given
    given.setdefault("milestones", _milestones(given["epochs"]))
    place = {"study": study.name, "outputs": outputs, "arm": arm, "seed": seed}
    return config.check("train", place | given, origin)


def view(study: Study, stage: str, outputs: str, runs: str = "") -> View:
    """The complete parameters of a stage after training; `runs` is outputs/<study> unless given.
    Raises ParameterError with one line for every mistake."""
    content, arms = study.content, list(study.arms)
    before = content.before or arms[0]
    after = content.after or next((arm for arm in arms if arm != before), "")
    place = {
        "study": study.name,
        "outputs": outputs,
        "runs": runs or f"{outputs}/{study.name}",
        "arms": study.seeds,
        "before": before,
        "after": after,
    }
    own = getattr(content, stage) | {
        name: content.data[name]
        for name in OF_COMPARE
        if name in content.data and name in STAGES[stage].model_fields
    }
    above = {name: getattr(content, name) for name in ABOVE if name in STAGES[stage].model_fields}
    origin = {name: f"{study.path}: {stage}" for name in own} | dict.fromkeys(
        {**place, **above}, f"{study.path}"
    )
    return config.check(stage, _defaults(stage) | place | own | above, origin)


def _defaults(stage: str) -> dict:
    return {
        name: field.default
        for name, field in STAGES[stage].model_fields.items()
        if not field.is_required()
    }


def _milestones(epochs) -> list[int]:
    """Half and four fifths of the epochs, where these are epochs of their own."""
    if not isinstance(epochs, int):
        return []  # the epochs are told to be wrong
    return sorted({m for m in (epochs // 2, epochs * 4 // 5) if 0 < m < epochs})
