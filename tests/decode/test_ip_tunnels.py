"""IP in IP, the Authentication Header, compressed payload."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from tests.decode.packets import (
    FOUR,
    SIX,
    Case,
    network,
    reason,
    request_in,
    table_of,
    v4,
    v6,
)


def deflated(data: bytes) -> bytes:
    """RFC 1951."""
    return zlib.compress(data, wbits=-15)


# (packet on Ethernet, how it is counted, network)
CASES: list[Case] = [
    (v4(4, FOUR), "ip-in-ip", "ip-in-ip"),
    (v4(41, SIX), "ip-in-ip", "ip-in-ip"),
    (v4(94, FOUR), "ip-in-ip", "ip-in-ip"),
    (v6(4, FOUR), "ip-in-ip", "ip-in-ip"),
    (v6(41, SIX), "ip-in-ip", "ip-in-ip"),
    (v4(51, b"\x06\x04\0\0" + bytes(20) + FOUR[20:]), "ah", ""),
    (v6(51, b"\x06\x04\0\0" + bytes(20) + FOUR[20:]), "ah", ""),
    (v6(51, b"\x3c\x01\0\0" + bytes(8) + b"\x06\0" + bytes(6) + FOUR[20:]), "ah", ""),
    (v4(108, b"\x06\0\0\2" + deflated(FOUR[20:])), "ipcomp", ""),
    (v4(108, b"\x04\0\0\2" + deflated(FOUR)), "ipcomp", "ip-in-ip"),
    (v6(108, b"\x29\0\x12\x34" + deflated(SIX)), "ipcomp", "ip-in-ip"),
    (v6(108, b"\x29\0\x01\x00" + deflated(SIX)), "ipcomp", "ip-in-ip"),
    (v6(108, b"\x29\0\xef\xff" + deflated(SIX)), "ipcomp", "ip-in-ip"),
]


@pytest.mark.parametrize(("packet", "name", "where"), CASES)
def test_the_request_is_found(tmp_path: Path, packet: bytes, name: str, where: str) -> None:
    table = request_in(tmp_path, packet)
    assert name in dict(table.counts.peeled)
    assert network(table) == where


@pytest.mark.parametrize(
    "packet",
    [
        v4(108, b"\x06\0\0\2" + bytes([0xFF] * 40)),
        v4(108, b"\x06\0\0\2" + deflated(b"")),
        v4(108, b"\x06\0\0\3" + deflated(FOUR[20:])),  # another algorithm
        v4(108, b"\x06\0\0\xff" + deflated(FOUR[20:])),  # below the indices that are negotiated
        v4(108, b"\x06\0\xf0\x00" + deflated(FOUR[20:])),  # above
        v4(108, b"\x06\0\x01\x00" + deflated(FOUR[20:])[:-1]),  # cut: perhaps not DEFLATE at all
    ],
)
def test_what_is_compressed_otherwise_is_counted(tmp_path: Path, packet: bytes) -> None:
    assert reason(tmp_path, packet) == "ipcomp (compressed)"


def test_compressed_packets_may_not_become_more_than_a_capture_is_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lbtrace.decode.fragments.MAX_UNPACKED_BYTES", 100_000)
    bombs = [
        v4(108, b"\x06\0\0\2" + deflated(bytes([9, n]) + FOUR[22:40] + bytes(1_000_000)))
        for n in range(5)
    ]
    table = table_of(tmp_path, bombs)
    assert table.counts.decoded == 2
    assert dict(table.counts.skipped) == {"ipcomp (compressed)": 3}
    assert len(table.buffers[1]) <= 2 * 65_535
