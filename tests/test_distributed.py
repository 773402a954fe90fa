"""One run on many devices, here of two or three processes on a CPU: the steps of one device, and the faults that it survives."""
import functools
import hashlib
import json
import multiprocessing
import os
import re
import signal
import socket
import sys
import tempfile

import psutil
import pytest
import torch

from lib import data, distributed, launch, machine, record, train
from lib.params import Train
from lib.team import Team

SETTINGS = dict(
    study="test", arm="both", seed=5, data="phantom", root="", image_size=32, data_seed=0, train_size=200, val_size=40, test_size=40, width=4,
    epochs=6, milestones=[4], batch_size=40, learning_rate=0.002, momentum=0.9, weight_decay=5e-4, augment=True,
    cutmix_probability=0.5, cutmix_alpha=1.0, label_smoothing=0.1, precision="fp32", device="cpu", devices=2, threads=1)
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["lib.launch", "pytest", "torch._dynamo"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def side_by_side(size: int, function, *arguments) -> tuple[list[int], str]:
    """Run `function(...)` in `size` processes as a launcher would have started them; their exit codes, and what they said of errors."""
    loopback = "lo" if sys.platform == "linux" else "lo0"
    common = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "GLOO_SOCKET_IFNAME": loopback}
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as errors:
        processes = [FORKS.Process(target=_placed, args=(common | {"RANK": rank, "LOCAL_RANK": rank}, errors.name, function, arguments))
                     for rank in range(size)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
            process.kill()
        return [process.exitcode for process in processes], errors.read()


def _placed(environment, errors, function, arguments):
    os.environ |= {name: str(value) for name, value in environment.items()}
    sys.stderr = open(errors, "a", encoding="utf-8", buffering=1)
    torch.set_num_threads(1)
    function(*arguments)


# --- a step

def three_steps(folder, changes):
    """Steps of 9, 9 and 1 images in double precision: what reached the network, the gradients, and the network after the last; then the
    same with a checkpoint and a new start after the first."""
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    params = Train(**SETTINGS | {"outputs": str(folder), "train_size": 19, "batch_size": 9, "cutmix_probability": 1.0} | changes)
    splits = data.load("phantom", sizes={"train": 19, "val": 20, "test": 20}, seed=0)
    splits.train.images.copy_(torch.randint(256, (19, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)))
    team = distributed.join(torch.device("cpu")) if params.devices > 1 else Team()
    start = lambda: train.start(params, splits, folder, torch.device("cpu"), "fp32", "none", team)  # noqa: E731
    state, seen, gradients, said = start(), [], [], ""
    state.model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    state.optimizer.register_step_pre_hook(lambda *_: gradients.append({name: value.grad.clone() for name, value in state.model.named_parameters()}))
    try:
        row = train.train_epoch(state)
    except train.TrainingError as error:
        row, said = {}, str(error)
    found = {"seen": seen[:3], "gradients": gradients[:3], "network": state.model.state_dict(), "row": row, "said": said}
    if not said:
        interrupted = start()
        train.train_epoch(interrupted, progress=lambda batches: batches[:1])
        train.save(interrupted)
        again = start()
        train.train_epoch(again)
        found["again"] = again.model.state_dict()
    torch.save(found, folder / f"{team.rank}.pt")


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    @functools.cache
    def of(size, **changes):
        folder = tmp_path_factory.mktemp(f"{size}")
        assert side_by_side(size, three_steps, folder, {"devices": size} | changes) == ([0] * size, "")
        return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(size)]

    return of


@pytest.fixture(scope="module")
def alone(steps):
    return steps(1)[0]


@pytest.mark.parametrize("size", [2, 3])
def test_the_steps_are_those_of_one_device_up_to_rounding(steps, alone, size):
    """CutMix, label smoothing and BatchNorm in train mode; of the last batch, one image, all processes but one get nothing."""
    team = steps(size)
    assert [len(images) for images in team[0]["seen"]] == [9 // size, 9 // size, 0]
    for step, images in enumerate(alone["seen"]):
        assert torch.equal(torch.cat([one["seen"][step] for one in team]), images), f"the sample stream, step {step + 1}"
    for one in team:
        torch.testing.assert_close(one["gradients"], alone["gradients"], rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(one["network"], alone["network"], rtol=1e-8, atol=1e-10)
        for name in ("stream_loss", "stream_accuracy", "mixed_batches", "lambda_sum"):
            assert one["row"][name] == pytest.approx(alone["row"][name], rel=1e-9), name
    for name, value in team[0]["network"].items():
        assert all(torch.equal(value, other["network"][name]) for other in team), f"{name}: the same bits in all processes"


@pytest.mark.parametrize("size", [2, 3])
def test_a_run_that_goes_on_from_a_checkpoint_has_the_bits_of_one_that_was_not_interrupted(steps, size):
    """Of three processes the order of a sum counts, and torch finds its own in the first pass backward."""
    for one in steps(size):
        for name, value in one["network"].items():
            assert torch.equal(value, one["again"][name]), name


def test_a_loss_that_is_not_finite_stops_all_processes_before_the_update_with_the_same_line(steps):
    team = steps(2, learning_rate=1e200)
    assert [len(one["gradients"]) for one in team] == [1, 1]
    assert team[0]["said"] == team[1]["said"] and re.match(r"the loss is (nan|inf) in epoch 1, step 2, at learning rate 1e\+200", team[0]["said"])


# --- a run

def by_torchrun(values):
    sys.argv = ["lib.distributed", *(word for name, value in values.items() for word in ("-p", name, json.dumps(value)))]
    sys.exit(distributed.main())


def weights(folder) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def finished(params):
    """The run in its folder, as the notebook looks for it."""
    fingerprint = machine.fingerprint(torch.device("cpu"), "fp32", params.devices) | {"threads": 1}
    splits = data.load("phantom", sizes={"train": 200, "val": 40, "test": 40}, seed=0)
    return splits, fingerprint, record.finished(record.folder(params), record.key(params, splits.digest, fingerprint))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run of two processes as a shell starts them, and its parameters."""
    values = SETTINGS | {"outputs": str(tmp_path_factory.mktemp("undisturbed"))}
    assert side_by_side(2, by_torchrun, values) == ([0, 0], "")
    return Train(**values)


def test_a_run_of_two_devices_is_that_of_one_up_to_rounding_and_whole(undisturbed, tmp_path):
    splits, fingerprint, run = finished(undisturbed)
    torch.set_num_threads(1)
    params = undisturbed.model_copy(update={"devices": 1, "outputs": str(tmp_path)})
    state = train.start(params, splits, record.folder(params), torch.device("cpu"), "fp32", record.key(params, splits.digest, fingerprint))
    while state.epoch < params.epochs:
        train.finish_epoch(state, train.train_epoch(state) | train.evaluate(state))
    one = record.publish(state, fingerprint, {})
    assert {path.name for path in run.path.iterdir()} == {path.name for path in one.path.iterdir()} | {".train.lock"}
    assert set(run.info) == set(one.info) and run.info["key"] != one.info["key"] and run.info["params"]["devices"] == 2
    assert run.info["share_that_differs_between_two_readings"]["val"] == 0 and run.history.columns.tolist() == one.history.columns.tolist()
    first, last = (abs(run.history["stream_loss"] / one.history["stream_loss"] - 1).iloc[epoch] for epoch in (0, -1))
    assert 0 < first < 1e-4 and last < 1e-2  # rounding grows from step to step; in double precision see above
    assert run.info["mixed_batches"] == one.info["mixed_batches"] and run.info["mean_lambda"] == pytest.approx(one.info["mean_lambda"])


def stopped_in_the_second_epoch(values):
    """As by_torchrun, but the first process, and it alone, is asked to stop within an epoch."""
    real = train.train_epoch

    def asked(state):
        def steps_of(batches):
            for step, batch in enumerate(batches):
                if (state.team.rank, state.epoch, step) == (0, 1, 2):
                    os.kill(os.getpid(), signal.SIGTERM)
                yield batch

        return real(state, progress=steps_of)

    train.train_epoch = asked
    by_torchrun(values)


def test_stopped_then_short_of_a_process_then_stopped_again_a_run_ends_with_the_same_bits(undisturbed, tmp_path, capsys):
    params, told = undisturbed.model_copy(update={"outputs": str(tmp_path)}), []
    said = "stopped on request in epoch 2, after step 3; saved: the same command goes on there\n"
    assert side_by_side(2, stopped_in_the_second_epoch, params.model_dump()) == ([1, 1], said)
    splits, fingerprint, _ = finished(params)
    state = train.start(params, splits, record.folder(params), torch.device("cpu"), "fp32", record.key(params, splits.digest, fingerprint))
    assert (state.epoch, state.step) == (1, 3)

    def disturb(row, memory):
        told.append(row["epoch"])
        if told == [2]:
            server, = (one for one in psutil.Process().children(recursive=True) if one.children() and one.ppid() != os.getpid())
            server.children()[1].kill()
        elif told[-1] == 4 and told.count(2) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(train.TrainingError, match=r"^stopped on request (in|after) epoch [56].*; saved: the same command goes on there$"):
        launch.on_devices(state, disturb)
    assert "a process died; all start anew from the last checkpoint (1 of 3)\n" in capsys.readouterr().out
    second = told.index(2, 1)  # what was told before the loss was noticed is told once more
    assert told[:second] == [*range(2, 2 + second)] and told[second:] == [*range(2, 2 + len(told) - second)]
    assert [row["epoch"] for row in state.history] == [*range(1, told[-1] + 1)]
    assert side_by_side(2, by_torchrun, params.model_dump()) == ([0, 0], "")
    assert weights(record.folder(params)) == weights(record.folder(undisturbed))


# --- what is refused

def test_devices_that_are_not_there_are_one_clear_line(monkeypatch):
    params = Train(**SETTINGS | {"outputs": "x", "device": "cuda"})
    monkeypatch.setattr(machine, "choose_device", torch.device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="^devices: 2 were asked for, GPUs to be seen here are 1$"):
        distributed.device_of(params, 2)
    with pytest.raises(ValueError, match="^devices: 2 were asked for, and mps is one"):
        distributed.device_of(params.model_copy(update={"device": "mps"}), 2)


def test_a_process_of_its_own_does_not_train_a_run_of_two(tmp_path):
    params = Train(**SETTINGS | {"outputs": str(tmp_path)})
    splits = data.load("phantom", sizes={"train": 200, "val": 40, "test": 40}, seed=0)
    state = train.start(params, splits, tmp_path, torch.device("cpu"), "fp32", "none")
    with pytest.raises(train.TrainingError, match="^devices: 2, and 1 would train"):
        train.train_epoch(state)


def test_as_many_processes_as_devices_are_wanted(tmp_path):
    said = "devices: 2, and 1 processes were started\n"
    assert side_by_side(1, by_torchrun, SETTINGS | {"outputs": str(tmp_path)}) == ([2], said)
