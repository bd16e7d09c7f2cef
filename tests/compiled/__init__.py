"""Both roads in one process: with the compiled core, and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from lbtrace import compiled

CORE = compiled.load()
"""The compiled core, whatever the environment says; None where it was not compiled."""
needs_core = pytest.mark.skipif(CORE is None, reason="no C compiler was there at the installation")
_Found = TypeVar("_Found")


@contextmanager
def road(core: compiled.Core | None) -> Iterator[None]:
    """Run with this core, or without one."""
    before, compiled.core = compiled.core, core
    try:
        yield
    finally:
        compiled.core = before


def on_both(work: Callable[[], _Found]) -> tuple[_Found, _Found]:
    """What comes of it in pure Python, and with the compiled core."""
    with road(None):
        plain = work()
    with road(CORE):
        return plain, work()
