"""The page that holds a study against the assignment it was made for: what was asked, the section
where it stands, and whether it is met, all from results.json."""

import pandas as pd

from lib.base.text import count, escape, listed, plural, see
from lib.report import training

CAPTION = (
    "What the assignment asks, the section of this report that has it, and whether this study "
    "meets it."
)
# images of the official files: train, of which validation is set aside, and test
OFFICIAL = {"CIFAR-10": (50_000, 10_000), "CIFAR-100": (50_000, 10_000)}
EPOCHS, FAILURES = 50, 3  # what the assignment asks
SURE = 0.9  # confidence from which an error counts as a confident one


# Each item: what this study has of it, in words, and whether that meets it.


def _pair(results: dict) -> list[str]:
    compare = results["compare"]
    return [arm for arm in (compare["before"], compare["after"]) if arm]


def _split(results: dict) -> tuple[str, bool]:
    data, sizes = results["study"]["data"], results["study"]["sizes"]
    found = (sizes["train"] + sizes["val"], sizes["test"])
    said = f"{data}: {sizes['train']:,} train, {sizes['val']:,} validation, {sizes['test']:,} test"
    return said, OFFICIAL.get(data) == found


def _from_scratch(results: dict) -> tuple[str, bool]:
    origins = results["study"].get("origins", {})
    brought = [arm for arm in _pair(results) if origins.get(arm, "trained") != "trained"]
    return ("brought: " + listed(brought) if brought else "trained here"), not brought


def _seed(results: dict) -> tuple[str, bool]:
    seeds = [results["study"]["seeds_of_arms"][arm] for arm in _pair(results)]
    return "; ".join(listed(list(map(str, of))) for of in seeds), len(set(map(tuple, seeds))) == 1


def _epochs(results: dict) -> tuple[str, bool]:
    epochs = results["study"]["epochs_of_arms"]
    return listed(list(map(str, epochs))), bool(epochs) and max(epochs) <= EPOCHS


def _named(results: dict) -> list[dict]:
    """The confident failures that have a hypothesis: named cases of the first arm."""
    before = results["compare"]["before"]
    return [
        case
        for case in results["compare"]["cases"]
        if case["why"] == "named"
        and case[f"{before} right"] == "no"
        and case[f"{before} confidence"] >= SURE
    ]


def _failures(results: dict) -> tuple[str, bool]:
    named = [str(case["id"]) for case in _named(results)]
    said = f"{count(len(named))}" + (f": {listed(named)}" if named else "")
    return said, len(named) >= FAILURES


def _maps(results: dict) -> tuple[str, bool]:
    found = results["gradcam"]
    shown = found["images"] if found.get("cells") else 0
    return (f"of {plural(shown, 'image')}" if shown else "none"), shown > 0


def _remedy(results: dict) -> tuple[str, bool]:
    pair, changes = _pair(results), results["study"]["changes"]
    changed = changes.get(pair[0], {}).get(pair[-1], []) if len(pair) == 2 else []
    return listed(changed) if changed else "none", len(changed) == 1


def _same_cases(results: dict) -> tuple[str, bool]:
    pair, cases = _pair(results), results["compare"]["cases"]
    both = [case for case in cases if all(case.get(f"{arm} predicts") for arm in pair)]
    return (
        f"{plural(len(both), 'image')} in {plural(len(pair), 'arm')}",
        len(pair) == 2 and len(both) == len(cases) > 0,
    )


def _limits(results: dict) -> tuple[str, bool]:
    said = bool(training.limits(results).strip())
    return ("stated" if said else "none"), said


# what is asked, the section's title, and how it is judged
ITEMS = [
    ("the official split", "What was done", _split),
    ("trained from scratch", "Training", _from_scratch),
    ("a fixed seed, the same before and after", "What was done", _seed),
    (f"at most {EPOCHS} epochs", "Training", _epochs),
    (
        f"at least {FAILURES} failures at {SURE:.0%} confidence or more with a hypothesis each",
        "Where it fails",
        _failures,
    ),
    ("maps of where the evidence lies", "What the maps are worth", _maps),
    ("exactly one remedy", "Did the remedy work", _remedy),
    ("the same cases before and after", "Did the remedy work", _same_cases),
    ("limits", "Limits", _limits),
]


def table(results: dict) -> pd.DataFrame:
    """One row an item: asked, section, here (what this study has), met (bool)."""
    judged = [(asked, section, *judge(results)) for asked, section, judge in ITEMS]
    return pd.DataFrame(judged, columns=["asked", "section", "here", "met"])


def view(judged: pd.DataFrame) -> pd.DataFrame:
    """`table` as it is printed."""
    return judged.assign(met=["yes" if met else "NO" for met in judged["met"]])


def sentences(results: dict) -> str:
    """How many items are met, and which are not; "" where the study does not ask for the page."""
    if not results.get("brief"):
        return ""
    judged = table(results)
    missed = [escape(asked) for asked in judged["asked"][~judged["met"]]]
    text = (
        f"The assignment asks {plural(len(judged), 'thing')}, and this study has "
        f"{count(int(judged['met'].sum()))} of them ({see('tab-brief')})."
    )
    text += f" **Not met: {listed(missed)}.**" if missed else ""
    return f"## The assignment\n\n{text}"


def exhibits(results: dict) -> list[str]:
    """The table, where the study asks for the page."""
    return ["tables/brief"] if results.get("brief") else []
