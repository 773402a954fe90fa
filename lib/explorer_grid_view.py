"""The grid of images as widgets: a page of pictures, each of them a button."""

from collections.abc import Callable

import ipywidgets as widgets
import pandas as pd

from lib import explorer
from lib import explorer_html as shown
from lib.base.text import readable

NOTHING = '<p role="status"><b>No image passes these filters.</b></p>'


class Grid:
    """widget: the whole of it; number, previous, next: the paging; tiles: (box, picture, button) of each place."""

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
        self.tiles = [self._tile(place) for place in range(explorer.PAGE)]
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
        pages = explorer.pages(len(chosen))
        first = self.number.value == 1
        self.number.max, self.of.value = pages, f"of {pages:,}"
        self.number.value = 1
        if first:  # else the number's change has drawn it
            self.draw()
        number, _, rest = count.partition(" ")
        self.count.value = (
            f'<span role="status"><b>{number}</b> {rest}</span>' if len(chosen) else NOTHING
        )  # last: the pictures are there

    def draw(self) -> None:
        self.rows = list(explorer.page(self.chosen, self.number.value).itertuples())
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

    def _turn(self, by: int) -> None:
        self.number.value = min(max(self.number.value + by, 1), self.number.max)

    def choose(self, place: int) -> None:
        """Open the image at a place of the page."""
        self.chosen_id = self.rows[place].id
        self._mark()
        self.opened(self.rows[place])

    def _mark(self) -> None:
        for (box, _, _), row in zip(self.tiles, self.rows):
            (box.add_class if row.id == self.chosen_id else box.remove_class)("xp-chosen")
