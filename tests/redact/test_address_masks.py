"""Laws of the masks of addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lbtrace.redact.address_masks import AddressMask
from lbtrace.redact.search import encoded

MASK = AddressMask(b"k" * 32)
V4 = st.integers(0, (1 << 32) - 1).map(IPv4Address)
V6 = st.integers(0, (1 << 128) - 1).map(IPv6Address)


@given(V4 | V6)
def test_the_text_is_as_long_also_in_the_huffman_code(address: IPv4Address | IPv6Address) -> None:
    text = str(address)
    masked = MASK.text(text)
    assert len(masked) == len(text)
    assert len(encoded(masked.encode())) == len(encoded(text.encode()))
    assert ip_address(masked).packed == MASK.packed(address.packed)


@given(V4, V4)
def test_what_is_shared_stays_shared_octet_by_octet(one: IPv4Address, other: IPv4Address) -> None:
    masked = MASK.packed(one.packed), MASK.packed(other.packed)
    assert shared(*masked) == shared(one.packed, other.packed)


@given(V6, V6, st.integers(0, 16))
def test_and_group_by_group(one: IPv6Address, other: IPv6Address, common: int) -> None:
    second = one.packed[:common] + other.packed[common:]
    masked = MASK.packed(one.packed), MASK.packed(second)
    assert shared(*masked) // 2 == shared(one.packed, second) // 2


def shared(one: bytes, other: bytes) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), len(one))


@given(V4 | V6)
@example(ip_address("198.51.100.80"))
@example(ip_address("192.0.2.1"))
@example(ip_address("198.18.0.1"))
@example(ip_address("2001:db8::17"))
def test_private_addresses_stay_private(address: IPv4Address | IPv6Address) -> None:
    masked = ip_address(MASK.packed(address.packed))
    for network in ("is_global", "is_private", "is_multicast", "is_loopback", "is_link_local"):
        assert getattr(masked, network) == getattr(address, network)


def test_all_of_a_network_stay_different() -> None:
    masked = {MASK.packed(bytes((198, 51, n, 7))) for n in range(256)}
    assert len(masked) == 256
    assert len({each[:2] for each in masked}) == 1
    assert len({MASK.packed(bytes((n, 1, 1, 1))) for n in range(256)}) == 256


@pytest.mark.parametrize(
    "text",
    [
        "X-Forwarded-For: 203.0.113.7, 10.1.2.3:8080",
        'Forwarded: for="[2001:db8:cafe::17]:4711";proto=http',
        "http://198.51.100.80/index.html",
        "PROXY TCP6 2a00:1450::1 2a00:1450:4001:80b::2004 443 80",
        "::ffff:203.0.113.7",
    ],
)
def test_addresses_in_fields_are_found(text: str) -> None:
    masked = MASK.text(text)
    assert masked != text
    assert len(masked) == len(text)
    assert "203.0.113.7" not in masked
    assert "198.51.100.80" not in masked


@pytest.mark.parametrize("text", ["Chrome/120.0.0.1 Safari", "10:15:30", "1.2.3", "v1.2.3.4.5"])
def test_what_is_no_address_stays(text: str) -> None:
    assert MASK.text(text) == text


def test_one_address_has_one_mask_however_it_is_written() -> None:
    long = MASK.text("2a00:1450:4001:080b:0000:0000:0000:2004")
    assert ip_address(long) == ip_address(MASK.text("2a00:1450:4001:80b::2004"))
    capitals = MASK.text("2A00:1450::AB")
    assert capitals.lower() == MASK.text("2a00:1450::ab")
    assert capitals != capitals.lower()
