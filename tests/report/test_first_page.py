"""Page one states which fact, and no more of it than the numbers allow."""

import copy
import json
from types import SimpleNamespace

import pandas as pd
import pytest

from lib.base import artefacts
from lib.base.errors import ReportError
from lib.diagnosis.verdict import CAUSES
from lib.report.chapters import body, findings, first_page


def mean(value):
    return {"mean": value, "sd": None, "n": 1, "each": [value]}


def arm(accuracy):
    return {
        "test_accuracy": mean(accuracy),
        "train_accuracy": mean(0.99),
        "errors": mean(1000 * (1 - accuracy)),
        "errors_ge_90": mean(40),
        "confidence_on_errors": mean(0.6),
        "confidence_on_right": mean(0.9),
        "ece": mean(0.2),
        "ece_scaled": mean(0.02),
    }


def groups(before, after):
    rows = [
        {"kind": "cause", "group": group, "images": images, "extra": (one - other) * images}
        | {"baseline": one, "cutmix": other, "low": one - 0.1, "high": one + 0.1, "extra_se": 2.0}
        for (group, images), one, other in zip(
            (("background", 100), ("none", 880), ("label_error", 20)), before, after
        )
    ]
    return sorted(rows, key=lambda row: -row["extra"])


@pytest.fixture
def results():
    """Two arms, one seed; the second loses ten points, most of them on backgrounds."""
    return {
        "study": {
            "data": "the phantom",
            "widths": [8],
            "brought": {},
            "sizes": {"val": 1000, "test": 1000},
            "image_size": 32,
            "classes": 20,
            "seeds": [42],
            "label_smoothing": {"baseline": 0.0, "cutmix": 0.1},
            "changes": {
                "baseline": {
                    "cutmix": ["CutMix of a batch with probability 0.5", "label smoothing 0.1"]
                }
            },
        },
        "compare": {
            "before": "baseline",
            "after": "cutmix",
            "seeds": [42],
            "arms": {"baseline": arm(0.8), "cutmix": arm(0.7)},
            "accuracy_change": {"estimate": -0.1, "low": -0.12, "high": -0.08},
            "mcnemar": {"p_value": 1e-9, "n": 1},
            "churn": {"between_arms": {"class": 0.3}},
            "classes": {"tested": 20, "worse_beyond_chance": 20, "better_beyond_chance": 0},
            "confident_errors": [
                {"arm": "baseline", "top 20%": 20.0},
                {"arm": "cutmix", "top 20%": 41.0},
            ],
            "target_risk": 0.1,
            "promises": [
                {"arm": "baseline", "threshold": 0.9123, "coverage": 0.61, "selective_risk": 0.08}
                | {"outcome": "kept"},
                {"arm": "cutmix", "threshold": None, "coverage": None, "selective_risk": None}
                | {"outcome": None},
            ],
            "ablation": [],
            "equivalence": {"margin": 0.01, "equivalent": False},
        },
        "groups": groups((0.5, 0.9, 0.0), (0.05, 0.84, 0.0)),
        "gradcam": {"rule": {}, "asked": ["baseline", "cutmix"]},
        "ledger": {
            "claims": {},
            "consistent_with": [],
            "facts": [],
            "held": [],
            "verdicts": dict.fromkeys(
                ("contradicted", "not reproduced", "reproduced", "not tested here"), 0
            ),
        },
        "conditions": [],
    }


def changed(results, estimate, low, high, seeds=1, p_value=1e-9):
    results = copy.deepcopy(results)
    results["compare"] |= {
        "accuracy_change": {"estimate": estimate, "low": low, "high": high},
        "mcnemar": {"p_value": p_value, "n": seeds},
        "seeds": list(range(seeds)),
    }
    results["study"]["seeds"] = list(range(seeds))
    return results


def test_the_finding_is_of_networks_and_of_the_method_with_three_seeds(results):
    assert first_page.finding(results) == (
        "The network with CutMix and label smoothing is worse, most of all on ordinary images"
    )
    three = changed(results, -0.1, -0.12, -0.08, seeds=3)
    assert first_page.finding(three).startswith("CutMix and label smoothing lower accuracy")
    three["study"]["changes"]["baseline"]["cutmix"] = ["CutMix"]
    assert first_page.finding(three).startswith("CutMix lowers accuracy")


@pytest.mark.parametrize(
    "change, kind, head",
    [
        ((0.1, 0.08, 0.12), "yes", "Remedy accepted"),
        ((-0.1, -0.12, -0.08), "no", "Remedy rejected"),
        ((0.0, -0.02, 0.02), "care", "No difference shown"),
    ],
)
def test_the_bar_goes_by_the_interval(results, change, kind, head):
    p_value = 1.0 if kind == "care" else 1e-9
    told = first_page.remedy(changed(results, *change, p_value=p_value))
    assert told[:2] == (kind, head) and "one" not in told[1]
    assert "between these two networks, 1 seed" in told[2]


def test_page_one_has_the_accuracies_of_the_seeds_that_are_compared(results):
    lower = changed(results, -0.01, -0.02, -0.005)
    arms = lower["compare"]["arms"]
    arms["baseline"]["test_accuracy"] = mean(0.75) | {"each": [0.8, 0.7], "seeds": [42, 43]}
    arms["cutmix"]["test_accuracy"] = mean(0.79) | {"seeds": [42]}
    text = first_page.words(lower)["bullets"][0][1]
    assert text.startswith("falls from 80.0% to 79.0%")


def test_no_difference_and_equivalence_are_two_statements(results):
    none = changed(results, 0.0, -0.005, 0.005, p_value=1.0)
    none["compare"]["equivalence"]["equivalent"] = True
    assert first_page.remedy(none)[1] == "As good as equal"


def test_equal_arms_are_one_and_nothing_is_said_to_differ(results):
    results["compare"]["churn"]["between_arms"]["class"] = 0.0
    page = first_page.words(changed(results, 0.0, 0.0, 0.0, p_value=1.0))
    text = " ".join(" ".join(row) for row in page["bullets"])
    assert page["verdicts"][0][1:3] == ("The arms are one", "alike on 1,000 of 1,000 images")
    assert "falls" not in text and "rises" not in text and "extra" not in text


def test_of_the_promised_thresholds_the_one_that_accepts_most_is_told(results):
    assert findings.kept(results)["arm"] == "baseline"
    kind, head, what, _ = first_page.use(results)
    # rounded up, so that no image below the threshold is let in
    assert (kind, head) == (
        "yes",
        "Usable at 10% risk",
    ) and "61% of images, 91.3% sure or more" in what
    assert findings.sure(0.99996) == "99.996%" and findings.sure(0.9) == "90.0%"
    results["compare"]["promises"][0] |= dict.fromkeys(("threshold", "selective_risk"))
    assert first_page.use(results)[:2] == ("no", "Not usable at 10% risk")


@pytest.mark.parametrize(
    "outcome, kind, head, told, advice",
    [
        ("kept", "yes", "Usable at 10% risk", "the promise is kept", "Rely on baseline"),
        (
            "above, within chance",
            "care",
            "10% risk within chance alone",
            "the promise is missed, within chance",
            "Rely on baseline",
        ),
        ("broken", "care", "Promised 10% risk broken", "is broken", "Do not rely on baseline:"),
    ],
)
def test_a_promise_that_was_not_kept_is_not_said_to_be(results, outcome, kind, head, told, advice):
    results["compare"]["promises"][0] |= {"outcome": outcome}
    assert first_page.use(results)[:2] == (kind, head)
    assert told in body.use(changed(results, -0.1, -0.12, -0.08))
    assert first_page.rely(results)[0] == advice


def test_networks_with_thresholds_of_their_own_are_not_said_to_share_one(results):
    first = results["compare"]["promises"][0]
    results["compare"]["promises"] = [first, first | {"threshold": 0.85, "coverage": 0.71}]
    assert "66% of images, 85.0–91.3% sure or more" in first_page.use(results)[2]
    assert "each network’s own threshold, 91.3% at most" in first_page.rely(results)[1]
    text = body.use(changed(results, -0.1, -0.12, -0.08))
    assert "of each network's own, from 85.0% to 91.3% unscaled confidence. That" in text


def test_a_threshold_for_some_networks_alone_is_not_said_to_be_none(results):
    first = results["compare"]["promises"][0]
    none = dict.fromkeys(("threshold", "coverage", "selective_risk", "outcome"))
    results["compare"]["promises"] = [first, {"arm": "baseline"} | none, {"arm": "cutmix"} | none]
    assert first_page.use(results)[2] == "a safe threshold for 1 of 3 networks alone"
    assert "for some networks alone a confidence threshold" in first_page.rely(results)[1]
    text = body.use(changed(results, -0.1, -0.12, -0.08))
    assert "Validation allows 1 of 3 networks a threshold" in text and "no threshold" not in text
    for nothing in (None, 0.99):  # or a threshold that accepts no test image
        results["compare"]["promises"][0] = {"arm": "baseline"} | none | {"threshold": nothing}
        assert first_page.use(results)[2] == "no threshold is safe for either arm"
    assert "Validation allows no threshold: at none" in body.use(
        changed(results, -0.1, -0.12, -0.08)
    )


def test_the_other_arms_promise_stands_beside_the_best_one(results):
    first = results["compare"]["promises"][0]
    results["compare"]["promises"][1] = first | {"arm": "cutmix", "coverage": 0.64}
    assert first_page.use(results)[2] == "CutMix 64% and baseline 61% of images"
    results["compare"]["promises"][0] = first | {"outcome": "broken"}
    assert first_page.use(results)[2] == "CutMix: 64% of images, 91.3% sure or more"
    # the one that test bears out, though it accepts fewer
    results["compare"]["promises"] = [
        first,
        first | {"arm": "cutmix", "coverage": 0.64, "outcome": "above, within chance"},
    ]
    assert first_page.use(results)[1:3] == (
        "Usable at 10% risk",
        "baseline: 61% of images, 91.3% sure or more",
    )


@pytest.mark.parametrize("risk, said", [(0.1, "10%"), (0.025, "2.5%"), (0.005, "0.5%")])
def test_the_target_is_the_studys_own_and_not_rounded(results, risk, said):
    results["compare"]["target_risk"] = risk
    assert first_page.use(results)[1] == f"Usable at {said} risk"
    results["compare"]["promises"] = []
    assert first_page.rely(results)[1].endswith(f"errors under {said}.")


@pytest.mark.parametrize(
    "seeds, wrong, spread, differ",
    [
        (1, (20, 41), None, True),  # of 200 each: Fisher's exact test
        (1, (20, 30), None, False),
        (3, (68.3, 100.0), (2.5, 18.0), False),  # Welch's test over the seeds
        (3, (14.7, 37.0), (4.6, 5.2), True),
    ],
)
def test_confident_errors_that_may_differ_by_chance_are_not_said_to(
    results, seeds, wrong, spread, differ
):
    for place, row in enumerate(results["compare"]["confident_errors"]):
        row |= {"top 20%": wrong[place], "top 20% sd": spread and spread[place]}
    for of_arm in results["compare"]["arms"].values():
        of_arm["test_accuracy"]["n"] = seeds
    lead, text = first_page.words(results)["bullets"][2]
    assert lead == "Confident errors" and f"{wrong[0]:.0f}" in text and f"{wrong[1]:.0f}" in text
    assert text.endswith("the difference may be chance.") == (not differ)
    assert text.startswith("go from") == differ


def test_an_arm_that_is_equally_sure_of_everything_has_no_surest_answers(results):
    results["compare"]["arms"]["baseline"]["confidence_on_right"] = mean(0.6)
    assert first_page.words(results)["bullets"][2][1] == (
        "are not told apart: baseline is equally sure of every answer."
    )


def test_one_arm_of_several_networks_is_not_told_as_one(results):
    results["compare"] |= {"after": "", "seeds": []}
    assert first_page.standfirst(results).startswith("One network answered 1,000 test images")
    assert first_page.nothing_compared(results)[2] == "one network, right on 80.0%"
    results["compare"]["arms"]["baseline"]["test_accuracy"]["n"] = 3
    assert first_page.standfirst(results).startswith("3 networks answered 1,000 test images")
    assert first_page.nothing_compared(results)[2] == "3 networks, right on 80.0%"


def test_too_few_validation_images_are_not_called_a_danger(results):
    results["compare"]["promises"] = []
    results["study"]["sizes"]["val"] = 56
    assert first_page.use(results)[:3] == (
        "care",
        "Use at 10% risk unproven",
        "56 validation images",
    )
    assert first_page.rely(results)[1].startswith("is not known: 56 validation images are too few")
    text = body.use(changed(results, -0.1, -0.12, -0.08))
    assert "Validation has 56 images, too few" in text and "it would take 57 to be" in text
    results["study"]["sizes"]["val"] = 57
    assert first_page.use(results)[1] == "Not usable at 10% risk"
    assert "at none of the 20 that are tried" in body.use(changed(results, -0.1, -0.12, -0.08))


def test_what_was_brought_without_pictures_is_not_told_as_a_training(results):
    results["study"] |= {"image_size": None, "widths": [], "data": "images that were not shown"}
    results["study"]["origins"] = {"baseline": "predictions", "cutmix": "predictions"}
    page = first_page.words(changed(results, 0.02, 0.01, 0.03, seeds=3))
    assert page["standfirst"].endswith("answered 1,000 test images, which were not shown.")
    assert first_page.finding(changed(results, 0.02, 0.01, 0.03)).startswith("CutMix is better")
    assert page["verdicts"][0][1] == "CutMix: better" and page["footer"][0][0] == "Networks"
    assert page["verdicts"][-1][1:3] == ("Causes not looked for", "there are no pictures")
    assert page["bullets"][-1][1].startswith("is left out: there are no pictures")
    results["compare"]["churn"]["between_arms"]["class"] = 0.0
    assert "Is CutMix better: the arms" in body.remedy(changed(results, 0.0, 0.0, 0.0))


def test_arms_that_answer_alike_and_differ_in_confidence_are_not_one(results):
    results["compare"]["churn"]["between_arms"]["class"] = 0.0
    same = changed(results, 0.0, 0.0, 0.0, p_value=1.0)
    same["compare"]["changes"] = {"ece": {"estimate": 0.0}}
    assert first_page.words(same)["bullets"][0][0] == "The arms are one:"
    assert "nothing is compared" in body.remedy(same)
    same["compare"]["changes"]["ece"]["estimate"] = 0.01
    assert first_page.words(same)["verdicts"][0][1] == "The arms answer alike"
    assert first_page.words(same)["bullets"][0][1] == "they differ in how sure they are alone."
    assert first_page.words(same)["bullets"][2][1].startswith("go from 20 to 41 in each network")
    assert len(body._shown(same)) == 2
    assert "Only how sure they are differs" in body.remedy(same)


@pytest.mark.parametrize(
    "number, said",
    [
        (0, "no test label is"),
        (1, "1 test label is"),
        (479, "479 test labels are"),
    ],
)
def test_suspected_labels_are_counted_in_words(number, said):
    assert body._labels(number) == said


def test_a_network_without_an_error_fails_nowhere(results):
    results["compare"] |= {"after": ""}
    results["compare"]["arms"]["baseline"]["errors"]["mean"] = 0
    results["failures"] = {"before": "baseline", "test_images": 1000}
    results["failures"]["arms"] = {"baseline": {"errors": 0}}
    assert first_page.finding(results) == "Baseline is right on every test image"
    bullets = first_page.words(results)["bullets"]
    assert bullets[1] == ("No error", "was made by baseline on the test images.")
    assert bullets[2] == ("Confident errors:", "there is no error to be sure of.")
    assert "why it fails" not in dict(first_page.footer(results))["Not known"]
    assert body.where(results).startswith("## Where it fails: nowhere on these images\n\nBaseline")


def test_page_one_says_why_no_cause_is_named(results):
    assert first_page.words(results)["bullets"][-1][1] == (
        "names no cause: no known causes were planted, or too few."
    )
    share = {"estimate": 0.7, "low": 0.6, "high": 0.8}
    why = "these errors do not read like planted ones (they are told apart with 0.8)"
    rule = {"score": {"macro recall": share, "called": share}}
    rule |= {"mixture": {"trusted": [], "obstacle": why, "shares": None}}
    results["gradcam"] |= {"rule": {"baseline": rule}, "agreement": None}
    assert first_page.words(results)["bullets"][-1][1] == (
        "names no cause: these errors do not read like planted ones."
    )


def test_the_body_has_the_numbers_of_page_ones_confident_errors(results):
    text = body.use(changed(results, -0.1, -0.12, -0.08))
    assert "surest of, 20 with baseline and 41 with CutMix are wrong ([](#tab-conf" in text
    assert "by 0.200 with baseline and 0.200 with CutMix; after scaling" in text
    results["compare"]["after"] = None
    assert "surest of" not in body.use(results)


@pytest.mark.parametrize(
    "worse, better, told",
    [
        (20, 0, "80.0% to 70.0%; every class loses beyond chance."),
        (11, 0, "80.0% to 70.0%; most classes lose beyond chance."),
        (3, 1, "80.0% to 70.0%."),
        (0, 0, "80.0% to 70.0%; no single class changes beyond chance."),
    ],
)
def test_page_one_counts_the_classes_that_the_body_counts(results, worse, better, told):
    counts = {"worse_beyond_chance": worse, "better_beyond_chance": better}
    results["compare"]["classes"] |= counts
    (_, rest) = first_page.words(results)["bullets"][0]
    assert rest.endswith(told)


def test_a_condition_on_an_absent_arm_is_not_missed(results):
    rows = [
        {"condition": "accuracy", "required": "at least 0.75", "measured": 0.7395, "passed": False},
        {"condition": "another arm", "required": "at least 1", "measured": None, "passed": False},
    ]
    results["conditions"] = rows
    assert findings.conditions(results) == (0, rows[:1], 1)
    assert first_page.verdicts(results)[-1][1:3] == (
        "Own condition missed",
        "accuracy: 0.7395 against 0.75",
    )
    results["conditions"] = rows[1:]
    assert "missed" not in " ".join(first_page.verdicts(results)[-1])


@pytest.mark.parametrize(
    "required, measured, told",
    [
        ("at least 0.7, at most 0.9", 0.95, "0.95 against 0.9"),
        ("at least 0.7, at most 0.9", 0.65, "0.65 against 0.7"),
        ("at most 1e-05", 5e-4, "0.0005 against 1e-05"),
        ("at least -0.05", -0.1, "-0.1 against -0.05"),
    ],
)
def test_a_missed_condition_stands_beside_the_bound_that_is_crossed(
    results, required, measured, told
):
    row = {"condition": "accuracy", "required": required, "measured": measured, "passed": False}
    results["conditions"] = [row]
    assert first_page.verdicts(results)[-1][2] == f"accuracy: {told}"


def test_claims_that_fit_another_arm_are_counted_on_page_one(results):
    counts = {"baseline": {"numbers": 26, "reproduced": 5}, "plain": {"numbers": 26}}
    counts["plain"]["reproduced"] = 21
    results["ledger"] |= {"consistent_with": ["plain"], "candidates": counts}
    results["ledger"]["claims"] = {str(number): {} for number in range(55)}
    assert first_page.standfirst(results).endswith(
        "; of 26 numbers claimed of baseline 5 come out, 21 with plain in its place."
    )
    results["ledger"]["consistent_with"] = []
    assert "55 claims of an earlier study were held against" in first_page.standfirst(results)


def test_wrong_labels_are_never_hardest_and_one_arm_is_told_alone(results):
    results["compare"]["after"] = ""
    for row in results["groups"]:
        row["extra"] = None
    page = first_page.words(results)
    assert "80% of images, on 50% of misleading backgrounds" in page["finding"]
    assert page["verdicts"][0][1] == "Nothing compared" and len(page["bullets"]) == 5


def test_no_group_is_named_first_where_another_may_be(results):
    assert findings.hardest(results)["alone"] and findings.owner(results)["group"] == "none"
    for row in results["groups"]:
        row |= {"low": 0.3, "high": 0.9, "extra_se": 20.0}
    assert not findings.hardest(results)["alone"] and findings.owner(results) is None
    page = first_page.words(results)
    assert page["finding"] == "The network with CutMix and label smoothing is worse"
    assert page["bullets"][1][0] == "Among the hardest"


def test_planted_wrong_labels_are_said_to_count(results):
    assert first_page.use(results)[3] == "20 wrong labels count as errors"
    results["groups"] = [row for row in results["groups"] if row["group"] != "label_error"]
    assert first_page.use(results)[3] == ""


def test_the_first_cards_differ_in_their_verdicts():
    same = ["label_error", "label_error", "label_error", "background", "look_alike"]
    assert findings.varied(same, 3) == [0, 3, 4, 1, 2]
    assert findings.varied(same[:4], 3) == [0, 1, 3, 2]
    assert findings.varied([], 3) == []


def test_a_page_that_is_too_long_is_refused(results):
    page = first_page.words(results)
    assert first_page.check(page) <= first_page.MOST
    with pytest.raises(ReportError, match="25 words and 2 numbers"):
        first_page.check(page | {"bullets": [("Accuracy", "is 1 and 2 and 3.")]})
    with pytest.raises(ReportError, match="allowed: 180"):
        first_page.check(page | {"standfirst": "word " * 181})


def test_digits_of_a_name_are_no_numbers(results):
    for row in results["groups"]:
        row |= {"kind": "class", "group": row["group"] + "_10"}
    (lead, rest) = first_page.words(results)["bullets"][1]
    assert lead == "None 10 images" and rest.startswith("own ")


def test_names_of_any_length_keep_the_page_short(results):
    text = json.dumps(results).replace("cutmix", "c" * 400).replace("the phantom", "p " * 300)
    first_page.words(json.loads(text))


def test_names_of_many_words_are_one_each(results):
    """A page that is refused would be so after all training."""
    page = first_page.words(results)
    page["standfirst"] = "a b c d e " * 12
    assert first_page.check(page | {"names": ["a b c d e"]}) <= first_page.MOST
    with pytest.raises(ReportError, match="allowed: 180"):
        first_page.check(page)


def test_the_diagnosis_is_as_good_as_its_score_on_planted_errors(results):
    assert first_page.diagnosis(results)[1] == "Causes unproven"
    share = {"estimate": 0.73, "low": 0.7, "high": 0.76}
    called = {"estimate": 0.2, "low": 0.15, "high": 0.25}
    rule = {"score": {"macro recall": share, "called": called}}
    rule |= {"mixture": {"trusted": ["background"]}}
    results["gradcam"] |= {"rule": {"baseline": rule}, "agreement": None}
    found = findings.diagnosis(results)
    known = {"found": share, "each": {}, "called": called, "trusted": ["background"], "right": None}
    assert found == known
    assert first_page.diagnosis(results)[1:3] == (
        "Verdicts on 1 cause of 4",
        "finds 73% of a cause’s errors",
    )
    assert first_page.words(results)["bullets"][-1] == (
        "The diagnosis",
        "names background alone, at least 70% right by planted errors.",
    )
    # nobody knows the causes of these errors
    assert "are given for background. Where people could check" in body._worth(found, "baseline")
    known = found | {"right": {"background": share}, "called": called | {"errors": 11}}
    assert body._worth(known, "baseline").endswith(
        "are given for background (right 73% of the time)."
    )
    assert "For 20% of 11 errors without a cause it names one all the same" in body._worth(
        known, "baseline"
    )
    each = {"each": {"background": share, "label_error": share | {"estimate": 0.9}}}
    assert "It is least, 73% for background, and most, 90% for label error" in body._worth(
        known | each, "baseline"
    )
    # the longest that it can be still fits a bullet
    rule["mixture"]["trusted"] = ["second_object", "look_alike", "label_error"]
    assert first_page.words(results)["bullets"][-1][1].count("object, look alike and label") == 1
    rule["mixture"]["trusted"] = [cause for cause in CAUSES if cause != "unexplained"]
    assert first_page.diagnosis(results)[1] == "Diagnosis to be doubted"
    assert "verdicts on all four causes; of" in first_page.words(results)["bullets"][-1][1]
    rule["mixture"]["trusted"] = []
    assert first_page.diagnosis(results)[1] == "Causes unproven"
    assert findings.diagnosis(results)["found"] == share
    # the other arm may have verdicts where the first has none
    other = {"mixture": {"trusted": ["look_alike"]}}
    results["gradcam"]["rule"]["cutmix"] = rule | other
    page = first_page.words(results)
    assert page["verdicts"][-1][2] == "no cause of baseline’s errors is named"
    assert page["bullets"][-1][1] == (
        "names no cause of baseline’s errors; of CutMix’s it gives verdicts on 1 cause."
    )
    assert "why it fails" not in dict(page["footer"])["Not known"]


def test_cards_of_an_earlier_run_are_not_told_of(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "cards-1.csv").write_text(
        "id,true_class,wrong_class,picture,wrong,true\n7,tag,disc,as it is,0.97,0.02\n"
    )
    here = SimpleNamespace(folder=tmp_path, selection=pd.DataFrame({"id": [7]}))
    for pages, shown in ((1, "7"), (0, None)):
        artefacts.write_json(tmp_path / "results" / "gradcam.json", {"pages": pages})
        assert (findings.first_card(here) or {}).get("id") == shown


def test_where_all_verdicts_are_withheld_no_cause_is_named_and_no_share_told(results):
    share = {"estimate": 0.42, "low": 0.3, "high": 0.54}
    rows = [
        {"measure": "found", "cause": cause, "found": 0.42, "found low": 0, "found high": 1}
        | {"errors": 50}
        for cause in ("mean of causes", "nothing called something")
    ]
    rule = {"score": {"macro recall": share, "called": share}}
    rule |= {"mixture": {"trusted": [], "obstacle": "two causes are called alike", "shares": None}}
    results["gradcam"] |= {"rule": {"baseline": rule}, "agreement": rows, "pages": 0}
    results["gradcam"]["asked"] = ["baseline"]
    results["gradcam"]["halves"] = {"baseline": {"discovery": 5, "confirmation": 6}}
    page = first_page.words(results)
    assert page["verdicts"][-1][1] == "Causes unproven"
    assert page["bullets"][-1][1].startswith("names no cause")
    text = body.why(results)
    assert "of baseline, since two causes are called alike." in text and "42%" in text
    assert text.count("42%") == 1 and "first, image" not in text and "names a cause" not in text
    # of a phantom none of whose errors has a cause that acts, the planted errors alone tell
    unknown = [row | {"found": None} for row in rows]
    results["gradcam"]["agreement"] = unknown
    assert findings.diagnosis(results)["found"] == share and "of baseline it finds 42%" in body.why(
        results
    )
    results["gradcam"]["agreement"] = rows
    results["first_card"] = {
        "id": "7",
        "true": "tag",
        "wrong": "disc",
        "bars": [
            {"picture": "as it is", "wrong": 0.97, "true": 0.02},
            {"picture": "hottest cells covered", "wrong": 0.07, "true": 0.5},
            {"picture": "random cells covered", "wrong": 0.9, "true": 0.03},
        ],
        "cause": "second_object",
    }
    results["gradcam"]["cases"] = [{"id": 7, "verdict": None}]
    assert (
        "image 7, tag is taken for disc, 97% sure after scaling. With the hottest cells covered, "
        "tag rises to 50%: the rest of the picture speaks more for it than for disc. "
        "A second object was planted there."
    ) in body.why(results)
    results["gradcam"]["cases"] = [{"id": 7, "verdict": "label_error"}]
    assert body.why(results).endswith(
        "Its verdict, label error, is wrong: a second object was planted there."
    )
    # the title has what was planted, the text what the rule estimates besides
    known = rule | {"mixture": {"trusted": ["label_error"], "shares": {"label_error": share}}}
    results["gradcam"]["rule"] = {"baseline": known}
    results["gradcam"]["agreement"] = [
        *rows,
        rows[0] | {"measure": "verdict right", "cause": "label_error"},
        rows[0] | {"measure": "share of errors", "cause": "label_error", "all found": 0.33},
    ]
    text = body.why(results)
    assert "Why it fails: planted label error in 33% of the errors read" in text
    assert (
        "label error (about 42%)" in text
        and "Planted was label error in 33% of those that were read." in text
    )
    results["gradcam"] |= {"rule": {"baseline": rule}, "agreement": rows}
    # two arms without verdicts for one reason are named together
    results["gradcam"]["rule"]["cutmix"] = rule
    assert "any error of baseline or CutMix, since two causes" in body.why(results)
    # a known mix whose verdicts are not right often enough names nothing either
    rule["mixture"] |= {"obstacle": "", "shares": {"background": share}}
    assert "since its test promises no verdict right 70% of the time" in body.why(results)
    results["gradcam"] |= {"rule": {}, "agreement": None}
    assert "No cause is named: no known causes were planted" in body.why(results)


def test_of_several_seeds_it_is_said_which_one_the_pictures_are_of(results):
    assert dict(first_page.footer(results))["Seeds"] == "one an arm (seed 42)."
    results["study"]["seeds"] = [42, 43, 44]
    told = dict(first_page.footer(results))["Seeds"]
    assert told == "3 an arm; pictures are of seed 42."


def test_a_threshold_that_rejects_nothing_is_no_condition(results):
    results["compare"]["promises"][0] |= {"threshold": 0.0, "coverage": 1.0}
    assert first_page.use(results)[2] == "baseline: all images, however unsure"
    assert first_page.rely(results)[1] == "at any confidence, if 8.0% wrong answers are acceptable."
    results["compare"]["promises"][0]["selective_risk"] = 0.0
    assert first_page.rely(results)[1] == "at any confidence: no test answer was wrong."


def test_on_a_phantom_it_is_as_good_as_it_is_on_the_errors_themselves(results):
    share = {"estimate": 0.73, "low": 0.7, "high": 0.76}
    rule = {"score": {"macro recall": share, "called": share}}
    rule |= {"mixture": {"trusted": ["background"]}}
    rows = [
        {"measure": measure, "cause": cause, "found": estimate, "found low": 0, "found high": 1}
        | {"errors": 50}
        for measure, cause, estimate in (
            ("found", "mean of causes", 0.5),
            ("found", "nothing called something", 0.4),
            ("verdict right", "background", 0.3),
        )
    ]
    results["gradcam"] |= {"rule": {"baseline": rule}, "agreement": rows}
    found = findings.diagnosis(results)
    assert (found["found"]["estimate"], found["called"]["estimate"]) == (0.5, 0.4)
    assert found["right"]["background"]["estimate"] == 0.3
    told = first_page.words(results)["bullets"][-1][1]
    assert told == "names background alone, 30% right."


@pytest.mark.parametrize(
    "claimed, errors, expected",
    [
        (["squares", "forest"], "errors", [["squares", "forest"], ["errors", "risk"]]),
        (["squares"], "errors", [["squares", "risk"], ["errors"]]),
        (["squares"], None, [["squares"], ["risk"]]),
    ],
)
def test_neither_column_of_page_one_is_half_empty(
    results, tmp_path, monkeypatch, claimed, errors, expected
):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "coverage.csv").write_text("arm,coverage,risk\nbaseline,1,0.2\n")
    monkeypatch.setattr(first_page.panels, "coverage", lambda *given: "risk")
    monkeypatch.setattr(first_page.panels, "coverage_alt", lambda *given: "")
    monkeypatch.setattr(first_page.exhibits, "panel", lambda drawn, alt, **options: drawn)
    monkeypatch.setattr(first_page, "_claims_panels", lambda results: claimed)
    monkeypatch.setattr(first_page, "_errors_panel", lambda here: errors)
    monkeypatch.setattr(first_page, "words", lambda results: {})
    results["ledger"] = {"claims": ["one"]}
    here = SimpleNamespace(folder=tmp_path, pair=("baseline", "cutmix"))
    assert first_page.page(here, results)["columns"] == expected
