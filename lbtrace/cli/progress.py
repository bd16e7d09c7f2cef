"""A progress bar on stderr: on a terminal only, and only when the work takes over a second."""

from __future__ import annotations

import sys
import time

from lbtrace.render.wording.escape import cut, shown

_PATIENCE_S = 1.0
_EVERY_S = 0.1
_WIDTH = 24


class ProgressBar:
    """Call it with (what is being done, fraction done). As a context manager it clears its line at
    the end.
    """

    def __init__(self) -> None:
        self._started = self._drawn = time.monotonic()
        self._wanted = sys.stderr.isatty()
        self._length = 0

    def __call__(self, what: str, fraction: float) -> None:
        """Draw, if stderr is a terminal and it is time."""
        if not self._wanted:
            return
        now = time.monotonic()
        if now - self._started < _PATIENCE_S or now - self._drawn < _EVERY_S:
            return
        self._drawn = now
        done = int(min(max(fraction, 0.0), 1.0) * _WIDTH)
        line = f"{cut(shown(what), 40):<40} [{'#' * done}{'.' * (_WIDTH - done)}]"
        self._length = len(line)
        sys.stderr.write("\r" + line)
        sys.stderr.flush()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._length:
            sys.stderr.write("\r" + " " * self._length + "\r")
            sys.stderr.flush()
