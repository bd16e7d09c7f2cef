"""Keep-alive race.

Meaning:
    A request was sent on a connection that its server had already begun to close. Neither end is at
    fault, but the request fails, and the client may get a 502. This happens if the idle time-out
    (keep-alive timeout) of the server is not longer than the sender's.
Decided by:
    On either side: a request whose first byte follows the server's FIN, or a request after a
    silence of a second or more that is answered at once by FIN or RST and nothing else (only
    likely). A request that the balancer passed on met no balancer that had begun to close. A
    pipelined request had no silence before it. Where the request before it has no answer, the
    connection was not idle.
Evidence:
    The FIN or RST and the request, with the silence before it.
Remedy:
    The end that sends requests must give up idle connections first: make the backend's idle timeout
    longer than the balancer's. If a longer silence did no harm, no idle timeout closed the
    connection. Look for a restart, or for a limit of requests per connection.
Variants:
    client, backend: on that side.
    at-once, at-once-client, at-once-backend: only likely.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import ns
from lbtrace.comparison.sides import NO_EXCHANGE
from lbtrace.comparison.unanswered import IDLE_NS
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, variant
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Mark
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import MARKS

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.END, FramePart.TIME)
ONE_CAPTURE = True
OF_DURATIONS = True
FIRST = -1  # the silence before the first exchange of a connection
AT_ONCE_NS = 250_000_000  # an answer of FIN or RST within a long round trip
GIVEN_UP = ", as when it had given up the idle connection"
OR_ON_THE_WAY = ", as when it, or a balancer on the way, had given up the idle connection"
REMEDY = "Set the {server}'s keep-alive timeout longer than the {sender}'s."
OR_RESTARTED = (
    " A {server} that restarted or lost its power looks the same: it no longer knew the connection."
)
NOT_IDLE = (
    "Look at what the {server} did at that moment: a restart, a limit of requests per "
    "connection, its own backend gone."
)


class _Race(NamedTuple):
    exchange: int  # its row
    frames: tuple[FrameRef, FrameRef]
    idle_ns: int
    certain: bool
    closed_after_ns: int | None = None  # silence after which the server sent its FIN


def find(comparison: Comparison) -> Iterator[Finding]:
    """Per side the certain ones and those that are likely, naming the idle times seen."""
    for side in comparison.captured:
        races = list(_races(comparison, side))
        for certain in (True, False):
            some = [r for r in races if r.certain is certain]
            if some:
                yield _finding(comparison, side, some, certain)


def lost_races(comparison: Comparison, side: Side) -> list[int]:
    """The exchanges of a side whose requests met an end that closed."""
    return [race.exchange for race in _races(comparison, side)]


def _finding(comparison: Comparison, side: Side, races: Sequence[_Race], certain: bool) -> Finding:
    sender, server = ends(comparison, side)
    longest = longest_idle_ns(comparison, side)
    closed = [r.closed_after_ns for r in races if r.closed_after_ns is not None]
    by_limit = _by_idle_limit(longest, closed if certain else [r.idle_ns for r in races])
    given_up = "" if not by_limit else OR_ON_THE_WAY if comparison.alone else GIVEN_UP
    lost = np.array([race.exchange for race in races])
    count, of, behind = _counted(comparison, side, races)
    return (
        KIND.finding(
            variant(comparison, "" if certain else "at-once", side),
            _severity(comparison, side),
            Confidence.HIGH if certain else Confidence.MEDIUM,
            (_begun(races, behind, closed) if certain else _at_once(races, behind, given_up))
            + _cause(longest, by_limit, certain),
            [f for r in races[:2] for f in (*_asked(comparison, side, r), *r.frames)],
            count=count,
            of=of,
            sender=sender,
            server=server,
            shortest=ns(min(r.idle_ns for r in races)),
            longest=ns(longest) if longest is not None else None,
            closed_after=ns(min(closed)) if closed else None,
            remedy=(
                (REMEDY if certain else REMEDY + OR_RESTARTED) if by_limit else NOT_IDLE
            ).format(sender=sender, server=server),
        )
        .about(comparison.asked(side, lost))
        .on(comparison.failed(side, comparison.table(side).connection[lost]))
    )


def _begun(races: Sequence[_Race], behind: bool, closed: Sequence[int]) -> str:
    return (
        "The {sender} sent {count} of {of} requests "
        + ("to backends " if behind else "")
        + "on a connection that the {server} had begun to close, after {shortest} of silence"
        + (" or more" if len(races) > 1 else "")
        + (" (the {server} had closed it after {closed_after}). " if closed else ". ")
    )


def _at_once(races: Sequence[_Race], behind: bool, given_up: str) -> str:
    return (
        "The {sender} sent {count} of {of} requests "
        + ("to backends " if behind else "")
        + "after {shortest} of silence"
        + (" or more" if len(races) > 1 else "")
        + ", and the {server} closed or reset the connection at once, without an answer"
        + given_up
        + ". "
    )


def _counted(comparison: Comparison, side: Side, races: Sequence[_Race]) -> tuple[int, int, bool]:
    """How many requests that are, of how many, and whether requests to backends are counted: the
    requests of clients are, where each race is known to be an attempt for one.
    """
    if side is Side.BACKEND and not comparison.alone:
        asked = comparison.causes[[race.exchange for race in races]]
        if (asked != NO_EXCHANGE).all():
            return len(distinct(asked)), comparison.client_counts.requests, False
        behind = int(comparison.table(side).requests.there.sum())
        return len(races), behind, True
    return len(races), int(comparison.table(side).requests.there.sum()), False


def _asked(comparison: Comparison, side: Side, race: _Race) -> list[FrameRef]:
    """The client's request that was sent on in vain, where it is known."""
    if side is Side.CLIENT or comparison.alone:
        return []
    asked, client = int(comparison.causes[race.exchange]), comparison.sides[0]
    known = asked != NO_EXCHANGE
    return [comparison.request_frame(Side.CLIENT, client.ref(asked))] if known else []


def _severity(comparison: Comparison, side: Side) -> Severity:
    """A balancer that loses the race turns a good request into an error of its own."""
    both = side is Side.BACKEND and not comparison.alone
    return Severity.HIGH if both else Severity.MEDIUM


def _by_idle_limit(longest: int | None, silent: Sequence[int]) -> bool:
    """Whether an idle time limit explains the closing: no request succeeded after a silence that
    was clearly longer than those, `silent`, in which connections were closed.
    """
    return longest is None or not silent or 10 * min(silent) >= 9 * longest


def _cause(longest: int | None, by_limit: bool, certain: bool) -> str:
    if longest is None:
        return (
            "The {sender} keeps idle connections longer than the {server} does." if certain else ""
        )
    if not by_limit:
        return (
            "Elsewhere a request succeeded after {longest} of silence: it was no idle time "
            "limit that closed this one."
        )
    return "The longest silence after which a request still succeeded was {longest}" + (
        ", so the {sender} keeps idle connections longer than the {server} does."
        if certain
        else "."
    )


def _races(comparison: Comparison, side: Side) -> Iterator[_Race]:
    table, silence = comparison.table(side), _silences(comparison.table(side))
    q, r = table.requests, table.responses
    passed_on, left = _passed_on(comparison, side), table.ended_ns(False)[table.connection]
    ends = {
        name: table.of_ends(name, server=True)[table.connection]
        for name in ("fin_frame", "fin_ns", "rst_frame", "rst_ns")
    }
    # an answer or a FIN that is not in the capture may explain the end
    whole = table.of_ends("missing", server=True) == 0
    whole &= ~table.may_have_closed_before(server=False)
    unanswered = (
        q.there
        & ~r.there
        & whole[table.connection]
        & (silence != FIRST)
        & ((ends["fin_frame"] > 0) | (ends["rst_frame"] > 0))
        & ~_outstanding(table)
    )
    for e in np.flatnonzero(unanswered)[
        np.argsort(table.connection[unanswered], kind="stable")
    ].tolist():
        trace, idle = table.trace_of(e), max(int(silence[e]), 0)
        request = comparison.request_frame(side, table.ref(e))
        asked, asked_last = int(q.first_ns[e]), int(q.last_ns[e])
        fin, fin_ns, rst, rst_ns = (
            int(ends[name][e]) for name in ("fin_frame", "fin_ns", "rst_frame", "rst_ns")
        )
        # a FIN that acknowledges the request came after it, whatever their order in the file
        if fin and fin < q.first_frame[e] and fin_ns < asked_last:
            # with a response before the FIN the connection was idle; without one it was refused
            # service at once
            if not q.marks[e] & MARKS[Mark.PIPELINED]:
                after = fin_ns - (asked - idle)
                yield _Race(
                    e, (trace.ref(fin, fin_ns), request), idle, True, after if after >= 0 else None
                )
            continue
        frame, at = (fin, fin_ns) if fin else (rst, rst_ns)
        at_once = 0 <= at - asked_last <= AT_ONCE_NS and at < left[e]
        if idle >= IDLE_NS and at_once and not passed_on[e]:
            yield _Race(e, (request, trace.ref(frame, at)), idle, False)


def _passed_on(comparison: Comparison, side: Side) -> Column:
    """Per exchange, whether a balancer that ends connections passed it on: it had not begun to
    close; and whether packets are passed on: nothing in between closes then, see idle-limits.
    """
    passed = np.full(len(comparison.table(side)), comparison.passes_packets)
    if side is Side.CLIENT and not comparison.alone:
        passed[comparison.all_pairs.client] = True
    return passed


def _silences(table: SideTable) -> Column:
    """How long the connection had been silent before each request; FIRST where nothing is known to
    have been before it.
    """
    q, r = table.requests, table.responses
    order, again = table.next_on_connection
    after, before = order[again], order[np.flatnonzero(again) - 1]
    last = np.where(
        r.there[before],
        r.last_ns[before],
        np.where(q.there[before], q.last_ns[before], q.first_ns[after]),
    )
    silence = np.full(len(table), FIRST)
    # what a server says before it was asked anything (of a PROXY header it does not know, say) is
    # no answer to be idle after
    unasked = ~q.there[before] & (table.of_connections("syns")[table.connection[before]] > 0)
    after, last = after[~unasked], last[~unasked]
    silence[after] = np.maximum(q.first_ns[after] - last, 0)
    return silence


def _outstanding(table: SideTable) -> Column:
    """Per exchange, whether the request before it on its connection had no answer: so the
    connection was not idle, and its server closed it for that request.
    """
    order, again = table.next_on_connection
    after, before = order[again], order[np.flatnonzero(again) - 1]
    outstanding = np.zeros(len(table), bool)
    outstanding[after] = table.requests.there[before] & ~table.responses.there[before]
    return outstanding


def longest_idle_ns(comparison: Comparison, side: Side) -> int | None:
    """The longest silence after which a request on the same connection was answered."""
    table, silence = comparison.table(side), _silences(comparison.table(side))
    answered = silence[table.requests.there & table.responses.there & (silence != FIRST)]
    return int(answered.max()) if len(answered) else None
