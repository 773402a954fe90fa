"""Is the smoke report the same to the last byte wherever it is made?

    python benchmarks/surroundings.py [WORD in a surrounding]...

makes it of the released runs: plainly, then in each surrounding below, always in a checkout of its
own whose path has blanks and letters beyond ASCII. A report takes three minutes on an idle core.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import hostile  # noqa: E402

PARTS = ("lib", "notebooks", "params", "released/smoke", "tools", "requirements.in")
BARE = {"PATH": os.environ["PATH"]}
# In a namespace of its own root is nobody, and may write only where its files say so.
OTHER = ["unshare", "--user"] if os.getuid() == 0 else []


def surroundings(place: Path) -> dict[str, tuple[dict[str, str], list[str], bool]]:
    """By name: the variables, what a command begins with, and whether the checkout may be written
    to."""
    against = hostile.surroundings(place / "user")
    return {
        "plain": (BARE | {"HOME": str(place)}, [], True),
        "all of a user's settings": (against, [], True),
        "LANG=C and no HOME": (BARE | {"LANG": "C", "LC_ALL": "C"}, [], True),
        "a user other than root, a read-only checkout": (BARE | {"LANG": "C"}, OTHER, False),
    }


def checkout(folder: Path, may_write: bool) -> Path:
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / part, folder / part)
    if not may_write:
        for path in (folder, *folder.rglob("*")):
            path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    return folder


def report(place: Path, variables: dict[str, str], begin: list[str], may_write: bool) -> dict:
    """The sums of the report's two files."""
    project = checkout(place / "päth 图 x", may_write)
    words = ["-IS", "lib/base/environment.py", "-m", "lib", "report", "smoke", "--outputs"]
    result = subprocess.run(
        [*begin, sys.executable, *words, str(place / "outputs")],
        cwd=project,
        env=variables | {"REPORT_TIMES": "0"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if result.returncode:
        sys.exit(f"{place.name}: status {result.returncode}\n{result.stdout}{result.stderr}")
    return {
        name: hashlib.sha256((place / "outputs" / "smoke" / name).read_bytes()).hexdigest()
        for name in ("report.html", "report.pdf")
    }


def main(*words: str) -> int:
    plain, different = None, 0
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, how) in enumerate(surroundings(Path(folder)).items()):
            if plain and words and not any(word in name for word in words):
                continue
            began, place = time.monotonic(), Path(folder, str(number))
            place.mkdir()
            found = report(place, *how)
            plain = plain or found
            different += found != plain
            said = "the same bytes" if found == plain else f"DIFFERENT: {found}, plain {plain}"
            print(f"{name}: {said} ({time.monotonic() - began:.0f} s)", flush=True)
    return different


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
