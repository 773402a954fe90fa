"""Pictures of corruptions, and accuracy under them."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import PercentFormatter

from lib.base.text import readable
from lib.evaluation.corruptions import CONSTANTS, NAMES, SEVERITIES, corrupt
from lib.pictures import grid, picture
from lib.plots import WIDTH, colours

SHOWN_SEVERITY = 3


def accuracy(measured: pd.DataFrame, axes=None):
    """Accuracy against severity, a panel a corruption, a line an arm; `measured` is lib.evaluation.robustness's table."""
    if axes is None:
        axes = plt.subplots(
            2, 3, figsize=(WIDTH, 3.9), layout="constrained", sharex=True, sharey=True
        )[1]
    for axis, kind in zip(axes.flat, CONSTANTS):
        panel = measured[measured["corruption"].isin(("none", kind))]
        for arm, colour in colours(measured["arm"].unique()).items():
            of_arm = panel[panel["arm"] == arm].sort_values("severity")
            axis.plot(
                of_arm["severity"],
                of_arm["accuracy"],
                "o-",
                color=colour,
                markersize=2.5,
                label=readable(arm),
            )
        axis.set(title=NAMES[kind], xticks=(0, *SEVERITIES), ylim=(0, 1))
        axis.yaxis.set_major_formatter(PercentFormatter(1, 0))
    for axis in axes[-1]:
        axis.set_xlabel("severity (0: clean)")
    for axis in axes[:, 0]:
        axis.set_ylabel("accuracy")
    axes[0, 0].figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=5
    )
    return axes


def drawn(chosen, place: int = 0) -> pd.DataFrame:
    """What stands over the pictures of `examples`, and the image's id."""
    return pd.DataFrame(
        {
            "id": chosen.index[place],
            "picture": ["clean", *(NAMES[kind] for kind in CONSTANTS)],
            "severity": [0] + [SHOWN_SEVERITY] * len(CONSTANTS),
        }
    )


def examples(chosen, place: int = 0):
    """One image of a split, clean and under every corruption at SHOWN_SEVERITY."""
    image, index = chosen.images[place : place + 1], chosen.index[place : place + 1]
    figure, axes = grid(
        1, 1 + len(CONSTANTS), cell=5 / 6, above=0.25
    )  # 160 of 192 pixels an inch: 5 for one
    picture(axes[0, 0], image[0].numpy(), "clean")
    for axis, kind in zip(axes[0, 1:], CONSTANTS):
        picture(axis, corrupt(image, kind, SHOWN_SEVERITY, index)[0].numpy(), NAMES[kind])
    return figure
