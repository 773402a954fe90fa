"""A small network that is no ResNet, pictures of any size that it gets right, and its run: what
spike-ins are planted into in these tests."""

import dataclasses

import numpy as np
import synthetic
import torch
from torch import nn

from lib.data.dataset import Split, Splits
from lib.training.record import Predictions

CLASSES = 6
MEAN, STD = (0.5,) * 3, (0.25,) * 3


class Edges(nn.Module):
    """A linear layer on what random filters find in 4x4 cells; `cells` has maps of its own."""

    def __init__(self, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        self.filters = nn.Conv2d(3, 12, 3, padding=1, bias=False)
        self.cells = nn.AdaptiveAvgPool2d(4)
        self.last = nn.Linear(12 * 16, CLASSES)
        with torch.no_grad():
            self.last.weight.mul_(20)
            # no class is the answer to every picture
            self.last.bias.zero_()
            self.last.bias.sub_(self((pictures(100, 32, 9) / 255 - 0.5) / 0.25).mean(0))

    def forward(self, x):
        return self.last(self.cells(self.filters(x).relu()).flatten(1))


def pictures(number: int, side: int, seed: int) -> torch.Tensor:
    """Smooth noise, uint8 (number, 3, side, side)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(40, 216, (number, 3, 16, 16), generator=generator).float()
    fine = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    return fine.round().to(torch.uint8)


def study(side: int = 32, images: int = 120, superclasses: int = 2, seed: int = 0):
    """Network, run and splits, whose labels are what the network says but for every seventh
    image."""
    network = Edges(seed).eval()

    def split(part):
        made = pictures(images, side, part)
        with torch.no_grad():
            logits = network((made / 255 - 0.5) / 0.25).numpy()
        labels = logits.argmax(1)
        labels[::7] = (labels[::7] + 1) % CLASSES
        index = np.arange(images) + 1000
        return Split(made, torch.from_numpy(labels), index), Predictions(index, labels, logits)

    (val, of_val), (test, of_test) = split(1), split(2)
    groups = np.arange(CLASSES) % (superclasses or CLASSES)
    names = [f"class_{number}" for number in range(CLASSES)]
    splits = Splits("folder", val, val, test, names, groups, names, MEAN, STD, "digest")
    run = synthetic.run(classes=CLASSES, params={"precision": "fp32"})
    run = dataclasses.replace(run, val=of_val, test=of_test, info=run.info | {"layer": "filters"})
    return network, run, splits
