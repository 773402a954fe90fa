"""The report's sentences on which errors are looked at, on labels and on severity: from results.json and from nothing else."""

from lib.base.text import (
    count,
    escape,
    interval,
    level,
    listed,
    name,
    percent,
    plural,
    points,
    see,
    shares,
    start,
    verdict,
    with_interval,
)
from lib.evaluation.calibration import at_bound
from lib.evaluation.labels import RULE


def bounded(share: dict, digits: int = 0) -> str:
    """A share with its interval: "31% (95% interval 29% to 33%)"."""
    estimate, *ends = shares(share["estimate"], share["low"], share["high"], digits)
    return f"{estimate} ({interval(*ends)})"


def mining(results: dict) -> str:
    """By which rule the images that are looked at were chosen, and from which half of the test split."""
    failures = results["failures"]
    errors = failures["arms"][failures["before"]]["discovery_errors"]
    text = (
        f"The test split is halved by the parity of the image's id, before any network is looked at: even ids are the discovery half "
        f"({failures['discovery_images']:,} images), odd ids the confirmation half. "
    )
    found = (
        "a bound of the search, for validation has no best one"
        if at_bound(failures["temperature"])
        else "fitted on validation"
    )
    if not failures["mined"]:
        return text + "No error was mined, and so no hypothesis comes from the discovery half."
    return text + (
        f"The {plural(failures['mined'], 'mined case')} {'is' if failures['mined'] == 1 else 'are'} of the discovery half: the first of "
        f"the {plural(errors, 'error')} that {name(failures['before'])} makes there, ranked by confidence after temperature scaling "
        f"({failures['temperature']:.2f}, {found}), at most one for a pair of true and predicted class. A temperature "
        "changes no prediction and not the order of classes within an image; it changes which image ranks before which. "
        "Other numbers of this section are of the whole test split."
    )


def suspicious(results: dict) -> str:
    """How many labels are suspected, by which rule, and what the rule is worth where that is known."""
    labels = results["failures"]["labels"]
    runs = labels["runs"]
    counts = [
        f"{numbers['suspected']:,} of {numbers['images']:,} in {'validation' if split == 'val' else split}"
        for split, numbers in labels["splits"].items()
    ]
    text = (
        f"A label is suspected where {RULE}. {'The one run' if runs == 1 else f'The {runs} runs of all arms and seeds'} saw "
        f"neither split in training, and no human judgement enters. Suspected are {listed(counts)}"
        + (
            f"; the runs are unanimous on {labels['unanimous']:,} of those in test."
            if labels["unanimous"] and runs > 2
            else "."
        )
    )
    if results["failures"]["named"]:
        named = [
            f"image {row['id']} (recorded {name(row['true'])}, rather {name(row['suggested'])}"
            + (f"; reviewers: {escape(row['reviewers'])})" if row.get("reviewers") else ")")
            for row in labels["named"]
        ]
        text += (
            f" Of the named cases, {listed(named)} {'is' if len(named) == 1 else 'are'} among them."
            if named
            else " No named case is among them."
        )
    if labels["splits"]["test"]["suspected"]:
        text += f" {see('tab-suspected', 'fig-suspected')} show the most doubtful ones."
    return f"{text} {worth(results)}".rstrip()


def worth(results: dict) -> str:
    """Precision and recall of the suspicion, against the phantom's record or against the reviewers."""
    opinion = results["failures"]["known"]["opinion"]
    if opinion is None or not opinion["suspected"]["all"]:
        return ""
    found = opinion["suspected"]
    if not found["found"] or not found["wanted"]:
        return "How often the suspicion is right cannot be said: " + (
            "none of the suspected test labels was looked at."
            if found["wanted"]
            else "no test label is known to be wrong."
        )
    if opinion["source"] == "planted":
        return (
            f"The phantom knows its {plural(found['wanted'], 'planted label error')} in test: {bounded(found['precision'])} of the "
            f"suspected labels are among them, and {bounded(found['recall'])} of them are suspected. Nothing in the rule was fitted; "
            "what is wrongly suspected are errors that the runs share, whatever their cause."
        )
    alike = opinion["named_alike"]
    return (
        f"Reviewers looked at {found['found']:,} of the {found['all']:,} suspected test labels and rejected "
        f"{bounded(found['precision'])}; of the {found['wanted']:,} labels that they rejected in all, {bounded(found['recall'])} are "
        "suspected. "
        + (
            f"Where they settled on another class, the runs suggest the same for {bounded(alike)} of {plural(alike['of'], 'image')}. "
            if alike["of"]
            else ""
        )
        + f"They were shown {opinion['reviewed']:,} images that confident learning with another network had picked, so nothing is "
        "known of the other labels: recall is of the errors found that way."
    )


def rescored(results: dict) -> str:
    """The headline numbers without known label errors and without near-duplicates."""
    known, before = results["failures"]["known"], results["failures"]["before"]
    parts = []
    if known["opinion"]:
        opinion = known["opinion"]
        what = plural(
            opinion["rejected"],
            *(
                ("planted label error",)
                if opinion["source"] == "planted"
                else (
                    "label that most reviewers did not confirm",
                    "labels that most reviewers did not confirm",
                )
            ),
        )
        shown = (
            ""
            if opinion["source"] == "planted"
            else f" of the {opinion['reviewed']:,} that they were shown"
        )
        parts.append(f"The test split has {what}{shown}. " + errors_of_labels(opinion, before))
    if known["duplicates"] is not None:
        parts.append(
            f"{plural(known['duplicates'], 'test image')} {'has' if known['duplicates'] == 1 else 'have'} a near-duplicate in the "
            "official train file or in the test split."
        )
    if known["sets"]:
        after = results["failures"]["after"]
        parts.append(
            changes(known["sets"], before, after) if after else levels(known["sets"], before)
        )
    if known["missing"]:
        gain = ["with labels that most reviewers did not confirm removed and corrected"] * (
            known["opinion"] is None
        )
        gain += ["without near-duplicates"] * (known["duplicates"] is None)
        parts.append(
            f"Not in the data folder: {listed([f'`{file}`' for file in known['missing']])}, which it takes to show the headline "
            f"numbers {listed(gain)}; `make data` says where to get {'it' if len(known['missing']) == 1 else 'them'}."
        )
    return (
        " ".join(parts)
        or "Nothing is known of wrong labels or near-duplicates in this test split beyond what the runs suspect."
    )


def errors_of_labels(opinion: dict, before: str) -> str:
    if not opinion["errors"]:
        return f"{start(before)} makes no error."
    text = f"They are {bounded(opinion['rejected_among_errors'])} of the errors of {name(before)}"
    if not opinion["sure_errors"]:
        return (
            text
            + f"; it makes none at {level(opinion['sure'])} confidence or more after temperature scaling."
        )
    return text + (
        f", and {bounded(opinion['rejected_among_sure_errors'])} of its {plural(opinion['sure_errors'], 'error')} at "
        f"{level(opinion['sure'])} confidence or more after temperature scaling."
    )


def changes(sets: list[dict], before: str, after: str) -> str:
    """Whether the verdict on the change survives every set of images."""
    words = {"higher": "raises", "lower": "lowers", "none": "is not found to change"}
    said = [verdict(one["change"]) for one in sets]
    ends = [
        points(one["change"]["estimate"])
        for one in sorted(sets, key=lambda one: one["change"]["estimate"])
    ]
    if len(set(said)) == 1:
        number = "both" if len(sets) == 2 else f"all {len(sets)}"
        text = f"{start(after)} {words[said[0]]} accuracy against {name(before)} on {number} sets of test images"
        text += f": estimates from {ends[0]} to {ends[-1]} points"
    else:
        text = f"The verdict depends on the set of test images: {start(after)} " + "; it ".join(
            f"{words[which]} accuracy on {count(said.count(which))} of {len(sets)}"
            for which in words
            if which in said
        )
    return f"{text} ({see('tab-rescored')}). The sets overlap, so they are no independent confirmations."


def levels(sets: list[dict], arm: str) -> str:
    """The accuracy of the one arm on every set of images."""
    shares = sorted(one["accuracy"][arm] for one in sets)
    return f"Its accuracy lies between {percent(shares[0])} and {percent(shares[-1])} on {len(sets)} sets of test images ({see('tab-rescored')})."


def severity(results: dict) -> str:
    """How far the errors are from the truth, by confidence, against chance; and which classes are confused."""
    failures = results["failures"]
    numbers, confused = failures["severity"], failures["confused"]
    shown = []
    if confused:
        shown.append(
            f"The pair that {name(failures['before'])} confuses most is {name(confused['class'])} and {name(confused['other'])}, "
            f"with {plural(confused['errors'], 'error')} in both directions together ({see('tab-confused')})."
        )
    shown.append(
        f"{see('fig-confusion')} has the confusion {'matrices' if failures['after'] else 'matrix'}."
    )
    if numbers is None:
        return " ".join(
            ["These classes have no superclasses, so that every error counts alike.", *shown]
        )
    parts = [
        f"of {plural(of_arm['errors'], 'error')}, {name(arm)} keeps {bounded(of_arm['within'])} inside the true superclass"
        for arm, of_arm in numbers["arms"].items()
        if of_arm["errors"]
    ]
    chance = alike(numbers, lambda of_arm: percent(of_arm["chance"]))
    text = (
        "There is no error to weigh."
        if not parts
        else (
            "O"
            + "; ".join(parts)[1:]
            + f"; of wrong classes drawn at random {chance} would be there ({see('fig-severity')})."
        )
    )
    before = failures["before"]
    return " ".join(
        filter(
            None,
            [
                text,
                by_confidence(numbers["arms"][before], before),
                distance(numbers, failures),
                *shown,
            ],
        )
    )


def alike(numbers: dict, said) -> str:
    """What is said of each arm that makes errors (of all where none does), once where it is the same."""
    made = {arm: of_arm for arm, of_arm in numbers["arms"].items() if of_arm["errors"]}
    texts = {name(arm): said(of_arm) for arm, of_arm in (made or numbers["arms"]).items()}
    return (
        min(texts.values())
        if len(set(texts.values())) == 1
        else listed([f"{text} in {arm}" for arm, text in texts.items()])
    )


def by_confidence(of_arm: dict, arm: str) -> str:
    """Whether confident errors stay inside the superclass more often than less confident ones; said only where the intervals are apart."""
    bands = [band for band in of_arm["bands"] if band["errors"]]
    if len(bands) < 2:
        return ""
    low, high = bands[0], bands[-1]
    ends = [
        f"{percent(band['share'], 0)} of its {plural(band['errors'], 'error')} at {level(band['low'])} to {level(band['high'])} "
        "confidence"
        for band in (low, high)
    ]
    word = (
        "more"
        if high["share_low"] > low["share_high"]
        else "less"
        if high["share_high"] < low["share_low"]
        else ""
    )
    finding = (
        f"its more confident errors stay there {word} often than its less confident ones"
        if word
        else "no difference between its more and its less confident errors was found"
    )
    return (
        f"By confidence after scaling, {name(arm)} keeps {ends[0]} there and {ends[1]}: {finding}."
    )


def distance(numbers: dict, failures: dict) -> str:
    """The mean superclass distance, of all images and of the errors alone."""

    def one(arm, of_arm):
        over = f" ({of_arm['distance_of_errors']:.2f} over its errors)" if of_arm["errors"] else ""
        return f"{of_arm['distance']:.3f} in {name(arm)}{over}"

    levels = listed([one(*entry) for entry in numbers["arms"].items()])
    random = alike(numbers, lambda of_arm: f"{of_arm['chance_distance']:.2f}")
    text = (
        f"The superclass distance of a prediction is 0 if right, 1 for another class of the true superclass, 2 beyond it. Its mean "
        f"over all test images is {levels}; errors at random would have {random}."
    )
    if not failures["after"]:
        return text
    change = numbers["distance_change"]
    word = {
        "higher": "is larger than",
        "lower": "is smaller than",
        "none": "is not found to differ from",
    }[verdict(change)]
    return f"{text} That of {name(failures['after'])} {word} that of {name(failures['before'])} ({with_interval(change, 3)})."
