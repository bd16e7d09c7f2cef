"""The compiled core makes the rows of plain packets that the fast path makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether

from lbtrace import decode
from lbtrace.decode import fast_path
from lbtrace.decode.compiled_path import PlainPackets
from lbtrace.decode.dispatch import FAST_LINKS
from lbtrace.decode.networks import NetworkBook
from lbtrace.decode.rows import SegmentRows, joined
from lbtrace.tables.columns import Column
from lbtrace.tables.views import Views
from tests.compiled import CORE, needs_core, on_both
from tests.decode.test_laws import damaged, recording
from tests.laws import examples

pytestmark = needs_core


def plain(link: int, packets: list[bytes], wires: list[int]) -> tuple[SegmentRows, Column]:
    """What the core makes of packets, and the places of those it leaves."""
    assert CORE is not None
    made = recording(link, packets, wires)
    captured = made.records.captured.astype(np.int64)
    wire = np.maximum(made.records.wire.astype(np.int64), captured)
    record = np.arange(100, 100 + len(packets))
    batch = PlainPackets(made.buffers[0], 3, record, made.records.offset, captured, wire)
    return batch.rows(CORE, FAST_LINKS[link])


@examples(400)
@given(damaged())
def test_its_rows_are_those_of_the_fast_path(case: tuple[int, list[bytes], list[int]]) -> None:
    link, packets, wires = case
    if FAST_LINKS[link].kind_at < 0:
        return
    rows, left = plain(link, packets, wires)
    taken = np.setdiff1d(np.arange(len(packets)), left)
    assert rows.record.tolist() == (taken + 100).tolist()
    made = recording(link, packets, wires)
    captured = made.records.captured.astype(np.int64)
    batch = fast_path.Batch(
        taken + 100,
        made.records.offset[taken],
        captured[taken],
        np.maximum(made.records.wire, captured)[taken],
        Views(made.buffers[0]),
        3,
        NetworkBook(),
    )
    if len(taken):
        expected = joined(fast_path.decode(batch, FAST_LINKS[link]).parts)
        for name in SegmentRows.declared:
            assert getattr(rows, name).tolist() == getattr(expected, name).tolist(), name
        assert rows.faults() == []


@examples(200)
@given(damaged())
def test_packets_are_decoded_alike_on_both_roads(case: tuple[int, list[bytes], list[int]]) -> None:
    def told() -> object:
        table = decode.segments(recording(*case), lambda _what, _part: None)
        columns = {name: getattr(table, name) for name in table.declared}
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in columns.items()}

    by_python, by_core = on_both(told)
    assert by_python == by_core


SEGMENT = TCP(sport=1, dport=2, flags="A")


@pytest.mark.parametrize(
    ("packet", "taken"),
    [
        (Ether() / IP() / SEGMENT, True),
        (Ether() / IP(options=b"\1\1\1\0") / SEGMENT, True),
        (Ether() / IP() / TCP(options=[("MSS", 1460)]), True),
        (Ether() / Dot1Q(vlan=3) / IP() / SEGMENT, False),
        (Ether() / IP(flags="MF") / SEGMENT, False),
        (Ether() / IP(frag=3) / SEGMENT, False),
        (Ether() / IP(ihl=4) / SEGMENT, False),
        (Ether() / IP() / TCP(dataofs=4), False),
        (Ether() / IP() / TCP(dataofs=15), False),
        (Ether() / IP() / UDP(sport=1, dport=2), False),
        (Ether() / IP(len=39) / SEGMENT, False),
        (Ether() / IP(len=0) / SEGMENT, True),
    ],
)
def test_what_is_plain(packet: Ether, taken: bool) -> None:
    sent = bytes(packet)
    rows, left = plain(1, [sent], [len(sent)])
    assert (len(rows), len(left)) == ((1, 0) if taken else (0, 1))


@pytest.mark.parametrize(
    ("offset", "captured", "wire"),
    [(-1, 54, 54), (0, 61, 61), (7, 54, 54), (0, -1, 0), (2**62, 54, 54), (0, 54, 2**63 - 1)],
)
def test_a_packet_outside_its_buffer_is_refused(offset: int, captured: int, wire: int) -> None:
    assert CORE is not None
    columns = [np.array([number]) for number in (offset, captured, wire)]
    batch = PlainPackets(bytes(60), 0, np.arange(1), *columns)
    if offset >= 0 and wire == 2**63 - 1:
        assert len(batch.rows(CORE, FAST_LINKS[1])[1]) == 1  # it may be as long as it likes
        return
    with pytest.raises(IndexError):
        batch.rows(CORE, FAST_LINKS[1])


@pytest.mark.parametrize(("header", "kind_at"), [(14, 60), (-1, 0), (65, 0), (14, -1)])
def test_a_link_header_that_cannot_be_is_refused(header: int, kind_at: int) -> None:
    assert CORE is not None
    nothing = np.zeros(0, np.int64)
    with pytest.raises(ValueError, match="link header"):
        CORE.segments(b"", nothing, nothing, nothing, header, kind_at, (nothing,) * 17)


def test_no_record_is_looked_for_outside_a_record_header() -> None:
    assert CORE is not None
    out = np.zeros(4, np.int64)
    for at, header, length_at in ((-1, 16, 8), (0, 8, 4), (0, 16, 13), (0, 16, -1)):
        with pytest.raises(ValueError, match="place"):
            CORE.records(bytes(64), at, header, length_at, False, 100, out)
    assert CORE.records(b"", 0, 16, 8, False, 100, out) == (0, 0)
    assert CORE.records(bytes(64), 99, 16, 8, False, 100, out) == (0, 99)
