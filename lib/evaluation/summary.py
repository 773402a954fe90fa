"""The numbers of arms and of a study: calibration and confident errors in tables, an arm in
numbers, how each number is called and written, and results.json, which holds them all.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.base import artefacts, text
from lib.base.text import readable, with_limits
from lib.evaluation import calibration as cal
from lib.evaluation.paired import paired_runs
from lib.evaluation.per_image import columns, scores, temperature
from lib.evaluation.selective import (
    augrc,
    aurc,
    clopper_pearson,
    counts_at_matched_coverage,
    excess_aurc,
)

ERRORS = ("ece", "ece_mass", "ece_classwise", "nll", "brier")
MATCHED = (0.1, 0.2, 0.5)  # coverage at which errors are counted


def calibration(numbers: dict[str, dict]) -> pd.DataFrame:
    """One row an arm, scaling and measure: mean, sd, n."""
    return pd.DataFrame(
        [
            {
                "arm": arm,
                "scaling": scaling,
                "number": MEASURES[name].label,
                **{key: of_arm[name + ending][key] for key in ("mean", "sd", "n")},
            }
            for arm, of_arm in numbers.items()
            for scaling, ending in (("none", ""), ("temperature", "_scaled"))
            for name in ERRORS
        ]
    )


def calibration_view(numbers: dict[str, dict]) -> pd.DataFrame:
    """The same as it is printed: two rows an arm, without and with its temperature."""
    rows = []
    for arm, of_arm in numbers.items():
        for ending, scaled_by in (
            ("", "none"),
            ("_scaled", with_spread("temperature", of_arm["temperature"])),
        ):
            rows.append(
                {
                    "arm": readable(arm),
                    "temperature": scaled_by,
                    **{
                        MEASURES[name].label.removesuffix(", nats"): with_spread(
                            name, of_arm[name + ending]
                        )
                        for name in ERRORS
                    },
                }
            )
    return pd.DataFrame(rows)


def ceiling(smoothing: float, classes: int) -> float | None:
    """The top probability that is best for the loss on a certain image, None without label
    smoothing (its ceiling is 1)."""
    return 1 - smoothing + smoothing / classes if smoothing else None


def confident_errors(trained: dict[str, dict]) -> pd.DataFrame:
    """One row an arm: errors at ≥ 90% and ≥ 99% confidence, and among equally many most confident;
    means over seeds, and their standard deviations (columns "... sd", NaN for one seed). Beside
    them the ceiling of label smoothing."""
    rows = []
    for arm, of_seeds in trained.items():
        each = pd.DataFrame([_counts(run) for run in of_seeds.values()])
        info = next(iter(of_seeds.values())).info
        rows.append(
            {
                "arm": arm,
                "ceiling": ceiling(info["params"].get("label_smoothing", 0), info["classes"]),
                **each.mean(),
                **each.std().add_suffix(" sd"),
            }
        )
    return pd.DataFrame(rows)


def _counts(run) -> dict:
    confidence, correct = confidence_of(run), run.test.correct
    matched = counts_at_matched_coverage(confidence, correct, MATCHED)
    return {
        "≥ 90%": int(np.sum(confidence[~correct] >= 0.9)),
        "≥ 99%": int(np.sum(confidence[~correct] >= 0.99)),
        **{f"top {row.coverage:.0%}": row.errors for row in matched.itertuples()},
    }


def confident_errors_view(table: pd.DataFrame) -> pd.DataFrame:
    """The same as it is printed, standard deviations behind their means; ceilings where an arm has
    one."""
    ceilings = [None if top != top else f"{top:.3f}" for top in table["ceiling"].astype(float)]
    view = pd.DataFrame({"arm": table["arm"].map(readable)})
    if any(ceilings):
        view["smoothing's ceiling"] = ceilings
    for name in (column for column in table if f"{column} sd" in table):
        view[f"errors, {name}"] = [
            f"{mean:.0f}" if sd != sd else f"{mean:.1f} ± {sd:.1f}"
            for mean, sd in zip(table[name], table[f"{name} sd"])
        ]
    return view


def reliability(of_seeds: dict) -> pd.DataFrame:
    """lib.evaluation.calibration.reliability of every seed, one under the other, with a column
    `seed`."""
    return pd.concat(
        [
            cal.reliability(confidence_of(run), run.test.correct).assign(seed=seed)
            for seed, run in of_seeds.items()
        ],
        ignore_index=True,
    )


# An arm in numbers: what the stored predictions of one run, or of several seeds, say.


ARM_ROWS = (
    "test_accuracy",
    "errors",
    "train_accuracy",
    "val_accuracy",
    "train_val_gap",
    "errors_ge_90",
    "errors_ge_99",
    "confidence_on_errors",
    "confidence_on_right",
    "temperature",
    "aurc",
)


def run_numbers(run) -> dict:
    """The numbers of one run, shares from 0 to 1: accuracies, gap, errors by confidence,
    calibration, ranking."""
    correct, confidence = run.test.correct, confidence_of(run)
    wrong, fitted = confidence[~correct], temperature(run)
    scaled = columns(run.test, fitted).confidence
    return {
        "test_accuracy": correct.mean(),
        "val_accuracy": run.val.correct.mean(),
        **_of_training(run),
        "errors": int((~correct).sum()),
        "errors_ge_90": int((wrong >= 0.90).sum()),
        "errors_ge_99": int((wrong >= 0.99).sum()),
        "errors_ge_90_scaled": int((scaled[~correct] >= 0.90).sum()),
        "errors_ge_99_scaled": int((scaled[~correct] >= 0.99).sum()),
        "confidence_on_errors": wrong.mean() if len(wrong) else None,
        "confidence_on_right": confidence[correct].mean() if correct.any() else None,
        "confidence_on_errors_scaled": scaled[~correct].mean() if len(wrong) else None,
        "confidence_on_right_scaled": scaled[correct].mean() if correct.any() else None,
        "temperature": fitted,
        **_calibration(run.test, 1.0, ""),
        **_calibration(run.test, fitted, "_scaled"),
        **_ranking(run.test),
    }


def _of_training(run) -> dict:
    """What is known of the training alone; None of a run that was brought."""
    if run.history is None:
        return dict.fromkeys(
            ("train_accuracy", "stream_accuracy", "val_loss_lowest_epoch", "train_val_gap")
        )
    history = run.history.set_index("epoch")
    return {
        "train_accuracy": run.info["train_accuracy"],
        "stream_accuracy": history["stream_accuracy"].iloc[-1],
        "val_loss_lowest_epoch": int(history["val_loss"].idxmin()),
        "train_val_gap": run.info["train_accuracy"] - run.val.correct.mean(),
    }


def _calibration(test, temperature: float, ending: str) -> dict:
    found = columns(test, temperature)
    right = found.likeliest == test.labels
    numbers = {
        "ece": cal.calibration_error(found.confidence, right),
        "ece_mass": cal.calibration_error(found.confidence, right, equal_mass=True),
        "ece_classwise": found.classwise,
        "nll": float(found.log_loss.mean()),
        "brier": float(found.brier.mean()),
    }
    return {name + ending: value for name, value in numbers.items()}


def _ranking(test) -> dict:
    """AURC, E-AURC and AUGRC of each score of lib.evaluation.per_image; maximum softmax has the
    plain names."""
    numbers = {}
    for name, score in scores(test).items():
        ending = "" if name == "softmax" else f"_{name}"
        for measure, value in (("aurc", aurc), ("e_aurc", excess_aurc), ("augrc", augrc)):
            numbers[measure + ending] = value(score, test.correct)
    return numbers


def arm_numbers(of_seeds: dict) -> dict:
    """Mean, standard deviation (None for one seed), number of seeds, the values themselves and
    their seeds, of every number of an arm."""
    each = pd.DataFrame([run_numbers(run) for run in of_seeds.values()]).astype(float)
    return {name: entry(each[name], list(of_seeds)) for name in each}


def entry(each, seeds: list[int]) -> dict:
    """One number of an arm, from its values, one a seed; n: the seeds that have one,
    all where none has."""
    each = pd.Series(each, dtype=float)
    return {
        "mean": each.mean(),
        "sd": each.std() if each.count() > 1 else None,
        "n": int(each.count()) or len(each),
        "each": each.tolist(),
        "seeds": seeds,
    }


def over_seeds(numbers: dict, seeds) -> dict:
    """The numbers of an arm (`arm_numbers`) over some of its seeds alone; all where it does not say
    which seeds it has."""
    return {
        name: one
        if "seeds" not in one
        else entry([one["each"][one["seeds"].index(seed)] for seed in seeds], list(seeds))
        for name, one in numbers.items()
    }


def first_runs(trained: dict[str, dict], pair: tuple[str, ...]) -> dict:
    """One run an arm, for what is shown of single networks: the first seed that the arms of `pair`
    share, of another arm that seed or else its first."""
    seeds = dict(zip(pair, (next(iter(runs)) for runs in paired_runs(*(trained[a] for a in pair)))))
    return {
        arm: runs[seeds[arm]]
        if arm in seeds
        else runs.get(seeds[pair[0]], next(iter(runs.values())))
        for arm, runs in trained.items()
    }


def arms_table(numbers: dict[str, dict]) -> pd.DataFrame:
    """The arms side by side, a row a number that some arm has, as text: with several seeds the mean
    and the standard deviation."""
    return pd.DataFrame(
        [
            {
                "": MEASURES[name].label,
                **{arm: with_spread(name, of_arm[name]) for arm, of_arm in numbers.items()},
            }
            for name in ARM_ROWS
            if not all(missing(of_arm[name]["mean"]) for of_arm in numbers.values())
        ]
    )


def errors_by_level(trained: dict[str, dict], levels) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Errors made with at least each confidence, mean over seeds and their standard deviation (NaN
    for one seed).

    One row a level, one column an arm.
    """

    def counts(run):
        wrong = confidence_of(run)[~run.test.correct]
        return [(wrong >= level).sum() for level in levels]

    index = pd.Index(levels, name="confidence at least")
    each = {
        arm: pd.DataFrame([counts(run) for run in of_seeds.values()], columns=index)
        for arm, of_seeds in trained.items()
    }
    return pd.DataFrame({arm: table.mean() for arm, table in each.items()}), pd.DataFrame(
        {arm: table.std() for arm, table in each.items()}
    )


def cases_before_after(
    selection: pd.DataFrame, tables: dict[str, pd.DataFrame], trained: dict | None = None
) -> pd.DataFrame:
    """Each selected image in every arm: what it is taken for, with what confidence, and whether
    that is right; with all runs {arm: {seed: run}}, in how many of an arm's seeds it is."""
    result = selection[["id", "true", "why"]].copy()
    for arm, table in tables.items():
        rows = table.set_index("id").loc[selection["id"]]
        result[f"{arm} predicts"] = rows["predicted"].to_numpy()
        result[f"{arm} confidence"] = rows["confidence"].to_numpy()
        result[f"{arm} right"] = np.where(rows["correct"], "yes", "no")
        if trained:
            right = [run.test.correct[rows["position"]] for run in trained[arm].values()]
            result[f"{arm} seeds right"] = [f"{one} of {len(right)}" for one in np.sum(right, 0)]
    return result


def cases_view(cases: pd.DataFrame) -> pd.DataFrame:
    """The same as it is printed: without what the columns before it tell already, whether an arm is
    right, and of a single seed in how many it is."""
    told = [column for column in cases if column.endswith(" right") and "seeds" not in column]
    single = [
        column
        for column in cases
        if column.endswith(" seeds right") and cases[column].astype(str).str.endswith(" of 1").all()
    ]
    return cases.drop(columns=told + single)


def by_cause(causes: pd.Series, trained: dict[str, dict]) -> pd.DataFrame:
    """The phantom's images by planted cause (N,): how many, and each arm's accuracy, the mean over
    its seeds, with its 95% interval over images."""
    shares = {
        arm: np.mean([run.test.correct for run in of_seeds.values()], axis=0)
        for arm, of_seeds in trained.items()
    }
    rows = []
    for cause, place in causes.groupby(causes.to_numpy(), sort=False).indices.items():
        row = {"planted cause": cause, "test images": len(place)}
        for arm, share in shares.items():
            low, high = clopper_pearson(share[place].sum(), len(place))
            row |= {
                f"{arm} accuracy": share[place].mean(),
                f"{arm} low": float(low),
                f"{arm} high": float(high),
            }
        rows.append(row)
    return pd.DataFrame(rows).sort_values("test images", ascending=False, ignore_index=True)


def by_cause_view(causes: pd.DataFrame, arms) -> pd.DataFrame:
    """`by_cause` as it is printed: each accuracy with its interval in one cell."""
    view = causes[["planted cause", "test images"]].copy()
    for arm in arms:
        view[f"{readable(arm)} accuracy (95%)"] = [
            with_limits(*(row[f"{arm} {what}"] for what in ("accuracy", "low", "high")))
            for _, row in causes.iterrows()
        ]
    return view


def confidence_of(run) -> np.ndarray:
    """Largest softmax probability of each test image, (N,)."""
    return columns(run.test).confidence


def confidences(of_seeds: dict) -> tuple[np.ndarray, np.ndarray]:
    """Confidence of each test image and whether it is right, of every seed, both (seeds, N)."""
    return np.stack([confidence_of(run) for run in of_seeds.values()]), np.stack(
        [run.test.correct for run in of_seeds.values()]
    )


def histogram(confidences: dict[str, tuple], bins: int = 20) -> pd.DataFrame:
    """What lib.report.style.confidence_histograms draws: wrong and right test images in each bin of
    confidence, means over seeds."""
    edges, rows = np.linspace(0, 1, bins + 1), []
    for arm, (confidence, correct) in confidences.items():
        wrong, right = (
            np.mean(
                [
                    np.histogram(one[of_one == which], edges)[0]
                    for one, of_one in zip(confidence, correct)
                ],
                axis=0,
            )
            for which in (False, True)
        )
        rows.append(
            pd.DataFrame(
                {
                    "arm": arm,
                    "confidence from": edges[:-1],
                    "to": edges[1:],
                    "wrong": wrong,
                    "right": right,
                }
            )
        )
    return pd.concat(rows, ignore_index=True).round(2)


# The numbers that arms are compared by: what each is called and how it is written.


class Measure(NamedTuple):
    """kind: "share" (written in percent, its changes in points), "points", "count" or "number"."""

    label: str
    kind: str


MEASURES = {
    "test_accuracy": Measure("Test accuracy", "share"),
    "errors": Measure("Test errors", "count"),
    "train_accuracy": Measure("Train accuracy, clean images, eval mode", "share"),
    "val_accuracy": Measure("Validation accuracy", "share"),
    "train_val_gap": Measure("Train–validation gap, points", "points"),
    "errors_ge_90": Measure("Errors at ≥ 90% confidence", "count"),
    "errors_ge_99": Measure("Errors at ≥ 99% confidence", "count"),
    "errors_ge_90_scaled": Measure("Errors at ≥ 90% confidence after scaling", "count"),
    "errors_ge_99_scaled": Measure("Errors at ≥ 99% confidence after scaling", "count"),
    "confidence_on_errors": Measure("Mean confidence on errors", "share"),
    "confidence_on_right": Measure("Mean confidence on right predictions", "share"),
    "confidence_on_errors_scaled": Measure("Mean confidence on errors after scaling", "share"),
    "confidence_on_right_scaled": Measure(
        "Mean confidence on right predictions after scaling", "share"
    ),
    "temperature": Measure("Temperature, fitted on validation", "number"),
    "ece": Measure("ECE, bins of equal width", "number"),
    "ece_mass": Measure("ECE, bins of equal count", "number"),
    "ece_classwise": Measure("Class-wise ECE", "number"),
    "nll": Measure("Negative log-likelihood, nats", "number"),
    "brier": Measure("Brier score", "number"),
    "ece_scaled": Measure("ECE after scaling", "number"),
    "ece_mass_scaled": Measure("ECE after scaling, bins of equal count", "number"),
    "ece_classwise_scaled": Measure("Class-wise ECE after scaling", "number"),
    "nll_scaled": Measure("Negative log-likelihood after scaling, nats", "number"),
    "brier_scaled": Measure("Brier score after scaling", "number"),
    "aurc": Measure("AURC", "number"),
    "e_aurc": Measure("E-AURC", "number"),
    "augrc": Measure("AUGRC", "number"),
}


def missing(value) -> bool:
    return value is None or value != value


def written(name: str, value, plain: bool = True) -> str | None:
    """A value as text, None for a missing one; `plain` whole numbers for counts, else one
    decimal."""
    if missing(value):
        return None
    kind = MEASURES[name].kind
    if kind == "share":
        return text.percent(value)
    return {
        "points": f"{100 * value:.1f}",
        "count": f"{value:,.{0 if plain else 1}f}",
        "number": f"{value:.3f}",
    }[kind].replace("-", "−")


def with_spread(name: str, entry: dict) -> str | None:
    """A mean over seeds, with its standard deviation when there are several."""
    one = entry["n"] == 1
    shown = written(name, entry["mean"], one)
    return (
        shown
        if one or shown is None or missing(entry["sd"])
        else f"{shown} ± {written(name, entry['sd'], False)}"
    )


def _scale(name: str, seeds: int) -> tuple[int, int]:
    """Digits, and what the number is multiplied by: shares in points."""
    kind = MEASURES[name].kind
    return {"share": (1, 100), "points": (1, 100), "count": (0 if seeds == 1 else 1, 1)}.get(
        kind, (3, 1)
    )


def with_interval(name: str, change: dict, seeds: int = 1) -> str:
    """ "−2.6 (−3.4 to −1.8)", shares in points."""
    return "{} ({} to {})".format(*text.differences(change, *_scale(name, seeds)))


def change_text(name: str, change: dict, seeds: int = 1) -> str:
    """ "−2.6 points, 95% interval −3.4 to −1.8"."""
    return text.with_interval(
        change, *_scale(name, seeds), " points" if MEASURES[name].kind == "share" else ""
    )


# The numbers of a study, by name: each stage writes its own, the report reads them all.


STAGES = ("failures", "gradcam", "compare")


def folder(params) -> Path:
    """outputs/<study>, whose place is the project unless `outputs` is absolute."""
    return artefacts.ROOT / params.outputs / params.study


def plain(value):
    """`value` as JSON can hold it: NumPy and NaN become numbers and null."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_numbers(study: Path, stage: str, numbers: dict) -> None:
    artefacts.write_json(study / "results" / f"{stage}.json", plain(numbers))


def collect(study: Path, extra: dict) -> dict:
    """Join the stages' numbers with `extra` into results.json and return them."""
    everything = {
        stage: artefacts.read_json(study / "results" / f"{stage}.json") for stage in STAGES
    } | plain(extra)
    artefacts.write_json(study / "results.json", everything)
    return everything
