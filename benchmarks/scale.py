"""How the report's stages grow: seconds and peak memory against test images and classes, on synthetic logits of one arm.

    python benchmarks/scale.py [IMAGES...] [--classes CLASSES...]     each cell in a process of its own, which `cost` measures
"""
import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
STAGES = ("failures", "labels", "summary", "bootstrap")


def run_of(images: int, classes: int):
    """A made-up run: `images` test and 10,000 validation predictions, right for most images."""
    import numpy as np
    import pandas as pd

    from lib.predict import Predictions, Run

    def predictions(count, seed):
        rng = np.random.default_rng(seed)
        labels, logits = np.arange(count) % classes, rng.standard_normal((count, classes), dtype=np.float32)
        logits[np.arange(count), labels] += 4
        return Predictions(np.arange(count), labels, logits)

    history = pd.DataFrame({"epoch": [1], **{f"{where}_{what}": [0.5] for what in ("loss", "accuracy") for where in ("stream", "train", "val")}})
    return Run(Path("."), {"params": {"seed": 0}, "train_accuracy": 0.9}, history, predictions(10_000, 1), predictions(images, 0))


def cost(stage: str, images: int, classes: int) -> dict:
    """Seconds of the stage's main function, and the process's peak memory above what the logits themselves take."""
    from types import SimpleNamespace

    import numpy as np

    from lib import bootstrap, failures, labels, summary

    run = run_of(images, classes)
    names = [f"class {number}" for number in range(classes)]
    test, val = (SimpleNamespace(planted=None, files=None, index=part.index, labels=part.labels) for part in (run.test, run.val))
    splits = SimpleNamespace(class_names=names, superclass=np.zeros(classes, dtype=np.int64), superclass_names=["all"], test=test, val=val)
    work = {"failures": lambda: failures.errors(failures.test_table(run, splits)), "labels": lambda: labels.suspected_in([run], splits),
            "summary": lambda: summary.arm_numbers({0: run}), "bootstrap": lambda: bootstrap.resample({"arm": {0: run}}, {"arm": [1.0]}, 100)}
    began = time.monotonic()
    work[stage]()
    return {"stage": stage, "images": images, "classes": classes, "seconds": round(time.monotonic() - began, 1),
            "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2), "logits_gb": round(run.test.logits.nbytes / 2**30, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--classes", nargs="+", type=int, default=[10, 100, 1_000])
    parser.add_argument("--stage", choices=STAGES, help="measure one cell here, and print it as JSON")
    given = parser.parse_args()
    if given.stage:
        print(json.dumps(cost(given.stage, given.images[0], given.classes[0])))
        return
    print("| stage | images | classes | logits, GB | seconds | peak, GB |\n|---|---|---|---|---|---|")
    for stage in STAGES:
        for images in given.images:
            for classes in given.classes:
                cell = [sys.executable, __file__, str(images), "--classes", str(classes), "--stage", stage]
                done = subprocess.run(cell, capture_output=True, text=True)
                found = json.loads(done.stdout) if done.returncode == 0 else None
                result = f"{found['logits_gb']} | {found['seconds']} | {found['peak_gb']}" if found else f"failed: {done.stderr.splitlines()[-1:]} | |"
                print(f"| {stage} | {images:,} | {classes:,} | {result} |", flush=True)


if __name__ == "__main__":
    main()
