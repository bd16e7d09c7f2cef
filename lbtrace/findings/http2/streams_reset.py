"""HTTP/2 streams reset.

Meaning:
    One end gave up a stream (RST_STREAM) and left the connection open. The code says why.
    REFUSED_STREAM: the server did not begin with the request, so it may be sent again, whatever its
    method. CANCEL: whoever sent it no longer wants the stream, as a client that left or whose
    deadline passed. NO_ERROR from a server that has answered: it does not want the rest of the
    request. All others are errors.
Decided by:
    RST_STREAM frames (RFC 9113 §6.4, §7) and the requests on their streams. A request came again if
    one with the same method, target and body follows from the same host within ten seconds. What a
    balancer resets behind it because its client left is no problem of its own.
Evidence:
    The requests and the RST_STREAM frames.
Remedy:
    REFUSED_STREAM: let the client, or the balancer, send such requests again (Envoy: `retry_on:
    refused-stream`; nginx does so by `proxy_next_upstream error`). CANCEL: look for slow answers.
    For errors: look at the log of the end that sent them.
Variants:
    refused, refused-client, refused-backend: by REFUSED_STREAM.
    cancelled, cancelled-client, cancelled-backend: by CANCEL.
    enough, enough-client, enough-backend: by NO_ERROR.
    error, error-client, error-backend: by any other code.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.findings._streams import (
    CAME_AGAIN,
    Group,
    Steered,
    answered,
    came_again,
    frames_of,
    grouped,
    steered,
)
from lbtrace.findings.times.gave_up import given_up
from lbtrace.model.http2 import ControlKind, Http2Error, error_name
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
ONE_CAPTURE = True
NAMES = {
    Http2Error.REFUSED_STREAM: "refused",
    Http2Error.CANCEL: "cancelled",
    Http2Error.NO_ERROR: "enough",
}
REMEDY = {
    "refused": "Let refused requests be sent again: they were not processed (Envoy: retry_on: "
    "refused-stream; nginx: proxy_next_upstream error).",
    "cancelled": "Look at what these requests waited for, and at the time-outs of who cancelled "
    "them.",
    "error": "Look at the log of the end that reset the streams.",
}


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side, sender and code."""
    for side in comparison.captured:
        for group, those in grouped(steered(comparison, side, ControlKind.RST_STREAM)).items():
            yield _told(comparison, side, group, those)


def _told(comparison: Comparison, side: Side, group: Group, those: list[Steered]) -> Finding:
    table, (client, server) = comparison.table(side), ends(comparison, side)
    name = NAMES.get(Http2Error(group.code), "error") if group.code in _KNOWN else "error"
    rows = [each.row for each in those if each.row >= 0]
    asked = [row for row in rows if table.requests.there[row]]
    cut = _cut(table, rows)
    again = came_again(table, *_refused(those)) if name == "refused" else None
    missed = name == "refused" and again != len(those)
    left = _left(comparison, rows) if side is Side.BACKEND and group.from_client and cut else 0
    severity = _severity(name, group.from_client, cut if left != cut else None, missed)
    return KIND.finding(
        variant(comparison, name, side),
        severity,
        Confidence.CERTAIN,
        told(
            comparison,
            "The {sender} reset {count} of {of} HTTP/2 streams on the {side} side with {code}"
            + _meaning(name, group.from_client, cut),
        )
        + (CAME_AGAIN if name == "refused" else "")
        + (" Of these requests, the client had given up {left}." if left else ""),
        frames_of(comparison, side, those),
        note="the requests and the RST_STREAM frames",
        remedy="" if severity is Severity.INFO else REMEDY[name],
        sender=client if group.from_client else server,
        count=len(those),
        of=max(int((table.stream > 0).sum()), len(those)),
        side=named(comparison, side),
        code=error_name(group.code),
        cut=(cut or None) if name in ("cancelled", "error") else None,
        again=again,
        left=left or None,
    ).about(comparison.asked(side, np.array(asked, np.int64)))


_KNOWN = frozenset(map(int, Http2Error))


def _cut(table: SideTable, rows: list[int]) -> int | None:
    """How many answers on these streams had not come whole; None where bytes are missing."""
    known = np.array(rows, np.int64)
    if not table.whole_connections[table.connection[known]].all():
        return None
    return len(rows) - int(answered(table, known).sum())


def _left(comparison: Comparison, rows: list[int]) -> int:
    """How many of these backend exchanges were not answered whole, and belong to a request that
    its client gave up.
    """
    pairs, those = comparison.distinct_pairs, np.array(rows, np.int64)
    unanswered = those[~answered(comparison.sides[1], those)]
    mine = pairs.client[np.isin(pairs.backend, unanswered)]
    return int(np.isin(mine, given_up(comparison)).sum())


def _refused(those: list[Steered]) -> tuple[list[int], list[int]]:
    """The exchanges that were refused, and when."""
    known = [each for each in those if each.row >= 0]
    return [each.row for each in known], [each.frame.time_ns for each in known]


def _meaning(name: str, from_client: bool, cut: int | None) -> str:
    """What the code says."""
    tail = " {cut} of the answers had not come whole." if cut else ""
    match name:
        case "refused":
            return ": the requests were not processed."
        case "cancelled" if from_client:
            return ": it no longer wanted the answers." + tail
        case "enough" if not from_client:
            return ": it had answered, and wanted no more of the requests."
        case "cancelled" | "error":
            return "." + tail
        case _:
            return "."


def _severity(name: str, from_client: bool, cut: int | None, missed: bool) -> Severity:
    """A client that leaves, and a request that is sent again, are no problem."""
    if name == "refused":
        return Severity.MEDIUM if missed else Severity.INFO
    if name == "enough" or not cut or (name == "cancelled" and from_client):
        return Severity.INFO
    return Severity.MEDIUM
