"""Records → a capture file that Wireshark and `capture` read: pcap, or pcapng.

Each record is its time, its bytes, its length on the wire and its link type. What else a capture
file may hold (comments, names, secrets, unknown blocks) is not written. Formats:
draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.

Invariant: what is written reads back as the same records.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import BinaryIO, Final, NamedTuple

from lbtrace.capture.link_names import CUSTOM_BLOCK, JOURNAL_ENTRY, NO_INTERFACE, SYSDIG_EVENT

MICROSECOND_NS: Final = 1000
BILLION: Final = 1_000_000_000
_WHOLE: Final = 0x40000  # bytes of the longest packet, where the capture states none
_PCAP_HEAD: Final = Struct("<IHHiIII")
_PCAP_RECORD: Final = Struct("<IIII")
_BLOCK: Final = Struct("<II")
_EVENTS: Final = {CUSTOM_BLOCK: 0x0BAD, JOURNAL_ENTRY: 9, SYSDIG_EVENT: 0x204}
_MOST_TICKS: Final = (1 << 64) - 1


class WrittenRecord(NamedTuple):
    """A record to be written. `link` may be one of those that are no packet (`pcapng.EVENTS`): they
    are written without content, and count as frames.
    """

    time_ns: int
    data: bytes
    wire: int
    link: int


def write_pcap(
    out: BinaryIO, records: Iterable[WrittenRecord], resolution_ns: int, snaplen: int | None
) -> None:
    """Write a pcap file: with nanoseconds, unless the resolution is that of microseconds. Where the
    link type changes, another header follows.
    """
    unit_ns = MICROSECOND_NS if resolution_ns >= MICROSECOND_NS else 1
    magic = 0xA1B2C3D4 if unit_ns == MICROSECOND_NS else 0xA1B23C4D
    link = -1
    for record in records:
        if record.link != link:
            link = record.link
            out.write(_PCAP_HEAD.pack(magic, 2, 4, 0, 0, snaplen or _WHOLE, link))
        seconds, rest = divmod(record.time_ns, BILLION)
        head = seconds & 0xFFFFFFFF, rest // unit_ns, len(record.data), record.wire
        out.write(_PCAP_RECORD.pack(*head) + record.data)
    if link < 0:
        out.write(_PCAP_HEAD.pack(magic, 2, 4, 0, 0, snaplen or _WHOLE, 1))


def write_pcapng(
    out: BinaryIO,
    records: Iterable[WrittenRecord],
    resolution_ns: int,
    snaplen: int | None,
    dropped: int | None,
) -> None:
    """Write a pcapng file of one section, with an interface for each link type; `dropped` is what
    the capture says of packets it lost, None when it says nothing.
    """
    unit_ns = MICROSECOND_NS if resolution_ns == MICROSECOND_NS else 1
    out.write(_block(0x0A0D0D0A, Struct("<IHHq").pack(0x1A2B3C4D, 1, 0, -1)))
    numbers: dict[int, int] = {}
    for record in records:
        if record.link in _EVENTS:
            out.write(_block(_EVENTS[record.link], bytes(8)))
            continue
        number = 0xFFFFFFF0 if record.link == NO_INTERFACE else numbers.get(record.link)
        if number is None:
            number = numbers[record.link] = len(numbers)
            out.write(_interface(record.link, unit_ns, snaplen))
        ticks = min(max(record.time_ns, 0) // unit_ns, _MOST_TICKS)
        head = number, ticks >> 32, ticks & 0xFFFFFFFF, len(record.data), record.wire
        out.write(_block(6, Struct("<IIIII").pack(*head) + record.data))
    if not numbers:
        out.write(_interface(1, unit_ns, snaplen))
    if dropped is not None:
        drops = Struct("<IIIHHqHH").pack(0, 0, 0, 5, 8, dropped, 0, 0)
        out.write(_block(5, drops))


def _interface(link: int, unit_ns: int, snaplen: int | None) -> bytes:
    resolution = 6 if unit_ns == MICROSECOND_NS else 9
    options = Struct("<HHBxxxHH").pack(9, 1, resolution, 0, 0)
    return _block(1, Struct("<HHI").pack(link, 0, snaplen or 0) + options)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = 12 + len(body)
    return _BLOCK.pack(kind, length) + body + length.to_bytes(4, "little")


__all__ = ["WrittenRecord", "write_pcap", "write_pcapng"]
