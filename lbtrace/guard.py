"""Whether this process survives a capture that becomes shorter while it is mapped into memory.

The next byte that is read behind the new end raises SIGBUS. The command line has a handler for it
(`lbtrace.cli.truncated`) and says so here; a library must install none, so it copies what it reads.
So does a command that must go on after such a capture (`lbtrace mcp`).

A process that ends there cleans nothing up, so files that are not complete are known here.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_handled = [False]
_unfinished: set[str] = set()


def set_handled() -> None:
    """SIGBUS has a handler: from now on captures are mapped."""
    _handled[0] = True


def set_outlived() -> None:
    """This process goes on, whatever becomes of a capture: from now on captures are copied."""
    _handled[0] = False


def is_handled() -> bool:
    """Whether captures may be mapped. Systems without SIGBUS do not truncate what is mapped."""
    return _handled[0] or not hasattr(signal, "SIGBUS")


@contextmanager
def unfinished(path: str) -> Iterator[None]:
    """A file that is written beside its place, and renamed when it is complete: it is removed when
    that does not happen.
    """
    _unfinished.add(path)
    try:
        yield
    finally:
        _unfinished.discard(path)
        _removed(path)


def remove_unfinished() -> None:
    """Remove all files that are not complete: this process ends now."""
    for path in tuple(_unfinished):
        _removed(path)


def _removed(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
