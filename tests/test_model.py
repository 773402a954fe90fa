import pytest
import torch
from synthetic import with_statistics
from torch import nn
from torchvision.models import resnet18 as torchvision_resnet18

from lib.model import resnet18
from lib.training.inference import fold_batch_norm, logits


def reference(num_classes: int) -> nn.Module:
    """torchvision's ResNet-18 with the stem for 32x32 images."""
    model = torchvision_resnet18(num_classes=num_classes)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def test_full_size_has_the_published_number_of_parameters():
    assert sum(p.numel() for p in resnet18().parameters()) == 11_220_132


def test_same_function_as_torchvision_with_the_same_weights():
    torch.manual_seed(0)
    theirs = with_statistics(reference(100)).eval()
    ours = resnet18(100, 64).eval()
    ours.load_state_dict(theirs.state_dict())  # strict: the same names and shapes
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("folded", [False, True])
def test_a_narrow_networks_shortcut_is_the_convolution_of_stride_2(folded):
    torch.manual_seed(0)
    narrow = with_statistics(resnet18(5, 4)).eval()
    narrow = fold_batch_norm(narrow) if folded else narrow
    convolution, x = narrow.layer2[0].downsample[0], torch.randn(2, 4, 32, 32)
    expected = nn.functional.conv2d(x, convolution.weight, convolution.bias, stride=2)
    torch.testing.assert_close(convolution(x), expected)
    assert (convolution.bias is not None) is folded


@pytest.mark.slow
def test_same_gradients_as_torchvision_in_train_mode():
    torch.manual_seed(0)
    theirs, ours = reference(10).double(), resnet18(10, 64).double()
    ours.load_state_dict(theirs.state_dict())
    images, labels = torch.randn(4, 3, 32, 32, dtype=torch.float64), torch.tensor([1, 2, 3, 4])
    for model in (ours, theirs):
        nn.functional.cross_entropy(model(images), labels).backward()
    gradients = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name].grad)


def test_initial_weights_have_torchvisions_spread():
    torch.manual_seed(0)
    theirs, ours = reference(100).state_dict(), resnet18(100, 64).state_dict()
    for name in (
        "layer1.0.conv1.weight",
        "layer2.0.downsample.0.weight",
        "layer4.1.conv2.weight",
        "fc.weight",
    ):
        assert ours[name].std().item() == pytest.approx(theirs[name].std().item(), rel=0.05), name
    # He, fan out
    assert ours["conv1.weight"].std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)


@pytest.mark.parametrize("arguments", [(0, 64), (10, 0), (-1, 8)])
def test_sizes_that_are_not_positive_are_refused(arguments):
    with pytest.raises(ValueError, match="must be positive"):
        resnet18(*arguments)


def test_folding_batch_norm_changes_nothing_but_the_layers():
    torch.manual_seed(0)
    model = with_statistics(resnet18(10, 8))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    folded = fold_batch_norm(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(folded(images), model.eval()(images), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    # the layer of the maps may be any of the network's
    assert {name for name, _ in model.named_modules()} == {
        name for name, _ in folded.named_modules()
    }


def test_predicted_logits_are_those_of_the_plain_network():
    torch.manual_seed(0)
    model = with_statistics(resnet18(10, 8))
    images = torch.randint(256, (7, 3, 32, 32), dtype=torch.uint8)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
    plain = (images / 255.0 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    with torch.no_grad():
        expected = model.eval()(plain)
    found = torch.from_numpy(logits(model, images, mean, std, batch_size=3))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    half = torch.from_numpy(logits(model, images, mean, std, precision="bf16"))
    assert half.dtype == torch.float32 and not torch.equal(half, found)
    assert (half - expected).abs().max() < 0.05 * expected.std()
