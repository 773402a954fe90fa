"""What the report says of the earlier study's claims and of its own conditions."""

from lib.base.text import count, escape, listed, plural, see
from lib.ledger import CONTRADICTED, FAILED, REPRODUCED, UNTESTED


def ledger(results: dict) -> str:
    """How many claims came out how, and which are contradicted, for the first page; "" without claims."""
    verdicts, claims = results["ledger"]["verdicts"], results["ledger"]["claims"].values()
    if not claims:
        return ""
    tested = len(claims) - verdicts[UNTESTED]
    text = f"The original study makes {plural(len(claims), 'claim')}; {count(tested)} could be tested here"
    elsewhere = results["ledger"]["elsewhere"]
    smaller = (
        f" ({count(elsewhere)} of them claimed of the full-size network, which this is not)"
        if elsewhere
        else ""
    )
    text += (
        ". "
        if not tested
        else (
            f": {count(verdicts[REPRODUCED])} reproduced, {count(verdicts[FAILED])} not reproduced{smaller}, "
            f"{count(verdicts[CONTRADICTED])} contradicted ({see('tab-ledger')}). "
        )
    )
    contradicted = [
        f"“{escape(claim['statement'].rstrip('.'))}”"
        for claim in claims
        if claim["verdict"] == CONTRADICTED
    ]
    if contradicted:
        text += f"Contradicted: {listed(contradicted)}. "
    return text.strip()


def scope(results: dict) -> str:
    """The section on the claims: what of them this study does not speak of, and how it differs; "" without claims."""
    found = results["ledger"]
    if not found["claims"]:
        return ""
    tested = len(found["claims"]) - found["verdicts"][UNTESTED]
    text = [escape(found["about"])] * bool(found["about"])
    text += [
        f"{see('tab-ledger')} has each claim that could be tested beside what was measured."
    ] * (tested > 0)
    if found["verdicts"][UNTESTED]:
        text.append(
            f"{see('tab-untested')} lists the {found['verdicts'][UNTESTED]:,} not tested here, and why."
        )
    text += [
        f"Some claims speak of {escape(of)}, and this study does not: {escape(differs)}."
        for of, differs in found["outside"].items()
    ]
    return "## The original study's claims\n\n" + " ".join(text)


def conditions(results: dict) -> str:
    """How many of the study's own conditions hold, which fail, and which could not be judged; "" without conditions."""
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
    return f"This study states {plural(len(rows), 'condition')} beforehand: {'; '.join(parts)} ({see('tab-conditions')})."


def ledger_caption() -> str:
    return (
        "The claims that could be tested, beside what this study measured, with 95% intervals over the choice of test images (over "
        "seeds too where the number is an arm's or a change from arm to arm; where two numbers are subtracted here, as if independent, "
        "which is too wide). Contradicted: the interval lies beyond a bound stated beforehand. Not reproduced: it "
        "does not show what was claimed. A direction claimed of one network and not found in another is not contradicted."
    )


def untested_caption() -> str:
    return (
        "The claims that were not tested here, and why. What this study measured stands beside them where it did; with another "
        "network or schedule that says nothing about the claimed number."
    )


def conditions_caption() -> str:
    return "The conditions that this study states for itself, judged by the measured number alone."
