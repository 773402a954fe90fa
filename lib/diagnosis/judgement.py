"""One network judged: its planted errors, the rule that they give, its real errors read by that
rule, and what the verdicts are worth.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from torch import nn

from lib.base import artefacts, code
from lib.base.errors import ArtefactError
from lib.base.text import percent, readable
from lib.data.streams import take
from lib.diagnosis import label_doubt, mixture, rule, spikes
from lib.diagnosis.mixture import Mixture
from lib.diagnosis.readings import READINGS, Subject, read, subject
from lib.diagnosis.rule import Linear, Rule
from lib.diagnosis.verdict import CAUSES, number
from lib.evaluation import calibration
from lib.evaluation.selective import clopper_pearson
from lib.training import inference

# whose change makes kept readings of planted errors out of date
CODE = [
    artefacts.ROOT / "lib" / name
    for name in (
        "gradcam.py",
        "diagnosis/spikes.py",
        "diagnosis/readings.py",
        "diagnosis/interventions.py",
        "diagnosis/probes.py",
        "diagnosis/evidence.py",
        "diagnosis/randomisation.py",
        "evaluation/calibration.py",
        "training/inference.py",
    )
]
NO_VERDICT = "no verdict"
LABEL_ERROR = "label_error"
STEPS = np.linspace(0, 6, 121)  # in deviations of a reading, on the way to another verdict


class Spiked(NamedTuple):
    """Planted errors (N,): readings (N, R), cause, and source, the position of the picture in
    test."""

    readings: pd.DataFrame
    cause: np.ndarray
    source: np.ndarray


class Judgement(NamedTuple):
    """Planted errors, their rule, the readings of the real errors at these positions, the verdicts
    on them, one row each, and the corrected mixture of causes; the rule and what follows from it
    are None where too little could be planted."""

    spiked: Spiked
    rule: Rule | None
    position: np.ndarray
    readings: pd.DataFrame
    verdicts: pd.DataFrame | None
    mixture: Mixture | None


def judge(
    run,
    model: nn.Module,
    splits,
    others: dict,
    layer: str | None,
    folder: Path,
    among: np.ndarray | None = None,
    chosen=(),
    each: int = spikes.EACH,
    quick: bool = False,
) -> Judgement:
    """Judge a run's wrong test predictions, or those `among` some positions.

    others: run and network, by name, of the study's other arms that are asked for a second opinion,
    of planted and real errors alike; folder: where planted errors are kept; chosen: positions that
    were not drawn at random and take no part in the mixture. Raises ValueError where the network
    gets nothing right."""
    asked = subject(run, model, splits, layer)
    spiked = planted(run, asked, splits, others, folder, each, quick)
    # with fewer the boosted rule is not found better, and most of the time would go to it
    learnt = rule.learn(*spiked, boosted=each >= spikes.EACH)
    position = np.flatnonzero(~run.test.correct)
    position = position if among is None else np.intersect1d(position, among)
    found = read_errors(run, asked, splits, others, position, quick)
    drawn = ~np.isin(position, np.asarray(chosen))
    if learnt is None or not drawn.any():
        return Judgement(spiked, learnt, position, found, None, None)
    confusions = rule.confusions(learnt, spiked.cause, spiked.source)
    called = call(learnt, found)
    planted_values, real_values = (
        readings[learnt.model.names].to_numpy() for readings in (spiked.readings, found[drawn])
    )
    mix = mixture.held_against(
        mixture.corrected(confusions, called[drawn]), planted_values, spiked.cause, real_values
    )
    mix = against_people(mix, label_doubt.accepted(run, splits, chosen), position, called)
    return Judgement(spiked, learnt, position, found, decide(learnt, mix, found), mix)


def against_people(found: Mixture, reviewed: tuple | None, position, called) -> Mixture:
    """The same, without verdicts of label error where people contradict them: the predicted class
    of errors that are called so, (N,) at these positions, is accepted by most reviewers in surely
    less than PRECISION. reviewed: what lib.diagnosis.label_doubt.accepted gives."""
    if reviewed is None:
        return found
    accepted = reviewed[1][np.isin(reviewed[0], position[called == LABEL_ERROR])]
    if not len(accepted):
        return found
    most = clopper_pearson(accepted.sum(), len(accepted))[1]
    return found._replace(contradicted=(LABEL_ERROR,) * bool(most < mixture.PRECISION))


def call(learnt: Rule, found: pd.DataFrame) -> np.ndarray:
    """What the rule calls each error (N,)."""
    return rule.call(rule.probabilities(learnt.model, found), learnt.thresholds[rule.ALLOWED])


def read_errors(run, asked: Subject, splits, others: dict, position, quick=False) -> pd.DataFrame:
    """The readings of a run's real errors; other networks' answers are the stored ones."""
    stored = run.test
    opinions = [
        calibration.softmax(other.test.logits[position], temperature_of(other))
        for other, _ in others.values()
    ]
    return read(
        asked,
        take(splits.test.images, position),
        stored.labels[position],
        stored.predicted[position],
        stored.logits[position],
        opinions,
        stored.index[position],
        quick,
    )


def temperature_of(run) -> float:
    return calibration.fit_temperature(run.val.logits, run.val.labels)


@cache
def made_by() -> str:
    """The digest of CODE. Read once and, where arms are judged side by side, before that: Python
    3.11 parses in one thread at a time (https://github.com/python/cpython/issues/106905)."""
    return code.digest(CODE)


def planted(
    run, asked: Subject, splits, others: dict, folder: Path, each=spikes.EACH, quick=False
) -> Spiked:
    """The planted errors of a run, kept in `folder` and made anew when the run, the other runs, the
    data or the code that plants and reads are no longer the same."""
    known_by = artefacts.digest(
        {
            "runs": [run.info, *(other.info for other, _ in others.values())],
            "data": splits.digest,
            "settings": [each, quick, asked.layer],
            "code": made_by(),
        }
    )
    path = folder / f"{known_by[:16]}.npz"
    try:
        return load(path)
    except ArtefactError:
        made = spikes.plant(spikes.pool(run, asked.network, splits), each)
        spiked = read_planted(asked, splits, others, made, quick)
    save(path, spiked)
    return spiked


def read_planted(asked: Subject, splits, others: dict, made: spikes.Planted, quick=False) -> Spiked:
    """Planted errors read, with the other networks' answers to the same pictures."""
    opinions = [
        calibration.softmax(
            inference.logits(network, made.images, splits.mean, splits.std), temperature_of(other)
        )
        for other, network in others.values()
    ]
    keys = np.arange(len(made.cause))
    readings = read(
        asked, made.images, made.recorded, made.predicted, made.logits, opinions, keys, quick
    )
    return Spiked(readings, made.cause, made.source)


def save(path: Path, spiked: Spiked) -> None:
    """Keep planted errors as they were read."""
    artefacts.write_arrays(
        path,
        values=spiked.readings.to_numpy(),
        names=np.array(spiked.readings.columns, dtype=str),
        cause=spiked.cause.astype(str),
        source=spiked.source,
    )


def load(path: Path) -> Spiked:
    """What `save` kept; raises ArtefactError for what it did not."""
    arrays = artefacts.read_arrays(path)
    names, values = arrays["names"].tolist(), arrays["values"]
    return Spiked(pd.DataFrame(values, columns=names), arrays["cause"], arrays["source"])


# From readings to a verdict that can be followed.


def decide(learnt: Rule, mix: Mixture, found: pd.DataFrame) -> pd.DataFrame:
    """One row an error. verdict: what the rule calls it; trusted: whether that may be said, and
    obstacle: what is against it, "" for nothing; probability, low, high: of the verdict, at the
    corrected mix of causes; second: the next likeliest cause.

    led: the reading that speaks most for the verdict against the second cause, with its value;
    turns: the value of that reading, the first on the way to the second cause at which the rule
    says something else, all others equal, NaN if none among the errors' does; instead: what it says
    there."""
    probability = rule.probabilities(learnt.model, found)
    limit = learnt.thresholds[rule.ALLOWED]
    verdict = rule.call(probability, limit)
    place, row = np.array([CAUSES.index(cause) for cause in verdict], int), np.arange(len(found))
    rest = probability.copy()
    rest[row, place] = -1
    second = rest.argmax(1)
    table = pd.DataFrame(
        {
            "verdict": verdict,
            "trusted": np.isin(verdict, mix.trusted),
            "obstacle": [_obstacle(mix, cause) for cause in verdict],
            **mixture.at_mix(probability, mix, verdict),
            "second": np.array(CAUSES)[second],
        },
        index=found.index,
    )
    return table.join(explained(learnt.model, limit, found, place, second))


def _obstacle(mix: Mixture, cause: str) -> str:
    """Why a verdict is not given; "" where it is."""
    if cause in mix.trusted:
        return ""
    contradicted = "reviewers contradict such verdicts" * (cause in mix.contradicted)
    unsure = "at this network's mix of causes that is not known to be right often enough"
    return mix.obstacle or contradicted or unsure


def explained(model, limit: float, found: pd.DataFrame, place, second) -> pd.DataFrame:
    """led, value, turns and instead of `decide`; place and second: places in CAUSES (N,)."""
    values, row = found[model.names].to_numpy(), np.arange(len(found))
    led = leading(model, values, place, second)
    value, centre, scale = values[row, led], model.centre[led], model.scale[led]
    way = np.where(value > centre, -1, 1)
    least, most = values.min(0)[led], values.max(0)[led]
    instead, turns = np.full(len(values), "", dtype="<U20"), np.full(len(values), np.nan)
    for step in STEPS[1:]:
        changed = values.copy()
        changed[row, led] = np.clip(value + way * step * scale, least, most)
        now = rule.call(rule.of_values(model, changed), limit)
        turned = np.isnan(turns) & (now != np.array(CAUSES)[place])
        turns[turned], instead[turned] = changed[row, led][turned], now[turned]
    names = np.array(model.names)[led]
    columns = {"led": names, "value": value, "turns": turns, "instead": instead}
    return pd.DataFrame(columns, index=found.index)


def leading(model, values: np.ndarray, place, second) -> np.ndarray:
    """Which reading (N,) speaks most for the verdict against the second cause: the one without
    which, at its mean over planted errors, the log-odds of the two fall most."""

    def lead(changed):
        p = np.maximum(rule.of_values(model, changed), 1e-12)
        return np.log(p[row, place]) - np.log(p[row, second])

    row, falls = np.arange(len(values)), []
    before = lead(values)
    for column, centre in enumerate(model.centre):
        without = values.copy()
        without[:, column] = centre
        falls.append(before - lead(without))
    return np.argmax(falls, 0)


def given(table: pd.DataFrame) -> pd.Series:
    """The verdicts that may be given, of the rows of `decide`: a cause, "unexplained", or
    NO_VERDICT."""
    allowed = table["trusted"] | table["verdict"].eq(CAUSES[-1])
    return table["verdict"].where(allowed, NO_VERDICT)


def sentence(said: pd.Series) -> str:
    """A row of `decide` in words: the verdict or why there is none, what led, and what would turn
    it."""
    cause = readable(said["verdict"])
    limits = f"{percent(said['low'], 0)} to {percent(said['high'], 0)}"
    if said["verdict"] == CAUSES[-1]:
        first = "Unexplained: no cause is likely enough."
    elif said["trusted"]:
        first = (
            f"{cause.capitalize()}, with probability {percent(said['probability'], 0)} ({limits}) "
            "at this network's mix of causes."
        )
    else:
        first = f"No verdict: the rule points to {cause}, but {said['obstacle']}."
    return (
        f"{first} What speaks most for it against {readable(said['second'])}: "
        f"{READINGS[said['led']]}, {number(said['value'])}; {turn(said)}."
    )


def turn(said: pd.Series) -> str:
    """What would have turned the verdict."""
    if np.isnan(said["turns"]):
        return "no value that errors have would turn the verdict"
    return f"at {number(said['turns'])}, all else equal, it would be {readable(said['instead'])}"


def numbers(judged: Judgement) -> dict | None:
    """What the report says of one arm's instrument; None without a rule."""
    if judged.rule is None:
        return None
    cause, source = judged.spiked.cause, judged.spiked.source
    return {
        "planted": {name: int((cause == name).sum()) for name in CAUSES},
        "readings": [READINGS[name] for name in judged.rule.model.names],
        "linear": isinstance(judged.rule.model, Linear),
        "allowed": rule.ALLOWED,
        "strict": rule.STRICT,
        "score": rule.score(judged.rule, cause, source),
        "score_strict": rule.score(judged.rule, cause, source, rule.STRICT),
        "mixture": None if judged.mixture is None else mixture.numbers(judged.mixture),
    }
