"""What tcpdump wrote (pcap) → the file that is kept (pcapng), with what it counted in it.

The packets, their times and their lengths stay as they are; the section gets one interface, which
names the place and the filter, and its statistics. So whoever reads the file later is told of
dropped packets, too. `lbtrace.capture.writing` makes the blocks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from lbtrace import capture
from lbtrace.capture import writing
from lbtrace.errors import InputError
from lbtrace.live.session import private_new_file
from lbtrace.live.tcpdump import TcpdumpCounts
from lbtrace.tables.packets import Recording

# what a statistics block counts, in the order of `TcpdumpCounts`
COUNTED = (8, 6, 7, 5)  # isb_usrdeliv, isb_filteraccept, isb_osdrop, isb_ifdrop


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
                out.writelines(_parts(recording, head, origin, counted))
        except BaseException:  # Ctrl-C, too: a part of it is not what was captured
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


def _parts(
    recording: Recording, head: bytes, origin: Origin, counted: TcpdumpCounts
) -> Iterator[bytes]:
    unit_ns = writing.unit_of(recording.files[0].resolution_ns)
    order = "<" if head[0] in (0x4D, 0xD4) else ">"  # of the machine that captured
    snaplen, link = Struct(f"{order}II").unpack_from(head, 16)
    yield writing.section()
    yield writing.interface(
        link & 0xFFFF, unit_ns, snaplen, origin.interface, origin.place, origin.filter
    )
    last_ns = 0
    for last_ns, data, wire in _packets(recording):
        yield writing.packet(0, last_ns, data, wire, unit_ns=unit_ns)
    numbers = [(code, n) for code, n in zip(COUNTED, counted, strict=True) if n is not None]
    if numbers:
        yield writing.statistics(last_ns, unit_ns, numbers)


def _packets(recording: Recording) -> Iterator[tuple[int, bytes, int]]:
    """Time, bytes and length on the wire of each."""
    rows, data = recording.records, recording.buffers[0]
    columns = (rows.time_ns, rows.offset, rows.captured, rows.wire)
    for time_ns, at, size, wire in zip(*(column.tolist() for column in columns), strict=True):
        yield time_ns, bytes(data[at : at + size]), wire
