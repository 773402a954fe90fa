"""Read by `jupyter nbconvert` when it is called from this folder: it finds the exporters."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
