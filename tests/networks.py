"""Small networks as people bring them, right ones and, each in its own way, wrong ones. Named by
tests as `networks:small`."""

from collections import namedtuple
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet


class Small(nn.Module):
    """Two convolutions, average pooling and one linear layer; its features go through `view`."""

    def __init__(self, num_classes: int = 10, channels: int = 3):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 8, 3, 2, padding=1)
        self.conv2 = nn.Conv2d(8, 12, 3, 2, padding=1)
        self.fc = nn.Linear(12, num_classes)

    def features(self, x):
        return F.relu(self.conv2(F.relu(self.conv1(x))))

    def forward(self, x):
        return self.fc(F.adaptive_avg_pool2d(self.features(x), 1).view(len(x), -1))


def small(num_classes=10):
    return Small(num_classes)


def of_ten():
    return Small(10)


class Flat(Small):
    """Takes 32 px alone; behind its features two linear layers."""

    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        self.fc = nn.Linear(12 * 64, num_classes)

    def forward(self, x):
        return self.fc(self.features(x).view(len(x), -1))


class PreActivation(nn.Module):
    """Names say bn1 after conv1, and bn1 comes before; ResNet-D's shortcut; one norm used by two
    convolutions."""

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.bn1, self.conv1 = nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1)
        self.bn2, self.conv2 = nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1)
        self.conv3 = nn.Conv2d(8, 16, 3, 2, padding=1)
        self.downsample = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(8, 16, 1), nn.BatchNorm2d(16))
        self.fc = nn.Linear(16, num_classes)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.conv1(self.bn1(x).relu())
        x = x + self.conv2(self.bn2(x).relu()) + self.conv1(self.bn2(x).relu())
        x = self.downsample(x) + self.conv3(self.bn2(x).relu())
        return self.fc(x.mean((2, 3)))


def bottlenecks(num_classes: int = 10):
    """torchvision's ResNet-50 with a block in place of several, and a quarter of its width."""
    blocks = [1, 1, 1, 1]
    return ResNet(Bottleneck, blocks, num_classes=num_classes, width_per_group=16)


class Tokens(nn.Module):
    """A small transformer: patches of 8 px, a class token, one block."""

    def __init__(self, num_classes: int = 10, side: int = 32):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.block = nn.TransformerEncoderLayer(16, 2, 32, 0.1, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = self.block(torch.cat([self.token.expand(len(x), -1, -1), x], 1))
        return self.head(self.norm(x)[:, 0])


class Twice(Small):
    """One block run twice."""

    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())

    def features(self, x):
        x = F.relu(self.conv1(x))
        return F.relu(self.conv2(self.block(self.block(x))))


class Looped(Twice):
    """The same block three times, in a loop."""

    def features(self, x):
        x = F.relu(self.conv1(x))
        for _ in range(3):
            x = self.block(x)
        return F.relu(self.conv2(x))


class Flipped(Small):
    """The mean over a picture and its mirror image."""

    def forward(self, x):
        return (super().forward(x) + super().forward(x.flip(3))) / 2


# What it returns.


class Probabilities(Small):
    def forward(self, x):
        return super().forward(x).softmax(1)


class Sigmoid(Small):
    """As it is trained with binary cross-entropy."""

    def forward(self, x):
        return super().forward(x).sigmoid()


class SigmoidStep(Small):
    """A step of its own, in 16 bits, a shape that is put right behind it, and a change in place."""

    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        self.last = nn.Sigmoid()

    def forward(self, x):
        return self.last(super().forward(x.mul_(1)).half()[:, :, None]).squeeze(2).float()


class SigmoidInDictionary(Small):
    def forward(self, x):
        return {"logits": torch.sigmoid(super().forward(x))}


class Gated(Small):
    """A sigmoid before its last step; logits in 0..1."""

    def forward(self, x):
        return F.linear(super().forward(x).sigmoid(), torch.eye(self.fc.out_features) / 2)


class Cosine(Small):
    """Logits that lie in 0..1, and whose rows do not add to 1."""

    def forward(self, x):
        x = F.normalize(self.features(x).mean((2, 3)), dim=1)
        return (x @ F.normalize(self.fc.weight, dim=1).T + 1) / 2


class Squeezed(Small):
    def forward(self, x):
        return super().forward(x).squeeze()


class Maps(Small):
    """(N, classes, 1, 1)."""

    def forward(self, x):
        return super().forward(x)[:, :, None, None]


class Infinite(Small):
    def forward(self, x):
        logits = super().forward(x)
        return torch.where(torch.arange(len(x), device=x.device)[:, None] == 1, torch.nan, logits)


@dataclass
class Output:
    logits: torch.Tensor
    loss: torch.Tensor | None = None


class InDataclass(Small):
    def forward(self, x):
        return Output(super().forward(x))


class InDictionary(Small):
    def forward(self, x):
        features = self.features(x)
        return {"logits": self.fc(features.mean((2, 3))), "features": features}


class WithFeatures(Small):
    """A second table, of another width."""

    def forward(self, x):
        features = self.features(x).mean((2, 3))
        return {"logits": self.fc(features), "features": features}


NamedLogits = namedtuple("NamedLogits", "logits maps")


class InNamedTuple(Small):
    def forward(self, x):
        features = self.features(x)
        return NamedLogits(self.fc(features.mean((2, 3))), features)


class TwoTables(Small):
    def forward(self, x):
        logits = super().forward(x)
        return {"logits": logits, "auxiliary": logits / 2}


class InTuple(Small):
    def forward(self, x):
        logits = super().forward(x)
        return logits, self.features(x).mean((2, 3))


# What it does besides.


class Dropped(Small):
    """F.dropout is on unless it is told not to be."""

    def forward(self, x):
        return self.fc(F.dropout(self.features(x).mean((2, 3)), 0.3))


class DroppedInTraining(Small):
    def forward(self, x):
        return self.fc(F.dropout(self.features(x).mean((2, 3)), 0.3, self.training))


class Shaken(Small):
    """Shifts its pictures at random, as some do in training."""

    def forward(self, x):
        return super().forward(torch.roll(x, torch.randint(-2, 3, (2,)).tolist(), (2, 3)))


class ShallowAtRandom(Small):
    """Stochastic depth that forgets net.eval()."""

    def features(self, x):
        return super().features(x) * (torch.rand(len(x), 1, 1, 1) > 0.2)


class OneNorm(nn.Module):
    """One norm behind two convolutions."""

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.bn1, self.fc = nn.BatchNorm2d(8), nn.Linear(8, num_classes)

    def forward(self, x):
        x = self.bn1(self.conv2(self.bn1(self.conv1(x)).relu()))
        return self.fc(x.mean((2, 3)))


class WithPlaces(Small):
    """Logits, and beside them what maps are made of."""

    def forward(self, x):
        features = self.features(x)
        return self.fc(features.mean((2, 3))), features


class Crossed(OneNorm):
    """Norms and convolutions whose names are crossed, and one convolution before two norms."""

    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        self.bn2 = nn.BatchNorm2d(8)
        for norm in (self.bn1, self.bn2):
            nn.init.uniform_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 1.5)

    def forward(self, x):
        x = self.bn2(self.conv1(x)).relu()
        return self.fc(self.bn1(self.conv2(self.bn2(self.conv2(x)).relu())).mean((2, 3)))


class NormFirst(PreActivation):
    """A norm before its convolution, a convolution between norms of other numbers."""

    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        for norm in (self.bn1, self.bn2):
            nn.init.uniform_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 1.5)

    def forward(self, x):
        x = self.conv2(self.bn1(self.conv1(self.bn2(self.stem(x)))).relu())
        return self.fc(self.downsample(x).mean((2, 3)) + self.conv3(x).mean((2, 3)))


class NoisyNumpy(Small):
    """Randomness that is not torch's."""

    def forward(self, x):
        import numpy as np

        return super().forward(x) + torch.from_numpy(np.random.normal(size=(len(x), 1))).float()


class Seeded(Small):
    """The same noise at every call, by place in the batch."""

    def forward(self, x):
        generator = torch.Generator().manual_seed(0)
        return super().forward(x) + torch.randn(len(x), 1, generator=generator)


class DrawsInVain(Small):
    """Draws random numbers and uses none."""

    def forward(self, x):
        torch.rand(3)
        return super().forward(x)


class OfItsBatch(Small):
    def features(self, x):
        return F.batch_norm(super().features(x), None, None, training=True)


class OfItsCompany(Small):
    """Centred over the batch."""

    def forward(self, x):
        logits = super().forward(x)
        return logits - logits.mean(0)


class Counting(Small):
    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen += len(x)
        return super().forward(x)


class Moving(Small):
    """A running mean that is updated in eval mode, and not used."""

    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        self.register_buffer("average", torch.zeros(3))

    def forward(self, x):
        self.average.lerp_(x.mean((0, 2, 3)), 0.1)
        return super().forward(x)


class Remembering(Small):
    """Its answer depends on what it was shown before."""

    def forward(self, x):
        self.calls = getattr(self, "calls", 0) + 1
        return super().forward(x) * self.calls


class Global(Small):
    def forward(self, x):
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        return super().forward(x)


def patched(num_classes=10):
    """As a library that casts to float32 leaves it."""
    net = Small(num_classes)
    plain = net.forward
    net.forward = lambda x: plain(x.float())
    return net


def half_patched(num_classes=10):
    """The head is the copy's own, the body stays the first network's."""
    net = Small(num_classes)
    plain = net.features
    net.features = lambda x: plain(x)
    return net


class Rebound(Small):
    """A forward that is set, as a method of the network that it is of: copies have their own."""

    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        self.forward = self.classify

    def classify(self, x):
        return Small.forward(self, x)


class Shared(Small):
    """Copies share the head."""

    def __deepcopy__(self, memo):
        other = Shared(self.fc.out_features)
        other.load_state_dict(self.state_dict())
        for name, parameter in self.named_parameters():
            module, _, leaf = name.rpartition(".")
            setattr(other.get_submodule(module), leaf, parameter)
        for hook in self._forward_hooks.values():
            other.register_forward_hook(hook)
        return other.eval()


class NotCopied(Small):
    def __deepcopy__(self, memo):
        raise TypeError("cannot pickle '_thread.lock' object")


# What it makes of pictures.


class Halved(Small):
    """Computes in 16 bits."""

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(x)


class Normalising(Small):
    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        self.register_buffer("mean", torch.tensor([0.5, 0.5, 0.5]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.2, 0.2]).view(1, 3, 1, 1))

    def forward(self, x):
        return super().forward((x - self.mean) / self.std)


class NormalisingParameters(Small):
    """The same as parameters that are not trained."""

    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        self.pixel_mean = nn.Parameter(torch.full((3, 1, 1), 0.5), requires_grad=False)
        self.pixel_std = nn.Parameter(torch.full((3, 1, 1), 0.2), requires_grad=False)

    def forward(self, x):
        return super().forward((x - self.pixel_mean) / self.pixel_std)


class Normalize(nn.Module):
    """As torchvision's transform, a step with lists."""

    def __init__(self):
        super().__init__()
        self.mean, self.std = [0.5, 0.5, 0.5], [0.2, 0.2, 0.2]

    def forward(self, x):
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return (x - mean) / std


def with_a_step(num_classes=10):
    return nn.Sequential(Normalize(), Small(num_classes))


def with_a_norm_of_pixels(num_classes=10):
    """A BatchNorm of three channels learns how to, and is no second normalisation."""
    return nn.Sequential(nn.BatchNorm2d(3), Small(num_classes))


def grey(num_classes=10):
    return Small(num_classes, channels=1)


class Fixed(Small):
    def forward(self, x):
        assert x.shape[-1] == 224, f"Wrong image height! Expected 224 but got {x.shape[-1]}!"
        return super().forward(x)


# How it is built.


class Projected(Small):
    """A random matrix that is neither parameter nor buffer."""

    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        self.matrix = torch.randn(12, 12)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)) @ self.matrix)


class ProjectedBuffer(Small):
    """The same as a buffer that is not saved."""

    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        self.register_buffer("matrix", torch.randn(12, 12), persistent=False)


def pretrained(num_classes=10):
    """The body is always the same, the head is drawn."""
    net = Small(num_classes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body = Small(num_classes).state_dict()
    net.load_state_dict({name: body[name] for name in body if "fc" not in name}, strict=False)
    return net


def whole(num_classes=10):
    """Its weights are in its code."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Small(num_classes)


class Tied(Small):
    """One matrix with two names."""

    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        self.other = nn.Linear(12, num_classes)
        self.other.weight = self.fc.weight

    def forward(self, x):
        x = self.features(x).mean((2, 3))
        return self.fc(x) + self.other(x)


def lazy(num_classes=10):
    return nn.Sequential(
        nn.LazyConv2d(8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(10)
    )


def nothing():
    return nn.Flatten()


def a_list(num_classes=10):
    return [Small(num_classes)]


def failing(num_classes=10):
    raise FileNotFoundError("no such file: backbone.pth\nsecond line")


def any_names(**options):
    return Small(**options)


def no_names(**options):
    return of_ten(**options)


class Dead(Small):
    """No gradient passes its features: they are cut off."""

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)).detach() + x.mean((1, 2, 3))[:, None])


class ZeroMap(nn.Module):
    """Its only map is multiplied by zero before the head."""

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.conv1, self.fc = nn.Conv2d(3, 8, 3, 2), nn.Linear(8, num_classes)

    def forward(self, x):
        return self.fc(self.conv1(x).mean((2, 3)) * 0 + x.mean((1, 2, 3))[:, None])


class NoNumber(Small):
    """Finite logits, and a gradient that is not: the root of zero."""

    def forward(self, x):
        x = self.features(x).mean((2, 3))
        return self.fc(x) + (x.detach() - x).abs().sqrt().sum(1, keepdim=True)


class WithAuxiliary(Small):
    """A head that runs in training alone."""

    def __init__(self, num_classes: int = 10):
        super().__init__(num_classes)
        self.auxiliary = nn.Conv2d(12, num_classes, 1)

    def forward(self, x):
        x = self.features(x)
        logits = self.fc(x.mean((2, 3)))
        return logits + self.auxiliary(x).mean((2, 3)) if self.training else logits


class WithHeadOfMany(Small):
    """1,000 outputs whatever is asked."""

    def __init__(self, num_classes: int = 10):
        super().__init__(1000)
