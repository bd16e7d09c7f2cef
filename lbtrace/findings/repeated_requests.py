"""Requests sent again.

Meaning:
    A request whose connection ended without an answer, and the same request again, on another
    connection: its sender retried. If the request is not idempotent (POST, PATCH; RFC 9110 §9.2.2),
    the server end may have carried it out twice.
Decided by:
    One capture: a request that was cut short by a FIN or a RST, then another with the same method,
    target and body from the same address on another connection. The sender may have asked the same
    anew without knowing of the first one.
Evidence:
    Both requests.
Remedy:
    Find out why the first connection ended. Do not let the sender repeat requests that are not
    idempotent, or give them idempotency keys.
Variants:
    not-idempotent: POST, PATCH and the like.
    idempotent: what may be sent twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings.retries import IDEMPOTENT
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Mark
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import bits_of, joint

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.TIME)
ONE_CAPTURE = True
ENDED = bits_of((Mark.RESET, Mark.CLOSED))
EXAMPLES = 2
REMEDY = (
    "Do not let the sender repeat requests that are not idempotent, or give them idempotency keys."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """Of one capture, those that are not idempotent, then the others; of two, see retries."""
    if not comparison.alone:
        return
    (side,) = comparison.captured
    table = comparison.table(side)
    first, again = _repeated(table)
    words = table.words
    unsafe = ~np.isin(
        table.requests.method[first], [words.texts.get(m, -1) for m in sorted(IDEMPOTENT)]
    )
    for which, variant in ((unsafe, "not-idempotent"), (~unsafe, "idempotent")):
        if not which.any():
            continue
        methods = Counter(words.text_list[m] for m in table.requests.method[first[which]].tolist())
        yield KIND.finding(
            variant,
            Severity.HIGH if variant == "not-idempotent" else Severity.LOW,
            Confidence.MEDIUM,
            "{count} requests ({methods}) came again on another connection, after the first one "
            "ended without an answer: sent again, or asked for twice"
            + (
                "; the server end may have carried them out twice."
                if variant == "not-idempotent"
                else "."
            ),
            (
                comparison.request_frame(side, table.ref(row))
                for pair in list(zip(first[which], again[which], strict=True))[:EXAMPLES]
                for row in map(int, pair)
            ),
            count=int(which.sum()),
            methods=", ".join(f"{method} ×{n}" for method, n in methods.most_common(5)),
            remedy=REMEDY if variant == "not-idempotent" else "",
        )


def _repeated(table: SideTable) -> tuple[Column, Column]:
    """(requests cut short without an answer, the same one again on another connection)."""
    q, r = table.requests, table.responses
    marks = table.marks | q.marks
    cut = np.flatnonzero(q.whole_heads & q.complete & ~r.there & ((marks & ENDED) > 0))
    nothing = np.zeros(0, np.int64)
    if not len(cut):
        return nothing, nothing
    whole = np.flatnonzero(q.whole_heads & q.complete)
    same = joint(
        table.client_address[table.connection[whole]],
        q.method[whole],
        q.start[whole],
        q.length[whole],
        q.digest[whole],
    )
    order = np.lexsort((q.first_ns[whole], same))
    rows, key = whole[order], same[order]
    place = np.empty(len(table), np.int64)
    place[rows] = np.arange(len(rows))
    at = place[cut]
    following = np.minimum(at + 1, len(rows) - 1)
    again = rows[following]
    found = (
        (following > at)
        & (key[following] == key[at])
        & (table.connection[again] != table.connection[cut])
        & (q.first_ns[again] >= q.last_ns[cut])
    )
    return cut[found], again[found]
