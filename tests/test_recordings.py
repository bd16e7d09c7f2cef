"""A file given twice, a copy, overlapping parts: on either side they change nothing but the count
of packets that were read.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Report
from lbtrace.pipeline import compare
from tests.simulator.script import Packet, Script, pcap

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"


@pytest.fixture
def play() -> Script:
    script = Script()
    for n in range(4):
        ask = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n
        front = script.front().asks(ask)
        script.back().asks(ask[:-2] + b"X-Forwarded-For: 198.51.100.10\r\n\r\n").answers(
            OK + b"%d" % n
        )
        front.answers(OK + b"%d" % n).leaves()
        script.wait(50)
    return script


def told(report: Report) -> list[object]:
    """What is said, without the files that it is said of."""
    findings = [(f.slug, f.statement, f.values) for f in report.findings]
    pairs = [tuple(pair) for pair in report.correlation.pairs]
    return [*findings, *pairs, report.verdict.kind, report.client_counts, report.backend_counts]


def written(folder: Path, name: str, packets: list[Packet]) -> list[str]:
    path = folder / name
    path.write_bytes(pcap(packets))
    return [str(path)]


@pytest.mark.parametrize("side", ["client", "backend"])
def test_a_copy_changes_nothing(play: Script, side: str, tmp_path: Path) -> None:
    client = [written(tmp_path, "client", play.client)]
    backend = [written(tmp_path, "backend", play.backend)]
    alone = told(compare(client, backend))
    copy = written(tmp_path, "copy", getattr(play, side))
    parts = [written(tmp_path, f"{n}", getattr(play, side)[n * 5 :]) for n in (1, 2)]
    for more in ([copy], [client[0] if side == "client" else backend[0]], parts):
        report = compare(
            *((client + more, backend) if side == "client" else (client, backend + more))
        )
        assert told(report) == alone
        point = (report.clients if side == "client" else report.backends)[0]
        assert [d.slug for d in point.diagnostics] == ["same-packets-in-files"]


def test_two_machines_stay_two(play: Script, tmp_path: Path) -> None:
    later = [Packet(p.time_ns + 7, p.data) for p in play.backend]
    report = compare(
        [written(tmp_path, "client", play.client)],
        [written(tmp_path, "backend", play.backend), written(tmp_path, "other", later)],
    )
    assert len(report.backends) == 2


def test_an_empty_file_is_no_copy(play: Script, tmp_path: Path) -> None:
    report = compare(
        [written(tmp_path, "client", play.client)],
        [written(tmp_path, "backend", play.backend), written(tmp_path, "empty", [])],
    )
    assert len(report.backends) == 2
