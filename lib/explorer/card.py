"""The diagnosis card of one test image in one or two arms: its numbers, for which the report's own
functions are called, and its widgets, filled from the quick to the slow.
"""

from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import torch

from lib.base.text import readable
from lib.diagnosis import evidence, probes
from lib.diagnosis.judgement import sentence
from lib.explorer import html as shown
from lib.explorer.loading import Arm, Study
from lib.explorer.turns import in_turn
from lib.report import cards
from lib.training import inference

TOP = 5


def contested(arms: list[Arm], position: int) -> tuple[int, int]:
    """The wrong class that the card is about, and the true one.

    Wrong is the prediction of the first arm that errs; where none does, the runner-up of the first.
    """
    true = int(arms[0].run.test.labels[position])
    wrong = next(
        (
            int(arm.run.test.predicted[position])
            for arm in arms
            if not arm.run.test.correct[position]
        ),
        None,
    )
    if wrong is None:
        wrong = int(np.argsort(-arms[0].run.test.logits[position], kind="stable")[1])
    return wrong, true


def shown_classes(arms: list[Arm], position: int, asked: int | None = None) -> list[int]:
    """The classes whose maps the card shows: every arm's prediction, the contested pair, and the
    one that was asked for."""
    predicted = [int(arm.run.test.predicted[position]) for arm in arms]
    return list(
        dict.fromkeys([*contested(arms, position), *predicted, *([] if asked is None else [asked])])
    )


def top(arm: Arm, position: int, count: int = TOP) -> pd.DataFrame:
    """The likeliest classes of one image: class number, name, confidence after temperature scaling,
    true."""
    order = np.argsort(-arm.run.test.logits[position], kind="stable")[:count]
    return pd.DataFrame(
        {
            "class": order,
            "name": np.array(arm.splits.class_names)[order],
            "confidence": arm.probability[position, order],
            "true": order == arm.run.test.labels[position],
        }
    )


def maps(arms: list[Arm], position: int, classes: list[int]) -> list[np.ndarray]:
    """Of each arm, Grad-CAM maps at its own layer or occlusion, raw, in logits: (classes, h, w)."""
    splits, targets = arms[0].splits, torch.tensor(classes)
    images = splits.test.images[[position] * len(classes)]
    return [
        inference.maps(arm.ready, arm.layer, images, targets, splits.mean, splits.std).numpy()
        for arm in arms
    ]


@lru_cache(maxsize=100)
def bars(arm: Arm, position: int, wrong: int, true: int) -> pd.DataFrame:
    """lib.report.cards.probe_bars of one image: the probabilities of two classes under the probes
    that a card shows; the last ones are kept."""
    splits, test = arm.splits, arm.splits.test
    images, pair = test.images[[position]], [torch.tensor([wrong]), torch.tensor([true])]
    hot = inference.maps(arm.ready, arm.layer, images, pair[0], splits.mean, splits.std)
    responses = probes.respond(
        arm.fast,
        images,
        hot,
        *pair,
        splits.mean,
        splits.std,
        arm.temperature,
        test.index[[position]],
        cards.PROBES,
    )
    whole = arm.probability[position, [wrong, true]][None]
    return cards.probe_bars(
        evidence.Evidence(np.array([position]), *pair, whole, hot[:, None], responses),
        0,
    )


def verdict_of(arm: Arm, position: int) -> pd.Series | None:
    """The row of the study's table of verdicts on an error; None where it has none."""
    if arm.verdicts is None or position not in arm.verdicts.index:
        return None
    return arm.verdicts.loc[position]


# The diagnosis card as widgets: filled from the quick to the slow, and maps of any class on demand.


EMPTY = (
    '<p class="xp-quiet">Choose a picture to see where the evidence came from and what the '
    "probes did.</p>"
)
NO_CLASS = -1  # ipywidgets takes None for no choice at all
NONE_KEPT = "None is kept: the study read a sample of the errors of its first seed, or none."
RIGHT = "Right, so there is no error to diagnose."


class Card:
    """widget: the whole card; maps_of: the choice of a further class; answer: the pieces of HTML by
    name."""

    def __init__(self, study: Study):
        self.study, self.arms, self.position = study, [], None
        names = study.splits.class_names
        self.maps_of = widgets.Dropdown(
            description="map of a further class",
            disabled=True,
            options=[
                ("none", NO_CLASS),
                *((readable(name), number) for number, name in enumerate(names)),
            ],
        )
        self.maps_of.observe(lambda _: self.draw_maps(), "value")
        self.answer = {
            name: widgets.HTML() for name in ("head", "top", "maps", "probes", "verdict")
        }
        self.answer["maps"].add_class("xp-maps-box")
        self.at = widgets.HTML()
        ask = widgets.HBox([self.at, self.maps_of])
        self.details = [
            self.answer["top"],
            ask,
            self.answer["maps"],
            self.answer["probes"],
            self.answer["verdict"],
        ]
        self.widget = widgets.VBox([self.answer["head"], *self.details])
        self.widget.add_class("xp-card")
        ask.add_class("xp-ask")
        self.clear()

    def clear(self) -> None:
        self.position = None
        self.answer["head"].value = EMPTY
        self.maps_of.disabled = True
        for one in self.details:
            one.layout.display = "none"

    def show(self, arms: list[Arm], row, colours: dict[str, str]) -> None:
        """Fill the card with one row of lib.explorer.selection.pair_table."""
        self.arms, self.position, self.colours = arms, int(row.position), colours
        self.answer["head"].value = shown.head(row, self._image(), self._facts(row))
        self.answer["top"].value = shown.top(
            {arm.name: top(arm, self.position) for arm in arms}, colours
        )
        for one in self.details:
            one.layout.display = None
        self.maps_of.disabled = False
        self.draw_maps()
        wrong, true = contested(arms, self.position)
        names = self.study.splits.class_names
        tables = {arm.name: bars(arm, self.position, wrong, true) for arm in arms}
        self.answer["probes"].value = shown.probed(tables, names[wrong], names[true], colours)
        self._verdicts()

    @in_turn
    def draw_maps(self) -> None:
        if self.position is None:
            return
        asked = None if self.maps_of.value == NO_CLASS else self.maps_of.value
        classes = shown_classes(self.arms, self.position, asked)
        made = dict.fromkeys(
            f"Grad-CAM at {arm.layer}" if arm.layer else "occlusion" for arm in self.arms
        )
        self.at.value = f"<h4>{shown.text('; '.join(made))}</h4>"
        found = maps(self.arms, self.position, classes)
        logits = np.stack([arm.run.test.logits[self.position, classes] for arm in self.arms])
        names = [self.study.splits.class_names[number] for number in classes]
        self.answer["maps"].value = shown.maps(found, logits, self._image(), names, self.colours)

    def _image(self) -> np.ndarray:
        return self.study.splits.test.images[self.position].numpy()

    def _facts(self, row) -> dict[str, str]:
        """What is known of the image besides what the networks say."""
        facts = {"recorded class": row.true}
        if self.study.grouped:
            facts["superclass"] = row.superclass
        if hasattr(row, "cause"):
            facts["planted cause"] = row.cause
        if self.study.source == "reviewers":
            facts["five reviewers"] = self.study.said[self.position] or "did not look at it"
        return facts | ({"outcome": row.outcome} if hasattr(row, "outcome") else {})

    def _verdicts(self) -> None:
        """Show what the study kept of every arm's answer."""
        sentences = {}
        for arm in self.arms:
            said = verdict_of(arm, self.position)
            sentences[arm.name] = NONE_KEPT if said is None else sentence(said)
            if arm.run.test.correct[self.position]:
                sentences[arm.name] = RIGHT
        self.answer["verdict"].value = shown.verdicts(sentences, self.colours)
