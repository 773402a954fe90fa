"""Conditions of a study: a missing number never passes, limits are included, exit codes are what CI
reads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from project import ROOT, study

from lib.base import artefacts, study_file
from lib.base.config import ParameterError, parse_yaml
from lib.evaluation import summary
from lib.pipeline import command_line
from lib.report import conditions, ledger

RESULTS = {
    "compare": {
        "arms": {"cutmix": {"test_accuracy": {"mean": 0.757, "sd": None, "n": 1}}},
        "accuracy_change": {"estimate": 0.15, "low": 0.14, "high": 0.16},
    },
    "study": {"proof": {"cutmix": {"val": 0.0}}, "data": "CIFAR-100"},
    "gradcam": {"completeness_error": None},
}
ACCURACY = "compare.arms.cutmix.test_accuracy"


def read(*entries: str):
    stated = [parse_yaml(f"{{{entry}}}", "") for entry in entries]
    return conditions.read_conditions(stated, "params/s.yaml")


def passes(entry) -> bool:
    stated = read(f"what: it, {entry}")
    return bool(conditions.check_conditions(stated, RESULTS)["passed"].all())


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
def test_limits_are_included(limits, passed):
    assert passes(f"path: {ACCURACY}, {limits}") is passed


def test_of_an_interval_the_estimate_counts():
    assert passes("path: compare.accuracy_change, at_least: 0.15")
    assert not passes("path: compare.accuracy_change, at_least: 0.155")


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
    assert not passes(f"path: {path}, at_least: -1.0e+9, at_most: 1.0e+9")


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
    with pytest.raises(ParameterError) as caught:
        read(entry)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"params/s.yaml: {says}")


def command(tmp_path, monkeypatch, capsys, *entries, results=RESULTS):
    """What `python -m lib conditions` says of a study with these conditions."""
    stated = "".join(f"\n  - {{{entry}}}" for entry in entries)
    study(tmp_path, "s", conditions=stated or "[]")
    monkeypatch.setattr(artefacts, "ROOT", tmp_path)
    place = tmp_path / "outputs" / "s" / "results.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    if results is not None:
        place.write_text(json.dumps(results), encoding="utf-8")
    return command_line.main(["conditions", "s"]), capsys.readouterr()


GOOD, BAD = (
    f"what: accuracy, path: {ACCURACY}, at_least: 0.75",
    f"what: more, path: {ACCURACY}, at_least: 0.8",
)


def test_the_command_prints_each_condition_and_exits_0_1_or_2(tmp_path, monkeypatch, capsys):
    code, said = command(tmp_path, monkeypatch, capsys, GOOD)
    assert (
        code == 0 and said.out == "pass  accuracy: 0.757 (at least 0.75)\n1 of 1 conditions hold\n"
    )
    code, said = command(
        tmp_path, monkeypatch, capsys, GOOD, BAD, "what: gone, path: a.b, at_most: 1"
    )
    assert (
        code == 1
        and "FAIL  more: 0.757 (at least 0.8)\nnot measured  gone: – (at most 1)\n1 of 3 "
        "conditions hold, 1 not measured\n"
        in said.out
    )
    code, said = command(tmp_path, monkeypatch, capsys)
    assert code == 0 and said.out == "this study states no condition\n"
    code, said = command(tmp_path, monkeypatch, capsys, GOOD, results=None)
    assert (
        code == 2
        and len(said.err.splitlines()) == 1
        and "results.json" in said.err
        and not said.out
    )
    code, said = command(tmp_path, monkeypatch, capsys, "what: a, path: b")
    assert code == 2 and "params/s.yaml: conditions, a: " in said.err


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


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """A folder of outputs that make checks its study in once."""
    return tmp_path_factory.mktemp("outputs")


@pytest.mark.slow
@pytest.mark.parametrize("accuracy, holds", [(0.78, True), (0.5, False)])
def test_make_check_fails_when_a_condition_does(outputs, accuracy, holds):
    """The report itself is not made here: its numbers are, with every condition of the phantom in
    it."""
    shares = {arm: {"train": 0.99, "val": 0.0, "test": 0.0} for arm in ("baseline", "cutmix")}
    (outputs / "phantom").mkdir(exist_ok=True)
    (outputs / "phantom" / "results.json").write_text(
        json.dumps(
            {
                "compare": {
                    "arms": {
                        arm: {"test_accuracy": {"mean": mean, "sd": None, "n": 1}}
                        for arm, mean in (("baseline", accuracy), ("cutmix", 0.74))
                    }
                },
                "failures": {"causes": [{"planted cause": "none", "baseline accuracy": 0.98}]},
                "study": {"proof": shares, "mean_lambda": {"cutmix": 0.68}},
                "gradcam": {"completeness_error": 1e-6},
            }
        )
    )
    # released seeds: make checks the study once
    result = make("STUDY=phantom", "SEEDS=43 44", f"OUTPUTS={outputs}", "-o", "report")
    assert (result.returncode == 0) is holds, result.stdout + result.stderr
    assert (
        "FAIL  test accuracy of baseline: 0.5 " in result.stdout
    ) is not holds and "Traceback" not in result.stderr


@pytest.mark.slow
def test_make_check_makes_the_report_first(outputs):
    plan = make("-n", "STUDY=phantom", "SEEDS=43 44", f"OUTPUTS={outputs}").stdout.splitlines()
    assert any("--pdf" in line for line in plan[:-1]) and "-m lib conditions phantom" in plan[-1]


@pytest.mark.parametrize("name", study_file.names())
def test_the_projects_studies_state_conditions_that_can_be_read(name):
    stated = study_file.read(name).content.conditions
    assert not stated or len(conditions.read_conditions(stated)) >= 5


def test_the_report_counts_conditions_and_names_those_that_fail():
    def told(*entries):
        rows = conditions.check_conditions(read(*entries), RESULTS).to_dict("records")
        return ledger.conditions({"conditions": rows})

    assert "states 1 condition beforehand: all hold (" in told(GOOD)
    assert "2 conditions beforehand: 1 holds; **1 fails: more** (" in told(GOOD, BAD)
    assert "2 conditions beforehand: 1 holds; 1 could not be measured (" in told(
        GOOD, "what: gone, path: a.b, at_most: 1"
    )
    assert ledger.conditions({"conditions": []}) == "" and conditions.read_conditions([]) == []
    assert conditions.check_conditions([], RESULTS).empty


def test_the_change_against_the_last_report_and_a_table_for_a_summary(tmp_path):
    rule = conditions.Condition(what="accuracy | test", path="a", at_least=0.5)
    first = conditions.check_conditions([rule], {"a": 0.75})
    now = conditions.check_conditions([rule], {"a": 0.45})
    view = conditions.with_last(now, first)
    assert view.iloc[0].tolist() == ["FAIL", "accuracy | test", "0.45", "at least 0.5", "0.75"] + [
        "−0.3000"
    ]
    assert conditions.with_last(now, None)["change"].tolist() == ["–"]
    # what the last report did not measure is no number, whatever stands beside it
    two = [rule, conditions.Condition(what="other", path="b", at_least=0.5)]
    last, now_of = (conditions.check_conditions(two, of) for of in ({"a": 1.0}, {"a": 1, "b": 2}))
    kept = pd.DataFrame(json.loads(json.dumps(summary.plain(last.to_dict("records")))))
    of_b = conditions.with_last(now_of, kept).iloc[1]
    assert (of_b["last"], of_b["change"]) == ("–", "–")
    lines = conditions.as_markdown(view, "Conditions").splitlines()
    assert lines[0] == "### Conditions" and r"accuracy \| test" in lines[4]
    assert len({line.replace(r"\|", "").count("|") for line in lines[2:]}) == 1


def test_the_last_state_is_kept_until_the_numbers_change(tmp_path):
    rule = conditions.Condition(what="accuracy", path="a", at_least=0.5)
    measured = [
        conditions._last(tmp_path, [rule], {"a": value}) for value in (0.6, 0.6, 0.7, 0.7, 0.8)
    ]
    assert [None if last is None else last["measured"][0] for last in measured] == [
        None,
        None,
        0.6,
        0.6,
        0.7,
    ]


def test_a_first_condition_has_no_last_number(tmp_path):
    rule = conditions.Condition(what="accuracy", path="a", at_least=0.5)
    assert conditions._last(tmp_path, [], {"a": 0.6}) is None
    last = conditions._last(tmp_path, [rule], {"a": 0.6})
    view = conditions.with_last(conditions.check_conditions([rule], {"a": 0.6}), last)
    assert view[["last", "change"]].to_numpy().tolist() == [["–", "–"]]
