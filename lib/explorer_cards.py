"""The diagnosis card of one test image in one or two arms, as numbers; what the report knows how to compute is taken from there."""

from functools import lru_cache

import numpy as np
import pandas as pd
import torch

from lib.diagnosis import evidence, probes, verdict
from lib.explorer_study import Arm
from lib.report import cards
from lib.training import inference

TOP = 5


def contested(arms: list[Arm], position: int) -> tuple[int, int]:
    """The wrong class that the card is about, and the true one.

    Wrong is the prediction of the first arm that errs; where none does, the runner-up of the first.
    """
    true = int(arms[0].run.test.labels[position])
    wrong = next(
        (
            int(arm.run.test.predicted[position])
            for arm in arms
            if not arm.run.test.correct[position]
        ),
        None,
    )
    if wrong is None:
        wrong = int(np.argsort(-arms[0].run.test.logits[position], kind="stable")[1])
    return wrong, true


def shown_classes(arms: list[Arm], position: int, asked: int | None = None) -> list[int]:
    """The classes whose maps the card shows: every arm's prediction, the contested pair, and the one that was asked for."""
    predicted = [int(arm.run.test.predicted[position]) for arm in arms]
    return list(
        dict.fromkeys([*contested(arms, position), *predicted, *([] if asked is None else [asked])])
    )


def top(arm: Arm, position: int, count: int = TOP) -> pd.DataFrame:
    """The likeliest classes of one image: class number, name, confidence after temperature scaling, true."""
    order = np.argsort(-arm.run.test.logits[position], kind="stable")[:count]
    return pd.DataFrame(
        {
            "class": order,
            "name": np.array(arm.splits.class_names)[order],
            "confidence": arm.probability[position, order],
            "true": order == arm.run.test.labels[position],
        }
    )


def maps(arms: list[Arm], position: int, classes: list[int]) -> np.ndarray:
    """Grad-CAM maps at lib.diagnosis.evidence.LAYER, raw, in logits: (arms, classes, h, w)."""
    splits, targets = arms[0].splits, torch.tensor(classes)
    images = splits.test.images[[position] * len(classes)]
    return np.stack(
        [
            inference.maps(
                arm.ready, evidence.LAYER, images, targets, splits.mean, splits.std
            ).numpy()
            for arm in arms
        ]
    )


@lru_cache(maxsize=100)
def bars(arm: Arm, position: int, wrong: int, true: int) -> pd.DataFrame:
    """lib.report.cards.bars of one image: the probabilities of two classes under the probes that a card shows; the last ones are kept."""
    splits, test = arm.splits, arm.splits.test
    images, pair = test.images[[position]], [torch.tensor([wrong]), torch.tensor([true])]
    hot = inference.maps(arm.ready, evidence.LAYER, images, pair[0], splits.mean, splits.std)
    responses = probes.respond(
        arm.fast,
        images,
        hot,
        *pair,
        splits.mean,
        splits.std,
        arm.temperature,
        test.index[[position]],
        cards.PROBES,
    )
    whole = arm.probability[position, [wrong, true]][None]
    return cards.bars(
        evidence.Evidence(
            np.array([position]), *pair, whole, hot[:, None], responses, pd.DataFrame()
        ),
        0,
    )


def verdict_of(arm: Arm, position: int) -> pd.Series | None:
    """The rule's verdict on an error, from the study's table or else made now; None where the arm is right."""
    if arm.run.test.correct[position]:
        return None
    if arm.verdicts is not None:
        return arm.verdicts.loc[position]
    found = evidence.examine(arm.run, arm.network, arm.splits, np.array([position]), arm.typical)
    return verdict.decide(found.statistics, verdict.read_rule()).iloc[0]
