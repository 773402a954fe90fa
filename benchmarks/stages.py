"""How long the stages after training take, and how much memory: on the finished runs of a study,
one stage after the other.

    python benchmarks/stages.py [STUDY] [--outputs outputs]

Results go to a temporary folder; the study is only read. Appends to benchmarks/results/stages.json.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.base import artefacts, study_file
from lib.base.config import STEMS
from lib.explorer import loading
from lib.pipeline import parameters
from lib.training import machine  # noqa: E402


def timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=artefacts.ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", nargs="?", default="cifar100-small")
    parser.add_argument("--outputs", default="outputs")
    options = parser.parse_args()
    study = (artefacts.ROOT / options.outputs / options.study).resolve()
    arms = list(loading.finished(study))
    if not arms:
        sys.exit(f"{study}: holds no finished run; make train STUDY={options.study} makes them")
    seconds, peak = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / options.study
        chosen = study_file.read(options.study).chosen(arms)
        for task in parameters.tasks(chosen, folder):
            name = task.stage
            if name == "train":
                continue
            values = study_file.view(chosen, name, folder, runs=str(study))
            file = parameters.write(task, values)
            seconds[name] = timed(
                [
                    sys.executable,
                    "-c",
                    "import sys; from pathlib import Path; from lib.pipeline import execute; "
                    "execute.execute(*map(Path, sys.argv[1:]))",
                    f"notebooks/{STEMS[name]}.ipynb",
                    str(file),
                    f"{task.place}.ipynb",
                ]
            )
            peak[name] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        for kind in ("html", "pdf"):
            seconds[kind] = timed(
                [
                    sys.executable,
                    "-m",
                    "lib.export.__main__",
                    str(place / "05_report.ipynb"),
                    f"--{kind}",
                    str(place / f"report.{kind}"),
                ]
            )
    for name, value in seconds.items():
        print(
            f"{name:10s} {value:7.1f} s"
            + (f"   peak memory up to here {peak[name]:.1f} GB" if name in peak else "")
        )
    results = Path(__file__).parent / "results" / "stages.json"
    kept = json.loads(results.read_text()) if results.exists() else []
    kept.append(
        {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "study": options.study,
            "arms": len(arms),
            "seeds": max(map(len, chosen.seeds.values())),
            "processor": machine.processor(),
            "torch": torch.__version__,
            "seconds": seconds,
            "peak_gb_so_far": peak,
        }
    )
    artefacts.write_bytes(results, (json.dumps(kept, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
