"""Many packets at once: Ethernet, VLAN tags, Linux cooked, raw and loopback; common tunnels; whole
IP headers without extensions; TCP.

What comes out equals, row for row, what the slow path (`odd`) makes of the same packets; whatever
is unusual in any way is left to it.

    link.locate ─▶ tags, MPLS labels, PPPoE ─▶ IPv4 / IPv6 ─▶ TCP        rows
                     ▲                             ├───────▶ UDP, ICMP   counted
                     └─────────────────────────────┴───────▶ tunnel      once more from the inner
                     header
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from lbtrace.decode import tunnel
from lbtrace.decode.link import FastLink
from lbtrace.decode.networks import NetworkBook
from lbtrace.decode.rows import Rows
from lbtrace.decode.tunnel import ETHERNET, FastTunnel
from lbtrace.decode.tunnel.vlan import ETHERTYPES as TAGS
from lbtrace.decode.udp import IPSEC_PORT
from lbtrace.decode.views import Views
from lbtrace.tables.packets import Column

V6_BIT = np.uint64(1 << 32)
V4, V6 = 0x0800, 0x86DD
TCP, UDP = 6, 17
PLAIN_SKIPS = {1: "icmp", 2: "igmp", UDP: "udp", 58: "icmpv6"}
MPLS, PPPOE = (0x8847, 0x8848), 0x8864
IN_PPP = {0x0021: V4, 0x0057: V6}
MOST_TAGS = 2
MOST_LABELS = 3
MOST_LAYERS = 3  # of IP within IP
ROOM = 40  # bytes that must be captured behind a link header, tag or tunnel header for this path


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
    """What came of a batch: rows, the places in the batch left to the slow path, the plain skips by
    reason, what was peeled.
    """

    parts: list[Rows] = field(default_factory=list)
    left: list[Column] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    peeled: Counter[str] = field(default_factory=Counter)

    def odd(self) -> Column:
        """The places left to the slow path, in order."""
        return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *self.left]))


@dataclass(slots=True)
class State:
    """Packets in flight. `at` is where a header of EtherType `kind` begins; `peeled` counts four
    bits per name in PEELED.
    """

    index: Column  # i64, place in the batch
    at: Column  # i64
    kind: Column  # i64
    end: Column  # i64, of what was captured
    wire_end: Column  # i64
    network: Column  # u16
    peeled: Column  # u32

    def only(self, mask: Column) -> State:
        """Those of the packets."""
        if mask.all():
            return self
        return State(*(getattr(self, name)[mask] for name in State.__slots__))


PEELED = ("vlan", "vxlan", "geneve", "gre", "ip-in-ip", "mpls", "pppoe")


def decode(batch: Batch, link: FastLink) -> Decoded:
    """A batch through the fast path."""
    done = Decoded()
    index = np.arange(len(batch.offset))
    room = batch.captured >= link.HEADER + ROOM
    if not room.all():
        done.left.append(index[~room])
        index = index[room]
    start = batch.offset[index]
    at, kind = link.locate(batch.views, start)
    n = len(index)
    state = State(
        index,
        at,
        kind,
        start + batch.captured[index],
        start + batch.wire[index],
        np.zeros(n, dtype=np.uint16),
        np.zeros(n, dtype=np.uint32),
    )
    for _ in range(MOST_LAYERS):
        state = _behind_labels(batch, _behind_tags(batch, state, done), done)
        is4, is6 = state.kind == V4, state.kind == V6
        _leave(done, state, ~(is4 | is6))
        inner = [*_v4(batch, state.only(is4), done), *_v6(batch, state.only(is6), done)]
        if not inner:
            return done
        state = State(
            *(np.concatenate([getattr(s, name) for s in inner]) for name in State.__slots__)
        )
    _leave(done, state, np.ones(len(state.index), dtype=bool))
    return done


def _leave(done: Decoded, state: State, mask: Column) -> None:
    if mask.any():
        done.left.append(state.index[mask])


def _behind_tags(batch: Batch, state: State, done: Decoded) -> State:
    u16 = batch.views.u16
    for _ in range(MOST_TAGS):
        tagged = np.isin(state.kind, TAGS)
        if not tagged.any():
            return state
        cramped = tagged & (state.at + 4 + ROOM > state.end)
        _leave(done, state, cramped)
        state = state.only(~cramped)
        tagged = tagged[~cramped]
        where = state.at[tagged]
        state = State(*(getattr(state, name).copy() for name in State.__slots__))
        state.network[tagged] = batch.networks.below(
            state.network[tagged], "vlan", (u16[where] & 0xFFF).astype(np.int64)
        )
        state.kind[tagged] = u16[where + 2]
        state.at[tagged] += 4
        state.peeled[tagged] += 1
    return state


def _behind_labels(batch: Batch, state: State, done: Decoded) -> State:
    """MPLS labels and PPPoE sessions with IP right inside; what is anything else keeps a `kind`
    that is left to the slow path.
    """
    mpls, pppoe = np.isin(state.kind, MPLS), state.kind == PPPOE
    if not (mpls.any() or pppoe.any()):
        return state
    cramped = (mpls | pppoe) & (state.at + 4 * MOST_LABELS + ROOM > state.end)
    _leave(done, state, cramped)
    state, mpls, pppoe = state.only(~cramped), mpls[~cramped], pppoe[~cramped]
    state = State(*(getattr(state, name).copy() for name in State.__slots__))
    u8, u16 = batch.views.u8, batch.views.u16
    at, bottom = state.at[mpls], np.zeros(int(mpls.sum()), dtype=bool)
    for _ in range(MOST_LABELS):
        ends = u8[at + 2] & 1 == 1
        at = np.where(bottom, at, at + 4)
        bottom |= ends
    version = u8[at] >> 4
    state.kind[mpls] = np.select([bottom & (version == 4), bottom & (version == 6)], [V4, V6], -1)
    state.at[mpls] = at
    state.peeled[mpls] += np.uint32(1 << 4 * PEELED.index("mpls"))

    where = state.at[pppoe]
    session = (u8[where + 1] == 0) & (u16[where + 4] >= 2)
    protocol = u16[where + 6]
    state.kind[pppoe] = np.select(
        [session & (protocol == number) for number in IN_PPP], list(IN_PPP.values()), -1
    )
    state.wire_end[pppoe] = where + 6 + u16[where + 4]
    state.end[pppoe] = np.minimum(state.end[pppoe], state.wire_end[pppoe])
    state.network[pppoe] = batch.networks.below(
        state.network[pppoe], "pppoe", u16[where + 2].astype(np.int64)
    )
    state.at[pppoe] = where + 8
    state.peeled[pppoe] += np.uint32(1 << 4 * PEELED.index("pppoe"))
    return state


def _v4(batch: Batch, state: State, done: Decoded) -> list[State]:
    if not len(state.index):
        return []
    at = state.at
    header = batch.views.headers(at, 20)
    fields = header.view(">u2")
    first = header[:, 0]
    size = (first & 15).astype(np.int64) * 4
    total = fields[:, 1].astype(np.int64)
    state.wire_end = np.where(
        total == 0, state.wire_end, at + total
    )  # 0 is what segmentation offload leaves
    state.end = np.minimum(state.end, state.wire_end)
    whole = (
        (first >> 4 == 4)
        & (size >= 20)
        & ((total == 0) | (total >= size))
        & (fields[:, 3] & 0x3FFF == 0)
    )
    return _inside(batch, state, whole, header[:, 9], at + size, done)


def _v6(batch: Batch, state: State, done: Decoded) -> list[State]:
    if not len(state.index):
        return []
    views, at = batch.views, state.at
    length = views.u16[at + 4].astype(np.int64)
    state.wire_end = at + 40 + length
    state.end = np.minimum(state.end, state.wire_end)
    whole = (views.u8[at] >> 4 == 6) & (length > 0)
    return _inside(batch, state, whole, views.u8[at + 6], at + 40, done)


def _inside(
    batch: Batch, state: State, whole: Column, protocol: Column, inside: Column, done: Decoded
) -> list[State]:
    """Behind whole IP headers: TCP becomes rows, plain packets are counted, tunnels are handed
    back.
    """
    room = state.end - inside
    tcp = whole & (protocol == TCP) & (room >= 20)
    if tcp.all():
        _segments(batch, state, inside, done)
        return []
    inner, through = _tunnels(batch, state, whole & (room >= 20), protocol, inside)
    plain = _plain(batch, state, whole & (room >= 8), protocol, inside, done)
    _leave(done, state, ~(tcp | plain | through))
    if tcp.any():
        _segments(batch, state.only(tcp), inside[tcp], done)
    return inner


def _plain(
    batch: Batch, state: State, good: Column, protocol: Column, inside: Column, done: Decoded
) -> Column:
    """Packets that are certainly no TCP are counted here, so that a busy DNS server does not go the
    slow way.
    """
    counted = np.zeros(len(good), dtype=bool)
    for number, name in PLAIN_SKIPS.items():
        these = good & (protocol == number)
        if number == UDP and these.any():
            where = np.where(these, inside, 0)
            tunnels = (*tunnel.registry().udp_ports, IPSEC_PORT)
            these &= ~np.isin(batch.views.u16[where], tunnels) & ~np.isin(
                batch.views.u16[where + 2], tunnels
            )
        if count := int(these.sum()):
            done.skipped[name] += count
            counted |= these
    if counted.any():
        _count_peeled(done, state.peeled[counted])
    return counted


def _tunnels(
    batch: Batch, state: State, good: Column, protocol: Column, inside: Column
) -> tuple[list[State], Column]:
    """Tunnels with a vectorised `locate`: what is inside, and which of the packets they are."""
    views, fast = batch.views, tunnel.registry().fast
    through = np.zeros(len(good), dtype=bool)
    inner: list[State] = []
    for number, found in fast.ip_protocols.items():
        these = good & (protocol == number)
        if these.any():
            inner += _step(
                batch, state.only(these), inside[these], found, through, np.flatnonzero(these)
            )
    datagrams = good & (protocol == UDP)
    if datagrams.any():
        where = np.where(datagrams, inside, 0)
        source, target, length = (
            views.u16[where],
            views.u16[where + 2],
            views.u16[where + 4].astype(np.int64),
        )
        datagrams &= (source != IPSEC_PORT) & (target != IPSEC_PORT) & (length >= 8)
        for number, found in fast.udp_ports.items():
            these = datagrams & (target == number)
            if these.any():
                outer = state.only(these)
                limited = np.minimum(outer.wire_end, inside[these] + length[these])
                outer = State(
                    outer.index,
                    outer.at,
                    outer.kind,
                    np.minimum(outer.end, limited),
                    limited,
                    outer.network,
                    outer.peeled,
                )
                inner += _step(
                    batch, outer, inside[these] + 8, found, through, np.flatnonzero(these)
                )
    return inner, through


def _step(
    batch: Batch, state: State, at: Column, found: FastTunnel, through: Column, places: Column
) -> list[State]:
    """Into a tunnel whose header is at `at`; marks in `through` the packets that could be
    followed.
    """
    inside, kind, identifier, good = found.locate(batch.views, at)
    frame = kind == ETHERNET
    good &= inside + np.where(frame, 14 + ROOM, ROOM) <= state.end
    good &= state.peeled < 1 << 28
    if not good.any():
        return []
    through[places[good]] = True
    state, inside, kind, frame = state.only(good), inside[good], kind[good], frame[good]
    network = batch.networks.below(state.network, found.NAME, identifier[good])
    kind = np.where(frame, batch.views.u16[inside + np.where(frame, 12, 0)], kind)
    peeled = state.peeled + np.uint32(1 << 4 * PEELED.index(found.NAME))
    return [
        State(
            state.index,
            inside + np.where(frame, 14, 0),
            kind.astype(np.int64),
            state.end,
            state.wire_end,
            network,
            peeled,
        )
    ]


def _count_peeled(done: Decoded, peeled: Column) -> None:
    if peeled.any():
        for i, name in enumerate(PEELED):
            if count := int((peeled >> np.uint32(4 * i) & np.uint32(15)).sum()):
                done.peeled[name] += count


def _segments(batch: Batch, state: State, tcp: Column, done: Decoded) -> None:
    """TCP headers at `tcp` (20 bytes of each are captured) of IP packets at `state.at`: rows."""
    header = batch.views.headers(tcp, 20)
    bits = header.view(">u2")[:, 6]
    payload = tcp + (bits >> 12).astype(np.int64) * 4
    good = (bits >= 0x5000) & (payload <= state.end)
    if not good.all():
        _leave(done, state, ~good)
        state, tcp, header, bits, payload = (
            state.only(good),
            tcp[good],
            header[good],
            bits[good],
            payload[good],
        )
    n = len(state.index)
    if not n:
        return
    six = int(state.kind[0]) == V6
    outer = batch.views.headers(state.at, 40 if six else 20)
    addresses = outer.view(">u8") if six else outer.view(">u4")
    nothing = np.zeros(n, dtype=np.uint64)
    words, halves = header.view(">u4"), header.view(">u2")
    ports = words[:, 0].astype(np.uint64)
    _count_peeled(done, state.peeled)
    done.parts.append(
        Rows(
            record=batch.record[state.index],
            source_a=addresses[:, 1].astype(np.uint64) if six else nothing,
            source_b=addresses[:, 2 if six else 3].astype(np.uint64),
            target_a=addresses[:, 3].astype(np.uint64) if six else nothing,
            target_b=addresses[:, 4].astype(np.uint64),
            ports=ports | V6_BIT if six else ports,
            seq=words[:, 1].astype(np.uint32),
            ack=words[:, 2].astype(np.uint32),
            flags=bits.astype(np.uint8),
            window=halves[:, 7].astype(np.uint16),
            ttl=outer[:, 7 if six else 8].copy(),
            ip_id=np.zeros(n, dtype=np.uint16)
            if six
            else outer.view(">u2")[:, 2].astype(np.uint16),
            buffer=np.full(n, batch.buffer, dtype=np.uint8),
            tcp=tcp,
            payload=payload,
            length=(state.end - payload).astype(np.uint32),
            wire_length=(state.wire_end - payload).astype(np.uint32),
            network=state.network,
        )
    )
