"""Images on disk: read as the tensor that would hold them, trained on with the same bits, whatever
is ahead and wherever it stops."""

import dataclasses
import time

import folder_of_pictures
import numpy as np
import pandas as pd
import pytest
import torch
from small_runs import SETTINGS

from lib.base.config import Train
from lib.data import augment, dataset, streams
from lib.data.cifar import DataError
from lib.data.streams import Stream
from lib.training import inference, loop, record

SIDE = 96  # the smallest with torchvision's stem
IMAGES = np.random.default_rng(0).integers(0, 256, (23, 3, 6, 6), dtype=np.uint8)


@pytest.fixture
def stream(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    return Stream(tmp_path / "images.npy")


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    """Of a folder of pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return dataset.load(
            "folder",
            folder_of_pictures.write(folder / "root", {"train": 16, "test": 4}),
            seed=3,
            image_size=SIDE,
        )


@pytest.fixture(scope="module")
def in_memory(splits):
    """The same pixels as tensors."""
    return dataclasses.replace(
        splits,
        **{
            name: dataclasses.replace(getattr(splits, name), images=getattr(splits, name).images[:])
            for name in ("train", "val", "test")
        },
    )


@pytest.mark.parametrize(
    "rows",
    [
        slice(None),
        slice(3, 9),
        slice(20, 40),
        slice(2, 20, 5),
        4,
        -1,
        [3],
        [5, 1, 1, 22],
        [],
        np.array([7, 0]),
        torch.tensor([2, 9, 2]),
        pd.Series([4, 8], index=[90, 91]),
        np.arange(23) % 3 == 0,
        torch.arange(23) > 15,
    ],
    ids=str,
)
def test_a_stream_is_indexed_as_the_tensor_that_it_stands_for(stream, rows):
    tensor = torch.from_numpy(IMAGES)
    expected = tensor[rows.to_numpy().copy() if isinstance(rows, pd.Series) else rows]
    assert torch.equal(stream[rows], expected) and stream[rows].dtype == torch.uint8
    if not isinstance(rows, int):
        chosen = stream.take(rows)
        assert (
            isinstance(chosen, Stream)
            and len(chosen) == len(expected)
            and chosen.shape == expected.shape
        )
        assert torch.equal(chosen[:], expected)
        assert torch.equal(chosen.take(slice(1, None))[:], expected[1:]) and torch.equal(
            stream[:], tensor
        )
    with pytest.raises(IndexError):
        stream[[23]]


@pytest.mark.parametrize("size", [1, 5, 23, 100])
def test_batches_are_those_of_the_tensor_and_in_order(stream, size):
    expected = torch.from_numpy(IMAGES).split(size)
    found = list(stream.split(size))
    assert len(found) == len(expected) and all(map(torch.equal, found, expected))
    assert [len(batch) for batch in stream.take([]).split(size)] == [0]


def test_results_are_in_order_though_later_ones_are_done_first_and_only_a_few_are_ahead():
    begun = []

    def work(number):
        begun.append(number)
        time.sleep(0.02 if number % 2 == 0 else 0)
        return number

    for expected, found in enumerate(streams.ahead(work, range(12), 2)):
        assert found == expected and len(begun) <= expected + 3
    assert sorted(begun) == list(range(12))


def test_a_file_that_shrinks_is_named_when_its_image_is_read(stream):
    with open(stream.path, "r+b") as file:
        file.truncate(stream.offset + 20 * 108 + 5)
    assert torch.equal(stream[:20], torch.from_numpy(IMAGES[:20]))
    with pytest.raises(DataError, match="images.npy: ends within image 20"):
        stream[[3, 20]]
    with pytest.raises(DataError, match="ends within image 20"):
        list(stream.split(10))


@pytest.mark.parametrize(
    "array, says",
    [
        (
            IMAGES.transpose(0, 2, 3, 1),
            r"holds uint8 \(23, 6, 6, 3\) in C order; allowed: uint8 \(N, 3, h, w\)",
        ),
        (IMAGES.astype(np.float32), "holds float32"),
        (IMAGES[0], "holds uint8"),
        (IMAGES[:0], "holds uint8"),
        (np.asfortranarray(IMAGES), ".* in Fortran order"),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, says):
    np.save(tmp_path / "images.npy", array)
    with pytest.raises(DataError, match=f"images.npy: {says}"):
        Stream(tmp_path / "images.npy")


@pytest.mark.parametrize(
    "damage, says",
    [
        (lambda content: content[:-1], "not a whole .npy file"),
        (lambda content: content[:40], "not a whole .npy file"),
        (lambda content: b"", "not a whole .npy file"),
        (lambda content: b"PK" + content, "not a whole .npy file"),
    ],
)
def test_damaged_arrays_are_refused(stream, damage, says):
    stream.path.write_bytes(damage(stream.path.read_bytes()))
    with pytest.raises(DataError, match=f"images.npy: {says}"):
        Stream(stream.path)
    stream.path.unlink()
    with pytest.raises(DataError, match="No such file"):
        Stream(stream.path)


def test_digest_and_statistics_are_those_of_the_images_in_memory(splits, in_memory, monkeypatch):
    parts = {name: getattr(in_memory, name) for name in ("train", "val", "test")}
    assert dataset.walk(parts) == {
        "mean": list(splits.mean),
        "std": list(splits.std),
        "digest": splits.digest,
    }
    pixels = in_memory.train.images.double().div(255).transpose(0, 1).flatten(1)
    np.testing.assert_allclose(splits.mean, pixels.mean(1), rtol=1e-12)
    np.testing.assert_allclose(splits.std, pixels.std(1, correction=0), rtol=1e-10)
    monkeypatch.setattr(streams, "PIXELS", 5 * SIDE**2)
    monkeypatch.setattr(dataset, "PIXELS", 5 * SIDE**2)
    assert dataset.walk({name: getattr(splits, name) for name in parts})["digest"] == splits.digest


def started(splits, outputs):
    torch.set_num_threads(1)
    params = Train(
        **SETTINGS
        | {
            "outputs": str(outputs),
            "data": "folder",
            "root": "pictures",
            "image_size": SIDE,
            "width": 16,
            "batch_size": 12,
            "epochs": 2,
            "milestones": [1],
        }
    )
    return loop.start(params, splits, record.folder(params), torch.device("cpu"), "fp32", "key")


def finished(state, steps=lambda state, steps: steps):
    while state.epoch < state.params.epochs:
        row = loop.train_epoch(state, progress=lambda batches: steps(state, batches))
        loop.finish_epoch(state, row | loop.evaluate(state))
    return state


def same(state, other):
    weights, others = state.model.state_dict(), other.model.state_dict()
    clocks = {"seconds", "images_per_second"}
    return all(torch.equal(weights[name], others[name]) for name in weights) and [
        [row[name] for name in row if name not in clocks] for row in state.history
    ] == [[row[name] for name in row if name not in clocks] for row in other.history]


@pytest.fixture(scope="module")
def undisturbed(in_memory, tmp_path_factory):
    return finished(started(in_memory, tmp_path_factory.mktemp("memory")))


@pytest.mark.slow
def test_training_from_disk_gives_the_bits_of_training_from_memory(
    splits, in_memory, undisturbed, tmp_path, monkeypatch
):
    state = finished(started(splits, tmp_path))
    assert isinstance(state.images, Stream) and not isinstance(undisturbed.images, Stream)
    assert same(state, undisturbed)
    logits = inference.logits(state.model, splits.test.images, splits.mean, splits.std)
    assert np.array_equal(
        logits, inference.logits(state.model, in_memory.test.images, splits.mean, splits.std)
    )
    assert (
        augment.proof(splits, 5, True)
        == augment.proof(in_memory, 5, True)
        == {"train": 1.0, "val": 0.0, "test": 0.0}
    )
    assert augment.proof(splits, 5, False)["train"] == 0
    monkeypatch.setattr(streams, "PIXELS", 5 * SIDE**2)
    assert augment.proof(splits, 5, True)["train"] == 1
    few = inference.logits(state.model, splits.test.images, splits.mean, splits.std)
    # in smaller batches: sums differ in their last digits
    np.testing.assert_allclose(few, logits, atol=1e-4)


def test_what_is_read_is_known_without_asking_the_device(splits, tmp_path, monkeypatch):
    """A device that never answers stands for a GPU with a long queue."""

    def take(state, images, labels, step):
        assert images.device.type == labels.device.type == "meta"
        state.totals[2] += len(labels)

    state = started(splits, tmp_path)
    state.device, state.labels = torch.device("meta"), state.labels.to("meta")
    monkeypatch.setattr(loop, "train_step", take)
    assert loop.train_epoch(state)["stream_loss"] == 0 and state.totals[2] == len(splits.train)


@pytest.mark.slow
@pytest.mark.parametrize("epoch, step", [(0, 1), (0, 3), (1, 2)])
def test_a_training_that_stops_in_mid_epoch_goes_on_with_the_same_bits(
    splits, undisturbed, tmp_path, monkeypatch, epoch, step
):
    # one after every step, while later batches are being read
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)

    def stop(state, batches):
        for batch in batches:
            if (state.epoch, state.step) == (epoch, step):
                raise KeyboardInterrupt
            yield batch

    with pytest.raises(KeyboardInterrupt):
        finished(started(splits, tmp_path), stop)
    resumed = started(splits, tmp_path)
    assert (resumed.epoch, resumed.step) == (epoch, step)
    assert same(finished(resumed), undisturbed)


def test_a_training_whose_images_vanish_says_so(splits, tmp_path):
    copied = tmp_path / "images.npy"
    copied.write_bytes(splits.train.images.path.read_bytes())
    shrinking = dataclasses.replace(
        splits,
        train=dataclasses.replace(
            splits.train, images=Stream(copied).take(splits.train.images.rows)
        ),
    )
    state = started(shrinking, tmp_path)
    with open(copied, "r+b") as file:
        file.truncate(100_000)
    with pytest.raises(DataError, match="images.npy: ends within image"):
        loop.train_epoch(state)
