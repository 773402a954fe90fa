"""Stopping between two steps: a signal that arrives within one waits until the step is whole."""
import signal
import threading
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred():
    """Within the block the first SIGINT or SIGTERM is only noted; yields a function that tells whether one came.

    A second one acts as it would have without the block. Outside the main thread signals are left alone.
    """
    came = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(number, _frame):
        came.append(number)
        signal.signal(number, previous[number])

    previous = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
