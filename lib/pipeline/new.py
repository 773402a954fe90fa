"""Write params/NAME.yaml, a commented start of a study: what it must say, and every parameter that
it may say with its default and meaning.
"""

import argparse
import json
import textwrap

from lib.base import artefacts, study_file
from lib.base.config import STAGES, ParameterError
from lib.base.study_file import SECTIONS

HEAD = """\
# A study: what it must say, and commented out what it may say. `make report STUDY={name}` makes it;
# `python -m lib check {name}` finds mistakes before. Paths are relative to the project or absolute.
title: "{name}"

data:
  source: folder  # {source}
  root: photos  # its folders are the classes, docs/data.md
{pictures}
arms:  # an arm says in what its training differs
  baseline:
  cutmix: {{cutmix_probability: 0.5}}

# seeds: [42]  # of each arm; a sentence about a method needs three
# before: baseline  # the arm whose failures are looked at; not given: the first
# after: cutmix  # the arm that is held against it; not given: the second
# claims: ""  # {claims}
# cases: ""  # {cases}
# conditions: []  # {conditions}
"""


def start(name: str) -> str:
    """The file's text."""
    meaning = {
        key: field.description
        for stage in STAGES.values()
        for key, field in stage.model_fields.items()
    }
    pictures = _lines("train", [key for key in SECTIONS["data"] if key not in ("source", "root")])
    text = HEAD.format(name=name, source=meaning["data"], pictures=pictures, **meaning)
    for section in list(SECTIONS)[1:]:
        if SECTIONS[section]:
            text += f"\n# {section}:\n{_lines(section, SECTIONS[section])}"
    return text


def _lines(section: str, names) -> str:
    fields = STAGES[section].model_fields
    return "".join(_line(name, fields[name]) for name in fields if name in names)


def _line(name: str, field) -> str:
    value = "" if field.is_required() else json.dumps(field.default)
    line = f"  {name}: {value}  # {field.description}"
    return textwrap.fill(line, 99, initial_indent="# ", subsequent_indent="#     # ") + "\n"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib new", description=__doc__)
    parser.add_argument("name")
    name = parser.parse_args(arguments).name
    path = artefacts.ROOT / "params" / f"{study_file.plain(name)}.yaml"
    if path.exists():
        raise ParameterError(f"params/{name}.yaml is there already")
    artefacts.write_bytes(path, start(name).encode())
    print(f"params/{name}.yaml")
    return 0
