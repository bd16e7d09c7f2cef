"""ETags that the backend does not know.

Meaning:
    A client that has a copy asks with its ETag whether it still holds (If-None-Match), and 304
    saves the body. That fails where the ETag is not one that the backend gave: a balancer that
    compresses writes another one (`-gzip` of Apache httpd), and each backend may make its own of
    inode and time.
Decided by:
    Requests with If-None-Match that a backend answered with 200 and an ETag, none of whose tags
    that server gave for the target. Another server gave one of them for the same body; or the
    balancer wrote one of them in place of the ETag that the server gives still. Tags are compared
    without W/ (RFC 9110 §8.8.3.2).
Evidence:
    Such requests, and their answers.
Remedy:
    Let the balancer leave ETag alone, or change it back in requests (Apache httpd:
    `DeflateAlterETag NoChange`, or `RequestHeader edit If-None-Match`). Let all backends make the
    same ETag (Apache httpd: `FileETag MTime Size`).
Variants:
    other-server: the tag is that of another server.
    changed: the balancer wrote another tag.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison, field_values
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends
from lbtrace.http_fields import ETAG, IF_NONE_MATCH
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.messages import NO_VALUE

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.FIELDS)
ONE_CAPTURE = True
OK = 200
TAGS = re.compile(r'"[^"]*"').findall
ONE_FOR_ALL = (
    "Let all backends make the same ETag for the same content (Apache httpd: FileETag MTime Size; "
    "nginx makes it of time and size), or keep a client with its backend."
)
LEAVE_ALONE = (
    "Let the balancer leave ETag alone, or change it back in requests (Apache httpd: "
    "DeflateAlterETag NoChange, or RequestHeader edit If-None-Match), or compress at the backend."
)


class _ByTag(NamedTuple):
    """A request for the whole, by a tag: its row, its server, and what the tag is."""

    row: int
    variant: str
    before: str = ""
    after: str = ""


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding for tags of other servers, one for tags that the balancer wrote."""
    side = comparison.captured[-1]
    table = comparison.table(side)
    q, r = table.requests, table.responses
    wanted, given = q.line_of(table.words, IF_NONE_MATCH), r.line_of(table.words, ETAG)
    asking = q.whole_heads & (wanted != NO_VALUE)
    rows = np.flatnonzero(asking & r.whole_heads & (r.start == OK) & (given != NO_VALUE))
    if not len(rows):
        return
    found = list(_unknown(comparison, side, rows, wanted, given))
    for variant in ("other-server", "changed"):
        those = [asked for asked in found if asked.variant == variant]
        if those:
            yield _told(comparison, side, those, int(asking.sum()))


def _unknown(
    comparison: Comparison, side: Side, rows: Column, wanted: Column, given: Column
) -> Iterator[_ByTag]:
    """Those of the rows whose tags their server never gave for the target."""
    table = comparison.table(side)
    r, servers = table.responses, table.servers[table.connection]
    target, lines = table.requests.start, table.words.line_list
    known = np.flatnonzero(np.isin(target, target[rows]) & r.there & (given != NO_VALUE))
    # (target, tag) → who gave it, and with which bodies
    by: dict[tuple[int, str], set[int]] = defaultdict(set)
    bodies: dict[tuple[int, str], set[int]] = defaultdict(set)
    for row in known.tolist():
        for tag in TAGS(lines[given[row]].value):
            by[int(target[row]), tag].add(int(servers[row]))
            bodies[int(target[row]), tag].add(int(r.digest[row]))
    written = _written(comparison)
    for row in rows.tolist():
        of, server = int(target[row]), int(servers[row])
        asked, now = TAGS(lines[wanted[row]].value), TAGS(lines[given[row]].value)
        if not now or any(server in by[of, tag] for tag in asked):
            continue
        if any(by[of, tag] and int(r.digest[row]) in bodies[of, tag] for tag in asked):
            yield _ByTag(row, "other-server")
            continue
        changed = next((tag for tag in asked if written.get((of, tag)) == now[0]), "")
        if changed:
            yield _ByTag(row, "changed", now[0], changed)


def _written(comparison: Comparison) -> dict[tuple[int, str], str]:
    """(target behind the balancer, tag that a client got) → another tag, which the backend gave."""
    if comparison.alone:
        return {}
    backend, pairs = comparison.sides[1], comparison.response_heads
    values = field_values(comparison, ETAG, response=True)
    got, given, texts = values.of(pairs)
    found = {}
    for row in np.flatnonzero(got != given).tolist():
        before, after = (TAGS(texts[int(number)] or "") for number in (given[row], got[row]))
        if before and after and before[0] != after[0]:
            target = int(backend.requests.start[pairs.backend[row]])
            found[target, after[0]] = before[0]
    return found


def _told(comparison: Comparison, side: Side, those: list[_ByTag], of: int) -> Finding:
    _, server = ends(comparison, side)
    first = those[0]
    other = first.variant == "other-server"
    rows = np.array([asked.row for asked in those])
    return KIND.finding(
        first.variant,
        Severity.LOW,
        Confidence.HIGH,
        (
            "{count} of {of} requests with If-None-Match brought one {server} the ETag that "
            "another one gave for the same body"
            if other
            else "The balancer changes ETag ({before} becomes {after}, for example), and clients "
            "send the changed one back: {count} of {of} requests with If-None-Match brought the "
            "{server} a value that it never gave"
        )
        + ". Each got the whole response again, in place of 304.",
        _frames(comparison, side, rows[: FRAMES_PER_SIDE // 2]),
        note="the requests, and their answers",
        remedy=ONE_FOR_ALL if other else LEAVE_ALONE,
        count=len(those),
        of=of,
        server=server,
        before=None if other else first.before,
        after=None if other else first.after,
    ).about(comparison.asked(side, rows))


def _frames(comparison: Comparison, side: Side, rows: Column) -> Iterator[FrameRef]:
    table = comparison.table(side)
    for row in rows.tolist():
        yield comparison.request_frame(side, table.ref(row))
        yield comparison.response_frame(side, table.ref(row))
