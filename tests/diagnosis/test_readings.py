"""Readings of a small network's errors against SciPy, loops and pictures changed by hand."""

import numpy as np
import pytest
import spiked
import torch
from scipy.special import softmax
from scipy.stats import entropy, spearmanr

from lib.diagnosis import readings
from lib.evaluation import calibration
from lib.training import inference


@pytest.fixture(scope="module", params=[32, 64])
def study(request):
    return spiked.study(request.param)


@pytest.fixture(scope="module")
def asked(study):
    return readings.subject(study[1], study[0], study[2], "filters")


@pytest.fixture(scope="module")
def errors(study):
    position = np.flatnonzero(~study[1].test.correct)
    test = study[1].test
    return position, test.labels[position], test.predicted[position], test.logits[position]


@pytest.fixture(scope="module")
def opinions(errors):
    generator = np.random.default_rng(0)
    shape = (len(errors[0]), spiked.CLASSES)
    return [softmax(generator.normal(size=shape), 1) for _ in range(3)]


@pytest.fixture(scope="module")
def found(study, asked, errors, opinions):
    position, recorded, predicted, logits = errors
    images = study[2].test.images[position]
    return readings.read(asked, images, recorded, predicted, logits, opinions, position)


def says(network, run, pictures):
    temperature = calibration.fit_temperature(run.val.logits, run.val.labels)
    with torch.no_grad():
        logits = network((pictures.float() / 255 - 0.5) / 0.25).numpy()
    return logits / temperature


def test_every_reading_has_words_and_a_number(found):
    assert list(found) == list(readings.READINGS) and np.isfinite(found.to_numpy()).all()


def test_the_clean_prediction(found, errors, study):
    _, recorded, predicted, logits = errors
    temperature = calibration.fit_temperature(study[1].val.logits, study[1].val.labels)
    p = softmax(logits.astype(float) / temperature, axis=1)
    for row in range(len(p)):
        assert found["confidence"][row] == pytest.approx(p[row, predicted[row]], abs=1e-6)
        assert found["entropy"][row] == pytest.approx(entropy(p[row]), abs=1e-6)
        rank = sorted(p[row], reverse=True).index(p[row, recorded[row]])
        assert found["rank"][row] == pytest.approx(np.log(1 + rank))
        ratio = np.divide(*sorted(p[row])[-1:-3:-1])
        assert found["margin"][row] == pytest.approx(np.log(ratio), abs=1e-3)


def test_windows_and_covers_are_what_the_network_says_to_them(found, errors, study):
    """Of one error every large square, made by hand."""
    network, run, splits = study
    position, recorded, predicted, _ = errors
    picture, side = splits.test.images[position[3]], splits.test.images.shape[-1]
    covered = []
    for top in range(0, side // 2 + 1, side // 4):
        for left in range(0, side // 2 + 1, side // 4):
            changed = picture.clone()
            # the mean colour of the training pixels, 0.5, in whole levels
            changed[:, top : top + side // 2, left : left + side // 2] = 128
            covered.append(changed)
    logits = says(network, run, torch.stack(covered))
    lead = logits[:, recorded[3]] - logits[:, predicted[3]]
    p = softmax(logits.astype(float), 1)[:, predicted[3]]
    assert found["cover lead max"][3] == pytest.approx(lead.max(), abs=1e-3)
    assert found["cover lead sd"][3] == pytest.approx(lead.std(), abs=1e-3)
    assert found["cover lead middle"][3] == pytest.approx(lead[4], abs=1e-3)
    assert found["cover wrong rim"][3] == pytest.approx(np.delete(p, 4).mean(), abs=1e-3)
    place = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)])
    assert found["cover far"][3] == pytest.approx(np.linalg.norm(place[lead.argmax()]))
    answers = logits.argmax(1)
    assert found["cover says true"][3] == pytest.approx((answers == recorded[3]).mean())


def test_shifts_are_shifts(found, errors, study):
    network, run, splits = study
    position, recorded, predicted, _ = errors
    picture = splits.test.images[position[0]]
    step = picture.shape[-1] // 16
    moved = [picture.roll(by, axis) for by in (step, -step) for axis in (1, 2)]
    logits = says(network, run, torch.stack([*moved, picture.flip(2)]))
    lead = logits[:, recorded[0]] - logits[:, predicted[0]]
    assert found["moved lead"][0] == pytest.approx(lead.mean(), abs=1e-3)
    assert found["moved max"][0] == pytest.approx(lead.max(), abs=1e-3)


def test_maps_are_correlated_as_scipy_does(found, errors, study, asked):
    position, recorded, predicted, _ = errors
    images = study[2].test.images[position]
    pair = [
        torch.nn.functional.avg_pool2d(
            inference.maps(
                asked.network, "filters", images, torch.from_numpy(one), spiked.MEAN, spiked.STD
            ),
            images.shape[-1] // 4,
        ).flatten(1)
        for one in (predicted, recorded)
    ]
    for row in (0, 5):
        expected = spearmanr(pair[0][row], pair[1][row]).statistic
        assert found["maps' correlation"][row] == pytest.approx(expected, abs=1e-5)


def test_a_map_that_is_the_same_everywhere_correlates_with_none(errors, study, asked, monkeypatch):
    position, recorded, predicted, _ = errors
    monkeypatch.setattr(
        inference, "maps", lambda model, layer, images, *more: torch.zeros(len(images), 8, 8)
    )
    found = readings.of_maps(asked, study[2].test.images[position], recorded, predicted)
    assert all(np.isfinite(column).all() for column in found.values())


def test_others_are_means_over_them(found, errors, opinions):
    _, recorded, predicted, _ = errors
    for row in (0, 4):
        true = [one[row, recorded[row]] for one in opinions]
        wrong = [one[row, predicted[row]] for one in opinions]
        assert found["others true"][row] == pytest.approx(np.mean(true))
        assert found["others lead"][row] == pytest.approx(np.mean(np.log(true) - np.log(wrong)))
        agree = [one[row].argmax() == predicted[row] for one in opinions]
        assert found["others say wrong"][row] == pytest.approx(np.mean(agree))


def test_without_a_layer_and_others_their_readings_are_left_out(study, asked, errors, found):
    position, recorded, predicted, logits = errors
    images = study[2].test.images[position]
    bare = asked._replace(layer="")
    less = readings.read(bare, images, recorded, predicted, logits, [], position)
    gone = set(readings.MAPS) | set(readings.OTHERS)
    assert set(found) - set(less) == gone
    np.testing.assert_allclose(less, found[list(less)])


@pytest.mark.parametrize("quick, most", [(False, 45), (True, 16)])
def test_no_more_pictures_are_asked_than_promised(study, quick, most):
    images = study[2].test.images[:2]
    changed = list(readings.questions(images, spiked.MEAN, np.arange(2), quick))
    # and the picture itself
    assert len(changed) + 1 <= most
    assert all(one.shape == images.shape and one.dtype == torch.uint8 for _, one in changed)


def test_an_error_is_read_alike_in_any_company(study, asked, errors, opinions, found):
    position, recorded, predicted, logits = (values[4:6] for values in errors)
    images = study[2].test.images[position]
    few = [one[4:6] for one in opinions]
    alone = readings.read(asked, images, recorded, predicted, logits, few, position)
    np.testing.assert_allclose(alone, found.iloc[4:6], atol=1e-4)
