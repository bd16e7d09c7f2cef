"""Scheme of HTTP/2 requests.

Meaning:
    Each request of HTTP/2 says whether it is for https or for http. Backends build redirects, links
    and Secure cookies from it. Requests for https on a plain connection tell that TLS ended before:
    at the balancer, or at another proxy in front of the capture.
Decided by:
    `:scheme` (RFC 9113 §8.3.1) of the requests, by connection; one whose requests state both is
    left out. Changed: the two connections of a pair that stands alone state different schemes.
    Plain: https on a connection that carries no TLS. A client may state it wrongly.
Evidence:
    The requests.
Remedy:
    Tell the backend the scheme that the client used: by X-Forwarded-Proto, or let the balancer keep
    `:scheme` (Envoy: `scheme_header_transformation`).
Variants:
    changed: the balancer states another scheme than the client.
    plain, plain-client, plain-backend: https on connections without TLS.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison, Pairs, confidence_of
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._scheme import HTTP, HTTPS, applications, in_tls, stated
from lbtrace.findings._side import named, told, variant
from lbtrace.model.http import Protocol
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, among, distinct, first_met
from lbtrace.tables.exchanges import NO_STREAM
from lbtrace.tables.words import joint

KIND = FindingKind.of(__name__, __doc__)
ONE_CAPTURE = True
KEEP = (
    "If the backend builds URLs or Secure cookies, let it heed X-Forwarded-Proto, or let the "
    "balancer keep :scheme (Envoy: scheme_header_transformation)."
)
FALSE = (
    "Look at the balancer's configuration: the backend takes these requests for encrypted ones, "
    "and may set Secure cookies that the clients do not send back."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """Schemes that the balancer changes; then, per side, https on plain connections."""
    sides = [s for s in comparison.captured if (comparison.table(s).stream != NO_STREAM).any()]
    changed = np.zeros(0, np.int64)
    if len(sides) == len(Side):
        front, behind = (_stated(comparison, side) for side in Side)
        pairs = comparison.request_heads
        pairs = pairs.where(pairs.alone)
        sent, arrived = front[pairs.client_connection], behind[pairs.backend_connection]
        both = (sent != "") & (arrived != "")
        yield from _changed(comparison, pairs.where(both), sent[both], arrived[both])
        changed = distinct(pairs.backend_connection[both & (sent != arrived)])
    for side in sides:
        yield from _plain(comparison, side, changed)


def _changed(
    comparison: Comparison, pairs: Pairs, sent: Column, arrived: Column
) -> Iterator[Finding]:
    """`sent` and `arrived`: the scheme of each pair in front of the balancer and behind it."""
    rows = np.flatnonzero(sent != arrived)
    first, which = first_met(joint(sent[rows], arrived[rows]))
    for n, row in enumerate(rows[first].tolist()):
        some = pairs.where(rows[which == n])
        before, after = sent[row], arrived[row]
        untrue = after == HTTPS
        yield KIND.finding(
            "changed",
            Severity.LOW if untrue else Severity.INFO,
            confidence_of(some),
            "{count} of {of} requests over HTTP/2 are for {before} in front of the balancer, and "
            "for {after} behind it (:scheme).",
            comparison.request_frames(some),
            note="the requests on both sides",
            remedy=FALSE if untrue else KEEP if (before, after) == (HTTPS, HTTP) else "",
            count=len(some),
            of=len(pairs),
            before=str(before),
            after=str(after),
        )


def _stated(comparison: Comparison, side: Side) -> Column:
    """Per connection the scheme that its requests state, "" where that is not one."""
    return np.array([stated(a) for a in applications(comparison, side)], str)


def _plain(comparison: Comparison, side: Side, changed: Column) -> Iterator[Finding]:
    """`changed`: backend connections of which more is told already."""
    table, carried = comparison.table(side), applications(comparison, side)
    plain = np.array([a.protocol is Protocol.HTTP2 and not in_tls(a) for a in carried], bool)
    secure = plain & (_stated(comparison, side) == HTTPS)
    if side is Side.BACKEND:
        secure &= ~among(np.arange(len(secure)), changed)
    rows = np.flatnonzero(secure[table.connection] & table.requests.there)
    if not len(rows):
        return
    first, _ = first_met(table.connection[rows])
    yield KIND.finding(
        variant(comparison, "plain", side),
        Severity.INFO,
        Confidence.MEDIUM,
        told(
            comparison,
            "{count} of {of} HTTP/2 connections without TLS on the {side} side "
            "{count:carries|carry} requests for https (:scheme): TLS ended before this capture, or "
            "their sender states it wrongly.",
        ),
        [
            comparison.request_frame(side, table.ref(r))
            for r in rows[first[:FRAMES_PER_SIDE]].tolist()
        ],
        note="the first request of each connection",
        count=len(first),
        of=int(plain.sum()),
        side=named(comparison, side),
    )
