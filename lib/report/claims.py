"""Claims of an earlier study and the rules by which they are judged, as claims.yaml states them;
and the numbers of results.json by name, each with its interval, that the rules are applied to.
"""

import math
import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from scipy.stats import t

from lib.base import config
from lib.base.config import Entry
from lib.base.errors import Error
from lib.evaluation.paired import Interval
from lib.evaluation.selective import clopper_pearson

# Numbers of results.json by name, each with the interval that its kind allows.


_KEY = r"[^=,\[\]]+=[^,\[\]]+"
_STEP = rf"([^.*\[\]]+)(?:\[({_KEY}(?:,{_KEY})*)\])?"
# names joined by dots; name[key=value,...] is the first record of the list `name` with these values
PATH = rf"^{_STEP}(\.{_STEP})*$"
SIZE = rf"^{_STEP}(\.{_STEP})*( \* {_STEP}(\.{_STEP})*)?$"  # a path, or the product of two


EXACT = ("images", "classes", "epochs")  # units of counts, which are not rounded


class Missing(Error, LookupError):
    """A number that results.json does not have."""


def find(results: dict, path: str):
    """What stands at `path`, such as "compare.arms.baseline.errors" or "failures.causes[planted
    cause=none].test images".

    Raises Missing where the path leads nowhere or to null.
    """
    here = results
    for name, keys in re.findall(_STEP, path):
        here = here.get(name) if isinstance(here, dict) else None
        if keys:
            wanted = dict(key.split("=", 1) for key in keys.split(","))
            rows = [row for row in here if isinstance(row, dict)] if isinstance(here, list) else []
            here = next(
                (
                    row
                    for row in rows
                    if all(str(row.get(key)) == value for key, value in wanted.items())
                ),
                None,
            )
        if here is None:
            raise Missing(path)
    return here


def number(results: dict, path: str) -> float:
    """The number at `path`, of an interval its estimate, of several seeds their mean. Raises
    Missing, also for text."""
    return _parts(find(results, path), path)[0].estimate


def images(results: dict, size: str) -> float:
    """How many images `size` means: the number at a path, the sum of the counts there, or the
    product of two such.

    Raises Missing, also for none.
    """
    total = math.prod(_size(results, path) for path in size.split(" * "))
    if total <= 0:
        raise Missing(size)
    return total


def _size(results: dict, path: str) -> float:
    value = find(results, path)
    counts = isinstance(value, dict) and all(type(one) is int for one in value.values())
    return float(sum(value.values())) if counts else number(results, path)


def measured(
    results: dict, path: str, count_of: str | None = None, share_of: str | None = None
) -> Interval:
    """The number at `path` with its 95 % interval; both ends are the number itself where none is
    known.

    An {estimate, low, high} has its own interval; a {mean, sd, n} of several seeds has Student's of
    the mean. count_of, share_of: a number of images (see `images`) of which this is a count, or a
    share or mean of values from 0 to 1; the result is a share, and its interval reaches at least as
    far as Clopper and Pearson's, which for such a mean is the wider one."""
    measured, spread = _parts(find(results, path), path)
    size = count_of or share_of
    if not size:
        return _around(measured, spread)
    total = images(results, size)
    scale = total if count_of else 1.0
    share = Interval(*(end / scale for end in measured))
    if not 0 <= share.estimate <= 1:
        raise Missing(f"{path} as a share of {size}")
    seeds = _around(share, spread / scale)
    low, high = clopper_pearson(share.estimate * total, total)
    return Interval(
        share.estimate, max(0.0, min(float(low), seeds.low)), min(1.0, max(float(high), seeds.high))
    )


def _parts(value, path: str) -> tuple[Interval, float]:
    """The number with its own interval, and half the width of Student's interval over seeds (0 for
    one seed)."""
    if isinstance(value, dict) and {"estimate", "low", "high"} <= set(value):
        numbers, spread = [value["estimate"], value["low"], value["high"]], 0.0
    elif isinstance(value, dict) and {"mean", "sd", "n"} <= set(value):
        numbers, several = [value["mean"]] * 3, value["n"] > 1 and value["sd"] is not None
        spread = (
            t.isf(0.025, value["n"] - 1) * value["sd"] / math.sqrt(value["n"]) if several else 0.0
        )
    else:
        numbers, spread = [value] * 3, 0.0
    if any(isinstance(one, bool) or not isinstance(one, (int, float)) for one in numbers):
        raise Missing(path)
    return Interval(*map(float, numbers)), float(spread)


def _around(measured: Interval, spread: float) -> Interval:
    return Interval(
        measured.estimate,
        min(measured.low, measured.estimate - spread),
        max(measured.high, measured.estimate + spread),
    )


def difference(a: Interval, b: Interval) -> Interval:
    """a minus b from their two intervals (Newcombe 1998, method 10; Donner and Zou 2012), as if
    they were independent.

    On the same images two arms agree more than that, so that the interval is rather too wide than
    too narrow."""
    change = a.estimate - b.estimate
    return Interval(
        change,
        change - math.hypot(a.estimate - a.low, b.high - b.estimate),
        change + math.hypot(a.high - a.estimate, b.estimate - b.low),
    )


# The claims themselves.

ID = r"^[a-z0-9]+(-[a-z0-9]+)*$"
_NAME = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_TERM = rf"(?:[0-9.]+ \* {_NAME}|{_NAME})"
# a claim's id, " = ", then ids, whole numbers or their multiples, joined by " + " and " - "
IDENTITY = rf"^{_NAME} = {_TERM}(?: [+-] {_TERM})*$"
Path = Annotated[str, Field(pattern=PATH)]
Size = Annotated[str, Field(pattern=SIZE)]
Text = Annotated[str, Field(min_length=1)]
Unit = Literal["percent", "points", "images", "classes", "epochs", "score"]


class Bound(Entry):
    """Where the whole interval must lie: above or below a number, in the test's unit, or the number
    at a path (a share where the unit is percent or points); or what a text or truth value is."""

    above: float | Path | None = None
    below: float | Path | None = None
    is_: Any = Field(default=None, alias="is")

    @model_validator(mode="after")
    def _one_word(self):
        if sum(word is not None for word in (self.above, self.below, self.is_)) != 1:
            raise ValueError("give one of above, below, is")
        return self


class Test(Entry):
    """One measured number and its rule. `minus` is subtracted; count_of, share_of and minus_of as
    in `measured`."""

    __test__ = False  # no test of pytest's
    what: Text | None = None
    measured: Path
    minus: Path | None = None
    count_of: Size | None = None
    share_of: Size | None = None
    minus_of: Size | None = None
    unit: Unit | None = None
    tolerance: Annotated[float, Field(ge=0)] | None = None
    holds_if: Bound | None = None
    contradicted_if: Bound | None = None

    @model_validator(mode="after")
    def _one_rule(self):
        if (self.tolerance is None) == (self.holds_if is None):
            raise ValueError("give one of tolerance, holds_if")
        if (
            self.count_of
            and self.share_of
            or self.minus_of
            and not (self.minus and (self.count_of or self.share_of))
        ):
            raise ValueError(
                "give one of count_of, share_of; minus_of only beside minus and one of them"
            )
        if (
            self.holds_if
            and self.contradicted_if
            and not _apart(self.holds_if, self.contradicted_if)
        ):
            raise ValueError("contradicted_if must lie on the other side of holds_if")
        return self

    @property
    def of_text(self) -> bool:
        return self.holds_if is not None and self.holds_if.is_ is not None


def _apart(holds: Bound, contradicted: Bound) -> bool:
    if holds.is_ is not None:
        return contradicted.is_ is not None and contradicted.is_ != holds.is_
    low, high = (
        (contradicted.below, holds.above)
        if holds.above is not None
        else (holds.below, contradicted.above)
    )
    if isinstance(low, str) or isinstance(high, str):
        return low == high  # what a path leads to is not known here
    return low is not None and high is not None and low <= high


class Beside(Entry):
    """A measured number that stands beside a claim's and decides nothing, such as what chance would
    give."""

    what: Text
    measured: Path
    unit: Unit | None = None


class Claim(Entry):
    """A sentence of the earlier study, the number it gave, and the tests that must all hold for it
    to be reproduced.

    readings: tests by how the sentence is read, where it can be read in several ways; the first is
    as the earlier study counted and decides, the others are judged and named. same_as: a claim that
    gives the same quantity in other words, and so has the same verdict; fact: what it says, in
    words, where several claims say it. decimals: as the number was written, where YAML drops its
    zeros; of: of how many images it is a share, or the claim that gives these. only_at: scopes
    outside which it is not judged; contradicted_only_at: scopes outside which it may fail, but is
    not contradicted; needs: what a study must have for the tests, in words."""

    id: Annotated[str, Field(pattern=ID)]
    statement: Text
    claimed: float | None = None
    unit: Unit | None = None
    decimals: Annotated[int, Field(ge=0, le=6)] | None = None
    of: Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=ID)] | None = None
    same_as: Annotated[str, Field(pattern=ID)] | None = None
    fact: Text | None = None
    only_at: list[str]
    contradicted_only_at: list[str] = []
    needs: Text | None = None
    tests: list[Test] = []
    readings: dict[Text, Annotated[list[Test], Field(min_length=1)]] = {}
    beside: Beside | None = None

    @property
    def read(self) -> dict[str, list[Test]]:
        """The tests by reading, the one that decides first; "" where there is one alone."""
        return self.readings or {"": self.tests}

    @model_validator(mode="after")
    def _complete(self):
        if self.tests and self.readings:
            raise ValueError("give tests or readings, not both")
        if not self.tests and not self.readings and not self.needs:
            raise ValueError("give tests, or what they would need (needs)")
        if (self.claimed is None) != (self.unit is None):
            raise ValueError("claimed and unit belong together")
        if self.claimed is None and (self.of or self.decimals is not None):
            raise ValueError("of and decimals belong to a claimed number")
        if self.of and self.unit not in ("percent", "points"):
            raise ValueError(f"of belongs to a claimed percentage, or to points, not {self.unit}")
        for tests in self.read.values():
            for test in tests:
                self._check(test, alone=len(tests) == 1)
        return self

    def _check(self, test: Test, alone: bool) -> None:
        if not alone and not test.what:
            raise ValueError(f"{test.measured}: with several tests each needs 'what'")
        if not test.of_text and not (test.unit or self.unit):
            raise ValueError(f"{test.measured}: no unit")
        if test.minus_of and (test.unit or self.unit) in EXACT:
            raise ValueError(f"{test.measured}: minus_of is of shares, not of counts")
        if test.tolerance is None:
            return
        if self.claimed is None or test.unit not in (None, self.unit):
            raise ValueError(f"{test.measured}: a tolerance needs the claimed number, in its unit")
        beyond = test.contradicted_if
        if beyond and not (
            isinstance(beyond.above, str)
            or isinstance(beyond.below, str)
            or beyond.above is not None
            and beyond.above >= self.claimed + test.tolerance
            or beyond.below is not None
            and beyond.below <= self.claimed - test.tolerance
        ):
            raise ValueError(f"{test.measured}: contradicted_if must lie outside the tolerance")


class Scope(Entry):
    """Which studies a claim speaks of, in words, and what results.json must say for that: paths and
    their values."""

    text: Text
    values: Annotated[dict[Path, Any], Field(min_length=1)]


class Subset(Entry):
    """A candidate: some classes alone, by their names."""

    classes: Annotated[list[Text], Field(min_length=2)]


class Claims(Entry):
    """The file: what the earlier study was, scopes by name, and the claims.

    candidates: what stands in an arm's place while each claim is judged again, by that arm: other
    arms, the arm itself under a protocol of lib.evaluation.protocols, a Subset; identities: what
    must hold among the claimed numbers by arithmetic, such as "net-gain = corrected - regressed"
    (see lib.report.arithmetic)."""

    about: Text | None = None
    scopes: dict[str, Scope] = {}
    candidates: dict[config.Name, Annotated[list[config.Name | Subset], Field(min_length=1)]] = {}
    claims: Annotated[list[Claim], Field(min_length=1)]
    identities: list[Annotated[str, Field(pattern=IDENTITY)]] = []

    def in_place_of(self, arm: str) -> dict[str, list[str]]:
        """An arm's candidates by name, to the classes of "subset"."""
        given = self.candidates.get(arm, [])
        return {
            "subset" if isinstance(one, Subset) else one: getattr(one, "classes", [])
            for one in given
        }

    @field_validator("claims")
    @classmethod
    def _known(cls, claims, info):
        names, scopes = [claim.id for claim in claims], info.data.get("scopes", {})
        of = {claim.id: claim for claim in claims}
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"given twice: {', '.join(twice)}")
        for claim in claims:
            unknown = [
                scope for scope in claim.only_at + claim.contradicted_only_at if scope not in scopes
            ]
            if unknown:
                raise ValueError(
                    f"{claim.id}: no scope is called {', '.join(unknown)}; there are: "
                    f"{', '.join(scopes)}"
                )
            for word, other in (("same_as", claim.same_as), ("of", claim.of)):
                if isinstance(other, str) and (other == claim.id or other not in names):
                    raise ValueError(f"{claim.id}: {word}: no other claim is called {other}")
            if claim.same_as and of[claim.same_as].same_as:
                first = f"{claim.same_as} is itself the same as {of[claim.same_as].same_as}"
                raise ValueError(f"{claim.id}: same_as: {first}")
            if isinstance(claim.of, str) and not (of[claim.of].claimed or 0) > 0:
                raise ValueError(f"{claim.id}: of: {claim.of} claims no number above 0")
        return claims

    @field_validator("candidates")
    @classmethod
    def _one_subset(cls, candidates):
        for arm, given in candidates.items():
            if sum(isinstance(one, Subset) for one in given) > 1:
                raise ValueError(f"{arm}: one subset of classes at most")
        return candidates

    @field_validator("identities")
    @classmethod
    def _of_numbers(cls, identities, info):
        claims = {claim.id: claim for claim in info.data.get("claims", [])}
        left = [identity.split(" = ")[0] for identity in identities]
        for name in left if claims else []:
            if name not in claims:
                raise ValueError(f"'{name}' stands on the left and is no claim")
        for identity in identities if claims else []:
            for name in re.findall(r"[^\s]+", identity):
                if re.search("[a-z]", name) and (
                    name not in claims or claims[name].claimed is None
                ):
                    raise ValueError(f"'{identity}': no claimed number is called {name}")
        twice = sorted({name for name in left if left.count(name) > 1})
        if twice:
            raise ValueError(f"on the left twice: {', '.join(twice)}")
        return identities


def read_claims(path: str) -> Claims | None:
    """The claims of a study, or None when `path` is "". Raises ParameterError with one line for
    every mistake."""
    return (
        config.read_entries(
            path, Claims, config.entry_words(Claims, Subset, Scope, Claim, Test, Beside, Bound)
        )
        if path
        else None
    )
