"""Stopping: between two steps and never within one, once however often it is asked for, and with
whoever asked for the work."""

import ctypes
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LOOK_SECONDS = 1
PR_SET_PDEATHSIG = 1  # prctl(2)


@contextmanager
def deferred():
    """Within the block the first SIGINT or SIGTERM is only noted; yields a function that tells
    whether one came.

    A second one acts as it would have without the block, and so does, at the block's end, one that
    nobody was told of. Outside the main thread signals are left alone.
    """
    came, told = [], []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(number, _frame):
        came.append(number)
        signal.signal(number, previous[number])

    def asked() -> bool:
        told.extend(came)
        return bool(came)

    # guard: stop-is-deferred
    previous = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if came and not told:
            os.kill(os.getpid(), came[0])


def leave_once() -> None:
    """From here on the first SIGINT, SIGTERM or SIGHUP raises SystemExit with the shell's status
    for it (130, 143, 129); later ones do nothing.

    One wish often comes twice: make passes SIGTERM on to its jobs, and who signals a whole group
    reaches them as well. The second must not break into the work of stopping. What is ignored from
    the start (nohup, a script's background job) stays ignored."""
    # guard: ignored-stays-ignored
    heard = [
        number for number in (*SIGNALS, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN
    ]

    def leave(number, _frame):
        for each in heard:
            # guard: second-wish
            signal.signal(each, signal.SIG_IGN)
        # guard: shell-status
        sys.exit(128 + number)

    for number in heard:
        signal.signal(number, leave)


def end_with(parent: int, number: int = signal.SIGTERM) -> None:
    """Have this process sent `number` when its parent, the process `parent`, ends: on Linux at
    once, elsewhere within a second."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        # guard: parent-gone-before
        if os.getppid() != parent:  # it ended before the line above
            os.kill(os.getpid(), number)
    else:
        # guard: look-for-the-parent
        _when(lambda: os.getppid() != parent, number)


def stop_with(make: int) -> None:
    """Have this process sent SIGINT when the process `make` was: on Linux, and for GNU make.

    make passes SIGTERM on, but takes SIGINT for Ctrl-C, which reaches every process of the
    terminal, and after `kill -INT` would wait until its jobs are done. What shows is that it no
    longer catches the signal."""
    if _catches(make, signal.SIGINT):
        _when(lambda: not _catches(make, signal.SIGINT), signal.SIGINT)


def _catches(process: int, number: int) -> bool:
    try:
        with open(f"/proc/{process}/status", encoding="utf-8") as file:
            caught = next(line.split()[1] for line in file if line.startswith("SigCgt"))
    except (OSError, StopIteration):  # gone, which is `end_with`'s, or no Linux
        return False
    return bool(int(caught, 16) >> (number - 1) & 1)


def _when(true, number: int) -> None:
    """Send this process `number`, once, when `true()`."""

    def look():
        while not true():
            time.sleep(LOOK_SECONDS)
        os.kill(os.getpid(), number)

    threading.Thread(target=look, daemon=True).start()
