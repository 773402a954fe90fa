"""The body's sections: a title that states the finding, and one paragraph of sentences with at most
four numbers each. Everything is told in full in the appendix."""

import pandas as pd

from lib.base.text import (
    compared,
    count,
    escape,
    interval,
    level,
    listed,
    name,
    percent,
    plural,
    readable,
    see,
    signed,
    start,
    verdict,
)
from lib.diagnosis.verdict import CAUSES
from lib.evaluation.changes import of_pair
from lib.evaluation.rejection import WITHIN
from lib.evaluation.selective import fewest
from lib.report import brought, candidates, cards, comparison, ledger, training
from lib.report.chapters import confidence, findings, first_page, robustness
from lib.report.judgement import UNTESTED

# of verdicts whose causes nobody knows: what reviewers of CIFAR-100 found, docs/diagnosis.md
UNCHECKED = (
    "Where people could check such verdicts on photographs, planted errors had promised too much: "
    "take them as hints."
)
FEW = 4  # suspected labels and less are told as a number alone


def section(title: str, *sentences: str) -> str:
    """A section from its title and sentences; "" ones are left out."""
    return f"## {title}\n\n" + " ".join(filter(None, sentences))


# What was trained.


def setup(results: dict) -> str:
    study = results["study"]
    sizes, arms = study["sizes"], list(study["differences"])
    made = training.networks(study)
    drawn = (
        "Its images are drawn by a program, which plants a known cause of failure in some of them: "
        "a misleading background, a second object, a look-alike or a label error (a wrong label)."
        if study["data"] == "the phantom"
        else ""
    )
    return section(
        f"Set-up: {_what(results)}",
        f"{made[:1].upper()}{made[1:]} was trained from scratch on "
        f"{escape(study['data'])}: "
        f"{sizes['train']:,} train, {sizes['val']:,} validation and {sizes['test']:,} test images."
        if study["widths"]
        else "Nothing was trained here: the arms were brought, with predictions of "
        f"{sizes['val']:,} validation and {sizes['test']:,} test images.",
        drawn,
        f"An *arm* is one {'setting of the training' if study['widths'] else 'network'}; there "
        f"{'is one' if len(arms) == 1 else f'are {len(arms)}'} ({see('tab-arms')}).",
        _besides(results),
        "The last epoch's network counts, and nothing was chosen on the test images."
        * bool(study["widths"]),
        brought.examined(results),
        training.seeds(study),
        cost(results),
    )


def _besides(results: dict) -> str:
    compare = results["compare"]
    if not compare["after"] or not _added(results):
        return ""
    return (
        f"{start(compare['after'])} was trained like {name(compare['before'])}, with "
        f"{escape(findings.method(results))} besides."
    )


def _added(results: dict) -> list[str]:
    compare = results["compare"]
    return results["study"]["changes"][compare["before"]][compare["after"]]


def _what(results: dict) -> str:
    compare = results["compare"]
    if not compare["after"]:
        return f"one arm, {name(compare['before'])}"
    if not _added(results):
        if not results["study"]["widths"]:
            both = listed([name(compare["before"]), name(compare["after"])])
            return f"{both}, which were brought"
        return "two arms of the same settings"
    return f"{name(compare['before'])}, and the same with {escape(findings.method(results))}"


def cost(results: dict) -> str:
    """Compute, time, parameters and images seen, in one line."""
    found = results["study"].get("cost")
    if not found:
        return ""
    time = found["seconds"]
    spent = (
        plural(round(time), "second")
        if time < 120
        else f"{time / 60:,.0f} minutes"
        if time < 7200
        else f"{time / 3600:,.1f} hours"
    )
    return (
        f"Cost of all runs: {spent} of training on {escape(listed(found['devices']))}, "
        f"{_large(found['images'])} images seen, {_large(results['study']['parameters'])} "
        "parameters a network."
    )


def _large(number: int) -> str:
    return f"{number / 1e6:,.1f} million" if number >= 1e6 else f"{number:,}"


# An earlier study's claims.


def claims(results: dict) -> str:
    """ "" without claims."""
    found = results["ledger"]
    if not found["claims"]:
        return ""
    head = first_page.claims(results)[1]
    tested = len(found["claims"]) - found["verdicts"][UNTESTED]
    return section(
        f"The earlier study: {head[0].lower()}{head[1:]}",
        escape(found["about"]) if found["about"] else "",
        f"Of its {plural(len(found['claims']), 'claim')} {count(tested)} could be tested here; "
        "claims that state one fact are counted once.",
        candidates.explanation(found, found["claims"]).strip(),
        f"{see('tab-facts')} has what was not found; {see('tab-ledger')}, in the appendix, has "
        "every claim." * bool(found["facts"] and tested),
    )


# Where it fails.


def where(results: dict) -> str:
    before, failures = results["compare"]["before"], results["failures"]
    hardest = findings.hardest(results)
    numbers = failures["arms"][failures["before"]]
    if not numbers["errors"]:
        return section(
            "Where it fails: nowhere on these images",
            f"{start(before)} gets all {failures['test_images']:,} test images "
            f"right{_of_seed(results)}.",
        )
    return section(
        f"Where it fails: {escape(findings.called(hardest))} are "
        f"{'hardest' if hardest['alone'] else 'among the hardest'} for {name(before)}",
        f"{start(before)} gets {numbers['errors']:,} of {failures['test_images']:,} test images "
        f"wrong{_of_seed(results)}.",
        _groups(results, hardest),
        _close(numbers, failures),
        _confused(failures),
        "A confident error is one whose largest probability is high; some are in "
        f"{see('fig-failures-beside')}, above right answers of the same classes."
        * (failures["selected"] > failures["named_right"] and training.pictured(results)),
    )


def _of_seed(results: dict) -> str:
    """ "" of one seed."""
    seeds = results["study"]["seeds"]
    return f" with seed {seeds[0]}" if len(seeds) > 1 else ""


def _groups(results: dict, hardest: dict) -> str:
    before, seeds = results["compare"]["before"], results["study"]["seeds"]
    best = max(results["groups"], key=lambda row: row[before])
    if best["group"] == hardest["group"]:
        return ""
    over = f"Over its {len(seeds)} seeds it" if len(seeds) > 1 else "It"
    known = findings.wrong_labels(results)
    aside = ", label errors aside, which are wrong by definition" if known else ""
    return (
        f"{over} gets {percent(best[before], 0)} of {escape(findings.called(best))} right and "
        f"{percent(hardest[before], 0)} of {escape(findings.called(hardest))}"
        f"{aside}."
    )


def _close(numbers: dict, failures: dict) -> str:
    if numbers["within_superclass"] is None:
        return ""
    return (
        f"Of its errors {percent(numbers['within_superclass'], 0)} stay inside the true "
        "superclass, a group of like classes, where "
        f"{percent(failures['chance_within_superclass'], 0)} would by chance."
    )


def _confused(failures: dict) -> str:
    pair = failures["confused"]
    if not pair:
        return ""
    return (
        f"No two classes does it confuse more often than {name(pair['class'])} and "
        f"{name(pair['other'])}: {plural(pair['errors'], 'time')}, both directions together."
    )


# Why it fails.


def why(results: dict) -> str:
    cam = results["gradcam"]
    errors = sum(sum(halves.values()) for halves in cam["halves"].values())
    if not errors:
        return section("Why it fails: no error to explain", "No error is made.")
    arms = results["compare"]["arms"]
    arm, rule = next(iter(cam["rule"].items()), ("", {}))
    shares, truth = cards.known_shares(rule.get("mixture")), findings.planted_shares(results)
    return section(
        f"Why it fails: {_frequent(shares, truth)}",
        "A map over a picture shows, cell by cell, where the evidence for a class came from, and "
        "proves no cause; the quarter of its cells with most of it is called hottest. "
        f"So the picture{'s' * (errors != 1)} of {plural(errors, 'error')} "
        f"{'was' if errors == 1 else 'were'} changed in more than a hundred ways and predicted "
        f"again{_probes(cam)}.",
        _worth(findings.diagnosis(results), arm),
        _shares(shares, arm, truth) if shares else "",
        _open(cam["rule"], [arm for arm in cam["asked"] if arms[arm]["errors"]["mean"]]),
        f"Each card of {see('fig-cards-1')} is one error: the picture, what speaks for either "
        "class, and who wins while the picture is changed." * bool(cam["pages"]),
        _first(results),
    )


def _probes(cam: dict) -> str:
    return f"; {see('fig-probes-few')} has eight of them" if cam.get("faithfulness") else ""


def _first(results: dict) -> str:
    """What the first card shows of its error, and what is known of it; "" without cards."""
    card = results.get("first_card")
    if not card:
        return ""
    bars, sure = pd.DataFrame(card["bars"]), card["bars"][0]["wrong"]
    named = {str(case["id"]): case["verdict"] for case in results["gradcam"]["cases"]}
    cause, verdict = card["cause"], named.get(card["id"])
    planted = "nothing was" if cause == "none" else f"a {readable(cause)} was"
    said = f"Its verdict is {readable(verdict)}." if verdict else ""
    if cause:
        said = f"{planted.capitalize()} planted there."
    if verdict and cause:
        right = "right" if verdict == cause else "wrong"
        said = f"Its verdict, {readable(verdict)}, is {right}: {planted} planted there."
    parts = [
        f"In the first, image {escape(card['id'])}, {name(card['true'])} is taken for "
        f"{name(card['wrong'])}, {percent(sure, 0)} sure after scaling.",
        cards.covered(bars, name(card["true"]), name(card["wrong"])),
        said,
    ]
    return " ".join(filter(None, parts))


def _open(rules: dict, failing: list[str]) -> str:
    """Of which arms no cause is named, and why; the one place that tells it. failing: the arms that
    were asked and make errors."""
    few = "no known causes were planted into pictures that the networks get right, or too few"
    if not rules:
        return f"No cause is named: {few}, so that nobody knows how often a verdict would be right."
    unlearnt = [arm for arm in failing if not (rules.get(arm) or {}).get("mixture")]
    why = findings.unnamed(rules) | dict.fromkeys(unlearnt, few)
    said = [
        f"of {' or '.join(name(arm) for arm in why if why[arm] == reason)}, since {reason}"
        for reason in dict.fromkeys(why.values())
    ]
    return f"No cause is named for any error {'; nor '.join(said)}." if said else ""


def _frequent(shares: dict[str, dict], truth: dict[str, float]) -> str:
    """The known shares of causes as a title has them: on a phantom the two planted most often."""
    told = [
        f"{readable(cause)} behind about {percent(share['estimate'], 0)}"
        for cause, share in shares.items()
    ]
    if truth:
        most = sorted(set(truth) & set(CAUSES[:-1]), key=lambda cause: -truth[cause])[:2]
        told = [f"{readable(cause)} in {percent(truth[cause], 0)}" for cause in most]
        return f"planted {listed(told)} of the errors read"
    return f"{listed(told)} of the errors" if told else "the causes stay open"


def _shares(shares: dict, arm: str, truth: dict[str, float]) -> str:
    planted = [f"{readable(cause)} in {percent(truth[cause], 0)}" for cause in shares if truth]
    return (
        f"{cards.behind(shares, arm)} Shares are corrected for what the rule confuses; "
        f"{see('tab-verdicts')} has the intervals."
        + f" Planted {'was' if len(planted) == 1 else 'were'} {listed(planted)} of those that were "
        "read." * bool(planted)
    )


def _worth(trust: dict | None, arm: str) -> str:
    if not trust:
        return ""
    found, called, right = trust["found"], trust["called"]["estimate"], trust["right"]
    finds = f"Of planted errors of {name(arm)} it finds"
    if right is not None:
        finds = f"Of the own errors of {name(arm)}, whose causes are known here too, it finds"
    text = (
        "A rule reads the answers; it was fitted to planted errors, which were made from right "
        f"answers in a known way. {finds} {percent(found['estimate'], 0)} "
        f"({interval(percent(found['low'], 0), percent(found['high'], 0))}) of a cause's errors on "
        f"average{_apart(trust['each'])}"
    )
    if called is not None and trust["trusted"]:
        among = plural(trust["called"]["errors"], "error") if right is not None else "errors"
        text += f". For {percent(called, 0)} of {among} without a cause it names one all the same"
    return f"{text}. {_given(trust['trusted'], right)}".rstrip()


def _apart(each: dict[str, dict]) -> str:
    """From which cause to which the shares reach that are found; "" of fewer than two."""
    ranked = sorted(each, key=lambda cause: each[cause]["estimate"])
    said = [f"{percent(each[cause]['estimate'], 0)} for {readable(cause)}" for cause in ranked]
    return f". It is least, {said[0]}, and most, {said[-1]}" if len(said) > 1 else ""


def _given(trusted: list[str], right: dict | None) -> str:
    """For which causes there are verdicts, and where that is known how often they are right."""
    if not trusted:
        return ""
    said = [
        readable(cause)
        + (
            f" (right {percent(right[cause]['estimate'], 0)} of the time)"
            if right and right[cause]["estimate"] is not None
            else ""
        )
        for cause in trusted
    ]
    text = f"By what was planted, verdicts are given for {listed(said)}."
    return text if right else f"{text} {UNCHECKED}"


# Did the remedy work.


def remedy(results: dict) -> str:
    """ "" of one arm."""
    compare = results["compare"]
    if not compare["after"]:
        return ""
    found, images = findings.change(results), results["study"]["sizes"]["test"]
    trained = results["study"]["widths"]
    question = "Did the remedy work" if trained else f"Is {name(compare['after'])} better"
    if found == "same":
        return section(
            f"{question}: the arms {'are one' if findings.alike(results) else 'answer alike'}",
            f"The predictions are identical on {images:,} of {images:,} images"
            + (
                ": nothing is compared, and identical runs count as one."
                if findings.alike(results)
                else f". Only how sure they are differs ({see('tab-arms')})."
            ),
        )
    change = compare["accuracy_change"]
    titles = {
        "higher": f"accuracy rises by {_size(change)} points",
        "lower": f"accuracy falls by {_size(change)} points",
        "none": "no difference in accuracy was found",
        "open": "whether accuracy differs is open",
    }
    pair = of_pair(compare["arms"], (compare["before"], compare["after"]))
    levels = listed(
        [f"{percent(of['test_accuracy']['mean'])} with {name(arm)}" for arm, of in pair.items()]
    )
    return section(
        f"{question}: {titles[found]}",
        f"Test accuracy is {levels}.",
        comparison.accuracy(compare),
        _owned(results),
        _corrected(results),
        _classes(results),
        _factors(results),
    )


def _size(change: dict) -> str:
    return signed(100 * abs(change["estimate"])).lstrip("+")


def _owned(results: dict) -> str:
    owner, before, after = (
        findings.owner(results),
        results["compare"]["before"],
        results["compare"]["after"],
    )
    if not owner:
        return ""
    what = "loss" if findings.change(results) == "lower" else "gain"
    return (
        f"{findings.part(owner['share']).capitalize()} of the {what} lies on "
        f"{escape(findings.called(owner))}: {percent(owner[before], 0)} of "
        f"{owner['images']:,} are right with {name(before)}, {percent(owner[after], 0)} with "
        f"{name(after)}."
    )


def _corrected(results: dict) -> str:
    compare, averaged = results["compare"], len(results["study"]["seeds"]) > 1
    corrected, regressed = (compare["migration"][kind] for kind in comparison.MOVES)
    return (
        f"{start(compare['after'])} corrects {corrected:,.0f} images and loses {regressed:,.0f}"
        f"{' on average over the seeds' * averaged}; {comparison.beside_seeds(compare)}."
    )


def _classes(results: dict) -> str:
    classes = results["compare"]["classes"]
    up, down = classes["better_beyond_chance"], classes["worse_beyond_chance"]
    return (
        f"Of {classes['tested']} classes {count(up)} rise{'s' * (up == 1)} and {count(down)} "
        f"fall{'s' * (down == 1)} beyond chance "
        f"({see('fig-' + findings.classes_figure(results))})."
    )


def _factors(results: dict) -> str:
    if len(_added(results)) < 2:
        return ""
    if results["compare"]["ablation"]:
        return f"{see('fig-ablation')} has what each factor does."
    return f"Which of {escape(findings.method(results))} did it is not known from these arms."


# Confidence and deployment.


def use(results: dict) -> str:
    compare, head = results["compare"], first_page.use(results)[1]
    target, kept = level(compare["target_risk"]), findings.kept(results)
    return section(
        f"Confidence: {head[0].lower()}{head[1:]}",
        "*Coverage* is the share of predictions that are accepted, *risk* the share of errors "
        f"among them ({see('fig-coverage')}).",
        _promised(kept, target) if kept else _refused(results, target),
        _counted(findings.wrong_labels(results)),
        _surest(results),
        _calibrated({arm: compare["arms"][arm] for arm in _shown(results)}),
        confidence.smoothing(results["study"], compared(compare)),
    )


def _counted(wrong_labels: str) -> str:
    return wrong_labels and f"Here {wrong_labels}, whatever is answered."


def _shown(results: dict) -> list[str]:
    return compared(results["compare"])[: 1 if findings.alike(results) else 2]


def _refused(results: dict, target: str) -> str:
    """Why no threshold is promised."""
    few, risk = findings.allowed(results), results["compare"]["target_risk"]
    rows = results["study"]["sizes"]["val"]
    if few:
        return (
            f"Validation allows {few} a threshold at which it is 95% certain that the risk stays "
            f"under {target}, so none is promised for an arm ({see('tab-promises')})."
        )
    if rows < fewest(risk):
        return (
            f"Validation has {plural(rows, 'image')}, too few to promise a risk under {target}: "
            f"even without an error it would take {fewest(risk)} to be 95% certain at one of the "
            "20 thresholds that are tried."
        )
    return (
        "Validation allows no threshold: at none of the 20 that are tried is it 95% certain that "
        f"the risk stays under {target}, even where the risk that was measured does."
    )


def _promised(kept: dict, target: str) -> str:
    outcome = {WITHIN: "missed, within chance"}.get(kept["outcome"], kept["outcome"])
    if kept["coverage"] == 1:
        return (
            f"With {name(kept['arm'])} validation promises a risk under {target} at any "
            f"confidence. On all test images it is {percent(kept['selective_risk'])}: the promise "
            f"is {outcome} ({see('tab-promises')})."
        )
    low, high = findings.sure(kept["lowest"]), findings.sure(kept["threshold"])
    least = f"at {high} unscaled confidence or more"
    if kept["lowest"] < kept["threshold"]:
        least = f"above a threshold of each network's own, from {low} to {high} unscaled confidence"
    return (
        f"With {name(kept['arm'])} validation promises a risk under {target} {least}. That accepts "
        f"{percent(kept['coverage'])} of the test images, at a risk of "
        f"{percent(kept['selective_risk'])}: the promise is {outcome} ({see('tab-promises')})."
    )


def _surest(results: dict) -> str:
    """ "" of one arm, and of arms that are one."""
    shown = _shown(results)
    wrong = {row["arm"]: row["top 20%"] for row in results["compare"]["confident_errors"]}
    said = listed([f"{wrong[arm]:,.0f} with {name(arm)}" for arm in shown])
    return (
        f"Of the fifth that each network is surest of, {said} are wrong "
        f"({see('tab-confident-errors')})."
        * (len(shown) > 1 and not findings.equally_sure(results))
    )


def _calibrated(arms: dict[str, dict]) -> str:
    raw = [f"{numbers['ece']['mean']:.3f} with {name(arm)}" for arm, numbers in arms.items()]
    scaled = [f"{numbers['ece_scaled']['mean']:.3f}" for numbers in arms.values()]
    return (
        f"On average confidence and accuracy lie apart by {listed(raw)}; after scaling by a "
        f"temperature fitted on validation, by {listed(scaled)} ({see('fig-reliability')})."
    )


# Robustness and labels.


def robust(results: dict) -> str:
    numbers = results["compare"].get("robustness")
    suspected = results["failures"]["labels"]["splits"]["test"]
    number = suspected["suspected"]
    head = _carried(results) or f"{_labels(number)} suspected"
    return section(
        f"Robustness and labels: {head}",
        _corrupted(numbers, _shown(results)) if numbers else "",
        _few(results),
        f"Of {suspected['images']:,} test labels {count(number)} "
        f"{'is' if number < 2 else 'are'} suspected, "
        + (
            "by the one network alone."
            if results["failures"]["labels"]["runs"] == 1
            else "where most networks name the same other class."
        ),
        _opinion(results),
    )


def _labels(suspected: int) -> str:
    """ "479 test labels are", "no test label is"."""
    if not suspected:
        return "no test label is"
    return f"{plural(suspected, 'test label')} {'is' if suspected == 1 else 'are'}"


def _carried(results: dict) -> str:
    numbers = results["compare"].get("robustness")
    if not numbers or "accuracy_changes" not in numbers or findings.identical(results):
        return ""
    changes, found = numbers["accuracy_changes"], findings.change(results)
    if verdict(changes["none"]) == "none" and found in ("higher", "lower"):
        return f"whether the {'gain' if found == 'higher' else 'loss'} carries over is open"
    text = robustness.CARRIED[verdict(changes["none"]), verdict(changes["all"])]
    text = text.removeprefix("So ").rstrip(".")
    return text[:1].lower() + text[1:]


def _few(results: dict) -> str:
    """Why nothing can be said of what carries over, although the arms differ on all images."""
    numbers = results["compare"].get("robustness")
    if not _carried(results).endswith("is open"):
        return ""
    return (
        f"On the {numbers['images']:,} clean images of this sample the arms differ within chance."
    )


def _corrupted(numbers: dict, arms: list[str]) -> str:
    said = listed(
        [
            f"from {percent(means['clean']['accuracy'])} to "
            f"{percent(means['corrupted']['accuracy'])} with {name(arm)}"
            for arm, means in numbers["arms"].items()
            if arm in arms
        ]
    )
    if not said:
        return ""
    return (
        f"Under six corruptions accuracy goes {said}, on average of the images that were corrupted "
        f"({see('fig-robustness')})."
    )


def _opinion(results: dict) -> str:
    opinion = results["failures"]["known"].get("opinion")
    if not opinion or not opinion.get("errors"):
        return ""
    who = (
        "planted label errors"
        if opinion["source"] == "planted"
        else "labels that most reviewers did not confirm"
    )
    share = percent(opinion["rejected_among_errors"]["estimate"], 0)
    of = name(results["compare"]["before"])
    text = f"{who[:1].upper()}{who[1:]} are {share} of the errors of {of}"
    if opinion.get("sure_errors"):
        sure = percent(opinion["rejected_among_sure_errors"]["estimate"], 0)
        least = f"at {level(opinion['sure'])} confidence or more after scaling"
        text += f", and {sure} of its errors {least}"
    without = f"; {see('tab-rescored')} has the accuracy without them"
    return f"{text}{without * bool(results['failures']['known']['sets'])}."


# Limits and conditions.


def limits(results: dict) -> str:
    passed, missed, untested = findings.conditions(results)
    total = passed + len(missed) + untested
    seeds = len(results["study"]["seeds"])
    one = "seed" if results["study"]["widths"] else "network"
    head = f"{plural(seeds, one)}{' an arm' if results['compare']['after'] else ''}"
    if total:
        head += f", and {passed} of {total} conditions met"
    return (
        f"## Limits: {head}\n\n{training.limits(results)}\n\n{ledger.conditions(results)}".rstrip()
    )
