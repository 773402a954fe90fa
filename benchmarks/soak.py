"""A hundred kills at random moments, and the same bits at the end: make soak, or python
benchmarks/soak.py [KILLS] [SEED]

Four fifths hit a process that trains, evaluates or publishes a tiny run, which is started again
until it is done; one fifth hits make, its job or the job's kernel during `make train` of a study of
two arms. Each finished run is held against an undisturbed one: weights, predictions and history
(but for the clock) must be the same, no checkpoint may fall back, and no process may be left over.
"""

import hashlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = str(ROOT)

from lib.base import artefacts
from lib.base.config import Train  # noqa: E402
from lib.data import dataset
from lib.training import checkpoint, loop, record  # noqa: E402

PARAMS = dict(
    study="soak",
    arm="both",
    data="phantom",
    root="",
    image_size=32,
    data_seed=0,
    train_size=200,
    val_size=40,
    test_size=40,
    network="resnet18",
    width=2,
    epochs=12,
    milestones=[9],
    batch_size=20,
    learning_rate=0.05,
    momentum=0.9,
    weight_decay=5e-4,
    augment=True,
    cutmix_probability=0.5,
    cutmix_alpha=1.0,
    label_smoothing=0.1,
    mixup_probability=0.0,
    mixup_alpha=1.0,
    cutout_size=0,
    schedule="steps",
    precision="fp32",
    device="cpu",
    threads=1,
)
YAML = """\
title: soak
data: {source: phantom, train_size: 400, val_size: 40, test_size: 40}
train:
  {width: 2, epochs: 20, milestones: [14], batch_size: 20, learning_rate: 0.05,
   precision: fp32, device: cpu}
arms:
  baseline:
  cutmix: {cutmix_probability: 0.5, label_smoothing: 0.1}
seeds: [0]
"""
SIGNALS = [signal.SIGKILL] * 3 + [signal.SIGTERM, signal.SIGINT]
CLOCKS = ["seconds", "images_per_second"]
# torch is imported once, in a process that starts no threads
FORKS = multiprocessing.get_context("forkserver")


def one_run(outputs: Path, seed: int, seconds_between_checkpoints: float) -> None:
    """Train and publish, or go on with it; what the notebook 01 does."""
    torch.set_num_threads(1)
    loop.CHECKPOINT_SECONDS = seconds_between_checkpoints
    params = Train(**PARAMS, outputs=str(outputs), seed=seed)
    splits = dataset.load(
        "phantom", sizes={name: PARAMS[f"{name}_size"] for name in ("train", "val", "test")}, seed=0
    )
    state = loop.start(params, splits, record.folder(params), torch.device("cpu"), "fp32", "key")
    try:
        for _ in range(params.epochs - state.epoch):
            row = loop.train_epoch(state)
            loop.finish_epoch(state, row | loop.evaluate(state))
        record.publish(state, {}, {})
    except (loop.TrainingError, KeyboardInterrupt):  # asked to stop
        sys.exit(1)


def bits(folder: Path) -> str:
    """SHA-256 of what a finished run found: weights, predictions, history without the clock."""
    total = hashlib.sha256(artefacts.read_bytes(folder / "model.safetensors"))
    for name, array in sorted(artefacts.read_arrays(folder / "predictions.npz").items()):
        total.update(name.encode() + np.ascontiguousarray(array).tobytes())
    total.update(pd.read_csv(folder / "history.csv").drop(columns=CLOCKS).to_csv().encode())
    return total.hexdigest()


def progress(folder: Path) -> tuple[int, int]:
    found = checkpoint.read(folder, "key")
    return (found["epoch"], found["step"]) if found else (0, 0)


def kill_runs(outputs: Path, kills: int, chance: random.Random) -> dict:
    """Kill the processes of runs with the seeds 0, 1, ... until `kills` have hit; every run is
    finished and compared."""
    counted = {"kills": 0, "runs": 0, "different": 0, "fallen back": 0}
    while counted["kills"] < kills:
        seed, furthest = counted["runs"], (0, 0)
        folder = outputs / "killed" / "soak" / "both" / f"seed-{seed}"
        while not (folder / "run.json").exists():
            process = FORKS.Process(
                target=one_run, args=(outputs / "killed", seed, chance.choice((0, 0.02)))
            )
            process.start()
            if counted["kills"] < kills:
                process.join(chance.uniform(0.3, 1.2))
                if process.is_alive():
                    os.kill(process.pid, chance.choice(SIGNALS))
                    counted["kills"] += 1
            process.join()
            reached = (PARAMS["epochs"], 0) if (folder / "run.json").exists() else progress(folder)
            counted["fallen back"] += reached < furthest
            furthest = max(furthest, reached)
        undisturbed = FORKS.Process(target=one_run, args=(outputs / "undisturbed", seed, 60))
        undisturbed.start()
        undisturbed.join()
        counted["runs"] += 1
        counted["different"] += bits(folder) != bits(
            outputs / "undisturbed" / folder.relative_to(outputs / "killed")
        )
    return counted


def make(project: Path, outputs: Path) -> psutil.Popen:
    command = [
        "make",
        "-C",
        str(project),
        "train",
        "STUDY=soak",
        "JOBS=2",
        f"VENV={sys.prefix}",
        f"OUTPUTS={outputs}",
    ]
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "REPORT_"))
    }
    with open(project / "log", "a", encoding="utf-8") as log:
        return psutil.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=clean,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def kill_makes(project: Path, outputs: Path, kills: int, chance: random.Random) -> dict:
    """Signal make or one of its descendants until `kills` have hit; every study is finished and
    compared."""
    counted = {"kills": 0, "studies": 0, "different": 0, "left over": 0}
    if kills:
        make(project, outputs / "undisturbed").wait()
    while counted["kills"] < kills:
        study = outputs / f"killed-{counted['studies']}"
        done = False
        while not done:
            started = make(project, study)
            if counted["kills"] < kills:
                try:
                    started.wait(chance.uniform(1, 15))
                except psutil.TimeoutExpired:
                    family = [started, *started.children(recursive=True)]
                    number, hit = chance.choice(SIGNALS), chance.choice(family)
                    hit.send_signal(number)
                    counted["kills"] += 1
                    if hit.pid == started.pid:  # another job of make's ends by itself
                        counted["left over"] += len(psutil.wait_procs(family, 60)[1])
                except psutil.NoSuchProcess:  # it ended just before
                    pass
            done = started.wait() == 0
        counted["studies"] += 1
        counted["different"] += any(
            bits(outputs / "undisturbed" / run) != bits(study / run)
            for run in (Path("soak") / arm / "seed-0" for arm in ("baseline", "cutmix"))
        )
    return counted


def project_with_study(folder: Path) -> Path:
    """A copy of the project with the study `soak`: two arms, a minute's work at most."""
    for part in ("Makefile", "lib", "notebooks", "params", "tools", "requirements.txt"):
        subprocess.run(["cp", "-R", str(ROOT / part), str(folder / part)], check=True)
    (folder / "params" / "soak.yaml").write_text(YAML, encoding="utf-8")
    return folder


def main(kills: int = 100, seed: int = 0) -> int:
    chance, began = random.Random(seed), time.monotonic()
    FORKS.set_forkserver_preload(["lib.training.record", "torch._dynamo"])
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        (place / "project").mkdir()
        of_makes = kill_makes(
            project_with_study(place / "project"), place / "makes", kills // 5, chance
        )
        print(
            "make, its jobs and their kernels:",
            ", ".join(f"{name} {count}" for name, count in of_makes.items()),
            flush=True,
        )
        of_runs = kill_runs(place / "runs", kills - kills // 5, chance)
        print("trainings:", ", ".join(f"{name} {count}" for name, count in of_runs.items()))
    good = not any(of_runs[name] for name in ("different", "fallen back")) and not any(
        of_makes[name] for name in ("different", "left over")
    )
    print(
        f"{of_runs['kills'] + of_makes['kills']} kills in {time.monotonic() - began:.0f} s, seed "
        f"{seed}: " + ("every run ended with the bits of an undisturbed one" if good else "FAILED")
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
