"""What is kept is what was captured, and says what was counted."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lbtrace
from lbtrace import capture
from lbtrace.capture import writing
from lbtrace.errors import InputError
from lbtrace.live.kept import Origin, keep
from lbtrace.live.tcpdump import TcpdumpCounts

SAMPLE = Path(__file__).resolve().parents[2] / "samples/nginx/client.pcap"
ORIGIN = Origin("ssh://web/eth0", "eth0", "tcp port 80")


def packets(path: Path) -> list[tuple[int, int, int, bytes]]:
    """(time, wire length, link type, bytes) of each."""
    read = capture.read([str(path)], lambda _what, _part: None)
    rows = read.records
    return [
        (
            int(rows.time_ns[n]),
            int(rows.wire[n]),
            int(rows.link[n]),
            bytes(read.buffers[0][rows.offset[n] : rows.offset[n] + rows.captured[n]]),
        )
        for n in range(len(rows))
    ]


def kept(folder: Path, raw: bytes, counted: TcpdumpCounts = TcpdumpCounts()) -> Path:  # noqa: B008
    (folder / "raw.pcap").write_bytes(raw)
    keep(folder / "raw.pcap", folder / "kept.pcapng", ORIGIN, counted)
    return folder / "kept.pcapng"


def pcap(order: str, magic: int, rows: list[tuple[int, int, bytes]]) -> bytes:
    """A pcap of Ethernet, as a machine of that byte order writes it."""
    from struct import pack

    head = pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262144, 1)
    return head + b"".join(
        pack(f"{order}IIII", seconds, part, len(data), len(data) + 3) + data
        for seconds, part, data in rows
    )


ROWS = st.lists(
    st.tuples(
        st.integers(1, 2**32 - 1), st.integers(0, 999_999), st.binary(min_size=14, max_size=70)
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
def test_packets_stay_what_they_were(order: str, magic: int, tmp_path: Path) -> None:
    @settings(max_examples=40)
    @given(ROWS)
    def law(rows: list[tuple[int, int, bytes]]) -> None:
        for name in ("raw.pcap", "kept.pcapng"):
            (tmp_path / name).unlink(missing_ok=True)
        raw = pcap(order, magic, rows)
        (tmp_path / "before.pcap").write_bytes(raw)
        assert packets(kept(tmp_path, raw)) == packets(tmp_path / "before.pcap")

    law()


def test_a_sample_gives_the_same_report(tmp_path: Path) -> None:
    backend = SAMPLE.with_name("backend.pcap")
    before = lbtrace.compare([str(SAMPLE)], [str(backend)])
    after = lbtrace.compare([str(kept(tmp_path, SAMPLE.read_bytes()))], [str(backend)])
    assert str(after.verdict) == str(before.verdict)
    assert [str(p) for p in after.findings] == [str(p) for p in before.findings]


def test_what_was_dropped_is_in_the_report(tmp_path: Path) -> None:
    path = kept(tmp_path, SAMPLE.read_bytes(), TcpdumpCounts(7, 10, 2, 1))
    trace = lbtrace.inspect(str(path))
    assert trace.dropped == 2  # of the kernel and of the interface, the larger: they may overlap
    assert [d.count for d in trace.diagnostics if d.slug == "capture-dropped"] == [2]


def test_nothing_dropped_is_said_and_nothing_counted_is_unknown(tmp_path: Path) -> None:
    raw = SAMPLE.read_bytes()
    assert lbtrace.inspect(str(kept(tmp_path, raw, TcpdumpCounts(7, 7, 0)))).files[0].dropped == 0
    (tmp_path / "kept.pcapng").unlink()
    assert lbtrace.inspect(str(kept(tmp_path, raw))).files[0].dropped is None


def test_no_packet_at_all(tmp_path: Path) -> None:
    path = kept(tmp_path, SAMPLE.read_bytes()[:24], TcpdumpCounts(0, 0, 0))
    assert packets(path) == []
    assert lbtrace.inspect(str(path)).packets.read == 0


def test_it_is_for_its_owner_alone_and_the_pcap_is_gone(tmp_path: Path) -> None:
    path = kept(tmp_path, SAMPLE.read_bytes())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not (tmp_path / "raw.pcap").exists()


def test_what_cannot_be_written_stays_a_pcap(tmp_path: Path) -> None:
    (tmp_path / "kept.pcapng").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"kept\.pcapng: File exists"):
        kept(tmp_path, SAMPLE.read_bytes())
    assert (tmp_path / "raw.pcap").read_bytes() == SAMPLE.read_bytes()
    assert (tmp_path / "kept.pcapng").read_bytes() == b"mine"


def test_of_what_was_interrupted_the_pcap_alone_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_words: object, **_named: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "packet", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path, SAMPLE.read_bytes())
    assert [path.name for path in tmp_path.iterdir()] == ["raw.pcap"]


@pytest.mark.tshark
@pytest.mark.skipif(shutil.which("capinfos") is None, reason="no capinfos here")
def test_wireshark_reads_its_counts(tmp_path: Path) -> None:
    path = kept(tmp_path, SAMPLE.read_bytes(), TcpdumpCounts(7, 10, 3))
    said = subprocess.run(["capinfos", str(path)], capture_output=True, text=True, check=True)
    assert said.stderr == ""
    for words in (
        "File type:           Wireshark/... - pcapng",
        "Name = eth0",
        "Description = ssh://web/eth0",
        "Filter string = tcp port 80",
        "Time precision = microseconds (6)",
        "Number of stat entries = 1",
    ):
        assert words in said.stdout, said.stdout
    script = ["tshark", "-r", str(path), "-T", "json", "-c", "1"]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    assert len(json.loads(done.stdout)) == 1
