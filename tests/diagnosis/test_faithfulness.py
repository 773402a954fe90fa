"""Deletion and insertion against TorchCAM, occlusion against a network whose answer is known, rank
correlation against SciPy."""

from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torchcam.metrics import DeletionInsertionMetric

from lib.data.augment import normalise
from lib.diagnosis import faithfulness, interventions, probes, randomisation
from lib.gradcam import GradCAM
from lib.model import resnet18
from lib.training import inference

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
TARGETS = torch.tensor([0, 1, 2, 3, 2, 4])

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def trained(seed):
    """A network with running statistics that are not those of a fresh one."""
    torch.manual_seed(seed)
    model = resnet18(5, 4)
    for _ in range(20):
        model(torch.randn(32, 3, 32, 32))
    model.fc.weight.data *= 5  # as sure of itself as a trained one
    return model.eval()


@pytest.fixture(scope="module")
def model():
    return trained(0)


@pytest.fixture(scope="module")
def images():
    return interventions.pixels(
        torch.randint(
            256, (6, 3, 8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
        )
    )


@pytest.fixture(scope="module")
def maps():
    return torch.randn(6, 4, 4, generator=torch.Generator().manual_seed(2))


class Extractor:
    """What TorchCAM asks of a CAM: here, maps that we give it, each cell a square of pixels."""

    def __init__(self, model, maps):
        self.model, self.maps = model, maps

    def __call__(self, class_idx, scores):
        return [interventions.pixels(self.maps)]

    def fuse_cams(self, cams):
        return cams[0]

    _hooks_off = nullcontext


@pytest.mark.parametrize("kind, steps", [("mean", 16), ("blur", 8), ("noise", 4)])
def test_deletion_and_insertion_are_those_of_torchcam(model, images, maps, kind, steps):
    """Its steps are pixels; with a step of whole cells, and cells of different values, the two
    definitions agree."""
    filling = interventions.fill(images, kind, MEAN, np.arange(6))
    found = faithfulness.curves(
        inference.ready(model), images, maps, TARGETS, filling, MEAN, STD, np.arange(6), steps
    )
    theirs = []
    for i in range(6):
        metric = DeletionInsertionMetric(
            Extractor(model, maps[i : i + 1]),
            partial(torch.softmax, dim=-1),
            steps=steps,
            baseline=normalise(filling[i : i + 1], MEAN, STD),
        )
        metric.update(normalise(images[i : i + 1], MEAN, STD), int(TARGETS[i]))
        theirs.append(list(metric.summary().values()))
    ours = np.stack([faithfulness.area(found.deletion), faithfulness.area(found.insertion)], 1)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert np.abs(ours[:, 0] - ours[:, 1]).max() > 1e-2  # or agreement would say little
    assert faithfulness.area_summary(found)["deletion"]["map"] == pytest.approx(
        np.mean(theirs, axis=0)[0], abs=1e-5
    )


def test_the_curves_end_where_they_must_and_cost_what_is_said(model, images, maps, monkeypatch):
    ready, filling = inference.ready(model), interventions.fill(images, "noise", MEAN, np.arange(6))
    passes = []
    monkeypatch.setattr(
        faithfulness,
        "forward",
        lambda *arguments: passes.append(1) or inference.forward(*arguments),
    )
    found = faithfulness.curves(
        ready, images, maps, TARGETS, filling, MEAN, STD, np.arange(6), steps=4, draws=2
    )
    assert len(passes) == 3 * (2 + 2) + 2
    rows = torch.arange(6)
    whole, empty = (
        inference.forward(ready, x, MEAN, STD).softmax(1)[rows, TARGETS].numpy()
        for x in (images, filling)
    )
    for curve, first, last in (
        (found.deletion, whole, empty),
        (found.insertion, empty, whole),
        (found.random, whole, empty),
    ):
        assert curve.shape == (6, 5)
        np.testing.assert_allclose(curve[:, 0], first, rtol=1e-6)
        np.testing.assert_allclose(curve[:, -1], last, rtol=1e-6)


class Patch(nn.Module):
    """The logit of class 1 is the red light in the upper left quarter, of class 0 nothing."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return torch.stack([torch.zeros(len(x)), x[:, 0, :16, :16].mean((1, 2))], 1)


def test_a_true_map_beats_random_order_and_a_false_one_loses(images):
    bright = torch.full((60, 3, 32, 32), 255, dtype=torch.uint8)
    truth = torch.zeros(60, 4, 4)
    truth[:, :2, :2] = 1
    targets, filling, keys = (
        torch.ones(60, dtype=torch.int64),
        torch.zeros_like(bright),
        np.arange(60),
    )
    found = faithfulness.curves(
        Patch(), bright, truth, targets, filling, (0.5,) * 3, (0.1,) * 3, keys
    )
    # each true cell is worth 10 / 4 logits
    expected = [1 / (1 + np.exp(-(5 - 2.5 * min(step, 4)))) for step in range(17)]
    np.testing.assert_allclose(found.deletion, np.tile(expected, (60, 1)), rtol=1e-5)
    numbers = faithfulness.area_summary(found)
    assert numbers["deletion"]["difference"]["high"] < 0 < numbers["insertion"]["difference"]["low"]
    false = faithfulness.area_summary(
        faithfulness.curves(Patch(), bright, -truth, targets, filling, (0.5,) * 3, (0.1,) * 3, keys)
    )
    assert false["deletion"]["difference"]["low"] > 0 > false["insertion"]["difference"]["high"]


def test_a_random_map_is_no_better_than_random_order():
    generator = torch.Generator().manual_seed(3)
    bright, maps = (
        torch.full((400, 3, 32, 32), 255, dtype=torch.uint8),
        torch.randn(400, 4, 4, generator=generator),
    )
    found = faithfulness.curves(
        Patch(),
        bright,
        maps,
        torch.ones(400, dtype=torch.int64),
        torch.zeros_like(bright),
        (0.5,) * 3,
        (0.1,) * 3,
        np.arange(400),
    )
    numbers = faithfulness.area_summary(found)
    assert all(
        numbers[name]["difference"]["low"] < 0 < numbers[name]["difference"]["high"]
        for name in ("deletion", "insertion")
    )


def test_the_table_has_the_means_and_turns_random_order_round(model, images, maps):
    filling = interventions.fill(images, "mean", MEAN, np.arange(6))
    found = faithfulness.curves(
        inference.ready(model), images, maps, TARGETS, filling, MEAN, STD, np.arange(6), steps=4
    )
    table = faithfulness.curve_table({"one": found, "two": found})
    assert len(table) == 2 * 2 * 2 * 5 and (table["low"] <= table["probability"]).all()
    row = table[
        (table["arm"] == "two") & (table["order"] == "random") & (table["share"] == 0.25)
    ].set_index("curve")["probability"]
    assert (
        row["deletion"] == found.random[:, 1].mean()
        and row["insertion"] == found.random[:, 3].mean()
    )


def test_no_images_are_no_numbers(model):
    empty = torch.zeros(0, 3, 32, 32, dtype=torch.uint8)
    found = faithfulness.curves(
        inference.ready(model),
        empty,
        torch.zeros(0, 4, 4),
        torch.zeros(0, dtype=torch.int64),
        empty,
        MEAN,
        STD,
        np.arange(0),
    )
    assert faithfulness.area_summary(found) == {
        "images": 0,
        "steps": 16,
        "deletion": None,
        "insertion": None,
    }


def test_steps_that_do_not_fit_are_refused(model, images, maps):
    with pytest.raises(ValueError, match="got 5; allowed: divisors of 16"):
        faithfulness.curves(
            inference.ready(model), images, maps, TARGETS, images, MEAN, STD, np.arange(6), steps=5
        )


def test_occlusion_of_a_linear_network_is_known(images):
    """Covering a square costs the weights under it times what stood there; every pixel has the mean
    of its squares."""
    drops, covered = np.zeros((6, 32, 32)), np.zeros((32, 32))
    red = images[:, 0].double().numpy() / 255
    red[:, 16:], red[:, :, 16:] = 0, 0
    for top in range(0, 25, 4):
        for left in range(0, 25, 4):
            drops[:, top : top + 8, left : left + 8] += (
                red[:, top : top + 8, left : left + 8].sum((1, 2)) / 256
            )[:, None, None]
            covered[top : top + 8, left : left + 8] += 1
    wrong, true = torch.ones(6, dtype=torch.int64), torch.zeros(6, dtype=torch.int64)
    squares = probes.respond(
        Patch(), images, torch.rand(6, 4, 4), wrong, true, (0.0,) * 3, (1.0,) * 3, 1.0, np.arange(6)
    )["square"]
    found = faithfulness.occlusion(squares.drop)
    np.testing.assert_allclose(found.numpy(), drops / covered, atol=1e-5)
    np.testing.assert_allclose(
        faithfulness.by_cell(found, 4, 4)[:, 1, 2], found[:, 8:16, 16:24].mean((1, 2)), atol=1e-6
    )


def test_forward_is_the_prediction_of_the_pipeline(model, images):
    expected = inference.logits(model, images, MEAN, STD)
    np.testing.assert_allclose(
        inference.forward(inference.ready(model), images, MEAN, STD), expected, atol=1e-5
    )
    assert torch.equal(
        inference.forward(inference.ready(model), images.float(), MEAN, STD),
        torch.from_numpy(expected),
    )


@pytest.mark.parametrize("layer", ["layer3", "layer4"])
def test_batched_maps_are_those_of_the_network_as_it_is(model, images, layer, monkeypatch):
    monkeypatch.setattr(inference, "BATCH", 4)
    with GradCAM(model, getattr(model, layer)) as cam:
        expected = cam.maps(normalise(images, MEAN, STD), TARGETS)
    torch.testing.assert_close(
        inference.maps(inference.ready(model), layer, images, TARGETS, MEAN, STD),
        expected,
        rtol=1e-3,
        atol=1e-5,
    )
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_rank_correlation_is_that_of_scipy():
    generator = torch.Generator().manual_seed(4)
    # with many ties
    one, other = (torch.randint(6, (50, 4, 4), generator=generator) for _ in range(2))
    found = randomisation.rank_correlation(one, other)
    expected = [
        spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(one.numpy(), other.numpy())
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.isnan(randomisation.rank_correlation(torch.zeros(1, 4, 4), other[:1])).all()


def test_agreement_is_a_mean_with_its_interval_and_counts_what_has_none():
    one = torch.rand(40, 4, 4, generator=torch.Generator().manual_seed(6))
    other = torch.where(torch.arange(40).view(-1, 1, 1) < 30, one, -one)
    one[39] = 0
    found = randomisation.map_agreement(one, other)
    assert (found["images"], found["undefined"]) == (39, 1)
    assert found["correlation"]["estimate"] == pytest.approx((30 - 9) / 39)
    assert found["correlation"]["low"] < (30 - 9) / 39 < found["correlation"]["high"]
    assert randomisation.map_agreement(one[:0], other[:0]) == {
        "images": 0,
        "undefined": 0,
        "correlation": None,
    }


def test_unrelated_maps_correlate_as_chance_says():
    generator = np.random.default_rng(5)
    found = randomisation.rank_correlation(
        generator.normal(size=(20_000, 4, 4)), generator.normal(size=(20_000, 4, 4))
    )
    assert np.abs(found).mean() == pytest.approx(randomisation.chance(16), rel=0.02)


def test_the_cascade_changes_the_maps_from_the_top_down(images):
    model = trained(7)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    found = randomisation.cascade(model, "layer4", images, TARGETS, MEAN, STD, seed=1)
    assert list(found) == ["fc", "layer4", "layer3", "layer2", "layer1", "stem"]
    assert all(values.shape == (6,) and np.abs(values).mean() < 0.7 for values in found.values())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())


def test_weights_that_are_random_already_stay_what_they_are(images):
    """The fresh weights are those of a network before training: making such a network random again
    changes no map."""
    torch.manual_seed(1)
    found = randomisation.cascade(
        resnet18(5, 4).eval(), "layer4", images, TARGETS, MEAN, STD, seed=1
    )
    assert all((values == 1).all() or np.allclose(values, 1) for values in found.values())


def test_each_stage_keeps_what_is_below_it(model):
    names, fresh = set(), None
    *_, (_, fresh) = randomisation._randomised(model, 1)
    for stage, network in randomisation._randomised(model, 1):
        names |= set(dict(randomisation.STAGES)[stage])
        for name, value in network.state_dict().items():
            source = fresh if name.split(".")[0] in names else model
            assert torch.equal(value, source.state_dict()[name])
    assert names == {name for name, _ in model.named_children() if name != "relu"}


def test_the_table_of_the_cascade_leaves_out_what_has_no_correlation():
    table = randomisation.randomisation_table(
        {"one": {"fc": np.array([0.5, -0.5, np.nan]), "layer4": np.array([np.nan])}}
    )
    assert table["images"].tolist() == [2, 0]
    assert table.loc[0, ["correlation", "absolute"]].tolist() == [0.0, 0.5] and np.isnan(
        table.loc[1, "correlation"]
    )
