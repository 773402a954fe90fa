"""The page that lists the studies, and the README's pictures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from documents import assert_nothing_runs_or_loads
from PIL import Image

from lib.base import artefacts
from lib.pipeline import index

sys.path.insert(0, str(artefacts.ROOT / "tools"))
import readme_figures  # noqa: E402

HOSTILE = '<script>alert(1)</script> & "quoted" \' 🦀'


def study(
    folder, name: str, title: str, end: str, low: float = 0.01, pdf: bool = True, p_value=0.01
) -> None:
    place = folder / name
    place.mkdir(parents=True)
    (place / "report.html").touch()
    if pdf:
        (place / "report.pdf").touch()
    artefacts.write_json(
        place / "05_report.ipynb",
        {"metadata": {"papermill": {"parameters": {"title": title}, "end_time": end}}},
    )
    arms = {
        arm: {"test_accuracy": {"mean": mean, "sd": None, "n": 1}}
        for arm, mean in (("baseline", 0.6), ("cutmix", 0.63))
    }
    artefacts.write_json(
        place / "results.json",
        {
            "compare": {
                "before": "baseline",
                "after": "cutmix",
                "arms": arms,
                "accuracy_change": {"estimate": 0.03, "low": low, "high": 0.05},
                "mcnemar": {"n": 1, "p_value": p_value},
            }
        },
    )


def test_studies_are_listed_newest_first_with_numbers_and_links(tmp_path):
    none = {"low": -0.01, "p_value": 0.2}
    study(tmp_path, "older", "An older study", "2026-01-01T10:00:59.1", pdf=False, **none)
    study(tmp_path, "newer", HOSTILE, "2026-02-01T10:00:59.1")
    (tmp_path / "unfinished").mkdir()
    assert index.main([str(tmp_path)]) == 0
    page = BeautifulSoup((tmp_path / "index.html").read_text(encoding="utf-8"), "html.parser")
    rows = [[cell.get_text(" ") for cell in row(["th", "td"])] for row in page.tbody("tr")]
    assert [row[1] for row in rows] == ["2026-02-01 10:00", "2026-01-01 10:00"] and rows[0][
        0
    ].startswith(HOSTILE)
    assert rows[0][2] == "baseline 60.0% CutMix 63.0%"
    assert rows[0][3] == "baseline to CutMix: +3.0 points, 95% interval +1.0 to +5.0"
    assert (
        rows[1][3]
        == "baseline to CutMix: no difference found: +3.0 points, 95% interval −1.0 to +5.0"
    )
    links = [link["href"] for link in page("a")]
    assert links == [
        "newer/report.html",
        "newer/report.html",
        "newer/report.pdf",
        "older/report.html",
        "older/report.html",
    ]
    # as the reports have it
    page.find("meta", {"http-equiv": True})["content"] += "; img-src data:"
    assert_nothing_runs_or_loads(page)


def test_a_change_that_interval_and_test_see_differently_is_open(tmp_path):
    study(tmp_path, "few", "Few images", "2026-01-01T10:00:59.1", p_value=0.125)
    assert index.main([str(tmp_path)]) == 0
    assert "baseline to CutMix: open: +3.0 points" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("broken", ["", "[]", '{"compare": {}}', '{"compare": {"arms": 3}}'])
def test_a_study_that_cannot_be_read_is_listed_and_said_to_be_so(tmp_path, broken):
    study(tmp_path, "good", "Good", "2026-01-01T10:00:59.1")
    study(tmp_path, "broken", "Broken", "2026-02-01T10:00:59.1")
    (tmp_path / "broken" / "results.json").write_text(broken)
    assert index.main([str(tmp_path)]) == 0
    text = BeautifulSoup(
        (tmp_path / "index.html").read_text(encoding="utf-8"), "html.parser"
    ).get_text(" ")
    assert "its results cannot be read" in text and "baseline 60.0%" in text


def test_no_study_is_said(tmp_path):
    assert "No study has a report yet." in index.page(index.studies(tmp_path))


def test_readme_pictures_are_small_whole_pixelled_and_the_same_each_time(
    tmp_path, capsys, monkeypatch
):
    # the explorer's picture wants a whole study
    monkeypatch.setattr(readme_figures.browser, "PROGRAM", None)
    pixels = np.random.default_rng(0).integers(0, 6, (32, 32, 3), dtype=np.uint8) * 40
    picture = Image.fromarray(pixels.repeat(48, 0).repeat(48, 1))
    (tmp_path / "figures").mkdir()
    for name in readme_figures.PICTURES:
        picture.save(tmp_path / "figures" / f"{name}.png")
    outcomes = []
    for _ in range(2):
        assert readme_figures.main([str(tmp_path), str(tmp_path / "docs")]) == 0
        outcomes.append(
            [(tmp_path / "docs" / f"{name}.png").read_bytes() for name in readme_figures.PICTURES]
        )
    assert outcomes[0] == outcomes[1] and all(len(content) < 60_000 for content in outcomes[0])
    with Image.open(tmp_path / "docs" / f"{readme_figures.PICTURES[0]}.png") as small:
        shown = np.asarray(small.convert("RGB"))
    assert (
        shown.shape[0] == 768
        and (shown.reshape(32, 24, 32, 24, 3) == shown[::24, ::24][:, None, :, None]).all()
    )
    capsys.readouterr()
    assert readme_figures.main([str(tmp_path / "nowhere"), str(tmp_path / "docs")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_nbconvert_finds_the_exporters_from_this_folder(tmp_path):
    notebook = {
        "cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Title"}],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    jupyter = str(Path(sys.executable).with_name("jupyter"))
    for kind, start in (("html", b"<!DOCTYPE"), ("pdf", b"%PDF-")):
        name = f"lib.export.{kind}.Report{kind.upper()}"
        command = [jupyter, "nbconvert", "--to", name, str(tmp_path / "a.ipynb")]
        result = subprocess.run(
            command, cwd=artefacts.ROOT, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        assert (tmp_path / f"a.{kind}").read_bytes().startswith(start)
