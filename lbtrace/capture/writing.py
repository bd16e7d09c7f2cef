"""Records → a capture file that Wireshark and `capture` read: pcap, or pcapng. And the blocks of
pcapng, one by one, for a file that says more than its records: where it was captured, what
was dropped, names, comments, secrets.

All is little-endian. Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng (section numbers
below are the latter's). dpkt writes some of these blocks, but states the captured length as the
length on the wire, and has no names, counts or secrets; so they are written here.

Invariant: what is written reads back as the same records. Every block is a whole number of 32-bit
words, and states its length at both ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address
from struct import Struct
from typing import Final, NamedTuple

from lbtrace._version import __version__
from lbtrace.capture import pcapng as reader
from lbtrace.capture.link_names import CUSTOM_BLOCK, JOURNAL_ENTRY, NO_INTERFACE, SYSDIG_EVENT
from lbtrace.tables.packets import TLS_SECRETS

MICROSECOND_NS: Final = 1000
_MOST_OPTION_BYTES: Final = 0xFFFF
# codes of options that only writers need: of sections, of interfaces
_PROGRAM, _NAME, _DESCRIPTION, _FILTER = 4, 2, 3, 11
_WHOLE: Final = 0x40000  # bytes of the longest packet, where the capture states none
_PCAP_HEAD: Final = Struct("<IHHiIII")
_PCAP_RECORD: Final = Struct("<IIII")
_PAIR: Final = Struct("<II")
_SECTION: Final = Struct("<IHHq")
_INTERFACE: Final = Struct("<HHI")
_COUNTED: Final = Struct("<III")
_COUNT: Final = Struct("<Q")
_PACKET: Final = Struct("<IIIII")
_OPTION: Final = Struct("<HH")
_EVENTS: Final = {CUSTOM_BLOCK: 0x0BAD, JOURNAL_ENTRY: 9, SYSDIG_EVENT: 0x204}
_NOT_DESCRIBED: Final = 0xFFFFFFF0  # number of an interface that is not in the file
_MOST_TICKS: Final = (1 << 64) - 1


class WrittenRecord(NamedTuple):
    """A record to be written. `link` may be one of those that are no packet (`pcapng.EVENTS`): they
    are written without content, and count as frames.
    """

    time_ns: int
    data: bytes
    wire: int
    link: int


def unit_of(resolution_ns: int) -> int:
    """The unit in which a file states its times: microseconds if they are, else nanoseconds, which
    hold every other resolution (the 2⁻¹⁰ s that pcapng allows are no whole microseconds).
    """
    return MICROSECOND_NS if resolution_ns == MICROSECOND_NS else 1


def pcap(
    records: Iterable[WrittenRecord], resolution_ns: int, snaplen: int | None
) -> Iterator[bytes]:
    """The parts of a pcap file. Where the link type changes, another header follows."""
    unit_ns = unit_of(resolution_ns)
    magic = 0xA1B2C3D4 if unit_ns == MICROSECOND_NS else 0xA1B23C4D
    link = -1
    for record in records:
        if record.link != link:
            link = record.link
            yield _PCAP_HEAD.pack(magic, 2, 4, 0, 0, snaplen or _WHOLE, link)
        seconds, rest = divmod(record.time_ns, reader.BILLION)
        head = seconds & 0xFFFFFFFF, rest // unit_ns, len(record.data), record.wire
        yield _PCAP_RECORD.pack(*head) + record.data
    if link < 0:
        yield _PCAP_HEAD.pack(magic, 2, 4, 0, 0, snaplen or _WHOLE, 1)


def pcapng(
    records: Iterable[WrittenRecord],
    resolution_ns: int,
    snaplen: int | None,
    dropped: int | None = None,
    name: str = "",
    description: str = "",
) -> Iterator[bytes]:
    """The parts of a pcapng file of one section, with an interface for each link type, all of that
    name; `dropped` is what the capture says of packets it lost, None when it says nothing.
    """
    unit_ns = unit_of(resolution_ns)
    yield section()
    numbers: dict[int, int] = {}
    for record in records:
        if record.link in _EVENTS:
            yield _block(_EVENTS[record.link], bytes(8))
            continue
        number = _NOT_DESCRIBED if record.link == NO_INTERFACE else numbers.get(record.link)
        if number is None:
            number = numbers[record.link] = len(numbers)
            yield interface(record.link, unit_ns, snaplen, name, description)
        yield packet(number, record.time_ns, record.data, record.wire, unit_ns=unit_ns)
    if not numbers:
        yield interface(1, unit_ns, snaplen, name, description)
    if dropped is not None:
        yield statistics(0, unit_ns, [(reader.STATISTICS_DROPS[0], dropped)])


def section() -> bytes:
    """Section Header Block (§4.1): lbtrace wrote what follows, and its length is not known."""
    body = _SECTION.pack(0x1A2B3C4D, 1, 0, -1)
    return _block(reader.SECTION, body + _options([(_PROGRAM, f"lbtrace {__version__}".encode())]))


def interface(
    link: int,
    unit_ns: int = 1,
    snaplen: int | None = None,
    name: str = "",
    description: str = "",
    taken: str | None = None,
) -> bytes:
    """Interface Description Block (§4.2). `taken` is the filter of the capture; "" took all."""
    options = [
        (code, text.encode(errors="replace"))
        for code, text in ((_NAME, name), (_DESCRIPTION, description))
        if text
    ]
    options.append((reader.TIME_RESOLUTION, bytes([6 if unit_ns == MICROSECOND_NS else 9])))
    if taken is not None:
        options.append((_FILTER, b"\0" + taken.encode(errors="replace")))
    return _block(reader.INTERFACE, _INTERFACE.pack(link, 0, snaplen or 0) + _options(options))


def statistics(time_ns: int, unit_ns: int, counts: Iterable[tuple[int, int]]) -> bytes:
    """Interface Statistics Block (§4.6) of the first interface: (code of the option, number)
    each.
    """
    options = [(code, _COUNT.pack(number)) for code, number in counts]
    return _block(
        reader.STATISTICS, _COUNTED.pack(0, *_ticks(time_ns, unit_ns)) + _options(options)
    )


def names(of_addresses: Iterable[tuple[str, str]]) -> bytes:
    """Name Resolution Block (§4.5): (address, name) each; nothing for none."""
    records = b""
    for address, name in of_addresses:
        packed = ip_address(address).packed
        records += _option(1 if len(packed) == 4 else 2, packed + name.encode() + b"\0")
    return _block(reader.NAMES, records + _options([])) if records else b""


def secrets(key_log: bytes) -> bytes:
    """Decryption Secrets Block (§4.7) with TLS keys; nothing for none."""
    if not key_log:
        return b""
    return _block(reader.SECRETS, _PAIR.pack(TLS_SECRETS, len(key_log)) + _padded(key_log))


def packet(
    number: int,
    time_ns: int,
    data: bytes,
    wire: int,
    comments: Sequence[str] = (),
    unit_ns: int = 1,
) -> bytes:
    """Enhanced Packet Block (§4.3), of the interface of that number."""
    head = _PACKET.pack(number, *_ticks(time_ns, unit_ns), len(data), wire)
    options = _options([(reader.COMMENT, text.encode()) for text in comments]) if comments else b""
    return _block(reader.ENHANCED, head + _padded(data) + options)


def _ticks(time_ns: int, unit_ns: int) -> tuple[int, int]:
    """High and low word of a time; the nearest that can be written."""
    ticks = min(max(time_ns, 0) // unit_ns, _MOST_TICKS)
    return ticks >> 32, ticks & 0xFFFFFFFF


def _options(options: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(_option(code, value) for code, value in options) + _OPTION.pack(0, 0)


def _option(code: int, value: bytes) -> bytes:
    value = value[:_MOST_OPTION_BYTES]
    return _OPTION.pack(code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return _PAIR.pack(kind, length) + body + length.to_bytes(4, "little")


__all__ = [
    "WrittenRecord",
    "interface",
    "names",
    "packet",
    "pcap",
    "pcapng",
    "secrets",
    "section",
    "statistics",
    "unit_of",
]
