"""What an arm would do if it answered only from some confidence on: coverage and risk on test, as the report counts them."""
import numpy as np
import pandas as pd

from lib.explorer_study import Arm
from lib.rejection import CURVE
from lib.selective import counts_at_matched_coverage, rejection_table
from lib.wording import percent


def scores(arm: Arm, scaled: bool) -> np.ndarray:
    """The confidence of each test image (N,), before or after temperature scaling."""
    return arm.table["scaled_confidence" if scaled else "confidence"].to_numpy()


def operating_point(arm: Arm, threshold: float, scaled: bool) -> pd.Series:
    """A row of lib.selective.rejection_table: accepted, coverage, errors_accepted, selective_risk and its interval."""
    return rejection_table(scores(arm, scaled), arm.run.test.correct, [threshold]).iloc[0]


def curve(arm: Arm, scaled: bool) -> pd.DataFrame:
    """Risk at each coverage of lib.rejection.CURVE: coverage, risk."""
    counts = counts_at_matched_coverage(scores(arm, scaled), arm.run.test.correct, CURVE)
    counts = counts[counts["accepted"] > 0]
    return pd.DataFrame({"coverage": counts["coverage"], "risk": counts["errors"] / counts["accepted"]})


def in_words(point: pd.Series, images: int) -> dict[str, str]:
    """Coverage and risk as they are printed, with their counts."""
    accepted, errors = int(point["accepted"]), int(point["errors_accepted"])
    risk = "nothing accepted" if not accepted else (
        f"{percent(point['selective_risk'])} ({percent(point['risk_low'])} to {percent(point['risk_high'])})")
    return {"coverage": percent(point["coverage"]), "accepted": f"{accepted:,} of {images:,}", "risk": risk,
            "errors": f"{errors:,} of {accepted:,}" if accepted else "–"}
