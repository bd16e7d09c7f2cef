"""Slow requests.

Meaning:
    Requests that were answered well and took a second or longer, and which part took the time:
    sending the request, waiting for the first byte of the response, or receiving the response.
    Requests that all waited equally long tell of a time limit, or of a pause of fixed length. Two
    captures tell more of the waiting: whether the request stayed at the balancer or at the backend.
Decided by:
    The times of the first and last byte of request and response. Tunnels, streams
    (server-sent events, gRPC calls of several messages in one direction), which are meant to take
    long, and messages of which a capture lacks bytes are left out. How long a balancer and its
    backend took of the waiting, one capture does not show. Two requests or more of one capture are
    alike if nearly all of their time was waiting, and the longest wait is at most a twentieth
    longer than the shortest. Of two captures each pair counts for the part that took longest, by
    differences that need no common clock; what another finding explains
    (a lost SYN, a failed connection, a slow reader, loss, buffering, one slow backend) is told
    there.
Evidence:
    Request and response of the slowest.
Remedy:
    Sending: a large upload, a slow client, loss. At the balancer: its queue, its connections to the
    backend, the name it looks up. At the backend: what it asks in turn. Receiving: a large
    response, a sender that pauses, a slow reader that closes its window, loss.
Variants:
    sending: of two captures, while the client sent its request.
    held: between the client's request and the backend's, or between the responses.
    answering: until the backend began to answer.
    responding: while the backend sent its response.
    delivering: the response came slower than the backend sent it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce

import numpy as np

from lbtrace.comparison import Comparison, confidence_of
from lbtrace.comparison.arrival import spread_ns
from lbtrace.comparison.claims import differ, ns
from lbtrace.comparison.latency import NO_CLOCK, on_client_clock
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import few
from lbtrace.findings._open_behind import open_behind
from lbtrace.findings._waited_meanwhile import waits_explained
from lbtrace.findings._where_time_went import (
    PARTS_OF_PAIRS,
    SLOW_NS,
    Slow,
    known_times,
    slow_pairs,
    streams,
)
from lbtrace.findings.backends import slow_backend
from lbtrace.findings.connections import lost_syn
from lbtrace.findings.times import held_back
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Mark
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, among, median_low
from lbtrace.tables.words import MARKS

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.TIME, FramePart.START_LINE)
ONE_CAPTURE = True
OF_DURATIONS = True
EXAMPLES = 2
NEARLY_ALL = 0.95  # of the time of a request
ALIKE = 0.05  # by which the longest of alike waits is longer than the shortest, at most
PARTS = ("sending", "waiting", "receiving")
REMEDY = {
    "alike": "Look for a time limit of that length, here or behind the server end: what it waited "
    "for shows in a capture on its other side. A SYN that is lost is sent again after one second, "
    "then after three and seven (RFC 6298).",
    "sending": "Sending took most of the time of the slowest: look at the size of the request, at "
    "the client and at loss.",
    "waiting": "Waiting took most of the time of the slowest: look at the server end, and capture "
    "on its other side to see what it waited for.",
    "receiving": "Receiving took most of the time of the slowest: look at the size of the "
    "response, for pauses of its sender, and for a slow reader that closes its window.",
}
WHAT_TO_DO = {
    "sending": "Look at the size of these requests, at the client, and at the way to the balancer.",
    "held": "Look at what the balancer waited for: a place in its queue (maxconn), a connection "
    "to the backend, the address of its name (DNS), a check of its own. Its log says how long "
    "(HAProxy: Tw, Tc; nginx: $upstream_connect_time and $upstream_header_time against "
    "$request_time).",
    "answering": "Look at the backend: its log of that time, its load, its limit of workers, and "
    "what it asks in turn.",
    "responding": "Look at the size of these responses, and at why the backend pauses while it "
    "sends.",
    "delivering": "Look at limits of the balancer (nginx: limit_rate; HAProxy: bwlim-out), and at "
    "the way to the client.",
}
SENT_AGAIN = MARKS[Mark.RETRANSMITTED]
FEW = 3  # requests that wait for each other
LIMIT = (
    "Raise the limit of requests or connections that are open at once (HAProxy: maxconn; nginx: "
    "max_conns; Envoy: circuit breakers), or make the backend faster: look at what it was busy "
    "with."
)
ONE_AT_A_TIME = (
    "The backend works at one of these at a time: give it more workers (threads, processes), or "
    "look for a lock that they share."
)
NEAR_NS = 100_000_000  # by which a request comes after the end of the one that it waited for


def find(comparison: Comparison) -> Iterator[Finding]:
    """The slow requests of one capture; of two, by where the time went."""
    if comparison.alone:
        yield from _alone(comparison)
        return
    slow = slow_pairs(comparison)
    slow = slow.where(~_explained(comparison, slow))
    for at, part in enumerate(PARTS_OF_PAIRS):
        those = slow.where(slow.longest_part == at)
        if len(those.pairs):
            yield _of_two(comparison, part, those, len(slow.others) + len(slow.total))


def _explained(comparison: Comparison, slow: Slow) -> Column:
    """Which of them another finding explains, or loss."""
    client, c, b = comparison.sides[0], slow.pairs.client, slow.pairs.backend
    part = {name: slow.longest_part == at for at, name in enumerate(PARTS_OF_PAIRS)}
    again = reduce(
        np.bitwise_or, (client.marks[c], client.requests.marks[c], client.responses.marks[c])
    )
    reader = 2 * client.window_closed(c) >= slow.total
    told: Column = (part["held"] | part["delivering"] | part["sending"]) & (again & SENT_AGAIN > 0)
    told |= (part["responding"] | part["delivering"]) & reader
    told |= part["held"] & among(b, lost_syn.delayed_exchanges(comparison))
    told |= part["answering"] & among(b, slow_backend.slow_exchanges(comparison))
    asked, whole = held_back.requests_held(comparison)
    told |= among(c, asked.where(whole).client) & part["sending"]
    sent = held_back.responses_held(comparison)
    told |= among(c, sent.pairs.where(sent.held).client) & (part["held"] | part["responding"])
    told |= among(c, waits_explained(comparison))
    return told


def _alone(comparison: Comparison) -> Iterator[Finding]:
    (side,) = comparison.captured
    table = comparison.table(side)
    known = np.flatnonzero(known_times(table) & ~streams(comparison, side))
    total = (table.responses.last_ns - table.requests.first_ns)[known]
    slow = known[total >= SLOW_NS]
    if len(slow):
        yield _finding(comparison, side, known, slow[np.argsort(-total[total >= SLOW_NS])])


def _of_two(comparison: Comparison, part: str, slow: Slow, of: int) -> Finding:
    client, backend = comparison.sides
    slow = slow.where(np.argsort(-slow.total, kind="stable"))
    pairs = slow.pairs
    c, b = pairs.client[:1], pairs.backend[:1]
    servers = backend.servers[backend.connection[pairs.backend]].tolist()
    before = _before(comparison, slow) if part == "held" else None
    limit = _limit(comparison, slow) if part == "held" else 0
    apart = _one_at_a_time(comparison, slow) if part == "answering" else 0
    held = int(slow.parts["held"][0]) if part == "answering" else 0
    held = held if 4 * held >= int(slow.total[0]) else 0
    return KIND.finding(
        part,
        Severity.LOW,
        confidence_of(pairs),
        "{count} of {of} requests took a second or longer"
        + (" (the others {median} in the median)" if len(slow.others) else "")
        + _mainly(part, comparison.passes_packets, held > 0)
        + (" It came to the backend {before} after the client had sent it." if before else "")
        + (
            " Never more than {limit} requests were open behind the balancer, and each of these "
            "was passed on when another one had ended: so does a limit with a queue."
            if limit
            else ""
        )
        + (
            " The backend answered them one after another, {apart} apart in the median, though "
            "they came together."
            if apart
            else ""
        ),
        _frames(comparison, slow),
        note="the slowest",
        remedy=LIMIT if limit else ONE_AT_A_TIME if apart else WHAT_TO_DO[part],
        count=len(pairs),
        of=of,
        median=ns(median_low(slow.others)) if len(slow.others) else None,
        target=client.words.text_list[int(client.requests.start[c[0]])],
        longest=None if part == "delivering" else ns(int(slow.total[0])),
        spent=ns(int(slow.parts[part][0]))
        if part in ("sending", "answering", "responding")
        else None,
        behind=ns(int((backend.responses.last_ns - backend.requests.first_ns)[b[0]]))
        if part == "held"
        else None,
        received=ns(int(spread_ns(client.responses, c)[0])) if part == "delivering" else None,
        sent=ns(int(spread_ns(backend.responses, b)[0])) if part == "delivering" else None,
        servers=few(str(backend.endpoint(server)) for server in servers)
        if part in ("answering", "responding")
        else None,
        held=ns(held) if held else None,
        before=ns(before) if before else None,
        limit=limit or None,
        apart=ns(apart) if apart else None,
    ).about(comparison.asked(Side.CLIENT, pairs.client))


def _mainly(part: str, passes_packets: bool, held: bool) -> str:
    """In which part the time went, and how much of the slowest one's. `held`: the balancer had it
    for a good part, too.
    """
    if part == "sending":
        return (
            ", mainly while the client sent them. The slowest, {target}, took {longest}: {spent} "
            "to send it."
        )
    if part == "held":
        return (
            ", mainly between the client capture and the backend's."
            if passes_packets
            else ", mainly at the balancer."
        ) + " The slowest, {target}, took {longest}, of which the backend had it for {behind}."
    if part == "answering":
        return (
            ", mainly until the backend ({servers}) began to answer. The slowest, {target}, took "
            "{longest}, and {spent} passed at the backend before the first byte of its answer"
            + (", {held} at the balancer." if held else ".")
        )
    if part == "responding":
        return (
            ", mainly while the backend ({servers}) sent its answer. The slowest, {target}, took "
            "{longest}, and the backend sent for {spent}."
        )
    return (
        ", mainly because the answer came slower than the backend had sent it. The slowest, "
        "{target}, came over {received}; the backend had sent it in {sent}."
    )


def _frames(comparison: Comparison, slow: Slow) -> Iterator[FrameRef]:
    for pair in slow.pairs[:EXAMPLES]:
        yield comparison.request_frame(Side.CLIENT, pair.client_ref)
        yield comparison.response_frame(Side.CLIENT, pair.client_ref)
        yield comparison.request_frame(Side.BACKEND, pair.backend_ref)
        yield comparison.response_frame(Side.BACKEND, pair.backend_ref)


def _waits(comparison: Comparison, slow: Slow) -> tuple[Column, Column, Column]:
    """(when each request was there in front, when behind by the same clock, by how much that may be
    wrong); the last is NO_CLOCK where it is not known.
    """
    client, backend = comparison.sides
    behind = backend.requests.first_ns[slow.pairs.backend]
    asked, width = on_client_clock(comparison, slow.pairs, behind)
    return client.requests.last_ns[slow.pairs.client], asked, width


def _before(comparison: Comparison, slow: Slow) -> int | None:
    """How long the slowest waited in front of the backend, if a clock says so to a tenth."""
    sent, asked, width = _waits(comparison, slow)
    waited = int(asked[0] - sent[0])
    return waited if width[0] != NO_CLOCK and waited > 10 * int(width[0]) else None


def _limit(comparison: Comparison, slow: Slow) -> int:
    """How many requests are open behind the balancer at most, if that many were open most of
    the time of each of these waits, and one of them ended just before its end; else 0.
    """
    behind = open_behind(comparison)
    if behind is None:
        return 0
    asked = comparison.sides[1].requests.first_ns[slow.pairs.backend]
    waited = np.minimum(slow.parts["held"], asked)
    # most of the time: at the moment at which one takes the place of another, fewer are open
    moments = asked - waited * np.array([[1], [2], [3]]) // 4
    full = np.median(behind.at(moments), axis=0) == behind.most
    last_end = behind.last_end(asked)
    freed = (last_end <= asked) & (asked - last_end < NEAR_NS)
    return behind.most if (full & freed).all() else 0


def _one_at_a_time(comparison: Comparison, slow: Slow) -> int:
    """How far apart the ends of these requests are in the median, if one server answered them one
    after another though they were all there; else 0.
    """
    backend = comparison.sides[1]
    b = slow.pairs.backend
    server = backend.servers[backend.connection[b]]
    if len(b) < FEW or len(np.unique(server)) > 1:
        return 0
    b = b[np.argsort(backend.responses.first_ns[b])]
    came, answered = backend.requests.last_ns[b], backend.responses.first_ns[b]
    apart = np.diff(answered)
    together = came.max() < answered.min()
    even = 2 * int(apart.min()) > int(apart.max())
    later = int(apart.min()) > 2 * int(np.diff(np.sort(came)).max())
    return median_low(apart) if together and even and later else 0


def _finding(comparison: Comparison, side: Side, known: Column, slow: Column) -> Finding:
    table = comparison.table(side)
    q, r = table.requests, table.responses
    worst = int(slow[0])
    took = {
        "sending": int(q.last_ns[worst] - q.first_ns[worst]),
        "waiting": int(r.first_ns[worst] - q.last_ns[worst]),
        "receiving": int(r.last_ns[worst] - r.first_ns[worst]),
    }
    others = np.setdiff1d(known, slow)
    waits = (r.first_ns - q.last_ns)[slow]
    least, most = int(waits.min()), int(waits.max())
    alike = len(slow) > 1 and most - least <= ALIKE * least
    alike &= bool((waits >= NEARLY_ALL * (r.last_ns - q.first_ns)[slow]).all())
    part = max(PARTS, key=took.__getitem__)
    return KIND.finding(
        "",
        Severity.LOW,
        Confidence.HIGH,
        "{count} of {of} requests took a second or longer"
        + (" (the others {median} in the median)" if len(others) else "")
        + "."
        + (_alike(differ(least, most)) if alike else _slowest(part, took)),
        (
            look(side, table.ref(row))
            for row in slow[:EXAMPLES].tolist()
            for look in (comparison.request_frame, comparison.response_frame)
        ),
        count=len(slow),
        of=len(known),
        median=ns(median_low((r.last_ns - q.first_ns)[others])) if len(others) else None,
        target=table.words.text_list[int(q.start[worst])],
        longest=ns(sum(took.values())),
        sending=ns(took["sending"]),
        waiting=ns(took["waiting"]),
        receiving=ns(took["receiving"]),
        least=ns(least) if alike else None,
        most=ns(most) if alike and differ(least, most) else None,
        remedy=REMEDY["alike" if alike else part],
    ).about(comparison.asked(side, slow))


def _alike(both: bool) -> str:
    """What slow requests have in common that waited equally long."""
    return (
        " They waited {least}"
        + (" to {most}" if both else "")
        + " for the first byte of the response, as alike as a time limit, or a pause of fixed "
        "length, makes them."
    )


def _slowest(part: str, took: Mapping[str, int]) -> str:
    """Which part of the slowest took the time."""
    if took[part] < NEARLY_ALL * sum(took.values()):
        return (
            " The slowest, {target}, took {longest}: {sending} to send it, {waiting} until the "
            "first byte of the response, {receiving} to receive it."
        )
    if part == "sending":
        return " The slowest, {target}, took {longest}, nearly all of it to send the request."
    if part == "waiting":
        return (
            " The slowest, {target}, took {longest}, nearly all of it until the first byte of the "
            "response."
        )
    return " The slowest, {target}, took {longest}, nearly all of it to receive the response."
