"""The pictures of docs/original-study.md draw the numbers of results.json, and nothing else."""

import sys

import pytest

from lib.base import artefacts

sys.path.insert(0, str(artefacts.ROOT / "tools"))
import original_study  # noqa: E402


def effect(name, given, estimate):
    ends = {"estimate": estimate, "low": estimate - 0.01, "high": estimate + 0.01}
    return {"effect": name, "given": given, "test_accuracy": ends}


def number(claim, arm, unit, claimed, estimate, reproduced=False):
    ends = {"estimate": estimate, "low": estimate, "high": estimate}
    row = {"id": claim, "arm": arm, "unit": unit, "claimed": claimed, "reproduced": reproduced}
    return row | ends


@pytest.fixture
def results():
    return {
        "compare": {
            "arms": {"baseline": {}, "none": {}},
            "ablation": [
                effect("crop and flip", "nothing else", 0.14),
                effect("CutMix", "crop and flip", 0.02),
                effect("CutMix", "crop and flip and label smoothing", 0.5),
                effect("label smoothing", "crop and flip", 0.01),
                effect("CutMix × label smoothing", "crop and flip", -0.005),
                effect("all together", "nothing else", 0.165),
            ],
        },
        "ledger": {
            # the same networks tested in another way are not drawn
            "candidates": {"baseline": {}, "none": {}, "best_seed": {}},
            "claims": {"gain": {"claimed": "+15 points"}},
            "numbers": [
                number("gain", "baseline", "points", 15.0, 2.0),
                number("baseline-errors", "baseline", "images", 4000, 2000),
                number("cutmix-errors", "baseline", "images", 2400, 2400, True),
                number("gain", "none", "points", 15.0, 16.0, True),
                number("gain", "best_seed", "points", 15.0, 3.0),
                number("baseline-errors", "none", "images", 4000, 4000, True),
            ],
        },
    }


def dots(axis):
    return [
        (line.get_xdata()[0], line.get_markerfacecolor() != "white")
        for line in axis.lines
        if line.get_marker() == "o"
    ]


def test_points_are_shown_as_differences_counts_as_ratios_hollow_where_not_reproduced(results):
    upper, lower = original_study.dumbbell(results).axes
    assert dots(upper) == [(-13.0, False), (1.0, True)]
    assert dots(lower) == [(0.5, False), (1.0, True)]
    assert [text.get_text() for text in upper.get_yticklabels()] == ["gain"]
    assert [text.get_text() for text in lower.get_yticklabels()] == ["errors"]


def test_the_parts_follow_one_another_and_add_up(results):
    (axis,) = original_study.parts(results).axes
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axis.patches]
    ends = [(0, 14), (14, 16), (16, 17), (17, 16.5), (0, 16.5)]
    assert [pytest.approx(pair) for pair in ends] == bars
    texts = [text.get_text() for text in axis.texts]
    assert texts == ["+14.0", "+2.0", "+1.0", "−0.5", "+16.5", "claimed of CutMix: +15 points"]


def test_both_pictures_are_written(tmp_path, results):
    artefacts.write_json(tmp_path / "results.json", results)
    assert original_study.main(str(tmp_path / "results.json"), str(tmp_path)) == 0
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "original-study-claims.png",
        "original-study-parts.png",
    ]
