"""dpkt and tshark as oracles: the same frames, times, ports, sequence numbers and payloads."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
from pathlib import Path

import dpkt
import pytest

from lbtrace import capture, decode
from lbtrace.tables.packets import Recording, SegmentTable
from tests.decode.packets import FOUR, MACS, SIX, v4

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = (ROOT / "../shared/captures").resolve()
SAMPLES = sorted(ROOT.glob("samples/*/*.pcap"))
REAL = [*SAMPLES, *sorted(CAPTURES.glob("*.pcap"))[::25]]


def both(path: Path) -> tuple[Recording, SegmentTable]:
    recording = capture.read([str(path)], lambda _what, _part: None)
    return recording, decode.segments(recording, lambda _what, _part: None)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_dpkt_sees_the_same_segments(path: Path) -> None:
    recording, table = both(path)
    expected = []
    reader = dpkt.pcap.Reader(io.BytesIO(path.read_bytes()))
    classes = {1: dpkt.ethernet.Ethernet, 113: dpkt.sll.SLL, 276: dpkt.sll2.SLL2}
    if reader.datalink() not in classes:
        pytest.skip("dpkt reads this link type differently")
    count = 0
    for count, (_, data) in enumerate(reader, 1):
        packet = classes[reader.datalink()](data)
        inner = getattr(packet.data, "data", None)
        if isinstance(inner, dpkt.tcp.TCP):
            family = socket.AF_INET if len(packet.data.src) == 4 else socket.AF_INET6
            ends = (
                (socket.inet_ntop(family, packet.data.src), inner.sport),
                (socket.inet_ntop(family, packet.data.dst), inner.dport),
            )
            expected.append(
                (
                    count,
                    ends,
                    inner.seq,
                    inner.ack,
                    inner.flags & 0xFF,
                    inner.win,
                    bytes(inner.data),
                )
            )
    assert count == len(recording.records.offset)
    found = []
    for row in range(len(table)):
        low, high = (tuple(end) for end in table.flows[int(table.flow[row])])
        at = int(table.payload[row])
        body = bytes(table.buffers[int(table.buffer[row])][at : at + int(table.length[row])])
        numbers = (
            int(table.seq[row]),
            int(table.ack[row]),
            int(table.flags[row]),
            int(table.window[row]),
        )
        sent = (low, high) if table.forward[row] else (high, low)
        found.append((int(table.frame[row]), sent, *numbers, body))
    assert found == expected


@pytest.mark.tshark
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("path", REAL, ids=lambda p: p.stem)
def test_tshark_sees_the_same_segments(path: Path) -> None:
    """Only frames with one TCP layer that is no quotation are compared."""
    recording, table = both(path)
    fields = (
        "frame.number",
        "frame.time_epoch",
        "frame.protocols",
        "tcp.srcport",
        "tcp.seq_raw",
        "tcp.ack_raw",
        "tcp.len",
    )
    command = [
        "tshark",
        "-n",
        "-r",
        str(path),
        "-T",
        "fields",
        "-o",
        "ip.defragment:TRUE",
        "-E",
        "occurrence=l",
    ]
    for field in fields:
        command += ["-e", field]
    out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    rows = [line.split("\t") for line in out.splitlines()]
    if not recording.diagnostics:
        assert len(rows) == len(recording.records.offset)
        for row, time_ns in zip(rows, recording.records.time_ns.tolist(), strict=True):
            seconds, _, fraction = row[1].partition(".")
            assert int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9]) == time_ns
    told = {int(r[0]): r for r in rows if r[2].count(":tcp") == 1 and "icmp" not in r[2] and r[3]}
    compared = 0
    for i in range(len(table)):
        row = told.get(int(table.frame[i]), [])
        if row and row[6]:
            assert (int(table.seq[i]), int(table.ack[i]), int(table.wire_length[i])) == (
                int(row[4]),
                int(row[5]),
                int(row[6]),
            ), row
            compared += 1
    assert compared or not told or recording.diagnostics or len(table) == 0


def test_dpkt_peels_ip_in_ip_alike() -> None:
    outer = dpkt.ethernet.Ethernet(v4(4, FOUR))
    assert bytes(outer.data.data) == FOUR
    assert dpkt.ethernet.Ethernet(MACS + b"\x86\xdd" + SIX).data.data.dport == 80
