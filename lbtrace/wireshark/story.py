"""Report and its captures → one pcapng file on one clock, or a folder with a capture for each
point.

    story.pcapng    an interface for each capture point, names for the addresses, comments, secrets
                    if they are asked for
    folder          client.pcap, backend.pcap (backend1.pcap, …), with their own times

Packets are written in the order of time, taken from the captures one at a time: of a packet nothing
stays in memory but its row in the table of records. Invariant: each packet is written whole, with
its length on the wire, and in the merged file no packet stands before an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from ipaddress import ip_address
from typing import BinaryIO, NamedTuple

import numpy as np

from lbtrace import tls
from lbtrace.capture import writing
from lbtrace.capture.writing import WrittenRecord
from lbtrace.model.net import Side
from lbtrace.model.report import Report
from lbtrace.options import Progress
from lbtrace.render.wording.escape import cut_end, shown
from lbtrace.render.wording.units import half_width, offset
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.packets import NO_PACKET, Recording
from lbtrace.wireshark.notes import Notes, notes
from lbtrace.wireshark.one_clock import PointShift, shifts
from lbtrace.wireshark.points import CaptureSource, Sources
from lbtrace.wireshark.selected import Connections, frames

_AT_ONCE = 1 << 14  # rows that are made numbers of Python together
_MOST_NAMES = 10_000
_MOST_TITLE = 1000  # characters of the names of files
_ROLES = ("client", "balancer-front", "balancer-back", "backend")


class Written(NamedTuple):
    """What was written: packets, comments, and a sentence for each capture point that is not on
    the one clock, or was moved to it.
    """

    packets: int
    comments: int
    clocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoryOptions:
    """`shift`: move backends to the client's clock. `wanted`: only these connections; None: every
    packet. `keylogs`: files with TLS secrets; `with_secrets`: write those of the connections that
    are included.
    """

    shift: bool = True
    wanted: Connections | None = None
    keylogs: tuple[str, ...] = ()
    with_secrets: bool = False


class _Packets(NamedTuple):
    """The packets of a source, in the order they are to be written: rows of its records, and their
    times.
    """

    source: CaptureSource
    recording: Recording
    rows: Column
    time_ns: Column


class _Packet(NamedTuple):
    """One packet, on its way to a file. The first three fields are its place in the order."""

    time_ns: int
    source: int
    place: int
    row: int
    link: int
    data: bytes
    wire: int


def write_merged(
    report: Report, out: BinaryIO, options: StoryOptions, progress: Progress
) -> Written:
    """Write one file with the packets of all captures."""
    sources = Sources(report)
    moves = shifts(report) if options.shift else {}
    held = [_packets(sources, s, options, _move(s, moves), progress) for s in sources.every]
    told = notes(sources)
    numbers: dict[tuple[int, int], int] = {}  # of interfaces, by source and link type
    out.write(writing.section())
    for packets in held:
        said = _clock(packets.source, moves) if options.shift else "times as captured"
        for link in _links(packets):
            numbers[packets.source.number, link] = len(numbers)
            description = f"{_title(packets.source)}; {said}"
            out.write(writing.interface(link, name=packets.source.name, description=description))
    out.write(writing.names(_names(report)))
    if options.with_secrets:
        out.write(writing.secrets(_secrets(sources, options)))
    count = comments = 0
    for packet in merge(*map(_each, held)):
        lines = tuple(told.get(packet.source, _NOTHING).get(packet.row + 1, ()))
        number = numbers[packet.source, packet.link]
        out.write(writing.packet(number, packet.time_ns, packet.data, packet.wire, lines))
        count, comments = count + 1, comments + len(lines)
    clocks = [f"{s.name}: {_clock(s, moves)}" for s in sources.every] if options.shift else []
    return Written(count, comments, tuple(clocks))


_NOTHING: Notes = {}


def separate(
    report: Report, options: StoryOptions, progress: Progress
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """(file name, what is to be written to it) for each capture point that has wanted packets. Each
    keeps its own clock.
    """
    sources = Sources(report)
    for source in sources.every:
        packets = _packets(sources, source, options, PointShift(), progress)
        links = _links(packets)
        records = (WrittenRecord(p.time_ns, p.data, p.wire, p.link) for p in _each(packets))
        if len(links) == 1:
            yield f"{source.name}.pcap", writing.pcap(records, 1, None)
        elif links:
            yield (
                f"{source.name}.pcapng",
                writing.pcapng(records, 1, None, None, source.name, _title(source)),
            )


def _title(source: CaptureSource) -> str:
    return cut_end(shown(source.title), _MOST_TITLE)


def _move(source: CaptureSource, moves: Mapping[tuple[Side, int], PointShift]) -> PointShift:
    """By which clocks the times of a source are moved. One that holds both sides stays."""
    trace = source.traces[0]
    return moves.get((trace.side, trace.point), PointShift())


def _clock(source: CaptureSource, moves: Mapping[tuple[Side, int], PointShift]) -> str:
    """What was done to its times, in words."""
    trace = source.traces[0]
    move = moves.get((trace.side, trace.point))
    if move is None:
        return "times as captured: no clock is known"
    if not move.legs:
        return "times as captured"
    sign = "+" if move.middle_ns >= 0 else "-"
    return f"times moved by {sign}{offset(abs(move.middle_ns))} ({half_width(move.half_width_ns)})"


def _packets(
    sources: Sources,
    source: CaptureSource,
    options: StoryOptions,
    move: PointShift,
    progress: Progress,
) -> _Packets:
    recording = source.read(progress)
    records = recording.records
    if options.wanted is None:
        rows = np.flatnonzero(records.link < NO_PACKET)
    else:
        rows = frames(sources, source, options.wanted, progress) - 1
    time_ns = np.maximum(move.moved(records.time_ns[rows]), 0)
    order = np.argsort(time_ns, kind="stable")
    return _Packets(source, recording, rows[order], time_ns[order])


def _links(packets: _Packets) -> list[int]:
    links: list[int] = distinct(packets.recording.records.link[packets.rows]).tolist()
    return links


def _each(packets: _Packets) -> Iterator[_Packet]:
    """The packets, made one at a time."""
    records, buffers = packets.recording.records, packets.recording.buffers
    number = packets.source.number
    for low in range(0, len(packets.rows), _AT_ONCE):
        rows = packets.rows[low : low + _AT_ONCE]
        columns = (records.offset, records.captured, records.wire, records.link, records.buffer)
        parts = [rows.tolist(), packets.time_ns[low : low + _AT_ONCE].tolist()]
        parts += [column[rows].tolist() for column in columns]
        for place, (row, time, at, size, wire, link, buffer) in enumerate(
            zip(*parts, strict=True), low
        ):
            data = bytes(buffers[buffer][at : at + size])
            yield _Packet(time, number, place, row, link, data, max(wire, size))


def _names(report: Report) -> Iterator[tuple[str, str]]:
    """A name for each address of the topology, by its first role; numbered where a role has
    several.
    """
    t = report.correlation.topology
    columns = (
        t.clients,
        [end.address for end in t.fronts],
        t.sources,
        [end.address for end in t.backends],
    )
    known: set[str] = set()
    for role, addresses in zip(_ROLES, columns, strict=True):
        fresh = [a for a in dict.fromkeys(addresses) if a not in known and _is_address(a)]
        known.update(fresh)
        for number, address in enumerate(fresh[:_MOST_NAMES], 1):
            yield address, role if len(fresh) == 1 else f"{role}-{number}"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _secrets(sources: Sources, options: StoryOptions) -> bytes:
    """The key log lines of the TLS connections that are included."""
    known = tls.read(options.keylogs).secrets
    for source in sources.every:
        if source.recording is not None:
            known = known.joined(source.recording.secrets)
    randoms: set[str] = set()
    for source in sources.every:
        for trace in source.traces:
            wanted = options.wanted and options.wanted.get((trace.side, trace.point), frozenset())
            for number, application in enumerate(trace.applications):
                hello = application.tls
                if hello is not None and (wanted is None or number in wanted):
                    randoms.add(hello.random)
    return known.key_log(randoms)
