"""How names and numbers are written in prose, captions and legends."""

import html
import unicodedata
from collections import Counter
from functools import lru_cache
from itertools import combinations

# decimals beyond which a number is that of its arithmetic: one quantity, reached by two ways, is
# written alike
NOISE = 9
# signs without a look of their own, by which Persian, Hindi and emoji join their letters
JOINERS = "\u200c\u200d"
# letters that are drawn as Latin ones, Cyrillic and Greek, as `casefold` writes them
LATIN = str.maketrans("авеѕіјкмнорстухԁԛԝαβεζηικμνορτυχ", "abesijkmhopctyxdqwabezhikmnoptyx")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


# the names that a study shows, none of which may be written like another; and those that would be
_apart: list[str] = []
_alike: set[str] = set()


def keep_apart(names) -> None:
    """From here on no two of these names are written alike, be it whole or shortened."""
    _apart[:] = dict.fromkeys(map(str, names))
    times = Counter(map(_words, _apart))
    _alike.clear()
    _alike.update(name for name in _apart if times[_words(name)] > 1)
    _shortened.cache_clear()


def readable(name: str) -> str:
    """A class or arm name as prose wants it: "oak_tree" is "oak tree", "cutmix_only" is "CutMix
    only"; the name as it is where that would be another's as well."""
    name = str(name)
    # guard: names-stay-apart
    return name if name in _alike else _words(name)


def _words(name: str) -> str:
    words = name.replace("_", " ").split()
    return " ".join("CutMix" if word == "cutmix" else word for word in words)


def escape(text: str) -> str:
    """Text that is safe inside Markdown and HTML: names and hypotheses come from outside."""
    text = html.escape(str(text), quote=False)
    return "".join(
        "\\" + character if character in "\\`*_{}[]$#|~" else character for character in text
    )


def name(text: str) -> str:
    """A readable name that is safe in Markdown."""
    return escape(readable(text))


def start(text: str) -> str:
    """The same with a capital, for the start of a sentence."""
    text = name(text)
    return text[:1].upper() + text[1:]


def shorten(text: str, length: int = 15) -> str:
    """A readable name that fits over a picture, unlike any other that is to be kept apart;
    matplotlib reads $ as mathematics, so it is escaped."""
    text = readable(text)
    # guard: shortened-names-stay-apart
    text = _shortened(length).get(text) or _cut(text, length, 0)
    return text.replace("$", r"\$")


def headed(head, name: str, length: int = 16) -> str:
    """A picture's id and the name of its class, shortened, in one line over it."""
    head = _cut(_words(str(head)), length // 2 + 1, 0)
    return f"{head} {shorten(name, length - len(head) - 1)}"


def _cut(text: str, length: int, tail: int) -> str:
    """A text without its middle, that many characters at its end kept."""
    if len(text) <= length:
        return text
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


@lru_cache
def _shortened(length: int) -> dict[str, str]:
    """Each name that is kept apart, and what it is cut to: at its end where that is like no other,
    else in its middle, else numbered."""
    left = [readable(name) for name in _apart]
    found = {text: text for text in left if len(text) <= length}
    left = [text for text in left if text not in found]
    for tail in (0, length // 2, *range(1, length - 1)):
        cuts = Counter(_cut(text, length, tail) for text in left)
        taken = set(found.values())
        for text in left:
            if cuts[cut := _cut(text, length, tail)] == 1 and cut not in taken:
                found[text] = cut
        left = [text for text in left if text not in found]
    for number, text in enumerate(left, 1):
        found[text] = f"{text[: length - 1 - len(str(number))]}…{number}"
    return found


def percent(share: float, digits: int = 1) -> str:
    return f"{round(share, NOISE + 2):.{digits}%}"


def level(share: float) -> str:
    """A threshold as it was given: 0.995 is "99.5%"."""
    return f"{100 * share:g}%"


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, the minus as typography has it; what rounds to 0 has none."""
    text = f"{round(value, NOISE):+,.{digits}f}"
    return text[1:] if not text.strip("+-0.") else text.replace("-", "−")


def unsigned(text: str) -> str:
    """What `signed` wrote, without the sign."""
    return text.lstrip("+−")


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return signed(100 * share)


def digits_for(least: int, *pairs: tuple[float, float]) -> int:
    """The fewest digits, from `least` to 6, with which no two of a pair are written alike that
    differ at 6."""

    def differ(pair, digits):
        return signed(pair[0], digits) != signed(pair[1], digits)

    pairs = [pair for pair in pairs if differ(pair, 6)]
    return next(
        (digits for digits in range(least, 6) if all(differ(pair, digits) for pair in pairs)), 6
    )


def differences(change: dict, digits: int = 1, scale: float = 1.0) -> tuple[str, str, str]:
    """A change and the ends of its interval times `scale`, signed, with digits that tell them
    apart, and an end from 0."""
    estimate, low, high = (scale * change[end] for end in ("estimate", "low", "high"))
    digits = digits_for(digits, *combinations((estimate, low, high), 2), (low, 0.0), (high, 0.0))
    return signed(estimate, digits), signed(low, digits), signed(high, digits)


def with_interval(change: dict, digits: int = 1, scale: float = 1.0, unit: str = "") -> str:
    """ "+1.2 points, 95% interval +0.4 to +2.0"; unit: " points"."""
    estimate, low, high = differences(change, digits, scale)
    return f"{estimate}{unit}, {interval(low, high)}"


def shares(
    estimate: float, low: float, high: float, digits: int | None = None
) -> tuple[str, str, str]:
    """A share and the ends of its interval in percent, with digits that tell them apart, and the
    share from 0% and 100%.

    digits: the fewest; None for one decimal where the interval supports it.
    """
    digits = (0 if high - low >= 0.2 else 1) if digits is None else digits
    all_of = [100 * share for share in (estimate, low, high)]
    digits = digits_for(digits, *combinations(all_of, 2), (all_of[0], 0.0), (all_of[0], 100.0))
    return percent(estimate, digits), percent(low, digits), percent(high, digits)


def with_limits(estimate: float, low: float, high: float) -> str:
    """The same as a table has it: "31.4% (29.0% to 33.9%)"."""
    return "{} ({} to {})".format(*shares(estimate, low, high))


def power_of_ten(value: float) -> str:
    """A small number to one digit: 0.0000041 is "4 × 10⁻⁶"."""
    digit, _, exponent = f"{value:.0e}".partition("e")
    return digit if int(exponent) == 0 else f"{digit} × 10{str(int(exponent)).translate(RAISED)}"


def interval(low: str, high: str) -> str:
    return f"95% interval {low} to {high}"


def p_value(p: float) -> str:
    return (
        "p\N{NO-BREAK SPACE}<\N{NO-BREAK SPACE}0.001"
        if p < 0.001
        else f"p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{p:.3f}"
    )


def count(number: int) -> str:
    """A number in running text: "none" for 0."""
    return f"{number:,}" if number else "none"


def plural(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def one_form(name: str) -> str:
    """A name in the Unicode form in which others are compared with it: macOS writes "é" as two
    signs."""
    # guard: one-unicode-form
    return unicodedata.normalize("NFC", str(name))


def look_alike(names) -> list[list[str]]:
    """The names, two or more together, that a reader could take for each other: by capitals,
    blanks, full stops, letters of another alphabet."""
    alike: dict[str, list[str]] = {}
    for name in names:
        letters = "".join(filter(str.isprintable, unicodedata.normalize("NFKC", name)))
        words = letters.casefold().translate(LATIN).replace("_", " ").replace("-", " ")
        alike.setdefault(" ".join(words.split()).rstrip(". "), []).append(name)
    # guard: names-that-look-alike
    return [together for together in alike.values() if len(together) > 1]


def printed(text: str) -> str:
    """A text in one line that every stream takes, whatever a file system allows in a name."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def listed(items: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def compared(numbers: dict) -> list[str]:
    """The arms before and after, or the one that there is: `numbers` of a stage."""
    return [arm for arm in (numbers["before"], numbers["after"]) if arm]


def see(*labels: str) -> str:
    """Links to figures and tables, filled with their numbers when the report is rendered."""
    return listed([f"[](#{label})" for label in labels])


def verdict(change: dict) -> str:
    """ "higher", "lower" or "none": what the interval of a change allows to be said."""
    return "higher" if change["low"] > 0 else "lower" if change["high"] < 0 else "none"


def settled(change: dict, test: dict) -> str:
    """The `verdict` of a change beside the exact test {p_value, n} of the same images, of n seeds.

    "open" where of one seed one of the two finds a difference and the other none: of few images
    that differ the interval is too narrow. Over several seeds the interval alone decides: the test
    takes seeds as given."""
    found = verdict(change)
    return "open" if test["n"] == 1 and (found == "none") == (test["p_value"] < 0.05) else found


def disagreement(change: dict) -> str:
    """What is open where `settled` says so."""
    return (
        "the interval holds 0, the exact test finds a difference"
        if verdict(change) == "none"
        else "the interval leaves 0 out, the exact test finds no difference"
    )


Seeds = list[int] | dict[str, list[int]]  # of every arm, or of each where they differ


def each_arm(given: Seeds) -> list[list[int]]:
    return list(given.values()) if isinstance(given, dict) else [given]


def most(given: Seeds) -> int:
    """How many seeds the arm with the most has."""
    return max(map(len, each_arm(given)))


def several(given: Seeds) -> str:
    """The seeds in words: "3 seeds", or how many each arm has."""
    counts = set(map(len, each_arm(given)))
    if len(counts) == 1:
        return f"{counts.pop()} seeds"
    said = listed([f"{name(arm)} {len(of_arm)}" for arm, of_arm in given.items()])
    return f"the seeds that each arm has ({said})"
