"""Execute committed notebooks in place, at their defaults: python tools/refresh.py NOTEBOOK...

Their parameters are those of the study smoke, written anew with the fields' descriptions. What is
written is the same, byte for byte, when nothing has changed.
"""

import os
import sys
import textwrap
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.base import artefacts, study_file  # noqa: E402
from lib.base.config import STAGES  # noqa: E402


def parameters_cell(stage: str) -> str:
    """A line for each parameter: its value in the study smoke, and what it means."""
    smoke = study_file.read("smoke")
    p = (
        study_file.train(smoke, "baseline", 0, "outputs")
        if stage == "train"
        else study_file.view(smoke, stage, "outputs", runs="released/smoke")
    )
    lines = []
    for name, field in STAGES[stage].model_fields.items():
        line = f"{name} = {getattr(p, name)!r}".replace("'", '"')
        whole, fits = f"{line}  # {field.description}", textwrap.wrap(field.description, 98)
        lines += [whole] if len(whole) <= 100 else [*(f"# {part}" for part in fits), line]
    return "\n".join(lines)


def refresh(path: Path) -> bool:
    """Run one notebook with its own folder as the working directory, as nbval does; True if its
    file changed."""
    before = path.read_bytes()
    notebook = nbformat.reads(before.decode(), as_version=4)
    stage = path.stem.partition("_")[2]
    for cell in notebook.cells if stage in STAGES else ():
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = parameters_cell(stage)
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
