"""The explorer where it is asked for: widgets in JupyterLab (two arms, filters, a grid of images, a
card and a threshold), and beside them a picture and a text for wherever widgets cannot live.
"""

import base64
import html
import os
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display

from lib.base.text import percent, plural, readable
from lib.explorer import html as shown
from lib.explorer import selection
from lib.explorer.card import Card
from lib.explorer.loading import Arm, Study
from lib.explorer.threshold import Threshold
from lib.explorer.turns import in_turn
from lib.report import exhibits, pictures, style

SHOWN = 12


def show(study: Study) -> None:
    """Display the explorer of a study as one output, which HTML export turns into its static grid.

    With REPORT_HEADLESS set there is the grid alone.
    """
    arms = first_arms(study)
    bundle = static(study, *arms)
    if not os.environ.get("REPORT_HEADLESS"):
        bundle = {**Explorer(study).widget._repr_mimebundle_(), **bundle}
    display(bundle, raw=True)


def first_arms(study: Study) -> list[Arm]:
    """The study's first arm and, where there is one, its second, both with the first seed they
    share."""
    first, *others = study.seeds
    seed = study.seeds[first][0]
    return [
        study.arm(first, seed),
        *(study.arm(other, seed) for other in others[:1] if seed in study.seeds[other]),
    ]


def static(study: Study, arm: Arm, other: Arm | None = None) -> dict[str, str]:
    """The output as a picture with its alt text, and as text.

    The picture is part of HTML, because nbconvert's own template drops the alt text of an image
    output."""
    table = selection.pair_table(arm, other)
    errors = selection.arranged(selection.choose(table), "confidence", False)
    drawn = errors.head(SHOWN)
    alt = (
        f"The {plural(len(drawn), 'most confident error', 'most confident errors')} of "
        f"{readable(arm.name)}: "
        + "; ".join(
            f"{row.id}, {readable(row.true)} taken for {readable(row.predicted)}, "
            f"{percent(row.confidence, 0)}"
            for row in drawn.itertuples()
        )
    )
    text = (
        f"Errors of {readable(arm.name)}: {selection.count(errors, table)}. Run this cell in "
        "JupyterLab to explore them."
    )
    picture = ""
    if len(drawn):
        figure = pictures.failure_gallery(
            study.splits.test.images[drawn["position"].tolist()].numpy(), titles(drawn)
        )
        width = round(96 * figure.get_size_inches()[0])
        png = base64.b64encode(
            exhibits.rendered(
                figure, "png", dpi=exhibits.PIXELS_PER_INCH, metadata={"Software": None}
            )
        ).decode()
        plt.close(figure)
        picture = (
            f'<img src="data:image/png;base64,{png}" width="{width}" alt="{html.escape(alt)}">'
        )
    return {"text/html": f"{picture}<p>{html.escape(text)}</p>", "text/plain": text}


def titles(drawn) -> list[str]:
    """As the report's galleries have them; of one arm, without the line of the second."""
    renamed = drawn.rename(
        columns={
            "predicted": "before",
            "confidence": "before_confidence",
            "other_predicted": "after",
            "other_confidence": "after_confidence",
        }
    )
    if "after" in renamed:
        return pictures.titles(renamed)
    return [
        title.rpartition("\n")[0]
        for title in pictures.titles(renamed.assign(after="", after_confidence=np.nan))
    ]


# The explorer as widgets: two arms to compare, filters, a grid of images, a card and a threshold.


STYLE = Path(__file__).with_name("explorer.css")
FILTERS = {
    "true": "true class",
    "predicted": "predicted class",
    "superclass": "true superclass",
    "cause": "planted cause",
    "verdict": "verdict",
}
ANY = ("any", "")  # ipywidgets takes None for no choice at all


class Explorer:
    """widget: all of it. Its controls and panels are attributes, so that a test or a benchmark can
    work them."""

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

    @in_turn
    def _on_arms(self, change) -> None:
        if self._busy:
            return
        if self.other.value == self.arm.value:
            # the two change places, or where there was one arm, the second goes
            with self._alone():
                if change["owner"] is self.other and not change["old"]:
                    self.other.value = ""
                else:
                    (self.other if change["owner"] is self.arm else self.arm).value = change["old"]
        self.load()

    @in_turn
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
            self.table = selection.pair_table(*self.arms)
            self.low.description, self.high.description = (
                f"confidence of {readable(name)}, {end}" for end in ("from", "to")
            )
            _offer(self.outcome, list(selection.outcomes(self.table, name).items()))
            _offer(self.order, list(selection.orders(self.table, name, other or None).items()))
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
        chosen = selection.choose(
            self.table, self.outcome.value, self.low.value, self.high.value, **equal
        )
        self.chosen = selection.arranged(chosen, *self.order.value)
        self.grid.show(
            self.chosen,
            selection.count(self.chosen, self.table),
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


# The grid of images as widgets: a page of pictures, each of them a button.


NOTHING = '<p role="status"><b>No image passes these filters.</b></p>'


class Grid:
    """widget: the whole of it; number, previous, next: the paging; tiles: (box, picture, button) of
    each place."""

    def __init__(self, opened: Callable):
        self.opened, self.rows, self.chosen_id = opened, [], None
        self.count = widgets.HTML()
        self.previous = widgets.Button(
            description="Previous",
            icon="arrow-left",
            tooltip="previous page",
            layout={"width": "96px"},
        )
        self.next = widgets.Button(
            description="Next", icon="arrow-right", tooltip="next page", layout={"width": "72px"}
        )
        self.number = widgets.BoundedIntText(
            description="page", value=1, min=1, max=1, layout={"width": "96px"}
        )
        self.of = widgets.HTML()
        self.tiles = [self._tile(place) for place in range(selection.PAGE)]
        self.previous.on_click(lambda _: self._turn(-1))
        self.next.on_click(lambda _: self._turn(1))
        self.number.observe(lambda _: self.draw(), "value")
        top = widgets.HBox([self.count, self.previous, self.number, self.of, self.next])
        pictures = widgets.GridBox([box for box, _, _ in self.tiles])
        self.widget = widgets.VBox([top, pictures])
        for one, name in (
            (top, "xp-bar-top"),
            (self.count, "xp-count"),
            (self.of, "xp-of"),
            (pictures, "xp-tiles"),
            (self.widget, "xp-sheet"),
        ):
            one.add_class(name)

    def _tile(self, place: int) -> tuple:
        picture, button = widgets.HTML(), widgets.Button()
        button.on_click(lambda _: self.choose(place))
        box = widgets.Box([picture, button])
        box.add_class("xp-tile")
        return box, picture, button

    def show(self, chosen: pd.DataFrame, count: str, images, colours: dict[str, str]) -> None:
        """The first page of the images of `chosen`, in its order."""
        self.chosen, self.images, self.colours = chosen, images, colours
        pages = selection.pages(len(chosen))
        first = self.number.value == 1
        self.number.max, self.of.value = pages, f"of {pages:,}"
        self.number.value = 1
        if first:  # else the number's change has drawn it
            self.draw()
        number, _, rest = count.partition(" ")
        # last: the pictures are there
        self.count.value = (
            f'<span role="status"><b>{number}</b> {rest}</span>' if len(chosen) else NOTHING
        )

    @in_turn
    def draw(self) -> None:
        self.rows = list(selection.page(self.chosen, self.number.value).itertuples())
        self.previous.disabled, self.next.disabled = (
            self.number.value == 1,
            self.number.value == self.number.max,
        )
        for (box, picture, button), row in zip(self.tiles, self.rows):
            picture.value = shown.tile(
                row, self.images[row.position].numpy(), list(self.colours.values())
            )
            button.description = self._name(row)
            box.layout.display = None
        for box, _, _ in self.tiles[len(self.rows) :]:
            box.layout.display = "none"
        self._mark()

    def _name(self, row) -> str:
        """What is read aloud of a picture."""
        answers = [shown.said(row.predicted, row.confidence, row.correct)]
        if len(self.colours) > 1:
            answers.append(shown.said(row.other_predicted, row.other_confidence, row.other_correct))
        said = "; ".join(f"{readable(arm)} {answer}" for arm, answer in zip(self.colours, answers))
        return f"Open test image {row.id}, {readable(row.true)}; {said}"

    @in_turn
    def _turn(self, by: int) -> None:
        self.number.value = min(max(self.number.value + by, 1), self.number.max)

    @in_turn
    def choose(self, place: int) -> None:
        """Open the image at a place of the page."""
        self.chosen_id = self.rows[place].id
        self._mark()
        self.opened(self.rows[place])

    def _mark(self) -> None:
        for (box, _, _), row in zip(self.tiles, self.rows):
            (box.add_class if row.id == self.chosen_id else box.remove_class)("xp-chosen")
