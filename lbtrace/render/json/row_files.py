"""The exchanges of a trace, or whole captures, written side by side by several processes, each some
of them into a temporary file without a name.

Invariant: the files hold, one behind the other, the lines that one process writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from tempfile import TemporaryFile
from typing import IO, TextIO

from lbtrace.model.trace import Trace
from lbtrace.options import Progress, quiet
from lbtrace.render.json import rows
from lbtrace.render.json.text import Piece, in_bytes
from lbtrace.render.json.twice import copied, pieces, write_bytes

WORTH = 8_000_000  # bytes to write that are worth a process
_EACH = 1000  # bytes of an exchange, about


class RowFiles:
    """The lines of all exchanges, in files. A context manager."""

    def __init__(self, files: Sequence[IO[bytes]], stack: ExitStack) -> None:
        self._files, self._stack = files, stack

    def first(self) -> Iterator[RowFiles]:
        """Itself: all lines are there."""
        yield self

    def copy_to(self, out: TextIO) -> bool:
        """Write the lines, each with its line end; the system copies them from file to file where
        it can. It is done (True) in any case: half of the lines are no result.
        """
        for file in self._files:
            if not copied(file, out):
                for piece in pieces(file):
                    write_bytes(out, piece)
        return True

    def second(self) -> Iterator[Piece]:
        """The lines, in as few pieces as possible."""
        for file in self._files:
            yield from pieces(file)

    def __enter__(self) -> RowFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def written_side_by_side(trace: Trace, jobs: int) -> RowFiles | None:
    """The exchanges of a trace, written by at most `jobs` processes; None where one process may as
    well write them straight to the output, or where there is no room for files.
    """
    count = len(trace.exchanges)
    if jobs < 2 or count * _EACH < WORTH * jobs:
        return None
    cuts = [count * k // jobs for k in range(jobs + 1)]
    parts = [range(low, high) for low, high in pairwise(cuts)]
    return _in_files(
        [partial(rows.pieces, trace, part) for part in parts], [len(p) * _EACH for p in parts], jobs
    )


def captures_side_by_side(
    lines: Callable[[Trace], Iterator[Piece]], traces: Sequence[Trace], jobs: int
) -> RowFiles | None:
    """Captures, each with its `lines`, a line with a comma between each two; None as in
    `written_side_by_side`, or where another process has nothing to do.
    """
    sizes = [len(trace.exchanges) * _EACH for trace in traces]
    if jobs < 2 or len([size for size in sizes if size >= WORTH]) < 2:
        return None

    def behind_comma(trace: Trace) -> Iterator[Piece]:
        yield ","
        yield from lines(trace)

    first, *others = traces
    return _in_files(
        [partial(lines, first), *(partial(behind_comma, trace) for trace in others)], sizes, jobs
    )


def _in_files(
    works: Sequence[Callable[[], Iterator[Piece]]], sizes: Sequence[int], jobs: int
) -> RowFiles | None:
    """The lines that each work yields, about `sizes` bytes of them, in a file of its own; None
    where there is no room.
    """
    from lbtrace import side_by_side

    with ExitStack() as stack:
        try:
            files = [stack.enter_context(TemporaryFile()) for _ in works]

            def write(k: int, _progress: Progress) -> bool:
                files[k].seek(0)
                files[k].truncate()
                for piece in works[k]():
                    files[k].write(in_bytes(piece))
                files[k].flush()
                return True

            side_by_side.results(write, sizes, jobs, quiet)
        except OSError:
            return None
        return RowFiles(files, stack.pop_all())
