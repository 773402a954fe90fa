"""An arm in numbers: what the stored predictions of one run, or of several seeds, say."""

import numpy as np
import pandas as pd

from lib import calibration as cal
from lib.base.text import readable, with_limits
from lib.columns import columns, scores, temperature
from lib.measures import MEASURES, with_spread
from lib.selective import augrc, aurc, clopper_pearson, excess_aurc

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
    """The numbers of one run, shares from 0 to 1: accuracies, gap, errors by confidence, calibration, ranking."""
    correct, confidence = run.test.correct, confidence_of(run)
    wrong, fitted = confidence[~correct], temperature(run)
    history = run.history.set_index("epoch")
    return {
        "test_accuracy": correct.mean(),
        "val_accuracy": run.val.correct.mean(),
        "train_accuracy": run.info["train_accuracy"],
        "stream_accuracy": history["stream_accuracy"].iloc[-1],
        "val_loss_lowest_epoch": int(history["val_loss"].idxmin()),
        "train_val_gap": run.info["train_accuracy"] - run.val.correct.mean(),
        "errors": int((~correct).sum()),
        "errors_ge_90": int((wrong >= 0.90).sum()),
        "errors_ge_99": int((wrong >= 0.99).sum()),
        "confidence_on_errors": wrong.mean() if len(wrong) else None,
        "confidence_on_right": confidence[correct].mean() if correct.any() else None,
        "temperature": fitted,
        **_calibration(run.test, 1.0, ""),
        **_calibration(run.test, fitted, "_scaled"),
        **_ranking(run.test),
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
    """AURC, E-AURC and AUGRC of each score of lib.scores; maximum softmax has the plain names."""
    numbers = {}
    for name, score in scores(test).items():
        ending = "" if name == "softmax" else f"_{name}"
        for measure, value in (("aurc", aurc), ("e_aurc", excess_aurc), ("augrc", augrc)):
            numbers[measure + ending] = value(score, test.correct)
    return numbers


def arm_numbers(of_seeds: dict) -> dict:
    """Mean, standard deviation (None for one seed), number of seeds and the values themselves, of every number of an arm."""
    each = pd.DataFrame([run_numbers(run) for run in of_seeds.values()]).astype(float)
    return {
        name: {
            "mean": each[name].mean(),
            "sd": each[name].std() if len(each) > 1 else None,
            "n": len(each),
            "each": each[name].tolist(),
        }
        for name in each
    }


def arms_table(numbers: dict[str, dict]) -> pd.DataFrame:
    """The arms side by side, a row a number, as text: with several seeds the mean and the standard deviation."""
    return pd.DataFrame(
        [
            {
                "": MEASURES[name].label,
                **{arm: with_spread(name, of_arm[name]) for arm, of_arm in numbers.items()},
            }
            for name in ARM_ROWS
        ]
    )


def errors_by_level(trained: dict[str, dict], levels) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Errors made with at least each confidence, mean over seeds and their standard deviation (NaN for one seed).

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
            row |= {
                f"{arm} accuracy": right / len(of_cause),
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
    """What lib.plots.confidence_histograms draws: wrong and right test images in each bin of confidence, means over seeds."""
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
