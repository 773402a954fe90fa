"""Parameters of every stage: declared once, checked before anything runs, and again inside the notebook."""

import difflib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lib.yamls import ParameterError

# guard: plain-names
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
NameOrNone = Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]{0,63})?$")]
Place = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$")]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Count = Annotated[int, Field(ge=1)]


class Stage(BaseModel):
    """What every notebook takes. `outputs` is the folder of all studies, relative to the project or absolute."""

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
        if (
            width < 16 and info.data.get("image_size", 32) > 32
        ):  # oneDNN's issue 6035, below 16 channels: seen to end the process at 56 px
            raise ValueError(
                "width must be at least 16 for images of more than 32 px: oneDNN's gradient of a narrower 1x1 convolution of "
                "stride 2 writes beyond its memory"
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

    `before` is the arm whose failures are looked at, `after` the one that is held against it: "" in a study of one arm.
    """

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
    """`shown` images get maps, `diagnosed` errors a card; `scored` are run folders of other phantoms.

    `probed` errors of each arm are probed, drawn at random, and those that get a card; 0 probes all.
    """

    layer: Literal["layer1", "layer2", "layer3", "layer4"]
    shown: Annotated[int, Field(ge=1, le=20)]
    diagnosed: Annotated[int, Field(ge=0, le=100)]
    scored: list[Place]
    probed: Annotated[int, Field(ge=0)]


class Compare(View):
    """`target_risk` is the share of errors among accepted predictions that a threshold chosen on val must keep.

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
    """`claims` is a file of an earlier study's claims, `conditions` one of this study's own; "" where there is none."""

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
    where = ".".join(
        part if part.isprintable() else repr(part) for part in map(str, item["loc"])
    )  # a line break stays on its line
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
    """The parameters that a notebook's `parameters` cell set, taken from its `globals()` and checked."""
    return check(stage, {name: names[name] for name in STAGES[stage].model_fields if name in names})
