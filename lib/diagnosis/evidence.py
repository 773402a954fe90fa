"""What wrong predictions say when their pictures are changed: the answers to every probe, and the
maps of both classes."""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from lib.data.streams import take
from lib.diagnosis import probes
from lib.evaluation import calibration
from lib.training import inference, machine, record

CELLS = 4  # a side, which readings of maps are made on, whatever the picture's own size


class Evidence(NamedTuple):
    """What was found about N errors: their positions in the split, classes, probabilities (N, 2)
    and maps (N, 2, h, w) of the wrong and the true class, and responses to the probes."""

    position: np.ndarray
    wrong: torch.Tensor
    true: torch.Tensor
    whole: np.ndarray
    maps: torch.Tensor
    responses: dict[str, probes.Response]


def fast(run, model: nn.Module) -> nn.Module:
    """The network ready for probing, in bf16 where the run may use it and the device computes
    it."""
    return inference.ready(
        model,
        machine.choose_precision(run.info["params"]["precision"], next(model.parameters()).device),
    )


def examine(run, model: nn.Module, splits, among: np.ndarray | None = None) -> Evidence:
    """Probe every wrong test prediction of a run's network, or those `among` some positions; raises
    ValueError if there is none.

    Maps are those of the network's own layer; probabilities are after temperature scaling, fitted
    on val.
    """
    part, stored = splits.test, run.test
    position = np.flatnonzero(~stored.correct)
    position = position if among is None else np.intersect1d(position, among)
    if not len(position):
        raise ValueError(
            "examine: the network makes no error on these images; there is nothing to probe"
        )
    temperature = calibration.fit_temperature(run.val.logits, run.val.labels)
    wrong, true = (
        torch.from_numpy(values[position]) for values in (stored.predicted, stored.labels)
    )
    # probes need many passes, maps and features their digits
    ready, images = (
        inference.ready(model),
        take(part.images, position),
    )
    layer = record.map_layer(run)
    maps = inference.pair_maps(ready, layer, images, wrong, true, splits.mean, splits.std)
    responses = probes.respond(
        fast(run, model),
        images,
        maps[:, 0],
        wrong,
        true,
        splits.mean,
        splits.std,
        temperature,
        part.index[position],
    )
    probability = calibration.softmax(stored.logits[position], temperature)
    whole = np.take_along_axis(probability, torch.stack([wrong, true], 1).numpy(), 1)
    return Evidence(position, wrong, true, whole, maps, responses)


def as_fitted(maps: torch.Tensor) -> torch.Tensor:
    """Maps (N, M, h, w) on 4x4 cells, each the sum over its part:
    what it adds to the logit."""
    height, width = maps.shape[2:]
    if (height, width) == (CELLS, CELLS):
        return maps
    fine = maps.repeat_interleave(CELLS, 2).repeat_interleave(CELLS, 3)
    return torch.nn.functional.avg_pool2d(fine, (height, width)) * (height * width / CELLS**2)


def confusion_rank(run, temperature: float) -> np.ndarray:
    """[a, b]: share of the other classes that validation confuses more with class a than b,
    (classes, classes), 0 to 1.

    Two classes are confused as much as the probability of each, after scaling, on the other's
    validation images says."""
    probability, labels = calibration.softmax(run.val.logits, temperature), run.val.labels
    classes = probability.shape[1]
    mean = np.stack(
        [
            probability[labels == label].mean(0) if (labels == label).any() else np.zeros(classes)
            for label in range(classes)
        ]
    )
    both = mean + mean.T
    np.fill_diagonal(both, -1)
    more = np.stack([classes - np.searchsorted(np.sort(row), row, side="right") for row in both])
    return more / max(classes - 2, 1)
