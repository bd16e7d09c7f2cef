"""SIGTERM and SIGHUP → an exception, so that being told to end runs the same clean-up as any other
way out.

Invariant: what the signals did before is restored; a SIGHUP that is ignored (nohup) stays ignored.
Signals go to the main thread: in another one nothing is changed. Windows has no SIGHUP.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

_TO_END = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Ended(KeyboardInterrupt):
    """This process was told to end, or its terminal is gone."""


@contextmanager
def told_to_end() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into Ended, which Ctrl-C is not."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise Ended

    with ExitStack() as after:
        if threading.current_thread() is threading.main_thread():
            for number in _TO_END:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    after.callback(signal.signal, number, signal.signal(number, end))
        yield
