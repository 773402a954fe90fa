"""Execute committed notebooks in place, at their defaults: python tools/refresh.py NOTEBOOK...

What is written is the same, byte for byte, when nothing has changed.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.base import artefacts  # noqa: E402


def refresh(path: Path) -> bool:
    """Run one notebook with its own folder as the working directory, as nbval does; True if its
    file changed."""
    before = path.read_bytes()
    notebook = nbformat.reads(before.decode(), as_version=4)
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=None,
        record_timing=False,
        coalesce_streams=True,
        config=Config({"KernelManager": {"transport_encryption": "auto"}}),
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    notebook.metadata = {
        "kernelspec": {
            "name": "python3",
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
        },
        "language_info": {"name": "python"},
    }
    content = (nbformat.writes(notebook) + "\n").encode()
    artefacts.write_bytes(path, content)
    return content != before


if __name__ == "__main__":
    os.environ |= {"REPORT_HEADLESS": "1", "PYTHONPATH": str(artefacts.ROOT)}
    for name in sys.argv[1:]:
        print("changed  " if refresh(Path(name)) else "unchanged", name, flush=True)
