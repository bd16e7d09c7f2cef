"""Bodies that the balancer keeps until it has all of them, and bodies that only take their time."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.net import Endpoint
from lbtrace.model.report import Finding, Severity
from lbtrace.pipeline import compare
from tests.findings.http2_talks import Http2Talk
from tests.findings.simulated import judge_simulation, values
from tests.simulator import Balancer, Simulation
from tests.simulator.wire import Clockwork
from tests.tcp.wire import pcap

SECOND = 1_000_000_000
EVENTS = [("content-type", "text/event-stream")]
XFF = ("X-Forwarded-For", "{client}")


def spoken(
    balancer: Balancer,
    upload_ms: float = 0,
    serving_ms: float = 0,
    in_parts: int = 6,
    **settings: object,
) -> Simulation:
    """Three slow exchanges and three quick ones."""
    simulation = Simulation(seed=4, balancer=balancer, **settings)  # type: ignore[arg-type]
    client = simulation.client("192.168.0.5")
    for n in range(3):
        client.asks("GET", f"/quick/{n}", at_ms=100 * n)
        client.asks(
            "POST" if upload_ms else "GET",
            f"/slow/{n}",
            at_ms=1000 + 8000 * n,
            body=b"up %d " % n * 900 if upload_ms else b"",
            answer=b"event %d " % n * 30,
            answer_headers=EVENTS if serving_ms else [],
            upload_ms=upload_ms,
            serving_ms=serving_ms,
            parts=in_parts if serving_ms else 1,
        )
    return simulation


def held(simulation: Simulation) -> list[Finding]:
    return judge_simulation(simulation).of("held-back")


@pytest.mark.parametrize("offset_s", [0, -3600])
def test_an_upload_that_is_collected_first(offset_s: int) -> None:
    balancer, clock = Balancer(add=[XFF]), Clockwork(offset_s * SECOND)
    (said,) = held(spoken(balancer, upload_ms=2900, backend_clock=clock))
    told = values(said)
    assert (said.slug, said.severity) == ("held-back.request", Severity.LOW)
    assert (told["count"], told["of"]) == (3, 3)
    assert told["sent"] == 2_900_000_000
    assert int(told["passed_on"]) < SECOND // 100


def test_an_event_stream_that_arrives_in_one_piece() -> None:
    (said,) = held(spoken(Balancer(add=[XFF]), serving_ms=3000))
    told = values(said)
    assert said.slug == "held-back.response"
    assert said.severity is Severity.MEDIUM
    assert (told["count"], told["of"], told["events"]) == (3, 3, 3)
    assert int(told["wait"]) > int(told["answer"]) + 2 * SECOND


@pytest.mark.parametrize(
    "balancer",
    [Balancer(add=[XFF], streams=True), Balancer(kind="l4-proxy"), Balancer(kind="snat")],
)
def test_what_is_passed_on_as_it_comes_is_not_held_back(balancer: Balancer) -> None:
    assert held(spoken(balancer, upload_ms=2900)) == []
    assert held(spoken(balancer, serving_ms=3000)) == []


def from_files(simulation: Simulation, folder: Path) -> list[Finding]:
    """The findings on the captures, as files."""
    recorded = simulation.run(pcaps=True)
    paths = [folder / "client.pcap", folder / "backend.pcap"]
    for path, data in zip(
        paths, (recorded.client_pcaps[0], recorded.backend_pcaps[0]), strict=True
    ):
        path.write_bytes(data)
    report = compare([[str(paths[0])]], [[str(paths[1])]])
    return [f for f in report.findings if f.slug.startswith("held-back")]


def test_the_parts_are_counted_on_both_sides(tmp_path: Path) -> None:
    (said,) = from_files(spoken(Balancer(add=[XFF]), serving_ms=3000), tmp_path)
    assert (values(said)["sent"], values(said)["arrived"]) == (6, 1)
    assert "in one piece" in said.statement


def events_told(said: Finding) -> tuple[object, object]:
    told = {value.name: value.value for value in said.values}
    return told.get("told"), told.get("apart")


def ticking(answer: bytes) -> Simulation:
    """One event stream, of which a sixth comes every 600 ms."""
    simulation = Simulation(seed=4, balancer=Balancer(add=[XFF]))
    simulation.client("192.168.0.5").asks(
        "GET",
        "/events",
        at_ms=100,
        answer=answer,
        answer_headers=EVENTS,
        serving_ms=3000,
        parts=6,
    )
    return simulation


def test_the_events_that_the_backend_sent_are_counted(tmp_path: Path) -> None:
    (said,) = from_files(ticking(b"data: tick\n\n" * 6), tmp_path)
    count, apart = events_told(said)
    assert count == 6
    assert 500_000_000 <= int(str(apart)) <= 700_000_000
    assert "The backend sent 6 events in these streams, " in said.text


def test_a_stream_without_an_event_tells_of_none(tmp_path: Path) -> None:
    (said,) = from_files(ticking(b": no event" * 12), tmp_path)
    assert events_told(said) == (None, None)
    assert "events in these" not in said.text


@pytest.mark.parametrize("parts", [2, 3, 6])
def test_parts_that_are_passed_on_are_no_buffering(parts: int, tmp_path: Path) -> None:
    """Two parts, too, though what is held back behind its head also arrives in two."""
    balancer = Balancer(add=[XFF], streams=True)
    assert not from_files(spoken(balancer, serving_ms=3000, in_parts=parts), tmp_path)


def over_http2(folder: Path, collects: bool) -> list[Finding]:
    """Five events on a stream, half a second apart, while another stream is busy all the time; the
    balancer passes each on at once, or hands over all of them at the end.
    """
    front = Http2Talk(40001, isn=7000)
    behind = Http2Talk(50001, at=5, isn=90000)
    behind.between("10.0.0.80", Endpoint("172.16.0.11", 8080))
    name = ("x-id", "7f3a9c1e5b2d4860")
    events, busy = (
        [talk.asks(path, None, (key, value + path)) for talk in (front, behind)]
        for path, (key, value) in (("/events", name), ("/busy", name))
    )
    for talk, stream, other in zip((behind, front), events[::-1], busy[::-1], strict=True):
        held = collects and talk is front
        talk.wait(2600 if held else 0)
        talk.answers(stream, b"", EVENTS[0], ends=False)
        talk.answers(other, b"", ends=False)
        for _ in range(5):
            for _ in range(1 if held else 10):
                talk.wait(0 if held else 50)
                talk.server.send_data(other, b"busy")
                talk.said()
            talk.server.send_data(stream, b"data: tick\n\n")
            talk.said()
        for each in (stream, other):
            talk.server.send_data(each, b"", end_stream=True)
            talk.said()
        talk.closes()
    paths = folder / "client.pcap", folder / "backend.pcap"
    for path, talk in zip(paths, (front, behind), strict=True):
        path.write_bytes(pcap(talk.wire))
    report = compare([[str(paths[0])]], [[str(paths[1])]])
    return [f for f in report.findings if f.slug.startswith("held-back")]


def test_parts_of_a_stream_are_told_apart_though_another_goes_on(tmp_path: Path) -> None:
    (said,) = over_http2(tmp_path, collects=True)
    told = values(said)
    assert (told["sent"], told["arrived"], told["events"]) == (6, 1, 1)
    assert "in one piece" in said.statement


def test_events_of_http2_that_are_passed_on_are_not_held_back(tmp_path: Path) -> None:
    assert over_http2(tmp_path, collects=False) == []
