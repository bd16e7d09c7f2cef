"""Temporary files for what cannot be mapped as it is: where they are, and how much they may hold.

They have no name, so nothing is left of them, however lbtrace ends. A folder in memory (tmpfs)
would make of every byte on disk one of memory: /var/tmp is taken instead of it, unless TMPDIR names
another folder. Invariants: in a folder in memory, all that are there together hold at most
MEMORY_BYTES; a file on a disk takes at most nine tenths of what was free when it began, for a pipe
may never end. A file is there until nobody looks at its bytes any more.
"""

from __future__ import annotations

import mmap
import os
import weakref
from typing import BinaryIO, Final

MEMORY_BYTES: Final = 1 << 30
IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
ON_DISK: Final = "/var/tmp"  # by the Filesystem Hierarchy Standard §5.15, kept between reboots
_held = [0]  # bytes in a folder in memory, by this process


class Spool:
    """A temporary file that is written from its beginning and then mapped. A context manager."""

    def __init__(self) -> None:
        import shutil  # few captures need them
        import tempfile

        place = folder()
        self._in_memory = is_in_memory(place)
        self._free = 0 if self._in_memory else shutil.disk_usage(place).free
        self._holds = 0  # bytes of memory
        self.file: BinaryIO = tempfile.TemporaryFile(dir=place)  # noqa: SIM115
        self.written = 0
        self.full = False

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.file.close()
        _release(self._holds)

    def mapped(self) -> memoryview:
        """What was written, which is something."""
        self.file.flush()
        found = mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ)
        weakref.finalize(found, _release, self._holds)
        self._holds = 0
        return memoryview(found)

    def write(self, part: bytes) -> bool:
        """Add some bytes; whether there was room for all of them."""
        room = MEMORY_BYTES - _held[0] if self._in_memory else self._free * 9 // 10 - self.written
        self.full = len(part) > room
        part = part[: max(room, 0)]
        if self._in_memory:
            _held[0] += len(part)
            self._holds += len(part)
        self.file.write(part)
        self.written += len(part)
        return not self.full

    def full_text(self, path: str) -> str:
        """What to say when there was no more room."""
        if self._in_memory:
            return (
                f"{path}: temporary files are in memory here, and hold at most "
                f"{MEMORY_BYTES >> 20} MiB; the rest was not read. Let TMPDIR name a folder on a "
                "disk."
            )
        return (
            f"{path}: a temporary file takes at most nine tenths of the free space of its disk "
            f"({self._free >> 20} MiB); the rest was not read. Let TMPDIR name a folder with more "
            "room."
        )


def _release(count: int) -> None:
    _held[0] -= count


def folder() -> str:
    """The folder of temporary files."""
    import tempfile

    usual = tempfile.gettempdir()
    chosen = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    if chosen or not is_in_memory(usual):
        return usual
    good = os.access(ON_DISK, os.W_OK | os.X_OK) and not is_in_memory(ON_DISK)
    return ON_DISK if good else usual


def is_in_memory(place: str) -> bool:
    """Whether the file system of a folder keeps its files in memory; False if nothing tells."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = file.read().splitlines()
    except OSError:
        return False
    path, kind, longest = os.path.realpath(place), "", -1
    for line in mounts:  # … root mountpoint options … - type source options (proc(5))
        fields, _, rest = line.partition(" - ")
        point = fields.split(" ")[4].encode("latin-1", "replace").decode("unicode_escape")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= longest:
            kind, longest = rest.split(" ")[0], len(point)
    return kind in IN_MEMORY
