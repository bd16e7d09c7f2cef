"""Nanoseconds since the epoch → times of day in the reader's time zone.

A time that no calendar holds is written as seconds since 1970.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from lbtrace.render.wording import units

_S = 1_000_000_000
_MS = 1_000_000


def _at(ns: int, zone: tzinfo) -> datetime | None:
    try:
        return datetime.fromtimestamp(ns // _S, UTC).astimezone(zone)
    except (OverflowError, OSError, ValueError):
        return None


def clock(ns: int, zone: tzinfo = UTC) -> str:
    """ "07:21:10.123"."""
    at = _at(ns, zone)
    return f"{at:%H:%M:%S}.{ns % _S // _MS:03d}" if at else f"{ns // _S} s after 1970"


def moment(ns: int, zone: tzinfo = UTC) -> str:
    """ "2021-08-05 07:21:10.123456789 UTC"."""
    at = _at(ns, zone)
    if at is None:
        return f"{ns // _S} s after 1970"
    return f"{at:%Y-%m-%d %H:%M:%S}.{ns % _S:09d} {_name(zone, at)}"


def window(first_ns: int, last_ns: int, zone: tzinfo = UTC) -> str:
    """ "2021-08-05 07:21:09–07:21:11 UTC (2.4 s)"; the day is written again if it is another
    one.
    """
    first, last = _at(first_ns, zone), _at(last_ns, zone)
    took = f"({units.duration(last_ns - first_ns)})"
    if first is None or last is None:
        return f"{first_ns // _S}–{last_ns // _S} s after 1970 {took}"
    end = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
    return f"{first:%Y-%m-%d %H:%M:%S}–{end} {_name(zone, last)} {took}"


def _name(zone: tzinfo, at: datetime) -> str:
    """What the zone is called: "UTC", "Asia/Seoul", "+09:00"."""
    return "UTC" if zone is UTC else getattr(zone, "key", "") or at.tzname() or f"{at:%z}"
