"""The threshold panel as widgets: a slider, and what each arm's coverage and risk are there."""
import ipywidgets as widgets

from lib import explorer_threshold as numbers, explorer_threshold_html as shown
from lib.explorer_study import Arm

INTRODUCTION = ("<h4>Answering only when confident</h4><p>A prediction counts when its confidence reaches the threshold. Coverage: the share of "
                "all test images accepted; selective risk: the share of errors among them, with its Clopper–Pearson interval.</p>")


class Threshold:
    """widget: the whole panel; slider, typed, scaled: its controls; table, plot: what it says."""

    def __init__(self):
        self.arms, self.curves = [], {}
        self.slider = widgets.FloatSlider(description="threshold", value=0.9, min=0, max=1, step=0.005, readout=False)
        self.typed = widgets.BoundedFloatText(description="as a number", value=0.9, min=0, max=1, step=0.005)
        widgets.link((self.slider, "value"), (self.typed, "value"))
        self.scaled = widgets.Dropdown(description="confidence", options=[("as trained, as in the report's table", False),
                                                                          ("after temperature scaling", True)])
        self.table, self.plot = widgets.HTML(), widgets.HTML()
        self.slider.observe(lambda _: self.draw(), "value")
        self.scaled.observe(lambda _: self.show(self.arms, self.colours), "value")
        body = widgets.HBox([widgets.VBox([self.slider, self.typed, self.scaled, self.table]), self.plot])
        self.widget = widgets.VBox([widgets.HTML(INTRODUCTION), body])
        self.widget.add_class("xp-threshold")
        body.add_class("xp-threshold-body")

    def show(self, arms: list[Arm], colours: dict[str, str]) -> None:
        self.arms, self.colours = arms, colours
        self.curves = {arm.name: numbers.curve(arm, self.scaled.value) for arm in arms}
        self.draw()

    def draw(self) -> None:
        points = {arm.name: numbers.operating_point(arm, self.slider.value, self.scaled.value) for arm in self.arms}
        images = len(self.arms[0].table)
        self.table.value = shown.table({arm: numbers.in_words(point, images) for arm, point in points.items()}, self.colours)
        self.plot.value = shown.plot(self.curves, points, self.colours)
