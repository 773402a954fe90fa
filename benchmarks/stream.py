"""Images that outgrow memory: peak resident memory while 2 GB of 224-px images are trained on and
predicted, and what reading costs.

    python benchmarks/stream.py [--folder FOLDER] [--images 13300] [--steps 200]

The set is made in FOLDER unless it is there. Fails when more than a gigabyte was resident. The
result is added to benchmarks/results/stream.json."""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
SIDE, CLASSES, BATCH, WIDTH, LIMIT_GB = 224, 20, 16, 16, 1.0
SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


def make(folder: Path, images: int) -> None:
    """Arrays of the phantom's scenes, enlarged seven times, in the layout of docs/data.md."""
    import numpy as np

    from lib.data.phantom import draw

    for split, share in SHARES.items():
        made = draw.generate(split, round(images * share), 0)
        with open(folder / f"{split}_images.npy", "wb") as file:
            np.lib.format.write_array_header_1_0(
                file,
                {
                    "descr": "|u1",
                    "fortran_order": False,
                    "shape": (len(made.images), 3, SIDE, SIDE),
                },
            )
            for image in made.images:
                file.write(image.repeat(SIDE // 32, 1).repeat(SIDE // 32, 2).tobytes())
        np.save(folder / f"{split}_labels.npy", made.labels)
    (folder / "classes.txt").write_text(
        "".join(f"{name}\n" for name in draw.CLASS_NAMES[:CLASSES]), encoding="utf-8"
    )


def forget(folder: Path) -> None:
    """Have the system drop what it keeps of the files in memory, so that they are read from the
    disk."""
    for path in folder.glob("*.npy"):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cost(folder: Path, steps: int) -> dict:
    """Seconds and peak memory of everything a training does with the images, in this process."""
    import torch

    from lib.base.artefacts import ROOT
    from lib.base.config import Train, defaults
    from lib.data import augment, dataset
    from lib.training import inference, loop, machine

    def peak():
        # GB of a billion bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6 * 1.024

    def timed(work):
        began = time.monotonic()
        return work(), time.monotonic() - began

    machine.set_deterministic(1)
    p = Train(
        **defaults(ROOT / "notebooks/01_train.ipynb")
        | {
            "data": "folder",
            "root": str(folder),
            "image_size": SIDE,
            "data_seed": 0,
            "train_size": 0,
            "val_size": 0,
            "test_size": 0,
            "network": "resnet18",
            "width": WIDTH,
            "batch_size": BATCH,
            "cutmix_probability": 0.5,
            "device": "cpu",
            "precision": "auto",
        }
    )
    found = {"started_gb": peak()}
    splits, found["first_load_s"] = timed(lambda: dataset.load_for(p.model_dump()))
    _, found["load_s"] = timed(lambda: dataset.load_for(p.model_dump()))
    _, found["proof_s"] = timed(lambda: augment.proof(splits, p.seed, p.augment))
    found["loaded_gb"] = peak()
    device = torch.device("cpu")
    with tempfile.TemporaryDirectory() as place:
        state = loop.start(
            p, splits, place, device, machine.choose_precision(p.precision, device), "none"
        )
        state.step = -(-len(splits.train) // BATCH) - steps  # the last steps of an epoch
        forget(folder)
        _, seconds = timed(lambda: loop.train_epoch(state))
    found |= {
        "trained_images": int(state.totals[2]),
        "loop_images_per_s": float(state.totals[2]) / seconds,
        "trained_gb": peak(),
    }
    forget(folder)
    _, seconds = timed(
        lambda: inference.logits(
            state.model, splits.test.images, splits.mean, splits.std, state.precision
        )
    )
    found |= {"predicted_images_per_s": len(splits.test) / seconds, "peak_gb": peak()}
    batch = splits.train.images[:BATCH]
    draws = augment.draw_augmentation(0, 0, splits.train.index[:BATCH], True, SIDE)
    ready = augment.training_batch(batch, draws, splits.mean, splits.std)
    _, seconds = timed(
        lambda: [
            loop.train_step(state, ready, splits.train.labels[:BATCH], step) for step in range(20)
        ]
    )
    found["step_images_per_s"] = 20 * BATCH / seconds
    for name, before in (
        ("pipeline_from_disk", lambda: forget(folder)),
        ("pipeline_from_the_systems_cache", lambda: None),
    ):
        before()
        _, seconds = timed(lambda: _pipeline(splits, 60))
        found[f"{name}_images_per_s"] = 60 * BATCH / seconds
    with tempfile.TemporaryDirectory() as place:
        count = write_pictures(Path(place) / "pictures")
        os.environ["XDG_CACHE_HOME"] = place
        _, seconds = timed(
            lambda: dataset.load("folder", Path(place) / "pictures", image_size=SIDE)
        )
    found |= {"decoded_pictures_per_s": count / seconds}
    return {name: round(value, 2) for name, value in found.items()}


def write_pictures(folder: Path, each: int = 100) -> int:
    """Photographs' size and compression, 500 x 375 px in JPEG; returns how many."""
    import numpy as np
    from PIL import Image

    from lib.data.phantom import draw

    images = draw.generate("test", each, 1).images
    for split in ("train", "test"):
        for name in ("one", "two"):
            (folder / split / name).mkdir(parents=True)
            for number, image in enumerate(images):
                picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).resize(
                    (500, 375), Image.Resampling.BICUBIC
                )
                picture.save(folder / split / name / f"{number}.jpg", quality=90)
    return 4 * each


def _pipeline(splits, batches: int) -> None:
    """Read and augment batches in an order that no epoch of the training had."""
    import torch

    from lib.base import random
    from lib.data import augment, streams

    order = torch.from_numpy(random.permutation(random.key(99), len(splits.train))).split(BATCH)[
        :batches
    ]
    for rows, batch in zip(order, streams.batches(splits.train.images, order)):
        augment.training_batch(
            batch,
            augment.draw_augmentation(0, 9, splits.train.index[rows], True, SIDE),
            splits.mean,
            splits.std,
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "stream-benchmark"
    )
    parser.add_argument("--images", type=int, default=13_300)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--measure", action="store_true", help="measure here, and print JSON")
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(cost(given.folder, given.steps)))
        return 0
    given.folder.mkdir(parents=True, exist_ok=True)
    if not (given.folder / "classes.txt").is_file():  # which is written last
        make(given.folder, given.images)
    size = sum(path.stat().st_size for path in given.folder.glob("*_images.npy"))
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [
                sys.executable,
                __file__,
                "--measure",
                "--folder",
                given.folder,
                "--steps",
                str(given.steps),
            ],
            capture_output=True,
            text=True,
            env=os.environ | {"XDG_CACHE_HOME": cache},
        )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return 1
    found = {
        "date": date.today().isoformat(),
        "set_gb": round(size / 1e9, 2),
        **json.loads(done.stdout.splitlines()[-1]),
    }
    for name, value in found.items():
        print(f"{name:40} {value}")
    place = Path(__file__).parent / "results" / "stream.json"
    kept = json.loads(place.read_text()) if place.is_file() else []
    place.write_text(json.dumps([*kept, found], indent=1) + "\n")
    if found["peak_gb"] > LIMIT_GB:
        print(f"{found['peak_gb']} GB were resident, more than {LIMIT_GB}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
