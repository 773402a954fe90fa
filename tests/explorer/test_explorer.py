"""The explorer's logic: what is shown of two arms, which images pass the filters, coverage and
risk, which studies can be opened."""

import dataclasses
import itertools
import shutil

import numpy as np
import pandas as pd
import pytest
from explorers import study as made_up
from IPython.core.interactiveshell import InteractiveShell
from project import study
from scipy.stats import binomtest

from lib.base import artefacts
from lib.diagnosis import verdict
from lib.evaluation import rejection
from lib.explorer import loading, selection
from lib.explorer.threshold import curve, in_words, operating_point
from lib.report import pictures

BOTH = made_up(["baseline", "cutmix"], superclass=[0, 0, 1, 1, 2])
A, B = (BOTH.arm(name, 0) for name in ("baseline", "cutmix"))
TABLE = selection.pair_table(A, B).assign(
    cause=np.resize(["none", "background", "label_error"], 300)
)


def passes(row, outcome, low, high, equal) -> bool:
    """The filters once more, on one image."""
    if (
        outcome == "errors"
        and row["predicted"] == row["true"]
        or outcome == "right"
        and row["predicted"] != row["true"]
    ):
        return False
    right = row["predicted"] == row["true"], row["other_predicted"] == row["true"]
    said = {
        (False, True): "corrected",
        (True, False): "regressed",
        (False, False): "both wrong",
        (True, True): "both right",
    }[right]
    if outcome in selection.OUTCOMES and said != outcome or not low <= row["confidence"] <= high:
        return False
    return all(value is None or row[column] == value for column, value in equal.items())


def test_filters_against_a_loop():
    rows, tried = TABLE.to_dict("records"), 0
    for outcome, true, cause, group in itertools.product(
        ("errors", "all", "right", *selection.OUTCOMES),
        (None, "crab", "oak_tree"),
        (None, "background"),
        (None, "group 1"),
    ):
        for low, high in ((0, 1), (0.4, 0.7)):
            equal = {"true": true, "cause": cause, "superclass": group}
            chosen = selection.choose(TABLE, outcome, low, high, **equal)
            assert chosen["position"].tolist() == [
                row["position"] for row in rows if passes(row, outcome, low, high, equal)
            ]
            tried += len(chosen)
    assert tried > 2000


def test_both_limits_of_the_confidence_are_inside():
    edge = TABLE["confidence"].iloc[5]
    assert 5 in selection.choose(TABLE, "all", edge, edge)["position"].tolist()


def test_predicted_class_and_confidence_are_those_of_the_first_arm_after_scaling():
    chosen = selection.choose(TABLE, "all", predicted="man")
    assert chosen["position"].tolist() == np.flatnonzero(A.run.test.predicted == 3).tolist()
    logits = A.run.test.logits[7].astype(float) / A.temperature
    assert TABLE["confidence"].iloc[7] == pytest.approx(1 / np.exp(logits - logits.max()).sum())


def test_outcomes_are_counted_as_the_galleries_of_the_report_count_them():
    for kind in pictures.KINDS:
        assert len(selection.choose(TABLE, kind)) == pictures.total(A.table, B.table, kind) > 0


def test_nothing_passes():
    chosen = selection.choose(TABLE, "all", 0.5, 0.4)
    assert not len(chosen) and selection.count(chosen, TABLE) == "0 of 300 test images"
    assert selection.pages(0) == 1 and not len(
        selection.page(selection.arranged(chosen, "id", True), 1)
    )


def test_one_arm_has_no_outcomes_and_one_order_less():
    alone = selection.pair_table(A)
    assert "outcome" not in alone and list(selection.outcomes(alone, "baseline").values()) == [
        "errors",
        "all",
        "right",
    ]
    assert len(selection.choose(alone, "right")) == A.run.test.correct.sum()
    assert (
        len(selection.orders(alone, "baseline", None))
        == len(selection.orders(TABLE, "baseline", "cutmix")) - 1
    )


def test_every_order_is_sorted_equal_ones_by_id():
    table = TABLE.assign(confidence=np.resize([0.5, 0.7], 300)).sample(frac=1, random_state=0)
    for column, rises in selection.orders(TABLE, "baseline", "cutmix").values():
        found = selection.arranged(table, column, rises)
        keys = [((1 if rises else -1) * row[column], row["id"]) for row in found.to_dict("records")]
        assert keys == sorted(keys)


def test_pages_hold_every_image_once():
    found = selection.arranged(selection.choose(TABLE), "confidence", False)
    joined = pd.concat(
        [selection.page(found, number) for number in range(1, selection.pages(len(found)) + 1)]
    )
    pd.testing.assert_frame_equal(joined, found)
    assert all(len(selection.page(found, number)) for number in (1, selection.pages(len(found))))


def test_verdicts_are_those_of_the_first_arms_errors_only():
    wrong = np.flatnonzero(~A.run.test.correct)
    kept = pd.DataFrame(
        {"verdict": np.resize(["background", "unexplained"], len(wrong)), "trusted": True},
        index=pd.Index(wrong, name="position"),
    )
    arm = loading.Arm(
        **{name: getattr(A, name) for name in A.__dataclass_fields__} | {"verdicts": kept}
    )
    table = selection.pair_table(arm, B)
    assert (table.loc[A.run.test.correct, "verdict"] == "").all()
    assert len(selection.choose(table, verdict="background")) == (len(wrong) + 1) // 2
    assert "verdict" not in TABLE


def test_a_verdict_that_may_not_be_given_is_none_to_choose_by():
    wrong = np.flatnonzero(~A.run.test.correct)
    kept = pd.DataFrame(
        {"verdict": np.resize(["background", "unexplained"], len(wrong)), "trusted": False},
        index=pd.Index(wrong, name="position"),
    )
    table = selection.pair_table(dataclasses.replace(A, verdicts=kept), B)
    assert set(table["verdict"]) == {"", "no verdict", "unexplained"}


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("threshold", [0.0, 0.45, 0.9])
def test_coverage_and_risk_against_counting_and_scipy(scaled, threshold):
    point = operating_point(A, threshold, scaled)
    logits = A.run.test.logits.astype(float) / (A.temperature if scaled else 1)
    confidence = 1 / np.exp(logits - logits.max(1, keepdims=True)).sum(1)
    accepted = [right for one, right in zip(confidence, A.run.test.correct) if one >= threshold]
    errors = accepted.count(False)
    exact = binomtest(errors, len(accepted)).proportion_ci(method="exact")
    assert (point["accepted"], point["errors_accepted"], point["coverage"]) == (
        len(accepted),
        errors,
        len(accepted) / 300,
    )
    assert point["selective_risk"] == errors / len(accepted)
    assert (point["risk_low"], point["risk_high"]) == pytest.approx((exact.low, exact.high))


def test_before_scaling_it_is_the_reports_table():
    point = operating_point(A, 0.7, False)
    row = rejection.rejection({"baseline": {0: A.run}}, [0.7]).iloc[0]
    for name in ("coverage", "errors_accepted", "selective_risk", "risk_low", "risk_high"):
        assert point[name] == row[name]
    pd.testing.assert_frame_equal(
        curve(A, False).reset_index(drop=True),
        rejection.curve({0: A.run})[["coverage", "risk"]],
        check_names=False,
    )


def test_when_nothing_is_accepted_no_risk_is_claimed():
    said = in_words(operating_point(A, 1.0, False), 300)
    assert said == {
        "coverage": "0.0%",
        "accepted": "0 of 300",
        "risk": "nothing accepted",
        "errors": "–",
    }


def test_summary_counts():
    said = selection.summary(A, B)
    wrong = int((~A.run.test.correct).sum())
    sure = sum(
        confidence >= 0.9 and not right
        for confidence, right in zip(A.table["scaled_confidence"], A.run.test.correct)
    )
    assert f"baseline: {wrong} errors in 300 test images, {sure} of them" in said
    assert f"{(~A.run.test.correct & B.run.test.correct).sum()} corrected" in said
    assert len(selection.summary(A).splitlines()) == 2  # as the notebook asks for it


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project with released/smoke in it and an unfinished and a finished study in outputs."""
    shutil.copytree(artefacts.ROOT / "released" / "smoke", tmp_path / "released" / "smoke")
    monkeypatch.setattr(artefacts, "ROOT", tmp_path)
    (tmp_path / "outputs" / "begun" / "baseline" / "seed-0").mkdir(parents=True)
    (tmp_path / "outputs" / "begun" / "baseline" / "seed-0" / "history.part.csv").write_text(
        "epoch\n"
    )
    study(tmp_path, "smoke", arms="cutmix baseline")
    return tmp_path


@pytest.mark.parametrize("name", ["begun", "phantom", "../secret"])
def test_a_study_that_is_not_made_is_one_line_that_lists_those_that_are(place, name, capsys):
    with pytest.raises(loading.NotMade) as caught:
        loading.open_study(name, "outputs")
    line = str(caught.value)
    assert (
        line.startswith(f"outputs/{name}: no finished run")
        and 'study = "smoke", outputs = "released"' in line
        and "\n" not in line
    )
    shell = InteractiveShell.instance()
    shell.run_cell(f"from lib.explorer import loading\nloading.open_study({name!r}, 'outputs')")
    shown = capsys.readouterr().out
    assert line in shown and "Traceback" not in shown


def test_without_any_study_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(artefacts, "ROOT", tmp_path)
    with pytest.raises(loading.NotMade, match="none yet"):
        loading.open_study("phantom", "outputs")


def test_a_damaged_run_is_one_line_too(place):
    with open(place / "released" / "smoke" / "cutmix" / "seed-0" / "predictions.npz", "ab") as file:
        file.write(b"x")
    opened = loading.open_study("smoke", "released")
    with pytest.raises(loading.NotMade, match="predictions.npz: damaged"):
        opened.arm("cutmix", 0)
    assert opened.arm("baseline", 0).seed == 0


def test_arms_come_in_the_studys_order_others_behind_them(place):
    released = place / "released" / "smoke"
    shutil.copytree(released / "baseline", released / "another")
    shutil.copytree(released / "baseline" / "seed-0", released / "baseline" / "seed-7")
    assert list(loading.finished(released).items()) == [
        ("cutmix", [0]),
        ("baseline", [0, 7]),
        ("another", [0]),
    ]


@pytest.mark.parametrize("name", ["run.json", "predictions.npz", "model.safetensors"])
def test_a_run_that_lacks_a_file_is_not_finished(place, name):
    (place / "released" / "smoke" / "cutmix" / "seed-0" / name).unlink()
    assert loading.finished(place / "released" / "smoke") == {"baseline": [0]}


def test_kept_verdicts_are_read_only_where_they_are_this_runs_errors(tmp_path):
    names = ["null", "NA", "crab", "man", "road"]
    arm = made_up(["baseline"], names).arm("baseline", 0)
    wrong = arm.table[~arm.table["correct"]]
    rows = pd.DataFrame(
        {
            "arm": "baseline",
            "position": wrong["position"],
            "predicted": wrong["predicted"],
            "verdict": "background",
            **dict.fromkeys(loading.NUMBERS, 0.5),
        }
    )
    rows.loc[rows.index[0], "turns"] = np.nan
    path = tmp_path / "verdicts-all.csv"
    artefacts.write_table(
        path, pd.concat([rows.sample(frac=1, random_state=1), rows.assign(arm="cutmix")])
    )
    kept = loading.read_verdicts(path, "baseline", arm.table)
    assert (
        kept.index.tolist() == wrong["position"].tolist()
        and kept["turns"].isna().sum() == 1
        and kept["probability"].dtype == float
    )
    assert loading.read_verdicts(path, "no_augmentation", arm.table) is None
    artefacts.write_table(path, rows.iloc[1:])  # a sample of the errors
    assert len(loading.read_verdicts(path, "baseline", arm.table)) == len(rows) - 1
    for changed in (
        rows.assign(predicted=names[2]),
        rows.assign(position=rows["position"] + 1),
        rows.assign(verdict="?"),
    ):
        artefacts.write_table(path, changed)
        assert loading.read_verdicts(path, "baseline", arm.table) is None
    assert loading.read_verdicts(tmp_path / "absent.csv", "baseline", arm.table) is None
    # as a study without plants writes it
    path.write_text("arm,position,half,verdict\n", encoding="utf-8")
    assert loading.read_verdicts(path, "baseline", arm.table) is None


@pytest.mark.parametrize("names", [("0", "007"), ("True", "nan"), ("1e3", "")], ids=str)
def test_verdicts_of_classes_that_look_like_numbers_are_read(tmp_path, names):
    table = pd.DataFrame({"position": [0, 1], "correct": False, "predicted": names})
    rows = table.assign(arm="1", id=["01", "2"], verdict=sorted(verdict.CAUSES)[0])
    rows.to_csv(tmp_path / "verdicts.csv", index=False)
    read = loading.read_verdicts(tmp_path / "verdicts.csv", "1", table)
    assert read["predicted"].tolist() == list(names) and read["id"].tolist() == ["01", "2"]
