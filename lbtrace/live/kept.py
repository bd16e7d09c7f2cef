"""What tcpdump wrote (pcap) → the file that is kept (pcapng), with what it counted in it.

The packets, their times and their lengths stay as they are; the section gets one interface, which
names the place and the filter, and its statistics. So whoever reads the file later is told of
dropped packets, too. Blocks: draft-ietf-opsawg-pcapng, sections 4.1 to 4.6.
"""

from __future__ import annotations

import os
from pathlib import Path
from struct import Struct
from typing import BinaryIO, NamedTuple

from lbtrace import capture
from lbtrace._version import __version__
from lbtrace.errors import InputError
from lbtrace.live.session import private_new_file
from lbtrace.live.tcpdump import TcpdumpCounts
from lbtrace.tables.packets import Recording

SECTION, INTERFACE, PACKET, STATISTICS = 0x0A0D0D0A, 1, 6, 5
APPLICATION, IF_NAME, IF_DESCRIPTION, IF_RESOLUTION, IF_FILTER = 4, 2, 3, 9, 11
# what a statistics block counts, in the order of `TcpdumpCounts`
COUNTED = (8, 6, 7, 5)  # isb_usrdeliv, isb_filteraccept, isb_osdrop, isb_ifdrop
MICROSECOND_NS = 1000
_FRAME = Struct("<II")
_WORD = Struct("<I")
_OPTION = Struct("<HH")
_COUNT = Struct("<Q")
_PACKET = Struct("<IIIII")  # interface, time (high, low), captured, on the wire


class Origin(NamedTuple):
    """Where a capture is from."""

    place: str
    interface: str
    filter: str


def keep(raw: Path, kept: Path, origin: Origin, counted: TcpdumpCounts) -> int:
    """Write the pcapng beside the pcap, and remove that. Returns the number of packets. InputError
    when nothing was captured, or there is no room; then the pcap stays.
    """
    recording = capture.read([str(raw)], lambda _what, _fraction: None)
    with open(raw, "rb") as file:
        head = file.read(24)
    try:
        number = private_new_file(kept)
        try:
            with os.fdopen(number, "wb") as out:
                _write(out, recording, head, origin, counted)
        except OSError:
            kept.unlink()
            raise
    except OSError as error:
        raise InputError(
            "output-unwritable",
            f"{kept}: {error.strerror or error}.",
            f"What was captured is in {raw}.",
        ) from error
    raw.unlink()
    return len(recording.records)


def _write(
    out: BinaryIO, recording: Recording, head: bytes, origin: Origin, counted: TcpdumpCounts
) -> None:
    unit = min(recording.files[0].resolution_ns, MICROSECOND_NS)
    order = "<" if head[0] in (0x4D, 0xD4) else ">"  # of the machine that captured
    snaplen, link = Struct(f"{order}II").unpack_from(head, 16)
    section = Struct("<IHHq").pack(0x1A2B3C4D, 1, 0, -1)
    _block(out, SECTION, section + _options((APPLICATION, f"lbtrace {__version__}".encode())))
    told = _options(
        (IF_NAME, origin.interface.encode()),
        (IF_DESCRIPTION, origin.place.encode(errors="replace")),
        (IF_RESOLUTION, bytes([6 if unit == MICROSECOND_NS else 9])),
        (IF_FILTER, b"\0" + origin.filter.encode(errors="replace")),
    )
    _block(out, INTERFACE, Struct("<HHI").pack(link & 0xFFFF, 0, snaplen) + told)
    last = _packets(out, recording, unit)
    numbers = [
        (code, _COUNT.pack(count))
        for code, count in zip(COUNTED, counted, strict=True)
        if count is not None
    ]
    if numbers:
        _block(out, STATISTICS, Struct("<III").pack(0, *_time(last)) + _options(*numbers))


def _packets(out: BinaryIO, recording: Recording, unit: int) -> int:
    """Every packet; returns the time of the last one, in its unit."""
    rows, data = recording.records, recording.buffers[0]
    pack, time = _PACKET.pack, 0
    for time_ns, offset, size, wire in zip(
        rows.time_ns.tolist(),
        rows.offset.tolist(),
        rows.captured.tolist(),
        rows.wire.tolist(),
        strict=True,
    ):
        time = time_ns // unit
        head = pack(0, *_time(time), size, wire)
        _block(out, PACKET, head + bytes(data[offset : offset + size]) + b"\0" * (-size % 4))
    return time


def _time(units: int) -> tuple[int, int]:
    """High and low."""
    return units >> 32 & 0xFFFFFFFF, units & 0xFFFFFFFF


def _block(out: BinaryIO, kind: int, body: bytes) -> None:
    size = len(body) + 12
    out.write(_FRAME.pack(kind, size) + body + _WORD.pack(size))


def _options(*given: tuple[int, bytes]) -> bytes:
    """Each padded to 32 bits; code 0 ends them."""
    written = [
        _OPTION.pack(code, len(value)) + value + b"\0" * (-len(value) % 4) for code, value in given
    ]
    return b"".join(written) + _OPTION.pack(0, 0)
