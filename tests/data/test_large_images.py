"""Pictures of more than 32 px: torchvision's stem, and probes, crops and corruptions that grow with
the side."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage
from synthetic import with_statistics
from torchvision.models import resnet18 as torchvision_resnet18
from torchvision.transforms.functional import crop, hflip, pad

from lib import gradcam
from lib.data import augment, streams
from lib.data.phantom import draw
from lib.diagnosis import evidence, faithfulness, interventions, probes, randomisation, stage
from lib.evaluation import corruptions
from lib.model import resnet18
from lib.training import inference, record
from lib.training.inference import fold_batch_norm

pytestmark = pytest.mark.slow

PLAIN = (0.0,) * 3, (1.0,) * 3  # of pictures that are normalised already
SMALL = torch.from_numpy(draw.generate("test", 4, 0).images)
PUBLISHED = {  # ImageNet-C/create_c/make_imagenet_c.py
    "gaussian_noise": [0.08, 0.12, 0.18, 0.26, 0.38],
    "defocus_blur": [(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)],
    "contrast": [0.4, 0.3, 0.2, 0.1, 0.05],
    "brightness": [0.1, 0.2, 0.3, 0.4, 0.5],
    "pixelate": [0.6, 0.5, 0.4, 0.3, 0.25],
    "jpeg_compression": [25, 18, 15, 10, 7],
}


def enlarged(images, times: int):
    return images.repeat_interleave(times, -2).repeat_interleave(times, -1)


def test_the_network_for_224_px_is_torchvisions():
    torch.manual_seed(0)
    theirs = with_statistics(torchvision_resnet18(num_classes=10)).eval()
    ours = resnet18(10, 64, 224).eval()
    ours.load_state_dict(theirs.state_dict())  # strict: the same names and shapes
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(
            fold_batch_norm(ours)(images), theirs(images), rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("image_size, cells", [(32, 4), (64, 8), (96, 3), (224, 7)])
def test_the_stem_fits_the_picture_and_maps_are_complete(image_size, cells):
    torch.manual_seed(1)
    model, images = resnet18(5, 16, image_size).eval(), torch.randn(3, 3, image_size, image_size)
    wrong, true = torch.tensor([0, 1, 2]), torch.tensor([3, 4, 0])
    maps = inference.pair_maps(model, "layer4", images * 255, wrong, true, *PLAIN)
    assert maps.shape == (3, 2, cells, cells)
    assert gradcam.completeness(model, "layer4", maps, images, wrong, true) < 1e-5
    # fresh weights fit the trained network's shapes
    assert [stage for stage, _ in randomisation._randomised(model, 0)][-1] == "stem"


def test_maps_are_the_same_however_many_are_made_at_a_time(monkeypatch):
    torch.manual_seed(1)
    model, images = resnet18(5, 16, 96).eval(), torch.randn(5, 3, 96, 96)
    arguments = model, "layer4", images, torch.arange(5), torch.arange(5).flip(0)
    pixels = *arguments[:2], images * 255, *arguments[3:], *PLAIN
    whole = inference.pair_maps(*pixels)
    monkeypatch.setattr(streams, "PIXELS", 2 * 96**2)
    torch.testing.assert_close(inference.pair_maps(*pixels), whole, rtol=1e-4, atol=1e-6)
    assert gradcam.completeness(*arguments[:2], whole, *arguments[2:]) < 1e-5


def test_a_network_is_read_back_with_the_stem_that_it_was_trained_with(tmp_path):
    info = {"params": {"width": 16, "image_size": 224}, "sha256": {record.WEIGHTS: None}}
    from lib.base import artefacts

    artefacts.write_weights(tmp_path / record.WEIGHTS, resnet18(3, 16, 224))
    info["sha256"][record.WEIGHTS] = artefacts.sha256_of(tmp_path / record.WEIGHTS)
    assert record.load_model(SimpleNamespace(info=info, path=tmp_path), 3).conv1.kernel_size == (
        7,
        7,
    )


def test_a_run_of_before_there_were_sizes_is_that_of_32_px():
    older = {"data": "cifar100", "width": 64}
    assert (
        record.content(older)
        == record.content(older | {"image_size": 32, "root": ""})
        != record.content(older | {"image_size": 64})
    )


@pytest.mark.parametrize("side", [32, 96, 224])
def test_the_crop_is_torchvisions_with_an_eighth_of_padding(side):
    images = torch.randint(
        256, (6, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    draws = augment.draw_augmentation(3, 1, np.arange(6), True, side)
    for image, one, (top, left, flip) in zip(
        images, augment.crop_and_flip(images, draws), draws.tolist()
    ):
        expected = crop(pad(image, side // 8), top, left, side, side)
        assert torch.equal(one, hflip(expected) if flip else expected)
    many = augment.draw_augmentation(0, 0, np.arange(20_000), True, side).numpy()
    assert many.min(0).tolist() == [0, 0, 0] and many.max(0).tolist() == [side // 4, side // 4, 1]


def test_probes_of_an_enlarged_picture_are_the_enlarged_probes_of_the_small_one():
    maps, keys, mean = (
        torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(2)),
        np.arange(4),
        (0.4, 0.5, 0.6),
    )
    large = {
        name: list(pictures)
        for name, pictures in probes.variants(enlarged(SMALL, 7), maps, mean, keys)
    }
    small = {name: list(pictures) for name, pictures in probes.variants(SMALL, maps, mean, keys)}
    assert list(large) == list(small) and set(small) == set(probes.LABELS)
    for name in small:
        assert len(large[name]) == len(small[name])
        for one, other in zip(large[name], small[name]):
            if name.endswith(("blur", "noise")) or name.startswith(("low", "high", "window")):
                # made anew, of finer pixels: near at most
                assert one.shape == (4, 3, 224, 224)
            else:
                assert torch.equal(one, enlarged(other, 7)), name
    for name in ("low:2", "hot:blur", "window"):  # a blur of the same part of the side
        assert (large[name][0].float() - enlarged(small[name][0], 7).float()).abs().mean() < 6


def test_a_blur_has_the_same_part_of_any_side():
    large, small = (
        interventions.fill(enlarged(SMALL, 7), "blur", None, None),
        interventions.fill(SMALL, "blur", None, None),
    )
    assert (large.float() - enlarged(small, 7).float()).abs().max() < 8


def test_the_rule_reads_finer_maps_summed_up_in_its_own_cells():
    maps = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(
        evidence.as_fitted(maps), maps.view(2, 2, 4, 2, 4, 2).sum((3, 5)), rtol=1e-5, atol=1e-6
    )
    seven = torch.randn(2, 2, 7, 7, generator=torch.Generator().manual_seed(5))
    found = evidence.as_fitted(seven)
    torch.testing.assert_close(found.sum((2, 3)), seven.sum((2, 3)), rtol=1e-4, atol=1e-5)
    # 1.75 cells each way
    corner = (
        seven[..., 0, 0] + 0.75 * (seven[..., 0, 1] + seven[..., 1, 0]) + 0.75**2 * seven[..., 1, 1]
    )
    torch.testing.assert_close(found[..., 0, 0], corner, rtol=1e-4, atol=1e-5)
    four = maps[..., :4, :4]
    assert evidence.as_fitted(four) is four


@pytest.mark.parametrize(
    "cells, steps",
    [(16, 8), (64, 8), (49, 7), (9, 9), (25, 5), (36, 9), (121, 11), (1, 1), (289, 17)],
)
def test_deletion_takes_steps_that_divide_the_map(cells, steps):
    assert stage.steps_of(cells) == steps and cells % steps == 0


def test_occlusion_by_cell_is_the_mean_over_each_cells_pixels_at_the_pictures_own_side():
    """49 squares of 56 px on a picture of 224, means over cells of 32 px, by loops; 7x7 cells do
    not fit 32."""
    random = np.random.default_rng(3)
    drops = random.normal(size=(49, 3)).astype(np.float32)
    total, covered = np.zeros((3, 224, 224)), np.zeros((224, 224))
    for square, (row, column) in enumerate(np.ndindex(7, 7)):
        place = slice(28 * row, 28 * row + 56), slice(28 * column, 28 * column + 56)
        total[(slice(None), *place)] += drops[square][:, None, None]
        covered[place] += 1
    expected = (total / covered).reshape(3, 7, 32, 7, 32).mean((2, 4))
    maps = torch.from_numpy(random.normal(size=(3, 1, 7, 7)).astype(np.float32))
    found = stage.occlusion_agreement(
        SimpleNamespace(maps=maps, responses={"square": SimpleNamespace(drop=drops)})
    )
    assert found["correlation"]["estimate"] == pytest.approx(
        randomisation.map_agreement(maps[:, 0], expected)["correlation"]["estimate"], abs=1e-9
    )
    assert faithfulness.by_cell(torch.from_numpy(expected), 7, 7).shape == (3, 7, 7)


def test_large_images_have_the_severities_of_imagenet_c():
    assert {kind: list(values) for kind, values in corruptions.LARGE.items()} == PUBLISHED
    image, index = enlarged(SMALL[:1], 3), np.array([5])
    for severity in corruptions.SEVERITIES:
        radius, sigma = PUBLISHED["defocus_blur"][severity - 1]
        y, x = np.mgrid[-12:13, -12:13]
        soft = 1 if radius <= 8 else 2
        kernel = ndimage.gaussian_filter(
            (np.hypot(x, y) <= radius).astype(float), sigma, radius=soft, mode="constant"
        )
        theirs = np.stack(
            [
                ndimage.convolve(
                    channel.numpy().astype(float), kernel / kernel.sum(), mode="mirror"
                )
                for channel in image[0]
            ]
        )
        assert (
            np.abs(
                corruptions.corrupt(image, "defocus_blur", severity, index)[0].numpy() - theirs
            ).max()
            <= 0.51
        )
        noise = (
            corruptions.corrupt(
                torch.full((1, 3, 96, 96), 128, dtype=torch.uint8),
                "gaussian_noise",
                severity,
                index,
            ).double()
            - 128
        )
        clipped = np.clip(
            np.random.default_rng(0).normal(
                0, 255 * PUBLISHED["gaussian_noise"][severity - 1], 10**6
            ),
            -128,
            127,
        )
        assert noise.std().item() == pytest.approx(clipped.std(), rel=0.03)
    small = corruptions.corrupt(SMALL[:1], "contrast", 1, index)
    mean = SMALL[:1].float().mean((2, 3), keepdim=True)
    assert (small - ((SMALL[:1] - mean) * 0.75 + mean)).abs().max() <= 0.51
