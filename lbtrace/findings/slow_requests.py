"""Slow requests.

Meaning:
    Requests that took a second or longer in one capture, and which part took the time: sending the
    request, waiting for the first byte of the response, or receiving the response. Requests that
    all waited equally long tell of a time limit, or of a pause of fixed length.
Decided by:
    The times of the first and last byte of request and response in that capture. Tunnels, streams
    (server-sent events, gRPC calls of several messages in one direction), which are meant to take
    long, and messages of which the capture lacks bytes are left out. How long a balancer and its
    backend took of the waiting, one capture does not show. Two requests or more are alike if nearly
    all of their time was waiting, and the longest wait is at most a twentieth longer than the
    shortest.
Evidence:
    Request and response of the slowest.
Remedy:
    Sending: a large upload, a slow client, loss. Waiting: the server end, or what it asks in turn.
    Receiving: a large response, a sender that pauses, a slow reader that closes its window, loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import differ, ns
from lbtrace.findings._calls import of_exchanges
from lbtrace.findings._event_streams import event_streams
from lbtrace.findings._kind import FindingKind
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Framing, Mark
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, median_low
from lbtrace.tables.messages import FRAMINGS
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import bits_of

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.TIME, FramePart.START_LINE)
ONE_CAPTURE = True
OF_DURATIONS = True
SLOW_NS = 1_000_000_000
EXAMPLES = 2
DAMAGED = bits_of(
    (Mark.HEAD_TRUNCATED, Mark.BODY_TRUNCATED, Mark.RESYNCED, Mark.LOST, Mark.PAIRED_BY_ORDER)
)
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


def find(comparison: Comparison) -> Iterator[Finding]:
    """The slow requests of one capture; of two, see the latency that the balancer adds."""
    if not comparison.alone:
        return
    (side,) = comparison.captured
    table = comparison.table(side)
    known = np.flatnonzero(_known(table) & ~_streams(comparison, side))
    total = (table.responses.last_ns - table.requests.first_ns)[known]
    slow = known[total >= SLOW_NS]
    if len(slow):
        yield _finding(comparison, side, known, slow[np.argsort(-total[total >= SLOW_NS])])


def _known(table: SideTable) -> Column:
    """Which exchanges are there from first to last byte, one after the other."""
    q, r = table.requests, table.responses
    whole = q.there & r.there & ((table.marks | q.marks | r.marks) & DAMAGED == 0)
    known: Column = whole & (r.first_ns >= q.last_ns) & (r.framing != FRAMINGS[Framing.TUNNEL])
    return known


def _streams(comparison: Comparison, side: Side) -> Column:
    """Which exchanges are streams: whoever sends takes as long as there is something to send."""
    table = comparison.table(side)
    streams = event_streams(table.words, table.responses)
    for messages in ("asked", "answered"):
        streams = streams | (of_exchanges(comparison, side, messages) > 1)
    return streams


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
