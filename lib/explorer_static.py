"""The explorer where it is asked for: widgets in JupyterLab, and beside them a picture and a text for wherever widgets cannot live."""

import base64
import html
import os

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

from lib import explorer
from lib.base.text import percent, plural, readable
from lib.explorer_study import Arm, Study
from lib.report import exhibits, pictures

SHOWN = 12


def show(study: Study) -> None:
    """Display the explorer of a study as one output, which HTML export turns into its static grid.

    With REPORT_HEADLESS set there is the grid alone.
    """
    arms = first_arms(study)
    bundle = static(study, *arms)
    if not os.environ.get("REPORT_HEADLESS"):
        from lib.explorer_view import Explorer

        bundle = {**Explorer(study).widget._repr_mimebundle_(), **bundle}
    display(bundle, raw=True)


def first_arms(study: Study) -> list[Arm]:
    """The study's first arm and, where there is one, its second, both with the first seed they share."""
    first, *others = study.seeds
    seed = study.seeds[first][0]
    return [
        study.arm(first, seed),
        *(study.arm(other, seed) for other in others[:1] if seed in study.seeds[other]),
    ]


def static(study: Study, arm: Arm, other: Arm | None = None) -> dict[str, str]:
    """The output as a picture with its alt text, and as text.

    The picture is part of HTML, because nbconvert's own template drops the alt text of an image output.
    """
    table = explorer.pair_table(arm, other)
    errors = explorer.arranged(explorer.choose(table), "confidence", False)
    drawn = errors.head(SHOWN)
    alt = (
        f"The {plural(len(drawn), 'most confident error', 'most confident errors')} of {readable(arm.name)}: "
        + "; ".join(
            f"{row.id}, {readable(row.true)} taken for {readable(row.predicted)}, {percent(row.confidence, 0)}"
            for row in drawn.itertuples()
        )
    )
    text = f"Errors of {readable(arm.name)}: {explorer.count(errors, table)}. Run this cell in JupyterLab to explore them."
    picture = ""
    if len(drawn):
        figure = pictures.failures(
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
