"""The report's sentences on which errors are looked at, on labels and on severity: from results.json and from nothing else."""
from lib.labels import RULE
from lib.prose import see, verdict
from lib.wording import count, interval, level, listed, name, percent, plural, points, start


def bounded(share: dict, digits: int = 0) -> str:
    """A share with its interval: "31% (95% interval 29% to 33%)"."""
    return f"{percent(share['estimate'], digits)} ({interval(percent(share['low'], digits), percent(share['high'], digits))})"


def mining(results: dict) -> str:
    """By which rule the images that are looked at were chosen, and from which half of the test split."""
    failures = results["failures"]
    errors = failures["arms"][failures["before"]]["discovery_errors"]
    text = (f"The test split is halved by the parity of the image's id, before any network is looked at: even ids are the discovery half "
            f"({failures['discovery_images']:,} images), odd ids the confirmation half. ")
    if not failures["mined"]:
        return text + "No error was mined, and so no hypothesis comes from the discovery half."
    return text + (
        f"The {plural(failures['mined'], 'mined case')} {'is' if failures['mined'] == 1 else 'are'} of the discovery half: its {errors:,} errors of {name(failures['before'])} ranked by "
        f"confidence after temperature scaling ({failures['temperature']:.2f}, fitted on validation), at most one for a pair of true and "
        "predicted class. A temperature changes no prediction and not the order of classes within an image; it changes which image ranks "
        "before which. Other numbers of this section are of the whole test split.")


def suspicious(results: dict) -> str:
    """How many labels are suspected, by which rule, and what the rule is worth where that is known."""
    labels, runs = results["failures"]["labels"], results["failures"]["labels"]["runs"]
    shares = [f"{numbers['suspected']:,} of {numbers['images']:,} in {'validation' if split == 'val' else split}"
              for split, numbers in labels["splits"].items()]
    text = (f"A label is suspected where {RULE}. The {plural(runs, 'run')} of all arms and seeds saw neither split in training, and no human "
            f"judgement enters. Suspected are {listed(shares)}; the runs are unanimous on {labels['unanimous']:,} of those in test.")
    if results["failures"]["named"]:
        named = [f"image {row['id']} (recorded {name(row['true'])}, rather {name(row['suggested'])})" for row in labels["named"]]
        text += f" Of the named cases, {listed(named)} {'is' if len(named) == 1 else 'are'} among them." if named else " No named case is among them."
    if labels["splits"]["test"]["suspected"]:
        text += f" {see('tab-suspected', 'fig-suspected')} show the most doubtful ones."
    return f"{text} {worth(results)}".rstrip()


def worth(results: dict) -> str:
    """Precision and recall of the suspicion, against the phantom's record or against the reviewers."""
    opinion = results["failures"]["known"]["opinion"]
    if opinion is None:
        return ""
    found = opinion["suspected"]
    if not found["found"] or not found["wanted"]:
        return "How often the suspicion is right cannot be said: " + (
            "none of the suspected test labels was looked at." if found["wanted"] else "no test label is known to be wrong.")
    if opinion["source"] == "planted":
        return (f"The phantom knows its {found['wanted']:,} planted label errors in test: {bounded(found['precision'])} of the suspected labels are among "
                f"them, and {bounded(found['recall'])} of them are suspected. The rule was not fitted to either; what is wrongly suspected are "
                "errors that the runs share, whatever their cause. Both numbers are of the whole test split.")
    alike = opinion["named_alike"]
    return (f"Reviewers looked at {found['found']:,} of the {found['all']:,} suspected test labels and rejected {bounded(found['precision'])}; of the "
            f"{found['wanted']:,} labels that they rejected in all, {bounded(found['recall'])} are suspected. "
            + (f"Where they settled on another class, the runs suggest the same one in {bounded(alike)} of {plural(alike['of'], 'image')}. " if alike["of"] else "")
            + f"They were shown {opinion['reviewed']:,} images that confident learning with another network had picked, so nothing is "
            "known of the other labels: recall is of the errors found that way.")


def rescored(results: dict) -> str:
    """The headline numbers without known label errors and without near-duplicates."""
    known, before = results["failures"]["known"], results["failures"]["before"]
    parts = []
    if known["opinion"]:
        opinion = known["opinion"]
        what = "planted label errors" if opinion["source"] == "planted" else f"labels that reviewers rejected (of {opinion['reviewed']:,} they were shown)"
        parts.append(f"The test split has {opinion['rejected']:,} {what}. " + errors_of_labels(opinion, before))
    if known["duplicates"] is not None:
        parts.append(f"{plural(known['duplicates'], 'test image')} {'has' if known['duplicates'] == 1 else 'have'} a near-duplicate in the official train file or in the test split.")
    if known["sets"]:
        parts.append(changes(known["sets"], before, results["failures"]["after"]))
    if known["missing"]:
        parts.append(f"Not in the data folder: {listed([f'`{file}`' for file in known['missing']])}; with "
                     f"{'it' if len(known['missing']) == 1 else 'them'} the headline numbers would "
                     f"{'also ' if known['sets'] else ''}be shown without rejected labels and near-duplicates (`make data` says where they come from).")
    return " ".join(parts) or "Nothing is known of wrong labels or near-duplicates in this test split beyond what the runs suspect."


def errors_of_labels(opinion: dict, before: str) -> str:
    if not opinion["errors"]:
        return f"{start(before)} makes no error."
    text = f"They are {bounded(opinion['rejected_among_errors'])} of the errors of {name(before)}"
    if not opinion["sure_errors"]:
        return text + f"; it makes none at {level(opinion['sure'])} confidence or more after temperature scaling."
    return text + (f", and {bounded(opinion['rejected_among_sure_errors'])} of its {plural(opinion['sure_errors'], 'error')} at "
                   f"{level(opinion['sure'])} confidence or more after temperature scaling.")


def changes(sets: list[dict], before: str, after: str) -> str:
    """Whether the verdict on the change survives every set of images."""
    words = {"higher": "raises", "lower": "lowers", "none": "is not found to change"}
    said = [verdict(one["change"]) for one in sets]
    ends = [points(one["change"]["estimate"]) for one in sorted(sets, key=lambda one: one["change"]["estimate"])]
    if len(set(said)) == 1:
        text = f"{start(after)} {words[said[0]]} accuracy against {name(before)} on {'both' if len(sets) == 2 else f'all {len(sets)}'} sets of test images"
        text += f" (estimates from {ends[0]} to {ends[-1]} points)"
    else:
        text = (f"The verdict depends on the set of test images: {start(after)} "
                + "; it ".join(f"{words[which]} accuracy on {count(said.count(which))} of {len(sets)}" for which in words if which in said))
    return f"{text} ({see('tab-rescored')}). The sets overlap, so they are no independent confirmations."


def severity(results: dict) -> str:
    """How far the errors are from the truth, by confidence, against chance; and which classes are confused."""
    failures = results["failures"]
    numbers, confused = failures["severity"], failures["confused"]
    shown = []
    if confused:
        shown.append(f"The pair that {name(failures['before'])} confuses most is {name(confused['class'])} and {name(confused['other'])}, "
                     f"with {plural(confused['errors'], 'error')} in both directions together ({see('tab-confused')}).")
    shown.append(f"{see('fig-confusion')} has the confusion matrices.")
    if numbers is None:
        return " ".join(["These classes have no superclasses, so that every error counts alike.", *shown])
    chance = percent(numbers["chance"])
    parts = [f"of {plural(of_arm['errors'], 'error')}, {name(arm)} keeps {bounded(of_arm['within'])} inside the true superclass"
             for arm, of_arm in numbers["arms"].items() if of_arm["errors"]]
    text = "O" + "; ".join(parts)[1:] + f"; wrong classes drawn at random would be there in {chance}." if parts else "There is no error to weigh."
    sentences = [text, *[sentence for arm in (failures["before"],) if (sentence := by_confidence(numbers["arms"][arm], arm))], distance(numbers, failures)]
    return " ".join([*sentences, *shown])


def by_confidence(of_arm: dict, arm: str) -> str:
    """Whether sure errors stay inside the superclass more often than unsure ones; said only where the intervals are apart."""
    bands = [band for band in of_arm["bands"] if band["errors"]]
    if len(bands) < 2:
        return ""
    low, high = bands[0], bands[-1]
    ends = [f"{percent(band['share'], 0)} of its {plural(band['errors'], 'error')} at {level(band['low'])} to {level(band['high'])} confidence" for band in (low, high)]
    apart = high["share_low"] > low["share_high"] or high["share_high"] < low["share_low"]
    word = "" if not apart else "more" if high["share"] > low["share"] else "less"
    finding = f"its sure errors stay there {word} often than its unsure ones" if apart else "between its sure and its unsure errors no difference was found"
    return f"By confidence after scaling, {name(arm)} keeps {ends[0]} there and {ends[1]}: {finding} ({see('fig-severity')})."


def distance(numbers: dict, failures: dict) -> str:
    """The mean superclass distance, of all images and of the errors alone."""
    levels = listed([f"{of_arm['distance']:.3f} in {name(arm)}" + (f" ({of_arm['distance_of_errors']:.2f} over its errors)" if of_arm["errors"] else "")
                     for arm, of_arm in numbers["arms"].items()])
    change = numbers["distance_change"]
    ends = interval(f"{change['low']:+.3f}".replace("-", "−"), f"{change['high']:+.3f}".replace("-", "−"))
    word = {"higher": "is larger than", "lower": "is smaller than", "none": "is not found to differ from"}[verdict(change)]
    return (f"The superclass distance of a prediction is 0 if right, 1 for another class of the true superclass, 2 beyond it. Its mean over all test "
            f"images is {levels}; errors at random would have {numbers['chance_distance']:.2f}. That of {name(failures['after'])} {word} that of "
            f"{name(failures['before'])} ({change['estimate']:+.3f}, {ends}).").replace("(-", "(−")
