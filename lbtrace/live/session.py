"""All places together: every one listens before the first packet that matters, and all end at the
same time.

In: the places of both sides, a filter, a folder. Out: a capture file for each of them, and what was
counted. A place that fails ends the others and is one error. Whoever leaves the session, for
whatever reason, leaves no tcpdump behind.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from lbtrace.ending import Ended
from lbtrace.errors import InputError, OptionError
from lbtrace.live.place import CapturePlace
from lbtrace.live.tap import Tap
from lbtrace.live.tcpdump import TcpdumpCounts, counts

START_SECONDS = 30.0
SETTLE_SECONDS = 0.3  # after the last request, for what closes its connections
RAW, KEPT = ".pcap", ".pcapng"


class WantedCapture(NamedTuple):
    """What to capture: a place, and the name of its file without the ending."""

    name: str
    place: CapturePlace


class Session:
    """The places while they are captured. As a context manager it ends them all."""

    def __init__(
        self, wanted: Sequence[WantedCapture], filter_: str, folder: Path, sudo: bool
    ) -> None:
        self.wanted = wanted
        self.filter = filter_
        self.folder = folder
        self.sudo = sudo
        self.taps: list[Tap] = []
        self.made_folder = self.listened = False
        self._made: list[Path] = []
        self._changed = threading.Event()

    def __enter__(self) -> Session:
        self._make_folder()
        try:
            for name, place in self.wanted:
                with os.fdopen(self._raw_file(name), "wb") as out:
                    argv = place.argv(self.filter, self.sudo)
                    self.taps.append(Tap(place, argv, out, self._changed))
            self._wait_until_all_listen()
            self.listened = True
        except BaseException:
            self.end()
            self._forget()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.end()

    def raw(self, name: str) -> Path:
        """The file that a tcpdump writes to."""
        return self.folder / f"{name}{RAW}"

    def kept(self, name: str) -> Path:
        """The file that remains of it."""
        return self.folder / f"{name}{KEPT}"

    def _wait_until_all_listen(self) -> None:
        """InputError when one of them fails, or takes too long."""
        until = time.monotonic() + START_SECONDS
        while not all(tap.listens for tap in self.taps):
            self._changed.wait(max(until - time.monotonic(), 0.0))
            self._changed.clear()
            self.check()
            if time.monotonic() > until:
                late = next(tap for tap in self.taps if not tap.listens)
                raise InputError(
                    "capture-failed",
                    f"{late.place.written}: tcpdump does not listen after {START_SECONDS:.0f} s.",
                    "Is the place reached? Try its program by hand.",
                )

    def check(self) -> None:
        """InputError when a place ended by itself."""
        for tap in self.taps:
            if not tap.runs and not tap.closed:
                tap.end()
                raise tap.failure()

    def wait(self, seconds: float | None) -> None:
        """Capture for so long, None: without end; or until Ctrl-C. InputError when a place ends
        before.
        """
        until = None if seconds is None else time.monotonic() + seconds
        with suppress_interrupt():
            while until is None or time.monotonic() < until:
                self._changed.wait(None if until is None else max(until - time.monotonic(), 0.0))
                self._changed.clear()
                self.check()

    def end(self) -> None:
        """End all of them at the same time, and wait for what they still have to say."""
        for tap in self.taps:
            tap.close()
        for tap in self.taps:
            tap.end()

    def counts(self) -> list[TcpdumpCounts]:
        """What each of them counted; call it after `end`."""
        return [counts(tap.said) for tap in self.taps]

    def _make_folder(self) -> None:
        """Make it, for nobody else. OptionError when that cannot be, or when it has such files."""
        for name, _ in self.wanted:
            for ending in (RAW, KEPT):
                if os.path.lexists(self.folder / f"{name}{ending}"):
                    raise OptionError(
                        "output-exists",
                        f"-o {self.folder}: it has a {name}{ending}.",
                        "A capture is not overwritten: name another directory.",
                    )
        try:
            if not self.folder.is_dir():
                self.folder.mkdir(mode=0o700)
                self.made_folder = True
        except OSError as error:
            raise OptionError(
                "output-unwritable", f"-o {self.folder}: {error.strerror or error}."
            ) from error
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise OptionError(
                "output-unwritable", f"-o {self.folder}: no permission to write there."
            )

    def _raw_file(self, name: str) -> int:
        """The number of the new file that a tcpdump writes to. InputError when it cannot be."""
        path = self.raw(name)
        try:
            number = private_new_file(path)
        except OSError as error:
            raise InputError("output-unwritable", f"{path}: {error.strerror or error}.") from error
        self._made.append(path)
        return number

    def _forget(self) -> None:
        """Before all listened there was nothing to capture: what was made here goes."""
        for path in self._made:
            path.unlink(missing_ok=True)
        if self.made_folder:
            with suppress(OSError):  # somebody else put something there
                self.folder.rmdir()


@contextmanager
def suppress_interrupt() -> Iterator[None]:
    """Ctrl-C ends what is inside, and nothing else."""
    try:
        yield
    except Ended:
        raise
    except KeyboardInterrupt:
        pass


def private_new_file(path: Path) -> int:
    """The number of a file that was not there and that only its owner may read."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
