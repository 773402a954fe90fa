"""How the stages after training grow with test images and with classes: CPU seconds and peak memory
of every notebook and of the report.

    python benchmarks/scale.py [IMAGES...] [--classes CLASSES...] [--folder FOLDER]
    python benchmarks/scale.py --draw

Results go to benchmarks/results/scale.json, and docs/scale.png is drawn from there and the table
printed; --draw does only the latter. 125 million logits take a gigabyte on the disk.

Two made-up arms of one seed: run folders whose logits are noise with a peak, right for about three
images of four, and 10,000 validation images. The project's notebooks run over them as they are,
each in a process of its own, then the exporters. Two things are not as in a study: all test
pictures are one picture of 32x32 pixels (a million would take 3 GB, and no number above depends on
them), and the second part of a notebook that predicts anew is kept small (20 errors an arm are
probed and 8 pictures corrupted), because its cost is the network's. A stage that takes more than
LIMIT gigabytes, or grows faster in images than n log n, makes the command fail."""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
RESULTS, PICTURE = ROOT / "benchmarks" / "results" / "scale.json", ROOT / "docs" / "scale.png"
STAGES = ("02_failures", "03_gradcam", "04_compare", "05_report", "export")
ARMS = {"baseline": 0.28, "cutmix": 0.22}  # share of wrong images
VALIDATION = 10_000
LIMIT = 8.0  # GB of 2**30 bytes
ROWS = 10_000  # of logits made at a time
MORE = {
    "02_failures": {"mined": 10, "cases": ""},
    "03_gradcam": {"shown": 4, "diagnosed": 4, "probed": 20, "planted": 0},
    "04_compare": {
        "confidence_levels": [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99],
        "reject_below": 0.7,
        "target_risk": 0.1,
        "bootstrap_draws": 1000,
        "corruption_images": 8,
    },
    "05_report": {"title": "A synthetic study", "claims": "", "conditions": ""},
}


def splits_of(images: int, classes: int):
    """A data set without pictures: one picture of noise, as often as it is asked for."""
    import numpy as np
    import torch

    from lib.data import dataset

    picture = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    )
    train, val, test = (
        dataset.Split(
            picture.expand(size, 3, 32, 32), torch.arange(size) % classes, np.arange(size)
        )
        for size in (VALIDATION, VALIDATION, images)
    )
    groups = np.arange(classes) % 20
    return dataset.Splits(
        "cifar100",
        train,
        val,
        test,
        [f"class_{number}" for number in range(classes)],
        groups,
        [f"group_{number}" for number in np.unique(groups)],
        (0.5,) * 3,
        (0.25,) * 3,
        "0" * 64,
    )


def blocks(labels, classes: int, wrong: float, seed: int):
    """Logits float32, ROWS images at a time: noise, and a peak of random height over the label or,
    for a share `wrong`, another class."""
    import numpy as np

    random = np.random.default_rng(seed)
    for start in range(0, len(labels), ROWS):
        own = labels[start : start + ROWS]
        logits = random.standard_normal((len(own), classes), dtype=np.float32)
        top = np.where(
            random.random(len(own)) < wrong,
            (own + 1 + random.integers(0, classes - 1, len(own))) % classes,
            own,
        )
        logits[np.arange(len(own)), top] = 2 + math.log(classes) * random.uniform(0.5, 2, len(own))
        yield logits


def write_predictions(path: Path, splits, wrong: float, seed: int) -> None:
    """predictions.npz as lib.base.artefacts.write_arrays leaves it, without its logits ever being
    whole."""
    import zipfile

    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for split in ("val", "test"):
            part = getattr(splits, split)
            labels = part.labels.numpy()
            arrays = {
                "index": (part.index.shape, part.index.dtype, [part.index]),
                "labels": (labels.shape, labels.dtype, [labels]),
                "logits": (
                    (len(labels), len(splits.class_names)),
                    np.dtype(np.float32),
                    blocks(labels, len(splits.class_names), wrong, seed + (split == "val")),
                ),
            }
            for name, (shape, dtype, content) in arrays.items():
                with archive.open(f"{split}_{name}.npy", "w", force_zip64=True) as file:
                    header = {
                        "shape": shape,
                        "fortran_order": False,
                        "descr": np.lib.format.dtype_to_descr(dtype),
                    }
                    np.lib.format.write_array_header_1_0(file, header)
                    for block in content:
                        file.write(block.tobytes())


def write_runs(folder: Path, images: int, classes: int) -> None:
    import made_up
    import pandas as pd
    import torch
    from synthetic import FINGERPRINT, PARAMS

    from lib.base import artefacts
    from lib.model import resnet18
    from lib.training import record

    splits = splits_of(images, classes)
    for number, (arm, wrong) in enumerate(ARMS.items()):
        torch.manual_seed(number)
        place, model = folder / "runs" / arm / "seed-0", resnet18(classes, 2)
        write_predictions(place / "predictions.npz", splits, wrong, 10 * number)
        artefacts.write_weights(place / "model.safetensors", model)
        artefacts.write_table(
            place / "history.csv",
            pd.DataFrame(
                {
                    "epoch": [1, 2, 3],
                    **{
                        f"{part}_{what}": [1.0, 0.7, 0.4]
                        for what in ("loss", "accuracy")
                        for part in ("stream", "train", "val")
                    },
                }
            ),
        )
        record.write_record(
            place / "run.json",
            {
                "key": "made up",
                "params": PARAMS
                | made_up.SIZES
                | {"study": "scale", "arm": arm, "width": 2, "epochs": 3},
                "data_digest": splits.digest,
                "train_accuracy": 0.9,
                "classes": classes,
                "fingerprint": FINGERPRINT,
                "mean_lambda": None,
                "parameters": sum(one.numel() for one in model.parameters()),
                "commit": "unknown",
                "training_seconds": 1.0,
                "share_that_differs_between_two_readings": {"train": 0.99, "val": 0.0, "test": 0.0},
                "versions": {"torch": torch.__version__},
                "finished": "2020-01-01T00:00:00+00:00",
                "sha256": {name: artefacts.sha256_of(place / name) for name in record.FILES},
            },
        )


def do(stage: str, folder: Path, images: int, classes: int) -> None:
    """One stage, in this process, with one thread."""
    import nbformat
    import torch

    torch.set_num_threads(1)
    played = folder / "05_report.ipynb"
    if stage == "write":
        write_runs(folder, images, classes)
    elif stage == "export":
        from lib.export.html import ReportHTML
        from lib.export.pdf import ReportPDF

        notebook = nbformat.read(played, as_version=4)
        (folder / "report.html").write_text(ReportHTML().from_notebook_node(notebook)[0])
        (folder / "report.pdf").write_bytes(ReportPDF().from_notebook_node(notebook)[0])
    else:
        import made_up

        from lib.data import dataset

        splits = splits_of(images, classes)
        dataset.load_for = lambda *_: splits  # what the notebooks ask for the pictures
        view = {
            "study": "scale",
            "outputs": str(folder),
            "runs": str(folder / "runs"),
            "arms": {arm: [0] for arm in ARMS},
            "before": list(ARMS)[0],
            "after": list(ARMS)[1],
        }
        notebook = made_up.play(stage, view | MORE[stage])
        if stage == "05_report":
            nbformat.write(notebook, played)


def measured(stage: str, folder: Path, images: int, classes: int) -> dict:
    """The stage in a process of its own: seconds of CPU, which other work on the machine hardly
    changes, and of the clock, the start of Python with them; and the most memory it held, in GB."""
    command = [
        sys.executable,
        __file__,
        str(images),
        "--classes",
        str(classes),
        "--folder",
        str(folder),
        "--stage",
        stage,
    ]
    environment = os.environ | {
        "CIFAR100_ROOT": str(folder / "nothing"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
    }
    began = time.monotonic()
    with open(folder / f"{stage}.log", "w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        lines = said.read().splitlines()
    if process.returncode:
        sys.exit(
            "\n".join(
                [
                    f"{stage}, {images:,} images, {classes:,} classes: ended with "
                    f"{process.returncode}",
                    *lines[-20:],
                ]
            )
        )
    return {
        "stage": stage,
        "images": images,
        "classes": classes,
        "seconds": round(used.ru_utime + used.ru_stime, 1),
        "clock": round(time.monotonic() - began, 1),
        "peak_gb": round(used.ru_maxrss / 2**20, 2),
    }


def rows_of(folder: Path, images: int, classes: int):
    """The measurements of one size, one after the other; what was written is deleted."""
    place = Path(tempfile.mkdtemp(prefix=f"scale-{images}-{classes}-", dir=folder))
    try:
        measured("write", place, images, classes)
        for stage in STAGES:
            yield measured(stage, place, images, classes)
    finally:
        shutil.rmtree(place)


def faults(rows: list[dict]) -> list[str]:
    """What is more than LIMIT, and what grew faster than n log n from one number of images to the
    next."""
    found = [
        f"{row['stage']}, {row['images']:,} x {row['classes']:,}: {row['peak_gb']} GB"
        for row in rows
        if row["peak_gb"] > LIMIT
    ]
    seconds = {(row["stage"], row["classes"], row["images"]): row["seconds"] for row in rows}
    for (stage, classes, images), value in seconds.items():
        fewer = [
            one
            for of_stage, of_classes, one in seconds
            if (of_stage, of_classes) == (stage, classes) and one < images
        ]
        before = max(fewer, default=None)
        if before and value > 1.2 * seconds[stage, classes, before] * images * math.log(images) / (
            before * math.log(before)
        ):
            found.append(
                f"{stage}, {classes:,} classes: {seconds[stage, classes, before]} s for "
                f"{before:,} images, {value} s for {images:,}"
            )
    return found


def table(rows: list[dict]) -> str:
    """CPU seconds and peak memory, a row a size."""
    lines = [
        "| test images | classes | logits of an arm | " + " | ".join(STAGES) + " |",
        "|---" * (3 + len(STAGES)) + "|",
    ]
    for images, classes in sorted({(row["images"], row["classes"]) for row in rows}):
        cells = {
            row["stage"]: f"{row['seconds']:.0f} s, {row['peak_gb']:.1f} GB"
            for row in rows
            if (row["images"], row["classes"]) == (images, classes)
        }
        lines.append(
            f"| {images:,} | {classes:,} | {4 * images * classes / 2**30:.2f} GB | "
            + " | ".join(cells.get(stage, "") for stage in STAGES)
            + " |"
        )
    return "\n".join(lines)


def draw(rows: list[dict]) -> None:
    import matplotlib.pyplot as plt

    from lib.report import style

    style.apply()
    figure, axes = plt.subplots(
        2, len(STAGES), figsize=(11, 4.4), layout="constrained", sharex=True, sharey="row"
    )
    many = sorted({row["classes"] for row in rows})
    for column, stage in enumerate(STAGES):
        for colour, classes in zip(style.COLOURS, many):
            own = sorted(
                (row["images"], row["seconds"], row["peak_gb"])
                for row in rows
                if (row["stage"], row["classes"]) == (stage, classes)
            )
            for axis, values in zip(axes[:, column], list(zip(*own))[1:]):
                axis.loglog(
                    [images for images, *_ in own],
                    values,
                    "o-",
                    color=colour,
                    markersize=3,
                    label=f"{classes:,} classes",
                )
        ends = [min(row["images"] for row in rows), max(row["images"] for row in rows)]
        axes[0, column].loglog(
            ends,
            [5 * one * math.log(one) / (ends[0] * math.log(ends[0])) for one in ends],
            ":",
            color=style.GREY,
            label="n log n",
        )
        axes[1, column].axhline(LIMIT, color=style.GREY, linestyle=":", label=f"{LIMIT:.0f} GB")
        axes[0, column].set_title(stage)
        axes[1, column].set_xlabel("test images")
    axes[0, 0].set_ylabel("CPU seconds")
    axes[1, 0].set_ylabel("peak memory, GB")
    for axis in axes[:, 0]:
        axis.legend(fontsize=6)
    figure.savefig(PICTURE, dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--classes", nargs="+", type=int, default=[10, 100, 1_000])
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="for what is made up; deleted after each size",
    )
    parser.add_argument("--stage", choices=["write", *STAGES], help="do one stage here")
    parser.add_argument("--draw", action="store_true")
    given = parser.parse_args()
    if given.stage:
        return do(given.stage, given.folder, given.images[0], given.classes[0])
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    if not given.draw:
        for images in given.images:
            for classes in given.classes:
                for row in rows_of(given.folder, images, classes):
                    print(row, flush=True)
                    same = [
                        one
                        for one in rows
                        if [one[key] for key in ("stage", "images", "classes")]
                        != [row[key] for key in ("stage", "images", "classes")]
                    ]
                    rows = [*same, row]
                    RESULTS.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    draw(rows)
    print(table(rows))
    sys.exit("\n".join(faults(rows)) or 0)


if __name__ == "__main__":
    main()
