"""What a report says of arms that were not trained here: what they are, what they were asked before
they were believed, and what was noticed.
"""

from lib.base import artefacts
from lib.base.text import escape, name, shorten
from lib.training.intake import EXAMINATION


def numbers(runs: dict) -> dict:
    """By arm that was brought, of `runs` {arm: run}: `examined`, a summary, and `answers`, as
    lib.training.examination gives them; `notes` of what was noticed in a file of predictions."""
    return {
        arm: {
            "examined": run.info.get("examined"),
            "answers": _answers(run.path / EXAMINATION),
            "notes": run.info.get("notes", []),
        }
        for arm, run in runs.items()
        if run.info.get("origin", "trained") != "trained"
    }


def _answers(path) -> list[dict]:
    """What was asked and said when the arm was taken in."""
    return artefacts.read_json(path)["answers"] if path.is_file() else []


def warnings(results: dict) -> list[tuple[str, dict]]:
    """(arm, answer) of each question that warns."""
    return [
        (arm, answer)
        for arm, found in results["study"]["brought"].items()
        for answer in found["answers"]
        if answer["verdict"] == "warning"
    ]


def examined(results: dict) -> str:
    """The row of the set-up; "" where no network was brought."""
    said = [
        f"{name(arm)}, {found['examined'].removeprefix('examined: ')}"
        for arm, found in results["study"]["brought"].items()
        if found["examined"]
    ]
    return f"What was brought was examined before it was believed: {'; '.join(said)}." * bool(said)


def footer(results: dict) -> str:
    """What was warned of, in few words; "" for nothing."""
    warned = warnings(results)
    if not warned:
        return ""
    arm, answer = warned[0]
    more = f"; {len(warned) - 1} more" * (len(warned) > 1)
    return f"{shorten(arm, 24)}: not “{answer['question']}”{more}."


def chapter(results: dict) -> str:
    """What every brought arm was asked, and what was noticed."""
    parts = [_of_arm(arm, found) for arm, found in results["study"]["brought"].items()]
    return "\n\n".join(
        [
            "What is brought is looked at before it is believed: a network is asked questions on "
            "some images and, once, of all its rows; a file of predictions is read by rules that "
            "look at the whole of it, and asked whether its classes are those of its labels.",
            *parts,
        ]
    )


def _of_arm(arm: str, found: dict) -> str:
    passed = [one["question"] for one in found["answers"] if one["verdict"] == "passed"]
    told = [
        f"- {one['verdict']}, {one['question']}: {escape(one['line'])}"
        for one in found["answers"]
        if one["verdict"] != "passed"
    ]
    head = f"**{name(arm)}**" + (f", {found['examined']}." if found["examined"] else ".")
    if passed:
        head += f" Passed: {'; '.join(passed)}."
    return "\n".join([head, "", *told, *(f"- {escape(line)}" for line in found["notes"])]).strip()
