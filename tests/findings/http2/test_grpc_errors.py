"""gRPC calls that failed while HTTP said 200."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding
from lbtrace.pipeline import compare
from tests.findings.http2_talks import MS, Http2Talk, of, told
from tests.findings.simulated import values
from tests.tcp.wire import pcap

GRPC = ("content-type", "application/grpc")
MESSAGE = b"\0\0\0\0\5hello"


def called(
    path: str = "/shop.Cart/Add",
    status: str = "0",
    message: str = "",
    trailers: bool = True,
    behind: bool = False,
    at: int = 0,
) -> Http2Talk:
    """A connection with one call; `behind`: the one that a balancer makes of it."""
    talk = Http2Talk(at=at)
    if behind:
        talk.between("10.0.0.80", Endpoint("172.16.0.11", 50051))
    talk.asks(path, MESSAGE, GRPC)
    said = (("grpc-status", status),) + ((("grpc-message", message),) if message else ())
    talk.answers(1, MESSAGE, GRPC, trailers=said if trailers else ())
    talk.closes(from_client=True)
    return talk


def both(tmp_path: Path, front: list[Http2Talk], behind: list[Http2Talk]) -> list[Finding]:
    paths = tmp_path / "client.pcap", tmp_path / "backend.pcap"
    for path, talks in zip(paths, (front, behind), strict=True):
        path.write_bytes(pcap(*(talk.wire for talk in talks)))
    return list(compare([[str(paths[0])]], [[str(paths[1])]]).findings)


def test_a_call_that_failed_behind_a_200() -> None:
    (found,) = of(told(called(status="14", message="no%20backend")), "grpc-errors")
    assert (found.slug, found.severity) == ("grpc-errors.seen", "medium")
    assert found.confidence is Confidence.CERTAIN  # the status itself is in the packets
    said = values(found)
    assert (said["count"], said["of"], said["hidden"]) == (1, 1, 1)
    assert said["statuses"] == "UNAVAILABLE (14) ×1"
    assert said["said"] == "no backend"
    assert "{hidden}" in found.statement
    assert "sent again" in found.remedy


def test_a_status_that_nobody_waits_for_is_no_error_of_the_server() -> None:
    """Its caller closed the connection before."""
    gone = Http2Talk()
    gone.asks("/shop.Cart/Add", MESSAGE, GRPC)
    gone.closes(from_client=True)
    gone.answers(1, MESSAGE, GRPC, trailers=(("grpc-status", "14"),))
    (found,) = of(told(gone), "grpc-errors")
    assert (found.slug, found.severity) == ("grpc-errors.seen", "low")
    assert "it waits" in found.remedy
    assert values(found)["left"] == 1
    answer = called(status="5")
    answer.moved(40_078)
    (found,) = of(told(gone, answer), "grpc-errors")
    assert (found.severity, values(found)["count"], values(found)["left"]) == ("low", 2, 1)
    assert "it waits" in found.remedy
    other = called(status="14")
    other.moved(40_077)
    (found,) = of(told(gone, other), "grpc-errors")
    assert (found.severity, values(found)["count"], values(found)["left"]) == ("medium", 2, 1)
    assert "sent again" in found.remedy  # of the one that somebody waited for


def test_not_found_is_an_answer() -> None:
    (found,) = of(told(called(status="5")), "grpc-errors")
    assert (found.severity, found.remedy) == ("info", "")


def test_calls_that_went_well() -> None:
    assert of(told(called()), "grpc-errors") == []


def test_an_answer_that_lost_its_trailers() -> None:
    (found,) = of(told(called(trailers=False)), "grpc-errors")
    assert (found.slug, found.severity) == ("grpc-errors.no-status", "medium")
    assert (values(found)["count"], values(found)["of"]) == (1, 1)


def test_an_answer_whose_end_is_not_in_the_capture_lost_nothing() -> None:
    talk = called(trailers=False)
    del talk.wire.segments[-3:]
    assert of(told(talk), "grpc-errors") == []


def test_who_ended_a_call(tmp_path: Path) -> None:
    """The same status behind the balancer is the backend's; another one there is not."""
    front = [
        called("/shop.Cart/Backend", "13", at=0),
        called("/shop.Cart/Balancer", "14", at=100),
    ]
    behind = [
        called("/shop.Cart/Backend", "13", behind=True, at=0),
        called("/shop.Cart/Balancer", "0", behind=True, at=100),
    ]
    for n, talk in enumerate(front + behind):
        talk.moved(41000 + n, MS if n >= 2 else 0)
    found = {f.slug: values(f) for f in of(both(tmp_path, front, behind), "grpc-errors")}
    assert found["grpc-errors.backend"]["statuses"] == "INTERNAL (13) ×1"
    assert found["grpc-errors.balancer"]["statuses"] == "UNAVAILABLE (14) ×1"
    assert len(found) == 2


def twice(behind: bool) -> tuple[Http2Talk, int]:
    """Two calls on one connection that end alike, and how many packets come before the second."""
    talk = Http2Talk()
    if behind:
        talk.between("10.0.0.80", Endpoint("172.16.0.11", 50051))
    begun = 0
    for n in range(2):
        begun = len(talk.wire.segments)
        stream = talk.asks(f"/shop.Cart/Call{n}", MESSAGE, GRPC, ("x-id", f"7f3a9c0d51e24b8{n}"))
        talk.answers(stream, MESSAGE, GRPC, trailers=(("grpc-status", "5"),))
    talk.closes(from_client=True)
    return talk, begun


@pytest.mark.parametrize("late", [False, True])
def test_a_status_that_an_earlier_head_names_is_unknown_where_that_is_not_captured(
    late: bool, tmp_path: Path
) -> None:
    """HPACK writes what was said before as an index (RFC 7541 §2.3): the capture begins late."""
    (front, _), (behind, begun) = twice(behind=False), twice(behind=True)
    behind.moved(41000, MS // 2)
    if late:
        del behind.wire.segments[:begun]
    found = [f.slug for f in of(both(tmp_path, [front], [behind]), "grpc-errors")]
    assert found == (["grpc-errors.open"] if late else ["grpc-errors.backend"])
