"""A run that was killed, anywhere, ends with the bits of an undisturbed one; a record that does not
fit is not used."""

import hashlib
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import SETTINGS, started

from lib.base import artefacts
from lib.base.config import Train
from lib.base.errors import NetworkError
from lib.report import provenance
from lib.training import checkpoint, inference, loop, machine, record

pytestmark = pytest.mark.slow

STEPS = 5  # an epoch's; the last has 10 images
FINGERPRINT = {"torch": torch.__version__, "threads": 1}
CLOCKS = {"seconds", "images_per_second"}
# torch is imported once, in a process that starts no threads
FORKS = multiprocessing.get_context("forkserver")
# the last is what an optimizer imports
FORKS.set_forkserver_preload(["lib.training.record", "pytest", "torch._dynamo"])


def finish(state, steps_of=lambda state, steps: steps, after_epoch=lambda state: None):
    """What the notebook does with a started run."""
    for _ in range(state.params.epochs - state.epoch):
        row = loop.train_epoch(state, progress=lambda steps: steps_of(state, steps))
        loop.finish_epoch(state, row | loop.evaluate(state))
        after_epoch(state)
    return state


def weights(state):
    """SHA-256 of all weights and buffers."""
    total = hashlib.sha256()
    for name, tensor in state.model.state_dict().items():
        total.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return total.hexdigest()


def numbers(state):
    return [
        {name: value for name, value in row.items() if name not in CLOCKS} for row in state.history
    ]


def kill_self(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def killed_run(outputs, moment, epoch, step):
    """Train with a checkpoint after every step, until the process kills itself; runs in a process
    of its own."""
    loop.CHECKPOINT_SECONDS = 0
    state = started(outputs)
    here = lambda: (state.epoch, state.step) == (epoch, step)  # noqa: E731
    real = {"fsync": os.fsync, "replace": os.replace}

    def steps_of(state, steps):
        for batch in steps:
            yield batch
            if moment == "step" and here():
                kill_self()

    def renamed(source, target):
        names = {"set aside": "checkpoint-previous.pt", "rename": "checkpoint.pt"}
        if here() and Path(target).name == names[moment]:
            kill_self()
        real["replace"](source, target)

    if moment == "write":
        os.fsync = lambda file: kill_self() if here() else real["fsync"](file)
    elif moment in ("set aside", "rename"):
        os.replace = renamed
    finish(
        state,
        steps_of,
        lambda state: kill_self() if moment == "epoch" and state.epoch == epoch else None,
    )


def kill_at(outputs, moment, epoch, step):
    process = FORKS.Process(target=killed_run, args=(outputs, moment, epoch, step))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return finish(started(tmp_path_factory.mktemp("undisturbed")))


def same_bits(state, undisturbed):
    return weights(state) == weights(undisturbed) and numbers(state) == numbers(undisturbed)


# --- kill -9


@pytest.mark.parametrize(
    "moment, epoch, step, resumes",
    [
        ("step", 1, 1, (1, 1)),
        ("step", 1, 3, (1, 3)),
        ("step", 1, STEPS - 1, (1, STEPS - 1)),
        ("step", 1, STEPS, (1, STEPS)),
        ("step", 2, 2, (2, 2)),
        ("epoch", 1, 0, (1, 0)),
        ("epoch", 3, 0, (3, 0)),
        ("write", 1, 3, (1, 2)),
        ("set aside", 1, 3, (1, 2)),
        ("rename", 1, 3, (1, 2)),
        ("rename", 0, 1, (0, 0)),
    ],
)
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(
    tmp_path, undisturbed, moment, epoch, step, resumes
):
    kill_at(tmp_path, moment, epoch, step)
    state = started(tmp_path)
    assert (state.epoch, state.step) == resumes
    assert same_bits(finish(state), undisturbed)


def test_a_run_that_drops_units_at_random_goes_on_with_the_same_bits(tmp_path):
    begun = [
        started(tmp_path / name, network="networks:DroppedInTraining")
        for name in ("whole", "cut off")
    ]
    undisturbed, state = finish(begun[0]), begun[1]
    row = loop.train_epoch(state)
    loop.finish_epoch(state, row | loop.evaluate(state))
    loop.save(state)
    torch.rand(3)
    again = started(tmp_path / "cut off", network="networks:DroppedInTraining")
    assert again.epoch == 1
    assert same_bits(finish(again), undisturbed)


def test_a_last_batch_of_one_image_is_refused_before_anything_is_trained(tmp_path):
    name = "torchvision.models:resnet18"  # its last maps have one place at 32 px
    with pytest.raises(NetworkError, match="batch_size 89 the last batch has one: take another"):
        started(tmp_path, network=name, batch_size=89)
    assert started(tmp_path, network=name, batch_size=88).epoch == 0


def test_a_network_that_returns_more_than_logits_is_trained(tmp_path):
    state = finish(started(tmp_path, network="networks:InDictionary", epochs=1, milestones=[]))
    run = record.publish(state, FINGERPRINT, {})
    assert run.test.logits.shape[1] == len(state.splits.class_names)


def test_a_run_killed_again_and_again_ends_with_the_same_bits(tmp_path, undisturbed):
    for epoch, step in ((0, 2), (1, 1), (1, 4), (2, 3)):
        kill_at(tmp_path, "step", epoch, step)
    assert same_bits(finish(started(tmp_path)), undisturbed)


@pytest.mark.parametrize("how", ["truncated", "empty", "flipped"])
def test_a_damaged_checkpoint_costs_a_step_and_no_bit(tmp_path, undisturbed, how, capsys):
    kill_at(tmp_path, "step", 1, 3)
    (newest,) = tmp_path.rglob("checkpoint.pt")
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(
        {"truncated": content[: len(content) // 2], "empty": b"", "flipped": bytes(content)}[how]
    )
    state = started(tmp_path)
    assert (state.epoch, state.step) == (
        1,
        2,
    ) and f"{newest}: damaged, passed over" in capsys.readouterr().out
    assert same_bits(finish(state), undisturbed)


def test_without_any_whole_checkpoint_the_run_starts_anew(tmp_path, undisturbed):
    kill_at(tmp_path, "step", 1, 3)
    for path in tmp_path.rglob("checkpoint*.pt"):
        path.write_bytes(b"")
    state = started(tmp_path)
    assert (state.epoch, state.step) == (0, 0)
    assert same_bits(finish(state), undisturbed)


def test_a_checkpoint_of_other_parameters_is_not_used(tmp_path):
    kill_at(tmp_path, "step", 1, 3)
    other = started(tmp_path, learning_rate=0.04)
    assert (other.epoch, other.step, other.history) == (0, 0, []) and not any(
        other.optimizer.state.values()
    )
    assert started(tmp_path).step == 3


# --- another machine


@pytest.fixture
def elsewhere(monkeypatch):
    """From here on this is a machine of another processor, torch and number of threads."""

    def go():
        real = machine.fingerprint
        other = {"threads": 2, "torch": "another", "instruction_set": "another"}
        other |= {"precision": "bf16"}
        monkeypatch.setattr(machine, "fingerprint", lambda *args: real(*args) | other)

    return go


def test_a_run_goes_on_elsewhere_and_its_record_says_both(tmp_path, elsewhere, capsys):
    kill_at(tmp_path, "step", 1, 3)
    elsewhere()
    state = started(tmp_path, threads=2)
    assert (state.epoch, state.step) == (1, 3)
    assert "its bits are of both" in capsys.readouterr().out
    run = record.publish(finish(state), state.machines[-1], {})
    told = [(one["threads"], one["precision"]) for one in run.info["machines"]]
    assert told == [(1, "fp32"), (2, "bf16")]
    assert provenance.runs_table({"both": {5: run}})["run"].tolist() == [
        "trained here, went on elsewhere: its bits are of 2 machines"
    ]
    assert record.finished(run.path, state.key, state.params) is not None
    strict = state.params.model_copy(update={"strict_resume": True})
    assert record.finished(run.path, state.key, strict) is None


def test_a_run_that_says_strict_resume_begins_anew_elsewhere(tmp_path, elsewhere):
    kill_at(tmp_path, "step", 1, 3)
    assert started(tmp_path, strict_resume=True).step == 3
    elsewhere()
    state = started(tmp_path, strict_resume=True)
    assert (state.epoch, state.step, len(state.machines)) == (0, 0, 1)


def test_a_finished_run_of_another_machine_is_used_unless_strict_resume_says_no(
    undisturbed, tmp_path, elsewhere
):
    state = undisturbed
    run = record.publish(state, state.machines[0], {})
    copy = Path(shutil.copytree(run.path, tmp_path / "seed-5"))
    strict = state.params.model_copy(update={"strict_resume": True})
    assert record.finished(copy, state.key, strict) is not None
    elsewhere()
    assert record.finished(copy, state.key, state.params) is not None
    assert record.finished(copy, state.key, strict) is None


# --- repetition


def test_one_seed_is_one_result_and_another_seed_another(tmp_path, undisturbed, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)  # writing checkpoints changes nothing either
    torch.rand(7)  # nor does what others draw
    assert same_bits(finish(started(tmp_path / "again")), undisturbed)
    other = finish(started(tmp_path / "other", seed=6))
    assert weights(other) != weights(undisturbed) and numbers(other) != numbers(undisturbed)


def test_the_seed_decides_the_first_weights_and_every_epoch_mixes_anew(tmp_path, undisturbed):
    first, same, other = (
        weights(started(tmp_path / str(number), seed=seed)) for number, seed in enumerate((5, 5, 6))
    )
    assert first == same != other
    assert len({row["lambda_sum"] for row in undisturbed.history}) == 3


def test_a_short_run_writes_no_checkpoint_and_a_long_one_one_a_minute(
    tmp_path, undisturbed, monkeypatch
):
    assert not list(undisturbed.folder.glob("checkpoint*"))
    state, written = started(tmp_path), []
    monkeypatch.setattr(
        checkpoint, "write", lambda folder, content: written.append(content["step"])
    )
    clock = iter(range(0, 10_000, 25))  # every look at the clock finds it 25 s on
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(clock))
    state.saved = next(clock)
    loop.train_epoch(state)
    # begun at 25 s; 50 s after a step, 75 s after the second, and so on from there
    assert written == [2, 5]


# --- a loss that is not finite


def test_a_loss_that_is_not_finite_stops_the_run_before_the_update(tmp_path):
    state, seen = started(tmp_path, learning_rate=1e38), []

    def steps_of(steps):
        for batch in steps:
            seen.append(
                {name: value.detach().clone() for name, value in state.model.named_parameters()}
            )
            yield batch

    with pytest.raises(loop.TrainingError) as caught:
        loop.train_epoch(state, progress=steps_of)
    assert len(seen) == state.step + 1 == 2
    message = str(caught.value)
    assert "in epoch 1, step 2, at learning rate 1e+38" in message and (
        "nan" in message or "inf" in message
    )
    assert all(torch.equal(value, seen[-1][name]) for name, value in state.model.named_parameters())
    # the first step was made
    assert not all(torch.equal(seen[0][name], seen[1][name]) for name in seen[0])


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_an_epochs_row_is_never_made_of_a_loss_that_is_not_finite(tmp_path, loss):
    state = started(tmp_path)
    state.totals[:3] = torch.tensor([loss, 1, 10])
    with pytest.raises(loop.TrainingError, match="not finite in epoch 1"):
        loop._row(state, state.totals.tolist(), 1.0)


# --- the record


@pytest.fixture(scope="module")
def published(undisturbed):
    undisturbed.folder.mkdir(parents=True, exist_ok=True)
    checkpoint.write(undisturbed.folder, {"key": undisturbed.key})
    return record.publish(undisturbed, FINGERPRINT, {"train": 1.0, "val": 0.0, "test": 0.0})


@pytest.fixture
def copy(published, tmp_path):
    return Path(shutil.copytree(published.path, tmp_path / "seed-5"))


def test_a_published_run_is_read_back_whole(published, undisturbed, copy):
    run = record.finished(copy, undisturbed.key)
    assert (
        run.info == published.info
        and [row["epoch"] for row in undisturbed.history] == run.history["epoch"].tolist()
    )
    assert {path.name for path in copy.iterdir()} == {
        "history.csv",
        "model.safetensors",
        "predictions.npz",
        "run.json",
    }
    for split in ("val", "test"):
        assert np.array_equal(
            getattr(run, split).labels, getattr(undisturbed.splits, split).labels.numpy()
        )
        assert run.info[f"{split}_accuracy"] == pytest.approx(getattr(run, split).correct.mean())
    for name, tensor in artefacts.read_weights(copy / "model.safetensors").items():
        assert torch.equal(tensor, undisturbed.model.state_dict()[name]), name
    assert run.info["mixed_batches"] == sum(row["mixed_batches"] for row in undisturbed.history) > 0
    assert 0 < run.info["mean_lambda"] < 1


@pytest.mark.parametrize(
    "name", ["run.json", "history.csv", "model.safetensors", "predictions.npz"]
)
@pytest.mark.parametrize("how", ["missing", "cut", "changed"])
def test_a_run_with_a_file_that_is_not_its_own_is_not_finished(copy, undisturbed, name, how):
    content = (copy / name).read_bytes()
    if how == "missing":
        (copy / name).unlink()
    elif how == "cut":
        (copy / name).write_bytes(content[:-3])
    else:
        (copy / name).write_bytes(
            content.replace(b'"sha256"', b'"sha255"') if name == "run.json" else content + b"\n"
        )
    assert record.finished(copy, undisturbed.key) is None


def test_a_run_of_another_key_is_not_finished(copy, undisturbed):
    assert record.finished(copy, undisturbed.key) is not None
    assert record.finished(copy, "0" * 64) is None


def test_a_run_killed_while_it_is_published_is_published_again(tmp_path, undisturbed, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    state = finish(started(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(record, "write_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            record.publish(state, FINGERPRINT, {})
    assert record.finished(state.folder, state.key) is None
    again = started(tmp_path)
    assert again.epoch == 3
    record.publish(finish(again), FINGERPRINT, {})
    assert record.finished(again.folder, again.key) is not None and same_bits(again, undisturbed)


CHANGES = dict(
    precision="auto",
    seed=6,
    data="cifar100",
    image_size=64,
    data_seed=1,
    train_size=91,
    val_size=41,
    test_size=41,
    width=3,
    epochs=4,
    milestones=[1],
    batch_size=21,
    learning_rate=0.06,
    momentum=0.8,
    weight_decay=1e-4,
    augment=False,
    cutmix_probability=0.4,
    cutmix_alpha=2.0,
    label_smoothing=0.2,
    mixup_probability=0.3,
    mixup_alpha=0.5,
    cutout_size=8,
    schedule="cosine",
    network="torchvision.models:resnet18",
)
NAMES = dict(
    study="other",
    outputs="elsewhere",
    arm="other",
    root="elsewhere",
    device="auto",
    threads=2,
    strict_resume=True,
)


def test_the_key_changes_with_everything_that_makes_the_bits_and_with_nothing_else(monkeypatch):
    # of the code, which stays the same here, and is read anew for each key
    monkeypatch.setattr(record.code, "digest", lambda files: "code")
    base = Train(**SETTINGS, outputs="x")
    assert set(CHANGES) | set(NAMES) == set(Train.model_fields)
    key = record.key(base, "d")

    def with_each(changes):
        return [
            record.key(base.model_copy(update={name: value}), "d")
            for name, value in changes.items()
        ]

    others = with_each(CHANGES)
    others.append(record.key(base, "e"))
    assert len({key, *others}) == 1 + len(others)
    assert set(with_each(NAMES)) == {key}


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of lib, as the project; a function that gives the key with a file's text replaced."""
    shutil.copytree(
        artefacts.ROOT / "lib", tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__")
    )
    monkeypatch.setattr(artefacts, "ROOT", tmp_path)

    def key(file="", old="", new=""):
        path = tmp_path / "lib" / (file or "model.py")
        before = path.read_text(encoding="utf-8")
        assert old in before
        path.write_text(before.replace(old, new, 1) if old else before + new, encoding="utf-8")
        found = record.key(Train(**SETTINGS, outputs="x"), "d")
        path.write_text(before, encoding="utf-8")
        return found

    return key


DECIDING = """model cutmix base/random data/dataset data/augment data/streams training/loop
training/inference training/cuda_graph training/machine""".split()


@pytest.mark.parametrize("name", DECIDING)
def test_the_key_changes_with_the_code_that_decides_bits(copied, name):
    assert copied(f"{name}.py", new="\nADDED = 1\n") != copied()


@pytest.mark.parametrize(
    "file, old, new",
    [
        ("training/loop.py", "CHECKPOINT_SECONDS = 60", "# a comment\nCHECKPOINT_SECONDS = 60"),
        ("training/loop.py", '"""A run in progress', '"""A run that goes on'),
        ("training/loop.py", "Try a smaller learning_rate", "Perhaps a smaller learning_rate"),
        ("training/loop.py", "goes on from a checkpoint of", "goes on, from a checkpoint of"),
        ("report/style.py", "", "\nADDED = 1\n"),
        ("evaluation/paired.py", "", "\nADDED = 1\n"),
    ],
)
def test_no_comment_docstring_message_or_plot_changes_the_key(copied, file, old, new):
    assert copied(file, old, new) == copied()


def test_a_changed_constant_of_the_loop_changes_the_key(copied):
    assert (
        copied("training/loop.py", "CLEAN_TRAIN_IMAGES = 3_000", "CLEAN_TRAIN_IMAGES = 1_000")
        != copied()
    )
    assert copied("training/loop.py", "initial * 0.1", "initial * 0.2") != copied()


def test_a_run_of_another_machine_goes_on_and_says_so(tmp_path, undisturbed, monkeypatch, capsys):
    state = started(tmp_path)
    loop.save(state)
    monkeypatch.setattr(machine, "processor", lambda: "another")
    state = started(tmp_path)
    assert "of another machine" in capsys.readouterr().out
    assert [one["device_name"] != "another" for one in state.machines] == [True, False]
    info = record.publish(finish(state), state.machines[-1], {}).info
    assert info["machines"] == state.machines and len(undisturbed.machines) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop_saves_after_the_step_and_goes_on_to_the_same_bits(
    tmp_path, undisturbed, number
):
    handler = signal.getsignal(number)

    def asked(state, steps):
        for place, batch in enumerate(steps):
            if (state.epoch, place) == (1, 2):
                os.kill(os.getpid(), number)  # arrives before the step, waits until it is whole
            yield batch

    with pytest.raises(
        loop.TrainingError, match="stopped on request in epoch 2, after step 3; saved"
    ):
        finish(started(tmp_path), steps_of=asked)
    assert signal.getsignal(number) is handler
    state = started(tmp_path)
    assert (state.epoch, state.step) == (1, 3)
    assert weights(finish(state)) == weights(undisturbed) and numbers(state) == numbers(undisturbed)


def test_the_epoch_best_on_validation_is_kept_beside_the_last(tmp_path):
    """What it predicts is what its network predicted then, also where the run went on from a
    checkpoint; the last epoch's numbers are the run's."""
    state = started(tmp_path)
    splits = state.splits
    loop.finish_epoch(state, loop.train_epoch(state) | loop.evaluate(state) | {"val_accuracy": 1.0})
    then = {
        name: inference.logits(state.model, getattr(splits, name).images, splits.mean, splits.std)
        for name in ("val", "test")
    }
    loop.save(state)
    run = record.publish(finish(started(tmp_path)), FINGERPRINT, {})
    assert run.info["best_epoch"] == 1 < len(run.history)
    for name, logits in then.items():
        np.testing.assert_array_equal(run.best_epoch[name].logits, logits)
        assert (run.best_epoch[name].labels == getattr(run, name).labels).all()
        assert not np.array_equal(getattr(run, name).logits, logits)


def test_where_the_last_epoch_is_the_best_nothing_is_kept_twice(tmp_path):
    state = started(tmp_path)
    for epoch in range(state.params.epochs):
        row = loop.train_epoch(state) | loop.evaluate(state)
        loop.finish_epoch(state, row | {"val_accuracy": epoch / 100})
    run = record.publish(state, FINGERPRINT, {})
    assert run.best_epoch is None and run.info["best_epoch"] is None
