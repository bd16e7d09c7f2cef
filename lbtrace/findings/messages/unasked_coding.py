"""Content coding that was not asked for.

Meaning:
    A client gets a compressed body though its request names no coding, or not this one
    (Accept-Encoding, RFC 9110 §12.5.3). A client that cannot unpack it shows bytes that nobody can
    read. A balancer that asks backends for compressed bodies, or a cache that keeps one body for
    all clients (Vary is missing), does that.
Decided by:
    A response with a body and a Content-Encoding that the request does not name; both heads are
    whole. Behind the balancer: whether it wrote the coding into the request, or encoded the body.
Evidence:
    The requests and the responses.
Remedy:
    Pass Accept-Encoding on as the client sent it (`proxy_set_header Accept-Encoding` in nginx), let
    the balancer unpack (`gunzip on`), and let responses say `Vary: Accept-Encoding`.
Variants:
    seen: in one capture.
    named: the request names codings, and not this one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import counted
from lbtrace.http_fields import ACCEPT_ENCODING, CONTENT_ENCODING
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.messages import NO_VALUE
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.FIELDS,)
ONE_CAPTURE = True
EXAMPLES = 2
IDENTITY = "identity"
ANY = "*"
REMEDY = (
    "Pass Accept-Encoding on as the client sent it, let the balancer unpack for such clients "
    "(nginx: gunzip on), and let responses say Vary: Accept-Encoding."
)
WHO = {
    "asked": " The balancer asked the backend for it: Accept-Encoding is added or changed on the "
    "way ({who}).",
    "made": " The balancer encoded it ({who}).",
}


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding for requests without Accept-Encoding, one for those with another coding."""
    side = comparison.captured[0]
    if side is Side.BACKEND and not comparison.alone:
        return
    table = comparison.table(side)
    rows, codings, named = _unasked(table)
    for which in (False, True):
        those = [i for i, said in enumerate(named) if said is which]
        if those:
            yield _finding(comparison, side, rows[those], [codings[i] for i in those], which)


def _unasked(table: SideTable) -> tuple[Column, list[str], list[bool]]:
    """Responses with a coding that their requests do not name: rows, codings, and whether the
    request names others.
    """
    q, r, lines = table.requests, table.responses, table.words.line_list
    coding, wanted = (
        r.line_of(table.words, CONTENT_ENCODING),
        q.line_of(table.words, ACCEPT_ENCODING),
    )
    whole = q.whole_heads & r.whole_heads & (r.length > 0) & (coding != NO_VALUE)
    known: dict[tuple[int, int], tuple[str, bool] | None] = {}
    found: list[tuple[int, str, bool]] = []
    for row in np.flatnonzero(whole).tolist():
        key = int(coding[row]), int(wanted[row])
        if key not in known:
            value = "" if key[1] == NO_VALUE else lines[key[1]].value
            known[key] = _refused(lines[key[0]].value, value)
        if (told := known[key]) is not None:
            found.append((row, *told))
    return (
        np.array([row for row, _, _ in found], np.int64),
        [coding for _, coding, _ in found],
        [said for _, _, said in found],
    )


def _refused(coding: str, wanted: str) -> tuple[str, bool] | None:
    """The coding of a response that Accept-Encoding does not name, and whether that names any; None
    where all is as asked.
    """
    used = [_plain(name) for name in coding.split(",") if _plain(name) not in ("", IDENTITY)]
    names = {_plain(item.partition(";")[0]) for item in wanted.split(",") if not _zero(item)}
    names -= {""}
    strange = [name for name in used if name not in names]
    if not strange or ANY in names:
        return None
    return strange[0], bool(wanted.strip())


def _plain(name: str) -> str:
    """A coding in lower case, by its newer name (RFC 9110 §8.4.1.3)."""
    return name.strip().lower().removeprefix("x-")


def _zero(item: str) -> bool:
    """Whether a coding is named with a weight of 0: it is not wanted."""
    weight = item.partition(";")[2].replace(" ", "").lower()
    return weight in ("q=0", "q=0.0", "q=0.00", "q=0.000")


def _finding(
    comparison: Comparison, side: Side, rows: Column, codings: list[str], named: bool
) -> Finding:
    maker, count = ("", 0) if comparison.alone else _maker(comparison, rows)
    of = int((comparison.table(side).responses.length > 0).sum())
    return KIND.finding(
        "seen" if comparison.alone else "named" if named else "",
        Severity.MEDIUM if named else Severity.LOW,
        Confidence.HIGH,
        "{count} of {of} responses with a body {count:is|are} compressed ({codings}), and the "
        "{count:request names|requests name} "
        + ("other codings." if named else "no coding (no Accept-Encoding).")
        + (WHO[maker] if maker else ""),
        _frames(comparison, side, rows),
        remedy=REMEDY,
        count=len(rows),
        of=of,
        codings=counted(codings),
        who=count or None,
    ).about(comparison.asked(side, rows))


def _maker(comparison: Comparison, rows: Column) -> tuple[str, int]:
    """Whether the balancer asked for the coding or made it, and in how many of these responses; ""
    where the backend sent it unasked, or nothing is known.
    """
    pairs, (client, backend) = comparison.distinct_pairs, comparison.sides
    pairs = pairs.where(np.isin(pairs.client, rows) & pairs.answered)
    got, gave = (
        table.responses.value_of(table.words, CONTENT_ENCODING)[those]
        for table, those in ((client, pairs.client), (backend, pairs.backend))
    )
    wanted, asked = (
        table.requests.value_of(table.words, ACCEPT_ENCODING)[those]
        for table, those in ((client, pairs.client), (backend, pairs.backend))
    )
    whole = (
        backend.requests.whole_heads[pairs.backend] & backend.responses.whole_heads[pairs.backend]
    )
    made = int((whole & (gave == NO_VALUE) & (got != NO_VALUE)).sum())
    if made:
        return "made", made
    changed = int((whole & (asked != NO_VALUE) & (asked != wanted)).sum())
    return ("asked", changed) if changed else ("", 0)


def _frames(comparison: Comparison, side: Side, rows: Column) -> Iterator[FrameRef]:
    table = comparison.table(side)
    for row in rows[:EXAMPLES].tolist():
        yield comparison.request_frame(side, table.ref(row))
        yield comparison.response_frame(side, table.ref(row))
    if not comparison.alone:
        pairs = comparison.pairs
        yield from comparison.request_frames(pairs.where(np.isin(pairs.client, rows[:EXAMPLES])))
