"""The explorer as widgets: two arms to compare, filters, a grid of images, a card and a threshold."""

from contextlib import contextmanager

import ipywidgets as widgets

from lib import explorer
from lib.base import artefacts
from lib.base.text import readable
from lib.explorer_card_view import Card
from lib.explorer_grid_view import Grid
from lib.explorer_study import Study
from lib.explorer_threshold import Threshold
from lib.report import style

STYLE = artefacts.ROOT / "lib" / "explorer.css"
FILTERS = {
    "true": "true class",
    "predicted": "predicted class",
    "superclass": "true superclass",
    "cause": "planted cause",
    "verdict": "verdict",
}
ANY = ("any", "")  # ipywidgets takes None for no choice at all


class Explorer:
    """widget: all of it. Its controls and panels are attributes, so that a test or a benchmark can work them."""

    def __init__(self, study: Study):
        self.study, self._busy = study, False
        self.colours = style.colours(study.seeds)
        for arm, seeds in study.seeds.items():
            study.arm(arm, seeds[0])
        arms = [(readable(arm), arm) for arm in study.seeds]
        self.arm = widgets.Dropdown(description="arm", options=arms)
        self.other = widgets.Dropdown(
            description="held against",
            options=[("nothing", ""), *arms],
            value=[*study.seeds, ""][1],
        )
        self.seed = widgets.Dropdown(description="seed", options=[0])
        self.outcome = widgets.Dropdown(description="show", options=[ANY])
        self.filters = {
            name: widgets.Dropdown(description=label, options=[ANY])
            for name, label in FILTERS.items()
        }
        self.low, self.high = (
            widgets.BoundedFloatText(value=value, min=0, max=1, step=0.05) for value in (0, 1)
        )
        self.order = widgets.Dropdown(description="order", options=[ANY])
        self.grid, self.card, self.threshold = Grid(self.open), Card(study), Threshold()
        for one in (self.arm, self.other, self.seed):
            one.observe(self._on_arms, "value")
        for one in (self.outcome, *self.filters.values(), self.low, self.high, self.order):
            one.observe(self._on_filters, "value")
        self.load()
        if len(self.chosen):
            self.grid.choose(0)
        controls = widgets.GridBox(
            [
                self.arm,
                self.other,
                self.seed,
                self.outcome,
                *self.filters.values(),
                self.low,
                self.high,
                self.order,
            ]
        )
        main = widgets.GridBox([self.grid.widget, self.card.widget])
        self.widget = widgets.VBox(
            [
                widgets.HTML(f"<style>{STYLE.read_text(encoding='utf-8')}</style>"),
                controls,
                main,
                self.threshold.widget,
            ]
        )
        for one, name in ((controls, "xp-controls"), (main, "xp-main"), (self.widget, "xp")):
            one.add_class(name)

    @contextmanager
    def _alone(self):
        """Within the block the controls may be set without each of them drawing everything anew."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def _on_arms(self, change) -> None:
        if self._busy:
            return
        if (
            self.other.value == self.arm.value
        ):  # the two change places, or where there was one arm, the second goes
            with self._alone():
                if change["owner"] is self.other and not change["old"]:
                    self.other.value = ""
                else:
                    (self.other if change["owner"] is self.arm else self.arm).value = change["old"]
        self.load()

    def _on_filters(self, _) -> None:
        if not self._busy:
            self.filter()

    def load(self) -> None:
        """Read the chosen arms, and offer what can be asked of them."""
        name, other = self.arm.value, self.other.value
        both = [
            seed for seed in self.study.seeds[name] if not other or seed in self.study.seeds[other]
        ]
        with self._alone():
            if not both:
                self.other.value, other, both = "", "", self.study.seeds[name]
            _offer(self.seed, [(str(seed), seed) for seed in both])
            self.arms = [self.study.arm(one, self.seed.value) for one in (name, other) if one]
            self.table = explorer.pair_table(*self.arms)
            self.low.description, self.high.description = (
                f"confidence of {readable(name)}, {end}" for end in ("from", "to")
            )
            _offer(self.outcome, list(explorer.outcomes(self.table, name).items()))
            _offer(self.order, list(explorer.orders(self.table, name, other or None).items()))
            for column, control in self.filters.items():
                values = (
                    sorted(set(self.table[column].unique()) - {""}) if column in self.table else []
                )
                _offer(control, [ANY, *((readable(value), value) for value in values)])
                control.layout.display = (
                    None
                    if len(values) > 1 and (column != "superclass" or self.study.grouped)
                    else "none"
                )
        self.filter()
        if self.card.position is not None:
            self.open(next(self.table.iloc[[self.card.position]].itertuples()))
        self.threshold.show(self.arms, self._arm_colours())

    def filter(self) -> None:
        """Show the images that pass."""
        equal = {
            column: control.value or None
            for column, control in self.filters.items()
            if column in self.table
        }
        chosen = explorer.choose(
            self.table, self.outcome.value, self.low.value, self.high.value, **equal
        )
        self.chosen = explorer.arranged(chosen, *self.order.value)
        self.grid.show(
            self.chosen,
            explorer.count(self.chosen, self.table),
            self.study.splits.test.images,
            self._arm_colours(),
        )

    def open(self, row) -> None:
        """Show the card of one image."""
        self.card.show(self.arms, row, self._arm_colours())

    def _arm_colours(self) -> dict[str, str]:
        return {arm.name: self.colours[arm.name] for arm in self.arms}


def _offer(control: widgets.Dropdown, options: list) -> None:
    """New options, the old choice kept where it is still among them."""
    before = control.value
    control.options = options
    values = [value for _, value in options]
    control.value = before if before in values else values[0]
