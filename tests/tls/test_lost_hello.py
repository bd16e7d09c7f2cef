"""A ClientHello that is not in the capture: the tag of the server's first record says whose secrets
fit.
"""

from __future__ import annotations

import pytest

from lbtrace.tls import lost_hello
from tests.http.streams import Talk
from tests.tls.conversations import ok, one_exchange, read, secrets_of, talk_of
from tests.tls.wire import Tls

KINDS = [(0x1301, "1.3"), (0x1303, "1.3"), (0xC02F, "1.2"), (0xC013, "1.2"), (0xC013, "1.1")]


def others(count: int) -> list[Tls]:
    """Connections of the same key log."""
    return [
        Tls(0x1301 if n % 2 else 0xC02F, "1.3" if n % 2 else "1.2", f"other {n}").handshake()
        for n in range(count)
    ]


@pytest.mark.parametrize(("suite", "version"), KINDS)
def test_the_secrets_that_fit_are_found(suite: int, version: str) -> None:
    conversation = one_exchange(Tls(suite, version))
    found = read(talk_of(conversation, lost=[0]), secrets_of(*others(6), conversation))
    assert found.story() == [("/a", 200)]
    hello = found.applications[0].tls
    assert hello is not None
    assert hello.random == conversation.random().hex() or version != "1.3"
    assert (hello.frame, hello.server_name) == (2, None)
    assert found.session.not_opened is None


def test_where_the_capture_begins_behind_it() -> None:
    conversation = one_exchange(Tls(0x1301))
    talk = Talk(syn=False)
    for who, record in conversation.sent[1:]:
        talk.say(who, record)
    assert read(talk, secrets_of(conversation)).story() == [("/a", 200)]


def test_without_its_secrets_it_stays_closed() -> None:
    conversation = one_exchange(Tls(0x1301))
    found = read(talk_of(conversation, lost=[0]), secrets_of(*others(6)))
    assert list(found.exchanges) == []
    assert found.text(1) != ok(b"body" * 100)


def test_no_more_are_tried_than_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_hello, "_PER_CONNECTION", 2)
    conversation = one_exchange(Tls(0x1301))
    talk = talk_of(conversation, lost=[0])
    assert read(talk, secrets_of(conversation, *others(9))).story() == [("/a", 200)]
    assert list(read(talk, secrets_of(*others(9), conversation)).exchanges) == []


def test_a_hello_that_is_there_is_asked_for_its_random() -> None:
    """Nothing is tried for a connection whose secrets are not in the log."""
    conversation = one_exchange(Tls(0x1301))
    found = read(talk_of(conversation), secrets_of(*others(3)))
    assert found.session.not_opened is not None
    assert list(found.exchanges) == []


def test_in_front_of_it_stands_a_binary_proxy_header() -> None:
    """PROXY v2 (haproxy, proxy-protocol.txt §2.2), in front of TLS that is opened."""
    conversation = one_exchange(Tls(0x1301))
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(
        [192, 0, 2, 1, 192, 0, 2, 2, 3, 232, 1, 187]
    )
    talk = Talk().client(header + conversation.sent[0][1])
    for who, record in conversation.sent[1:]:
        talk.say(who, record)
    found = read(talk, secrets_of(conversation))
    assert found.story() == [("/a", 200)]
    assert found.applications[0].proxy[0].source == "192.0.2.1:1000"


def test_in_front_of_it_stands_a_socks_negotiation() -> None:
    """SOCKS 5 (RFC 1928): methods, then a request, then TLS."""
    conversation = one_exchange(Tls(0xC02F, "1.2"))
    talk = Talk().client(b"\5\1\0").server(b"\5\0")
    talk.client(b"\5\1\0\3\7lb.test\1\xbb").server(b"\5\0\0\1\x7f\0\0\1\1\xbb")
    for who, record in conversation.sent:
        talk.say(who, record)
    assert read(talk, secrets_of(conversation)).story() == [("/a", 200)]
