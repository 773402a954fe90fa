"""Short facts that page one and the body share: what the arms differ in, whether they differ at
all, in which images, and above which confidence they may be relied on."""

import math
import re

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact, ttest_ind_from_stats

from lib.base import artefacts
from lib.base.text import compared, listed, percent, plural, readable, settled
from lib.data.dataset import Splits
from lib.diagnosis.mixture import PRECISION
from lib.diagnosis.score import FOUND, RIGHT, SHARE
from lib.evaluation import scope, severity
from lib.evaluation.paired import paired_runs
from lib.evaluation.rejection import OUTCOMES
from lib.evaluation.selective import clopper_pearson, fewest
from lib.evaluation.summary import missing
from lib.report import style
from lib.report.judgement import CONTRADICTED, FAILED

# a cause as a reader calls the images that carry it
CAUSES = {
    "background": "misleading backgrounds",
    "look_alike": "look-alikes",
    "second_object": "second objects",
    "label_error": "label errors",
    "none": "ordinary images",
}
# why verdicts are withheld where the causes' shares are known
UNSURE = f"its test promises no verdict right {percent(PRECISION, 0)} of the time"
AMOUNT = re.compile(r" of a batch with probability .*$| of \d+ px$| \(else .*\)$| [\d.]+$")
WORST = 8  # classes of a single arm
BEYOND = 1.96  # standard errors that a 95% interval reaches


def identical(results: dict) -> bool:
    """Whether both arms predict the same class of every test image, in every seed."""
    compare = results["compare"]
    return bool(compare["after"]) and compare["churn"]["between_arms"]["class"] == 0


def alike(results: dict) -> bool:
    """Whether they are as sure of it besides."""
    changes = results["compare"].get("changes", {}).values()
    return identical(results) and not any(change["estimate"] for change in changes)


def change(results: dict) -> str:
    """What became of accuracy: "higher", "lower", "none", "open", or "same" where the arms are
    one."""
    if identical(results):
        return "same"
    return settled(results["compare"]["accuracy_change"], results["compare"]["mcnemar"])


def several(results: dict) -> bool:
    """Whether a sentence may be about the method."""
    return scope.about(len(results["compare"]["seeds"])) == scope.METHOD


def method(results: dict) -> str:
    """What the arm after was trained with in addition, whole: "CutMix and label smoothing"."""
    before, after = results["compare"]["before"], results["compare"]["after"]
    words = [AMOUNT.sub("", text) for text in results["study"]["changes"][before][after]]
    if set(results["study"].get("origins", {}).values()) - {"trained"}:
        return readable(after)
    return listed(words) or "the same settings"


# Images by what is known of them.


def _kinds(splits: Splits) -> tuple[str, np.ndarray]:
    """What test images are grouped by, and each one's group: planted cause, superclass or class."""
    test, labels = splits.test, np.asarray(splits.test.labels)
    if test.planted is not None:
        return "cause", test.planted["cause"].to_numpy().astype(str)
    if severity.has_superclasses(splits.superclass):
        return "superclass", np.array(splits.superclass_names)[
            np.asarray(splits.superclass)[labels]
        ]
    return "class", np.array(splits.class_names)[labels]


def groups(here) -> list[dict]:
    """Accuracy of the compared arms by planted cause, superclass or class, and the errors that the
    second one adds; those that it adds most to first, of one arm the least accurate first.

    here: lib.study.Study. Records: kind, group, images, <arm>, low and high (exact limits of the
    first arm's), extra and its standard error `extra_se` (None of one arm). Means over the seeds by
    which the arms are paired; limits and standard errors are of images."""
    kind, of = _kinds(here.splits)
    runs = zip(here.pair, paired_runs(*(here.runs[arm] for arm in here.pair)))
    right = {arm: np.mean([run.test.correct for run in of_arm.values()], 0) for arm, of_arm in runs}
    rows = [
        _group(kind, group, {arm: right[arm][of == group] for arm in right})
        for group in np.unique(of)
    ]
    first = here.pair[0]
    return sorted(rows, key=lambda row: row[first] if row["extra"] is None else -row["extra"])


def _group(kind: str, group, right: dict[str, np.ndarray]) -> dict:
    """A record of `groups`; right: by arm the share of seeds that get each image right."""
    first, *second = right.values()
    low, high = clopper_pearson(round(first.sum()), len(first))
    row = {"kind": kind, "group": str(group), "images": len(first), "extra": None, "extra_se": None}
    row |= {"low": float(low), "high": float(high)}
    row |= {arm: float(share.mean()) for arm, share in right.items()}
    for other in second:
        change = first - other
        row["extra"] = float(change.sum())
        row["extra_se"] = float(change.std() * len(change) ** 0.5)
    return row


def worst_classes(here) -> list[dict]:
    """The classes that the first arm's first network gets right least often, with exact limits."""
    run, names = here.first[here.pair[0]], here.splits.class_names
    rows = []
    for number in np.unique(run.test.labels):
        right = run.test.correct[run.test.labels == number]
        wrong = int((~right).sum())
        low, high = clopper_pearson(wrong, len(right))
        rows.append(
            {
                "class": names[number],
                "images": len(right),
                "accuracy": float(right.mean()),
                "low": 1 - float(high),
                "high": 1 - float(low),
            }
        )
    return sorted(rows, key=lambda row: (row["accuracy"], row["class"]))[:WORST]


def owner(results: dict) -> dict | None:
    """The group with the largest share of the change, in its direction; None without a change, and
    where another group's part may be as large."""
    rows, found = results["groups"], change(results)
    if found not in ("lower", "higher") or not rows:
        return None
    row, *others = rows if found == "lower" else rows[::-1]
    for other in others:
        apart = abs(row["extra"] - other["extra"])
        if apart <= BEYOND * np.hypot(row["extra_se"], other["extra_se"]):
            return None
    total = sum(one["extra"] for one in rows)
    return row | {"share": row["extra"] / total if total else 0.0}


def hardest(results: dict) -> dict:
    """The group that the first arm gets right least often, and whether it is so `alone`: its
    interval lies below all others; wrong labels, which are errors by definition, aside."""
    rows = [row for row in results["groups"] if row["group"] != "label_error"]
    row, *others = sorted(rows, key=lambda row: row[results["compare"]["before"]])
    return row | {"alone": all(row["high"] < other["low"] for other in others)}


def called(group: dict) -> str:
    """A group's name for a reader, a plural, not escaped."""
    name = CAUSES.get(group["group"], group["group"].replace("_", " "))
    return f"{name} images" if group["kind"] == "class" else name


def wrong_labels(results: dict) -> str:
    """That planted wrong labels count as errors, where there are some; else ""."""
    number = sum(row["images"] for row in results["groups"] if row["group"] == "label_error")
    return (
        f"{plural(number, 'wrong label')} {'counts' if number == 1 else 'count'} as errors"
        if number
        else ""
    )


def part(share: float) -> str:
    """A share in words."""
    words = {
        0.95: "nearly all",
        0.75: "most",
        0.52: "more than half",
        0.48: "half",
        0.42: "nearly half",
        0.3: "about a third",
    }
    return next((text for least, text in words.items() if share >= least), "the largest part")


def equally_sure(results: dict) -> list[str]:
    """The compared arms that make every prediction with one confidence, as a table of classes
    alone: there is no surest answer."""
    found = []
    for arm in compared(results["compare"]):
        numbers = results["compare"]["arms"][arm]
        ends = [numbers[f"confidence_on_{which}"]["mean"] for which in ("errors", "right")]
        if None not in ends and np.isclose(*ends, rtol=1e-9):
            found.append(arm)
    return found


def surest_differ(results: dict) -> bool:
    """Whether the arms' errors among the fifth that each network is surest of differ beyond chance:
    by Welch's test over the seeds, of one network each by Fisher's exact test."""
    compare, fifth = results["compare"], round(0.2 * results["study"]["sizes"]["test"])
    rows = {row["arm"]: row for row in compare["confident_errors"]}
    pair = [rows[compare["before"]], rows[compare["after"]]]
    seeds = [compare["arms"][row["arm"]]["test_accuracy"]["n"] for row in pair]
    wrong = [row["top 20%"] for row in pair]
    if min(seeds) == 1:
        return fisher_exact([[round(of), fifth - round(of)] for of in wrong]).pvalue < 0.05
    spread = [row["top 20% sd"] for row in pair]
    (one, other), (a, b), (n, m) = wrong, spread, seeds
    return ttest_ind_from_stats(one, a, n, other, b, m, equal_var=False).pvalue < 0.05


# What may be relied on.


def kept(results: dict) -> dict | None:
    """Of the thresholds that validation promised, of those that test bears out best, the one that
    accepts most test images: arm, threshold, lowest, coverage, selective_risk, outcome, and
    `other`, the same of the other arm; None where validation allows none.

    Of several seeds an arm counts only where each has a threshold; the numbers are their means, the
    threshold is the highest and `lowest` the lowest, for each network has its own, and the outcome
    is the worst."""
    arms = {}
    for row in results["compare"]["promises"]:
        arms.setdefault(row["arm"], []).append(row)
    found = [
        {
            "arm": arm,
            "threshold": max(row["threshold"] for row in rows),
            "lowest": min(row["threshold"] for row in rows),
            "coverage": float(np.mean([row["coverage"] for row in rows])),
            "selective_risk": float(np.mean([row["selective_risk"] for row in rows])),
            "outcome": max((row["outcome"] for row in rows), key=OUTCOMES.index),
        }
        for arm, rows in arms.items()
        if arm in compared(results["compare"])
        if all(row["selective_risk"] is not None for row in rows)
    ]
    if not found:
        return None
    best, *others = sorted(
        found, key=lambda row: (OUTCOMES.index(row["outcome"]), -row["coverage"])
    )
    return best | {"other": others[0] if others else None}


def allowed(results: dict) -> str:
    """ "2 of 6 networks": those of the compared arms that validation allows a threshold that
    accepts any test image; "" where it allows none."""
    arms = compared(results["compare"])
    rows = [row for row in results["compare"]["promises"] if row["arm"] in arms]
    there = sum(row["selective_risk"] is not None for row in rows)
    return f"{there} of {plural(len(rows), 'network')}" * (there > 0)


def too_few(results: dict) -> int:
    """How many validation images there are, where they are too few to promise the study's risk
    whatever is answered; else 0."""
    rows = results["study"]["sizes"]["val"]
    return rows if rows < fewest(results["compare"]["target_risk"]) else 0


def sure(threshold: float) -> str:
    """A threshold of confidence, rounded up, so that no image below it is let in."""
    digits = 1 if threshold <= 0.999 else 3
    places = 10 ** (digits + 2)
    return percent(math.ceil(round(places * threshold, 6)) / places, digits)


def conditions(results: dict) -> tuple[int, list[dict], int]:
    """How many of the study's conditions passed, those missed, and how many could not be tested:
    what needs an arm or a number that is not there is not missed."""
    rows = results["conditions"]
    untested = [row for row in rows if row["measured"] is None]
    missed = [row for row in rows if row["measured"] is not None and not row["passed"]]
    return len(rows) - len(untested) - len(missed), missed, len(untested)


# What the rule says of errors.


def varied(verdicts: list[str], shown: int) -> list[int]:
    """The order of cases with these verdicts in which the first `shown` are as different as can be;
    otherwise as they come."""
    first = [verdicts.index(verdict) for verdict in dict.fromkeys(verdicts)][:shown]
    rest = [place for place in range(len(verdicts)) if place not in first]
    cut = shown - len(first)
    return sorted(first + rest[:cut]) + rest[cut:]


# How far the diagnosis can be trusted.


def diagnosis(results: dict) -> dict | None:
    """Its score on the planted errors of the first arm that was asked: `found`, the share of a
    planted cause that it finds on average, `each`, that of each cause, and `called`, the share of
    errors without one that get one, each {estimate, low, high}; the causes whose verdicts are
    `trusted`; None where it has no score. On a phantom, where the causes of the real errors are
    known and some act, these are of those errors, and `right` has how often each trusted verdict
    is, else None."""
    rule = next(iter((results["gradcam"].get("rule") or {}).values()), None)
    if not rule:
        return None
    marks, trusted = rule["score"], rule["mixture"]["trusted"] if rule["mixture"] else []
    found, called, rows = marks["macro recall"], marks["called"], results["gradcam"]["agreement"]
    known = {(row["measure"], row["cause"]): truth(row) for row in rows or ()}
    told = bool(known) and known[FOUND, "mean of causes"]["estimate"] is not None
    if told:
        found, called = (known[FOUND, of] for of in ("mean of causes", "nothing called something"))
    right = {cause: known[RIGHT, cause] for cause in trusted} if told else None
    each = {
        cause: known[FOUND, cause] if told else marks[f"recall {cause}"]
        for cause in CAUSES
        if (FOUND, cause) in known or f"recall {cause}" in marks
    }
    return {
        "found": found,
        "each": {cause: one for cause, one in each.items() if not missing(one["estimate"])},
        "called": called,
        "trusted": trusted,
        "right": right,
    }


def trusted(results: dict) -> dict[str, list[str]]:
    """The causes whose verdicts may be given, of each arm that was asked."""
    rules = results["gradcam"].get("rule") or {}
    return {arm: (rule["mixture"] or {}).get("trusted") or [] for arm, rule in rules.items()}


def unnamed(rules: dict) -> dict[str, str]:
    """The arms of whose errors no cause is named, and why; rules: of gradcam's numbers."""
    return {
        arm: (of["mixture"]["obstacle"] or UNSURE).partition(" (")[0]
        for arm, of in rules.items()
        if of["mixture"] and not of["mixture"]["trusted"]
    }


def proven(results: dict) -> dict | None:
    """`diagnosis` where it names causes: some verdict is trusted."""
    found = diagnosis(results)
    return found if found and found["trusted"] else None


def planted_shares(results: dict) -> dict[str, float]:
    """On a phantom the share of each cause among the errors that were read, by what was planted;
    else empty."""
    rows = results["gradcam"]["agreement"] or []
    return {row["cause"]: row["all found"] for row in rows if row["measure"] == SHARE}


def truth(row: dict) -> dict:
    """What was found, of a row of lib.diagnosis.score.agreement."""
    ends = {"estimate": row["found"], "low": row["found low"], "high": row["found high"]}
    return ends | {"errors": row["errors"]}


def classes_figure(results: dict) -> str:
    """The figure of the classes' changes that stands in the body."""
    many = results["compare"]["classes"]["tested"] > style.FEW_CLASSES
    return "classes-few" if many else "classes"


# The first error that has a card.


def first_card(here) -> dict | None:
    """What the first card shows: id, the names of the true and of the wrong class, the bars as
    lib.report.cards.probe_bars has them, the planted cause, None where it is not known; None
    without cards. here: lib.study.Study."""
    kept = here.folder / "figures" / "cards-1.csv"
    # those of an earlier run may lie there still
    pages = artefacts.read_json(here.folder / "results" / "gradcam.json").get("pages")
    if not pages or not kept.is_file():
        return None
    names = {"id": str, "true_class": str, "wrong_class": str}
    table = pd.read_csv(kept, dtype=names, keep_default_na=False)
    first = table.iloc[0]
    bars = table[table["id"] == first["id"]][["picture", "wrong", "true"]]
    rows = here.selection[here.selection["id"].astype(str) == first["id"]]
    return {
        "id": first["id"],
        "true": first["true_class"],
        "wrong": first["wrong_class"],
        "bars": bars.to_dict("records"),
        "cause": rows["cause"].iloc[0] if "cause" in rows and len(rows) else None,
    }


# What an earlier study claimed and was not found.


def facts_table(ledger: dict) -> pd.DataFrame:
    """One row a fact: the claim that states it first, the number of claims, claimed, measured and
    the hardest verdict that any of them got."""
    rows = []
    for fact in ledger["facts"]:
        first = ledger["claims"][fact["claims"][0]]
        rows.append(
            {
                "claim": first["statement"],
                "claims": len(fact["claims"]),
                "claimed": first["claimed"],
                "measured": first["measured"],
                "verdict": CONTRADICTED if fact["contradicted"] else FAILED,
            }
        )
    return pd.DataFrame(rows, columns=["claim", "claims", "claimed", "measured", "verdict"])


FACTS_CAPTION = (
    "What the earlier study claimed and this one did not find: the claim that states it first, how "
    "many claims hang on it, and the hardest verdict that any of them got. Contradicted: the "
    "interval lies beyond a bound stated beforehand; not reproduced: it does not show what was "
    "claimed."
)
