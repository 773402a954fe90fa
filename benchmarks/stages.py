"""How long a report takes and each part of it, before and after a change, in one sitting.

    python benchmarks/stages.py [STUDY] [--before REVISION] [--times 3] [--test] [--environment]

Each time is one `make report` into an empty folder, of the revision in a checkout of its own and of
this one in turn; its own lines say the seconds of the parts, and make those of the rest. Appends to
benchmarks/results/stages.json and prints a table: fewest, median and most seconds, and their ratio.
"""

import argparse
import contextlib
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from lib.base import artefacts  # noqa: E402
from lib.training import machine  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "stages.json"
LINE = re.compile(r"^(\S+?): (?:[\d.]+ MB in )?([\d.]+) s$", re.M)
WHOLE, CPU = "whole report", "whole report, CPU"
CORES = 2


def run(tree: Path, *command: str) -> tuple[str, float, float]:
    """What a command in a checkout says, its seconds, and those of its CPU."""
    surroundings = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    began, used = time.perf_counter(), cpu()
    done = subprocess.run(command, cwd=tree, env=surroundings, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout, time.perf_counter() - began, cpu() - used


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(tree: Path, study: str, venv: Path) -> dict[str, float]:
    """Seconds of one report, and of its parts; of several trainings their sum."""
    with tempfile.TemporaryDirectory() as folder:
        words = f"STUDY={study}", f"OUTPUTS={folder}", f"VENV={venv}"
        said, seconds, used = run(tree, "make", "report", *words)
    rows = {}
    for name, of_part in LINE.findall(said):
        part = Path(name).name.removesuffix(".ipynb").replace("train", "trainings")
        rows[part] = rows.get(part, 0.0) + float(of_part)
    return dict(sorted(rows.items())) | {WHOLE: seconds, CPU: used}


def once(tree: Path, options: argparse.Namespace) -> dict[str, float]:
    """All rows of one checkout, measured once."""
    rows = report(tree, options.study, options.venv)
    if options.test:
        rows["whole test"] = run(tree, "make", "test", f"VENV={options.venv}")[1]
    if options.environment:
        with tempfile.TemporaryDirectory() as folder:
            command = sys.executable, "-IS", "lib/base/environment.py", "fill", f"{folder}/.venv"
            rows["environment, packages cached"] = run(tree, *command)[1]
    return rows


@contextlib.contextmanager
def checkout(revision: str):
    """A folder with that revision. Ends where its packages are others: make would install them."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "before"
        run(ROOT, "git", "worktree", "add", "--detach", str(tree), revision)
        try:
            if (tree / "requirements.txt").read_bytes() != (ROOT / "requirements.txt").read_bytes():
                sys.exit(f"{revision} has another requirements.txt: it needs its own environment")
            (tree / "data").symlink_to(ROOT / "data")
            yield tree
        finally:
            run(ROOT, "git", "worktree", "remove", "--force", str(tree))


def measured(sides: dict[str, Path], options: argparse.Namespace) -> dict[str, dict]:
    """By side and row the seconds of each time; the sides take turns."""
    found = {side: {} for side in sides}
    for number in range(options.times):
        for side, tree in sides.items():
            for row, seconds in once(tree, options).items():
                found[side].setdefault(row, []).append(round(seconds, 2))
            print(f"{number + 1} of {options.times}, {side}: {found[side][WHOLE][-1]:.0f} s")
    return found


def table(found: dict[str, dict]) -> str:
    """Markdown: a row a part; fewest, median and most seconds a side, and before over after."""
    lines = [f"|  | {' | '.join(found)} | ratio |", f"| -- |{' -- |' * len(found)} -- |"]
    for row in found["after"]:
        sides = [of_side.get(row, []) for of_side in found.values()]
        cells = [spread(seconds) if seconds else "–" for seconds in sides]
        middle = [statistics.median(seconds) for seconds in sides if seconds]
        ratio = f"{middle[0] / middle[-1]:.2f}" if len(middle) == 2 and middle[-1] else "–"
        lines.append(f"| {row} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines)


def left(after: dict[str, list[float]]) -> str:
    """What another change could save: cores that wait, and what the parts do not account for."""
    middle = {row: statistics.median(seconds) for row, seconds in after.items()}
    seconds, used = middle[WHOLE], middle[CPU]
    return (
        f"Two cores wait for {1 - used / CORES / seconds:.0%} of a report: with none waiting it "
        f"would take {used / CORES:.0f} s in place of {seconds:.0f} s."
    )


def spread(seconds: list[float]) -> str:
    return f"{min(seconds):.4g} / {statistics.median(seconds):.4g} / {max(seconds):.4g}"


def keep(found: dict[str, dict], options: argparse.Namespace) -> None:
    entry = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "study": options.study,
        "processor": machine.processor(),
        "revisions": {"before": options.before, "after": artefacts.commit()},
        "times": found,
    }
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    artefacts.write_bytes(RESULTS, (json.dumps([*kept, entry], indent=1) + "\n").encode())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", nargs="?", default="phantom")
    parser.add_argument("--before", metavar="REVISION", help="what this checkout is held against")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    parser.add_argument("--test", action="store_true", help="time make test as well")
    parser.add_argument("--environment", action="store_true", help="and a new environment")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        before = {"before": stack.enter_context(checkout(options.before))} if options.before else {}
        found = measured(before | {"after": ROOT}, options)
    print(table(found), left(found["after"]), sep="\n\n")
    keep(found, options)


if __name__ == "__main__":
    main()
