"""TLS inside a tunnel that the balancer was asked for: it read that request, and not the TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Kind, Report
from tests.http.test_detect import hello
from tests.simulator.script import Script

GRANTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
CONNECT = b"CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n"
ANSWER = b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"


def played(folder: Path, asked: bool, passed_on: bool, tunnels: int = 3) -> Report:
    """Connections with TLS, in a tunnel that clients ask for by HTTP, or at once. `passed_on`: so
    is the request for the tunnel.
    """
    play = Script()
    for n in range(tunnels):
        front, back = play.front(), play.back()
        tls = hello(f"{n}.shop.example", ["h2"])
        if asked:
            front.asks(CONNECT)
            if passed_on:
                back.asks(CONNECT).answers(GRANTED)
            front.answers(GRANTED)
        front.asks(tls)
        back.asks(tls).answers(ANSWER)
        front.answers(ANSWER).leaves()
        back.closes()
        play.wait(20)
    return play.report(folder)


@pytest.mark.parametrize("tunnels", [1, 3])
def test_who_grants_a_tunnel_reads_http(tunnels: int, tmp_path: Path) -> None:
    said = played(tmp_path, asked=True, passed_on=False, tunnels=tunnels).verdict
    assert said.kind is Kind.L7_PROXY
    assert "tls-passthrough" not in said.modifiers
    (witness,) = (w for w in said.witnesses if w.name == "tls")
    assert {v.name: v.value for v in witness.values} == {"count": tunnels}


def test_without_such_a_request_tls_is_passed_on(tmp_path: Path) -> None:
    said = played(tmp_path, asked=False, passed_on=False).verdict
    assert said.kind is Kind.L4_PROXY
    assert "tls-passthrough" in said.modifiers


def test_a_request_that_goes_on_says_nothing_of_who_granted_it(tmp_path: Path) -> None:
    report = played(tmp_path, asked=True, passed_on=True)
    assert report.verdict.kind is not Kind.L7_PROXY
