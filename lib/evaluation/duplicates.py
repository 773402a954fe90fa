"""Test pictures that are in the train or validation split as well, or twice in test: a network may
know them by heart, and they count twice.

Equal pictures have equal bytes. Near ones are found by the network's own features, for these pass
over what it was trained not to see (a mirrored or shifted copy), and confirmed by the pixels, for
features alone call every well-learnt image of a class alike: see `near`. ciFAIR (Barz and Denzler
2020, https://arxiv.org/abs/1902.00423) did the same with people in place of the pixels.
"""

import hashlib

import numpy as np
import pandas as pd
import torch

from lib.data.streams import take
from lib.evaluation import scope

# Correlation of two pictures' small copies from which they count as one picture. Photographs that
# are no copies rarely reach 0.9; a copy that was recoded, shifted by a pixel or brightened stays
# above 0.95.
ALIKE = 0.95
# neighbours by features that the pixels are asked about
NEIGHBOURS = 5
SIDE = 16  # of a small copy
BLOCK = 1000
COLUMNS = ["position", "split", "other", "kind"]


def fingerprints(images) -> list[bytes]:
    """A hash of each picture's bytes, of uint8 (N, 3, h, w), in memory or on disk."""
    return [
        hashlib.blake2b(one.numpy().tobytes(), digest_size=16).digest()
        for block in images.split(BLOCK)
        for one in block
    ]


def equal(splits) -> pd.DataFrame:
    """Test pictures with equal ones elsewhere: position in test, split and position (`other`) of
    the first equal one, kind "equal". Of equal pictures within test all but the first are listed;
    one that is in train or val is listed for that."""
    first: dict[bytes, tuple[str, int]] = {}
    for split in ("train", "val"):
        for place, mark in enumerate(fingerprints(getattr(splits, split).images)):
            first.setdefault(mark, (split, place))
    rows = []
    for place, mark in enumerate(fingerprints(splits.test.images)):
        if mark in first:
            rows.append((place, *first[mark], "equal"))
        else:
            first[mark] = ("test", place)
    return pd.DataFrame(rows, columns=COLUMNS)


def small(images: torch.Tensor) -> np.ndarray:
    """Small copies of pictures (N, 3, h, w) as vectors of mean 0 and length 1, (N, 3 * SIDE²): the
    product of two is their correlation. A picture of one colour is all 0."""
    pooled = torch.nn.functional.adaptive_avg_pool2d(images.float(), SIDE).flatten(1)
    centred = pooled - pooled.mean(1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    return (centred / torch.where(length > 1e-3, length, torch.inf)).numpy()


def alike(images: torch.Tensor, others: torch.Tensor) -> np.ndarray:
    """Correlation of each picture with its partner, (N,), the larger of that with the partner and
    with its mirror image; both (N, 3, h, w)."""
    one = small(images)
    return np.maximum(*((one * small(other)).sum(1) for other in (others, others.flip(-1))))


def neighbours(features: np.ndarray, others: np.ndarray, count: int = NEIGHBOURS) -> np.ndarray:
    """The places of the nearest of `others` (M, d) to each of `features` (N, d) by the cosine,
    nearest first, (N, count)."""
    directions = [
        one / np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-12)
        for one in (features, others)
    ]
    count, found = min(count, len(others)), []
    for start in range(0, len(features), BLOCK):
        cosine = directions[0][start : start + BLOCK] @ directions[1].T
        nearest = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(cosine, nearest, 1), axis=1, kind="stable")
        found.append(np.take_along_axis(nearest, order, 1))
    return np.concatenate(found)


def near(splits, features: dict[str, np.ndarray], threshold: float = ALIKE) -> pd.DataFrame:
    """Test pictures that are nearly another one, the columns of `equal`, kind "near".

    features: by split, (N, d), what the network's last layer is given
    (lib.training.inference.features), or its logits. Of the NEIGHBOURS nearest by features in each
    split the one most alike by `alike` counts, where that reaches the threshold. Of two near
    pictures within test the later one is listed."""
    rows = []
    for split in ("train", "val", "test"):
        if split not in features:
            continue
        part, count = getattr(splits, split), NEIGHBOURS + (split == "test")
        for places, block in _blocks(neighbours(features["test"], features[split], count)):
            rows += _confirmed(splits.test.images, part.images, split, places, block, threshold)
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.drop_duplicates("position").sort_values("position", ignore_index=True)


def _blocks(nearest: np.ndarray):
    for start in range(0, len(nearest), BLOCK):
        block = nearest[start : start + BLOCK]
        yield np.arange(start, start + len(block)), block


def _confirmed(images, others, split: str, places, nearest, threshold: float) -> list[tuple]:
    mine = take(images, places)
    score = np.stack([alike(mine, take(others, column)) for column in nearest.T], 1)
    if split == "test":
        score = np.where(nearest < places[:, None], score, -1)
    best = score.argmax(1)
    return [
        (int(place), split, int(nearest[row, best[row]]), "near")
        for row, place in enumerate(places)
        if score[row, best[row]] >= threshold
    ]


def repeated(splits, features: dict[str, np.ndarray] | None = None) -> pd.DataFrame:
    """Test pictures that are equal to another one, and with `features` nearly so: one row each, an
    equal one before a near one."""
    parts = [equal(splits)] + ([] if features is None else [near(splits, features)])
    table = pd.concat(parts, ignore_index=True).drop_duplicates("position")
    return table.sort_values("position", ignore_index=True)


def flagged(table: pd.DataFrame, images: int) -> np.ndarray:
    """Which of the test images (N,) `repeated` lists: what lib.evaluation.labels.rescored leaves
    out."""
    return np.isin(np.arange(images), table["position"])


def duplicate_numbers(table: pd.DataFrame, splits, runs: dict) -> dict:
    """What the report says of repeated pictures: how many of each kind are in which split, of how
    many test images; how many bear another label than their partner; and each arm's accuracy with
    and without them, and on them alone (None for fewer than lib.evaluation.scope.LEAST_ROWS).

    runs: arm to one run."""
    listed = flagged(table, len(splits.test))
    own = splits.test.labels.numpy()[table["position"].to_numpy(int)]
    theirs = [int(getattr(splits, row.split).labels[row.other]) for row in table.itertuples()]
    return {
        "images": len(splits.test),
        "repeated": len(table),
        "kinds": {
            kind: rows["split"].value_counts().to_dict() for kind, rows in table.groupby("kind")
        },
        "other_label": int((own != np.array(theirs, int)).sum()),
        "accuracy": {
            arm: {
                "all": run.test.correct.mean(),
                "without": run.test.correct[~listed].mean() if (~listed).any() else None,
                "repeated": run.test.correct[listed].mean() if scope.enough(len(table)) else None,
            }
            for arm, run in runs.items()
        },
    }
