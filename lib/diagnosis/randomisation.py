"""Does a map depend on what the network has learnt? Its weights are made random from the top down,
and the map must change."""

import copy
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from torch import nn

from lib.diagnosis.faithfulness import t_half_width
from lib.evaluation.paired import paired_bootstrap
from lib.model import resnet18
from lib.training.inference import maps as class_maps
from lib.training.inference import ready

# from the top down
STAGES = (
    ("fc", ("fc",)),
    ("layer4", ("layer4",)),
    ("layer3", ("layer3",)),
    ("layer2", ("layer2",)),
    ("layer1", ("layer1",)),
    ("stem", ("conv1", "bn1")),
)


def rank_correlation(one, other) -> np.ndarray:
    """Spearman's correlation of each pair of maps, both (N, h, w): float64 (N,), NaN where a map is
    the same everywhere."""
    one, other = (
        rankdata(np.asarray(maps).reshape(len(maps), np.prod(maps.shape[1:])), axis=1)
        for maps in (one, other)
    )
    one, other = (values - values.mean(1, keepdims=True) for values in (one, other))
    length = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    return np.divide((one * other).sum(1), length, out=np.full(len(one), np.nan), where=length > 0)


def map_agreement(one, other, seed: int = 0) -> dict:
    """Mean rank correlation of pairs of maps (N, h, w) with a bootstrap interval over images:
    images, undefined, correlation.

    A pair with a map that is the same everywhere is undefined and left out; correlation is None
    where no pair is left."""
    found = rank_correlation(one, other)
    defined = found[~np.isnan(found)]
    return {
        "images": len(defined),
        "undefined": len(found) - len(defined),
        "correlation": paired_bootstrap(np.mean, defined, seed=seed)._asdict()
        if len(defined)
        else None,
    }


def cascade(
    model: nn.Module,
    layer: str,
    images: torch.Tensor,
    targets: torch.Tensor,
    mean,
    std,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Rank correlation (N,) of each map with the trained network's after each stage, from fc down,
    got fresh weights.

    Cascading randomisation (Adebayo et al. 2018, https://arxiv.org/abs/1810.03292). model: the
    trained network itself, which is not changed; the fresh weights are those of a network before
    training, drawn with `seed`. Raises ValueError without images."""
    if not len(images):
        raise ValueError("cascade: got 0 images; allowed: at least 1")
    trained = class_maps(ready(model), layer, images, targets, mean, std)
    return {
        stage: rank_correlation(
            trained, class_maps(ready(network), layer, images, targets, mean, std)
        )
        for stage, network in _randomised(model, seed)
    }


def randomisation_table(found: dict[str, dict[str, np.ndarray]]) -> pd.DataFrame:
    """Of `cascade` by arm, one row a stage: arm, stage, images, correlation (its mean), low, high
    (95% t interval), absolute.

    absolute is the mean of its absolute value: a map that only changes its sign has a mean near 0,
    but an absolute near 1. Maps that are the same everywhere have no rank correlation and are left
    out of `images`."""
    return pd.DataFrame(
        [
            _row(arm, stage, values[~np.isnan(values)])
            for arm, of_arm in found.items()
            for stage, values in of_arm.items()
        ]
    )


def _row(arm: str, stage: str, values: np.ndarray) -> dict:
    mean, half = (
        (values.mean(), t_half_width(values[:, None])[0]) if len(values) else (np.nan, np.nan)
    )
    return {
        "arm": arm,
        "stage": stage,
        "images": len(values),
        "correlation": mean,
        "low": mean - half,
        "high": mean + half,
        "absolute": np.abs(values).mean() if len(values) else np.nan,
    }


def chance(cells: int) -> float:
    """The mean absolute rank correlation of so many cells in random orders (normal approximation);
    smooth maps that are unrelated lie higher."""
    return float(np.sqrt(2 / (np.pi * (cells - 1))))


def _randomised(model: nn.Module, seed: int) -> Iterator[tuple[str, nn.Module]]:
    """The network after each stage, as (name of the stage that was made random last, network)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = resnet18(
            model.fc.out_features, model.conv1.out_channels, model.image_size
        ).state_dict()
    weights = model.state_dict()
    for stage, modules in STAGES:
        weights = weights | {
            name: value for name, value in fresh.items() if name.split(".")[0] in modules
        }
        network = copy.deepcopy(model)
        network.load_state_dict(weights)
        yield stage, network
