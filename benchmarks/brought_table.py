"""How long a large table of predictions takes: a CSV of a million rows of ten classes, read, taken
in as a run, and reported.

    python benchmarks/brought_table.py [ROWS] [CLASSES]

Prints CPU and wall seconds and the most memory of each step, a process each; fails where one holds
more than 8 GB. Beside the test rows there are 10,000 of validation; 100 bootstrap draws."""

import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
STAGES = ("02_failures", "03_gradcam", "04_compare", "05_report")
VALIDATION, BLOCK, LIMIT = 10_000, 50_000, 8.0
STUDY = """title: A large table
data: {source: none}
arms:
  one: {predictions: table.csv}
compare: {bootstrap_draws: 100}
"""


def write(folder: Path, rows: int, classes: int) -> None:
    """The project: the table, with probabilities of six digits, and the study."""
    import numpy as np

    generator = np.random.default_rng(0)
    names = [f"class_{number}" for number in range(classes)]
    with open(folder / "table.csv", "w", encoding="utf-8") as file:
        file.write(",".join(["split", "id", "label", *names]) + "\n")
        for split, size in (("val", VALIDATION), ("test", rows)):
            for start in range(0, size, BLOCK):
                count = min(BLOCK, size - start)
                scores, label = generator.normal(size=(count, classes)), np.arange(count) % classes
                scores[np.arange(count), label] += 2
                shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
                file.writelines(
                    f"{split},{split}/{start + row},{names[label[row]]},"
                    + ",".join(f"{share:.6g}" for share in of_row)
                    + "\n"
                    for row, of_row in enumerate(shares.tolist())
                )
    (folder / "params").mkdir()
    (folder / "params" / "large.yaml").write_text(STUDY, encoding="utf-8")
    (folder / "lib").symlink_to(ROOT / "lib")


def step(folder: Path, name: str) -> None:
    """The arms taken in, or one notebook."""
    import made_up

    from lib.base import artefacts, study_file

    artefacts.ROOT = folder
    study = study_file.read("large")
    if name == "arms":
        from lib.pipeline import arms

        return arms.take_in(study, "outputs")
    made_up.play(name, study_file.view(study, name.partition("_")[2], "outputs").model_dump())


def measured(folder: Path, name: str) -> float:
    """Run a step in a process of its own; print what it took and return its memory in GB."""
    began, child = time.monotonic(), os.fork()
    if not child:
        os.environ["REPORT_HEADLESS"] = "1"
        try:
            step(folder, name)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status, used = os.wait4(child, 0)
    held, seconds = used.ru_maxrss / 2**20, used.ru_utime + used.ru_stime
    wall = time.monotonic() - began
    print(f"{name:12}{seconds:6.0f} s of the processor, {wall:.0f} s, {held:.1f} GB", flush=True)
    return float("inf") if status else held


def main(rows: int = 1_000_000, classes: int = 10) -> int:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(folder, rows, classes)
        size = (folder / "table.csv").stat().st_size / 1e6
        print(f"{rows:,} rows of {classes} classes, {size:,.0f} MB", flush=True)
        return int(max(measured(folder, name) for name in ("arms", *STAGES)) > LIMIT)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
