"""ResNet-18 with torchvision's parameter names: for small images a 3x3 stem and no max-pool, for
larger ones torchvision's own stem."""

import torch
import torch.nn.functional as F
from torch import nn

SMALL = 64  # pixels of a side up to which the stem keeps every one of them


class EverySecond(nn.Conv2d):
    """A 1x1 convolution of stride 2, (N, C, h, w) to (N, D, h/2, w/2), of every second pixel.

    Below 8 channels oneDNN's gradient of the usual one writes beyond its memory where there is no
    AVX-512, and the process ends."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x[:, :, ::2, ::2].contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, self.weight, self.bias)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., https://arxiv.org/abs/1512.03385)."""

    def __init__(self, inplanes: int, planes: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)  # in place: 3 % of a training step on a CPU
        self.downsample = None
        if stride != 1 or inplanes != planes:
            kind = EverySecond if inplanes < 8 else nn.Conv2d
            self.downsample = nn.Sequential(
                kind(inplanes, planes, 1, stride, bias=False), nn.BatchNorm2d(planes)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)).add_(shortcut))


class ResNet(nn.Module):
    """Four stages of two blocks; `width` channels in the first stage, doubled in each later one;
    the stem fits `image_size`."""

    def __init__(self, num_classes: int, width: int, image_size: int):
        super().__init__()
        self.image_size, self.small = image_size, image_size <= SMALL
        self.conv1 = (
            nn.Conv2d(3, width, 3, padding=1, bias=False)
            if self.small
            else nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        planes = [width, width, 2 * width, 4 * width, 8 * width]
        for i in range(4):
            stage = nn.Sequential(
                BasicBlock(planes[i], planes[i + 1], 1 if i == 0 else 2),
                BasicBlock(planes[i + 1], planes[i + 1], 1),
            )
            setattr(self, f"layer{i + 1}", stage)
        self.fc = nn.Linear(8 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(x)))  # (N, w, 32, 32), of 224 px (N, w, 112, 112)
        x = x if self.small else F.max_pool2d(x, 3, 2, padding=1)  # the same, or 56
        x = self.layer2(self.layer1(x))  # (N, 2w, 16, 16), or 28
        x = self.layer4(self.layer3(x))  # (N, 8w, 4, 4), or 7
        return self.fc(x.mean((2, 3)))  # (N, classes)


def resnet18(num_classes: int = 100, width: int = 64, image_size: int = 32) -> nn.Module:
    """ResNet-18 for (N, 3, image_size, image_size) images; 11,220,132 parameters at width 64, 100
    classes and 32 px.

    Up to SMALL pixels the stem is a 3x3 convolution (features of layer4: a cell for 8 px); beyond,
    torchvision's, a 7x7 of stride 2 and max-pooling (a cell for 32 px).

    Returns (N, num_classes) logits. Initialised as torchvision does, from torch's global generator.
    Raises ValueError if `num_classes` or `width` is not positive.
    """
    if num_classes < 1 or width < 1:
        raise ValueError(f"num_classes and width must be positive, got {num_classes} and {width}")
    return ResNet(num_classes, width, image_size)


def layout(network: nn.Module) -> torch.memory_format:
    """Of the pictures that a network is given: channels last for ours, which is faster so; another
    may `view` its features, which fails there."""
    return torch.channels_last if type(network) is ResNet else torch.contiguous_format
