"""TLS inside a tunnel that the balancer was asked for: passed on, as behind SOCKS."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Kind, Report
from tests.findings.through import message
from tests.http.test_detect import hello
from tests.simulator.script import Script

GRANTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
CONNECT = b"CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n"
ANSWER = b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"


def played(folder: Path, asked: bool, passed_on: bool, tunnels: int = 3, beside: int = 0) -> Report:
    """Connections with TLS, in a tunnel that clients ask for by HTTP, or at once. `passed_on`: so
    is the request for the tunnel. `beside`: so many plain requests, over one backend connection.
    """
    play = Script()
    if beside:
        shared = play.back()
        for n in range(beside):
            ask = b"GET /%d HTTP/1.1\r\nHost: a\r\n%s\r\n"
            front = play.front().asks(ask % (n, b""))
            shared.asks(ask % (n, b"Via: 1.1 proxy\r\n")).answers(message("200 OK", f"page {n}"))
            front.answers(message("200 OK", f"page {n}")).leaves()
            play.wait(20)
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
def test_what_only_tunnels_copies_bytes(tunnels: int, tmp_path: Path) -> None:
    said = played(tmp_path, asked=True, passed_on=False, tunnels=tunnels).verdict
    assert said.kind is Kind.L4_PROXY
    assert "tls-passthrough" in said.modifiers
    (witness,) = (w for w in said.witnesses if w.name == "tls")
    assert {v.name: v.value for v in witness.values} == {"count": tunnels}


def test_what_passes_requests_on_beside_tunnels_reads_http(tmp_path: Path) -> None:
    said = played(tmp_path, asked=True, passed_on=False, beside=6).verdict
    assert said.kind is Kind.L7_PROXY
    assert "tls-passthrough" not in said.modifiers


def test_without_such_a_request_tls_is_passed_on(tmp_path: Path) -> None:
    said = played(tmp_path, asked=False, passed_on=False).verdict
    assert said.kind is Kind.L4_PROXY
    assert "tls-passthrough" in said.modifiers


def test_a_request_that_goes_on_says_nothing_of_who_granted_it(tmp_path: Path) -> None:
    report = played(tmp_path, asked=True, passed_on=True)
    assert report.verdict.kind is not Kind.L7_PROXY
