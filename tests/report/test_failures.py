"""Sentences on errors, labels and severity from made-up results: each reads true, and none says
more than its interval allows."""

import copy
import re

import numpy as np
import pandas as pd
import pytest

from lib.evaluation.labels import Opinion
from lib.report import failures as captions
from lib.report import failures as prose


def share(estimate, width=0.02):
    return {"estimate": estimate, "low": max(estimate - width, 0), "high": min(estimate + width, 1)}


def change(estimate, width=0.01):
    return {"estimate": estimate, "low": estimate - width, "high": estimate + width}


def band(low, high, errors, value, width=0.03):
    return {
        "low": low,
        "high": high,
        "errors": errors,
        "share": value,
        "share_low": value - width,
        "share_high": value + width,
    }


def of_arm(errors, within, distance):
    return {
        "errors": errors,
        "within": share(within),
        "distance": distance,
        "distance_of_errors": 2 - within,
        "chance": 4 / 99,
        "chance_distance": 2 - 4 / 99,
        "bands": [band(0, 0.3, 900, 0.25), band(0.3, 0.5, 500, 0.3), band(0.9, 1, 80, 0.5)],
        "trend": {"rows": errors, "rho": -0.16, "p_value": 4e-6, "found": "falls"},
    }


@pytest.fixture
def results():
    sets = [
        {
            "labels": labels,
            "duplicates": kept,
            "images": 10000,
            "accuracy": {"baseline": 0.6, "cutmix": 0.62},
            "change": change(gain),
        }
        for kept in ("kept", "removed")
        for labels, gain in (
            ("as recorded", 0.02),
            ("rejected removed", 0.021),
            ("corrected", 0.025),
        )
    ]
    opinion = {
        "source": "reviewers",
        "reviewed": 2235,
        "rejected": 585,
        "corrected": 318,
        "errors": 3900,
        "sure": 0.9,
        "sure_errors": 90,
        "rejected_among_errors": share(0.1),
        "rejected_among_sure_errors": share(0.4, 0.1),
        "named_alike": {"of": 200} | share(0.8),
        "suspected": {
            "all": 1500,
            "found": 1000,
            "wanted": 585,
            "hits": 300,
            "precision": share(0.3),
            "recall": share(0.51),
        },
    }
    return {
        "study": {"image_size": 32, "widths": [64]},
        "failures": {
            "before": "baseline",
            "after": "cutmix",
            "arms": {"baseline": {"errors": 3900, "discovery_errors": 1950}},
            "test_images": 10000,
            "discovery_images": 5000,
            "temperature": 1.72,
            "mined": 7,
            "named": 5,
            "selected": 12,
            "labels": {
                "runs": 5,
                "splits": {
                    "val": {"images": 5000, "suspected": 700},
                    "test": {"images": 10000, "suspected": 1500},
                },
                "unanimous": 400,
                "named": [
                    {
                        "id": 1214,
                        "true": "lobster",
                        "suggested": "crab",
                        "reviewers": "crab (5 of 5)",
                    }
                ],
            },
            "known": {"missing": [], "sets": sets, "duplicates": 959, "opinion": opinion},
            "repeated": None,
            "confused": {"class": "maple_tree", "other": "oak_tree", "errors": 60},
            "causes": None,
            "severity": {
                "superclasses": 20,
                "distance_change": change(-0.05),
                "distance_of_errors_change": change(0.03),
                "arms": {"baseline": of_arm(3900, 0.3, 0.66), "cutmix": of_arm(3800, 0.32, 0.61)},
            },
        },
    }


ALL = (prose.mining, prose.suspicious, prose.rescored_text, prose.severity)


def everything(results) -> str:
    text = " ".join(say(results) for say in ALL)
    assert not re.search(r"None|\bnan\b|  |\{|\.\.|,\.", text), text
    return text


def test_numbers_stand_as_computed(results):
    text = everything(results)
    assert (
        "The discovery half has 5,000 images" in text
        and "scaling (1.72, fitted on validation)" in text
    )
    assert "the first of the 1,950 errors that baseline makes there" in text
    assert (
        "700 of 5,000 in validation and 1,500 of 10,000 in test. The runs are unanimous on 400"
        in text
    )
    assert (
        "image 1214 (recorded lobster, rather crab; reviewers: crab (5 of 5)) is among them" in text
    )
    assert (
        "1,000 of the 1,500 suspected test labels and did not confirm 30% (95% interval 28% to "
        "32%) (most of five must: “both” confirms no label alone). Of all 585" in text
    )
    assert "for 80% (95% interval 78% to 82%) of 200 images" in text
    assert (
        "585 labels that most reviewers did not confirm of the 2,235 that they were shown" in text
        and "959 test images have a near-duplicate" in text
    )
    assert "40% (95% interval 30% to 50%) of its errors at 90% confidence" in text
    assert (
        "The network of CutMix gets more right than that of baseline on all 6 sets of test images: "
        "estimates from +2.0 to +2.5 points" in text
    )
    assert (
        "Of 3,900 errors, baseline keeps 30%" in text
        and "Of wrong classes drawn at random 4.0% would be there" in text
    )
    # nearer by fewer errors, yet these are farther off
    assert (
        "Over the errors alone, where accuracy has no share, those of the network of CutMix are "
        "farther off than those of baseline (+0.030, 95% interval +0.020 to +0.040)" in text
    )


def test_a_verdict_that_some_sets_do_not_share_is_said(results):
    sets = results["failures"]["known"]["sets"]
    sets[0]["change"] = change(0.005)
    text = everything(results)
    assert (
        "depends on the set" in text
        and "gets more right than that of baseline on 5 of 6; it is not found to differ from that "
        "of baseline on 1 of 6"
        in text
    )
    for one in sets:
        one["change"] = change(0.005)
    assert "On none of 6 sets of test images was a difference between" in everything(results)


def test_sure_errors_are_called_different_only_where_a_trend_was_found(results):
    of_arm = results["failures"]["severity"]["arms"]["baseline"]
    said = prose.severity(results)
    assert "over all 3,900 errors of baseline, the more confident an error, the less often" in said
    assert "(Spearman's rank correlation −0.16, p" in said
    of_arm["trend"] |= {"rho": 0.2, "found": "rises"}
    assert "the more confident an error, the more often" in prose.severity(results)
    of_arm["trend"] |= {"rho": 0.01, "p_value": 0.6, "found": "none"}
    assert "no trend with confidence was found" in prose.severity(results)
    of_arm["trend"] |= {"rho": None, "p_value": None, "found": None}
    assert "By confidence after scaling" not in prose.severity(results)
    results["failures"]["severity"]["distance_of_errors_change"] = change(0.001)
    assert "are not found to differ in distance from" in prose.severity(results)


def test_no_review_and_no_lists_is_one_sentence(results):
    known = results["failures"]["known"]
    known |= {
        "missing": ["label_review.json", "duplicates_train_test.csv", "duplicates_test_test.csv"],
        "sets": [],
        "duplicates": None,
        "opinion": None,
    }
    said = prose.rescored_text(results)
    assert (
        said.count(". ") == 0
        and "`label_review.json`" in said
        and "removed and corrected and without near-duplicates" in said
    )
    assert "`make data`" in said and "Reviewers" not in everything(results)
    known["missing"] = []  # not CIFAR-100: no file would help
    assert prose.rescored_text(results).startswith("Nothing is known") and everything(results)


def test_own_pictures_that_stand_twice_are_counted_by_place_and_kind(results):
    found = {"images": 200, "repeated": 5, "other_label": 1}
    kinds = {"equal": {"train": 2, "test": 1}, "near": {"val": 2}}
    results["failures"]["repeated"] = found | {"kinds": kinds}
    assert (
        "Of 200 test images 2 are equal to one of train, 1 is equal to one of test and 2 are "
        "nearly equal to one of validation; 1 bears another label than it."
        in prose.rescored_text(results)
    )
    results["failures"]["repeated"] = found | {"repeated": 0, "kinds": {}}
    assert "No test image was found to be another one's copy." in prose.rescored_text(results)


def test_one_list_short_asks_for_that_list_alone(results):
    results["failures"]["known"] |= {"missing": ["duplicates_test_test.csv"], "duplicates": None}
    said = everything(results)
    assert (
        "numbers without near-duplicates are not given: `duplicates_test_test.csv` is not in the "
        "data folder (`make data` says where to get it)"
        in said
        and "have a near-duplicate" not in said
    )


def test_planted_label_errors_are_scored_as_such(results):
    known = results["failures"]["known"]
    known["opinion"]["source"], known["duplicates"], known["sets"] = (
        "planted",
        None,
        known["sets"][:3],
    )
    results["failures"]["labels"]["named"] = []
    text = everything(results)
    assert "585 planted label errors" in text and "eviewers" not in text and "all 3 sets" in text


def test_no_errors_nothing_suspected_nothing_mined(results):
    failures = results["failures"]
    failures |= {"mined": 0, "named": 0, "selected": 0, "confused": None}
    failures["arms"]["baseline"] = {"errors": 0, "discovery_errors": 0}
    failures["labels"] |= {
        "splits": {"val": {"images": 10, "suspected": 0}, "test": {"images": 10, "suspected": 0}},
        "named": [],
        "unanimous": 0,
    }
    opinion = failures["known"]["opinion"]
    opinion |= {
        "errors": 0,
        "sure_errors": 0,
        "rejected_among_errors": {"estimate": None, "low": 0, "high": 1},
    }
    opinion["suspected"] |= {
        "all": 0,
        "found": 0,
        "precision": {"estimate": None, "low": 0, "high": 1},
    }
    for numbers in failures["severity"]["arms"].values():
        numbers |= {
            "errors": 0,
            "within": {"estimate": None, "low": 0, "high": 1},
            "distance": 0.0,
            "distance_of_errors": None,
            "bands": [one | {"errors": 0, "share": None} for one in numbers["bands"]],
            "trend": {"rows": 0, "rho": None, "p_value": None, "found": None},
        }
    failures["severity"]["distance_of_errors_change"] = dict.fromkeys(("estimate", "low", "high"))
    text = everything(results)
    assert (
        "No error was mined" in text
        and "makes no error" in text
        and "There is no error to weigh" in text
    )
    assert (
        "tab-suspected" not in text
        and "unanimous" not in text
        and "Reviewers" not in text
        and "confused most" not in text
    )


def test_a_temperature_at_a_bound_is_not_called_fitted(results):
    results["failures"]["temperature"] = 0.01
    assert "(0.01, a bound of the search, for validation has no best one)" in prose.mining(results)


def test_chance_is_said_of_each_arm_where_it_differs(results):
    results["failures"]["severity"]["arms"]["cutmix"] |= {"chance": 0.06, "chance_distance": 1.94}
    text = everything(results)
    assert "drawn at random 4.0% in baseline and 6.0% in CutMix would be there" in text
    assert (
        "Of an error at random it would be 1.96 in baseline and 1.94 in CutMix on average." in text
    )
    results["failures"]["severity"]["arms"]["baseline"]["errors"] = 0
    assert "drawn at random 6.0% would be there" in prose.severity(results)


def test_ten_classes_without_superclasses(results):
    results["failures"]["severity"] = None
    said = prose.severity(results)
    assert (
        "no superclasses" in said
        and "fig-severity" not in said
        and "fig-confusion" in said
        and everything(results)
    )


def test_of_brought_networks_nobody_knows_what_they_were_trained_on(results):
    assert "saw neither split in training, and" in prose.suspicious(results)
    results["study"]["widths"] = []
    assert "should have seen neither split in training, which is not known" in prose.suspicious(
        results
    )


def test_one_run_and_several_are_told_apart(results):
    results["failures"]["labels"]["runs"] = 1
    assert "The one run saw neither split" in prose.suspicious(results)
    results["failures"]["labels"]["runs"] = 6
    assert "The 6 runs of all arms and seeds saw neither split" in prose.suspicious(results)


def test_hostile_names_become_text(results):
    failures = copy.deepcopy(results)["failures"]
    failures["labels"]["named"] = [{"id": 1, "true": "<b>*x*</b>", "suggested": "$a_b$"}]
    text = prose.suspicious(results | {"failures": failures})
    assert "<b>" not in text and "*x*" not in text and "$a" not in text.replace("\\$", "")


def test_captions_count_what_is_shown():
    opinion = Opinion(
        np.ones(5, bool),
        np.array([1, 1, 0, 0, 0], bool),
        np.array([3, -1, 0, 0, 0]),
        np.full(5, ""),
        "reviewers",
    )
    said = captions.rescored_caption(
        opinion, np.array([True, False, False, False, False]), ("baseline", "cutmix"), 42
    )
    assert (
        "without the 2 labels that most reviewers did not confirm; corrected: 1 of them "
        "replaced, the other 1 image"
        in said
        and "1 test image that" in said
    )
    assert (
        "near" not in captions.rescored_caption(opinion, None, ("baseline", "cutmix"), 42).lower()
    )
    shown = pd.DataFrame({"id": [1214], "true": ["lobster"], "suggested": ["crab"]})
    assert captions.suspected_pictures(shown)["alt"].endswith(
        "image 1214, labelled lobster, rather crab."
    )
    assert captions.suspected_titles(shown) == ["1214 lobster\n→ crab"]
    assert "none" in captions.suspected_pictures(shown.iloc[:0])["alt"]


def test_a_suspicion_that_nobody_checked_has_no_precision(results):
    results["failures"]["known"]["opinion"]["suspected"] |= {
        "found": 0,
        "precision": {"estimate": None, "low": 0, "high": 1},
    }
    assert "cannot be said: none of the suspected test labels was looked at" in everything(results)
    results["failures"]["known"]["opinion"]["suspected"] |= {"found": 9, "wanted": 0}
    assert "no test label is known to be wrong" in everything(results)


def test_where_persistent_errors_come_first_it_says_so(results):
    assert "those that every seed makes first" not in prose.mining(results)
    of_arm = results["failures"]["arms"][results["failures"]["before"]]
    of_arm["persistence"] = [{"confidence": 0.0, "errors": 2}]
    assert "persistence (those that every seed makes first) and then by" in prose.mining(results)
    selection = pd.DataFrame(
        {"id": [1], "true": "cup", "predicted": "disc", "confidence": 0.9, "why": "mined"}
    )
    alone = captions.failures(selection.assign(persistence=""), "baseline")["caption"]
    assert "those that every seed makes first" not in alone
    several = captions.failures(selection.assign(persistence="persistent"), "baseline")["caption"]
    assert "a pair of classes, those that every seed makes first. Above" in several


@pytest.mark.parametrize(
    "causes, said",
    [
        (["label_error", "none", "label_error"], " A label error was planted in 2 of 3."),
        (["none", "none", "none"], ""),
        (None, ""),
    ],
)
def test_the_surest_errors_say_what_was_planted_most_often(causes, said):
    wrong = pd.DataFrame(
        {"id": range(3), "true": "cup", "predicted": "disc", "confidence": [0.9, 0.9, 0.8]}
    )
    wrong = wrong if causes is None else wrong.assign(cause=causes)
    caption = captions.failures_beside(wrong, [None] * 3, "baseline")["caption"]
    assert caption.endswith(f"that it is surest of.{said}")
    assert ("planted cause;" in caption) == (causes is not None)
