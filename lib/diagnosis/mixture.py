"""How often each cause stands behind the errors of a network, corrected for what its rule confuses,
and what a verdict is worth at that mix.

Planted errors have equal shares of causes; real ones do not. If real errors of a cause are called
what planted ones are, the calls of real errors are a mixture of the rows of the table of planted
against called causes, and the shares of that mixture are what is sought (Forman 2008,
https://doi.org/10.1007/s10618-008-0097-y; the likelihood is that of Saerens et al. 2002,
https://doi.org/10.1162/089976602753284446).
"""

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from lib.diagnosis.confusion import DRAWS, interval, resampled
from lib.diagnosis.verdict import CAUSES

STEPS = 300  # of expectation and maximisation; shares move by less than 0.001 after
# what a cause's precision must lie above for a verdict: by its interval at the mix, and in equal
# shares of the causes, or the verdict would rest on the mix alone
PRECISION = 0.7
SINGULAR = 0.15  # below, two rows of the table are too alike for the shares to be told apart
# area under the ROC curve with which real errors may be told from planted ones at the mix. On
# phantoms up to here verdicts keep nearly what is promised; some of those that lie beyond do not
# (docs/diagnosis.md). CIFAR-100 lies on either side, 0.75 to 0.82: there people are asked as well.
UNLIKE = 0.78
FOLDS = 5
CHANCE = 0.75  # over the root of their number: how far chance alone takes calls from a mixture
UNFITTED = 0.05  # share of the calls that no mixture of the rows may leave unexplained
PRIOR = 0.5  # added to each cell of a row of the table, or a cell without errors would be a law


class Mixture(NamedTuple):
    """The shares of the causes among a network's errors: estimate (causes,) and draws (D, causes);
    the precision of each cause's verdict at that mix, likewise, and in equal shares of the causes
    (`evenly`); why it is not identified, "" where it is; how well real errors are told from planted
    ones (`told_apart`); causes whose verdicts people contradict."""

    shares: np.ndarray
    drawn: np.ndarray
    precision: np.ndarray
    drawn_precision: np.ndarray
    evenly: np.ndarray
    obstacle: str
    apart: float = np.nan
    contradicted: tuple[str, ...] = ()

    @property
    def trusted(self) -> list[str]:
        """The causes whose verdicts may be given: identified, right often enough, and not
        contradicted."""
        if self.obstacle:
            return []
        low = np.nanquantile(self.drawn_precision, 0.025, axis=0)
        least = np.minimum(low, self.evenly)
        sure = [cause for cause, one in zip(CAUSES[:-1], least) if one > PRECISION]
        return [cause for cause in sure if cause not in self.contradicted]


def corrected(confusions: np.ndarray, called: np.ndarray, seed: int = 0) -> Mixture:
    """The mixture behind the calls (N,) of real errors; confusions (sources, causes, causes): what
    lib.diagnosis.rule.confusions gives.

    The draws resample both the planted errors, by source picture, and the real ones."""
    counts = np.array([(called == cause).sum() for cause in CAUSES])
    observed = counts / counts.sum()
    drawn_observed = np.random.default_rng(seed).multinomial(counts.sum(), observed, DRAWS)
    drawn_rows = rows(resampled(confusions, seed))
    table = rows(confusions.sum(0)[None])
    shares = mixture(observed[None], table)[0]
    even = (table.sum(2) > 0) / (table.sum(2) > 0).sum()
    drawn = mixture(drawn_observed / counts.sum(), drawn_rows)
    return Mixture(
        shares,
        drawn,
        precision(shares[None], table)[0],
        precision(drawn, drawn_rows),
        precision(even, table)[0],
        obstacle(confusions.sum(0), observed, shares @ table[0], counts.sum()),
    )


def held_against(
    found: Mixture, planted: np.ndarray, cause: np.ndarray, real: np.ndarray
) -> Mixture:
    """The same, not identified where the readings of real errors (M, S) are not those of planted
    ones (N, S): what is known of these then says nothing of those."""
    if len(real) < FOLDS:
        return found._replace(obstacle=found.obstacle or "too few errors were read")
    apart = told_apart(planted, cause, real, found.shares)
    unlike = (
        "these errors do not read like planted ones (they are told apart with an area under the "
        f"ROC curve of {apart:.3f}, and {UNLIKE} is allowed)"
    )
    obstacle = found.obstacle or unlike * (apart > UNLIKE)
    return found._replace(apart=apart, obstacle=obstacle)


def told_apart(
    planted: np.ndarray, cause: np.ndarray, real: np.ndarray, shares: np.ndarray
) -> float:
    """The area under the ROC curve with which a logistic regression, five-fold, tells the readings
    of real errors (M, S) from those of planted ones (N, S), whose causes (N,) are weighted to the
    shares (causes,): 0.5 where they are alike (Lopez-Paz and Oquab,
    https://arxiv.org/abs/1610.06545)."""
    place = np.array([CAUSES.index(one) for one in cause])
    weight = shares[place] / np.bincount(place, minlength=len(CAUSES))[place]
    values = np.concatenate([planted, real])
    values = (values - values.mean(0)) / np.maximum(values.std(0), 1e-9)
    is_real = np.repeat([0, 1], [len(planted), len(real)])
    weights = np.concatenate([weight / weight.sum() * len(real), np.ones(len(real))])
    score = np.zeros(len(values))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    with threadpool_limits(1):
        for train, test in folds.split(values, is_real):
            model = LogisticRegression(max_iter=3000)
            model.fit(values[train], is_real[train], sample_weight=weights[train])
            score[test] = model.decision_function(values[test])
    return float(roc_auc_score(is_real, score, sample_weight=weights))


def rows(counts: np.ndarray) -> np.ndarray:
    """How often each planted cause is called what, (D, causes, causes), rows that sum to 1; of a
    cause that was not planted a row of zeros."""
    planted = counts.sum(2, keepdims=True)
    smooth = np.where(planted > 0, counts + PRIOR, 0)
    return np.divide(
        smooth, smooth.sum(2, keepdims=True), out=np.zeros(counts.shape), where=planted > 0
    )


def mixture(observed: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The likeliest shares (D, causes) behind observed shares of calls (D, causes), by expectation
    and maximisation."""
    planted = table.sum(2) > 0
    shares = planted / planted.sum(1, keepdims=True)
    for _ in range(STEPS):
        expected = np.einsum("dc,dck->dk", shares, table)
        ratio = np.divide(observed, expected, out=np.zeros(observed.shape), where=expected > 0)
        shares = shares * np.einsum("dk,dck->dc", ratio, table)
        shares /= shares.sum(1, keepdims=True)
    return shares


def precision(shares: np.ndarray, table: np.ndarray) -> np.ndarray:
    """How often a verdict is right at the mix, (D, causes)."""
    hit = shares * np.diagonal(table, axis1=1, axis2=2)
    all_called = np.einsum("dc,dck->dk", shares, table)
    return np.divide(hit, all_called, out=np.full(hit.shape, np.nan), where=all_called > 0)


def obstacle(counts: np.ndarray, observed: np.ndarray, expected: np.ndarray, errors: int) -> str:
    """Why the shares are not identified, in words; "" where they are. counts: of planted errors,
    (causes, causes); observed, expected: shares of the calls (causes,) of so many errors."""
    planted = counts.sum(1) > 0
    table = rows(counts[None])[0][planted]
    if np.linalg.svd(table, compute_uv=False).min() < SINGULAR:
        return "two causes are called alike too often to be told apart"
    apart = np.abs(observed - expected).sum() / 2  # total variation
    if apart <= UNFITTED:
        return ""
    # chance alone, of these errors and of the planted ones, leaves more apart in few draws
    if apart <= CHANCE * (1 / errors + 1 / counts[planted].sum(1).mean()) ** 0.5:
        return "too few errors were read to tell which mix of causes gives these verdicts"
    return "no mix of the planted causes gives these verdicts"


def at_mix(probability: np.ndarray, found: Mixture, called: np.ndarray) -> dict[str, np.ndarray]:
    """The probability of what each error (N,) was called, at the corrected mix, with the limits
    that the uncertainty of the mix gives it: probability, low, high, each (N,).

    probability: (N, causes) of lib.diagnosis.rule.probabilities, where all causes are equally
    frequent; by Bayes' rule each is weighted with its share."""
    place = np.array([CAUSES.index(cause) for cause in called], int)
    row = np.arange(len(place))

    def of(shares):
        weighted = probability * shares
        return weighted[row, place] / np.maximum(weighted.sum(1), 1e-300)

    drawn = np.stack([of(shares) for shares in found.drawn[:: DRAWS // 200]])
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return {"probability": of(found.shares), "low": low, "high": high}


def numbers(found: Mixture) -> dict:
    """What the report says of the mixture: the causes that are trusted; by cause its share and the
    precision of its verdict, with 95 % intervals, None for those that are not."""
    return {
        "obstacle": found.obstacle,
        "told_apart": found.apart,
        "trusted": found.trusted,
        "shares": _of_trusted(found, found.shares, found.drawn),
        "precision": _of_trusted(found, found.precision, found.drawn_precision),
    }


def _of_trusted(found: Mixture, estimate: np.ndarray, drawn: np.ndarray) -> dict | None:
    if not found.trusted:
        return None
    # as far as the steps settle; a share of 1e-20 is none
    estimate, drawn = np.round(estimate, 3), np.round(drawn, 3)
    return {
        cause: interval(estimate[place], drawn[:, place]) if cause in found.trusted else None
        for place, cause in enumerate(CAUSES)
    }
