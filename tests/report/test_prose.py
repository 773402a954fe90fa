"""Sentences from made-up results: each reads true, and none says more than its interval allows."""

import copy

import pytest

from lib.evaluation import scope
from lib.evaluation.changes import CHANGES
from lib.report import cards, comparison, training
from lib.report.chapters import confidence


def entry(mean, sd=None, n=1):
    return {"mean": mean, "sd": sd, "n": n, "each": [mean] * n}


def arm(accuracy, errors, ge_90, wrong=0.5, right=0.9):
    return {
        "test_accuracy": entry(accuracy),
        "errors": entry(errors),
        "errors_ge_90": entry(ge_90),
        "errors_ge_90_scaled": entry(ge_90 / 2),
        "train_accuracy": entry(0.99),
        "val_accuracy": entry(0.6),
        "train_val_gap": entry(0.39),
        "confidence_on_errors": entry(wrong),
        "confidence_on_errors_scaled": entry(wrong and wrong - 0.1),
        "confidence_on_right_scaled": entry(right - 0.1),
        "aurc": entry(0.1),
        "errors_ge_99": entry(0),
        "confidence_on_right": entry(right),
        "ece": entry(0.2),
        "ece_scaled": entry(0.02),
        "temperature": entry(1.7),
    }


@pytest.fixture
def results():
    return {
        "study": {
            "data": "CIFAR-100",
            "classes": 100,
            "sizes": {"train": 45000, "val": 5000, "test": 10000},
            "image_size": 32,
            "width": 64,
            "epochs": 50,
            "milestones": [25, 40],
            "schedule": "steps",
            "batch_size": 128,
            "learning_rate": 0.1,
            "momentum": 0.9,
            "weight_decay": 5e-4,
            "parameters": 11220132,
            "seeds": [42],
            "seeds_of_arms": {"baseline": [42], "cutmix": [42]},
            "varies": [],
            "networks": ["resnet18"],
            "widths": [64],
            "epochs_of_arms": [50],
            "differences": {"baseline": "the reference", "cutmix": "augment False"},
            "proof": {
                "baseline": {"train": 0.99, "val": 0, "test": 0},
                "cutmix": {"train": 0.98, "val": 0, "test": 0},
            },
            "mean_lambda": {"baseline": None, "cutmix": 0.68},
            "changes": {"baseline": {"cutmix": ["augment False", "CutMix"]}},
            "label_smoothing": {"baseline": 0.0, "cutmix": 0.1},
            "data_digest": "0" * 64,
            "brought": {},
        },
        "cannot_tell": [],
        "failures": {
            "before": "baseline",
            "arms": {"baseline": {"errors": 3931, "within_superclass": 0.3}},
            "test_images": 10000,
            "selected": 8,
            "named": 5,
            "named_right": 0,
            "causes": None,
            "chance_within_superclass": 4 / 99,
        },
        "gradcam": {
            "layer": "layer4",
            "layers": {"baseline": "layer4", "cutmix": "layer4"},
            "cells": [4, 4],
            "images": 8,
            "after": "cutmix",
            "completeness_error": 3e-6,
            "faithfulness": {},
            "rule": {},
            "asked": ["baseline", "cutmix"],
            "left_out": [],
        },
        "compare": {
            "before": "baseline",
            "after": "cutmix",
            "reject_below": 0.7,
            "target_risk": 0.1,
            "cases": [{"id": 7}],
            "ablation": [],
            "changes": dict.fromkeys(CHANGES, {"estimate": -0.1, "low": -0.12, "high": -0.08})
            | {"errors_ge_90_scaled": {"estimate": -136, "low": -155, "high": -115}},
            "confident_errors": [
                {"arm": name, "ceiling": None, "top 20%": 20 + place}
                for place, name in enumerate(("baseline", "cutmix"))
            ],
            "churn": {
                "between_arms": {
                    "class": 0.4,
                    "right": 0.24,
                    "corrected": 1938,
                    "regressed": 437,
                },
                "between_seeds": {"baseline": None, "cutmix": None},
            },
            "promises": [
                {
                    "arm": name,
                    "seed": 42,
                    "threshold": 0.8,
                    "coverage": 0.5,
                    "selective_risk": 0.08,
                    "risk_low": 0.07,
                    "risk_high": 0.09,
                    "outcome": "kept",
                }
                for name in ("baseline", "cutmix")
            ],
            "scores": {
                name: dict.fromkeys(
                    ("margin", "normalised"), {"estimate": -0.01, "low": -0.02, "high": -0.005}
                )
                for name in ("baseline", "cutmix")
            },
            "arms": {"baseline": arm(0.607, 3931, 315), "cutmix": arm(0.757, 2430, 44)},
            "accuracy_change": {"estimate": 0.15, "low": 0.14, "high": 0.16},
            "mcnemar": {"corrected": 1938, "regressed": 437, "p_value": 1e-200, "n": 1},
            "robustness": None,
            "sure_tests": {"errors_ge_90_scaled": {"p_value": 1e-60, "n": 1}},
            "aurc_change": {"estimate": -0.1, "low": -0.12, "high": -0.08},
            "migration": {
                "corrected": 1938,
                "regressed": 437,
                "net_gain": 1501,
                "both_wrong": 1993,
                "both_wrong_less_confident_share": 0.575,
                "both_wrong_less_confident_scaled_share": 0.306,
            },
            "classes": {
                "tested": 100,
                "better": 98,
                "worse": 2,
                "equal": 0,
                "better_beyond_chance": 60,
                "worse_beyond_chance": 0,
            },
            "rejection": {
                name: {
                    "n": 1,
                    "coverage_sd": None,
                    "selective_risk_sd": None,
                    "coverage": 0.6,
                    "selective_risk": 0.1,
                    "risk_low": 0.09,
                    "risk_high": 0.11,
                }
                for name in ("baseline", "cutmix")
            },
        },
    }


def finding(results) -> str:
    """What became of accuracy, of sure errors and of the ranking."""
    compare, smoothing = results["compare"], results["study"]["label_smoothing"]
    sure = comparison.sure_and_wrong(compare, smoothing)
    return " ".join((comparison.accuracy(compare), sure, comparison.ranking(compare)))


ALL = (
    finding,
    training.done,
    training.training,
    training.failing,
    cards.maps_text,
    comparison.side_by_side,
    confidence.confidence,
    confidence.calibration_text,
    comparison.moved,
    comparison.ablation,
    confidence.rejecting,
    training.limits,
)


def everything(results) -> str:
    return "\n".join(say(results) for say in ALL)


def same(results):
    """Two copies of one run."""
    results = copy.deepcopy(results)
    compare = results["compare"]
    compare["arms"]["cutmix"], nothing = (
        compare["arms"]["baseline"],
        {"estimate": 0.0, "low": 0.0, "high": 0.0},
    )
    compare["accuracy_change"], compare["aurc_change"], compare["changes"] = (
        nothing,
        nothing,
        dict.fromkeys(CHANGES, nothing),
    )
    compare["mcnemar"] = {"corrected": 0, "regressed": 0, "p_value": 1.0, "n": 1}
    compare["sure_tests"] = {"errors_ge_90_scaled": {"p_value": 1.0, "n": 1}}
    compare["churn"]["between_arms"] = dict.fromkeys(("class", "right"), 0.0) | {"corrected": 0}
    compare["migration"] = {
        "corrected": 0,
        "regressed": 0,
        "net_gain": 0,
        "both_wrong": 3931,
        "both_wrong_less_confident_share": 0.0,
        "both_wrong_less_confident_scaled_share": 0.0,
    }
    compare["classes"] |= {"better": 0, "worse": 0, "equal": 100, "better_beyond_chance": 0}
    return results


def test_a_better_arm_raises_accuracy_and_numbers_stand_as_computed(results):
    text = finding(results)
    assert (
        "Of these two networks that of CutMix gets more test images right (+15.0 points, 95% "
        "interval +14.0 to +16.0). One network an arm: this says nothing of the method." in text
    )
    assert (
        "after scaling are 158 with baseline and 22 with CutMix. They are fewer (−136, 95% "
        "interval −155 to −115)" in text
    )
    assert (
        "Before scaling they are 315 with baseline and 44 with CutMix, which the label smoothing "
        "of CutMix reduces by construction." in text
    )
    assert (
        "fewer errors in the network of CutMix" in text
        and "0.100 smaller (95% interval 0.080 to 0.120)" in text
    )
    assert "(E-AURC), the network of CutMix ranks its errors better (−0.100" in text
    results["compare"]["changes"]["e_aurc"] = {"estimate": 0.001, "low": -0.001, "high": 0.003}
    text = finding(results)
    assert "(E-AURC), no difference in the ranking itself was found (+0.001" in text


def test_a_difference_that_falls_to_the_correction_is_told_as_such(results):
    changes = results["compare"]["changes"]
    for name in ("errors_ge_90_scaled", "aurc", "e_aurc"):
        changes[name] = changes[name] | {"found": "none"}
    text = finding(results)
    assert "in their number was found after correction for the number of measures (−136" in text
    assert "fewer errors in either after correction for the number of measures" in text
    assert "after correction for the number" in comparison.excess(results["compare"])


def test_no_p_value_stands_on_the_first_page_and_the_exact_test_stands_in_its_chapter(results):
    for about, said in (("networks", "McNemar's exact test"), ("method", "The sign-flip test")):
        results["compare"] |= {"about": about}
        results["compare"]["mcnemar"]["n"] = {"networks": 1, "method": 3}[about]
        assert "p\N{NO-BREAK SPACE}" not in finding(results)
        assert f"{said} over images" in comparison.side_by_side(results)


def test_of_the_method_is_spoken_with_three_seeds_alone(results):
    compare = results["compare"]
    for seeds in (1, 2, 3):
        compare |= {"seeds": list(range(seeds)), "about": scope.about(seeds)}
        text = finding(results)
        assert ("CutMix raises test accuracy" in text) == (seeds == 3)
        assert ("this says nothing of the method" in text) == (seeds < 3)
    compare |= {"seeds": [42, 43]}
    assert "Of these four networks those of CutMix get more" in finding(
        {**results, "compare": compare | {"about": "networks"}}
    )


@pytest.mark.parametrize("is_equivalent", [True, False])
def test_equivalent_is_said_beside_no_difference_found(results, is_equivalent):
    results["compare"]["accuracy_change"] = {"estimate": 0.001, "low": -0.004, "high": 0.006}
    results["compare"]["mcnemar"]["p_value"] = 0.6
    results["compare"]["equivalence"] = {"margin": 0.01, "equivalent": is_equivalent}
    text = finding(results)
    assert "No difference in test accuracy between the networks of" in text
    assert ("They are equivalent within ±1 point." in text) == is_equivalent
    assert ("equivalent within ±1 point is not shown" in text) != is_equivalent


def test_a_worse_arm_lowers_it(results):
    results["compare"]["accuracy_change"] = {"estimate": -0.05, "low": -0.07, "high": -0.03}
    results["compare"]["changes"]["aurc"] = {"estimate": 0.05, "low": 0.03, "high": 0.07}
    text = finding(results)
    assert "that of CutMix gets fewer test images right" in text and "−5.0 points" in text
    assert "fewer errors in the network of baseline" in text
    results["compare"]["about"] = "method"
    text = finding(results)
    assert "CutMix lowers" in text and "fewer errors in the arm baseline" in text


@pytest.mark.parametrize("low, high", [(-0.01, 0.01), (0.0, 0.02), (-0.02, 0.0)])
def test_an_interval_that_holds_zero_allows_no_difference(results, low, high):
    results["compare"]["accuracy_change"] = {"estimate": (low + high) / 2, "low": low, "high": high}
    results["compare"]["mcnemar"]["p_value"] = 0.06
    results["compare"]["changes"]["aurc"] = {"estimate": 0.0, "low": low, "high": high}
    text = finding(results)
    assert (
        "No difference in test accuracy between the networks of baseline and CutMix was" in text
        and "was not found to leave fewer errors in either" in text
    )
    assert not any(word in text for word in ("raises", "lowers test", "leaves fewer"))


@pytest.mark.parametrize(
    "low, p, accuracy, sure",
    [
        (
            0.005,
            0.125,
            "Whether CutMix raises test accuracy is open: the interval leaves 0 out, the exact "
            "test finds no difference (+",
            "Whether they are more is open: the interval leaves 0 out, the exact test finds no "
            "difference (+",
        ),
        (
            -0.001,
            0.03,
            "Whether CutMix raises test accuracy is open: the interval holds 0, the exact test "
            "finds a difference (+",
            "Whether they are more is open: the interval holds 0, the exact test finds a "
            "difference (+",
        ),
        (0.005, 0.03, "CutMix gets more test images right (+", "They are more (+"),
        (
            -0.001,
            0.06,
            "No difference in test accuracy",
            "No difference in their number was found (+",
        ),
    ],
)
def test_where_interval_and_exact_test_disagree_over_one_seed_it_is_open(
    results, low, p, accuracy, sure
):
    compare = results["compare"]
    compare["accuracy_change"] = {"estimate": 0.02, "low": low, "high": 0.04}
    compare["changes"]["errors_ge_90_scaled"] = {"estimate": 20, "low": 1000 * low, "high": 40}
    compare["mcnemar"]["p_value"] = compare["sure_tests"]["errors_ge_90_scaled"]["p_value"] = p
    text = finding(results)
    assert accuracy in text and sure in text
    assert f"p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{p}" in comparison.side_by_side(results)
    # the test cannot speak for seeds
    compare["about"] = "method"
    compare["mcnemar"]["n"] = compare["sure_tests"]["errors_ge_90_scaled"]["n"] = 3
    text = finding(results)
    assert "open" not in text and ("raises" in text) == ("They are more" in text) == (low > 0)


def test_two_copies_of_one_run_changed_nothing(results):
    text = everything(same(results))
    assert "No difference in test accuracy" in text and "Both arms are wrong on" not in text
    assert "No difference in their number was found" in text and "held against" not in text
    assert (
        "found, corrected for the number of measures, in ECE, ECE after scaling, negative" in text
    )
    assert not any(
        word in text
        for word in (
            "raises",
            "lowers",
            "leaves fewer",
            "these are lower",
            "these are higher",
            "They are",
        )
    )


def test_how_the_learning_rate_falls_is_told(results):
    assert "rate is 0.1, divided by 10 after epochs 25 and 40." in training.done(results)
    results["study"]["schedule"] = "cosine"
    text = training.done(results)
    assert "rate is 0.1, falling to 0 along half a cosine." in text and "divided" not in text


def test_a_transform_on_the_wrong_split_is_said_aloud(results):
    assert "no validation or test image did" in training.done(results)
    results["study"]["proof"]["cutmix"]["val"] = 0.4
    assert "**so did validation or test images" in training.done(results)


def test_the_label_smoothing_ceiling_is_that_of_the_arm_and_of_the_classes(results):
    study = results["study"]
    assert "a confidence of 0.901 and" in confidence.smoothing(study, ["baseline", "cutmix"])
    study["classes"] = 10
    assert "of 0.910 and" in confidence.smoothing(study, ["baseline", "cutmix"])
    assert not confidence.smoothing(study, ["baseline"])


def test_no_failures_no_cases_nothing_accepted_still_read_true(results):
    results["failures"] |= {
        "selected": 0,
        "named": 0,
        "arms": {"baseline": {"errors": 0, "within_superclass": None}},
    }
    results["compare"]["arms"]["baseline"] = arm(1.0, 0, 0, wrong=None)
    results["compare"]["promises"][0] |= {"threshold": None, "selective_risk": None}
    results["compare"]["promises"][1] |= {"selective_risk": None}
    results["compare"]["migration"] |= {
        "both_wrong": 0,
        "both_wrong_less_confident_share": None,
        "both_wrong_less_confident_scaled_share": None,
    }
    results["compare"]["rejection"]["cutmix"] |= {"coverage": 0.0, "selective_risk": None}
    text = everything(results)
    assert "There is no error to show." in text
    assert (
        "after scaling are 0 with baseline and 22 with CutMix." in text
        and "baseline is 80.0% confident on average when right (before scaling 90.0%)." in text
    )
    assert "CutMix accepts nothing." in text and "None" not in text and "nan" not in text
    results["compare"] |= {"after": "", "cases": []}
    assert comparison.side_by_side(results) == ""


def test_named_cases_that_are_right_here_are_called_that(results):
    assert "5 named cases are looked at besides; it gets none of them right." in training.failing(
        results
    )
    results["failures"]["named_right"] = 2
    assert "it gets 2 of them right, which is no failure of this network" in training.failing(
        results
    )


def test_what_a_class_moves_between_seeds_stands_beside_what_it_moves_between_arms(results):
    assert "between two seeds of one arm it does" not in comparison.moved(results)
    results["compare"]["classes"] |= {"mean_size": 3.4, "another_seed": 3.01}
    said = "A class changes by 3.4 points on average; between two seeds of one arm it does by 3.0."
    assert said in comparison.moved(results)


def test_errors_are_told_apart_by_what_other_seeds_make_of_them(results):
    assert "persistent" not in training.failing(results)
    kinds = ("persistent", "shifting", "of this network")
    results["failures"]["arms"]["baseline"]["persistence"] = [
        {"confidence": 0.0, "errors": 100} | dict(zip(kinds, (27, 36, 37))),
        {"confidence": 0.9, "errors": 50} | dict(zip(kinds, (29, 10, 11))),
    ]
    text = training.failing(results)
    assert "27% are persistent, the same wrong class in every seed, 36% are shifting" in text
    assert "Of the 50 at 90% confidence or more 58% are persistent." in text
    results["failures"]["arms"]["baseline"]["persistence"][1]["errors"] = 5
    assert "at 90% confidence" not in training.failing(results)


def test_captions_say_how_many_seeds_each_arm_has():
    uneven = {"baseline": [42, 43, 44], "cutmix": [42, 43], "no_augmentation": [42]}
    said = "the seeds that each arm has (baseline 3, CutMix 2 and no augmentation 1)."
    assert comparison.arms(list(uneven), uneven).endswith(f"standard deviation of {said}")
    assert "over the seeds that arms share, paired" in comparison.scores_caption(uneven)
    assert "of 3 seeds." in comparison.seeds({"a": [1, 2, 3], "b": [1, 2, 3]})
    assert comparison.seeds([7]) == comparison.seeds({"a": [7]}) == "One seed (7)."


def test_arms_that_answer_alike_have_no_table_of_changes_to_see(results):
    compare = results["compare"]
    compare["changes"]["ece"] |= {"estimate": 0.02, "low": 0.01, "high": 0.03, "found": "higher"}
    assert "tab-changes" in confidence.calibration_text(results)
    compare["churn"]["between_arms"]["class"] = 0.0
    assert "tab-changes" not in confidence.calibration_text(results)


def test_seeds_are_counted(results):
    assert "trained once, with one seed" in training.seeds(results["study"])
    three = [42, 43, 44]
    results["study"] |= {"seeds": three, "seeds_of_arms": {"baseline": three, "cutmix": three}}
    text = training.seeds(results["study"]) + training.limits(results)
    assert "3 seeds" in text and "one seed" not in text and "known only roughly" in text
    assert "the errors of baseline with seed 42." in training.failing(results)
    # arms may have their own, and pictures are of the first that both have
    results["study"] |= {"seeds": [43], "seeds_of_arms": {"baseline": [42, 43], "cutmix": [43]}}
    text = training.seeds(results["study"])
    assert "the seeds that each arm has (baseline 2 and CutMix 1)" in text
    assert "is of seed 43 alone" in text
    assert "the errors of baseline with seed 43." in training.failing(results)


def test_numbers_of_several_seeds_are_called_means(results):
    compare = results["compare"]
    for numbers in compare["arms"].values():
        for one in numbers.values():
            one |= {"n": 3, "sd": 0.01}
    compare["mcnemar"]["n"] = compare["sure_tests"]["errors_ge_90_scaled"]["n"] = 3
    of_seeds = {"class": 0.3, "right": 0.2, "corrected": 700, "regressed": 700}
    compare["churn"]["between_seeds"] = {"baseline": of_seeds, "cutmix": None}
    for row in compare["rejection"].values():
        row |= {
            "n": 3,
            "accepting": 3,
            "coverage_sd": 0.01,
            "selective_risk_sd": 0.002,
            "risk_low": None,
            "risk_high": None,
        }
    compare["promises"] = [
        row | {"seed": seed, "outcome": ("kept", "broken", "above, within chance")[seed]}
        for row in compare["promises"]
        for seed in range(3)
    ]
    results["study"]["seeds"] = [42, 43, 44]
    text = everything(results)
    compare["rejection"]["cutmix"]["accepting"] = 2
    assert "wrong (means of 3 seeds, the risk of the 2 that accept any)" in everything(results)
    assert (
        "The sign-flip test over images, these seeds as given: p" in text and "McNemar" not in text
    )
    assert (
        "Between seeds of baseline these shares are 30.0% and 20.0%." in text
        and "one of baseline 700 (" in text
        and "Of the 1,938 that CutMix corrects 1,238 are more than another seed corrects on average"
        in text
    )
    assert "10.0% of these are wrong (means of 3 seeds)" in text and "None" not in text


def effect(name, given, low, high):
    return {
        "effect": name,
        "given": given,
        "test_accuracy": {"estimate": (low + high) / 2, "low": low, "high": high},
    }


def test_an_ablation_says_what_each_factor_did_and_no_more(results):
    assert comparison.ablation(
        results
    ) == "" and "differ in more than one thing" in training.limits(results)
    results["compare"]["ablation"] = [
        effect("crop and flip", "nothing else", 0.1, 0.14),
        effect("CutMix", "crop and flip", -0.01, 0.02),
        effect("label smoothing", "CutMix", -0.03, -0.01),
        effect("CutMix × label smoothing", "crop and flip", -0.01, 0.01),
    ]
    text = comparison.ablation(results)
    assert (
        "Crop and flip: test accuracy is higher where it is on (+12.0 points, 95% interval +10.0 "
        "to +14.0, one network an arm)." in text
    )
    assert "CutMix given crop and flip: no effect on test accuracy was found (+0.5 points" in text
    assert "Label smoothing given CutMix: test accuracy is lower where it is on" in text
    results["compare"]["ablation"][2]["seeds"] = [1, 2, 3]
    assert "Label smoothing given CutMix: test accuracy falls" in comparison.ablation(results)
    assert (
        "CutMix and label smoothing given crop and flip: together they were not found to give "
        "more or less" in text
    )
    assert "differ in more than one thing" not in training.limits(results)


def test_arms_of_several_widths_and_schedules_are_not_told_from_the_first_alone(results):
    results["study"] |= {
        "varies": ["width", "epochs"],
        "widths": [16, 64],
        "epochs_of_arms": [24, 50],
    }
    assert "(width and epochs not the same in every arm, see below)" in training.done(results)
    assert (
        "(16 and 64 channels, where ResNet-18 has 64) and was trained for 24 and 50 epochs"
        in training.limits(results)
    )


def test_other_scores_are_called_better_only_where_the_interval_says_so(results):
    scores = results["compare"]["scores"]
    scores["cutmix"]["margin"] = {"estimate": 0.01, "low": -0.001, "high": 0.02}
    scores["cutmix"]["normalised"] = {"estimate": 0.01, "low": 0.001, "high": 0.02}
    text = confidence.scores_text(results["compare"])
    assert (
        "in baseline the logit margin ranks the errors better" in text
        and "in CutMix the normalised logit ranks the errors worse" in text
        and "no difference was found for the logit margin in CutMix" in text
    )


def test_a_temperature_at_a_bound_is_not_called_fitted(results):
    said = confidence.calibration_text(results)
    assert "The temperature of baseline is 1.70, fitted on validation." in said
    temperature = results["compare"]["arms"]["cutmix"]["temperature"]
    temperature |= {"mean": 0.01, "each": [0.01]}
    assert (
        "CutMix is 0.01, a bound of the search, for validation has no best one."
        in confidence.calibration_text(results)
    )
    temperature |= {"mean": 33.97, "n": 3, "each": [0.9, 100.0, 1.0]}
    assert (
        "CutMix is 33.97, a bound of the search, for validation has no best one in 1 of 3 seeds."
        in confidence.calibration_text(results)
    )


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '#eval("1")', "a_b*c*`d`[e](f)$g$", "x" * 300]
)
def test_hostile_arm_names_become_text(results, hostile):
    compare = results["compare"]
    compare["after"] = hostile
    for place in (
        compare["arms"],
        compare["rejection"],
        compare["scores"],
        results["study"]["proof"],
        results["study"]["label_smoothing"],
    ):
        place[hostile] = place.pop("cutmix")
    text = finding(results)
    assert "<script" not in text
    assert all(
        text[place - 1] == "\\" for place, letter in enumerate(text) if letter in "*`$#" and place
    )
