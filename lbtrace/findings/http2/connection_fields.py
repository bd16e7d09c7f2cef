"""Fields of HTTP/1 connections in HTTP/2.

Meaning:
    Connection, Keep-Alive, Proxy-Connection, Transfer-Encoding and Upgrade are about one connection
    of HTTP/1. A message of HTTP/2 that has any of them is malformed, and its receiver may refuse
    it: Safari shows no page at all. A balancer that passes on what an HTTP/1 backend wrote makes
    such messages: Apache httpd adds `Upgrade: h2,h2c` to its responses.
Decided by:
    The field lines of HTTP/2 messages (RFC 9113 §8.2.2).
Evidence:
    The requests, and the messages that have the fields.
Remedy:
    Let the balancer drop them: `proxy_hide_header Upgrade` (nginx), `http-response del-header`
    (HAProxy). Or let the backend not write them: `Protocols http/1.1` (Apache httpd).
Variants:
    requests, requests-client, requests-backend: of requests.
    responses, responses-client, responses-backend: of responses.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import counted
from lbtrace.findings._side import named, told, variant
from lbtrace.http_fields import OF_HTTP1, spelling
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.exchanges import NO_STREAM

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = tuple(sorted(OF_HTTP1))
ONE_CAPTURE = True
FROM_BACKEND = (
    "Let the balancer drop what its HTTP/1 backend writes (nginx: proxy_hide_header; HAProxy: "
    "http-response del-header; Envoy: response_headers_to_remove), or let the backend not write "
    "it (Apache httpd: Protocols http/1.1)."
)
FROM_SENDER = "Let the sender leave these fields out."


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding for the requests of a side, one for its responses."""
    for side in comparison.captured:
        if (comparison.table(side).stream != NO_STREAM).any():
            yield from _of(comparison, side, response=False)
            yield from _of(comparison, side, response=True)


def _of(comparison: Comparison, side: Side, response: bool) -> Iterator[Finding]:
    table = comparison.table(side)
    messages = table.responses if response else table.requests
    in_http2 = messages.there & (table.stream != NO_STREAM)
    has = {spelling(f): messages.having(table.words, f) & in_http2 for f in sorted(OF_HTTP1)}
    rows = np.flatnonzero(np.any(list(has.values()), axis=0))
    if not len(rows):
        return
    yield KIND.finding(
        variant(comparison, "responses" if response else "requests", side),
        Severity.LOW,
        Confidence.CERTAIN,
        told(
            comparison,
            ("{count} of {of} HTTP/2 responses" if response else "{count} of {of} HTTP/2 requests")
            + " on the {side} side {count:has|have} fields that HTTP/2 forbids, because they are "
            "about a connection of HTTP/1: {fields}. Who gets such a message may refuse it as "
            "malformed.",
        ),
        _frames(comparison, side, rows.tolist(), response),
        note="the requests and the messages that have the fields",
        remedy=FROM_BACKEND if response else FROM_SENDER,
        count=len(rows),
        of=int(in_http2.sum()),
        side=named(comparison, side),
        fields=counted(name for name, mine in has.items() for _ in range(int(mine.sum()))),
    ).about(comparison.asked(side, rows))


def _frames(comparison: Comparison, side: Side, rows: list[int], response: bool) -> list[FrameRef]:
    table = comparison.table(side)
    found = []
    for row in rows[: FRAMES_PER_SIDE // 2]:
        found.append(comparison.request_frame(side, table.ref(row)))
        if response:
            found.append(comparison.response_frame(side, table.ref(row)))
    return found
