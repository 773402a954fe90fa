"""Parameters as they are given, before they are checked: a notebook's defaults, files, single values, a study's arms and seeds."""

import ast
import json
import re
from pathlib import Path

from lib import runs
from lib.yamls import ParameterError, parse_yaml, read_yaml


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
    """A study's arms and seeds, as its study.mk lists them. Raises ParameterError for a study that there is not."""
    place = runs.ROOT / "params" / name / "study.mk"
    try:
        lists = dict(
            re.findall(r"^(ARMS|SEEDS) *:= *(.*)$", place.read_text(encoding="utf-8"), re.M)
        )
    except OSError:
        there = sorted(path.parent.name for path in place.parent.parent.glob("*/study.mk"))
        raise ParameterError(f"there is no study {name!r}; there are: {', '.join(there)}") from None
    return lists["ARMS"].split(), [int(seed) for seed in lists["SEEDS"].split()]
