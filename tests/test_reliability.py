"""docs/reliability.md and benchmarks/mutants.py name the same faults, and what they name exists."""

import ast
import re
import sys

import pytest

from lib.base.artefacts import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import mutants  # noqa: E402

TABLE = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| .* \| `test_\w+\.py::", line)
]
GUARDS = mutants.guards(ROOT)
PLACES = {name: place for name, *place in GUARDS}


def test_every_row_of_the_table_is_a_mutant_and_every_mutant_a_row():
    assert [(fault, test.strip("`")) for fault, _, test in TABLE] == [
        (mutant.fault, mutant.test) for mutant in mutants.MUTANTS
    ]
    assert (
        all(expected for _, expected, _ in TABLE)
        and len({fault for fault, _, _ in TABLE}) == len(TABLE) > 60
    )


@pytest.mark.parametrize("file", sorted({mutant.test.split("::")[0] for mutant in mutants.MUTANTS}))
def test_every_named_test_exists(file):
    tree = ast.parse(mutants.place(ROOT, file).read_text(encoding="utf-8"))
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    named = {
        re.sub(r"\[.*", "", mutant.test.split("::")[1])
        for mutant in mutants.MUTANTS
        if mutant.test.startswith(f"{file}::")
    }
    assert named <= there


def test_every_guard_stands_in_the_source_once_and_belongs_to_a_mutant():
    named = {mutant.guard for mutant in mutants.MUTANTS}
    assert sorted(name for name, *_ in GUARDS) == sorted(named)


@pytest.mark.parametrize("name, path, comment", GUARDS, ids=[name for name, *_ in GUARDS])
def test_a_guard_begins_below_its_comment_in_the_same_column(name, path, comment):
    first, _, indent, _ = mutants.guarded(path, comment)
    lines = path.read_text(encoding="utf-8").split("\n")[comment - 1 : first - 1]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name)
    assert all(line.startswith(f"{indent}#") for line in lines)


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.fault)
def test_a_mutant_changes_its_file_and_python_can_be_read(mutant):
    path, comment = PLACES[mutant.guard]
    new, old = mutants.changed(path, comment, mutant.change), path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        new, old = ast.dump(ast.parse(new)), ast.dump(ast.parse(old))
    assert new != old
