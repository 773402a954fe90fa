"""The two pictures of docs/original-study.md: `python tools/original_study.py RESULTS_JSON DOCS`.

RESULTS_JSON is outputs/cifar100/results.json; every number drawn is one of its numbers."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.base import artefacts  # noqa: E402
from lib.base.text import readable  # noqa: E402
from lib.evaluation.protocols import PROTOCOLS  # noqa: E402
from lib.report import style  # noqa: E402
from lib.report.exhibits import rendered  # noqa: E402

DPI = 180
COUNTS = ("images", "classes")
# claims by their id, where the id alone says too little
LABELS = {
    "baseline-errors-90": "errors at ≥ 90%",
    "baseline-errors-99": "errors at ≥ 99%",
    "baseline-val-accuracy": "validation accuracy",
    "baseline-gap": "train less validation",
    "baseline-confidence-on-errors": "confidence when wrong",
    "both-wrong-less-confident": "both wrong, less confident",
    "classes-not-worse": "classes no worse",
}
# the parts in the order in which they are added, as lib.evaluation.ablation names them
PARTS = (
    ("crop and flip", "nothing else"),
    ("CutMix", "crop and flip"),
    ("label smoothing", "crop and flip"),
    ("CutMix × label smoothing", "crop and flip"),
)


def label(claim: str) -> str:
    if claim.startswith("case-"):
        return f"confidence on image {claim.split('-')[1]}"
    words = claim.removeprefix("baseline-").removeprefix("class-").replace("-", " ")
    return LABELS.get(claim, words)


def claimed_numbers(results: dict) -> pd.DataFrame:
    """The claimed numbers that were measured of every arm of the ledger's explanation: one row a
    claim and arm (its index), in the claims' order."""
    table = pd.DataFrame(results["ledger"]["numbers"])
    table = table[table["arm"].isin(arms(results))]
    of_all = table.groupby("id")["arm"].transform("nunique") == len(arms(results))
    return table[of_all].set_index(["id", "arm"])


def arms(results: dict) -> list[str]:
    """Those of the study; the same networks tested in another way are not drawn."""
    return [arm for arm in results["ledger"]["candidates"] if arm not in PROTOCOLS]


def dumbbell(results: dict):
    """Measured against claimed for each arm: points apart, or of counts the ratio."""
    table = claimed_numbers(results)
    is_count = table["unit"].isin(COUNTS)
    panels = [
        (table[~is_count], lambda row: row.estimate - row.claimed, "measured less claimed, points"),
        (table[is_count], lambda row: row.estimate / row.claimed, "measured over claimed"),
    ]
    rows = [len(part) / len(arms(results)) for part, *_ in panels]
    figure, axes = plt.subplots(
        2, 1, figsize=(style.WIDTH, 0.2 * sum(rows) + 1.4), height_ratios=rows, layout="constrained"
    )
    for axis, (part, place, title), middle in zip(axes, panels, (0, 1)):
        _panel(axis, part, place, arms(results))
        axis.axvline(middle, color="black", linewidth=1, zorder=0)
        axis.set_xlabel(title)
    axes[1].set_xscale("log")
    ticks = (0.1, 0.25, 0.5, 1, 2)
    axes[1].set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes[1].minorticks_off()
    figure.legend(*_legend(arms(results)), loc="outside upper right", ncols=3, frameon=False)
    return figure


def _panel(axis, part: pd.DataFrame, place, of_arms: list[str]) -> None:
    names = list(dict.fromkeys(part.index.get_level_values("id")))
    colours = style.colours(of_arms)
    for height, name in enumerate(reversed(names)):
        rows = [part.loc[(name, arm)] for arm in of_arms]
        ends = [place(row) for row in rows]
        axis.plot([min(ends), max(ends)], [height] * 2, color="#bbbbbb", linewidth=2, zorder=1)
        # the first arm's dot is larger, so that it is seen below another's
        for arm, row, end, size in zip(of_arms, rows, ends, (7, *[5] * len(ends))):
            face = colours[arm] if row.reproduced else "white"
            axis.plot(end, height, "o", color=colours[arm], markerfacecolor=face, markersize=size)
    axis.set_yticks(range(len(names)), [label(name) for name in reversed(names)])
    axis.set_ylim(-0.6, len(names) - 0.4)
    axis.grid(axis="y", visible=False)


def _legend(of_arms: list[str]):
    colours = style.colours(of_arms)
    handles = [plt.Line2D([], [], marker="o", linestyle="", color=colours[arm]) for arm in of_arms]
    handles.append(
        plt.Line2D([], [], marker="o", linestyle="", color="black", markerfacecolor="white")
    )
    return handles, [*map(readable, of_arms), "hollow: not reproduced"]


def parts(results: dict):
    """The step from no augmentation to CutMix with smoothing, cut into its parts, each with its
    interval; below it what was claimed of CutMix."""
    ablation = results["compare"]["ablation"]
    effects = {(one["effect"], one["given"]): one["test_accuracy"] for one in ablation}
    steps = [(effect, effects[effect, given]) for effect, given in PARTS]
    total = effects["all together", "nothing else"]
    figure, axis = plt.subplots(figsize=(style.WIDTH, 2.3), layout="constrained")
    start, names = 0.0, []
    for height, (effect, change) in enumerate(steps):
        _bar(axis, -height, start, change, style.COLOURS[height])
        start += change["estimate"]
        names.append(effect)
    _bar(axis, -len(steps), 0.0, total, style.GREY)
    claimed = results["ledger"]["claims"]["gain"]["claimed"]
    value = next(row["claimed"] for row in results["ledger"]["numbers"] if row["id"] == "gain")
    axis.axvline(value, color="black", linestyle="--", linewidth=1)
    axis.text(
        value,
        0.55,
        f"claimed of CutMix: {claimed}",
        ha="center",
        va="bottom",
        fontsize=8,
        backgroundcolor="white",
    )
    axis.set_ylim(-len(steps) - 0.5, 1.1)
    axis.set_yticks(range(0, -len(steps) - 1, -1), [*names, "all together"])
    axis.set_xlabel("points of test accuracy, from the arm with neither crop, flip nor CutMix")
    axis.grid(axis="y", visible=False)
    return figure


def _bar(axis, height: float, start: float, change: dict, colour: str) -> None:
    estimate, low, high = (100 * change[end] for end in ("estimate", "low", "high"))
    axis.barh(height, estimate, left=100 * start, color=colour, height=0.6, alpha=0.85)
    end = 100 * start + estimate
    axis.errorbar(
        end,
        height,
        xerr=[[estimate - low], [high - estimate]],
        color="black",
        linewidth=1,
        capsize=2,
    )
    text = f"{estimate:+.1f}".replace("-", "−")
    axis.text(100 * start + high + 0.25, height, text, va="center", fontsize=8)


def main(place: str, docs: str) -> int:
    results = artefacts.read_json(Path(place))
    style.apply(results["compare"]["arms"])
    for name, figure in (("claims", dumbbell(results)), ("parts", parts(results))):
        content = rendered(figure, "png", dpi=DPI, metadata={"Software": None})
        artefacts.write_bytes(Path(docs) / f"original-study-{name}.png", content)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
