"""Exchanges without a partner → why, the capture's window first.

An exchange is "answered by the balancer" or "not from this client" only when the other capture was
running at that time under the clock interval. And a client exchange was answered by the balancer
only when the backend captures would have shown it: with another backend that was not captured, a
missing partner says nothing, unless the answer itself bears the balancer's hand: an error or a
redirect of its own, a Server field unlike the backends', or the mark of a cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np

from lbtrace.explain import stored_answers
from lbtrace.match.balancer_signature import (
    OWN_STATUS,
    REDIRECT,
    Sign,
    Signs,
    manner,
)
from lbtrace.match.classes import unread
from lbtrace.match.clock import Clocks
from lbtrace.match.exchange_times import NOT_MODIFIED, Facts, may_be_answer_each, unasked
from lbtrace.match.pairing import Pairing
from lbtrace.match.windows import Window, windows
from lbtrace.model.pairing import Confidence, Ref, Unpaired, UnpairedDetail, UnpairedReason
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.connections import NEVER, STAMPED_LATE_NS, TRIES
from lbtrace.tables.side_table import SideTable

# a capture runs for longer than its packets show: it is not outside when this near
EDGE_NS = 5_000_000_000


class Why(NamedTuple):
    """The fields of an Unpaired that say why."""

    reason: UnpairedReason
    confidence: Confidence
    detail: UnpairedDetail | None = None
    value: str = ""


def _unknown(detail: UnpairedDetail) -> Why:
    return Why(UnpairedReason.UNKNOWN, Confidence.LOW, detail)


# signs that a backend which was not captured may show as well
OF_ANY_BACKEND = (
    UnpairedDetail.GATEWAY_ERROR,
    UnpairedDetail.REFUSED_REQUEST,
    UnpairedDetail.NO_DATE,
    UnpairedDetail.OWN_PAGE,
)


def _astray(state: Pairing, of_client: bool) -> set[int]:
    """The exchanges of a side without a partner that follow (or precede) every pair, in the order
    of the capture, while the other side has such ones too, and they look like requests of this
    side: a clock that was set leaves both behind, and says nothing of when they were.
    """
    this, other = (state.client, state.backend) if of_client else (state.backend, state.client)
    mine = state.free_clients() if of_client else state.free_backends()
    theirs = state.free_backends() if of_client else state.free_clients()
    alike = [n for n in (theirs if of_client else mine) if n in state.shared]
    if not alike or not mine or not theirs or not state.caused:
        return set()
    paired = set(state.caused), {b for bs in state.caused.values() for b in bs}
    first, last = _ends(this, paired[not of_client])
    begun, ended = _ends(other, paired[of_client])
    out: set[int] = set()
    looked = alike if of_client else theirs
    if any(n > ended[int(other.point[n])] for n in looked):
        out |= {n for n in mine if n > last[int(this.point[n])]}
    if any(n < begun[int(other.point[n])] for n in looked):
        out |= {n for n in mine if n < first[int(this.point[n])]}
    return out


def _ends(facts: Facts, paired: set[int]) -> tuple[list[int], list[int]]:
    """Per point, the first and the last exchange that has a partner."""
    first, last = [len(facts)] * len(facts.traces), [-1] * len(facts.traces)
    for n in paired:
        point = int(facts.point[n])
        first[point], last[point] = min(first[point], n), max(last[point], n)
    return first, last


def client_reasons(
    state: Pairing,
    clocks: Clocks,
    passed_on: Set[Ref] = frozenset(),
    checks: Set[int] = frozenset(),
) -> list[Unpaired]:
    """Every client exchange without a partner, with the reason. `passed_on`: client connections
    that go on behind the balancer, whatever is sent on them; `checks`: the exchanges of health
    checks.
    """
    free = state.free_clients()
    if not free:
        return []
    client = _ClientReasons(state, clocks, passed_on)
    shown, astray = _together(state, clocks), _astray(state, of_client=True)
    out: list[Unpaired] = []
    for c in free:
        why = client.unanswered(c) or client.by_its_answer(c)
        if why.reason is UnpairedReason.OUTSIDE_OTHER_CAPTURE and c in astray:
            why = _unknown(UnpairedDetail.CLOCK_SET)
        if why.reason is UnpairedReason.ANSWERED_BY_BALANCER and client.also_asked(c):
            why = _unknown(UnpairedDetail.ALSO_ASKED)
        if why.reason is UnpairedReason.ANSWERED_BY_BALANCER and client.answered_behind(c):
            why = _unknown(UnpairedDetail.BACKEND_REQUEST_LOST)
        out.append(Unpaired("client", state.client.ref(c), *(why if shown else _capped(why))))
    other = {c: n for n, c in enumerate(free) if out[n].detail is UnpairedDetail.OTHER_BACKEND}
    for c, directive in stored_answers.find(state, other).items():
        sign = Sign(UnpairedDetail.STORED_ANSWER, Confidence.MEDIUM, directive)
        out[other[c]] = Unpaired(
            "client", state.client.ref(c), *_made_by_balancer(sign, Confidence.MEDIUM)
        )
    if any(u.detail is UnpairedDetail.OTHER_BACKEND for u in out):
        either = _unknown(UnpairedDetail.ERROR_OF_EITHER)
        out = [Unpaired(u.side, u.ref, *either) if u.detail in OF_ANY_BACKEND else u for u in out]
    # that nothing lies behind is seen where all that lies behind is known
    elsewhere = any(u.detail is UnpairedDetail.NOTHING_MATCHES for u in out)
    if elsewhere or (not state.caused and not checks >= set(state.free_backends())):
        open_ = _unknown(UnpairedDetail.NOTHING_MATCHES)
        absent = UnpairedDetail.UNPASSED_STATUS
        out = [Unpaired(u.side, u.ref, *open_) if u.detail is absent else u for u in out]
    return out


class _ClientReasons:
    """What the reasons of client exchanges rest on, asked once for all of them."""

    def __init__(self, state: Pairing, clocks: Clocks, passed_on: Set[Ref]) -> None:
        facts, table = state.client, state.client.table
        self._state, self._facts, self._passed_on = state, facts, passed_on
        self._windows, self._clocks = windows(state, clocks, of_client=True), clocks
        self._signs = Signs(facts, manner(state))
        self._nothing, self._in_vain = unasked(facts), _sent_in_vain(facts)
        self._late = unread(table)
        self._shared = bool(self._nothing.any()) and _shares(state)
        self._open, self._revalidated = _asked_for(state)
        # a request that is lost may be what any of these caused
        free = np.array(state.free_backends(), np.int64)
        self._lost = free[~state.backend.table.requests.there[free]]
        self._headless = len(self._lost) > 0
        self._undecided = bool(state.left_over or state.group)

    def unanswered(self, c: int) -> Why | None:
        """Why one got no answer, or asked nothing; None for a request that needs more thought."""
        if self._in_vain[c]:
            times = str(self._in_vain[c])
            detail = UnpairedDetail.NOT_ACKNOWLEDGED
            return Why(UnpairedReason.NEVER_ANSWERED, Confidence.HIGH, detail, times)
        if self._late[c]:
            detail = UnpairedDetail.SENT_AFTER_CLOSE
            return Why(UnpairedReason.NEVER_ANSWERED, Confidence.HIGH, detail)
        if not self._nothing[c]:
            return None
        if self._facts.connection_ref(c) in self._passed_on:
            return _unknown(UnpairedDetail.CONNECTION_GOES_ON)
        if self._headless:
            return None
        sure = Confidence.MEDIUM if self._shared else Confidence.LOW
        return Why(UnpairedReason.ANSWERED_BY_BALANCER, sure, UnpairedDetail.NO_REQUEST)

    def by_its_answer(self, c: int) -> Why:
        """Why one has no partner, by when it was, and by the answer that it got."""
        by, known = self._signs.of(c), self._windows[self._facts.point[c]]
        return (
            self._by_time(c, by, known)
            or self._without_answer(c, known)
            or self._by_sign(c, by, bool(known))
        )

    def _by_time(self, c: int, by: Sign | None, known: list[Window]) -> Why | None:
        """What is to be said of one that the backend captures do not wholly cover."""
        start, end = int(self._facts.start[c]), int(self._facts.reply[c])
        away = min(
            (max(w.first - end, start - w.last) for w in known), default=0
        )  # from the nearest moment a backend capture shows a packet
        if away > EDGE_NS:
            return Why(
                UnpairedReason.OUTSIDE_OTHER_CAPTURE, Confidence.HIGH, UnpairedDetail.NOT_RUNNING
            )
        if away > 0 and by is not None and by.detail is not UnpairedDetail.GATEWAY_ERROR:
            return _made_by_balancer(by, Confidence.MEDIUM)
        if away > 0 or (by is None and any(start < w.first or end > w.last for w in known)):
            return _unknown(UnpairedDetail.CAPTURE_EDGE)  # a backend may say a gateway error there
        return None

    def _without_answer(self, c: int, known: list[Window]) -> Why | None:
        """What is to be said of one without an answer."""
        if self._facts.table.responses.there[c]:
            return None
        if self._facts.unknown[c]:
            return _unknown(UnpairedDetail.ANSWER_NOT_CAPTURED)
        if not known or self._headless:
            return _unknown(UnpairedDetail.NO_ANSWER_UNDECIDED)
        sure = Confidence.LOW if self._undecided else Confidence.MEDIUM
        return Why(UnpairedReason.NEVER_ANSWERED, sure, UnpairedDetail.NO_ANSWER)

    def _by_sign(self, c: int, by: Sign | None, known: bool) -> Why:
        """What is to be said of one with an answer, while the backend captures ran."""
        paired, table = bool(self._state.caused), self._facts.table
        if by is not None and (paired or int(table.responses.start[c]) in OWN_STATUS | REDIRECT):
            return _made_by_balancer(by, Confidence.HIGH if known or paired else Confidence.MEDIUM)
        if not paired:
            return _unknown(UnpairedDetail.NOTHING_MATCHES)
        if not table.requests.there[c]:
            return _unknown(UnpairedDetail.REQUEST_NOT_CAPTURED)
        return _unknown(UnpairedDetail.OTHER_BACKEND)

    def also_asked(self, c: int) -> bool:
        """Whether a backend was asked the same by an exchange that no client is known to have
        caused.
        """
        asked = self._revalidated if self._facts.cached[c] else self._open
        return not self._nothing[c] and _wants(self._facts, c) in asked

    def _may_be_meanwhile(self, c: int, b: int) -> bool:
        """Whether the answer of a backend exchange may have come while a client waited."""
        client, backend = self._facts, self._state.backend
        clock = self._clocks.get((int(client.point[c]), int(backend.point[b])))
        if clock is None or clock.refused:
            return True
        answered = int(backend.reply[b])
        answered += clock.delta_ns(answered)
        wide = clock.half_width_ns + STAMPED_LATE_NS
        return int(client.start[c]) - wide <= answered <= int(client.reply[c]) + wide

    def answered_behind(self, c: int) -> bool:
        """Whether a backend gave such an answer, while this client waited or at a time that no
        clock tells, to a request that is not in the capture.
        """
        lost = np.array([b for b in self._lost.tolist() if self._may_be_meanwhile(c, b)], np.int64)
        client, there = np.full(len(lost), c), self._state.backend.table.responses.there[lost]
        return bool(
            (there & may_be_answer_each(self._facts, self._state.backend, client, lost)).any()
        )


def _sent_in_vain(facts: Facts) -> list[int]:
    """Per client exchange how often its connection sent again, from this request on or before it,
    what nobody acknowledged; 0 for one that was received, or may have been.
    """
    table, q = facts.table, facts.table.requests
    sent, since = (
        table.of_ends(name, server=False)[table.connection].astype(np.int64)
        for name in ("unacked", "unacked_ns")
    )
    spoke = table.of_ends("last_packet_ns", server=True)[table.connection]
    vain = q.there & ~table.responses.there & (sent >= TRIES)
    vain &= (since <= q.first_ns) & (spoke != NEVER) & (spoke < since)
    out: list[int] = np.where(vain, sent, 0).tolist()
    return out


def _made_by_balancer(by: Sign, most: Confidence) -> Why:
    """A balancer's own answer, as sure as its sign is, but no surer than `most`."""
    sure = min(most, by.confidence)
    return Why(UnpairedReason.ANSWERED_BY_BALANCER, sure, by.detail, by.value)


def _asked_for(state: Pairing) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """What backends were asked for by exchanges that no client exchange is known to have caused:
    those that look like some client's, and those of a cache that asked whether its copy still
    holds.
    """
    table = state.backend.table
    free = [b for b in state.free_backends() if table.requests.there[b]]
    unchanged = [b for b in free if table.responses.start[b] == NOT_MODIFIED]
    return {_wants(state.backend, b) for b in free if b in state.shared}, {
        _wants(state.backend, b) for b in unchanged
    }


def _wants(facts: Facts, n: int) -> tuple[int, int]:
    """Method and target of a request."""
    requests = facts.table.requests
    return int(requests.method[n]), int(requests.start[n])


def _shares(state: Pairing) -> bool:
    """Whether requests of several client connections share a backend connection, so that no
    connection of a backend's is a client's.
    """
    c, b = state.every_attempt()
    width = len(state.client.table.client_address)
    ends = distinct(state.backend.connection[b] * width + state.client.connection[c])
    return len(distinct(ends // max(width, 1))) < len(ends)


def _together(state: Pairing, clocks: Clocks) -> bool:
    """Whether anything shows that the captures belong together: a pair that is no mere likeness, or
    a clock.
    """
    return any(k.stated or not k.refused for k in clocks.values()) or any(
        c is not Confidence.LOW for c in state.confidence.values()
    )


def _capped(why: Why) -> Why:
    """What one capture has to do with a balancer that only the other may show is a guess."""
    guess = why.reason in (UnpairedReason.ANSWERED_BY_BALANCER, UnpairedReason.OTHER_CLIENT)
    return why._replace(confidence=Confidence.LOW) if guess else why


def backend_reasons(
    state: Pairing,
    clocks: Clocks,
    checks: set[int],
    askers: Sequence[str],
    clients: set[str],
    copies: Mapping[int, int],
) -> list[Unpaired]:
    """Every backend exchange without an owner, with the reason. `askers`: who asked, per backend
    exchange, "" where nothing says it; `clients`: the client addresses in the captures; `copies`:
    those that repeat another.
    """
    free = state.free_backends()
    if not free:
        return []
    seen = windows(state, clocks, of_client=False)
    named = {state.client.client_address(c) for c, bs in state.caused.items() if askers[bs[-1]]} | (
        clients & set(askers)
    )
    if not clients <= named:
        askers = [""] * len(
            askers
        )  # a client that no address is known of may be known to the balancer by any
    _, owned = state.every_attempt()
    sources = distinct(state.backend.table.client_address[state.backend.connection[owned]]).tolist()
    captured = clients | {
        "",
        *(askers[b] for b in owned.tolist()),
        *(state.backend.table.words.text_list[n] for n in sources),
    }
    shown = _together(state, clocks)
    astray = _astray(state, of_client=False)
    out: list[Unpaired] = []
    for b in free:
        why = _backend_reason(state, b, seen, checks, "" if askers[b] in captured else askers[b])
        if why.reason is UnpairedReason.OUTSIDE_OTHER_CAPTURE and b in astray:
            why = _unknown(UnpairedDetail.CLOCK_SET)
        out.append(Unpaired("backend", state.backend.ref(b), *(why if shown else _capped(why))))
    repeated = [n for n, b in enumerate(free) if b in copies]
    if all(
        out[n].reason is UnpairedReason.OTHER_CLIENT for n in repeated
    ):  # none of them at the edge of a client capture, say
        for n in repeated:
            asked = _server(state, copies[free[n]])
            why = Why(UnpairedReason.COPY, Confidence.MEDIUM, UnpairedDetail.REPEATED, asked)
            out[n] = Unpaired(out[n].side, out[n].ref, *why)
    return out


def _server(state: Pairing, b: int) -> str:
    return str(state.backend.connection_of(b).server)


def _backend_reason(
    state: Pairing, b: int, seen: list[list[Window]], checks: set[int], stranger: str
) -> Why:
    if b in checks:
        return Why(UnpairedReason.HEALTH_CHECK, Confidence.HIGH)
    if state.backend.too_late[b]:
        return Why(UnpairedReason.NEVER_ANSWERED, Confidence.HIGH, UnpairedDetail.ANSWERED_BEFORE)
    if b in state.left_over and not stranger:
        return _unknown(UnpairedDetail.ONE_OF_SEVERAL)
    known = seen[state.backend.point[b]]
    start, end = int(state.backend.start[b]), int(state.backend.end[b])
    away = min((max(w.first - end, start - w.last) for w in known), default=0)
    if away > EDGE_NS:
        return Why(
            UnpairedReason.OUTSIDE_OTHER_CAPTURE, Confidence.HIGH, UnpairedDetail.NOT_RUNNING
        )
    if known and any(start < w.first or end > w.last for w in known):
        return _unknown(UnpairedDetail.CAPTURE_EDGE)
    if not state.caused:
        return _unknown(UnpairedDetail.NOTHING_MATCHES)
    if stranger:
        return Why(
            UnpairedReason.OTHER_CLIENT,
            Confidence.MEDIUM,
            UnpairedDetail.OTHER_ADDRESS,
            stranger,
        )
    if not state.backend.table.requests.there[b]:  # lost, or there was none: it came too early
        return _unknown(UnpairedDetail.REQUEST_NOT_CAPTURED)
    if any(trace.http3_packets for trace in state.client.traces):
        return _unknown(UnpairedDetail.MAY_BE_HTTP3)
    # That no partner was found is no proof that none was there: packets get lost, heads are cut,
    # clocks jump.
    return Why(UnpairedReason.OTHER_CLIENT, Confidence.LOW, UnpairedDetail.NO_CLIENT_EXCHANGE)


def open_questions(state: Pairing, rest: Sequence[Unpaired]) -> list[Unpaired]:
    """A backend exchange is not called another client's while a client exchange that may be its
    cause has no partner, and nothing else explains it: one with the same request, one with the same
    method and answer (a balancer may change the target), or one whose request is not in the capture
    and whose answer has its status. Nor while a client that asked the
    same has a partner that was asked for something else, as after a redirect that the balancer
    followed itself.
    """
    open_ = [u.ref for u in rest if u.side == "client" and u.reason is UnpairedReason.UNKNOWN]
    asked = {_request(state.client, ref) for ref in open_} | _asked_for_another(state)
    table = state.client.table
    rows = np.array([state.client.first_of[ref.point] + ref.id for ref in open_], np.int64)
    lost = rows[~table.requests.there[rows] & table.responses.there[rows]]
    statuses = set(table.status[lost].tolist())
    alike = set(_answers(table, rows[table.requests.there[rows] & table.responses.there[rows]]))
    out = []
    for u in rest:
        if u.detail is UnpairedDetail.NO_CLIENT_EXCHANGE:
            row = state.backend.first_of[u.ref.point] + u.ref.id
            if _request(state.backend, u.ref) in asked:
                u = Unpaired(u.side, u.ref, *_unknown(UnpairedDetail.ASKED_BY_CLIENT))
            elif int(state.backend.table.status[row]) in statuses:
                u = Unpaired(u.side, u.ref, *_unknown(UnpairedDetail.CLIENT_REQUEST_LOST))
            elif alike.intersection(_answers(state.backend.table, np.array([row]))):
                u = Unpaired(u.side, u.ref, *_unknown(UnpairedDetail.ANSWERED_ALIKE))
        out.append(u)
    return out


def _answers(table: SideTable, rows: Column) -> Iterator[tuple[int, int, int, int]]:
    """(method, status, length and digest of the body) of answered exchanges whose body is known."""
    q, r = table.requests, table.responses
    known = rows[r.there[rows] & ((r.digest[rows] > 0) | (r.length[rows] == 0))]
    columns = (q.method[known], table.status[known], r.length[known], r.digest[known])
    return zip(*(column.tolist() for column in columns), strict=True)


def _asked_for_another(state: Pairing) -> set[tuple[int, int]]:
    """The requests of clients in whose place backends got another."""
    c, b = state.every_attempt()
    q, p = state.client.table.requests, state.backend.table.requests
    other = q.there[c] & p.there[b] & (q.start[c] != p.start[b])
    return set(zip(q.method[c[other]].tolist(), q.start[c[other]].tolist(), strict=True))


def _request(times: Facts, ref: Ref) -> tuple[int, int]:
    """(method, target) of an exchange, by number; the numbers are those of both sides."""
    requests, row = times.table.requests, times.first_of[ref.point] + ref.id
    return int(requests.method[row]), int(requests.start[row])
