"""Integers with units → text for people. Only here are numbers rounded.

Invariant: three significant digits at most, except counts, which are exact; a half-width (±) is
rounded up, never down, because an error bar that is too short is a lie.
"""

from __future__ import annotations

from math import gcd

from lbtrace.language import form, plurals
from lbtrace.model.net import Side
from lbtrace.model.report import Value

_DAY = 86_400_000_000_000
_TIME = (
    (3_600_000_000_000, "h"),
    (60_000_000_000, "min"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1_000, "µs"),
    (1, "ns"),
)
_BYTES = ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB"), (1, "B"))


def _scaled(number: int, steps: tuple[tuple[int, str], ...]) -> str:
    size = abs(number)
    for unit, name in steps:
        if size >= unit * 0.9995:  # what would be rounded up to 1 of this unit is said in it
            return (
                f"{'-' if number < 0 else ''}{_three_digits(size / unit, exact=unit == 1)} {name}"
            )
    return f"0 {steps[-1][1]}"


def _three_digits(number: float, exact: bool = False) -> str:
    if exact or number >= 100:
        return f"{number:.0f}"
    text = f"{number:.1f}" if number >= 10 else f"{number:.2f}"
    return text.rstrip("0").rstrip(".")


def duration(ns: int) -> str:
    """1_234_000 → "1.23 ms"; two days and more are days."""
    if abs(ns) >= 2 * _DAY:
        return f"{count(round(ns / _DAY))} days"
    return _scaled(ns, _TIME) if ns else "0 s"


def half_width(ns: int) -> str:
    """An error bar, rounded up to two significant digits: 1_201_000 → "± 1.3 ms"."""
    unit, name = next(((unit, name) for unit, name in _TIME if ns >= unit), (1, "ns"))
    tenths = -(-ns * 10 // unit)
    return f"± {tenths / 10:g} {name}" if tenths < 100 else f"± {-(-ns // unit)} {name}"


def offset(ns: int) -> str:
    """A clock offset, with as many digits as make sense: 37_512_000_000 → "37.512 s"."""
    if abs(ns) >= 1_000_000_000:
        return f"{ns / 1e9:.3f} s"
    return duration(ns)


def drift(ppb: int) -> str:
    """How fast two clocks drift apart: 12_300 → "12.3 ppm"."""
    return f"{ppb / 1000:.1f} ppm"


def size(number: int) -> str:
    """12_345 → "12.3 kB" (decimal units)."""
    return _scaled(number, _BYTES)


def count(number: int) -> str:
    """12345 → "12 345": exact, with thin groups only from five digits on."""
    return f"{number:,}".replace(",", " ") if abs(number) >= 10_000 else str(number)


def plural(number: int, noun: str, many: str = "") -> str:
    """(1, "frame") → "1 frame"; (2, "frame") → "2 frames"."""
    return counted(f"{{n}} {noun}", f"{{n}} {plurals.noun(2, noun, many)}", number)


def counted(one: str, many: str, number: int, **places: str) -> str:
    """The text that fits the number, with the number at {n} and what else has a place in it."""
    return form(one, many, number).format(n=count(number), **places)


def exchanges(side: Side, number: int) -> str:
    """ "3 client exchanges"."""
    if side is Side.CLIENT:
        return counted("{n} client exchange", "{n} client exchanges", number)
    return counted("{n} backend exchange", "{n} backend exchanges", number)


def ratio(left: int, right: int) -> str:
    """(2, 8) → "1 : 4"; reduced when it divides, else one side is made 1 with a decimal. Neither
    may be 0.
    """
    divisor = gcd(left, right)
    a, b = left // divisor, right // divisor
    if min(a, b) == 1:
        return f"{count(a)} : {count(b)}"
    if a <= b:
        return f"1 : {b / a:.1f}" if f"{b / a:.1f}" != "1.0" else f"{count(a)} : {count(b)}"
    return f"{a / b:.1f} : 1" if f"{a / b:.1f}" != "1.0" else f"{count(a)} : {count(b)}"


def value(item: Value) -> str:
    """A measured value as text, by its unit."""
    if isinstance(item.value, str):
        return item.value
    match item.unit:
        case "ns":
            return duration(item.value)
        case "bytes":
            return size(item.value)
        case "percent":
            return f"{item.value} %"
        case _:
            return count(item.value)
