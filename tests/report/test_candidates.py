"""A small made-up study whose truth is known: claims written from one arm's results and claimed of
another; the ledger names what they came from, or nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
from synthetic import run

from lib.evaluation import bootstrap, candidates, changes, failures, rejection, summary
from lib.evaluation.paired import classes_moved
from lib.report import candidates as explained
from lib.report import claims, ledger

NAMES = list("abcde")
IMAGES = 400
SPLITS = SimpleNamespace(
    class_names=NAMES,
    superclass=np.zeros(5, int),
    superclass_names=["all"],
    test=SimpleNamespace(planted=None, files=None, index=np.arange(IMAGES)),
)
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def results():
    """Arms: weak, strong and sharp (as right as weak, with larger logits), and one after them."""
    settings = {
        "weak": {"signal": 0.8},
        "strong": {"signal": 2.6, "scale": 1.5},
        "sharp": {"signal": 0.8, "scale": 3.0},
        "after": {"signal": 3.0, "scale": 1.5},
    }
    trained = {
        arm: {seed: run(10 * place + seed, IMAGES, **options) for seed in SEEDS}
        for place, (arm, options) in enumerate(settings.items())
    }
    pair, numbers = (
        ("weak", "after"),
        {arm: summary.arm_numbers(of_seeds) for arm, of_seeds in trained.items()},
    )
    temperatures = {arm: of_arm["temperature"]["each"] for arm, of_arm in numbers.items()}
    sampled = bootstrap.resample(trained, temperatures, 100)
    classes = changes.class_table(*(trained[arm] for arm in pair), NAMES)
    table = failures.test_table(trained["weak"][0], SPLITS)
    selection = failures.selection(table, failures.read_cases("", np.arange(IMAGES)), 3)
    at_level = rejection.rejection(trained, [0.7]).set_index("arm").to_dict("index")
    ways = {"subset": ["a", "b"], "temperature_scaled": []}
    of_pair = (trained, pair, numbers, sampled)
    compare = {
        "before": "weak",
        "after": "after",
        "arms": numbers,
        "rejection": at_level,
        "target_risk": 0.1,
        "candidates": candidates.in_place_of(*of_pair, SPLITS, selection)
        | candidates.tested(ways, *of_pair, 0.7, SPLITS, selection),
        **changes.paired_numbers(trained, pair, numbers, sampled),
        "classes": classes_moved(classes),
        "class_change": changes.class_change(classes),
    }
    failing = {"test_images": IMAGES, "arms": {}}
    study = {"proof": {arm: {"train": place / 4} for place, arm in enumerate(trained)}}
    gradcam = {"rule": {}, "cases": [{"id": 1, "verdict": "look_alike"}]}
    parts = {"study": study, "failures": failing, "gradcam": gradcam, "compare": compare}
    return summary.plain(parts)


NUMBERS = """\
  - {{id: accuracy, statement: Accuracy., claimed: {accuracy:.2f}, decimals: 2, unit: percent,
     only_at: [], tests: [{{measured: compare.arms.weak.test_accuracy,
     share_of: failures.test_images, tolerance: 1}}]}}
  - {{id: errors, statement: Errors., claimed: {errors:.0f}, unit: images, only_at: [],
     same_as: accuracy, tests: [{{measured: compare.arms.weak.errors,
     count_of: failures.test_images, tolerance: 4}}]}}
  - {{id: sure, statement: Sure errors., claimed: {sure:.0f}, unit: images, only_at: [],
     tests: [{{measured: compare.arms.weak.errors_ge_90, count_of: failures.test_images,
     tolerance: 2}}]}}
  - {{id: wrong, statement: Confidence when wrong., claimed: {wrong:.1f}, unit: percent,
     only_at: [], tests: [{{measured: compare.arms.weak.confidence_on_errors,
     share_of: compare.arms.weak.errors, tolerance: 1}}]}}
  - {{id: right, statement: Confidence when right., claimed: {right:.1f}, unit: percent,
     only_at: [], tests: [{{measured: compare.arms.weak.confidence_on_right,
     share_of: failures.test_images, tolerance: 1}}]}}
  - {{id: corrected, statement: Corrected., claimed: {corrected:.0f}, unit: images, only_at: [],
     tests: [{{measured: compare.migration.corrected, count_of: failures.test_images,
     tolerance: 4}}]}}
  - {{id: both-wrong, statement: Both wrong., claimed: {both_wrong:.0f}, unit: images, only_at: [],
     tests: [{{measured: compare.migration.both_wrong, count_of: failures.test_images,
     tolerance: 4}}]}}
  - {{id: aurc, statement: AURC., claimed: {aurc:.3f}, unit: score, only_at: [],
     tests: [{{measured: compare.arms.weak.aurc, tolerance: 0.02}}]}}
  - {{id: moved, statement: The arm after is better., only_at: [], tests: [{{unit: points,
     measured: compare.accuracy_change, holds_if: {{above: 0}}}}]}}
  - {{id: of-after, statement: Of the arm after., claimed: 50, unit: percent, only_at: [],
     tests: [{{measured: compare.arms.after.test_accuracy, tolerance: 50}}]}}
  - {{id: of-both, statement: Strong beats weak., only_at: [], tests: [{{unit: points,
     measured: compare.arms.strong.test_accuracy, minus: compare.arms.weak.test_accuracy,
     holds_if: {{above: 0}}}}]}}
  - {{id: diagnosed, statement: A verdict., only_at: [], tests: [
     {{measured: 'gradcam.cases[id=1].verdict', holds_if: {{is: look_alike}}}}]}}
"""


def claimed_of_weak(results, arm):
    """What `arm` shows, as numbers that fit one another."""
    compare = results["compare"]
    of_arm = {name: entry["mean"] for name, entry in compare["arms"][arm].items()}
    change = compare if arm == "weak" else compare["candidates"][arm]
    errors, corrected = round(of_arm["errors"]), round(change["migration"]["corrected"])
    return NUMBERS.format(
        accuracy=100 * (1 - errors / IMAGES),
        errors=errors,
        sure=of_arm["errors_ge_90"],
        wrong=100 * of_arm["confidence_on_errors"],
        right=100 * of_arm["confidence_on_right"],
        corrected=corrected,
        both_wrong=errors - corrected,
        aurc=of_arm["aurc"],
    )


def judged(tmp_path, results, text, arms="[strong, sharp]"):
    path = tmp_path / "claims.yaml"
    path.write_text(
        f"candidates: {{weak: {arms}}}\nclaims:\n{text}"
        "identities: [errors = 400 - 4 * accuracy, both-wrong = errors - corrected]\n"
    )
    stated = claims.read_claims(str(path))
    table = ledger.judge(stated, results)
    return table, ledger.ledger_numbers(table, stated, results)


def test_claims_that_came_from_another_arm_name_it(tmp_path, results):
    table, found = judged(tmp_path, results, claimed_of_weak(results, "strong"))
    assert found["consistent_with"] == ["strong"]
    counts = found["candidates"]
    assert list(counts) == ["weak", "strong", "sharp"]
    assert counts["strong"]["reproduced"] == counts["strong"]["numbers"] == 8
    assert counts["strong"]["independent"] == {"numbers": 6, "reproduced": 6}
    assert counts["weak"]["independent"]["reproduced"] <= 2
    text = explained.explanation(found, found["claims"])
    assert "consistent with the arm strong in place of weak" in text
    assert "Of 8 numbers that it gives of weak and of the change from it, " in text
    assert "8 with strong" in text and "proved" not in text
    assert found["arithmetic"] == {"checks": 2, "hold": 2, "broken": [], "cannot_fail": 0}
    assert "agree with one another (2 of 2" in ledger.scope({"ledger": found})


def test_claims_that_came_from_the_arm_itself_name_nothing(tmp_path, results):
    _, found = judged(tmp_path, results, claimed_of_weak(results, "weak"))
    assert found["consistent_with"] == []
    assert found["candidates"]["weak"]["reproduced"] == 8
    text = explained.explanation(found, found["claims"])
    assert "names no explanation" in text and "consistent with" not in text


def test_a_number_that_breaks_an_identity_is_named(tmp_path, results):
    text = claimed_of_weak(results, "strong")
    given = next(line for line in text.splitlines() if "id: both-wrong" in line)
    number = int(given.split("claimed: ")[1].split(",")[0])
    _, found = judged(tmp_path, results, text.replace(given, given.replace(f": {number},", ": 1,")))
    (broken,) = found["arithmetic"]["broken"]
    assert broken.startswith("both wrong is given as 1, but") and broken.endswith(f"is {number}")
    assert broken in ledger.scope({"ledger": found}).replace("\\", "")


def test_only_claims_about_the_arm_or_the_change_are_judged_again(tmp_path, results):
    table, found = judged(tmp_path, results, claimed_of_weak(results, "strong"))
    again = table.set_index("id")["strong verdict"]
    assert again["moved"] == "reproduced" and again["aurc"] == "reproduced"
    assert again["of-after"] is None
    assert again["of-both"] is None  # it speaks of the candidate itself
    assert again["diagnosed"] == "not tested here"  # a network would have to be asked
    assert table.set_index("id")["verdict"]["diagnosed"] == "reproduced"
    assert table.set_index("id")["sharp verdict"]["of-both"] is not None


def test_several_candidates_may_fit(tmp_path, results):
    """Numbers that do not tell weak from sharp come out with both; then the arm itself fits, too,
    and nothing is named."""
    _, found = judged(tmp_path, results, claimed_of_weak(results, "sharp"))
    assert found["candidates"]["sharp"]["reproduced"] == 8
    assert found["candidates"]["weak"]["reproduced"] >= 4 and found["consistent_with"] == []
    twin = dict(results["compare"]["arms"], twin=results["compare"]["arms"]["strong"])
    again = dict(results["compare"]["candidates"], twin=results["compare"]["candidates"]["strong"])
    both = results | {"compare": results["compare"] | {"arms": twin, "candidates": again}}
    both["study"] = {"proof": results["study"]["proof"] | {"twin": {"train": 0}}}
    both["compare"]["rejection"] = results["compare"]["rejection"] | {"twin": {}}
    _, found = judged(tmp_path, both, claimed_of_weak(results, "strong"), "[strong, twin]")
    assert found["consistent_with"] == ["strong", "twin"]
    assert "the arms strong and twin in place of weak" in explained.explanation(
        found, found["claims"]
    )


def test_few_numbers_name_nothing(tmp_path, results):
    text = claimed_of_weak(results, "strong")
    fewer = text[: text.index("  - {id: aurc")] + text[text.index("  - {id: moved") :]
    _, found = judged(tmp_path, results, fewer)
    assert found["candidates"]["strong"]["independent"]["numbers"] == 5
    assert found["consistent_with"] == []
    assert "Fewer than 6 are independent" in explained.explanation(found, found["claims"])


def test_a_candidate_that_the_study_has_not_is_left_out(tmp_path, results):
    table, found = judged(tmp_path, results, claimed_of_weak(results, "strong"), "[absent]")
    assert found["candidates"] == {} and not [name for name in table if "absent" in name]
    assert explained.explanation(found, found["claims"]) == ""
    text = "Named as candidates, but not to be tried in this study: absent."
    assert found["untried"] == ["absent"] and text in ledger.scope({"ledger": found})
    older = results | {
        "compare": {k: v for k, v in results["compare"].items() if k != "candidates"}
    }
    assert judged(tmp_path, older, claimed_of_weak(results, "strong"))[1]["candidates"] == {}


def test_in_its_place_everything_of_the_arm_is_the_candidates(results):
    other = explained.in_place(results, "strong")
    assert other["compare"]["arms"]["weak"] == results["compare"]["arms"]["strong"]
    assert other["compare"]["rejection"]["weak"] == results["compare"]["rejection"]["strong"]
    assert other["study"]["proof"]["weak"] == results["study"]["proof"]["strong"]
    change = results["compare"]["candidates"]["strong"]["accuracy_change"]
    assert other["compare"]["accuracy_change"] == change
    assert "cases" not in other["gradcam"]
    # churn of two seeds stands under the arm's name
    between = other["compare"]["churn"]["between_seeds"]
    assert set(between) == {"weak", "strong", "after"} and between["weak"] == between["strong"]


def test_the_table_has_a_column_for_each_candidate(tmp_path, results):
    table, _ = judged(tmp_path, results, claimed_of_weak(results, "strong"))
    view = ledger.ledger_view(table, tested=True)
    assert list(view.columns[-2:]) == ["with strong instead", "with sharp instead"]
    assert view["with strong instead"].dropna().iloc[0].startswith("reproduced: ")


def test_each_claimed_number_stands_beside_what_every_arm_shows(tmp_path, results):
    _, found = judged(tmp_path, results, claimed_of_weak(results, "strong"))
    rows = {(row["id"], row["arm"]): row for row in found["numbers"]}
    for arm in ("weak", "strong", "sharp"):
        row, entry = rows["accuracy", arm], results["compare"]["arms"][arm]["test_accuracy"]
        assert row["estimate"] == pytest.approx(100 * entry["mean"]) and row["unit"] == "percent"
        assert row["low"] < row["estimate"] < row["high"]
        assert row["reproduced"] == (arm == "strong")
    change = results["compare"]["candidates"]["strong"]["migration"]["corrected"]
    assert rows["corrected", "strong"]["estimate"] == pytest.approx(change)
    assert rows["errors", "strong"]["claimed"] == rows["errors", "weak"]["claimed"]
    # only what is held against the claimed number is measured beside it
    text = (
        "  - {id: bound, statement: S., claimed: 70, unit: percent, only_at: [], tests: [{measured:"
        " compare.arms.weak.test_accuracy, holds_if: {above: 0}}]}\n"
    )
    _, more = judged(tmp_path, results, claimed_of_weak(results, "strong") + text)
    assert more["numbers"] == found["numbers"]
    # of the arm after there is one row, of sentences without a number none
    assert ("of-after", "weak") in rows and ("of-after", "strong") not in rows
    assert not [one for one, _ in rows if one in ("moved", "of-both", "diagnosed")]


def claimed_of_subset(results):
    own = results["compare"]["candidates"]["subset"]
    of_arm = {name: entry["mean"] for name, entry in own["tested"]["arms"]["weak"].items()}
    return NUMBERS.format(
        accuracy=100 * of_arm["test_accuracy"],
        errors=of_arm["errors"],
        sure=of_arm["errors_ge_90"],
        wrong=100 * of_arm["confidence_on_errors"],
        right=100 * of_arm["confidence_on_right"],
        corrected=own["migration"]["corrected"],
        both_wrong=own["migration"]["both_wrong"],
        aurc=of_arm["aurc"],
    )


AGAINST = """\
  - {{id: change, statement: The change is small., only_at: [], tests: [{{unit: points,
     measured: compare.accuracy_change, holds_if: {{above: {above}}}}}]}}
"""


def test_what_speaks_against_a_candidate_is_what_it_does_not_bring_out(tmp_path, results):
    """Whatever other candidates the file lists."""
    compare = results["compare"]
    middle = [
        100 * one["accuracy_change"][end]
        for one, end in ((compare["candidates"]["strong"], "high"), (compare, "low"))
    ]
    assert middle[0] < middle[1]  # from weak to after it is more than from strong
    text = claimed_of_weak(results, "strong") + AGAINST.format(above=round(sum(middle) / 2, 3))
    said = "Against it speaks what comes out without it: “The change is small”."
    for arms in ("[strong]", "[strong, sharp]"):
        _, found = judged(tmp_path, results, text, arms)
        assert found["consistent_with"] == ["strong"] and found["against"] == {"strong": ["change"]}
        assert said in explained.explanation(found, found["claims"])
    text, arms = claimed_of_subset(results) + AGAINST.format(above=-100), "[{classes: [a, b]}]"
    _, found = judged(tmp_path, results, text, arms)
    assert found["consistent_with"] == ["subset"] and found["against"] == {"subset": []}
    assert "Against" not in explained.explanation(found, found["claims"])


def test_a_claim_is_about_the_arm_that_a_key_names(tmp_path, results):
    rows = [{"arm": arm, "wrong": place} for place, arm in enumerate(("weak", "strong", "after"))]
    of_keys = results | {"compare": results["compare"] | {"confident_errors": rows}}
    text = (
        "  - {id: keyed, statement: S., claimed: 0, unit: images, only_at: [], tests: [{measured: "
        "'compare.confident_errors[arm=weak].wrong', tolerance: 0}]}\n"
    )
    table, _ = judged(tmp_path, of_keys, claimed_of_weak(results, "strong") + text)
    row = table.set_index("id").loc["keyed"]
    assert row["verdict"] == "reproduced" and row["strong verdict"] == "not reproduced"


def test_claims_of_the_same_networks_on_some_classes_name_these(tmp_path, results):
    text, arms = claimed_of_subset(results), "[strong, {classes: [a, b]}, temperature_scaled]"
    table, found = judged(tmp_path, results, text, arms)
    assert found["consistent_with"] == ["subset"] and not found["untried"]
    assert found["candidates"]["subset"]["reproduced"] == 8
    text = explained.explanation(found, found["claims"])
    assert "consistent with weak with the named classes alone.**" in text
    assert "8 with the named classes alone" in ledger.scope({"ledger": found})
    # of the other arms nothing is said on other images, and the diagnosis asked the networks
    again = table.set_index("id")["subset verdict"]
    assert again["of-both"] == again["diagnosed"] == "not tested here"
    assert len([name for name in ledger.ledger_view(table, tested=True) if "instead" in name]) == 2


def test_under_another_protocol_the_arms_own_numbers_are_those(results):
    other = explained.in_place(results, "subset")
    assert other["failures"]["test_images"] == IMAGES * 2 / 5
    own = results["compare"]["candidates"]["subset"]["tested"]["arms"]["weak"]
    assert other["compare"]["arms"]["weak"] == own and set(other["compare"]["arms"]) == {
        "weak",
        "after",
    }
    scaled = explained.in_place(results, "temperature_scaled")
    assert scaled["failures"]["test_images"] == IMAGES and "strong" in scaled["compare"]["arms"]
    before, after = (of["compare"]["arms"]["weak"] for of in (results, scaled))
    assert after["ece"]["mean"] == pytest.approx(before["ece_scaled"]["mean"], abs=1e-3)
    assert after["errors"] == before["errors"] and scaled["study"] == results["study"]


def test_a_way_of_testing_that_needs_what_is_not_there_is_named(tmp_path, results):
    text = claimed_of_weak(results, "strong")
    _, found = judged(tmp_path, results, text, "[strong, training_mode]")
    assert found["untried"] == ["training_mode"] and list(found["candidates"]) == ["weak", "strong"]
    assert "not to be tried in this study: its network left in training mode" in ledger.scope(
        {"ledger": found}
    )
