"""Clients that wait for 100 (Continue)."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding
from tests.findings.protocols.test_protocol_mismatch import told
from tests.findings.simulated import values
from tests.simulator.script import Script

HEAD = b"POST /up HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n"
EXPECT = b"Expect: 100-continue\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def found(
    folder: Path,
    wait_ms: float = 1000,
    expect: bytes = EXPECT,
    interim: bool = False,
    behind: bool = True,
) -> list[Finding]:
    """An upload whose body comes later; `behind`: the balancer passes it on as it comes."""
    play = Script()
    head = HEAD + expect + b"\r\n"
    front = play.front().asks(head)
    back = play.back().asks(head) if behind else None
    if interim:
        for spoken in (back, front):
            if spoken is not None:
                spoken.answers(GO_ON)
    play.wait(wait_ms)
    front.asks(b"body")
    back = back.asks(b"body") if back is not None else play.back().asks(HEAD + b"\r\nbody")
    back.answers(OK).closes()
    front.answers(OK).leaves()
    return told(play.report(folder), "expect-continue")


def test_a_backend_that_never_says_go_on(tmp_path: Path) -> None:
    (said,) = found(tmp_path)
    assert said.slug == "expect-continue.backend"
    assert (values(said)["count"], values(said)["of"]) == (1, 1)
    assert 1.0e9 < int(values(said)["shortest"]) < 1.01e9


def test_a_balancer_that_reads_the_whole_request_first(tmp_path: Path) -> None:
    (said,) = found(tmp_path, behind=False)
    assert said.slug == "expect-continue.client"
    assert "the {server} sent no 100" in said.statement
    assert values(said)["server"] == "balancer"


@pytest.mark.parametrize("how", [{"wait_ms": 100.0}, {"expect": b""}, {"interim": True}])
def test_who_does_not_wait_in_vain(how: dict[str, object], tmp_path: Path) -> None:
    assert not found(tmp_path, **how)  # type: ignore[arg-type]
