"""The ledger: each claim of an earlier study beside what this one measured, with a verdict by the
rule that stands beside it; and what the report says of it and of the study's own conditions.
"""

import pandas as pd

from lib.base.text import count, escape, listed, plural, readable, see, signed, with_limits
from lib.evaluation.paired import Interval
from lib.report import arithmetic, candidates
from lib.report.claims import (
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
    """What the first test in the claim's own unit measured."""
    tests = [one for one in next(iter(claim.read.values())) if one.unit in (None, claim.unit)]
    tests = [one for one in tests if not one.of_text]
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
            why = f"the same quantity as “{first['claimed'] or first['statement']}”"
            rows[claim.id] |= {"verdict": first["verdict"], "why": why}
    return list(rows.values())


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
    claimed = None if claim.claimed is None else _claimed(claim.claimed, claim.unit)
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
        for text, _, _ in of_reading
        if text
    ]
    if texts and claim.beside:
        texts.append(_beside(claim, results))
    return "; ".join(text for text in texts if text) or None


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
    return listed([scopes[name].text for name in names if _differences(scopes[name], results)])


def _differences(scope: Scope, results: dict) -> str:
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
        if unit == "images" and size
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
    where = f"within {test.tolerance:g} {noun} of" if test.tolerance else "inside"
    return (
        (REPRODUCED, f"the claimed number {where} the interval")
        if holds
        else (FAILED, f"the claimed number not {where} the interval")
    )


def _lies(interval: Interval, bound: Bound) -> bool:
    return interval.low > bound.above if bound.above is not None else interval.high < bound.below


def _bound(bound: Bound, unit: str) -> str:
    word, value = ("above", bound.above) if bound.above is not None else ("below", bound.below)
    return f"wholly {word} {_claimed(value, unit) if value else '0'}"


def _claimed(value: float, unit: str) -> str:
    """A number as it was given."""
    text = f"{value:+g}" if unit == "points" else f"{value:,g}"
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


def ledger_view(judged: pd.DataFrame, tested: bool) -> pd.DataFrame:
    """What the report prints of `judge`: the claims that were tested, the contradicted ones first,
    or those that were not. Of each candidate one column: what it measures, and the verdict."""
    chosen = judged[judged["verdict"].ne(UNTESTED) == tested]
    shown = chosen[[name for name in COLUMNS if name != "id"]]
    if not tested:
        return shown.drop(columns="verdict")
    for name in (column for column in judged if column not in COLUMNS):
        arm, _, what = name.rpartition(" ")
        if what == "measured":
            shown = shown.assign(**{f"with {readable(arm)} instead": _instead(chosen, arm)})
    return shown.sort_values(
        "verdict", key=lambda verdicts: verdicts.map(VERDICTS.index), kind="stable"
    )


def _instead(judged: pd.DataFrame, arm: str) -> list[str | None]:
    pairs = zip(judged[f"{arm} measured"], judged[f"{arm} verdict"])
    return [
        None if verdict is None else f"{verdict}: {shown}" if shown else verdict
        for shown, verdict in pairs
    ]


def ledger_numbers(judged: pd.DataFrame, claims: Claims | None, results: dict) -> dict:
    """The ledger as results.json keeps it.

    `verdicts`: claims a verdict; `elsewhere`: how many of those not reproduced were claimed of
    another network or schedule; `claims` by id; `outside`: how the study differs from the scopes;
    `arithmetic`: lib.report.arithmetic.check; `numbers`: `measured_numbers`; `facts`: the negative
    verdicts by what they say; the rest: lib.report.candidates.explain."""
    counts = judged["verdict"].value_counts()
    scopes = claims.scopes.values() if claims else ()
    return {
        "verdicts": {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS},
        "claims": judged.set_index("id").to_dict("index"),
        "elsewhere": int(
            judged["why"][judged["verdict"] == FAILED]
            .str.contains("(claimed of ", regex=False)
            .sum()
        ),
        "about": claims.about if claims else None,
        "outside": {
            scope.text: differs for scope in scopes if (differs := _differences(scope, results))
        },
        "arithmetic": arithmetic.check(claims),
        "numbers": measured_numbers(claims, results),
        "facts": _facts(judged, claims),
        **candidates.explain(judged, claims, results, (REPRODUCED, UNTESTED)),
    }


def _facts(judged: pd.DataFrame, claims: Claims | None) -> list[dict]:
    """The claims that are contradicted or not reproduced, by what they say: {fact, contradicted,
    claims: ids}, in the file's order; a claim without a fact stands alone."""
    verdicts, groups = dict(zip(judged["id"], judged["verdict"])), {}
    for claim in claims.claims if claims else []:
        if verdicts[claim.id] in (FAILED, CONTRADICTED):
            groups.setdefault(claim.fact or claim.id, []).append(claim)
    return [
        {
            "fact": group[0].fact,
            "contradicted": any(verdicts[claim.id] == CONTRADICTED for claim in group),
            "claims": [claim.id for claim in group],
        }
        for group in groups.values()
    ]


# What the report says of the earlier study's claims and of its own conditions.


def ledger(results: dict) -> str:
    """How many claims came out how, and which are contradicted, for the first page; "" without
    claims."""
    verdicts, claims = results["ledger"]["verdicts"], results["ledger"]["claims"].values()
    if not claims:
        return ""
    tested = len(claims) - verdicts[UNTESTED]
    text = (
        f"The original study makes {plural(len(claims), 'claim')}; {count(tested)} could be "
        "tested here"
    )
    text += f": {_verdicts(results['ledger'])}" if tested else ". "
    text += _contradicted(results["ledger"])
    return (text + candidates.explanation(results["ledger"], results["ledger"]["claims"])).strip()


def _verdicts(found: dict) -> str:
    verdicts, elsewhere, facts = found["verdicts"], found["elsewhere"], len(found["facts"])
    smaller = (
        f" ({count(elsewhere)} of them claimed of the full-size network, which this is not)"
        if elsewhere
        else ""
    )
    negative = verdicts[FAILED] + verdicts[CONTRADICTED]
    together = f"; these {negative:,} state {plural(facts, 'fact')}" if facts < negative else ""
    return (
        f"{count(verdicts[REPRODUCED])} reproduced, {count(verdicts[FAILED])} not "
        f"reproduced{smaller}, {count(verdicts[CONTRADICTED])} contradicted{together} "
        f"({see('tab-ledger')}). "
    )


def _contradicted(found: dict) -> str:
    """Which claims are contradicted, those that state one fact named once."""
    texts = [_fact(one, found["claims"]) for one in found["facts"] if one["contradicted"]]
    return f"Contradicted: {listed(texts)}. " if texts else ""


def _fact(group: dict, claims: dict) -> str:
    chosen = [one for one in group["claims"] if claims[one]["verdict"] == CONTRADICTED]
    text = f"“{escape(claims[chosen[0]]['statement'].rstrip('.'))}”"
    more = len(group["claims"]) - 1
    return text + (
        f" (and {plural(more, 'claim')} that restate{'s' * (more == 1)} it)" if more else ""
    )


def scope(results: dict) -> str:
    """The section on the claims: what of them this study does not speak of, and how it differs; ""
    without claims."""
    found = results["ledger"]
    if not found["claims"]:
        return ""
    tested = len(found["claims"]) - found["verdicts"][UNTESTED]
    text = [escape(found["about"])] * bool(found["about"])
    text += [arithmetic.agreement(found["arithmetic"])] * bool(found["arithmetic"]["checks"])
    text += [
        f"{see('tab-ledger')} has each claim that could be tested beside what was measured."
    ] * (tested > 0)
    if found["verdicts"][UNTESTED]:
        text.append(
            f"{see('tab-untested')} lists the {found['verdicts'][UNTESTED]:,} not tested here, "
            "and why."
        )
    text += [
        f"Some claims speak of {escape(of)}, and this study does not: {escape(differs)}."
        for of, differs in found["outside"].items()
    ]
    text += [candidates.rule_text()] * bool(found["candidates"])
    return "## The original study's claims\n\n" + " ".join(text)


def conditions(results: dict) -> str:
    """How many of the study's own conditions hold, which fail, and which could not be judged; ""
    without conditions."""
    rows = results["conditions"]
    if not rows:
        return ""
    measured = [row for row in rows if row["measured"] is not None]
    failed = [escape(row["condition"]) for row in measured if not row["passed"]]
    hold = len(measured) - len(failed)
    parts = ["all hold" if hold == len(rows) else "1 holds" if hold == 1 else f"{count(hold)} hold"]
    parts += [
        f"**{len(failed)} {'fails' if len(failed) == 1 else 'fail'}: {listed(failed)}**"
    ] * bool(failed)
    parts += [f"{len(rows) - len(measured)} could not be measured"] * (len(measured) < len(rows))
    return (
        f"This study states {plural(len(rows), 'condition')} beforehand: {'; '.join(parts)} "
        f"({see('tab-conditions')})."
    )


def ledger_caption() -> str:
    return (
        "The claims that could be tested, beside what this study measured, with 95% intervals "
        "over the choice of test images (over seeds too where the number is an arm's or a change "
        "from arm to arm; where two numbers are subtracted here, as if independent, which is too "
        "wide), or the words “no interval”: counts of classes, and numbers of one image. "
        "Contradicted: the interval lies beyond a bound stated beforehand. Not "
        "reproduced: it does not show what was claimed. A direction claimed of one network and "
        "not found in another is not contradicted."
    )


def untested_caption() -> str:
    return (
        "The claims that were not tested here, and why. What this study measured stands beside "
        "them where it did; with another network or schedule that says nothing about the claimed "
        "number."
    )


def conditions_caption() -> str:
    return "The conditions that this study states for itself, judged by the measured number alone."
