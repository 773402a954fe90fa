"""Causes: the sentences on probes and verdicts and on how far both can be trusted, and the
diagnosis cards, a row a case, with their captions.
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from lib.base.text import listed, name, percent, plural, power_of_ten, readable, see, shorten, start
from lib.diagnosis.evidence import STATISTICS, Evidence
from lib.diagnosis.probes import FILLS, LABELS
from lib.diagnosis.verdict import number, refuted, sentence
from lib.evaluation import scope
from lib.report import causes
from lib.report.failures import bounded
from lib.report.pictures import overlay, picture
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
    text = (
        f"The maps of {see('fig-gradcam')} have {cam['cells'][0]}×{cam['cells'][1]} cells at "
        f"{cam['layer']}."
    )
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


def first_page(results: dict) -> str:
    """The phantom's score in a sentence for the first page; nothing for other data."""
    score = results["gradcam"]["score"]
    if not score:
        return ""
    return (
        "The causes of failure are planted here, so the diagnosis is marked: it finds "
        f"{share_text(score['acting']['macro recall'])} of those that point at the predicted "
        f"class, on average over four causes and {plural(score['phantoms'], 'phantom')} "
        f"({see('tab-score')})."
    )


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


WRONG, TRUE = "#333333", "#b3b3b3"  # no arm's colours
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
SHOWN = 3  # cards a figure, so that two fit a page
HEIGHT, CELL = 1.5, 0.8333  # inches; 160 pixels a picture, five for each of its own
LINE = 36  # characters, so that the longest sentence fits beside the bars


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


def draw_cards(cases: pd.DataFrame, images: np.ndarray, found: Evidence, verdicts: pd.DataFrame):
    """A figure of cards. cases: id, true, predicted and `row`, the case's place in `found` and
    `verdicts`; images (N, 3, h, w)."""
    limit = float(found.maps[cases["row"].tolist()].abs().max()) or 1.0
    figure = plt.figure(figsize=(WIDTH, HEIGHT * len(cases)))
    for place, (case, image) in enumerate(zip(cases.itertuples(), images)):
        bottom = 1 - (place + 1) / len(cases)
        maps = found.maps[case.row].numpy()
        titles = [
            f"{case.id} {shorten(case.true)}",
            f"for {shorten(case.predicted)}",
            f"for {shorten(case.true)}",
        ]
        for column, (title, shown) in enumerate(
            zip(titles, (image, *(overlay(image, one, limit) for one in maps)))
        ):
            axis = figure.add_axes(
                (
                    column * (CELL + 0.08) / WIDTH,
                    bottom + 0.38 / HEIGHT / len(cases),
                    CELL / WIDTH,
                    CELL / HEIGHT / len(cases),
                )
            )
            axis.set_axis_off()
            picture(axis, shown, title)
        table = probe_bars(found, case.row)
        axis = figure.add_axes(
            (
                3.95 / WIDTH,
                bottom + 0.27 / HEIGHT / len(cases),
                1.05 / WIDTH,
                1.13 / HEIGHT / len(cases),
            )
        )
        rows = np.arange(len(table))
        axis.barh(rows - 0.19, table["wrong"], 0.36, color=WRONG, label="wrong class")
        axis.barh(rows + 0.19, table["true"], 0.36, color=TRUE, label="true class")
        axis.set_yticks(rows, table["picture"], fontsize=6)
        axis.set(xlim=(0, 1), ylim=(len(table) - 0.4, -0.6))
        axis.xaxis.set_major_formatter(PercentFormatter(1, 0))
        axis.tick_params(axis="x", labelsize=6)
        axis.grid(axis="y", visible=False)
        if place == 0:
            axis.legend(
                loc="lower left", bbox_to_anchor=(1.1, -0.15), ncols=2, fontsize=5.5, handlelength=1
            )
        figure.text(
            5.13 / WIDTH,
            bottom + 1.4 / HEIGHT / len(cases),
            textwrap.fill(sentence(verdicts.iloc[case.row]), LINE),
            va="top",
            fontsize=6.3,
            linespacing=1.3,
        )
    return figure


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
        f"Diagnosis cards of errors of {name(arm)}: the picture; the maps of the wrong and of "
        "the true class, on one scale; the probabilities of both classes, after temperature "
        "scaling, under the probes; the verdict, what led to it and what would have refuted it."
    )


def table_caption(arm: str) -> str:
    return (
        f"Verdicts on errors of {name(arm)}: cause, its probability under the rule, the "
        "statistic that speaks most for it against the second cause, and what would have refuted "
        "it, all else equal."
    )
