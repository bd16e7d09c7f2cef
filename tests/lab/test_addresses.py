"""The addresses of an experiment, and how programs write them."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.lab.addresses import IPV4, IPV6, LINKS, AddressPlan, address_of, spelt
from lbtrace.lab.network import in_proc
from lbtrace.model.net import Endpoint

EVERY = pytest.mark.parametrize("addresses", [IPV4, IPV6], ids=["IPv4", "IPv6"])


@given(st.ip_addresses(), st.integers(0, 65535), st.booleans(), st.booleans())
def test_however_a_program_writes_an_address_and_a_port_it_is_one_spelling(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    port: int,
    with_zeros: bool,
    in_brackets: bool,
) -> None:
    text = address.exploded if with_zeros else str(address)
    written = f"[{text}]:{port}" if in_brackets else f"{text}:{port}"
    assert spelt(written) == str(Endpoint(str(address), port))
    assert address_of(spelt(written)) == str(address)


@pytest.mark.parametrize("text", ["", "-", "targets", "unix:", "divide:80", "1.2.3.4", "1.2.3.4:"])
def test_what_is_no_address_with_a_port_stays_as_it_is(text: str) -> None:
    """nginx writes the name of a group when no server of it can be asked."""
    assert spelt(text) == text


@EVERY
def test_both_ends_of_a_link_are_in_one_network_and_all_are_of_one_version(
    addresses: AddressPlan,
) -> None:
    assert len(addresses.links) == len(LINKS)
    given_to = [ipaddress.ip_interface(end) for ends in addresses.links for end in ends]
    assert {each.version for each in given_to} == {addresses.version}
    assert len({each.ip for each in given_to}) == len(given_to)
    for one, other in addresses.links:
        assert ipaddress.ip_interface(one).network == ipaddress.ip_interface(other).network


@EVERY
def test_gateways_and_the_places_of_an_experiment_are_addresses_of_a_host(
    addresses: AddressPlan,
) -> None:
    known = {end.partition("/")[0] for ends in addresses.links for end in ends}
    assert {via for _, _, via in addresses.routes} <= known
    assert {via for _, via in addresses.past_home} <= known
    places = {addresses.front, addresses.node, addresses.instance, addresses.second}
    assert len(places) == 4
    assert places <= known


@pytest.mark.parametrize(
    ("family", "address", "table"),
    [
        (socket.AF_INET, "127.0.0.1", "/proc/self/net/tcp"),
        (socket.AF_INET6, "::1", "/proc/self/net/tcp6"),
    ],
)
def test_an_address_is_found_in_proc_as_the_kernel_writes_it(
    family: int, address: str, table: str
) -> None:
    try:
        listening = socket.create_server((address, 0), family=family)
    except OSError as error:
        pytest.skip(f"nobody can listen on {address} here: {error}")
    with listening, open(table, encoding="ascii") as rows:
        wanted = f"{in_proc(address)}:{listening.getsockname()[1]:04X}"
        assert wanted in {row.split()[1] for row in rows}
