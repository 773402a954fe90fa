"""Causes: the sentences on probes and verdicts and on how far both can be trusted, and the
diagnosis cards, a row a case, with their captions.
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lib.base.text import listed, name, percent, plural, power_of_ten, readable, see, shorten, start
from lib.diagnosis.evidence import STATISTICS, Evidence
from lib.diagnosis.probes import FILLS, LABELS
from lib.diagnosis.verdict import number, refuted
from lib.evaluation import scope
from lib.report import causes
from lib.report.failures import bounded
from lib.report.pictures import PULL, picture, tinted
from lib.report.style import WIDTH

AIM_RECALL, AIM_CALLED = 0.90, 0.05


def probing(results: dict) -> str:
    """What was done to the wrong predictions, and whether the hottest cells matter more than
    any."""
    cam = results["gradcam"]
    wrong = cam.get("sampled", {})
    errors = [
        f"{sum(halves.values()):,} of {plural(wrong[arm], 'error')} of {name(arm)}"
        if arm in wrong
        else f"{plural(sum(halves.values()), 'error')} of {name(arm)}"
        for arm, halves in cam["halves"].items()
        if sum(halves.values())
    ]
    if not errors:
        return "No error is made: there is nothing to probe."
    drawn = (
        f"{listed(errors)}, drawn at random besides the cases" if wrong else f"all {listed(errors)}"
    )
    return (
        "A map shows where evidence came from; it proves no cause. So the pictures were changed "
        f"and predicted again: {drawn}, each in more than a hundred ways ({see('fig-probes')}). "
        + causes.controls(
            cam["controls"],
            "the hottest quarter of the wrong class's map with the mean colour",
            "random cells of equal area",
        )
    )


def verdicts_text(results: dict) -> str:
    """Which causes the rule gives to the errors of both arms, on the half of the test split that
    formed no hypothesis."""
    cam, sentences = results["gradcam"], []
    for arm, counts in cam["verdicts"].items():
        total = sum(counts.values())
        if not total:
            sentences.append(f"{start(arm)} makes no error on the confirmation half.")
            continue
        ranked = sorted((cause for cause in counts if counts[cause]), key=counts.get, reverse=True)
        shares = listed(
            [f"{readable(cause)} {percent(counts[cause] / total, 0)}" for cause in ranked]
        )
        sentences.append(
            f"Of {plural(total, 'error')} of {name(arm)} on the confirmation half it calls "
            f"{shares}."
        )
    return (
        "One written rule turns the probes of an error into a verdict: background, second "
        f"object, look-alike, suspected label error, or unexplained. {' '.join(sentences)} Mined "
        "cases come from the other, the discovery half; named cases may be of either "
        f"({see('tab-verdicts')})."
    )


def cases_text(results: dict) -> str:
    """The verdicts on the cases, the named ones first."""
    found = results["gradcam"]["cases"]
    if not found:
        return "No error was selected, so there is no card."
    named = [case for case in found if case["why"] == "named"]
    scored = results["gradcam"]["score"]
    said = [
        f"{name(case['true'])} taken for {name(case['predicted'])} ({case['id']}) is called "
        f"{readable(case['verdict'])}"
        + (f" with probability {percent(case['probability'], 0)}" if scored else "")
        for case in named
    ]
    hypothesis = (
        ""
        if scored
        else "On this data set nobody knows how often the rule is right: each verdict is a "
        "hypothesis. "
    )
    text = (
        f"{hypothesis}Of the named cases that the network gets wrong, {listed(said)}. "
        if said
        else hypothesis
    )
    return text + (
        f"{relabelled(results, named)}{see('tab-cards')} says of each case what led to its "
        "verdict and what would have refuted it. A probability under the rule is one among "
        "errors like the phantom's, in equal shares; on photographs it is no frequency."
    )


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
    cells = "×".join(map(str, cam["cells"]))
    maps = see("fig-before-after" if cam["after"] else "fig-gradcam")
    text = f"The maps of {maps} have {cells} cells at {cam['layer']}."
    if cam["completeness_error"] is not None:
        text += (
            " With average pooling and one linear layer behind them, the sum over a map plus the "
            "class's bias must equal the logit: the largest deviation is "
            f"{power_of_ten(cam['completeness_error'])} logits."
        )
    if not cam["faithfulness"]:
        return text
    parts = [
        text,
        f"{causes.faithfulness(cam['faithfulness'])} {causes.occlusion(cam['occlusion'])} See "
        f"{see('fig-deletion')}.",
        f"{causes.randomisation_text(cam['randomisation'], cam['chance'])} See "
        f"{see('fig-sanity')}.",
    ]
    if cam["attention"]:
        parts.append(causes.attention(cam["attention"], cam["before"], cam["after"]))
    return "\n\n".join(parts)


def instrument(results: dict) -> str:
    """What the rule is, and its score on the phantom, if the study is one."""
    cam = results["gradcam"]
    rule, score = cam["rule"], cam["score"]
    text = (
        f"The rule is a multinomial logistic regression on {rule['statistics']} statistics of "
        f"the probes, fitted on {plural(rule['errors'], 'error')} on the validation splits of "
        f"{plural(rule['phantoms'], 'phantom')}, where the causes are planted, and the same for "
        "every data set."
    )
    size = results["study"]["image_size"]
    if size != 32:
        text += (
            f" Those have 32 px and maps of 4×4 cells; on the {size} px of this study, where "
            "what the probes cover grows in proportion and maps are summed up in 4×4 cells, its "
            "probabilities are an extrapolation."
        )
    if not score:
        return (
            text
            + (
                " On this data set its score is not known. The phantom's pictures are drawn, not "
                "photographed: a verdict here is a hypothesis with its evidence, no proof. "
                f"{reviewers(cam['reviewed'])}"
            ).rstrip()
        )
    marks = score["acting"]
    causes = listed(
        [f"{readable(cause)} {share_text(marks[f'recall {cause}'])}" for cause in score["causes"]]
    )
    rest = " ".join(
        filter(
            None,
            (
                f"{share_text(marks['called'])} get one nevertheless.",
                aims(marks),
                worst(score["worst"]),
            ),
        )
    )
    return (
        f"{text}\n\nIt was marked on the confirmation halves of "
        f"{plural(score['phantoms'], 'phantom')}, each with a network of its own, on "
        f"{plural(score['errors'], 'error')} whose planted cause points at the predicted class, "
        f"or that have none: it finds {share_text(marks['macro recall'])} of the causes, the "
        f"mean of {causes}. Of errors without a planted cause, "
        f"{rest}{others(score)}{second_arm(cam['score_after'])}"
    )


def second_arm(score: dict | None) -> str:
    """The rule's score on the errors of the arm after, whose like it was not fitted on."""
    if not score or not score["errors"]:
        return ""
    return (
        f"\n\nThe rule was fitted on errors of networks trained like {name(score['before'])}. On "
        f"{plural(score['errors'], 'such error')} of {name(score['arm'])} it finds "
        f"{share_text(score['macro recall'])} of the causes; the shares that {see('tab-verdicts')} "
        f"gives for {name(score['arm'])} are no surer than that."
    )


def others(score: dict) -> str:
    """The errors that are not marked, and the mean with them."""
    if not score["others"]:
        return ""
    return (
        f"\n\nFor {plural(score['others'], 'more error')} the planted cause does not point at "
        "the predicted class: the reason is some other, which nobody planted. Counted as planted "
        f"all the same, the mean is {share_text(score['strict']['macro recall'])}."
    )


def reviewers(reviewed: dict | None) -> str:
    """The one verdict that others can check: did reviewers confirm the labels that the rule calls
    errors?"""
    if not reviewed or not reviewed["called"]["errors"] or not reviewed["others"]["errors"]:
        return ""
    called, others = reviewed["called"], reviewed["others"]
    counts = [
        number
        for one in (called, others)
        for number in (round(one["estimate"] * one["errors"]), one["errors"])
    ]
    found = {
        "higher": "more often than others",
        "lower": "less often than others",
        "none": "no difference was found",
        None: "too few to tell them apart",
    }[scope.two_shares(*counts)["found"]]
    return (
        f"One verdict can be checked. Of {plural(called['errors'], 'reviewed error')} that it "
        f"calls label errors, most reviewers did not confirm {share_text(called)}, of the "
        f"{others['errors']:,} others {share_text(others)}: {found}."
    )


def share_text(entry: dict) -> str:
    return "an unknown share" if entry["estimate"] is None else bounded(entry)


def aims(marks: dict) -> str:
    """Whether the aims were reached: this much recall at least, and no more than this share
    called."""
    recall, called = marks["macro recall"], marks["called"]
    if recall["estimate"] is None or called["estimate"] is None:
        return ""
    reached = listed(
        [
            f"the aim of at least {percent(AIM_RECALL, 0)} found is "
            f"{'reached' if recall['estimate'] >= AIM_RECALL else 'missed'}",
            f"that of at most {percent(AIM_CALLED, 0)} called is "
            f"{'reached' if called['estimate'] <= AIM_CALLED else 'missed'}",
        ]
    )
    unsettled = (
        recall["low"] < AIM_RECALL <= recall["high"] or called["low"] <= AIM_CALLED < called["high"]
    )
    return f"Of its aims, {reached}" + (
        ", by the estimates; not every interval settles it." if unsettled else "."
    )


def worst(confused: dict) -> str:
    """The instrument's most frequent mistake, with one case of it."""
    if not confused["errors"]:
        return "It makes no mistake among these."
    text = (
        f"Its most frequent mistake, made {plural(confused['errors'], 'time')}, is to call "
        f"{readable(confused['planted'])} {readable(confused['diagnosed'])}"
    )
    if confused["id"] is None:
        return text + "."
    return (
        f"{text}: test image {confused['id']} of this study, {name(confused['true'])} taken for "
        f"{name(confused['predicted'])}. What the rule said: {confused['sentence']}"
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
}
FITS = {True: ("✓ fits", "#0a6453"), False: ("✕ differs", "#97202f"), None: ("", QUIET)}
BARS = {
    "as it is": None,
    "hottest cells covered": "hot",
    "coldest cells covered": "cold",
    "random cells covered": "random",
    "only hottest cells": "only-hot",
    "patches shuffled": "shuffle:4",
    "no colour": "grey",
    "no detail": "low:2",
}
# that the bars are made of
PROBES = [name for name in LABELS if {name, name.split(":")[0]} & set(BARS.values())]
SHOWN = 3  # cards a figure, so that one stands in the body and two fit a page
HEIGHT, FOOT, CELL = 1.8, 0.3, 1.0  # inches; 192 pixels a picture, six for each of its own
LINE = 96  # characters of evidence on a line, of which there are two
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


def evidence(verdict: pd.Series) -> str:
    """What speaks most for a verdict, in one short sentence, from one row of the rule's."""
    told = STATISTICS.get(verdict["led"], readable(verdict["led"]))
    return f"{told[:1].upper()}{told[1:]}: {number(verdict['value'])}."


def truths(cases: pd.DataFrame, verdicts: pd.DataFrame, opinion, names: list[str]) -> list | None:
    """What stands beside each verdict: the planted cause, or what most reviewers say of the label;
    None where nobody knows. opinion: lib.evaluation.labels.Opinion or None."""
    if opinion is None:
        return None
    return [
        _planted(case.cause, verdicts.iloc[case.row]["verdict"])
        if opinion.source == "planted"
        else _reviewed(case.position, verdicts.iloc[case.row]["verdict"], opinion, names)
        for case in cases.itertuples()
    ]


def _planted(cause: str, verdict: str) -> tuple:
    said = {"none": "nothing"}.get(cause, readable(cause))
    return "planted", said, verdict == {"none": "unexplained"}.get(cause, cause)


def _reviewed(position: int, verdict: str, opinion, names: list[str]) -> tuple:
    """Reviewers were asked of the label alone: only there can a verdict fit or differ."""
    if not opinion.reviewed[position]:
        return "reviewers", "not asked", None
    rejected, blamed = bool(opinion.rejected[position]), verdict == "label_error"
    other = opinion.corrected[position]
    word = "label right" if not rejected else names[other] if other >= 0 else "another label"
    return "reviewers", word, blamed == rejected if rejected or blamed else None


def draw_cards(
    cases: pd.DataFrame,
    images: np.ndarray,
    found: Evidence,
    verdicts: pd.DataFrame,
    truths: list[tuple] | None = None,
):
    """A figure of cards with the legend under them. cases: id, true, predicted and `row`, the
    case's place in `found` and `verdicts`; images (N, 3, h, w); truths: of each case what stands
    beside the verdict, (whose word, the word, whether it fits or None)."""
    limit = float(found.maps[cases["row"].tolist()].abs().max()) or 1.0
    figure = plt.figure(figsize=(WIDTH, HEIGHT * len(cases) + FOOT))
    for place, (case, image) in enumerate(zip(cases.itertuples(), images)):
        bottom = FOOT + HEIGHT * (len(cases) - 1 - place)
        of_case = verdicts.iloc[case.row]
        _head(figure, bottom + HEIGHT, case, of_case, truths[place] if truths else None)
        _strip(figure, bottom, case, image, found.maps[case.row].numpy(), limit)
        _bars(figure, bottom, probe_bars(found, case.row))
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


def _head(figure, top: float, case, verdict: pd.Series, truth: tuple | None) -> None:
    """What was taken for what, the verdict as a tag, the truth beside it, and the evidence."""
    title = f"{shorten(case.true)} taken for {shorten(case.predicted)}"
    _write(figure, 0, top - 0.2, title, fontsize=9, fontweight="bold")
    colour, sure = TAGS[verdict["verdict"]], verdict["probability"] >= 0.5
    box = {"boxstyle": "round,pad=0.25", "edgecolor": colour, "facecolor": colour}
    box |= {} if sure else {"facecolor": "white", "linestyle": "--"}
    ink = "white" if sure else colour
    tag = readable(verdict["verdict"])
    _write(figure, 3.38, top - 0.2, tag, color=ink, fontweight="bold", bbox=box)
    if truth:
        whose, word, fits = truth
        mark, shade = FITS[fits]
        text = f"{whose}: {shorten(word, 13)} {mark}".rstrip()
        edge = {"boxstyle": "round,pad=0.25", "edgecolor": shade, "facecolor": "white"}
        _write(figure, 4.5, top - 0.2, text, color=shade, bbox=edge)
    text = textwrap.fill(evidence(verdict), LINE)
    _write(figure, 0, top - 0.3, text, va="top", linespacing=1.2)


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


def card_table(cases: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """The verdicts of the cases, a row each, in words."""
    chosen = verdicts.iloc[cases["row"].to_numpy()].reset_index(drop=True)
    result = (
        cases[["id", "true", "predicted"]]
        .reset_index(drop=True)
        .assign(
            verdict=chosen["verdict"].map(readable),
            probability=chosen["probability"],
            evidence=[f"{STATISTICS[row.led]}: {number(row.value)}" for row in chosen.itertuples()],
            refuted=[
                refuted(row.led, row.value, row.turns, row.instead) for row in chosen.itertuples()
            ],
        )
    )
    result = result.rename(columns={"refuted": "refuted if"})
    return (
        result.assign(planted=cases["cause"].map(readable).to_numpy())
        if "cause" in cases
        else result
    )


def alt(cases: pd.DataFrame, verdicts: pd.DataFrame) -> str:
    said = "; ".join(
        f"{case.id}, {readable(case.true)} taken for {readable(case.predicted)}: "
        f"{readable(verdicts.iloc[case.row]['verdict'])}"
        for case in cases.itertuples()
    )
    return f"Diagnosis cards of {len(cases)} errors. {said}."


def caption(arm: str) -> str:
    return (
        f"Diagnosis cards of errors of {name(arm)}: the verdict (dashed below 50% under the rule) "
        "and beside it what is known of the truth; what led to it; the picture, the maps of the "
        "wrong and of the true class, and the probabilities of both, after temperature scaling."
    )


def table_caption(arm: str) -> str:
    return (
        f"Verdicts on errors of {name(arm)}: cause, its probability under the rule, the "
        "statistic that speaks most for it against the second cause, and what would have refuted "
        "it, all else equal."
    )
