"""gRPC over HTTP/1.

Meaning:
    gRPC calls arrive in HTTP/2, and the balancer sends them to the backend in HTTP/1. gRPC needs
    HTTP/2 as far as the server: it streams both ways, and says in trailers how a call ended.
Decided by:
    Requests of a Content-Type that begins with application/grpc, without gRPC-Web, in HTTP/2 in
    front of the balancer and in HTTP/1 behind it.
Evidence:
    The requests and the responses on both sides.
Remedy:
    `grpc_pass` (nginx), `proto h2` on the server line (HAProxy), `http2_protocol_options` (Envoy),
    `ProxyPass h2c://` (Apache httpd).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison, confidence_of
from lbtrace.findings._calls import of_grpc
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import counted
from lbtrace.http_fields import CONTENT_TYPE
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.words import Words

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, CONTENT_TYPE)


def find(comparison: Comparison) -> Iterator[Finding]:
    """At most one finding."""
    (client, backend), asked = comparison.sides, comparison.request_heads
    q, p = client.requests, backend.requests
    called = asked.where(of_grpc(client.words, q)[asked.client])
    if not len(called):
        return
    before, after = (_versions(client.words, f"HTTP/{number}") for number in (2, 1))
    lost = called.where(before[q.version[called.client]] & after[p.version[called.backend]])
    if not len(lost):
        return
    answered = backend.responses.there[lost.backend]
    statuses = backend.responses.start[lost.backend[answered]].tolist()
    yield KIND.finding(
        "",
        Severity.MEDIUM,
        confidence_of(lost),
        "{count} of {of} gRPC calls {count:goes|go} on to the backend in HTTP/1, which cannot "
        "carry them: gRPC needs HTTP/2 as far as the server."
        + (" The backend answered {statuses}." if statuses else ""),
        comparison.request_frames(lost[:2]) + comparison.response_frames(lost[:2]),
        count=len(lost),
        of=len(called),
        statuses=counted(map(str, statuses)) if statuses else None,
        remedy="Speak HTTP/2 to the backend: grpc_pass (nginx), proto h2 on the server line "
        "(HAProxy), http2_protocol_options (Envoy).",
    )


def _versions(words: Words, beginning: str) -> Column:
    """Which texts are a version that begins like this."""
    return np.array([text.startswith(beginning) for text in words.text_list], bool)
