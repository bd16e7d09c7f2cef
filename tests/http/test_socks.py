"""SOCKS in front of something else: what is behind the negotiation is what the relay passes on."""

from __future__ import annotations

import pytest

from lbtrace.model.http import Protocol
from tests.http.streams import Heard, Talk, get, hear, ok, story
from tests.http.test_detect import hello

ADDRESS, PORT = bytes([198, 51, 100, 7]), b"\x01\xbb"
NAME = b"\x0bshop.sample"
V6 = bytes(range(16))
HELLO = hello("shop.sample", ["h2"])
GREETING, CHOICE = (0, b"\x05\x01\0"), (1, b"\x05\0")
BOUND = (1, b"\x05\0\0\x01" + bytes(6))
PRELUDES = {
    "5, IPv4": [GREETING, CHOICE, (0, b"\x05\x01\0\x01" + ADDRESS + PORT), BOUND],
    "5, name": [GREETING, CHOICE, (0, b"\x05\x01\0\x03" + NAME + PORT), BOUND],
    "5, IPv6": [
        (0, b"\x05\x02\0\x02"),
        CHOICE,
        (0, b"\x05\x01\0\x04" + V6 + PORT),
        (1, b"\x05\0\0\x04" + V6 + PORT),
    ],
    "5, password": [
        (0, b"\x05\x02\0\x02"),
        (1, b"\x05\x02"),
        (0, b"\x01\x04user\x06secret"),
        (1, b"\x01\0"),
        (0, b"\x05\x01\0\x03" + NAME + PORT),
        (1, b"\x05\0\0\x03\x01h" + PORT),
    ],
    "4": [(0, b"\x04\x01" + PORT + ADDRESS + b"me\0"), (1, b"\0\x5a" + bytes(6))],
    "4a": [
        (0, b"\x04\x01" + PORT + b"\0\0\0\x01\0shop.sample\0"),
        (1, b"\0\x5a" + PORT + ADDRESS),
    ],
}


def behind(prelude: list[tuple[int, bytes]], *more: tuple[int, bytes], step: int = 99) -> Heard:
    talk = Talk()
    for who, data in (*prelude, *more):
        for at in range(0, len(data), step):
            talk.say(who, data[at : at + step])
    return hear(talk)


@pytest.mark.parametrize("step", [1, 99])
@pytest.mark.parametrize("prelude", PRELUDES)
def test_a_client_hello_is_read(prelude: str, step: int) -> None:
    heard = behind(PRELUDES[prelude], (0, HELLO), (1, b"\x16\x03\x03\0\x04\x02\0\0\0"), step=step)
    application = heard.applications[0]
    assert application.protocol is Protocol.TLS
    assert application.tls is not None
    assert application.tls.server_name == "shop.sample"
    assert application.tls.random == HELLO[11:43].hex()
    assert heard.exchanges == []


@pytest.mark.parametrize("prelude", PRELUDES)
def test_http_is_read(prelude: str) -> None:
    heard = behind(PRELUDES[prelude], (0, get("/a")), (1, ok(b"x")))
    assert heard.applications[0].protocol is Protocol.HTTP1
    assert story(heard) == [("/a", 200)]
    assert "bytes-before-http" in heard.slugs


@pytest.mark.parametrize("prelude", PRELUDES)
def test_another_protocol_is_socks_as_before(prelude: str) -> None:
    heard = behind(PRELUDES[prelude], (1, b"SSH-2.0-x\r\n"), (0, b"SSH-2.0-y\r\n"))
    application = heard.applications[0]
    assert (application.protocol, application.name) == (Protocol.OTHER, "socks")
    assert None not in application.digests


def test_socks_in_socks() -> None:
    inner = PRELUDES["4"]
    heard = behind(PRELUDES["5, name"], *inner, (0, HELLO))
    assert heard.applications[0].protocol is Protocol.TLS


@pytest.mark.parametrize(
    "prelude",
    [
        [GREETING, (1, b"\x05\xff")],  # no method is acceptable
        [
            GREETING,
            CHOICE,
            (0, b"\x05\x01\0\x01" + ADDRESS + PORT),
            (1, b"\x05\x05\0\x01" + bytes(6)),
        ],
        [GREETING, CHOICE, (0, b"\x05\x02\0\x01" + ADDRESS + PORT), BOUND],  # BIND
        [GREETING, CHOICE, (0, b"\x05\x01\0\x09" + ADDRESS + PORT), BOUND],  # no address type
        [GREETING, CHOICE, (0, b"\x05\x01\x07\x01" + ADDRESS + PORT), BOUND],  # reserved byte
        [(0, b"\x05\x01\x02"), (1, b"\x05\x02"), (0, b"\x01\x01u\x01p"), (1, b"\x01\x01")],
        [(0, b"\x04\x01" + PORT + ADDRESS + b"\0"), (1, b"\0\x5b" + bytes(6))],  # refused
        [(0, b"\x04\x02" + PORT + ADDRESS + b"\0"), (1, b"\0\x5a" + bytes(6))],  # BIND
    ],
)
def test_what_was_not_agreed_upon_leads_nowhere(prelude: list[tuple[int, bytes]]) -> None:
    assert behind(prelude, (0, HELLO)).applications[0].protocol is not Protocol.TLS


def test_without_the_answers_of_the_relay() -> None:
    """Only what the client sends was captured."""
    for name in ("5, IPv4", "5, IPv6", "4", "4a"):
        asked = [(0, data) for who, data in PRELUDES[name] if who == 0]
        assert behind(asked, (0, HELLO)).applications[0].protocol is Protocol.TLS
