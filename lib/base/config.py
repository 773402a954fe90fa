"""Parameters of every stage: declared once, checked before anything runs, and again inside the
notebook. Where they are gathered from, and the strict reading of YAML files, lists of entries among
them, stand here as well.
"""

import ast
import difflib
import json
import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lib.base import artefacts
from lib.base.errors import ParameterError
from lib.base.log import to_stdout

# guard: plain-names
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
NameOrNone = Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]{0,63})?$")]
Place = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$")]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Count = Annotated[int, Field(ge=1)]
# our own, or package.module:function (lib.training.network)
NETWORK = r"^(resnet18|[^:/\\\s]+:[A-Za-z_][A-Za-z0-9_]*)$"


class Stage(BaseModel):
    """What every notebook takes. `outputs` is the folder of all studies, relative to the project or
    absolute."""

    # guard: strict-parameters
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    study: Name
    outputs: Place


class Train(Stage):
    """One run: one arm, one seed. Sizes of splits of 0 mean "as the data set has them".

    `root` and `image_size` are of a folder of images (docs/data.md); other data have "" and 32.
    """

    arm: Name
    seed: Seed
    data: Literal["phantom", "cifar100", "folder"]
    root: str
    image_size: Annotated[int, Field(ge=32, le=1024, multiple_of=32)]
    data_seed: Seed
    train_size: Annotated[int, Field(ge=0)]
    val_size: Annotated[int, Field(ge=0)]
    test_size: Annotated[int, Field(ge=0)]
    network: Annotated[str, Field(pattern=NETWORK)]
    width: Annotated[int, Field(ge=1, le=512)]
    epochs: Count
    milestones: list[Count]
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    augment: bool
    cutmix_probability: Share
    cutmix_alpha: Positive
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    precision: Literal["auto", "bf16", "fp32"]
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: Count

    @field_validator("root", "image_size")
    @classmethod
    def _of_a_folder(cls, value, info):
        data = info.data.get("data")  # absent when it is itself wrong
        if data is None:
            return value
        if info.field_name == "root" and (data == "folder") != bool(value.strip()):
            raise ValueError(
                'root names the folder of the images for data: folder, and is "" for other data'
            )
        if info.field_name == "root" and any(ord(letter) < 32 for letter in value):
            raise ValueError("root must be printable")
        if info.field_name == "image_size" and data != "folder" and value != 32:
            raise ValueError(f"the images of {data} have 32 px")
        return value

    @field_validator("width")
    @classmethod
    def _wide_enough(cls, width, info):
        # oneDNN's issue 6035, below 16 channels: seen to end the process at 56 px
        if width < 16 and info.data.get("image_size", 32) > 32:
            raise ValueError(
                "width must be at least 16 for images of more than 32 px: oneDNN's gradient of a "
                "narrower 1x1 convolution of stride 2 writes beyond its memory"
            )
        return width

    @field_validator("milestones")
    @classmethod
    def _milestones_inside(cls, milestones, info):
        epochs = info.data.get("epochs", float("inf"))  # absent when it is itself wrong
        # guard: milestones-inside
        if milestones != sorted(set(milestones)) or any(
            milestone >= epochs for milestone in milestones
        ):
            raise ValueError(f"milestones must rise and lie before the last epoch ({epochs})")
        return milestones


class View(Stage):
    """What the stages after training take: `runs` is the folder that holds <arm>/seed-<n>.

    `before` is the arm whose failures are looked at, `after` the one that is held against it: "" in
    a study of one arm."""

    runs: Place
    arms: Annotated[list[Name], Field(min_length=1)]
    seeds: Annotated[list[Seed], Field(min_length=1)]
    before: Name
    after: NameOrNone

    @field_validator("before", "after")
    @classmethod
    def _known_arms(cls, arm, info):
        arms = info.data.get("arms", [])  # absent when they are themselves wrong
        # guard: one-arm-against-nothing
        if len(arms) == 1 and arm != ("" if info.field_name == "after" else arms[0]):
            raise ValueError(
                f"with one arm ({arms[0]}) before must be that arm and after must be ''"
            )
        if len(arms) > 1 and (arm not in arms or arm == info.data.get("before")):
            raise ValueError(f"before and after must be two of the arms ({', '.join(arms)})")
        return arm

    @property
    def pair(self) -> tuple[str, ...]:
        """The arms that are looked at closely: before and after, or the one that there is."""
        return (self.before, self.after) if self.after else (self.before,)


class Failures(View):
    """`cases` maps ids of test images to hypotheses; `mined` is how many more errors are drawn."""

    mined: Annotated[int, Field(ge=0, le=100)]
    cases: str


class Gradcam(View):
    """`shown` images get maps, `diagnosed` errors a card; `scored` are run folders of other
    phantoms.

    `probed` errors of each arm are probed, drawn at random, and those that get a card; 0 probes
    all."""

    layer: Literal["layer1", "layer2", "layer3", "layer4"]
    shown: Annotated[int, Field(ge=1, le=20)]
    diagnosed: Annotated[int, Field(ge=0, le=100)]
    scored: list[Place]
    probed: Annotated[int, Field(ge=0)]


class Compare(View):
    """`target_risk` is the share of errors among accepted predictions that a threshold chosen on
    val must keep.

    `corruption_images` of the test split are corrupted; 0 skips that.
    """

    confidence_levels: Annotated[list[Share], Field(min_length=1)]
    reject_below: Share
    target_risk: Annotated[float, Field(gt=0, lt=1)]
    bootstrap_draws: Annotated[int, Field(ge=100, le=100_000)]
    corruption_images: Annotated[int, Field(ge=0)]

    @field_validator("confidence_levels")
    @classmethod
    def _levels_rise(cls, levels):
        if levels != sorted(set(levels)):
            raise ValueError("confidence_levels must rise, each given once")
        return levels


class Report(View):
    """`claims` is a file of an earlier study's claims, `conditions` one of this study's own; ""
    where there is none."""

    title: Annotated[str, Field(min_length=1, max_length=300)]
    claims: str
    conditions: str


STAGES = {
    "train": Train,
    "failures": Failures,
    "gradcam": Gradcam,
    "compare": Compare,
    "report": Report,
}


def check(stage: str, values: dict, origin: dict | None = None) -> Stage:
    """The stage's parameters, checked; raises ParameterError with one line for every mistake.

    `origin` says where each value came from, for the message.
    """
    model, origin = STAGES[stage], {str(key): source for key, source in (origin or {}).items()}
    try:
        return model.model_validate({str(key): value for key, value in values.items()})
    except ValidationError as error:
        lines = [_line(model, item, origin) for item in error.errors(include_url=False)]
        raise ParameterError("\n".join(lines)) from None


def _line(model, item: dict, origin: dict) -> str:
    name = str(item["loc"][0]) if item["loc"] else ""
    # a line break stays on its line
    where = ".".join(part if part.isprintable() else repr(part) for part in map(str, item["loc"]))
    source = f"{origin.get(name, 'parameters')}: " + (f"{where}: " if where else "")
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, model.model_fields, 1)
        return (
            source
            + "unknown parameter"
            + (
                f"; did you mean '{near[0]}'?"
                if near
                else f"; known are {', '.join(model.model_fields)}"
            )
        )
    if item["type"] == "missing":
        return f"parameters: {where}: missing, every parameter must be set"
    message = item["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    return source + message + (f" (got {item['input']!r})" if where else "")


def from_notebook(stage: str, names: dict) -> Stage:
    """The parameters that a notebook's `parameters` cell set, taken from its `globals()` and
    checked. The notebook shows what the library logs."""
    to_stdout()
    return check(stage, {name: names[name] for name in STAGES[stage].model_fields if name in names})


# Parameters as they are given, before they are checked: a notebook's defaults, files, single
# values, a study's arms and seeds.


def gather(files: list[str], values: list[tuple[str, str]]) -> tuple[dict, dict]:
    """The parameters of all files and values, and where each came from."""
    layers = [(str(path), read_yaml(path)) for path in files]
    layers += [(f"-p {name}", {name: parse_yaml(value, f"-p {name}")}) for name, value in values]
    merged = {name: value for _, layer in layers for name, value in layer.items()}
    return merged, {name: source for source, layer in layers for name in layer}


def defaults(notebook) -> dict:
    """The literals of a notebook's `parameters` cell."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    lines = [
        line
        for cell in cells
        if "parameters" in cell["metadata"].get("tags", [])
        for line in ast.parse("".join(cell["source"])).body
    ]
    return {line.targets[0].id: ast.literal_eval(line.value) for line in lines}


def study(name: str) -> tuple[list[str], list[int]]:
    """A study's arms and seeds, as its study.mk lists them. Raises ParameterError for a study that
    there is not."""
    place = artefacts.ROOT / "params" / name / "study.mk"
    try:
        lists = dict(
            re.findall(r"^(ARMS|SEEDS) *:= *(.*)$", place.read_text(encoding="utf-8"), re.M)
        )
    except OSError:
        there = sorted(path.parent.name for path in place.parent.parent.glob("*/study.mk"))
        raise ParameterError(f"there is no study {name!r}; there are: {', '.join(there)}") from None
    return lists["ARMS"].split(), [int(seed) for seed in lists["SEEDS"].split()]


# YAML files read strictly: a typing mistake is an error with a place, never a surprise.


# guard: safe-yaml
class _Loader(yaml.SafeLoader):
    """Safe YAML with decimal numbers only (1e-3 is one; 010, 1:30 and dates are text), which
    refuses a key given twice."""


_KINDS = ("timestamp", "int", "float")
_Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0].rsplit(":")[-1] not in _KINDS]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(0|[1-9][0-9_]*)$"), list("-+0123456789")
)
# guard: decimal-numbers
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(inf|Inf|INF))$|^\.(nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)


def _mapping(loader, node):
    pairs = [
        (loader.construct_object(key, deep=True), loader.construct_object(value, deep=True))
        for key, value in node.value
    ]
    names = [key for key, _ in pairs]
    twice = [
        f"{name} (line {key.start_mark.line + 1})"
        for i, (name, (key, _)) in enumerate(zip(names, node.value))
        if name in names[:i]
    ]
    # guard: given-once
    if twice:
        raise ParameterError(f"{', '.join(twice)}: given twice")
    return dict(pairs)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_yaml(text: str, source: str):
    """Read YAML from `text`; raises ParameterError that names `source` and the line."""
    try:
        return yaml.load(text, _Loader)
    except ParameterError as error:
        raise ParameterError(f"{source}: {error}") from None
    except (
        yaml.YAMLError,
        # PyYAML's, of bad tags
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ParameterError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from None


def read_yaml(path) -> dict:
    """Read a YAML mapping from a file (an empty file is an empty mapping); raises
    ParameterError."""
    try:
        # guard: utf-8
        with open(path, encoding="utf-8") as file:
            content = parse_yaml(file.read(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: cannot be read ({error.__class__.__name__})") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ParameterError(
            f"{path}: expected 'name: value' lines, found {type(content).__name__}"
        )
    return content


# YAML files that hold lists of entries, checked against a model: every mistake is one line with
# file and entry.


class Entry(BaseModel):
    """What every entry is: strict, unchangeable, without unknown words."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def read_entries(path: str, model: type[Entry], words: set[str]):
    """The file at `path` (relative to the project or absolute) as a `model`; `words` are all words
    that its entries know.

    Raises ParameterError with one line for every mistake.
    """
    content = read_yaml(artefacts.ROOT / path)
    try:
        return model.model_validate({str(key): value for key, value in content.items()})
    except ValidationError as error:
        raise ParameterError(
            "\n".join(
                _entry_line(path, content, item, words) for item in error.errors(include_url=False)
            )
        ) from None


def entry_words(*models: type[Entry]) -> set[str]:
    """All field names of some models, as they are written in a file."""
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _entry_line(path, content, item: dict, known: set[str]) -> str:
    where, message = _where(content, item["loc"]), item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(item["loc"][-1]), sorted(known), 1)
        message = "unknown word" + (
            f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(sorted(known))}"
        )
    elif item["type"] == "missing":
        message = "missing"
    elif not isinstance(item["input"], (dict, list)):
        message += f" (got {item['input']!r})"
    return ": ".join([str(path), *where, message[0].lower() + message[1:]])


def _where(content, loc) -> list[str]:
    """The entry by its id, or by its number from 1, and the words inside it."""
    if len(loc) < 2 or not isinstance(loc[1], int):
        return [".".join(map(str, loc))] if loc else []
    entry = content[loc[0]][loc[1]]
    name = entry.get("id") or entry.get("what") if isinstance(entry, dict) else None
    inside = ".".join(str(part + 1) if isinstance(part, int) else part for part in loc[2:])
    return [f"{loc[0]}, {name or f'entry {loc[1] + 1}'}"] + [inside] * bool(inside)
