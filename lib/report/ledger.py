"""The ledger: each claim of an earlier study beside what this one measured, as results.json and the
report have it; and what the report says of the study's own conditions.
"""

import pandas as pd

from lib.base.text import count, escape, listed, plural, readable, see
from lib.evaluation.protocols import PROTOCOLS
from lib.report import arithmetic, candidates
from lib.report.claims import Claims
from lib.report.judgement import (
    COLUMNS,
    CONTRADICTED,
    FAILED,
    REPRODUCED,
    UNTESTED,
    VERDICTS,
    differences,
    judge,
    measured_numbers,
)

__all__ = ["judge"]  # a report asks the ledger alone


def ledger_view(judged: pd.DataFrame, tested: bool) -> pd.DataFrame:
    """What the report prints of `judge`: the claims that were tested, the contradicted ones first,
    or those that were not. Of two candidates one column each: what it measures, and the verdict."""
    chosen = judged[judged["verdict"].ne(UNTESTED) == tested]
    shown = chosen[[name for name in COLUMNS if name != "id"]]
    if not tested:
        return shown.drop(columns="verdict")
    for arm in _best_two(judged):
        shown = shown.assign(**{f"with {readable(arm)} instead": _instead(chosen, arm)})
    return shown.sort_values(
        "verdict", key=lambda verdicts: verdicts.map(VERDICTS.index), kind="stable"
    )


def _best_two(judged: pd.DataFrame) -> list[str]:
    """As many columns as a page holds, in the file's order: of candidates that reproduce most, and
    more than the arm that is named."""
    arms = [column.removesuffix(" verdict") for column in judged if column.endswith(" verdict")]
    counts = {arm: judged[f"{arm} verdict"].eq(REPRODUCED).sum() for arm in arms}
    own = {
        arm: judged["verdict"][judged[f"{arm} verdict"].notna()].eq(REPRODUCED).sum()
        for arm in arms
    }
    shown = [arm for arm in arms if arm not in PROTOCOLS or counts[arm] > own[arm]]
    best = sorted(shown, key=lambda arm: -counts[arm])[:2]
    return [arm for arm in arms if arm in best]


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
    verdicts by what they say; `held`: the reproduced ones likewise; the rest:
    lib.report.candidates.explain."""
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
            scope.text: differs for scope in scopes if (differs := differences(scope, results))
        },
        "arithmetic": arithmetic.check(claims),
        "numbers": measured_numbers(claims, results),
        "facts": _facts(judged, claims),
        "held": _held(judged, claims),
        **candidates.explain(judged, claims, results, (REPRODUCED, UNTESTED)),
    }


def _facts(judged: pd.DataFrame, claims: Claims | None) -> list[dict]:
    """The claims that are contradicted or not reproduced, by what they say: {fact, contradicted,
    claims: ids}, in the file's order; a claim without a fact stands alone."""
    verdicts = dict(zip(judged["id"], judged["verdict"]))
    return [
        {
            "fact": group[0].fact,
            "contradicted": any(verdicts[claim.id] == CONTRADICTED for claim in group),
            "claims": [claim.id for claim in group],
        }
        for group in _by_fact(verdicts, claims, (FAILED, CONTRADICTED)).values()
    ]


def _held(judged: pd.DataFrame, claims: Claims | None) -> list[list[str]]:
    """The ids of the claims that are reproduced, by what they say; none of a fact of `_facts`."""
    verdicts = dict(zip(judged["id"], judged["verdict"]))
    against = _by_fact(verdicts, claims, (FAILED, CONTRADICTED))
    held = _by_fact(verdicts, claims, (REPRODUCED,))
    return [[claim.id for claim in group] for fact, group in held.items() if fact not in against]


def _by_fact(verdicts: dict[str, str], claims: Claims | None, among: tuple[str, ...]) -> dict:
    """The claims with one of these verdicts by the fact that they state."""
    stated, groups = claims.claims if claims else [], {}
    by_id = {claim.id: claim for claim in stated}
    for claim in stated:
        if verdicts[claim.id] in among:
            first = by_id.get(claim.same_as, claim)
            groups.setdefault(claim.fact or first.fact or first.id, []).append(claim)
    return groups


# What the report says of the earlier study's claims and of its own conditions.


def ledger(results: dict) -> str:
    """How many claims came out how, and which are contradicted; "" without claims."""
    verdicts, claims = results["ledger"]["verdicts"], results["ledger"]["claims"].values()
    if not claims:
        return ""
    tested = len(claims) - verdicts[UNTESTED]
    text = (
        f"The original study makes {plural(len(claims), 'claim')}; {count(tested)} could be "
        "tested here. "
    )
    text += _verdicts(results["ledger"]) if tested else ""
    return f"{text}{_contradicted(results['ledger'])}".strip()


def _verdicts(found: dict) -> str:
    verdicts, elsewhere, facts = found["verdicts"], found["elsewhere"], len(found["facts"])
    smaller = (
        f"Of those not reproduced {count(elsewhere)} {'was' if elsewhere == 1 else 'were'} claimed "
        "of another setting than this study's. "
        if elsewhere
        else ""
    )
    negative = verdicts[FAILED] + verdicts[CONTRADICTED]
    together = (
        f"The {negative:,} negative ones state {plural(facts, 'fact')}. "
        if facts < negative
        else ""
    )
    return (
        f"The outcome: {count(verdicts[REPRODUCED])} reproduced, {count(verdicts[FAILED])} not "
        f"reproduced, {count(verdicts[CONTRADICTED])} contradicted ({see('tab-ledger')}). "
        f"{smaller}{together}"
    )


def _contradicted(found: dict) -> str:
    """Which claims are contradicted, those that state one fact named once."""
    texts = [_fact(one, found["claims"]) for one in found["facts"] if one["contradicted"]]
    return f"Contradicted: {listed(texts)}. " if texts else ""


def _fact(group: dict, claims: dict) -> str:
    chosen = [one for one in group["claims"] if claims[one]["verdict"] == CONTRADICTED]
    text = f"“{escape(claims[chosen[0]]['statement'].rstrip('.'))}”"
    more = len(chosen) - 1
    return text + (
        f" (and {plural(more, 'claim')} that hang{'s' * (more == 1)} on it)" if more else ""
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
            f"{see('tab-untested')} lists what is not tested here, "
            f"{plural(found['verdicts'][UNTESTED], 'claim')}, and why."
        )
    text += [
        f"Some claims speak of {escape(of)}, and this study does not: {escape(differs)}."
        for of, differs in found["outside"].items()
    ]
    text += [candidates.rule_text(found)]
    return "## The original study's claims\n\n" + " ".join(filter(None, text))


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
        "Within, inside: so near the claimed number lies to the interval. Contradicted: the "
        "interval lies beyond a bound stated beforehand. Not reproduced: it does not show what was "
        "claimed. A direction claimed of one network and not found in another is not contradicted."
    )


def untested_caption() -> str:
    return (
        "The claims that were not tested here, and why. What this study measured stands beside "
        "them where it did; with another network or schedule that says nothing about the claimed "
        "number."
    )


def conditions_caption() -> str:
    return "The conditions that this study states for itself, judged by the measured number alone."
