"""A file that is replaced as a whole: what is written goes beside it, and takes its place when
complete. Until then, and when writing fails, is interrupted or told to end, the old file stays as
it was.

A device, a FIFO or a socket has no beside, and is written to. So is a file in a folder in which no
other may be made.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, TextIO, TypeVar

from lbtrace.ending import told_to_end
from lbtrace.guard import unfinished

_Stream = TypeVar("_Stream", TextIO, BinaryIO)


@contextmanager
def replaced(path: str) -> Iterator[TextIO]:
    """The stream to write the text of the new file to."""
    with _replaced(path, _text) as out:
        yield out


@contextmanager
def replaced_bytes(path: str, private: bool = False) -> Iterator[BinaryIO]:
    """The stream to write the bytes of the new file to. `private`: only the owner may read it."""
    with _replaced(path, _bytes, private) as out:
        yield out


@contextmanager
def _replaced(
    path: str, opened: Callable[[str | int], _Stream], private: bool = False
) -> Iterator[_Stream]:
    real = os.path.realpath(path)  # a link stays one
    folder, name = os.path.split(real)
    there = os.stat(real) if os.path.exists(real) else None
    is_file = there is None or stat.S_ISREG(there.st_mode)
    if not is_file or not os.access(folder, os.W_OK | os.X_OK):
        with opened(real) as out:
            yield out
        return
    import tempfile  # only a file that is written needs it

    number, beside = tempfile.mkstemp(dir=folder, prefix=f".{name[:100]}.", suffix=".part")
    with told_to_end(), unfinished(beside):
        with opened(number) as out:
            yield out
            out.flush()
            _like(number, there)
            if private:
                _set_mode(number, 0o600)
        os.replace(beside, real)


def _like(number: int, there: os.stat_result | None) -> None:
    """Give a file the permissions and the owner of the one it replaces, or those of a new one."""
    if there is None:
        mask = os.umask(0)
        os.umask(mask)
        _set_mode(number, 0o666 & ~mask)
        return
    if hasattr(os, "fchown"):
        with suppress(OSError):
            os.fchown(number, there.st_uid, there.st_gid)
    _set_mode(number, stat.S_IMODE(there.st_mode))


def _set_mode(number: int, mode: int) -> None:
    """Set the permissions of an open file, where files have such."""
    if hasattr(os, "fchmod"):
        os.fchmod(number, mode)


def _text(file: str | int) -> TextIO:
    return open(file, "w", encoding="utf-8", errors="backslashreplace", newline="\n")


def _bytes(file: str | int) -> BinaryIO:
    return open(file, "wb")
