"""What TCP itself shows."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.findings.connections.tcp_facts import described
from lbtrace.model.net import SynFingerprint
from lbtrace.model.report import Finding, Severity
from lbtrace.pipeline import show
from tests.findings.files import ANSWER, ASK, BACKEND, FRONT, of, report
from tests.findings.simulated import four, judge_alone, values
from tests.simulator import Balancer
from tests.tcp.wire import CLIENT, Wire, pcap

MS = 1_000_000


def waiting(port: int, syn_acks: int) -> Wire:
    """A client that asks late; the server repeats its SYN-ACK, though it was acknowledged."""
    wire = Wire([], CLIENT._replace(port=port), BACKEND).c("SYN", 99, at=0)
    wire.s("SYN", 999, ack=100, at=MS).c("ACK", 100, ack=1000, at=2 * MS)
    for n in range(1, syn_acks):
        wire.s("SYN", 999, ack=100, at=n * 1000 * MS)
        wire.c("ACK", 100, ack=1000, at=n * 1000 * MS + MS)
    ask, at = ASK % b"x", 9000 * MS
    wire.c("PSH", 100, ask, ack=1000, at=at)
    return wire.s("PSH", 1000, ANSWER, ack=100 + len(ask), at=at + MS)


@pytest.mark.parametrize("more", [0, 1])
def test_a_server_that_accepts_only_with_data(more: int, tmp_path: Path) -> None:
    """One that nobody answered is no connection that a server could have accepted."""
    behind = [waiting(40001, 2), waiting(40002, 2)]
    behind += [Wire([], CLIENT._replace(port=40003), BACKEND).c("SYN", 99, at=0)] * more
    front = [wire.between(wire.client, FRONT) for wire in behind[:2]]
    (finding,) = of(report(tmp_path, front, behind), "tcp-facts.deferred-accept")
    assert finding.severity is Severity.LOW
    assert "nothing was lost" in finding.statement
    assert "speak late" in finding.remedy
    assert (values(finding)["count"], values(finding)["of"]) == (2, 2)


@pytest.mark.parametrize("repeats", [[2], [2, 2, 1]])
def test_an_acknowledgement_may_have_been_lost_behind_the_capture(
    repeats: list[int], tmp_path: Path
) -> None:
    """One connection alone, or another client that spoke late too, and saw no second SYN-ACK."""
    behind = [waiting(40001 + n, syn_acks) for n, syn_acks in enumerate(repeats)]
    front = [wire.between(wire.client, FRONT) for wire in behind]
    (finding,) = of(report(tmp_path, front, behind), "tcp-facts.deferred-accept")
    assert finding.severity is Severity.INFO
    assert "nothing was lost" not in finding.statement
    assert "did not reach" in finding.statement


@pytest.mark.parametrize(("begun", "answered"), [(True, True), (True, False), (False, True)])
def test_what_is_sent_again_is_loss_but_not_a_syn_that_nobody_answered(
    begun: bool, answered: bool
) -> None:
    """A connection that began before the capture was opened once."""
    wire = Wire([], CLIENT, FRONT)
    if begun:
        for n in range(1 if answered else 4):
            wire.c("SYN", 99, at=n * 1000 * MS)
    if begun and answered:
        wire.s("SYN", 999, ack=100, at=MS).c("ACK", 100, ack=1000, at=2 * MS)
    if answered:
        ask = ASK % b"x"
        for n in range(4):
            wire.c("PSH", 100, ask, ack=1000, at=(10 + 200 * n) * MS)
        wire.s("PSH", 1000, ANSWER, ack=100 + len(ask), at=900 * MS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture.pcap"
        path.write_bytes(pcap(wire))
        (alone,) = show([[str(path)]]).captures
    found = of_alone(alone.findings)
    assert [values(f)["again"] for f in found] == ([3] if answered else [])


def of_alone(findings: Sequence[Finding]) -> list[Finding]:
    return [f for f in findings if f.slug == "tcp-facts.loss"]


SYN = SynFingerprint(64, 1000, 1460, 7, True, 5, (2, 4, 8, 1, 3))


@pytest.mark.parametrize(
    ("syn", "words"),
    [
        (SYN, "TTL 64, window 1000, MSS 1460, window scale 7, SACK, timestamps"),
        (SYN._replace(mss=None), "TTL 64, window 1000, no MSS, window scale 7, SACK, timestamps"),
        (SYN._replace(window_scale=None, timestamp=0),
         "TTL 64, window 1000, MSS 1460, no window scale, SACK, timestamps"),
        (SYN._replace(window_scale=0, sack_permitted=False, timestamp=None),
         "TTL 64, window 1000, MSS 1460, window scale 0, no SACK, no timestamps"),
    ],
)  # fmt: skip
def test_an_offer_is_told_with_what_it_lacks(syn: SynFingerprint, words: str) -> None:
    assert described(syn) == words


@pytest.mark.parametrize(
    ("again", "packets", "told"), [(3, 300, True), (3, 301, False), (2, 100, False), (3, 30, True)]
)
def test_one_percent_of_the_segments_and_three_of_them_are_loss(
    again: int, packets: int, told: bool
) -> None:
    trace = four(Balancer()).run().clients[0]
    others = sum(c.from_client.packets + c.from_server.packets for c in trace.connections[1:])
    first = trace.connections[0]
    up = first.from_client._replace(
        repeats=again,
        repeat_frame=first.first_frame,
        repeat_ns=first.first_ns,
        packets=packets - others - first.from_server.packets,
    )
    lossy = replace(trace, connections=[first._replace(from_client=up), *trace.connections[1:]])
    found = judge_alone(lossy).of("tcp-facts.loss")
    assert bool(found) == told
    if told:
        assert (values(found[0])["again"], values(found[0])["packets"]) == (again, packets)


@pytest.mark.parametrize("heard", [True, False])
def test_of_one_direction_alone_no_acknowledgement_can_be_missed(heard: bool) -> None:
    trace = four(Balancer()).run().clients[0]
    first = trace.connections[0]
    up = first.from_client._replace(
        repeats=5, repeat_frame=first.first_frame, repeat_ns=first.first_ns
    )
    down = first.from_server if heard else first.from_server._replace(packets=0)
    lossy = first._replace(from_client=up, from_server=down)
    found = judge_alone(replace(trace, connections=[lossy, *trace.connections[1:]]))
    assert bool(found.of("tcp-facts.loss")) == heard
