"""PROXY protocol headers: every form that is sent, and what is malformed stays payload."""

from __future__ import annotations

import struct

import pytest

from lbtrace.http import proxy_protocol
from lbtrace.http.proxy_protocol import SIGNATURE, crc32c
from lbtrace.model.http import Protocol, ProxyHeader
from tests.http.streams import Heard, Talk, get, hear, ok, story

IPV4 = bytes([1, 240, 235, 98, 172, 31, 11, 95]) + struct.pack(">HH", 51234, 80)


def v2(
    addresses: bytes = IPV4, family: int = 0x11, command: int = 0x21, tlvs: bytes = b""
) -> bytes:
    return (
        SIGNATURE
        + bytes([command, family])
        + struct.pack(">H", len(addresses) + len(tlvs))
        + addresses
        + tlvs
    )


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack(">BH", kind, len(value)) + value


def with_crc(build: bytes) -> bytes:
    """The header with its CRC32c filled in; the TLV is the last."""
    return build[:-4] + struct.pack(">I", crc32c(build))


def heard(header: bytes) -> Heard:
    return hear(Talk().client(header + get("/a")).server(ok(b"x")))


def header(raw: bytes) -> ProxyHeader:
    result = heard(raw)
    assert story(result) == [("/a", 200)]
    (found,) = result.applications[0].proxy
    assert found.length == len(raw)
    return found


@pytest.mark.parametrize(
    ("line", "source", "destination"),
    [
        (
            b"PROXY TCP4 1.240.235.98 172.31.11.95 51234 80\r\n",
            "1.240.235.98:51234",
            "172.31.11.95:80",
        ),
        (
            b"PROXY TCP6 2001:db8::1 2001:db8::2 51234 80\r\n",
            "[2001:db8::1]:51234",
            "[2001:db8::2]:80",
        ),
        (b"PROXY UNKNOWN\r\n", None, None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None, None),
    ],
)
def test_version_1(line: bytes, source: str | None, destination: str | None) -> None:
    found = header(line)
    assert (found.version, found.source, found.destination) == (1, source, destination)


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 1.2.3.4 5.6.7.8 99999 80\r\n",
        b"PROXY TCP4 ::1 ::2 1 2\r\n",
        b"PROXY TCP4 1.2.3.4\r\n",
        b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
    ],
)
def test_a_malformed_line_is_said(line: bytes) -> None:
    result = heard(line)
    assert result.applications[0].proxy == ()
    assert "proxy-protocol-malformed" in result.slugs


def test_version_2_over_ipv4() -> None:
    found = header(v2())
    assert found == ProxyHeader(2, "PROXY", "1.240.235.98:51234", "172.31.11.95:80", (), 28, 1)


def test_version_2_over_ipv6_and_unix() -> None:
    six = bytes(15) + b"\1" + bytes(15) + b"\2" + struct.pack(">HH", 1, 2)
    assert header(v2(six, 0x21)).source == "[::1]:1"
    unix = b"/run/a".ljust(108, b"\0") + b"/run/b".ljust(108, b"\0")
    assert header(v2(unix, 0x31)).destination == "/run/b"


def test_local_states_no_address() -> None:
    found = header(v2(b"", 0x00, 0x20))
    assert (found.command, found.source) == ("LOCAL", None)


def test_tlvs_are_kept_and_known_ones_read() -> None:
    ssl = (
        b"\x01"
        + bytes(4)
        + tlv(0x21, b"TLSv1.3")
        + tlv(0x22, b"client.example")
        + tlv(0x23, b"TLS_AES_128_GCM_SHA256")
    )
    tlvs = (
        tlv(0x01, b"h2")
        + tlv(0x02, b"shop.example")
        + tlv(0x05, b"\x01\x02")
        + tlv(0x20, ssl)
        + tlv(0xEA, b"\x01vpce-08d2bf15fac5001c9")
        + tlv(0xEE, b"\x01" + struct.pack("<I", 33554434))
        + tlv(0x04, b"\0\0")
    )
    found = header(v2(tlvs=tlvs))
    assert [kind for kind, _ in found.tlvs] == [
        0x01,
        0x02,
        0x05,
        0x20,
        0x21,
        0x22,
        0x23,
        0xEA,
        0xEE,
        0x04,
    ]
    assert dict(found.facts) == {
        "alpn": "h2",
        "authority": "shop.example",
        "unique-id": "0102",
        "ssl-version": "TLSv1.3",
        "ssl-common-name": "client.example",
        "ssl-cipher": "TLS_AES_128_GCM_SHA256",
        "aws-vpc-endpoint": "vpce-08d2bf15fac5001c9",
        "azure-link-id": "33554434",
    }
    assert found.crc_ok is None


def test_the_checksum_is_verified() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    good = with_crc(v2(tlvs=tlv(0x03, bytes(4))))
    assert header(good).crc_ok is True
    bad = good[:20] + b"\xff" + good[21:]
    assert header(bad).crc_ok is False
    assert "proxy-protocol-malformed" in heard(bad).slugs


def test_of_many_checksums_one_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs as much as the header is long."""
    many = with_crc(v2(tlvs=tlv(0x03, bytes(4)) * 50))
    computed = []

    def counted(data: bytes) -> int:
        computed.append(data)
        return crc32c(data)

    monkeypatch.setattr(proxy_protocol, "crc32c", counted)
    found = proxy_protocol.header_of(many)
    assert found is not None
    assert found.crc_ok is True
    assert len(computed) == 1


def test_a_checksum_that_fits_fits_the_header_with_other_addresses() -> None:
    for raw, fits in (
        (with_crc(v2(tlvs=tlv(0x03, bytes(4)))), True),
        (v2(tlvs=tlv(0x03, b"odd!")), False),
        (v2(), None),
    ):
        other = proxy_protocol.with_addresses(raw, lambda packed: packed[::-1], str)
        assert len(other) == len(raw)
        found = proxy_protocol.header_of(other)
        assert found is not None
        assert (found.source, found.crc_ok) == ("98.235.240.1:51234", fits)
        assert other.endswith(b"odd!") == raw.endswith(b"odd!")


def test_proxies_stack_their_headers() -> None:
    result = heard(v2() + b"PROXY TCP4 9.9.9.9 8.8.8.8 1 2\r\n")
    assert [h.source for h in result.applications[0].proxy] == ["1.240.235.98:51234", "9.9.9.9:1"]
    assert story(result) == [("/a", 200)]


def test_a_tlv_that_does_not_fit_is_malformed() -> None:
    result = heard(v2(tlvs=b"\x02\xff\xffabc"))
    assert result.applications[0].proxy == ()
    assert story(result) == [("/a", 200)]
    assert "proxy-protocol-malformed" in result.slugs


def test_a_header_alone_and_a_cut_one() -> None:
    alone = hear(Talk().client(v2()))
    assert alone.applications[0].protocol is Protocol.NONE
    assert len(alone.applications[0].proxy) == 1
    cut = hear(Talk().client(v2()[:20]))
    assert cut.applications[0].proxy == ()


def test_in_front_of_tls_and_http_2() -> None:
    tls = hear(
        Talk()
        .client(v2() + b"\x16\x03\x01\0\x05\x01\0\0\x01\0")
        .server(b"\x15\x03\x01\0\x02\x02\x32")
    )
    assert tls.applications[0].protocol is Protocol.TLS
    assert len(tls.applications[0].proxy) == 1
    two = hear(Talk().client(v2() + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"))
    assert two.applications[0].protocol is Protocol.HTTP2
    assert len(two.applications[0].proxy) == 1


def test_no_more_than_eight_are_taken_for_headers() -> None:
    line = b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"
    for count, taken in ((8, 8), (9, 8)):
        heard = hear(Talk().client(line * count + get("/a")).server(ok(b"x")))
        assert len(heard.applications[0].proxy) == taken
