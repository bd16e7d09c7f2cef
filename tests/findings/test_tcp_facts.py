"""What TCP itself shows."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from lbtrace.model.report import Finding
from lbtrace.pipeline import show
from tests.findings.files import ANSWER, ASK, BACKEND, FRONT, of, report
from tests.findings.simulated import values
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
    behind = [waiting(40001, 2), waiting(40002, 1)]
    behind += [Wire([], CLIENT._replace(port=40003), BACKEND).c("SYN", 99, at=0)] * more
    front = [wire.between(wire.client, FRONT) for wire in behind[:2]]
    (finding,) = of(report(tmp_path, front, behind), "tcp-facts.deferred-accept")
    assert (values(finding)["count"], values(finding)["of"]) == (1, 2)


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
