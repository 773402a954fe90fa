"""YAML files that hold lists of entries, checked against a model: every mistake is one line with file and entry."""

import difflib

from pydantic import BaseModel, ConfigDict, ValidationError

from lib import runs
from lib.yamls import ParameterError, read_yaml


class Entry(BaseModel):
    """What every entry is: strict, unchangeable, without unknown words."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def read(path: str, model: type[Entry], words: set[str]):
    """The file at `path` (relative to the project or absolute) as a `model`; `words` are all words that its entries know.

    Raises ParameterError with one line for every mistake.
    """
    content = read_yaml(runs.ROOT / path)
    try:
        return model.model_validate({str(key): value for key, value in content.items()})
    except ValidationError as error:
        raise ParameterError(
            "\n".join(_line(path, content, item, words) for item in error.errors(include_url=False))
        ) from None


def words(*models: type[Entry]) -> set[str]:
    """All field names of some models, as they are written in a file."""
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _line(path, content, item: dict, known: set[str]) -> str:
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
