"""Calibration of all arms in tables: before and after scaling, and what the confident errors are worth."""

import numpy as np
import pandas as pd

from lib import calibration as cal
from lib.base.text import readable
from lib.measures import MEASURES, with_spread
from lib.selective import counts_at_matched_coverage
from lib.summary import confidence_of

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
        for ending, temperature in (
            ("", "none"),
            ("_scaled", with_spread("temperature", of_arm["temperature"])),
        ):
            rows.append(
                {
                    "arm": readable(arm),
                    "temperature": temperature,
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
    """The top probability that is best for the loss on a certain image, None without label smoothing (its ceiling is 1)."""
    return 1 - smoothing + smoothing / classes if smoothing else None


def confident_errors(trained: dict[str, dict]) -> pd.DataFrame:
    """One row an arm: errors at ≥ 90% and ≥ 99% confidence, and among equally many most confident; means over seeds, and
    their standard deviations (columns "... sd", NaN for one seed). Beside them the ceiling of label smoothing."""
    rows = []
    for arm, of_seeds in trained.items():
        each = pd.DataFrame([_counts(run) for run in of_seeds.values()])
        info = next(iter(of_seeds.values())).info
        rows.append(
            {
                "arm": arm,
                "ceiling": ceiling(info["params"]["label_smoothing"], info["classes"]),
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
    """The same as it is printed, standard deviations behind their means."""
    ceilings = [None if top != top else f"{top:.3f}" for top in table["ceiling"].astype(float)]
    view = pd.DataFrame({"arm": table["arm"].map(readable), "smoothing's ceiling": ceilings})
    for name in (column for column in table if f"{column} sd" in table):
        view[f"errors, {name}"] = [
            f"{mean:.0f}" if sd != sd else f"{mean:.1f} ± {sd:.1f}"
            for mean, sd in zip(table[name], table[f"{name} sd"])
        ]
    return view


def reliability(of_seeds: dict) -> pd.DataFrame:
    """lib.calibration.reliability of every seed, one under the other, with a column `seed`."""
    return pd.concat(
        [
            cal.reliability(confidence_of(run), run.test.correct).assign(seed=seed)
            for seed, run in of_seeds.items()
        ],
        ignore_index=True,
    )
