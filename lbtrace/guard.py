"""Whether this process survives a capture that becomes shorter while it is mapped into memory.

The next byte that is read behind the new end raises SIGBUS. The command line has a handler for it
(`lbtrace.cli.truncated`) and says so here; a library must install none, so it copies what it reads.
So does a command that must go on after such a capture (`lbtrace mcp`).
"""

from __future__ import annotations

import signal

_handled = [False]


def set_handled() -> None:
    """SIGBUS has a handler: from now on captures are mapped."""
    _handled[0] = True


def set_outlived() -> None:
    """This process goes on, whatever becomes of a capture: from now on captures are copied."""
    _handled[0] = False


def is_handled() -> bool:
    """Whether captures may be mapped. Systems without SIGBUS do not truncate what is mapped."""
    return _handled[0] or not hasattr(signal, "SIGBUS")
