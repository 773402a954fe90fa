"""Diagnosis cards: one row a case, with the picture, both maps on one scale, what the probes did, and the verdict."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from lib.base.text import name, readable, shorten
from lib.diagnosis.evidence import STATISTICS, Evidence
from lib.diagnosis.probes import FILLS, LABELS
from lib.diagnosis.verdict import number, refuted, sentence
from lib.pictures import overlay, picture
from lib.plots import WIDTH

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
PROBES = [
    name for name in LABELS if {name, name.split(":")[0]} & set(BARS.values())
]  # that the bars are made of
SHOWN = 3  # cards a figure, so that two fit a page
HEIGHT, CELL = 1.5, 0.8333  # inches; 160 pixels a picture, five for each of its own
LINE = 36  # characters, so that the longest sentence fits beside the bars


def bars(found: Evidence, row: int) -> pd.DataFrame:
    """Probability of the wrong and of the true class of one error under the probes of BARS, means over fillings and draws."""
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
        bars(found, case.row).assign(id=case.id, true_class=case.true, wrong_class=case.predicted)
        for case in cases.itertuples()
    ]
    return pd.concat(parts, ignore_index=True)[
        ["id", "true_class", "wrong_class", "picture", "true", "wrong"]
    ]


def draw(cases: pd.DataFrame, images: np.ndarray, found: Evidence, verdicts: pd.DataFrame):
    """A figure of cards. cases: id, true, predicted and `row`, the case's place in `found` and `verdicts`; images (N, 3, h, w)."""
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
        table = bars(found, case.row)
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


def table(cases: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
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
        f"{case.id}, {readable(case.true)} taken for {readable(case.predicted)}: {readable(verdicts.iloc[case.row]['verdict'])}"
        for case in cases.itertuples()
    )
    return f"Diagnosis cards of {len(cases)} errors. {said}."


def caption(arm: str) -> str:
    return (
        f"Diagnosis cards of errors of {name(arm)}: the picture; the maps of the wrong and of the true class, on one scale; the "
        "probabilities of both classes, after temperature scaling, under the probes; the verdict, what led to it and what would have "
        "refuted it."
    )


def table_caption(arm: str) -> str:
    return (
        f"Verdicts on errors of {name(arm)}: cause, its probability under the rule, the statistic that speaks most for it against the "
        "second cause, and what would have refuted it, all else equal."
    )
