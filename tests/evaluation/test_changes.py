"""The change between two arms, with one seed and with several; against statsmodels and by hand."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as reference
from synthetic import run

from lib.evaluation import changes, paired
from lib.evaluation.bootstrap import resample
from lib.evaluation.failures import test_table as table_of
from lib.evaluation.summary import arm_numbers, arms_table, confidence_of, errors_by_level
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
    assert arms_table({"a": numbers})["a"].isna().sum() == 1


def test_classes_of_one_seed_are_those_of_three_equal_ones():
    trained = study(1)
    a, b = (trained[arm][0].test for arm in PAIR)
    single = changes.class_table(trained["base"], trained["cutmix"], list("vwxyz"))
    triple = paired.per_class_change(
        a.labels, np.stack([a.correct] * 3), np.stack([b.correct] * 3), 5
    )
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
    nothing = pictures.most_confident(before, before)
    assert (
        not len(nothing["corrected"])
        and not len(nothing["regressed"])
        and len(nothing["both wrong"])
    )
