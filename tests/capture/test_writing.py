"""What is written reads back as the same records."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.capture import read
from lbtrace.capture.link_names import CUSTOM_BLOCK, JOURNAL_ENTRY, NO_INTERFACE, SYSDIG_EVENT
from lbtrace.capture.pcapng import COMMENT
from lbtrace.capture.writing import WrittenRecord, packet, pcap, pcapng
from lbtrace.options import quiet

SECOND = 10**9
RECORDS = st.lists(
    st.builds(
        lambda ns, data, cut, link: WrittenRecord(ns, data, len(data) + cut, link),
        st.integers(1_700_000_000 * SECOND, 1_700_000_100 * SECOND),
        st.binary(min_size=1, max_size=60),
        st.integers(0, 1400),
        st.sampled_from([1, 101, 113]),
    ),
    min_size=1,
    max_size=12,
)


def back(data: bytes, path: Path) -> list[WrittenRecord]:
    path.write_bytes(data)
    held = read([str(path)], quiet)
    table = held.records
    rows = zip(*(c.tolist() for c in (table.time_ns, table.wire, table.link)), strict=True)
    places = zip(table.offset.tolist(), table.captured.tolist(), strict=True)
    return [
        WrittenRecord(ns, bytes(held.buffers[0][at : at + size]), wire, link)
        for (ns, wire, link), (at, size) in zip(rows, places, strict=True)
    ]


@given(records=RECORDS, unit=st.sampled_from([1, 1000]))
def test_pcap(
    tmp_path_factory: pytest.TempPathFactory, records: list[WrittenRecord], unit: int
) -> None:
    records = [r._replace(time_ns=r.time_ns // unit * unit, link=1) for r in records]
    out = io.BytesIO()
    out.writelines(pcap(records, unit, 65535))
    path = tmp_path_factory.mktemp("pcap") / "a.pcap"
    assert back(out.getvalue(), path) == records
    file = read([str(path)], quiet).files[0]
    assert (file.format, file.resolution_ns, file.snaplen) == ("pcap", unit, 65535)


@given(records=RECORDS, unit=st.sampled_from([1, 1000]), dropped=st.none() | st.integers(0, 99))
def test_pcapng(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[WrittenRecord],
    unit: int,
    dropped: int | None,
) -> None:
    records = [r._replace(time_ns=r.time_ns // unit * unit) for r in records]
    out = io.BytesIO()
    out.writelines(pcapng(records, unit, None, dropped))
    path = tmp_path_factory.mktemp("pcapng") / "a.pcapng"
    assert back(out.getvalue(), path) == records
    file = read([str(path)], quiet).files[0]
    assert (file.format, file.resolution_ns, file.dropped) == ("pcapng", unit, dropped)


@pytest.mark.parametrize("write", [pcap, pcapng])
@pytest.mark.parametrize("unit_ns", [1, 100, 976_562, SECOND // 64, SECOND])
def test_times_of_every_resolution_stay(
    write: Callable[..., Iterator[bytes]], unit_ns: int, tmp_path: Path
) -> None:
    records = [WrittenRecord(SECOND + n * unit_ns, b"abcd", 4, 1) for n in range(3)]
    out = io.BytesIO(b"".join(write(records, unit_ns, None)))
    assert back(out.getvalue(), tmp_path / "a") == records


def test_link_types_that_change_get_another_header(tmp_path: Path) -> None:
    records = [WrittenRecord(SECOND, b"a", 1, 1), WrittenRecord(SECOND, b"b", 1, 113)]
    out = io.BytesIO()
    out.writelines(pcap(records, 1, None))
    assert back(out.getvalue(), tmp_path / "a") == records


def test_frames_that_are_no_packets_are_counted(tmp_path: Path) -> None:
    links = [CUSTOM_BLOCK, 1, JOURNAL_ENTRY, SYSDIG_EVENT, NO_INTERFACE]
    out = io.BytesIO()
    out.writelines(pcapng([WrittenRecord(SECOND, b"abcd", 4, n) for n in links], 1, None, None))
    assert [r.link for r in back(out.getvalue(), tmp_path / "a")] == links


def test_nothing_at_all_is_a_capture(tmp_path: Path) -> None:
    for write in (
        lambda out: out.writelines(pcap([], 1, None)),
        lambda out: out.writelines(pcapng([], 1, None, None)),
    ):
        out = io.BytesIO()
        write(out)
        assert back(out.getvalue(), tmp_path / "a") == []


@given(st.lists(st.text(max_size=40), max_size=3), st.binary(max_size=50), st.integers(-5, 1 << 62))
def test_a_packet_reads_back(comments: list[str], data: bytes, time_ns: int) -> None:
    dpkt_pcapng = pytest.importorskip("dpkt.pcapng")
    kept = [text.encode("utf-8", "replace").decode() for text in comments]
    block = packet(3, time_ns, data, len(data) + 7, kept)
    read = dpkt_pcapng.EnhancedPacketBlockLE(block)
    assert len(block) % 4 == 0
    assert (read.iface_id, read.pkt_data, read.pkt_len) == (3, data, len(data) + 7)
    assert (read.ts_high << 32) + read.ts_low == max(time_ns, 0)
    assert [o.text for o in read.opts if o.code == COMMENT] == kept


@pytest.mark.tshark
@pytest.mark.skipif(shutil.which("capinfos") is None, reason="capinfos is not installed")
def test_capinfos_reads_both(tmp_path: Path) -> None:
    records = [WrittenRecord(SECOND * n, bytes(60), 1400, 1) for n in range(1, 4)]
    for name in ("a.pcap", "a.pcapng"):
        with open(tmp_path / name, "wb") as out:
            if name == "a.pcap":
                out.writelines(pcap(records, 1, 65535))
            else:
                out.writelines(pcapng(records, 1, 65535, 7))
        done = subprocess.run(["capinfos", "-c", tmp_path / name], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "3" in done.stdout
