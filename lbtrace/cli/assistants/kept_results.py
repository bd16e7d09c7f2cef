"""Captures by their identity → what was found in them, kept between calls.

The identity of a file is its path, its inode, its size and the time of its last change. So a
capture that is written to, or replaced, is read again. Only the last few results are kept.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar

from lbtrace.errors import InputError, unread

MOST = 4  # results; each holds all exchanges of its captures

Identity = tuple[str, int, int, int, int]
Result = TypeVar("Result")


class KeptResults:
    """The last results, by what they are of."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[object, object] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, question: object, files: Sequence[str], find: Callable[[], Result]) -> Result:
        """The result for these files; found anew, unless it was found before."""
        key = question, tuple(map(identity, files))
        if key in self._kept:
            self._kept.move_to_end(key)
        else:
            self._kept[key] = find()
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return self._kept[key]  # type: ignore[return-value]


def identity(path: str) -> Identity:
    """What tells this file from every other one. InputError when it is gone."""
    try:
        there = os.stat(path)
    except OSError as error:
        wrong, hint = unread(error)
        raise InputError("input-unreadable", f"{path}: {wrong}", hint) from error
    return path, there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns
