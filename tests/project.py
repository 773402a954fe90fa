"""A copy of the project that a test may change and make, and what make does with it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 300  # none takes that long, but a make that should have been refused would go on for ever
PARTS = (
    "Makefile",
    "lib",
    "notebooks",
    "params",
    "tools",
    "requirements.txt",
    "requirements-test.txt",
    "requirements-cluster.txt",
)


def copied(folder: Path) -> Path:
    """`folder` with the project's parts; the environment that runs this test is the one to use."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        copy(ROOT / part, folder / part)
    for stamp, locks in (
        ("lock", "requirements.txt"),
        ("test", "requirements.txt requirements-test.txt"),
        ("cluster", "requirements.txt requirements-cluster.txt"),
    ):
        number = subprocess.run(
            f"cat {locks} | cksum", shell=True, cwd=ROOT, capture_output=True, text=True
        ).stdout.split()[0]
        (Path(sys.prefix) / f".{stamp}-{number}").touch()
    return folder


def study(
    project: Path, name: str, train: str = "", arms: str = "baseline", seeds: str = "0", **more
) -> Path:
    """Add a study of the phantom with the given YAML: `train` has lines of that section, `data` and
    others in `more` are whole sections; the arms change nothing."""
    sections = {"data": "{source: phantom}", "seeds": f"[{seeds.replace(' ', ', ')}]"} | more
    lines = [f"title: '{name}'", *(f"{section}: {text}" for section, text in sections.items())]
    lines += ["train:", *(f"  {line}" for line in train.splitlines())] if train else []
    lines += ["arms:", *(f"  {arm}:" for arm in arms.split())]
    path = project / "params" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def command(project: Path, *arguments: str) -> list[str]:
    return ["make", "-C", str(project), f"VENV={Path(sys.prefix)}", *arguments]


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without what an outer make or report left in it."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "REPORT_"))
    } | changes


def make(project: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(project, *arguments),
        capture_output=True,
        text=True,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
    )
