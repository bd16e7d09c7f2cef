"""One TCP connection as packets, damaged at will → the bytes of a pcap file.

The segments carry true sequence and acknowledgement numbers; `drop`, `swap` and `snaplen` act on
the finished list of packets, as a lossy tap would.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

SYN, ACK, PSH, FIN = 2, 16, 8, 1
MSS = 1448


@dataclass
class Packet:
    who: int  # 0 client, 1 server
    flags: int
    seq: int
    ack: int
    data: bytes
    label: str = ""


@dataclass
class Wire:
    """A connection being spoken; `label` names the packets of a message, to find them again."""

    packets: list[Packet] = field(default_factory=list)
    isn: tuple[int, int] = (4_294_967_000, 77)  # the client's sequence numbers wrap early on
    sent: list[int] = field(default_factory=lambda: [0, 0])
    ports: tuple[int, int] = (40000, 80)

    def open(self) -> Wire:
        self._put(0, SYN, b"", "")
        self.sent[0] += 1
        self._put(1, SYN | ACK, b"", "")
        self.sent[1] += 1
        self._put(0, ACK, b"", "")
        return self

    def say(self, who: int, data: bytes, label: str, size: int = MSS) -> Wire:
        for at in range(0, len(data), size):
            part = data[at : at + size]
            self._put(who, ACK | PSH, part, f"{label}.{at // size}")
            self.sent[who] += len(part)
        return self

    def acknowledge(self, who: int) -> Wire:
        self._put(who, ACK, b"", "")
        return self

    def close(self) -> Wire:
        for who in (0, 1):
            self._put(who, FIN | ACK, b"", "")
            self.sent[who] += 1
        self._put(0, ACK, b"", "")
        return self

    def _put(self, who: int, flags: int, data: bytes, label: str) -> None:
        seq = (self.isn[who] + self.sent[who]) % 2**32
        ack = (self.isn[1 - who] + self.sent[1 - who]) % 2**32 if flags & ACK else 0
        self.packets.append(Packet(who, flags, seq, ack, data, label))

    def index(self, label: str) -> int:
        return next(i for i, p in enumerate(self.packets) if p.label == label)

    def drop(self, *labels: str) -> Wire:
        """Packets whose label is one of these, or begins with one of these and a dot, are not
        captured.
        """
        self.packets = [
            p
            for p in self.packets
            if not any(p.label == x or p.label.startswith(x + ".") for x in labels)
        ]
        return self

    def swap(self, first: str, second: str) -> Wire:
        i, j = self.index(first), self.index(second)
        self.packets[i], self.packets[j] = self.packets[j], self.packets[i]
        return self

    def pcap(self, snaplen: int = 65535) -> bytes:
        out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snaplen, 1)]
        for i, p in enumerate(self.packets):
            frame = _frame(p, self.ports)
            out.append(
                struct.pack(
                    "<IIII",
                    1_700_000_000 + i // 1000,
                    i % 1000 * 1000,
                    min(len(frame), snaplen),
                    len(frame),
                )
            )
            out.append(frame[:snaplen])
        return b"".join(out)


def _frame(p: Packet, ports: tuple[int, int]) -> bytes:
    ends = (bytes([10, 0, 0, 1]), ports[0]), (bytes([10, 0, 0, 2]), ports[1])
    (source, sport), (target, tport) = ends[p.who], ends[1 - p.who]
    options = b"\x02\x04\x05\xb4" if p.flags & SYN else b""
    tcp = (
        struct.pack(
            ">HHIIBBHHH", sport, tport, p.seq, p.ack, (20 + len(options)) << 2, p.flags, 65535, 0, 0
        )
        + options
    )
    ip = (
        struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp) + len(p.data), 1, 0, 64, 6, 0)
        + source
        + target
    )
    return b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0" + ip + tcp + p.data
