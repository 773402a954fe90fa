"""Is the recorded label wrong? What a study's other runs think of the predicted class, and how well
that agrees with people.

No probe is needed: where a label is wrong, other networks see what this one sees. How little that
tells the errors whose predicted class most reviewers accept from the others is in
docs/diagnosis.md.
"""

import json

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from lib.data import cifar, label_reviews
from lib.evaluation import calibration, scope
from lib.evaluation.paired import Interval

DRAWS = 2000
MOST = 3  # of five reviewers


def support(run, others: list) -> np.ndarray:
    """The mean probability that other runs give to what this run predicts, after each one's
    temperature, of every test image (N,). Without other runs its own confidence, which is weak."""
    row = np.arange(len(run.test.predicted))
    given = [
        calibration.softmax(
            one.test.logits, calibration.fit_temperature(one.val.logits, one.val.labels)
        )[row, run.test.predicted]
        for one in others or [run]
    ]
    return np.mean(given, 0)


def other_runs(runs: dict[str, dict[int, object]], run) -> list:
    """All runs of a study, runs[arm][seed], but this one; of copies one, and none of this one."""
    everyone = [run, *(one for of_arm in runs.values() for one in of_arm.values())]
    return list(scope.distinct(dict(enumerate(everyone))).values())[1:]


def votes(splits) -> pd.DataFrame | None:
    """How many of five reviewers accept each class of a reviewed test image: position, given,
    guessed (class numbers), accept_given, accept_guessed; None without reviews.

    Whoever says "both" accepts both: a castle on a road is a castle and a road."""
    if splits.name != "cifar100":
        return None
    recorded = splits.test.labels.numpy()
    review, _ = label_reviews.look_up(recorded)
    if review is None:
        return None
    content = json.loads((cifar.parent() / label_reviews.REVIEW).read_bytes())
    said = pd.DataFrame([item["mturk"] | {"id": item["id"]} for item in content]).set_index("id")
    said = said.loc[review["id"]]
    place = {one: position for position, one in enumerate(splits.test.index.tolist())}
    table = pd.DataFrame(
        {
            "position": review["id"].map(place).to_numpy(),
            "given": review["given"].to_numpy(),
            "guessed": review["guessed"].to_numpy(),
            "accept_given": (said["given"] + said["both"]).to_numpy(),
            "accept_guessed": (said["guessed"] + said["both"]).to_numpy(),
        }
    )
    return table.dropna(subset="position").astype(int).reset_index(drop=True)


def accepted(run, splits, chosen=()) -> tuple[np.ndarray, np.ndarray] | None:
    """The errors of a run whose predicted class reviewers were asked about (N,): positions, and
    whether most of them accept it; None without reviews.

    chosen: positions that somebody picked, which are left out. Reviewers were asked about one class
    beside the recorded one: of an error with a third class nobody knows."""
    asked = votes(splits)
    if asked is None:
        return None
    position = asked["position"].to_numpy()
    kept = ~run.test.correct[position] & ~np.isin(position, np.asarray(chosen))
    kept &= asked["guessed"].to_numpy() == run.test.predicted[position]
    return position[kept], asked["accept_guessed"].to_numpy()[kept] >= MOST


def against_people(run, others: list, splits, chosen=(), seed: int = 0) -> dict | None:
    """AUC of `support` for "most reviewers accept the predicted class", over the run's errors that
    they were asked about (`accepted`), with a 95 % bootstrap interval; None without reviews or
    without both kinds."""
    found = accepted(run, splits, chosen)
    if found is None or found[1].all() or not found[1].any():
        return None
    position, agreed = found
    return {
        "errors": len(agreed),
        "accepted": int(agreed.sum()),
        "runs": len(others),
        "auc": auc_interval(support(run, others)[position], agreed, seed)._asdict(),
        "own_confidence": auc_interval(support(run, [])[position], agreed, seed)._asdict(),
    }


def auc_interval(score: np.ndarray, positive: np.ndarray, seed: int = 0) -> Interval:
    """Area under the ROC curve, of scores (N,) and bool (N,), with a 95 % interval: positives and
    negatives are drawn with replacement."""
    generator = np.random.default_rng(seed)
    yes, no = score[positive], score[~positive]
    drawn = np.concatenate(
        [generator.choice(part, (DRAWS, len(part))) for part in (yes, no)], axis=1
    )
    low, high = np.quantile(auc(drawn, len(yes)), [0.025, 0.975])
    estimate = auc(np.concatenate([yes, no])[None], len(yes))[0]
    return Interval(*map(float, (estimate, low, high)))


def auc(scores: np.ndarray, positives: int) -> np.ndarray:
    """Of scores (draws, N), whose first ones are the positives: the share of pairs that they win,
    ties half (Mann and Whitney 1947)."""
    negatives = scores.shape[1] - positives
    ranks = rankdata(scores, axis=1)[:, :positives].sum(1)
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)
