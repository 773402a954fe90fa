"""Calibration against torchmetrics, scikit-learn, brute force and predictors whose calibration is
known."""

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from lib.evaluation.calibration import (
    TEMPERATURE_BOUNDS,
    brier_score,
    calibration_error,
    classwise_calibration_error,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    softmax,
)


def predictor(seed, images=2000, classes=10, temperature=1.0):
    """Logits (N, K) and labels drawn from their softmax at `temperature`: calibrated exactly
    there."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=2, size=(images, classes))
    drawn = softmax(logits, temperature).cumsum(axis=1) < generator.random((images, 1))
    return logits, np.minimum(drawn.sum(axis=1), classes - 1)


def test_softmax_is_torch_softmax_and_survives_large_logits():
    logits, _ = predictor(0)
    expected = torch.softmax(torch.from_numpy(logits) / 1.7, dim=1).numpy()
    np.testing.assert_allclose(softmax(logits, 1.7), expected, rtol=1e-12)
    assert softmax(logits.astype(np.float16)).dtype == np.float64
    np.testing.assert_array_equal(softmax([[1e308, 0.0], [-1e4, 1e4]]), [[1, 0], [0, 1]])


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_ece_is_that_of_torchmetrics(bins):
    logits, labels = predictor(1)
    # too low, too high
    probabilities = softmax(logits * np.random.default_rng(1).choice([0.4, 2], size=(2000, 1)))
    expected = multiclass_calibration_error(
        torch.from_numpy(probabilities),
        torch.from_numpy(labels),
        num_classes=10,
        n_bins=bins,
        norm="l1",
    )
    assert expected_calibration_error(probabilities, labels, bins) == pytest.approx(
        float(expected), abs=1e-6
    )


def test_equal_mass_ece_by_sorting_and_cutting():
    logits, labels = predictor(2, images=1500)
    probabilities = softmax(logits * np.random.default_rng(2).choice([0.4, 2], size=(1500, 1)))
    order = np.argsort(probabilities.max(axis=1))
    gap = probabilities.max(axis=1) - (probabilities.argmax(axis=1) == labels)
    expected = np.abs(gap[order].reshape(15, 100).mean(axis=1)).mean()
    assert expected_calibration_error(probabilities, labels, equal_mass=True) == pytest.approx(
        expected, abs=1e-12
    )
    assert abs(expected - expected_calibration_error(probabilities, labels)) > 1e-6


def test_equal_mass_bins_never_part_equal_confidences():
    confidence, correct = np.repeat([0.3, 0.6, 0.9], 5), np.arange(15) % 3 == 0
    table = reliability(confidence, correct, bins=7, equal_mass=True)
    assert sorted(table["count"][table["count"] > 0]) == [5, 5, 5]
    shuffled = np.random.default_rng(0).permutation(15)
    value = calibration_error(confidence, correct, 7, equal_mass=True)
    assert calibration_error(
        confidence[shuffled], correct[shuffled], 7, equal_mass=True
    ) == pytest.approx(value)


@pytest.mark.parametrize("images, bins", [(3, 15), (16, 15), (100, 7)])
def test_equal_mass_bins_differ_by_at_most_one_image(images, bins):
    confidence = np.random.default_rng(3).random(images)
    counts = reliability(confidence, confidence > 0.5, bins, equal_mass=True)["count"]
    assert counts.sum() == images and counts.max() - counts.min() <= 1


def test_bins_include_their_upper_edge():
    table = reliability([0.0, 0.5, 0.5000001, 1.0], [True, False, True, True], bins=2)
    assert table["count"].tolist() == [2, 2]
    assert table["low"].tolist() == [0, 0.5] and table["high"].tolist() == [0.5, 1]
    np.testing.assert_allclose(table["accuracy"], [0.5, 1])
    np.testing.assert_allclose(table["confidence"], [0.25, 0.75000005])


def test_empty_bins_are_nan_and_the_table_yields_the_ece():
    logits, labels = predictor(4)
    probabilities = softmax(logits)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    table = reliability(confidence, correct, bins=20)
    empty = table["count"] == 0
    assert empty.any() and table.loc[empty, ["confidence", "accuracy"]].isna().all(axis=None)
    assert table.loc[~empty, ["confidence", "accuracy"]].notna().all(axis=None)
    ece = ((table["accuracy"] - table["confidence"]).abs() * table["count"]).sum() / table[
        "count"
    ].sum()
    assert expected_calibration_error(probabilities, labels, 20) == pytest.approx(ece)


def test_classwise_error_by_loops():
    logits, labels = predictor(5, images=300, classes=4, temperature=1.4)
    probabilities = softmax(logits)
    total = 0.0
    for k in range(4):
        for low in np.arange(15) / 15:
            inside = (probabilities[:, k] > low) & (probabilities[:, k] <= low + 1 / 15)
            total += abs((probabilities[inside, k] - (labels[inside] == k)).sum()) / 300 / 4
    assert classwise_calibration_error(probabilities, labels) == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_a_calibrated_predictor_stays_in_its_sampling_band(seed):
    logits, labels = predictor(seed)
    probabilities, generator = softmax(logits), np.random.default_rng(100 + seed)
    confidence = probabilities.max(axis=1)
    band = [calibration_error(confidence, generator.random(2000) < confidence) for _ in range(1000)]
    low, high = np.quantile(band, [0.0005, 0.9995])
    assert low <= expected_calibration_error(probabilities, labels) <= high
    assert expected_calibration_error(softmax(logits, 0.7), labels) > high


def test_known_gap():
    assert calibration_error(np.full(1000, 0.9), np.arange(1000) < 600) == pytest.approx(0.3)


def test_nll_and_brier_are_those_of_scikit_learn():
    logits, labels = predictor(6)
    for temperature in (0.5, 1.0, 3.0):
        probabilities = softmax(logits, temperature)
        assert negative_log_likelihood(logits, labels, temperature) == pytest.approx(
            log_loss(labels, probabilities)
        )
        expected = brier_score_loss(labels, probabilities, labels=range(10), scale_by_half=False)
        assert brier_score(probabilities, labels) == pytest.approx(expected)


def test_nll_stays_finite_where_a_probability_rounds_to_zero():
    assert negative_log_likelihood([[1000.0, 0.0]], [1]) == pytest.approx(1000)


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_temperature_is_the_minimum_and_recovers_the_truth(true):
    logits, labels = predictor(7, images=4000, temperature=true)
    fitted = fit_temperature(logits, labels)
    grid = np.geomspace(0.1, 10, 400)
    best = grid[np.argmin([negative_log_likelihood(logits, labels, t) for t in grid])]
    assert abs(np.log(fitted / best)) <= np.log(grid[1] / grid[0])
    slope = approx_fprime(
        [1 / fitted], lambda inverse: negative_log_likelihood(logits, labels, 1 / inverse[0])
    )
    assert abs(slope[0]) < 1e-6
    assert fitted == pytest.approx(true, rel=0.1)


def test_temperature_stays_inside_its_bounds():
    logits = 5 * np.eye(4)
    # separable: the colder the better
    assert fit_temperature(logits, np.arange(4)) == TEMPERATURE_BOUNDS[0]
    # always wrong: the hotter
    assert fit_temperature(logits, (np.arange(4) + 1) % 4) == TEMPERATURE_BOUNDS[1]
    assert fit_temperature(np.full((4, 3), 2.0), [0, 1, 2, 0]) == 1.0


def test_temperature_changes_no_prediction_and_lowers_the_ece():
    logits, labels = predictor(8, temperature=2.0)
    fitted = fit_temperature(logits, labels)
    before, after = softmax(logits), softmax(logits, fitted)
    np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))
    assert (
        expected_calibration_error(after, labels) < expected_calibration_error(before, labels) / 3
    )


FAIR = np.full((2, 2), 0.5)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: fit_temperature([[np.nan, np.inf], [0, 1]], [0, 1]),
            "logits: got 2 of 4 values that are not finite",
        ),
        (
            lambda: fit_temperature([1.0, 2.0], [0, 1]),
            r"shapes: got logits \(2,\), labels \(2,\); allowed: \(images, classes\)",
        ),
        (
            lambda: negative_log_likelihood(np.zeros((0, 3)), np.zeros(0, int)),
            r"shapes: got logits \(0, 3\)",
        ),
        (
            lambda: expected_calibration_error(FAIR, [0, 1, 1]),
            r"shapes: got probabilities \(2, 2\), labels \(3,\); allowed",
        ),
        (
            lambda: expected_calibration_error(FAIR, [0, 2]),
            "labels: got int64 from 0 to 2; allowed: integers from 0 to 1",
        ),
        (lambda: expected_calibration_error(FAIR, [0, -1]), "labels: got int64 from -1 to 0"),
        (lambda: expected_calibration_error(FAIR, [0.0, 1.0]), "labels: got float64"),
        (
            lambda: brier_score(FAIR * 0.9, [0, 1]),
            "probabilities: got rows that sum to 0.9 to 0.9; allowed: 1",
        ),
        (lambda: brier_score([[2.0, -1.0]], [0]), "probabilities: got -1 to 2; allowed"),
        (lambda: classwise_calibration_error(FAIR, [0, 5]), "labels: got int64 from 0 to 5"),
        (lambda: negative_log_likelihood(FAIR, [0]), "shapes: got logits"),
        (lambda: fit_temperature(FAIR, [0, 9]), "labels: got int64 from 0 to 9"),
        (
            lambda: reliability([0.5, 1.5], [True, False]),
            "confidence: got 0.5 to 1.5; allowed: 0 to 1",
        ),
        (
            lambda: reliability([0.5], [True, False]),
            r"shapes: got confidence \(1,\), correct \(2,\)",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "allowed" in str(error.value) and "\n" not in str(error.value)
