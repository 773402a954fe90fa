"""Studies at the edge, through every stage after training: classes without a test image, no error
at all, and names of classes that something could take for other than text."""

import csv
import json
import os
import re

import made_up
import nbformat
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from parameters import parameters_cell
from small_runs import SETTINGS

from lib.base import artefacts, text
from lib.base.config import Train
from lib.data import dataset
from lib.training import loop, record

NAMES = [
    *("0", "007", "1e3", "True", "False", "nan", "NA", "null", "None", "-"),
    *("日本語の花", "中文植物花", "עברית", "a $5 b$", "#1 @x_y *z* 100%", "<b>&amp;"),
    *("oak_tree", "oak tree"),
    *("Tomato___Tomato_Yellow_Leaf_Curl_Virus", "Tomato___Tomato_mosaic_virus"),
]
STAGES = ("failures", "gradcam", "compare", "report")


def trained(outputs, arm: str, right: bool) -> None:
    """An untrained network's run on 12 test images of 20 classes; `right` makes every stored
    prediction right."""
    torch.set_num_threads(1)
    sizes = {"train": 60, "val": 15, "test": 12}
    params = Train(
        **SETTINGS
        | {f"{name}_size": size for name, size in sizes.items()}
        | {"outputs": str(outputs), "arm": arm, "epochs": 1, "milestones": []}
    )
    splits = dataset.load("phantom", sizes=sizes, seed=0)
    fingerprint = {"torch": "0", "threads": 1, "precision": "fp32", "device_name": "a machine"}
    state = loop.start(params, splits, record.folder(params), torch.device("cpu"), "fp32", "key")
    row = loop.train_epoch(state)
    loop.finish_epoch(state, row | loop.evaluate(state))
    run = record.publish(state, fingerprint, {"train": 1.0, "val": 0.0, "test": 0.0})
    if right:
        make_right(run)


def make_right(run) -> None:
    arrays = artefacts.read_arrays(run.path / "predictions.npz")
    for split in ("val", "test"):
        arrays[f"{split}_logits"][
            np.arange(len(arrays[f"{split}_labels"])), arrays[f"{split}_labels"]
        ] += 50
    artefacts.write_arrays(run.path / "predictions.npz", **arrays)
    info = record.read_record(run.path / "run.json")
    info["sha256"]["predictions.npz"] = artefacts.sha256_of(run.path / "predictions.npz")
    record.write_record(run.path / "run.json", info | {"val_accuracy": 1.0, "test_accuracy": 1.0})


def shown(stage: str, **values) -> str:
    """Run a notebook's cells in this process with other parameters; the Markdown that they
    show."""
    (notebook,) = artefacts.ROOT.glob(f"notebooks/0*_{stage}.ipynb")
    names, said = parameters_cell(stage) | values, []
    InteractiveShell.instance()  # to which the cells display
    for cell in nbformat.read(notebook, 4).cells:
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []):
            with capture_output() as captured:
                exec(compile(cell.source, str(notebook), "exec"), names)
            said += [output.data.get("text/markdown", "") for output in captured.outputs]
    return "\n".join(said)


@pytest.fixture(
    scope="module", params=[False, True], ids=["classes without a test image", "no error at all"]
)
def study(request, tmp_path_factory):
    outputs = tmp_path_factory.mktemp("outputs")
    with pytest.MonkeyPatch.context() as patch:
        made_up.laid_out(patch)
        return request.param, *made(outputs, request.param)


def made(outputs, right: bool) -> tuple[dict[str, str], dict]:
    """What each stage says of two arms, and the study's numbers."""
    before = os.getcwd()
    for arm in ("baseline", "cutmix"):
        trained(outputs, arm, right)
    values = {
        "study": "test",
        "outputs": str(outputs),
        "runs": str(outputs / "test"),
        "arms": {"baseline": [5], "cutmix": [5]},
    }
    fewer = {
        "gradcam": {"shown": 1, "diagnosed": 1, "planted": 20},
        "compare": {"bootstrap_draws": 100, "corruption_images": 0},
    }
    said = {
        stage: shown(
            stage, **values, **{name: value for name, value in fewer.get(stage, {}).items()}
        )
        for stage in STAGES
    }
    os.chdir(before)
    return said, json.loads((outputs / "test" / "results.json").read_text(encoding="utf-8"))


def test_every_stage_and_the_report_read_true(study):
    right, said, results = study
    report, arms = " ".join(said["report"].split()), results["compare"]["arms"]
    assert len(report) > 5_000 and not re.search(r"\b(nan|None|inf)\b", report)
    if right:
        assert (
            arms["baseline"]["test_accuracy"]["mean"]
            == arms["cutmix"]["test_accuracy"]["mean"]
            == 1
        )
        assert "There is no error to show." in report and "there is no cause to name." in report
    else:
        assert (
            0 < results["failures"]["arms"]["baseline"]["errors"] <= 12
            and "There is no error" not in report
        )
    assert "The predictions are identical on 12 of 12 images" in report


def test_names_of_any_kind_are_text_through_every_stage(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset.draw, "CLASS_NAMES", NAMES)
    said, _ = made(tmp_path, False)
    text.keep_apart([])
    tables = tmp_path / "test" / "tables"
    for name in ("errors", "selection", "verdicts-all"):
        with open(tables / f"{name}.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        # of so few errors there may be no verdict
        assert rows or name == "verdicts-all"
        assert {row["true"] for row in rows} <= set(NAMES), name
        assert {row["predicted"] for row in rows} <= set(NAMES), name
    assert len(said["report"]) > 5_000
