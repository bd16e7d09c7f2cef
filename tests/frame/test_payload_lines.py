"""What can be read in the first bytes of a segment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.frame.payload_lines import payload_lines
from lbtrace.model.frame_parts import FramePart
from tests.laws import examples

HEAD = b"GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: 2\r\n\r\nok"
PROXY = b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n"
V2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x0f\xa0\x00\x50"
ALERT = bytes.fromhex("15 0303 0002 02 70")
HELLO = bytes.fromhex("0303") + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
NAMED = b"\x00\x0e\x00\x00\x00\x0a\x00\x08\x00\x00\x05a.net"


def record(kind: int, body: bytes) -> bytes:
    return bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body


def handshake(body: bytes) -> bytes:
    return record(0x16, b"\x01" + len(body).to_bytes(3, "big") + body)


def texts(payload: bytes) -> list[str]:
    return [line.text for line in payload_lines(payload)]


def test_the_lines_of_a_head() -> None:
    lines = payload_lines(HEAD)
    assert [HEAD[line.begin : line.end].decode() for line in lines] == [line.text for line in lines]
    assert [line.parts for line in lines] == [
        (FramePart.START_LINE,),
        (FramePart.FIELDS, "host"),
        (FramePart.FIELDS, "x-forwarded-for", FramePart.FORWARDING),
        (FramePart.FIELDS, "content-length", FramePart.FRAMING),
    ]
    assert all(line.secret for line in lines)


def test_a_line_that_is_cut_is_none() -> None:
    assert texts(HEAD[:20]) == ["GET /a HTTP/1.1"]
    assert texts(b"HTTP/1.1 200 OK\r\nServer: x\r\nDa") == ["HTTP/1.1 200 OK", "Server: x"]


@pytest.mark.parametrize("header", [PROXY, V2])
def test_proxy_protocol_stands_before_the_head(header: bytes) -> None:
    first, *head = payload_lines(header + HEAD)
    assert (first.begin, first.end, first.secret) == (0, len(header), False)
    assert first.parts == (FramePart.PROXY_HEADER,)
    assert first.text.endswith("PROXY: 192.0.2.1:4000 → 192.0.2.2:80")
    assert head[0].begin == len(header)


def test_values_of_a_proxy_header_may_be_secret() -> None:
    tlv = b"\xe0\x00\x03abc"
    assert payload_lines(V2[:14] + b"\x00\x12" + V2[16:] + tlv)[0].secret
    assert texts(V2[:-1]) == []


def test_an_alert_in_the_clear_has_a_name() -> None:
    (alert,) = payload_lines(ALERT)
    assert (alert.text, alert.parts) == ("TLS alert, fatal: unrecognized_name", (FramePart.TLS,))
    assert texts(bytes.fromhex("15 0303 0002 01 00")) == ["TLS alert, warning: close_notify"]


def test_an_encrypted_record_has_a_length_only() -> None:
    (alert,) = payload_lines(record(0x15, bytes(19)))
    assert (alert.text, alert.parts) == ("TLS alert, 19 bytes", ())
    assert texts(record(0x17, bytes(9)) + ALERT) == [
        "TLS data, 9 bytes",
        "TLS alert, fatal: unrecognized_name",
    ]


def test_a_hello_names_the_server() -> None:
    assert texts(handshake(HELLO + NAMED)) == ["TLS handshake, ClientHello, server name a.net"]
    assert texts(handshake(HELLO + b"\x00\x00")) == ["TLS handshake, ClientHello, no server name"]


def test_a_hello_that_is_cut_does_not_say_that_it_names_none() -> None:
    assert texts(handshake(HELLO + NAMED)[:-4]) == ["TLS handshake, ClientHello"]


def test_a_handshake_that_is_encrypted_is_no_hello() -> None:
    assert texts(record(0x16, b"\x01\xff\xff\xff" + bytes(60))) == ["TLS handshake, 64 bytes"]


@examples(200)
@given(st.sampled_from([b"", PROXY, V2, ALERT, HEAD[:17], b"\x16\x03\x01"]), st.binary(max_size=90))
def test_lines_stand_in_order_and_inside(begin: bytes, rest: bytes) -> None:
    at = 0
    for line in payload_lines(begin + rest):
        assert at <= line.begin < line.end <= len(begin + rest)
        at = line.end
