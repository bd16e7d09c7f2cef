"""A capture that becomes shorter while it is read → one line and exit code 2.

Captures are mapped into memory. When another program truncates one (log rotation, `tcpdump -C -W`),
the next byte that is read behind its new end raises SIGBUS, and the process would die of it. No
Python handler ever runs for it, because the byte is read again as soon as a handler returns. So the
handler is one that C calls, and that does not return.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from lbtrace.guard import remove_unfinished, set_handled

_kept: list[Any] = []  # the handler, which C must find for as long as the process runs


def tell_truncation(code: int) -> None:
    """End with `code` and one line when a capture becomes shorter, where the system tells."""
    number = getattr(signal, "SIGBUS", None)
    if number is None:
        return
    import ctypes

    told_by = os.getpid()

    def ended(_signal: int) -> None:
        from lbtrace.capture.source import shortened

        if os.getpid() != told_by:  # a process that helps: who started it reads the rest itself
            os._exit(code)
        remove_unfinished()
        which = ", ".join(shortened()) or "a capture"
        line = f"lbtrace: {which}: became shorter while it was read. Copy it first.\n"
        os.write(2, line.encode("utf-8", "backslashreplace"))
        os._exit(code)

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(ended)
    try:
        install = ctypes.CDLL(None).signal
    except (AttributeError, OSError):
        return
    install.argtypes, install.restype = [ctypes.c_int, type(handler)], ctypes.c_void_p
    _kept.append(handler)
    install(int(number), handler)
    set_handled()
