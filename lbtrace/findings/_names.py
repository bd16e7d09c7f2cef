"""Names that were counted → the most frequent of them, and how many more there are.

Invariant: a name that is not told is counted: "a, b, c and 7 more".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

NAMED = 3


def few(names: Iterable[str], most: int = NAMED) -> str:
    """At most `most` different names, the most frequent first, and how many more there are."""
    return _with_the_rest([name for name, _ in Counter(iter(names)).most_common()], most)


def counted(names: Iterable[str], most: int = NAMED) -> str:
    """The same, each name with how often it was met: "400 ×3, 431 ×1"."""
    told = [f"{name} ×{count}" for name, count in Counter(iter(names)).most_common()]
    return _with_the_rest(told, most)


def _with_the_rest(told: list[str], most: int) -> str:
    more = len(told) - most
    return ", ".join(told[:most]) + (f" and {more} more" if more > 0 else "")
