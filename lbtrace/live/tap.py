"""One tcpdump at a place, from its start to its counts.

In: an argv, and the file that takes what it captures. Out: whether it listens, whether it still
runs, and all that it wrote to standard error. It is in a process group of its own, so Ctrl-C at
the terminal does not reach it: it ends when its standard input is closed.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections import deque
from contextlib import suppress
from typing import BinaryIO

from lbtrace.errors import InputError
from lbtrace.live import tcpdump
from lbtrace.live.place import CapturePlace

MOST_LINES = 100
MOST_OF_LINE = 4096  # bytes
END_SECONDS = 10.0  # a distant machine has to answer, and what is on its way has to come
KILL_SECONDS = 2.0


class Tap:
    """A place while it is captured. `changed` is set whenever it begins to listen, and when it
    ends.
    """

    def __init__(
        self, place: CapturePlace, argv: list[str], out: BinaryIO, changed: threading.Event
    ) -> None:
        self.place = place
        self.said: deque[str] = deque(maxlen=MOST_LINES)
        self.listens = False
        self.closed = False  # whether it was told to end
        self._changed = changed
        try:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.PIPE,
                process_group=0,
                env={**os.environ, "LC_ALL": "C"},  # its words are looked at
            )
        except OSError as error:
            raise InputError(
                "capture-failed",
                f"{place.written}: {argv[0]} cannot be started: {error.strerror}.",
                f"Install {argv[0]}." if isinstance(error, FileNotFoundError) else "",
            ) from error
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in iter(lambda: self.process.stderr.readline(MOST_OF_LINE), b""):  # type: ignore[union-attr]
            text = line.decode("latin-1").strip()
            if text:
                self.said.append(text)
            if tcpdump.listens(text):
                self.listens = True
                self._changed.set()
        self.process.wait()
        self._changed.set()

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def close(self) -> None:
        """Tell it to end. Several can end at the same time."""
        self.closed = True
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()

    def end(self) -> None:
        """Wait until it has ended; end it by its id, if it does not."""
        self.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)
        for stop in (self.process.terminate, self.process.kill):
            if self.runs:
                with suppress(OSError):  # sudo is another user's
                    stop()
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(KILL_SECONDS)
        self._reader.join(KILL_SECONDS)
        if not self._reader.is_alive() and self.process.stderr is not None:
            self.process.stderr.close()

    def failure(self) -> InputError:
        """Why it does not capture."""
        why, advice = tcpdump.reason(list(self.said), self.process.poll(), self.place.kind.hints)
        return InputError("capture-failed", f"{self.place.written}: {why}.", advice)
