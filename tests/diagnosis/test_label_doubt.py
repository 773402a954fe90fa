"""What other runs think of a label, against scikit-learn and made-up reviews."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import synthetic
import torch
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from lib.data import label_reviews
from lib.diagnosis import label_doubt
from lib.evaluation import calibration

IMAGES = 300


@pytest.fixture
def runs():
    return [synthetic.run(seed, IMAGES, noise=3) for seed in range(4)]


@pytest.fixture
def splits(runs):
    labels = torch.from_numpy(runs[0].test.labels)
    return SimpleNamespace(
        name="cifar100", test=SimpleNamespace(labels=labels, index=np.arange(IMAGES))
    )


@pytest.fixture
def reviewed(runs, tmp_path, monkeypatch):
    """Reviews of the errors of the first run, asked about its predictions or, every third time,
    about another class; votes at random."""
    run, generator, items = runs[0], np.random.default_rng(0), []
    for position in np.flatnonzero(~run.test.correct):
        given, guess = int(run.test.labels[position]), int(run.test.predicted[position])
        counts = generator.multinomial(5, [0.3, 0.4, 0.2, 0.1]).tolist()
        items.append(
            {
                "id": int(position),
                "given_original_label": given,
                "our_guessed_label": guess if position % 3 else (guess + 1) % 5,
                "mturk": dict(zip(("given", "guessed", "both", "neither"), counts)),
            }
        )
    (tmp_path / label_reviews.REVIEW).write_text(json.dumps(items))
    monkeypatch.setenv("CIFAR100_ROOT", str(tmp_path))
    return items


def test_support_is_the_mean_of_the_other_runs_probabilities(runs):
    run, *others = runs
    found = label_doubt.support(run, others)
    for image in (0, 17, 299):
        given = []
        for one in others:
            temperature = calibration.fit_temperature(one.val.logits, one.val.labels)
            p = softmax(one.test.logits[image].astype(float) / temperature)
            given.append(p[run.test.predicted[image]])
        assert found[image] == pytest.approx(np.mean(given))


def test_a_copy_of_a_run_is_no_other_run(runs):
    run, other, *_ = runs
    copy, again = (dataclasses.replace(one) for one in (run, other))
    found = label_doubt.other_runs({"a": {0: run, 1: other}, "b": {0: copy, 1: again}}, run)
    assert found == [other]


def test_alone_it_is_the_runs_own_confidence(runs):
    run = runs[0]
    temperature = calibration.fit_temperature(run.val.logits, run.val.labels)
    expected = softmax(run.test.logits.astype(float) / temperature, 1).max(1)
    np.testing.assert_allclose(label_doubt.support(run, []), expected, rtol=1e-6)


def test_the_auc_is_scikit_learns_with_ties():
    generator = np.random.default_rng(0)
    score, positive = generator.integers(0, 6, 80) / 5, generator.random(80) < 0.3
    found = label_doubt.auc_interval(score, positive)
    assert found.estimate == pytest.approx(roc_auc_score(positive, score))
    assert found.low < found.estimate < found.high


def test_both_votes_of_a_reviewer_count(reviewed, splits):
    found = label_doubt.votes(splits)
    for row, item in enumerate(reviewed):
        said = item["mturk"]
        assert found["accept_given"][row] == said["given"] + said["both"]
        assert found["accept_guessed"][row] == said["guessed"] + said["both"]


def test_people_are_asked_about_errors_that_nobody_chose(reviewed, runs, splits):
    run, *others = runs
    chosen = [reviewed[0]["id"], reviewed[5]["id"]]
    found = label_doubt.against_people(run, others, splits, chosen)
    score, accepted = [], []
    for item in reviewed:
        # of another class than the predicted one nobody was asked
        if item["id"] in chosen or item["our_guessed_label"] != run.test.predicted[item["id"]]:
            continue
        accepted.append(item["mturk"]["guessed"] + item["mturk"]["both"] >= 3)
        score.append(label_doubt.support(run, others)[item["id"]])
    assert 0 < len(accepted) < len(reviewed) - 2
    assert found["errors"] == len(accepted) and found["accepted"] == sum(accepted)
    assert found["auc"]["estimate"] == pytest.approx(roc_auc_score(accepted, score))
    assert found["runs"] == 3


def test_nothing_is_said_without_reviews(runs, splits, tmp_path, monkeypatch):
    monkeypatch.setenv("CIFAR100_ROOT", str(tmp_path))
    assert label_doubt.against_people(runs[0], runs[1:], splits) is None
    other = SimpleNamespace(name="phantom", test=splits.test)
    assert label_doubt.votes(other) is None


def test_another_run_is_another_answer(runs):
    run, *others = runs
    changed = dataclasses.replace(others[0], test=runs[3].test)
    assert not np.allclose(
        label_doubt.support(run, [others[0]]), label_doubt.support(run, [changed])
    )
