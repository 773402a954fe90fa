"""What the third notebook makes of the probes: tables over all errors, and the cases."""

from concurrent.futures import ThreadPoolExecutor
from math import lcm

import numpy as np
import pandas as pd
import torch
from torch import nn

from lib.base import random
from lib.base.text import listed, name, plural, readable, with_limits
from lib.data.streams import at_once, take
from lib.diagnosis import (
    faithfulness,
    interventions,
    judgement,
    mixture,
    probes,
    randomisation,
    spikes,
    verdict,
)
from lib.diagnosis import faithfulness as spread_of
from lib.diagnosis import probes as effect
from lib.diagnosis.evidence import Evidence, examine, fast
from lib.diagnosis.judgement import Judgement
from lib.evaluation.failures import half
from lib.model import ResNet
from lib.training import inference, record

# of deletion and insertion, or near it where that divides no map: two of 16 cells each, seven of 49
STEPS = 8
SIDE_BY_SIDE = 2  # networks; torch works outside Python's lock, so that threads are enough
UNKNOWN = dict.fromkeys(("estimate", "low", "high"), np.nan)
OF_MIXTURE = ("shares", "precision")
SEED = 1  # of the sample of errors, where not all are probed
FINEST = 8 * probes.SIDE  # pixels of a side on which occlusion is held against a map
TESTED = 200  # errors whose maps are tested: cells taken away, weights made random
INSTRUMENT = (
    "The instrument on errors that were planted: how often it finds each cause and how often its "
    "verdict is right, in the shares of causes that were planted, on folds without the source "
    "picture, with 95% bootstrap intervals over source pictures. Nothing called something: the "
    "share of errors without a cause, small shifts of every pixel, that got one all the same."
)


def pair_maps(
    pair: dict, models: dict[str, nn.Module], images, true: torch.Tensor, wrong, splits
) -> dict[str, torch.Tensor]:
    """By arm, maps (N, 2, h, w) of the wrong and the true class of pictures uint8 (N, 3, h, w), in
    logits: Grad-CAM at the network's own layer, occlusion where it has none."""
    return {
        arm: inference.pair_maps(
            model, record.map_layer(pair[arm]), images, wrong, true, splits.mean, splits.std
        )
        for arm, model in models.items()
    }


def sample(run, size: int, cases=()) -> np.ndarray:
    """Positions of the run's wrong test predictions that are probed: `size` drawn by their ids
    alone, and `cases`; 0 takes all."""
    wrong = np.flatnonzero(~run.test.correct)
    if not size or size >= len(wrong):
        return wrong
    drawn = np.argsort(random.bits(random.key(SEED), run.test.index[wrong]), kind="stable")[:size]
    return np.union1d(wrong[drawn], np.intersect1d(wrong, np.asarray(cases, wrong.dtype)))


def examine_arms(
    pair: dict, models: dict[str, nn.Module], splits, probed: dict[str, np.ndarray]
) -> dict[str, Evidence]:
    """The evidence on the errors of each arm that are `probed`, the arms side by side; an arm
    without an error is left out."""
    return side_by_side(
        lambda arm: examine(pair[arm], models[arm], splits, probed[arm]),
        [arm for arm in pair if len(probed[arm])],
    )


def sampled(probed: dict[str, np.ndarray], pair: dict) -> dict[str, int]:
    """By arm: how many errors there are, where only some are probed."""
    wrong = {arm: int((~run.test.correct).sum()) for arm, run in pair.items()}
    return {arm: number for arm, number in wrong.items() if number > len(probed[arm])}


def side_by_side(work, names) -> dict:
    """`work` of each name, by name, two at a time."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return dict(zip(names, pool.map(work, names)))


def effects(found: Evidence) -> dict[str, pd.DataFrame]:
    """Every probe's effect on every error (lib.diagnosis.probes.measure_probe), by the probe's name
    in words."""
    return {
        probes.LABELS[key]: effect.measure_probe(response, found.wrong, found.true)
        for key, response in found.responses.items()
    }


def controls(measured: dict[str, dict]) -> dict:
    """By arm: how much more often covering the hottest cells changes the answer than covering
    random ones, over all errors."""
    return {
        arm: effect.contrast(
            of_arm[probes.LABELS["hot:mean"]], of_arm[probes.LABELS["random:mean"]], "flip"
        )._asdict()
        for arm, of_arm in measured.items()
    }


def tested(found: Evidence, run) -> np.ndarray:
    """The places of the errors whose maps are tested: TESTED, drawn by their ids alone."""
    drawn = random.bits(random.key(SEED), run.test.index[found.position])
    return np.sort(np.argsort(drawn, kind="stable")[:TESTED])


def curves(
    pair: dict, models: dict[str, nn.Module], found: dict[str, Evidence], splits
) -> dict[str, faithfulness.Curves]:
    """Deletion and insertion of the wrong class of each arm's `tested` errors, the arms side by
    side."""

    def of_arm(arm: str) -> faithfulness.Curves:
        evidence, network = found[arm], fast(pair[arm], models[arm])
        rows = tested(evidence, pair[arm])
        position, maps, wrong = evidence.position[rows], evidence.maps[rows], evidence.wrong[rows]
        images, keys = take(splits.test.images, position), splits.test.index[position]
        steps, size, parts = (
            steps_of(evidence.maps[0, 0].numel()),
            at_once(images, probes.CHUNK),
            [],
        )
        for start in range(0, len(images), size):
            few = slice(start, min(start + size, len(images)))
            filling = interventions.fill(images[few], "mean", splits.mean, keys[few])
            parts.append(
                faithfulness.curves(
                    network,
                    images[few],
                    maps[few, 0],
                    wrong[few],
                    filling,
                    splits.mean,
                    splits.std,
                    keys[few],
                    steps=steps,
                )
            )
        return faithfulness.Curves(*(np.concatenate(curve) for curve in zip(*parts)))

    return side_by_side(of_arm, found)


def steps_of(cells: int) -> int:
    """The divisor above 1 of a map's cells that is nearest to STEPS."""
    return min(
        (divisor for divisor in range(min(2, cells), cells + 1) if cells % divisor == 0),
        key=lambda divisor: abs(divisor - STEPS),
    )


def cascades(
    pair: dict, models: dict[str, nn.Module], found: dict[str, Evidence], splits
) -> dict[str, dict[str, np.ndarray]]:
    """Rank correlation of the maps of each arm's `tested` errors with those of randomised networks;
    of our own network alone, whose stages are known."""
    return {
        arm: randomisation.cascade(
            models[arm],
            record.map_layer(pair[arm]),
            take(splits.test.images, evidence.position[rows]),
            evidence.wrong[rows],
            splits.mean,
            splits.std,
        )
        for arm, evidence in found.items()
        if type(models[arm]) is ResNet
        for rows in [tested(evidence, pair[arm])]
    }


def occlusion_agreement(found: Evidence) -> dict:
    """Rank correlation of the maps with occlusion, over all errors; `another`: with occlusion of
    another error's picture, what a map alone gives, None where there is one error."""
    drops, (height, width) = found.responses["square"].drop, found.maps.shape[2:]
    # whose pixels lie each in one cell and in whole squares, whatever the picture's own side; where
    # that takes too many, nearly so
    side = min(lcm(probes.SIDE, height, width), FINEST)
    square, stride = (length * side // probes.SIDE for length in (probes.SQUARE, probes.STRIDE))
    cells = [
        faithfulness.by_cell(
            faithfulness.occlusion(drops[:, start : start + probes.CHUNK], square, stride, side),
            height,
            width,
        )
        for start in range(0, drops.shape[1], probes.CHUNK)
    ]
    cells = torch.cat(cells)
    another = randomisation.map_agreement(found.maps[:, 0], cells.roll(1, 0))["correlation"]
    return randomisation.map_agreement(found.maps[:, 0], cells) | {
        "another": another if len(cells) > 1 else None
    }


def second_opinions(pair: dict, found: dict[str, Evidence]) -> dict[str, dict]:
    """`occlusion_agreement` of each arm whose maps are not occlusion themselves."""
    return {
        arm: occlusion_agreement(evidence)
        for arm, evidence in found.items()
        if record.map_layer(pair[arm])
    }


def attention(
    pair: dict, models: dict[str, nn.Module], found: dict[str, Evidence], splits
) -> dict | None:
    """Spread of the wrong class's map on the errors of the first arm, there and in the second arm;
    None where one of them was not asked, or where their maps differ in kind or in cells."""
    arms = list(pair)
    if len(arms) < 2 or arms[0] not in found:
        return None
    own, (before, after) = found[arms[0]], [record.map_layer(run) for run in pair.values()]
    if (before is None) != (after is None):
        return None
    images, network = take(splits.test.images, own.position), inference.ready(models[arms[1]])
    maps = inference.maps(network, after, images, own.wrong, splits.mean, splits.std)
    return spread_of.compare(own.maps[:, 0], maps) if maps.shape[1:] == own.maps.shape[2:] else None


def halves(found: dict[str, Evidence], pair: dict) -> dict:
    """Probed errors of each arm by half of the test split."""
    counts = {arm: dict.fromkeys(("discovery", "confirmation"), 0) for arm in pair}
    for arm, evidence in found.items():
        which, number = np.unique(half(pair[arm].test.index[evidence.position]), return_counts=True)
        counts[arm] |= dict(zip(which.tolist(), number.tolist()))
    return counts


def cases(selection: pd.DataFrame, found: Evidence | None, count: int) -> pd.DataFrame:
    """The first `count` selected images that the network gets wrong, with their `row` in the
    evidence."""
    wrong = selection[~selection["correct"]].head(count if found is not None else 0)
    place = (
        {}
        if found is None
        else {position: row for row, position in enumerate(found.position.tolist())}
    )
    return wrong.assign(row=[place[position] for position in wrong["position"]]).reset_index(
        drop=True
    )


def pages(cases: pd.DataFrame, size: int) -> list[pd.DataFrame]:
    return [
        cases.iloc[place : place + size].reset_index(drop=True)
        for place in range(0, len(cases), size)
    ]


def case_numbers(
    cases: pd.DataFrame,
    found: Evidence | None,
    verdicts: pd.DataFrame | None,
    agree: np.ndarray | None,
) -> list[dict]:
    """What was found out about the cases, for the report and the ledger. verdict: the one that may
    be given, None where none may be; points_to: what the rule calls it all the same; others_agree:
    lib.diagnosis.label_doubt.support by the other runs, which is of every test image, or None."""
    if not len(cases):
        return []
    entropy = spread_of.spread(found.maps[cases["row"].tolist(), 0])["normalised_entropy"]
    return [
        {
            "id": case.id,
            "true": case.true,
            "predicted": case.predicted,
            "why": case.why,
            "half": case.half,
            "normalised_entropy": spread,
            "others_agree": None if agree is None else float(agree[case.position]),
            **(_of_case(None if verdicts is None else verdicts.iloc[case.row])),
        }
        for case, spread in zip(cases.itertuples(), entropy)
    ]


def _of_case(said: pd.Series | None) -> dict:
    """A row of lib.diagnosis.judgement.decide, whose verdict stands only where it is trusted."""
    if said is None:
        return {"verdict": None, "points_to": None}
    verdict = said["verdict"] if said["trusted"] else None
    return said.to_dict() | {"verdict": verdict, "points_to": said["verdict"]}


# The rule of each arm, fitted to its own planted errors, and what it makes of the real ones.


def judge_arms(
    pair: dict,
    models: dict[str, nn.Module],
    splits,
    folder,
    read: dict[str, np.ndarray],
    chosen=(),
    each: int = spikes.EACH,
    quick: bool = False,
) -> dict[str, Judgement]:
    """Each arm judged (lib.diagnosis.judgement), the arms side by side; an arm without an error or
    without a right answer is left out, and every one where nothing is planted (each 0).

    read: positions of the errors that are read, by arm; chosen: positions that were not drawn at
    random; folder: where planted errors are kept. Each arm's others are asked for a second
    opinion."""

    def of_arm(arm: str) -> Judgement:
        others = {other: (pair[other], models[other]) for other in pair if other != arm}
        return judgement.judge(
            pair[arm],
            models[arm],
            splits,
            others,
            record.map_layer(pair[arm]),
            folder,
            among=read[arm],
            chosen=chosen,
            quick=quick,
            each=each,
        )

    judgement.made_by()
    able = [arm for arm in pair if len(read[arm]) and pair[arm].test.correct.any()]
    return side_by_side(of_arm, able if each else [])


def verdicts_at(judged: Judgement, position: np.ndarray) -> pd.DataFrame | None:
    """The verdicts on the errors at these positions, a row each in their order; None without a
    rule."""
    if judged.verdicts is None:
        return None
    return judged.verdicts.iloc[np.searchsorted(judged.position, position)].reset_index(drop=True)


def judged_table(judged: dict[str, Judgement], pair: dict, splits) -> pd.DataFrame:
    """Every error that was read, of every arm: position in test, id, half, classes, verdict and
    what belongs to it, the readings of the rule; planted cause where it is known."""
    names, parts = np.array(splits.class_names), []
    for arm, one in judged.items():
        if one.verdicts is None:
            continue
        stored, position = pair[arm].test, one.position
        part = pd.DataFrame(
            {
                "arm": arm,
                "position": position,
                "id": stored.index[position],
                "half": half(stored.index[position]),
                "true": names[stored.labels[position]],
                "predicted": names[stored.predicted[position]],
            }
        )
        part = part.join(one.verdicts).join(one.readings[one.rule.model.names])
        if splits.test.planted is not None:
            part = part.join(verdict.planted(splits.test, position, stored.predicted[position]))
        parts.append(part)
    empty = pd.DataFrame({"arm": [], "position": np.empty(0, int), "half": [], "verdict": []})
    return pd.concat(parts, ignore_index=True) if parts else empty


def corrected_shares(judged: dict[str, Judgement], chosen=()) -> pd.DataFrame:
    """What stands behind each arm's errors: one row a cause and arm, with the errors called so (the
    chosen ones left out), the share corrected for what the rule confuses (share, low, high), the
    precision of the verdict at that mix likewise, and whether the verdict is trusted; without that
    share and precision are NaN."""
    rows = []
    for arm, one in judged.items():
        if one.mixture is None:
            continue
        found = mixture.numbers(one.mixture)
        called = one.verdicts["verdict"][~np.isin(one.position, np.asarray(chosen))]
        for cause in verdict.CAUSES:
            share, right = ((found[what] or {}).get(cause) or UNKNOWN for what in OF_MIXTURE)
            rows.append(
                {"verdict": cause, "arm": arm, "errors": int((called == cause).sum())}
                | {"share": share["estimate"], "low": share["low"], "high": share["high"]}
                | {f"precision {name}": right[name] for name in ("estimate", "low", "high")}
                | {"trusted": cause in found["trusted"]}
            )
    return pd.DataFrame(rows)


def corrected_view(table: pd.DataFrame) -> pd.DataFrame:
    """`corrected_shares` as it is printed: a row a cause, and of each arm the errors called so, the
    corrected share and the precision."""
    view = pd.DataFrame({"cause": [readable(cause) for cause in verdict.CAUSES]})
    for arm, rows in table.groupby("arm", sort=False):
        view[f"{readable(arm)} called"] = rows["errors"].tolist()
        precision = [f"precision {name}" for name in UNKNOWN]
        for shown, columns in (("share", ["share", "low", "high"]), ("verdict right", precision)):
            view[f"{readable(arm)} {shown} (95%)"] = _limited(rows[columns].to_numpy(float))
    return view


def _limited(values: np.ndarray) -> list[str | None]:
    """Estimates with their limits, (rows, 3), as a table has them; None for what is unknown."""
    return [None if np.isnan(row).any() else with_limits(*row) for row in values]


def corrected_caption(judged: dict[str, Judgement], pair: dict) -> str:
    """What stands over the table of corrected shares, with what was read."""
    read = [
        f"{len(one.position):,} of {plural(int((~pair[arm].test.correct).sum()), 'error')} of "
        f"{name(arm)}"
        for arm, one in judged.items()
    ]
    return (
        "What stands behind the errors of each arm: how many its rule calls so; as planted errors "
        "promise it, their share corrected for what the rule confuses and how often the verdict is "
        "right at that mix of causes. Where no share stands, the calls are not to be used. The 95% "
        "intervals hold the rule's own mistakes. Read were "
        f"{listed(read)}; the chosen cases among them take no part."
    )


def instrument_table(judged: dict[str, Judgement]) -> pd.DataFrame:
    """How each arm's rule scores on its own planted errors, held out: one row an arm and cause,
    with errors planted, recall and precision and their 95% limits; "mean of causes" has the macro
    recall, "nothing called something" the share of nothing that got a verdict."""
    rows = []
    for arm, one in judged.items():
        found = judgement.numbers(one)
        if found is None:
            continue
        marks = found["score"]
        for cause in verdict.CAUSES[:-1]:
            rows.append(
                {"arm": arm, "cause": cause, "planted": found["planted"][cause]}
                | _limits("recall", marks[f"recall {cause}"])
                | _limits("precision", marks[f"precision {cause}"])
            )
        of_all = {"mean of causes": "macro recall", "nothing called something": "called"}
        rows += [
            {"arm": arm, "cause": shown} | _limits("recall", marks[name])
            for shown, name in of_all.items()
        ]
    return pd.DataFrame(rows)


def instrument_view(table: pd.DataFrame) -> pd.DataFrame:
    """`instrument_table` as it is printed."""
    view = table[["arm", "cause"]].map(readable)
    view["planted"] = [None if np.isnan(number) else f"{number:.0f}" for number in table["planted"]]
    for what in ("recall", "precision"):
        columns = [what, f"{what} low", f"{what} high"]
        view[f"{what} (95%)"] = _limited(table[columns].to_numpy(float))
    return view


def rule_numbers(judged: dict[str, Judgement]) -> dict:
    """lib.diagnosis.judgement.numbers of the arms that have a rule."""
    found = {arm: judgement.numbers(one) for arm, one in judged.items()}
    return {arm: numbers for arm, numbers in found.items() if numbers}


def _limits(name: str, entry: dict) -> dict:
    return {name: entry["estimate"], f"{name} low": entry["low"], f"{name} high": entry["high"]}
