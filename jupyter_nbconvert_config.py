"""Read by `jupyter nbconvert` when it is called from this folder: it then finds --to report-html and --to report-pdf, of this checkout."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
