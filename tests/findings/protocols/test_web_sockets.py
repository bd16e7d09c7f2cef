"""How WebSockets ended: closed with a code, cut, or forgotten while they were idle."""

from __future__ import annotations

from pathlib import Path

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from lbtrace.model.net import Endpoint
from lbtrace.model.report import Finding
from lbtrace.pipeline import compare, show
from tests.findings.http2_talks import of
from tests.findings.simulated import values
from tests.match.test_web_sockets import BEHIND, FRONT
from tests.match.test_web_sockets import chat as match_chat
from tests.tcp.wire import Wire, pcap

S, MS = 1_000_000_000, 1_000_000
ASK = b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
CLOSE = b"\x88\x02"  # a Close frame with a code; any code, also those that nobody may send
GRANT = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def chat(number: int, code: int | None, silent_ns: int = 0, flags: str = "FIN+ACK") -> Wire:
    """A WebSocket that its server ends, with a code or without, after a silence."""
    wire, at = Wire([], Endpoint("10.0.0.9", 40000 + number), Endpoint("10.0.0.80", 80)), number * S
    wire.c("SYN", 0, at=at).s("SYN", 0, ack=1, at=at + MS).c("ACK", 1, ack=1, at=at + 2 * MS)
    end, back = 1 + len(ASK), 1 + len(GRANT)
    wire.c("PSH", 1, ASK, ack=1, at=at + 3 * MS).s("PSH", 1, GRANT, ack=end, at=at + 4 * MS)
    speaker = Connection(ConnectionType.SERVER)
    said = speaker.send(TextMessage("hello"))
    said += b"" if code is None else CLOSE + code.to_bytes(2, "big")
    wire.s("PSH", back, said, ack=end, at=at + 5 * MS)
    return wire.s(flags, back + len(said), ack=end, at=at + 5 * MS + silent_ns)


def told(folder: Path, *wires: Wire) -> list[Finding]:
    path = folder / "capture.pcap"
    path.write_bytes(pcap(*wires))
    (alone,) = show([[str(path)]]).captures
    return of(list(alone.findings), "web-sockets")


@pytest.mark.parametrize(
    ("code", "slug", "severity"),
    [
        (1000, "closed", "info"),
        (1001, "closed", "info"),
        (1002, "failed", "medium"),
        (1005, "closed", "info"),  # there was no code
        (1006, "failed", "medium"),
        (1011, "failed", "medium"),
        (1015, "failed", "medium"),
        (1016, "closed", "info"),
        (4001, "closed", "info"),
    ],
)
def test_closed_with_a_code(tmp_path: Path, code: int, slug: str, severity: str) -> None:
    (found,) = told(tmp_path, chat(0, code))
    assert (found.slug, found.severity) == (f"web-sockets.{slug}", severity)
    assert (values(found)["count"], values(found)["of"]) == (1, 1)
    told_code = "no code" if code == 1005 else str(code)
    assert str(values(found)["codes"]).startswith(told_code)
    assert found.evidence[0].frames[0].number == 6


def test_cut_after_the_same_silence_each_time(tmp_path: Path) -> None:
    wires = [chat(n, None, 60 * S + n * MS) for n in range(3)]
    (found,) = told(tmp_path, *wires)
    assert (found.slug, found.severity) == ("web-sockets.idle", "info")
    assert values(found)["shortest"] == 60 * S
    assert values(found)["longest"] == 60 * S + 2 * MS


@pytest.mark.parametrize(
    "silences", [[60 * S, 60 * S], [S, S, S], [60 * S, 60 * S, 20 * S]], ids=str
)
def test_cut_for_another_reason(tmp_path: Path, silences: list[int]) -> None:
    """Two may be an accident; a second is no idle limit; and neither is now this, now that. That
    they were idle is told as a problem by another finding.
    """
    wires = [chat(n, None, silent, "RST+ACK") for n, silent in enumerate(silences)]
    (found,) = told(tmp_path, *wires)
    assert (found.slug, found.severity) == ("web-sockets.cut", "info")
    assert values(found)["longest"] == max(silences)
    assert values(found)["sender"] == "server end"


@pytest.mark.parametrize(("silent", "severity"), [(S, "info"), (S - 1, "low")])
def test_cut_in_the_middle_of_traffic_is_a_problem(
    tmp_path: Path, silent: int, severity: str
) -> None:
    (found,) = told(tmp_path, chat(0, None, 60 * S), chat(1, None, silent))
    assert (found.slug, found.severity) == ("web-sockets.cut", severity)


@pytest.mark.parametrize(("shortest", "slug"), [(54, "idle"), (53.9, "cut")])
def test_silences_that_differ_by_a_tenth_of_the_longest_are_the_same(
    tmp_path: Path, shortest: float, slug: str
) -> None:
    silences = [60 * S, int(shortest * S), 60 * S]
    (found,) = told(tmp_path, *(chat(n, None, silent) for n, silent in enumerate(silences)))
    assert found.slug == f"web-sockets.{slug}"
    assert values(found)["longest"] == 60 * S


def test_one_that_goes_on_has_not_ended(tmp_path: Path) -> None:
    wire = chat(0, None)
    del wire.segments[-1]
    assert told(tmp_path, wire) == []


def test_a_close_frame_that_the_capture_lost_is_not_said_to_be_missing(tmp_path: Path) -> None:
    wire = chat(0, 1000)
    del wire.segments[-2]
    assert told(tmp_path, wire) == []


def test_a_close_frame_that_the_balancer_passes_on_is_the_client_s(tmp_path: Path) -> None:
    """It is told on the side that it came from, and nowhere else."""
    for code, by_client in ((1000, True), (1011, False)):
        front = match_chat(Endpoint("10.0.0.9", 40000), FRONT, "k", "hello there", 0)
        behind = match_chat(Endpoint("10.0.0.80", 50000), BEHIND, "k", "hello there", 100_000)
        if not by_client:
            front, behind = chat(0, code), chat(0, code).between(FRONT, BEHIND)
        paths = tmp_path / "client.pcap", tmp_path / "backend.pcap"
        for path, wire in zip(paths, (front, behind), strict=True):
            path.write_bytes(pcap(wire))
        report = compare([[str(paths[0])]], [[str(paths[1])]])
        (found,) = of(list(report.findings), "web-sockets")
        assert values(found)["sender"] == ("client" if by_client else "backend")
