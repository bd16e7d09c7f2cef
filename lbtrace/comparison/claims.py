"""Numbers and texts as they were measured → the Values of a sentence.

    values(count=3, target="/a", waited=ns(1_500))   the places {count}, {target}, {waited}

A plain integer is a count. Any other number says its unit, so that the renderer can write it.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from lbtrace.model.report import Unit, Value


class Quantity(NamedTuple):
    """A number with its unit."""

    number: int
    unit: Unit


Measured: TypeAlias = int | str | Quantity | None


def ns(number: int) -> Quantity:
    """Nanoseconds."""
    return Quantity(number, "ns")


def differ(shortest: int, longest: int) -> bool:
    """Whether a sentence names both of two times; by less than a hundredth they are written
    alike.
    """
    return longest - shortest > shortest // 100


def size(number: int) -> Quantity:
    """Bytes."""
    return Quantity(number, "bytes")


def values(**measured: Measured) -> tuple[Value, ...]:
    """The values of a sentence by the names of their places, in the order given. None is no value:
    the sentence then has no such place.
    """
    return tuple(_value(name, value) for name, value in measured.items() if value is not None)


def _value(name: str, measured: int | str | Quantity) -> Value:
    if isinstance(measured, str):
        return Value(name, measured)
    if isinstance(measured, Quantity):
        return Value(name, *measured)
    return Value(name, measured, "count")
