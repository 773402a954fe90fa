"""Why is this prediction wrong? Every wrong prediction probed, and the statistics that sum the
answers up for the written rule (lib.diagnosis.verdict).
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from lib.data.streams import take
from lib.diagnosis import faithfulness, probes
from lib.diagnosis.randomisation import rank_correlation
from lib.evaluation import calibration
from lib.training import inference, machine, record

CELLS = 4  # a side, of layer4 at 32 px, on which the rule was fitted
# as a sentence about one error would have it; "lead": log-odds of the true over the wrong class
STATISTICS = {
    "confidence": "confidence in the wrong class",
    "hottest": "share of the hottest cell in the positive part of the wrong class's map",
    "maps": "rank correlation of the two classes' maps",
    "opposed": "largest lead that one cell of the maps gives the true class",
    "hot": "lead of the true class with the hottest cells covered",
    "hot_to_true": "share of fillings of the hottest cells under which the true class wins",
    "cold": "probability of the true class with the coldest cells covered",
    "only_hot": "probability of the wrong class from the hottest cells alone",
    "random": "probability of the wrong class with random cells covered",
    "shuffled": "probability of the wrong class with 4×4 patches shuffled",
    "grey": "probability of the wrong class without colour",
    "square": "least probability of the wrong class with one square covered",
    "square_lead": "least lead of the true class with one square covered",
    "window_lead": "least lead of the true class from one large square alone",
    "moved": "lead of the true class, shifted or mirrored",
    "confused": "share of classes that validation confuses more with the true class than the "
    "wrong one",
    "typical": "share of right validation images that are less typical of their class than this "
    "one of the wrong class",
}
# leads; the others are shares and probabilities
UNBOUNDED = ("opposed", "hot", "square_lead", "window_lead", "moved")
RANGES = {name: (0.0, 1.0) for name in STATISTICS if name not in UNBOUNDED} | {"maps": (-1.0, 1.0)}


class Evidence(NamedTuple):
    """What was found about N errors: their positions in the split, classes, probabilities (N, 2)
    and maps (N, 2, h, w) of the wrong and the true class, responses to the probes, and the
    statistics that the rule reads."""

    position: np.ndarray
    wrong: torch.Tensor
    true: torch.Tensor
    whole: np.ndarray
    maps: torch.Tensor
    responses: dict[str, probes.Response]
    statistics: pd.DataFrame


class Typical(NamedTuple):
    """Features of a run's right validation predictions: their mean (C,), that of each class less it
    (classes, C), and the cosines (N,) of each with its class's, rising."""

    mean: np.ndarray
    centres: np.ndarray
    ordinary: np.ndarray


def fast(run, model: nn.Module) -> nn.Module:
    """The network ready for probing, in bf16 where the run may use it and the device computes
    it."""
    return inference.ready(
        model,
        machine.choose_precision(run.info["params"]["precision"], next(model.parameters()).device),
    )


def examine(
    run, model: nn.Module, splits, among: np.ndarray | None = None, known: Typical | None = None
) -> Evidence:
    """Probe every wrong test prediction of a run's network, or those `among` some positions; raises
    ValueError if there is none.

    Maps are those of the network's own layer; probabilities are after temperature scaling, fitted
    on val. known: what `typical` gives, if it is at hand.
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
    found = Evidence(position, wrong, true, whole, maps, responses, pd.DataFrame())
    pair = true.numpy(), wrong.numpy()  # a tensor of one class would index as a number
    of_classes = {
        "confused": confusion_rank(run, temperature)[pair],
        "typical": typicality(run, ready, splits, images, wrong, known),
    }
    return found._replace(
        statistics=_statistics(found, temperature).assign(**of_classes)[list(STATISTICS)]
    )


def _statistics(found: Evidence, temperature: float) -> pd.DataFrame:
    response, wrong_map, true_map = (
        found.responses,
        *as_fitted(found.maps).numpy().transpose(1, 0, 2, 3),
    )
    hot = [response[f"hot:{kind}"] for kind in probes.FILLS]
    return pd.DataFrame(
        {
            "confidence": found.whole[:, 0],
            "hottest": faithfulness.spread(wrong_map)["hottest_share"].to_numpy(),
            "maps": rank_correlation(wrong_map, true_map),
            "opposed": ((true_map - wrong_map) / temperature).max((1, 2)),
            "hot": np.mean([one.gap.mean(0) for one in hot], axis=0),
            "hot_to_true": np.mean(
                [(one.answer == found.true.numpy()).mean(0) for one in hot], axis=0
            ),
            "cold": np.mean(
                [response[f"cold:{kind}"].true.mean(0) for kind in probes.FILLS], axis=0
            ),
            "only_hot": np.mean(
                [response[f"only-hot:{kind}"].wrong.mean(0) for kind in probes.FILLS], axis=0
            ),
            "random": np.mean(
                [response[f"random:{kind}"].wrong.mean(0) for kind in probes.FILLS], axis=0
            ),
            "shuffled": response["shuffle:4"].wrong.mean(0),
            "grey": response["grey"].wrong.mean(0),
            "square": response["square"].wrong.min(0),
            "square_lead": response["square"].gap.min(0),
            "window_lead": response["window"].gap.min(0),
            "moved": response["moved"].gap.mean(0),
        }
    )


def as_fitted(maps: torch.Tensor) -> torch.Tensor:
    """Maps (N, M, h, w) on the 4x4 cells that the rule was fitted on, each the sum over its part:
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


def typical(run, model: nn.Module, splits) -> Typical:
    """What the right validation predictions look like to the last layer; without any, nothing is
    known and every typicality is 0."""
    right, labels = run.val.correct, run.val.labels
    known = inference.features(
        model, take(splits.val.images, right), splits.mean, splits.std
    ).numpy()
    mean, of_label = known.sum(0) / max(len(known), 1), labels[right]
    centres = np.stack(
        [
            known[of_label == label].mean(0) - mean
            if (of_label == label).any()
            else np.zeros_like(mean)
            for label in range(run.val.logits.shape[1])
        ]
    )
    return Typical(mean, centres, np.sort(_cosine(known - mean, centres[of_label])))


def typicality(
    run, model: nn.Module, splits, images, classes: torch.Tensor, known: Typical | None = None
) -> np.ndarray:
    """Share of the right validation predictions whose features lie less along their class's mean
    than the image's, (N,).

    Features are the inputs of the last layer, less their mean; "along" is the cosine with the
    class's mean. 0 for a class without a right validation prediction.
    """
    mean, centres, ordinary = known or typical(run, model, splits)
    cosine = _cosine(
        inference.features(model, images, splits.mean, splits.std).numpy() - mean,
        centres[classes.numpy()],
    )
    return np.searchsorted(ordinary, cosine) / max(len(ordinary), 1)


def _cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.divide((one * other).sum(1), length, out=np.full(len(one), -1.0), where=length > 0)
