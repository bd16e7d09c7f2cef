"""What TCP itself shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.findings.files import ANSWER, ASK, BACKEND, FRONT, of, report
from tests.findings.simulated import values
from tests.tcp.wire import CLIENT, Wire

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
