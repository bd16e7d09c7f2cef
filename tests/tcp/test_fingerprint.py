"""SYN options → SynOptions and SynFingerprint, however they are broken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tcp import connections
from lbtrace.tcp.fingerprint import syn_options
from tests.compiled import on_both
from tests.laws import examples
from tests.tcp.wire import Wire

LINUX = bytes.fromhex("020405b4 0402 080a 0000002a 00000000 01 030307")


def test_what_linux_sends() -> None:
    [c], _ = connections(
        Wire()
        .c("SYN", 99, options=LINUX)
        .s("SYN", 999, ack=100, options=b"\x02\x04\x05\xa0")
        .table()
    )
    ours, theirs = c.from_client.syn, c.from_server.syn
    assert ours is not None
    assert theirs is not None
    assert ours == (64, 1000, 1460, 7, True, 42, (2, 4, 8, 1, 3))
    assert (
        theirs.mss,
        theirs.window_scale,
        theirs.sack_permitted,
        theirs.timestamp,
        theirs.options,
    ) == (1440, None, False, None, (2,))


def test_an_option_that_runs_past_the_header_ends_the_list() -> None:
    [c], _ = connections(Wire().c("SYN", 99, options=b"\x02\x04\x05\xb4\x03\x09\x07\x00").table())
    assert c.from_client.syn is not None
    assert (c.from_client.syn.mss, c.from_client.syn.window_scale, c.from_client.syn.options) == (
        1460,
        None,
        (2,),
    )


OPTION = st.one_of(
    st.binary(max_size=12),
    st.just(b"\1"),
    st.builds(lambda mss: b"\2\4" + mss, st.binary(min_size=2, max_size=2)),
    st.builds(lambda shift: b"\3\3" + shift, st.binary(min_size=1, max_size=1)),
    st.just(b"\4\2"),
    st.builds(lambda stamp: b"\x08\x0a" + stamp, st.binary(min_size=8, max_size=8)),
)
OPTIONS = st.lists(OPTION, max_size=8).map(lambda parts: b"".join(parts)[:40])


def read(octets: bytes) -> tuple[int, int, bool, int, tuple[int, ...]]:
    """MSS, window scale, SACK permitted, time stamp, kinds; −1 for none."""
    mss, scale, sack, stamp = -1, -1, False, -1
    kinds: list[int] = []
    at = 0
    while at < len(octets) and octets[at]:
        kind = octets[at]
        length = 1 if kind == 1 else octets[at + 1] if at + 1 < len(octets) else 0
        if kind != 1 and (length < 2 or at + length > len(octets)):
            break
        value = octets[at + 2 : at + length]
        match kind, length:
            case 2, 4:
                mss = int.from_bytes(value)
            case 3, 3:
                scale = value[0]
            case 4, _:
                sack = True
            case 8, 10:
                stamp = int.from_bytes(value[:4])
        kinds.append(kind)
        at += length
    return mss, scale, sack, stamp, tuple(kinds)


@examples(200)
@given(st.lists(st.tuples(OPTIONS, st.integers(0, 20)), min_size=1, max_size=5))
def test_any_bytes_are_read_as_one_by_one(sent: list[tuple[bytes, int]]) -> None:
    """Also where the snapshot length cut the header, or the file ends in it."""
    wire = Wire()
    for octets, _ in sent:
        wire.c("SYN", 99, options=octets)
    table = wire.table()
    rows = np.arange(len(table))
    for row, (octets, cut) in enumerate(sent):
        table.payload[row] -= min(cut, len(octets) + -len(octets) % 4)
        table.header[row] -= min(cut, len(octets) + -len(octets) % 4)
    last = int(table.payload[-1])
    table.buffers[0] = table.buffers[0][:last]
    found = syn_options(table, rows)
    columns = (found.mss, found.window_scale, found.sack_permitted, found.timestamp)
    values = zip(*(c.tolist() for c in columns), strict=True)
    for (octets, cut), layout, got in zip(sent, found.options.tolist(), values, strict=True):
        padded = octets + b"\0" * (-len(octets) % 4)
        expected = read(padded[: len(padded) - min(cut, len(padded))])
        assert (*got, found.layouts[layout]) == expected


def test_many_kinds_in_one_header() -> None:
    wire = Wire().c("SYN", 99, options=b"\1" * 40).c("SYN", 99, options=b"\1" * 7 + b"\4\2")
    found = syn_options(wire.table(), np.arange(2))
    assert [found.layouts[i] for i in found.options] == [(1,) * 40, (*(1,) * 7, 4)]


@pytest.mark.parametrize("payload", [10, 75, 90])
def test_a_header_that_is_not_all_there_has_no_options(payload: int) -> None:
    """It would begin before the captured bytes, or end behind them."""
    table = Wire().c("SYN", 99, options=LINUX).table()
    assert len(table.buffers[0]) == 40
    table.payload[0] = payload
    found = syn_options(table, np.arange(1))
    assert (found.layouts, found.mss.tolist()) == ([()], [-1])


def test_a_capture_that_ends_a_byte_before_the_end_of_the_options() -> None:
    wire = Wire().c("SYN", 99, options=b"\2\4\5\xb4" * 2).c("SYN", 99, options=b"\2\4\5\xb4" * 2)
    table = wire.table()
    table.payload[1] -= 1
    table.header[1] -= 1
    table.buffers[0] = table.buffers[0][:-1]
    found = syn_options(table, np.arange(2))
    assert [found.layouts[i] for i in found.options] == [(2, 2), (2,)]


def test_a_capture_that_ends_behind_the_first_option() -> None:
    """NOP has no length: its one byte is a whole option."""
    table = Wire().c("SYN", 99, options=b"\1\1\2\4\5\xb4").table()
    table.payload[0] -= 7
    table.header[0] -= 7
    table.buffers[0] = table.buffers[0][:-7]
    found = syn_options(table, np.arange(1))
    assert [found.layouts[i] for i in found.options] == [(1,)]


def test_no_syn_at_all() -> None:
    found = syn_options(Wire().table(), np.zeros(0, np.int64))
    assert (len(found.ttl), found.layouts) == (0, [])


@examples(300)
@given(
    st.lists(st.tuples(OPTIONS, st.integers(-90, 90), st.integers(0, 255)), min_size=1, max_size=5)
)
def test_both_roads_find_the_same_wherever_the_headers_are(
    syns: list[tuple[bytes, int, int]],
) -> None:
    wire = Wire()
    for octets, _, _ in syns:
        wire.c("SYN", 99, options=octets)
    table = wire.table()
    rows = np.arange(len(table), dtype=np.int32)
    table.payload = table.payload + np.array([by for _, by, _ in syns], np.int64)
    table.header = np.array([size for _, _, size in syns], np.uint8)
    plain, by_core = on_both(lambda: syn_options(table, rows))
    assert plain == by_core
    table.header = np.full(len(table), 60, np.uint8)
    plain, by_core = on_both(lambda: syn_options(table, rows))
    assert plain == by_core
