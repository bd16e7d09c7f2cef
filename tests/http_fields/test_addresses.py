"""The addresses that a value states: any spelling of an address gives the same one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http_fields import FORWARDED, X_FORWARDED_FOR, X_REAL_IP
from lbtrace.http_fields.addresses import (
    Node,
    addresses_in,
    is_public,
    node,
    nodes,
    stated_addresses,
    stated_hosts,
)

Address = IPv4Address | IPv6Address
HIDDEN = st.sampled_from(("unknown", "_hidden", "_SEVKISEK", "_gazonk:_port", "unknown:80"))


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """An address as RFC 5952 writes it, and in any other way that means the same."""
    address: Address = draw(st.ip_addresses().filter(_is_not_mapped))
    written: tuple[str, ...]
    if isinstance(address, IPv4Address):
        mapped = IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
        written = (str(address), f"::ffff:{address}", str(mapped), mapped.exploded)
    else:
        hextets = address.exploded.split(":")
        short = ":".join(part.lstrip("0") or "0" for part in hextets)
        written = (str(address), address.exploded, short)
    text = draw(st.sampled_from(written))
    return str(address), text.upper() if draw(st.booleans()) else text


def _is_not_mapped(address: Address) -> bool:
    return isinstance(address, IPv4Address) or address.ipv4_mapped is None


@st.composite
def written_nodes(draw: st.DrawFn) -> tuple[Node, str]:
    """A node, and one way to write it."""
    address, text = draw(spellings())
    port = draw(st.integers(0, 65535))
    if ":" not in text:
        return Node(address, port), f"{text}:{port}" if port else text
    if port:
        return Node(address, port), f"[{text}]:{port}"
    return Node(address), draw(st.sampled_from((text, f"[{text}]", f"[{text}]:_obf")))


@given(written_nodes())
def test_a_node_is_its_address_and_port_however_it_is_written(given_: tuple[Node, str]) -> None:
    expected, text = given_
    assert node(text) == expected
    assert node(f" {text}\t") == expected


@given(st.lists(written_nodes() | st.tuples(st.none(), HIDDEN), min_size=1, max_size=5), st.data())
def test_a_list_states_its_nodes_in_order(
    listed: list[tuple[Node | None, str]], data: st.DataObject
) -> None:
    expected = tuple(stated for stated, _ in listed)
    comma = data.draw(st.sampled_from((",", ", ", " ,\t", ", ,")))
    assert nodes(X_FORWARDED_FOR, comma.join(text for _, text in listed)) == expected
    elements = [
        data.draw(st.sampled_from(('for="{}"', 'proto=http; For="{}"', 'FOR="{}";by=192.0.2.9')))
        for _ in listed
    ]
    value = comma.join(e.format(text) for e, (_, text) in zip(elements, listed, strict=True))
    assert nodes(FORWARDED, value) == expected
    assert stated_addresses(FORWARDED, value) == tuple(n.address for n in expected if n)


@pytest.mark.parametrize(
    ("name", "value", "stated"),
    [
        # the examples of RFC 7239 §4, §6 and §7.1
        (FORWARDED, 'for="_gazonk"', (None,)),
        (FORWARDED, 'For="[2001:db8:cafe::17]:4711"', (Node("2001:db8:cafe::17", 4711),)),
        (FORWARDED, "for=192.0.2.60;proto=http;by=203.0.113.43", (Node("192.0.2.60"),)),
        (
            FORWARDED,
            "for=192.0.2.43, for=198.51.100.17",
            (Node("192.0.2.43"), Node("198.51.100.17")),
        ),
        (
            FORWARDED,
            'for=192.0.2.43,for="[2001:db8:cafe::17]",for=unknown',
            (Node("192.0.2.43"), Node("2001:db8:cafe::17"), None),
        ),
        # the proxy's own address is no client's, nor is one inside another value
        (FORWARDED, "by=203.0.113.43", (None,)),
        (FORWARDED, 'host="for=192.0.2.1, for=192.0.2.2";for=192.0.2.3', (Node("192.0.2.3"),)),
        (FORWARDED, 'for="192.0.2.4\\"', (None,)),
        (X_FORWARDED_FOR, "", ()),
        (X_FORWARDED_FOR, "192.0.2.1, ", (Node("192.0.2.1"),)),
        (X_FORWARDED_FOR, '"192.0.2.1"', (Node("192.0.2.1"),)),
        (X_REAL_IP, "fe80::1%eth0", (Node("fe80::1"),)),
        (X_REAL_IP, "192.0.2.1:0", (Node("192.0.2.1", 0),)),
        (X_REAL_IP, "192.0.2.1:00080", (Node("192.0.2.1", 80),)),
    ],
)
def test_what_a_field_states(name: str, value: str, stated: tuple[Node | None, ...]) -> None:
    assert nodes(name, value) == stated


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "host",
            "1.2.3",
            "1.2.3.4:x",
            "1.2.3.4:65536",
            "1.2.3.4:000080",
            "1.2.3.4:²",
            "01.2.3.4",
            "a.b.c.d",
        ),
        *("[::1", "[::1]x", "[::1]:80:80", "[1", "12345::1", ":80", "::1::"),
    ],
)
def test_what_is_no_node_states_nothing(text: str) -> None:
    assert node(text) is None


@given(st.text(alphabet='for=192.0:[]",;\\ _%x', max_size=40))
def test_no_value_is_too_odd(value: str) -> None:
    for name in (FORWARDED, X_FORWARDED_FOR):
        assert all(found is None or addresses_in(found.address) for found in nodes(name, value))


def test_hosts_of_forwarded() -> None:
    value = 'for=192.0.2.1;host=a.example, host="b.example:8080";proto=https, for=192.0.2.2'
    assert stated_hosts(value) == ("a.example", "b.example:8080")
    # what separates stands in quotes, beside a quote that is no end
    assert stated_hosts('"x";host="a=b", host="c\\",d;e", host=f') == ("a=b", 'c",d;e', "f")
    assert stated_hosts('host="\\"", host="\\\\", host=a') == ('"', "\\", "a")


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("203.0.113.7", ("203.0.113.7",)),
        ("203.0.113.7:4711, 10.0.0.1", ("203.0.113.7", "10.0.0.1")),
        ('for="[2001:DB8::1]:4711";proto=http, for=198.51.100.2', ("2001:db8::1", "198.51.100.2")),
        ("fe80::1", ("fe80::1",)),
        ("::ffff:192.0.2.1", ("192.0.2.1",)),
        ("::1", ("::1",)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", ()),
        ("1.2.3.400", ()),
        ("12345::1", ()),
        ("unknown, _hidden", ()),
    ],
)
def test_addresses_in_a_value(value: str, addresses: tuple[str, ...]) -> None:
    assert addresses_in(value) == addresses


@given(st.ip_addresses().filter(lambda a: a.version == 4 or a.ipv4_mapped is None))
def test_any_address_is_found_as_it_is_written(address: object) -> None:
    assert addresses_in(f"by=x;for={address},") == (str(address),)


@pytest.mark.parametrize("part", ["a", "1", ":", "a:", "1.", "[a", "a.:"])
def test_a_long_value_is_read_in_one_pass(part: str) -> None:
    """Where every position were looked at from every other, this would take minutes."""
    assert set(addresses_in(part * (200_000 // len(part)))) <= {"1.1.1.1"}


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("10.0.0.1", False), ("fe80::1", False), ("nobody", False)],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public
