"""Parameters that pass: of the notebooks, and one set a stage."""

import ast

import nbformat

from lib.base.artefacts import ROOT

TRAIN = {
    "study": "smoke",
    "outputs": "outputs",
    "arm": "baseline",
    "seed": 0,
    "data": "phantom",
    "root": "",
    "image_size": 32,
    "data_seed": 42,
    "train_size": 100,
    "val_size": 40,
    "test_size": 0,
    "network": "resnet18",
    "width": 8,
    "epochs": 4,
    "milestones": [2, 3],
    "batch_size": 50,
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "augment": True,
    "cutmix_probability": 0.0,
    "cutmix_alpha": 1.0,
    "label_smoothing": 0.0,
    "mixup_probability": 0.0,
    "mixup_alpha": 1.0,
    "cutout_size": 0,
    "schedule": "steps",
    "precision": "auto",
    "device": "auto",
    "threads": 1,
    "strict_resume": False,
}
VIEW = {
    "study": "smoke",
    "outputs": "outputs",
    "runs": "released",
    "arms": {"a": [0, 1], "b": [0, 1]},
    "before": "a",
    "after": "b",
}
COMPARE = VIEW | {
    "confidence_levels": [0.5, 0.9],
    "reject_below": 0.7,
    "target_risk": 0.1,
    "equivalence_margin": 0.01,
    "bootstrap_draws": 1000,
    "corruption_images": 100,
    "metadata": "",
    "outside": "",
    "claims": "",
}
FAILURES = VIEW | {"mined": 6, "cases": ""}
GRADCAM = VIEW | {
    "shown": 3,
    "diagnosed": 4,
    "probed": 0,
    "planted": 0,
    "quick": False,
}
REPORT = VIEW | {"title": "A title", "claims": "", "conditions": [], "brief": False}
BASES = {
    "train": TRAIN,
    "failures": FAILURES,
    "gradcam": GRADCAM,
    "compare": COMPARE,
    "report": REPORT,
}


def parameters_cell(stage):
    """The defaults in the stage's notebook, read without the library."""
    (notebook,) = ROOT.glob(f"notebooks/0*_{stage}.ipynb")
    (cell,) = (
        cell
        for cell in nbformat.read(notebook, 4).cells
        if "parameters" in cell.metadata.get("tags", [])
    )
    return {
        line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse(cell.source).body
    }
