"""How much memory this process may use, and how it gives some back.

It may use that of the machine, or what a cgroup allows.

A container has the memory of its cgroup (cgroups(7)): version 2 states it in memory.max of the
cgroup or of one above it, version 1 in memory.limit_in_bytes. What runs beside lbtrace in the same
cgroup uses some of it.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
OWN: Final = Path("/proc/self/cgroup")


def machine_memory() -> int | None:
    """Bytes; None where the system does not tell."""
    try:
        all_of_it = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        all_of_it = 0
    allowed = [*_of_cgroups(), *([all_of_it] if all_of_it > 0 else [])]
    return min(allowed, default=None)


def let_go() -> None:
    """Give the memory of what nobody uses any more back to the system.

    Tables and reports refer to themselves, so Python keeps them until it looks for such cycles,
    which it rarely does.
    """
    gc.collect()
    trim()


def trim() -> None:
    """Give the memory of freed columns back to the system: 120 bytes per packet.

    glibc keeps it in its heap, where the small objects that follow never go. Without glibc this
    does nothing.
    """
    if sys.platform == "linux":
        import ctypes

        give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if give_back is not None:
            give_back(0)


def _of_cgroups() -> Iterator[int]:
    """What the cgroups of this process allow, as far as they limit anything."""
    for folder, name in _files():
        for place in (folder, *folder.parents):
            if ROOT in (place, *place.parents):
                limit = _number(place / name)
                if limit is not None:
                    yield limit


def _files() -> Iterator[tuple[Path, str]]:
    """The cgroups of this process, each with the file that states its limit."""
    try:
        lines = OWN.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        inside = path.lstrip("/")
        if number == "0" and not controllers:
            yield ROOT / inside, "memory.max"
        elif "memory" in controllers.split(","):
            yield ROOT / "memory" / inside, "memory.limit_in_bytes"


def _number(path: Path) -> int | None:
    try:
        text = path.read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    return int(text) if text.isdigit() and int(text) > 0 else None
