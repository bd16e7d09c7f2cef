"""Lines that a document holds twice → made once, and copied the second time.

The capture of `show` stands in `capture` and in `captures`. To make its lines takes ten times as
long as to copy them. They are kept in memory as long as they are few, then in a temporary file
without a name. Where there is no room for one, they are made again.

Invariant: `second()` gives the same lines as `first()`, in as few pieces as it can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from tempfile import SpooledTemporaryFile

_FEW = 1 << 22  # bytes
_PIECE = 1 << 20  # bytes copied at a time


class Twice:
    """Pieces of ASCII, each of one line or more, that `make` makes. A context manager."""

    def __init__(self, make: Callable[[], Iterator[str]]) -> None:
        self._make = make
        self._kept = SpooledTemporaryFile(_FEW)  # noqa: SIM115 - closed by __exit__
        self._whole = False

    def first(self) -> Iterator[str]:
        """The pieces as they are made."""
        keep = True
        for piece in self._make():
            yield piece
            keep = keep and self._keep(piece)
        self._whole = keep

    def _keep(self, piece: str) -> bool:
        """Whether there was room for a piece."""
        try:
            self._kept.write(piece.encode("ascii"))
            self._kept.write(b"\n")
        except OSError:
            return False
        return True

    def second(self) -> Iterator[str]:
        """The same lines again, once all of them were made."""
        if not self._whole:
            yield from self._make()
            return
        self._kept.seek(0)
        while lines := self._kept.read(_PIECE):
            yield (lines + self._kept.readline())[:-1].decode("ascii")

    def __enter__(self) -> Twice:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._kept.close()
