"""PROXY protocol.

Meaning:
    Whether backend connections begin with a PROXY header, of which version, and whether it states
    the true client. The backend must expect this header; otherwise it sees a malformed request.
Decided by:
    The header before the payload (HAProxy's specification, §2). Its source is compared with the
    client's end of the paired connection, and its checksum is verified if a version 2 header has
    one.
Evidence:
    The frames that hold the header, and the client's connection.
Remedy:
    Accept PROXY headers at the backend on this port only, and from the balancer's addresses only.
Variants:
    client, backend: headers on that side.
    checksum: a checksum that is wrong.
    true-source: the header names the client.
    wrong-source: it names somebody else.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import named, told, variant
from lbtrace.http_fields.addresses import node
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import ProxyHeader
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence, ConnectionBasis, Ref
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.connections import NEVER

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.PROXY_HEADER, FramePart.ADDRESSES)
ONE_CAPTURE = True
TLV = {
    0x01: "ALPN",
    0x02: "AUTHORITY",
    0x03: "CRC32C",
    0x04: "NOOP",
    0x05: "UNIQUE_ID",
    0x20: "SSL",
    0x30: "NETNS",
    0xE0: "GCP connection id",
    0xEA: "AWS VPC endpoint",
    0xEE: "Azure link id",
}


def find(comparison: Comparison) -> Iterator[Finding]:
    """What the headers are, whether they are true, and whether their checksums hold; each side
    apart.
    """
    for side in comparison.captured:
        headers = _headers(comparison, side)
        if headers:
            yield _seen(comparison, side, headers)
            yield from _damaged(comparison, side, headers)
    if not comparison.alone:
        yield from _truth(comparison)


def _headers(comparison: Comparison, side: Side) -> list[tuple[Ref, ProxyHeader, FrameRef]]:
    found = []
    for point, (trace, connections) in enumerate(
        zip(comparison.traces(side), comparison.table(side).connections, strict=True)
    ):
        begun, spoke = connections.first_ns, connections.ends.first_payload_ns[0::2]
        for number, application in enumerate(trace.applications):
            for header in application.proxy:
                at_ns = int(spoke[number])
                at = trace.ref(
                    header.frame, at_ns if at_ns not in (NEVER, 0) else int(begun[number])
                )
                found.append((Ref(point, number), header, at))
    return found


def _seen(
    comparison: Comparison, side: Side, headers: list[tuple[Ref, ProxyHeader, FrameRef]]
) -> Finding:
    versions = sorted({h.version for _, h, _ in headers})
    tlvs = sorted({kind for _, h, _ in headers for kind, _ in h.tlvs})
    local = sum(h.source is None for _, h, _ in headers)
    example = next((h.source for _, h, _ in headers if h.source), "")
    return KIND.finding(
        variant(comparison, "", side),
        Severity.INFO,
        Confidence.CERTAIN,
        told(
            comparison,
            "Connections on the {side} side that begin with a PROXY header of version {versions}: "
            "{connections}",
        )
        + (", stating {example} as source, for example" if example else "")
        + (
            "; {local} of the headers name nobody (connections of the sender's own)"
            if local
            else ""
        )
        + ("; with {tlvs}." if tlvs else "."),
        (frame for _, _, frame in headers[:FRAMES_PER_SIDE]),
        connections=len({ref for ref, _, _ in headers}),
        side=named(comparison, side),
        versions=" and ".join(map(str, versions)),
        example=example,
        local=local,
        tlvs=", ".join(TLV.get(kind, f"type 0x{kind:02X}") for kind in tlvs),
        remedy=(
            "Accept PROXY headers at the backend on this port only, and from the balancer's "
            "addresses only."
            if side is Side.BACKEND or comparison.alone
            else ""
        ),
    )


def _damaged(
    comparison: Comparison, side: Side, headers: list[tuple[Ref, ProxyHeader, FrameRef]]
) -> Iterator[Finding]:
    bad = [frame for _, h, frame in headers if h.crc_ok is False]
    if bad:
        yield KIND.finding(
            "checksum",
            Severity.MEDIUM,
            Confidence.CERTAIN,
            told(comparison, "PROXY headers on the {side} side whose CRC32c is wrong: {count}."),
            bad[:FRAMES_PER_SIDE],
            count=len(bad),
            side=named(comparison, side),
            remedy=(
                "A receiver must drop such a connection: look for what rewrites the header after "
                "it is made."
            ),
        )


def _truth(comparison: Comparison) -> Iterator[Finding]:
    """The stated source against the client's own end."""
    wrong: list[int] = []
    right: list[int] = []
    client_side, pairs = comparison.sides[0], comparison.connection_pairs
    applications = [
        application for trace in comparison.backends for application in trace.applications
    ]
    if not any(application.proxy for application in applications):
        return
    clients = client_side.client_address[pairs.client].tolist()
    # a statement that paired two connections is true of them, if only behind a NAT
    by_it = pairs.by(ConnectionBasis.STATED_ADDRESS).tolist()
    for row, connection in enumerate(pairs.backend.tolist()):
        stated = next((h.source for h in applications[connection].proxy if h.source), "")
        source = node(stated)
        if source is None:  # the balancer's own connection, or a Unix socket
            continue
        client = client_side.words.text_list[clients[row]]
        if source.address in comparison.addresses_of(client):
            right.append(row)
        elif not by_it[row] and (
            comparison.is_stated(client)
            or not comparison.may_be_behind_nat(client, (source.address,))
        ):
            wrong.append(row)
    if right or wrong:
        yield KIND.finding(
            "wrong-source" if wrong else "true-source",
            Severity.MEDIUM if wrong else Severity.INFO,
            Confidence.HIGH,
            "{count} of {of} PROXY headers "
            + ("name another source than the client." if wrong else "name the client truly."),
            comparison.connection_frames(pairs.where(np.array(wrong or right))),
            count=len(wrong or right),
            of=len(wrong) + len(right),
            remedy=(
                "Something between the client and the balancer rewrites addresses: look for a NAT "
                "or another proxy."
                if wrong
                else ""
            ),
        )
