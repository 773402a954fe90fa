"""A study without make: a report is named where it was made."""

import pytest

from lib.pipeline import serial


@pytest.mark.parametrize("status", [0, 1])
def test_a_report_that_was_not_exported_is_not_named(status, tmp_path, monkeypatch, capsys):
    for module, name, answer in (
        (serial.preflight, "prepare", []),
        (serial.at_hand, "prepare", None),
        (serial.at_hand, "to_do", []),
        (serial.arms, "take_in", None),
        (serial.execute, "quiet", None),
        (serial.index, "main", 0),
        (serial.export, "main", status),
    ):
        monkeypatch.setattr(module, name, lambda *_, answer=answer: answer)
    assert serial.main(["smoke", "--outputs", str(tmp_path)]) == status
    assert ("report.html" in capsys.readouterr().out) == (status == 0)
