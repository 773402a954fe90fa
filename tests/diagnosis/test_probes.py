"""The probes of a small untrained network, recomputed one picture at a time with its own BatchNorm
and plain softmax."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

from lib.data import dataset
from lib.diagnosis import interventions, probes
from lib.model import resnet18
from lib.training import inference

N, TEMPERATURE = 5, 1.7


@pytest.fixture(scope="module")
def splits():
    return dataset.load("phantom", sizes={"train": 40, "val": 20, "test": N})


@pytest.fixture(scope="module")
def model(splits):
    torch.manual_seed(0)
    network = resnet18(20, 4)
    with torch.no_grad():  # BatchNorm learns the pictures' statistics, so that answers differ
        for _ in range(10):
            network(inference.inputs(splits.train.images, splits.mean, splits.std))
        network.fc.weight.mul_(20)
    return network.eval()


@pytest.fixture(scope="module")
def given(splits, model):
    """Arguments of `respond` after the network: pictures, maps, wrong and true classes."""
    generator = torch.Generator().manual_seed(1)
    wrong = (splits.test.labels + 1 + torch.randint(19, (N,), generator=generator)) % 20
    return splits.test.images, torch.randn(N, 4, 4, generator=generator), wrong, splits.test.labels


def respond(model, splits, given, keys=None):
    keys = splits.test.index if keys is None else keys
    return probes.respond(
        inference.ready(model), *given, splits.mean, splits.std, TEMPERATURE, keys
    )


@pytest.fixture(scope="module")
def responses(model, splits, given):
    before = [values.clone() for values in given]
    found = respond(model, splits, given)
    assert all(torch.equal(one, other) for one, other in zip(before, given)), (
        "what was given has changed"
    )
    return found


def plain(model, splits, image) -> np.ndarray:
    """Logits of one uint8 picture (3, 32, 32), by the network as it was trained."""
    values = (
        np.asarray(image, dtype=np.float64) / 255 - np.reshape(splits.mean, (3, 1, 1))
    ) / np.reshape(splits.std, (3, 1, 1))
    with torch.no_grad():
        return model(torch.from_numpy(values[None]).float())[0].double().numpy()


def expected(model, splits, given, changed) -> probes.Response:
    """changed(row, picture, map) gives the pictures of one error, draw by draw."""
    rows = []
    for row, (image, cam, wrong, true) in enumerate(zip(*given)):
        before, said = plain(model, splits, image), []
        for picture in changed(row, image.numpy(), cam.numpy()):
            logits = plain(model, splits, picture)
            probability = softmax(logits / TEMPERATURE)
            said.append(
                (
                    before[wrong] - logits[wrong],
                    (logits[true] - logits[wrong]) / TEMPERATURE,
                    probability[wrong],
                    probability[true],
                    logits.argmax(),
                )
            )
        rows.append(said)
    return probes.Response(*np.array(rows).transpose(2, 1, 0))


def agree(found, reference, tolerance=2e-4):
    for one, other, name in zip(found, reference, probes.Response._fields):
        np.testing.assert_allclose(one, other, atol=tolerance, err_msg=name)


def test_every_probe_has_a_label_and_every_label_a_probe(responses):
    assert list(responses) and set(responses) == set(probes.LABELS)
    assert len(set(probes.LABELS.values())) == len(probes.LABELS)
    assert {
        len(one.drop) for name, one in responses.items() if name.startswith(("random", "shuffle"))
    } == {probes.DRAWS}
    assert len(responses["square"].drop) == 49 and len(responses["window"].drop) == 25
    assert sum(len(one.drop) for one in responses.values()) > 100  # as the report says


def test_hottest_cells_covered_is_the_loop_over_cells(model, splits, given, responses):
    mean = np.round(255 * np.array(splits.mean)).astype(np.uint8)

    def covered(row, image, cam):
        picture = image.copy()
        for cell in sorted(range(16), key=lambda cell: -cam.flat[cell])[:4]:
            top, left = 8 * (cell // 4), 8 * (cell % 4)
            picture[:, top : top + 8, left : left + 8] = mean[:, None, None]
        yield picture

    agree(responses["hot:mean"], expected(model, splits, given, covered))


def test_only_coldest_cells_shown_leaves_those_alone(model, splits, given, responses):
    mean = np.round(255 * np.array(splits.mean)).astype(np.uint8)

    def shown(row, image, cam):
        picture = np.broadcast_to(mean[:, None, None], image.shape).copy()
        for cell in sorted(range(16), key=lambda cell: cam.flat[cell])[:4]:
            top, left = 8 * (cell // 4), 8 * (cell % 4)
            picture[:, top : top + 8, left : left + 8] = image[:, top : top + 8, left : left + 8]
        yield picture

    agree(responses["only-cold:mean"], expected(model, splits, given, shown))


def test_shuffled_patches_are_those_of_each_image_alone(model, splits, given, responses):
    def shuffled(row, image, cam):
        for seed in range(2):
            yield interventions.patch_shuffle(
                given[0][row : row + 1], 4, splits.test.index[row : row + 1], seed
            )[0]

    agree(responses["shuffle:4"], expected(model, splits, given, shuffled))
    assert (responses["shuffle:4"].gap[0] != responses["shuffle:4"].gap[1]).all()


def test_windows_show_one_square_of_the_picture(model, splits, given, responses):
    def shown(row, image, cam):
        blurred = (
            gaussian_filter(image.astype(float), (0, 8, 8), mode="reflect").round().astype(np.uint8)
        )
        for top in range(0, 17, 4):
            for left in range(0, 17, 4):
                picture = blurred.copy()
                picture[:, top : top + 16, left : left + 16] = image[
                    :, top : top + 16, left : left + 16
                ]
                yield picture

    # a level of the blur may round otherwise
    agree(responses["window"], expected(model, splits, given, shown), tolerance=0.02)


def test_moved_pictures_are_four_shifts_and_the_mirror_image(model, splits, given, responses):
    def moved(row, image, cam):
        for axis in (1, 2):
            yield np.roll(image, 2, axis)
            yield np.roll(image, -2, axis)
        yield image[:, :, ::-1].copy()

    agree(responses["moved"], expected(model, splits, given, moved))


def test_neither_the_size_of_a_chunk_nor_the_order_changes_a_response(
    model, splits, given, responses, monkeypatch
):
    order = torch.randperm(N, generator=torch.Generator().manual_seed(2))
    monkeypatch.setattr(probes, "CHUNK", 3)
    again = respond(model, splits, [values[order] for values in given], splits.test.index[order])
    assert list(again) == list(responses)
    for name, found in again.items():
        assert all(part.shape == (len(responses[name].drop), N) for part in found)
        agree(found, [part[:, order.numpy()] for part in responses[name]])
