"""The notebooks' form: thin, executed once from top to bottom at their defaults, parameters as
declared."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from lib import cutmix
from lib.base import study_file
from lib.base.config import STAGES, Stage, Train
from lib.training import record

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


def parameters_cell(cells):
    (marked,) = (cell for cell in cells if "parameters" in cell.metadata.get("tags", []))
    return marked.source


def declared(cells):
    """What the parameters cell sets, read without running it."""
    return {
        line.targets[0].id: ast.literal_eval(line.value)
        for line in ast.parse(parameters_cell(cells)).body
    }


def comments(source):
    """Of each name that a cell of plain assignments sets, the comment above or behind it."""
    found, above = {}, []
    for line in source.splitlines():
        code, _, comment = line.partition("#")
        above.append(comment.strip())
        if code.strip():
            found[code.split()[0]], above = " ".join(filter(None, above)), []
    return found


def test_parameters_are_one_cell_of_literals_without_a_riddle_for_papermill(cells):
    lines = parameters_cell(cells).splitlines()
    assert all("=" not in line.split("#", 1)[1] for line in lines if "#" in line)
    assert all(len(line) <= 100 for line in lines) and declared(cells)


@pytest.mark.parametrize("stage", STAGES)
def test_parameters_are_those_of_the_smoke_study_resolved(stage):
    path = FOLDER / f"0{list(STAGES).index(stage) + 1}_{stage}.ipynb"
    study = study_file.read("smoke")
    wanted = (
        study_file.train(study, "baseline", 0, "outputs")
        if stage == "train"
        else study_file.view(study, stage, "outputs", "released/smoke")
    )
    given = declared(nbformat.read(path, as_version=4).cells)
    assert given == wanted.model_dump() and list(given) == list(STAGES[stage].model_fields)


@pytest.mark.parametrize("stage", STAGES)
def test_parameters_are_explained_as_they_are_declared(stage):
    path = FOLDER / f"0{list(STAGES).index(stage) + 1}_{stage}.ipynb"
    said = comments(parameters_cell(nbformat.read(path, as_version=4).cells))
    for name, field in STAGES[stage].model_fields.items():
        assert said[name] == field.description if field.description else said[name], name


def test_the_explorer_takes_the_place_of_a_study_alone():
    given = declared(nbformat.read(EXPLORER, as_version=4).cells)
    assert set(given) == set(Stage.model_fields)
    Stage.model_validate(given)


def test_executed_once_from_top_to_bottom(cells):
    assert [cell.execution_count for cell in code(cells)] == list(range(1, len(code(cells)) + 1))


def test_cells_are_thin(cells):
    for cell in code(cells):
        if "parameters" not in cell.metadata.get("tags", []):
            assert len(cell.source.splitlines()) <= 10, cell.source
        assert not re.search(r"^\s*(def|class) ", cell.source, re.M), cell.source
        assert not cell.source.rstrip().endswith(";"), cell.source


def test_cells_are_formatted(cells, path, tmp_path):
    for number, cell in enumerate(code(cells)):
        (tmp_path / f"cell_{number}.py").write_text(cell.source + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "100"]
    done = subprocess.run([*command, "--diff", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


DOORS = {"open_run", "open_study"}  # of lib.study


def imported(cells):
    """The names that import statements bind, and the modules that they come from."""
    names = {}
    for cell in code(cells):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                of = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                names |= {each.asname or each.name: of + each.name for each in node.names}
    return names


def used(cells):
    """The names whose attributes or values some cell asks for."""
    return {
        node.id
        for cell in code(cells)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Name)
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem, indirect=True)
def test_few_names_are_imported_and_each_is_used(cells):
    names = imported(cells)
    assert len(DOORS & set(names)) == 1 and len(set(names) - DOORS) <= 8, names
    assert set(names) <= used(cells)


@pytest.mark.parametrize(
    "stage, modules",
    [("01_train", {"lib.model", "lib.cutmix"}), ("03_gradcam", {"lib.gradcam"})],
)
def test_network_cutmix_and_maps_are_seen_where_they_are_used(stage, modules):
    cells = nbformat.read(FOLDER / f"{stage}.ipynb", as_version=4).cells
    assert modules <= set(imported(cells).values())


def test_the_batches_that_training_announces_are_those_that_were_trained():
    """The cell that tells the mean lambda beforehand, run for an arm whose record is there."""
    info = record.read_record(
        FOLDER.parent / "released" / "smoke" / "cutmix" / "seed-0" / "run.json"
    )
    p = Train(**record.todays(info["params"]))
    (cell,) = (
        cell.source
        for cell in code(nbformat.read(FOLDER / "01_train.ipynb", as_version=4).cells)
        if "draw_for_step" in cell.source
    )
    splits = type("Splits", (), {"train": range(p.train_size)})
    names = {"p": p, "cutmix": cutmix, "splits": splits, "print": lambda *_: None}
    exec(cell, names)
    assert len(names["lambdas"]) == info["mixed_batches"] > 0
    assert sum(names["lambdas"]) / len(names["lambdas"]) == pytest.approx(info["mean_lambda"])


def test_begins_with_what_it_is_for(cells):
    assert cells[0].cell_type == "markdown" and re.match(r"# (0\d|Explore) ", cells[0].source)
    assert "rites" in cells[0].source


def test_prints_something_to_check_and_nothing_went_wrong(cells):
    assert (
        sum(
            len(cell.outputs)
            for cell in code(cells)
            if "nbval-ignore-output" not in cell.metadata.get("tags", [])
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
