"""One event of the widgets after the other.

JupyterLab hands what its widgets send to several threads of the kernel ("comms over subshells"), so
that a choice may arrive while a card is being drawn. Two threads in one network would take each
other's activations for their own, and the slower answer, drawn last, would be the older one.
"""

import functools
import threading
from collections.abc import Callable

_TURN = threading.RLock()  # one event may set off another


def in_turn(handler: Callable) -> Callable:
    """The handler, which waits until no other one runs."""

    @functools.wraps(handler)
    def waiting(*arguments):
        # guard: one-event-at-a-time
        with _TURN:
            return handler(*arguments)

    return waiting
