"""Read by `jupyter nbconvert` when it is called from this folder: it then finds the exporters in lib/."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
