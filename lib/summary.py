"""An arm in numbers: what the stored predictions of one run, or of several seeds, say."""
import numpy as np
import pandas as pd

from lib import calibration as cal
from lib import compare
from lib.selective import clopper_pearson, rejection_table
from lib.wording import level, readable


def run_numbers(run) -> dict:
    """The numbers of one run, shares from 0 to 1: accuracies, gap, errors by confidence, calibration, ranking."""
    probabilities, correct = cal.softmax(run.test.logits), run.test.correct
    confidence = probabilities.max(1)
    wrong = confidence[~correct]
    temperature = cal.fit_temperature(run.val.logits, run.val.labels)
    scaled = cal.softmax(run.test.logits, temperature)
    return {
        "test_accuracy": correct.mean(), "val_accuracy": run.val.correct.mean(), "train_accuracy": run.info["train_accuracy"],
        "train_val_gap": run.info["train_accuracy"] - run.val.correct.mean(),
        "errors": int((~correct).sum()), "errors_ge_90": int((wrong >= 0.90).sum()), "errors_ge_99": int((wrong >= 0.99).sum()),
        "confidence_on_errors": wrong.mean() if len(wrong) else None,
        "confidence_on_right": confidence[correct].mean() if correct.any() else None,
        "ece": cal.expected_calibration_error(probabilities, run.test.labels), "temperature": temperature,
        "ece_scaled": cal.expected_calibration_error(scaled, run.test.labels),
        "nll": cal.negative_log_likelihood(run.test.logits, run.test.labels),
        "nll_scaled": cal.negative_log_likelihood(run.test.logits, run.test.labels, temperature),
        "aurc": cal.aurc(confidence, correct),
    }


def arm_numbers(of_seeds: dict) -> dict:
    """Mean, standard deviation (None for one seed) and number of seeds of every number of an arm."""
    each = pd.DataFrame([run_numbers(run) for run in of_seeds.values()])
    deviation = each.std() if len(each) > 1 else pd.Series(None, index=each.columns, dtype=object)
    return {name: {"mean": each[name].mean(), "sd": deviation[name], "n": len(each)} for name in each}


ARM_ROWS = {  # name in run_numbers: (row of the table, how it is written)
    "test_accuracy": ("Test accuracy", "{:.1%}"), "errors": ("Test errors", "{:.0f}"),
    "train_accuracy": ("Train accuracy, clean images, eval mode", "{:.1%}"), "val_accuracy": ("Validation accuracy", "{:.1%}"),
    "train_val_gap": ("Train–validation gap, points", "{:.1f}"), "errors_ge_90": ("Errors at ≥ 90% confidence", "{:.0f}"),
    "errors_ge_99": ("Errors at ≥ 99% confidence", "{:.0f}"), "confidence_on_errors": ("Mean confidence on errors", "{:.1%}"),
    "confidence_on_right": ("Mean confidence on right predictions", "{:.1%}"),
    "ece": ("Expected calibration error", "{:.3f}"), "temperature": ("Temperature, fitted on validation", "{:.2f}"),
    "ece_scaled": ("Expected calibration error after scaling", "{:.3f}"), "nll": ("Negative log-likelihood, nats", "{:.3f}"),
    "nll_scaled": ("Negative log-likelihood after scaling, nats", "{:.3f}"), "aurc": ("Area under the risk–coverage curve", "{:.3f}"),
}


def arms_table(numbers: dict[str, dict]) -> pd.DataFrame:
    """The arms side by side, a row a number, as text: with several seeds the mean and the standard deviation."""
    def text(entry, form, scale):
        if entry["mean"] is None or entry["mean"] != entry["mean"]:
            return None
        shown = form.format(entry["mean"] * scale)
        return shown if entry["n"] == 1 else f"{shown} ± {form.format(entry['sd'] * scale)}"

    rows = []
    for name, (label, form) in ARM_ROWS.items():
        scale = 100 if name == "train_val_gap" else 1
        rows.append({"": label, **{arm: text(of_arm[name], form, scale) for arm, of_arm in numbers.items()}})
    return pd.DataFrame(rows)


def paired_numbers(before, after, classes: int, draws: int) -> dict:
    """Two runs on the same test images: change of accuracy with its interval, McNemar's test, migration, classes."""
    labels, correct_a, correct_b = before.test.labels, before.test.correct, after.test.correct
    change = compare.difference_of_means(correct_a, correct_b, draws=draws)
    confidence = [confidence_of(run) for run in (before, after)]
    per_class = compare.per_class_change(labels, correct_a, correct_b, classes)
    moved = per_class["p_adjusted"] < 0.05
    return {
        "accuracy_change": change._asdict(), "mcnemar": compare.mcnemar(correct_a, correct_b)._asdict(),
        "migration": compare.migration(labels, before.test.predicted, after.test.predicted, *confidence),
        "classes": {"tested": int(per_class["images"].gt(0).sum()), "better": int((per_class["change"] > 0).sum()),
                    "worse": int((per_class["change"] < 0).sum()), "equal": int((per_class["change"] == 0).sum()),
                    "better_beyond_chance": int((moved & (per_class["change"] > 0)).sum()),
                    "worse_beyond_chance": int((moved & (per_class["change"] < 0)).sum())},
    }


def rejection(run, thresholds) -> pd.DataFrame:
    """What accepting only confident predictions gives, a row a threshold (lib.selective.rejection_table)."""
    return rejection_table(confidence_of(run), run.test.correct, thresholds)


def cases_before_after(selection: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Each selected image in every arm: what it is taken for, with what confidence, and whether that is right."""
    result = selection[["id", "true", "why"]].copy()
    for arm, table in tables.items():
        rows = table.set_index("id").loc[selection["id"]]
        result[f"{arm} predicts"] = rows["predicted"].to_numpy()
        result[f"{arm} confidence"] = rows["confidence"].to_numpy()
        result[f"{arm} right"] = np.where(rows["correct"], "yes", "no")
    return result


def by_cause(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The phantom's images by planted cause: how many, and each arm's accuracy with its 95% interval."""
    rows = []
    for cause, of_cause in next(iter(tables.values())).groupby("cause", sort=False):
        row = {"planted cause": cause, "test images": len(of_cause)}
        for arm, table in tables.items():
            right = int(table.loc[table["cause"] == cause, "correct"].sum())
            low, high = clopper_pearson(right, len(of_cause))
            row |= {f"{arm} accuracy": right / len(of_cause), f"{arm} low": float(low), f"{arm} high": float(high)}
        rows.append(row)
    return pd.DataFrame(rows).sort_values("test images", ascending=False, ignore_index=True)


def by_cause_view(causes: pd.DataFrame, arms) -> pd.DataFrame:
    """`by_cause` as it is printed: each accuracy with its interval in one cell."""
    view = causes[["planted cause", "test images"]].copy()
    for arm in arms:
        view[f"{readable(arm)} accuracy (95%)"] = [f"{row[f'{arm} accuracy']:.1%} ({row[f'{arm} low']:.1%} to {row[f'{arm} high']:.1%})"
                                                    for _, row in causes.iterrows()]
    return view


def class_table(before, after, names: list[str]) -> pd.DataFrame:
    """lib.compare.per_class_change with the classes' names."""
    table = compare.per_class_change(before.test.labels, before.test.correct, after.test.correct, len(names))
    return table.set_axis(pd.Index(names, name="class"))


def join_rejection(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The rejection tables of all arms in one, a row for each threshold and arm."""
    joined = pd.concat([table.assign(arm=arm) for arm, table in tables.items()]).sort_values("threshold", kind="stable")
    return joined[["threshold", "arm", "coverage", "errors_accepted", "selective_risk", "risk_low", "risk_high"]].reset_index(drop=True)


def rejection_view(joined: pd.DataFrame) -> pd.DataFrame:
    """`join_rejection` as it is printed: a row a threshold, each arm's coverage, errors and risk side by side."""
    view = pd.DataFrame({"threshold": [level(share) for share in joined["threshold"].unique()]})
    for arm, rows in joined.groupby("arm", sort=False):
        view[f"{readable(arm)} coverage"] = [f"{share:.1%}" for share in rows["coverage"]]
        view[f"{readable(arm)} errors"] = rows["errors_accepted"].tolist()
        view[f"{readable(arm)} risk (95%)"] = [None if row.selective_risk != row.selective_risk else
                                             f"{row.selective_risk:.1%} ({row.risk_low:.1%} to {row.risk_high:.1%})" for row in rows.itertuples()]
    return view


def confidence_of(run) -> np.ndarray:
    """Largest softmax probability of each test image, (N,)."""
    return cal.softmax(run.test.logits).max(1)


def curve(run) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and risk of a run on test."""
    return cal.risk_coverage(confidence_of(run), run.test.correct)


def reliability(run) -> pd.DataFrame:
    return cal.reliability(confidence_of(run), run.test.correct)


def aurc_change(before, after, draws: int) -> dict:
    """Area under the risk-coverage curve, after minus before, with its paired interval; below 0 is better."""
    def difference(confidence_a, correct_a, confidence_b, correct_b):
        return cal.aurc(confidence_b, correct_b) - cal.aurc(confidence_a, correct_a)

    columns = confidence_of(before), before.test.correct, confidence_of(after), after.test.correct
    return compare.paired_bootstrap(difference, *columns, draws=draws)._asdict()
