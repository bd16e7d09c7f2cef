"""Two sides and their Correlation → the questions that findings and verdict ask, answered once.

A `Comparison` indexes what the stages measured and judges nothing. It is made of rooms that know
only those before them:

    sides      the capture points, and what a Ref or a number in their columns stands for
    matches    what belongs together, as columns: `matches`, `request_heads`, `connection_matches`,
               `joined`
    said       what a header field says on both sides of each match, as columns
    frames     the frames behind a claim, as Evidence
    nat        by which addresses a client is known behind a NAT
    checks     which exchanges and connections are health checks
    counts     SYNs, connections and requests of each side
    latency    what the balancer added

This page adds what needs several of them: which connections are another client's.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from lbtrace.comparison.counts import Counts
from lbtrace.comparison.frames import FRAMES_PER_SIDE, Frames, evidence, first_frames, frame_filter
from lbtrace.comparison.latency import Latencies
from lbtrace.comparison.matches import (
    ConnectionMatch,
    ConnectionMatches,
    Match,
    Matches,
    confidence_of,
)
from lbtrace.comparison.nat import Addresses
from lbtrace.comparison.said import Said, present, said
from lbtrace.model.net import Side
from lbtrace.model.pairing import ConnectionBasis
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, among, distinct
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.pairs import PairTable

__all__ = [
    "FRAMES_PER_SIDE",
    "Comparison",
    "ConnectionMatch",
    "ConnectionMatches",
    "Match",
    "Matches",
    "Said",
    "confidence_of",
    "evidence",
    "first_frames",
    "frame_filter",
    "present",
    "said",
]


class Comparison(Frames, Addresses, Counts, Latencies):
    """Everything the two sides show, with the indexes that several judges need."""

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
        """Addresses that paired backend connections come from: the balancer's, or those of clients
        where they are kept.
        """
        return frozenset(self.sides[1].words.text_list[i] for i in self._paired_sources.tolist())

    @cached_property
    def strangers(self) -> Column:
        """Per backend connection, whether it is from an address that no paired connection comes
        from: another client's, perhaps straight to the backend. What was done there was not the
        balancer's doing, as far as is known.
        """
        sources, addresses = self._paired_sources, self.sides[1].client_address
        strange: Column = (
            ~among(addresses, sources) if len(sources) else np.zeros(len(addresses), bool)
        )
        return strange

    def used(self, side: Side) -> Column:
        """Per connection of a side, whether it carries an exchange."""
        table = self.table(side)
        used: Column = np.bincount(table.connection, minlength=len(table.client_address)) > 0
        return used

    @cached_property
    def same_captures(self) -> list[tuple[Trace, Trace]]:
        """Client captures that are given as backend captures too: the same packets at the same
        times.
        """
        client, backend = self.sides
        return [
            (front, back)
            for front, one in zip(self.clients, client.connections, strict=True)
            for back, other in zip(self.backends, backend.connections, strict=True)
            if (front.first_ns, front.last_ns) == (back.first_ns, back.last_ns)
            and len(one) > 0
            and _same_connections(one, other)
        ]

    @cached_property
    def passes_packets(self) -> bool:
        """True when the packets of every paired connection were passed on: what closes a connection
        then is one of its ends, not the balancer.
        """
        pairs = self.connection_matches
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
