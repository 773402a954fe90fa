"""The written rule: from the statistics of an error to a verdict, what led to it, and what would have refuted it."""
import numpy as np
import pandas as pd

from lib import runs

CAUSES = ("background", "second_object", "look_alike", "label_error", "unexplained")
RULE = runs.ROOT / "lib" / "rule.json"


def read_rule() -> dict:
    """The rule: names of statistics (S), their centre and scale, weights (causes, S) and intercept (causes,)."""
    rule = runs.read_json(RULE)
    return rule | {name: np.array(rule[name]) for name in ("centre", "scale", "weights", "intercept")}


def standardised(statistics: pd.DataFrame, rule: dict) -> np.ndarray:
    """Statistics in the phantom's standard deviations from its mean, (N, S); one that is undefined is 0 and says nothing."""
    return np.nan_to_num((statistics[rule["statistics"]].to_numpy() - rule["centre"]) / rule["scale"])


def decide(statistics: pd.DataFrame, rule: dict) -> pd.DataFrame:
    """One row an error: verdict, its probability under the rule, the second cause, and what would turn the verdict.

    led: the statistic that speaks most for the verdict against the second cause, with its value; turns: the value of that
    statistic at which the second cause would win, all others equal.
    """
    values = standardised(statistics, rule)
    scores = values @ rule["weights"].T + rule["intercept"]
    probability = np.exp(scores - scores.max(1, keepdims=True))
    probability /= probability.sum(1, keepdims=True)
    rows, order = np.arange(len(values)), np.argsort(-scores, 1, kind="stable")
    first, second = order[:, 0], order[:, 1]
    difference = rule["weights"][first] - rule["weights"][second]  # (N, S)
    led = (difference * values).argmax(1)
    lead, slope = scores[rows, first] - scores[rows, second], difference[rows, led]
    shift = -np.divide(lead, slope, out=np.full(len(values), np.nan), where=slope != 0)
    names, value = np.array(rule["statistics"]), statistics[rule["statistics"]].to_numpy()[rows, led]
    causes = np.array(rule["causes"])
    return pd.DataFrame({"verdict": causes[first], "probability": probability[rows, first], "second": causes[second],
                         "led": names[led], "value": value, "turns": value + shift * rule["scale"][led]}, index=statistics.index)


def planted(split, position: np.ndarray, wrong) -> pd.DataFrame:
    """What the phantom knows of the errors at these positions: cause, in this module's words, and whether it `acts`.

    A planted cause acts if the wrong prediction is the class that it points at; an error without a planted cause has nothing to
    act and counts as "unexplained".
    """
    known = split.planted.iloc[position]
    cause = known["cause"].replace({"none": "unexplained"}).to_numpy()
    return pd.DataFrame({"planted": cause, "acts": (cause == "unexplained") | (known["cause_class"].to_numpy() == np.asarray(wrong))})
