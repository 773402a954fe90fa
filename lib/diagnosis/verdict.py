"""The written rule: from the statistics of an error to a verdict, what led to it, and what would
have refuted it.

The rule is a multinomial logistic regression, fitted by benchmarks/diagnosis.py on the phantom's
validation split alone, where the causes are planted. It is the same for every data set;
lib/diagnosis/rule.json is all of it.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.base import artefacts
from lib.base.text import percent, readable
from lib.diagnosis.evidence import RANGES, STATISTICS

CAUSES = ("background", "second_object", "look_alike", "label_error", "unexplained")
RULE = Path(__file__).with_name("rule.json")


def read_rule() -> dict:
    """The rule: names of statistics (S), their centre and scale, weights (causes, S) and intercept
    (causes,)."""
    rule = artefacts.read_json(RULE)
    return rule | {
        name: np.array(rule[name]) for name in ("centre", "scale", "weights", "intercept")
    }


def standardised(statistics: pd.DataFrame, rule: dict) -> np.ndarray:
    """Statistics in the phantom's standard deviations from its mean, (N, S); one that is undefined
    is 0 and says nothing."""
    return np.nan_to_num(
        (statistics[rule["statistics"]].to_numpy() - rule["centre"]) / rule["scale"]
    )


def decide(statistics: pd.DataFrame, rule: dict) -> pd.DataFrame:
    """One row an error: verdict, its probability under the rule, the second cause, and what would
    turn the verdict.

    led: the statistic that speaks most for the verdict against the second cause, with its value;
    turns: the value of that statistic, on the way to the second cause, from which on another cause
    wins, all others equal; instead: that cause."""
    values = standardised(statistics, rule)
    scores = values @ rule["weights"].T + rule["intercept"]
    probability = np.exp(scores - scores.max(1, keepdims=True))
    probability /= probability.sum(1, keepdims=True)
    rows, order = np.arange(len(values)), np.argsort(-scores, 1, kind="stable")
    first, second = order[:, 0], order[:, 1]
    said = (rule["weights"][first] - rule["weights"][second]) * values  # (N, S)
    raw = statistics[rule["statistics"]].to_numpy()
    led = np.where(np.isnan(raw), -np.inf, said).argmax(1)
    # (N, causes)
    lead, slope = (
        scores[rows, first][:, None] - scores,
        rule["weights"][first, led][:, None] - rule["weights"][:, led].T,
    )
    way = np.sign(slope[rows, second])
    far = np.divide(
        lead, np.abs(slope), out=np.full(lead.shape, np.inf), where=slope * way[:, None] > 0
    )
    instead = far.argmin(1)
    names, causes, value = np.array(rule["statistics"]), np.array(rule["causes"]), raw[rows, led]
    return pd.DataFrame(
        {
            "verdict": causes[first],
            "probability": probability[rows, first],
            "second": causes[second],
            "led": names[led],
            "value": value,
            "turns": value - way * far[rows, instead] * rule["scale"][led],
            "instead": causes[instead],
        },
        index=statistics.index,
    )


def planted(split, position: np.ndarray, wrong) -> pd.DataFrame:
    """What the phantom knows of the errors at these positions: cause, in this module's words, and
    whether it `acts`.

    A planted cause acts if the wrong prediction is the class that it points at; an error without a
    planted cause has nothing to act and counts as "unexplained".
    """
    known = split.planted.iloc[position]
    cause = known["cause"].replace({"none": "unexplained"}).to_numpy()
    return pd.DataFrame(
        {
            "planted": cause,
            "acts": (cause == "unexplained")
            | (known["cause_class"].to_numpy() == np.asarray(wrong)),
        }
    )


def sentence(verdict: pd.Series) -> str:
    """What led to a verdict, and what would have refuted it, from one row of `decide`."""
    if verdict["verdict"] == "unexplained":
        first = (
            "Unexplained: no cause reaches its probability under the rule "
            f"({percent(verdict['probability'], 0)})."
        )
    else:
        first = (
            f"{readable(verdict['verdict']).capitalize()}, with probability "
            f"{percent(verdict['probability'], 0)} under the rule."
        )
    return (
        f"{first} What speaks most for it against {readable(verdict['second'])}: "
        f"{STATISTICS[verdict['led']]}, {number(verdict['value'])}; "
        f"{refuted(verdict['led'], verdict['value'], verdict['turns'], verdict['instead'])}."
    )


def refuted(led: str, value: float, turns: float, instead: str) -> str:
    """What would have turned the verdict, if the statistic can get there at all."""
    low, high = RANGES.get(led, (-np.inf, np.inf))
    if not low <= turns <= high:
        return "no value of it alone would turn the verdict"
    return (
        f"{'below' if turns < value else 'above'} {number(turns)}, all else equal, it would "
        f"be {readable(instead)}"
    )


def number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
