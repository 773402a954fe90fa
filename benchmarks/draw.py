"""Draw docs/performance.png from the newest results in benchmarks/results:
`python benchmarks/draw.py`.
"""

import json
from pathlib import Path
from statistics import median

import matplotlib.pyplot as plt

PLACE = Path(__file__).resolve().parent
PLAIN, OURS, LIMIT = "#8a8a8a", "#0072b2", "#e0a030"  # colour-blind safe (Okabe and Ito)
GROUPS = {
    "training": ("plain loop", "our loop", "our step", "convolutions of a step"),
    "prediction": (
        "plain prediction",
        "our prediction, fp32",
        "our prediction, bf16",
        "convolutions of prediction",
    ),
}


def newest(name: str) -> dict:
    return json.loads((PLACE / "results" / f"{name}.json").read_text())[-1]


def rates(ax, title: str, engine: dict) -> None:
    """Images a second of a group of rows, with the spread of the rounds."""
    rows = [row for row in GROUPS[title] if row in engine["images_per_second"]][::-1]
    for place, row in enumerate(rows):
        rate, (low, high) = engine["images_per_second"][row], engine["spread"][row]
        colour = LIMIT if row.startswith("conv") else OURS if row.startswith("our") else PLAIN
        ax.barh(place, rate, color=colour, xerr=[[rate - low], [high - rate]], error_kw={"lw": 1})
        ax.text(high, place, f"  {rate:.0f}", va="center")
    ax.set(
        yticks=range(len(rows)),
        yticklabels=rows,
        title=title,
        xlabel="images/s",
        xlim=(0, 1.2 * max(engine["images_per_second"][row] for row in rows)),
    )


def seconds(ax, stages: dict) -> None:
    """Median seconds of a report's parts, and of the revision that it is held against."""
    sides = [of_side for of_side in stages["times"].values() if of_side]
    rows = list(sides[-1])[::-1]
    for side, colour in zip(sides[::-1], (OURS, PLAIN)):
        values = [median(side.get(row, [0])) for row in rows]
        places = [place - 0.4 * (colour == PLAIN) for place in range(len(rows))]
        ax.barh(places, values, 0.4, color=colour)
        for place, value in zip(places, values):
            ax.text(value, place, f"  {value:.0f}", va="center")
    ax.set(
        yticks=range(len(rows)),
        yticklabels=rows,
        title=f"make report, {stages['study']}",
        xlabel="seconds",
        xlim=(0, 1.2 * max(median(value) for side in sides for value in side.values())),
    )


def main() -> None:
    plt.style.use(PLACE.parent / "lib" / "report" / "report.mplstyle")
    engine = newest("engine")
    figure, axes = plt.subplots(1, 3, figsize=(12, 2.6), layout="constrained")
    for ax, title in zip(axes, GROUPS):
        rates(ax, title, engine)
    seconds(axes[2], newest("stages"))
    figure.savefig(PLACE.parent / "docs" / "performance.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
