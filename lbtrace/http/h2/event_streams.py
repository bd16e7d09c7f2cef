"""A direction of HTTP/2 → the event streams in it: how many events, and the longest silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lbtrace.http.event_digest import EventDigest, longest_silence
from lbtrace.http.h2.control import pieces_at
from lbtrace.http.h2.frames import DATA
from lbtrace.http_fields.content import is_event_stream

if TYPE_CHECKING:
    from lbtrace.http.h2.direction import Http2Direction


def streams_of(answering: Http2Direction) -> dict[int, tuple[int | None, int | None]]:
    """By stream, the event streams of a direction of HTTP/2."""
    found = {
        n: half
        for n, half in answering.halves.items()
        if half.section is not None and is_event_stream(half.section.content_type)
    }
    if not found or not answering.whole:
        return {}
    offset, kind, _, stream, *_ = answering.control.table().T
    data = kind == DATA
    order = np.argsort(stream[data], kind="stable")
    offset, stream = offset[data][order], stream[data][order]
    times = np.asarray(answering.cursor.pieces.time_ns)
    counted: dict[int, tuple[int | None, int | None]] = {}
    for n, half in found.items():
        own = offset[np.searchsorted(stream, n) : np.searchsorted(stream, n, "right")]
        at = pieces_at(answering.cursor, np.append(half.head_end - 1, own))
        digest = half.digest
        events = digest.counter.events if isinstance(digest, EventDigest) else None
        silence = longest_silence(times[at])
        counted[n] = (0 if digest is None and half.ended else events), silence
    return counted
