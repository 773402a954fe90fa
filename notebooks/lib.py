"""Notebooks that something else than make opens find the project's `lib` here: the folder above."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
del sys.modules["lib"]
importlib.import_module("lib")
