"""Whether this process survives a capture that becomes shorter while it is mapped into memory.

The next byte that is read behind the new end raises SIGBUS. The command line has a handler for it
(`lbtrace.cli.truncated`) and says so here; a library must install none, so it copies what it reads.
So does a command that must go on after such a capture (`lbtrace mcp`).

A process that ends there cleans nothing up, so files that are not complete are known here, and
folders into which nothing has come yet.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

_handled = [False]
_unfinished: dict[str, Callable[[str], None]] = {}  # each path, and what removes it


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
    with _removed_after(path, os.unlink):
        yield


@contextmanager
def folder(path: str, mode: int = 0o777) -> Iterator[None]:
    """A folder that is made where it is missing, and so are those above it: each is removed when
    nothing has come into it.
    """
    missing = [] if os.path.isdir(path) else [os.path.abspath(path)]
    while missing and not os.path.exists(above := os.path.dirname(missing[-1])):
        missing.append(above)
    with ExitStack() as made:
        for each in reversed(missing):
            os.mkdir(each, mode)
            made.enter_context(_removed_after(each, os.rmdir))
        yield


@contextmanager
def _removed_after(path: str, remove: Callable[[str], None]) -> Iterator[None]:
    _unfinished[path] = remove
    try:
        yield
    finally:
        del _unfinished[path]
        with suppress(OSError):  # complete, and elsewhere; not empty
            remove(path)


def remove_unfinished() -> None:
    """Remove all files that are not complete, and folders without any: this process ends now."""
    for path, remove in reversed(tuple(_unfinished.items())):
        with suppress(OSError):
            remove(path)
