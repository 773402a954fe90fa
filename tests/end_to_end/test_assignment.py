"""A study made for an assignment ends with the section that says what was asked."""

import json

import made_up
import pytest

from lib.base import artefacts
from lib.pipeline import new

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_report_ends_with_what_the_assignment_asks(tmp_path, monkeypatch):
    made_up.laid_out(monkeypatch)
    arms = {"baseline": {"wrong": 0.3, "noise": 10}, "remedy": {"wrong": 0.3, "noise": 11}}
    (tmp_path / "claims.yaml").write_text(
        new.ASSIGNMENT["params/claims/{name}.yaml"].format(name="made-up"), encoding="utf-8"
    )
    made = made_up.splits([f"class_{number}" for number in range(5)], 0, 40)
    made_up.report(tmp_path, monkeypatch, made, arms, **{"04_compare": {"corruption_images": 0}})
    written = artefacts.read_json(tmp_path / "made-up" / "results.json")
    assert written["brief"] is False
    view = {
        "study": "made-up",
        "outputs": str(tmp_path),
        "runs": str(tmp_path / "runs"),
        "arms": {"baseline": [0], "remedy": [0]},
        "before": "baseline",
        "after": "remedy",
        "title": "Mine",
        "conditions": [],
        "claims": str(tmp_path / "claims.yaml"),
        "brief": True,
    }
    played = made_up.play("05_report", view)
    texts = [
        output["data"].get("text/markdown", "")
        for cell in played.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "data" in output
    ]
    (section,) = [text for text in texts if "## The assignment" in text]
    assert "Not met: " in section and "the official split" in section
    claims = json.loads((tmp_path / "made-up" / "results.json").read_text())["ledger"]["claims"]
    assert len(claims) == 3 and all(one["verdict"] != "not tested here" for one in claims.values())
    table = (tmp_path / "made-up" / "tables" / "brief.csv").read_text("utf-8")
    assert "exactly one remedy" in table
