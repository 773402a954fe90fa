"""The causes that a verdict may name, and what the phantom knows of them."""

import numpy as np
import pandas as pd

CAUSES = ("background", "second_object", "look_alike", "label_error", "unexplained")


def planted(split, position: np.ndarray, wrong) -> pd.DataFrame:
    """What the phantom knows of the errors at these positions: cause, in this module's words, and
    whether it `acts`.

    A planted cause acts if the wrong prediction is the class that it points at; an error without a
    planted cause has nothing to act and counts as "unexplained".
    """
    known = split.planted.iloc[position]
    cause = known["cause"].replace({"none": "unexplained"}).to_numpy()
    return pd.DataFrame(
        {
            "planted": cause,
            "acts": (cause == "unexplained")
            | (known["cause_class"].to_numpy() == np.asarray(wrong)),
        }
    )


def number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
