"""Columns that are longer than memory may hold: in temporary files, mapped.

    with columns_on_disk():
        recording = capture.read(files, progress)   its columns are in files; the rest is as always

A mapped file is no memory that a process holds: the system writes its pages to the disk, and takes
them away, when others need the room. The files have no name and only their owner could open them.
Their space is asked for when they are made, so a full disk is an error of one line, and it is given
back when nobody looks at the column any more.

Outside of `columns_on_disk` all of this is plain numpy.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Final

import numpy as np

from lbtrace.capture import spool
from lbtrace.errors import InputError
from lbtrace.tables.columns import Column

CHUNK_ROWS: Final = 1 << 17  # worked out at a time
_FIRST: Final = 1 << 20  # bytes of the first file; each further one is as large as all so far,
_LARGEST: Final = 1 << 28  # up to this size
_ALIGNED: Final = 64
_entered: list[_Extents] = []  # those of each `columns_on_disk` that is entered


class _Extents:
    """Mapped files, and how much of the last one is taken."""

    def __init__(self) -> None:
        self._last: mmap.mmap | None = None
        self._taken = self._all = 0

    def column(self, count: int, kind: np.dtype) -> Column:
        size = count * kind.itemsize
        if self._last is None or self._taken + size > len(self._last):
            room = max(size, min(max(self._all, _FIRST), _LARGEST))
            self._last = _mapped(_file(room), room)
            self._taken = 0
            self._all += room
        at = self._taken
        self._taken += size + -size % _ALIGNED
        return np.frombuffer(self._last, kind, count, at)


@contextmanager
def columns_on_disk() -> Iterator[None]:
    """Columns that are made meanwhile are in temporary files. InputError when there is no room."""
    _entered.append(_Extents())
    try:
        yield
    finally:
        _entered.pop()


def empty(count: int, kind: str) -> Column:
    """A column to be filled."""
    if not _entered or not count:
        return np.empty(count, kind)
    return _entered[-1].column(count, np.dtype(kind))


def full(count: int, value: int, kind: str) -> Column:
    """A column of one value."""
    made = empty(count, kind)
    made[:] = value
    return made


def filled(count: int, kind: str, values: Callable[[slice], Column]) -> Column:
    """A column, some rows at a time: `values` of these rows."""
    made = empty(count, kind)
    for rows in chunks(count):
        made[rows] = values(rows)
    return made


def chunks(count: int) -> Iterator[slice]:
    """Rows 0 … `count`, CHUNK_ROWS at a time."""
    for low in range(0, count, CHUNK_ROWS):
        yield slice(low, min(low + CHUNK_ROWS, count))


def together(columns: Sequence[Column], kind: str) -> Column:
    """Columns, one behind the other."""
    if len(columns) == 1:
        return columns[0]
    if not _entered:
        return np.concatenate([np.empty(0, kind), *columns])
    made = empty(sum(map(len, columns)), kind)
    at = 0
    for column in columns:
        made[at : at + len(column)] = column
        at += len(column)
    return made


class Growing:
    """A column whose length is not known before."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._parts: list[Column] = []
        self._file: BinaryIO | None = None
        self._count = 0
        self.last = -1  # its last value, −1 without any

    def append(self, part: Column) -> None:
        """Some more values."""
        if not len(part):
            return
        self.last = int(part[-1])
        self._parts.append(part)
        self._count += len(part)
        if _entered and sum(map(len, self._parts)) >= CHUNK_ROWS:
            self._write()

    def _write(self) -> None:
        if self._file is None:
            self._file = _file(0)
        try:
            for part in self._parts:
                self._file.write(np.ascontiguousarray(part, self._kind).data)
        except OSError as error:
            raise no_room() from error
        self._parts = []

    def column(self) -> Column:
        """All values. Nothing may be added any more."""
        if self._file is None:
            return together(self._parts or [np.empty(0, self._kind)], self._kind)
        self._write()
        self._file.flush()
        size = self._count * np.dtype(self._kind).itemsize
        return np.frombuffer(_mapped(self._file, size), self._kind, self._count)


def _file(size: int) -> BinaryIO:
    """A temporary file that has room for so many bytes."""
    import tempfile

    folder = spool.folder()
    if spool.is_in_memory(folder):
        raise InputError(
            "temporary-space",
            f"{folder}: temporary files are in memory here, so a capture that does not fit in "
            "memory cannot be read.",
            "Let TMPDIR name a folder on a disk.",
        )
    file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed when it is mapped
    if size:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        except OSError as error:
            file.close()
            raise no_room(size) from error
    return file


def no_room(size: int = 0) -> InputError:
    """The error of a full disk. `size`: the bytes that are needed, where that is known."""
    needed = f"; {size >> 20} MiB more are needed" if size >> 20 else ""
    return InputError(
        "temporary-space",
        f"{spool.folder()}: there is no room for temporary files{needed}.",
        "Make room, or let TMPDIR name another folder.",
    )


def _mapped(file: BinaryIO, size: int) -> mmap.mmap:
    with file:
        return mmap.mmap(file.fileno(), size)
