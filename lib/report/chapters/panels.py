"""The pictures of page one. A panel is WIDTH inches wide, so that two stand side by side on A4 and
one fills a phone, with type of 8 points or more. It holds labels; sentences stand on the page.

Data in, figure out; nothing is computed but positions.
"""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from lib.base.text import level, percent, plural, readable, shorten, signed
from lib.evaluation.protocols import PROTOCOLS
from lib.evaluation.rejection import BROKEN, WITHIN
from lib.report.chapters import findings
from lib.report.judgement import CONTRADICTED, FAILED, REPRODUCED, UNTESTED
from lib.report.pictures import PULL, tinted
from lib.report.style import colours

WIDTH = 3.35  # inches
INK, QUIET, LINE, GRID = "#16181d", "#5b6068", "#b9bcc0", "#e6e6e3"
SHADES = {
    CONTRADICTED: "#8c1d2f",
    FAILED: "#b3780f",
    REPRODUCED: "#0b7a6b",
    UNTESTED: "#d4d5d3",
}
DOTS = 192  # an inch, as lib.report.exhibits draws
TITLE = 41  # characters of a finding
ROWS = 5  # groups of a dumbbell, the rest in one


def _new(height: float, title: str, under: str):
    """A figure with its finding and, below it, what is shown."""
    figure = plt.figure(figsize=(WIDTH, height))
    bold = {"fontsize": 9, "fontweight": "bold", "va": "top"}
    figure.text(0, 1 - 0.02 / height, shorten(title, TITLE), **bold)
    figure.text(0, 1 - 0.2 / height, shorten(under, 60), fontsize=8, va="top", color=QUIET)
    return figure


def _axis(figure, left: float, bottom: float, width: float, height: float):
    """Axes at inches from the lower left corner, with a grid that goes up alone."""
    wide, high = figure.get_size_inches()
    axis = figure.add_axes((left / wide, bottom / high, width / wide, height / high))
    axis.tick_params(length=0, labelsize=8, colors=QUIET)
    axis.spines["left"].set_visible(False)
    axis.spines["bottom"].set_color(LINE)
    axis.grid(axis="y", visible=False)
    axis.grid(axis="x", color=GRID)
    return axis


def _write(figure, left: float, bottom: float, text: str, **style):
    """Text at inches from the lower left corner."""
    wide, high = figure.get_size_inches()
    return figure.text(
        left / wide, bottom / high, text, **{"fontsize": 8, "va": "baseline", "color": INK} | style
    )


def _ink(colour: str) -> tuple:
    """An arm's colour, dark enough to be read as text."""
    return tuple(0.8 * part for part in to_rgb(colour))


def _legend(figure, bottom: float, arms: dict[str, str]) -> None:
    """The arms' names in their colours, one beside the other."""
    step = WIDTH / max(len(arms), 2)
    for number, (arm, colour) in enumerate(arms.items()):
        _write(figure, number * step, bottom, "●", color=colour)
        text = shorten(arm, 22)
        _write(figure, number * step + 0.14, bottom, text, color=_ink(colour), fontweight="bold")


def _picture(figure, left: float, bottom: float, image: np.ndarray, inches: float = 1.0) -> None:
    """A picture (3, h, w) or (h, w, 3), a small one by whole dots."""
    image = image.transpose(1, 2, 0) if image.shape[0] == 3 else image
    axis = _axis(figure, left, bottom, inches, inches)
    times = max(round(inches * DOTS / len(image)), 1)
    axis.imshow(image.repeat(times, 0).repeat(times, 1), interpolation="antialiased", aspect="auto")
    axis.set_axis_off()


# Two arms.


def shown_groups(rows: list[dict], pair: list[str]) -> list[dict]:
    """The groups with the largest change, most errors added first, and one row for the rest."""
    if len(rows) <= ROWS + 1:
        return rows
    ranked = sorted(rows, key=lambda row: -abs(row["extra"]))
    few, rest = ranked[:ROWS], ranked[ROWS:]
    images = sum(row["images"] for row in rest)
    joined = {"kind": "rest", "group": f"the other {len(rest)}", "images": images}
    joined |= {arm: sum(row[arm] * row["images"] for row in rest) / images for arm in pair}
    joined["extra"] = sum(row["extra"] for row in rest)
    return sorted(few, key=lambda row: -row["extra"]) + [joined]


def dumbbell(results: dict):
    """Accuracy by group in both arms, and the errors that the second arm adds."""
    pair = [results["compare"]["before"], results["compare"]["after"]]
    rows, high, gutter = shown_groups(results["groups"], pair), 4.5, 0.8
    kind = {"cause": "planted cause"}.get(results["groups"][0]["kind"])
    kind = kind or results["groups"][0]["kind"]
    figure = _new(high, dumbbell_title(results), f"Test accuracy by {kind}")
    palette = {arm: colours(pair)[arm] for arm in pair}
    _legend(figure, high - 0.52, palette)
    _write(figure, WIDTH, high - 0.52, "extra errors", ha="right", color=QUIET)
    # room on the left for the label of a point near 0
    least = -0.15 if min(row[arm] for row in rows for arm in pair) < 0.14 else 0
    axis = _axis(figure, 0.1, 0.33, WIDTH - gutter - 0.1, high - 0.33 - 0.6)
    axis.set(xlim=(least, 1), ylim=(len(rows) - 0.45, -0.6), yticks=[])
    for number, row in enumerate(rows):
        name = shorten(findings.called(row), 30)
        axis.text(least - 0.04, number - 0.34, name, fontsize=8, va="center")
        images = f"{row['images']:,}" + (" images" if number == 0 else "")
        axis.text(1, number - 0.34, images, ha="right", va="center", color=QUIET, fontsize=8)
        axis.plot([row[arm] for arm in pair], [number] * 2, color=LINE, linewidth=1.4, zorder=1)
        low, top = sorted(pair, key=lambda arm: row[arm])
        for arm, away, align in ((low, -6, "right"), (top, 6, "left")):
            axis.scatter(row[arm], number, s=32, color=palette[arm], zorder=3, clip_on=False)
            axis.annotate(
                percent(row[arm], 0),
                (row[arm], number),
                (away, 0),
                textcoords="offset points",
                ha=align,
                va="center",
                fontsize=8,
                color=_ink(palette[arm]),
                annotation_clip=False,
            )
        axis.annotate(
            signed(row["extra"], 0),
            (1, number),
            (gutter * 72, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
            annotation_clip=False,
        )
    total = sum(row["extra"] for row in rows)
    _write(figure, WIDTH, 0.16, f"sum {signed(total, 0)}", ha="right")
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axis.xaxis.set_major_formatter(PercentFormatter(1, 0))
    return figure


def dumbbell_title(results: dict) -> str:
    """What owns the change, in seven words."""
    found = findings.owner(results)
    if not found:
        return "No group stands out" if findings.change(results) != "same" else "One and the same"
    name, share = findings.called(found), findings.part(found["share"])
    what = "the loss" if findings.change(results) == "lower" else "the gain"
    rest = f": {share}{' of' * (share[-1] not in 'fl')} {what}"
    if len(name + rest) > TITLE and found["kind"] == "cause":
        name = name.split()[-1]
    return f"{shorten(name[:1].upper() + name[1:], TITLE - len(rest))}{rest}"


def dumbbell_alt(results: dict) -> str:
    pair = [results["compare"]["before"], results["compare"]["after"]]
    said = "; ".join(
        f"{findings.called(row)} {percent(row[pair[0]], 0)} to {percent(row[pair[1]], 0)}, "
        f"{signed(row['extra'], 0)} errors"
        for row in shown_groups(results["groups"], pair)
    )
    return f"Accuracy of {readable(pair[0])} and {readable(pair[1])} by group: {said}."


def two_maps(case: dict, image: np.ndarray, maps: dict[str, np.ndarray], arms: dict[str, str]):
    """One failure: the picture and, in each arm, what speaks for the wrong and for the true class.

    case: true, predicted, id, and by arm what it says; maps: by arm wrong minus true class (h, w),
    over the arm's temperature."""
    high, gap, true = 1.98, (WIDTH - 3) / 2, readable(case["true"])
    figure = _new(
        high,
        f"{true[:1].upper()}{true[1:]} taken for {readable(case['predicted'])}",
        "What speaks for which class, cell by cell",
    )
    limit = max(float(np.abs(one).max()) for one in maps.values()) or 1.0
    shown = [(f"image {case['id']}", QUIET, image)]
    for arm, raw in maps.items():
        title = f"{shorten(arm, 8)}: {shorten(case[arm], 8)}" if len(maps) > 1 else shorten(arm, 14)
        shown.append((title, _ink(arms[arm]), tinted(image, raw, limit)))
    for number, (title, colour, drawn) in enumerate(shown):
        left = number * (1 + gap)
        _write(figure, left, 1.36, title, color=colour, fontweight="bold" if number else "normal")
        _picture(figure, left, 0.3, drawn)
    for left, colour, label in ((0, PULL[1], case["true"]), (1.7, PULL[0], case["predicted"])):
        _write(figure, left, 0.1, "■", color=colour, fontsize=9)
        _write(figure, left + 0.15, 0.1, f"for {shorten(label, 20)}", color=QUIET)
    return figure


def coverage(results: dict, curves: pd.DataFrame):
    """Errors among the accepted answers, the surest first; dashed: the study's target. curves: the
    table of lib.evaluation.rejection.curve_table."""
    arms = [one for one in (results["compare"]["before"], results["compare"]["after"]) if one]
    target, high, kept = results["compare"]["target_risk"], 2.0, findings.kept(results)
    title = f"No safe threshold at the {level(target)} target"
    if few := findings.allowed(results):
        title = f"A safe threshold for {few}"
    if kept and kept["outcome"] == BROKEN:
        title = f"Promised under {level(target)}: broken"
    if kept and kept["outcome"] != BROKEN:
        wrong = f"Under {level(target)}"
        if kept["outcome"] == WITHIN:
            wrong = percent(kept["selective_risk"])
        title = f"{wrong} wrong on {percent(kept['coverage'], 0)} of images"
    figure = _new(high, title, "Wrong among the accepted answers, surest first")
    palette = colours(arms)
    _legend(figure, high - 0.52, palette)
    axis = _axis(figure, 0.36, 0.36, WIDTH - 0.36 - 0.5, high - 0.36 - 0.62)
    axis.grid(axis="x", visible=False)
    axis.grid(axis="y", visible=True, color=GRID)
    top = target
    for arm in arms:
        line = curves[(curves["arm"] == arm) & (curves["coverage"] >= 0.05)]
        axis.plot(line["coverage"], line["risk"], color=palette[arm], linewidth=1.5)
        top = max(top, line["risk"].max())
    axis.axhline(target, color=QUIET, linewidth=0.9, linestyle=(0, (3, 2)))
    axis.set(xlim=(0, 1), ylim=(0, top * 1.12 or 1))
    axis.annotate(
        f"target\n{level(target)}",
        (1, target),
        (4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=QUIET,
        annotation_clip=False,
    )
    if kept:
        axis.scatter(kept["coverage"], kept["selective_risk"], s=26, zorder=4, color=INK)
    for one in (axis.xaxis, axis.yaxis):
        one.set_major_formatter(PercentFormatter(1, 0))
    axis.yaxis.set_major_locator(plt.MaxNLocator(4))
    axis.set_xlabel("share of images accepted", labelpad=2, fontsize=8, color=QUIET)
    return figure


def coverage_alt(results: dict, curves: pd.DataFrame) -> str:
    said = "; ".join(
        f"{readable(arm)} {percent(line['risk'].iloc[-1])} of all"
        for arm, line in curves.groupby("arm", sort=False)
    )
    target = level(results["compare"]["target_risk"])
    return f"Share of errors among accepted answers: {said}; the target is {target}."


# One arm.


def failures(rows: pd.DataFrame, images: np.ndarray, arm: str):
    """Up to six errors: pictures with their label and what the arm says."""
    gap, down = (WIDTH - 3) / 2, 1.47
    high = 0.4 + down * (1 + (len(rows) > 3))
    figure = _new(high, "Confident errors", "Test images: label, → what it says")
    for number, (row, image) in enumerate(zip(rows.itertuples(), images)):
        left, bottom = number % 3 * (1 + gap), high - 0.45 - (number // 3 + 1) * down + 0.1
        label, says = shorten(row.true, 14), shorten(row.predicted, 13)
        _write(figure, left, bottom + 1.18, label, color=QUIET)
        colour = _ink(colours([arm])[arm])
        _write(figure, left, bottom + 1.05, f"→ {says}", color=colour, fontweight="bold")
        _picture(figure, left, bottom, image)
    return figure


def failures_alt(rows: pd.DataFrame) -> str:
    said = "; ".join(
        f"labelled {readable(row.true)}, called {readable(row.predicted)}"
        for row in rows.itertuples()
    )
    return f"Pictures of {len(rows)} errors: {said}."


def worst(results: dict):
    """The classes that the arm gets right least often, with exact limits."""
    rows, arm = results["worst_classes"], results["compare"]["before"]
    high = 0.65 + 0.26 * len(rows)
    under = f"Lowest of {results['study']['classes']} classes, with 95% intervals"
    figure = _new(high, "Its hardest classes", under)
    axis = _axis(figure, 1.15, 0.2, WIDTH - 1.15 - 0.25, high - 0.2 - 0.42)
    colour = colours([arm])[arm]
    for number, row in enumerate(rows):
        ends = [row["low"], row["high"]]
        axis.plot(ends, [number] * 2, color=colour, alpha=0.35, linewidth=5)
        axis.scatter(row["accuracy"], number, s=24, color=colour, zorder=3)
    mean = results["compare"]["arms"][arm]["test_accuracy"]["mean"]
    axis.axvline(mean, color=QUIET, linewidth=0.9, linestyle=(0, (3, 2)))
    axis.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    axis.set_yticks(range(len(rows)), [shorten(row["class"], 16) for row in rows], color=INK)
    axis.xaxis.set_major_formatter(PercentFormatter(1, 0))
    return figure


def worst_alt(results: dict) -> str:
    said = "; ".join(
        f"{readable(row['class'])} {percent(row['accuracy'], 0)}"
        for row in results["worst_classes"]
    )
    return f"Accuracy of the worst classes: {said}."


# With an earlier study's claims.


GLYPH = {CONTRADICTED: "×", FAILED: "≠", REPRODUCED: "✓"}
ACROSS = 18


def squares(ledger: dict):
    """One square a fact that was tested, with the number of claims that state it; small ones for
    claims that were not."""
    facts = [
        (CONTRADICTED if fact["contradicted"] else FAILED, len(fact["claims"]))
        for fact in ledger["facts"]
    ]
    order = (CONTRADICTED, FAILED, REPRODUCED)
    held = [(REPRODUCED, len(of_fact)) for of_fact in ledger["held"]]
    facts = sorted(facts + held, key=_rank(order))
    untested = ledger["verdicts"][UNTESTED]
    lines = -(-len(facts) // ACROSS)
    small = -(-untested // (2 * ACROSS))
    high = 0.95 + 0.2 * lines + 0.11 * small
    total = sum(ledger["verdicts"].values())
    most = max((claims for _, claims in facts), default=1)
    several = "; a number: claims that state it" * (most > 1)
    title = f"{plural(total, 'claim')}, {plural(len(facts), 'fact')} tested"
    figure = _new(high, title, f"One square a fact{several}")
    axis = _axis(figure, 0, 0, WIDTH, high)
    axis.set(xlim=(0, WIDTH), ylim=(0, high))
    axis.set_axis_off()
    step, top = WIDTH / ACROSS, high - 0.44
    for number, (verdict, claims) in enumerate(facts):
        left, bottom = number % ACROSS * step, top - (number // ACROSS + 1) * 0.2
        axis.add_patch(Rectangle((left, bottom), 0.16, 0.17, color=SHADES[verdict], linewidth=0))
        text = str(claims) if claims > 1 else GLYPH[verdict]
        axis.text(
            left + 0.08, bottom + 0.08, text, color="white", fontsize=8, ha="center", va="center"
        )
    base = top - 0.2 * lines - 0.16
    left = 0.0
    for verdict, words in zip(order, ("contradicted", "not reproduced", "reproduced")):
        number = sum(one == verdict for one, _ in facts)
        colour = _ink(SHADES[verdict])
        axis.text(left, base, f"{number} {words}", color=colour, fontsize=8, va="baseline")
        left += 1.05 if verdict != FAILED else 1.2
    for number in range(untested):
        left, bottom = number % (2 * ACROSS) * step / 2, base - 0.12 - number // (2 * ACROSS) * 0.11
        axis.add_patch(Rectangle((left, bottom), 0.07, 0.08, color=SHADES[UNTESTED], linewidth=0))
    _write(figure, 0, 0.05, f"{plural(untested, 'claim')} not tested here", color=QUIET)
    return figure


def _rank(order: tuple):
    return lambda fact: (order.index(fact[0]), -fact[1])


def squares_alt(ledger: dict) -> str:
    verdicts = ledger["verdicts"]
    said = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items())
    facts = plural(len(ledger["facts"]), "fact")
    return f"Claims of the earlier study: {said}; the negative ones state {facts}."


FOREST = 6
LEVEL = re.compile(r"errors (\d\d)$")  # of confidence, in a claim's id


def forest_rows(results: dict) -> list[list[dict]]:
    """Of the claimed numbers with an interval the first ones, one of each fact; each with the
    number of the arm named as an explanation behind it."""
    ledger, before = results["ledger"], results["compare"]["before"]
    fits = ledger["consistent_with"][:1]
    fact = {claim: number for number, one in enumerate(ledger["facts"]) for claim in one["claims"]}
    rows, seen = [], set()
    for row in ledger["numbers"]:
        key = fact.get(row["id"], row["id"])
        usable = row["low"] < row["high"] and row["low"] > 0 and (row["claimed"] or 0) > 0
        if row["arm"] != before or not usable or key in seen:
            continue
        seen.add(key)
        other = [one for one in ledger["numbers"] if one["id"] == row["id"] and one["arm"] in fits]
        rows.append([row, *other])
    return rows[:FOREST]


def forest(results: dict):
    """Measured over claimed with 95% intervals, on a scale of factors; hollow: the arm that the
    claims fit better."""
    rows, claims = forest_rows(results), results["ledger"]["claims"]
    pair = [one for one in (results["compare"]["before"], results["compare"]["after"]) if one]
    high = 0.85 + 0.44 * len(rows)
    good = sum(row[0]["reproduced"] for row in rows)
    title = f"{good or 'None'} of these {len(rows)} claimed numbers come out"
    figure = _new(high, title, "Measured ÷ claimed, with 95% intervals")
    axis = _axis(figure, 0.06, 0.4, WIDTH - 1.5, high - 0.4 - 0.55)
    ratios = [one[end] / one["claimed"] for row in rows for one in row for end in ("low", "high")]
    least, most = max(min([*ratios, 0.9]), 0.34), min(max([*ratios, 1.1]), 3)
    axis.set(xscale="log", xlim=(least / 1.06, most * 1.06), ylim=(len(rows) - 0.5, -0.65))
    for number, (row, *others) in enumerate(rows):
        verdict = claims[row["id"]]["verdict"]
        label = LEVEL.sub(r"errors at ≥ \1%", readable(row["id"].replace("-", "_")))
        axis.annotate(
            shorten(label[:1].upper() + label[1:], 40),
            (0, number - 0.4),
            xycoords=("axes fraction", "data"),
            fontsize=8,
            va="center",
            annotation_clip=False,
            bbox={"facecolor": "white", "linewidth": 0, "pad": 0.5},
        )
        for one, face in ((row, SHADES[verdict]), *((other, "white") for other in others)):
            ends = np.clip([one["low"] / one["claimed"], one["high"] / one["claimed"]], 0.34, 3)
            edge = SHADES[verdict] if one is row else QUIET
            axis.plot(ends, [number] * 2, color=edge, linewidth=2.2 if one is row else 1, zorder=2)
            middle = np.clip(one["estimate"] / one["claimed"], 0.34, 3)
            axis.scatter(middle, number, s=28, color=face, edgecolor=edge, zorder=3)
        for text, away in ((claims[row["id"]]["claimed"], 46), (_number(row), 103)):
            axis.annotate(
                text,
                (1, number),
                (away, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                fontsize=8,
                ha="right",
                va="center",
                annotation_clip=False,
            )
    axis.axvline(1, color=INK, linewidth=1, zorder=1)
    _write(figure, WIDTH - 0.8, high - 0.5, "claimed", ha="right", color=QUIET)
    _write(figure, WIDTH, high - 0.5, "measured", ha="right")
    ticks = [one for one in (0.5, 1, 1.5, 2, 3) if least / 1.06 <= one <= most * 1.06]
    axis.set_xticks(ticks, ["as claimed" if one == 1 else f"{one:g}×" for one in ticks])
    axis.minorticks_off()
    axis.set_yticks([])
    fits = results["ledger"]["consistent_with"][:1]
    if fits:
        of = PROTOCOLS.get(fits[0]) or f"{shorten(fits[0], 24)} in place of {pair[0]}"
        _write(figure, 0, 0.06, f"○ with {of}", color=QUIET)
    return figure


def _number(row: dict) -> str:
    digits = {"percent": "{:.1f}%", "score": "{:.3f}", "points": "{:+.1f}"}.get(
        row["unit"], "{:,.0f}"
    )
    return digits.format(row["estimate"]).replace("-", "−")


def forest_alt(results: dict) -> str:
    claims = results["ledger"]["claims"]
    said = "; ".join(
        f"{row['id'].replace('-', ' ')}: claimed {claims[row['id']]['claimed']}, measured "
        f"{_number(row)}"
        for row, *_ in forest_rows(results)
    )
    return f"Claimed against measured: {said}."
