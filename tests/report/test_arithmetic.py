"""A claims file's own arithmetic: cases worked by hand, a brute-force search, what a broken one
says."""

import re

import numpy as np
import pytest

from lib.base.artefacts import ROOT
from lib.base.config import ParameterError, parse_yaml
from lib.evaluation.protocols import PROTOCOLS
from lib.report import arithmetic, claims

CLAIMS = """\
claims:
  - {id: accuracy, statement: S., claimed: 60.69, unit: percent, of: 10000, only_at: [], needs: x}
  - {id: errors, statement: S., claimed: 3931, unit: images, only_at: [], needs: x}
  - {id: both-wrong, statement: S., claimed: 1993, unit: images, only_at: [], needs: x}
  - {id: corrected, statement: S., claimed: 1938, unit: images, only_at: [], needs: x}
  - {id: less-sure, statement: S., claimed: 57.5, unit: percent, of: both-wrong, only_at: [],
     needs: x}
  - {id: small, statement: S., claimed: 33.3, unit: percent, of: 12, only_at: [], needs: x}
  - {id: words, statement: S., only_at: [], needs: x}
identities:
  - errors = 10000 - 100 * accuracy
  - both-wrong = errors - corrected
"""


def read(tmp_path, text=CLAIMS, **changed):
    for old, new in changed.values():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "claims.yaml").write_text(text)
    return claims.read_claims(str(tmp_path / "claims.yaml"))


def test_numbers_that_agree_are_counted_and_those_that_cannot_fail_are_not(tmp_path):
    stated = read(tmp_path)
    found = arithmetic.check(stated)
    # any 0.01 of 10,000 images is one, any 0.1% of 1,993 is some: two shares cannot fail
    assert found == {"checks": 3, "hold": 3, "broken": [], "cannot_fail": 2}
    assert "agree with one another (3 of 3 checks" in arithmetic.agreement(found)
    assert arithmetic.derived(stated) == {"errors", "both-wrong"}


@pytest.mark.parametrize(
    "old, new, hold, says",
    [
        (
            "claimed: 3931",
            "claimed: 3932",
            1,
            "errors is given as 3,932, but 10000 − 100 × 60.69 (accuracy) is 3,931",
        ),
        (
            "claimed: 1938",
            "claimed: 1939",
            2,
            "both wrong is given as 1,993, but 3,931 (errors) − 1,939 (corrected) is 1,992",
        ),
        (
            "claimed: 33.3",
            "claimed: 33.4",
            2,
            "small is given as 33.4%, which no whole number of 12 images is",
        ),
    ],
)
def test_a_number_that_does_not_fit_is_named(tmp_path, old, new, hold, says):
    found = arithmetic.check(read(tmp_path, one=(old, new)))
    assert found["hold"] == hold and found["broken"][0] == says
    text = arithmetic.agreement(found)
    assert f"do not agree with one another** ({hold} of 3 checks hold): {says}" in text


def test_rounding_is_allowed_and_no_more(tmp_path):
    """60.7 may be 60.65 to 60.75: 3,925 to 3,935 errors."""
    for errors, holds in ((3924, False), (3925, True), (3935, True), (3936, False)):
        changed = {
            "accuracy": ("claimed: 60.69", "claimed: 60.7"),
            "errors": ("claimed: 3931", f"claimed: {errors}"),
        }
        stated = read(tmp_path, **changed)
        by_id = {claim.id: claim for claim in stated.claims}
        assert arithmetic.holds("errors = 10000 - 100 * accuracy", by_id)[0] == holds, errors
        # written as 60.70 it is not rounded to one digit
        changed["accuracy"] = ("claimed: 60.69", "claimed: 60.7, decimals: 2")
        by_id = {claim.id: claim for claim in read(tmp_path, **changed).claims}
        assert not arithmetic.holds("errors = 10000 - 100 * accuracy", by_id)[0]


def one(claimed):
    words = {"id": "a", "statement": "S.", "only_at": [], "needs": "x"}
    return claims.Claim(claimed=claimed, unit="percent", decimals=1, **words)


@pytest.mark.parametrize("images", [7, 12, 40, 99, 150])
def test_a_share_of_images_is_what_a_search_finds(images):
    possible = {round(100 * right / images, 1) for right in range(images + 1)}
    for claimed in np.round(np.arange(0, 100.1, 0.1), 1):
        claim = one(float(claimed))
        assert arithmetic.whole_images(claim, images) == (claimed in possible), claimed
    assert arithmetic.whole_images(claim, 1000) is None


def test_an_identity_is_read_term_by_term():
    assert arithmetic.terms("a-b = 10000 - 100 * c-d + e - 3") == (
        "a-b",
        [(10000.0, None), (-100.0, "c-d"), (1.0, "e"), (-3.0, None)],
    )


@pytest.mark.parametrize(
    "old, new, says",
    [
        ("errors - corrected", "errors - nothing", "no claimed number is called nothing"),
        ("errors - corrected", "errors - words", "no claimed number is called words"),
        ("errors - corrected", "errors -corrected", "identities"),
        ("both-wrong = ", "errors = ", "on the left twice: errors"),
        ("of: both-wrong", "of: nobody", "less-sure: of: no other claim is called nobody"),
        ("of: both-wrong", "same_as: less-sure", "same_as: no other claim is called less-sure"),
        ("id: words, statement: S.", "id: words, statement: S., of: 9", "belong to a claimed"),
        ("both-wrong = ", "100 = ", "'100' stands on the left and is no claim"),
        ("of: both-wrong", "of: words", "less-sure: of: words claims no number above 0"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, old, new, says):
    with pytest.raises(ParameterError) as caught:
        read(tmp_path, one=(old, new))
    (line,) = str(caught.value).splitlines()
    assert says in line


def test_without_claims_there_is_nothing_to_check():
    found = arithmetic.check(None)
    assert found["checks"] == 0 and arithmetic.agreement(found) == ""


def test_the_example_of_the_docs_is_a_file_whose_numbers_agree(tmp_path):
    page = (ROOT / "docs" / "explain-a-number.md").read_text(encoding="utf-8")
    study, example = re.findall(r"```yaml\n(.*?)```", page, re.S)
    stated = read(tmp_path, example)
    arms = set(stated.candidates["baseline"]) - set(PROTOCOLS)
    assert arms and arms < set(parse_yaml(study, "docs")["arms"])
    found = arithmetic.check(stated)
    assert found == {"checks": 1, "hold": 1, "broken": [], "cannot_fail": 1}
