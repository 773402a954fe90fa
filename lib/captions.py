"""What stands under a figure and what is read aloud in its place; every number comes from the data drawn."""

import pandas as pd

from lib.base.text import listed, name, percent, plural, readable, shorten

CLASS_FORMATS = {column: readable for column in ("true", "predicted", "planted cause")}
UNIT = "contribution of a cell to the logit"


def training(arm: str, history: pd.DataFrame, milestones: list[int]) -> dict[str, str]:
    epochs, steps = history.groupby("epoch"), listed([str(epoch) for epoch in milestones])
    last, seeds = epochs.mean().iloc[-1], len(history) // len(epochs)
    return {
        "caption": f"Training of {name(arm)}. The stream is what the optimiser saw: augmented and, under CutMix, mixed images, "
        "where a right answer counts by its share. The other curves are measured on clean images in eval mode, of train on up to 5,000."
        + (
            f" Vertical lines: the learning rate is divided by 10 after {'epoch' if len(milestones) == 1 else 'epochs'} {steps}."
            if steps
            else ""
        )
        + (
            f" Mean of {seeds} seeds, with a band from the lowest to the highest."
            if seeds > 1
            else ""
        ),
        "alt": f"Loss and accuracy of {readable(arm)} over {plural(len(epochs), 'epoch')}; at the end "
        f"{percent(last['train_accuracy'])} on clean train images and {percent(last['val_accuracy'])} on validation.",
    }


def gradcam(selection: pd.DataFrame, layer: str, arm: str) -> dict[str, str]:
    said = "; ".join(
        f"{readable(row.true)} against {readable(against(row))}" for row in selection.itertuples()
    )
    return {
        "caption": f"Grad-CAM of {name(arm)} at {layer} for the predicted class (of a right prediction: the runner-up), for the "
        "true class, and their difference. Raw maps on one scale: red cells raise the logit, blue cells lower it.",
        "alt": f"Rows of a picture and three maps for {plural(len(selection), 'test image')}: {said}.",
    }


def before_after(selection: pd.DataFrame, layer: str, before: str, after: str) -> dict[str, str]:
    return {
        "caption": f"The same images in {name(before)} and {name(after)}: Grad-CAM at {layer} for the class that {name(before)} "
        "predicted (of a right prediction: the runner-up) and for the true class, all on one scale.",
        "alt": f"Rows of a picture and four maps, two of {readable(before)} and two of {readable(after)}, for "
        f"{plural(len(selection), 'test image')}.",
    }


def titles(selection: pd.DataFrame) -> list[str]:
    """Two or three short lines over a picture: id and true class, prediction and confidence, planted cause."""

    def one(row):
        lines = [
            f"{row.id} {shorten(row.true)}",
            f"→ {shorten(row.predicted)} {percent(row.confidence, 0)}",
        ]
        return "\n".join(lines + ([readable(row.cause)] if "cause" in selection else []))

    return [one(row) for row in selection.itertuples()]


def against(row) -> str:
    """The class held against the true one: the wrong prediction, or the runner-up of a right one."""
    return row.runner_up if row.correct else row.predicted


def map_titles(selection: pd.DataFrame) -> list[list[str]]:
    return [
        [f"for {shorten(against(row))}", f"for {shorten(row.true)}", "difference"]
        for row in selection.itertuples()
    ]


def arm_titles(selection: pd.DataFrame, arms) -> list[list[str]]:
    return [
        [
            f"{shorten(arm)}:\nfor {shorten(label)}"
            for arm in arms
            for label in (against(row), row.true)
        ]
        for row in selection.itertuples()
    ]


def causes() -> str:
    return (
        "Test accuracy by planted cause, with 95% Clopper–Pearson intervals. A label error counts as an error even where the "
        "network is right."
    )
