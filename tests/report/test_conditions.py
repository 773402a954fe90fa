"""Conditions of a study: a missing number never passes, limits are included, exit codes are what CI
reads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib.base.artefacts import ROOT
from lib.base.config import ParameterError, read_yaml
from lib.report import conditions, ledger

STUDIES = sorted(path.parent.name for path in ROOT.glob("params/*/study.mk"))
RESULTS = {
    "compare": {
        "arms": {"cutmix": {"test_accuracy": {"mean": 0.757, "sd": None, "n": 1}}},
        "accuracy_change": {"estimate": 0.15, "low": 0.14, "high": 0.16},
    },
    "study": {"proof": {"cutmix": {"val": 0.0}}, "data": "CIFAR-100"},
    "gradcam": {"completeness_error": None},
}
ACCURACY = "compare.arms.cutmix.test_accuracy"


def written(folder, *entries):
    path = folder / "conditions.yaml"
    path.write_text(
        "conditions:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries), encoding="utf-8"
    )
    return path


def passes(folder, entry) -> bool:
    return bool(
        conditions.check_conditions(
            conditions.read_conditions(str(written(folder, f"what: it, {entry}"))), RESULTS
        )["passed"].all()
    )


@pytest.mark.parametrize(
    "limits, passed",
    [
        ("at_least: 0.75", True),
        ("at_least: 0.757", True),
        ("at_least: 0.7571", False),
        ("at_most: 0.757", True),
        ("at_most: 0.7569", False),
        ("at_least: 0.7, at_most: 0.8", True),
        ("at_least: 0.7, at_most: 0.75", False),
        ("at_least: 0.76, at_most: 0.8", False),
    ],
)
def test_limits_are_included(tmp_path, limits, passed):
    assert passes(tmp_path, f"path: {ACCURACY}, {limits}") is passed


def test_of_an_interval_the_estimate_counts(tmp_path):
    assert passes(tmp_path, "path: compare.accuracy_change, at_least: 0.15") and not passes(
        tmp_path, "path: compare.accuracy_change, at_least: 0.155"
    )


@pytest.mark.parametrize(
    "path",
    [
        "compare.arms.cutmix",
        "compare.arms.mixup.test_accuracy",
        "gradcam.completeness_error",
        "study.data",
        "robustness.x",
    ],
)
def test_a_missing_number_fails_whatever_the_limits(tmp_path, path):
    assert not passes(tmp_path, f"path: {path}, at_least: -1.0e+9, at_most: 1.0e+9")


@pytest.mark.parametrize(
    "entry, says",
    [
        (f"what: a, path: {ACCURACY}", "conditions, a: give at_least, at_most or both"),
        (
            f"what: a, path: {ACCURACY}, at_lest: 1",
            "conditions, a: at_lest: unknown word; did you mean 'at_least'?",
        ),
        (
            f"what: a, path: {ACCURACY}, at_least: 2, at_most: 1",
            "conditions, a: at_least 2 is more than at_most 1",
        ),
        (f"path: {ACCURACY}, at_least: 2", "conditions, entry 1: what: missing"),
        (
            f"what: a, path: {ACCURACY}, at_least: high",
            "conditions, a: at_least: input should be a valid number (got 'high')",
        ),
        (
            f"what: a, path: {ACCURACY}, at_least: .nan",
            "conditions, a: at_least: input should be a finite number",
        ),
    ],
)
def test_a_mistake_is_one_line_with_file_and_entry(tmp_path, entry, says):
    path = str(written(tmp_path, entry))
    with pytest.raises(ParameterError) as caught:
        conditions.read_conditions(path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: {says}")


def command(tmp_path, capsys, *entries, results=RESULTS):
    place = tmp_path / "results.json"
    if results is not None:
        place.write_text(json.dumps(results), encoding="utf-8")
    code = conditions.main([str(place)] + [str(written(tmp_path, *entries))] * bool(entries))
    return code, capsys.readouterr()


GOOD, BAD = (
    f"what: accuracy, path: {ACCURACY}, at_least: 0.75",
    f"what: more, path: {ACCURACY}, at_least: 0.8",
)


def test_the_command_prints_each_condition_and_exits_0_1_or_2(tmp_path, capsys):
    code, said = command(tmp_path, capsys, GOOD)
    assert (
        code == 0 and said.out == "pass  accuracy: 0.757 (at least 0.75)\n1 of 1 conditions hold\n"
    )
    code, said = command(tmp_path, capsys, GOOD, BAD, "what: gone, path: a.b, at_most: 1")
    assert (
        code == 1
        and "FAIL  more: 0.757 (at least 0.8)\nnot measured  gone: – (at most 1)\n1 of 3 "
        "conditions hold, 1 not measured\n"
        in said.out
    )
    code, said = command(tmp_path, capsys)
    assert code == 0 and said.out == "this study states no condition\n"
    (tmp_path / "results.json").unlink()
    code, said = command(tmp_path, capsys, GOOD, results=None)
    assert (
        code == 2
        and len(said.err.splitlines()) == 1
        and "results.json" in said.err
        and not said.out
    )
    code, said = command(tmp_path, capsys, "what: a, path: b")
    assert code == 2 and "conditions.yaml" in said.err


def make(*arguments):
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    return subprocess.run(
        [
            "make",
            "--no-print-directory",
            "-C",
            str(ROOT),
            f"VENV={Path(sys.prefix)}",
            "check",
            *arguments,
        ],
        capture_output=True,
        text=True,
        env=clean,
    )


@pytest.mark.slow
@pytest.mark.parametrize("accuracy, holds", [(0.78, True), (0.5, False)])
def test_make_check_fails_when_a_condition_does(tmp_path, accuracy, holds):
    """The report itself is not made here: its numbers are, with every condition of the phantom in
    it."""
    shares = {arm: {"train": 0.99, "val": 0.0, "test": 0.0} for arm in ("baseline", "cutmix")}
    (tmp_path / "phantom").mkdir()
    (tmp_path / "phantom" / "results.json").write_text(
        json.dumps(
            {
                "compare": {
                    "arms": {"baseline": {"test_accuracy": {"mean": accuracy, "sd": None, "n": 1}}}
                },
                "failures": {"causes": [{"planted cause": "none", "baseline accuracy": 0.98}]},
                "study": {"proof": shares, "mean_lambda": {"cutmix": 0.68}},
                "gradcam": {"completeness_error": 1e-6},
            }
        )
    )
    result = make("STUDY=phantom", f"OUTPUTS={tmp_path}", "-o", "report")
    assert (result.returncode == 0) is holds, result.stdout + result.stderr
    assert (
        "FAIL  test accuracy of baseline: 0.5 " in result.stdout
    ) is not holds and "Traceback" not in result.stderr


@pytest.mark.slow
def test_make_check_makes_the_report_first(tmp_path):
    plan = make("-n", "STUDY=smoke", f"OUTPUTS={tmp_path}").stdout.splitlines()
    assert (
        any("--pdf" in line for line in plan[:-1])
        and "lib.report.conditions" in plan[-1]
        and plan[-1].rstrip().endswith("results.json'")
    )


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_reports_the_conditions_that_make_checks(study):
    folder = ROOT / "params" / study
    stated = (folder / "conditions.yaml").exists()
    if (folder / "report.yaml").exists():
        assert read_yaml(folder / "report.yaml")["conditions"] == (
            f"params/{study}/conditions.yaml" if stated else ""
        )
    if stated:
        assert len(conditions.read_conditions(f"params/{study}/conditions.yaml")) >= 5


def test_the_report_counts_conditions_and_names_those_that_fail(tmp_path):
    def told(*entries):
        rows = conditions.check_conditions(
            conditions.read_conditions(str(written(tmp_path, *entries))), RESULTS
        ).to_dict("records")
        return ledger.conditions({"conditions": rows})

    assert "states 1 condition beforehand: all hold (" in told(GOOD)
    assert "2 conditions beforehand: 1 holds; **1 fails: more** (" in told(GOOD, BAD)
    assert "2 conditions beforehand: 1 holds; 1 could not be measured (" in told(
        GOOD, "what: gone, path: a.b, at_most: 1"
    )
    assert ledger.conditions({"conditions": []}) == "" and conditions.read_conditions("") == []
    assert conditions.check_conditions([], RESULTS).empty
