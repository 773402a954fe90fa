"""What the library tells while it works, one line at a time. Whoever runs it says where to."""

import logging

log = logging.getLogger("lib")


class _Printed(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)


def to_stdout() -> None:
    """From here on the lines are printed, as plain text."""
    log.setLevel(logging.INFO)
    log.handlers, log.propagate = [_Printed()], False
