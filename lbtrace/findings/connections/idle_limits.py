"""Idle time limits.

Meaning:
    Who ended or forgot a connection on which nothing was sent for a while, and after how long. A
    NAT, a firewall or an L4 balancer forgets the flow: what is sent then vanishes, or is answered
    by RST. A server or a proxy closes idle connections, WebSocket and HTTP/2 connections too, or
    says 408 on them.
Decided by:
    Forgotten: a connection that had worked was silent for a second or more, then segments were sent
    three times or more and nothing came back, or a RST came back at once. Closed: the first FIN or
    RST came after a second of silence or more, and no request was waiting for its answer. The
    longest silence after which a request was still answered bounds the limit from below.
Evidence:
    The first segment that was sent in vain, the RST, the FIN, or the response 408.
Remedy:
    The end that sends must give up idle connections, or send something (TCP keep-alive, PING, a
    WebSocket ping), sooner than anything on the way forgets them. Client side: the client's limit
    below the balancer's (`keepalive_timeout` of nginx, `timeout http-keep-alive` of HAProxy,
    `idle_timeout` of an ALB, 350 s of an NLB). Backend side: the balancer's below the backend's.
Variants:
    forgotten, forgotten-client, forgotten-backend: what was sent after the silence got no answer.
    reset, reset-client, reset-backend: what was sent after the silence was answered by RST at once.
    closed-by-client, closed-by-client-client, closed-by-client-backend: the end that asks closed
        the idle connection.
    closed-by-server, closed-by-server-client, closed-by-server-backend: the end that answers closed
        the idle connection.
    used-after, used-after-client, used-after-backend: the end that answers closed a connection that
        carries no HTTP, and the other end went on using it.
    408, 408-client, 408-backend: the server said so where no request had been sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.comparison.claims import differ, ns
from lbtrace.comparison.sides import NO_EXCHANGE, following
from lbtrace.comparison.unanswered import IDLE_NS
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.findings.connections.connection_reuse import CLIENT, NOBODY, first_close
from lbtrace.findings.connections.keep_alive_race import longest_idle_ns
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import REQUEST_TIMEOUT, Framing
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import LATER, NEVER
from lbtrace.tables.messages import FRAMINGS
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.END, FramePart.SEQUENCE, FramePart.TIME)
ONE_CAPTURE = True
PINGS = (
    "Send pings more often than that, or raise the idle limit of the {end} (proxy_read_timeout, "
    "timeout tunnel, idle_timeout)."
)
SHORTER = (
    "The {sender} sends the requests: its idle limit must be the shorter one. Set it below that of "
    "the {server} (keepalive_timeout, timeout http-keep-alive, idle_timeout)."
)
OF_DURATIONS = True
AT_ONCE_NS = 250_000_000  # an answer within a long round trip
POOLS = (
    "Let the {sender} give up or test idle connections sooner than that (the idle time or the "
    "longest life of its pool), or raise the idle limit of the {server} (HAProxy: timeout client, "
    "timeout server, timeout tunnel; nginx stream: proxy_timeout)."
)
KEEP = (
    "Let the end that sends give up idle connections, or send TCP keep-alive or pings "
    "(tcp_keepalive, keepalive_time), sooner than that; or raise the idle limit on the way "
    "(idle_timeout of the balancer, the connection tracking time-out of a NAT)."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """Per side: flows that were forgotten, in silence or with a RST; idle connections that were
    closed; 408 without a request.
    """
    for side in comparison.captured:
        yield from _forgotten(comparison, side)
        yield from _reset(comparison, side)
        yield from _closed(comparison, side)
        yield from _used_after(comparison, side)
        yield from _timed_out(comparison, side)


def _forgotten(comparison: Comparison, side: Side) -> Iterator[Finding]:
    sent = comparison.forgotten(side)
    if sent.none:
        return
    table = comparison.table(side)
    idle, tries = (
        ends_of(table, sent.connection, sent.server, name)
        for name in ("unacked_idle_ns", "unacked")
    )
    missing = _not_behind(comparison, side, sent.connection)
    worked = longest_idle_ns(comparison, side)
    yield KIND.finding(
        variant(comparison, "forgotten", side),
        Severity.HIGH,
        Confidence.HIGH,
        told(
            comparison,
            "{count} connections on the {side} side had worked, {count:was|were} silent for {least}"
            + (" or more" if len(idle) > 1 else "")
            + ", and then nothing came back: what was sent then was sent {tries} times",
        )
        + (" or more" if len(set(tries.tolist())) > 1 else "")
        + ", in vain."
        + (
            " The flow was forgotten on the way. None of it is in the backend capture."
            if missing
            else " The flow was forgotten on the way, or the other end is gone."
        )
        + _bound(worked, idle),
        shown_ends(comparison, side, sent.connection, sent.server, "unacked"),
        note="the first segment that was sent in vain",
        remedy=KEEP,
        side=named(comparison, side),
        count=len(sent.connection),
        least=ns(int(idle.min())),
        tries=str(int(tries.min())),
        worked=None if worked is None else ns(worked),
    )


def _not_behind(comparison: Comparison, side: Side, connections: Column) -> bool:
    """Whether the backend capture shows less from the client than was sent, on the connections that
    continue these.
    """
    if side is Side.BACKEND or comparison.alone or not comparison.passes_packets:
        return False
    client, backend = comparison.sides
    pairs = comparison.connection_pairs
    pairs = pairs.where(np.isin(pairs.client, connections))
    sent, arrived = (
        table.of_ends("bytes", server=False)[rows]
        for table, rows in ((client, pairs.client), (backend, pairs.backend))
    )
    return len(pairs) == len(connections) and bool((arrived < sent).all())


def _reset(comparison: Comparison, side: Side) -> Iterator[Finding]:
    """Segments after a silence that were answered by RST at once: where a request was read, they
    are told as a keep-alive race, unless packets are passed through and no proxy closes anything.
    """
    table = comparison.table(side)
    found: list[tuple[Column, bool]] = []
    for server in (False, True):
        begun, idle, sent = (
            table.of_ends(name, server) for name in ("unacked_ns", "unacked_idle_ns", "unacked")
        )
        answer = table.of_ends("rst_ns", not server)
        at_once = (answer >= begun) & (answer - begun <= AT_ONCE_NS) & (answer != NEVER)
        # what was closed before is no forgotten flow
        fin = table.of_ends("fin_ns", not server)
        found.append(
            (np.flatnonzero((sent > 0) & (idle >= IDLE_NS) & at_once & (fin == NEVER)), server)
        )
    connections = np.concatenate([rows for rows, _ in found])
    server_sends = np.concatenate([np.full(len(rows), server) for rows, server in found])
    if not comparison.passes_packets:
        read = comparison.used(side)[connections]
        connections, server_sends = connections[~read], server_sends[~read]
    if not len(connections):
        return
    idle = ends_of(table, connections, server_sends, "unacked_idle_ns")
    worked = longest_idle_ns(comparison, side)
    yield KIND.finding(
        variant(comparison, "reset", side),
        Severity.HIGH,
        Confidence.MEDIUM,
        told(
            comparison,
            "{count} connections on the {side} side {count:was|were} reset by what was sent "
            "after {least} of "
            "silence",
        )
        + (" or more" if len(idle) > 1 else "")
        + ": the RST came at once. The other end, or the balancer on the way, no longer knew them."
        + _bound(worked, idle),
        shown_ends(comparison, side, connections, server_sends, "unacked"),
        note="the segment that was answered by RST",
        remedy=KEEP,
        side=named(comparison, side),
        count=len(connections),
        least=ns(int(idle.min())),
        worked=None if worked is None else ns(worked),
    )


def _bound(worked: int | None, idle: Column) -> str:
    """What bounds the limit from below: a shorter silence after which it still worked."""
    if worked is None or worked >= int(idle.min()):
        return ""
    return " After {worked} of silence a request was still answered, so the limit lies in between."


class _Close(NamedTuple):
    """Idle connections that one end closed."""

    who: int
    connections: Column
    idle_ns: Column


def _closed(comparison: Comparison, side: Side) -> Iterator[Finding]:
    table = comparison.table(side)
    who, frame, time_ns = first_close(table)
    idle = time_ns - _last_word(table)
    busy = waiting(table)
    counts = (who != NOBODY) & (idle >= IDLE_NS) & (_last_word(table) != NEVER) & ~busy
    if side is Side.BACKEND and not comparison.alone:
        counts &= ~(comparison.check_connections | comparison.from_other_clients)
    for end in (CLIENT, 1 - CLIENT):
        rows = np.flatnonzero(counts & (who == end))
        if len(rows):
            yield _closed_by(comparison, side, _Close(end, rows, idle[rows]), frame, time_ns)


def _closed_by(
    comparison: Comparison, side: Side, close: _Close, frame: Column, time_ns: Column
) -> Finding:
    closer, other = ends(comparison, side)[:: 1 if close.who == CLIENT else -1]
    upgraded = _upgraded(comparison, side, close.connections)
    worked = longest_idle_ns(comparison, side)
    table, least, most = comparison.table(side), int(close.idle_ns.min()), int(close.idle_ns.max())
    differ = most - least > least // 100  # else both are written alike
    frames = []
    for c in close.connections[:FRAMES_PER_SIDE].tolist():
        trace = comparison.traces(side)[table.connection_ref(c).point]
        frames.append(trace.ref(int(frame[c]), int(time_ns[c])))
    return KIND.finding(
        variant(
            comparison, "closed-by-client" if close.who == CLIENT else "closed-by-server", side
        ),
        Severity.MEDIUM if upgraded else Severity.INFO,
        Confidence.HIGH,
        told(
            comparison,
            "The {closer} closed {count} idle {protocols} {count:connection|connections} on the "
            "{side} side"
            if len(upgraded) == len(close.connections)
            else "The {closer} closed {count} idle connections on the {side} side",
        )
        + " after {least}"
        + (" to {most}" if differ else "")
        + " of silence"
        + (
            ", {upgraded} of them {protocols} connections"
            if 0 < len(upgraded) < len(close.connections)
            else ""
        )
        + "."
        + (
            " After {worked} of silence a request was still answered."
            if worked is not None and worked < least
            else ""
        ),
        frames,
        note="the FIN or RST",
        remedy=_longer(close.who, closer, other, bool(upgraded)),
        side=named(comparison, side),
        closer=closer,
        count=len(close.connections),
        least=ns(least),
        most=ns(most) if differ else None,
        upgraded=len(upgraded) if 0 < len(upgraded) < len(close.connections) else None,
        protocols="/".join(sorted(set(upgraded))) or None,
        worked=ns(worked) if worked is not None and worked < least else None,
    )


def _longer(who: int, closer: str, other: str, upgraded: bool) -> str:
    """Which setting must be longer than which."""
    if upgraded:
        return PINGS.format(end=closer)
    if who == CLIENT:
        return ""
    return SHORTER.format(sender=other, server=closer)


def _used_after(comparison: Comparison, side: Side) -> Iterator[Finding]:
    """Connections without HTTP that the server end closed after a silence, and on which the client
    end sent once more: it learns so from the RST. Of HTTP, see keep-alive-race.
    """
    table = comparison.table(side)
    fin, rst = (table.ended_ns(True, by) for by in ("fin", "rst"))
    spoke, answered = (table.of_ends("last_payload_ns", end) for end in (False, True))
    late = (fin != LATER) & (fin < table.ended_ns(False)) & (spoke > fin) & (answered != NEVER)
    silent = fin - answered
    late &= (silent >= IDLE_NS) & (answered < fin) & (rst != LATER) & (rst >= spoke)
    late &= np.bincount(table.connection, minlength=len(late)) == 0
    rows = np.flatnonzero(late)
    if not len(rows):
        return
    client, server = ends(comparison, side)
    least, most = int(silent[rows].min()), int(silent[rows].max())
    both = differ(least, most)
    yield KIND.finding(
        variant(comparison, "used-after", side),
        Severity.MEDIUM,
        Confidence.HIGH,
        told(
            comparison,
            "The {server} closed {count} connections on the {side} side {least}"
            + (" to {most}" if both else "")
            + " after the last bytes that it had sent. The {client} went on using "
            "{count:it|them}, and got a RST.",
        ),
        [
            frame
            for row in rows[: FRAMES_PER_SIDE // 2].tolist()
            for frame in (
                *comparison.end_frames(side, np.array([row]), "fin_frame", "fin_ns", (True,)),
                *comparison.end_frames(side, np.array([row]), "rst_frame", "rst_ns", (True,)),
            )
        ],
        note="the FIN, and the RST that answers what came later",
        remedy=POOLS.format(sender=client, server=server),
        side=named(comparison, side),
        server=server,
        client=client,
        count=len(rows),
        least=ns(least),
        most=ns(most) if both else None,
    )


def _last_word(table: SideTable) -> Column:
    """Per connection the last time that an end sent payload, or that it opened; NEVER without."""
    client, server = (table.of_ends("last_payload_ns", end) for end in (False, True))
    last: Column = np.maximum(np.maximum(client, server), table.of_connections("established_ns"))
    return last


def waiting(table: SideTable) -> Column:
    """Per connection, whether an answer on it was not over, or what was sent last was not answered:
    then it was not idle.
    """
    responses = table.responses
    over = responses.complete & (responses.framing != FRAMINGS[Framing.UNTIL_CLOSE])
    open_ = table.requests.there & ~(responses.there & over)
    count = len(table.client_address)
    busy: Column = np.bincount(table.connection, open_, minlength=count) > 0
    read = np.bincount(table.connection, minlength=count) > 0
    asked, answered = (table.of_ends("last_payload_ns", end) for end in (False, True))
    busy |= ~read & (asked > answered)
    unacked: Column = table.of_ends("unacked", False) + table.of_ends("unacked", True) > 0
    return busy | unacked


def _upgraded(comparison: Comparison, side: Side, connections: Column) -> list[str]:
    """The protocols that those connections which were upgraded carry."""
    table, traces = comparison.table(side), comparison.traces(side)
    found = []
    for point, number in table.connection_refs(connections):
        upgraded = traces[point].applications[number].upgraded
        found += [upgraded] if upgraded else []
    return found


def _timed_out(comparison: Comparison, side: Side) -> Iterator[Finding]:
    """Responses 408 that answer no request: what a server says on an idle connection it closes."""
    table = comparison.table(side)
    late = np.flatnonzero(
        table.responses.there & ~table.requests.there & (table.responses.start == REQUEST_TIMEOUT)
    )
    if not len(late):
        return
    after = _asked_after(table, late)
    yield KIND.finding(
        variant(comparison, "408", side),
        Severity.LOW,
        Confidence.HIGH,
        told(comparison, "On {count} connections on the {side} side the server said 408")
        + " (Request Timeout) though no request had been sent: that is how it ends idle "
        "connections. "
        + (
            "On {after} of them a request followed, which has no other answer: its client may "
            "take the 408 for it."
            if len(after)
            else "A client that sends at that moment takes it for the answer."
        ),
        (
            *(
                comparison.response_frame(side, table.ref(row))
                for row in late[:FRAMES_PER_SIDE].tolist()
            ),
            *(
                comparison.request_frame(side, table.ref(row))
                for row in after[:FRAMES_PER_SIDE].tolist()
            ),
        ),
        remedy="Let the end that sends requests give up idle connections sooner than this server.",
        side=named(comparison, side),
        count=len(late),
        after=len(after) or None,
    ).about(comparison.asked(side, after))


def _asked_after(table: SideTable, late: Column) -> Column:
    """The first request after each of these responses, on its connection, where it has no response:
    the numbers of the exchanges.
    """
    after = following(table, np.ones(len(table), bool))[late]
    after = after[after != NO_EXCHANGE]
    unanswered: Column = after[table.requests.there[after] & ~table.responses.there[after]]
    return unanswered


def ends_of(table: SideTable, connections: Column, server: Column, name: str) -> Column:
    """A column of ends, of the client or of the server of each of these connections."""
    both = [table.of_ends(name, end)[connections] for end in (False, True)]
    return np.where(server, both[1], both[0])


def shown_ends(
    comparison: Comparison, side: Side, connections: Column, server: Column, name: str
) -> list[FrameRef]:
    """The frames that a column of the ends names, of the first few of these ends."""
    table = comparison.table(side)
    frames, times = (
        ends_of(table, connections, server, f"{name}_{unit}") for unit in ("frame", "ns")
    )
    found = []
    rows = zip(connections.tolist(), frames.tolist(), times.tolist(), strict=True)
    for connection, frame, time_ns in list(rows)[:FRAMES_PER_SIDE]:
        trace = comparison.traces(side)[table.connection_ref(connection).point]
        found.append(trace.ref(frame, time_ns))
    return found
