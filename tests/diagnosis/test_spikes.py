"""Planted errors against the pictures that they were made of: only what was to change has changed,
and the answer turned as intended."""

import dataclasses

import numpy as np
import pytest
import spiked
import torch

from lib.diagnosis import spikes
from lib.diagnosis.verdict import CAUSES
from lib.training import inference

EACH = 30


@pytest.fixture(scope="module", params=[32, 64])
def made(request):
    network, run, splits = spiked.study(request.param)
    into = spikes.pool(run, inference.ready(network), splits)
    return network, run, splits, into, spikes.plant(into, EACH)


def rows(planted, cause):
    return np.flatnonzero(planted.cause == cause)


def whole_numbers(planted, splits, row):
    return (
        planted.images[row].int().numpy(),
        splits.test.images[planted.source[row]].int().numpy(),
    )


def test_every_answer_turned_and_is_what_the_network_says(made):
    network, run, splits, _, planted = made
    with torch.no_grad():
        said = network((planted.images / 255 - 0.5) / 0.25)
    assert (said.argmax(1).numpy() == planted.predicted).all()
    np.testing.assert_allclose(said.numpy(), planted.logits, atol=1e-4)
    assert (planted.predicted != planted.recorded).all() and run.test.correct[planted.source].all()
    assert all(5 < len(rows(planted, cause)) <= EACH for cause in CAUSES)
    own = planted.cause != "label_error"
    assert (planted.recorded == splits.test.labels.numpy()[planted.source])[own].all()


@pytest.mark.parametrize("strength", ["MEDIUM", "SMALLER", "LARGER"])
def test_a_second_object_is_one_square_of_the_stated_size(made, strength):
    _, _, splits, into, _ = made
    of = getattr(spikes, strength)
    planted = spikes.plant(into, EACH, strengths=(of,), causes=("second_object",))
    side, places = splits.test.images.shape[-1], set()
    assert len(planted.cause) > 5
    for row in range(len(planted.cause)):
        ours, theirs = whole_numbers(planted, splits, row)
        changed = (ours != theirs).any(0)
        tall, wide = (np.flatnonzero(changed.any(axis)) for axis in (1, 0))
        assert max(np.ptp(tall), np.ptp(wide)) + 1 <= np.ceil(of.object[1] * side)
        assert max(np.ptp(tall), np.ptp(wide)) + 1 >= 0.8 * of.object[0] * side
        touches = (tall[0] <= 1, tall[-1] >= side - 2, wide[0] <= 1, wide[-1] >= side - 2)
        assert any(touches) or strength != "MEDIUM"
        places.add((tall[0], wide[0]))
    assert len(places) > 2


def test_surroundings_are_a_picture_of_the_predicted_class(made):
    _, _, splits, into, planted = made
    side = splits.test.images.shape[-1]
    whole = splits.test.images.int().numpy()
    for row in rows(planted, "background"):
        ours = planted.images[row].int().numpy()
        # the outer frame is never covered
        frame = np.ones((side, side), bool)
        frame[side // 32 : -side // 32, side // 32 : -side // 32] = False
        same = np.flatnonzero((whole[:, :, frame] == ours[:, frame]).all((1, 2)))
        assert len(same) == 1 and into.labels[same[0]] == planted.predicted[row]
        kept = (ours != whole[same[0]]).any(0).sum()
        assert kept <= (np.ceil(spikes.SMALLER.middle[1] * side)) ** 2


def test_lost_detail_keeps_the_mean_and_ends_in_a_near_class(made):
    _, _, splits, into, planted = made
    for row in rows(planted, "look_alike"):
        ours, theirs = whole_numbers(planted, splits, row)
        assert abs(ours.mean() - theirs.mean()) < 4 and ours.std() < theirs.std()
        assert splits.superclass[planted.recorded[row]] == splits.superclass[planted.predicted[row]]


def test_nothing_is_a_shift_of_a_few_levels(made):
    _, _, splits, _, planted = made
    largest = []
    for row in rows(planted, "unexplained"):
        ours, theirs = whole_numbers(planted, splits, row)
        largest.append(np.abs(ours - theirs).max())
    third = EACH // 3
    for place, (least, most) in enumerate(one.levels for one in spikes.STRENGTHS):
        of = largest[place * third : (place + 1) * third]
        assert len(of) == third and least <= min(of) and max(of) <= most


def test_a_swapped_label_leaves_the_picture_and_half_the_labels_are_the_runner_up(made):
    _, run, splits, _, planted = made
    chosen = rows(planted, "label_error")
    source = planted.source[chosen]
    assert torch.equal(planted.images[torch.from_numpy(chosen)], splits.test.images[source])
    assert (planted.predicted[chosen] == run.test.labels[source]).all()
    second = np.argsort(run.test.logits[source], 1)[:, -2]
    assert (planted.recorded[chosen][::2] == second[::2]).all()
    assert (planted.recorded[chosen][1::2] != second[1::2]).any()


def test_the_same_study_gives_the_same_plants(made):
    _, _, _, into, planted = made
    again, other = spikes.plant(into, EACH), spikes.plant(into, EACH, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(planted, again))
    assert not np.array_equal(planted.source, other.source)


def test_fewer_are_planted_where_fewer_turn(made):
    _, _, _, into, _ = made
    weak = spikes.MEDIUM._replace(object=(0.04, 0.05))
    planted = spikes.plant(into, EACH, strengths=(weak,), causes=("second_object",))
    assert len(planted.cause) < EACH


def test_a_network_that_was_brought_sees_its_own_mean_and_deviation():
    """The same function twice: its statistics with the data, or its own with data of others."""
    network, run, splits = spiked.study()
    expected = spikes.plant(spikes.pool(run, inference.ready(network), splits), 10)
    network.brought_statistics = splits.mean, splits.std
    others = dataclasses.replace(splits, mean=(0.1,) * 3, std=(0.9,) * 3)
    found = spikes.plant(spikes.pool(run, inference.ready(network), others), 10)
    assert torch.equal(found.images, expected.images)
    assert (found.logits == expected.logits).all()


class Frozen(spiked.Edges):
    """Through which no gradient passes, as an exported network may be."""

    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


def test_nothing_cannot_be_planted_where_no_gradient_passes():
    _, run, splits = spiked.study(images=60)
    found = spikes.plant(spikes.pool(run, inference.ready(Frozen(0)), splits), 5)
    assert "unexplained" not in found.cause and len(found.cause)


def test_near_classes_are_siblings_or_else_the_most_confused():
    _, run, splits = spiked.study(superclasses=0)
    near = spikes.near_classes(run, splits.superclass)
    confused = np.zeros((spiked.CLASSES, spiked.CLASSES))
    for label, predicted in zip(run.val.labels, run.val.predicted):
        if label != predicted:
            confused[label, predicted] += 1
            confused[predicted, label] += 1
    assert (near.sum(1) == 1).all() and not near.diagonal().any()
    assert (confused[near] == confused.max(1)).all()
    siblings = spikes.near_classes(run, np.array([0, 0, 1, 1, 2, 2]))
    assert siblings[0].tolist() == [False, True, False, False, False, False]


def test_a_network_that_is_never_right_is_refused():
    network, run, splits = spiked.study()
    into = spikes.pool(run, inference.ready(network), splits)._replace(right=np.array([], int))
    with pytest.raises(ValueError, match="gets no picture right"):
        spikes.plant(into)
