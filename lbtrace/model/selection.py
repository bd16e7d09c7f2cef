"""Which exchanges a reader wants listed. It restricts what is shown, never what is analysed.

Within one kind of condition any may hold, among several kinds all must: `--status 5xx,404 --method
POST` are the POSTs that got one of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

_S = 1_000_000_000
_DAY = 86_400 * _S
NO_STATUS = 0  # of an exchange without a response


class Statuses(NamedTuple):
    """From `low` to `high`, both included."""

    low: int
    high: int


class At(NamedTuple):
    """An address, at one of its ports or, with None, at any."""

    address: str
    port: int | None


class Moment(NamedTuple):
    """A time: ns since the epoch, or since midnight if `of_day`."""

    ns: int
    of_day: bool

    def within(self, first_ns: int, last_ns: int, zone: tzinfo) -> int:
        """ns since the epoch. A time of day is that of the first day of a capture from `first_ns`
        to `last_ns`, or of the next day if the capture began later in the day and goes on till
        then.
        """
        if not self.of_day:
            return self.ns
        at = _midnight_ns(first_ns, zone) + self.ns
        return at + _DAY if at + _S <= first_ns and at + _DAY <= last_ns else at


def _midnight_ns(ns: int, zone: tzinfo) -> int:
    """When the day of a time began."""
    try:
        day = datetime.fromtimestamp(ns // _S, UTC).astimezone(zone)
    except (OverflowError, OSError, ValueError):
        return 0
    start = day.replace(hour=0, minute=0, second=0, microsecond=0)
    return (start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * _S


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions; an empty one, or None, is none. `paths` are globs, of the target or of its path.
    `clients` are those that asked, `backends` those that were asked. `since` and `until` are about
    the beginning of an exchange, both included.
    """

    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    statuses: tuple[Statuses, ...] = ()
    clients: tuple[At, ...] = ()
    backends: tuple[At, ...] = ()
    since: Moment | None = None
    until: Moment | None = None
    problems: bool = False
    zone: tzinfo = UTC

    def __bool__(self) -> bool:
        return self != Selection(zone=self.zone)


EVERYTHING = Selection()
