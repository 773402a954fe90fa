"""The report's sentences about maps and what they are worth, from plain numbers alone. None says more than its interval allows."""

from lib.base.text import interval, listed, name, p_value, percent, plural, signed, start, verdict


def faithfulness(numbers: dict[str, dict]) -> str:
    """By arm, from lib.diagnosis.faithfulness.summary: is the map's order better than random order?"""
    return " ".join(_faithful(arm, of_arm) for arm, of_arm in numbers.items())


def _faithful(arm: str, numbers: dict) -> str:
    if not numbers["images"]:
        return f"{start(arm)} makes no error, so its maps could not be tested."
    deletion, insertion = (
        _than_random(numbers["deletion"], "lowers", -1),
        _than_random(numbers["insertion"], "raises", 1),
    )
    return (
        f"In {name(arm)}, over {plural(numbers['images'], 'error')}, covering the cells in the map's order {deletion}; showing them "
        f"in that order {insertion}."
    )


def _than_random(curve: dict, verb: str, better: int) -> str:
    difference = curve["difference"]
    said = (
        f"area {curve['map']:.3f} against {curve['random']:.3f}, {signed(difference['estimate'], 3)}, "
        f"{interval(signed(difference['low'], 3), signed(difference['high'], 3))}"
    )
    found = {"higher": 1, "lower": -1, "none": 0}[verdict(difference)]
    how = (
        "neither faster nor slower than random order, as far as was found"
        if not found
        else (f"{'faster' if found == better else 'more slowly'} than random order")
    )
    return f"{verb} the probability of the wrong class {how} ({said})"


def randomisation(rows: list[dict], chance: float) -> str:
    """The rows of lib.diagnosis.randomisation.table: what is left of the maps once the first stage, and once all stages, have random weights."""
    sentences = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        first, *_, last = [row for row in rows if row["arm"] == arm]
        sentences.append(
            f"With random weights in {first['stage']} the maps of {name(arm)} correlate with the trained ones at "
            f"{_correlation(first)}, with random weights everywhere at {_correlation(last)}."
        )
    return (
        " ".join(sentences)
        + f" Cells in random order would be at {chance:.2f} without sign; maps are smooth, so that unrelated ones lie higher."
    )


def _correlation(row: dict) -> str:
    if row["correlation"] is None:
        return "no value (the maps are the same everywhere)"
    ends = (
        "" if row["low"] is None else f"{interval(signed(row['low'], 2), signed(row['high'], 2))}; "
    )
    return f"{signed(row['correlation'], 2)} ({ends}{row['absolute']:.2f} without sign)"


def occlusion(numbers: dict[str, dict]) -> str:
    """By arm, from lib.diagnosis.randomisation.agreement of maps and occlusion: does the second opinion order the cells alike?"""
    sentences = []
    for arm, found in numbers.items():
        correlation = found["correlation"]
        said = (
            "no value"
            if correlation is None
            else (
                f"{signed(correlation['estimate'], 2)} ({interval(signed(correlation['low'], 2), signed(correlation['high'], 2))}; "
                f"{plural(found['images'], 'error')}; {signed(found['another']['estimate'], 2)} with those of another error's picture)"
            )
        )
        sentences.append(f"{said} in {name(arm)}")
    return (
        "Covering one square after the other and reading how far the logit falls is a second opinion that needs no gradient: the rank "
        f"correlation of its cells with those of the map is {listed(sentences)}."
    )


def attention(found: dict, before: str, after: str) -> str:
    """From lib.diagnosis.faithfulness.compare: does the second arm spread its positive evidence over more cells?

    It is said only where the interval of the mean and Wilcoxon's test of ranks agree.
    """
    left_out = (
        f"; {plural(found['excluded'], 'image')} without a positive cell in one of the arms left out"
        if found["excluded"]
        else ""
    )
    if not found["images"]:
        return f"The spread of attention could not be compared: no image has a positive cell in both arms{left_out}."
    over = f"over {plural(found['images'], 'error')} of {name(before)}{left_out}"
    entropy, hottest = found["normalised_entropy"], found["hottest_share"]
    difference = entropy["difference"]
    numbers = (
        f"entropy of the positive part, as a share of its maximum, {entropy['before']:.3f} to {entropy['after']:.3f}, "
        f"{signed(difference['estimate'], 3)}, {interval(signed(difference['low'], 3), signed(difference['high'], 3))}, "
        f"Wilcoxon {p_value(entropy['p_value'])}"
    )
    moved, ranks_moved = verdict(difference), entropy["p_value"] < 0.05
    what = {
        "higher": f"{start(after)} spreads its attention over more cells than {name(before)}",
        "lower": f"{start(after)} gathers its attention in fewer cells than {name(before)}",
        "none": f"No difference in the spread of attention between {name(before)} and {name(after)} was found",
    }[moved]
    if ranks_moved != (moved != "none"):
        what = f"Whether {name(after)} spreads its attention otherwise than {name(before)} is open: the mean and the ranks disagree"
    return (
        f"{what} ({over}: {numbers}). The hottest cell has {percent(hottest['before'])} and {percent(hottest['after'])} of the "
        "positive part."
    )


def controls(contrasts: dict[str, dict], probe: str, control: str) -> str:
    """By arm, from lib.diagnosis.probes.contrast of flips: does a probe change more answers than its control of equal area?"""
    said = []
    for arm, change in contrasts.items():
        ends = interval(f"{signed(100 * change['low'])}", f"{signed(100 * change['high'])}")
        word = {
            "higher": "more often",
            "lower": "less often",
            "none": "neither more nor less often, as far as was found,",
        }[verdict(change)]
        said.append(f"{word} in {name(arm)} ({signed(100 * change['estimate'])} points, {ends})")
    return f"Covering {probe} changes a wrong answer, against covering {control}: {listed(said)}."
