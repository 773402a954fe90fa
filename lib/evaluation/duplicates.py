"""Test pictures that are in the train or validation split as well, or twice in test: a network may
know them by heart, and they count twice.

Equal pictures have equal bytes. Near ones are close by the network's own features and alike in
their pixels. Features alone call look-alikes of a well-learnt class one picture, pixels alone two
pictures of sky: on CIFAR-100, with the features of a full-size baseline and 4,583 train images to
choose from, 1,301 test images that ciFAIR (Barz and Denzler 2020,
https://arxiv.org/abs/1902.00423) lists or that the pixels call alike gave

| cosine, pixels at least | exact copies, of 39 | near, of 582 | similar, of 270 | not listed |
|---|---|---|---|---|
| any, 0.90 | 39 | 270 | 56 | 170 |
| 0.95, 0.90 | 39 | 198 | 31 | 15 |
| 0.95, 0.95 | 37 | 109 | 11 | 4 |

so the second row is the rule: 95 % of what it finds is listed, and it is no list of everything that
people would call a near-duplicate.
"""

import hashlib

import numpy as np
import pandas as pd
import torch

from lib.evaluation import scope
from lib.training import inference, record

COSINE = 0.95  # of two pictures' features, at least
ALIKE = 0.90  # correlation of two pictures' small copies, at least
# neighbours by features that the pixels are asked about
NEIGHBOURS = 5
SIDE = 16  # of a small copy
BLOCK = 1000
# of one channel, that a network is asked about: 2,000 pictures of 224 px, two minutes on two cores
MOST = 100 * 2**20
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


def neighbours(
    features: np.ndarray, others: np.ndarray, count: int = NEIGHBOURS
) -> tuple[np.ndarray, np.ndarray]:
    """The places of the nearest of `others` (M, d) to each of `features` (N, d) by the cosine,
    nearest first, and their cosines; both (N, count)."""
    directions = [
        one / np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-12)
        for one in (features, others)
    ]
    count, found = min(count, len(others)), []
    for start in range(0, len(features), BLOCK):
        cosine = directions[0][start : start + BLOCK] @ directions[1].T
        nearest = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(cosine, nearest, 1), axis=1, kind="stable")
        nearest = np.take_along_axis(nearest, order, 1)
        found.append((nearest, np.take_along_axis(cosine, nearest, 1)))
    return tuple(map(np.concatenate, zip(*found)))


def near(splits, features: dict[str, np.ndarray]) -> pd.DataFrame:
    """Test pictures that are nearly another one, the columns of `equal`, kind "near": of the
    NEIGHBOURS nearest by features in each split those with COSINE, the one most alike in its
    pixels, where that is ALIKE. Of two near pictures within test the later one is listed.

    features: by split, (N, d), what the network's last layer is given
    (lib.training.inference.features)."""
    rows = []
    for split in ("train", "val", "test"):
        if split not in features:
            continue
        others, count = getattr(splits, split).images, NEIGHBOURS + (split == "test")
        nearest, cosine = neighbours(features["test"], features[split], count)
        asked = cosine >= COSINE
        if split == "test":
            asked &= nearest < np.arange(len(nearest))[:, None]
        for place in np.flatnonzero(asked.any(1)):
            candidates = nearest[place][asked[place]]
            mine = splits.test.images[[place] * len(candidates)]
            score = alike(mine, others[candidates])
            if score.max() >= ALIKE:
                rows.append((int(place), split, int(candidates[score.argmax()]), "near"))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.drop_duplicates("position").sort_values("position", ignore_index=True)


def repeated(splits, features: dict[str, np.ndarray] | None = None) -> pd.DataFrame:
    """Test pictures that are equal to another one, and with `features` nearly so: one row each, an
    equal one before a near one."""
    parts = [equal(splits)] + ([] if features is None else [near(splits, features)])
    table = pd.concat(parts, ignore_index=True).drop_duplicates("position")
    return table.sort_values("position", ignore_index=True)


def own(splits, runs: dict) -> pd.DataFrame | None:
    """`repeated` of a user's own pictures, near ones by the features of the first network that was
    kept; None of other data: of CIFAR there are lists, and the phantom is drawn.

    runs: arm to one run. Where the pictures have more than MOST pixels, or no network was kept,
    equal ones are all that is looked for."""
    if splits.name != "folder":
        return None
    images = {split: getattr(splits, split).images for split in ("train", "val", "test")}
    size = sum(map(len, images.values())) * images["test"].shape[-1] ** 2
    run = next((run for run in runs.values() if record.has_weights(run)), None)
    if run is None or size > MOST:
        return repeated(splits)
    network = inference.ready(record.load_model(run, len(splits.class_names)))
    statistics = splits.mean, splits.std
    features = {
        split: inference.features(network, of_split, *statistics).numpy()
        for split, of_split in images.items()
        if len(of_split)
    }
    return repeated(splits, features)


def flagged(table: pd.DataFrame, images: int) -> np.ndarray:
    """Which of the test images (N,) `repeated` lists: what lib.evaluation.labels.rescored leaves
    out."""
    return np.isin(np.arange(images), table["position"])


def numbers(table: pd.DataFrame | None, splits, runs: dict) -> dict | None:
    """What the report says of repeated pictures, None where none were looked for: how many of each
    kind are in which split, of how many test images; how many bear another label than their
    partner; and each arm's accuracy with and without them, and on them alone (None for fewer than
    lib.evaluation.scope.LEAST_ROWS).

    runs: arm to one run."""
    if table is None:
        return None
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
