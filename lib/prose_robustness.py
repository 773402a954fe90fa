"""The report's sentences on corrupted images, built from results.json and from nothing else."""
from lib.corruptions import NAMES
from lib.prose import see, verdict
from lib.wording import interval, listed, name, percent, plural, points, signed


def robustness(results: dict) -> str:
    """Does the change from one arm to the other hold under corruption: three short paragraphs, or that it was not measured."""
    compare = results["compare"]
    numbers, before, after = compare.get("robustness"), compare["before"], compare["after"]
    if not numbers:
        return "Corrupted images were not looked at in this study."
    return "\n\n".join((levels(numbers), carried(numbers, before, after), calibrated(numbers, before, after)))


def levels(numbers: dict) -> str:
    ways = listed([f"from {percent(means['clean']['accuracy'])} to {percent(means['corrupted']['accuracy'])} in {name(arm)}"
                    for arm, means in numbers["arms"].items()])
    return (f"{plural(numbers['images'], 'test image')}, drawn at random, were corrupted in six ways at {numbers['severities']} severities "
            f"each ({see('fig-corruptions')}). From clean images to the mean of all corruptions, accuracy goes {ways} "
            f"({see('fig-robustness', 'tab-robustness-arms')}).")


def carried(numbers: dict, before: str, after: str) -> str:
    """The change on clean images, under all corruptions, whether the one holds in the other, and under which kinds."""
    changes = numbers["accuracy_changes"]
    clean, all_kinds = verdict(changes["none"]), verdict(changes["all"])
    return " ".join((difference(changes["none"], "On the clean images", before, after),
                     difference(changes["all"], "Under corruption", before, after),
                     CARRIED[clean, all_kinds], drop(changes["drop"], before, after), kinds(changes, after), f"See {see('tab-robustness')}."))


CARRIED = {
    ("higher", "higher"): "The gain carries over.", ("higher", "none"): "So the gain was not found to carry over.",
    ("higher", "lower"): "The gain turns into a loss.", ("lower", "lower"): "The loss carries over.",
    ("lower", "none"): "So the loss was not found to carry over.", ("lower", "higher"): "The loss turns into a gain.",
} | {("none", under): "No gain on clean images was found that could carry over." for under in ("higher", "lower", "none")}


def spread(change: dict) -> str:
    return f"{points(change['estimate'])} points, {interval(points(change['low']), points(change['high']))}"


def difference(change: dict, where: str, before: str, after: str) -> str:
    if verdict(change) == "none":
        return f"{where} no difference in accuracy between {name(before)} and {name(after)} was found ({spread(change)})."
    word = "more" if verdict(change) == "higher" else "less"
    return f"{where} {name(after)} is {word} accurate than {name(before)} ({spread(change)})."


def drop(change: dict, before: str, after: str) -> str:
    """Whether the second arm loses more or less than the first on its way from clean to corrupted images."""
    if verdict(change) == "none":
        return f"That one of the two loses more of its accuracy to corruption was not found ({spread(change)})."
    more, less = (before, after) if verdict(change) == "higher" else (after, before)
    return f"Corruption costs {name(more)} more points than {name(less)} ({name(after)} minus {name(before)}: {spread(change)})."


def kinds(changes: dict, after: str) -> str:
    """Under which corruptions the change is beyond its interval."""
    found = {word: [f"{NAMES[kind]} ({points(changes[kind]['estimate'])})" for kind in NAMES if verdict(changes[kind]) == word]
             for word in ("higher", "lower")}
    if not any(found.values()):
        return "Taken one by one, under none of the six corruptions was a difference found."
    parts = [f"{word} accurate under {listed(found[side])}" for side, word in (("higher", "more"), ("lower", "less")) if found[side]]
    rest = len(NAMES) - sum(map(len, found.values()))
    return (f"Taken one by one, {name(after)} is " + " and ".join(parts)
            + (f"; under the other {rest} no difference was found." if rest > 1 else "; under the other no difference was found." if rest else "."))


def calibrated(numbers: dict, before: str, after: str) -> str:
    """What confidence is worth under corruption, with the temperature of clean validation images."""
    change = numbers["ece_scaled_change"]
    size = f"{signed(change['estimate'], 3)}, {interval(signed(change['low'], 3), signed(change['high'], 3))}"
    word = {"none": "was not found to differ between {0} and {1}", "lower": "is lower in {1} than in {0}",
            "higher": "is higher in {1} than in {0}"}[verdict(change)].format(name(before), name(after))
    return ("Calibration error with the temperature fitted on clean validation images: "
            + listed([f"{means['clean']['ece_scaled']:.3f} on clean and {means['corrupted']['ece_scaled']:.3f} on corrupted images in {name(arm)}"
                      for arm, means in numbers["arms"].items()]) + f". On corrupted images it {word} ({size}).")
