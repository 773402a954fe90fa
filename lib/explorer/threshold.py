"""The threshold panel: what an arm would do if it answered only from some confidence on.

Coverage and risk are those of test, as the report counts them.
"""

import io
import re

import ipywidgets as widgets
import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lib.base.text import percent, readable
from lib.evaluation.rejection import CURVE
from lib.evaluation.selective import counts_at_matched_coverage, rejection_table
from lib.explorer.html import mark, text
from lib.explorer.loading import Arm
from lib.explorer.turns import in_turn
from lib.report.style import label_ends

# of the plot, in pixels, of which a figure has 72 an inch
SIZE = np.array((420, 200))
# the page's style sheet sets the colour of text, for light and for dark
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "threshold", "font.size": 10.5}
INTRODUCTION = (
    "<h4>Answering only when confident</h4><p>A prediction counts when its confidence reaches the "
    "threshold. Coverage: the share of all test images accepted; selective risk: the share of "
    "errors among them, with its Clopper–Pearson interval.</p>"
)


def confidences(arm: Arm, scaled: bool) -> np.ndarray:
    """The confidence of each test image (N,), before or after temperature scaling."""
    return arm.table["scaled_confidence" if scaled else "confidence"].to_numpy()


def operating_point(arm: Arm, threshold: float, scaled: bool) -> pd.Series:
    """The row of lib.evaluation.selective.rejection_table of one threshold."""
    return rejection_table(confidences(arm, scaled), arm.run.test.correct, [threshold]).iloc[0]


def curve(arm: Arm, scaled: bool) -> pd.DataFrame:
    """Risk at each coverage of lib.evaluation.rejection.CURVE: coverage, risk."""
    counts = counts_at_matched_coverage(confidences(arm, scaled), arm.run.test.correct, CURVE)
    counts = counts[counts["accepted"] > 0]
    return pd.DataFrame(
        {"coverage": counts["coverage"], "risk": counts["errors"] / counts["accepted"]}
    )


def in_words(point: pd.Series, images: int) -> dict[str, str]:
    """Coverage and risk as they are printed, with their counts."""
    accepted, errors = int(point["accepted"]), int(point["errors_accepted"])
    limits = f"({percent(point['risk_low'])} to {percent(point['risk_high'])})"
    risk = f"{percent(point['selective_risk'])} {limits}" if accepted else "nothing accepted"
    return {
        "coverage": percent(point["coverage"]),
        "accepted": f"{accepted:,} of {images:,}",
        "risk": risk,
        "errors": f"{errors:,} of {accepted:,}" if accepted else "–",
    }


def points_table(rows: dict[str, dict[str, str]], colours: dict[str, str]) -> str:
    """An arm a row: what `in_words` says."""
    body = "".join(
        f'<tr><th scope="row">{mark(arm, colours[arm])}</th>'
        f"<td><b>{row['coverage']}</b><br>{row['accepted']}</td>"
        f"<td><b>{row['risk']}</b><br>{row['errors']}</td></tr>"
        for arm, row in rows.items()
    )
    return (
        '<table class="xp-points"><tr><th scope="col">arm</th>'
        '<th scope="col">coverage<br>accepted</th>'
        f'<th scope="col">selective risk (95%)<br>errors among them</th></tr>{body}</table>'
    )


def risk_plot(
    curves: dict[str, pd.DataFrame], points: dict[str, pd.Series], colours: dict[str, str]
) -> str:
    """Risk against coverage as SVG: an arm's curve with its name, and a dot at the threshold."""
    with rc_context(STYLE):
        figure = Figure(figsize=SIZE / 72)
        axis = figure.add_axes((0.11, 0.2, 0.68, 0.74))
        for number, (arm, of_arm) in enumerate(curves.items()):
            coverage, risk, _ = points[arm][["coverage", "selective_risk", "accepted"]]
            axis.plot(*of_arm.to_numpy().T, color=colours[arm], gid=f"curve-{number}")
            # without anything accepted the risk is NaN, and no dot appears
            dot = {"marker": "o", "markersize": 9, "clip_on": False, "gid": f"dot-{number}"}
            axis.plot(coverage, risk, color=colours[arm], **dot)
        _framed(axis, max(0.05, *(one["risk"].max() for one in curves.values())))
        ends = {readable(arm): (one["risk"].iloc[-1], colours[arm]) for arm, one in curves.items()}
        label_ends(axis, ends)
        return _inline(figure, _alt(points))


def _framed(axis, highest: float) -> None:
    """Both axes in percent, with lines across and no frame."""
    axis.set(xlim=(0, 1), ylim=(0, 1.05 * highest), xlabel="coverage", ylabel="selective risk")
    axis.set_xticks((0, 0.25, 0.5, 0.75, 1))
    axis.yaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 2.5, 5, 10)))
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.tick_params(length=0, pad=5)
    axis.grid(axis="y", color="#8888", linewidth=0.6)
    axis.spines[:].set_visible(False)


def _inline(figure: Figure, alt: str) -> str:
    """The figure as an SVG element of a page, in pixels; its style sheet would be the page's."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True)
    svg = file.getvalue().partition("<svg ")[2].replace('pt"', '"', 2)
    svg = re.sub(r"<(metadata|style).*?</\1>", "", svg, flags=re.S)
    return f'<svg class="xp-plot" role="img" aria-label="{text(alt)}" {svg}'


def _alt(points: dict[str, pd.Series]) -> str:
    said = "; ".join(
        f"{arm}: coverage {point['coverage']:.1%}, "
        + (f"risk {point['selective_risk']:.1%}" if point["accepted"] else "nothing accepted")
        for arm, point in points.items()
    )
    return f"Selective risk against coverage. At the threshold, {said}."


class Threshold:
    """widget: the whole panel; slider, typed, scaled: its controls; table, plot: what it says."""

    def __init__(self):
        self.arms, self.curves = [], {}
        range_ = {"value": 0.9, "min": 0, "max": 1, "step": 0.005}
        self.slider = widgets.FloatSlider(description="threshold", readout=False, **range_)
        self.typed = widgets.BoundedFloatText(description="as a number", **range_)
        widgets.link((self.slider, "value"), (self.typed, "value"))
        choices = {"as trained, as in the report's table": False, "after temperature scaling": True}
        self.scaled = widgets.Dropdown(description="confidence", options=list(choices.items()))
        self.table, self.plot = widgets.HTML(), widgets.HTML()
        self.slider.observe(lambda _: self.draw(), "value")
        self.scaled.observe(lambda _: self.show(self.arms, self.colours), "value")
        left = widgets.VBox([self.slider, self.typed, self.scaled, self.table])
        body = widgets.HBox([left, self.plot])
        self.widget = widgets.VBox([widgets.HTML(INTRODUCTION), body])
        self.widget.add_class("xp-threshold")
        body.add_class("xp-threshold-body")

    @in_turn
    def show(self, arms: list[Arm], colours: dict[str, str]) -> None:
        self.arms, self.colours = arms, colours
        self.curves = {arm.name: curve(arm, self.scaled.value) for arm in arms}
        self.draw()

    @in_turn
    def draw(self) -> None:
        threshold, scaled = self.slider.value, self.scaled.value
        points = {arm.name: operating_point(arm, threshold, scaled) for arm in self.arms}
        images = len(self.arms[0].table)
        said = {arm: in_words(point, images) for arm, point in points.items()}
        self.table.value = points_table(said, self.colours)
        self.plot.value = risk_plot(self.curves, points, self.colours)
