"""How much one network's test accuracy says about its arm: the phantom study's schedule on seeds,
precisions and thread counts, and for twice as long.

    python benchmarks/stability.py [--seeds 1 2 3 4 5] [--jobs 2]
                                   [--conditions study fp32 bf16 two-threads twice]

Each condition trains both arms of the study on every seed. `study` is the study itself, in the
precision that `auto` takes here; every other condition changes one thing, and `twice` doubles the
epochs, over which a cosine of the learning rate is stretched, and the milestones of steps. A run
takes about 90 s of an idle core, one of `twice` twice that, and one in bf16 on a processor without
it ten times that. Finished runs are kept in outputs/bench-stability and not repeated; the table
goes to benchmarks/results/stability.json.
"""

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.base import artefacts, study_file  # noqa: E402
from lib.base.config import Train
from lib.training import machine, record

STUDY = "phantom"
PLACE = artefacts.ROOT / "outputs" / "bench-stability"
CONDITIONS = {
    "study": {},
    "fp32": {"precision": "fp32"},
    "bf16": {"precision": "bf16"},
    "two-threads": {"threads": 2},
    "twice": {},
}


def parameters() -> Train:
    """Those of the study's first run."""
    study = study_file.read(STUDY)
    arm = next(iter(study.arms))
    return study_file.train(study, arm, study.seeds[arm][0], str(PLACE))


def schedule(condition: str) -> dict:
    """What the condition changes in the study's parameters."""
    if condition != "twice":
        return CONDITIONS[condition]
    p = parameters()
    return {"epochs": 2 * p.epochs, "milestones": [2 * milestone for milestone in p.milestones]}


def train(condition: str, seeds: list[int], jobs: int) -> None:
    """Train what is not finished; a run that was cut off goes on."""
    arms = study_file.read(STUDY).arms
    runs = [f"{arm}/{seed}" for seed in seeds for arm in arms]
    values = [
        word
        for name, value in schedule(condition).items()
        for word in ("-p", name, json.dumps(value))
    ]
    command = [sys.executable, "-m", "lib", "train", STUDY, "--runs", *runs]
    command += ["--outputs", str(PLACE / condition), "--jobs", str(jobs), *values]
    subprocess.run(command, cwd=artefacts.ROOT, check=True)


def table(condition: str, seeds: list[int]) -> dict:
    """By arm: the test accuracies, seed by seed, and what they have in common."""
    arms = study_file.read(STUDY).arms
    runs = record.load_runs(PLACE / condition / STUDY, dict.fromkeys(arms, seeds))
    return {arm: summary([runs[arm][seed].info for seed in seeds]) for arm in arms}


def summary(records: list[dict]) -> dict:
    """Mean and standard deviation (n - 1; None of one seed) of test accuracy over seeds, and the
    machine's part: images a second and seconds of training, medians."""
    accuracy = np.array([info["test_accuracy"] for info in records])
    return {
        "test_accuracy": accuracy.tolist(),
        "mean": accuracy.mean(),
        "deviation": accuracy.std(ddof=1) if len(accuracy) > 1 else None,
        "clean_train_accuracy": [info["train_accuracy"] for info in records],
        "training_seconds": float(np.median([info["training_seconds"] for info in records])),
        "fingerprint": records[0]["fingerprint"],
        "parameters": record.content(records[0]["params"]),
    }


def told(condition: str, arm: str, row: dict) -> str:
    values = "  ".join(f"{value:.1%}" for value in row["test_accuracy"])
    spread = "" if row["deviation"] is None else f"  deviation {100 * row['deviation']:.1f} points"
    return f"{condition:12s} {arm:9s} {values}  mean {row['mean']:.1%}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    options = parser.parse_args()
    place = Path(__file__).parent / "results" / "stability.json"
    kept = json.loads(place.read_text()) if place.exists() else []
    for condition in options.conditions:
        train(condition, options.seeds, options.jobs)
        arms = table(condition, options.seeds)
        for arm, row in arms.items():
            print(told(condition, arm, row), flush=True)
        kept.append(
            {
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "condition": condition,
                "seeds": options.seeds,
                "processor": machine.processor(),
                "torch": torch.__version__,
                "arms": arms,
            }
        )
        artefacts.write_bytes(place, (json.dumps(kept, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
