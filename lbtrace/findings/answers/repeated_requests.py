"""Requests sent again.

Meaning:
    A request whose connection ended without an answer, and the same request again, on another
    connection: its sender retried. If the request is not idempotent (POST, PATCH; RFC 9110 §9.2.2),
    the server end may have carried it out twice.
Decided by:
    One capture, or that of the client side: a request whose connection ended by a FIN or a RST
    before an answer came, then another with the same method, target and body from the same address
    on another connection. The sender may have asked the same anew without knowing of the first one.
    What a balancer sends again is told with its retries.
Evidence:
    Both requests.
Remedy:
    Find out why the first connection ended. Do not let the sender repeat requests that are not
    idempotent, or give them idempotency keys.
Variants:
    not-idempotent, not-idempotent-client: POST, PATCH and the like.
    idempotent, idempotent-client: what may be sent twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import variant
from lbtrace.findings.answers.retries import IDEMPOTENT
from lbtrace.findings.times.gave_up import given_up
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
    """Those that are not idempotent, then the others; of two captures, those of the clients."""
    side = comparison.captured[0]
    table = comparison.table(side)
    first, again = _repeated(table, given_up(comparison))
    words = table.words
    unsafe = ~np.isin(
        table.requests.method[first], [words.texts.get(m, -1) for m in sorted(IDEMPOTENT)]
    )
    for which, safety in ((unsafe, "not-idempotent"), (~unsafe, "idempotent")):
        if not which.any():
            continue
        methods = Counter(words.text_list[m] for m in table.requests.method[first[which]].tolist())
        reached = _reached_twice(comparison, first[which], again[which])
        yield KIND.finding(
            variant(comparison, safety, side),
            Severity.HIGH if safety == "not-idempotent" else Severity.LOW,
            Confidence.MEDIUM,
            "{count} requests ({methods}) came again on another connection, after the first one "
            "ended without an answer: sent again, or asked for twice"
            + (
                "."
                if safety == "idempotent"
                else "; the server end may have carried them out twice."
                if comparison.alone
                else "; they may have been carried out twice."
            )
            + (" {reached} of them reached a backend both times." if reached else ""),
            (
                comparison.request_frame(side, table.ref(row))
                for pair in list(zip(first[which], again[which], strict=True))[:EXAMPLES]
                for row in map(int, pair)
            ),
            count=int(which.sum()),
            methods=", ".join(f"{method} ×{n}" for method, n in methods.most_common(5)),
            reached=reached or None,
            remedy=REMEDY if safety == "not-idempotent" else "",
        ).about(comparison.asked(side, first[which]))


def _reached_twice(comparison: Comparison, first: Column, again: Column) -> int:
    """How many of these are known to have come to a backend both times."""
    known = comparison.distinct_pairs.client
    return int((np.isin(first, known) & np.isin(again, known)).sum())


def _repeated(table: SideTable, left: Column) -> tuple[Column, Column]:
    """(requests cut short without an answer, the same one again on another connection). `left`:
    those whose client was gone when an answer came, if one came.
    """
    q, r = table.requests, table.responses
    ended = ~r.there & table.answering & (((table.marks | q.marks) & ENDED) > 0)
    ended[left] = True
    cut = np.flatnonzero(q.whole_heads & q.complete & ended)
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
