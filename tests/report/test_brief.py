"""The last section holds a study against the assignment: each item is met by a study that has it,
and by none that lacks it."""

import copy

import pytest

from lib.base import artefacts
from lib.report.chapters import brief

TRAINED = {"one": {"other": ["MixUp"]}, "other": {"one": ["no MixUp"]}}


def case(number, why="named", right="no", confidence=0.95):
    first = {"one predicts": "cat", "one right": right, "one confidence": confidence}
    return {"id": number, "why": why, **first, "other predicts": "dog"}


@pytest.fixture
def results():
    """A study that has all that is asked, as far as the section reads results.json."""
    return {
        "brief": True,
        "study": {
            "data": "CIFAR-10",
            "sizes": {"train": 45_000, "val": 5_000, "test": 10_000},
            "changes": copy.deepcopy(TRAINED),
            "seeds": [42],
            "seeds_of_arms": {"one": [42], "other": [42]},
            "epochs_of_arms": [20, 50],
            "widths": [64],
        },
        "gradcam": {"images": 6, "cells": [4, 4], "rule": {}},
        "compare": {
            "before": "one",
            "after": "other",
            "ablation": None,
            "robustness": None,
            "cases": [case(3), case(4), case(5), case(9, why="mined")],
        },
    }


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    monkeypatch.setattr(brief.training, "limits", lambda results: results.get("limits", "One."))


def missed(results) -> list[str]:
    table = brief.table(results)
    return table["asked"][~table["met"]].tolist()


def test_a_study_with_all_that_is_asked_misses_nothing(results):
    assert missed(results) == []
    assert "has 9 of them" in brief.sentences(results) and "Not met" not in brief.sentences(results)
    assert brief.exhibits(results) == ["tables/brief"]


@pytest.mark.parametrize(
    "path, value, asked",
    [
        ("study.sizes.train", 4_000, "the official split"),
        ("study.sizes.test", 600, "the official split"),
        ("study.data", "the phantom", "the official split"),
        ("study.origins", {"one": "network"}, "trained from scratch"),
        ("study.seeds_of_arms.other", [43], "a fixed seed, the same before and after"),
        ("study.epochs_of_arms", [20, 51], "at most 50 epochs"),
        ("compare.cases", [case(3), case(4)], "at least 3 failures"),
        ("gradcam.images", 0, "maps of where the evidence lies"),
        ("gradcam.cells", None, "maps of where the evidence lies"),
        ("study.changes.one.other", ["MixUp", "30 epochs"], "exactly one remedy"),
        ("study.changes.one.other", [], "exactly one remedy"),
        ("compare.cases", [], "the same cases before and after"),
        ("limits", "", "limits"),
    ],
)
def test_what_a_study_lacks_is_named(results, path, value, asked):
    *way, last = path.split(".")
    here = results
    for name in way:
        here = here[name]
    here[last] = value
    assert any(item.startswith(asked) for item in missed(results))
    assert asked in brief.sentences(results)
    assert "NO" in brief.view(brief.table(results))["met"].tolist()


@pytest.mark.parametrize("less", [{"right": "yes"}, {"confidence": 0.89}, {"why": "mined"}])
def test_only_confident_failures_that_are_named_count(results, less):
    results["compare"]["cases"][0] = case(3, **less)
    (asked,) = missed(results)
    assert asked.startswith("at least 3 failures")


def test_a_study_of_one_arm_has_no_remedy(results):
    results["compare"]["after"] = ""
    assert missed(results) == ["exactly one remedy", "the same cases before and after"]


def test_a_study_that_does_not_ask_has_no_such_section(results):
    results["brief"] = False
    assert brief.sentences(results) == "" and brief.exhibits(results) == []


def test_the_sections_are_titles_of_the_report():
    modules = (artefacts.ROOT / "lib" / "report" / "chapters").glob("*.py")
    text = "\n".join(path.read_text("utf-8") for path in modules)
    for _, section, _ in brief.ITEMS:
        assert any(form in text for form in (f'# {section}"', f"{section}: ", f'"{section}" if'))
