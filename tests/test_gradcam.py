import numpy as np
import pytest
import torch
from pytorch_grad_cam import GradCAM as ReferenceGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from lib import gradcam
from lib.model import resnet18


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
    both = gradcam.pair_maps(model, "layer4", images, TARGETS, true)
    torch.testing.assert_close(both[:, 0], maps(model, images))
    assert gradcam.completeness(model, "layer4", both, images, TARGETS, true) < 1e-4
    assert gradcam.completeness(model, "layer4", both + 1, images, TARGETS, true) > 1
    assert gradcam.completeness(model, "layer3", both, images, TARGETS, true) is None
