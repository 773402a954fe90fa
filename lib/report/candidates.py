"""Which arm an earlier study may have had in place of the one that it names: each claim about it
judged again on a candidate, and an explanation that is named by a rule stated beforehand.

The rule: a candidate is named if it brings out at least MOST of the claimed numbers and the arm
itself at most LEAST of them, of at least FEWEST numbers. Numbers that follow from other claimed
ones are not counted there. Several may be named: the claims are then consistent with each."""

import re

import pandas as pd

from lib.base.text import escape, listed, name, plural
from lib.evaluation.protocols import PROTOCOLS
from lib.report.arithmetic import derived
from lib.report.claims import _STEP, Claim, Claims

MOST, LEAST, FEWEST = 2 / 3, 1 / 3, 6
# what of results.json is about one arm or about the images, and is there for every arm
OF_ARMS = {
    "compare": (
        "before",
        "after",
        "arms",
        "histories",
        "rejection",
        "reject_below",
        "target_risk",
        "promises",
        "confident_errors",
        "scores",
        "ablation",
        "measures",
    ),
    "failures": ("test_images", "arms", "known", "labels"),
    "gradcam": (),
}
# what of `compare` another protocol leaves as it is
OF_TRAINING = ("before", "after", "histories", "reject_below", "target_risk")


def named(stated: Claims | None, results: dict) -> list[str]:
    """The candidates for the arm before whose numbers this study has."""
    compare = results.get("compare") or {}
    there = compare.get("candidates") or {}
    wanted = stated.in_place_of(compare.get("before")) if stated else {}
    return [arm for arm in wanted if arm in there]


def protocols_asked(stated: Claims | None, arm: str) -> dict[str, list[str]]:
    """Under which protocols of lib.evaluation.protocols an arm is to be tested besides, to the
    classes of "subset"."""
    wanted = stated.in_place_of(arm) if stated else {}
    return {word: classes for word, classes in wanted.items() if word in PROTOCOLS}


def absent(stated: Claims | None, results: dict) -> list[str]:
    """The candidates of the file that this study cannot try: no arms of it, or of another arm than
    the one before."""
    tried = named(stated, results)
    wanted = [one for arm in stated.candidates for one in stated.in_place_of(arm)] if stated else []
    return [arm for arm in dict.fromkeys(wanted) if arm not in tried]


def in_place(results: dict, candidate: str) -> dict:
    """results.json as it would be, had `candidate` been the arm before; without what its networks
    would have to be asked for."""
    compare, before = results["compare"], results["compare"]["before"]
    if "tested" in compare["candidates"][candidate]:
        return _tested(results, compare["candidates"][candidate])
    parts = {
        part: {key: results[part][key] for key in keys if key in (results.get(part) or {})}
        for part, keys in OF_ARMS.items()
    }
    parts["compare"] |= compare["candidates"][candidate]
    return _renamed(results | parts, before, candidate)


def _tested(results: dict, given: dict) -> dict:
    """The same of the arm before under a protocol. Of other arms nothing is said where other images
    were tested."""
    own, compare, failing = given["tested"], results["compare"], results["failures"]
    others = compare if own["images"] == failing["test_images"] else {"arms": {}, "rejection": {}}
    of_compare = {key: compare[key] for key in OF_TRAINING if key in compare} | given
    of_compare |= {key: others.get(key, {}) | own[key] for key in ("arms", "rejection")}
    of_failures = {key: failing[key] for key in ("known", "labels") if key in failing}
    score = {key: value for key, value in results["gradcam"].items() if key == "score"}
    return results | {
        "compare": of_compare,
        "failures": of_failures | {"test_images": own["images"]},
        "gradcam": score,
    }


def _renamed(value, before: str, candidate: str):
    """The same with the candidate's entries under the name of the arm before."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key != before}
        kept |= {before: value[candidate]} if candidate in value else {}
        return {key: _renamed(item, before, candidate) for key, item in kept.items()}
    if isinstance(value, list):
        kept = [one for one in value if not (isinstance(one, dict) and one.get("arm") == before)]
        kept += [
            one | {"arm": before}
            for one in kept
            if isinstance(one, dict) and one.get("arm") == candidate
        ]
        return [_renamed(one, before, candidate) for one in kept]
    return value


def concerns(claim: Claim, results: dict, candidate: str) -> bool:
    """Whether a claim is about the arm before or the change from it, and does not itself speak of
    the candidate."""
    compare = results["compare"]
    paths = [path for tests in claim.read.values() for test in tests for path in _paths(test)]
    found = [step for path in paths for step in re.findall(_STEP, path)]
    # of `promises[arm=baseline]` both words
    steps = {name for name, _ in found}
    steps |= {part.partition("=")[2] for _, keys in found for part in keys.split(",")}
    if candidate in steps or not paths:
        return False
    before = compare["before"]
    own = any(step == before or step.startswith(f"{before} ") for step in steps)
    change = set(compare["candidates"][candidate]) - {"cases"}
    return own or any(
        path.startswith(tuple(f"compare.{key}" for key in change)) or path.startswith("gradcam.")
        for path in paths
    )


def _paths(test) -> list[str]:
    sizes = [size for size in (test.count_of, test.share_of, test.minus_of) if size]
    return [test.measured, *([test.minus] if test.minus else []), *" * ".join(sizes).split(" * ")]


def explain(judged: pd.DataFrame, stated: Claims | None, results: dict, verdicts: tuple) -> dict:
    """How many claimed numbers each arm brings out, and what they are consistent with.

    judged: lib.report.ledger.judge's table; verdicts: what it calls reproduced and untested.
    `candidates`: {arm before or candidate: {numbers, reproduced, independent: {numbers,
    reproduced}}}; `consistent_with`: candidates by the rule; `against`: {each of these: ids of
    claims that come out with the arm before and not with it}; `untried`: `absent`. All claims
    counted are judged for every arm."""
    arms, untried = named(stated, results), absent(stated, results)
    if not arms:
        none = {"candidates": {}, "consistent_with": [], "against": {}}
        return none | {"untried": untried}
    reproduced, untested = verdicts
    verdicts_of = {results["compare"]["before"]: judged["verdict"]} | {
        arm: judged[f"{arm} verdict"] for arm in arms
    }
    table = pd.DataFrame(verdicts_of).set_axis(judged["id"])
    table = table[~table.isna().any(axis=1) & ~table.eq(untested).any(axis=1)].eq(reproduced)
    numbers = {claim.id for claim in stated.claims if claim.claimed is not None}
    counted = table[table.index.isin(numbers)]
    independent = counted[~counted.index.isin(derived(stated))]
    before, consistent = next(iter(verdicts_of)), _consistent(independent, arms)
    against = {one: table.index[table[before] & ~table[one]].tolist() for one in consistent}
    return {
        "candidates": {
            arm: _counts(counted[arm]) | {"independent": _counts(independent[arm])}
            for arm in (table if len(counted) else [])
        },
        "consistent_with": consistent,
        "against": against,
        "untried": untried,
    }


def _counts(reproduced: pd.Series) -> dict:
    return {"numbers": len(reproduced), "reproduced": int(reproduced.sum())}


def _consistent(independent: pd.DataFrame, arms: list[str]) -> list[str]:
    share = independent.mean()
    if len(independent) < FEWEST or share.drop(arms).iloc[0] > LEAST:
        return []
    return [arm for arm in arms if share[arm] >= MOST]


def explanation(found: dict, claims: dict) -> str:
    """What the report says of `explain`; claims: results.json's, by id. "" without candidates."""
    counts = found["candidates"]
    if not counts:
        return ""
    before, *arms = counts
    parts = [
        f"{counts[arm]['reproduced']} with {name(arm)}" for arm in arms if arm not in PROTOCOLS
    ]
    text = (
        f"Of {plural(counts[before]['numbers'], 'number')} that it gives of {name(before)} and of "
        f"the change from it, {counts[before]['reproduced']} come out here"
        + f", and {listed(parts)} in its place" * bool(parts)
        + ". "
    )
    if not found["consistent_with"]:
        return text + _not_named(found, before)
    text += f"**The claims are consistent with {fitting(found['consistent_with'], before)}.** "
    for one, ids in found["against"].items():
        said = [f"“{escape(claims[of]['statement'].rstrip('.'))}”" for of in ids]
        which = "it" if len(found["against"]) == 1 else fitting([one], before)
        text += f"Against {which} speaks what comes out without it: {listed(said)}. " * bool(said)
    return text


def fitting(consistent: list[str], before: str, called=name) -> str:
    """The candidates that claims are consistent with, in words; called: how an arm is named."""
    arms = [called(arm) for arm in consistent if arm not in PROTOCOLS]
    words = [f"the arm{'s' * (len(arms) > 1)} {listed(arms)} in place of {called(before)}"] * bool(
        arms
    )
    words += [f"{called(before)} with {PROTOCOLS[one]}" for one in consistent if one in PROTOCOLS]
    return "; with ".join(words)


def _not_named(found: dict, before: str) -> str:
    independent = found["candidates"][before]["independent"]
    if independent["numbers"] < FEWEST:
        return f"Fewer than {FEWEST} are independent: no explanation is named. "
    return "By the rule stated beforehand that names no explanation. "


def rule_text(found: dict) -> str:
    """By what rule an explanation is named, what other ways of testing bring out, and which
    candidates were not tried; "" without."""
    untried = listed([PROTOCOLS.get(one, name(one)) for one in found["untried"]])
    text = f"Named as candidates, but not to be tried in this study: {untried}. " * bool(untried)
    rule = _rule(found["candidates"]) if found["candidates"] else ""
    return (text + _otherwise(found["candidates"]) + rule).strip()


def _otherwise(counts: dict) -> str:
    ways = [
        f"{counts[one]['reproduced']} with {words}"
        for one, words in PROTOCOLS.items()
        if one in counts
    ]
    if not ways:
        return ""
    before = next(iter(counts))
    return (
        f"With the same networks of {name(before)}, tested in another way, of the "
        f"{plural(counts[before]['numbers'], 'number')} there come out {listed(ways)}. "
    )


def _rule(counts: dict) -> str:
    independent = {arm: of["independent"] for arm, of in counts.items() if arm not in PROTOCOLS}
    numbers = next(iter(independent.values()))["numbers"]
    out = [f"{of['reproduced']} of {numbers} with {name(arm)}" for arm, of in independent.items()]
    return (
        "An explanation is named by a rule stated beforehand: with it at least two thirds of the "
        "claimed numbers come out and without it at most one third, of six numbers or more, those "
        "left out that follow from others by arithmetic. So counted there come out "
        f"{listed(out)}."
    )
