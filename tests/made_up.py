"""Made-up studies, small and whole: run folders on disk, and the project's own notebooks played
over them in this process."""

import nbformat
import nbformat.v4 as v4
import numpy as np
import pandas as pd
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from parameters import parameters_cell
from synthetic import FINGERPRINT, PARAMS

from lib.base import artefacts
from lib.data import dataset
from lib.model import resnet18
from lib.report import exhibits
from lib.training import record

NOTEBOOKS = artefacts.ROOT / "notebooks"
SIZES = {
    "train_size": 0,
    "val_size": 0,
    "test_size": 0,
    "data": "cifar100",
    "root": "",
    "image_size": 32,
    "data_seed": 0,
}
STAGES = {
    "02_failures": {"mined": 6, "cases": ""},
    # twenty are enough for a rule
    "03_gradcam": {"shown": 3, "diagnosed": 4, "planted": 20},
    "04_compare": {
        "confidence_levels": [0.5, 0.9, 0.99],
        "reject_below": 0.7,
        "target_risk": 0.2,
        "bootstrap_draws": 100,
        "corruption_images": 8,
    },
}

played: list[nbformat.NotebookNode] = []  # the notebooks of the last report


def splits(
    names: list[str], superclasses: int, images: int, name: str = "cifar100"
) -> dataset.Splits:
    """Noise in place of pictures; `superclasses` groups, or one class a group for 0."""
    random = np.random.default_rng(len(names))

    def split(size):
        pictures = (
            torch.from_numpy(random.integers(0, 256, (size, 3, 4, 4), dtype=np.uint8))
            .repeat_interleave(8, 2)
            .repeat_interleave(8, 3)
        )
        return dataset.Split(pictures, torch.arange(size) % len(names), np.arange(size))

    groups = np.arange(len(names)) % (superclasses or len(names))
    return dataset.Splits(
        name,
        split(20),
        split(images),
        split(images),
        names,
        groups,
        [f"group_{number}" for number in np.unique(groups)],
        (0.5,) * 3,
        (0.25,) * 3,
        "0" * 64,
    )


def logits(
    labels: np.ndarray, classes: int, wrong: float, seed: int, sure: float = 3.0
) -> np.ndarray:
    """Logits under which about a share `wrong` of the images is wrong, the same images for the same
    seed."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(len(labels), classes)).clip(-2, 2)
    top = np.where(
        random.random(len(labels)) < wrong,
        (labels + 1 + random.integers(0, classes - 1, len(labels))) % classes,
        labels,
    )
    scores[np.arange(len(labels)), top] = sure + 2 * random.random(len(labels))
    return scores.astype(np.float32)


def write_run(
    folder,
    made: dataset.Splits,
    arm: str,
    seed: int,
    wrong: float,
    noise: int,
    changed: dict | None = None,
    sure: float = 3.0,
) -> None:
    """A run folder as training leaves it; `noise` seeds the errors, so that two arms may share
    them."""
    torch.manual_seed(seed)
    place, classes = folder / arm / f"seed-{seed}", len(made.class_names)
    model = resnet18(classes, 2)
    arrays = {
        f"{split}_{what}": value
        for split in ("val", "test")
        for what, value in (
            ("index", getattr(made, split).index),
            ("labels", getattr(made, split).labels.numpy()),
            (
                "logits",
                logits(
                    getattr(made, split).labels.numpy(),
                    classes,
                    wrong,
                    noise + (split == "val"),
                    sure,
                ),
            ),
        )
    }
    artefacts.write_arrays(place / "predictions.npz", **arrays)
    artefacts.write_weights(place / "model.safetensors", model)
    artefacts.write_table(
        place / "history.csv",
        pd.DataFrame(
            {
                "epoch": [1, 2, 3],
                "learning_rate": [0.1, 0.1, 0.01],
                **{
                    f"{part}_{what}": [1.0, 0.7, 0.4 + 0.1 * seed]
                    for what in ("loss", "accuracy")
                    for part in ("stream", "train", "val")
                },
            }
        ),
    )
    parameters = (
        PARAMS
        | SIZES
        | {"study": "made-up", "arm": arm, "seed": seed, "width": 2, "epochs": 3}
        | (changed or {})
    )
    record.write_record(
        place / "run.json",
        {
            "key": "made up",
            "params": parameters,
            "data_digest": made.digest,
            "train_accuracy": 0.9,
            "classes": classes,
            "parameters": sum(one.numel() for one in model.parameters()),
            "fingerprint": FINGERPRINT,
            "mean_lambda": None,
            "share_that_differs_between_two_readings": {"train": 0.99, "val": 0.0, "test": 0.0},
            "versions": {"torch": torch.__version__},
            "finished": "2020-01-01T00:00:00+00:00",
            "commit": "unknown",
            "training_seconds": 1.0,
            "sha256": {
                name: artefacts.sha256_of(place / name)
                for name in ("model.safetensors", "history.csv", "predictions.npz")
            },
        },
    )


def laid_out(monkeypatch) -> None:
    """Figures are laid out from here on, and not rendered, which takes longer: for tests of what
    is told."""

    def draw(figure, *_, **__) -> bytes:
        if figure.stale:
            figure.draw_without_rendering()
        return b""

    monkeypatch.setattr(exhibits, "rendered", draw)


def play(notebook: str, values: dict) -> nbformat.NotebookNode:
    """One of the project's notebooks, executed in this process with `values` over its
    parameters."""
    played, shell = (
        nbformat.read(NOTEBOOKS / f"{notebook}.ipynb", as_version=4),
        InteractiveShell.instance(),
    )
    shell.reset(new_session=False)
    values_shown = []  # the values of last lines, which would be printed here
    shell.displayhook.write_output_prompt = shell.displayhook.finish_displayhook = lambda: None
    shell.displayhook.write_format_data = lambda bundle, metadata=None: values_shown.append(
        (bundle, metadata or {})
    )
    for cell in played.cells:
        if cell.cell_type != "code":
            continue
        if "parameters" in cell.metadata.get("tags", []):
            given = parameters_cell(notebook[3:]) | values
            cell.source = "\n".join(f"{name} = {value!r}" for name, value in given.items())
        with capture_output() as captured:
            result = shell.run_cell(cell.source)
        result.raise_error()
        shown = [(output.data, output.metadata or {}) for output in captured.outputs]
        shown += [values_shown.pop()] if values_shown else []
        cell.outputs = [
            v4.new_output("display_data", data=bundle, metadata=metadata)
            for bundle, metadata in shown
        ]
        if captured.stdout:
            cell.outputs.append(v4.new_output("stream", text=captured.stdout))
    return played


def report(
    folder,
    monkeypatch,
    made: dataset.Splits,
    arms: dict[str, dict],
    title: str = "A made-up study",
    cases: str = "",
    seeds=(0,),
    **stages,
) -> nbformat.NotebookNode:
    """Write the runs of `arms` (arm to `wrong`, `noise` and `changed` of `write_run`), play the
    stages, return the executed report."""
    monkeypatch.setattr(exhibits, "PIXELS_PER_INCH", 64)
    monkeypatch.setattr(dataset, "load_for", lambda *_: made)
    monkeypatch.setenv("CIFAR100_ROOT", str(folder / "no-reviews"))
    for arm, options in arms.items():
        for seed in seeds:
            write_run(
                folder / "runs",
                made,
                arm,
                seed,
                **options | {"noise": options.get("noise", 10) + 100 * seed},
            )
    view = {
        "study": "made-up",
        "outputs": str(folder),
        "runs": str(folder / "runs"),
        "arms": {arm: list(seeds) for arm in arms},
        "before": list(arms)[0],
        "after": [*arms, ""][1],
    }
    values = {**STAGES, "02_failures": STAGES["02_failures"] | {"cases": cases}}
    played[:] = [play(stage, view | more | stages.get(stage, {})) for stage, more in values.items()]
    played.append(play("05_report", view | {"title": title, "claims": "", "conditions": []}))
    return played[-1]
