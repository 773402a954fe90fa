"""Causes: the sentences on probes and verdicts and on how far both can be trusted, and the
diagnosis cards, a row a case, with their captions.
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lib.base.text import (
    escape,
    interval,
    listed,
    name,
    percent,
    plural,
    power_of_ten,
    readable,
    see,
    shorten,
    with_limits,
)
from lib.diagnosis.evidence import Evidence
from lib.diagnosis.judgement import NO_VERDICT, given, turn
from lib.diagnosis.mixture import PRECISION, UNLIKE
from lib.diagnosis.probes import FILLS, LABELS
from lib.diagnosis.readings import READINGS
from lib.diagnosis.rule import LEAST
from lib.diagnosis.score import FOUND
from lib.diagnosis.verdict import CAUSES, number
from lib.evaluation.summary import missing
from lib.report import causes
from lib.report.failures import bounded
from lib.report.pictures import PULL, picture, tinted
from lib.report.style import WIDTH

ENDS = {"estimate": "", "low": " low", "high": " high"}
REASON = "“Why it fails” has the reason"  # told once, in the body
AIM = 0.90  # of the causes, where nothing is called something in few cases only


def probing(results: dict) -> str:
    """What was done to the wrong predictions, and whether the hottest cells matter more than
    any."""
    cam = results["gradcam"]
    made, drawn = cam.get("sampled", {}), ", drawn at random besides the cases"
    read = {arm: sum(halves.values()) for arm, halves in cam["halves"].items()}
    read = {arm: number for arm, number in read.items() if number}
    if not read:
        return "No error is made: there is nothing to probe."
    everywhere = drawn * (read.keys() <= made.keys())  # said once
    errors = [
        f"{number:,} of {plural(made[arm], 'error')} of {name(arm)}"
        + f" ({drawn[2:]})" * (not everywhere)
        if arm in made
        else f"all {number:,} errors of {name(arm)}"
        if number > 1
        else f"the one error of {name(arm)}"
        for arm, number in read.items()
    ]
    return (
        "A map shows where evidence came from; it proves no cause. So the pictures were changed "
        f"and predicted again: {listed(errors)}{everywhere}, each in more than a hundred ways "
        f"({see('fig-probes')}). "
        + causes.controls(
            cam["controls"],
            "the hottest quarter of the wrong class's map with the mean colour",
            "random cells of equal area",
            {arm: sum(halves.values()) for arm, halves in cam["halves"].items()},
        )
    ).rstrip()


def verdicts_text(results: dict) -> str:
    """What stands behind the errors of the arms, corrected for what their rules confuse, and which
    verdicts may be given."""
    rules, halves = results["gradcam"]["rule"], results["gradcam"]["halves"]
    if not any(sum(of_arm.values()) for of_arm in halves.values()):
        return "No error is made: there is no cause to name."
    if not rules:
        return f"No cause is named: {REASON}."
    said = " ".join(
        [
            _mixed(arm, numbers["mixture"])
            for arm, numbers in rules.items()
            if not numbers["mixture"] or numbers["mixture"]["trusted"]
        ]
        + _withheld(rules)
    )
    text = (
        "A rule of each arm's own turns the answers about an error into a verdict: background, "
        "second object, look-alike, suspected label error, or unexplained. What it is worth is "
        f"known from causes that were planted ({see('tab-instrument')})."
    )
    if not shared(rules):
        return f"{text} {said}"
    return (
        f"{text} The shares are corrected for what it confuses ({see('tab-verdicts')}). {said} The "
        "cases that somebody chose take no part in the shares. On phantoms, whose causes are "
        "known, such shares were right or too high."
    )


def shared(rules: dict) -> bool:
    """Whether the share of any cause is known of any arm; rules: of results.json, by arm."""
    return any(known_shares(of_arm["mixture"]) for of_arm in rules.values())


def known_shares(mixture: dict | None) -> dict[str, dict]:
    """The shares that are known, those of trusted causes, the largest first."""
    shares = (mixture or {}).get("shares") or {}
    known = {cause: share for cause, share in shares.items() if share}
    return dict(sorted(known.items(), key=lambda item: -item[1]["estimate"]))


def _mixed(arm: str, mixture: dict | None) -> str:
    """The corrected shares of one arm and the verdicts that are trusted, where there are any."""
    if not mixture:
        return f"Of {name(arm)} no error was read."
    causes = listed([readable(cause) for cause in mixture["trusted"]])
    return (
        f"{behind(known_shares(mixture), arm)} Verdicts are given for {causes}: only where the "
        "interval of how often a verdict is right, at this mix, lies above "
        f"{percent(PRECISION, 0)}, and its value in equal shares of all causes too."
    )


def behind(shares: dict[str, dict], arm: str) -> str:
    """A sentence on the known shares."""
    told = listed(
        [
            f"{readable(cause)} (about {percent(share['estimate'], 0)})"
            for cause, share in shares.items()
        ]
    )
    stands = "stands" if len(shares) == 1 else "stand"
    return (
        f"Behind the errors of {name(arm)} {stands} {told}; the shares of the other causes the "
        "rule cannot tell."
    )


def _withheld(rules: dict) -> list[str]:
    """One sentence on all arms without a verdict."""
    arms = [arm for arm, of in rules.items() if of["mixture"] and not of["mixture"]["trusted"]]
    if not arms:
        return []
    whose = listed([name(arm) for arm in arms])
    return [f"Errors of {whose} get their evidence and no cause: {REASON}."]


def cases_text(results: dict) -> str:
    """The verdicts on the cases, the named ones first."""
    found, before = results["gradcam"]["cases"], results["gradcam"]["before"]
    if before not in results["gradcam"]["asked"]:
        return f"The cases are errors of {name(before)}, whose network was not asked: no card."
    if not found:
        return "No error was selected, so there is no card."
    named = [case for case in found if case["why"] == "named"]
    said = [
        f"{name(case['true'])} taken for {name(case['predicted'])} ({case['id']}) {_called(case)}"
        for case in named
    ]
    text = f"Of the named cases that the network gets wrong, {listed(said)}. " if said else ""
    if named and not any(map(_given, named)):
        text = f"No verdict is given on the named cases that the network gets wrong: {REASON}. "
    text += relabelled(results, named)
    if not results["gradcam"]["rule"]:
        return f"{text}{see('tab-cards')} lists them."
    if not any(map(_given, found)):
        return f"{text}{see('tab-cards')} has the evidence on each case."
    text += (
        f"{see('tab-cards')} says what speaks most for each verdict, and what would have turned it."
    )
    if not any(case["verdict"] for case in found):
        return text
    return (
        f"{text} A case that somebody chose is no draw at random: its probability is that of an "
        "error like it at this network's mix of causes."
    )


def _given(case: dict) -> bool:
    """Whether a case has a verdict, which "unexplained" is."""
    return bool(case["verdict"]) or case["points_to"] == "unexplained"


def _called(case: dict) -> str:
    if case["verdict"]:
        return f"is called {readable(case['verdict'])}"
    if case["points_to"] == "unexplained":
        return "stays unexplained"
    return "gets no verdict"


def relabelled(results: dict, named: list[dict]) -> str:
    """Named cases that most reviewers call what the network calls them: there the label is in
    doubt, whatever the verdict."""
    opinion = results["failures"]["known"].get("opinion") or {}
    corrected = {case["id"]: case["corrected"] for case in opinion.get("named", [])}
    said = [
        f"{case['id']} ({name(case['predicted'])}, labelled {name(case['true'])})"
        for case in named
        if corrected.get(case["id"]) == case["predicted"]
    ]
    return (
        f"Most reviewers call {listed(said)} what the network calls it: there the label is in "
        "doubt, whatever the verdict. "
        if said
        else ""
    )


def maps_text(results: dict) -> str:
    """Completeness, deletion and insertion, occlusion, random weights, spread."""
    cam = results["gradcam"]
    cells = "×".join(map(str, cam["cells"] or []))
    maps = see("fig-before-after" if len(cam["asked"]) == 2 else "fig-gradcam")
    layers = {layer for layer in cam["layers"].values() if layer}
    whose = f" of {name(cam['asked'][0])}" * (len(layers) > 1)
    told = f"The maps{whose} of {maps} have {cells} cells at {escape(cam['layer'] or '')}."
    text = (told * bool(cam["layer"]) + _occluded(cam)).strip()
    if cam["completeness_error"] is not None:
        text += (
            " With average pooling and one linear layer behind them, the sum over a map plus the "
            "class's bias must equal the logit: the largest deviation is "
            f"{power_of_ten(cam['completeness_error'])} logits."
        )
    if not cam["faithfulness"]:
        return text
    of_maps, random = cam["occlusion"], cam["randomisation"]
    parts = [
        text,
        " ".join(
            filter(None, (causes.faithfulness(cam["faithfulness"]), causes.occlusion(of_maps)))
        )
        + f" See {see('fig-deletion')}.",
        f"{causes.randomisation_text(random, cam['chance'])} See {see('fig-sanity')}."
        if random
        else "Weights were not made random: the stages of a network that is not our own are not "
        "known.",
    ]
    if cam["attention"]:
        parts.append(causes.attention(cam["attention"], cam["before"], cam["after"]))
    return "\n\n".join(parts)


def _occluded(cam: dict) -> str:
    """Which arms have no layer with maps."""
    arms = [name(arm) for arm, layer in cam["layers"].items() if layer is None]
    if not arms:
        return ""
    return (
        f" In place of maps of {listed(arms)}, where no layer has any, stands *occlusion*: by how "
        "much a logit falls when a cell of the picture is covered."
    )


def instrument(results: dict) -> str:
    """What the rules are, how they score on planted errors, and what else they are held against."""
    cam = results["gradcam"]
    parts = [
        "Nobody knows why a network errs on a picture. So known causes were planted, as a chemist "
        "adds a known amount to a sample: into test pictures that a network gets right, until its "
        "answer turned for that reason. A second object is another class's picture, reduced; a "
        "background is another picture's border; a look-alike has lost its detail; a label error "
        "has another label; and of nothing every pixel is shifted by a few levels. The rule is "
        "fitted to these errors, for each arm by itself, and scored where it was not fitted.",
        *(_rule(arm, numbers) for arm, numbers in cam["rule"].items()),
        agreed(cam.get("agreement")),
        reviewers(cam.get("reviewed")),
    ]
    return "\n\n".join(filter(None, parts))


def _rule(arm: str, numbers: dict) -> str:
    planted, readings = numbers["planted"], len(numbers["readings"])
    kind = "a multinomial logistic regression" if numbers["linear"] else "boosted trees"
    score, strict = numbers["score"], numbers["score_strict"]
    known = {cause: number for cause, number in planted.items() if number >= LEAST}
    few, most, four = min(known.values()), max(known.values()), len(known.keys() - {"unexplained"})
    size = f"{few:,}" if few == most else f"{few:,} to {most:,}"
    seldom = listed([readable(cause) for cause in planted if cause not in known])
    unknown = f" It does not know {seldom}: planted too seldom." if seldom else ""
    return (
        f"Of {name(arm)}, on {size} planted errors a cause, the rule is {kind} on "
        f"{plural(readings, 'reading')}. It finds {bounded(score['macro recall'])} of the causes, "
        f"on average over {four}. It names one for {bounded(score['called'])} of errors that have "
        f"none, where at most {percent(numbers['allowed'], 0)} were allowed. With "
        f"{percent(numbers['strict'], 0)} allowed it finds {bounded(strict['macro recall'])}. "
        f"{aim(strict['macro recall'])}.{unknown}{_likeness(numbers['mixture'])}"
    )


def _likeness(mixture: dict | None) -> str:
    """How well the network's own errors are told from planted ones; "" where nobody looked."""
    apart = (mixture or {}).get("told_apart")
    if missing(apart):
        return ""
    return (
        " Its own errors are told from planted ones with an area under the ROC curve of "
        f"{apart:.3f}; above {UNLIKE} no verdict is given."
    )


def agreed(rows: list[dict] | None) -> str:
    """On a phantom: whether its own causes are found as often as the planted errors promise."""
    if not rows:
        return ""
    table = pd.DataFrame(rows)
    mean = table.set_index("cause").loc["mean of causes"]
    every = {end: mean[f"all found{column}"] for end, column in ENDS.items()}
    return (
        "Here the causes of the real errors are known too, which checks the checker "
        f"({see('tab-agreement')}). {promised(table)} Counted over all "
        f"{mean['all errors']:,} errors with a cause, whatever was predicted, it finds "
        f"{share_text(every)}, again the mean of the causes."
    )


def promised(table: pd.DataFrame) -> str:
    """Which causes are found more or less often than planted errors promise; table:
    lib.diagnosis.score.agreement."""
    known = table[table["agree"].notna()]
    apart = known[~known["agree"].astype(bool)]
    if not len(known):
        return "No promise of the planted errors can be held against what is found."
    if not len(apart):
        numbers = f"in {plural(len(known), 'number')} that can be compared"
        return f"What the planted errors promise and what is found agree {numbers}."
    more = apart["found"] > apart["promised"]
    said = [
        f"more often than that for {_measured(apart[more])}" * bool(more.any()),
        f"less often for {_measured(apart[~more])}" * bool((~more).any()),
    ]
    return (
        f"What the planted errors promise is not so in {len(apart)} of {len(known)} numbers: it is "
        f"{'; '.join(filter(None, said))}."
    )


def _measured(rows: pd.DataFrame) -> str:
    return listed(
        [
            readable(row.cause)
            if row.measure == FOUND
            else f"{readable(row.cause)} ({row.measure})"
            for row in rows.itertuples()
        ]
    )


def share_text(entry: dict) -> str:
    return "an unknown share" if entry["estimate"] is None else bounded(entry)


def reviewers(reviewed: dict | None) -> str:
    """How well the other runs' probability of the predicted class tells wrong labels, as people
    see them; "" where nobody looked."""
    if not reviewed:
        return ""
    own = f"an area under the ROC curve of {_area(reviewed['own_confidence'])}"
    give = "gives" if reviewed["runs"] == 1 else "give"
    whose = (
        f"the mean probability that {plural(reviewed['runs'], 'other run')} {give} to the "
        f"predicted class has an area under the ROC curve of {_area(reviewed['auc'])}. Its own "
        f"confidence has {_area(reviewed['own_confidence'])}"
        if reviewed["runs"]
        else f"there is no other run to ask, and its own confidence has {own}, which is weak"
    )
    return (
        "Labels can be checked by people. Of "
        f"{plural(reviewed['errors'], 'error')} of this network whose predicted class reviewers "
        "were asked about, the chosen cases left out, most of them accept it for "
        f"{reviewed['accepted']:,}. For telling these, {whose}."
    )


def _area(found: dict) -> str:
    ends = interval(f"{found['low']:.2f}", f"{found['high']:.2f}")
    return f"{found['estimate']:.2f} ({ends})"


def aim(found: dict) -> str:
    """Whether so much of the planted causes is found as was aimed at."""
    word = "reached" if found["estimate"] >= AIM else "missed"
    unsettled = found["low"] < AIM <= found["high"]
    return f"The aim of {percent(AIM, 0)} is {word}" + (
        " by the estimate, which the interval does not settle" * unsettled
    )


# Diagnosis cards: one row a case, with the picture, both maps on one scale, what the probes did,
# and the verdict.


WRONG, TRUE = PULL
QUIET = "#5b6068"
# tags: a dark colour of each verdict, and none of an arm
TAGS = {
    "background": "#7a4b16",
    "second_object": "#0f6b70",
    "look_alike": "#6b5700",
    "label_error": "#9c1c4b",
    "unexplained": "#5c6068",
    NO_VERDICT: "#5c6068",
}
FITS = {True: ("✓ fits", "#0a6453"), False: ("✕ differs", "#97202f"), None: ("", QUIET)}
HOTTEST = "hottest cells covered"
RANDOM = "random cells covered"
TURNED = 0.25  # of probability that the true class gains, from which on it is said to rise
MORE = 0.1  # of probability that the hottest cells must take besides what random ones take
BARS = {
    "as it is": None,
    HOTTEST: "hot",
    "coldest cells covered": "cold",
    RANDOM: "random",
    "only hottest cells": "only-hot",
    "patches shuffled": "shuffle:4",
    "no colour": "grey",
    "no detail": "low:2",
}
# that the bars are made of
PROBES = [name for name in LABELS if {name, name.split(":")[0]} & set(BARS.values())]
SHOWN = 3  # cards a figure, so that one stands in the body and two fit a page
HEIGHT, FOOT, CELL = 1.8, 0.3, 1.0  # inches; 192 pixels a picture, six for each of its own
LINE = 112  # characters of evidence on a line, of which there are two
LEGEND = "maps: what each cell adds · bars: probability while the picture changes"


def probe_bars(found: Evidence, row: int) -> pd.DataFrame:
    """Probability of the wrong and of the true class of one error under the probes of BARS, means
    over fillings and draws."""
    table = []
    for label, part in BARS.items():
        names = [part] if part in found.responses else [f"{part}:{kind}" for kind in FILLS]
        pair = (
            found.whole[row]
            if part is None
            else [
                np.mean([getattr(found.responses[name], which)[:, row] for name in names])
                for which in ("wrong", "true")
            ]
        )
        table.append({"picture": label, "wrong": pair[0], "true": pair[1]})
    return pd.DataFrame(table)


def data(cases: pd.DataFrame, found: Evidence) -> pd.DataFrame:
    """The probabilities that the cards' bars show, a row a case and picture."""
    parts = [
        probe_bars(found, case.row).assign(
            id=case.id, true_class=case.true, wrong_class=case.predicted
        )
        for case in cases.itertuples()
    ]
    return pd.concat(parts, ignore_index=True)[
        ["id", "true_class", "wrong_class", "picture", "true", "wrong"]
    ]


def covered(bars: pd.DataFrame, true: str, wrong: str) -> str:
    """What covering the hottest cells of the wrong class's map does, beside as many random ones, in
    a sentence; bars: `probe_bars`, true and wrong: the classes' names as they are to be printed."""
    at = bars.set_index("picture").round(3).loc  # as kept, or one error would have two readings
    whole, hot, random = at["as it is"], at[HOTTEST], at[RANDOM]
    gained, lost = hot["true"] - whole["true"], whole["wrong"] - hot["wrong"]
    if gained >= TURNED or hot["true"] > max(hot["wrong"], TURNED):
        verb = "rises to" if gained > 0 else "has"
        told = f"{true} {verb} {percent(hot['true'], 0)}"
        if hot["true"] > hot["wrong"]:
            told += f": the rest of the picture speaks more for it than for {wrong}"
        else:
            told += f", {wrong} has {percent(hot['wrong'], 0)}"
    elif lost < min(TURNED, whole["wrong"] / 2):
        told = f"{wrong} keeps {percent(hot['wrong'], 0)}: it does not hang on that place"
    elif random["wrong"] - hot["wrong"] < MORE:
        told = (
            f"{wrong} falls to {percent(hot['wrong'], 0)}, with random ones to "
            f"{percent(random['wrong'], 0)}: no more hangs on that place than on others"
        )
    elif hot["wrong"] >= TURNED:
        told = f"{wrong} falls to {percent(hot['wrong'], 0)}; some of it hangs on that place"
    else:
        told = (
            f"{wrong} falls to {percent(hot['wrong'], 0)}; {true} has {percent(hot['true'], 0)}: "
            "the rest of the picture speaks for neither"
        )
    return f"With the {HOTTEST}, {told}."


def reading(said: pd.Series) -> str:
    """What speaks most for a verdict; said: a row of lib.diagnosis.judgement.decide."""
    return f"{READINGS[said['led']]}: {number(said['value'])}"


def evidence(case, verdict: str, said: pd.Series | None, bars: pd.DataFrame, agree=None) -> str:
    """In two short sentences: what speaks most for the verdict or, where none may be given, what
    covering the hottest cells does; and how far the other runs agree with the network."""
    if verdict == NO_VERDICT:
        told = covered(bars, shorten(case.true), shorten(case.predicted))
    else:
        told = f"{reading(said)}."
    parts = [told[:1].upper() + told[1:]]
    if agree is not None:
        parts.append(f"Other runs give {shorten(case.predicted)} {percent(agree, 0)} on average.")
    return " ".join(parts)


def verdicts_of(cases: pd.DataFrame, verdicts: pd.DataFrame | None) -> list[str]:
    """The verdict on each case that may be given."""
    if verdicts is None:
        return [NO_VERDICT] * len(cases)
    return given(verdicts.iloc[cases["row"].tolist()]).tolist()


def truths(
    cases: pd.DataFrame, verdicts: pd.DataFrame | None, opinion, names: list[str]
) -> list | None:
    """What stands beside each verdict: the planted cause, or what most reviewers say of the label;
    None where nobody knows. opinion: lib.evaluation.labels.Opinion or None."""
    if opinion is None:
        return None
    return [
        _planted(case.cause, said)
        if opinion.source == "planted"
        else _reviewed(case.position, said, opinion, names)
        for case, said in zip(cases.itertuples(), verdicts_of(cases, verdicts))
    ]


def _planted(cause: str, verdict: str) -> tuple:
    said = {"none": "nothing"}.get(cause, readable(cause))
    fits = verdict == {"none": "unexplained"}.get(cause, cause)
    return "planted", said, None if verdict == NO_VERDICT else fits


def _reviewed(position: int, verdict: str, opinion, names: list[str]) -> tuple:
    """Reviewers were asked of the label alone: only there can a verdict fit or differ."""
    if not opinion.reviewed[position]:
        return "reviewers", "not asked", None
    rejected, blamed = bool(opinion.rejected[position]), verdict == "label_error"
    other = opinion.corrected[position]
    said = str(opinion.words[position]).partition(" (")[0].replace("both", "both classes")
    word = "label right" if not rejected else names[other] if other >= 0 else said
    telling = (rejected or blamed) and verdict != NO_VERDICT
    return "reviewers", word, blamed == rejected if telling else None


def draw_cards(
    cases: pd.DataFrame,
    images: np.ndarray,
    found: Evidence,
    verdicts: pd.DataFrame | None,
    truths: list[tuple] | None = None,
    agree: np.ndarray | None = None,
):
    """A figure of cards with the legend under them. cases: id, true, predicted and `row`, the
    case's place in `found` and `verdicts`; images (N, 3, h, w); truths: of each case what stands
    beside the verdict, (whose word, the word, whether it fits or None); agree: of each case the
    probability that other runs give to the predicted class, None of a study of one run."""
    limit = float(found.maps[cases["row"].tolist()].abs().max()) or 1.0
    figure = plt.figure(figsize=(WIDTH, HEIGHT * len(cases) + FOOT))
    named = verdicts_of(cases, verdicts)
    for place, (case, image, cause) in enumerate(zip(cases.itertuples(), images, named)):
        bottom = FOOT + HEIGHT * (len(cases) - 1 - place)
        said = None if verdicts is None else verdicts.iloc[case.row]
        bars = probe_bars(found, case.row)
        text = evidence(case, cause, said, bars, None if agree is None else agree[place])
        _head(figure, bottom + HEIGHT, case, cause, text, truths[place] if truths else None)
        _strip(figure, bottom, case, image, found.maps[case.row].numpy(), limit)
        _bars(figure, bottom, bars)
    for left, colour, text in (
        (0, WRONG, "wrong class"),
        (0.98, TRUE, "true class"),
        (1.86, None, LEGEND),
    ):
        _write(figure, left, 0.08, "■" if colour else "", color=colour or QUIET)
        _write(figure, left + 0.14 * bool(colour), 0.08, text, color=QUIET)
    return figure


def _write(figure, left: float, bottom: float, text: str, **style):
    """Text at inches from the lower left corner."""
    wide, high = figure.get_size_inches()
    return figure.text(left / wide, bottom / high, text, **{"fontsize": 8} | style)


def _axis(figure, left: float, bottom: float, width: float, height: float):
    wide, high = figure.get_size_inches()
    return figure.add_axes((left / wide, bottom / high, width / wide, height / high))


def _head(figure, top: float, case, verdict: str, told: str, truth: tuple | None) -> None:
    """What was taken for what, the verdict as a tag, the truth beside it, and the evidence."""
    title = f"{shorten(case.true)} taken for {shorten(case.predicted)}"
    _write(figure, 0, top - 0.2, title, fontsize=9, fontweight="bold")
    colour = TAGS[verdict]
    box = {"boxstyle": "round,pad=0.25", "edgecolor": colour, "facecolor": colour}
    box |= {"facecolor": "white", "linestyle": "--"} if verdict == NO_VERDICT else {}
    ink = colour if verdict == NO_VERDICT else "white"
    _write(figure, 3.38, top - 0.2, readable(verdict), color=ink, fontweight="bold", bbox=box)
    if truth:
        whose, word, fits = truth
        mark, shade = FITS[fits]
        text = f"{whose}: {shorten(word, 13)} {mark}".rstrip()
        edge = {"boxstyle": "round,pad=0.25", "edgecolor": shade, "facecolor": "white"}
        _write(figure, 4.5, top - 0.2, text, color=shade, bbox=edge)
    _write(figure, 0, top - 0.3, textwrap.fill(told, LINE), va="top", linespacing=1.2)


def _strip(figure, bottom: float, case, image: np.ndarray, maps: np.ndarray, limit: float) -> None:
    """The picture and the maps of the wrong and of the true class; what speaks for the true one is
    green in both."""
    shown = (
        (f"image {case.id}", QUIET, image),
        (f"for {shorten(case.predicted, 12)}", WRONG, tinted(image, maps[0], limit)),
        (f"for {shorten(case.true, 12)}", TRUE, tinted(image, -maps[1], limit)),
    )
    for column, (title, colour, drawn) in enumerate(shown):
        axis = _axis(figure, column * (CELL + 0.09375), bottom + 0.08, CELL, CELL)
        axis.set_axis_off()
        picture(axis, drawn, title, colour)


def _bars(figure, bottom: float, table: pd.DataFrame) -> None:
    """Who gets the probability while the picture is changed: the wrong class from the left, the
    true one from the right, grey for all others."""
    axis = _axis(figure, 4.75, bottom + 0.06, 1.25, 1.08)
    rows = np.arange(len(table))
    axis.barh(rows, 1, 0.7, color="#e6e6e3")
    axis.barh(rows, table["wrong"], 0.7, color=WRONG, label="wrong class")
    axis.barh(rows, table["true"], 0.7, left=1 - table["true"], color=TRUE, label="true class")
    axis.set_yticks(rows, table["picture"])
    axis.set(xlim=(0, 1), ylim=(len(table) - 0.5, -0.5), xticks=[])
    axis.tick_params(length=0)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.grid(visible=False)
    for column, which, colour in ((32, "wrong", WRONG), (62, "true", TRUE)):
        texts = [(row, percent(share, 0)) for row, share in zip(rows, table[which])]
        for row, text in [(-0.95, which), *texts]:
            axis.annotate(
                text,
                (1, row),
                (column, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=8,
                color=colour,
                annotation_clip=False,
            )


def card_table(
    cases: pd.DataFrame,
    found: Evidence,
    verdicts: pd.DataFrame | None,
    agree: np.ndarray | None = None,
) -> pd.DataFrame:
    """The cases in words, a row each: the verdicts that may be given and what would have turned
    them, columns that a study without such a verdict has not; the evidence."""
    table = cases[["id", "true", "predicted"]].reset_index(drop=True)
    named = verdicts_of(cases, verdicts)
    rows = [None if verdicts is None else verdicts.iloc[row] for row in cases["row"]]
    if set(named) - {NO_VERDICT}:
        table["verdict"] = [readable(cause) for cause in named]
    if set(named) & set(CAUSES[:-1]):
        table["probability"] = [
            with_limits(*said[["probability", "low", "high"]]) if cause in CAUSES[:-1] else None
            for said, cause in zip(rows, named)
        ]
    table["evidence"] = [
        covered(probe_bars(found, case.row), readable(case.true), readable(case.predicted))[:-1]
        if cause == NO_VERDICT
        else reading(said)
        for case, said, cause in zip(cases.itertuples(), rows, named)
    ]
    if "verdict" in table:
        table["turned if"] = [
            None if cause == NO_VERDICT else turn(said) for said, cause in zip(rows, named)
        ]
    if agree is not None:
        table["other runs agree"] = [percent(share, 0) for share in agree]
    if "cause" in cases:
        table["planted"] = cases["cause"].map(readable).to_numpy()
    return table


def alt(cases: pd.DataFrame, verdicts: pd.DataFrame | None) -> str:
    said = "; ".join(
        f"{case.id}, {readable(case.true)} taken for {readable(case.predicted)}: {readable(said)}"
        for case, said in zip(cases.itertuples(), verdicts_of(cases, verdicts))
    )
    return f"Diagnosis cards of {plural(len(cases), 'error')}. {said}."


def caption(arm: str, known: bool = True) -> str:
    """known: whether a truth stands beside the verdicts."""
    beside = ", and beside it what is known of the truth" * known
    return (
        f"Diagnosis cards of errors of {name(arm)}: the verdict, where one may be given{beside}; "
        "the evidence in a line; the picture, the maps of the wrong and of the true class, and the "
        "probabilities of both, after temperature scaling."
    )


def table_caption(arm: str, table: pd.DataFrame) -> str:
    """Of what `card_table` has."""
    said = f"The errors of {name(arm)} that have a card: "
    if "probability" in table:
        said += (
            "the cause, where its verdict may be given, and its probability at this network's mix "
            "of causes with the interval that the mix's uncertainty gives; "
        )
    said += (
        "the reading that speaks most for a verdict and what would have turned it, all else equal, "
        f"or, of an error without one, what becomes of it with the {HOTTEST}"
        if "verdict" in table
        else f"what becomes of each with the {HOTTEST}"
    )
    return (
        f"{said}; the probability that the other runs give to the wrong class."
        if ("other runs agree" in table)
        else f"{said}."
    )
