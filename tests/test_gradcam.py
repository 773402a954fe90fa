import networks
import numpy as np
import pytest
import torch
import torchvision
from pytorch_grad_cam import GradCAM as ReferenceGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from lib import gradcam
from lib.model import resnet18
from lib.training import inference


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return resnet18(10, 8).eval()


@pytest.fixture(scope="module")
def images():
    return torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))


TARGETS = torch.tensor([0, 3, 3, 9, 1])


def maps(model, images, layer="layer4", **options):
    with gradcam.GradCAM(model, getattr(model, layer)) as cam:
        return cam.maps(images, TARGETS, **options)


def pair_maps(model, layer, images, wrong, true):
    """Of images that are normalised already."""
    return inference.pair_maps(model, layer, images * 255, wrong, true, (0.0,) * 3, (1.0,) * 3)


def test_the_sum_over_a_layer4_map_plus_the_bias_is_the_logit(model, images):
    with torch.no_grad():
        logits = model(images).gather(1, TARGETS[:, None])[:, 0]
    torch.testing.assert_close(
        maps(model, images).sum((1, 2)) + model.fc.bias[TARGETS], logits, rtol=1e-4, atol=1e-5
    )


def test_a_layer4_map_is_the_class_activation_map(model, images):
    """Zhou et al., https://arxiv.org/abs/1512.04150: the class's weights over the last features,
    here per cell of 16."""
    with torch.no_grad():
        features = model.relu(model.bn1(model.conv1(images)))
        features = model.layer4(model.layer3(model.layer2(model.layer1(features))))
        expected = torch.einsum("nchw,nc->nhw", features, model.fc.weight[TARGETS]) / 16
    torch.testing.assert_close(maps(model, images), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layer", ["layer2", "layer3", "layer4"])
def test_rectified_maps_are_those_of_pytorch_grad_cam(model, images, layer):
    with ReferenceGradCAM(model, [getattr(model, layer)]) as cam:
        # scaled to 0..1, 32 x 32
        theirs = cam(images, [ClassifierOutputTarget(int(target)) for target in TARGETS])
    ours = maps(model, images, layer, relu=True).numpy()
    for our, their in zip(ours, theirs):
        if our.max() == 0:  # nothing raises the class anywhere
            assert np.ptp(their) == 0
            continue
        scaled = torch.nn.functional.interpolate(
            torch.from_numpy(our)[None, None], size=(32, 32), mode="bilinear"
        )[0, 0].numpy()
        assert np.corrcoef(scaled.ravel(), their.ravel())[0, 1] > 0.99


def test_maps_are_signed_unless_rectified(model, images):
    raw, rectified = maps(model, images), maps(model, images, relu=True)
    assert raw.min() < 0 and rectified.min() == 0
    assert torch.equal(raw.clamp(min=0), rectified)


def test_neither_hook_nor_gradient_is_left_behind(images):
    model = resnet18(10, 8).eval()
    with pytest.raises(RuntimeError, match="inside"):
        with gradcam.GradCAM(model, model.layer4) as cam:
            cam.maps(images, TARGETS)
            raise RuntimeError("inside")
    assert not model.layer4._forward_hooks
    assert all(parameter.grad is None for parameter in model.parameters())


def test_watching_does_not_change_the_logits(model, images):
    with torch.no_grad():
        plain = model(images)
        with gradcam.GradCAM(model, model.layer3):
            watched = model(images)
    assert torch.equal(plain, watched)


def test_works_without_gradients_of_the_weights(images):
    torch.manual_seed(0)
    frozen = resnet18(10, 8).eval().requires_grad_(False)
    assert maps(frozen, images).abs().sum() > 0


def test_train_mode_and_wrong_targets_are_refused(model, images):
    with gradcam.GradCAM(model, model.layer4) as cam:
        with pytest.raises(ValueError, match="one class an image"):
            cam.maps(images, TARGETS[:2])
        model.train()
        with pytest.raises(ValueError, match="eval mode"):
            cam.maps(images, TARGETS)
        model.eval()


def test_pair_maps_are_those_of_each_class(model, images):
    true = torch.tensor([1, 2, 4, 5, 6])
    both = pair_maps(model, "layer4", images, TARGETS, true)
    torch.testing.assert_close(both[:, 0], maps(model, images))
    assert gradcam.completeness(model, "layer4", both, images, TARGETS, true) < 1e-4
    assert gradcam.completeness(model, "layer4", both + 1, images, TARGETS, true) > 1
    assert gradcam.completeness(model, "layer3", both, images, TARGETS, true) is None


# --- any network


def of(name, **options):
    """With norms that do something, as after a training."""
    torch.manual_seed(0)
    model = getattr(networks, name)(**options).eval()
    for norm in (one for one in model.modules() if isinstance(one, torch.nn.BatchNorm2d)):
        for tensor in (norm.weight.data, norm.running_var, norm.running_mean):
            tensor.uniform_(0.5, 1.5)
    return model


def of_torchvision(name):
    torch.manual_seed(0)
    return getattr(torchvision.models, name)(num_classes=10).eval()


@pytest.mark.parametrize(
    "model, side, layer",
    [
        (of("small"), 32, "conv2"),
        (of("PreActivation"), 32, "conv3"),
        (of("Tokens"), 32, None),
        # a block that runs twice is no single map
        (of("Twice"), 32, "conv2"),
        (torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10)), 32, None),
        (of_torchvision("mobilenet_v3_small"), 64, "features"),
        # one cell is no map
        (of_torchvision("mobilenet_v3_small"), 32, "features.9.block.0"),
        (of_torchvision("resnet18"), 64, "layer4"),
        # pooled up from one cell to many alike
        (torchvision.models.vgg11(num_classes=10).features, 32, "19"),
    ],
)
def test_the_layer_of_the_maps_is_the_last_with_places(model, side, layer):
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    assert gradcam.find_layer(model.eval(), images) == layer
    assert not any(module._forward_hooks for module in model.modules())


def test_pooling_that_spreads_one_cell_over_many_gives_no_map(images):
    body = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 8, 8), torch.nn.AdaptiveAvgPool2d(1))
    spread = torch.nn.Sequential(
        body, torch.nn.AdaptiveAvgPool2d(7), torch.nn.Flatten(), torch.nn.Linear(196, 10)
    )
    assert gradcam.find_layer(spread.eval(), images) == "0.0"


def test_places_first_and_channels_last_are_no_map_but_a_sign_of_places_kept(images):
    class Windows(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.mix = torch.nn.Conv2d(3, 8, 8, 8), torch.nn.Linear(8, 8)
            self.head = torch.nn.Linear(8, 10)

        def forward(self, x):
            x = self.mix(self.patches(x).permute(0, 2, 3, 1))  # (N, 4, 4, 8)
            return self.head(x.mean((1, 2)))

    assert gradcam.find_layer(Windows().eval(), images) is None


@pytest.mark.parametrize(
    "model, layer",
    [
        (of("small"), "conv2"),
        (of("Flat"), "conv2"),
        (of("PreActivation"), "conv3"),
        (of("Twice"), "conv1"),
        (of_torchvision("mobilenet_v3_small"), "features.9.block.0"),
        (of_torchvision("resnet18"), "layer3"),
        (of_torchvision("resnet18"), "layer3.1.conv2"),
    ],
)
def test_raw_maps_of_any_network_equal_those_of_pytorch_grad_cam(model, layer, images):
    with ReferenceGradCAM(model, [model.get_submodule(layer)]) as cam:
        outputs = cam.activations_and_grads(images)
        outputs.gather(1, TARGETS[:, None]).sum().backward()
        watched = cam.activations_and_grads
        theirs = cam.get_cam_image(
            images,
            model.get_submodule(layer),
            [ClassifierOutputTarget(int(target)) for target in TARGETS],
            watched.activations[0].detach().numpy(),
            watched.gradients[0].detach().numpy(),
            False,
        )
    with gradcam.GradCAM(model, model.get_submodule(layer)) as cam:
        ours = cam.maps(images, TARGETS).numpy()
    assert np.abs(ours).max() > 0
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize(
    "name, layer, holds",
    [
        ("small", "conv2", False),  # a ReLU stands between the layer and the pooling
        ("PreActivation", "conv3", False),  # the shortcut does not pass the layer
        ("Flat", "conv2", False),
        ("Pooled", "features", True),
        ("Highest", "features", False),
    ],
)
def test_the_sum_identity_is_told_where_pooling_and_one_linear_layer_follow(
    images, name, layer, holds
):
    class Pooled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.features = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 4, 4), torch.nn.ReLU())
            self.head = torch.nn.Linear(8, 10)

        def forward(self, x):
            return self.head(self.features(x).mean((2, 3)))

    class Highest(Pooled):
        def forward(self, x):
            return self.head(self.features(x).amax((2, 3)))

    torch.manual_seed(0)
    model = {"Pooled": Pooled, "Highest": Highest}.get(name, getattr(networks, name, None))().eval()
    both = pair_maps(model, layer, images, TARGETS, TARGETS)
    deviation = gradcam.completeness(model, layer, both, images, TARGETS, TARGETS)
    assert (deviation is not None) == holds
    if holds:
        assert deviation < 1e-4
        assert gradcam.completeness(model, layer, both + 1, images, TARGETS, TARGETS) > 1


def test_a_layer_that_runs_twice_is_refused_rather_than_its_last_run_shown(images):
    model = of("Twice")
    with gradcam.GradCAM(model, model.block) as cam:
        with pytest.raises(ValueError, match="runs 2 times"):
            cam.maps(images, TARGETS)


# --- prediction and occlusion of any network


MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def pictures(count=6):
    return torch.randint(
        0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(2)
    )


def plain_loop(model, images, mean, std):
    scaled = images.float() / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std))
    with torch.no_grad():
        return model((scaled - mean) / std)


@pytest.mark.parametrize("name", ["small", "Flat", "PreActivation", "OneNorm", "Tokens"])
def test_predictions_equal_a_plain_loops(name):
    model, images = of(name), pictures()
    expected = plain_loop(model, images, MEAN, STD)
    for result in (
        torch.from_numpy(inference.logits(model, images, MEAN, STD)),
        inference.forward(inference.ready(model), images, MEAN, STD),
        inference.forward(inference.ready(model, "bf16"), images, MEAN, STD),
    ):
        torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-6)


def test_a_network_that_was_brought_sees_its_own_mean_and_deviation():
    model, images = of("small"), pictures()
    model.brought_statistics = MEAN, STD
    result = torch.from_numpy(inference.logits(model, images, (0.0,) * 3, (1.0,) * 3))
    torch.testing.assert_close(result, plain_loop(model, images, MEAN, STD))


def test_without_a_layer_maps_are_what_covering_each_cell_takes_from_the_logit():
    model, images = of("Tokens"), pictures(3)
    targets = torch.tensor([1, 7, 7])
    result = inference.maps(inference.ready(model), None, images, targets, MEAN, STD)
    whole, rows = plain_loop(model, images, MEAN, STD), torch.arange(3)
    colour = torch.tensor([128, 102, 76], dtype=torch.uint8)[:, None, None]
    for row in range(4):
        for column in range(4):
            covered = images.clone()
            covered[:, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = colour
            lost = whole - plain_loop(model, covered, MEAN, STD)
            torch.testing.assert_close(
                result[:, row, column], lost[rows, targets], rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize("name, features", [("small", 12), ("Flat", 768), ("Tokens", 16)])
def test_features_are_what_the_last_layer_is_given(name, features):
    model, images = of(name), pictures()
    given = inference.features(inference.ready(model), images, MEAN, STD)
    head = model.fc if hasattr(model, "fc") else model.head
    assert given.shape == (6, features)
    expected = plain_loop(model, images, MEAN, STD)
    with torch.inference_mode():
        torch.testing.assert_close(head(given), expected, rtol=1e-5, atol=1e-5)


def test_features_of_a_convolution_as_head_are_averaged_over_places():
    model, images = of_torchvision("squeezenet1_1"), pictures()
    kept = []
    model.features.register_forward_hook(lambda module, given, output: kept.append(output))
    plain_loop(model, images, MEAN, STD)
    given = inference.features(inference.ready(model), images, MEAN, STD)
    torch.testing.assert_close(given, kept[0].mean((2, 3)), rtol=1e-4, atol=1e-5)
