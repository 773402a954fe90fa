"""Page one: a verdict bar in words, a hero of pictures, five bullets and a footer, all from the
study's numbers by the rules that each function states. `check` holds it to its length."""

import re

import numpy as np
import pandas as pd

from lib.base import artefacts
from lib.base.errors import ReportError
from lib.base.text import level, listed, percent, plural, points, readable, shorten
from lib.diagnosis.mixture import PRECISION
from lib.diagnosis.verdict import CAUSES
from lib.evaluation import scope
from lib.evaluation.changes import of_pair
from lib.evaluation.protocols import PROTOCOLS
from lib.evaluation.rejection import BROKEN, WITHIN
from lib.report import brought, candidates, exhibits, style, training
from lib.report.chapters import findings, panels
from lib.report.judgement import CONTRADICTED, FAILED, UNTESTED

YES, CARE, NO = "yes", "care", "no"
# words of the page, words and numbers of a bullet
MOST, MOST_OF_BULLET, MOST_NUMBERS = 180, 25, 2
AIM_FOUND, AIM_CALLED = 0.9, 0.05
NUMBER = re.compile(r"\d[\d.,]*")


def check(page: dict) -> int:
    """The number of words that page one sets as text. Raises ReportError where the page, or a
    bullet of it, is too long."""
    names = sorted(page.get("names", ()), key=len, reverse=True)
    bullets = [f"{lead} {rest}" for lead, rest in page["bullets"]]
    for bullet in bullets:
        told = _unnamed(bullet, names)
        if len(told.split()) > MOST_OF_BULLET or len(NUMBER.findall(told)) > MOST_NUMBERS:
            raise ReportError(
                f"page one: got the bullet “{bullet}”; allowed: {MOST_OF_BULLET} words and "
                f"{MOST_NUMBERS} numbers"
            )
    texts = [page["finding"], page["standfirst"], *bullets]
    texts += [" ".join(verdict[1:]) for verdict in page["verdicts"]]
    texts += [f"{lead}: {rest}" for lead, rest in page["footer"]]
    words = sum(len(_unnamed(text, names).split()) for text in texts)
    if words > MOST:
        raise ReportError(f"page one: got {words} words; allowed: {MOST}")
    return words


def _unnamed(text: str, names: list[str]) -> str:
    """The text with each name as one word without digits: how long names are is the user's."""
    for name in names:
        text = text.replace(name, "–")
    return text


def short(name: str) -> str:
    """A name that cannot fill the page."""
    words = shorten(name, 24).replace(r"\$", "$").split()
    return " ".join(words[:5]) + "…" * (len(words) > 5)


def words(results: dict) -> dict:
    """The page's texts: finding, standfirst, verdicts (kind, head, words, small words), bullets
    and footer (lead, rest)."""
    page = {
        "finding": finding(results),
        "standfirst": standfirst(results),
        "verdicts": verdicts(results),
        "bullets": bullets(results),
        "footer": footer(results),
    }
    check(page | {"names": names(results)})
    return page


def names(results: dict) -> list[str]:
    """Names of groups and arms as the page writes them."""
    compare = results["compare"]
    shown = [short(findings.called(row)) for row in results["groups"]]
    arms = (compare["before"], compare["after"], *results["ledger"]["consistent_with"])
    shown += [short(arm) for arm in arms if arm]
    return [*shown, *map(_capital, shown)]


# The finding.


def finding(results: dict) -> str:
    """What the study found, in one line.

    Two arms: what became of accuracy and where most; of the method from three seeds on, else of the
    networks. With claims that fit another arm: which. One arm: its accuracy and its hardest
    group."""
    compare = results["compare"]
    if results["ledger"]["consistent_with"]:
        fits, before = results["ledger"]["consistent_with"], compare["before"]
        arms = [short(arm) for arm in fits if arm not in PROTOCOLS]
        if not arms:
            return f"The earlier claims fit {candidates.fitting(fits, before, short)}"
        these = f"the arm{'s' * (len(arms) > 1)} {listed([f'“{arm}”' for arm in arms])}"
        return f"The earlier claims fit {these}, not “{short(before)}”"
    if not compare["after"]:
        return _alone(results)
    found, owner = findings.change(results), findings.owner(results)
    added = short_method(results)
    if found == "same":
        return "Both arms answer alike on every test image"
    if found in ("none", "open"):
        return f"No difference in accuracy was shown between {_pair(results)}"
    most = f", most of all on {short(findings.called(owner))}" if owner else ""
    if findings.several(results):
        verb = "lower" if found == "lower" else "raise"
        return f"{added} {verb}{'s' * (' and ' not in added)} accuracy{most}"
    who = f"The network with {added}"
    who = who if results["study"]["widths"] else _capital(short(compare["after"]))
    return f"{who} is {'worse' if found == 'lower' else 'better'}{most}"


def _alone(results: dict) -> str:
    compare = results["compare"]
    accuracy = percent(compare["arms"][compare["before"]]["test_accuracy"]["mean"], 0)
    if not compare["arms"][compare["before"]]["errors"]["mean"]:
        return f"{_capital(short(compare['before']))} is right on every test image"
    row = findings.hardest(results)
    where = f"{percent(row[compare['before']], 0)} of {short(findings.called(row))}"
    return f"{_capital(short(compare['before']))} is right on {accuracy} of images, on {where}"


def _pair(results: dict) -> str:
    return f"{short(results['compare']['before'])} and {short(results['compare']['after'])}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def short_method(results: dict) -> str:
    """The method's name where it is short, else the arm's."""
    said = findings.method(results)
    return said if len(said) <= 60 else short(results["compare"]["after"])


def standfirst(results: dict) -> str:
    """What was answered by whom: every word of the verdict bar is known after it."""
    study, compare = results["study"], results["compare"]
    images = f"{study['sizes']['test']:,} test images of {short(study['data'])}"
    if not training.pictured(results):
        images = f"{study['sizes']['test']:,} test images, which were not shown"
    held = _held(results["ledger"])
    if not compare["after"]:
        return f"{_networks(compare).capitalize()} answered {images}{held}."
    seeds = len(compare["seeds"])
    networks = "Two networks" if seeds == 1 else f"{seeds} networks an arm"
    if not (study["widths"] and study["changes"][compare["before"]][compare["after"]]):
        both = f"{short(compare['before'])} and {short(compare['after'])}"
        return f"{networks}, {both}, answered {images}{held}."
    return f"{networks}, without and with {short_method(results)}, answered {images}{held}."


def _held(ledger: dict) -> str:
    """How many claimed numbers come out, where another arm brings out more of them; else how many
    claims there are; "" without."""
    arms = [arm for arm in ledger["consistent_with"] if arm not in PROTOCOLS]
    if arms:
        (before, own), *_ = ledger["candidates"].items()
        fits = [f"{ledger['candidates'][arm]['reproduced']} with {short(arm)}" for arm in arms]
        return (
            f"; of {own['numbers']} numbers claimed of {short(before)} {own['reproduced']} come "
            f"out, {listed(fits)} in its place"
        )
    claims = len(ledger["claims"])
    was = "was" if claims == 1 else "were"
    held = f"; {plural(claims, 'claim')} of an earlier study {was} held against them"
    return held * bool(claims)


# The verdict bar.


def verdicts(results: dict) -> list[tuple[str, str, str, str]]:
    """Claims where there are some; the remedy, where there is one; whether it may be used; a
    condition that is missed, else the diagnosis."""
    bar = [claims(results)] if results["ledger"]["claims"] else []
    if results["compare"]["after"]:
        bar.append(remedy(results))
    elif not bar:
        bar.append(nothing_compared(results))
    return [*bar, use(results), _missed(results) or diagnosis(results)]


def remedy(results: dict) -> tuple[str, str, str, str]:
    """The sign of the paired change, and whether its interval leaves 0 out."""
    compare, found = results["compare"], findings.change(results)
    change, seeds = compare["accuracy_change"], len(compare["seeds"])
    images = results["study"]["sizes"]["test"]
    if found == "same":
        head = "The arms are one" if findings.alike(results) else "The arms answer alike"
        return CARE, head, f"alike on {images:,} of {images:,} images", ""
    of = (
        f"{seeds} seeds an arm"
        if findings.several(results)
        else f"between {scope.networks(seeds)}"
        + f", {plural(seeds, 'seed')}" * bool(results["study"]["widths"])
    )
    comma = "," * findings.several(results)
    size = f"{points(change['estimate'])} points{comma} {of}"
    between = f"95% interval {points(change['low'])} to {points(change['high'])}"
    heads = {"higher": (YES, "Remedy accepted"), "lower": (NO, "Remedy rejected")}
    if not results["study"]["widths"]:
        after = short(compare["after"])
        heads = {"higher": (YES, f"{after}: better"), "lower": (NO, f"{after}: worse")}
    if found in heads:
        return *heads[found], size, between
    equal = (compare.get("equivalence") or {}).get("equivalent")
    head = "As good as equal" if equal and found == "none" else "No difference shown"
    return CARE, head, size, between


def nothing_compared(results: dict) -> tuple[str, str, str, str]:
    compare = results["compare"]
    accuracy = percent(compare["arms"][compare["before"]]["test_accuracy"]["mean"])
    return CARE, "Nothing compared", f"{_networks(compare)}, right on {accuracy}", ""


def _networks(compare: dict) -> str:
    """How many networks a study of one arm has."""
    number = compare["arms"][compare["before"]]["test_accuracy"]["n"]
    return "one network" if number == 1 else f"{number} networks"


def claims(results: dict) -> tuple[str, str, str, str]:
    """How many of the facts that were tested hold; claims that state one fact count once."""
    ledger = results["ledger"]
    verdicts, facts = ledger["verdicts"], ledger["facts"]
    against = sum(fact["contradicted"] for fact in facts)
    held = len(ledger["held"])
    tested = len(facts) + held
    what = f"{against} contradicted; {plural(verdicts[UNTESTED], 'claim')} not tested here"
    if not tested:
        return CARE, "No claim tested", "the appendix says why", ""
    kind = NO if against else CARE if verdicts[FAILED] + verdicts[CONTRADICTED] else YES
    hold = "fact holds" if tested == 1 else "facts hold"
    return kind, f"{held} of {tested} {hold}", what, ""


def use(results: dict) -> tuple[str, str, str, str]:
    """The threshold that validation promised at the study's target risk, and what test showed."""
    target, kept = level(results["compare"]["target_risk"]), findings.kept(results)
    two, counted = bool(results["compare"]["after"]), findings.wrong_labels(results)
    if not kept:
        few, of = findings.allowed(results), " for either arm" if two else ""
        if rows := findings.too_few(results):
            return CARE, f"Use at {target} risk unproven", f"{rows} validation images", counted
        what = f"a safe threshold for {few} alone" if few else f"no threshold is safe{of}"
        return NO, f"Not usable at {target} risk", what, counted
    whose = f"{short(kept['arm'])}: " if two else ""
    what = f"{whose}{percent(kept['coverage'], 0)} of images, {_least(kept)} sure or more"
    if kept["coverage"] == 1:
        what = f"{whose}all images, however unsure"
    if (other := kept["other"]) and other["outcome"] == kept["outcome"]:
        both = [f"{short(one['arm'])} {percent(one['coverage'], 0)}" for one in (kept, other)]
        what = f"{listed(both)} of images"
    if kept["outcome"] == BROKEN:
        return CARE, f"Promised {target} risk broken", what, counted
    if kept["outcome"] == WITHIN:
        return CARE, f"{target} risk within chance alone", what, counted
    return YES, f"Usable at {target} risk", what, counted


def _least(kept: dict) -> str:
    """The threshold, or from which to which the networks' own lie."""
    low, high = findings.sure(kept["lowest"]), findings.sure(kept["threshold"])
    return high if low == high else f"{low.rstrip('%')}–{high}"


def _missed(results: dict) -> tuple[str, str, str, str] | None:
    _, missed, _ = findings.conditions(results)
    if not missed:
        return None
    row = missed[0]
    # "at least 0.7, at most 0.9": the bound that is crossed
    bounds = [float(part.split()[-1]) for part in row["required"].split(", ")]
    bound = f"{bounds[-1] if row['measured'] > bounds[-1] else bounds[0]:g}"
    more = f" and {len(missed) - 1} more" if len(missed) > 1 else ""
    what = shorten(row["condition"].removeprefix("test "), 40)
    return NO, f"Own condition missed{more}", f"{what}: {row['measured']:.4g} against {bound}", ""


def diagnosis(results: dict) -> tuple[str, str, str, str]:
    """How far the causes that it names can be trusted."""
    if not training.pictured(results):
        return CARE, "Causes not looked for", "there are no pictures", ""
    if not results["gradcam"]["asked"]:
        return CARE, "Causes not looked for", "no network is at hand", ""
    found = findings.proven(results)
    if not found:
        arms = findings.trusted(results)
        of = f" of {short(next(iter(arms)))}’s errors" if any(arms.values()) else ""
        return CARE, "Causes unproven", f"no cause{of} is named", ""
    share, called = found["found"], found["called"]["estimate"]
    between = f"95% interval {percent(share['low'], 0)} to {percent(share['high'], 0)}"
    what = f"finds {percent(share['estimate'], 0)} of a cause’s errors"
    if len(found["trusted"]) < len(CAUSES) - 1:
        few = plural(len(found["trusted"]), "cause")
        return CARE, f"Verdicts on {few} of {len(CAUSES) - 1}", what, between
    good = share["estimate"] >= AIM_FOUND and (called is None or called <= AIM_CALLED)
    head = "Diagnosis reliable here" if good else "Diagnosis to be doubted"
    if not good and share["estimate"] >= 0.75:
        head = "Diagnosis: mostly right"
    return (YES if good else CARE), head, what, between


# Five bullets.


def bullets(results: dict) -> list[tuple[str, str]]:
    """Accuracy; who owns the change; confident errors; whether to rely on it; the diagnosis."""
    two = bool(results["compare"]["after"])
    same = findings.change(results) == "same" if two else False
    if same:
        return [
            ("The arms are one:", "every prediction is the same, so nothing below differs.")
            if findings.alike(results)
            else ("The arms answer alike:", "they differ in how sure they are alone."),
            _hardest(results),
            _sure_alone(results) if findings.alike(results) else _sure(results),
            rely(results),
            _trust(results),
        ]
    told = (_accuracy, _owner, _sure) if two else (_accuracy_alone, _hardest, _sure_alone)
    return [sentence(results) for sentence in (*told, rely, _trust)]


def _accuracy(results: dict) -> tuple[str, str]:
    compare = results["compare"]
    pair = of_pair(compare["arms"], (compare["before"], compare["after"]))
    one, other = (percent(of_arm["test_accuracy"]["mean"]) for of_arm in pair.values())
    found, classes = findings.change(results), compare["classes"]
    if found in ("none", "open"):
        return "Accuracy", f"is {one} and {other}; the difference may be chance."
    verb, key, does = (
        ("falls", "worse", "lose") if found == "lower" else ("rises", "better", "gain")
    )
    return "Accuracy", f"{verb} from {one} to {other}{_which(classes, key, does)}."


def _which(classes: dict, key: str, does: str) -> str:
    """How many classes take part, each held against chance by itself, as the body counts them."""
    beyond = [classes[f"{side}_beyond_chance"] for side in ("better", "worse")]
    if not any(beyond):
        return "; no single class changes beyond chance"
    share = classes[f"{key}_beyond_chance"] / classes["tested"]
    which = f"; every class {does}s" if share == 1 else f"; most classes {does}" * (share > 0.5)
    return f"{which} beyond chance" * bool(which)


def _accuracy_alone(results: dict) -> tuple[str, str]:
    arm = results["compare"]["arms"][results["compare"]["before"]]
    test, train = (arm[name]["mean"] for name in ("test_accuracy", "train_accuracy"))
    if train is None:
        return "Accuracy", f"is {percent(test)} on the test images."
    return "Accuracy", f"is {percent(test)} on new images, {percent(train)} on training images."


def _owner(results: dict) -> tuple[str, str]:
    found = findings.owner(results)
    if not found:
        return _hardest(results)
    before, after = results["compare"]["before"], results["compare"]["after"]
    what = "extra errors" if findings.change(results) == "lower" else "errors saved"
    verb = "drops" if found[after] < found[before] else "rises"
    lead = _capital(short(findings.called(found)))
    return lead, (
        f"own {findings.part(found['share'])} of the {what}: accuracy there {verb} from "
        f"{percent(found[before], 0)} to {percent(found[after], 0)}."
    )


def _hardest(results: dict) -> tuple[str, str]:
    before = results["compare"]["before"]
    if not results["compare"]["arms"][before]["errors"]["mean"]:
        return "No error", f"was made by {short(before)} on the test images."
    row = findings.hardest(results)
    return "Hardest" if row["alone"] else "Among the hardest", (
        f"are {short(findings.called(row))}: {short(before)} gets {percent(row[before], 0)} of "
        "them right."
    )


def _sure(results: dict) -> tuple[str, str]:
    """At equal coverage, since confidences of arms are on two scales."""
    if flat := findings.equally_sure(results):
        are = "is" if len(flat) == 1 else "are"
        who = listed(list(map(short, flat)))
        return "Confident errors", f"are not told apart: {who} {are} equally sure of every answer."
    compare = results["compare"]
    counts = {row["arm"]: row["top 20%"] for row in compare["confident_errors"]}
    one, other = counts[compare["before"]], counts[compare["after"]]
    where = "in each network’s surest fifth"
    if not findings.surest_differ(results):
        chance = "; the difference may be chance" * (one != other)
        return "Confident errors", f"are {one:.0f} and {other:.0f} {where}{chance}."
    return "Confident errors", f"go from {one:.0f} to {other:.0f} {where}."


def _sure_alone(results: dict) -> tuple[str, str]:
    sure, errors = (
        results["compare"]["arms"][results["compare"]["before"]][name]["mean"]
        for name in ("errors_ge_90", "errors")
    )
    if not errors:
        return "Confident errors:", "there is no error to be sure of."
    share = percent(sure / errors, 0)
    return "Confident errors:", f"{share} of the errors are made at 90% confidence or more."


def rely(results: dict) -> tuple[str, str]:
    kept, two = findings.kept(results), bool(results["compare"]["after"])
    target = level(results["compare"]["target_risk"])
    if not kept:
        if rows := findings.too_few(results):
            return "Whether to rely on it", (
                f"is not known: {rows} validation images are too few to promise errors under "
                f"{target}."
            )
        lead = "Do not rely on either:" if two else "Do not rely on it:"
        of = "for some networks alone a" if findings.allowed(results) else "no"
        return lead, f"on validation {of} confidence threshold surely keeps errors under {target}."
    whose = f"on {short(kept['arm'])}" if two else "on it"
    if kept["outcome"] == BROKEN:
        wrong = percent(kept["selective_risk"])
        return f"Do not rely {whose}:", (
            f"validation promised errors under {target}, and on test {wrong} are wrong."
        )
    if kept["coverage"] == 1:
        if not kept["selective_risk"]:
            return f"Rely {whose}", "at any confidence: no test answer was wrong."
        wrong = percent(kept["selective_risk"], 1)
        return f"Rely {whose}", f"at any confidence, if {wrong} wrong answers are acceptable."
    where = f"only at {findings.sure(kept['threshold'])} confidence or more"
    if kept["lowest"] < kept["threshold"]:
        high = findings.sure(kept["threshold"])
        where = f"only above each network’s own threshold, {high} at most"
    return (
        f"Rely {whose}",
        f"{where}: there {percent(kept['selective_risk'])} of answers are wrong.",
    )


def _trust(results: dict) -> tuple[str, str]:
    found, others = findings.proven(results), findings.trusted(results)
    if not training.pictured(results):
        return "The diagnosis", "is left out: there are no pictures to change and ask about."
    if not results["gradcam"]["asked"]:
        return "The diagnosis", "is left out: no network is at hand to be asked."
    if not found:
        arm = next((arm for arm, causes in others.items() if causes), None)
        if not arm:
            why = next(iter(findings.unnamed(results["gradcam"].get("rule") or {}).values()), "")
            why = why or "no known causes were planted, or too few"
            return "The diagnosis", f"names no cause: {why}."
        return "The diagnosis", (
            f"names no cause of {short(next(iter(others)))}’s errors; of {short(arm)}’s it gives "
            f"verdicts on {plural(len(others[arm]), 'cause')}."
        )
    called, right = found["called"]["estimate"], found["right"] or {}
    if len(found["trusted"]) < len(CAUSES) - 1:
        known = [
            right[cause]["estimate"] for cause in right if right[cause]["estimate"] is not None
        ]
        share = percent(min(known, default=PRECISION), 0)
        least = "" if len(known) == 1 else "at least "
        causes = listed(list(map(readable, found["trusted"])))
        whence = "" if known else " by planted errors"
        return "The diagnosis", f"names {causes} alone, {least}{share} right{whence}."
    marked = (
        "errors without a cause could not be marked"
        if called is None
        else f"of errors without a cause it blames one for {percent(called, 0)}"
    )
    return "The diagnosis", f"gives verdicts on all four causes; {marked}."


# The footer.


def footer(results: dict) -> list[tuple[str, str]]:
    compare = results["compare"]
    seeds, (passed, missed, untested) = results["study"]["seeds"], findings.conditions(results)
    each = " an arm" * bool(compare["after"])
    several = f"{len(seeds)}{each}; pictures are of seed {seeds[0]}."
    rows = [("Seeds", several if len(seeds) > 1 else f"one{each} (seed {seeds[0]}).")]
    rows = rows if results["study"]["widths"] else [("Networks", "brought, one an arm.")]
    if results["conditions"]:
        counts = {f"{passed} passed": True, f"{len(missed)} missed": missed}
        counts[f"{untested} not testable here"] = untested
        rows.append(
            ("Conditions", ", ".join(text for text, there in counts.items() if there) + ".")
        )
    rows += [("Warnings", warned)] if (warned := brought.footer(results)) else []
    another = "seed" if results["study"]["widths"] else "network"
    unknown = [f"what another {another} gives"] * (len(seeds) == 1)
    if compare["after"] and not compare["ablation"]:
        changed = results["study"]["changes"][compare["before"]][compare["after"]]
        unknown += [f"which of {findings.method(results)} did it"] * (1 < len(changed) < 4)
    trained = bool(results["study"]["widths"])
    unknown += ["whether a remedy helps"] * (trained and not compare["after"])
    fails = compare["arms"][compare["before"]]["errors"]["mean"]
    unknown += ["why it fails"] * bool(fails and not any(findings.trusted(results).values()))
    return [*rows, ("Not known", ("; ".join(unknown) or "other data") + ".")]


# The page with its pictures.


def page(here, results: dict) -> dict:
    """Page one of a study: `words` and `columns`, two lists of panels (lib.report.exhibits.panel).

    here: lib.study.Study; results: its numbers."""
    as_text = {"dtype": {"arm": str}, "keep_default_na": False, "na_values": [""]}
    curves = pd.read_csv(here.folder / "figures" / "coverage.csv", **as_text)
    pair = list(here.pair)
    curves = curves[curves["arm"].isin(pair)]
    risk = exhibits.panel(panels.coverage(results, curves), panels.coverage_alt(results, curves))
    if results["ledger"]["claims"]:
        left, right = _claims_panels(results), [_errors_panel(here)]
        # without a forest of claimed numbers the left column would be half empty
        (left if len(left) == 1 and right != [None] else right).append(risk)
    elif results["compare"]["after"]:
        left = [exhibits.panel(panels.dumbbell(results), panels.dumbbell_alt(results))]
        right = [_maps_panel(here, results) or _errors_panel(here), risk]
    else:
        left = [_errors_panel(here)]
        right = [exhibits.panel(panels.worst(results), panels.worst_alt(results)), risk]
    columns = [[one for one in column if one] for column in (left, right)]
    return words(results) | {"columns": columns}


def _claims_panels(results: dict) -> list[dict]:
    ledger = results["ledger"]
    drawn = [exhibits.panel(panels.squares(ledger), panels.squares_alt(ledger))]
    if panels.forest_rows(results):
        drawn.append(exhibits.panel(panels.forest(results), panels.forest_alt(results)))
    return drawn


def _errors_panel(here) -> dict | None:
    rows = here.selection
    rows = rows[~rows["correct"]].head(6)
    if not len(rows) or not here.pictured:
        return None
    images = np.asarray(here.splits.test.images[rows["position"].tolist()])
    drawn = panels.failures(rows, images, here.p.before)
    return exhibits.panel(drawn, panels.failures_alt(rows), vector=False)


def _maps_panel(here, results: dict) -> dict | None:
    """The first error that has a card in the body, of those whose cause owns the change if there is
    one."""
    kept, cards = here.folder / "maps.npz", here.folder / "figures" / "cards-1.csv"
    rows = here.selection.reset_index(drop=True)
    wrong = rows[~rows["correct"]]
    if results["gradcam"].get("pages") and cards.is_file():
        wrong = wrong[wrong["id"].astype(str).isin(pd.read_csv(cards, dtype=str)["id"])]
    if not len(wrong) or not kept.is_file() or len(here.asked) < 2:
        return None
    owner = findings.owner(results)
    if owner and "cause" in wrong and (wrong["cause"] == owner["group"]).any():
        wrong = wrong[wrong["cause"] == owner["group"]]
    place, row = next(wrong.iterrows())
    maps = artefacts.read_arrays(kept)
    over = {
        arm: (maps[arm][place, 0] - maps[arm][place, 1])
        / results["compare"]["arms"][arm]["temperature"]["mean"]
        for arm in here.pair
    }
    names, tables = here.splits.class_names, here.first
    case = {"id": row["id"], "true": row["true"], "predicted": row["predicted"]}
    case |= {arm: names[tables[arm].test.predicted[row["position"]]] for arm in here.pair}
    image = np.asarray(here.splits.test.images[int(row["position"])])
    arms = style.colours(here.pair)
    alt = (
        f"Test image {case['id']}, {readable(case['true'])}: "
        + listed([f"{readable(arm)} says {readable(case[arm])}" for arm in here.pair])
        + f". Maps of what speaks for {readable(case['predicted'])} and for "
        f"{readable(case['true'])}."
    )
    return exhibits.panel(panels.two_maps(case, image, over, arms), alt, vector=False)
