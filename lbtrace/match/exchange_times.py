"""Traces of one side → columns: what the pairing asks of every exchange, read once.

Exchanges of all points of a side are numbered through (`Facts.ref` leads back). Times stay on the
clock of their own point. A time that is not known is replaced by the bound that is: a client
request is no earlier than the answer before it on its connection, a backend answer no earlier than
its request. So nesting never excludes what the packets allow; `solid_*` says where the time itself
was seen, and only those bound a clock. A retransmitted message is never solid: its first
transmission may be missing from the capture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lbtrace.http_fields import AGE
from lbtrace.http_fields.caches import age_of_fresh, age_s, is_cache_hit, marks_cache
from lbtrace.http_fields.lines import lowered
from lbtrace.model.http import NO_CONTENT, Body, Exchange, Mark
from lbtrace.model.net import Side
from lbtrace.model.pairing import Ref
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.tables.connections import LATER, NEVER
from lbtrace.tables.messages import Messages
from lbtrace.tables.packets import Column
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import Words, bits_of

FAR = 1 << 61  # ns: later than any capture
# a client that went away: the balancer may go on with its request for this long
PATIENCE_NS = 120_000_000_000
# a cache that asked whether its copy still holds was answered by the backend all the same (RFC 9111
# §4.3)
NOT_MODIFIED = 304
_UNSURE = bits_of((Mark.RETRANSMITTED, Mark.RESYNCED, Mark.PAIRED_BY_ORDER))
_LOST = bits_of((Mark.LOST,))
_CUT = bits_of((Mark.LOST, Mark.CAPTURE_ENDED, Mark.BODY_TRUNCATED, Mark.HEAD_TRUNCATED))


@dataclass(slots=True)
class Facts:
    """One side's exchanges as columns. `start` is the request's first byte, `reply` the response's
    first byte, `end` its last.

    On the client side `start` is a lower and `reply` an upper bound where unknown, on the backend
    side the other way round. `silent`: it is known that no response was sent. `unknown`: a response
    may have been sent that the capture does not show. On the backend side an answer that its asker
    had given up is none: nobody read it.
    """

    side: Side
    table: SideTable
    traces: Sequence[Trace]
    first_of: list[int]  # per point: number of its first exchange
    point: Column
    id: Column  # in the trace of its point
    connection: Column  # numbered through the points
    start: Column
    reply: Column
    end: Column
    solid_start: Column  # bool
    solid_reply: Column  # bool
    silent: Column  # bool
    unknown: Column  # bool
    cached: Column  # bool, the answer says it comes from a cache
    too_late: Column  # bool, see `_too_late`
    broken_off: Column  # bool, the connection ended upon it: its asker may not have used it
    # bool, the body of its answer may be the balancer's (rewritten_bodies): it is unknown
    rewritten: Column | None = None

    def __len__(self) -> int:
        return len(self.point)

    def ref(self, number: int) -> Ref:
        """Where an exchange is."""
        return self.table.ref(number)

    def exchange(self, number: int) -> Exchange:
        """An exchange, as an object: for a few, never for all."""
        found = self.table.exchange(number)
        if self.rewritten is None or found.response is None or not self.rewritten[number]:
            return found
        body = found.response.body._replace(complete=False)
        return found._replace(response=found.response._replace(body=body))

    def trace_of(self, number: int) -> Trace:
        """The trace that an exchange is in."""
        return self.table.trace_of(number)

    def connection_ref(self, number: int) -> Ref:
        """Where the connection of an exchange is."""
        return self.table.connection_ref(int(self.connection[number]))

    def connection_of(self, number: int) -> Connection:
        """The connection of an exchange."""
        return self.table.connection_of(number)

    def client_address(self, number: int) -> str:
        """The address of the client of an exchange's connection."""
        address: str = self.table.words.text_list[
            self.table.client_address[self.connection[number]]
        ]
        return address


def read(side: Side, table: SideTable, rewritten: Column | None = None) -> Facts:
    """A side → its Facts. Both sides must be in one numbering. `rewritten`: which answers have a
    body that may be the balancer's.
    """
    q, r = table.requests, table.responses
    doubt = (table.marks & _UNSURE) != 0
    solid_start, solid_reply = (m.there & ((m.marks & _UNSURE) == 0) & ~doubt for m in (q, r))
    cut = ~r.there & ((table.marks & _CUT) != 0)
    start, reply, end = (_client_times if side is Side.CLIENT else _backend_times)(
        table, solid_start, solid_reply, cut
    )
    return Facts(
        side,
        table,
        table.traces,
        table.first_of,
        table.point,
        table.id,
        table.connection,
        start,
        reply,
        end,
        solid_start,
        solid_reply,
        (~r.there & ~cut) | (refused_by_asker(table) if side is Side.BACKEND else False),
        cut,
        _cached(table, reply - start),
        _too_late(table),
        _broken_off(table),
        rewritten,
    )


def cache_lines(words: Words) -> tuple[Column, Column]:
    """Per line, whether it says that a cache had the answer (bool), and what it says as an Age, in
    seconds (0: nothing).
    """
    lines, saying = words.line_list, words.fields_named(marks_cache)
    for n in np.flatnonzero(saying).tolist():
        saying[n] = is_cache_hit(lowered(lines[n].name), lines[n].value)
    aged = np.zeros(len(lines), np.int64)
    for n in np.flatnonzero(words.fields_named(AGE.__eq__)).tolist():
        aged[n] = age_s(lines[n].value)
    return saying, aged


def _cached(table: SideTable, took_ns: Column) -> Column:
    """Which answers come from a cache."""
    saying, aged = cache_lines(table.words)
    heads = table.responses.heads
    out = heads.having(saying)
    owner, line = heads.which(aged > 0)
    out[owner[aged[line] > age_of_fresh(took_ns[owner])]] = True
    return out


def unasked(facts: Facts) -> Column:
    """Which exchanges are an answer that no request preceded, though the capture holds all that the
    client sent: it sent nothing, or what the server calls an error and no HTTP reader takes for a
    request. Nothing is missing there, and no backend was asked.
    """
    table = facts.table
    syns, sent, missing = (
        table.of_connections("syns"),
        table.of_ends("bytes", server=False),
        table.of_ends("missing", server=False),
    )
    captured = ((syns > 0) & (missing == 0))[table.connection]
    refused = (table.responses.start >= 400) & (table.responses.start < 500)
    silent = (sent == 0)[table.connection]
    out: Column = ~table.requests.there & captured & (silent | refused)
    return out


def _client_times(
    table: SideTable, solid_start: Column, solid_reply: Column, cut: Column
) -> tuple[Column, Column, Column]:
    """Client exchanges → start, reply, end. A request was sent no earlier than the answer before it
    ended, and one whose answer is not in the capture was answered before the next one on its
    connection. An answer that is lost to the capture reached the client before its connection
    ended.
    """
    q, r = table.requests, table.responses
    first_ns, syns = table.of_connections("first_ns"), table.of_connections("syns")
    captured_ns = np.array([trace.first_ns for trace in table.traces], np.int64)
    order, follows = table.next_on_connection
    floor = np.where(
        syns[table.connection] > 0,
        first_ns[table.connection],
        captured_ns[table.point] - PATIENCE_NS,
    )
    before = _last_before(follows, r.there[order])
    floor[order] = np.where(before >= 0, r.last_ns[order[before]], floor[order])
    start = np.where(solid_start, q.first_ns, floor)
    reply = np.where(solid_reply, r.first_ns, r.last_ns)
    end = r.last_ns.copy()
    without = np.flatnonzero(~r.there)
    if len(without):
        ahead = _ahead(table, order, follows)
        last_ns = table.of_connections("last_ns")[table.connection]
        last_ns = np.where((table.marks & _LOST) != 0, last_ns, last_ns + PATIENCE_NS)
        reply[without] = end[without] = np.where(cut & (ahead < FAR), ahead, last_ns)[without]
    return start, reply, end


def refused_by_asker(table: SideTable) -> Column:
    """Which exchanges their asker gave up: it had ended its connection when the answer began, and
    refused what then came. An asker that only half-closed takes the answer and refuses nothing.
    """
    q, r = table.requests, table.responses
    gone = table.ended_ns(False)[table.connection]
    refused = table.of_ends("rst_ns", server=False)[table.connection] != NEVER
    out: Column = q.there & r.there & refused & (q.first_ns <= gone) & (gone < r.first_ns)
    return out


def _too_late(table: SideTable) -> Column:
    """Which exchanges are a request without an answer, on a connection that the server had answered
    before any request (a PROXY header that it refused, say): the request came too late.
    """
    q, r = table.requests, table.responses
    before = ~q.there & r.there & (table.of_connections("syns")[table.connection] > 0)
    first = np.full(len(table.client_address), FAR)
    np.minimum.at(first, table.connection[before], r.first_ns[before])
    silent = ~r.there & ((table.marks & _CUT) == 0)
    out: Column = q.there & silent & (first[table.connection] <= q.first_ns)
    return out


def _broken_off(table: SideTable) -> Column:
    """Which exchanges are the last on a connection that their asker reset, at once or in place of
    an orderly end; or that the other end closed before it had the whole request.
    """
    rst = table.of_ends("rst_ns", server=False)[table.connection]
    q = table.requests
    refused = ~q.complete & (table.ended_ns(True)[table.connection] != LATER)
    left = ((rst != NEVER) & (rst >= q.first_ns)) | refused
    out: Column = table.last_on_connection & q.there & left
    return out


def _backend_times(
    table: SideTable, solid_start: Column, solid_reply: Column, cut: Column
) -> tuple[Column, Column, Column]:
    """Backend exchanges → start, reply, end. An answer came no earlier than its request; without
    one it ended with the connection, and where the asker gave up, with that.
    """
    q, r = table.requests, table.responses
    left = refused_by_asker(table)
    mine, theirs = (table.ended_ns(server)[table.connection] for server in (False, True))
    mine = np.where(q.there & (mine < q.first_ns), LATER, mine)
    gone = np.minimum(mine, theirs)
    gone = np.where(gone == LATER, table.of_connections("last_ns")[table.connection], gone)
    start = np.where(q.there, q.first_ns, np.where(r.there, r.first_ns, gone))
    reply = np.where(r.there & solid_reply & ~left, r.first_ns, start)
    end = np.where(r.there & ~left, r.last_ns, gone)
    unsure = q.there & ~solid_start
    start = np.where(unsure, np.where(r.there, np.minimum(q.last_ns, reply), q.last_ns), start)
    return start, reply, end


def _last_before(follows: Column, holds: Column) -> Column:
    """In the order of the connections: the place of the last one before each on its connection for
    which `holds`; −1 without.
    """
    n = len(follows)
    begun = np.maximum.accumulate(
        np.where(follows, 0, np.arange(n))
    )  # where the connection of each begins
    last = np.maximum.accumulate(np.where(holds, np.arange(n), -1))
    before = np.concatenate([np.full(min(n, 1), -1), last[:-1]])
    return np.where(before >= begun, before, -1)


def _ahead(table: SideTable, order: Column, follows: Column) -> Column:
    """Per exchange: when the next request on its connection begins (FAR: there is none)."""
    q, r = table.requests, table.responses
    begins = np.where(q.there, q.first_ns, r.first_ns)[order]
    n = len(order)
    breaks = np.concatenate([~follows[1:], np.ones(min(n, 1), bool)])[
        ::-1
    ]  # backwards, a connection begins where it ends
    following = _last_before(~breaks, (q.there | r.there)[order][::-1])
    out = np.full(n, FAR, np.int64)
    backwards = order[::-1]
    out[backwards] = np.where(following >= 0, begins[::-1][following], FAR)
    return out


def body_size(body: Body) -> int:
    """Bytes of what a body is, whatever its content coding: gzip makes 20 bytes of none."""
    return body.length if body.content_length is None else body.content_length


def body_sizes(messages: Messages) -> Column:
    """The same of each body."""
    return np.where(messages.content_length >= 0, messages.content_length, messages.length)


def body_key(body: Body) -> str | None:
    """What a complete body is, whatever its content coding: "" without bytes of content, None when
    it is not known.
    """
    if not body.complete:
        return None
    return (body.content_digest or body.digest) if body_size(body) else ""


def body_keys(messages: Messages) -> Column:
    """The number of what each body is, as `body_key` has it; 0 for none, and where it is not
    known.
    """
    key = np.where(messages.content_digest > 0, messages.content_digest, messages.digest)
    return np.where(messages.complete & (body_sizes(messages) > 0), key, 0)


def same_body(one: Body, other: Body) -> bool | None:
    """Whether two bodies are the same content; None when a capture does not show one of them
    whole.
    """
    if not one.complete or not other.complete:
        return None
    if not body_size(one) and not body_size(other):
        return True
    return not {one.digest, one.content_digest}.isdisjoint(
        {other.digest, other.content_digest} - {None}
    )


def may_be_caused(client: Exchange, backend: Exchange) -> bool:
    """False when the two requests cannot be one: another method, or another body (RFC 9110 §7.6: an
    intermediary changes neither).

    A cache may ask with GET for what it was asked with HEAD, and a proxy with GET and Upgrade
    for what it was asked by an extended CONNECT.
    """
    q, p = client.request, backend.request
    if q is None or p is None:
        return True
    methods = tuple("GET" if e.extended else m.method for e, m in ((client, q), (backend, p)))
    same = methods[0] == methods[1] or methods == ("HEAD", "GET")
    return same and same_body(q.body, p.body) is not False


def may_be_answer(client: Exchange, backend: Exchange) -> bool:
    """False when what the client got is not what the backend sent: another status, or another
    content, where such an answer has any.
    """
    r, s = client.response, backend.response
    if r is None or s is None:
        return True
    statuses = (
        101 if e.extended and m.status == 200 else m.status for e, m in ((client, r), (backend, s))
    )
    if len(set(statuses)) > 1:
        return False
    if client.request is not None and client.request.method == "HEAD":
        return True
    return r.status in NO_CONTENT or same_body(r.body, s.body) is not False


def different_bodies(one: Messages, i: Column, other: Messages, j: Column) -> Column:
    """Pair by pair, whether two bodies are known to be different content: `same_body` is False."""
    mine, theirs = (
        (one.digest[i], one.content_digest[i]),
        (other.digest[j], other.content_digest[j]),
    )
    shared = np.zeros(len(i), bool)
    for a in mine:
        for b in theirs:
            shared |= (a == b) & (b > 0)
    content = (body_sizes(one)[i] > 0) | (body_sizes(other)[j] > 0)
    return one.complete[i] & other.complete[j] & ~shared & content


def may_be_caused_each(client: Facts, backend: Facts, cs: Column, bs: Column) -> Column:
    """`may_be_caused`, pair by pair."""
    q, p = client.table.requests, backend.table.requests
    texts = client.table.words.texts
    same = (client.table.method[cs] == backend.table.method[bs]) | (
        (q.method[cs] == texts.get("HEAD", -1)) & (p.method[bs] == texts.get("GET", -1))
    )
    fine: Column = ~(q.there[cs] & p.there[bs]) | (same & ~different_bodies(q, cs, p, bs))
    return fine


def bodiless(facts: Facts) -> Column:
    """Per exchange, whether its answer has no body: it answers HEAD, or its status says so."""
    q, r = facts.table.requests, facts.table.responses
    head = q.there & (q.method == facts.table.words.texts.get("HEAD", -1))
    found: Column = head | np.isin(r.start, NO_CONTENT)
    return found


def may_be_answer_each(client: Facts, backend: Facts, cs: Column, bs: Column) -> Column:
    """`may_be_answer`, pair by pair."""
    r, s = client.table.responses, backend.table.responses
    same = client.table.status[cs] == backend.table.status[bs]
    same &= bodiless(client)[cs] | ~different_bodies(r, cs, s, bs)
    fine: Column = ~(r.there[cs] & s.there[bs]) | same
    return fine
