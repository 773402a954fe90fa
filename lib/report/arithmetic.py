"""Do an earlier study's numbers agree with one another? Its own arithmetic, before anything is
measured.

A share of N images must be that of a whole number of images (GRIM: Brown and Heathers 2017,
https://doi.org/10.1177/1948550616673876), and what a claims file states as an identity must hold
(as statcheck recomputes p-values: Nuijten et al. 2016,
https://doi.org/10.3758/s13428-015-0664-2), each within the rounding of the numbers as written."""

import re

from lib.base.text import escape, listed
from lib.report.claims import EXACT, Claim, Claims

NEAR = 1e-9  # of float arithmetic


def half_unit(claim: Claim) -> float:
    """How far a claimed number may lie from what it was rounded from: half a unit of its last
    digit, 0 of a count."""
    decimals = _decimals(claim)
    return 0.0 if claim.unit in EXACT and not decimals else 0.5 * 10**-decimals


def _decimals(claim: Claim) -> int:
    written = f"{claim.claimed:.6f}".rstrip("0")
    return len(written.split(".")[1]) if claim.decimals is None else claim.decimals


def whole_images(claim: Claim, images: float) -> bool | None:
    """Whether a claimed percentage, or number of points, is that of a whole number of `images`;
    None where every number so written is, and the question cannot fail."""
    share, width = abs(claim.claimed), half_unit(claim)
    if 100 / images <= 2 * width + NEAR:
        return None
    return abs(100 * round(share * images / 100) / images - share) <= width + NEAR


def terms(identity: str) -> tuple[str, list[tuple[float, str | None]]]:
    """ "a = 10000 - 100 * b" is ("a", [(10000.0, None), (-100.0, "b")])."""
    left, right = identity.split(" = ")
    parts = re.findall(r"(?:^|([+-]) )(?:([0-9.]+) \* )?(\S+)", right)
    return left, [_term(-1.0 if sign == "-" else 1.0, *rest) for sign, *rest in parts]


def _term(sign: float, factor: str, name: str) -> tuple[float, str | None]:
    if re.fullmatch(r"[0-9.]+", name):
        return sign * float(factor or 1) * float(name), None
    return sign * float(factor or 1), name


def holds(identity: str, claims: dict[str, Claim]) -> tuple[bool, float]:
    """Whether an identity holds within the rounding of its numbers, and what its right side is."""
    left, right = terms(identity)
    total = sum(factor * (claims[name].claimed if name else 1) for factor, name in right)
    width = half_unit(claims[left])
    width += sum(abs(factor) * half_unit(claims[name]) for factor, name in right if name)
    return abs(claims[left].claimed - total) <= width + NEAR, total


def derived(stated: Claims) -> set[str]:
    """The claims whose numbers follow from other claimed ones: the left sides of the identities,
    and those that give another's quantity."""
    again = {claim.id for claim in stated.claims if claim.same_as}
    return again | {terms(identity)[0] for identity in stated.identities}


def check(stated: Claims | None) -> dict:
    """{checks, hold, broken: sentences, cannot_fail}: the last counts shares so coarsely written
    that any number would do, which are no checks."""
    claims = {claim.id: claim for claim in stated.claims} if stated else {}
    outcomes = [_identity(one, claims) for one in (stated.identities if stated else [])]
    outcomes += [_share(claim, claims) for claim in claims.values() if claim.of]
    broken = [text for holds, text in outcomes if holds is False]
    checks = [holds for holds, _ in outcomes if holds is not None]
    return {
        "checks": len(checks),
        "hold": sum(checks),
        "broken": broken,
        "cannot_fail": len(outcomes) - len(checks),
    }


def _identity(identity: str, claims: dict[str, Claim]) -> tuple[bool, str]:
    agrees, total = holds(identity, claims)
    left, right = identity.split(" = ")
    words = [_token(token, claims) for token in right.split()]
    given = f"{_words(left)} is given as {_number(claims[left])}"
    return agrees, f"{given}, but {' '.join(words)} is {total:,.10g}"


def _token(token: str, claims: dict[str, Claim]) -> str:
    if token in claims:
        return f"{_number(claims[token])} ({_words(token)})"
    return {"-": "−", "*": "×"}.get(token, token)


def _share(claim: Claim, claims: dict[str, Claim]) -> tuple[bool | None, str]:
    images = claim.of if isinstance(claim.of, int) else claims[claim.of].claimed
    return (
        whole_images(claim, images),
        f"{_words(claim.id)} is given as {_number(claim)}%, which no whole number of "
        f"{images:,g} images is",
    )


def _words(name: str) -> str:
    return name.replace("-", " ")


def _number(claim: Claim) -> str:
    return f"{claim.claimed:,.{_decimals(claim)}f}".replace("-", "−")


def agreement(found: dict) -> str:
    """One sentence on what `check` found; "" without a check."""
    if not found["checks"]:
        return ""
    if not found["broken"]:
        return (
            f"The claimed numbers agree with one another ({found['hold']} of {found['checks']} "
            "checks of their own arithmetic)."
        )
    broken = listed([escape(text) for text in found["broken"]])
    return (
        f"**The claimed numbers do not agree with one another** ({found['hold']} of "
        f"{found['checks']} checks hold): {broken}."
    )
