"""Handshakes of every kind → the exchanges inside."""

from __future__ import annotations

import pytest

from lbtrace.model.http import Mark, Protocol
from lbtrace.model.tls_session import EarlyData, NotOpened
from lbtrace.tls.suites import SUITES, Mode
from tests.http.streams import Talk
from tests.tls.conversations import get, ok, one_exchange, read, secrets_of, talk_of
from tests.tls.wire import CLIENT, SERVER, Tls

TLS13 = sorted(n for n in SUITES if n >> 8 == 0x13)
TLS12 = sorted(n for n in SUITES if n >> 8 != 0x13)
CBC = [n for n in TLS12 if SUITES[n].mode is Mode.CBC and SUITES[n].mac == "sha1"]


@pytest.mark.parametrize("suite", TLS13)
def test_tls_1_3(suite: int) -> None:
    conversation = one_exchange(Tls(suite)).close()
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.story() == [("/a", 200)]
    assert found.applications[0].protocol is Protocol.HTTP1
    assert found.session.version == "TLS 1.3"
    assert found.session.suite == SUITES[suite].name
    assert found.session.not_opened is None
    assert found.session.failed == 0


@pytest.mark.parametrize("suite", TLS12)
def test_tls_1_2(suite: int) -> None:
    conversation = one_exchange(Tls(suite, "1.2")).close()
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.story() == [("/a", 200)]
    assert (found.session.version, found.session.resumed) == ("TLS 1.2", False)
    assert (found.session.failed, found.session.not_opened) == (0, None)


@pytest.mark.parametrize("etm", [False, True])
@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
@pytest.mark.parametrize("suite", CBC)
def test_cbc_in_both_orders(suite: int, version: str, etm: bool) -> None:
    conversation = Tls(suite, version, etm=etm).handshake()
    conversation.say(CLIENT, get(b"a"), 1).say(SERVER, ok(b"b" * 40_000), padding=3)
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.story() == [("/a", 200)]
    assert found.session.version == f"TLS {version}"
    assert found.session.failed == 0


def test_resumption_of_tls_1_2() -> None:
    conversation = Tls(0xC02F, "1.2").handshake(resumed=True)
    conversation.say(CLIENT, get(b"a")).say(SERVER, ok(b"b"))
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.story() == [("/a", 200)]
    assert found.session.resumed is True


@pytest.mark.parametrize("suite", [0xC02F, 0xC013])
def test_a_renegotiation_changes_the_keys_of_both(suite: int) -> None:
    conversation = one_exchange(Tls(suite, "1.2"))
    conversation.handshake().say(CLIENT, get(b"b")).say(SERVER, ok(b"b"))
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.story() == [("/a", 200), ("/b", 200)]


def test_hello_retry_request() -> None:
    conversation = Tls(0x1301).handshake(retry=True).say(CLIENT, get(b"a")).say(SERVER, ok(b"b"))
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.story() == [("/a", 200)]


def test_key_updates_of_both_ends() -> None:
    conversation = one_exchange(Tls(0x1302)).key_update(CLIENT).say(CLIENT, get(b"b"))
    conversation.key_update(SERVER).key_update(SERVER).say(SERVER, ok(b"b"))
    conversation.key_update(CLIENT).say(CLIENT, get(b"c")).say(SERVER, ok(b"c"))
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.story() == [("/a", 200), ("/b", 200), ("/c", 200)]


def test_early_data_that_was_accepted_is_a_request() -> None:
    conversation = Tls(0x1301).handshake(early=[get(b"early")[:9], get(b"early")[9:]])
    conversation.say(SERVER, ok(b"b"))
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.story() == [("/early", 200)]
    assert found.session.early_data is EarlyData.ACCEPTED


@pytest.mark.parametrize("retry", [False, True])
@pytest.mark.parametrize("logged", [True, False])
def test_early_data_that_was_refused_is_no_request(retry: bool, logged: bool) -> None:
    conversation = Tls(0x1301).handshake(early=[get(b"early")] * 3, accepted=False, retry=retry)
    conversation.say(CLIENT, get(b"again")).say(SERVER, ok(b"b"))
    if not logged:
        conversation.log = [line for line in conversation.log if "EARLY" not in line]
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.story() == [("/again", 200)]
    assert found.session.early_data is EarlyData.REFUSED


def test_early_data_without_its_secret_is_missing() -> None:
    conversation = Tls(0x1301).handshake(early=[get(b"early")])
    conversation.say(SERVER, ok(b"b")).say(CLIENT, get(b"b")).say(SERVER, ok(b"b"))
    conversation.log = [line for line in conversation.log if "EARLY" not in line]
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.story()[-1] == ("/b", 200)
    assert found.exchanges[0].request is None


def test_padding_is_no_text() -> None:
    conversation = Tls(0x1301).handshake().say(CLIENT, get(b"a"), padding=100)
    conversation.say(SERVER, ok(b"b"), padding=1000)
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.text(1) == ok(b"b")
    assert found.story() == [("/a", 200)]


def test_a_proxy_header_in_front_of_tls_stays() -> None:
    conversation = one_exchange(Tls(0x1301))
    header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n"
    talk = Talk().client(header + conversation.sent[0][1])
    for who, record in conversation.sent[1:]:
        talk.say(who, record)
    found = read(talk, secrets_of(conversation))
    assert found.story() == [("/a", 200)]
    assert found.applications[0].proxy[0].source == "192.0.2.1:1000"
    assert found.exchanges[0].request is not None
    assert found.exchanges[0].request.offset == len(header)


def test_tls_in_a_tunnel() -> None:
    conversation = one_exchange(Tls(0xC02F, "1.2"))
    talk = Talk().client(b"CONNECT lb.test:443 HTTP/1.1\r\nHost: lb.test:443\r\n\r\n")
    talk.server(b"HTTP/1.1 200 Connection established\r\n\r\n")
    for who, record in conversation.sent:
        talk.say(who, record)
    found = read(talk, secrets_of(conversation))
    assert found.story() == [("lb.test:443", 200), ("/a", 200)]


def test_tls_in_tls() -> None:
    inside = one_exchange(Tls(0xC02F, "1.2", "inside"))
    outside = Tls(0x1301).handshake()
    outside.say(CLIENT, b"CONNECT lb.test:443 HTTP/1.1\r\nHost: lb.test:443\r\n\r\n")
    outside.say(SERVER, b"HTTP/1.1 200 Connection established\r\n\r\n")
    for who, record in inside.sent:
        outside.say(who, record)
    found = read(talk_of(outside), secrets_of(inside, outside))
    assert found.story() == [("lb.test:443", 200), ("/a", 200)]


def test_http2() -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4" + bytes(5)
    conversation = Tls(0x1303, alpn="h2").handshake().say(CLIENT, preface)
    conversation.say(SERVER, bytes(3) + b"\4" + bytes(5))
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.applications[0].protocol is Protocol.HTTP2
    assert found.session.alpn == "h2"


def test_an_encrypted_alert_of_the_handshake_is_told() -> None:
    conversation = Tls(0x1301).handshake(tickets=0)
    conversation.record(SERVER, 21, b"\2\x74")  # certificate_required
    found = read(talk_of(conversation), secrets_of(conversation))
    (alert,) = found.applications[0].alerts
    assert (alert.from_client, alert.name, alert.fatal) == (False, "certificate_required", True)
    assert alert.frame == len(conversation.sent)


def test_an_alert_behind_a_ticket_ends_no_handshake() -> None:
    """The server sends a ticket to a client whose handshake it has accepted."""
    conversation = Tls(0x1301).handshake(tickets=1)
    conversation.record(SERVER, 21, b"\2\x32")  # decode_error: the client left without a word
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.applications[0].alerts == ()


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        ("CLIENT_", NotOpened.SECRETS_INCOMPLETE),
        ("SERVER_", NotOpened.SECRETS_INCOMPLETE),
        ("EXPORTER", NotOpened.NO_SECRETS),
    ],
)
def test_secrets_of_one_end_open_that_end(left: str, reason: NotOpened) -> None:
    conversation = one_exchange(Tls(0x1301))
    other = Tls(0x1301, name="other").handshake()
    conversation.log = [line for line in conversation.log if line.startswith(left)]
    found = read(talk_of(conversation), secrets_of(conversation, other))
    assert found.session.not_opened is reason
    if reason is NotOpened.SECRETS_INCOMPLETE:
        (exchange,) = found.exchanges
        assert (exchange.request is not None) is (left == "CLIENT_")
        assert (exchange.response is not None) is (left == "SERVER_")
        assert exchange.marks == (Mark.LOST,)
    else:
        assert found.applications[0].protocol is Protocol.TLS


def test_traffic_secrets_alone_are_enough() -> None:
    conversation = one_exchange(Tls(0x1301))
    conversation.log = [line for line in conversation.log if "TRAFFIC_SECRET_0" in line]
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.story() == [("/a", 200)]
    assert found.session.failed == 0


@pytest.mark.parametrize(("suite", "version"), [(0x1301, "1.3"), (0xC02F, "1.2"), (0xC013, "1.2")])
def test_wrong_secrets_open_nothing(suite: int, version: str) -> None:
    conversation = one_exchange(Tls(suite, version))
    conversation.log = [f"{line[:-2]}{(int(line[-2:], 16) ^ 1):02x}" for line in conversation.log]
    found = read(talk_of(conversation), secrets_of(conversation))
    assert found.session.not_opened is NotOpened.WRONG_SECRETS
    assert found.applications[0].protocol is Protocol.TLS


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_block_that_is_cut_is_no_beginning_of_the_next_record(cut: int) -> None:
    """TLS 1.0 goes on from the last block of the record before, which may be there in part."""
    conversation = Tls(0xC013, "1.0").handshake().say(CLIENT, get(b"a"))
    begun = len(conversation.sent)
    conversation.say(SERVER, ok(b"b" * 200)).say(CLIENT, get(b"b")).say(SERVER, ok(b"b"))
    talk = Talk()
    for place, (who, record) in enumerate(conversation.sent):
        if place == begun:
            talk.say(who, record[:40]).say(who, record[40:-cut], lost=True)
            talk.say(who, record[-cut:])
        else:
            talk.say(who, record)
    found = read(talk, secrets_of(conversation))
    assert found.story()[-1] == ("/b", 200 if cut >= 16 else None)


def test_an_unknown_suite_is_named() -> None:
    conversation = one_exchange(Tls(0xC02F, "1.2"))
    records = [
        (who, record.replace(b"\xc0\x2f\0", b"\xc0\x50\0")) for who, record in conversation.sent
    ]
    talk = Talk()
    for who, record in records:
        talk.say(who, record)
    found = read(talk, secrets_of(conversation))
    assert (found.session.suite, found.session.not_opened) == ("0xc050", NotOpened.UNKNOWN_SUITE)
