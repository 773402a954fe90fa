"""Parameters of every stage: declared once, with default, unit and meaning; checked before anything
runs, and again inside the notebook. The strict reading of YAML files, lists of entries among them,
stands here as well.
"""

import difflib
import re
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from lib.base import artefacts
from lib.base.errors import ParameterError
from lib.base.log import to_stdout

PLAIN = "[a-z0-9][a-z0-9_-]{0,63}"
# guard: plain-names
Name = Annotated[str, Field(pattern=f"^{PLAIN}$")]
NameOrNone = Annotated[str, Field(pattern=f"^({PLAIN})?$")]
Place = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$")]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Count = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=0)]
# our own, or package.module:function (lib.training.network)
NETWORK = r"^(resnet18|[^:/\\\s]+:[A-Za-z_][A-Za-z0-9_]*)$"


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("a seed stands there twice")
    return seeds


Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(_distinct)]


class Stage(BaseModel):
    """What every notebook takes. `outputs` is the folder of all studies, relative to the project or
    absolute.

    A field's default is what a study file (lib.base.study_file) need not say; its description has
    meaning and unit."""

    # guard: strict-parameters
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    study: Name = Field(description="name of the study")
    outputs: Place = Field(description="folder of all studies")


class Train(Stage):
    """One run: one arm, one seed."""

    arm: Name = Field(description="name of the arm")
    seed: Seed = Field(description="of the weights, the order, the augmentation and the mixing")
    data: Literal["phantom", "cifar10", "cifar100", "folder"] = Field(
        description="phantom (drawn), cifar10, cifar100, or folder (own pictures, docs/data.md)"
    )
    root: str = Field("", description="of a folder: its path, relative to the project or absolute")
    image_size: Annotated[int, Field(ge=32, le=1024, multiple_of=32)] = Field(
        32, description="pixels of a side; other than 32 for a folder alone"
    )
    data_seed: Seed = Field(42, description="of the phantom, or of the train/val split")
    train_size: Size = Field(0, description="images, 0 for all")
    val_size: Size = Field(0, description="images, 0 for as many as the data set is given")
    test_size: Size = Field(0, description="images, 0 for all")
    network: Annotated[str, Field(pattern=NETWORK)] = Field(
        "resnet18", description="our own, or package.module:function, whose code then runs"
    )
    width: Annotated[int, Field(ge=1, le=512)] = Field(
        64, description="channels of the first stage"
    )
    epochs: Count = Field(50, description="passes over the train images")
    milestones: list[Count] = Field(
        description="epochs after which the learning rate is divided by 10 "
        "(not given: half and four fifths of the epochs)"
    )
    batch_size: Annotated[int, Field(ge=2)] = Field(128, description="images a step")
    learning_rate: Positive = Field(0.1, description="of SGD, at the start")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="of SGD")
    weight_decay: Annotated[float, Field(ge=0)] = Field(5e-4, description="of SGD")
    augment: bool = Field(
        True, description="random crop after padding by an eighth of the side, horizontal flip"
    )
    cutmix_probability: Share = Field(0.0, description="share of the batches that are mixed")
    cutmix_alpha: Positive = Field(
        1.0, description="of the Beta distribution that lambda comes from"
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="share of the target that goes to all classes alike"
    )
    mixup_probability: Share = Field(0.0, description="share of the batches that MixUp mixes")
    mixup_alpha: Positive = Field(
        1.0, description="of the Beta distribution that MixUp's lambda comes from"
    )
    cutout_size: Size = Field(
        0, description="pixels of a side of the square that Cutout blanks, 0 for none"
    )
    schedule: Literal["steps", "cosine"] = Field(
        "steps", description="of the learning rate: steps at the milestones, or cosine without them"
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="bf16, fp32, or auto for bf16 where the device computes it"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="cpu, cuda, mps, or the best there is"
    )
    threads: Count = Field(1, description="on a CPU; part of what makes two runs equal")
    strict_resume: bool = Field(
        False, description="whether what another machine began or finished is trained anew"
    )

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

    @field_validator("mixup_probability")
    @classmethod
    def _mixed_once(cls, probability, info):
        cutmix = info.data.get("cutmix_probability", 0)  # absent when it is itself wrong
        # guard: mixed-once
        if cutmix + probability > 1 + 1e-9:
            raise ValueError(
                "a batch is mixed once at most: mixup_probability and cutmix_probability "
                f"({cutmix}) must not sum to more than 1"
            )
        return probability

    @field_validator("cutout_size")
    @classmethod
    def _inside_the_image(cls, size, info):
        side = info.data.get("image_size", size)  # absent when it is itself wrong
        if size > side:
            raise ValueError(f"cutout_size must be at most the side of the images ({side} px)")
        return size


class View(Stage):
    """What the stages after training take: `runs` is the folder that holds <arm>/seed-<n>, `arms`
    has each arm's seeds.

    `before` is the arm whose failures are looked at, `after` the one that is held against it: "" in
    a study of one arm."""

    runs: Place = Field(description="folder that holds <arm>/seed-<n>")
    arms: Annotated[dict[Name, Seeds], Field(min_length=1)] = Field(
        description="each arm's seeds, in the order of the tables"
    )
    before: Name = Field(description="the arm whose failures are looked at")
    after: NameOrNone = Field(description='the arm that is held against it, "" with one arm')

    @field_validator("before", "after")
    @classmethod
    def _known_arms(cls, arm, info):
        arms = list(info.data.get("arms", {}))  # absent when they are themselves wrong
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

    @property
    def seeds(self) -> list[int]:
        """The seeds that the arms of the pair have in common, in the order of the first."""
        return [seed for seed in self.arms[self.before] if seed in self.arms[self.pair[-1]]]


class Failures(View):
    """Which errors are looked at."""

    mined: Annotated[int, Field(ge=0, le=100)] = Field(
        7, description="errors drawn by confidence, at most one for a pair of classes"
    )
    cases: str = Field(
        "", description="YAML file of named cases (an image's id and a hypothesis), or nothing"
    )


class Gradcam(View):
    """Which errors get maps and cards, and how many are probed."""

    shown: Annotated[int, Field(ge=1, le=20)] = Field(6, description="images that get maps")
    diagnosed: Annotated[int, Field(ge=0, le=100)] = Field(
        12, description="errors that get a diagnosis card, named cases first"
    )
    probed: Size = Field(
        400, description="errors of each arm probed, drawn at random, besides the cases; 0 for all"
    )
    planted: Annotated[int, Field(ge=0, le=1000)] = Field(
        300,
        description="errors of each cause planted into right test images, on which the diagnosis "
        "of each arm is fitted and scored; 0 for none, and then there are no verdicts",
    )
    quick: bool = Field(
        False, description="whether the diagnosis asks 15 changed pictures an error, and not 44"
    )


class Compare(View):
    """At which confidences, and how closely, arms are compared."""

    confidence_levels: Annotated[list[Share], Field(min_length=1)] = Field(
        [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99], description="at which errors are counted"
    )
    reject_below: Share = Field(0.7, description="confidence of predictions that are not accepted")
    target_risk: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1,
        description="share of errors among accepted predictions that a threshold chosen on "
        "validation must keep",
    )
    equivalence_margin: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.01, description="difference of accuracy, a share, within which two arms are equivalent"
    )
    bootstrap_draws: Annotated[int, Field(ge=100, le=100_000)] = Field(
        2000, description="of test images, for 95 % intervals"
    )
    corruption_images: Size = Field(
        1000, description="test images that are corrupted, drawn at random; 0 for none"
    )

    metadata: str = Field(
        "", description="CSV file with a column id and one column a property, or nothing"
    )
    outside: str = Field("", description="pictures of no class: a folder, or cifar10; or nothing")
    claims: str = Field("", description="YAML file of an earlier study's claims, or nothing")

    @field_validator("confidence_levels")
    @classmethod
    def _levels_rise(cls, levels):
        if levels != sorted(set(levels)):
            raise ValueError("confidence_levels must rise, each given once")
        return levels


class Report(View):
    """What the report is called, and what it judges."""

    title: Annotated[str, Field(min_length=1, max_length=300)] = Field(
        description="of the document"
    )
    claims: str = Field("", description="YAML file of an earlier study's claims, or nothing")
    conditions: list[dict] = Field(
        [], description="what must hold: {what, path of results.json, at_least, at_most}"
    )
    brief: bool = Field(
        False, description="whether it ends with what the assignment asks (docs/assignment.md)"
    )


STAGES = {
    "train": Train,
    "failures": Failures,
    "gradcam": Gradcam,
    "compare": Compare,
    "report": Report,
}
# a notebook's name, in notebooks/ and in a study's folder
STEMS = {stage: f"0{number}_{stage}" for number, stage in enumerate(STAGES, 1)}


def check(stage: str, values: dict, origin: dict | None = None) -> Stage:
    """The stage's parameters, checked; raises ParameterError with one line for every mistake.

    `origin` says where each value came from, for the message.
    """
    model, origin = STAGES[stage], {str(key): source for key, source in (origin or {}).items()}
    lines = [
        f"parameters: {name}: missing, every parameter must be set"
        for name in model.model_fields
        if name not in values
    ]
    try:
        checked = model.model_validate({str(key): value for key, value in values.items()})
    except ValidationError as error:
        items = [item for item in error.errors(include_url=False) if item["type"] != "missing"]
        lines += [_line(model, item, origin) for item in items]
    if lines:
        raise ParameterError("\n".join(lines))
    return checked


def suggestion(name: str, known) -> str:
    """What may have been meant by an unknown name, else all that are known."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"


def _line(model, item: dict, origin: dict) -> str:
    name = str(item["loc"][0]) if item["loc"] else ""
    # a line break stays on its line
    where = ".".join(part if part.isprintable() else repr(part) for part in map(str, item["loc"]))
    source = f"{origin.get(name, 'parameters')}: " + (f"{where}: " if where else "")
    if item["type"] == "extra_forbidden":
        return f"{source}unknown parameter; {suggestion(name, model.model_fields)}"
    message = item["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    return source + message + (f" (got {item['input']!r})" if where else "")


def from_notebook(stage: str, names: dict) -> Stage:
    """The parameters that a notebook's `parameters` cell set, taken from its `globals()` and
    checked. The notebook shows what the library logs; the report, which is read, does not."""
    if stage != "report":
        to_stdout()
    return check(stage, {name: names[name] for name in STAGES[stage].model_fields if name in names})


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
        r"^[-+]?(([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+"
        r"|\.(inf|Inf|INF))$|^\.(nan|NaN|NAN)$"
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


def read_yaml(path, shown: str = "") -> dict:
    """Read a YAML mapping from a file (an empty file is an empty mapping); raises ParameterError,
    which calls the file `shown`, or by its path."""
    shown = shown or path
    try:
        # guard: utf-8
        with open(path, encoding="utf-8") as file:
            content = parse_yaml(file.read(), str(shown))
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{shown}: cannot be read ({error.__class__.__name__})") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ParameterError(
            f"{shown}: expected 'name: value' lines, found {type(content).__name__}"
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
    return check_entries(path, read_yaml(artefacts.ROOT / path, path), model, words)


def check_entries(source: str, content: dict, model: type[Entry], words: set[str]):
    """The same for content that was read from `source` before."""
    try:
        return model.model_validate({str(key): value for key, value in content.items()})
    except ValidationError as error:
        raise ParameterError(
            "\n".join(
                _entry_line(source, content, item, words)
                for item in error.errors(include_url=False)
            )
        ) from None


def entry_words(*models: type[Entry]) -> set[str]:
    """All field names of some models, as they are written in a file."""
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _entry_line(path, content, item: dict, known: set[str]) -> str:
    where, message = _where(content, item["loc"]), item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        message = f"unknown word; {suggestion(str(item['loc'][-1]), sorted(known))}"
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
