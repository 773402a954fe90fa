"""The ledger: paths, intervals, rules and verdicts, against references and cases worked by hand;
bad files are clear lines."""

import copy
import json
from functools import cache

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from lib.base.artefacts import ROOT
from lib.base.config import ParameterError, read_yaml
from lib.evaluation.paired import Interval
from lib.report import claims, judgement, ledger
from lib.report.claims import Missing

FILE = "params/claims/cifar100.yaml"


@cache
def original():
    """The original study's claims, which nothing can change: reading 600 lines takes its time."""
    return claims.read_claims(FILE)


def seeds(mean, sd=None, n=1):
    return {"mean": mean, "sd": sd, "n": n}


def arm(accuracy, errors, **more):
    return {
        name: seeds(value)
        for name, value in ({"test_accuracy": accuracy, "errors": errors} | more).items()
    }


@pytest.fixture
def results():
    """What a run of the original study, as claimed, would have left in results.json."""
    return {
        "study": {
            "data": "CIFAR-100",
            "sizes": {"train": 45000, "val": 5000, "test": 10000},
            "width": 64,
            "epochs": 50,
            "milestones": [25, 40],
            "label_smoothing": {"baseline": 0.0, "cutmix": 0.1},
            "proof": {"baseline": {"train": 0.996}},
        },
        "failures": {
            "test_images": 10000,
            "known": {"opinion": {"named": [{"id": 1214, "corrected": "lobster"}]}},
        },
        "gradcam": {
            "attention": {
                "normalised_entropy": {"difference": {"estimate": 0.1, "low": 0.05, "high": 0.15}}
            },
            "rule": {
                "baseline": {
                    "mixture": {
                        "shares": {"background": {"estimate": 0.75, "low": 0.65, "high": 0.85}}
                    }
                }
            },
            "cases": [{"id": 1214, "verdict": "look_alike", "normalised_entropy": 0.995}],
        },
        "compare": {
            "reject_below": 0.7,
            "target_risk": 0.1,
            "histories": {
                "baseline": [
                    {"epoch": 26, "val_loss": seeds(1.4)},
                    {"epoch": 40, "val_loss": seeds(1.6)},
                ]
            },
            "accuracy_change": {"estimate": 0.1501, "low": 0.142, "high": 0.158},
            "arms": {
                "baseline": arm(
                    0.6069,
                    3931,
                    val_accuracy=0.6,
                    train_accuracy=0.998,
                    stream_accuracy=0.998,
                    val_loss_lowest_epoch=25,
                    errors_ge_90=315,
                    errors_ge_99=54,
                    confidence_on_errors=0.478,
                    confidence_on_right=0.9,
                ),
                "cutmix": arm(
                    0.757,
                    2430,
                    val_accuracy=0.75,
                    train_accuracy=0.76,
                    stream_accuracy=0.75,
                    errors_ge_90=44,
                    errors_ge_99=1,
                    confidence_on_errors=0.408,
                    confidence_on_right=0.89,
                ),
                "cutmix_only": arm(0.75, 2500),
                "label_smoothing": arm(0.65, 3500),
                "no_augmentation": arm(0.5, 5000),
            },
            "migration": {
                "corrected": 1938,
                "regressed": 437,
                "both_wrong": 1993,
                "both_wrong_less_confident": 1146,
                "both_right": 5632,
            },
            "classes": {"tested": 100, "worse": 2},
            "class_change": {
                name: {
                    "estimate": change / 100,
                    "low": change / 100 - 0.1,
                    "high": change / 100 + 0.1,
                }
                for name, change in {
                    "oak_tree": -2,
                    "maple_tree": -1,
                    "otter": 33,
                    "camel": 31,
                    "mouse": 30,
                }.items()
            },
            "rejection": {
                "baseline": {"coverage": 0.6, "selective_risk": 0.15},
                "cutmix": {"coverage": 0.6, "selective_risk": 0.02},
            },
            "ablation": [
                {
                    "effect": "CutMix",
                    "given": given,
                    "test_accuracy": {"estimate": gain, "low": gain - 0.01, "high": gain + 0.01},
                }
                for given, gain in (("nothing else", -0.5), ("crop and flip", 0.14))
            ],
            "cases": [
                {
                    "id": 1214,
                    "baseline predicts": "crab",
                    "baseline confidence": 0.999,
                    "cutmix right": "no",
                    "cutmix confidence": 0.921,
                }
            ],
        },
    }


def write(
    tmp_path, text, scopes="scopes: {all: {text: everything, values: {study.data: CIFAR-100}}}\n"
):
    path = tmp_path / "claims.yaml"
    path.write_text(scopes + "claims:\n" + text, encoding="utf-8")
    return str(path)


def one(tmp_path, results, test, claimed="claimed: 60, unit: percent, ", more=""):
    """The row of a single claim with a single test."""
    entry = (
        f"  - {{id: it, statement: It is so., {claimed}only_at: [all], {more}tests: "
        f"[{{{test}}}]}}\n"
    )
    return ledger.judge(claims.read_claims(write(tmp_path, entry)), results).iloc[0]


# --- numbers by name


def test_a_path_leads_through_names_and_records(results):
    assert claims.find(results, "compare.cases[id=1214].baseline predicts") == "crab"
    assert claims.find(results, "study.milestones") == [25, 40]
    assert (
        claims.find(
            results, "compare.ablation[effect=CutMix,given=crop and flip].test_accuracy.estimate"
        )
        == 0.14
    )
    for wrong in (
        "compare.nothing",
        "compare.cases[id=1].cutmix right",
        "compare.reject_below.x",
        "study[id=1].x",
        "study.data.x",
    ):
        with pytest.raises(Missing, match="."):
            claims.find(results, wrong)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        True,
        {"mean": None, "sd": None, "n": 1},
        {"estimate": 1, "low": None, "high": 2},
        [1],
    ],
)
def test_what_is_no_number_is_missing(value):
    with pytest.raises(Missing):
        claims.measured({"a": value}, "a")


def test_counts_and_shares_have_clopper_and_pearsons_interval(results):
    low, high = proportion_confint(3931, 10000, method="beta")
    count = claims.measured(
        results, "compare.arms.baseline.errors", count_of="failures.test_images"
    )
    share = claims.measured(
        results, "compare.arms.baseline.test_accuracy", share_of="failures.test_images"
    )
    assert claims.measured(
        results,
        "compare.arms.baseline.errors",
        count_of="compare.reject_below * failures.test_images",
    )[1:] == pytest.approx(proportion_confint(3931, 7000, method="beta"))
    counts = {"verdicts": {"background": 60, "look_alike": 20}}
    of_all = claims.measured(counts, "verdicts.background", count_of="verdicts")
    assert of_all == pytest.approx((0.75, *proportion_confint(60, 80, method="beta")))
    assert count == pytest.approx((0.3931, low, high)) and share == pytest.approx(
        (0.6069, 1 - high, 1 - low)
    )


def test_several_seeds_give_students_interval_of_their_mean():
    each = np.array([0.70, 0.72, 0.75])
    expected = ttest_1samp(each, 0).confidence_interval(0.95)
    measured = claims.measured({"a": seeds(each.mean(), each.std(ddof=1), 3)}, "a")
    assert measured == pytest.approx((each.mean(), expected.low, expected.high))


def test_the_interval_of_a_share_is_the_wider_of_seeds_and_images():
    wide = {"a": seeds(0.5, 0.2, 3), "n": 10**6}
    assert claims.measured(wide, "a", share_of="n").low == pytest.approx(
        0.5 - 4.3026527 * 0.2 / 3**0.5, abs=1e-6
    )
    narrow = {"a": seeds(0.5, 1e-6, 3), "n": 20}
    assert claims.measured(narrow, "a", share_of="n").low == pytest.approx(
        binomtest(10, 20).proportion_ci().low
    )


@pytest.mark.parametrize("count, total", [(5, 0), (5, 4), (-1, 4)])
def test_a_share_that_is_none_is_missing(count, total):
    with pytest.raises(Missing):
        claims.measured({"a": count, "n": total}, "a", count_of="n")


def test_a_difference_of_intervals_is_newcombes():
    intervals = [
        Interval(k / n, *proportion_confint(k, n, method="wilson")) for k, n in ((56, 70), (48, 80))
    ]
    assert claims.difference(*intervals)[1:] == pytest.approx(
        confint_proportions_2indep(56, 70, 48, 80, method="newcomb")
    )
    # Newcombe 1998, table II, case (a)
    assert claims.difference(*intervals)[1:] == pytest.approx((0.0524, 0.3339), abs=5e-5)


# --- rules

# 60.69%, 59.7 to 61.7
MEASURED = "measured: compare.arms.baseline.test_accuracy, share_of: failures.test_images, "


@pytest.mark.parametrize(
    "rule, verdict",
    [
        ("tolerance: 0", "reproduced"),
        ("holds_if: {above: 59}", "reproduced"),
        ("holds_if: {below: 62}", "reproduced"),
        ("holds_if: {above: 60}", "not reproduced"),  # the interval reaches below
        ("holds_if: {above: 62}", "not reproduced"),
        ("holds_if: {above: 62}, contradicted_if: {below: 62}", "contradicted"),
        # the interval reaches above
        (
            "holds_if: {above: 62}, contradicted_if: {below: 61}",
            "not reproduced",
        ),
        ("holds_if: {below: 50}, contradicted_if: {above: 59}", "contradicted"),
        ("tolerance: 1, contradicted_if: {below: 59}", "reproduced"),
        ("tolerance: 1, contradicted_if: {above: 61}", "reproduced"),
    ],
)
def test_a_rule_looks_at_the_whole_interval(tmp_path, results, rule, verdict):
    row = one(tmp_path, results, MEASURED + rule)
    assert row["verdict"] == verdict
    assert (row["claimed"], row["measured"]) == ("60%", "60.7% (59.7% to 61.6%)")


@pytest.mark.parametrize(
    "claimed, verdict",
    [
        (61.5, "reproduced"),
        (62.5, "reproduced"),
        (62.7, "not reproduced"),
        (58.8, "reproduced"),
        (58.6, "not reproduced"),
    ],
)
def test_a_tolerance_widens_the_interval_by_just_that(tmp_path, results, claimed, verdict):
    assert (
        one(tmp_path, results, MEASURED + "tolerance: 1", f"claimed: {claimed}, unit: percent, ")[
            "verdict"
        ]
        == verdict
    )


@pytest.mark.parametrize(
    "low, high, verdict",
    [
        (0.01, 0.02, "reproduced"),
        (-0.01, 0.02, "not reproduced"),
        (0.0, 0.02, "not reproduced"),
        (-0.02, 0.0, "not reproduced"),
        (-0.02, -0.01, "contradicted"),
        (0.0, 0.0, "not reproduced"),
    ],
)
def test_a_direction_needs_an_interval_without_zero(tmp_path, results, low, high, verdict):
    results["compare"]["accuracy_change"] = {"estimate": (low + high) / 2, "low": low, "high": high}
    rule = (
        "measured: compare.accuracy_change, unit: points, holds_if: {above: 0}, "
        "contradicted_if: {below: 0}"
    )
    assert one(tmp_path, results, rule, claimed="")["verdict"] == verdict


@pytest.mark.parametrize(
    "rule, verdict",
    [
        ("holds_if: {is: crab}", "reproduced"),
        ("holds_if: {is: lobster}", "not reproduced"),
        ("holds_if: {is: lobster}, contradicted_if: {is: crab}", "contradicted"),
    ],
)
def test_a_text_is_or_is_not(tmp_path, results, rule, verdict):
    row = one(
        tmp_path,
        results,
        f"measured: 'compare.cases[id=1214].baseline predicts', {rule}",
        claimed="",
    )
    assert (row["verdict"], row["measured"]) == (verdict, "crab")


def test_counts_are_shown_in_images_and_differences_with_their_sign(tmp_path, results):
    count = one(
        tmp_path,
        results,
        "measured: compare.arms.baseline.errors, count_of: failures.test_images, tolerance: 0",
        "claimed: 3931, unit: images, ",
    )
    low, high = (round(10000 * end) for end in proportion_confint(3931, 10000, method="beta"))
    assert (count["claimed"], count["measured"]) == ("3,931", f"3,931 ({low:,} to {high:,})")
    change = one(
        tmp_path,
        results,
        "measured: compare.accuracy_change, tolerance: 0",
        "claimed: -2, unit: points, ",
    )
    assert (change["claimed"], change["measured"]) == ("−2 points", "+15.0 points (+14.2 to +15.8)")


def test_all_tests_must_hold_one_contradicts_and_a_missing_number_leaves_it_open(tmp_path, results):
    good = "{what: good, unit: percent, " + MEASURED + "holds_if: {above: 50}}"
    bad = "{what: bad, unit: percent, " + MEASURED + "holds_if: {above: 70}}"
    worse = (
        "{what: worse, unit: percent, "
        + MEASURED
        + "holds_if: {above: 70}, contradicted_if: {below: 70}}"
    )
    absent = "{what: absent, unit: percent, measured: no.such, holds_if: {above: 70}}"
    for tests, verdict, why in (
        ([good, good], "reproduced", "good: "),
        ([good, bad], "not reproduced", "bad: not wholly above 70%"),
        ([good, bad, worse], "contradicted", "worse: wholly below 70%"),
        ([good, absent], "not tested here", "absent: no.such is not in results.json"),
        ([bad, absent], "not tested here", "absent"),
        ([worse, absent], "contradicted", "worse"),
    ):
        entry = (
            f"  - {{id: it, statement: It is so., only_at: [all], tests: [{', '.join(tests)}]}}\n"
        )
        row = ledger.judge(claims.read_claims(write(tmp_path, entry)), results).iloc[0]
        assert row["verdict"] == verdict and row["why"].startswith(why)


def test_outside_its_scope_a_claim_is_not_tested_and_a_direction_not_contradicted(
    tmp_path, results
):
    results["study"]["data"] = "the phantom"
    rule = MEASURED + "holds_if: {above: 62}, contradicted_if: {below: 62}"
    assert tuple(one(tmp_path, results, rule)[["verdict", "why"]]) == (
        "not tested here",
        "claimed of everything only",
    )
    scopes = (
        "scopes: {any: {text: any, values: {failures.test_images: 10000}}, big: {text: a "
        "large one, values: {study.width: 512}}}\n"
    )
    entry = (
        "  - {id: it, statement: S., only_at: [any], contradicted_only_at: [big], tests: "
        f"[{{unit: percent, {rule}}}]}}\n"
    )
    row = ledger.judge(claims.read_claims(write(tmp_path, entry, scopes)), results).iloc[0]
    assert tuple(row[["verdict", "why"]]) == (
        "not reproduced",
        "wholly below 62% (claimed of a large one)",
    )


# --- bounds of the study's own, readings, one quantity said twice, numbers beside


@pytest.mark.parametrize(
    "risk, target, verdict",
    [(0.04, 0.1, "reproduced"), (0.15, 0.1, "contradicted"), (0.15, 0.2, "reproduced")],
)
def test_a_bound_may_be_a_number_of_the_study(tmp_path, results, risk, target, verdict):
    results["compare"]["rejection"]["cutmix"]["selective_risk"] = risk
    results["compare"]["target_risk"] = target
    rule = (
        "measured: compare.rejection.cutmix.selective_risk, share_of: failures.test_images, "
        "holds_if: {below: compare.target_risk}, contradicted_if: {above: compare.target_risk}"
    )
    row = one(tmp_path, results, rule)
    assert row["verdict"] == verdict and f" {100 * target:g}%" in row["why"]
    del results["compare"]["target_risk"]
    assert one(tmp_path, results, rule)["verdict"] == "not tested here"


READINGS = """\
  - id: it
    statement: The gap is about 3 points.
    claimed: 3
    unit: points
    only_at: [all]
    readings:
      as it was counted: [{measured: compare.a, tolerance: 2}]
      otherwise: [{measured: compare.b, tolerance: 2, contradicted_if: {above: 5}}]
"""


@pytest.mark.parametrize(
    "first, second, verdict, named",
    [
        (0.02, 0.2, "reproduced", "otherwise: contradicted (wholly above +5 points)"),
        (0.2, 0.02, "not reproduced", "otherwise: reproduced (within 2 points"),
        (0.02, None, "reproduced", "otherwise: not tested here (compare.b is not in results.json)"),
        (None, 0.02, "not tested here", "compare.a is not in results.json"),
    ],
)
def test_of_two_readings_the_first_decides_and_both_are_named(
    tmp_path, results, first, second, verdict, named
):
    results["compare"] |= {"a": first, "b": second}
    row = ledger.judge(claims.read_claims(write(tmp_path, READINGS)), results).iloc[0]
    assert row["verdict"] == verdict and named in row["why"]
    for reading, value in (("as it was counted", first), ("otherwise", second)):
        shown = f"{reading}: +{100 * value:.1f} points" if value else reading + ":"
        assert (shown in row["measured"]) == (value is not None)


TWICE = """\
  - {id: share, statement: S., claimed: 50, unit: percent, only_at: [all], fact: one fact, tests: [
      {measured: compare.share, tolerance: 1, contradicted_if: {above: 55}}]}
  - {id: count, statement: T., claimed: 50, unit: images, only_at: [all], fact: one fact,
     same_as: share, tests: [{measured: compare.count, tolerance: 1}]}
  - {id: other, statement: U., claimed: 1, unit: images, only_at: [all],
     tests: [{measured: compare.count, tolerance: 1}]}
"""


def test_a_count_of_classes_is_judged_as_the_count_that_it_is(tmp_path, results):
    results["compare"] |= {"share": 0.6, "count": 5, "tested": 5}
    text = TWICE.replace("claimed: 1, unit: images", "claimed: 5, unit: classes").replace(
        "compare.count, tolerance: 1}]}\n",
        "compare.count, count_of: compare.tested, tolerance: 0}]}\n",
    )
    row = ledger.judge(claims.read_claims(write(tmp_path, text)), results).set_index("id")
    assert row.loc["other", "measured"].startswith("5 (")
    assert row.loc["other", "verdict"] == "reproduced"


def test_where_a_quantity_is_told_twice_the_setting_that_was_claimed_of_is_told_too():
    first = {"why": "not inside it (claimed of full size)", "claimed": "50%", "statement": "S."}
    assert judgement._again(first) == "the same quantity as “50%” (claimed of full size)"
    assert judgement._again(first | {"why": "not inside it"}) == "the same quantity as “50%”"


def test_one_quantity_has_one_verdict_and_one_fact_is_counted_once(tmp_path, results):
    results["compare"] |= {"share": 0.6, "count": 40}
    stated = claims.read_claims(write(tmp_path, TWICE))
    judged = ledger.judge(stated, results).set_index("id")
    assert judged["verdict"].tolist() == ["contradicted", "contradicted", "not reproduced"]
    assert judged.loc["count", "why"] == "the same quantity as “50%”"
    assert judged.loc["count", "measured"] == "40 (no interval)"
    found = ledger.ledger_numbers(judged.reset_index(), stated, results)
    assert [(fact["fact"], fact["claims"]) for fact in found["facts"]] == [
        ("one fact", ["share", "count"]),
        (None, ["other"]),
    ]
    text = ledger.ledger({"ledger": found})
    assert (
        "The 3 negative ones state 2 facts." in text
        and "“S” (and 1 claim that hangs on it)" in text
    )


def test_a_fact_that_holds_is_counted_once_too(tmp_path, results):
    results["compare"] |= {"share": 0.5, "count": 1}
    stated = claims.read_claims(write(tmp_path, TWICE))
    judged = ledger.judge(stated, results)
    assert judged["verdict"].tolist() == ["reproduced"] * 3
    found = ledger.ledger_numbers(judged, stated, results)
    assert found["held"] == [["share", "count"], ["other"]] and not found["facts"]
    alone = claims.read_claims(write(tmp_path, TWICE.replace(" fact: one fact,", "")))
    assert ledger.ledger_numbers(judged, alone, results)["held"] == [["share", "count"], ["other"]]


def test_a_number_that_two_tests_look_at_is_shown_once(results):
    judged = ledger.judge(original(), results).set_index("id")
    assert judged.loc["class-otter", "measured"] == "+33.0 points (+23.0 to +43.0)"
    # two numbers are two
    assert judged.loc["crop-and-flip-were-on", "measured"].count("%") == 6
    assert "when right: " in judged.loc["confidence-drops-only-where-wrong", "measured"]


def test_a_number_beside_decides_nothing(tmp_path, results):
    entry = (
        "  - {id: it, statement: S., claimed: 98, unit: classes, only_at: [all], tests: "
        "[{measured: compare.classes.tested, minus: compare.classes.worse, tolerance: 2}], "
        "beside: {what: chance alone, measured: compare.classes.chance}}\n"
    )
    stated = claims.read_claims(write(tmp_path, entry))
    assert ledger.judge(stated, results).iloc[0]["measured"] == "98 (no interval)"
    results["compare"]["classes"]["chance"] = {"estimate": 53.2, "low": 43, "high": 62}
    row = ledger.judge(stated, results).iloc[0]
    assert row["measured"] == "98 (no interval); chance alone: 53 (43 to 62)"
    assert row["verdict"] == "reproduced"


def test_a_claimed_number_keeps_the_digits_that_it_was_given_with(results):
    judged = ledger.judge(original(), results).set_index("id")["claimed"]
    assert (
        judged["cutmix-test-accuracy"] == "75.70%" and judged["baseline-test-accuracy"] == "60.69%"
    )
    assert judged["gain"] == "+15.01 points" and judged["baseline-errors"] == "3,931"


def test_validation_loss_rises_or_falls_whatever_its_lowest_epoch(results):
    assert verdicts(results)["baseline-val-loss"] == "reproduced"
    results["compare"]["histories"]["baseline"][1]["val_loss"] = seeds(1.3)
    assert verdicts(results)["baseline-val-loss"] == "contradicted"


# --- the original study's claims


def verdicts(results):
    judged = ledger.judge(original(), results)
    return dict(zip(judged["id"], judged["verdict"]))


def test_every_number_and_conclusion_of_the_study_is_an_entry():
    entries = original().claims
    claimed = {claim.claimed for claim in entries}
    assert claimed >= {
        60.69,
        99.8,
        60,
        40,
        25,
        3931,
        315,
        54,
        47.8,
        75.70,
        75,
        3,
        2430,
        44,
        1,
        40.8,
        15.01,
        1938,
        437,
        1501,
        1993,
        57.5,
        98,
        -2,
        -1,
        33,
        31,
        30,
        70,
        95.9,
        63.5,
        99.9,
        62.4,
        89.9,
        37.2,
        49.6,
        92.1,
    }
    assert {
        f"case-{one}-{what}"
        for one in (3640, 2372, 8225, 5864, 1214)
        for what in ("before", "after", "cause")
    } <= {claim.id for claim in entries}
    texts = [
        bound.is_
        for claim in entries
        for test in claim.tests
        for bound in (test.holds_if, test.contradicted_if)
        if bound and bound.is_ is not None
    ]
    # an unquoted yes would be a truth value
    assert len(texts) > 10 and all(isinstance(text, str) for text in texts)


def test_a_study_that_measures_what_was_claimed_reproduces_it(results):
    given = verdicts(results)
    absent = {name for name in given if name.startswith("case-") and "1214" not in name} | {
        "heatmaps-on-texture"
    }
    # a hundred images show no loss of 2 points or 1
    unproved = {"class-oak-tree", "class-maple-tree"}
    assert {name for name, verdict in given.items() if verdict != "reproduced"} == absent | unproved
    assert {given[name] for name in absent} == {"not tested here"} and {
        given[name] for name in unproved
    } == {"not reproduced"}


def test_a_class_that_is_said_to_lose_and_gains_is_not_reproduced(results):
    results["compare"]["class_change"]["maple_tree"] = {
        "estimate": 0.01,
        "low": -0.06,
        "high": 0.08,
    }
    assert verdicts(results)["class-maple-tree"] == "not reproduced"


def test_a_verdict_that_is_not_given_decides_no_claim(results):
    results["gradcam"]["cases"][0]["verdict"] = None
    results["gradcam"]["rule"]["baseline"]["mixture"]["shares"] = None
    judged = ledger.judge(original(), results).set_index("id")
    for claim in ("case-1214-cause", "one-problem-of-textures"):
        assert (
            judged.loc[claim, "verdict"] == "not tested here"
            and "planted errors" in judged.loc[claim, "why"]
        )


def test_an_ordinary_map_is_not_uniform(results):
    for entropy, verdict in ((0.969, "not reproduced"), (0.89, "contradicted")):
        results["gradcam"]["cases"][0]["normalised_entropy"] = entropy
        assert verdicts(results)["heatmap-uniform-1214"] == verdict


def test_a_sound_full_size_study_contradicts_the_baseline_and_the_gain(results):
    compare = results["compare"]
    compare["arms"]["baseline"]["test_accuracy"] = seeds(0.75, 0.003, 3)
    compare["accuracy_change"] = {"estimate": 0.02, "low": 0.01, "high": 0.03}
    results["gradcam"]["cases"][0]["verdict"] = "label_error"
    results["failures"]["known"]["opinion"]["named"][0]["corrected"] = "crab"
    given = verdicts(results)
    for name in ("baseline-test-accuracy", "crop-and-flip-were-on", "gain", "limit-of-resolution"):
        assert given[name] == "contradicted", name
    assert (
        given["direction-of-accuracy"] == "reproduced"
        and given["case-1214-cause"] == "not reproduced"
    )


def test_a_full_size_baseline_alone_is_judged_and_the_arm_that_is_not_there_is_not(results):
    compare, smoothing = results["compare"], results["study"]["label_smoothing"]
    for of_arms in (compare["arms"], smoothing, compare["rejection"]):
        for name in set(of_arms) - {"baseline"}:
            del of_arms[name]
    for name in ("accuracy_change", "migration", "classes", "class_change", "ablation"):
        del compare[name]
    del results["gradcam"]["attention"]
    compare["arms"]["baseline"]["test_accuracy"] = seeds(0.74)
    judged = ledger.judge(original(), results).set_index("id")
    assert (
        judged.loc["baseline-test-accuracy", "verdict"]
        == judged.loc["crop-and-flip-were-on", "verdict"]
        == "contradicted"
    )
    assert judged.loc["baseline-errors-90", "verdict"] == "reproduced"
    of_another = [
        name
        for name in judged.index
        if name.startswith(("cutmix", "class-", "gain", "corrected")) or name.endswith("-after")
    ]
    assert len(of_another) > 15 and set(judged.loc[of_another, "verdict"]) == {"not tested here"}
    assert "claimed of an arm with CutMix and label smoothing 0.1 only" in set(
        judged.loc[of_another, "why"]
    )
    # a need is told in words
    assert not judged["why"].str.contains("results.json", regex=False).any()
    assert (
        "Some claims speak of an arm with CutMix and label smoothing 0.1, and this study does "
        "not: it has none." in told(results)
    )


def test_a_diagnosis_alone_contradicts_nothing(results):
    """What nobody planted it does not see."""
    results["gradcam"]["cases"][0]["verdict"], results["failures"]["known"] = "label_error", {}
    few = {"background": {"estimate": 0.01, "low": 0.0, "high": 0.07}}
    results["gradcam"]["rule"]["baseline"]["mixture"]["shares"] = few
    given = verdicts(results)
    assert (
        given["limit-of-resolution"] == "not tested here"
        and given["one-problem-of-textures"] == "not reproduced"
    )
    assert "contradicted" not in given.values()


@pytest.mark.parametrize("name, value", [("width", 16), ("epochs", 24), ("milestones", [12, 19])])
def test_a_small_study_judges_no_number_and_contradicts_no_direction(results, name, value):
    results["study"][name] = value
    results["compare"]["accuracy_change"] = {"estimate": -0.026, "low": -0.034, "high": -0.018}
    for one_arm in results["compare"]["arms"].values():
        one_arm["test_accuracy"] = seeds(0.2)
    judged = ledger.judge(original(), results).set_index("id")
    levels = [claim.id for claim in original().claims if "full" in claim.only_at]
    assert len(levels) > 35 and set(judged.loc[levels, "verdict"]) == {"not tested here"}
    assert (
        judged.loc["direction-of-accuracy", "verdict"] == "not reproduced"
        and "full size" in judged.loc["direction-of-accuracy", "why"]
    )
    assert judged.loc["rejecting-was-impossible-before", "verdict"] == "reproduced"
    assert "contradicted" not in set(judged["verdict"])


def test_two_copies_of_one_run_reproduce_no_difference(results):
    arms = results["compare"]["arms"]
    results["compare"]["arms"] = {name: arms["baseline"] for name in arms}
    results["compare"]["accuracy_change"] = results["compare"]["ablation"][1]["test_accuracy"] = {
        "estimate": 0.0,
        "low": 0.0,
        "high": 0.0,
    }
    given = verdicts(results)
    for name in (
        "direction-of-accuracy",
        "cutmix-made-the-difference",
        "confidence-drops-only-where-wrong",
    ):
        assert given[name] == "not reproduced", name


def test_without_any_number_nothing_is_tested(results):
    assert set(verdicts({}).values()) == {"not tested here"}
    assert set(verdicts({"study": results["study"]}).values()) == {"not tested here"}


def test_judging_changes_nothing_and_its_numbers_are_json(results):
    before, stated = copy.deepcopy(results), original()
    judged = ledger.judge(stated, results)
    assert results == before
    kept = json.loads(json.dumps(ledger.ledger_numbers(judged, stated, results), allow_nan=False))
    assert (
        sum(kept["verdicts"].values()) == len(kept["claims"]) == len(judged)
        and kept["outside"] == {}
    )
    assert len(ledger.ledger_view(judged, True)) + len(ledger.ledger_view(judged, False)) == len(
        judged
    )


# --- the sentences


def told(results, stated=None):
    stated = stated or original()
    told = {"ledger": ledger.ledger_numbers(ledger.judge(stated, results), stated, results)}
    return f"{ledger.ledger(told)} {ledger.scope(told)}"


def test_the_report_counts_verdicts_and_names_what_is_contradicted(results):
    assert "40 reproduced, 2 not reproduced, none contradicted" in told(
        results
    ) and "Contradicted: " not in told(results)
    results["compare"]["accuracy_change"] = {"estimate": 0.02, "low": 0.01, "high": 0.03}
    text = told(results)
    assert (
        "2 contradicted ([](#tab-ledger)). The 4 negative ones state 3 facts." in text
        and "Contradicted: “The CutMix arm is 15.01 points more accurate than the baseline” (and 1 "
        "claim that hangs on it)."
        in text
    )
    results["study"]["width"] = 16
    results["compare"]["accuracy_change"] = {"estimate": -0.02, "low": -0.03, "high": -0.01}
    assert "Of those not reproduced 1 was claimed of another setting than this study's." in told(
        results
    )
    assert told(results).count("The original study trained ResNet-18") == 1
    assert "speak of full size, and this study does not: width 64 (here 16)." in told(results)


def test_without_claims_there_is_nothing_to_say():
    assert claims.read_claims("") is None and len(ledger.judge(None, {})) == 0
    assert ledger.ledger({"ledger": ledger.ledger_numbers(ledger.judge(None, {}), None, {})}) == ""


def test_a_hostile_statement_becomes_text(tmp_path, results):
    entry = (
        "  - {id: it, statement: '<script>*a*', only_at: [all], tests: [{unit: percent, "
        f"{MEASURED}holds_if: {{above: 62}}, contradicted_if: {{below: 62}}}}]}}\n"
    )
    text = told(results, claims.read_claims(write(tmp_path, entry)))
    assert "<script" not in text and "\\*a\\*" in text


# --- bad files

GOOD = "measured: a.b, unit: percent, holds_if: {above: 1}"


@pytest.mark.parametrize(
    "entry, says",
    [
        (
            "{id: it, statement: S, only_at: [all], tests: [{" + GOOD + ", tolerence: 1}]}",
            "claims, it: tests.1.tolerence: unknown word; did you mean 'tolerance'?",
        ),
        (
            "{id: it, statement: S, only_at: [all], tests: [{measured: a.b, unit: percent, "
            "holds_if: {over: 1}}]}",
            "claims, it: tests.1.holds_if.over: unknown word",
        ),
        ("{id: it, only_at: [all], tests: []}", "claims, it: statement: missing"),
        ("{statement: S, only_at: [all], tests: [{" + GOOD + "}]}", "claims, entry 1: id: missing"),
        (
            "{id: it, statement: S, only_at: [all], tests: []}",
            "claims, it: give tests, or what they would need",
        ),
        (
            "{id: it, statement: S, only_at: [all], tests: [{measured: a.b, unit: percent}]}",
            "tests.1: give one of tolerance, holds_if",
        ),
        (
            "{id: it, statement: S, only_at: [all], tests: [{measured: a..b, unit: percent, "
            "holds_if: {above: 1}}]}",
            "tests.1.measured: string should match",
        ),
        (
            "{id: it, statement: S, only_at: [all], tests: [{measured: a.b, unit: metres, "
            "holds_if: {above: 1}}]}",
            "tests.1.unit: input should be 'percent'",
        ),
        (
            "{id: it, statement: S, only_at: [all], tests: [{measured: a.b, holds_if: {above: "
            "1}}]}",
            "a.b: no unit",
        ),
        (
            "{id: it, statement: S, only_at: [all], tests: [{measured: a.b, unit: percent, "
            "holds_if: {above: 1, below: 2}}]}",
            "give one of above, below, is",
        ),
        (
            "{id: it, statement: S, only_at: [all], tests: [{measured: a.b, unit: percent, "
            "holds_if: {above: 1}, contradicted_if: {below: 2}}]}",
            "other side",
        ),
        (
            "{id: it, statement: S, only_at: [all], tests: [{measured: a.b, unit: percent, "
            "holds_if: {above: 1}, contradicted_if: {above: 2}}]}",
            "other side",
        ),
        (
            "{id: it, statement: S, only_at: [all], tests: [{measured: a.b, holds_if: {is: x}, "
            "contradicted_if: {is: x}}]}",
            "other side",
        ),
        (
            "{id: it, statement: S, only_at: [all], tests: [{measured: a.b, unit: percent, "
            "tolerance: 1}]}",
            "a tolerance needs the claimed number",
        ),
        (
            "{id: it, statement: S, claimed: 1, unit: percent, only_at: [all], tests: "
            "[{measured: a.b, tolerance: 1, contradicted_if: {above: 1.5}}]}",
            "outside the tolerance",
        ),
        (
            "{id: it, statement: S, claimed: 1, only_at: [all], tests: [{" + GOOD + "}]}",
            "claimed and unit belong together",
        ),
        (
            "{id: it, statement: S, only_at: [all], tests: [{" + GOOD + "}, {" + GOOD + "}]}",
            "each needs 'what'",
        ),
        (
            "{id: it, statement: S, only_at: [none], tests: [{" + GOOD + "}]}",
            "claims: it: no scope is called none; there are: all",
        ),
        (
            "{id: it, statement: S, only_at: [all], tests: [{" + GOOD + ", minus_of: c}]}",
            "minus_of only beside minus",
        ),
        (
            "{id: it, statement: S, claimed: about 60, unit: percent, only_at: [all], tests: [{"
            + GOOD
            + "}]}",
            "claimed: input should be a valid number (got 'about 60')",
        ),
        ("just a text", "claims, entry 1: "),
    ],
)
def test_a_mistake_is_one_line_with_file_and_entry(tmp_path, entry, says):
    path = write(tmp_path, f"  - {entry}\n")
    with pytest.raises(ParameterError) as caught:
        claims.read_claims(path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: ") and says in line


def test_all_mistakes_of_a_file_are_named_at_once(tmp_path):
    entry = "  - {{id: {0}, statement: S, only_at: [all], tests: [{{{1}}}]}}\n"
    path = write(
        tmp_path,
        entry.format("one", GOOD + ", x: 1")
        + entry.format("two", "unit: percent, holds_if: {above: 1}"),
    )
    with pytest.raises(ParameterError) as caught:
        claims.read_claims(path)
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "claims, one",
        "claims, two",
    ]


@pytest.mark.parametrize(
    "old, new, says",
    [
        ("same_as: share", "same_as: count", "count: same_as: no other claim is called count"),
        ("same_as: share", "of: 4.5", "of"),
        ("same_as: share", "of: 9", "of belongs to a claimed percentage"),
        ("id: other,", "id: other, same_as: count,", "other: same_as: count is itself the same"),
        (
            "compare.count, tolerance: 1}]}\n  - {id: other",
            "compare.count, count_of: a.n, minus: a.b, minus_of: a.m, tolerance: 1}]}\n"
            "  - {id: other",
            "minus_of is of shares, not of counts",
        ),
        ("claimed: 1, unit: images", "decimals: 2", "other: of and decimals belong to a claimed"),
        (
            "tests: [{measured: compare.count, tolerance: 1}]}\n  - {id: other",
            "readings: {a: []}}\n  - {id: other",
            "readings.a",
        ),
        (
            "{above: 55}}]}",
            "{above: 55}}], readings: {a: [{measured: a.b, tolerance: 1}]}}",
            "share: give tests or readings, not both",
        ),
    ],
)
def test_a_mistake_in_the_new_words_is_told(tmp_path, old, new, says):
    assert old in TWICE
    with pytest.raises(ParameterError) as caught:
        claims.read_claims(write(tmp_path, TWICE.replace(old, new)))
    assert says in str(caught.value)


def test_an_entry_given_twice_a_missing_file_and_an_empty_one(tmp_path):
    entry = f"  - {{id: it, statement: S, only_at: [all], tests: [{{{GOOD}}}]}}\n"
    with pytest.raises(ParameterError, match="claims: given twice: it$"):
        claims.read_claims(write(tmp_path, entry * 2))
    with pytest.raises(ParameterError, match="no.yaml: cannot be read"):
        claims.read_claims(str(tmp_path / "no.yaml"))
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(ParameterError, match="empty.yaml: claims: missing$"):
        claims.read_claims(str(tmp_path / "empty.yaml"))


def test_the_report_of_every_cifar100_study_opens_with_the_claims():
    studies = sorted(ROOT.glob("params/cifar100*.yaml"))
    assert len(studies) == 2
    assert {read_yaml(study)["claims"] for study in studies} == {FILE}
