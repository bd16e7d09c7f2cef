"""Bodies of GET that do not arrive.

Meaning:
    A client sends a body with GET (a search of Elasticsearch, GraphQL), and the balancer passes the
    request on without it, as it may (RFC 9110 §9.3.1): some caches and load balancers do. The
    backend answers another question, or refuses it.
Decided by:
    Requests for one method and target: every one that clients sent has a body, and every one that
    came to the backends has none, in captures that miss no byte of them.
Evidence:
    The requests on both sides.
Remedy:
    Send such a request with POST.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import counted, few
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import MIN_ERROR
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, among
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import joint

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.FRAMING)
WITHOUT = ("GET", "HEAD", "DELETE")  # a body of these has no meaning of its own (RFC 9110 §9.3)
EXAMPLES = 2


def find(comparison: Comparison) -> Iterator[Finding]:
    """At most one finding."""
    if comparison.passes_packets:
        return
    client, backend = comparison.sides
    words = client.words
    methods = np.array([words.texts.get(method, -1) for method in WITHOUT])
    asked, came = (
        np.flatnonzero(t.requests.there & among(t.method, methods)) for t in (client, backend)
    )
    if not len(asked) or not len(came) or not (client.requests.length[asked] > 0).any():
        return
    first, which = _questions(client, asked, backend, came)
    front, behind = which[: len(asked)], which[len(asked) :]
    count = len(first)
    full = _per(count, front, client.requests.complete[asked] & (client.requests.length[asked] > 0))
    bare = _per(
        count, behind, backend.requests.complete[came] & (backend.requests.length[came] == 0)
    )
    lost = full & bare & _there(count, front) & _there(count, behind)
    rows, those = asked[lost[front]], came[lost[behind]]
    if not len(rows):
        return
    answers = client.responses.start[rows[client.responses.there[rows]]]
    failed = answers[answers >= MIN_ERROR]
    text = words.text_list
    yield KIND.finding(
        "",
        Severity.MEDIUM if len(failed) else Severity.LOW,
        Confidence.HIGH,
        "{count} requests with {methods} have a body in front of the balancer, and those for the "
        "same targets have none behind it: the balancer drops it."
        + (" Clients got {statuses}." if len(failed) else ""),
        [
            *(
                comparison.request_frame(Side.CLIENT, client.ref(n))
                for n in rows[:EXAMPLES].tolist()
            ),
            *(
                comparison.request_frame(Side.BACKEND, backend.ref(n))
                for n in those[:EXAMPLES].tolist()
            ),
        ],
        remedy="Send such requests with POST: what a body of GET means is not defined, and proxies "
        "may drop it (RFC 9110 §9.3.1).",
        count=len(rows),
        methods=few(sorted({text[n] for n in client.method[rows].tolist()})),
        statuses=counted(map(str, failed.tolist())) if len(failed) else None,
    ).about(comparison.asked(Side.CLIENT, rows))


def _questions(
    client: SideTable, asked: Column, backend: SideTable, came: Column
) -> tuple[Column, Column]:
    """The methods and targets of requests of both sides, each once, and which one each has."""
    method = np.concatenate((client.method[asked], backend.method[came]))
    target = np.concatenate((client.requests.start[asked], backend.requests.start[came]))
    return np.unique(joint(method, target), return_inverse=True)


def _per(count: int, which: Column, every: Column) -> Column:
    """Per question, whether all of its requests are like that."""
    found: Column = np.bincount(which, ~every, minlength=count) == 0
    return found


def _there(count: int, which: Column) -> Column:
    """Per question, whether there is a request for it."""
    found: Column = np.bincount(which, minlength=count) > 0
    return found
