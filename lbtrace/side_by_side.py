"""Pieces of work → their results, worked out by several processes side by side.

Each further process is forked, works, and leaves its results in memory that both share: their
arrays are not copied when they are taken over. What it says of its progress comes through a pipe.
A process that has threads cannot be forked safely, and only Linux has such memory: elsewhere one
process does all.

Invariant: the results are those of working one by one, in this order, and so are the errors: a
piece whose process ends without a result, for whatever reason, is done again by this one. The work
must not depend on what other pieces leave behind.
"""

from __future__ import annotations

import copyreg
import mmap
import os
import pickle
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from signal import SIGTERM
from typing import Any, BinaryIO, Generic, NoReturn, TypeVar

import numpy as np

from lbtrace.options import Progress, Resting

WORTH: int = 8_000_000  # bytes to read that are worth a process: it costs some milliseconds
_Result = TypeVar("_Result")
_TELL_S = 0.1  # between two words on the progress
_ALIGNED = 64  # bytes: where an array may begin
_AT_ONCE = 512  # bytes that a pipe takes whole or not at all (POSIX, PIPE_BUF)
_EXIT_FAILED = 1


def results(
    work: Callable[[int, Progress], _Result], sizes: Sequence[int], jobs: int, progress: Progress
) -> list[_Result]:
    """`work(k, progress)` for each k, whose cost `sizes[k]` is known, in at most `jobs` processes
    with this one.
    """
    if jobs > 1 and max(sizes, default=0) >= WORTH:
        _rest(progress)
    mine, *others = _lots(sizes, jobs)
    workers = [_Worker(work, lot, progress) for lot in others]
    found: dict[int, _Result] = {}
    try:
        for k in mine if workers else ():
            found[k] = work(k, progress)
        for worker in workers:
            found.update(worker.results())
    except Exception:  # noqa: BLE001 - which error comes first, working one by one tells
        found.clear()
    finally:
        for worker in workers:
            worker.end()
    return [found[k] if k in found else work(k, progress) for k in range(len(sizes))]


def _rest(progress: object) -> None:
    if isinstance(progress, Resting):
        progress.rest()


def _lots(sizes: Sequence[int], jobs: int) -> list[list[int]]:
    """What each process does: the largest piece goes to the one that has the least to do. The first
    lot is of this process.
    """
    forks = hasattr(os, "memfd_create") and threading.active_count() == 1
    lots: list[list[int]] = [[] for _ in range(max(min(jobs, len(sizes)), 1) if forks else 1)]
    due = [0] * len(lots)
    for k in sorted(range(len(sizes)), key=lambda k: -sizes[k]):
        least = due.index(min(due)) if sizes[k] >= WORTH else 0
        lots[least].append(k)
        due[least] += sizes[k]
    return [sorted(lots[0]), *(sorted(lot) for lot in lots[1:] if lot)]


class _Worker(Generic[_Result]):
    """A process that does some pieces of the work."""

    def __init__(
        self, work: Callable[[int, Progress], _Result], lot: list[int], progress: Progress
    ) -> None:
        self._file = open(os.memfd_create("lbtrace"), "w+b")  # noqa: SIM115 - closed by `end`
        self._progress = progress
        self._told, said = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            self._be(work, lot, said)
        os.close(said)

    def _be(self, work: Callable[[int, Progress], _Result], lot: list[int], said: int) -> NoReturn:
        """What the process does until it ends."""
        code = _EXIT_FAILED
        try:
            os.close(self._told)
            os.set_blocking(said, False)
            progress = _Told(said)
            _write(self._file, {k: work(k, progress) for k in lot})
            code = 0
        finally:
            os._exit(code)  # not a word, and nothing of what the parent would do at its end

    def results(self) -> dict[int, _Result]:
        """Its results, when it has done; none when it failed."""
        with open(self._told, "rb", closefd=False) as told:
            for line in told:
                fraction, _, what = line.decode(errors="replace").strip().partition(" ")
                self._progress(what, float(fraction))
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return _read(self._file) if status == 0 else {}

    def end(self) -> None:
        """End it, if it still works: nobody needs its results any more."""
        os.close(self._told)
        self._file.close()
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, SIGTERM)
            os.waitpid(self._pid, 0)


class _Told:
    """Progress that goes through a pipe. What finds no room in it is not missed."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._last = time.monotonic()

    def __call__(self, what: str, fraction: float) -> None:
        now = time.monotonic()
        if now - self._last < _TELL_S:
            return
        self._last = now
        line = f"{fraction:.4f} {what}".replace("\n", " ").encode(errors="replace")
        try:
            os.write(self._pipe, line[: _AT_ONCE - 1] + b"\n")
        except BlockingIOError:
            pass
        except BrokenPipeError:  # nobody is there any more
            os._exit(_EXIT_FAILED)


def _write(file: BinaryIO, thing: object) -> None:
    """Pickle a thing: the sizes of its arrays, itself, its arrays."""
    arrays: list[memoryview] = []
    out = BytesIO()
    pickler = pickle.Pickler(out, 5, buffer_callback=lambda held: arrays.append(held.raw()))
    ways: dict[type, Any] = {**copyreg.dispatch_table, memoryview: _viewed}
    pickler.dispatch_table = ways
    pickler.dump(thing)
    text = out.getbuffer()
    file.write(struct.pack("<QQ", len(text), len(arrays)))
    file.write(struct.pack(f"<{len(arrays)}Q", *(held.nbytes for held in arrays)))
    file.write(text)
    for held in arrays:
        file.write(bytes(-file.tell() % _ALIGNED))
        file.write(held)
    file.flush()


def _viewed(view: memoryview) -> tuple[type[memoryview], tuple[object]]:
    """A view → how it is made again: of an array, which is not copied."""
    return memoryview, (np.asarray(view),)


def _read(file: BinaryIO) -> Any:
    """What `_write` wrote. The arrays stay where they are, and may be changed."""
    held = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    size, count = struct.unpack_from("<QQ", held)
    sizes = struct.unpack_from(f"<{count}Q", held, 16)
    begin = 16 + 8 * count
    at = begin + size
    arrays = []
    for each in sizes:
        at += -at % _ALIGNED
        arrays.append(held[at : at + each])
        at += each
    return pickle.loads(held[begin : begin + size], buffers=arrays)
