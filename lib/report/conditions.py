"""Conditions that a study's numbers must meet, as its file states them: `python -m lib conditions
STUDY` prints each with the measured number.
"""

import argparse
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field, model_validator

from lib.base import artefacts, config, study_file
from lib.base.config import Entry
from lib.base.text import signed
from lib.report.claims import PATH, Missing, number

# what the last two checks measured, and the table for a job summary, in the study's folder
CHECKED, LAST, SUMMARY = "conditions.json", "conditions-last.json", "conditions.md"


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


# The change against the last report, and the same for a job summary.


def with_last(checked: pd.DataFrame, last: pd.DataFrame | None) -> pd.DataFrame:
    """`conditions_view` with what the last report measured and the change from it; without a last
    report, or where it did not measure a condition, these are "–"."""
    # what was not measured is no number of a table
    last = None if last is None else last.astype(object).where(last.notna(), None)
    before = {} if last is None else dict(zip(last["condition"], last["measured"]))
    rows = [(before.get(row.condition), row.measured) for row in checked.itertuples(index=False)]
    view = conditions_view(checked)
    view["last"] = ["–" if one is None else f"{one:.4g}" for one, _ in rows]
    view["change"] = [
        "–" if one is None or now is None else signed(now - one, 4) for one, now in rows
    ]
    return view[["result", "condition", "measured", "required", "last", "change"]]


def as_markdown(view: pd.DataFrame, title: str) -> str:
    """A table of text as Markdown."""
    rows = [list(view), ["---"] * len(view.columns), *view.to_numpy().tolist()]
    cells = [[str(cell).replace("|", r"\|") for cell in row] for row in rows]
    return f"### {title}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"


def _last(folder: Path, conditions: list[Condition], results: dict) -> pd.DataFrame | None:
    """What the last check of another state of the study measured; the current one is kept for the
    next."""
    now, before = folder / CHECKED, folder / LAST
    current = check_conditions(conditions, results).to_dict("records")
    kept = artefacts.read_json(now) if now.is_file() else None
    if kept and kept["results"] != current:
        artefacts.write_json(before, kept)
    artefacts.write_json(now, {"results": current})
    columns = ["condition", "required", "measured", "passed"]
    last = artefacts.read_json(before)["results"] if before.is_file() else None
    return None if last is None else pd.DataFrame(last, columns=columns)


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
    view = with_last(checked, _last(results.parent, stated, artefacts.read_json(results)))
    for row in view.itertuples():
        change = "" if row.change == "–" else f", {row.change} against {row.last}"
        print(f"{row.result}  {row.condition}: {row.measured} ({row.required}){change}")
    if len(checked):
        summary = as_markdown(view, f"Conditions of {study.name}")
        artefacts.write_bytes(results.parent / SUMMARY, summary.encode())
    without = checked["measured"].isna().sum()
    print(
        f"{int(checked['passed'].sum())} of {len(checked)} conditions hold"
        + (f", {without} not measured" if without else "")
        if len(checked)
        else "this study states no condition"
    )
    return 0 if checked["passed"].all() else 1
