"""docs/data.md followed to the letter: pictures of 224 px through every stage to the report."""

import json
import re

import folder_of_pictures
import made_up
import numpy as np
import project
import pytest
import torch
from PIL import Image

from lib.base import artefacts, study_file
from lib.base.config import STEMS
from lib.base.text import escape
from lib.training import machine

DOCS = (artefacts.ROOT / "docs" / "data.md").read_text(encoding="utf-8")
SMALL = [
    ("width", "16"),
    ("batch_size", "8"),
    ("epochs", "1"),
    ("precision", "fp32"),
    ("device", "cpu"),
]
LESS = {
    "failures": {},
    "gradcam": {"probed": 2, "diagnosed": 1, "planted": 0},
    "compare": {"corruption_images": 2},
    "report": {},
}
(FILE,) = re.findall(r"```yaml\n(# params/flowers.yaml\n.*?)```", DOCS, re.S)


def test_the_example_is_a_study_that_make_knows(tmp_path):
    copy = project.copied(tmp_path)
    (copy / "params" / "flowers.yaml").write_text(FILE, encoding="utf-8")
    folder_of_pictures.write(copy / "photos", {"train": 4, "test": 2})
    planned = project.make(copy, "-n", "report", "STUDY=flowers")
    assert planned.returncode == 0, planned.stderr
    assert "lib run flowers train --arm cutmix --seed 42" in planned.stdout
    assert len(FILE.splitlines()) - 1 <= 8


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The example with few pictures and one epoch; its folder, and the executed notebooks by
    stage."""
    folder, played = tmp_path_factory.mktemp("own"), {}
    pictures = folder_of_pictures.write(folder / "photos", {"train": 8, "test": 3})
    (folder / "params").mkdir()
    text = FILE.replace("root: photos", f"root: {pictures}")
    (folder / "params" / "flowers.yaml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("CIFAR100_ROOT", str(folder / "no-reviews"))
        patch.setattr(machine, "set_deterministic", torch.set_num_threads)
        with pytest.MonkeyPatch.context() as elsewhere:
            elsewhere.setattr(artefacts, "ROOT", folder)
            flowers = study_file.read("flowers")
        for arm in flowers.arms:
            values = study_file.train(flowers, arm, 42, str(folder), SMALL).model_dump()
            played[arm] = made_up.play("01_train", values)
        for stage, small in LESS.items():
            values = study_file.view(flowers, stage, str(folder)).model_dump() | small
            with pytest.MonkeyPatch.context() as drawing:
                if stage != "gradcam":
                    made_up.laid_out(drawing)
                played[stage] = made_up.play(STEMS[stage], values)
    return folder / "flowers", played


def test_a_study_of_224_px_runs_to_its_report(study):
    folder, played = study
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert results["study"]["image_size"] == 224 and results["study"]["sizes"] == {
        "train": 22,
        "val": 2,
        "test": 9,
    }
    assert results["gradcam"]["cells"] == [7, 7] and results["gradcam"]["completeness_error"] < 1e-4
    assert results["study"]["proof"] == {
        arm: {"train": 1.0, "val": 0.0, "test": 0.0} for arm in ("baseline", "cutmix")
    }
    assert results["compare"]["robustness"]["images"] == 2
    text = "".join(
        output["data"].get("text/markdown", "")
        for cell in played["report"].cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "display_data"
    )
    for said in (
        "torchvision's stem",
        "inputs of 224 px",
        "the folder photos",
        "have 7×7 cells at layer4",
        "These classes have no superclasses",
    ):
        assert escape(said) in text or said in text, said
    assert "superclass (0%" not in text and "3×3 stem" not in text
    files = (folder / "tables" / "errors.csv").read_text(encoding="utf-8")
    assert "file" in files.splitlines()[0] and "test/" in files.splitlines()[1]


def test_a_map_lies_over_its_picture_cell_by_cell(study):
    """The figure of maps, read back: the cells of the drawn map are 32 px of 224."""
    folder, _ = study
    from lib.report.pictures import overlay

    maps = np.load(folder / "maps.npz")["baseline"][0, 0]
    drawn = overlay(np.zeros((3, 224, 224), np.uint8), maps, float(np.abs(maps).max()))
    assert maps.shape == (7, 7) and drawn.shape == (224, 224, 3)
    cells = drawn.reshape(7, 32, 7, 32, 3)
    assert (cells == cells[:, :1, :, :1]).all() and len(
        np.unique(cells[:, 0, :, 0].reshape(49, 3), axis=0)
    ) > 10
    with Image.open(folder / "figures" / "gradcam.png") as figure:
        assert min(figure.size) >= 192
