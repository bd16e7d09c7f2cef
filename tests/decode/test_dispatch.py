"""The dispatch tables: one outcome for each number, and a packet in the tests for each step."""

from __future__ import annotations

import pytest

from lbtrace.decode import dispatch
from lbtrace.decode.dispatch import (
    FAST_IP_PROTOCOLS,
    FAST_LINKS,
    FAST_UDP_PORTS,
    IP_PROTOCOLS,
    LINK_TYPES,
    UDP_PORTS,
    DispatchTable,
)
from lbtrace.decode.ethernet import LEAST_ETHERTYPE
from lbtrace.decode.fragments import Fragments
from lbtrace.decode.icmp import ERRORS
from lbtrace.decode.packet import Outcome, Packet, Skip
from lbtrace.decode.slow_path import dissect
from tests.decode import (
    test_ethernet,
    test_gre,
    test_ieee80211,
    test_ip,
    test_ip_tunnels,
    test_ppp,
    test_rare_links,
    test_tags,
    test_udp_tunnels,
)

ON_LINKS = [
    case
    for module in (test_ethernet, test_ieee80211, test_ip, test_ppp, test_rare_links)
    for case in module.LINKS
]
ON_ETHERNET = [
    (1, packet)
    for module in (test_gre, test_ip_tunnels, test_ppp, test_tags, test_udp_tunnels)
    for packet, _, _ in module.CASES
]
TABLES = ("LINK_TYPES", "ETHERTYPES", "IP_PROTOCOLS", "UDP_PORTS", "PPP_PROTOCOLS")


def nothing(packet: Packet) -> Outcome:
    return Skip("nothing")


def test_a_number_has_one_outcome() -> None:
    table = DispatchTable(lambda number: f"number {number}")
    table.register(1, 2)(nothing)
    table.skip({3: "three"})
    assert [table[n] for n in range(5)] == [
        Skip("number 0"),
        nothing,
        nothing,
        Skip("three"),
        Skip("number 4"),
    ]
    assert [n in table for n in range(5)] == [False, True, True, False, False]
    assert table.numbers() == [1, 2]
    for number in (1, 3):
        with pytest.raises(ValueError, match="twice"):
            table.register(number)(nothing)
        with pytest.raises(ValueError, match="twice"):
            table.skip({number: "again"})


def test_every_number_that_is_read_has_a_packet_here(monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[tuple[int, int]] = set()
    get = DispatchTable.__getitem__

    def recorded(table: DispatchTable, number: int) -> Outcome:
        used.add((id(table), number))
        return get(table, number)

    monkeypatch.setattr(DispatchTable, "__getitem__", recorded)
    for link, data in [*ON_LINKS, *ON_ETHERNET]:
        packet = Packet(data, 0, len(data), len(data), link, fragments=Fragments())
        assert isinstance(dissect(packet), tuple)
    for name in TABLES:
        table = getattr(dispatch, name)
        read = {n for n in table.numbers() if name != "ETHERTYPES" or n >= LEAST_ETHERTYPE}
        if name == "IP_PROTOCOLS":
            read -= set(ERRORS)  # ICMP carries no TCP: tests/decode/test_icmp.py
        assert read == {n for t, n in used if t == id(table) and n in read}, name


def test_the_fast_path_reads_nothing_that_the_slow_path_does_not() -> None:
    assert all(number in LINK_TYPES for number in FAST_LINKS)
    assert all(number in IP_PROTOCOLS for number in FAST_IP_PROTOCOLS)
    assert all(number in UDP_PORTS for number in FAST_UDP_PORTS)
