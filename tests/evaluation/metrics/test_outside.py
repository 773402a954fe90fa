"""Outside images: AUROC against scikit-learn's, its interval against draws, thresholds by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve
from synthetic import run

from lib.evaluation.metrics import outside


def scores(seed=0, inside=60, others=40, shift=1.0, digits=1):
    generator = np.random.default_rng(seed)
    return (
        np.round(generator.normal(shift, 1, inside), digits),
        np.round(generator.normal(0, 1, others), digits),
    )


@pytest.mark.parametrize("digits", [0, 1, 6])
def test_auroc_is_scikit_learns_ties_and_all(digits):
    inside, others = scores(digits=digits)
    truth = np.repeat([1, 0], [len(inside), len(others)])
    expected = roc_auc_score(truth, np.append(inside, others))
    assert outside.auroc(inside, others)[0] == pytest.approx(expected)


def test_its_interval_covers_as_often_as_it_says():
    truth = 0.5 + 0.2602499  # of two normal distributions one deviation apart: Phi(1 / sqrt 2)
    hits = [
        low <= truth <= high
        for _, low, high in (outside.auroc(*scores(seed, digits=9)) for seed in range(600))
    ]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("truth", [0.95, 0.99])
def test_its_interval_covers_near_1_and_is_not_0_wide(truth):
    shift = norm.ppf(truth) * np.sqrt(2)
    drawn = [
        outside.auroc(*scores(seed, inside=100, others=20, shift=shift, digits=9))
        for seed in range(300)
    ]
    assert np.mean([low <= truth <= high for _, low, high in drawn]) >= 0.94
    area, low, high = outside.auroc(np.arange(100) + 20, np.arange(20))
    assert (area, high) == (1, 1) and 0.9 < low < 0.96
    assert outside.auroc(np.arange(20), np.arange(100) + 20)[:2] == (0, 0)


def test_energy_is_left_out_where_the_outputs_are_logarithms_of_probabilities():
    one = run(0)
    logs = log_softmax(one.test.logits.astype(float), 1).astype(np.float32)
    other = replace(one, test=replace(one.test, logits=logs))
    trained = {"one_network": {0: other}, "b": {0: one}}
    noise = np.random.default_rng(0).normal(size=(50, 5))
    asked = {"one_network": {0: log_softmax(noise, 1)}, "b": {0: noise}}
    found = outside.outside_numbers(trained, asked)
    assert [(row["arm"], row["score"]) for row in found["scores"]] == [
        ("one_network", "maximum softmax"),
        ("b", "maximum softmax"),
        ("b", "energy"),
    ]
    assert found["note"].startswith("energy says nothing of one network: ")


def test_false_positives_are_those_of_the_first_threshold_that_keeps_enough():
    inside, others = scores(digits=1)
    truth = np.repeat([1, 0], [len(inside), len(others)])
    false, true, thresholds = roc_curve(truth, np.append(inside, others), drop_intermediate=False)
    first = np.argmax(true >= 0.95)
    share, threshold = outside.false_positives(inside, others)
    assert (share, threshold) == (pytest.approx(false[first]), thresholds[first])
    assert outside.false_positives(np.arange(20.0), [0.5, 1.0, 30])[1] == 1.0


def test_energy_is_torchs_and_high_logits_do_not_overflow():
    logits = np.random.default_rng(0).normal(size=(5, 4)) * 400
    expected = torch.logsumexp(torch.tensor(logits), 1).numpy()
    assert outside.negative_energy(logits) == pytest.approx(expected)


def test_numbers_of_arms_seeds_and_scores():
    trained = {"a": {0: run(0, scale=4.0), 1: run(1, scale=4.0)}, "b": {0: run(2)}}
    noise = {seed: np.random.default_rng(seed).normal(size=(50, 5)) for seed in (0, 1)}
    numbers = outside.outside_numbers(trained, {"a": noise, "b": {}})
    assert [(row["arm"], row["score"]) for row in numbers["scores"]] == [
        ("a", "maximum softmax"),
        ("a", "energy"),
    ]
    row = numbers["scores"][1]
    assert row["auroc"]["n"] == 2 and row["auroc_low"] < row["auroc"]["mean"] < row["auroc_high"]
    assert row["auroc"]["mean"] > 0.9 and numbers["note"] == "" and numbers["images"] == 50
    view = outside.outside_view(numbers)
    assert view["score"].tolist() == ["maximum softmax", "energy"] and view["seeds"][0] == 2


def test_test_images_themselves_are_not_told_apart():
    one = run(0)
    numbers = outside.outside_numbers({"a": {0: one}}, {"a": {0: one.test.logits}})
    assert [row["auroc"]["mean"] for row in numbers["scores"]] == [0.5, 0.5]
    assert all(row["fpr"]["mean"] >= 0.95 for row in numbers["scores"])


def test_few_images_and_no_network_are_told_in_words():
    few = outside.outside_numbers({"a": {0: run(0)}}, {"a": {0: np.zeros((19, 5))}})
    assert few["note"] == "19 images outside the classes: too few, 20 are needed"
    assert few["scores"] == [] and len(outside.outside_view(few)) == 0
    none = outside.outside_numbers({"a": {0: run(0)}}, {"a": {}})
    assert (none["note"], none["scores"]) == ("no network was there to be asked", [])
