"""Lines of one capture point → the bytes of a capture file."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import ip_address

from lbtrace.model.http import ClientHello
from tests.simulator.wire import CONTINUE, Clockwork, Line, Turn

MSS = 1448
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def pcap(lines: Sequence[Line], clock: Clockwork, window: tuple[int, int] | None = None) -> bytes:
    """Lines of one point → a nanosecond pcap of raw IP packets (LINKTYPE_RAW)."""
    begin, end = window or (-(1 << 62), 1 << 62)
    packets: list[tuple[int, int, bytes]] = []
    for line in lines:
        for time_ns, data in _packets(line):
            if begin <= time_ns <= end:
                packets.append((time_ns, len(packets), data))
    packets.sort()
    out = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 101)]
    for time_ns, _, data in packets:
        shown = clock.show(time_ns)
        out.append(struct.pack("<IIII", shown // 10**9, shown % 10**9, len(data), len(data)) + data)
    return b"".join(out)


class _Sending:
    """What both ends of a line send, in the order of sending."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.seq = {True: line.isn, False: line.server_isn}
        self.sent: list[tuple[int, bytes]] = []

    def send(
        self, time_ns: int, from_client: bool, flags: int, data: bytes = b"", lost: bool = False
    ) -> None:
        """A segment; one that is lost takes its sequence numbers along."""
        if not lost:
            self._put(time_ns, from_client, flags, data)
        moved = len(data) + (1 if flags & (FIN | SYN) else 0)
        self.seq[from_client] = (self.seq[from_client] + moved) & 0xFFFFFFFF

    def _put(self, time_ns: int, from_client: bool, flags: int, data: bytes) -> None:
        ack = self.seq[not from_client] if flags & ACK else 0
        packet = _packet(self.line, from_client, self.seq[from_client], ack, flags, data)
        self.sent.append((time_ns, packet))

    def open(self) -> None:
        """The handshake, and the PROXY header."""
        begin, lost = self.line.opened_ns, not self.line.syn_seen
        self.send(begin, True, SYN, lost=lost)
        self.send(begin + 1000, False, SYN | ACK, lost=lost)
        self.send(begin + 2000, True, ACK, lost=lost)
        if self.line.proxy_bytes:
            self.send(begin + 3000, True, PSH | ACK, self.line.proxy_bytes)

    def say(self, turn: Turn) -> None:
        """A message in parts, the first one twice if it is repeated, and its acknowledgment."""
        payload = turn.message.payload()
        size = min(MSS, -(-len(payload) // turn.parts))
        pieces = [payload[i : i + size] for i in range(0, len(payload), size)]
        for n, piece in enumerate(pieces):
            time_ns = turn.first_ns + (turn.last_ns - turn.first_ns) * n // max(len(pieces) - 1, 1)
            if turn.repeated and n == 0:
                self._put(time_ns, turn.from_client, PSH | ACK, piece)
            self.send(time_ns, turn.from_client, PSH | ACK, piece, turn.lost)
        self.send(turn.last_ns + 1, not turn.from_client, ACK, lost=turn.lost)

    def say_after_continue(self, turn: Turn, continued_ns: int) -> None:
        """The head of a request, 100 (Continue), and the body."""
        head, payload = turn.message.head(), turn.message.payload()
        self.send(turn.first_ns, True, PSH | ACK, head, turn.lost)
        self.send(continued_ns, False, PSH | ACK, CONTINUE, turn.lost)
        self.send(turn.last_ns, True, PSH | ACK, payload[len(head) :], turn.lost)

    def say_hidden(self, from_client: bool, size: int) -> None:
        """Bytes in TLS."""
        data = _hidden(self.line, from_client, size)
        begin, end = self.line.opaque_first_ns, self.line.opaque_last_ns - from_client
        for i in range(0, size, MSS):
            time_ns = begin + i if i + MSS < size else end
            self.send(time_ns, from_client, PSH | ACK, data[i : i + MSS])

    def close(self, end_ns: int) -> None:
        """RST, or FIN of both."""
        first = self.line.closed_by_client
        if self.line.reset:
            self.send(end_ns, first, RST | ACK)
            return
        self.send(end_ns, first, FIN | ACK)
        self.send(end_ns + 1000, not first, FIN | ACK)
        self.send(end_ns + 2000, first, ACK)


def _packets(line: Line) -> list[tuple[int, bytes]]:
    sending = _Sending(line)
    sending.open()
    for turn in line.turns:
        if line.fin_ns is not None and turn.first_ns > line.fin_ns and turn is line.turns[-1]:
            sending.send(line.fin_ns, False, FIN | ACK)
        if turn.continued_ns is not None:
            sending.say_after_continue(turn, turn.continued_ns)
        else:
            sending.say(turn)
    if any(line.opaque):
        sending.say_hidden(True, line.opaque[0])
        sending.say_hidden(False, line.opaque[1])
    if line.closed_ns is not None:
        sending.close(line.closed_ns)
    return sending.sent


def _packet(line: Line, from_client: bool, seq: int, ack: int, flags: int, data: bytes) -> bytes:
    source, target = (line.client, line.server) if from_client else (line.server, line.client)
    options = (
        b"\x02\x04\x05\xb4\x04\x02\x08\x0a"
        + struct.pack(">II", line.timestamp, 0)
        + b"\x01\x03\x03\x07"
        if flags & 2
        else b""
    )
    header = (
        struct.pack(
            ">HHIIBBHHH",
            source.port,
            target.port,
            seq,
            ack,
            (5 + len(options) // 4) << 4,
            flags,
            64240,
            0,
            0,
        )
        + options
    )
    a, b = ip_address(source.address), ip_address(target.address)
    if a.version == 4:
        total = 20 + len(header) + len(data)
        ip = struct.pack(
            ">BBHHHBBH4s4s", 0x45, 0, total, 0, 0x4000, line.ttl, 6, 0, a.packed, b.packed
        )
    else:
        ip = struct.pack(
            ">IHBB16s16s", 6 << 28, len(header) + len(data), 6, line.ttl, a.packed, b.packed
        )
    return ip + header + data


def _hidden(line: Line, from_client: bool, size: int) -> bytes:
    """What TLS looks like from outside: the hello, then records of noise; the same on both sides of
    who passes it on.
    """
    key = int(line.tls.random[:8], 16) if line.tls is not None else line.isn
    first = _hello(line.tls) if from_client and line.tls is not None else b""
    rest = size - len(first) - 5
    noise = bytes((key * 31 + i * 7) & 0xFF for i in range(rest))
    return first + struct.pack(">BHH", 0x17, 0x303, rest) + noise


def _hello(said: ClientHello) -> bytes:
    """A ClientHello in a record (RFC 8446 §4.1.2, §5.1)."""
    name = (said.server_name or "").encode()
    protocols = b"".join(bytes([len(p)]) + p.encode() for p in said.alpn)
    versions = b"".join(struct.pack(">H", v) for v in said.versions)
    extensions = b"".join(
        struct.pack(">HH", kind, len(data)) + data
        for kind, data in (
            (0, struct.pack(">HBH", len(name) + 3, 0, len(name)) + name),
            (16, struct.pack(">H", len(protocols)) + protocols),
            (43, bytes([len(versions)]) + versions),
        )
    )
    hello = (
        b"\x03\x03"
        + bytes.fromhex(said.random)
        + b"\x00\x00\x02\x13\x01\x01\x00"
        + struct.pack(">H", len(extensions))
        + extensions
    )
    handshake = b"\x01" + len(hello).to_bytes(3, "big") + hello
    return struct.pack(">BHH", 0x16, 0x301, len(handshake)) + handshake
