"""Conditions that a study's numbers must meet: python -m lib.report.conditions RESULTS [CONDITIONS]

Prints each condition with the measured number; exits 0 when all hold, 1 when one fails or was not
measured, 2 when a file cannot be read.
"""

import signal
import sys
from typing import Annotated

import pandas as pd
from pydantic import Field, model_validator

from lib.base import artefacts, config
from lib.base.config import Entry
from lib.base.errors import Error
from lib.report.claims import PATH, Missing, number


class Condition(Entry):
    """A number of results.json and the limits that it must keep, both included."""

    what: Annotated[str, Field(min_length=1)]
    path: Annotated[str, Field(pattern=PATH)]
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _limited(self):
        if self.at_least is None and self.at_most is None:
            raise ValueError("give at_least, at_most or both")
        if None not in (self.at_least, self.at_most) and self.at_least > self.at_most:
            raise ValueError(
                f"at_least {self.at_least:g} is more than at_most {self.at_most:g}: nothing can "
                "meet that"
            )
        return self


class Conditions(Entry):
    conditions: list[Condition]


def read_conditions(path: str) -> list[Condition]:
    """The conditions of a study, none when `path` is "". Raises ParameterError with one line for
    every mistake."""
    return (
        config.read_entries(path, Conditions, config.entry_words(Conditions, Condition)).conditions
        if path
        else []
    )


def check_conditions(conditions: list[Condition], results: dict) -> pd.DataFrame:
    """One row a condition: condition, required, measured (None when it is missing, which is a
    failure), passed."""
    rows = []
    for condition in conditions:
        try:
            measured = number(results, condition.path)
        except Missing:
            measured = None
        passed = measured is not None and all(
            (
                condition.at_least is None or measured >= condition.at_least,
                condition.at_most is None or measured <= condition.at_most,
            )
        )
        rows.append(
            {
                "condition": condition.what,
                "required": _required(condition),
                "measured": measured,
                "passed": passed,
            }
        )
    return pd.DataFrame(
        rows, columns=["condition", "required", "measured", "passed"], dtype=object
    ).astype({"passed": bool})


def _required(condition: Condition) -> str:
    limits = [("at least", condition.at_least), ("at most", condition.at_most)]
    return ", ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None)


def conditions_view(checked: pd.DataFrame) -> pd.DataFrame:
    """`check_conditions` as it is printed."""
    return pd.DataFrame(
        {
            "condition": checked["condition"],
            "required": checked["required"],
            "measured": ["–" if value is None else f"{value:.4g}" for value in checked["measured"]],
            "result": [
                "pass" if row.passed else "not measured" if row.measured is None else "FAIL"
                for row in checked.itertuples()
            ],
        }
    )


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        stated = read_conditions(arguments[1] if len(arguments) == 2 else "")
        checked = check_conditions(stated, artefacts.read_json(arguments[0]))
    except Error as error:
        print(error, file=sys.stderr)
        return 2
    for row in conditions_view(checked).itertuples():
        print(f"{row.result}  {row.condition}: {row.measured} ({row.required})")
    without = checked["measured"].isna().sum()
    print(
        f"{int(checked['passed'].sum())} of {len(checked)} conditions hold"
        + (f", {without} not measured" if without else "")
        if len(checked)
        else "this study states no condition"
    )
    return 0 if checked["passed"].all() else 1


if __name__ == "__main__":
    # a reader that has seen enough, `head` say, is no error
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))
