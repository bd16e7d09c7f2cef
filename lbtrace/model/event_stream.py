"""Server-sent events: what a response says as a stream of them (HTML, §9.2)."""

from __future__ import annotations

from typing import NamedTuple


class EventStream(NamedTuple):
    """An exchange whose response is an event stream.

    `events` is how many came whole; None where bytes are missing, or the body is compressed.
    `silence_ns` is the longest time for which nothing of the response came, from the end of its
    head on; None where bytes are missing.
    """

    exchange: int
    events: int | None
    silence_ns: int | None
