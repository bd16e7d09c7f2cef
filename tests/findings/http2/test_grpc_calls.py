"""What a balancer does to grpc-timeout, and calls that were sent again."""

from __future__ import annotations

from pathlib import Path

from lbtrace.model.net import Endpoint
from lbtrace.model.report import Finding
from lbtrace.pipeline import compare
from tests.findings.http2_talks import MS, Http2Talk, of, told
from tests.findings.simulated import values
from tests.tcp.wire import pcap

GRPC = ("content-type", "application/grpc")


def call(*more: tuple[str, str], behind: bool = False) -> Http2Talk:
    talk = Http2Talk()
    if behind:
        talk.between("10.0.0.80", Endpoint("172.16.0.11", 50051))
    talk.asks("/shop.Cart/Add", b"\0\0\0\0\0", GRPC, *more)
    talk.wait(20)
    talk.answers(1, b"\0\0\0\0\0", GRPC, trailers=(("grpc-status", "0"),))
    talk.closes(from_client=True)
    if behind:
        talk.moved(41001, MS)
    return talk


def through(tmp_path: Path, before: str, after: str) -> list[Finding]:
    """A call with a timeout in front of the balancer and behind it; "" for none."""
    limits = [(("grpc-timeout", text),) if text else () for text in (before, after)]
    paths = tmp_path / "client.pcap", tmp_path / "backend.pcap"
    paths[0].write_bytes(pcap(call(*limits[0]).wire))
    paths[1].write_bytes(pcap(call(*limits[1], behind=True).wire))
    return of(list(compare([[str(paths[0])]], [[str(paths[1])]]).findings), "grpc-calls")


def test_a_timeout_that_is_dropped(tmp_path: Path) -> None:
    (found,) = through(tmp_path, "5S", "")
    assert (found.slug, found.severity) == ("grpc-calls.timeout-dropped", "low")
    assert (values(found)["count"], values(found)["of"]) == (1, 1)


def test_a_timeout_that_is_changed(tmp_path: Path) -> None:
    (found,) = through(tmp_path, "30S", "15S")
    assert found.slug == "grpc-calls.timeout-changed"
    assert (values(found)["before"], values(found)["after"]) == (30_000_000_000, 15_000_000_000)


def test_the_time_that_has_passed_is_no_change(tmp_path: Path) -> None:
    assert through(tmp_path, "5S", "4999m") == []
    assert through(tmp_path, "5S", "5000m") == []


def test_no_timeout(tmp_path: Path) -> None:
    assert through(tmp_path, "", "") == []


def test_calls_that_were_sent_again() -> None:
    (found,) = of(told(call(("grpc-previous-rpc-attempts", "2"))), "grpc-calls")
    assert (found.slug, values(found)["most"]) == ("grpc-calls.retried", 2)
    assert of(told(call()), "grpc-calls") == []
