"""The exchanges of a side as columns: one row per exchange, numbered through the capture points of
the side.

Pairing and judging ask the same few things of every exchange again and again: when, how large,
whose, with which lines. A walk over hundreds of thousands of tuples for each question costs more
than the question, so `sides` reads all of it once, and both sides number what they share alike
(`Words`): the same line, target or body has the same number in front of the balancer and behind it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import chain

import numpy as np

from lbtrace.model.http import Exchange
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import Ref
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, RowsByKey, among
from lbtrace.tables.connections import LATER, NEVER, ConnectionTable
from lbtrace.tables.exchanges import NO_STREAM
from lbtrace.tables.messages import Messages
from lbtrace.tables.rows import rows_of
from lbtrace.tables.table import Table, column, part, shared, table
from lbtrace.tables.words import Words

_PORT_BITS = 16
_PORTS = (1 << _PORT_BITS) - 1


ENDS = ("fin", "rst")  # what ends a connection


def _nothing() -> Column:
    return np.zeros(0, np.int64)


@table
class SideTable(Table):
    """One row per exchange of a side. Exchanges and connections are numbered through the points: a
    number is `first_of[point]`, or `first_connection[point]`, and the id in the trace of the point.
    """

    traces: Sequence[Trace] = shared("the capture points")
    words: Words = shared("what is numbered alike on both sides", Words)
    first_of: list[int] = shared("per point the number of its first exchange")
    first_connection: list[int] = shared("per point the number of its first connection")
    connections: list[ConnectionTable] = shared("per point its connections")
    client_address: Column = shared(
        "per connection the address of its client, number in `Words.texts`", _nothing
    )
    server_address: Column = shared(
        "per connection the address of its server, number in `Words.texts`", _nothing
    )
    point: Column = column("i8", "capture point")
    connection: Column = column("i8", "number of the connection")
    marks: Column = column("i8", "what is unusual about it", "sum of `bits_of`")
    interim: Column = column("?", "it had an interim response")
    stream: Column = column("i8", "HTTP/2 stream", none=NO_STREAM)
    requests: Messages = part("the requests")
    responses: Messages = part("the responses")

    @cached_property
    def id(self) -> Column:
        """The id of each exchange in the trace of its point."""
        return np.arange(len(self)) - self.numbers(self.point, np.zeros(len(self), np.int64))

    def numbers(self, points: Column, ids: Column) -> Column:
        """Points and ids in their traces → the numbers of the exchanges."""
        numbered: Column = np.array([*self.first_of, 0], np.int64)[points] + ids
        return numbered

    def ref(self, number: int) -> Ref:
        """Where an exchange is."""
        point = int(self.point[number])
        return Ref(point, number - self.first_of[point])

    def exchange(self, number: int) -> Exchange:
        """An exchange, as an object."""
        point, number = self.ref(number)
        return self.traces[point].exchanges[number]

    def trace_of(self, number: int) -> Trace:
        """The trace that an exchange is in."""
        return self.traces[int(self.point[number])]

    def connection_of(self, number: int) -> Connection:
        """The connection of an exchange."""
        point, number = self.connection_ref(int(self.connection[number]))
        return self.traces[point].connections[number]

    def of_connections(self, name: str) -> Column:
        """A column of the connections of all points."""
        return _end_to_end([getattr(table, name) for table in self.connections])

    def of_ends(self, name: str, server: bool) -> Column:
        """A column of one end of the connections of all points."""
        return _end_to_end(
            [getattr(table.ends, name)[int(server) :: 2] for table in self.connections]
        )

    def ended_ns(self, server: bool, *by: str) -> Column:
        """When one end of each connection ended it, by FIN or RST (or `by` one of "fin" and "rst");
        LATER where it did not. What acknowledges the FIN of the other end came no sooner than that,
        whatever the times say. Of two ends that ended it at the same time, as a clock of coarse
        resolution says, the one that did so later has a nanosecond more: the one that acknowledges
        the other's FIN, else the one later in the file.
        """
        first, frame = self._ended(server, by or ENDS)
        other, its = self._ended(not server, ENDS)
        answers, answered = (self.of_ends("answers_fin", end) for end in (server, not server))
        behind = answers | (~answered & (frame > its))
        later: Column = np.where((first == other) & (first != LATER) & behind, first + 1, first)
        return later

    def _ended(self, server: bool, by: Sequence[str]) -> tuple[Column, Column]:
        """When, and in which frame, one end first ended each connection in one of these ways."""
        times = np.array([self.of_ends(f"{what}_ns", server) for what in by])
        times[times == NEVER] = LATER
        frames = np.array([self.of_ends(f"{what}_frame", server) for what in by])
        sooner, each = times.argmin(axis=0), np.arange(times.shape[1])
        least = np.where(
            self.of_ends("answers_fin", server), self.of_ends("fin_ns", not server), NEVER
        )
        return np.maximum(times[sooner, each], least), frames[sooner, each]

    def may_have_closed_before(self, server: bool) -> Column:
        """Per connection, whether an end may have closed it at any time: its FIN is not in the
        capture, and the other end acknowledged it.
        """
        return self.of_ends("fin_unseen", server)

    @cached_property
    def answered_before(self) -> Column:
        """Per exchange, whether it is a request that was answered before it was asked (by a server
        that refuses a PROXY header, say): it has no answer of its own, and its connection has one
        to nothing. All that the client sent is in the capture.
        """
        asked, answered = self.requests.there, self.responses.there
        whole = (self.of_connections("syns") > 0) & (self.of_ends("missing", server=False) == 0)
        to_nothing = answered & ~asked & whole[self.connection]
        early: Column = asked & ~answered
        return early & among(self.connection, self.connection[to_nothing])

    @cached_property
    def both_ask(self) -> Column:
        """Per exchange, whether both ends of its connection send requests: then neither waits for
        an answer.
        """
        from_server = self.requests.there & ~self.requests.from_client
        return among(self.connection, self.connection[from_server])

    @cached_property
    def extended(self) -> Column:
        """Per exchange, whether it asks for a WebSocket by an extended CONNECT (RFC 8441 §4): a
        CONNECT of HTTP/2 for a path. A proxy makes one of GET and Upgrade, and the other way round.
        """
        connect = self.words.texts.get("CONNECT", -1)
        asked: Column = (self.stream != NO_STREAM) & (self.requests.method == connect)
        for row in np.flatnonzero(asked).tolist():
            asked[row] = self.words.text_list[self.requests.start[row]].startswith("/")
        return asked

    @cached_property
    def method(self) -> Column:
        """The method of each request; GET of one that asks for a WebSocket in HTTP/2, as HTTP/1
        does.
        """
        return np.where(self.extended, self.words.texts.get("GET", -1), self.requests.method)

    @cached_property
    def status(self) -> Column:
        """The status of each response; 101 where 200 grants a WebSocket in HTTP/2."""
        granted = self.extended & (self.responses.start == 200)
        return np.where(granted, 101, self.responses.start)

    @property
    def answering(self) -> Column:
        """Per exchange, whether any packet of its server is in the capture: of one direction alone
        it is not known that nobody answered.
        """
        heard: Column = (self.of_ends("packets", server=True) > 0)[self.connection]
        return heard

    @cached_property
    def whole_connections(self) -> Column:
        """Per connection, whether no byte of it is missing from the capture: what is not in it was
        not sent.
        """
        whole = np.ones(len(self.client_address), bool)
        for name in ("missing", "truncated"):
            for server in (False, True):
                whole &= self.of_ends(name, server) == 0
        return whole

    def window_closed(self, exchanges: Column) -> Column:
        """Per exchange for how long in all the client's window was closed, first while the response
        came; 0 where it was closed earlier, or not.
        """
        held, responses = self.connection[exchanges], self.responses
        first, spent = (
            self.of_ends(name, server=False)[held]
            for name in ("window_closed_ns", "window_closed_for_ns")
        )
        inside = (first >= responses.first_ns[exchanges]) & (first <= responses.last_ns[exchanges])
        return np.where(inside, spent, 0)

    @cached_property
    def servers(self) -> Column:
        """Per connection a number for the endpoint of its server: the number of its address,
        shifted by 16 bits, and its port. It is the same on both sides; see `endpoint`.
        """
        return self.server_address << _PORT_BITS | self.of_connections("server_port")

    @cached_property
    def sources(self) -> Column:
        """The same of its client."""
        return self.client_address << _PORT_BITS | self.of_connections("client_port")

    def endpoint(self, number: int) -> Endpoint:
        """What a number in `servers` or `sources` stands for."""
        return Endpoint(self.words.text_list[number >> _PORT_BITS], number & _PORTS)

    @property
    def hosts(self) -> set[str]:
        """The addresses of the clients of all connections."""
        return {self.words.text_list[i] for i in set(self.client_address.tolist())}

    @cached_property
    def proxied(self) -> Column:
        """Per connection the bytes of the PROXY headers it begins with."""
        every = (application.proxy for trace in self.traces for application in trace.applications)
        return np.fromiter(
            (sum(header.length for header in proxy) if proxy else 0 for proxy in every),
            np.int64,
            len(self.client_address),
        )

    def numbers_of_connections(self, refs: Sequence[Ref]) -> Column:
        """Where connections are → their numbers."""
        points, ids = (
            np.fromiter(chain.from_iterable(refs), np.int64, 2 * len(refs)).reshape(-1, 2).T
        )
        return np.array(self.first_connection, np.int64)[points] + ids

    def connection_ref(self, connection: int) -> Ref:
        """Where a connection is."""
        point = bisect_right(self.first_connection, connection) - 1
        return Ref(point, connection - self.first_connection[point])

    def connection_refs(self, connections: Column) -> list[Ref]:
        """Where each of these connections is."""
        first = np.array(self.first_connection, np.int64)
        point = np.searchsorted(first, connections, "right") - 1
        return rows_of(Ref, (point.tolist(), (connections - first[point]).tolist()))

    @cached_property
    def by_connection(self) -> RowsByKey:
        """The exchanges by the connection they are on."""
        return RowsByKey.of(self.connection, len(self.client_address))

    def tunnel(self, connection: int, stream: int | None) -> int:
        """The exchange that opened a tunnel: that of an HTTP/2 stream, or the last one on the
        connection, since nothing follows an upgrade; −1 without.
        """
        rows = self.by_connection[connection]
        if stream is not None:
            rows = [row for row in rows if self.stream[row] == stream]
        return rows[-1] if rows else -1

    @property
    def next_on_connection(self) -> tuple[Column, Column]:
        """(the exchanges ordered by connection, in order on each; bool: the one before it in this
        order is on the same connection).
        """
        order = self.by_connection.order
        held = self.connection[order]
        return order, np.concatenate([np.zeros(min(len(held), 1), bool), held[1:] == held[:-1]])

    @property
    def last_on_connection(self) -> Column:
        """Which exchanges are the last on their connections."""
        order, again = self.next_on_connection
        last = np.ones(len(self), bool)
        last[order[:-1]] = ~again[1:]
        return last


def _end_to_end(columns: Sequence[Column]) -> Column:
    """The columns of all points as one, to be read; that of a single point is not copied."""
    if len(columns) != 1:
        return np.concatenate(columns or [np.zeros(0, np.int64)])
    only = columns[0].view()
    only.flags.writeable = False
    return only
