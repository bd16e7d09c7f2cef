"""A recorded capture → the same, as a machine whose clock runs otherwise would have written it.

All hosts of the lab share one clock. Where a traffic wants two, the times of the backend captures
are rewritten after the recording, and `truth.json` says so.
"""

from __future__ import annotations

import struct
from pathlib import Path

HEADER, RECORD = 24, 16  # bytes of a pcap file, and of each record in it, before its packet
# the magic numbers of pcap in the byte order of the file → ticks in a second
TICKS = {0xA1B2C3D4: 1_000_000, 0xA1B23C4D: 1_000_000_000}


def drift(path: Path, ppm: int) -> None:
    """Rewrite the times of a pcap file: from its first packet on, the clock gains `ppm` millionths
    of the time that passes.
    """
    data = bytearray(path.read_bytes())
    order = next(o for o in "<>" if struct.unpack_from(f"{o}I", data)[0] in TICKS)
    ticks = TICKS[struct.unpack_from(f"{order}I", data)[0]]
    at, first = HEADER, None
    while at + RECORD <= len(data):
        seconds, part, captured = struct.unpack_from(f"{order}III", data, at)
        time = seconds * ticks + part
        first = time if first is None else first
        time += (time - first) * ppm // 1_000_000
        struct.pack_into(f"{order}II", data, at, *divmod(time, ticks))
        at += RECORD + captured
    path.write_bytes(data)
