"""Many packets at once: Ethernet, VLAN tags, Linux cooked, raw and loopback; whole IPv4 or IPv6 headers without extensions; TCP.

What comes out equals, row for row, what the slow path (`odd`) makes of the same packets; whatever is unusual in any way is left to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.decode import tunnel
from lbtrace.decode.link import FastLink
from lbtrace.decode.rows import Rows
from lbtrace.decode.tunnel.vlan import ETHERTYPES as TAGS
from lbtrace.decode.udp import IPSEC_PORT
from lbtrace.decode.views import Views
from lbtrace.tables import Column

V6_BIT = np.uint64(1 << 32)
PLAIN_SKIPS = {1: "icmp", 2: "igmp", 17: "udp", 58: "icmpv6"}


@dataclass(slots=True)
class Batch:
    """Records of one link type in one buffer."""

    record: Column  # i64
    offset: Column  # i64
    captured: Column  # i64
    wire: Column  # i64
    views: Views
    buffer: int


@dataclass(slots=True)
class Decoded:
    """What came of a batch: rows, the records left to the slow path, the plain skips by reason.

    `tags` holds the VLAN ids of each row: (outer + 1) * 4097 + inner + 1, without outer inner + 1, 0 for no tag.
    """

    rows: Rows | None
    tags: Column
    odd: Column
    skipped: dict[str, int]


def decode(batch: Batch, link: FastLink) -> Decoded:
    """A batch through the fast path."""
    views = batch.views
    left: list[Column] = []
    start, captured = batch.offset, batch.captured
    index = np.arange(len(start))
    index = _keep(index, captured >= link.HEADER + 40, left)
    network, kind = link.locate(views, start[index])
    tags = np.zeros(len(index), dtype=np.uint32)
    for _ in range(2):
        tagged = np.isin(kind, TAGS)
        if not tagged.any():
            break
        room = start[index] + captured[index] - network
        usable = ~tagged | (room >= 44)
        index, network, kind, tags, tagged = _keep(index, usable, left), network[usable], kind[usable], tags[usable], tagged[usable]
        where = network[tagged]
        tags[tagged] = tags[tagged] * 4097 + (views.u16[where] & 0xFFF) + 1
        kind[tagged] = views.u16[where + 2]
        network = network + np.where(tagged, 4, 0)
    is4, is6 = kind == 0x0800, kind == 0x86DD
    _keep(index, is4 | is6, left)
    skipped: dict[str, int] = {}
    four = _v4(batch, index[is4], network[is4], tags[is4], left, skipped)
    six = _v6(batch, index[is6], network[is6], tags[is6], left, skipped)
    rows, row_tags = _merge(four, six)
    odd = np.sort(np.concatenate([np.empty(0, dtype=np.int64), *left]))
    return Decoded(rows, row_tags, odd, skipped)


def _keep(index: Column, good: Column, left: list[Column]) -> Column:
    if good.all():
        return index
    left.append(index[~good])
    return index[good]


def _merge(four: tuple[Rows, Column] | None, six: tuple[Rows, Column] | None) -> tuple[Rows | None, Column]:
    parts = [part for part in (four, six) if part is not None]
    if not parts:
        return None, np.empty(0, dtype=np.uint32)
    if len(parts) == 1:
        return parts[0]
    record = np.concatenate([p[0].record for p in parts])
    order = np.argsort(record, kind="stable")
    columns = {name: np.concatenate([getattr(p[0], name) for p in parts])[order] for name in Rows.__slots__}
    return Rows(**columns), np.concatenate([p[1] for p in parts])[order]


def _v4(batch: Batch, index: Column, at: Column, tags: Column, left: list[Column], skipped: dict[str, int]) -> tuple[Rows, Column] | None:
    views = batch.views
    first = views.u8[at]
    size = (first & 15).astype(np.int64) * 4
    end = batch.offset[index] + batch.captured[index]
    protocol = views.u8[at + 9]
    total = views.u16[at + 2].astype(np.int64)
    total = np.where(total == 0, batch.offset[index] + batch.wire[index] - at, total)
    good = (first >> 4 == 4) & (size >= 20) & (total >= size) & (views.u16[at + 6] & 0x3FFF == 0) & (at + size + 20 <= end)
    tcp = good & (protocol == 6)
    good = tcp | _plain(views, good & (total >= size + 8), protocol, at + size, skipped)
    _keep(index, good, left)
    index, at, size, total, end, tags = index[tcp], at[tcp], size[tcp], total[tcp], end[tcp], tags[tcp]
    return _segments(batch, index, at, at + size, at + total, end, tags, left, six=False)


def _v6(batch: Batch, index: Column, at: Column, tags: Column, left: list[Column], skipped: dict[str, int]) -> tuple[Rows, Column] | None:
    views = batch.views
    end = batch.offset[index] + batch.captured[index]
    room = at + 60 <= end
    index, at, tags, end = _keep(index, room, left), at[room], tags[room], end[room]
    length = views.u16[at + 4].astype(np.int64)
    following = views.u8[at + 6]
    good = (views.u8[at] >> 4 == 6) & (length > 0)
    tcp = good & (following == 6)
    good = tcp | _plain(views, good & (length >= 8), following, at + 40, skipped)
    _keep(index, good, left)
    index, at, length, end, tags = index[tcp], at[tcp], length[tcp], end[tcp], tags[tcp]
    return _segments(batch, index, at, at + 40, at + 40 + length, end, tags, left, six=True)


def _plain(views: Views, good: Column, protocol: Column, at: Column, skipped: dict[str, int]) -> Column:
    """Whole packets that are certainly no TCP: counted here, so that a busy DNS server does not go the slow way."""
    done = np.zeros(len(good), dtype=bool)
    for number, name in PLAIN_SKIPS.items():
        these = good & (protocol == number)
        if number == 17 and these.any():
            where = np.where(these, at, 0)
            tunnels = (*tunnel.registry().udp_ports, IPSEC_PORT)
            these &= ~np.isin(views.u16[where], tunnels) & ~np.isin(views.u16[where + 2], tunnels)
        if count := int(these.sum()):
            skipped[name] = skipped.get(name, 0) + count
            done |= these
    return done


def _segments(
    batch: Batch, index: Column, at: Column, tcp: Column, wire_end: Column, end: Column, tags: Column, left: list[Column], six: bool
) -> tuple[Rows, Column] | None:
    """TCP headers at `tcp` (20 bytes of each are captured) of IP packets at `at` that end at `wire_end` on the wire."""
    views = batch.views
    bits = views.u16[tcp + 12]
    payload = tcp + (bits >> 12).astype(np.int64) * 4
    good = (bits >= 0x5000) & (payload <= wire_end) & (payload <= end)
    if not good.all():
        index, at, tcp = _keep(index, good, left), at[good], tcp[good]
        wire_end, end, tags, bits, payload = wire_end[good], end[good], tags[good], bits[good], payload[good]
    if not len(index):
        return None
    nothing = np.zeros(len(index), dtype=np.uint64)
    ports = views.u32[tcp].astype(np.uint64)
    u64 = views.u64
    rows = Rows(
        record=batch.record[index],
        source_a=u64[at + 8].astype(np.uint64) if six else nothing,
        source_b=u64[at + 16].astype(np.uint64) if six else views.u32[at + 12].astype(np.uint64),
        target_a=u64[at + 24].astype(np.uint64) if six else nothing,
        target_b=u64[at + 32].astype(np.uint64) if six else views.u32[at + 16].astype(np.uint64),
        ports=ports | V6_BIT if six else ports,
        seq=views.u32[tcp + 4].astype(np.uint32),
        ack=views.u32[tcp + 8].astype(np.uint32),
        flags=(bits & 0xFF).astype(np.uint16),
        window=views.u16[tcp + 14].astype(np.uint16),
        ttl=views.u8[at + (7 if six else 8)],
        ip_id=np.zeros(len(index), dtype=np.uint16) if six else views.u16[at + 4].astype(np.uint16),
        buffer=np.full(len(index), batch.buffer, dtype=np.uint8),
        tcp=tcp,
        payload=payload,
        length=np.maximum(np.minimum(end, wire_end) - payload, 0).astype(np.uint32),
        wire_length=(wire_end - payload).astype(np.uint32),
        network=np.zeros(len(index), dtype=np.uint16),
    )
    return rows, tags
