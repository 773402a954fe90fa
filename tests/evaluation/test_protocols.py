"""A run tested in another way: against scikit-learn, torch and hand-computed numbers."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score
from synthetic import run
from torch import nn

from lib.data import picture_files
from lib.evaluation import protocols
from lib.evaluation.calibration import softmax
from lib.evaluation.per_image import temperature
from lib.evaluation.protocols import runs_under
from lib.evaluation.summary import run_numbers

NAMES = list("abcde")
SPLITS = SimpleNamespace(class_names=NAMES, test=SimpleNamespace(images=None, files=None))


@pytest.fixture(scope="module")
def arms():
    return {
        arm: {seed: run(10 * place + seed, signal=1.0 + place) for seed in (0, 1, 2)}
        for place, arm in enumerate(("before", "after"))
    }


def under(word, arms, **options):
    return runs_under(word, arms["before"], arms["after"], SPLITS, **options)


def test_the_best_seed_is_the_one_that_scikit_learn_finds_most_accurate(arms):
    before, after = under("best_seed", arms)
    accuracy = {
        seed: accuracy_score(one.test.labels, one.test.logits.argmax(1))
        for seed, one in arms["before"].items()
    }
    assert list(before) == [max(accuracy, key=accuracy.get)] and after is arms["after"]


def test_one_seed_has_no_best_one(arms):
    one = {"before": {0: arms["before"][0]}, "after": arms["after"]}
    assert under("best_seed", one) is None


def test_after_scaling_confidence_is_that_at_the_fitted_temperature(arms):
    before, _ = under("temperature_scaled", arms)
    own = arms["before"][1]
    expected = softmax(own.test.logits, temperature(own))
    np.testing.assert_allclose(softmax(before[1].test.logits), expected, rtol=1e-4)
    assert temperature(before[1]) == pytest.approx(1, abs=0.02)


def test_classes_in_the_order_of_text_swap_places():
    """0, 1, 10, 11, 2, ...: of twelve classes the third is 10."""
    own = run(0, classes=12, signal=9.0)
    (before, _) = runs_under("classes_as_text", {0: own}, {0: own}, SPLITS)
    right = before[0].test.correct
    assert set(own.test.labels[right & own.test.correct]) <= {0, 1}
    # its output 2 is read as the third class in the order of text
    of_two = own.test.predicted == 2
    assert set(before[0].test.predicted[of_two]) == {int(sorted(map(str, range(12)))[2])} == {10}


def test_a_subset_is_the_images_of_some_classes_and_these_alone_are_chosen_from(arms):
    before, after = under("subset", arms, classes=["b", "d"])
    for made, arm in ((before, "before"), (after, "after")):
        own = arms[arm][0].test
        rows = np.isin(own.labels, [1, 3])
        assert (made[0].test.labels == own.labels[rows]).all()
        chosen = np.array([1, 3])[own.logits[rows][:, [1, 3]].argmax(1)]
        assert (made[0].test.predicted == chosen).all()
        alone = softmax(own.logits[rows][:, [1, 3]]).max(1)
        np.testing.assert_allclose(softmax(made[0].test.logits).max(1), alone, rtol=1e-6)
        assert (made[0].test.index == own.index[rows]).all()
        # the accuracy on train images was that of all classes
        assert run_numbers(made[0])["train_val_gap"] is None


def test_a_class_that_is_not_there_cannot_be_chosen(arms):
    assert under("subset", arms, classes=["b", "no such class"]) is None


def test_the_best_epoch_is_there_where_it_was_kept(arms):
    assert under("best_epoch", arms) is None
    own, other = arms["before"][0], arms["before"][1]
    kept = replace(own, best_epoch={"val": other.val, "test": other.test})
    last = replace(other, history=other.history.assign(val_accuracy=[0.5, 0.6]))
    of_seeds = {0: kept, 1: other, 2: last}
    before, _ = runs_under("best_epoch", of_seeds, arms["after"], SPLITS)
    # of seed 1 nothing was kept, and the last was not the best; of seed 2 it was
    assert list(before) == [0, 2] and before[2].test is other.test
    assert before[0].test is other.test and before[0].val is other.val


# What asks the network: a small one with a norm layer, of which torch itself tells the truth.


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.bn, self.fc = nn.BatchNorm2d(3), nn.Linear(3, 5)
        self.bn.running_mean += 0.3

    def forward(self, x):
        return self.fc(self.bn(x).square().mean((2, 3)))


@pytest.fixture
def asked(monkeypatch):
    """A run with weights, and splits with pictures, of 120 images: more than one batch."""
    images = torch.randint(0, 256, (120, 3, 4, 4), dtype=torch.uint8)
    own = run(0, images=120)
    monkeypatch.setattr(protocols, "has_weights", lambda one: one is own)
    monkeypatch.setattr(protocols, "load_model", lambda one, classes: Small().eval())
    test = SimpleNamespace(images=images, files=None)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    return own, SimpleNamespace(class_names=NAMES, test=test, mean=mean, std=std)


def logits(asked, word):
    own, splits = asked
    other = run(1, images=120)  # without weights
    before, _ = runs_under(word, {3: other, 4: own}, {3: other}, splits)
    assert list(before) == [4] and before[4].val is own.val
    return before[4].test.logits


def pixels(asked):
    _, splits = asked
    scaled = splits.test.images.float() / 255
    return scaled, torch.tensor(splits.mean)[:, None, None], torch.tensor(splits.std)[:, None, None]


def test_in_training_mode_a_norm_layer_sees_each_batch(asked):
    x, mean, std = pixels(asked)
    model = Small().train()
    expected = torch.cat([model(batch) for batch in ((x - mean) / std).split(protocols.BATCH)])
    np.testing.assert_allclose(
        logits(asked, "training_mode"), expected.detach(), rtol=1e-4, atol=1e-5
    )
    plain = Small().eval()((x - mean) / std).detach()
    assert not np.allclose(expected.detach(), plain, atol=1e-3)


def test_normalised_twice_or_not_at_all(asked):
    x, mean, std = pixels(asked)
    twice = ((x - mean) / std - mean) / std
    for word, given in (("normalised_twice", twice), ("not_normalised", x)):
        expected = Small().eval()(given).detach()
        np.testing.assert_allclose(logits(asked, word), expected, rtol=1e-3, atol=1e-4)


def test_without_weights_or_pictures_nothing_is_asked(asked):
    own, splits = asked
    other = run(1, images=120)
    assert runs_under("training_mode", {0: other}, {0: other}, splits) is None
    without = SimpleNamespace(**vars(splits) | {"test": SPLITS.test})
    assert runs_under("not_normalised", {0: own}, {0: other}, without) is None
    # CIFAR's pictures are squares already, and no files
    assert runs_under("squashed", {0: own}, {0: other}, splits) is None


def test_squares_hold_the_whole_picture(tmp_path):
    """A wide picture, white at its left end alone: cut out in the middle it is black."""
    wide = np.zeros((8, 32, 3), np.uint8)
    wide[:, :8] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    (squashed,) = picture_files.squares([tmp_path / "wide.png"], 8)
    assert squashed.shape == (3, 8, 8) and squashed[:, :, 0].min() > 200
    assert squashed[:, :, -1].max() == 0
    cut = np.frombuffer(picture_files.pixels(str(tmp_path / "wide.png"), 8), np.uint8)
    assert cut.max() == 0
