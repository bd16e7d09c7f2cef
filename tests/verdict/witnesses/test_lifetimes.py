"""Connections behind that outlast those of the clients, whose bytes TLS hides."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Kind
from tests.http.test_detect import hello
from tests.simulator.script import Script, Spoken

SERVER_HELLO = b"\x16\x03\x03\0\x04\x02\0\0\0"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def asked(n: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: shop.example\r\n\r\n" % n


def told(play: Script, folder: Path) -> tuple[Kind, bool]:
    """(the kind, whether lifetimes speak for it)."""
    verdict = play.report(folder).verdict
    return verdict.kind, any("lasted longer" in w.statement for w in verdict.witnesses)


def one_request(play: Script, back: Spoken, n: int, ends: bool = True) -> None:
    """A client's connection of 20 ms, in TLS, with one request."""
    front = play.front(443).asks(hello("shop.example", [])).answers(SERVER_HELLO)
    play.wait(10)
    back.asks(asked(n)).answers(ANSWER)
    play.wait(10)
    if ends:
        front.leaves()
    play.wait(50)


def test_requests_of_several_clients_come_on_one_connection(tmp_path: Path) -> None:
    play = Script()
    back = play.back()
    for n in range(4):
        one_request(play, back, n)
    back.closes()
    assert told(play, tmp_path) == (Kind.L7_PROXY, True)


@pytest.mark.parametrize("what", ["open", "not seen to open", "own", "set", "as many"])
def test_what_a_proxy_of_byte_streams_may_show_too(what: str, tmp_path: Path) -> None:
    """A client's connection may have lasted as long; a connection behind may be that of a client
    that was not captured, or is each client's own.
    """
    play = Script()
    back = play.back()
    for n in range(4):
        if what == "own" and n:
            back.closes()
            back = play.back()
        one_request(play, back, n, ends=what != "open" or n != 1)
        if what == "set" and n == 1:
            play.wait(-60_000)
    if what == "not seen to open":
        del play.client[:3]
    back.closes()
    if what == "as many":
        for n in range(3):
            play.back().asks(asked(9 + n)).answers(ANSWER).closes()
    kind, speak = told(play, tmp_path)
    assert not speak
    assert kind is not Kind.L7_PROXY
