"""The explorer's card, on the committed smoke runs: maps, probes and verdicts are those that the
report would show."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from explorers import study as made_up

from lib.diagnosis import evidence, probes
from lib.explorer import card, loading
from lib.report import cards

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def study():
    return loading.open_study("smoke", "released")


@pytest.fixture(scope="module")
def arms(study):
    return [study.arm("baseline", 0), study.arm("cutmix", 0)]


@pytest.fixture(scope="module")
def wrong(arms):
    """Positions of three errors of the first arm."""
    return np.flatnonzero(~arms[0].run.test.correct)[[0, 5, 40]]


def test_maps_of_any_class_sum_to_its_logit(arms):
    classes = [0, 7, 19]
    found = card.maps(arms, 11, classes)
    assert [of_arm.shape for of_arm in found] == [(3, 4, 4)] * 2
    for arm, of_arm in zip(arms, found):
        bias = arm.network.fc.bias.detach().numpy()[classes]
        # the run stored bf16's logits
        assert of_arm.sum((1, 2)) + bias == pytest.approx(
            arm.run.test.logits[11, classes], abs=0.02
        )
    assert not np.allclose(found[0], found[1])


def test_bars_are_those_of_the_reports_card(arms, wrong):
    arm = arms[0]
    found = evidence.examine(arm.run, arm.network, arm.splits, wrong)
    for row, position in enumerate(wrong):
        bars = card.bars(arm, position, *card.contested(arms, position))
        whole = cards.probe_bars(found, row)
        assert bars["picture"].tolist() == whole["picture"].tolist()
        # bf16, other batches
        np.testing.assert_allclose(bars[["wrong", "true"]], whole[["wrong", "true"]], atol=0.01)
        assert bars["wrong"].std() > 0.01


def test_only_the_probes_of_the_bars_are_run(arms, wrong, monkeypatch):
    asked = []
    monkeypatch.setattr(
        probes,
        "forward",
        lambda model, images, mean, std, _real=probes.forward: (
            asked.append(1) or _real(model, images, mean, std)
        ),
    )
    card.bars.cache_clear()
    card.bars(arms[0], wrong[0], *card.contested(arms, wrong[0]))
    # the picture, the cells with three fillings, shuffled, grey, blurred
    assert len(asked) == 1 + 3 * (1 + 1 + 2 + 1) + 2 + 1 + 1


def test_the_verdict_is_the_tables_and_there_is_none_of_what_it_does_not_hold(arms, wrong):
    kept = pd.DataFrame({"verdict": ["background"]}, index=pd.Index(wrong[:1], name="position"))
    arm = dataclasses.replace(arms[0], verdicts=kept)
    assert card.verdict_of(arm, int(wrong[0]))["verdict"] == "background"
    assert card.verdict_of(arm, int(wrong[1])) is None
    assert card.verdict_of(dataclasses.replace(arm, verdicts=None), int(wrong[0])) is None


def test_one_error_alone_can_be_examined(arms, wrong):
    arm = arms[0]
    alone = evidence.examine(arm.run, arm.network, arm.splits, wrong[:1])
    among = evidence.examine(arm.run, arm.network, arm.splits, wrong)
    np.testing.assert_allclose(alone.maps[0], among.maps[0], atol=0.02)
    np.testing.assert_allclose(alone.whole[0], among.whole[0], atol=1e-6)


def test_top_five_against_torch(arms):
    arm = arms[1]
    top = card.top(arm, 3)
    expected = (torch.from_numpy(arm.run.test.logits[3]) / arm.temperature).softmax(0).topk(5)
    assert top["class"].tolist() == expected.indices.tolist()
    np.testing.assert_allclose(top["confidence"], expected.values, rtol=1e-4)
    assert [name == arm.splits.class_names[arm.run.test.labels[3]] for name in top["name"]] == top[
        "true"
    ].tolist()


def test_a_card_is_about_the_first_wrong_answer_or_else_the_runner_up():
    both = made_up(["a", "b"])
    a, b = (both.arm(name, 0) for name in "ab")
    right = a.run.test.correct, b.run.test.correct
    only_b, neither = (
        int(np.flatnonzero(chosen)[0]) for chosen in (right[0] & ~right[1], right[0] & right[1])
    )
    only_a = int(np.flatnonzero(~right[0])[0])
    assert card.contested([a, b], only_a) == (
        a.run.test.predicted[only_a],
        a.run.test.labels[only_a],
    )
    assert card.contested([a, b], only_b)[0] == b.run.test.predicted[only_b]
    assert card.contested([a, b], neither)[0] == np.argsort(a.run.test.logits[neither])[-2]
    shown = card.shown_classes([a, b], only_b, asked=4)
    assert {*shown} == {b.run.test.predicted[only_b], a.run.test.labels[only_b], 4} and len(
        shown
    ) == len(set(shown))
