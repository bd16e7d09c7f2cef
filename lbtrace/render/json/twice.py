"""Lines that a document holds twice → made once, and copied the second time; or made twice, where
that takes less time.

The capture of `show` stands in `capture` and in `captures`. To make its lines in Python takes ten
times as long as to copy them. They are kept in memory as long as they are few, then in a temporary
file without a name. Where there is no room for one, they are made again. The compiled core makes
lines faster than a file takes them.

Invariant: `second()` gives the same lines as `first()`, in as few pieces as it can.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import IO, TextIO

from lbtrace.render.json.text import Piece, in_bytes

_FEW = 1 << 22  # bytes
_TOGETHER = 1 << 16  # characters that are kept together
_PIECE = 1 << 20  # bytes copied at a time
# the system copies from no file of this kind, or to none
_CANNOT_COPY = (errno.EINVAL, errno.ENOSYS, errno.ENOTSOCK, errno.EOPNOTSUPP)


class Twice:
    """Pieces of ASCII, each of one line or more, that `make` makes. `keep`: whether to keep them
    takes less time than to make them again. A context manager.
    """

    def __init__(self, make: Callable[[], Iterator[Piece]], keep: bool = True) -> None:
        self._make, self._wanted = make, keep
        self._kept = SpooledTemporaryFile(_FEW)  # noqa: SIM115 - closed by __exit__
        self._whole = False

    def first(self) -> Iterator[Piece]:
        """The pieces as they are made."""
        if not self._wanted:
            yield from self._make()
            return
        keep = True
        waiting: list[Piece] = []
        size = 0
        for piece in self._make():
            yield piece
            if keep:
                waiting.append(piece)
                size += len(piece)
            if size > _TOGETHER:
                keep = keep and self._keep(waiting)
                waiting, size = [], 0
        self._whole = keep and self._keep(waiting)

    def _keep(self, pieces: list[Piece]) -> bool:
        """Whether there was room for these pieces."""
        try:
            self._kept.write(b"".join(map(in_bytes, pieces)))
        except OSError:
            return False
        return True

    def second(self) -> Iterator[Piece]:
        """The same lines again, once all of them were made."""
        if not self._whole:
            yield from self._make()
            return
        yield from pieces(self._kept)

    def copy_to(self, out: TextIO) -> bool:
        """Write the lines once more, each with its line end, if the system can copy them from file
        to file; whether it did.
        """
        return self._whole and self._in_a_file() and copied(self._kept, out)

    def _in_a_file(self) -> bool:
        """Whether the lines have left the memory of this process."""
        return hasattr(os, "sendfile") and self._kept.tell() > _FEW

    def __enter__(self) -> Twice:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._kept.close()


def copied(kept: IO[bytes], out: TextIO) -> bool:
    """Write all of a file of ASCII to `out`, if the system can copy it; whether it did."""
    if not _takes_ascii(out):
        return False
    try:
        out.flush()
        kept.flush()
        source, target = kept.fileno(), out.fileno()
    except (OSError, ValueError):  # `out` is no file
        return False
    at, end = 0, os.fstat(source).st_size
    while at < end:
        try:
            at += os.sendfile(target, source, at, end - at)
        except OSError as error:
            if at or error.errno not in _CANNOT_COPY:
                raise
            return False
    return True


def pieces(kept: IO[bytes]) -> Iterator[bytes]:
    """All lines of a file of ASCII, in as few pieces as possible."""
    kept.seek(0)
    while lines := kept.read(_PIECE):
        yield lines + kept.readline()


def write_bytes(out: TextIO, lines: bytes) -> None:
    """Write lines of ASCII to `out`, as they are where it has a place for bytes."""
    below = getattr(out, "buffer", None)
    if below is None or not _takes_ascii(out):
        out.write(lines.decode("ascii"))
        return
    out.flush()
    below.write(lines)


def _takes_ascii(out: TextIO) -> bool:
    """Whether ASCII text is written as its own bytes."""
    return "\n".encode(out.encoding or "ascii") == b"\n"
