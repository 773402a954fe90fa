"""Tests import the project's lib, in the kernels that they start as well, and run without a display."""
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = str(ROOT)
os.environ.setdefault("MPLBACKEND", "agg")
os.environ["REPORT_HEADLESS"] = "1"
