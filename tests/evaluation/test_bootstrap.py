"""The one bootstrap behind every interval: against the measures themselves on rows that were really
drawn."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_rel
from synthetic import run

from lib.evaluation import bootstrap
from lib.evaluation import calibration as cal
from lib.evaluation.paired import difference_of_means, mcnemar, paired_bootstrap
from lib.evaluation.per_image import SCORES
from lib.evaluation.selective import augrc, aurc, excess_aurc
from lib.evaluation.significance import chance_error
from lib.evaluation.summary import arm_numbers
from lib.training.record import Predictions


def sampled_of(trained, draws=200):
    numbers = {arm: arm_numbers(of_seeds) for arm, of_seeds in trained.items()}
    temperatures = {arm: of_arm["temperature"]["each"] for arm, of_arm in numbers.items()}
    return numbers, bootstrap.resample(trained, temperatures, draws)


def test_a_draw_is_the_measure_of_the_rows_that_it_names():
    one = run(3, images=120)
    one.test.logits[:40] = one.test.logits[0]  # equal confidences
    numbers, sampled = sampled_of({"a": {0: one}}, draws=3)
    counts = np.concatenate(list(bootstrap.image_counts(120, 3))).astype(int)
    assert counts.sum(1).tolist() == [120] * 3
    temperature = numbers["a"]["temperature"]["mean"]
    for draw in range(3):
        rows = np.repeat(np.arange(120), counts[draw])
        logits, labels, correct = (
            one.test.logits[rows],
            one.test.labels[rows],
            one.test.correct[rows],
        )
        confidence = cal.softmax(logits).max(1)
        scaled = cal.softmax(logits, temperature).max(1)
        expected = {
            "test_accuracy": correct.mean(),
            "errors": (~correct).sum(),
            "errors_ge_90": (~correct & (confidence >= 0.9)).sum(),
            "errors_ge_90_scaled": (~correct & (scaled >= 0.9)).sum(),
            "ece": cal.expected_calibration_error(cal.softmax(logits), labels),
            "ece_scaled": cal.expected_calibration_error(cal.softmax(logits, temperature), labels),
            "nll": cal.negative_log_likelihood(logits, labels),
            "nll_scaled": cal.negative_log_likelihood(logits, labels, temperature),
            "brier": cal.brier_score(cal.softmax(logits), labels),
            "brier_scaled": cal.brier_score(cal.softmax(logits, temperature), labels),
        }
        for name, score in SCORES.items():
            ending, scores = "" if name == "softmax" else f"_{name}", score(one.test.logits)[rows]
            expected |= {
                f"aurc{ending}": aurc(scores, correct),
                f"augrc{ending}": augrc(scores, correct),
                f"e_aurc{ending}": excess_aurc(scores, correct),
            }
        less = {f"{name}{bootstrap.LESS_CHANCE}" for name in ("ece", "ece_scaled")}
        assert set(expected) | {"errors_ge_99", "errors_ge_99_scaled"} | less == set(sampled["a"])
        for name, value in expected.items():
            assert sampled["a"][name][draw, 0] == pytest.approx(value, rel=2e-5, abs=2e-6), name


def test_pieces_of_any_size_hold_the_same_draws(monkeypatch):
    whole = np.concatenate(list(bootstrap.image_counts(90, 7)))
    monkeypatch.setattr(bootstrap, "CELLS", 200)
    pieces = list(bootstrap.image_counts(90, 7))
    assert [len(piece) for piece in pieces] == [2, 2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_areas_of_many_images_do_not_drown_in_float32():
    generator, images = np.random.default_rng(0), 400_000
    confidence = generator.random(images)
    correct = generator.random(images) < 0.5 + 0.4 * confidence
    counts = np.ones((4, images), np.float32)
    found = [area[0] for area in bootstrap.areas(counts, *bootstrap.ranked(confidence, correct))]
    assert found == pytest.approx([aurc(confidence, correct), augrc(confidence, correct)], rel=1e-5)


@pytest.mark.parametrize("errors", [0, 1, 37, 99, 100])
def test_the_least_aurc_in_closed_form_is_that_of_a_perfect_ranking(errors):
    best = aurc(np.arange(100), np.arange(100) >= errors)
    assert bootstrap.least_aurc(np.array([errors]), 100)[0] == pytest.approx(best, abs=1e-12)


def test_the_interval_of_accuracy_is_that_of_the_multinomial_and_of_rows():
    trained = {"a": {0: run(1, 400)}, "b": {0: run(2, 400, signal=2.2)}}
    numbers, sampled = sampled_of(trained, 3000)
    a, b = (trained[arm][0].test for arm in "ab")
    one = bootstrap.interval(sampled, numbers, {"b": 1, "a": -1}, "test_accuracy")
    assert one.estimate == pytest.approx(b.correct.mean() - a.correct.mean())
    np.testing.assert_allclose(
        one, difference_of_means(a.correct, b.correct, draws=20_000), atol=0.006
    )
    plain = {arm: {"ece": of_arm["ece"]} for arm, of_arm in sampled.items()}  # chance aside
    ece = bootstrap.interval(plain, numbers, {"b": 1, "a": -1}, "ece")
    columns = [part for test in (a, b) for part in (cal.softmax(test.logits).max(1), test.correct)]
    slow = paired_bootstrap(
        lambda p, q, r, s: cal.calibration_error(r, s) - cal.calibration_error(p, q),
        *columns,
        draws=800,
    )
    np.testing.assert_allclose(ece, slow, atol=0.008)


def test_the_p_value_is_below_five_percent_where_the_interval_leaves_zero_out():
    change, agree = {"b": 1, "a": -1}, 0
    for number in range(12):
        trained = {
            "a": {seed: run(6 * number + seed, 200, noise=number) for seed in range(2)},
            "b": {
                seed: run(6 * number + 3 + seed, 200, noise=number, signal=1.5 + number / 8)
                for seed in range(2)
            },
        }
        numbers, sampled = sampled_of(trained, 200)
        for name in ("test_accuracy", "nll", "ece"):
            ends = bootstrap.interval(sampled, numbers, change, name)
            p_value = bootstrap.p_value(sampled, numbers, change, name)
            agree += (p_value < 0.05) == (ends.low > 0 or ends.high < 0)
            each = [np.array(numbers[arm][name]["each"]) for arm in "ab"]
            assert p_value >= ttest_rel(*each).pvalue - 1e-9
    assert agree >= 34


def test_of_one_seed_the_p_value_is_about_mcnemars():
    trained = {"a": {0: run(1, 800, noise=3)}, "b": {0: run(2, 800, noise=3, signal=1.62)}}
    numbers, sampled = sampled_of(trained, 4000)
    found = bootstrap.p_value(sampled, numbers, {"b": 1, "a": -1}, "test_accuracy")
    a, b = (trained[arm][0].test.correct for arm in "ab")
    exact = mcnemar(a, b).p_value
    assert 1e-3 < exact < 0.3 and found == pytest.approx(exact, rel=0.6)


def stated(seed, alpha, beta, images, excess=0.0):
    """A run whose confidence c follows a Beta distribution, and which is right with probability c -
    excess."""
    generator, classes = np.random.default_rng(seed), 100
    confidence = generator.beta(alpha, beta, images).clip(0.02, 0.9999)
    shares = np.repeat((1 - confidence[:, None]) / (classes - 1), classes, axis=1)
    shares[:, 0] = confidence
    wrong = generator.random(images) >= confidence - excess
    return replace(
        run(seed, 10),
        test=Predictions(np.arange(images), wrong * 1, np.log(shares).astype(np.float32)),
    )


def difference_of_ece(before, after):
    trained = {"a": dict(enumerate(before)), "b": dict(enumerate(after))}
    numbers = {
        arm: {"ece": {"mean": np.mean(each), "each": each}}
        for arm, each in (
            (
                arm,
                [
                    cal.calibration_error(cal.softmax(one.test.logits).max(1), one.test.correct)
                    for one in of_seeds.values()
                ],
            )
            for arm, of_seeds in trained.items()
        )
    }
    sampled = bootstrap.resample(
        trained, {arm: [1.0] * len(of_seeds) for arm, of_seeds in trained.items()}, 150
    )
    return bootstrap.interval(sampled, numbers, {"b": 1, "a": -1}, "ece")


def test_calibrated_networks_of_different_confidence_are_not_found_to_differ():
    found = 0
    for trial in range(20):
        ends = difference_of_ece([stated(trial, 2, 2, 500)], [stated(100 + trial, 9, 1, 500)])
        found += not ends.low <= 0 <= ends.high
    assert found <= 1


def test_a_true_difference_of_calibration_is_found_whatever_the_confidence():
    for trial in range(4):
        worse = difference_of_ece(
            [stated(trial, 2, 2, 2000)], [stated(100 + trial, 9, 1, 2000, excess=0.08)]
        )
        better = difference_of_ece(
            [stated(trial, 9, 1, 2000, excess=0.08)], [stated(100 + trial, 2, 2, 2000)]
        )
        assert worse.low > 0 and better.high < 0


def test_the_chance_of_a_calibrated_network_is_its_mean_error():
    generator = np.random.default_rng(0)
    confidence = generator.beta(2, 2, 3000)
    right = generator.random((300, 3000)) < confidence
    cell = np.searchsorted(np.arange(1, 15) / 15, confidence)
    mean = np.mean([cal.calibration_error(confidence, one) for one in right])
    assert chance_error(confidence - right[0], cell) == pytest.approx(mean, rel=0.02)
    assert chance_error(confidence - right[1], cell) == pytest.approx(
        chance_error(right[0] - confidence, cell)
    )


def test_equal_arms_differ_by_nothing_in_every_number():
    for seeds in (1, 3):
        trained = {arm: {seed: run(seed) for seed in range(seeds)} for arm in ("a", "b")}
        numbers, sampled = sampled_of(trained)
        for name in set(sampled["a"]) & set(numbers["a"]):
            assert bootstrap.interval(sampled, numbers, {"b": 1, "a": -1}, name) == (0, 0, 0), name


def test_shares_of_seeds_give_their_mean_its_unbiased_variance():
    values = np.array([0.1, 0.4, 0.2, 0.7])
    shares = bootstrap.seed_shares(4, 200_000)
    assert np.allclose(shares.sum(1), 1) and (bootstrap.seed_shares(1, 5) == 1).all()
    assert (shares @ values).var() == pytest.approx(values.var(ddof=1) / 4, rel=0.02)
    assert (shares @ values).mean() == pytest.approx(values.mean(), abs=0.002)


def test_seeds_that_differ_widen_the_interval_and_seeds_alike_do_not_narrow_it_below_one():
    alike = {"a": {seed: run(1) for seed in range(3)}, "b": {seed: run(2) for seed in range(3)}}
    apart = {
        "a": alike["a"],
        "b": {seed: run(2, signal=signal) for seed, signal in enumerate((0.8, 1.5, 2.2))},
    }
    single = {arm: {0: of_seeds[0]} for arm, of_seeds in alike.items()}
    width = []
    for trained in (single, alike, apart):
        numbers, sampled = sampled_of(trained, 1000)
        ends = bootstrap.interval(sampled, numbers, {"b": 1, "a": -1}, "test_accuracy")
        width.append(ends.high - ends.low)
    assert width[0] == pytest.approx(width[1]) and width[2] > 1.5 * width[0]


@pytest.mark.slow
def test_intervals_cover_the_truth_about_as_often_as_they_say():
    truth = {
        arm: run(0, 60_000, **options)
        for arm, options in {"a": {}, "b": {"signal": 2.0, "scale": 1.6}}.items()
    }
    true = {
        "test_accuracy": np.diff([one.test.correct.mean() for one in truth.values()])[0],
        "nll": np.diff(
            [
                cal.negative_log_likelihood(one.test.logits, one.test.labels)
                for one in truth.values()
            ]
        )[0],
        "aurc": np.diff(
            [aurc(cal.softmax(one.test.logits).max(1), one.test.correct) for one in truth.values()]
        )[0],
    }
    sets, covered = 120, dict.fromkeys(true, 0)
    for number in range(sets):
        trained = {
            "a": {0: run(2 * number, 250, noise=number)},
            "b": {0: run(2 * number + 1, 250, noise=number, signal=2.0, scale=1.6)},
        }
        sampled = bootstrap.resample(trained, {"a": [1.0], "b": [1.0]}, 200)
        # the ends alone count
        numbers = dict.fromkeys(trained, {name: {"each": [0.0]} for name in true})
        for name in true:
            ends = bootstrap.interval(sampled, numbers, {"b": 1, "a": -1}, name)
            covered[name] += ends.low <= true[name] <= ends.high
    for name, hits in covered.items():
        assert 0.88 <= hits / sets <= 1, name  # 0.95 less 3.5 standard errors


def test_with_several_seeds_the_interval_covers_a_truth_over_seeds_and_images():
    generator, sets, covered = np.random.default_rng(0), 300, 0
    for _ in range(sets):  # change of an image in a seed: 0.1 + seed + image + both, five seeds
        change = (
            0.1
            + 0.05 * generator.normal(size=(1, 5))
            + generator.normal(size=(150, 1)) * 0.4
            + 0.3 * generator.normal(size=(150, 5))
        )
        counts = np.concatenate(
            list(bootstrap.image_counts(150, 300, seed=generator.integers(2**31)))
        )
        values = (
            counts @ change / 150 * bootstrap.seed_shares(5, 300, seed=generator.integers(2**31))
        ).sum(1)
        low, high = np.quantile(values, [0.025, 0.975])
        covered += low <= 0.1 <= high
    assert 0.91 <= covered / sets <= 0.99


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_few_seeds_that_differ_are_covered_as_often_as_said(seeds):
    generator, sets, covered = np.random.default_rng(seeds), 600, 0
    for _ in range(sets):
        # images are as good as without error: every draw is the seeds' own values
        each = 0.1 + 0.02 * generator.normal(size=seeds)
        sampled = {"b": {"nll": np.tile(each, (200, 1))}}
        ends = bootstrap.interval(
            sampled, {"b": {"nll": {"mean": each.mean(), "each": each.tolist()}}}, {"b": 1}, "nll"
        )
        covered += ends.low <= 0.1 <= ends.high
    assert 0.925 <= covered / sets <= 0.98
