"""Comparisons against statsmodels, enumeration and the coverage that an interval promises."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import multinomial, norm
from scipy.stats import t as student_t
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_reference
from statsmodels.stats.multitest import multipletests

from lib.evaluation.paired import (
    churn,
    classes_moved,
    difference_of_means,
    mcnemar,
    migration,
    paired_bootstrap,
    per_class_change,
)
from lib.evaluation.significance import benjamini_hochberg, grouped, sign_flip


def pair(corrected, regressed, both_right=5, both_wrong=3):
    counts = (both_right, corrected, regressed, both_wrong)
    return np.repeat([True, False, True, False], counts), np.repeat(
        [True, True, False, False], counts
    )


def change(a, b):
    return b.mean() - a.mean()


@pytest.mark.parametrize(
    "corrected, regressed", [(0, 0), (1, 0), (0, 7), (9, 4), (4, 9), (6, 6), (300, 240)]
)
def test_mcnemar_is_that_of_statsmodels(corrected, regressed):
    result = mcnemar(*pair(corrected, regressed))
    assert result[:2] == (corrected, regressed)
    expected = mcnemar_reference([[5, regressed], [corrected, 3]], exact=True).pvalue
    assert result.p_value == pytest.approx(expected if corrected + regressed else 1.0)


@pytest.mark.parametrize("corrected, regressed", [(0, 0), (1, 0), (0, 7), (9, 4), (300, 240)])
def test_the_sign_flip_test_of_one_seed_is_mcnemars(corrected, regressed):
    changes = np.repeat([1, -1, 0], [corrected, regressed, 5])
    assert sign_flip(changes) == pytest.approx(mcnemar(*pair(corrected, regressed)).p_value)


@pytest.mark.parametrize("changes", [[3, 1, -2, 0, 1], [2, 2, -1, -1, 3, 0], [-3], [1, -1], []])
def test_the_sign_flip_test_counts_all_flips(changes):
    sums = [abs(np.dot(signs, changes)) for signs in product([1, -1], repeat=len(changes))]
    assert sign_flip(changes, 3) == pytest.approx(np.mean(np.array(sums) >= abs(sum(changes))))


def test_the_sign_flip_test_of_very_many_images_is_quick_and_the_normal_one(monkeypatch):
    convolve, work = np.convolve, []
    monkeypatch.setattr(
        np,
        "convolve",
        lambda one, other: work.append(len(one) * len(other)) or convolve(one, other),
    )
    changes = np.repeat([-2, -1, 1, 2], [5_000, 7_500, 7_600, 5_025])
    spread = np.sqrt(np.sum(changes**2))
    # sums differ by 2
    assert sign_flip(changes, 2) == pytest.approx(
        2 * norm.sf((changes.sum() - 1) / spread), rel=1e-4
    )
    assert sum(work) < 3e8  # with every sum there may be: 1.2e9


def test_groups_are_those_of_a_mask_each():
    values, group = np.random.default_rng(0).random((2, 50))
    group = (group * 4).astype(int) * 2  # 1, 3, 5 and 7 are empty
    for number, found in enumerate(grouped(values, group, 8)):
        assert found.tolist() == values[group == number].tolist()


def test_the_sign_flip_test_holds_its_level_with_several_seeds():
    generator = np.random.default_rng(3)
    p_values = [sign_flip(generator.choice([-2, -1, 0, 1, 2], size=80), 2) for _ in range(1000)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 1000)
    with pytest.raises(ValueError, match="changes: got -2 to 0; allowed: -1 to 1"):
        sign_flip([-2, 0])


def test_equal_models_do_not_differ():
    a, _ = pair(4, 2)
    assert mcnemar(a, a) == (0, 0, 1.0)
    assert paired_bootstrap(change, a, a, draws=50) == (0, 0, 0)
    assert difference_of_means(a, a, draws=50) == (0, 0, 0)


def test_multinomial_draws_agree_with_resampled_rows():
    a, b = pair(60, 30, both_right=200, both_wrong=110)
    strata = np.random.default_rng(0).integers(4, size=400)
    for groups in (None, strata):
        slow = paired_bootstrap(change, a, b, draws=4000, strata=groups)
        fast = difference_of_means(a, b, draws=40_000, strata=groups)
        assert slow.estimate == pytest.approx(fast.estimate) == pytest.approx(30 / 400)
        # about four standard errors of the slow one
        np.testing.assert_allclose(slow[1:], fast[1:], atol=0.004)


@pytest.mark.parametrize("level, deviations", [(0.95, 1.96), (0.8, 1.2816)])
def test_the_ends_leave_the_same_share_on_each_side(level, deviations):
    a, b = pair(600, 600, 2000, 800)
    estimate, low, high = difference_of_means(a, b, draws=40_000, level=level)
    error = np.sqrt(1200) / 4000
    np.testing.assert_allclose(
        [(estimate - low) / error, (high - estimate) / error], deviations, atol=0.06
    )


def test_rows_are_drawn_jointly_and_strata_keep_their_size():
    values = np.random.default_rng(1).normal(size=(300, 2))
    assert paired_bootstrap(lambda a, b: (a - b).sum(), values, values.copy(), draws=50) == (
        0,
        0,
        0,
    )
    labels = np.arange(300) % 7
    fixed = paired_bootstrap(
        lambda y: np.bincount(y) @ np.arange(7), labels, draws=50, strata=labels
    )
    assert fixed.low == fixed.estimate == fixed.high
    free = paired_bootstrap(lambda y: np.bincount(y) @ np.arange(7), labels, draws=50)
    assert free.low < free.estimate < free.high


def test_stratified_draws_leave_out_the_spread_between_strata():
    strata = np.repeat([0, 1], 100)
    a, b = strata == 2, strata == 1  # the change is +1 in one stratum and 0 in the other
    assert difference_of_means(a, b, draws=50, strata=strata) == (0.5, 0.5, 0.5)
    assert difference_of_means(a, b, draws=500).high > 0.55


def test_the_seed_fixes_the_draws():
    a, b = pair(30, 20, 100, 50)
    for interval in (
        difference_of_means,
        lambda *arrays, **options: paired_bootstrap(change, *arrays, **options),
    ):
        first = interval(a, b, draws=200, seed=3)
        assert first == interval(a, b, draws=200, seed=3)
        assert len({interval(a, b, draws=200, seed=seed) for seed in range(5)}) > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "interval, sets",
    [
        (lambda a, b, seed: difference_of_means(a, b, draws=600, seed=seed), 1000),
        (lambda a, b, seed: paired_bootstrap(change, a, b, draws=300, seed=seed), 300),
    ],
    ids=["multinomial", "rows"],
)
def test_bootstrap_covers_the_truth_as_often_as_it_says(interval, sets):
    generator, covered, excluded = np.random.default_rng(2), 0, 0
    for seed in range(sets):
        outcome = generator.choice(4, p=[0.5, 0.2, 0.1, 0.2], size=300)  # true change 0.1
        _, low, high = interval((outcome == 0) | (outcome == 2), outcome < 2, seed)
        covered += low <= 0.1 <= high
        excluded += not low <= 0 <= high
    noise = 3.5 * np.sqrt(0.05 * 0.95 / sets)
    assert 0.94 - noise <= covered / sets <= 0.955 + noise
    assert excluded / sets > 0.8  # 3.2 standard errors away from 0


def test_nan_in_a_draw_shows_in_the_interval():
    result = paired_bootstrap(
        lambda a: np.nan if a.all() else a.mean(), np.array([True, True, False]), draws=100
    )
    assert (
        result.estimate == pytest.approx(2 / 3) and np.isnan(result.low) and np.isnan(result.high)
    )


def test_migration_counts():
    labels = np.zeros(9, dtype=int)
    a, b = np.array([0, 0, 1, 1, 1, 0, 2, 2, 2]), np.array([0, 0, 0, 0, 0, 3, 2, 3, 2])
    confidence_a, confidence_b = np.full(9, 0.8), np.array([0.1] * 6 + [0.8, 0.7, 0.9])
    assert migration(labels, a, b, confidence_a, confidence_b) == {
        "both_right": 2,
        "corrected": 3,
        "regressed": 1,
        "both_wrong": 3,
        "net_gain": 2,
        "both_wrong_less_confident": 1,
        "both_wrong_less_confident_share": pytest.approx(1 / 3),
    }
    nothing_wrong = migration(labels, labels, labels, confidence_a, confidence_b)
    assert (
        nothing_wrong["both_wrong"] == 0
        and nothing_wrong["both_wrong_less_confident_share"] is None
    )


def test_per_class_change_row_by_row():
    generator = np.random.default_rng(4)
    labels = generator.integers(6, size=500)
    labels[labels == 4] = 5  # class 4 is left without an image
    a, b = generator.random(500) < 0.5, generator.random(500) < 0.6 + 0.05 * labels
    table = per_class_change(labels.astype(np.uint64), a, b, 7)
    assert table.index.tolist() == list(range(7)) and table.index.name == "class"
    present = [0, 1, 2, 3, 5]
    for k in present:
        own, row = labels == k, table.loc[k]
        test = mcnemar(a[own], b[own])
        assert (row.images, row.corrected, row.regressed) == (
            own.sum(),
            test.corrected,
            test.regressed,
        )
        np.testing.assert_allclose((row.accuracy_a, row.accuracy_b), (a[own].mean(), b[own].mean()))
        assert row.change == pytest.approx(100 * (b[own].mean() - a[own].mean()))
        assert row.p_value == pytest.approx(test.p_value) and row.low < row.change < row.high
    expected = multipletests(table.loc[present, "p_value"], method="fdr_bh")[1]
    np.testing.assert_allclose(table.loc[present, "p_adjusted"], expected)
    assert (table.loc[[4, 6], ["images", "corrected", "regressed"]] == 0).all(axis=None)
    assert (
        table.loc[[4, 6]].drop(columns=["images", "corrected", "regressed"]).isna().all(axis=None)
    )


def test_per_class_change_of_several_seeds_is_that_of_the_means_of_images():
    generator = np.random.default_rng(5)
    labels = np.arange(240) % 3
    shifts = generator.normal(0, 0.08, (2, 4, 3))[:, :, labels]
    a = generator.random((4, 240)) < 0.5 + shifts[0]
    b = generator.random((4, 240)) < 0.5 + shifts[1] + 0.5 * (labels == 1)
    table = per_class_change(labels, a, b, 3)
    for k, row in table.iterrows():
        change = b[:, labels == k].sum(0) - a[:, labels == k].sum(0, dtype=int)
        assert row.change == pytest.approx(100 * change.mean() / 4)
        # Bonett and Price's two images, the variance between seeds pooled over the classes, without
        # what single images make of it, and Satterthwaite's degrees of freedom
        wide = np.append(change / 4, [1, -1])
        each = np.stack([(b[:, labels == j].mean(1) - a[:, labels == j].mean(1)) for j in range(3)])
        binomial = np.array(
            [
                sum(m * (1 - m) / 80 for m in (x[:, labels == j].mean() for x in (a, b)))
                for j in range(3)
            ]
        )
        of_image = (b.astype(int) - a).var(0, ddof=1)
        between = each.var(1, ddof=1).sum() - of_image.sum() / 80**2
        of_seeds = between / binomial.sum() * binomial[k] / 4
        of_images = wide.var() / 82
        freedom = 3 * (of_images + of_seeds) ** 2 / of_seeds**2
        deviation = np.sqrt(of_images + of_seeds)
        half = student_t.isf(0.025, freedom) * deviation
        np.testing.assert_allclose(
            [row.low, row.high], 100 * (wide.mean() + np.array([-half, half])), rtol=1e-6
        )
        z = norm.isf(sign_flip(change, 4) / 2) * np.sqrt(of_images) / deviation
        assert row.p_value == pytest.approx(2 * student_t.sf(z, freedom))
    moved = classes_moved(table)
    assert (
        moved["better_beyond_chance"] == 1
        and moved["tested"] == 3
        and moved["better"] + moved["worse"] + moved["equal"] == 3
    )


def seeds_of_one_arm(generator, spread: float, seeds: int = 6, classes: int = 20):
    """Right answers (seeds, N) of networks that differ in each class by a normal `spread` of their
    own."""
    labels = np.arange(60 * classes) % classes
    difficulty = generator.beta(2, 1, len(labels))
    shifts = generator.normal(0, spread, (seeds, classes))[:, labels]
    return labels, generator.random((seeds, len(labels))) < np.clip(difficulty + shifts, 0, 1)


def test_classes_that_only_seeds_move_are_not_found_to_change():
    generator, found, images_alone = np.random.default_rng(0), 0, 0
    for _ in range(40):
        labels, right = seeds_of_one_arm(generator, 0.12)
        a, b = right[:3], right[3:]
        found += (per_class_change(labels, a, b, 20)["p_adjusted"] < 0.05).any()
        change = b.sum(0) - a.sum(0, dtype=int)
        p_values = [sign_flip(change[labels == k], 3) for k in range(20)]
        images_alone += (benjamini_hochberg(p_values) < 0.05).any()
    assert found <= 6 < 20 < images_alone


@pytest.mark.parametrize("spread, least, most", [(0, 0.015, 0.06), (0.3, 0.01, 0.06)])
def test_of_classes_that_nothing_moves_one_in_twenty_is_found_uncorrected(spread, least, most):
    """As often as a test at 5% may: images are alike hard to all networks, which differ in chance
    alone and, by `spread`, in what a seed does to a class."""
    labels, p_values = np.repeat(np.arange(20), 100), []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        hard = generator.normal(1, 2, 2000) + generator.normal(0, spread, (6, 20))[:, labels]
        right = generator.normal(hard, 1) > 0
        p_values.append(per_class_change(labels, right[:3], right[3:], 20)["p_value"])
    assert least < np.mean(np.concatenate(p_values) < 0.05) < most


def test_a_class_that_every_seed_moves_is_found():
    labels, right = seeds_of_one_arm(np.random.default_rng(1), 0.03)
    right[3:, labels == 4] |= np.random.default_rng(2).random((3, 60)) < 0.9
    table = per_class_change(labels, right[:3], right[3:], 20)
    assert np.flatnonzero(table["p_adjusted"] < 0.05).tolist() == [4]


def limits(corrected, regressed, images, level=0.95):
    a, b = pair(corrected, regressed, images - corrected - regressed, 0)
    return (
        per_class_change(np.zeros(images, dtype=int), a, b, 1, level)
        .loc[0, ["low", "high"]]
        .to_numpy()
        / 100
    )


def test_paired_limits_by_hand():
    # Bonett and Price: (15 + 1) / 102 - (5 + 1) / 102 +- 1.959964 * sqrt((22 / 102 - (10 / 102) **
    # 2) / 102)
    np.testing.assert_allclose(
        limits(15, 5, 100), [0.098039 - 0.088097, 0.098039 + 0.088097], atol=2e-6
    )
    np.testing.assert_allclose(limits(5, 15, 100), -limits(15, 5, 100)[::-1])
    # no change seen is not proof of no change
    assert limits(0, 0, 100)[0] < 0 < limits(0, 0, 100)[1]
    assert np.all(np.abs(limits(3, 0, 3)) <= 1)


@pytest.mark.parametrize(
    "up, down, most", [(0.05, 0.05, 0.995), (0.2, 0.1, 0.965), (0.3, 0.02, 0.965)]
)
def test_paired_limits_cover_the_truth_exactly_enumerated(up, down, most):
    images, covered = 30, 0.0
    for corrected, regressed in product(range(images + 1), repeat=2):
        # the rest has probability below 1e-6
        if corrected + regressed <= images and max(corrected, regressed) < 24:
            weight = multinomial.pmf(
                [corrected, regressed, images - corrected - regressed],
                images,
                [up, down, 1 - up - down],
            )
            if weight > 1e-7:
                low, high = limits(corrected, regressed, images)
                covered += weight * (low <= up - down <= high)
    assert 0.94 <= covered <= most


def test_benjamini_hochberg_is_that_of_statsmodels_and_passes_nan():
    p_values = np.random.default_rng(5).random(40) ** 2
    p_values[7] = p_values[3]
    np.testing.assert_allclose(
        benjamini_hochberg(p_values), multipletests(p_values, method="fdr_bh")[1]
    )
    with_nan = np.insert(p_values, [0, 20], np.nan)
    adjusted = benjamini_hochberg(with_nan)
    np.testing.assert_allclose(
        adjusted[~np.isnan(with_nan)], multipletests(p_values, method="fdr_bh")[1]
    )
    assert np.isnan(adjusted[np.isnan(with_nan)]).all() and np.isnan(adjusted).sum() == 2
    assert np.isnan(benjamini_hochberg([np.nan])).all()


def test_churn_counts_changed_predictions():
    assert churn([1, 2, 3, 4], [1, 2, 0, 5]) == 0.5
    assert churn(np.array([1, 2], dtype=np.uint8), np.array([1, 2])) == 0


def test_inputs_are_left_as_they_were():
    labels, p_values = np.array([0, 1, 1]), np.array([0.5, 0.01, np.nan])
    a, b = np.array([True, False, True]), np.array([True, True, False])
    copies = [array.copy() for array in (labels, p_values, a, b)]
    (
        per_class_change(labels, a, b, 2),
        benjamini_hochberg(p_values),
        difference_of_means(a, b, draws=5),
    )
    for array, copy in zip((labels, p_values, a, b), copies):
        np.testing.assert_array_equal(array, copy)


T = [True]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: mcnemar(T, [True, False]), r"shapes: got correct_a \(1,\), correct_b \(2,\)"),
        (lambda: mcnemar([], []), r"shapes: got correct_a \(0,\)"),
        (lambda: mcnemar([0.5], T), "correct_a: got float64 values other than 0 and 1"),
        (
            lambda: paired_bootstrap(np.mean, [1, 2], [1]),
            r"shapes: got array 0 \(2,\), array 1 \(1,\)",
        ),
        (
            lambda: paired_bootstrap(np.mean, [1, 2], strata=[0]),
            r"shapes: got rows \(2,\), strata \(1,\)",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "allowed" in str(error.value) and "\n" not in str(error.value)
