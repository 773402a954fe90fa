"""What a notebook is given: its own defaults, parameter files and single values, laid over one another."""
import ast

import nbformat

from lib.yamls import parse_yaml, read_yaml


def gather(files: list[str], values: list[tuple[str, str]]) -> tuple[dict, dict]:
    """The parameters of all files and values, later ones over earlier ones, and where each came from."""
    layers = [(str(path), read_yaml(path)) for path in files]
    layers += [(f"-p {name}", {name: parse_yaml(value, f"-p {name}")}) for name, value in values]
    merged = {name: value for _, layer in layers for name, value in layer.items()}
    return merged, {name: source for source, layer in layers for name in layer}


def defaults(notebook) -> dict:
    """The literals of a notebook's `parameters` cell."""
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if "parameters" in cell.metadata.get("tags", [])]
    return {line.targets[0].id: ast.literal_eval(line.value) for cell in cells for line in ast.parse(cell.source).body}
