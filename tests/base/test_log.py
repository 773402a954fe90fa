"""What only tells never ends the work."""

import os
import subprocess
import sys

import pytest

from lib.base.artefacts import ROOT

CODE = """import sys, pathlib
from lib.base import log
log.heedless()
log.to_stdout()
for number in range(20_000):
    print("line", number)
log.log.info("told")
print("an error", file=sys.stderr)
pathlib.Path(sys.argv[1]).touch()
"""


@pytest.mark.parametrize(
    "reader", ["| head -1", "> /dev/full", "> /dev/full 2>&1", ">&-", "2>&-", ">&- 2>&-"]
)
def test_a_reader_that_goes_away_or_a_full_disk_under_the_log_ends_nothing(tmp_path, reader):
    command = f'"$0" -c "$1" "$2" {reader}; exit ${{PIPESTATUS[0]}}'
    result = subprocess.run(
        ["bash", "-c", command, sys.executable, CODE, str(tmp_path / "done")],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 0 and (tmp_path / "done").exists(), result
    assert "Error" not in result.stderr and "Traceback" not in result.stderr
