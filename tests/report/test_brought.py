"""What a report says of brought arms: each answer of the examination stands in it."""

import pytest

from lib.report import brought
from lib.report.chapters import first_page


def answer(question, verdict="passed", line=""):
    return {"question": question, "verdict": verdict, "line": line}


@pytest.fixture
def results():
    answers = [
        answer("every weight comes from the file"),
        answer("nothing else is in the file", "note", "2 of its tensors are not used: a_b, c"),
        answer("the logits are finite"),
        answer("better than chance", "warning", "right on 5.0% of validation"),
    ]
    network = {"examined": "examined: 4 questions, 1 warning", "answers": answers, "notes": []}
    table = {"examined": None, "answers": [], "notes": ["the numbers are logits"]}
    return {"study": {"brought": {"theirs": network, "a_table": table}}}


def test_the_set_up_has_one_row_of_the_examination(results):
    assert brought.examined(results) == (
        "What was brought was examined before it was believed: theirs, 4 questions, 1 warning."
    )
    assert brought.examined({"study": {"brought": {}}}) == ""


def test_the_appendix_has_every_question_and_every_note(results):
    text = brought.chapter(results)
    assert "Passed: every weight comes from the file; the logits are finite." in text
    assert "- note, nothing else is in the file: 2 of its tensors are not used: a\\_b, c" in text
    assert "- warning, better than chance: right on 5.0% of validation" in text
    assert "**a table**." in text and text.endswith("- the numbers are logits")


def test_page_one_warns_in_few_words(results):
    assert brought.footer(results) == "theirs: not “better than chance”."
    answers = results["study"]["brought"]["theirs"]["answers"]
    answers += [answer(f"question {number}", "warning", "x") for number in range(3)]
    assert brought.footer(results) == "theirs: not “better than chance”; 3 more."
    assert brought.footer({"study": {"brought": {}}}) == ""


def test_the_footer_of_page_one_has_the_warnings(results, monkeypatch):
    monkeypatch.setattr(first_page.findings, "conditions", lambda of: (0, [], 0))
    monkeypatch.setattr(first_page.findings, "trusted", lambda of: {})
    results["study"] |= {"seeds": [1], "widths": []}
    compare = {"before": "theirs", "after": "", "ablation": []}
    compare["arms"] = {"theirs": {"errors": {"mean": 3}}}
    results |= {"compare": compare, "conditions": []}
    assert ("Warnings", brought.footer(results)) in first_page.footer(results)
    results["study"]["brought"] = {}
    assert "Warnings" not in dict(first_page.footer(results))
