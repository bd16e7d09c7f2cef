"""What a file of expectations may hold, as values: texts, numbers with a bound, times.

A bound is a number alone ("exactly"), or a text with an operator: ">= 3", "<= 5ms", "< 2". All
functions raise Unfit, which says what is wrong in one sentence; `lbtrace.expect` adds the file and
the line.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import NamedTuple

from lbtrace.errors import nearest

_OPERATORS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}
_BOUND = re.compile(r"\s*(>=|<=|==|>|<)?\s*(\d{1,18}(?:\.\d{1,9})?)\s*([a-zµ%]*)\s*\Z")
_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9}


MOST_NAMED = 12  # names that are listed when one of them is near


class Unfit(ValueError):
    """A value that no expectation can have."""


class Bound(NamedTuple):
    """A number and how what is seen must compare with it. `text` is as it was written."""

    sign: str
    number: Fraction
    text: str

    def holds(self, seen: Fraction | int) -> bool:
        """Whether a number that was seen satisfies it."""
        return _OPERATORS[self.sign](Fraction(seen), self.number)

    def within(self, low: int, high: int) -> bool | None:
        """Whether every number from low to high satisfies it; None when only some do."""
        if self.sign == "==":
            return None if low < high and low <= self.number <= high else self.holds(low)
        one, other = self.holds(low), self.holds(high)
        return one if one == other else None


def text_of(value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise Unfit(f"a text is expected, not {shown(value)}")
    return value


def one_of(value: object, allowed: Iterable[str]) -> str:
    """One of these texts."""
    text, names = text_of(value), sorted(allowed)
    if text not in names:
        close = nearest(text, names)
        if close and len(names) > MOST_NAMED:
            raise Unfit(f'there is no "{text}"{close}')
        raise Unfit(f'"{text}" is none of {", ".join(names)}{close}')
    return text


def truth(value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Unfit(f"true or false is expected, not {shown(value)}")
    return value


def bound(value: object) -> Bound:
    """A count: 3, ">= 3", "< 2.5"."""
    return _bound(value, {"": 1}, 'a number like 3 or ">= 3"')


def percent(value: object) -> Bound:
    """A share: "<= 60%"; the number is a part of 1."""
    found = _bound(value, {"%": 1}, 'a share like "<= 60%"')
    if found.number > 100 or (found.sign == ">" and found.number == 100):
        raise Unfit(f"a share is at most 100%, not {shown(value)}")
    return found._replace(number=found.number / 100)


def duration(value: object) -> Bound:
    """A time: "<= 5ms"; the number is in ns. A bare number has no unit and is refused."""
    return _bound(value, _NS, 'a time like "<= 5ms"')


def _bound(value: object, units: dict[str, int], like: str) -> Bound:
    match = _BOUND.match(str(value))  # nothing else that TOML has is written like a number
    if match is None or match[3] not in units:
        raise Unfit(f"{like} is expected, not {shown(value)}")
    number = Fraction(match[2]) * units[match[3]]
    sign = match[1] or "=="
    if sign == "<" and not number:
        raise Unfit(f"nothing is below 0: {shown(value)} cannot hold")
    return Bound(sign, number, str(value).strip())


def shown(value: object) -> str:
    """A value as the file writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)
