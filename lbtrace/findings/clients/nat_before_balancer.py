"""A NAT before the balancer.

Meaning:
    The balancer sees a client under another address than the client has in its own capture. A NAT
    lies between them, for example a home router. This is no contradiction, and the balancer did not
    cause it.
Decided by:
    One other address stands for the client in all its pairs. It is stated in a forwarding field or
    a PROXY header, or it is a public source address while client and backend have private ones. If
    one address is stated for several clients, or for a client that reaches the balancer without a
    NAT, it may be a fixed value that the balancer writes; the finding then says so.
Evidence:
    The client's request and the backend request that states the other address.
Remedy:
    None. Several clients behind one NAT share an address: distinguish them by port or by cookie.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.http_fields import Meaning, fields_of
from lbtrace.http_fields.addresses import is_public
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct, first_met

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.ADDRESSES, FramePart.FORWARDING)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per client and the address it is seen as."""
    mappings = comparison.nat_mappings
    if not mappings:
        return
    requests, connections = (
        _first_of_each(comparison, c)
        for c in (comparison.pairs.client_connection, comparison.connection_pairs.client)
    )
    stated: dict[tuple[str | None, str], set[str]] = {}
    for mapping in mappings:
        stated.setdefault((mapping.stated_by, mapping.seen_as), set()).add(mapping.client)
    for mapping in mappings:
        frames = (
            comparison.request_frames([comparison.pairs[requests[mapping.client]]])
            if mapping.client in requests
            else []
        )
        if not frames and mapping.client in connections:
            frames = comparison.connection_frames(
                [comparison.connection_pairs[connections[mapping.client]]]
            )
        if not frames:
            continue
        field = (mapping.stated_by or "").lower() in fields_of(Meaning.CLIENT_ADDRESS)
        several = len(stated[mapping.stated_by, mapping.seen_as]) > 1
        written = field and (several or not _needs_nat(comparison, mapping.client, mapping.seen_as))
        yield KIND.finding(
            "",
            Severity.INFO,
            Confidence.LOW
            if written
            else Confidence.HIGH
            if mapping.count == mapping.of
            else Confidence.MEDIUM,
            "The balancer states {seen_as} for the client {client}, in {count} of {of} cases "
            "({stated_by})"
            + (", as for other clients: " if several else ": ")
            + "a NAT lies between them, or the value is a fixed one."
            if written
            else "The balancer saw the client {client} as {seen_as}, in {count} of {of} cases "
            "({stated_by}): a NAT lies between them.",
            frames,
            client=mapping.client,
            seen_as=mapping.seen_as,
            count=mapping.count,
            of=mapping.of,
            stated_by=mapping.stated_in,
        )


def _needs_nat(comparison: Comparison, client: str, seen_as: str) -> bool:
    """Whether a client with such an address cannot speak to the balancer without a NAT: its own is
    private, and the balancer's public.
    """
    front = comparison.sides[0]
    own = front.words.texts[client]
    servers = {
        front.words.text_list[n]
        for n in distinct(front.server_address[front.client_address == own]).tolist()
    }
    return is_public(seen_as) and not is_public(client) and all(map(is_public, servers))


def _first_of_each(comparison: Comparison, connections: Column) -> dict[str, int]:
    """Client address → the first row whose client connection is from there."""
    client = comparison.sides[0]
    addresses = client.client_address[connections]
    first, _ = first_met(addresses)
    return {client.words.text_list[addresses[row]]: row for row in first.tolist()}
