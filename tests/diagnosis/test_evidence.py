"""The evidence on the errors of a small untrained network against loops and SciPy."""

import dataclasses

import numpy as np
import pytest
import synthetic
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from lib import gradcam
from lib.data import dataset
from lib.diagnosis import evidence, probes
from lib.model import resnet18
from lib.training import inference
from lib.training.record import Predictions

TEST = 8


@pytest.fixture(scope="module")
def splits():
    loaded = dataset.load("phantom", sizes={"train": 40, "val": 60, "test": 60})
    return dataclasses.replace(loaded, test=loaded.test.first(TEST))


@pytest.fixture(scope="module")
def model(splits):
    torch.manual_seed(0)
    network = resnet18(20, 4)
    with torch.no_grad():  # BatchNorm learns the pictures' statistics, so that answers differ
        for _ in range(10):
            network(inference.inputs(splits.train.images, splits.mean, splits.std))
        network.fc.weight.mul_(20)
    return network.eval()


@pytest.fixture(scope="module")
def run(splits, model):
    """A run of that network, whose labels are changed so that it is right of a third of val and of
    two test images."""

    def predictions(split, right):
        logits = inference.logits(model, split.images, splits.mean, splits.std)
        labels = split.labels.numpy().copy()
        labels[right] = logits.argmax(1)[right]
        return Predictions(split.index, labels, np.asarray(logits))

    return dataclasses.replace(
        synthetic.run(classes=20),
        val=predictions(splits.val, slice(0, 60, 3)),
        test=predictions(splits.test, slice(2, 4)),
    )


@pytest.fixture(scope="module")
def found(run, model, splits):
    return evidence.examine(run, model, splits)


@pytest.fixture(scope="module")
def temperature(run):
    def loss(log_temperature):
        return -log_softmax(run.val.logits.astype(float) / np.exp(log_temperature), axis=1)[
            np.arange(60), run.val.labels
        ].mean()

    return np.exp(
        minimize_scalar(
            loss, bounds=(np.log(0.01), np.log(100)), method="bounded", options={"xatol": 1e-10}
        ).x
    )


def test_the_errors_are_all_the_errors(found, run):
    assert found.position.tolist() == [
        place for place in range(TEST) if run.test.logits[place].argmax() != run.test.labels[place]
    ]
    assert 0 < len(found.position) < TEST
    assert (found.wrong.numpy() == run.test.logits[found.position].argmax(1)).all()
    assert (found.true.numpy() == run.test.labels[found.position]).all()


def test_probabilities_are_those_after_the_temperature_of_val(found, run, temperature):
    expected = softmax(run.test.logits[found.position].astype(float) / temperature, axis=1)
    rows = np.arange(len(found.position))
    np.testing.assert_allclose(
        found.whole,
        np.stack([expected[rows, found.wrong], expected[rows, found.true]], 1),
        rtol=1e-4,
    )


def test_maps_are_those_of_the_unfolded_network(found, model, splits):
    inputs = inference.inputs(splits.test.images[found.position], splits.mean, splits.std)
    with gradcam.GradCAM(model, model.layer4) as cam:
        expected = [cam.maps(inputs, target) for target in (found.wrong, found.true)]
    np.testing.assert_allclose(found.maps, torch.stack(expected, 1), atol=1e-3)


def test_classes_that_validation_confuses_against_a_loop(run, temperature):
    rank = evidence.confusion_rank(run, temperature)
    probability = softmax(run.val.logits.astype(float) / temperature, axis=1)

    def says(label, other):
        of_label = [row[other] for row, true in zip(probability, run.val.labels) if true == label]
        return sum(of_label) / len(of_label) if of_label else 0.0

    both = {(a, b): says(a, b) + says(b, a) for a in range(20) for b in range(20)}
    for a, b in [(0, 1), (3, 17), (12, 5), (19, 0), (7, 8)]:
        more = [c for c in range(20) if c not in (a, b) and both[a, c] > both[a, b]]
        assert rank[a, b] == pytest.approx(len(more) / 18)


def test_confusion_by_hand():
    val = Predictions(
        np.arange(4),
        np.array([0, 1, 2, 3]),
        np.log(
            [[0.4, 0.3, 0.2, 0.1], [0.1, 0.7, 0.1, 0.1], [0.3, 0.1, 0.5, 0.1], [0.1, 0.1, 0.1, 0.7]]
        ),
    )
    rank = evidence.confusion_rank(dataclasses.replace(synthetic.run(), val=val), 1.0)
    assert rank[0, [1, 2, 3]].tolist() == [0.5, 0.0, 1.0]  # both ways 0.4, 0.5, 0.2


def test_without_errors_there_is_nothing_to_examine(run, model, splits):
    logits = run.test.logits
    perfect = dataclasses.replace(run, test=Predictions(run.test.index, logits.argmax(1), logits))
    with pytest.raises(
        ValueError,
        match="^examine: the network makes no error on these images; there is nothing to probe$",
    ):
        evidence.examine(perfect, model, splits)


def test_the_network_is_left_as_it_was(model, found):
    assert not model.training and all(parameter.requires_grad for parameter in model.parameters())
    assert not model.layer4._forward_hooks and set(found.responses) == set(probes.LABELS)
