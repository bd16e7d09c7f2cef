"""How a message came: in how many parts, and over what time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison import Comparison
from lbtrace.comparison.arrival import UNKNOWN, parts, spread_ns
from lbtrace.model.http import Exchange, Framing
from lbtrace.model.http2 import StreamParts
from lbtrace.model.net import Side
from lbtrace.model.pairing import Correlation
from lbtrace.tables.pace import PAUSE_NS
from tests.comparison.test_frames import comparison

WHOLE = comparison(3)
(FRONT,) = WHOLE.clients
LAST_FRAME = max(e.response.last_frame for e in FRONT.exchanges if e.response)


def seen(paused: list[int], points: int, exchanges: list[Exchange]) -> Comparison:
    """The same exchanges at several capture points of the client side; at each a stream had paused
    so often by each frame, and at each once more than at the one before.
    """
    pauses = np.maximum.accumulate(np.array([0, *paused], np.uint32))
    traces = [
        replace(FRONT, point=point, exchanges=exchanges, pauses=(pauses * (point + 1)).tolist())
        for point in range(points)
    ]
    return Comparison(traces, (), Correlation())


@given(st.lists(st.integers(0, 4), min_size=LAST_FRAME, max_size=LAST_FRAME), st.integers(1, 3))
def test_a_message_comes_in_one_part_more_than_there_are_pauses_in_it(
    paused: list[int], points: int
) -> None:
    table = seen(paused, points, list(FRONT.exchanges)).table(Side.CLIENT)
    rows = np.arange(len(table))
    for half in ("requests", "responses"):
        found = parts(table, getattr(table, half), rows).tolist()
        for row, number in zip(rows.tolist(), found, strict=True):
            message = getattr(table.exchange(row), half[:-1])
            by_frame = table.trace_of(row).pauses
            within = by_frame[message.first_frame : message.last_frame + 1]
            assert number == 1 + sum(b - a for a, b in pairwise(within))
            spread = message.last_ns - message.first_ns
            assert spread_ns(getattr(table, half), rows)[row] == spread


def over_http2(lasts_ns: int) -> list[Exchange]:
    """The second response came in frames of HTTP/2, and took so long; the first is not there."""
    first, second, third = FRONT.exchanges
    assert second.response is not None
    body = second.response.body._replace(framing=Framing.DATA_FRAMES)
    last_ns = second.response.first_ns + lasts_ns
    response = second.response._replace(body=body, last_ns=last_ns)
    return [first._replace(response=None), second._replace(response=response), third]


def test_what_the_capture_does_not_tell_is_unknown() -> None:
    """A message that is not there; one of HTTP/2 that took long, whose connection pauses for
    others, too; one that ends after the last frame with payload.
    """
    kept = over_http2(PAUSE_NS)
    assert kept[2].response is not None
    ends = kept[2].response.last_frame
    for known in (ends - 1, ends):
        table = seen([0] * known, 1, kept).table(Side.CLIENT)
        found = parts(table, table.responses, np.arange(3)).tolist()
        assert found == [UNKNOWN, UNKNOWN, 1 if known == ends else UNKNOWN]
    assert not UNKNOWN, "a page leaves such a number out"


def test_what_streams_say_of_their_own_pauses_counts() -> None:
    for lasts_ns, told in ((PAUSE_NS, 3), (PAUSE_NS - 1, 1)):
        compared = seen([0] * LAST_FRAME, 2, over_http2(lasts_ns))
        said = [StreamParts(1, 2, 3)]
        traces = [replace(compared.clients[0], parts=[]), replace(compared.clients[1], parts=said)]
        table = Comparison(traces, (), Correlation()).table(Side.CLIENT)
        found = parts(table, table.responses, np.array([1, 4]))
        assert found.tolist() == [UNKNOWN if lasts_ns == PAUSE_NS else 1, told]
