"""A progress bar on stderr: on a terminal only, and only when the work takes over a second.

The work says what it does and how far it is; a thread draws that ten times a second, with the time
since the beginning. So the bar moves also while one step of the work takes long.
"""

from __future__ import annotations

import sys
import time
from threading import Event, Thread

from lbtrace.options import UNKNOWN
from lbtrace.render.wording.escape import cut, shown

_PATIENCE_S = 1.0
_EVERY_S = 0.1
_WIDTH = 24
_BLOCK = 4  # of a bar that only moves


class ProgressBar:
    """Call it with (what is being done, fraction done). As a context manager it draws, and clears
    its line at the end. Its thread starts with the first call, and ends when it has to `rest`: a
    process with threads cannot be forked, and captures are read in forks.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._wanted = sys.stderr.isatty()
        self._doing = ("", UNKNOWN)
        self._length = 0
        self._done = Event()
        self._drawing = Thread(target=self._draw_on, daemon=True)

    def __call__(self, what: str, fraction: float) -> None:
        """Remember it, for the next time the bar is drawn."""
        self._doing = (what, fraction)
        if self._wanted and not self._drawing.ident:
            self._drawing.start()

    def rest(self) -> None:
        """Draw no more, and have no thread, until the next call."""
        if self._drawing.ident:
            self._done.set()
            self._drawing.join()
            self._done = Event()
            self._drawing = Thread(target=self._draw_on, daemon=True)

    def draw(self) -> None:
        """Draw what is being done, if it has taken long enough for that."""
        (what, fraction), taken = self._doing, time.monotonic() - self._started
        if taken < _PATIENCE_S or not what:
            return
        line = f"{cut(shown(what), 40):<40} [{_bar(fraction, taken)}] {taken:4.1f} s"
        sys.stderr.write("\r" + line.ljust(self._length))
        sys.stderr.flush()
        self._length = max(self._length, len(line))

    def _draw_on(self) -> None:
        while not self._done.wait(_EVERY_S):
            self.draw()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._done.set()
        if self._drawing.ident:
            self._drawing.join()
        if self._length:
            sys.stderr.write("\r" + " " * self._length + "\r")
            sys.stderr.flush()


def _bar(fraction: float, taken: float) -> str:
    """As full as the work is done; a block that goes to and fro where that is not known."""
    if fraction == UNKNOWN:
        step, room = int(taken / _EVERY_S), _WIDTH - _BLOCK
        at = room - abs(step % (2 * room) - room)
        return "." * at + "#" * _BLOCK + "." * (room - at)
    done = int(min(max(fraction, 0.0), 1.0) * _WIDTH)
    return "#" * done + "." * (_WIDTH - done)
