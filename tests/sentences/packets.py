"""Capture files → TCP packets and what they acknowledge, read by dpkt: the witness for sentences.

Nothing of lbtrace is used here. A packet has the number that Wireshark gives it; sequence numbers
are counted from the first one of their direction (RFC 9293 §3.4), so that they only grow.
"""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dpkt

End = tuple[str, int]  # address, port
HALF = 1 << 31


@dataclass(frozen=True, slots=True)
class Packet:
    """One TCP segment. `time` is in seconds, for order and distance only. `size` is its payload as
    sent; `payload` as captured."""

    number: int
    time: float
    source: End
    target: End
    seq: int
    ack: int
    flags: int
    size: int
    payload: bytes

    @property
    def syn(self) -> bool:
        """Whether it opens a direction."""
        return bool(self.flags & dpkt.tcp.TH_SYN)

    @property
    def fin(self) -> bool:
        """Whether it ends a direction."""
        return bool(self.flags & dpkt.tcp.TH_FIN)

    @property
    def rst(self) -> bool:
        """Whether it resets."""
        return bool(self.flags & dpkt.tcp.TH_RST)

    @property
    def acks(self) -> bool:
        """Whether its acknowledgement number counts."""
        return bool(self.flags & dpkt.tcp.TH_ACK)

    @property
    def room(self) -> int:
        """How much sequence space it takes."""
        return self.size + self.syn + self.fin


@dataclass(slots=True)
class Direction:
    """What one end of a connection sent: [begin, end) in sequence space from its first number, or
    from the first that its peer acknowledged.
    """

    first: int
    sent: list[tuple[int, int, Packet]] = field(default_factory=list)
    acked: list[tuple[int, float]] = field(default_factory=list)  # (up to, when), as the peer says

    def place(self, seq: int) -> int:
        """A sequence number → how far it lies from the first one."""
        return (seq - self.first + HALF) % (2 * HALF) - HALF

    def lacking(self) -> int:
        """Bytes that the peer acknowledged and that are not in the capture."""
        upto = max((a for a, _ in self.acked), default=0)
        at, lack = min((a for a, _ in self.acked if a < 0), default=0), 0
        for begin, end, _ in sorted(self.sent, key=lambda s: s[:2]):
            if begin > at:
                lack += max(0, min(begin, upto) - at)
            at = max(at, end)
        return lack + max(0, upto - at)

    def repeated(self) -> list[tuple[Packet, bool]]:
        """(packet, whether the capture shows its bytes acknowledged before) for each that only
        holds what was sent before; probes of an idle connection are none."""
        found: list[tuple[Packet, bool]] = []
        seen: list[tuple[int, int]] = []
        for begin, end, packet in self.sent:
            # one byte sent again probes an idle peer or a closed window (RFC 9293 §3.8.4, §3.8.6.1)
            probes = end - begin <= 1 and not packet.syn and not packet.fin
            if end > begin and not probes and _covered(begin, end, seen):
                known = any(a >= end and t < packet.time for a, t in self.acked)
                found.append((packet, known))
            seen.append((begin, end))
        return found


@dataclass(slots=True)
class Talk:
    """One connection: the end that opened it is its client; of one that was open before, the end
    that gets answers, and else the one that spoke first.
    """

    client: End
    server: End
    opened: bool  # its SYN is in the capture
    packets: list[Packet] = field(default_factory=list)
    directions: dict[End, Direction] = field(default_factory=dict)

    def add(self, packet: Packet) -> None:
        """The next packet."""
        self.packets.append(packet)
        mine = self.directions.get(packet.source)
        if mine is None:
            mine = self.directions[packet.source] = Direction(packet.seq)
        if packet.room:
            begin = mine.place(packet.seq)
            mine.sent.append((begin, begin + packet.room, packet))
        if packet.acks and not packet.rst:
            # what is acknowledged first was sent before, whether or not a packet shows it
            other = self.directions.setdefault(packet.target, Direction(packet.ack))
            other.acked.append((other.place(packet.ack), packet.time))


def _covered(begin: int, end: int, seen: Iterable[tuple[int, int]]) -> bool:
    at = begin
    for b, e in sorted(seen):
        if b > at:
            break
        at = max(at, e)
        if at >= end:
            return True
    return False


def packets(path: Path) -> Iterator[Packet]:
    """The TCP packets of a capture file over Ethernet, Linux cooked or raw IP, in file order."""
    with path.open("rb") as file:
        reader = dpkt.pcap.UniversalReader(file)
        link = reader.datalink()
        for number, (time, data) in enumerate(reader, 1):
            ip = _ip(link, data)
            if ip is None or not isinstance(ip.data, dpkt.tcp.TCP):
                continue
            tcp = ip.data
            size = _length(ip) - tcp.off * 4
            family = socket.AF_INET if len(ip.src) == 4 else socket.AF_INET6
            source, target = (socket.inet_ntop(family, a) for a in (ip.src, ip.dst))
            yield Packet(
                number,
                float(time),
                (source, tcp.sport),
                (target, tcp.dport),
                tcp.seq,
                tcp.ack,
                tcp.flags,
                size,
                bytes(tcp.data)[: max(size, 0)],
            )


def _ip(link: int, data: bytes) -> dpkt.ip.IP | dpkt.ip6.IP6 | None:
    try:
        if link == dpkt.pcap.DLT_EN10MB:
            inner = dpkt.ethernet.Ethernet(data).data
        elif link == dpkt.pcap.DLT_LINUX_SLL:
            inner = dpkt.sll.SLL(data).data
        elif link in (12, 14, 101, 228, 229):
            inner = (dpkt.ip.IP if data[0] >> 4 == 4 else dpkt.ip6.IP6)(data)
        else:
            return None
    except (dpkt.UnpackError, IndexError):
        return None
    return inner if isinstance(inner, dpkt.ip.IP | dpkt.ip6.IP6) else None


def _length(ip: dpkt.ip.IP | dpkt.ip6.IP6) -> int:
    """The bytes behind the IP header, as sent."""
    if isinstance(ip, dpkt.ip.IP):
        return int(ip.len) - int(ip.hl) * 4
    return int(ip.plen) - sum(len(h) for h in getattr(ip, "all_extension_headers", ()))


def talks(all_packets: Sequence[Packet]) -> list[Talk]:
    """Packets → their connections: a SYN with a new number begins one, however alike the ends. One
    that is late has the number right before the first that its end is known by.
    """
    last: dict[frozenset[End], Talk] = {}
    found: list[Talk] = []
    numbers: dict[int, set[int]] = defaultdict(set)
    for packet in all_packets:
        key = frozenset((packet.source, packet.target))
        talk = last.get(key)
        opens = packet.syn and not packet.acks
        if opens and talk is not None and packet.seq not in numbers[id(talk)]:
            known = talk.directions.get(packet.source)
            if known is None or known.place(packet.seq) != -1:
                talk = None
        if talk is None:
            reply = packet.syn and packet.acks
            ends = (packet.target, packet.source) if reply else (packet.source, packet.target)
            talk = last[key] = Talk(*ends, opened=opens)
            found.append(talk)
        if opens:
            numbers[id(talk)].add(packet.seq)
        talk.add(packet)
    for talk in found:
        if not talk.opened and _answers(talk) == talk.client:
            talk.client, talk.server = talk.server, talk.client
    return found


def _answers(talk: Talk) -> End | None:
    """The end that sends the first status line; None where the capture has none."""
    return next((p.source for p in talk.packets if p.payload.startswith(b"HTTP/1.")), None)
