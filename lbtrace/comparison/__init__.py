"""Two sides and their Correlation → the questions that findings and verdict ask, answered once.

A `Comparison` indexes what the stages measured and judges nothing. Each module knows only those
above it:

    sides          the capture points, and what a Ref or a number in their columns stands for
    once           what several judges ask is worked out once
    pairs          what belongs together, as columns: `pairs`, `request_heads`, `connection_pairs`,
                   `joined_connections`
    field_values   the values of a header field on both sides of each pair, as columns
    frames         the frames behind a claim, as Evidence
    claims         the values of a sentence
    nat            the addresses by which a client is known behind a NAT
    passed_on      whether the only capture was taken on a balancer, and holds both of its sides
    proxies        which messages came through a proxy, and so where one capture alone was taken
    checks         which exchanges and connections are health checks
    counts         SYNs, connections and requests of each side
    arrival        in how many parts, and over what time, messages came
    unanswered     what was sent again and again and never acknowledged
    latency        the time that the balancer added
    not_compared   what no pair tells, where sentences say that nothing was changed
    summary        what pairs and exchanges without a partner add up to

This file adds what needs several of them: which connections belong to another client.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from lbtrace.comparison.field_values import ABSENT, FieldValues, field_values, present
from lbtrace.comparison.frames import FRAMES_PER_SIDE, Frames, evidence, first_frames, frame_filter
from lbtrace.comparison.latency import Latencies
from lbtrace.comparison.once import once
from lbtrace.comparison.pairs import (
    ConnectionPairs,
    Pair,
    PairedConnections,
    Pairs,
    confidence_of,
)
from lbtrace.comparison.proxies import Proxies
from lbtrace.comparison.summary import Summaries
from lbtrace.comparison.unanswered import UnansweredSides
from lbtrace.model.net import Side
from lbtrace.model.pairing import ConnectionBasis
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, among, distinct
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.pairs import PairTable

__all__ = [
    "ABSENT",
    "FRAMES_PER_SIDE",
    "Comparison",
    "ConnectionPairs",
    "FieldValues",
    "Pair",
    "PairedConnections",
    "Pairs",
    "confidence_of",
    "evidence",
    "field_values",
    "first_frames",
    "frame_filter",
    "once",
    "present",
]


class Comparison(Frames, Summaries, Latencies, Proxies, UnansweredSides):
    """Everything the two sides show, or the only one of them that was captured, with the indexes
    that several judges need.
    """

    @cached_property
    def _paired_sources(self) -> Column:
        """The addresses (their numbers) that backend connections of pairs come from, whatever the
        confidence of these.
        """
        backend, pairs = self.sides[1], PairTable.of(self.correlation.pairs)
        tried = backend.numbers(pairs.backend_point, pairs.backend)
        named = self.connection_numbers(
            Side.BACKEND, [p.backend for p in self.correlation.connection_pairs]
        )
        return distinct(backend.client_address[np.concatenate((backend.connection[tried], named))])

    @cached_property
    def sources(self) -> frozenset[str]:
        """The addresses that paired backend connections come from: the balancer's own, or the
        clients' where the balancer keeps them.
        """
        return frozenset(self.sides[1].words.text_list[i] for i in self._paired_sources.tolist())

    @cached_property
    def from_other_clients(self) -> Column:
        """Per backend connection: whether it comes from an address that no paired connection comes
        from. It is another client's, perhaps straight to the backend, and says nothing about the
        balancer.
        """
        sources, addresses = self._paired_sources, self.sides[1].client_address
        others: Column = (
            ~among(addresses, sources) if len(sources) else np.zeros(len(addresses), bool)
        )
        return others

    def used(self, side: Side) -> Column:
        """Per connection of a side, whether it carries an exchange."""
        table = self.table(side)
        used: Column = np.bincount(table.connection, minlength=len(table.client_address)) > 0
        return used

    def carried(self, side: Side) -> Column:
        """Per connection of a side, whether either end sent a byte."""
        table = self.table(side)
        carried: Column = (table.of_ends("bytes", server=False) > 0) | (
            table.of_ends("bytes", server=True) > 0
        )
        return carried

    def pairs_that_carried(self, pairs: ConnectionPairs) -> Column:
        """Per pair of connections, whether an end of either sent a byte."""
        carried: Column = (
            self.carried(Side.CLIENT)[pairs.client] | self.carried(Side.BACKEND)[pairs.backend]
        )
        return carried

    @cached_property
    def same_captures(self) -> list[tuple[Trace, Trace]]:
        """Client captures that are given as backend captures too: the same packets at the same
        times.
        """
        client, backend = self.sides
        return [
            (trace, twin)
            for trace, one in zip(self.clients, client.connections, strict=True)
            for twin, other in zip(self.backends, backend.connections, strict=True)
            if (trace.first_ns, trace.last_ns) == (twin.first_ns, twin.last_ns)
            and len(one) > 0
            and _same_connections(one, other)
        ]

    @cached_property
    def passes_packets(self) -> bool:
        """Whether the packets of every paired connection were passed on. Then one of its two ends
        closes a connection, not the balancer.
        """
        pairs = self.connection_pairs
        return len(pairs) > 0 and bool(pairs.by(ConnectionBasis.SAME_PACKETS).all())


def _same_connections(one: ConnectionTable, other: ConnectionTable) -> bool:
    """Whether two captures show the same connections with as many packets, from the same time to
    the nanosecond.
    """
    if len(one) != len(other) or not np.array_equal(one.first_ns, other.first_ns):
        return False
    ports = np.array_equal(one.client_port, other.client_port) and np.array_equal(
        one.server_port, other.server_port
    )
    isns = np.array_equal(one.ends.isn[0::2], other.ends.isn[0::2])
    named = all(
        [one.addresses[i] for i in a.tolist()] == [other.addresses[i] for i in b.tolist()]
        for a, b in ((one.client, other.client), (one.server, other.server))
    )
    return ports and isns and named and np.array_equal(one.ends.packets, other.ends.packets)
