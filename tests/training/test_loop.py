"""Training against a plain loop: torchvision's network, torch's scheduler and loss, batches cut by
hand."""

import dataclasses
import os
import signal

import numpy as np
import pytest
import torch
from small_runs import WIDE_SETTINGS
from torch import nn
from torchvision.models import resnet18 as torchvision_resnet18
from torchvision.transforms import v2

from lib import cutmix
from lib.base import random
from lib.base.config import Train
from lib.base.errors import StoppedError
from lib.data import augment, dataset
from lib.training import loop


@pytest.fixture(scope="module")
def splits():
    return dataset.load("phantom", sizes={"train": 24, "val": 20, "test": 20}, seed=0)


def started(splits, folder, **changes):
    torch.set_num_threads(1)
    return loop.start(
        Train(**WIDE_SETTINGS | changes), splits, folder, torch.device("cpu"), "fp32", key="none"
    )


@pytest.mark.slow
def test_two_epochs_are_those_of_a_plain_loop(splits, tmp_path, monkeypatch):
    """In double precision, with small steps and noise for images, where rounding stays rounding.

    Large steps are chaotic within an epoch, and so are images with plain areas: a channel that is
    constant over a batch makes BatchNorm's gradient steep.
    """
    noise = torch.randint(
        256, (24, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    splits = dataclasses.replace(splits, train=dataclasses.replace(splits.train, images=noise))
    single = augment.normalise
    monkeypatch.setattr(augment, "normalise", lambda *arguments: single(*arguments).double())
    state = started(splits, tmp_path)
    state.model.double()
    theirs = torchvision_resnet18(num_classes=20).double()
    theirs.conv1, theirs.maxpool = (
        nn.Conv2d(3, 64, 3, padding=1, bias=False).double(),
        nn.Identity(),
    )
    theirs.load_state_dict(state.model.state_dict())
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.002, momentum=0.9, weight_decay=0.5)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1])
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    images = (splits.train.images / 255.0 - torch.tensor(splits.mean).view(3, 1, 1)) / torch.tensor(
        splits.std
    ).view(3, 1, 1)
    images = images.double()
    for epoch in range(2):
        row = loop.train_epoch(state)
        loop.finish_epoch(state, row)
        theirs.train()
        order, total = random.permutation(random.key(3, epoch, 0), 24), 0.0
        for batch in (order[:10], order[10:20], order[20:]):  # the last, smaller batch is kept
            loss = loss_of(theirs(images[batch]), splits.train.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        assert row["learning_rate"] == pytest.approx(scheduler.get_last_lr()[0])
        assert row["stream_loss"] == pytest.approx(total / 24, rel=1e-5)
        scheduler.step()
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(
            state.model.state_dict()[name], tensor, rtol=1e-4, atol=1e-5, msg=name
        )


def by_hand(state):
    """All epochs of a run, taken one by one."""
    for _ in range(state.params.epochs):
        loop.finish_epoch(state, loop.train_epoch(state) | loop.evaluate(state))
    return state


@pytest.mark.slow
def test_epochs_are_those_taken_one_by_one_and_each_row_is_told_when_it_is_in_the_history(
    splits, tmp_path
):
    state, told = started(splits, tmp_path / "a", width=16), []
    for row in loop.epochs(state):
        assert state.history[-1] is row and state.epoch == row["epoch"]
        told.append(row)
    expected = by_hand(started(splits, tmp_path / "b", width=16))
    times = {"seconds", "images_per_second"}
    assert [{k: row[k] for k in row.keys() - times} for row in told] == [
        {k: row[k] for k in row.keys() - times} for row in expected.history
    ]
    assert len(told) == state.params.epochs > 1 and list(loop.epochs(state)) == []
    for one, other in zip(state.model.state_dict().values(), expected.model.state_dict().values()):
        assert torch.equal(one, other)


def test_asked_to_stop_between_two_epochs_it_saves_and_goes_on_there(splits, tmp_path):
    state, before = started(splits, tmp_path, width=16), signal.getsignal(signal.SIGTERM)
    with pytest.raises(StoppedError, match="after epoch 1; saved"):
        for _ in loop.epochs(state):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
    again = started(splits, tmp_path, width=16)
    assert (again.epoch, again.step, len(again.history)) == (1, 0, 1)
    assert [row["epoch"] for row in loop.epochs(again)] == list(range(2, again.params.epochs + 1))


def test_left_early_it_gives_the_signals_back(splits, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyError):
        for _ in loop.epochs(started(splits, tmp_path, width=16)):
            raise KeyError("of who reads the rows")
    assert signal.getsignal(signal.SIGTERM) == before


def test_learning_rate_is_that_of_multi_step_lr():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [25, 40])
    for epoch in range(50):
        assert loop.learning_rate(epoch, 0.1, [25, 40]) == pytest.approx(
            scheduler.get_last_lr()[0]
        ), epoch
        optimizer.step()
        scheduler.step()


def test_the_cosine_schedule_is_that_of_cosine_annealing_lr():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
    params = Train(**WIDE_SETTINGS | {"schedule": "cosine", "epochs": 50, "learning_rate": 0.1})
    for epoch in range(50):
        assert loop.scheduled(params, epoch) == pytest.approx(
            scheduler.get_last_lr()[0], rel=1e-6
        ), epoch
        optimizer.step()
        scheduler.step()


def test_every_epoch_of_a_cosine_run_has_its_own_rate(splits, tmp_path):
    state = started(splits, tmp_path, width=16, schedule="cosine", learning_rate=0.01)
    for _ in range(2):
        loop.finish_epoch(state, loop.train_epoch(state))
    rates = [row["learning_rate"] for row in state.history]
    assert rates == pytest.approx([0.01, 0.005])


@pytest.mark.parametrize("lam", [1.0, 0.7, 0.0])
def test_mixed_loss_is_cross_entropy_with_torchvisions_soft_labels(lam):
    generator = torch.Generator().manual_seed(0)
    outputs, labels = torch.randn(8, 5, generator=generator), torch.arange(8) % 5
    partner = labels.roll(1)
    soft = lam * nn.functional.one_hot(labels, 5) + (1 - lam) * nn.functional.one_hot(partner, 5)
    expected = nn.CrossEntropyLoss(label_smoothing=0.1)(outputs, soft)
    assert cutmix.mixed_loss(outputs, labels, partner, lam, 0.1).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_mixed_labels_are_those_of_torchvisions_cutmix_for_the_same_box():
    """v2.CutMix pairs each image with the one before it; its soft label must be our two labels and
    lambda."""
    images, labels = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 32, 32), torch.arange(4)
    torch.manual_seed(1)
    mixed, soft = v2.CutMix(num_classes=4)(images, labels)
    for image, target, own in zip(mixed, soft, labels):
        assert target[own].item() == pytest.approx((image == own).float().mean().item(), abs=1e-6)


def test_cutmix_happens_at_its_probability_and_depends_on_seed_and_step_alone():
    params = Train(**WIDE_SETTINGS | {"cutmix_probability": 0.5})
    images, labels = torch.randn(2, 3, 32, 32), torch.tensor([0, 1])
    lams = [cutmix.mix(images, labels, params, step)[3] for step in range(600)]
    mixed = np.mean([lam < 1 for lam in lams])  # a box can also be clipped to nothing, rarely
    assert mixed == pytest.approx(0.5, abs=0.07)
    assert lams == [cutmix.mix(images, labels, params, step)[3] for step in range(600)]
    never = Train(**WIDE_SETTINGS | {"cutmix_probability": 0.0})
    always = Train(**WIDE_SETTINGS | {"cutmix_probability": 1.0})
    assert all(cutmix.mix(images, labels, never, step)[3] == 1 for step in range(50))
    assert np.mean([cutmix.mix(images, labels, always, step)[3] < 1 for step in range(50)]) > 0.9


def test_stream_accuracy_counts_right_answers_by_their_share(splits, tmp_path):
    state = started(splits, tmp_path, width=2, cutmix_probability=1.0)
    with torch.no_grad():  # a network that always answers class 4
        state.model.fc.weight.zero_()
        state.model.fc.bias.copy_(20 * nn.functional.one_hot(torch.tensor(4), 20))
    state.params = state.params.model_copy(update={"learning_rate": 1e-12})
    labels, step_shares = splits.train.labels, []
    order = torch.from_numpy(random.permutation(random.key(3, 0, 0), 24))
    for step, batch in enumerate(order.split(10)):
        _, own, partner, lam = cutmix.mix(
            torch.zeros(len(batch), 3, 32, 32), labels[batch], state.params, step
        )
        step_shares.append((lam * (own == 4) + (1 - lam) * (partner == 4)).sum().item())
    row = loop.train_epoch(state)
    assert row["stream_accuracy"] == pytest.approx(sum(step_shares) / 24, abs=1e-6)
    assert row["mixed_batches"] == 3


def test_evaluation_uses_clean_images_in_eval_mode(splits, tmp_path):
    state = started(splits, tmp_path, width=2, augment=True)
    loop.finish_epoch(state, loop.train_epoch(state))
    row = loop.evaluate(state)
    model = state.model.eval()
    for name, split in (("train", splits.train), ("val", splits.val)):
        images = (split.images / 255.0 - torch.tensor(splits.mean).view(3, 1, 1)) / torch.tensor(
            splits.std
        ).view(3, 1, 1)
        with torch.no_grad():
            outputs = model(images)
        assert row[f"{name}_loss"] == pytest.approx(
            nn.functional.cross_entropy(outputs, split.labels).item(), rel=1e-4
        )
        assert row[f"{name}_accuracy"] == pytest.approx(
            (outputs.argmax(1) == split.labels).float().mean().item(), abs=1e-6
        )


def test_cutmix_with_one_class_is_refused(splits, tmp_path):
    one = dataclasses.replace(splits, class_names=["only"])
    with pytest.raises(ValueError, match="CutMix needs at least two classes"):
        started(one, tmp_path, cutmix_probability=0.5)
    with pytest.raises(ValueError, match="MixUp needs at least two classes"):
        started(one, tmp_path, mixup_probability=0.5)
