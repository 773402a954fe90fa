"""Conditions that a study's numbers must meet, as its file states them: `python -m lib conditions
STUDY` prints each with the measured number.
"""

import argparse
from typing import Annotated

import pandas as pd
from pydantic import Field, model_validator

from lib.base import artefacts, config, study_file
from lib.base.config import Entry
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


def read_conditions(stated: list[dict], source: str = "conditions") -> list[Condition]:
    """The conditions of a study, as its file states them. Raises ParameterError with one line for
    every mistake, in which the file is `source`."""
    words = config.entry_words(Conditions, Condition)
    return config.check_entries(source, {"conditions": stated}, Conditions, words).conditions


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
    """Exit status: 0 when all conditions hold, 1 when one fails or was not measured."""
    parser = argparse.ArgumentParser(prog="python -m lib conditions", description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--outputs", default="outputs", help="folder of all studies")
    options = parser.parse_args(arguments)
    study = study_file.read(options.study)
    results = artefacts.ROOT / options.outputs / study.name / "results.json"
    stated = read_conditions(study.content.conditions, str(study.path))
    checked = check_conditions(stated, artefacts.read_json(results))
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
