"""docs/reliability.md and benchmarks/mutants.py name the same faults and tests, and these tests and guards exist."""
import ast
import re
import sys

import pytest

from lib.runs import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import mutants  # noqa: E402

TABLE = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in
         (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").splitlines() if re.match(r"\| .* \| `test_\w+\.py::", line)]


def test_every_row_of_the_table_is_a_mutant_and_every_mutant_a_row():
    assert [(fault, test.strip("`")) for fault, _, test in TABLE] == [(mutant.fault, mutant.test) for mutant in mutants.MUTANTS]
    assert all(expected for _, expected, _ in TABLE) and len({fault for fault, _, _ in TABLE}) == len(TABLE) > 60


@pytest.mark.parametrize("file", sorted({mutant.test.split("::")[0] for mutant in mutants.MUTANTS}))
def test_every_named_test_exists(file):
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    named = {re.sub(r"\[.*", "", mutant.test.split("::")[1]) for mutant in mutants.MUTANTS if mutant.test.startswith(f"{file}::")}
    assert named <= there


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.fault)
def test_the_guard_that_a_mutant_removes_is_there(mutant):
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1 and mutant.old != mutant.new
