"""The surroundings of everything that the project starts: its own, not the user's. Variables and
settings that other programs are told by (Python, Jupyter, matplotlib, pip, Dask, the locale) never
reach a result.

    python -IS lib/base/environment.py -m MODULE ARGUMENT...

is `python -m MODULE ARGUMENT...` in such surroundings; the standard library is all it needs.
"""

import ast
import atexit
import contextlib
import fcntl
import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# how the names of variables begin by which a user tells other programs what to do
FOREIGN = (
    *("PYTHON", "IPYTHON", "JUPYTER", "MPL", "MATPLOTLIB", "PIP_", "DASK_", "TQDM_", "TYPST_"),
    *("PAPERMILL_", "LC_", "LANG", "GIT_", "BASH_ENV", "ENV", "COLUMNS", "LINES"),
    *("CONDA", "_CONDA", "_CE_", "MAMBA", "FONTCONFIG_"),
)
# the project's own that are read by their presence, and how "no" is written there
FLAGS = {"REPORT_DEBUG", "REPORT_HEADLESS", "REPORT_RETRAIN", "REPORT_TENSORBOARD"}
NO = ("", "0", "no", "false", "off")
# Where the system looks for libraries first: a GPU's driver may be known by nothing else.
LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")
# of these, what decides no result: where byte code goes, which cluster is meant
HARMLESS = {
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED"),
    *("DASK_SCHEDULER_ADDRESS", "DASK_SCHEDULER_FILE"),
}
ENTERED = "REPORT_SURROUNDINGS"  # the process whose surroundings they were made for
NOWHERE = os.devnull  # a place where no settings are
TEMPORARY, ALIVE = "stress-test-", "alive"  # folders, and a file that is locked by their process
YOUNG = 60  # seconds in which a folder may have no lock yet
OWN = {
    "PYTHONPATH": str(ROOT),
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONUTF8": "1",
    "LC_ALL": "C.UTF-8",
    "MATPLOTLIBRC": NOWHERE,
    "IPYTHONDIR": NOWHERE,
    "JUPYTER_CONFIG_DIR": NOWHERE,
    "JUPYTER_DATA_DIR": NOWHERE,
    "PIP_CONFIG_FILE": NOWHERE,
    # a debugger's warning on every kernel start
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
# pip's settings that say how the network is reached; what is installed is the lock's, by its hashes
REACH = {
    *("index-url", "extra-index-url", "find-links", "no-index", "cert", "client-cert", "proxy"),
    *("trusted-host", "default-timeout", "timeout", "retries", "disable-pip-version-check"),
}


def neutral(variables) -> dict[str, str]:
    """The environment without what is foreign, and with what is the project's own."""
    # guard: foreign-variables
    kept = {
        name: value
        for name, value in variables.items()
        if name in HARMLESS or not name.startswith(FOREIGN) or _reach(name)
    }
    # guard: no-means-no
    kept = {name: kept[name] for name in kept if name not in FLAGS or not _is_no(kept[name])}
    kept |= {name: _not_condas(kept[name], variables) for name in LIBRARIES if name in kept}
    # guard: own-variables
    kept |= OWN
    return kept


def _not_condas(folders: str, variables) -> str:
    """Folders of libraries without those of an active conda, whose libstdc++ would be loaded in
    the place of the system's; its own Python finds them by itself."""
    bases = [
        value for name, value in variables.items() if name.startswith("CONDA_PREFIX") and value
    ]
    # guard: no-library-of-condas
    kept = [
        folder
        for folder in folders.split(os.pathsep)
        if not any(Path(folder).is_relative_to(base) for base in bases)
    ]
    return os.pathsep.join(kept)


def _is_no(value: str) -> bool:
    return value.strip().lower() in NO


def _reach(name: str) -> bool:
    return name.startswith("PIP_") and name[4:].lower().replace("_", "-") in REACH


def enter(command: list[str], again: bool = False) -> None:
    """Go on as `python COMMAND...` in neutral surroundings; nothing happens where they are."""
    # A process does so once, and keeps its number: matplotlib, for one, sets variables of its own.
    # guard: enters-once
    if os.environ.get(ENTERED) == str(os.getpid()):
        quiet_fonts()
        return _keep_fonts()
    wanted = neutral(os.environ)
    if command[:2] == ["-m", "pip"] and os.environ.get("PIP_CONFIG_FILE") != NOWHERE:
        wanted = _reached() | wanted
    if again or wanted != dict(os.environ):
        wanted[ENTERED] = str(os.getpid())
        os.execve(sys.executable, [sys.executable, *command], wanted)


def _reached() -> dict[str, str]:
    """How the user's pip reaches the network, as variables."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True
    )
    found = {}
    for line in asked.stdout.splitlines():
        name, _, value = line.partition("=")
        name = name.rpartition(".")[2]
        if name in REACH:
            found[f"PIP_{name.upper().replace('-', '_')}"] = ast.literal_eval(value)
    return found


@contextlib.contextmanager
def of_a_kernel():
    """Within the block a kernel `python3` is this Python, in neutral surroundings, with a folder of
    its own for what Jupyter and IPython write. Yields what its manager is told: to speak through
    sockets of that folder, for a port that is chosen now may be another program's a moment later,
    and a kernel without its port hangs."""
    before = dict(os.environ)
    # the system lets a socket's path have a hundred characters
    place = None if len(tempfile.gettempdir()) < 70 else "/tmp"
    with _temporary(place) as folder:
        spec = Path(folder, "kernels", "python3", "kernel.json")
        spec.parent.mkdir(parents=True)
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        told = {"argv": command, "display_name": "Python 3", "language": "python"}
        spec.write_text(json.dumps(told), encoding="utf-8")
        # guard: own-kernel
        own = dict.fromkeys(("IPYTHONDIR", "JUPYTER_PATH", "JUPYTER_RUNTIME_DIR"), folder)
        # or matplotlib would say in the notebook that it has nowhere to keep its list of fonts
        own |= {} if _can_keep() else {"MPLCONFIGDIR": folder}
        try:
            _replace(neutral(before) | own)
            yield {"transport": "ipc", "ip": str(Path(folder, "socket"))}
        finally:
            _replace(before)


@contextlib.contextmanager
def _temporary(place: str | None = None):
    """A folder while this process lives; those that killed processes left go first."""
    place = place or tempfile.gettempdir()
    for alive in Path(place).glob(f"{TEMPORARY}*/{ALIVE}"):
        # where it is locked, or another user's, it stays
        with contextlib.suppress(OSError), open(alive, "r+") as file:
            if time.time() - alive.stat().st_mtime > YOUNG:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # guard: what-killed-processes-left
                shutil.rmtree(alive.parent, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory("", TEMPORARY, place, ignore_cleanup_errors=True) as folder,
        open(Path(folder, ALIVE), "w") as file,
    ):
        with contextlib.suppress(OSError):
            # guard: alive-while-it-lives
            fcntl.flock(file, fcntl.LOCK_EX)
        yield folder


def quiet_fonts() -> None:
    """Where a user draws for the first time and the machine is slow, matplotlib would say so, in
    what a notebook shows as well."""
    # guard: no-word-of-fonts
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


def _keep_fonts() -> None:
    """A folder for matplotlib's list of fonts while this process lives, where its user has none:
    or matplotlib would say so in two lines."""
    if not _can_keep():
        kept = contextlib.ExitStack()
        with contextlib.suppress(OSError):
            os.environ["MPLCONFIGDIR"] = kept.enter_context(_temporary())
            atexit.register(kept.close)


def _can_keep() -> bool:
    """Whether this user's cache and configuration can be written to."""
    try:
        for place in (".cache", ".config"):
            (Path.home() / place / "matplotlib").mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=Path.home() / place / "matplotlib"):
                pass
    except (OSError, RuntimeError):
        return False
    return True


def _replace(variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


# The environment that make fills from the lock: done means that the project's imports work in it.

# looked for by every make, in some milliseconds
PACKAGES = (
    *("numpy", "scipy", "pandas", "matplotlib", "torch", "torchvision", "safetensors", "PIL"),
    *("papermill", "ipykernel", "nbconvert", "typst", "pydantic", "filelock", "sklearn"),
)
SETTLE = "from lib.base import environment; environment.settle()"


def whole() -> bool:
    """Does this Python find those packages? None is imported."""
    found = (importlib.util.find_spec(name) for name in PACKAGES)
    return all(spec and spec.origin for spec in found)


def settle() -> None:
    """Import what the project needs, then tell this Python where `lib` is, for notebooks that
    something else than make opens. Raises ImportError."""
    for room in ("study", "export.html", "export.pdf", "pipeline.execute", "explorer.app"):
        importlib.import_module(f"lib.{room}")
    packages = Path(sysconfig.get_path("purelib"))
    # within the checkout both move together
    inside = packages.is_relative_to(ROOT)
    place = os.path.relpath(ROOT, packages) if inside else str(ROOT)
    (packages / "stress-test.pth").write_text(f"{place}\n", encoding="utf-8")


def fill(folder: str) -> None:
    """Install the lock into the environment `folder`, made anew where it does not work. Raises
    SystemExit with one line."""
    # guard: an-environment-of-others
    if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        sys.exit(
            f"{folder}: does not work as it is, and is not yours to change; ask its owner for "
            "`make setup` and `chmod -R a+rX`, or make your own: make VENV=another-folder"
        )
    # guard: half-made-anew
    if not _runs(folder, "-Ic", "import pip", quiet=True):
        _new(folder)
    _install(folder)
    # guard: stamp-follows-imports
    if not _runs(folder, "-IS", __file__, "-c", SETTLE, quiet=True):
        _new(folder)
        _install(folder)
        if not _runs(folder, "-IS", __file__, "-c", SETTLE):
            sys.exit(f"{folder}: what was installed cannot be imported, see above")


def _install(folder: str) -> None:
    lock, command = str(ROOT / "requirements.txt"), "-m pip install --quiet --require-hashes -r"
    if not _runs(folder, "-IS", __file__, *command.split(), lock):
        sys.exit(f"{folder}: the packages of {lock} were not installed, see above")


def _runs(folder: str, *arguments: str, quiet: bool = False) -> bool:
    """Does that environment's Python end well?"""
    heard = {"stderr": subprocess.DEVNULL} if quiet else {}
    try:
        return not subprocess.run([f"{folder}/bin/python", *arguments], **heard).returncode
    except OSError:
        return False


def _new(folder: str) -> None:
    """Make an environment; one that is there is emptied before, if it is one of venv's."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        sys.exit(
            f"Python 3.11 to 3.13 is needed, {sys.executable} is another; name one: "
            "make PYTHON=python3.12"
        )
    made = os.path.isfile(f"{folder}/pyvenv.cfg")
    # guard: only-a-venv-is-emptied
    if not made and os.path.isdir(f"{folder}/bin") and os.listdir(f"{folder}/bin"):
        sys.exit(
            f"{folder}: does not work, and is no environment of venv: mend it, or name another"
        )
    print(f"{folder}: made {'anew' if made else 'with ' + sys.executable}", flush=True)
    command = [sys.executable, "-I", "-m", "venv", *(["--clear"] if made else []), folder]
    if subprocess.run(command).returncode:
        sys.exit(f"{folder}: venv failed, see above; on Debian: apt install python3-venv")


VERBS = {"whole": lambda: print("whole" if whole() else ""), "fill": fill}

if __name__ == "__main__":
    if sys.argv[1] in VERBS:
        VERBS[sys.argv[1]](*sys.argv[2:])
    else:
        enter(sys.argv[1:], again=True)
