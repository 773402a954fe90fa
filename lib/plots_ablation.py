"""The forest plot of an ablation: data in, axes out."""

import matplotlib.pyplot as plt
import numpy as np

from lib.plots import WIDTH

PANELS = {"test_accuracy": ("accuracy, points", 100), "ece": ("ECE", 1), "aurc": ("AURC", 1)}


def effects(found: list[dict], axes=None):
    """Each effect with its 95% interval, a row an effect and a panel a number; black where the interval leaves 0 out."""
    if axes is None:
        axes = plt.subplots(
            1,
            len(PANELS),
            figsize=(WIDTH, 0.7 + 0.24 * len(found)),
            layout="constrained",
            sharey=True,
        )[1]
    place = np.arange(len(found))
    for axis, (name, (label, scale)) in zip(axes, PANELS.items()):
        estimate, low, high = (
            scale * np.array([effect[name][end] for effect in found])
            for end in ("estimate", "low", "high")
        )
        colour = np.where((low > 0) | (high < 0), "black", "#9a9a9a")
        axis.hlines(place, low, high, color=colour, linewidth=1.3)
        axis.scatter(estimate, place, c=colour, s=14, zorder=3)
        axis.axvline(0, color="black", linewidth=0.7)
        axis.set(xlabel=f"change of {label}", ylim=(len(found) - 0.4, -0.6))
        axis.grid(axis="y", visible=False)
    labels = [
        effect["effect"]
        + ("" if effect["given"] == "nothing else" else f", with {effect['given']}")
        for effect in found
    ]
    axes[0].set_yticks(place, labels)
    return axes
