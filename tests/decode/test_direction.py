"""Linux cooked captures say of each packet whether the machine that captured it sent it; other link
types say nothing.
"""

from __future__ import annotations

from pathlib import Path

import dpkt
import pytest

from lbtrace import capture, decode
from lbtrace.model.trace import PacketDirection


def packet_directions(path: Path, link: int, packets: list[bytes]) -> list[int]:
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=link)
        for i, packet in enumerate(packets):
            writer.writepkt(packet, ts=i)
    return list(decode.packet_directions(capture.read([str(path)], lambda _what, _done: None)))


@pytest.mark.parametrize(
    ("link", "place", "header"), [(113, 1, 16), (276, 10, 20)], ids=["SLL", "SLL2"]
)
def test_packet_type_four_was_sent(tmp_path: Path, link: int, place: int, header: int) -> None:
    def packet(kind: int) -> bytes:
        return bytes(place) + bytes([kind]) + bytes(header - place - 1) + b"E"

    told = packet_directions(
        tmp_path / "any.pcap", link, [packet(0), packet(4), packet(1), packet(4), b"\0"]
    )
    assert told == [
        PacketDirection.RECEIVED,
        PacketDirection.SENT,
        PacketDirection.RECEIVED,
        PacketDirection.SENT,
        PacketDirection.UNKNOWN,
    ]


def test_ethernet_does_not_tell(tmp_path: Path) -> None:
    assert packet_directions(tmp_path / "eth.pcap", 1, [bytes(60)]) == []
