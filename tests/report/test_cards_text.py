"""Sentences about causes from made-up results: each reads true, whatever there is to say."""

import copy

import pytest

from lib.diagnosis.score import CAUSES
from lib.report import cards

SPREAD = {
    "before": 0.7,
    "after": 0.6,
    "p_value": 0.001,
    "difference": {"estimate": -0.1, "low": -0.12, "high": -0.08},
}
CURVE = {"map": 0.3, "random": 0.4, "difference": {"estimate": -0.1, "low": -0.12, "high": -0.08}}
STAGES = [
    {"stage": stage, "images": 200, "correlation": 0.1, "low": 0.05, "high": 0.15, "absolute": 0.2}
    for stage in ("fc", "stem")
]
NO_MARK = {"estimate": None, "low": None, "high": None}


def counts(*numbers):
    return dict(zip(CAUSES, numbers))


@pytest.fixture
def cifar():
    """A study without planted causes; the first of its two cases is named."""
    case = {
        "id": 7,
        "true": "oak_tree",
        "predicted": "lamp",
        "why": "named",
        "half": "discovery",
        "verdict": "label_error",
        "probability": 0.83,
    }
    return {
        "study": {"image_size": 32},
        "gradcam": {
            "asked": ["baseline", "cutmix"],
            "layer": "layer4",
            "layers": {"baseline": "layer4", "cutmix": "layer4"},
            "cells": [4, 4],
            "images": 8,
            "completeness_error": 3e-6,
            "before": "baseline",
            "after": "cutmix",
            "chance": 0.206,
            "rule": {"statistics": 17, "errors": 2302, "phantoms": 3},
            "halves": {
                "baseline": {"discovery": 1900, "confirmation": 2000},
                "cutmix": {"discovery": 1200, "confirmation": 1250},
            },
            "verdicts": {
                "baseline": counts(500, 300, 1000, 200, 0),
                "cutmix": counts(250, 500, 250, 125, 125),
            },
            "faithfulness": {
                arm: {"images": 100, "steps": 8, "deletion": CURVE, "insertion": CURVE}
                for arm in ("baseline", "cutmix")
            },
            "randomisation": [
                row | {"arm": arm} for arm in ("baseline", "cutmix") for row in STAGES
            ],
            "occlusion": {
                arm: {
                    "images": 100,
                    "undefined": 0,
                    "correlation": {"estimate": 0.6, "low": 0.5, "high": 0.7},
                    "another": {"estimate": 0.2},
                }
                for arm in ("baseline", "cutmix")
            },
            "attention": {
                "images": 3000,
                "excluded": 0,
                "entropy": SPREAD,
                "normalised_entropy": SPREAD,
                "hottest_share": SPREAD,
            },
            "controls": {
                "baseline": {"estimate": 0.1, "low": 0.08, "high": 0.12},
                "cutmix": {"estimate": 0.01, "low": -0.01, "high": 0.03},
            },
            "cases": [case, case | {"id": 9, "why": "mined"}],
            "pages": 1,
            "score": None,
            "score_after": None,
            "reviewed": None,
        },
        "failures": {"known": {"opinion": {"named": [{"id": 7, "corrected": None}]}}},
    }


@pytest.fixture
def phantom(cifar):
    marks = {
        f"{what} {cause}": {"estimate": 0.5 + place / 10, "low": 0.4, "high": 0.95}
        for what in ("recall", "precision")
        for place, cause in enumerate(CAUSES)
    }
    marks |= {
        "macro recall": {"estimate": 0.93, "low": 0.9, "high": 0.96},
        "called": {"estimate": 0.04, "low": 0.02, "high": 0.07},
    }
    worst = {
        "planted": "background",
        "diagnosed": "look_alike",
        "errors": 9,
        "id": 31,
        "true": "oak_tree",
        "predicted": "lamp",
        "sentence": "Look alike.",
    }
    score = {
        "phantoms": 5,
        "errors": 800,
        "others": 40,
        "causes": list(CAUSES[:4]),
        "acting": marks,
        "worst": worst,
        "strict": marks | {"macro recall": {"estimate": 0.88, "low": 0.85, "high": 0.91}},
    }
    return cifar | {"gradcam": cifar["gradcam"] | {"score": score}}


@pytest.fixture
def one_arm_without_errors(cifar):
    cam = cifar["gradcam"]
    cam["halves"]["cutmix"], cam["verdicts"]["cutmix"] = (
        {"discovery": 0, "confirmation": 0},
        counts(0, 0, 0, 0, 0),
    )
    for name in ("faithfulness", "occlusion", "controls"):
        cam[name].pop("cutmix")
    cam["randomisation"] = cam["randomisation"][:2]
    return cifar


@pytest.fixture
def no_errors(one_arm_without_errors):
    cam = one_arm_without_errors["gradcam"]
    cam["halves"]["baseline"], cam["verdicts"]["baseline"] = (
        {"discovery": 0, "confirmation": 0},
        counts(0, 0, 0, 0, 0),
    )
    cam |= {
        "faithfulness": {},
        "occlusion": {},
        "controls": {},
        "randomisation": [],
        "attention": None,
        "cases": [],
        "pages": 0,
    }
    return one_arm_without_errors


ALL = (
    cards.probing,
    cards.verdicts_text,
    cards.cases_text,
    cards.maps_text,
    cards.first_page,
    cards.instrument,
)


def everything(results) -> str:
    before = copy.deepcopy(results)
    text = "\n".join(say(results) for say in ALL)
    assert results == before and "None" not in text and "nan" not in text and "  " not in text
    return text


def test_every_study_reads_without_gaps(request):
    for name in ("cifar", "phantom", "one_arm_without_errors", "no_errors"):
        assert len(everything(request.getfixturevalue(name))) > 300


def test_probing_counts_all_errors_and_holds_them_against_random_cells(cifar):
    text = cards.probing(cifar)
    assert (
        "all 3,900 errors of baseline and 2,450 errors of CutMix" in text
        and "it proves no cause" in text
    )
    assert (
        "more often in baseline (+10.0 points" in text
        and "neither more nor less often, as far as was found, in CutMix" in text
    )


def test_verdicts_are_ranked_and_shared_out_over_the_confirmation_half(cifar):
    text = cards.verdicts_text(cifar)
    assert (
        "Of 2,000 errors of baseline on the confirmation half it calls look alike 50%, "
        "background 25%, second object 15% and label error 10%." in text
    )
    assert (
        "Of 1,250 errors of CutMix on the confirmation half it calls second object 40%, "
        "background 20%, look alike 20%, label error 10%" in text
    )


def test_an_arm_without_errors_is_said_to_have_none(one_arm_without_errors):
    assert "CutMix makes no error on the confirmation half." in cards.verdicts_text(
        one_arm_without_errors
    )
    text = cards.probing(one_arm_without_errors)
    assert "3,900 errors of baseline" in text and "CutMix" not in text


def test_no_errors_leave_nothing_to_probe(no_errors):
    assert cards.probing(no_errors) == "No error is made: there is nothing to probe."
    assert cards.cases_text(no_errors) == "No error was selected, so there is no card."
    text = cards.maps_text(no_errors)
    assert text.endswith("the largest deviation is 3 × 10⁻⁶ logits.") and "random" not in text


def test_cases_tell_of_the_named_ones_only(cifar):
    text = cards.cases_text(cifar)
    assert (
        "each verdict is a hypothesis. Of the named cases that the network gets wrong, oak tree "
        "taken for lamp (7) is called label error. " in text
    )
    assert "(9)" not in text and "it is no frequency" in text
    cifar["gradcam"]["cases"] = cifar["gradcam"]["cases"][1:]
    assert "hypothesis. [](#tab-cards) says of each case" in cards.cases_text(cifar)


def test_a_probability_is_told_where_the_rule_has_a_score_and_a_label_that_reviewers_reject_always(
    phantom, cifar
):
    assert cards.cases_text(phantom).startswith(
        "Of the named cases that the network gets wrong, oak tree taken for lamp (7) is called "
        "label error with probability 83%. "
    )
    assert "Most reviewers" not in cards.cases_text(cifar)
    cifar["failures"]["known"]["opinion"]["named"][0]["corrected"] = "lamp"
    assert (
        "Most reviewers call 7 (lamp, labelled oak tree) what the network calls it: there the "
        "label is in doubt" in cards.cases_text(cifar)
    )


def test_the_second_arm_has_a_score_of_its_own(phantom):
    assert "no surer" not in cards.instrument(phantom)
    phantom["gradcam"]["score_after"] = {
        "arm": "cutmix",
        "before": "baseline",
        "errors": 300,
        "macro recall": {"estimate": 0.6, "low": 0.54, "high": 0.66},
    }
    assert (
        "On 300 such errors of CutMix it finds 60% (95% interval 54% to 66%) of the causes"
        in cards.instrument(phantom)
    )


def test_maps_without_the_identity_or_the_second_arms_spread(cifar):
    text = cards.maps_text(cifar)
    assert (
        "4×4 cells at layer4. With average pooling" in text
        and "gathers its attention in fewer cells" in text
        and text.count("\n\n") == 3
    )
    cifar["gradcam"] |= {"completeness_error": None, "attention": None}
    text = cards.maps_text(cifar)
    assert "average pooling" not in text and "attention" not in text and text.count("\n\n") == 2


def test_a_network_without_a_layer_of_maps_or_of_others_says_what_stands_in_their_place(cifar):
    assert "occlusion*" not in cards.maps_text(cifar)
    cam = cifar["gradcam"]
    cam["layers"]["cutmix"] = None
    text = cards.maps_text(cifar)
    assert "4×4 cells at layer4. In place of maps of CutMix, where no layer has any" in text[:150]
    cam |= {"layer": None, "layers": {"baseline": None}, "completeness_error": None}
    cam |= {"randomisation": [], "occlusion": {}}
    text = cards.maps_text(cifar)
    assert text.startswith("In place of maps of baseline") and "layer4" not in text
    assert "Weights were not made random" in text and "second opinion" not in text


def test_the_cases_of_an_arm_that_was_not_asked_have_no_card(cifar):
    cifar["gradcam"] |= {"asked": ["cutmix"], "cases": []}
    assert "errors of baseline, whose network was not asked" in cards.cases_text(cifar)


def test_only_the_phantom_has_a_score(cifar):
    assert cards.first_page(cifar) == ""
    text = cards.instrument(cifar)
    assert (
        "on 17 statistics of the probes, fitted on 2,302 errors on the validation splits of 3 "
        "phantoms" in text
    )
    assert "On this data set its score is not known." in text and "marked" not in text


@pytest.mark.parametrize(
    "called, others, said",
    [
        ((0.6, 0.5, 0.7), (0.2, 0.15, 0.25), "more often than others"),
        ((0.1, 0.05, 0.14), (0.2, 0.15, 0.25), "less often than others"),
        # the intervals overlap, and the shares differ all the same
        ((0.3, 0.2, 0.4), (0.2, 0.15, 0.25), "more often than others"),
        ((0.225, 0.15, 0.31), (0.2, 0.15, 0.25), "no difference was found"),
    ],
)
def test_reviewers_are_said_to_agree_only_where_a_test_finds_it(cifar, called, others, said):
    ends = ("estimate", "low", "high")
    cifar["gradcam"]["reviewed"] = {
        "called": {"errors": 120} | dict(zip(ends, called)),
        "others": {"errors": 1900} | dict(zip(ends, others)),
    }
    text = cards.instrument(cifar)
    assert (
        "Of 120 reviewed errors that it calls label errors, most reviewers did not confirm "
        f"{round(100 * called[0])}% (95% interval" in text
    )
    assert text.endswith(f"of the 1,900 others 20% (95% interval 15% to 25%): {said}.")
    cifar["gradcam"]["reviewed"]["called"] |= {"errors": 0, "estimate": None}
    assert everything(cifar) and cards.instrument(cifar).endswith("no proof.")


def test_the_score_is_told_with_its_intervals_and_its_worst_mistake(phantom):
    assert (
        "it finds 93% (95% interval 90% to 96%) of those that point at the predicted class, on "
        "average over four causes and 5 phantoms" in cards.first_page(phantom)
    )
    text = cards.instrument(phantom)
    assert "of 5 phantoms, each with a network of its own, on 800 errors" in text
    assert (
        "the mean of background 50% (95% interval 40% to 95%), second object 60%" in text
        and "label error 80% (95% interval 40% to 95%)." in text
    )
    assert (
        "Of errors without a planted cause, 4% (95% interval 2% to 7%) get one nevertheless."
        in text
    )
    assert (
        "is to call background look alike: test image 31 of this study, oak tree taken for lamp. "
        "What the rule said: Look alike." in text
    )
    assert (
        "made 9 times" in text
        and "For 40 more errors" in text
        and text.endswith("the mean is 88% (95% interval 85% to 91%).")
    )


@pytest.mark.parametrize(
    "recall, called, said",
    [
        (0.93, 0.04, "found is reached and that of at most 5% called is reached"),
        (0.90, 0.05, "found is reached and that of at most 5% called is reached"),
        (0.899, 0.04, "found is missed and that of at most 5% called is reached"),
        (0.93, 0.051, "found is reached and that of at most 5% called is missed"),
        (0.7, 0.4, "found is missed and that of at most 5% called is missed"),
    ],
)
def test_aims_are_reached_or_missed_one_by_one(phantom, recall, called, said):
    marks = phantom["gradcam"]["score"]["acting"]
    marks["macro recall"], marks["called"] = (
        {"estimate": one, "low": one, "high": one} for one in (recall, called)
    )
    assert f"the aim of at least 90% {said}." in cards.instrument(phantom)


@pytest.mark.parametrize("which, low, high", [("macro recall", 0.8, 0.95), ("called", 0.01, 0.06)])
def test_an_aim_inside_an_interval_is_not_settled(phantom, which, low, high):
    marks = phantom["gradcam"]["score"]["acting"]
    marks["macro recall"], marks["called"] = (
        {"estimate": one, "low": one, "high": one} for one in (0.93, 0.04)
    )
    assert "settles" not in cards.aims(marks)
    marks[which] |= {"low": low, "high": high}
    assert "by the estimates; not every interval settles it." in cards.aims(marks)


def test_what_could_not_be_marked_is_unknown_and_reaches_no_aim(phantom):
    score = phantom["gradcam"]["score"]
    score["acting"] = dict.fromkeys(score["acting"], NO_MARK)
    score |= {"strict": score["acting"], "errors": 0}
    text = everything(phantom)
    assert "an unknown share" in text and "aim" not in cards.instrument(phantom)


def test_no_mistake_no_example_and_none_left_out(phantom):
    score = phantom["gradcam"]["score"]
    score["others"], score["worst"] = (
        0,
        {"planted": "background", "diagnosed": "look_alike", "errors": 1, "id": None},
    )
    text = cards.instrument(phantom)
    assert (
        text.endswith("Its most frequent mistake, made 1 time, is to call background look alike.")
        and "more error" not in text
    )
    score["worst"]["errors"] = 0
    assert cards.instrument(phantom).endswith("It makes no mistake among these.")


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '#eval("1")', "a_b*c*`d`[e](f)$g$", "x" * 300]
)
def test_hostile_names_become_text(phantom, hostile):
    cam = phantom["gradcam"]
    for place in (
        cam["halves"],
        cam["verdicts"],
        cam["faithfulness"],
        cam["occlusion"],
        cam["controls"],
    ):
        place[hostile] = place.pop("cutmix")
    cam["after"] = cam["randomisation"][2]["arm"] = cam["randomisation"][3]["arm"] = hostile
    cam["cases"][0] |= {"true": hostile, "predicted": hostile}
    cam["score"]["worst"] |= {"true": hostile, "predicted": hostile}
    for say in ALL:
        text = say(phantom).replace("[](#", "")  # the report's own links
        assert "<script" not in text
        assert all(
            text[place - 1] == "\\"
            for place, letter in enumerate(text)
            if letter in "*`$#" and place
        )
