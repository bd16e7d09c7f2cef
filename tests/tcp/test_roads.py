"""With the compiled core and without it, TCP tells the same of any segments."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.net import Endpoint
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.packets import StreamTable
from lbtrace.tables.sequence import MAX_WINDOW_BYTES
from lbtrace.tcp.connections import placed
from lbtrace.tcp.reassemble import Pieces
from tests.compiled import on_both
from tests.laws import examples
from tests.tcp.wire import Wire

FAR = MAX_WINDOW_BYTES
# a segment: its connection, whether the client sent it, its flags, how many bytes it has and how
# many of them the snapshot length cut, where it begins beside what was sent so far, whether and how
# far off it acknowledges, its window
segment = st.tuples(
    st.integers(0, 2),
    st.booleans(),
    st.sampled_from(["PSH", "PSH", "PSH", "ACK", "SYN", "FIN", "PSH+FIN", "RST", "SYN+FIN"]),
    st.sampled_from([0, 0, 1, 5, 40]),
    st.sampled_from([0, 0, 0, 2, 40]),
    st.sampled_from([0, 0, 0, 0, 0, 3, -3, -40, FAR - 1, FAR, FAR + 1, -FAR]),
    st.sampled_from([None, 0, 0, 0, -5, 1, 2, FAR, FAR + 1, 1 << 31]),
    st.sampled_from([0, 500]),
)
Sent = list[tuple[int, bool, str, int, int, int, int | None, int]]


def wire_of(sent: Sent, begin: int) -> Wire:
    """The segments on three connections whose both ends begin at the same number."""
    wire, reached = Wire(), [begin] * 6
    for number, asks, flags, size, cut, off, acked, window in sent:
        wire.client, own = Endpoint("10.0.0.9", 40000 + number), 2 * number + (not asks)
        seq = (reached[own] + off) % (1 << 32)
        ack = None if acked is None else (reached[own ^ 1] + acked) % (1 << 32)
        say = wire.c if asks else wire.s
        say(flags, seq, bytes(range(size)), ack=ack, cut=min(cut, size), window=window)
        if off == 0:
            reached[own] += size + ("SYN" in flags) + ("FIN" in flags)
    return wire


def same(one: ConnectionTable | StreamTable, other: ConnectionTable | StreamTable) -> bool:
    """Whether two tables have equal columns, of equal types."""
    for name, declared in one.declared.items():
        a, b = getattr(one, name), getattr(other, name)
        if declared.role == "part":
            equal = same(a, b)
        elif isinstance(a, np.ndarray):
            equal = a.dtype == b.dtype and np.array_equal(a, b)
        else:
            equal = a == b
        if not equal:
            return False
    return True


@examples(400)
@given(
    st.lists(segment, min_size=1, max_size=24),
    st.sampled_from([0, 1000, (1 << 31) - 20, (1 << 32) - 20]),
    st.booleans(),
)
def test_both_roads_tell_the_same_of_any_segments(sent: Sent, begin: int, careful: bool) -> None:
    table = wire_of(sent, begin).table()
    one, other = on_both(lambda: placed(table, careful))
    assert same(one[0], other[0])
    assert same(one[1], other[1])
    assert np.array_equal(one[2], other[2])
    for name in Pieces.__slots__:
        assert np.array_equal(getattr(one[3], name), getattr(other[3], name)), name
