"""Is the source address of a backend connection the client's own, as changed by a NAT?

    client (its own capture) ─▶ NAT ─▶ balancer ─▶ backend

The balancer sees the NAT's address and states it as the client's. If only addresses were compared,
the client's address would look rewritten, or the balancer's statement false. This module decides
what a NAT can have changed, from the AddressMappings of the Topology and from which addresses are
routed on the internet (RFC 1918, RFC 6598).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from lbtrace.comparison.pairs import PairedSides
from lbtrace.http_fields.addresses import is_loopback, is_public, node, parse
from lbtrace.model.pairing import AddressMapping
from lbtrace.tables.columns import Column, distinct, first_met
from lbtrace.tables.words import joint


class Addresses(PairedSides):
    """Two sides, and the addresses by which clients are known."""

    @cached_property
    def check_sources(self) -> frozenset[str]:
        """Addresses that health checks come from: the balancer's own."""
        return frozenset(check.source for check in self.correlation.health_checks)

    @cached_property
    def _believed(self) -> list[AddressMapping]:
        """The mappings that can be true: a client that reaches the backend under its own address
        has no other one behind a NAT.
        """
        (client, backend), pairs, connections = self.sides, self.pairs, self.connection_pairs
        address = client.client_address[
            np.concatenate((pairs.client_connection, connections.client))
        ]
        source = backend.client_address[
            np.concatenate((pairs.backend_connection, connections.backend))
        ]
        own = {client.words.text_list[i] for i in distinct(address[address == source]).tolist()}
        return [
            m
            for m in self.correlation.topology.mappings
            if m.client not in own or m.seen_as == m.client
        ]

    @cached_property
    def seen_as(self) -> dict[str, frozenset[str]]:
        """Client address in its own capture → the addresses it is known by behind the balancer, its
        own included.
        """
        known: dict[str, set[str]] = {}
        for mapping in self._believed:
            known.setdefault(mapping.client, {mapping.client}).add(mapping.seen_as)
        return {client: frozenset(addresses) for client, addresses in known.items()}

    def addresses_of(self, client: str) -> frozenset[str]:
        """Every address a client is known by."""
        return self.seen_as.get(client, frozenset((client,)))

    def behind_nat(self, clients: Column, backends: Column) -> Column:
        """Per client connection and backend connection (their numbers): whether the source that the
        backend sees can only be the client, as a NAT in front of the balancer shows it.

        The client's own address is private, the source is public, and nothing says the source is
        the balancer: it is not the address the client connected to, no health check comes from it,
        and the backend itself is on a private address, so a balancer beside it would be too. A
        PROXY header or a forwarding field that names the same address says so directly.
        """
        client, backend = self.sides
        ends = (
            client.client_address[clients],
            client.server_address[clients],
            backend.client_address[backends],
            backend.server_address[backends],
        )
        first, which = first_met(joint(*ends))
        named = client.words.text_list.__getitem__
        shown = [
            self._is_behind_nat(*map(named, row))
            for row in zip(*(end[first].tolist() for end in ends), strict=True)
        ]
        return np.array(shown, bool)[which]

    def _is_behind_nat(self, client: str, balancer: str, source: str, backend: str) -> bool:
        if source in (client, balancer) or source in self.check_sources:
            return False
        return (client, source) in self._stated or (
            is_public(source) and not is_public(client) and not is_public(backend)
        )

    @cached_property
    def _stated(self) -> frozenset[tuple[str, str]]:
        """(client address, address the balancer states for it)."""
        return frozenset(
            (m.client, m.seen_as)
            for m in self.correlation.topology.mappings
            if m.stated_by is not None
        )

    @cached_property
    def nat_mappings(self) -> list[AddressMapping]:
        """The mappings that mean a NAT before the balancer: another address, and not one of the
        balancer's own (a loopback address is: no packet from elsewhere has it) or another client's,
        nor one that the client's own PROXY header names.
        """
        own = {
            *self.correlation.topology.balancer_back,
            *(f.address for f in self.correlation.topology.fronts),
            *self.check_sources,
        }
        own |= self.sides[
            0
        ].hosts  # another client that was captured: its request was taken for this one's
        own |= self._named_by_clients
        found = []
        for mapping in self._believed:
            if parse(mapping.client) == parse(mapping.seen_as):
                continue
            if (
                (mapping.client, mapping.seen_as) in self._sources_behind_nat
                if mapping.stated_by is None
                else mapping.seen_as not in own and not is_loopback(mapping.seen_as)
            ):
                found.append(mapping)
        return found

    @cached_property
    def _named_by_clients(self) -> set[str]:
        """Addresses that PROXY headers of the client side name: the senders there speak for others,
        and the balancer passes on what they say.
        """
        named = (
            node(header.source)
            for trace in self.sides[0].traces
            for application in trace.applications
            for header in application.proxy
            if header.source
        )
        return {each.address for each in named if each is not None}

    @cached_property
    def _sources_behind_nat(self) -> frozenset[tuple[str, str]]:
        """(client address, source behind the balancer) whose first two connections show the client
        behind a NAT.
        """
        (client, backend), joined = self.sides, self.joined_connections
        address, source = (
            client.client_address[joined.client],
            backend.client_address[joined.backend],
        )
        first, _ = first_met(joint(address, source))
        shown = first[self.behind_nat(joined.client[first], joined.backend[first])]
        text = client.words.text_list
        return frozenset(
            (text[a], text[b])
            for a, b in zip(address[shown].tolist(), source[shown].tolist(), strict=True)
        )

    def is_stated(self, client: str) -> bool:
        """Whether the balancer states an address for this client, true or not. The source address
        that a backend sees is no statement.
        """
        return any(named == client for named, _ in self._stated)

    def may_be_behind_nat(self, client: str, stated: Iterable[str]) -> bool:
        """True when a stated address could be how a NAT shows this client: the client's own address
        is private and the stated one public.
        """
        return not is_public(client) and any(is_public(address) for address in stated)
