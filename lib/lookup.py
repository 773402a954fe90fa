"""Numbers of results.json by name, each with the interval that its kind allows."""

import math
import re

from scipy.stats import t

from lib.evaluation.paired import Interval
from lib.evaluation.selective import clopper_pearson

_KEY = r"[^=,\[\]]+=[^,\[\]]+"
_STEP = rf"([^.*\[\]]+)(?:\[({_KEY}(?:,{_KEY})*)\])?"
PATH = rf"^{_STEP}(\.{_STEP})*$"  # names joined by dots; name[key=value,...] is the first record of the list `name` with these values
SIZE = rf"^{_STEP}(\.{_STEP})*( \* {_STEP}(\.{_STEP})*)?$"  # a path, or the product of two


class Missing(LookupError):
    """A number that results.json does not have."""


def find(results: dict, path: str):
    """What stands at `path`, such as "compare.arms.baseline.errors" or "failures.causes[planted cause=none].test images".

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
    """The number at `path`, of an interval its estimate, of several seeds their mean. Raises Missing, also for text."""
    return _parts(find(results, path), path)[0].estimate


def images(results: dict, size: str) -> float:
    """How many images `size` means: the number at a path, the sum of the counts there, or the product of two such.

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


def measure(
    results: dict, path: str, count_of: str | None = None, share_of: str | None = None
) -> Interval:
    """The number at `path` with its 95 % interval; both ends are the number itself where none is known.

    An {estimate, low, high} has its own interval; a {mean, sd, n} of several seeds has Student's of the mean. count_of,
    share_of: a number of images (see `images`) of which this is a count, or a share or mean of values from 0 to 1; the result
    is a share, and its interval reaches at least as far as Clopper and Pearson's, which for such a mean is the wider one.
    """
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
    """The number with its own interval, and half the width of Student's interval over seeds (0 for one seed)."""
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
    """a minus b from their two intervals (Newcombe 1998, method 10; Donner and Zou 2012), as if they were independent.

    On the same images two arms agree more than that, so that the interval is rather too wide than too narrow.
    """
    change = a.estimate - b.estimate
    return Interval(
        change,
        change - math.hypot(a.estimate - a.low, b.high - b.estimate),
        change + math.hypot(a.high - a.estimate, b.estimate - b.low),
    )
