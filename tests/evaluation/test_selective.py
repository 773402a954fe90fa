"""Rejection against definitions, statsmodels, scikit-learn and simulated populations with a known
risk."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from lib.evaluation.per_image import margin_score, normalised_logit_score
from lib.evaluation.selective import (
    augrc,
    aurc,
    clopper_pearson,
    counts_at_matched_coverage,
    excess_aurc,
    fewest,
    rejection_table,
    risk_coverage,
    threshold_for_risk,
)


def answers(seed, images=400, levels=10**9):
    generator = np.random.default_rng(seed)
    confidence = generator.integers(levels, size=images) / levels
    return confidence, generator.random(images) < 0.3 + 0.6 * confidence


def brute_aurc(confidence, correct):
    return np.mean([np.mean(~correct[confidence >= threshold]) for threshold in confidence])


@pytest.mark.parametrize("levels", [3, 50, 10**9])
def test_aurc_is_the_mean_risk_over_the_images_as_thresholds(levels):
    generator = np.random.default_rng(levels)
    confidence = generator.integers(levels, size=200) / levels
    correct = generator.random(200) < confidence
    assert aurc(confidence, correct) == pytest.approx(brute_aurc(confidence, correct), abs=1e-12)


def test_aurc_closed_forms():
    confidence = np.linspace(0, 1, 8)
    assert aurc(confidence, np.ones(8, bool)) == 0
    assert aurc(confidence, np.zeros(8, bool)) == 1
    assert aurc(np.full(8, 0.5), np.arange(8) < 6) == pytest.approx(0.25)
    assert aurc([0.9, 0.8, 0.7], [True, False, True]) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)


def test_risk_coverage_accepts_ties_together():
    coverage, risk = risk_coverage([0.9, 0.5, 0.5, 0.1], [True, False, True, False])
    np.testing.assert_allclose(coverage, [0.25, 0.75, 1])
    np.testing.assert_allclose(risk, [0, 1 / 3, 1 / 2])


def test_excess_aurc_subtracts_the_best_possible_ranking():
    confidence, correct = answers(0)
    errors = np.arange(1, np.sum(~correct) + 1)
    # right answers first, then j errors among r + j
    best = np.sum(errors / (correct.sum() + errors)) / len(correct)
    assert excess_aurc(confidence, correct) == pytest.approx(
        aurc(confidence, correct) - best, abs=1e-12
    )
    assert excess_aurc(correct + confidence / 2, correct) == pytest.approx(0, abs=1e-12)
    assert excess_aurc(confidence, np.ones(400, bool)) == 0


@pytest.mark.parametrize("levels", [4, 10**9])
def test_augrc_obeys_its_identity_with_auroc(levels):
    confidence, correct = answers(1, levels=levels)
    accuracy = correct.mean()
    expected = (1 - roc_auc_score(correct, confidence)) * accuracy * (1 - accuracy) + (
        1 - accuracy
    ) ** 2 / 2
    assert augrc(confidence, correct) == pytest.approx(expected, abs=1e-12)


def test_augrc_closed_forms():
    assert augrc(np.arange(5), np.ones(5, bool)) == 0
    assert augrc(np.arange(5), np.zeros(5, bool)) == pytest.approx(0.5)


def test_margin_is_first_minus_second():
    np.testing.assert_allclose(
        margin_score([[1.0, 5.0, 3.0], [2.0, 2.0, -9.0], [7.0, 0.0, 1.0]]), [2, 0, 6]
    )


@pytest.mark.parametrize("p", [1.0, 2.0, 5.0])
def test_normalised_score_by_definition_and_its_invariances(p):
    logits = np.random.default_rng(2).normal(size=(50, 10))
    centred = logits - logits.mean(axis=1, keepdims=True)
    expected = centred.max(axis=1) / np.linalg.norm(centred, ord=p, axis=1)
    np.testing.assert_allclose(normalised_logit_score(logits, p), expected)
    np.testing.assert_allclose(normalised_logit_score(3 * logits + 7, p), expected)


def test_normalised_score_of_equal_logits_is_zero():
    np.testing.assert_array_equal(normalised_logit_score(np.full((2, 100), 0.1)), 0)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_clopper_pearson_is_that_of_statsmodels(level):
    trials = np.array([1, 1, 10, 10, 10, 10_000, 10_000])
    successes = np.array([0, 1, 0, 3, 10, 44, 315])
    low, high = clopper_pearson(successes, trials, level)
    expected_low, expected_high = proportion_confint(successes, trials, 1 - level, method="beta")
    np.testing.assert_allclose(low, expected_low, atol=1e-12)
    np.testing.assert_allclose(high, expected_high, atol=1e-12)


def test_clopper_pearson_keeps_the_shape_and_knows_nothing_without_trials():
    low, high = clopper_pearson(np.zeros((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(low, np.zeros((2, 3)))
    np.testing.assert_array_equal(high, np.ones((2, 3)))


def test_rejection_table_by_definition():
    confidence, correct = answers(3, levels=20)
    table = rejection_table(confidence, correct, [0.0, 0.35, 0.7])
    for row in table.itertuples():
        kept = confidence >= row.threshold
        errors = np.sum(~correct[kept])
        assert (row.accepted, row.errors_accepted) == (kept.sum(), errors)
        assert (row.coverage, row.selective_risk) == (kept.mean(), errors / kept.sum())
        limits = proportion_confint(errors, kept.sum(), method="beta")
        np.testing.assert_allclose((row.risk_low, row.risk_high), limits)
        assert row.errors_rejected_share == pytest.approx(
            np.sum(~correct[~kept]) / np.sum(~correct)
        )


def test_rejection_table_when_nothing_is_accepted_or_nothing_is_wrong():
    row = rejection_table([0.5, 0.6], [True, False], [0.9]).iloc[0]
    assert row.accepted == 0 and np.isnan(row.selective_risk) and row.errors_rejected_share == 1
    assert (row.risk_low, row.risk_high) == (0, 1)
    assert np.isnan(rejection_table([0.5, 0.6], [True, True], [0.0]).iloc[0].errors_rejected_share)


def violations(error_rate, risk_above, images, risk, draws):
    """Share of validation sets whose threshold has a true risk above `risk`, and share with a
    threshold at all."""
    generator, broken, found = np.random.default_rng(5), 0, 0
    for _ in range(draws):
        confidence = generator.random(images)
        threshold = threshold_for_risk(
            confidence, generator.random(images) >= error_rate(confidence), risk
        )
        found += threshold is not None
        broken += threshold is not None and risk_above(threshold) > risk
    return broken / draws, found / draws


@pytest.mark.parametrize(
    "error_rate, risk_above",
    [
        # just too risky everywhere: every threshold is a mistake
        (
            lambda c: 0.1001 + 0 * c,
            lambda t: 0.1001,
        ),
        (lambda c: 0.3 * (1 - c), lambda t: 0.15 * (1 - t)),
        (
            lambda c: np.where(c > 0.8, 0.2, 0.02),
            lambda t: (0.2 * 0.2 + 0.02 * (0.8 - t)) / (1 - t) if t < 0.8 else 0.2,
        ),
    ],
    ids=["flat", "falling", "riskiest at the top"],
)
def test_threshold_keeps_its_promise(error_rate, risk_above):
    broken, _ = violations(error_rate, risk_above, images=500, risk=0.1, draws=600)
    assert broken <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


def test_threshold_is_found_where_there_is_room():
    _, found = violations(
        lambda c: 0.3 * (1 - c), lambda t: 0.15 * (1 - t), images=2000, risk=0.1, draws=50
    )
    assert found == 1
    confidence = np.random.default_rng(6).random(5000)
    # risk 0.1 is at threshold 1/3
    correct = np.random.default_rng(7).random(5000) >= 0.3 * (1 - confidence)
    assert 1 / 3 < threshold_for_risk(confidence, correct, 0.1) < 0.6


def test_threshold_bound_uses_the_divided_level():
    confidence = np.linspace(0.01, 1, 100)
    # no error among m images: the upper limit is 1 - (0.05 / 20) ** (1 / m)
    correct = np.ones(100, bool)
    for accepted in (45, 80, 100):
        limit = 1 - (0.05 / 20) ** (1 / accepted)
        threshold = threshold_for_risk(confidence, correct, limit + 1e-9)
        assert np.sum(confidence >= threshold) == 100  # a larger set has a lower limit
        correct_until = confidence > confidence[-accepted - 1] if accepted < 100 else correct
        assert (
            np.sum(confidence >= threshold_for_risk(confidence, correct_until, limit + 1e-9))
            == accepted
        )
        if accepted == 100:
            assert threshold_for_risk(confidence, correct, limit - 1e-9) is None


def test_threshold_extremes():
    confidence = np.full(300, 0.7)
    assert threshold_for_risk(confidence, np.ones(300, bool), 0.05) == 0.0
    assert threshold_for_risk(confidence, np.zeros(300, bool), 0.05) is None


def test_matched_coverage_counts_the_most_confident():
    confidence, correct = answers(8)
    table = counts_at_matched_coverage(confidence, correct, [0.1, 0.5, 1.0])
    order = np.argsort(-confidence)
    assert table["accepted"].tolist() == [40, 200, 400]
    assert table["errors"].tolist() == pytest.approx(
        [np.sum(~correct[order[:n]]) for n in (40, 200, 400)]
    )


def test_matched_coverage_rounds_half_up():
    table = counts_at_matched_coverage(np.arange(5), np.ones(5, bool), [0.28, 0.3, 0.34])
    assert table["accepted"].tolist() == [1, 2, 2] and table["coverage"].tolist() == [
        0.28,
        0.3,
        0.34,
    ]


def test_matched_coverage_averages_over_the_orders_of_ties():
    table = counts_at_matched_coverage(
        [0.9, 0.5, 0.5, 0.5, 0.5], [True, True, True, False, False], [0.6, 0.2]
    )
    assert table["accepted"].tolist() == [3, 1]
    # two of four tied images, half of them wrong
    assert table["errors"].tolist() == pytest.approx([1, 0])


def test_matched_coverage_does_not_see_a_rescaling_of_confidence():
    confidence, correct = answers(9)
    before, after = (
        counts_at_matched_coverage(c, correct, [0.2]) for c in (confidence, confidence**5)
    )
    assert before.equals(after)
    np.testing.assert_array_equal(
        risk_coverage(confidence, correct)[1], risk_coverage(confidence**5, correct)[1]
    )


PAIR = ([0.5, 0.6], [True, False])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: augrc([0.5], [True, False]), "shapes: got confidence"),
        (lambda: excess_aurc([], []), "shapes: got confidence"),
        (lambda: aurc([], []), r"shapes: got confidence \(0,\)"),
        (
            lambda: aurc([0.5, np.nan], [True, False]),
            "confidence: got 1 of 2 values that are not finite",
        ),
        (lambda: aurc([0.5, 0.6], [1, 2]), "correct: got int64 values other than 0 and 1"),
        (lambda: threshold_for_risk([-0.5, 0.6], PAIR[1], 0.1), "confidence: got -0.5 to 0.6"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "allowed" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("risk", [0.02, 0.1, 0.25])
def test_the_fewest_rows_are_those_at_which_a_risk_can_first_be_promised(risk):
    def promised(rows):
        return threshold_for_risk(np.linspace(0.5, 0.9, rows), np.ones(rows, bool), risk)

    assert promised(fewest(risk)) is not None and promised(fewest(risk) - 1) is None
