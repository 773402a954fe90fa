"""The step for a GPU, on a CPU: the plain step's bits, no value read back by the host, traceable
whole, and the way out when a capture fails."""

import contextlib
from types import SimpleNamespace

import pytest
import torch
from small_runs import WIDE_SETTINGS
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lib import cutmix
from lib.base import random
from lib.base.config import Train
from lib.data import augment, dataset
from lib.training import cuda_graph, loop, machine, record

pytestmark = pytest.mark.slow

SIZES = {"train": 50, "val": 20, "test": 20}  # batches of 16, 16, 16 and 2
MIXUP = {"cutmix_probability": 0.5, "mixup_probability": 0.5, "cutout_size": 8}


@pytest.fixture(scope="module")
def splits():
    return dataset.load("phantom", sizes=SIZES, seed=0)


def started(splits, folder, **changes):
    torch.set_num_threads(1)
    settings = (
        WIDE_SETTINGS
        | {
            "width": 16,
            "batch_size": 16,
            "augment": True,
            "cutmix_probability": 0.5,
            "learning_rate": 0.1,
            "seed": 1,
        }
        | changes
    )
    return loop.start(
        Train(**settings), splits, folder, torch.device("cpu"), settings["precision"], key="none"
    )


def epoch_of(state):
    """What lib.training.loop.train_epoch gives the engine on a GPU."""
    order = torch.from_numpy(
        random.permutation(random.key(state.params.seed, state.epoch, 0), len(state.splits.train))
    )
    return order, augment.draw_augmentation(
        state.params.seed,
        state.epoch,
        state.splits.train.index,
        state.params.augment,
        cutout_size=state.params.cutout_size,
    )


def with_engine(state):
    """Train as on a GPU, but for the graph."""
    state.engine = cuda_graph.Engine(state)
    for _ in range(state.params.epochs - state.epoch):
        loop.finish_epoch(state, loop.train_epoch(state))
    return state


def plainly(state):
    for _ in range(state.params.epochs):
        loop.finish_epoch(state, loop.train_epoch(state))
    return state


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"augment": False, "cutmix_probability": 0.0},
        {"cutmix_probability": 1.0, "label_smoothing": 0.0},
        # which some processors have to emulate
        {"precision": "bf16", "width": 2},
        {"mixup_probability": 0.5, "cutout_size": 9, "schedule": "cosine"},
        {"mixup_probability": 1.0, "cutmix_probability": 0.0, "augment": False, "cutout_size": 8},
    ],
)
def test_an_epoch_has_the_bits_of_the_plain_step(splits, tmp_path, changes):
    ours, plain = (
        with_engine(started(splits, tmp_path, **changes)),
        plainly(started(splits, tmp_path, **changes)),
    )
    for (name, one), other in zip(
        ours.model.state_dict().items(), plain.model.state_dict().values()
    ):
        assert torch.equal(one, other), name
    for one, other in zip(ours.history, plain.history):
        assert {name: value for name, value in one.items() if "second" not in name} == {
            name: value for name, value in other.items() if "second" not in name
        }
    mixes = changes.get("cutmix_probability", 0.5) or changes.get("mixup_probability")
    assert not mixes or 0 < ours.history[0]["mixed_batches"]


@pytest.mark.parametrize("changes", [{}, {"mixup_probability": 0.4, "cutout_size": 8, "seed": 5}])
def test_batches_are_those_of_the_recipe_and_a_resumed_epoch_begins_where_it_was_cut_off(
    splits, tmp_path, changes
):
    state = started(splits, tmp_path, **changes)
    order, draws = epoch_of(state)
    laid_out, seen = cuda_graph.plan(state.params, 3, order, draws, (32, 32)), []
    mean, std = torch.tensor(splits.mean), torch.tensor(splits.std)
    for number, chosen in enumerate(order.split(16)):
        laid_out.step.fill_(number)
        ours = cuda_graph.batch(
            state.images, state.labels, laid_out, mean, std, 16, len(chosen), mixing=True
        )
        images = augment.training_batch(
            state.images[chosen], draws[chosen], splits.mean, splits.std
        )
        theirs = cutmix.mix(images, state.labels[chosen], state.params, 3 * 4 + number)
        assert all(torch.equal(one, other) for one, other in zip(ours[:3], theirs))
        # a step multiplies by lambda in the precision of the images
        assert ours[3] == torch.tensor(theirs[3]) and ours[4] == torch.tensor(1 - theirs[3])
        seen.append(theirs[3])
    assert min(seen) < 1 == max(seen)
    state.step, state.engine = 2, cuda_graph.Engine(state)
    state.engine.begin(order, draws)
    assert state.engine.plan.step.item() == 2


@pytest.mark.parametrize(
    "backend, mixing, changes",
    [("eager", False, {}), ("aot_eager", True, {}), ("eager", True, MIXUP)],
)
def test_batch_loss_and_counts_are_one_graph_without_a_break(
    splits, tmp_path, backend, mixing, changes
):
    """fullgraph refuses whatever needs a value on the host: .item(), a branch on a tensor, an index
    read back."""
    state = started(splits, tmp_path, **{"cutmix_probability": 1.0} | changes)
    laid_out = cuda_graph.plan(state.params, 0, *epoch_of(state), (32, 32))
    mean, std = torch.tensor(splits.mean), torch.tensor(splits.std)

    def whole():
        given = cuda_graph.batch(state.images, state.labels, laid_out, mean, std, 16, 16, mixing)
        return cuda_graph.forward(state.model, *given, 0.1, mixing, "fp32")

    torch._dynamo.reset()
    results = []
    for function in (whole, torch.compile(whole, backend=backend, fullgraph=True, dynamic=False)):
        state.model.zero_grad()
        loss, counted = function()
        loss.backward()
        results.append(
            (loss.detach(), counted, [weight.grad.clone() for weight in state.model.parameters()])
        )
    (loss, counted, gradients), (other_loss, other_counted, others) = results
    assert torch.equal(loss, other_loss) and torch.equal(counted, other_counted)
    for one, other in zip(gradients, others):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


class Devices(TorchDispatchMode):
    """Notes every operation that takes part on two devices, or on one that is not the GPU."""

    def __init__(self):
        super().__init__()
        self.operations, self.elsewhere = [], []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.operations.append(str(function))
        if {
            found.device.type
            for found in tree_leaves((args, kwargs, result))
            if isinstance(found, torch.Tensor)
        } - {"cuda"}:
            self.elsewhere.append(str(function))
        return result


@pytest.mark.parametrize(
    "keep_on_the_host, changes",
    [(False, {"cutmix_probability": 1.0}), (True, {"cutmix_probability": 1.0}), (False, MIXUP)],
)
def test_a_step_on_a_gpu_touches_no_memory_of_the_host(
    splits, tmp_path, monkeypatch, keep_on_the_host, changes
):
    """A capture refuses a copy from the host. Tensors without contents stand for those of a GPU;
    torch takes no backward pass on them."""
    host = started(splits, tmp_path, label_smoothing=0.1, **changes)
    drawn = cuda_graph.plan(host.params, 0, *epoch_of(host), (32, 32))

    def network(params, classes):
        with torch.device("cuda"):
            model = host.model.__class__(classes, params.width, params.image_size)
        model.to = lambda *_, **__: model  # it is there
        return model

    def backward(_):
        for weight in state.model.parameters():
            weight.grad = torch.zeros_like(weight)

    monkeypatch.setattr(loop.network, "to_train", network)
    monkeypatch.setattr(torch.Tensor, "backward", backward)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: None)
    monkeypatch.setattr(loop.machine, "fingerprint", lambda *_: {})
    with FakeTensorMode(allow_non_fake_inputs=True):
        state = loop.start(host.params, splits, tmp_path, torch.device("cuda"), "fp32", key="none")
        monkeypatch.setattr(cuda_graph, "CAPTURES", False)
        assert not cuda_graph.Engine(state).usable
        monkeypatch.setattr(cuda_graph, "CAPTURES", True)
        engine = cuda_graph.Engine(state)
        assert engine.usable
        engine.plan = cuda_graph.Plan(
            **{
                name: None if value is None else value.to("cuda")
                for name, value in vars(drawn).items()
            }
        )
        if keep_on_the_host:
            engine.mean = splits.mean
        engine.step(16)  # makes the momentum
        with Devices() as seen:
            engine.step(16)
    assert sum("convolution" in name for name in seen.operations) == 20 and any(
        "nll_loss" in name for name in seen.operations
    )
    assert bool(seen.elsewhere) == keep_on_the_host, seen.elsewhere


class Graph:
    """Stands in for a CUDA graph: a capture computes nothing, a replay takes the step."""

    def __init__(self, engine):
        self.engine, self.replays = engine, 0

    def replay(self):
        self.replays += 1
        self.engine.step(self.engine.state.params.batch_size)


def gpu(monkeypatch, engine, fails=None):
    """Make the engine think that it has a GPU; returns the lists of graphs that it captured and of
    streams made current again."""
    captured, restored = [], []

    @contextlib.contextmanager
    def capture(graph, stream):
        if fails:
            try:
                raise fails
            finally:
                raise RuntimeError("capture_end: the capture failed")  # as torch does
        captured.append(graph)
        monkeypatch.setattr(engine, "step", lambda count: None)
        yield
        monkeypatch.undo()
        stand_in()

    def stand_in():
        monkeypatch.setattr(cuda_graph, "CAPTURES", True)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: "here")
        monkeypatch.setattr(torch.cuda, "set_stream", restored.append)
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: Graph(engine))
        monkeypatch.setattr(torch.cuda, "graph", capture)

    stand_in()
    engine.usable = True
    return captured, restored


@pytest.mark.parametrize(
    "changes, replays", [({"milestones": [3]}, [6, 3]), ({"schedule": "cosine"}, [3, 3, 3])]
)
def test_whole_batches_are_replayed_once_warm_and_captured_anew_when_the_learning_rate_changes(
    splits, tmp_path, monkeypatch, changes, replays
):
    state, plain = (started(splits, tmp_path, epochs=4, **changes) for _ in range(2))
    plainly(plain)
    state.engine = cuda_graph.Engine(state)
    captured, _ = gpu(monkeypatch, state.engine)
    for _ in range(4):
        loop.finish_epoch(state, loop.train_epoch(state))
    # of four steps an epoch three are whole: the first epoch warms up, two are replayed at one
    # rate, one at another; of a cosine each at its own
    assert [graph.replays for graph in captured] == replays
    for one, other in zip(state.model.state_dict().values(), plain.model.state_dict().values()):
        assert torch.equal(one, other)


def test_where_a_capture_fails_training_goes_on_step_by_step_and_says_so_once(
    splits, tmp_path, monkeypatch, capsys
):
    state, plain = started(splits, tmp_path), plainly(started(splits, tmp_path))
    state.engine = cuda_graph.Engine(state)
    _, restored = gpu(
        monkeypatch,
        state.engine,
        RuntimeError("operation not permitted when stream is capturing\nmore"),
    )
    for _ in range(2):
        loop.finish_epoch(state, loop.train_epoch(state))
    said = capsys.readouterr().out
    assert (
        said.count("\n") == 1
        and "not permitted when stream is capturing" in said
        and "step by step" in said
    )
    assert restored == ["here"] and not cuda_graph.CAPTURES, "nothing tries again in this process"
    published = record.publish(state, machine.fingerprint(state.device, "fp32"), {})
    assert published.info["steps"] == "one by one"
    for one, other in zip(state.model.state_dict().values(), plain.model.state_dict().values()):
        assert torch.equal(one, other)


def test_out_of_memory_in_a_capture_is_no_reason_to_go_on(splits, tmp_path, monkeypatch):
    state = started(splits, tmp_path)
    state.engine = cuda_graph.Engine(state)
    gpu(monkeypatch, state.engine, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(loop.TrainingError, match="out of memory at batch_size 16"):
        for _ in range(2):
            loop.finish_epoch(state, loop.train_epoch(state))


def test_a_loss_that_is_not_finite_ends_the_run_at_the_end_of_the_epoch(splits, tmp_path):
    state = started(splits, tmp_path, learning_rate=1e30)
    state.engine = cuda_graph.Engine(state)
    with pytest.raises(loop.TrainingError, match="not finite in epoch 1"):
        loop.train_epoch(state)


def test_the_kind_of_step_is_in_the_fingerprint_of_a_gpu_alone(monkeypatch):
    assert "step" not in machine.fingerprint(torch.device("cpu"), "fp32")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    monkeypatch.setattr(cuda_graph, "COMPILED", True)
    found = machine.fingerprint(SimpleNamespace(type="cuda"), "bf16")
    assert "compiled" in found["step"] and found["algorithms"] == "deterministic"
    assert (
        machine.fingerprint(SimpleNamespace(type="cuda"), "bf16", data="folder")["step"] == "plain"
    )
