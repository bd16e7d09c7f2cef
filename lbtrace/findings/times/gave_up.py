"""Clients that gave up.

Meaning:
    A client closed or reset its connection, or reset its stream of HTTP/2, while it waited for the
    answer: its own time limit was shorter than what the server took, or a person went away. Proxies
    log this in their own way: 499 (nginx), a termination state that begins with C (HAProxy), 460
    (AWS ALB).
Decided by:
    A whole request, and a FIN or RST of the client end before any byte of an answer and before any
    end of the server's; a FIN a tenth of a second after the request or later, for a client that
    closes at once may only half-close. Of HTTP/2 a RST_STREAM with CANCEL of the client end counts
    in the same way. An answer that came later was refused by a RST, or there was
    none. An answer that the capture may have missed is not waited for in vain. Where both ends ask,
    what comes from the other end need not be an answer: nothing is said of such a connection.
Evidence:
    The request, the FIN, RST or RST_STREAM, and on the backend side the request that went on.
Remedy:
    Find out why the answer takes longer than the client waits, or let the client wait longer. The
    time limit of the client must be longer than that of the balancer, and that longer than the
    backend's.
Variants:
    seen: in one capture.
    waited: in one capture, where the server end acknowledged the request, and the client end closed
        without an answer. It says how long that took. Whether an answer came later is not known.
    midway: the client end left in the middle of a response.
    client: in front of a balancer, with what the backends did then. An answer that took at least as
        long as the client waited came for nobody. One that took less may have reached the balancer
        in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import differ, ns
from lbtrace.findings._backend_events import NO_EVENT, SLUGS, TEXT, FailedHandshakes
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._message_sizes import SIZED
from lbtrace.findings._names import counted
from lbtrace.findings._streams import Steered, steered
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Mark
from lbtrace.model.http2 import ControlKind, Http2Error
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import LATER, NEVER
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import MARKS

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.END, FramePart.TIME)
ONE_CAPTURE = True
OF_DURATIONS = True
EXAMPLES = 2
MAX_LOOKED_AT = 50  # clients that left, for what failed behind the balancer
AT_ONCE_NS = 100_000_000
WAITED_NS = 1_000_000_000  # without an answer, that is worth a sentence of its own
REMEDY = (
    "Find out why the answer takes longer than the {sender} waits, or let the {sender} wait longer."
)
ORDER = " The client's time limit must be longer than the balancer's."
CANCELLED_NS = 1_000_000  # who leaves sooner did not wait
CANCELLED_REMEDY = (
    "Who cancels at once waits for no answer: find out what this client is. Many such requests are "
    "an attack (HTTP/2 rapid reset, CVE-2023-44487): limit the requests of a connection."
)
KEPT_REMEDY = (
    "Look at the balancer: the backend's answer came to it sooner than the client had waited. Its "
    "log says why it was not passed on, or how long the request had waited there."
)
MIDWAY_REMEDY = (
    "Find out why it did not wait for the rest: its own time limit, a limit on what it reads, or a "
    "person who went away."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """Of the clients, or of one capture: those that left, and those that were left waiting."""
    yield from _gave_up(comparison)
    yield from _midway(comparison)
    if comparison.alone:
        yield from _left_waiting(comparison)


def _left_waiting(comparison: Comparison) -> Iterator[Finding]:
    """Requests without an answer when their client end closed, of which it cannot be told whether
    one came later.
    """
    (side,) = comparison.captured
    table = comparison.table(side)
    q, closed = table.requests, table.ended_ns(False, "fin")[table.connection]
    waited = closed - q.last_ns
    unknown = MARKS[Mark.LOST]
    rows = q.there & q.complete & ~table.responses.there & ~table.interim & ~table.both_ask
    rows &= (table.marks & unknown == 0) & (closed != LATER) & (waited >= WAITED_NS)
    rows &= closed < table.ended_ns(server=True)[table.connection]
    rows &= ~table.may_have_closed_before(server=True)[table.connection]
    # the other end had the request, and the client end had nothing of an answer
    rows &= (table.of_ends("unacked", server=False) == 0)[table.connection]
    rows &= (table.of_ends("last_packet_ns", server=True))[table.connection] >= q.last_ns
    rows &= (table.of_ends("lost", server=True) == 0)[table.connection]
    resets = _resets(comparison, side)
    rows[list(resets)] = False
    rows &= _waited(table, resets) == NEVER
    which = np.flatnonzero(rows)
    if not len(which):
        return
    shortest, longest = int(waited[which].min()), int(waited[which].max())
    both = differ(shortest, longest)
    yield KIND.finding(
        "waited",
        Severity.LOW,
        Confidence.HIGH,
        "{count} of {of} requests had no answer for {shortest}"
        + (" to {longest}" if both else "")
        + ", though the server end acknowledged {count:it|them}; then the client end closed.",
        _frames(comparison, side, which, {}),
        note="the request, and the end of its connection",
        remedy="Find out where the answer is: capture nearer to the server end, too.",
        count=len(which),
        of=int(q.there.sum()),
        shortest=ns(shortest),
        longest=ns(longest) if both else None,
    ).about(comparison.asked(side, which))


def _midway(comparison: Comparison) -> Iterator[Finding]:
    """Clients that left in the middle of a response, and refused the rest by RST: a FIN alone may
    half-close.
    """
    side, who = comparison.captured[0], "The client end" if comparison.alone else "The client"
    table = comparison.table(side)
    q, r, c = table.requests, table.responses, table.connection
    gone, ended = (table.ended_ns(server)[c] for server in (False, True))
    left = q.there & q.complete & r.whole_heads & np.isin(r.framing, SIZED) & ~table.both_ask
    left &= (table.ended_ns(False, "rst")[c] != LATER) & (gone > r.first_ns) & (gone < ended)
    left &= (r.last_ns > gone) | ~r.complete
    left &= ~table.may_have_closed_before(server=True)[c]
    left &= (table.of_ends("missing", server=True) == 0)[c] & table.last_on_connection
    rows = np.flatnonzero(left)
    if not len(rows):
        return
    after = gone[rows] - q.last_ns[rows]
    both = differ(int(after.min()), int(after.max()))
    yield KIND.finding(
        "midway",
        Severity.LOW,
        Confidence.HIGH,
        who + " gave up {count} of {of} requests in the middle of the response: it closed the "
        "connection {shortest}"
        + (" to {longest}" if both else "")
        + " after it had asked, and refused the rest by RST.",
        _frames(comparison, side, rows, {}),
        note="the request, and the end of its connection",
        remedy=MIDWAY_REMEDY,
        count=len(rows),
        of=int(q.there.sum()),
        shortest=ns(int(after.min())),
        longest=ns(int(after.max())) if both else None,
    ).about(comparison.asked(side, rows))


def _gave_up(comparison: Comparison) -> Iterator[Finding]:
    side = comparison.captured[0]
    table = comparison.table(side)
    resets = _resets(comparison, side)
    waited = _waited(table, resets)
    rows = np.flatnonzero(waited != NEVER)
    if not len(rows):
        return
    shortest, longest = int(waited[rows].min()), int(waited[rows].max())
    both = differ(shortest, longest)
    by_stream = sum(row in resets and resets[row].frame.from_client for row in rows.tolist())
    at_once = by_stream == len(rows) and longest < CANCELLED_NS
    late, kept = _answered(comparison, rows, waited)
    event, failed = _failed_behind(comparison, rows, waited)
    yield (
        KIND.finding(
            "seen" if comparison.alone else "client",
            Severity.LOW,
            Confidence.HIGH,
            ("The client end" if comparison.alone else "The client")
            + " gave up {count} of {of} requests: "
            + _left(by_stream, len(rows), both, at_once, longest)
            + _behind("The server end" if comparison.alone else "The backend", late)
            + _kept(kept)
            + (" Behind the balancer meanwhile: {event}." if event else ""),
            _frames(comparison, side, rows, resets),
            note="the request, and the end of its connection or stream",
            remedy=KEPT_REMEDY
            if len(kept) and not len(late)
            else CANCELLED_REMEDY
            if at_once
            else REMEDY.format(sender="client end" if comparison.alone else "client")
            + ("" if comparison.alone else ORDER),
            count=len(rows),
            of=int(table.requests.there.sum()),
            shortest=None if at_once else ns(shortest),
            longest=ns(longest) if (longest if at_once else both) else None,
            late=len(late) or None,
            took=ns(int(late.min())) if len(late) else None,
            kept=len(kept) or None,
            soon=ns(int(kept.min())) if len(kept) else None,
            event=event or None,
        )
        .about(comparison.asked(side, rows))
        .on(comparison.failed(Side.BACKEND, failed))
    )


def _left(by_stream: int, count: int, both: bool, at_once: bool, longest: int) -> str:
    """How and when clients left."""
    if at_once:  # by a reset of the stream, all of them
        return (
            "it reset the stream at most {longest} after it had asked, before any answer."
            if longest
            else "it reset the stream at once after it had asked, before any answer."
        )
    how = (
        "it closed or reset the connection"
        if not by_stream
        else "it reset the stream"
        if by_stream == count
        else "it closed or reset the connection or the stream"
    )
    when = " {shortest} to {longest}" if both else " {shortest}"
    return how + when + " after it had asked, before any answer."


def given_up(comparison: Comparison) -> Column:
    """The exchanges of the client side that the client gave up."""
    side = comparison.captured[0]
    waited = _waited(comparison.table(side), _resets(comparison, side))
    return np.flatnonzero(waited != NEVER)


def _failed_behind(comparison: Comparison, rows: Column, waited: Column) -> tuple[str, Column]:
    """What failed behind the balancer while these clients waited, "" if nothing is known to; and
    the backend connections that did.
    """
    found: dict[int, int] = {}
    if not comparison.alone:
        handshakes, asked = FailedHandshakes(comparison), comparison.sides[0].requests.last_ns
        for row in np.setdiff1d(rows, comparison.pairs.client)[:MAX_LOOKED_AT].tolist():
            event, connection = handshakes.before(row, int(asked[row] + waited[row]))
            if event != NO_EVENT:
                found[connection] = event
    events = counted(TEXT[SLUGS[event]] for event in found.values())
    return events, np.array(list(found), np.int64)


def _behind(who: str, late: Column) -> str:
    """What was answered later."""
    if not len(late):
        return ""
    more = " or more" if len(set(late.tolist())) > 1 else ""
    return f" {who} answered {{late}} of them, after {{took}}{more}, to nobody."


def _kept(kept: Column) -> str:
    """What was answered sooner than the client had waited, and reached no client."""
    if not len(kept):
        return ""
    more = " or more" if len(set(kept.tolist())) > 1 else ""
    return (
        f" The backend answered {{kept}} of them, {{soon}}{more} after it was asked; no client "
        "got that answer."
    )


def _resets(comparison: Comparison, side: Side) -> dict[int, Steered]:
    """The first RST_STREAM about each exchange: those with another code than CANCEL, or from the
    server end, say that something else ended it.
    """
    found: dict[int, Steered] = {}
    for each in steered(comparison, side, ControlKind.RST_STREAM):
        if each.row >= 0:
            known = found.get(each.row)
            if known is None or each.frame.time_ns < known.frame.time_ns:
                found[each.row] = each
    return found


def _waited(table: SideTable, resets: Mapping[int, Steered]) -> Column:
    """Per exchange how long its client waited before it left; NEVER where it did not, or where an
    answer may have come.
    """
    q = table.requests
    gone, ended = (table.ended_ns(server)[table.connection] for server in (False, True))
    reset = table.ended_ns(False, "rst")[table.connection] == gone
    for row, each in resets.items():
        left_it = each.frame.from_client and each.frame.code == Http2Error.CANCEL
        gone[row], reset[row] = each.frame.time_ns if left_it else LATER, left_it
    unknown = sum(MARKS[mark] for mark in (Mark.LOST, Mark.CAPTURE_ENDED))
    known = (table.marks & unknown == 0) & (
        table.of_ends("missing", server=True)[table.connection] == 0
    )
    known &= table.answering & ~table.may_have_closed_before(server=True)[table.connection]
    waited = gone - q.last_ns
    left = q.there & q.complete & ~table.interim & known & ~table.both_ask
    left &= (gone != LATER) & (gone < ended) & (waited >= np.where(reset, 0, AT_ONCE_NS))
    there = table.responses.there
    refused = table.of_ends("rst_ns", server=False)[table.connection] != NEVER
    if (left & there & refused).any():
        from lbtrace.match.exchange_times import refused_by_asker  # with all that pairs exchanges

        left &= ~there | refused_by_asker(table)
    else:  # who refuses nothing takes the answer
        left &= ~there
    return np.where(left, waited, NEVER)


def _answered(comparison: Comparison, rows: Column, waited: Column) -> tuple[Column, Column]:
    """How long it took to answer those of these requests that were answered nevertheless: those
    that took at least as long as the client waited, so that it was gone; and the others, whose
    answer the balancer may have had in time.
    """
    if comparison.alone:
        (side,) = comparison.captured
        table = comparison.table(side)
        rows = rows[table.responses.there[rows]]  # they came after the client had left
        late: Column = table.responses.first_ns[rows] - table.requests.last_ns[rows]
        return late, late[:0]
    pairs, backend = comparison.pairs, comparison.sides[1]
    those = np.isin(pairs.client, rows) & backend.responses.there[pairs.backend]
    those &= backend.requests.there[pairs.backend]
    b = pairs.backend[those]
    took: Column = backend.responses.first_ns[b] - backend.requests.last_ns[b]
    gone = took >= waited[pairs.client[those]]
    return took[gone], took[~gone]


def _frames(
    comparison: Comparison, side: Side, rows: Column, resets: Mapping[int, Steered]
) -> Iterator[FrameRef]:
    table = comparison.table(side)
    for row in rows[:EXAMPLES].tolist():
        yield comparison.request_frame(side, table.ref(row))
        if row in resets:
            yield resets[row].ref
        else:
            yield comparison.closing_frame(side, int(table.connection[row]), server=False)
    if not comparison.alone:
        pairs = comparison.pairs
        yield from comparison.request_frames(pairs.where(np.isin(pairs.client, rows[:EXAMPLES])))
