"""The change between two arms, with one seed and with several; against statsmodels and by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from scipy.stats import beta
from statsmodels.stats.contingency_tables import mcnemar as reference
from synthetic import run

from lib.evaluation import changes, paired
from lib.evaluation.bootstrap import resample
from lib.evaluation.failures import test_table as table_of
from lib.evaluation.summary import (
    arm_numbers,
    arms_table,
    by_cause,
    cases_before_after,
    cases_view,
    confidence_of,
    errors_by_level,
    first_runs,
)
from lib.report import pictures
from lib.training.record import Predictions

PAIR = ("base", "cutmix")


def study(seeds):
    return {
        "base": {seed: run(seed) for seed in range(seeds)},
        "cutmix": {seed: run(50 + seed, signal=2.2) for seed in range(seeds)},
    }


def numbers_of(trained):
    numbers = {arm: arm_numbers(of_seeds) for arm, of_seeds in trained.items()}
    return numbers, resample(
        trained, {arm: of_arm["temperature"]["each"] for arm, of_arm in numbers.items()}, 300
    )


def test_with_one_seed_the_test_is_mcnemars_and_counts_are_whole():
    trained = study(1)
    a, b = (trained[arm][0].test.correct for arm in PAIR)
    result = changes.mcnemar(trained["base"], trained["cutmix"])
    assert result["p_value"] == pytest.approx(
        reference([[0, (a & ~b).sum()], [(~a & b).sum(), 0]], exact=True).pvalue
    )
    assert result["corrected"] == (~a & b).sum() and isinstance(result["corrected"], int)
    assert changes.churn(*trained.values(), PAIR)["between_seeds"] == {"base": None, "cutmix": None}


def test_confident_errors_of_one_seed_are_tested_on_the_images_that_differ():
    trained = {"base": {0: run(0, scale=3.0)}, "cutmix": {0: run(50, signal=2.2, scale=3.0)}}
    tests = changes.sure_tests(trained["base"], trained["cutmix"])
    for level in (0.90, 0.99):
        a, b = (
            ~one.test.correct & (confidence_of(one) >= level)
            for one in (trained[arm][0] for arm in PAIR)
        )
        assert (a & ~b).sum() > 3
        expected = reference([[0, (a & ~b).sum()], [(~a & b).sum(), 0]], exact=True).pvalue
        assert tests[f"errors_ge_{100 * level:.0f}"] == {"p_value": pytest.approx(expected), "n": 1}


def test_with_three_seeds_counts_are_means_and_churn_of_one_arm_stands_beside():
    trained = study(3)
    base, cutmix = trained.values()
    each = [paired.mcnemar(base[seed].test.correct, cutmix[seed].test.correct) for seed in range(3)]
    result, moved = changes.mcnemar(base, cutmix), changes.migration(base, cutmix)
    assert (
        result["corrected"]
        == pytest.approx(np.mean([one.corrected for one in each]))
        == pytest.approx(moved["corrected"])
    )
    assert moved["both_right"] + moved["corrected"] + moved["regressed"] + moved[
        "both_wrong"
    ] == pytest.approx(300)
    churn = changes.churn(base, cutmix, PAIR)
    pairs = [(0, 1), (0, 2), (1, 2)]
    assert churn["between_seeds"]["base"]["class"] == pytest.approx(
        np.mean([(base[s].test.predicted != base[t].test.predicted).mean() for s, t in pairs])
    )
    assert churn["between_arms"]["right"] == pytest.approx(
        np.mean([(one.corrected + one.regressed) / 300 for one in each])
    )
    assert changes.churn_table(churn)["between"].tolist() == [
        "the two arms, same seed",
        "two seeds of base",
        "two seeds of CutMix",
    ]


def test_every_difference_is_that_of_the_means_and_is_inside_its_interval():
    for seeds in (1, 3):
        trained = study(seeds)
        numbers, sampled = numbers_of(trained)
        paired = changes.paired_numbers(trained, PAIR, numbers, sampled)
        assert set(paired["changes"]) == set(changes.CHANGES)
        for name, change in paired["changes"].items():
            means = [np.mean(numbers[arm][name]["each"]) for arm in PAIR]
            assert (
                change["estimate"] == pytest.approx(means[1] - means[0])
                and change["low"] <= change["estimate"] <= change["high"]
            ), name
        view = changes.changes_view(paired, numbers, PAIR)
        assert ("±" in view["base"][0]) == (seeds > 1)
        assert view["change (95%)"][0].startswith(
            f"{100 * paired['accuracy_change']['estimate']:+.1f} ("
        )


def test_uneven_seeds_are_paired_by_those_in_common_and_every_number_says_how_many():
    trained = {
        "base": {seed: run(seed) for seed in (42, 43, 44)},
        "cutmix": {seed: run(50 + seed, signal=2.2) for seed in (44, 42)},
    }
    numbers, sampled = numbers_of(trained)
    found = changes.paired_numbers(trained, PAIR, numbers, sampled)
    assert found["seeds"] == [42, 44] and found["about"] == "networks"
    by_hand = np.mean(
        [
            trained["cutmix"][s].test.correct.mean() - trained["base"][s].test.correct.mean()
            for s in (42, 44)
        ]
    )
    change = found["changes"]["test_accuracy"]
    assert change["estimate"] == pytest.approx(by_hand)
    assert (
        change["low"]
        <= by_hand
        - 12
        * np.std(
            [
                trained["cutmix"][s].test.correct.mean() - trained["base"][s].test.correct.mean()
                for s in (42, 44)
            ],
            ddof=1,
        )
        / np.sqrt(2)
        * 1.05
    )
    table = changes.changes_table(found, numbers, PAIR).set_index("number")
    row = table.loc["Test accuracy"]
    assert row["n"] == 2 and row["cutmix"] - row["base"] == pytest.approx(by_hand)
    assert found["mcnemar"]["n"] == 2 and numbers["base"]["test_accuracy"]["n"] == 3
    # an arm with one seed has one network's words and an interval over images alone
    trained["cutmix"] = {43: trained["cutmix"][42]}
    numbers, sampled = numbers_of(trained)
    found = changes.paired_numbers(trained, PAIR, numbers, sampled)
    assert found["seeds"] == [43] and found["about"] == "networks"
    assert found["mcnemar"]["n"] == 1 and found["churn"]["between_seeds"]["cutmix"] is None


def test_arms_without_a_seed_in_common_are_paired_in_their_order():
    first, second = paired.paired_seeds([42, 43, 44], [7, 8])
    assert (first, second) == ([42, 43], [7, 8])
    trained = {"base": {1: run(1)}, "cutmix": {2: run(52, signal=2.2)}}
    numbers, sampled = numbers_of(trained)
    found = changes.paired_numbers(trained, PAIR, numbers, sampled)
    one, two = trained["base"][1].test.correct, trained["cutmix"][2].test.correct
    assert found["accuracy_change"]["estimate"] == pytest.approx(two.mean() - one.mean())
    assert len(changes.changes_view(found, numbers, PAIR)) == len(changes.CHANGES)


def test_single_networks_are_shown_of_a_seed_that_both_arms_have():
    trained = {"base": {1: run(1), 2: run(2)}, "cutmix": {2: run(52), 3: run(53)}, "other": {3: 9}}
    shown = first_runs(trained, PAIR)
    assert shown == {"base": trained["base"][2], "cutmix": trained["cutmix"][2], "other": 9}
    assert first_runs(trained, ("base",))["base"] is trained["base"][1]


def test_three_copies_of_one_network_say_nothing_of_the_method():
    one, other = run(0), run(50)
    trained = {"base": dict.fromkeys(range(3), one), "cutmix": dict.fromkeys(range(3), other)}
    numbers, sampled = numbers_of(trained)
    assert changes.paired_numbers(trained, PAIR, numbers, sampled)["about"] == "networks"
    trained = study(3)
    numbers, sampled = numbers_of(trained)
    found = changes.paired_numbers(trained, PAIR, numbers, sampled, margin=0.9)
    assert found["about"] == "method" and found["equivalence"]["equivalent"]
    change = found["accuracy_change"]
    narrow = found["equivalence"]
    assert change["low"] < narrow["low"] < change["estimate"] < narrow["high"] < change["high"]


@pytest.mark.parametrize("images, shown", [(20, False), (400, True)])
def test_few_images_of_which_none_changed_show_no_equivalence(images, shown):
    """At a change of a whole point none of 20 changes in four of five draws."""
    one = run(0, images=images, signal=3.0)
    other = replace(one, test=replace(one.test, logits=one.test.logits * 1.5))
    trained = {"base": {0: one}, "cutmix": {0: other}}
    found = changes.paired_numbers(trained, PAIR, *numbers_of(trained))
    assert found["mcnemar"]["corrected"] == found["mcnemar"]["regressed"] == 0
    assert found["equivalence"]["equivalent"] == shown


def best_temperature(part) -> float:
    """By SciPy's bounded search over the negative log-likelihood."""

    def loss(temperature):
        logits = part.logits.astype(float) / temperature
        return (logsumexp(logits, 1) - logits[np.arange(len(logits)), part.labels]).mean()

    return minimize_scalar(loss, bounds=(0.05, 20), options={"xatol": 1e-9}).x


def test_which_network_is_less_confident_is_asked_after_scaling_too():
    # the second is nearly as sure as the first, but for the scale of its logits
    a, b = run(0, images=600), run(50, images=600, scale=0.2)
    moved = changes.migration({0: a}, {0: b})
    wrong = ~a.test.correct & ~b.test.correct
    for scaling, name in ((False, ""), (True, "_scaled")):
        sure = [
            softmax(one.test.logits / (best_temperature(one.val) if scaling else 1), axis=1).max(1)
            for one in (a, b)
        ]
        less = ((sure[1] < sure[0]) & wrong).sum()
        assert moved[f"both_wrong_less_confident{name}"] == less
        assert moved[f"both_wrong_less_confident{name}_share"] == less / wrong.sum()
    shares = [moved[f"both_wrong_less_confident{name}_share"] for name in ("", "_scaled")]
    assert shares[0] > 0.9 and 0.35 < shares[1] < 0.65


def test_what_another_seed_does_stands_in_the_same_table():
    base, cutmix = study(3).values()
    shares = changes.churn(base, cutmix, PAIR)
    discordant = [
        (base[s].test.correct != base[t].test.correct).sum() for s, t in [(0, 1), (0, 2), (1, 2)]
    ]
    of_base = shares["between_seeds"]["base"]
    assert of_base["corrected"] == of_base["regressed"] == pytest.approx(np.mean(discordant) / 2)
    assert shares["between_arms"]["corrected"] == pytest.approx(
        changes.mcnemar(base, cutmix)["corrected"]
    )
    table = changes.churn_table(shares)
    assert table["corrected"].notna().all() and len(table) == 3
    one = changes.churn_table(changes.churn({0: base[0]}, {0: cutmix[0]}, PAIR))
    assert one["corrected"].notna().tolist() == [True, False, False]
    classes = changes.class_table(base, cutmix, list("vwxyz"))
    labels, differences = base[0].test.labels, []
    for runs in (base, cutmix):
        for s, t in [(0, 1), (0, 2), (1, 2)]:
            differences.append(
                [
                    abs(
                        runs[s].test.correct[labels == k].mean()
                        - runs[t].test.correct[labels == k].mean()
                    )
                    for k in range(5)
                ]
            )
    np.testing.assert_allclose(classes["another_seed"], 100 * np.mean(differences, axis=0))
    moved = paired.classes_moved(classes)
    assert moved["another_seed"] == pytest.approx(100 * np.mean(differences))
    assert moved["mean_size"] == pytest.approx(classes["change"].abs().mean())
    one = paired.classes_moved(changes.class_table({0: base[0]}, {0: cutmix[0]}, list("vwxyz")))
    assert one["another_seed"] is None


def test_a_case_says_in_how_many_seeds_it_is_right():
    trained = study(3)
    tables = {arm: table_of(runs[0], Names) for arm, runs in trained.items()}
    selection = tables["base"].iloc[[5, 9, 70]].assign(why="mined")
    cases = cases_before_after(selection, tables, trained)
    for arm in PAIR:
        right = sum(one.test.correct[[5, 9, 70]].astype(int) for one in trained[arm].values())
        assert cases[f"{arm} seeds right"].tolist() == [f"{count} of 3" for count in right]
    assert "base seeds right" not in cases_before_after(selection, tables)


def test_a_printed_case_repeats_nothing_that_its_other_columns_tell():
    trained = study(3)
    tables = {arm: table_of(runs[0], Names) for arm, runs in trained.items()}
    selection = tables["base"].iloc[[5, 9, 70]].assign(why="mined")
    cases = cases_before_after(selection, tables, trained)
    assert [column for column in cases_view(cases) if "right" in column] == [
        f"{arm} seeds right" for arm in PAIR
    ]
    single = {arm: dict(list(runs.items())[:1]) for arm, runs in trained.items()}
    view = cases_view(cases_before_after(selection, tables, single))
    assert not [column for column in view if "right" in column] and "base predicts" in view
    none = cases_before_after(selection.head(0), tables, trained)
    assert len(cases_view(none)) == 0


def test_an_image_is_steady_where_every_pair_of_networks_says_so():
    base, cutmix = study(3)["base"], dict(list(study(3)["cutmix"].items())[:2])
    found = changes.steadiness(base, cutmix)
    pairs = [(a.test.correct, b.test.correct) for a in base.values() for b in cutmix.values()]
    np.testing.assert_allclose(found["corrected"], np.mean([~a & b for a, b in pairs], axis=0))
    np.testing.assert_allclose(found["regressed"], np.mean([a & ~b for a, b in pairs], axis=0))
    np.testing.assert_allclose(found["both wrong"], np.mean([~a & ~b for a, b in pairs], axis=0))


def test_an_arm_has_mean_deviation_and_number_and_one_seed_no_deviation():
    of_seeds = study(3)["base"]
    accuracy = [one.test.correct.mean() for one in of_seeds.values()]
    entry = arm_numbers(of_seeds)["test_accuracy"]
    assert (entry["mean"], entry["sd"], entry["n"]) == (
        pytest.approx(np.mean(accuracy)),
        pytest.approx(np.std(accuracy, ddof=1)),
        3,
    )
    single = arm_numbers({0: of_seeds[0]})
    assert single["stream_accuracy"]["mean"] == 0.5 and single["val_loss_lowest_epoch"]["mean"] == 2
    assert single["test_accuracy"]["sd"] is None and "±" not in "".join(
        arms_table({"base": single})["base"]
    )
    counts, deviations = errors_by_level(study(3), [0.5, 0.9])
    assert counts["base"][0.9] == pytest.approx(
        arm_numbers(of_seeds)["errors_ge_90"]["mean"]
    ) and deviations.notna().all(axis=None)


def perfect(one):
    truth = one.test.labels
    return Predictions(one.test.index, truth, (8.0 * np.eye(5)[truth]).astype(np.float32))


def test_an_arm_without_errors_has_no_confidence_on_errors_and_still_a_table():
    one = run()
    faultless = type(one)(one.path, one.info, one.history, perfect(one), perfect(one))
    numbers = arm_numbers({0: faultless})
    assert (
        numbers["errors"]["mean"] == 0
        and np.isnan(numbers["confidence_on_errors"]["mean"])
        and numbers["e_aurc"]["mean"] == 0
    )
    assert "Mean confidence on errors" not in arms_table({"a": numbers})[""].tolist()
    both = arms_table({"a": numbers, "b": arm_numbers({0: run(0)})}).set_index("")
    assert both["a"].isna().to_dict()["Mean confidence on errors"] and both["a"].isna().sum() == 1


def test_classes_of_one_seed_are_those_of_three_equal_ones():
    trained = study(1)
    a, b = (trained[arm][0].test for arm in PAIR)
    single = changes.class_table(trained["base"], trained["cutmix"], list("vwxyz"))
    triple = paired.per_class_change(
        a.labels, np.stack([a.correct] * 3), np.stack([b.correct] * 3), 5
    )
    assert single.pop("another_seed").isna().all()
    np.testing.assert_allclose(single.to_numpy(), triple.to_numpy())
    assert single.index.tolist() == list("vwxyz")
    assert changes.class_change(single)["w"]["estimate"] == pytest.approx(
        b.correct[b.labels == 1].mean() - a.correct[a.labels == 1].mean()
    )
    counts = paired.classes_moved(single)
    assert counts["better"] + counts["worse"] + counts["equal"] == counts["tested"] == 5


class Names:
    class_names, superclass_names, superclass = list("vwxyz"), ["s"], np.zeros(5, dtype=int)
    test = type("Test", (), {"planted": None, "files": None})


def test_galleries_hold_the_most_confident_by_the_rule():
    before, after = (table_of(run(seed), Names) for seed in (1, 2))
    drawn = pictures.most_confident(before, after)
    kind = drawn["corrected"]
    pool = before[~before["correct"] & after["correct"]]
    assert (
        kind["id"].tolist()
        == pool.sort_values("confidence", ascending=False)["id"].head(6).tolist()
    )
    assert pictures.total(before, after, "corrected") == len(pool)
    both = drawn["both wrong"]
    lower = np.minimum(before["confidence"], after["confidence"])[
        ~before["correct"] & ~after["correct"]
    ]
    np.testing.assert_allclose(both["sure"], np.sort(lower)[::-1][:6])
    assert (
        pictures.titles(kind)[0].split("\n")[1]
        == f"→ {kind['before'][0]} {kind['before_confidence'][0]:.0%}"
    )
    # the third of them is steady, and comes first
    third = kind["id"][2]
    steady = {name: np.zeros(300) for name in pictures.KINDS}
    steady["corrected"][before["id"] == third] = 1
    preferred = pictures.most_confident(before, after, steady)["corrected"]
    assert preferred["id"].tolist()[:3] == [third, kind["id"][0], kind["id"][1]]
    assert preferred["in all seeds"].tolist() == [True] + [False] * 5
    nothing = pictures.most_confident(before, before)
    assert (
        not len(nothing["corrected"])
        and not len(nothing["regressed"])
        and len(nothing["both wrong"])
    )


def test_accuracy_by_cause_is_the_mean_over_seeds_with_the_interval_of_as_many_images():
    of_seeds = {seed: run(seed, images=60) for seed in (0, 1)}
    causes = pd.Series(np.where(np.arange(60) % 3, "none", "background"))
    found = by_cause(causes, {"base": of_seeds}).set_index("planted cause")
    assert found.index.tolist() == ["none", "background"]
    right = [one.test.correct[causes == "background"].sum() for one in of_seeds.values()]
    row = found.loc["background"]
    assert row["test images"] == 20 and row["base accuracy"] == pytest.approx(np.mean(right) / 20)
    k = np.mean(right)
    exact = beta.ppf([0.025, 0.975], [k, k + 1], [20 - k + 1, 20 - k])
    assert [row["base low"], row["base high"]] == pytest.approx(exact)
