"""Source address.

Meaning:
    Whether the backend sees the client's own address as the source of its connections, and if not, where else the client's
    address is stated (a PROXY header, X-Forwarded-For, Forwarded, X-Real-IP or a like field). Logs, rate limits and access
    rules at the backend depend on it.
Decided by:
    Comparing the client end of both connections of every pair. An address is preserved when it is equal, or when it is the
    address that a NAT in front of the balancer gives this client. A field states the client when its value holds one of the
    client's addresses.
Evidence:
    The requests (or SYNs) of the same pair on both sides.
Remedy:
    When the address is rewritten and stated nowhere: let the balancer add X-Forwarded-For or Forwarded (HTTP), or a PROXY header (TCP).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lbtrace.case import RANK, Case, ConnectionMatch, Match, confidence_of, evidence
from lbtrace.findings._client import stated_in
from lbtrace.model.net import FrameRef
from lbtrace.model.pairing import Confidence, ConnectionBasis
from lbtrace.model.report import Evidence, Finding, Severity, Value
from lbtrace.model.stream import Connection

TITLE = "Source address"
BYTES_PASS = (ConnectionBasis.SAME_PACKETS, ConnectionBasis.SAME_BYTES, ConnectionBasis.TLS_CLIENT_HELLO)  # nothing is added to them
REMEDY = "Let the balancer state the client: X-Forwarded-For or Forwarded for HTTP, a PROXY header for TCP."


class _Crossing(NamedTuple):
    front: Connection
    back: Connection
    pair: Match | ConnectionMatch


def find(case: Case) -> Iterator[Finding]:
    """At most one finding: preserved, rewritten, or both in parts."""
    crossings = _crossings(case)
    if not crossings:
        return
    moved = [c for c in crossings if c.back.client.address != c.front.client.address]
    natted = [c for c in moved if case.behind_nat(c.front, c.back)]
    rewritten = len(moved) - len(natted)
    seen = sorted({c.back.client.address for c in crossings})
    values = (
        Value("count", rewritten or len(crossings), "count"),
        Value("of", len(crossings), "count"),
        Value("client", crossings[0].front.client.address),
        Value("backend_sees", ", ".join(seen[:5])),
        Value("addresses", len(seen), "count"),
    )
    proof = evidence(f for c in crossings[:5] for f in _frames(case, c.pair))
    if not rewritten:
        yield _preserved(case, crossings, bool(natted), values, proof)
    elif rewritten < len(crossings):
        yield Finding(
            "source-address.mixed",
            TITLE,
            Severity.LOW,
            _confidence(case, crossings),
            "The source address is rewritten in {count} of {of} cases; the backend sees {backend_sees}.",
            values,
            proof,
        )
    else:
        yield _rewritten(case, crossings, values, proof)


def _preserved(case: Case, crossings: Sequence[_Crossing], natted: bool, values: tuple[Value, ...], proof: tuple[Evidence, ...]) -> Finding:
    port_kept = all(c.back.client.port == c.front.client.port for c in crossings)
    return Finding(
        "source-address.preserved",
        TITLE,
        Severity.INFO,
        Confidence.MEDIUM if natted else _confidence(case, crossings),
        (
            "The backend sees the client's address as source"
            if not natted
            else "The backend sees {backend_sees} as source, the address a NAT gives the client"
        )
        + (", and the same port" if port_kept else "")
        + " ({count} of {of}).",
        values,
        proof,
    )


def _rewritten(case: Case, crossings: Sequence[_Crossing], values: tuple[Value, ...], proof: tuple[Evidence, ...]) -> Finding:
    stated = stated_in(case)
    readable = bool(case.request_heads) or all(c.pair.basis in BYTES_PASS for c in case.connection_matches)
    if stated:
        values = (*values, Value("stated_in", ", ".join(stated)))
    return Finding(
        "source-address.rewritten",
        TITLE,
        Severity.INFO if stated else Severity.MEDIUM if readable else Severity.LOW,
        _confidence(case, crossings),
        "The backend sees {backend_sees} as source, never the client {client}; "
        + (
            "the client's address is stated in {stated_in}."
            if stated
            else "the client's address is stated nowhere" + ("." if readable else " that can be read.")
        ),
        values,
        proof,
        "" if stated else REMEDY,
    )


def _confidence(case: Case, crossings: Sequence[_Crossing]) -> Confidence:
    """That of the paired exchanges; without any, of the weakest pair of connections, HIGH at most."""
    if case.matches:
        return confidence_of(case.matches)
    return min((Confidence.HIGH, *(c.pair.pair.confidence for c in crossings)), key=lambda c: RANK[c])


def _crossings(case: Case) -> list[_Crossing]:
    """Pairs of connections: those named as such, else those of the paired exchanges."""
    if case.connection_matches:
        return [_Crossing(m.front, m.back, m) for m in case.connection_matches]
    # where who is whose is not known, a source that is the address of any client is taken for that client
    clients = {m.front_connection.client.address: m.front_connection for m in case.matches}
    crossings = []
    for m in case.matches:
        front = m.front_connection if m.pair.group is None else clients.get(m.back_connection.client.address, m.front_connection)
        crossings.append(_Crossing(front, m.back_connection, m))
    return crossings


def _frames(case: Case, match: Match | ConnectionMatch) -> list[FrameRef]:
    return case.connection_frames([match]) if isinstance(match, ConnectionMatch) else case.request_frames([match])
