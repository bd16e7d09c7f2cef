"""Many packets at once: the link types and tunnels in FAST_LINKS and FAST_TUNNELS, VLAN tags, MPLS
labels, PPPoE; whole IP headers without extensions; TCP.

What comes out equals, row for row, what the slow path makes of the same packets; whatever is
unusual in any way is left to it.

    link ─▶ tags, labels, PPPoE ─▶ IPv4 / IPv6 ─▶ TCP        rows
              ▲                         ├───────▶ UDP, ICMP  counted (ICMP errors: slow path)
              └─────────────────────────┴───────▶ tunnel     once more from the inner header
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from lbtrace.decode.dispatch import (
    BRIDGED_ETHERNET,
    FAST_IP_PROTOCOLS,
    FAST_UDP_PORTS,
    IPV4,
    IPV6,
    UDP_PORTS,
    FastLink,
    FastTunnel,
)
from lbtrace.decode.ethernet import ETHERNET_BYTES
from lbtrace.decode.icmp import ERRORS
from lbtrace.decode.ip import TCP
from lbtrace.decode.networks import NetworkBook
from lbtrace.decode.ppp import PPPOE_BYTES, PPPOE_SESSION
from lbtrace.decode.rows import V6_BIT, SegmentRows
from lbtrace.decode.tags import MPLS, VLAN
from lbtrace.decode.udp_tunnels import HTTP3_PORT, HTTP3_SKIP, IPSEC_PORT, UDP, UDP_BYTES
from lbtrace.tables.packets import Column
from lbtrace.tables.views import Views

PLAIN_SKIPS = {1: "icmp", 2: "igmp", UDP: "udp", 58: "icmpv6"}
IN_PPP = {0x0021: IPV4, 0x0057: IPV6}
PPP_BYTES = 2
MAX_TAGS = 2
MAX_LABELS = 3
MAX_LAYERS = 3  # of IP within IP
MIN_ROOM_BYTES = 40  # that must be captured behind a link header, tag or tunnel header
MIN_PLAIN_BYTES = 8  # that must be captured of a packet which is only counted
TCP_BYTES = 20

# of each name a packet has at most MAX_LAYERS × MAX_TAGS here: four bits count them
PEELED = ("vlan", "vxlan", "geneve", "gre", "ip-in-ip", "mpls", "pppoe")


@dataclass(slots=True)
class Batch:
    """Records of one link type in one buffer."""

    record: Column  # i64
    offset: Column  # i64
    captured: Column  # i64
    wire: Column  # i64, not less than captured
    views: Views
    buffer: int
    networks: NetworkBook


@dataclass(slots=True)
class Decoded:
    """What came of a batch: rows; the places in the batch left to the slow path; the plain packets
    skipped, by reason; tags and tunnels, by name; of packets that may be of HTTP/3, first ones.
    """

    parts: list[SegmentRows] = field(default_factory=list)
    left: list[Column] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    peeled: Counter[str] = field(default_factory=Counter)
    http3: list[int] = field(default_factory=list)  # records of packets that may be of HTTP/3

    def leave(self, packets: InFlight, which: Column) -> None:
        """These of the packets are for the slow path."""
        if which.any():
            self.left.append(packets.index[which])

    def count_peeled(self, peeled: Column) -> None:
        """Add up what packets that are finished had around them."""
        if peeled.any():
            for i, name in enumerate(PEELED):
                if count := int((peeled >> np.uint32(4 * i) & np.uint32(15)).sum()):
                    self.peeled[name] += count

    def remaining(self) -> Column:
        """The places left to the slow path, in order."""
        return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *self.left]))


@dataclass(slots=True)
class InFlight:
    """Packets under way. `at` is where a header of EtherType `kind` begins; `peeled` counts four
    bits per name in PEELED.
    """

    index: Column  # i64, place in the batch
    at: Column  # i64
    kind: Column  # i64
    end: Column  # i64, of what was captured
    wire_end: Column  # i64
    network: Column  # u16
    peeled: Column  # u32

    def only(self, which: Column) -> InFlight:
        """These of the packets."""
        if which.all():
            return self
        return InFlight(*(getattr(self, name)[which] for name in InFlight.__slots__))

    def copy(self) -> InFlight:
        """The same packets in columns that may be written to."""
        return InFlight(*(getattr(self, name).copy() for name in InFlight.__slots__))

    def has(self, size: int) -> Column:
        """Which packets have `size` captured bytes from their position on."""
        enough: Column = self.at + size <= self.end
        return enough


def _joined(parts: Iterable[InFlight]) -> InFlight:
    parts = list(parts)
    return InFlight(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in InFlight.__slots__)
    )


def _peeled(name: str) -> np.uint32:
    """One of that name, as `InFlight.peeled` counts it."""
    return np.uint32(1 << 4 * PEELED.index(name))


def decode(batch: Batch, link: FastLink) -> Decoded:
    """A batch through the fast path."""
    done = Decoded()
    index = np.arange(len(batch.offset))
    room = batch.captured >= link.header_bytes + MIN_ROOM_BYTES
    if not room.all():
        done.left.append(index[~room])
        index = index[room]
    start = batch.offset[index]
    at, kind = link.locate(batch.views, start)
    packets = InFlight(
        index,
        at,
        kind,
        start + batch.captured[index],
        start + batch.wire[index],
        np.zeros(len(index), dtype=np.uint16),
        np.zeros(len(index), dtype=np.uint32),
    )
    for _ in range(MAX_LAYERS):
        for step in (_behind_vlan, _behind_mpls, _behind_pppoe):
            packets = step(batch, packets, done)
        is4, is6 = packets.kind == IPV4, packets.kind == IPV6
        done.leave(packets, ~(is4 | is6))
        inner = [*_v4(batch, packets.only(is4), done), *_v6(batch, packets.only(is6), done)]
        if not inner:
            return done
        packets = _joined(inner)
    done.leave(packets, np.ones(len(packets.index), dtype=bool))
    return done


def _behind_vlan(batch: Batch, packets: InFlight, done: Decoded) -> InFlight:
    """VLAN tags; beyond MAX_TAGS of them `kind` stays a tag's, which is left to the slow path."""
    u16 = batch.views.u16
    for _ in range(MAX_TAGS):
        tagged = np.isin(packets.kind, VLAN)
        if not tagged.any():
            return packets
        cramped = tagged & ~packets.has(4 + MIN_ROOM_BYTES)
        done.leave(packets, cramped)
        packets, tagged = packets.only(~cramped).copy(), tagged[~cramped]
        at = packets.at[tagged]
        packets.network[tagged] = batch.networks.below(
            packets.network[tagged], "vlan", (u16[at] & 0xFFF).astype(np.int64)
        )
        packets.kind[tagged] = u16[at + 2]
        packets.at[tagged] += 4
        packets.peeled[tagged] += _peeled("vlan")
    return packets


def _behind_mpls(batch: Batch, packets: InFlight, done: Decoded) -> InFlight:
    """MPLS labels with IP right inside; with anything else `kind` is −1, which is left to the slow
    path.
    """
    labelled = np.isin(packets.kind, MPLS)
    if not labelled.any():
        return packets
    cramped = labelled & ~packets.has(4 * MAX_LABELS + MIN_ROOM_BYTES)
    done.leave(packets, cramped)
    packets, labelled = packets.only(~cramped).copy(), labelled[~cramped]
    u8 = batch.views.u8
    at, bottom = packets.at[labelled], np.zeros(int(labelled.sum()), dtype=bool)
    for _ in range(MAX_LABELS):
        last = u8[at + 2] & 1 == 1
        at = np.where(bottom, at, at + 4)
        bottom |= last
    version = u8[at] >> 4
    packets.kind[labelled] = np.select(
        [bottom & (version == 4), bottom & (version == 6)], [IPV4, IPV6], -1
    )
    packets.at[labelled] = at
    packets.peeled[labelled] += _peeled("mpls")
    return packets


def _behind_pppoe(batch: Batch, packets: InFlight, done: Decoded) -> InFlight:
    """PPPoE sessions with IP right inside; with anything else `kind` is −1, which is left to the
    slow path.
    """
    session = packets.kind == PPPOE_SESSION
    if not session.any():
        return packets
    cramped = session & ~packets.has(PPPOE_BYTES + PPP_BYTES + MIN_ROOM_BYTES)
    done.leave(packets, cramped)
    packets, session = packets.only(~cramped).copy(), session[~cramped]
    u16, at = batch.views.u16, packets.at[session]
    length, protocol = u16[at + 4], u16[at + PPPOE_BYTES]
    good = (batch.views.u8[at + 1] == 0) & (length >= PPP_BYTES)
    packets.kind[session] = np.select(
        [good & (protocol == number) for number in IN_PPP], list(IN_PPP.values()), -1
    )
    packets.wire_end[session] = at + PPPOE_BYTES + length
    packets.end[session] = np.minimum(packets.end[session], packets.wire_end[session])
    packets.network[session] = batch.networks.below(
        packets.network[session], "pppoe", u16[at + 2].astype(np.int64)
    )
    packets.at[session] = at + PPPOE_BYTES + PPP_BYTES
    packets.peeled[session] += _peeled("pppoe")
    return packets


def _v4(batch: Batch, packets: InFlight, done: Decoded) -> list[InFlight]:
    if not len(packets.index):
        return []
    at = packets.at
    header = batch.views.headers(at, 20)
    fields = header.view(">u2")
    first = header[:, 0]
    size = (first & 15).astype(np.int64) * 4
    total = fields[:, 1].astype(np.int64)
    # a total length of 0 is what segmentation offload leaves
    packets.wire_end = np.where(total == 0, packets.wire_end, at + total)
    packets.end = np.minimum(packets.end, packets.wire_end)
    whole = (
        (first >> 4 == 4)
        & (size >= 20)
        & ((total == 0) | (total >= size))
        & (fields[:, 3] & 0x3FFF == 0)
    )
    return _inside(batch, packets, whole, header[:, 9], at + size, done)


def _v6(batch: Batch, packets: InFlight, done: Decoded) -> list[InFlight]:
    if not len(packets.index):
        return []
    views, at = batch.views, packets.at
    length = views.u16[at + 4].astype(np.int64)
    packets.wire_end = at + 40 + length
    packets.end = np.minimum(packets.end, packets.wire_end)
    whole = (views.u8[at] >> 4 == 6) & (length > 0)
    return _inside(batch, packets, whole, views.u8[at + 6], at + 40, done)


def _inside(
    batch: Batch, packets: InFlight, whole: Column, protocol: Column, inside: Column, done: Decoded
) -> list[InFlight]:
    """Behind whole IP headers: TCP becomes rows, plain packets are counted, what is in tunnels is
    handed back.
    """
    room = packets.end - inside
    tcp = whole & (protocol == TCP) & (room >= TCP_BYTES)
    if tcp.all():
        _segments(batch, packets, inside, done)
        return []
    inner, through = _tunnels(batch, packets, whole & (room >= TCP_BYTES), protocol, inside)
    plain = _plain(batch, packets, whole & (room >= MIN_PLAIN_BYTES), protocol, inside, done)
    done.leave(packets, ~(tcp | plain | through))
    if tcp.any():
        _segments(batch, packets.only(tcp), inside[tcp], done)
    return inner


def _plain(
    batch: Batch, packets: InFlight, good: Column, protocol: Column, inside: Column, done: Decoded
) -> Column:
    """Packets that are certainly no TCP are counted here, so that a busy DNS server does not go the
    slow way. Returns which they are.
    """
    counted = np.zeros(len(good), dtype=bool)
    for number, reason in PLAIN_SKIPS.items():
        these = good & (protocol == number)
        if number == UDP and these.any():
            at = np.where(these, inside, 0)
            u16, special = batch.views.u16, (*UDP_PORTS.numbers(), IPSEC_PORT)
            these &= ~np.isin(u16[at], special) & ~np.isin(u16[at + 2], special)
            http3 = these & ((u16[at] == HTTP3_PORT) | (u16[at + 2] == HTTP3_PORT))
            if count := int(http3.sum()):
                done.skipped[HTTP3_SKIP] += count
                done.http3.append(int(batch.record[packets.index[http3]].min()))
                counted |= http3
                these &= ~http3
        if number in ERRORS and these.any():  # what they quote is read on the slow path
            these &= ~np.isin(batch.views.u8[np.where(these, inside, 0)], ERRORS[number])
        if count := int(these.sum()):
            done.skipped[reason] += count
            counted |= these
    if counted.any():
        done.count_peeled(packets.peeled[counted])
    return counted


def _tunnels(
    batch: Batch, packets: InFlight, good: Column, protocol: Column, inside: Column
) -> tuple[list[InFlight], Column]:
    """What is inside tunnels, and which of the packets those are."""
    through = np.zeros(len(good), dtype=bool)
    inner: list[InFlight] = []
    for number, tunnel in FAST_IP_PROTOCOLS.items():
        these = good & (protocol == number)
        if these.any():
            inner += _into(batch, packets, these, inside, tunnel, through)
    datagrams = good & (protocol == UDP)
    if datagrams.any():
        at, u16 = np.where(datagrams, inside, 0), batch.views.u16
        source, target, length = u16[at], u16[at + 2], u16[at + 4].astype(np.int64)
        datagrams &= (source != IPSEC_PORT) & (target != IPSEC_PORT) & (length >= UDP_BYTES)
        for port, tunnel in FAST_UDP_PORTS.items():
            these = datagrams & (target == port)
            if these.any():
                wire_end = np.minimum(packets.wire_end, inside + length)
                outer = replace(packets, wire_end=wire_end, end=np.minimum(packets.end, wire_end))
                inner += _into(batch, outer, these, inside + UDP_BYTES, tunnel, through)
    return inner, through


def _into(
    batch: Batch,
    packets: InFlight,
    these: Column,
    at: Column,
    tunnel: FastTunnel,
    through: Column,
) -> list[InFlight]:
    """Go into a tunnel whose header is at `at` in these of the packets. `through` gets a mark for
    each packet that could be followed.
    """
    packets, places = packets.only(these), np.flatnonzero(these)
    inside, kind, identifier, good = tunnel.locate(batch.views, at[these])
    frame = kind == BRIDGED_ETHERNET
    needed = np.where(frame, ETHERNET_BYTES + MIN_ROOM_BYTES, MIN_ROOM_BYTES)
    good &= inside + needed <= packets.end
    if not good.any():
        return []
    through[places[good]] = True
    packets, inside, kind, frame = packets.only(good), inside[good], kind[good], frame[good]
    kind = np.where(frame, batch.views.u16[inside + np.where(frame, 12, 0)], kind)
    return [
        InFlight(
            packets.index,
            inside + np.where(frame, ETHERNET_BYTES, 0),
            kind.astype(np.int64),
            packets.end,
            packets.wire_end,
            batch.networks.below(packets.network, tunnel.name, identifier[good]),
            packets.peeled + _peeled(tunnel.name),
        )
    ]


def _segments(batch: Batch, packets: InFlight, tcp: Column, done: Decoded) -> None:
    """TCP headers at `tcp` (20 bytes of each are captured) of IP packets at `packets.at`: rows."""
    header = batch.views.headers(tcp, TCP_BYTES)
    bits = header.view(">u2")[:, 6]  # data offset in the upper four, flags in the lower eight
    payload = tcp + (bits >> 12).astype(np.int64) * 4
    good = (bits >= 0x5000) & (payload <= packets.end)
    if not good.all():
        done.leave(packets, ~good)
        packets = packets.only(good)
        tcp, header, bits, payload = tcp[good], header[good], bits[good], payload[good]
    n = len(packets.index)
    if not n:
        return
    six = int(packets.kind[0]) == IPV6
    outer = batch.views.headers(packets.at, 40 if six else 20)
    addresses = outer.view(">u8") if six else outer.view(">u4")
    nothing = np.zeros(n, dtype=np.uint64)
    words, halves = header.view(">u4"), header.view(">u2")
    ports = words[:, 0].astype(np.uint64)
    done.count_peeled(packets.peeled)
    done.parts.append(
        SegmentRows(
            record=batch.record[packets.index],
            source_a=addresses[:, 1].astype(np.uint64) if six else nothing,
            source_b=addresses[:, 2 if six else 3].astype(np.uint64),
            target_a=addresses[:, 3].astype(np.uint64) if six else nothing,
            target_b=addresses[:, 4].astype(np.uint64),
            ports=ports | np.uint64(V6_BIT) if six else ports,
            seq=words[:, 1].astype(np.uint32),
            ack=words[:, 2].astype(np.uint32),
            flags=bits.astype(np.uint8),
            window=halves[:, 7].astype(np.uint16),
            ttl=outer[:, 7 if six else 8].copy(),
            ip_id=nothing.astype(np.uint16) if six else outer.view(">u2")[:, 2].astype(np.uint16),
            buffer=np.full(n, batch.buffer, dtype=np.uint8),
            tcp=tcp,
            payload=payload,
            length=(packets.end - payload).astype(np.uint32),
            wire_length=(packets.wire_end - payload).astype(np.uint32),
            network=packets.network,
        )
    )
