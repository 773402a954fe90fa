"""What the library tells while it works, one line at a time. Whoever runs it says where to."""

import logging
import os
import sys

log = logging.getLogger("lib")


class _Printed(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)


def to_stdout() -> None:
    """From here on the lines are printed, as plain text."""
    log.setLevel(logging.INFO)
    log.handlers, log.propagate = [_Printed()], False


class _Heedless:
    """A stream whose reader may go away, or whose disk may fill: what was to be told is then lost,
    and the work goes on."""

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name: str):
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        return self._told(lambda: self.stream.write(text)) or len(text)

    def flush(self) -> None:
        self._told(self.stream.flush)

    def _told(self, action):
        # guard: telling-never-fails
        try:
            return action()
        except (OSError, ValueError):
            self._silence()

    def _silence(self) -> None:
        """Nothing more is told, by this process and by those that it starts."""
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            return  # the stream is closed, which is as silent


def heedless() -> None:
    """From here on nothing that is printed can end this process."""
    # None is what Python calls a stream that was closed before it began
    sys.stdout, sys.stderr = (
        _Heedless(stream or open(os.devnull, "w", encoding="utf-8"))
        for stream in (sys.stdout, sys.stderr)
    )
