"""Write params/NAME.yaml, a commented start of a study: what it must say, and every parameter that
it may say with its default and meaning. With --assignment, a study of CIFAR-10 that is ready to
run, and beside it the cases and the claims to fill in (docs/assignment.md).
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
  # an arm may be brought instead (docs/data.md): {{network: "my_net:build", weights: w.pt, mean: 0,
  # std: 1}}, or {{predictions: theirs.csv}}, where source may be none

# seeds: [42]  # of each arm; a sentence about a method needs three
# before: baseline  # the arm whose failures are looked at; not given: the first
# after: cutmix  # the arm that is held against it; not given: the second
# claims: ""  # {claims}
# cases: ""  # {cases}
# conditions: []  # {conditions}
"""

ASSIGNMENT = {
    "params/{name}.yaml": """\
# An assignment on CIFAR-10, for two CPU cores: where does a small network fail with confidence, and
# does one remedy help? docs/assignment.md walks through it. `make report STUDY={name}` makes it.
title: "{name}"
data: {{source: cifar10}}
train: {{width: 16, epochs: 20}}  # 50 epochs at most
arms:  # the second differs from the first in one parameter: the remedy
  baseline:
  remedy: {{cutmix_probability: 0.5}}
seeds: [42]
cases: params/cases/{name}.yaml  # failures, and what you think of each
claims: params/claims/{name}.yaml  # what you expect before you look
report: {{brief: true}}  # the last section holds the study against the assignment
compare: {{corruption_images: 1500}}
""",
    "params/cases/{name}.yaml": """\
# At least three test images that `baseline` gets wrong with confidence, and what you think of each.
# A first report names such errors, with the id of each; then take the # away, and make it again.
cases:
#  - {{id: 0, hypothesis: "background: sky fills the picture"}}
#  - {{id: 1, hypothesis: "look-alike: a cat with a dog's ears"}}
#  - {{id: 2, hypothesis: "label: two objects, and the other one is named"}}
""",
    "params/claims/{name}.yaml": """\
# What you expect, written before you look. Each claim has a rule for one number of results.json
# and its interval: it holds if the whole interval lies above or below a bound. Change them, add
# yours; params/claims/cifar100.yaml has many more.
about: What was expected of this study before it was made.
claims:
  # a direction: more of the test images are right
  - id: remedy-is-more-accurate
    statement: The remedy makes the network more accurate.
    only_at: []
    tests:
      - {{measured: compare.accuracy_change, unit: points, holds_if: {{above: 0}},
         contradicted_if: {{below: 0}}}}

  # a number, and how far from it still counts as the same
  - id: baseline-accuracy
    statement: The baseline gets 80% of the test images right.
    claimed: 80
    unit: percent
    only_at: []
    tests:
      - {{measured: compare.arms.baseline.test_accuracy, share_of: failures.test_images,
         tolerance: 3}}

  # a difference of two counts, as shares of all test images
  - id: fewer-confident-errors
    statement: With the remedy fewer errors are made at a confidence of 90% or more.
    only_at: []
    tests:
      - {{measured: "compare.confident_errors[arm=remedy].≥ 90%", count_of: failures.test_images,
         minus: "compare.confident_errors[arm=baseline].≥ 90%", unit: points,
         holds_if: {{below: 0}}, contradicted_if: {{above: 0}}}}
""",
}


def start(name: str) -> str:
    """The file's text."""
    meaning = {
        key: field.description
        for stage in STAGES.values()
        for key, field in stage.model_fields.items()
    }
    pictures = _lines("train", [key for key in SECTIONS["data"] if key not in ("source", "root")])
    pictures += _lines("compare", study_file.OF_COMPARE)
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
    parser.add_argument("--assignment", action="store_true", help="with cases and claims")
    options = parser.parse_args(arguments)
    name = study_file.plain(options.name)
    texts = (
        {path.format(name=name): text.format(name=name) for path, text in ASSIGNMENT.items()}
        if options.assignment
        else {f"params/{name}.yaml": start(name)}
    )
    for path in texts:
        if (artefacts.ROOT / path).exists():
            raise ParameterError(f"{path} is there already")
    for path, text in texts.items():
        artefacts.write_bytes(artefacts.ROOT / path, text.encode())
        print(path)
    return 0
