"""Which factor made the difference: effects of augmentation and of each remedy, with the others as
they are, and of any other parameter in which alone two arms differ.

Arms are told apart by their recorded parameters, not by their names. Two arms show the effect of a
factor when they differ in nothing else; four arms that differ in two factors alone show whether
these add up."""

from itertools import combinations, permutations

import pandas as pd

from lib.evaluation import bootstrap, scope
from lib.evaluation.summary import MEASURES, with_interval

FACTORS = {
    "crop and flip": ("augment",),
    "CutMix": ("cutmix_probability", "cutmix_alpha"),
    "label smoothing": ("label_smoothing",),
    "MixUp": ("mixup_probability", "mixup_alpha"),
    "Cutout": ("cutout_size",),
    "cosine schedule": ("schedule",),
}
# of a factor's first parameter: 0, false, and the schedule that is no remedy
OFF = (0, "steps")
EFFECTS_ON = ("test_accuracy", "ece", "ece_scaled", "aurc")
NOT_TRAINING = ("arm", "seed", "study", "outputs", "root", "precision", "device", "threads")


def factor_levels(params: dict) -> dict[str, tuple | None]:
    """The setting of each factor, None where it is off."""
    return {
        factor: tuple(params[name] for name in names) if params[names[0]] not in OFF else None
        for factor, names in FACTORS.items()
    }


def switched_on(known: dict[str, dict]) -> list[str]:
    """The factors that one arm at least has on; known: {arm: its `factor_levels`}."""
    return [factor for factor in FACTORS if any(levels[factor] for levels in known.values())]


def differing(one: dict, other: dict) -> list[str]:
    """The names of the parameters in which two arms were trained differently; of CutMix and MixUp
    alpha counts where both arms mix."""
    on_in_both = {
        factor: all(factor_levels(params)[factor] for params in (one, other)) for factor in FACTORS
    }
    idle = [name for factor in FACTORS if not on_in_both[factor] for name in FACTORS[factor][1:]]
    return [
        name
        for name in one
        if name not in NOT_TRAINING and name not in idle and one[name] != other.get(name)
    ]


def _rest(params: dict) -> dict:
    own = {name for names in FACTORS.values() for name in names}
    return {
        name: value
        for name, value in params.items()
        if name not in own and name not in NOT_TRAINING
    }


def effects(parameters: dict[str, dict], pair: tuple[str, str]) -> list[dict]:
    """The effects that the arms allow, {arm: its training parameters}; [] where they say no more
    than before and after.

    Each has a name, the factor, what it was given, and `arms`, the coefficients whose sum over the
    arms is the effect: {on: 1, off: -1}; of an interaction {both: 1, one: -1, other: -1, neither:
    1}. A last one is of all factors together that an arm has. Two arms with equal settings both
    take part: each pair is one effect."""
    known = {arm: factor_levels(params) for arm, params in parameters.items()}
    same = {arm: _rest(params) for arm, params in parameters.items()}
    single = [
        _effect(factor, known[on], {on: 1, off: -1})
        for factor in FACTORS
        for off, on in permutations(parameters, 2)
        if same[off] == same[on] and _turned_on(known[off], known[on]) == [factor]
    ] + _other_values(parameters, known)
    if all(set(effect["arms"]) == set(pair) for effect in single):
        return []
    return single + _interactions(known, same) + _together(known, same)


def _together(known: dict, same: dict) -> list[dict]:
    """The step from an arm with every factor off to one with every factor on that an arm has."""
    there = switched_on(known)
    return [
        {"effect": "all together", "given": "nothing else", "arms": {every: 1, none: -1}}
        for none, every in permutations(known, 2)
        if len(there) > 1
        and same[none] == same[every]
        and _turned_on(known[none], known[every]) == there
    ]


def _other_values(parameters: dict[str, dict], known: dict) -> list[dict]:
    """Effects of one parameter that has another value in an arm and switches no factor: the larger
    value, or else the later arm's, in place of the other."""
    found = []
    for one, other in combinations(parameters, 2):
        names = differing(parameters[one], parameters[other])
        if len(names) != 1 or _switched(known[one], known[other]):
            continue
        (name,) = names
        old, new = parameters[one][name], parameters[other][name]
        if isinstance(old, (int, float)) and old > new:
            one, other, old, new = other, one, new, old
        factor = next((factor for factor, own in FACTORS.items() if name in own), name)
        text = f"{name.replace('_', ' ')} {new} in place of {old}"
        found.append(_effect(factor, known[other], {other: 1, one: -1}) | {"effect": text})
    return found


def _switched(one: dict, other: dict) -> bool:
    """Whether a factor is on in one and off in the other."""
    return any((one[factor] is None) != (other[factor] is None) for factor in FACTORS)


def _turned_on(off: dict, on: dict) -> list[str] | None:
    """The factors that are off in one and on in the other; None where the arms differ otherwise."""
    changed = [factor for factor in FACTORS if off[factor] != on[factor]]
    return changed if all(off[factor] is None for factor in changed) else None


def _effect(factor: str, on: dict, arms: dict) -> dict:
    others = [other for other in FACTORS if other != factor and on[other] is not None]
    return {"effect": factor, "given": " and ".join(others) or "nothing else", "arms": arms}


def _interactions(known: dict, same: dict) -> list[dict]:
    found = []
    for one, other in combinations(FACTORS, 2):
        for neither, both in permutations(known, 2):
            if same[neither] != same[both] or _turned_on(known[neither], known[both]) != [
                one,
                other,
            ]:
                continue
            middle = [
                [
                    arm
                    for arm in known
                    if same[arm] == same[both]
                    and known[arm] == known[neither] | {factor: known[both][factor]}
                ]
                for factor in (one, other)
            ]
            if all(middle):
                rest = [
                    factor
                    for factor in FACTORS
                    if factor not in (one, other) and known[both][factor] is not None
                ]
                found.append(
                    {
                        "effect": f"{one} × {other}",
                        "given": " and ".join(rest) or "nothing else",
                        "arms": {both: 1, middle[0][0]: -1, middle[1][0]: -1, neither: 1},
                    }
                )
    return found


def measured(found: list[dict], numbers: dict, sampled: dict) -> list[dict]:
    """The effects with the interval of each on every number of EFFECTS_ON, over the `seeds` that
    all arms of an effect have in common; `found`: what may be said of it among so many effects
    (lib.evaluation.scope.found)."""
    of_number = {name: _measured_on(name, found, numbers, sampled) for name in EFFECTS_ON}
    return [
        effect
        | {"seeds": bootstrap.seeds_shared(numbers, effect["arms"], EFFECTS_ON[0])}
        | {name: of_number[name][place] for name in EFFECTS_ON}
        for place, effect in enumerate(found)
    ]


def _measured_on(name: str, effects: list[dict], numbers: dict, sampled: dict) -> dict[int, dict]:
    """Each effect on one number, by its place."""
    arms = {place: effect["arms"] for place, effect in enumerate(effects)}
    changes = {
        place: bootstrap.interval(sampled, numbers, of_effect, name)._asdict()
        for place, of_effect in arms.items()
    }
    p_values = {
        place: bootstrap.p_value(sampled, numbers, of_effect, name)
        for place, of_effect in arms.items()
    }
    found = scope.found(changes, p_values)
    return {place: changes[place] | {"found": found[place]} for place in arms}


def effects_table(found: list[dict]) -> pd.DataFrame:
    """One row an effect and number: estimate, low, high."""
    return pd.DataFrame(
        [
            {
                "effect": effect["effect"],
                "given": effect["given"],
                "arms": arms_text(effect["arms"]),
                "n": len(effect["seeds"]),
                "number": MEASURES[name].label,
                **effect[name],
            }
            for effect in found
            for name in EFFECTS_ON
        ]
    )


def effects_view(found: list[dict]) -> pd.DataFrame:
    """The same as it is printed, a row an effect; seeds are counted where effects differ in
    them."""
    view = pd.DataFrame(
        [
            {
                "effect of": effect["effect"],
                "given": effect["given"],
                "seeds": len(effect["seeds"]),
                **{heading(name): with_interval(name, effect[name]) for name in EFFECTS_ON},
            }
            for effect in found
        ]
    )
    return view.drop(columns=[column for column in ("seeds",) if view[column].nunique() == 1])


def heading(name: str) -> str:
    return MEASURES[name].label + (", points" if MEASURES[name].kind == "share" else "")


def arms_text(arms: dict[str, int]) -> str:
    """ "cutmix − label_smoothing − cutmix_only + baseline"."""
    return " ".join(
        ("+ " if weight > 0 else "− ") + arm for arm, weight in arms.items()
    ).removeprefix("+ ")
