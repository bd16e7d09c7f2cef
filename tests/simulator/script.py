"""Connections spoken word for word → the captures of both sides.

    play = Script()
    front = play.front()                        a client's connection to the balancer
    front.asks(b"GET / HTTP/1.1\\r\\n\\r\\n")
    back = play.back()                          one of the balancer to the backend
    back.asks(hello("")).answers(ALERT).closes()
    front.answers(b"HTTP/1.1 502 Bad Gateway\\r\\n\\r\\n").leaves()
    report = play.report(tmp_path)

The simulator plays balancers that work; this one plays any bytes at all, in the order of the calls,
a tenth of a millisecond apart. Both captures have one clock.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import count
from pathlib import Path

from lbtrace.model.report import Report
from lbtrace.options import DEFAULT, Options
from lbtrace.pipeline import compare

CLIENT, FRONT = "198.51.100.10", "198.51.100.80"
INSIDE, BACKEND = "10.0.9.1", "10.0.9.11"
STEP_NS = 100_000
BEGIN_NS = 1_750_000_000 * 10**9
MSS = 1448
WINDOW = 64240
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
FATAL = 2


def alert(description: int, level: int = FATAL) -> bytes:
    """A TLS alert in the clear (RFC 8446 §6)."""
    return bytes((0x15, 3, 3, 0, 2, level, description))


def icmp(
    kind: int, code: int, mtu: int, sender: str, target: IPv4Address | IPv6Address, quoted: bytes
) -> bytes:
    """An ICMP message with 28 bytes of the packet that it is about (RFC 792)."""
    body = struct.pack(">BBHHH", kind, code, 0, 0, mtu) + quoted[:28]
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 1, 0)
    return head + ip_address(sender).packed + target.packed + body


@dataclass
class Packet:
    """One packet of a capture."""

    time_ns: int
    data: bytes


@dataclass
class Spoken:
    """One connection; each call sends the next packets."""

    script: Script
    packets: list[Packet]
    ends: tuple[tuple[str, int], tuple[str, int]]
    sent: list[int]

    def asks(self, data: bytes, pause_ms: float = 0.0) -> Spoken:
        """The client sends bytes."""
        return self._says(0, data, pause_ms)

    def answers(self, data: bytes, pause_ms: float = 0.0) -> Spoken:
        """The server sends bytes."""
        return self._says(1, data, pause_ms)

    def closes(self, reset: bool = False) -> Spoken:
        """The server ends the connection."""
        return self._ends(1, reset)

    def leaves(self, reset: bool = False) -> Spoken:
        """The client ends the connection."""
        return self._ends(0, reset)

    def gives_up(self, pause_ms: float = 0.0) -> Spoken:
        """The client sends its FIN, and the server does not close yet."""
        self.script.wait(pause_ms)
        self._send(0, FIN | ACK)
        self._send(1, ACK)
        return self

    def asks_in_vain(self, data: bytes, times: int) -> Spoken:
        """The client sends the same bytes again and again, and nobody receives them."""
        begin = self.sent[0]
        for n in range(times):
            self.sent[0] = begin
            self.script.wait(200 << n)
            self._send(0, PSH | ACK, data)
        return self

    def server_closes_first(self) -> Spoken:
        """The server sends its FIN, and the client does not close yet."""
        self._send(1, FIN | ACK)
        self._send(0, ACK)
        return self

    def answers_in_vain(self, data: bytes, pause_ms: float = 0.0) -> Spoken:
        """The server sends bytes to a client that has left, and refuses them."""
        self.script.wait(pause_ms)
        self._send(1, PSH | ACK, data)
        self._send(0, RST)
        return self

    def turned_away(self, kind: int, code: int, mtu: int = 0, sender: str = "") -> Spoken:
        """A host answers the last packet by an ICMP message that quotes its first bytes; without a
        sender, the end it was sent to.
        """
        quoted = self.packets[-1].data
        source, target = ip_address(quoted[12:16]), ip_address(quoted[16:20])
        self.packets.append(
            Packet(self.script.now(), icmp(kind, code, mtu, sender or str(target), source, quoted))
        )
        return self

    def syn(self) -> None:
        """The client's SYN alone."""
        self._send(0, SYN)

    def opens(self) -> Spoken:
        """The handshake."""
        for who, flags in ((0, SYN), (1, SYN | ACK), (0, ACK)):
            self._send(who, flags)
        return self

    def _says(self, who: int, data: bytes, pause_ms: float) -> Spoken:
        self.script.wait(pause_ms)
        for at in range(0, len(data), MSS):
            self._send(who, PSH | ACK, data[at : at + MSS])
        self._send(1 - who, ACK)
        return self

    def _ends(self, who: int, reset: bool) -> Spoken:
        if reset:
            self._send(who, RST | ACK)
            return self
        for end, flags in ((who, FIN | ACK), (1 - who, FIN | ACK), (who, ACK)):
            self._send(end, flags)
        return self

    def window(self, size: int, server: bool = False) -> Spoken:
        """An end says how much more it can take."""
        self._send(int(server), ACK, window=size)
        return self

    def _send(self, who: int, flags: int, data: bytes = b"", window: int = WINDOW) -> None:
        (source, sport), (target, tport) = self.ends[who], self.ends[1 - who]
        options = b"\x02\x04\x05\xb4" if flags & SYN else b""
        tcp = struct.pack(
            ">HHIIBBHHH",
            sport,
            tport,
            self.sent[who] & 0xFFFFFFFF,
            self.sent[1 - who] & 0xFFFFFFFF if flags & ACK else 0,
            (20 + len(options)) << 2,
            flags,
            window,
            0,
            0,
        )
        body = tcp + options + data
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0x4000, 64, 6, 0)
        ends = ip_address(source).packed + ip_address(target).packed
        self.packets.append(Packet(self.script.now(), head + ends + body))
        self.sent[who] += len(data) + bool(flags & (SYN | FIN))


@dataclass
class Script:
    """A play, and the packets that both sides saw."""

    time_ns: int = BEGIN_NS
    client: list[Packet] = field(default_factory=list)
    backend: list[Packet] = field(default_factory=list)
    ports: count[int] = field(default_factory=lambda: count(40001))

    def now(self) -> int:
        """The time of the next packet."""
        self.time_ns += STEP_NS
        return self.time_ns

    def wait(self, pause_ms: float) -> None:
        """Nothing happens for a while."""
        self.time_ns += int(pause_ms * 1_000_000)

    def front(self, port: int = 80) -> Spoken:
        """A client opens a connection to the balancer."""
        return self._open(self.client, CLIENT, (FRONT, port))

    def attempts(self, times: int, behind: bool = False, source: str = CLIENT) -> None:
        """A host sends the same SYN to the balancer again and again, and nobody answers. `behind`:
        the backend capture shows it.
        """
        ends = ((source, next(self.ports)), (FRONT, 80))
        spoken = Spoken(self, self.backend if behind else self.client, ends, [7919, 0])
        for n in range(times):
            spoken.sent[0] = 7919
            self.wait(1000 << n)
            spoken.syn()

    def attempt(self, behind: bool = False, port: int = 80) -> Spoken:
        """A connection of which there is the SYN so far."""
        ends = (INSIDE, BACKEND) if behind else (CLIENT, FRONT)
        packets = self.backend if behind else self.client
        spoken = Spoken(self, packets, ((ends[0], next(self.ports)), (ends[1], port)), [7919, 0])
        spoken.syn()
        return spoken

    def back(self, port: int = 8080) -> Spoken:
        """The balancer opens one to the backend."""
        return self._open(self.backend, INSIDE, (BACKEND, port))

    def straight(self, port: int = 8080) -> Spoken:
        """A client opens one to the backend itself; `passed` puts it into both captures."""
        return self._open([], CLIENT, (BACKEND, port))

    def passed(self, spoken: Spoken) -> None:
        """Both sides saw the packets of a connection, and at the same times."""
        self.client += spoken.packets
        self.backend += spoken.packets

    def _open(self, packets: list[Packet], source: str, target: tuple[str, int]) -> Spoken:
        port = next(self.ports)
        spoken = Spoken(self, packets, ((source, port), target), [port * 7919, port * 104729])
        return spoken.opens()

    def write(self, folder: Path, snaplen: int = 65535) -> tuple[Path, Path]:
        """The captures as files, of both sides."""
        paths = folder / "client.pcap", folder / "backend.pcap"
        for path, packets in zip(paths, (self.client, self.backend), strict=True):
            path.write_bytes(pcap(packets, snaplen))
        return paths

    def report(self, folder: Path, options: Options = DEFAULT, snaplen: int = 65535) -> Report:
        """What is told of it."""
        front, back = self.write(folder, snaplen)
        return compare([[str(front)]], [[str(back)]], options)


def pcap(packets: list[Packet], snaplen: int = 65535) -> bytes:
    """Packets → a capture of raw IP (LINKTYPE_RAW) with times in nanoseconds."""
    out = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, snaplen, 101)]
    for p in packets:
        kept = p.data[:snaplen]
        out.append(struct.pack("<IIII", *divmod(p.time_ns, 10**9), len(kept), len(p.data)) + kept)
    return b"".join(out)
