"""Lines of one capture point → the bytes of a capture file."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import ip_address

from lbtrace.model.http import ClientHello
from tests.simulator.wire import CONTINUE, Clockwork, Line

MSS = 1448


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


def _packets(line: Line) -> list[tuple[int, bytes]]:
    out: list[tuple[int, bytes]] = []
    seq = {True: line.isn, False: line.server_isn}

    def send(
        time_ns: int, from_client: bool, flags: int, data: bytes = b"", lost: bool = False
    ) -> None:
        ack = seq[not from_client] if flags & 16 else 0
        if not lost:
            out.append((time_ns, _packet(line, from_client, seq[from_client], ack, flags, data)))
        seq[from_client] = (seq[from_client] + len(data) + (1 if flags & 3 else 0)) & 0xFFFFFFFF

    opening_lost = not line.syn_seen
    send(line.opened_ns, True, 2, lost=opening_lost)
    send(line.opened_ns + 1000, False, 18, lost=opening_lost)
    send(line.opened_ns + 2000, True, 16, lost=opening_lost)
    if line.proxy_bytes:
        send(line.opened_ns + 3000, True, 24, line.proxy_bytes)
    for turn in line.turns:
        payload = turn.message.payload()
        if line.fin_ns is not None and turn.first_ns > line.fin_ns and turn is line.turns[-1]:
            send(line.fin_ns, False, 17)
        if turn.continued_ns is not None:
            head = turn.message.head()
            send(turn.first_ns, True, 24, head, turn.lost)
            send(turn.continued_ns, False, 24, CONTINUE, turn.lost)
            send(turn.last_ns, True, 24, payload[len(head) :], turn.lost)
            continue
        size = min(MSS, -(-len(payload) // turn.parts))
        pieces = [payload[i : i + size] for i in range(0, len(payload), size)]
        for n, piece in enumerate(pieces):
            time_ns = turn.first_ns + (turn.last_ns - turn.first_ns) * n // max(len(pieces) - 1, 1)
            if turn.repeated and n == 0:
                out.append(
                    (
                        time_ns,
                        _packet(
                            line,
                            turn.from_client,
                            seq[turn.from_client],
                            seq[not turn.from_client],
                            24,
                            piece,
                        ),
                    )
                )
            send(time_ns, turn.from_client, 24, piece, turn.lost)
        send(turn.last_ns + 1, not turn.from_client, 16, lost=turn.lost)
    if any(line.opaque):
        for from_client, size in ((True, line.opaque[0]), (False, line.opaque[1])):
            data = _hidden(line, from_client, size)
            for i in range(0, size, MSS):
                time_ns = (
                    line.opaque_first_ns + i
                    if i + MSS < size
                    else line.opaque_last_ns - from_client
                )
                send(time_ns, from_client, 24, data[i : i + MSS])
    if line.closed_ns is not None:
        if line.reset:
            send(line.closed_ns, line.closed_by_client, 20)
        else:
            send(line.closed_ns, line.closed_by_client, 17)
            send(line.closed_ns + 1000, not line.closed_by_client, 17)
            send(line.closed_ns + 2000, line.closed_by_client, 16)
    return out


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
