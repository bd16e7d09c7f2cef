"""SYN options → SynOptions and SynFingerprint, however they are broken."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tcp import connections
from lbtrace.tcp.fingerprint import syn_options
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


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_any_bytes_are_read_as_one_by_one(options: list[bytes]) -> None:
    wire = Wire()
    for octets in options:
        wire.c("SYN", 99, options=octets)
    table = wire.table()
    found = syn_options(table, np.arange(len(table)))
    for octets, layout in zip(options, found.options.tolist(), strict=True):
        padded = octets + b"\0" * (-len(octets) % 4)
        kinds, at = [], 0
        while at < len(padded) and padded[at]:
            length = 1 if padded[at] == 1 else padded[at + 1] if at + 1 < len(padded) else 0
            if padded[at] != 1 and (length < 2 or at + length > len(padded)):
                break
            kinds.append(padded[at])
            at += length
        assert found.layouts[layout] == tuple(kinds)
