"""The rule that reads an error: fitted to one network's own planted errors, and scored on folds
that took no part.

It is linear, on READ readings that a stepwise discriminant analysis chooses: a multinomial logistic
regression, so that a person can follow it. A boosted one takes its place only where it finds GAIN
more of the causes. Either gives each cause a probability among planted errors, all causes equally
frequent; a verdict stands only above a threshold that calls at most ALLOWED of *nothing* something.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from lib.diagnosis.confusion import by_source, interval, measures, resampled
from lib.diagnosis.verdict import CAUSES

READ = 20  # readings of the linear rule; of a phantom's plants 12 find 0.05 less, 40 0.02 more
STRENGTH = 1.0  # scikit-learn's C, its default
FOLDS = 5
LEAST = 20  # planted errors of a cause below which the rule does not know it
ALLOWED, STRICT = 0.20, 0.05  # share of nothing that may be called something
GAIN = 0.03  # macro recall that a boosted rule has to add
NOTHING = len(CAUSES) - 1
TREES = {"max_iter": 60, "learning_rate": 0.1, "max_leaf_nodes": 8, "max_bins": 32}
SINGULAR = 1e-2  # share of its variance that a reading must keep beside those already chosen


class Linear(NamedTuple):
    """names of the S readings, their centre and scale (S,), weights (causes, S) and intercept
    (causes,); a cause that the rule does not know has -inf there."""

    names: list[str]
    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray


class Boosted(NamedTuple):
    """names of the S readings, their centre and scale (S,), and scikit-learn's gradient-boosted
    trees on them."""

    names: list[str]
    centre: np.ndarray
    scale: np.ndarray
    trees: HistGradientBoostingClassifier


class Rule(NamedTuple):
    """A model, the thresholds by allowed share of nothing called something, and what scored it, of
    each planted error (N,): probabilities (N, causes) from folds without it, and fold."""

    model: Linear | Boosted
    thresholds: dict[float, float]
    probability: np.ndarray
    fold: np.ndarray


def learn(
    readings: pd.DataFrame, cause: np.ndarray, source: np.ndarray, boosted: bool = True
) -> Rule | None:
    """The rule of N planted errors, grouped by `source` picture; None where nothing or too few
    causes were planted LEAST times, and of fewer pictures than FOLDS.

    boosted: whether a boosted rule is tried beside the linear one."""
    known = [name for name in CAUSES if (cause == name).sum() >= LEAST]
    if len(known) < 3 or CAUSES[NOTHING] not in known:
        return None
    used = np.isin(cause, known)
    if len(np.unique(source[used])) < FOLDS:
        return None
    given = readings[used], cause[used], source[used]
    # arms are judged side by side, and threads of one would wait for those of the other
    with threadpool_limits(1):
        best = cross_validated(fit_linear, *given)
        rival = cross_validated(fit_boosted, *given) if boosted else best
    if _macro(rival, given[1]) - _macro(best, given[1]) >= GAIN:
        best = rival
    whole = np.full((len(cause), len(CAUSES)), np.nan), np.full(len(cause), -1)
    whole[0][used], whole[1][used] = best.probability, best.fold
    return best._replace(probability=whole[0], fold=whole[1])


def cross_validated(fit, readings: pd.DataFrame, cause, source) -> Rule:
    """A rule and, of each planted error, what a model without its source picture says."""
    probability, fold = np.zeros((len(cause), len(CAUSES))), np.zeros(len(cause), int)
    for number, (train, test) in enumerate(GroupKFold(FOLDS).split(readings, cause, source)):
        model = fit(readings.iloc[train], cause[train])
        probability[test], fold[test] = probabilities(model, readings.iloc[test]), number
    nothing = cause == CAUSES[NOTHING]
    thresholds = {share: threshold(probability[nothing], share) for share in (ALLOWED, STRICT)}
    return Rule(fit(readings, cause), thresholds, probability, fold)


def _macro(rule: Rule, cause: np.ndarray) -> float:
    """Mean recall of the causes that were planted, at ALLOWED."""
    called = held_out(rule, cause)
    return np.mean([(called == name)[cause == name].mean() for name in set(cause) - {CAUSES[-1]}])


def threshold(nothing: np.ndarray, allowed: float) -> float:
    """The probability of a cause above which nothing is called something in at most a share
    `allowed`, from probabilities (N, causes) of nothing that the rule was not fitted on.

    The order statistic of conformal prediction (Vovk et al. 2005,
    https://doi.org/10.1007/b106715): it holds for the next error, not only for these."""
    best = np.sort(nothing[:, :NOTHING].max(1))
    place = int(np.ceil((len(best) + 1) * (1 - allowed)))
    return float(best[place - 1]) if place <= len(best) else np.inf


def call(probability: np.ndarray, limit) -> np.ndarray:
    """The likeliest of the four causes where its probability lies above the limit, else
    "unexplained": names (N,)."""
    four = probability[:, :NOTHING]
    return np.where(four.max(1) > limit, np.array(CAUSES)[four.argmax(1)], CAUSES[NOTHING])


def held_out(rule: Rule, cause: np.ndarray, allowed: float = ALLOWED) -> np.ndarray:
    """What each planted error (N,) is called by a model and a threshold from other folds; "" where
    the rule does not know the planted cause."""
    called = np.full(len(cause), "", dtype="<U20")
    for number in range(rule.fold.max() + 1):
        nothing = (cause == CAUSES[NOTHING]) & (rule.fold != number)
        fold = rule.fold == number
        limit = threshold(rule.probability[nothing], allowed)
        called[fold] = call(rule.probability[fold], limit)
    return called


def score(rule: Rule, cause, source, allowed: float = ALLOWED, seed: int = 0) -> dict:
    """Recall and precision of each cause, macro recall and how often nothing is `called`
    something, on folds that took no part: 95 % bootstrap intervals over source pictures."""
    counts = confusions(rule, cause, source, allowed)
    found, drawn = measures(counts.sum(0)[None]), measures(resampled(counts, seed))
    return {name: interval(found[name][0], drawn[name]) for name in found}


def confusions(rule: Rule, cause, source, allowed: float = ALLOWED) -> np.ndarray:
    """Counts (sources, causes, causes) of planted against called causes, held out."""
    known = rule.fold >= 0
    return by_source(cause[known], held_out(rule, cause, allowed)[known], source[known])


# The two models.


def fit_linear(readings: pd.DataFrame, cause: np.ndarray, count: int = READ) -> Linear:
    """A multinomial logistic regression on the readings that `chosen` names, causes weighted
    equally."""
    names = chosen(readings, cause, count)
    values = readings[names].to_numpy()
    centre, scale = values.mean(0), values.std(0)
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=3000)
    model.fit((values - centre) / scale, cause)
    weights, intercept = np.zeros((len(CAUSES), len(names))), np.full(len(CAUSES), -np.inf)
    places = [CAUSES.index(name) for name in model.classes_]
    weights[places], intercept[places] = model.coef_, model.intercept_
    return Linear(names, centre, scale, weights, intercept)


def chosen(readings: pd.DataFrame, cause: np.ndarray, count: int) -> list[str]:
    """The names of `count` readings, by forward stepwise discriminant analysis: the next is the one
    that most lowers Wilks' lambda, the ratio of the determinants of the covariance within causes to
    that of all (Jennrich 1977, in Statistical Methods for Digital Computers)."""
    values = readings.to_numpy()
    spread = values.std(0)
    values = (values - values.mean(0)) / np.where(spread > 1e-9, spread, 1)
    groups = [values[cause == name] for name in np.unique(cause)]
    within = np.mean([np.cov(group.T, bias=True) for group in groups], 0)
    total = within + np.cov(np.stack([group.mean(0) for group in groups]).T, bias=True)
    left, order = spread > 1e-9, []
    for _ in range(min(count, int(left.sum()))):
        inside, whole = np.diag(within), np.diag(total)
        left &= inside > SINGULAR
        if not left.any():
            break
        gain = np.divide(whole, inside, out=np.zeros(len(inside)), where=left)
        order.append(best := int(gain.argmax()))
        left[best] = False
        within, total = (_without(matrix, best) for matrix in (within, total))
    return [readings.columns[place] for place in order]


def _without(matrix: np.ndarray, place: int) -> np.ndarray:
    """A covariance, given one of its variables."""
    return matrix - np.outer(matrix[:, place], matrix[place]) / matrix[place, place]


def fit_boosted(readings: pd.DataFrame, cause: np.ndarray) -> Boosted:
    """Gradient-boosted trees on all readings, causes weighted equally."""
    trees = HistGradientBoostingClassifier(**TREES, class_weight="balanced", random_state=0)
    values = readings.to_numpy()
    return Boosted(list(readings.columns), values.mean(0), values.std(0), trees.fit(values, cause))


def probabilities(model: Linear | Boosted, readings: pd.DataFrame) -> np.ndarray:
    """Probability of each cause (N, causes), in the order of CAUSES, all causes equally
    frequent."""
    return of_values(model, readings[model.names].to_numpy())


def of_values(model: Linear | Boosted, values: np.ndarray) -> np.ndarray:
    """`probabilities` of the model's own readings (N, S)."""
    if isinstance(model, Linear):
        standardised = (values - model.centre) / model.scale
        return softmax(standardised @ model.weights.T + model.intercept)
    probability = np.zeros((len(values), len(CAUSES)))
    places = [CAUSES.index(name) for name in model.trees.classes_]
    probability[:, places] = model.trees.predict_proba(values)
    return probability


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities (N, causes) of scores."""
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)
