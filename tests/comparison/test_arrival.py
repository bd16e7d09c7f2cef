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
from lbtrace.model.net import Side
from lbtrace.model.pairing import Correlation
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


def test_what_the_capture_does_not_tell_is_unknown() -> None:
    """A message that is not there; one of HTTP/2, whose connection pauses for others, too; one that
    ends after the last frame with payload.
    """
    first, second, third = FRONT.exchanges
    assert second.response is not None
    assert third.response is not None
    kept = [
        first._replace(response=None),
        second._replace(
            response=second.response._replace(
                body=second.response.body._replace(framing=Framing.DATA_FRAMES)
            )
        ),
        third,
    ]
    for known in (third.response.last_frame - 1, third.response.last_frame):
        table = seen([0] * known, 1, kept).table(Side.CLIENT)
        told = known == third.response.last_frame
        found = parts(table, table.responses, np.arange(3)).tolist()
        assert found == [UNKNOWN, UNKNOWN, 1 if told else UNKNOWN]
    assert not UNKNOWN, "a page leaves such a number out"
