"""What the report says of the earlier study's claims and of its own conditions."""
from lib.ledger import CONTRADICTED, FAILED, REPRODUCED, UNTESTED
from lib.wording import count, escape, listed, plural, see


def ledger(results: dict) -> str:
    """How many claims came out how, and which are contradicted, for the first page; "" without claims."""
    verdicts, claims = results["ledger"]["verdicts"], results["ledger"]["claims"].values()
    if not claims:
        return ""
    tested = len(claims) - verdicts[UNTESTED]
    text = f"The original study makes {plural(len(claims), 'claim')}; {count(tested)} could be tested here"
    elsewhere = results["ledger"]["elsewhere"]
    smaller = f" ({count(elsewhere)} of them claimed of the full-size network, which this is not)" if elsewhere else ""
    text += ". " if not tested else (f": {count(verdicts[REPRODUCED])} reproduced, {count(verdicts[FAILED])} not reproduced{smaller}, "
                                     f"{count(verdicts[CONTRADICTED])} contradicted ({see('tab-ledger')}). ")
    contradicted = [f"“{escape(claim['statement'].rstrip('.'))}”" for claim in claims if claim["verdict"] == CONTRADICTED]
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
    text += [f"{see('tab-ledger')} has each claim that could be tested beside what was measured."] * (tested > 0)
    if found["verdicts"][UNTESTED]:
        text.append(f"{see('tab-untested')} lists the {found['verdicts'][UNTESTED]:,} not tested here, and why.")
    text += [f"This study is not of {escape(of)}: {escape(differs)}." for of, differs in found["outside"].items()]
    return "## The original study's claims\n\n" + " ".join(text)


def conditions(results: dict) -> str:
    """How many of the study's own conditions hold, and which fail; "" without conditions."""
    rows = results["conditions"]
    if not rows:
        return ""
    failed = [escape(row["condition"]) for row in rows if not row["passed"]]
    text = (f"This study states {plural(len(rows), 'condition')} beforehand; "
            + ("all hold" if not failed else f"**{len(failed)} {'fails' if len(failed) == 1 else 'fail'}: {listed(failed)}**"))
    return f"{text} ({see('tab-conditions')})."


def ledger_caption() -> str:
    return ("The claims that could be tested, beside what this study measured, with 95% intervals over the choice of test images (over "
            "seeds too where the number is an arm's or a change from arm to arm; where two numbers are subtracted here, as if independent, "
            "which is too wide). Contradicted: the interval lies beyond a bound stated beforehand. Not reproduced: it "
            "does not show what was claimed. A direction claimed of one network and not found in another is not contradicted.")


def untested_caption() -> str:
    return ("The claims that were not tested here, and why. What this study measured stands beside them where it did; with another "
            "network or schedule that says nothing about the claimed number.")


def conditions_caption() -> str:
    return "The conditions that this study states for itself, judged by the measured number alone."
