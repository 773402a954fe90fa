"""The report's sentences about causes: what the probes say over all errors, the verdicts, and how far both can be trusted."""

from lib import prose_probes
from lib.base.text import listed, name, percent, plural, power_of_ten, readable, see, start
from lib.prose_failures import bounded

AIM_RECALL, AIM_CALLED = 0.90, 0.05


def probing(results: dict) -> str:
    """What was done to the wrong predictions, and whether the hottest cells matter more than any."""
    cam = results["gradcam"]
    wrong = cam.get("sampled", {})
    errors = [
        f"{sum(halves.values()):,} of {plural(wrong[arm], 'error')} of {name(arm)}"
        if arm in wrong
        else f"{plural(sum(halves.values()), 'error')} of {name(arm)}"
        for arm, halves in cam["halves"].items()
        if sum(halves.values())
    ]
    if not errors:
        return "No error is made: there is nothing to probe."
    drawn = (
        f"{listed(errors)}, drawn at random besides the cases" if wrong else f"all {listed(errors)}"
    )
    return (
        f"A map shows where evidence came from; it proves no cause. So the pictures were changed and predicted again: {drawn}, "
        f"each in more than a hundred ways ({see('fig-probes')}). "
        + prose_probes.controls(
            cam["controls"],
            "the hottest quarter of the wrong class's map with the mean colour",
            "random cells of equal area",
        )
    )


def verdicts(results: dict) -> str:
    """Which causes the rule gives to the errors of both arms, on the half of the test split that formed no hypothesis."""
    cam, sentences = results["gradcam"], []
    for arm, counts in cam["verdicts"].items():
        total = sum(counts.values())
        if not total:
            sentences.append(f"{start(arm)} makes no error on the confirmation half.")
            continue
        ranked = sorted((cause for cause in counts if counts[cause]), key=counts.get, reverse=True)
        shares = listed(
            [f"{readable(cause)} {percent(counts[cause] / total, 0)}" for cause in ranked]
        )
        sentences.append(
            f"Of {plural(total, 'error')} of {name(arm)} on the confirmation half it calls {shares}."
        )
    return (
        "One written rule turns the probes of an error into a verdict: background, second object, look-alike, suspected label error, or "
        f"unexplained. {' '.join(sentences)} Mined cases come from the other, the discovery half; named cases may be of either ({see('tab-verdicts')})."
    )


def cases(results: dict) -> str:
    """The verdicts on the cases, the named ones first."""
    found = results["gradcam"]["cases"]
    if not found:
        return "No error was selected, so there is no card."
    named = [case for case in found if case["why"] == "named"]
    scored = results["gradcam"]["score"]
    said = [
        f"{name(case['true'])} taken for {name(case['predicted'])} ({case['id']}) is called {readable(case['verdict'])}"
        + (f" with probability {percent(case['probability'], 0)}" if scored else "")
        for case in named
    ]
    hypothesis = (
        ""
        if scored
        else "On this data set nobody knows how often the rule is right: each verdict is a hypothesis. "
    )
    text = (
        f"{hypothesis}Of the named cases that the network gets wrong, {listed(said)}. "
        if said
        else hypothesis
    )
    return text + (
        f"{relabelled(results, named)}{see('tab-cards')} says of each case what led to its verdict and what would have refuted it. A "
        "probability under the rule is one among errors like the phantom's, in equal shares; on photographs it is no frequency."
    )


def relabelled(results: dict, named: list[dict]) -> str:
    """Named cases that most reviewers call what the network calls them: there the label is in doubt, whatever the verdict."""
    opinion = results["failures"]["known"].get("opinion") or {}
    corrected = {case["id"]: case["corrected"] for case in opinion.get("named", [])}
    said = [
        f"{case['id']} ({name(case['predicted'])}, labelled {name(case['true'])})"
        for case in named
        if corrected.get(case["id"]) == case["predicted"]
    ]
    return (
        f"Most reviewers call {listed(said)} what the network calls it: there the label is in doubt, whatever the verdict. "
        if said
        else ""
    )


def maps(results: dict) -> str:
    """Completeness, deletion and insertion, occlusion, random weights, spread."""
    cam = results["gradcam"]
    text = f"The maps of {see('fig-gradcam')} have {cam['cells'][0]}×{cam['cells'][1]} cells at {cam['layer']}."
    if cam["completeness_error"] is not None:
        text += (
            " With average pooling and one linear layer behind them, the sum over a map plus the class's bias must equal the "
            f"logit: the largest deviation is {power_of_ten(cam['completeness_error'])} logits."
        )
    if not cam["faithfulness"]:
        return text
    parts = [
        text,
        f"{prose_probes.faithfulness(cam['faithfulness'])} {prose_probes.occlusion(cam['occlusion'])} See {see('fig-deletion')}.",
        f"{prose_probes.randomisation(cam['randomisation'], cam['chance'])} See {see('fig-sanity')}.",
    ]
    if cam["attention"]:
        parts.append(prose_probes.attention(cam["attention"], cam["before"], cam["after"]))
    return "\n\n".join(parts)


def first_page(results: dict) -> str:
    """The phantom's score in a sentence for the first page; nothing for other data."""
    score = results["gradcam"]["score"]
    if not score:
        return ""
    return (
        f"The causes of failure are planted here, so the diagnosis is marked: it finds {share(score['acting']['macro recall'])} of those that "
        f"point at the predicted class, on average over four causes and {plural(score['phantoms'], 'phantom')} ({see('tab-score')})."
    )


def instrument(results: dict) -> str:
    """What the rule is, and its score on the phantom, if the study is one."""
    cam = results["gradcam"]
    rule, score = cam["rule"], cam["score"]
    text = (
        f"The rule is a multinomial logistic regression on {rule['statistics']} statistics of the probes, fitted on "
        f"{plural(rule['errors'], 'error')} on the validation splits of {plural(rule['phantoms'], 'phantom')}, where the causes are planted, "
        "and the same for every data set."
    )
    size = results["study"]["image_size"]
    if size != 32:
        text += (
            f" Those have 32 px and maps of 4×4 cells; on the {size} px of this study, where what the probes cover grows in proportion and "
            "maps are summed up in 4×4 cells, its probabilities are an extrapolation."
        )
    if not score:
        return (
            text
            + (
                " On this data set its score is not known. The phantom's pictures are drawn, not photographed: a verdict here is a "
                f"hypothesis with its evidence, no proof. {reviewers(cam['reviewed'])}"
            ).rstrip()
        )
    marks = score["acting"]
    causes = listed(
        [f"{readable(cause)} {share(marks[f'recall {cause}'])}" for cause in score["causes"]]
    )
    rest = " ".join(
        filter(
            None,
            (f"{share(marks['called'])} get one nevertheless.", aims(marks), worst(score["worst"])),
        )
    )
    return (
        f"{text}\n\nIt was marked on the confirmation halves of {plural(score['phantoms'], 'phantom')}, each with a network of its own, on "
        f"{plural(score['errors'], 'error')} whose planted cause points at the predicted class, or that have none: it finds "
        f"{share(marks['macro recall'])} of the causes, the mean of {causes}. Of errors without a planted cause, "
        f"{rest}{others(score)}{second_arm(cam['score_after'])}"
    )


def second_arm(score: dict | None) -> str:
    """The rule's score on the errors of the arm after, whose like it was not fitted on."""
    if not score or not score["errors"]:
        return ""
    return (
        f"\n\nThe rule was fitted on errors of networks trained like {name(score['before'])}. On {plural(score['errors'], 'such error')} of {name(score['arm'])} "
        f"it finds {share(score['macro recall'])} of the causes; the shares that {see('tab-verdicts')} gives for {name(score['arm'])} are no surer than that."
    )


def others(score: dict) -> str:
    """The errors that are not marked, and the mean with them."""
    if not score["others"]:
        return ""
    return (
        f"\n\nFor {plural(score['others'], 'more error')} the planted cause does not point at the predicted class: the reason is some other, "
        f"which nobody planted. Counted as planted all the same, the mean is {share(score['strict']['macro recall'])}."
    )


def reviewers(reviewed: dict | None) -> str:
    """The one verdict that others can check: did reviewers confirm the labels that the rule calls errors?"""
    if not reviewed or not reviewed["called"]["errors"] or not reviewed["others"]["errors"]:
        return ""
    called, others = reviewed["called"], reviewed["others"]
    found = (
        "more often than others"
        if called["low"] > others["high"]
        else "less often than others"
        if called["high"] < others["low"]
        else "no difference was found"
    )
    return (
        f"One verdict can be checked. Of {plural(called['errors'], 'reviewed error')} that it calls label errors, most reviewers did not confirm "
        f"{share(called)}, of the {others['errors']:,} others {share(others)}: {found}."
    )


def share(entry: dict) -> str:
    return "an unknown share" if entry["estimate"] is None else bounded(entry)


def aims(marks: dict) -> str:
    """Whether the aims were reached: this much recall at least, and no more than this share called."""
    recall, called = marks["macro recall"], marks["called"]
    if recall["estimate"] is None or called["estimate"] is None:
        return ""
    reached = listed(
        [
            f"the aim of at least {percent(AIM_RECALL, 0)} found is {'reached' if recall['estimate'] >= AIM_RECALL else 'missed'}",
            f"that of at most {percent(AIM_CALLED, 0)} called is {'reached' if called['estimate'] <= AIM_CALLED else 'missed'}",
        ]
    )
    unsettled = (
        recall["low"] < AIM_RECALL <= recall["high"] or called["low"] <= AIM_CALLED < called["high"]
    )
    return f"Of its aims, {reached}" + (
        ", by the estimates; not every interval settles it." if unsettled else "."
    )


def worst(confused: dict) -> str:
    """The instrument's most frequent mistake, with one case of it."""
    if not confused["errors"]:
        return "It makes no mistake among these."
    text = (
        f"Its most frequent mistake, made {plural(confused['errors'], 'time')}, is to call {readable(confused['planted'])} "
        f"{readable(confused['diagnosed'])}"
    )
    if confused["id"] is None:
        return text + "."
    return (
        f"{text}: test image {confused['id']} of this study, {name(confused['true'])} taken for {name(confused['predicted'])}. "
        f"What the rule said: {confused['sentence']}"
    )
