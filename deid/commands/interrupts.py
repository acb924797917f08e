"""Ctrl-C: the first ends the work in good order, a second one the process, at once and without a word."""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
_SHOW_CURSOR = "\x1b[?25h"  # a progress bar hides it


def end_at_the_second() -> None:
    """Only where Ctrl-C is Python's to handle: what is started in the background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _first)


def _first(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, _second)
    raise KeyboardInterrupt


def _second(number: int, frame: FrameType | None) -> NoReturn:
    with suppress(OSError, ValueError, RuntimeError):  # RuntimeError: it came in the middle of a line
        if sys.stderr.isatty():
            sys.stderr.write(_SHOW_CURSOR)
            sys.stderr.flush()
    os._exit(INTERRUPTED)  # nothing is lost by it: files are whole or not there, and the journal knows
