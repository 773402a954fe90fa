"""The notebooks' form: thin, executed once from top to bottom at their defaults, parameters as
declared."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from lib.base.config import STAGES, Stage, check
from lib.pipeline.execute import defaults

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("0*.ipynb"))
EXPLORER = FOLDER / "explore.ipynb"


@pytest.fixture(params=[*NOTEBOOKS, EXPLORER], ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return nbformat.read(path, as_version=4).cells


def code(cells):
    return [cell for cell in cells if cell.cell_type == "code"]


def outputs(cells):
    return [output for cell in code(cells) for output in cell.outputs]


def test_there_is_one_notebook_a_stage_in_order():
    assert [path.stem for path in NOTEBOOKS] == [
        f"0{number}_{stage}" for number, stage in enumerate(STAGES, 1)
    ]


def test_there_is_no_other_notebook():
    assert sorted(FOLDER.glob("*.ipynb")) == [*NOTEBOOKS, EXPLORER]


def test_parameters_are_one_cell_of_literals_that_declare_every_field_and_pass_the_check(
    path, cells
):
    marked = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(marked) == 1
    # hides it from papermill
    assert all(
        "=" not in line.split("#", 1)[1] for line in marked[0].source.splitlines() if "#" in line
    )
    assert list(defaults(path)) == [line.targets[0].id for line in ast.parse(marked[0].source).body]
    if path == EXPLORER:  # no stage of a study: nothing is made from its parameters
        assert set(defaults(path)) == set(Stage.model_fields)
        Stage.model_validate(defaults(path))
    else:
        stage = path.stem.split("_", 1)[1]
        assert set(defaults(path)) == set(STAGES[stage].model_fields)
        check(stage, defaults(path))


def test_executed_once_from_top_to_bottom(cells):
    assert [cell.execution_count for cell in code(cells)] == list(range(1, len(code(cells)) + 1))


def test_cells_are_thin(cells):
    for cell in code(cells):
        if "parameters" not in cell.metadata.get("tags", []):
            assert len(cell.source.splitlines()) <= 12, cell.source
        assert not re.search(r"^\s*(def|class) ", cell.source, re.M), cell.source
        assert not cell.source.rstrip().endswith(";"), cell.source


def test_begins_with_what_it_is_for(cells):
    assert cells[0].cell_type == "markdown" and re.match(r"# (0\d|Explore) ", cells[0].source)
    assert "rites" in cells[0].source


def test_prints_something_to_check_and_nothing_went_wrong(cells):
    assert (
        sum(
            "nbval-ignore-output" not in cell.metadata.get("tags", []) and bool(cell.outputs)
            for cell in code(cells)
        )
        >= 3
    )
    for output in outputs(cells):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text


def test_tells_nothing_of_the_machine_it_ran_on(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/home/|/root/|/tmp/|/Users/|token=", text)


def test_is_as_small_as_its_pictures_allow(path):
    assert path.stat().st_size < 2_000_000
