"""The verdict on each claim of an earlier study: what was measured, by the rule that stands beside
the claim, for the arm that it names and for each candidate in its place.
"""

import re

import pandas as pd

from lib.base.text import listed, readable, signed, with_limits
from lib.evaluation.paired import Interval
from lib.report import candidates
from lib.report.claims import (
    EXACT,
    Bound,
    Claim,
    Claims,
    Missing,
    Scope,
    Test,
    difference,
    find,
    images,
    measured,
    number,
)

REPRODUCED, FAILED, CONTRADICTED, UNTESTED = (
    "reproduced",
    "not reproduced",
    "contradicted",
    "not tested here",
)
VERDICTS = (CONTRADICTED, FAILED, REPRODUCED, UNTESTED)  # in the order of the report's table
COLUMNS = ["id", "statement", "claimed", "measured", "verdict", "why"]


def judge(claims: Claims | None, results: dict) -> pd.DataFrame:
    """One row a claim in the file's order, none for None; `measured` with its 95 % interval,
    `verdict` one of VERDICTS. Of each candidate of the file that the study has as an arm,
    "<arm> measured" and "<arm> verdict": the same with that arm in place of the one before; None
    where the claim is not about it.

    contradicted: one of the claim's tests is; not reproduced: one fails; reproduced: all hold; not
    tested here: the study lies outside the claim's scope, or a number is missing. Of several
    readings the first decides; two claims of one quantity have one verdict.
    """
    rows = _rows(claims, results) if claims else []
    table = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    for arm in candidates.named(claims, results):
        again = _rows(claims, candidates.in_place(results, arm))
        about = [candidates.concerns(claim, results, arm) for claim in claims.claims]
        for name in ("measured", "verdict"):
            values = [row[name] if own else None for row, own in zip(again, about)]
            table[f"{arm} {name}"] = pd.Series(values, dtype=object)
    return table


def measured_numbers(claims: Claims | None, results: dict) -> list[dict]:
    """Each claimed number beside what was measured, in the claim's unit: id, unit, claimed, arm,
    estimate, low, high, reproduced. `arm` is the one before, and each candidate in its place where
    the claim is about it; a claim outside its scope, or without such a number, is left out."""
    if not claims:
        return []
    before = (results.get("compare") or {}).get("before")
    places = {before: results}
    places |= {arm: candidates.in_place(results, arm) for arm in candidates.named(claims, results)}
    records = []
    for arm, there in places.items():
        verdicts = {row["id"]: row["verdict"] for row in _rows(claims, there)}
        records += [
            record | {"arm": arm, "reproduced": verdicts[claim.id] == REPRODUCED}
            for claim in claims.claims
            if arm == before or candidates.concerns(claim, results, arm)
            if verdicts[claim.id] != UNTESTED and (record := _number(claim, there))
        ]
    return records


def _number(claim: Claim, results: dict) -> dict | None:
    """What the first test that is held against the claimed number measured."""
    tests = [one for one in next(iter(claim.read.values())) if one.unit in (None, claim.unit)]
    tests = [one for one in tests if one.tolerance is not None]
    if claim.claimed is None or not tests:
        return None
    try:
        interval = _measured(tests[0], claim.unit, results)
    except Missing:
        return None
    return {"id": claim.id, "unit": claim.unit, "claimed": claim.claimed} | interval._asdict()


def _rows(claims: Claims, results: dict) -> list[dict]:
    rows = {claim.id: _row(claim, claims.scopes, results) for claim in claims.claims}
    # guard: one-quantity-one-verdict
    for claim in claims.claims:
        if claim.same_as:
            first = rows[claim.same_as]
            rows[claim.id] |= {"verdict": first["verdict"], "why": _again(first)}
    return list(rows.values())


def _again(first: dict) -> str:
    """Why a claim has the verdict of another, and that it was claimed of another setting."""
    elsewhere = re.search(r" \(claimed of .*\)", first["why"])
    quantity = f"the same quantity as “{first['claimed'] or first['statement']}”"
    return quantity + (elsewhere[0] if elsewhere else "")


def _row(claim: Claim, scopes: dict, results: dict) -> dict:
    outcomes = {
        reading: [_outcome(test, claim, results) for test in tests]
        for reading, tests in claim.read.items()
    }
    verdict, why = _verdict(
        claim,
        next(iter(outcomes.values())),
        _outside(claim.only_at, scopes, results),
        _outside(claim.contradicted_only_at, scopes, results),
    )
    if verdict != UNTESTED and claim.readings:
        why = _readings(claim, outcomes, why)
    claimed = None
    if claim.claimed is not None:
        claimed = _claimed(claim.claimed, claim.unit, claim.decimals)
    shown = _measured_text(claim, outcomes, results)
    return dict(zip(COLUMNS, (claim.id, claim.statement, claimed, shown, verdict, why)))


def _readings(claim: Claim, outcomes: dict, why: str) -> str:
    """The reason of the first reading, which decides, and the verdicts of the others."""
    (first, _), *others = outcomes.items()
    told = [
        f"{reading}: {verdict} ({reason})"
        for reading, of_reading in others
        for verdict, reason in [_verdict(claim, of_reading, "", "")]
    ]
    return "; ".join([f"{first}: {why}", *told])


def _measured_text(claim: Claim, outcomes: dict, results: dict) -> str | None:
    """What was measured in every reading, and what stands beside it."""
    texts = [
        f"{reading}: {text}" if reading else text
        for reading, of_reading in outcomes.items()
        for text in _once(claim.read[reading], [text for text, _, _ in of_reading])
    ]
    if texts and claim.beside:
        texts.append(_beside(claim, results))
    return "; ".join(text for text in texts if text) or None


def _once(tests: list[Test], texts: list[str]) -> list[str]:
    """What the tests of one reading measured, a number that two of them look at once."""
    numbers = {(test.measured, test.minus): text for test, text in zip(tests, texts) if text}
    if len(tests) > 1 == len(numbers) and tests[0].what:
        return [text.removeprefix(f"{tests[-1].what}: ") for text in numbers.values()]
    return list(numbers.values())


def _beside(claim: Claim, results: dict) -> str:
    unit = claim.beside.unit or claim.unit
    try:
        interval = measured(results, claim.beside.measured)
    except Missing:
        return ""
    scale = 100 if unit in ("percent", "points") else 1
    interval = Interval(*(end * scale for end in interval))
    return f"{claim.beside.what}: {_shown(interval, unit)}"


def _verdict(claim: Claim, outcomes: list[tuple], outside: str, smaller: str) -> tuple[str, str]:
    """The claim's verdict from its tests'; `outside` and `smaller` say how the study differs from
    the claim's scopes."""
    verdicts = {verdict for _, verdict, _ in outcomes}
    if outside:
        return UNTESTED, f"claimed of {outside} only"
    if CONTRADICTED in verdicts:
        verdict = FAILED if smaller else CONTRADICTED
    elif UNTESTED in verdicts or not outcomes:
        missing = "; ".join(why for _, verdict, why in outcomes if verdict == UNTESTED)
        return UNTESTED, f"needs {claim.needs}" if claim.needs else missing
    else:
        verdict = FAILED if FAILED in verdicts else REPRODUCED
    decisive = [why for _, of_test, why in outcomes if of_test in (verdict, CONTRADICTED)]
    return verdict, "; ".join(decisive) + (f" (claimed of {smaller})" if smaller else "")


def _outside(names: list[str], scopes: dict[str, Scope], results: dict) -> str:
    """The scopes among `names` that this study lies outside of, in words; "" when it lies in all of
    them."""
    return listed([scopes[name].text for name in names if differences(scopes[name], results)])


def differences(scope: Scope, results: dict) -> str:
    """How this study differs from a scope, in words; "" where it lies in it."""
    texts = []
    for path, wanted in scope.values.items():
        *_, what, of = ["", *path.removeprefix("study.").split(".")]
        words = readable(f"{what} of {of}" if what else of)
        try:
            here = find(results, path)
        except Missing:
            texts.append("it has none")
            continue
        if here != wanted:
            texts.append(f"{words} {wanted} (here {here})")
    return ", ".join(texts)


def _outcome(test: Test, claim: Claim, results: dict) -> tuple[str, str, str]:
    """What was measured, the test's verdict and its reason, as text."""
    label = f"{test.what}: " if test.what else ""
    try:
        if test.of_text:
            here = find(results, test.measured)
            shown, verdict, why = readable(str(here)), *_same(here, test)
        else:
            unit = test.unit or claim.unit
            interval = _measured(test, unit, results)
            shown = _shown(interval, unit)
            verdict, why = _compared(interval, _resolved(test, unit, results), claim.claimed, unit)
    except Missing as missing:
        return "", UNTESTED, f"{label}{missing} is not in results.json"
    return label + shown, verdict, label + why


def _resolved(test: Test, unit: str, results: dict) -> Test:
    """The test with numbers for bounds that are paths, such as the study's own target."""
    return test.model_copy(
        update={
            rule: _number_of(bound, unit, results)
            for rule in ("holds_if", "contradicted_if")
            if (bound := getattr(test, rule))
        }
    )


def _number_of(bound: Bound, unit: str, results: dict) -> Bound:
    scale = 100 if unit in ("percent", "points") else 1
    ends = {
        side: scale * number(results, value)
        for side in ("above", "below")
        if isinstance(value := getattr(bound, side), str)
    }
    return bound.model_copy(update=ends)


def _measured(test: Test, unit: str, results: dict) -> Interval:
    """The test's number with its interval, in its unit."""
    interval = measured(results, test.measured, test.count_of, test.share_of)
    if test.minus:
        count_of, share_of = (of and (test.minus_of or of) for of in (test.count_of, test.share_of))
        interval = difference(interval, measured(results, test.minus, count_of, share_of))
    size = test.count_of or test.share_of
    scale = (
        100
        if unit in ("percent", "points")
        else images(results, size)
        if unit in EXACT and size
        else 1
    )
    return Interval(*(end * scale for end in interval))


def _same(here, test: Test) -> tuple[str, str]:
    if here == test.holds_if.is_:
        return REPRODUCED, "as claimed"
    beyond = test.contradicted_if and here == test.contradicted_if.is_
    return CONTRADICTED if beyond else FAILED, f"not {readable(str(test.holds_if.is_))}"


def _compared(interval: Interval, test: Test, claimed: float | None, unit: str) -> tuple[str, str]:
    if test.contradicted_if and _lies(interval, test.contradicted_if):
        return CONTRADICTED, _bound(test.contradicted_if, unit)
    if test.holds_if:
        text = _bound(test.holds_if, unit)
        return (REPRODUCED, text) if _lies(interval, test.holds_if) else (FAILED, f"not {text}")
    holds = interval.low - test.tolerance <= claimed <= interval.high + test.tolerance
    noun = {"percent": "points", "score": ""}.get(unit, unit)
    noun = {"classes": "class"}.get(noun, noun.removesuffix("s")) if test.tolerance == 1 else noun
    where = f"within {test.tolerance:g} {noun}".rstrip() if test.tolerance else "inside it"
    return (REPRODUCED, where) if holds else (FAILED, f"not {where}")


def _lies(interval: Interval, bound: Bound) -> bool:
    return interval.low > bound.above if bound.above is not None else interval.high < bound.below


def _bound(bound: Bound, unit: str) -> str:
    word, value = ("above", bound.above) if bound.above is not None else ("below", bound.below)
    return f"wholly {word} {_claimed(value, unit) if value else '0'}"


def _claimed(value: float, unit: str, decimals: int | None = None) -> str:
    """A number as it was given."""
    form = "g" if decimals is None else f".{decimals}f"
    text = f"{value:+{form}}" if unit == "points" else f"{value:,{form}}"
    words = {
        "percent": "%",
        "points": " point" if abs(value) == 1 else " points",
        "epochs": f" epoch{'s' * (value != 1)}",
    }
    return text.replace("-", "−") + words.get(unit, "")


def _shown(interval: Interval, unit: str) -> str:
    """A measured number with its interval, where it has one."""

    def one(value):
        if unit == "points":
            return signed(value)
        return (
            {"percent": "{:.1f}%", "score": "{:.3f}"}.get(unit, "{:,.0f}")
            .format(value)
            .replace("-", "−")
        )

    text = one(interval.estimate) + (" points" if unit == "points" else "")
    if interval.low == interval.high:
        return f"{text} (no interval)"
    if unit == "percent":
        return with_limits(*(end / 100 for end in interval))
    return f"{text} ({one(interval.low)} to {one(interval.high)})"
