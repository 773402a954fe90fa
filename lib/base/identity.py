"""What files hold, without reading them again: a digest of their names and contents. Which content
a file has is remembered by its size, times and inode, in the user's cache.

    python -IS lib/base/identity.py PLACE...

prints the digest of files and folders; the standard library is all it needs, and make asks it.
"""

import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A file that was written so lately may be written again within the same tick of the clock.
SETTLED_NS = 100_000_000


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stress-test"


def files(place: Path) -> list[str]:
    """All files below a folder, those aside whose names begin with a dot, in order; a folder that
    links lead to twice counts once. Of a file itself."""
    if not place.is_dir():
        return [str(place)] if place.exists() else []
    found, seen = [], set()
    for folder, below, names in os.walk(place, followlinks=True):
        told = os.stat(folder)
        # guard: walk-with-memory
        if (told.st_dev, told.st_ino) in seen:
            below.clear()
            continue
        seen.add((told.st_dev, told.st_ino))
        below[:] = sorted(name for name in below if not name.startswith("."))
        found += [os.path.join(folder, name) for name in sorted(names) if name[0] != "."]
    # a pipe would be waited for, and a link to nothing has no content
    # guard: content-of-files-alone
    found = list(filter(os.path.isfile, found))
    return found


def stamp(path) -> list[int]:
    """What a file that is written to changes of. Raises OSError."""
    told = os.stat(path)
    # guard: same-size-and-time
    return [told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino]


def contents(place: Path, paths: list[str]) -> list[str]:
    """SHA-256 of each file; `place` is what they belong to. Raises OSError."""
    name = hashlib.sha256(os.fsencode(place.resolve())).hexdigest()[:16]
    kept = cache_folder() / "contents" / f"{name}.json"
    known, found, now = _read(kept), {}, time.time_ns()
    for path in paths:
        told = stamp(path)
        before = known.get(path)
        if not before or before[0] != told:
            with open(path, "rb") as file:
                before = [told, hashlib.file_digest(file, "sha256").hexdigest()]
        found[path] = before
    settled = {path: entry for path, entry in found.items() if entry[0][2] < now - SETTLED_NS}
    if settled != known:
        _write(kept, settled)
    return [found[path][1] for path in paths]


def _read(kept: Path) -> dict:
    try:
        return json.loads(kept.read_bytes())
    except (OSError, ValueError):
        return {}


def _write(kept: Path, entries: dict) -> None:
    """A place that cannot be written to costs the next reading, and nothing else."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=kept.parent, delete=False) as file:
            json.dump(entries, file)
        os.replace(file.name, kept)
    except OSError:
        return


def of(places: list[str]) -> str:
    """The digest of what stands at these places, relative to the project or absolute, by the names
    below them. Raises OSError."""
    total = hashlib.sha256()
    for named in places:
        place = ROOT / os.path.expanduser(named)
        paths = files(place)
        base = place if place.is_dir() else place.parent
        for path, content in zip(paths, contents(place, paths)):
            total.update(os.fsencode(os.path.relpath(path, base)) + b"\0" + content.encode())
        total.update(b"\1")
    return total.hexdigest()[:16]


if __name__ == "__main__":
    try:
        print(of(sys.argv[1:]))
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")
