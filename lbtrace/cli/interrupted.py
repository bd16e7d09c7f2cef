"""Ctrl-C, wherever it meets the process.

Python raises KeyboardInterrupt between any two steps. In the body of a class it comes out as
another exception, whose cause it is. In a finalizer or in a callback of a weak reference it is
swallowed, with a traceback: then it is raised once more.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_SOON_S = 0.001  # until whatever swallowed it is over


def is_interrupt(error: BaseException) -> bool:
    """Whether Ctrl-C is what an exception came of."""
    return any(isinstance(each, KeyboardInterrupt) for each in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def hear_again() -> None:
    """From now on no Ctrl-C is lost, where the system has timers."""
    if hasattr(signal, "setitimer"):
        sys.unraisablehook = _unraisable


def _unraisable(found: UnraisableHookArgs) -> None:
    if not issubclass(found.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(found)
        return
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, _SOON_S)
