"""Fonts of the system for what the report's own, DejaVu, cannot write: names come in any script."""

import logging
import warnings
from functools import lru_cache
from pathlib import Path

from matplotlib import font_manager, get_data_path
from matplotlib.ft2font import FT2Font

OWN = "DejaVu Sans"
# styles that prose is not set in
ODD = ("bold", "black", "heavy", "light", "thin", "italic", "oblique", "mono", "condensed")


def own_files() -> list[Path]:
    """DejaVu's files, which come with matplotlib. Beside them lies one that has a box for every
    letter: with it no letter would ever seem to be missing."""
    return sorted(Path(get_data_path(), "fonts", "ttf").glob("DejaVu*.ttf"))


def beyond(text: str) -> tuple[list[Path], str]:
    """The fewest fonts of the system that write what DejaVu cannot, and the letters that none of
    them has."""
    return _beyond("".join(sorted(set(filter(str.isprintable, text)) - _own_letters())))


@lru_cache
def _own_letters() -> set[str]:
    return _letters(Path(font_manager.findfont(OWN)))


@lru_cache
def _beyond(missing: str) -> tuple[list[Path], str]:
    found, left = [], set(missing)
    has = {path: left & _letters(path) for path in _of_the_system()} if left else {}
    while left:
        # of equal ones the plainest, then the first by name
        best = max(has, key=lambda path: len(has[path] & left), default=None)
        if best is None or not has[best] & left:
            break
        found.append(best)
        left -= has[best]
    return found, "".join(sorted(left))


def _of_the_system() -> list[Path]:
    paths = [Path(path) for path in font_manager.findSystemFonts()]
    # another edition of it would be taken for our own, by its name
    paths = [path for path in paths if not path.name.startswith("DejaVu")]
    return sorted(paths, key=lambda path: (any(odd in path.stem.lower() for odd in ODD), path.name))


def _letters(path: Path) -> set[str]:
    """What an outline font can write; nothing of one that is no such font."""
    try:
        with warnings.catch_warnings(action="ignore"):
            font = FT2Font(str(path))
        return set(map(chr, font.get_charmap())) if font.scalable else set()
    except (OSError, RuntimeError, ValueError):
        return set()


def families(text: str) -> list[str]:
    """The families that matplotlib is to write `text` with, DejaVu before all others."""
    found, _ = beyond(text)
    # that it has no bold, say, is nothing to tell
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    for path in found:
        font_manager.fontManager.addfont(path)
    return [OWN, *(FT2Font(str(path)).family_name for path in found)]
