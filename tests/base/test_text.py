"""How numbers are written: one quantity one way, and no interval that its rounding swallows."""

import pytest

from lib.base import text
from lib.base.text import differences, percent, points, shares, signed
from lib.evaluation.summary import change_text, written
from lib.evaluation.summary import with_interval as in_a_cell
from lib.report.failures import bounded


def interval(estimate, low, high):
    return {"estimate": estimate, "low": low, "high": high}


@pytest.mark.parametrize(
    "one, other",
    [(-0.024499999999999966, -0.0245), (0.7235 - 0.748, -0.0245), (0.1 + 0.2 - 0.2785, 0.0215)],
)
def test_one_quantity_reached_by_two_ways_is_written_alike(one, other):
    assert one != other
    assert (
        points(one) == points(other)
        and percent(one) == percent(other)
        and signed(one, 3) == signed(other, 3)
    )
    assert in_a_cell("test_accuracy", interval(one, -0.1, 0.1)) == in_a_cell(
        "test_accuracy", interval(other, -0.1, 0.1)
    )


def test_an_interval_keeps_the_digits_that_tell_it_apart_from_0():
    assert differences(interval(-0.0002, -0.0003, -0.0001), 3) == ("−0.0002", "−0.0003", "−0.0001")
    assert (
        change_text("test_accuracy", interval(0.0002, 0.0001, 0.0003))
        == "+0.02 points, 95% interval +0.01 to +0.03"
    )
    assert in_a_cell("aurc", interval(0.002, 0.0004, 0.004)) == "+0.0020 (+0.0004 to +0.0040)"
    # nothing but noise
    assert (
        change_text("ece", interval(0.00000001, -0.00000001, 0.00000002))
        == "0.000, 95% interval 0.000 to 0.000"
    )


def test_ordinary_intervals_keep_their_digits():
    assert (
        change_text("test_accuracy", interval(0.15, 0.14, 0.16))
        == "+15.0 points, 95% interval +14.0 to +16.0"
    )
    assert in_a_cell("aurc", interval(-0.1, -0.12, -0.08)) == "−0.100 (−0.120 to −0.080)"
    assert differences(interval(0.03, -0.6, 0.7)) == ("0.0", "−0.6", "+0.7")
    assert in_a_cell("errors", interval(-271, -310, -230)) == "−271 (−310 to −230)"
    assert in_a_cell("errors", interval(-271, -310, -230), 3) == "−271.0 (−310.0 to −230.0)"
    assert differences(interval(0, 0, 0), 3) == ("0.000",) * 3


def test_counts_of_thousands_are_separated():
    assert (
        written("errors", 3898) == "3,898" and written("errors", 3898.5, plain=False) == "3,898.5"
    )
    assert in_a_cell("errors", interval(-1271, -1310, -1230)) == "−1,271 (−1,310 to −1,230)"
    assert (
        signed(1501, 0) == "+1,501"
        and signed(0.0, 0) == signed(-0.04, 0) == "0"
        and signed(-0.04) == "0.0"
    )


def test_a_share_that_is_not_0_or_all_is_not_written_so():
    assert bounded(interval(1 / 4000, 0.0000063, 0.00139)) == "0.03% (95% interval 0.00% to 0.14%)"
    assert bounded(interval(1.0, 0.99908, 1.0)) == "100.0% (95% interval 99.9% to 100.0%)"
    assert shares(3999 / 4000, 0.99861, 0.999994) == ("99.98%", "99.86%", "100.00%")
    assert bounded(interval(0.31, 0.29, 0.33)) == "31% (95% interval 29% to 33%)"
    assert bounded(interval(1 / 31, 0.0008, 0.167)) == "3% (95% interval 0% to 17%)"
    assert shares(0.314, 0.29, 0.339) == ("31.4%", "29.0%", "33.9%") and shares(0.4, 0.2, 0.6) == (
        "40%",
        "20%",
        "60%",
    )


ALIKE = {
    "from the world": (
        *("Tomato___Tomato_Yellow_Leaf_Curl_Virus", "Tomato___Tomato_mosaic_virus"),
        *("Audi S4 Sedan 2007", "Audi S4 Sedan 2012"),
    ),
    "one end": tuple(f"Canis lupus {kind} of the north" for kind in ("albus", "arctos", "lycaon")),
    "beyond both ends": tuple(f"a very long beginning {n} and a long end" for n in range(12)),
    "blanks and underscores": ("oak_tree", "oak tree", "oak  tree", "oak-tree"),
    "a name that looks cut": ("abcdefghijklmnopq", "abcdefghijklmn…", "abcdefghijklmnoxy"),
}


@pytest.fixture
def keep_apart():
    yield text.keep_apart
    text.keep_apart([])


@pytest.mark.parametrize("names", ALIKE.values(), ids=list(ALIKE))
def test_names_stay_distinct_whole_and_shortened(names, keep_apart):
    keep_apart(names)
    assert len(set(map(text.readable, names))) == len(names)
    for length in (9, 12, 14, 15, 18, 22, 24):
        short = [text.shorten(name, length) for name in names]
        assert len(set(short)) == len(names) and max(map(len, short)) <= length
    assert len({text.headed(814, name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "names",
    [
        ("Cat", "cat"),
        ("cat", "c\u0430t"),
        ("cat", "cat."),
        ("oak_tree", "oak tree", "Oak-Tree"),
        ("fir", "ﬁr"),
        ("dog", "d\u200dog"),
        ("Νο", "No"),
    ],
    ids=["capitals", "Cyrillic", "full stop", "blanks", "ligature", "joiner", "Greek"],
)
def test_names_that_could_be_taken_for_each_other_are_found(names):
    others = ["elm", "x1", "x2", "日本", "кот"]
    assert text.look_alike([*others, *names]) == [list(names)]


def test_any_text_is_printed_in_one_line():
    assert text.printed("a\nb\x1b\udcff é") == "a\\nb\\x1b\\udcff é"


def test_a_name_like_no_other_is_cut_at_its_end(keep_apart):
    name = "a_long_name_of_a_class"
    assert text.shorten(name) == "a long name of…"
    keep_apart([name, "another", "an oak_tree"])
    assert text.shorten(name) == "a long name of…" and text.readable("an oak_tree") == "an oak tree"
    assert text.shorten("a $5 b$") == r"a \$5 b\$"
