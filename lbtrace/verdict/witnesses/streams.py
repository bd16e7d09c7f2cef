"""Comparison → what became of the connections' bytes: passed on, with a PROXY header before them,
in TLS or out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set

import numpy as np

from lbtrace.comparison import (
    FRAMES_PER_SIDE,
    Comparison,
    ConnectionPairs,
    field_values,
    present,
)
from lbtrace.http_fields import FORWARDED, HOST, X_FORWARDED_PROTO, Meaning, fields_of
from lbtrace.http_fields.addresses import stated_addresses, stated_hosts
from lbtrace.model.http import Application, Protocol
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import ConnectionBasis
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, first_met
from lbtrace.tables.words import joint
from lbtrace.verdict.weigh import Observation

APART_NS = 60_000_000_000  # more than this no two machines' clocks that anybody sets are apart
HOSTS = fields_of(Meaning.CLIENT_HOST) | {HOST}
ADDRESSES = fields_of(Meaning.CLIENT_ADDRESS)
CLIENT_OR_PROXY = fields_of(Meaning.CLIENT_ADDRESS, Meaning.PROXY)
REMOVED, RENEWED, PASSED, KEPT = range(4)  # what became of TLS
VARIANTS = {REMOVED: "removed", RENEWED: "renewed"}
ENDED = {
    REMOVED: "{count} connections are encrypted in front of the balancer and plain behind it.",
    RENEWED: "{count} pairs of connections are encrypted on both sides with different "
    "ClientHellos.",
}
ENDED_AROUND = {
    REMOVED: "{count} requests came to the balancer in TLS and left it without.",
    RENEWED: "{count} requests came to the balancer in one TLS connection and left it in another, "
    "with another ClientHello.",
}


def proxy_header(comparison: Comparison) -> Iterator[Observation]:
    """PROXY headers that only the backend side has, where something shows that it is the same
    traffic.
    """
    if not (comparison.pairs or comparison.connection_pairs) or any(
        a.proxy for trace in comparison.clients for a in trace.applications
    ):
        return
    frames: list[FrameRef] = []
    versions: set[int] = set()
    count = 0
    for trace in comparison.backends:
        for number, application in enumerate(trace.applications):
            if not application.proxy:
                continue
            count += 1
            versions.add(application.proxy[0].version)
            if len(frames) < FRAMES_PER_SIDE:
                frames.append(_first_payload(trace, trace.connections[number]))
    if frames:
        yield Observation.of(
            "proxy-header",
            "added",
            "{count} backend connections begin with a PROXY header of version {version}, no "
            "client connection does.",
            frames,
            count=count,
            version=" and ".join(str(v) for v in sorted(versions)),
        )


def _first_payload(trace: Trace, connection: Connection) -> FrameRef:
    """The frame a client's bytes begin in: there a PROXY header or a ClientHello begins."""
    client = connection.from_client
    if client.first_payload_frame is None or client.first_payload_ns is None:
        return trace.ref(connection.first_frame, connection.first_ns)
    return trace.ref(client.first_payload_frame, client.first_payload_ns)


def byte_streams(comparison: Comparison) -> Iterator[Observation]:
    """Connections that carried the same bytes though their packets differ."""
    pairs = comparison.connection_pairs
    copied = pairs.by(ConnectionBasis.STATED_ADDRESS)
    copied[copied] = [
        None not in client.digests and client.digests == backend.digests
        for client, backend in _carried(comparison, pairs.where(copied))
    ]
    same = pairs.where(pairs.by(ConnectionBasis.SAME_BYTES) | copied)
    yield from _of_pairs(
        comparison,
        "byte-streams",
        "same",
        same,
        "{count} pairs of connections carried the same bytes.",
    )


def tls(comparison: Comparison) -> Iterator[Observation]:
    """What became of TLS."""
    pairs = comparison.connection_pairs
    became = np.array(
        [_became(client, backend) for client, backend in _carried(comparison, pairs)], np.int64
    )
    ended = np.isin(became, list(ENDED))
    same = hello = pairs.where(pairs.by(ConnectionBasis.TLS_CLIENT_HELLO))
    if comparison.pairs:  # who passes requests on, too, reads HTTP, whatever a tunnel carries
        outside = [not _in_tunnel(*both) for both in _carried(comparison, same)]
        hello = same.where(np.array(outside, bool))
    if not same and not ended.any():
        hello = pairs.where(became == PASSED)
    if hello:
        statement = (
            "{count} pairs of connections carry the same TLS ClientHello: the balancer "
            "passes TLS on."
        )
        yield from _of_pairs(comparison, "tls", "passed", hello, statement)
        return
    if ended.any():
        for number, variant in VARIANTS.items():
            those = pairs.where(became == number)
            yield from _of_pairs(comparison, "tls", variant, those, ENDED[number])
        return
    yield from _tls_of_exchanges(comparison)


def _in_tunnel(client: Application, backend: Application) -> bool:
    """Whether a client's connection asked by HTTP for the tunnel that its TLS goes through, and the
    backend's connection carries that TLS alone.
    """
    http = (Protocol.HTTP1, Protocol.HTTP2)
    return client.protocol in http and not client.opened and backend.protocol not in http


def _became(client: Application, backend: Application) -> int:
    """What became of TLS between the two connections of a pair."""
    if client.tls is None and client.protocol is not Protocol.TLS:
        return KEPT  # as nearly always
    plain = (Protocol.HTTP1, Protocol.HTTP2, Protocol.OTHER)
    in_clear = backend.protocol in plain and not backend.opened
    if (client.protocol is Protocol.TLS or client.opened) and in_clear:
        return REMOVED
    hellos = client.tls, backend.tls
    if hellos[0] is None or hellos[1] is None:
        return KEPT
    return PASSED if hellos[0].random == hellos[1].random else RENEWED


def _tls_of_exchanges(comparison: Comparison) -> Iterator[Observation]:
    """What became of TLS that was opened, by the exchanges in it."""
    alone = comparison.distinct_pairs
    of_clients, of_backends = (_applications(traces) for traces in _both(comparison))
    if not any(a.opened for a in of_clients):
        return
    became = [
        _became(of_clients[c], of_backends[b]) if of_clients[c].opened else KEPT
        for c, b in zip(
            alone.client_connection.tolist(), alone.backend_connection.tolist(), strict=True
        )
    ]
    for number, variant in VARIANTS.items():
        those = alone.where(np.array(became, np.int64) == number)
        if those:
            frames = comparison.request_frames(those)
            yield Observation.of("tls", variant, ENDED_AROUND[number], frames, count=len(those))


def _both(comparison: Comparison) -> tuple[Sequence[Trace], Sequence[Trace]]:
    return comparison.clients, comparison.backends


def _applications(traces: Sequence[Trace]) -> list[Application]:
    return [a for trace in traces for a in trace.applications]


def _carried(
    comparison: Comparison, pairs: ConnectionPairs
) -> Iterator[tuple[Application, Application]]:
    """What the two connections of each pair carried."""
    of_clients, of_backends = (_applications(traces) for traces in _both(comparison))
    return zip(
        map(of_clients.__getitem__, pairs.client.tolist()),
        map(of_backends.__getitem__, pairs.backend.tolist()),
        strict=True,
    )


def _of_pairs(
    comparison: Comparison, name: str, variant: str, pairs: ConnectionPairs, statement: str
) -> Iterator[Observation]:
    """One observation about pairs of connections, if there are any."""
    if pairs:
        yield Observation.of(
            name, variant, statement, comparison.connection_frames(pairs), count=len(pairs)
        )


def server_name(comparison: Comparison) -> Iterator[Observation]:
    """Without any pair, because the client side is encrypted: the server name that clients ask for
    in TLS is the host that plain requests behind name, or these state addresses of clients that
    speak TLS.

    Then TLS ends between the captures, unless these are of different times. Forwarding fields in
    those requests are written by who reads HTTP; a client in TLS hardly sends them.
    """
    if comparison.pairs or comparison.connection_pairs:
        return
    names, clients = _in_tls(comparison)
    backend = comparison.sides[1]
    plain = np.flatnonzero(backend.requests.there & ~comparison.check_exchanges)
    asked, same = names, _naming(comparison, plain, HOSTS, _hosts, names)
    if not same:
        asked, same = clients, _naming(comparison, plain, ADDRESSES, stated_addresses, clients)
        if len(same) < len(plain):
            return
    rows = np.array(list(same), np.int64)
    if not same or _apart(comparison, backend.requests.first_ns[rows]):
        return
    shared = same[int(rows[0])]
    frames = [
        asked[shared],
        *(
            comparison.request_frame(Side.BACKEND, backend.ref(e))
            for e in rows[:FRAMES_PER_SIDE].tolist()
        ),
    ]
    yield Observation.of(
        "tls",
        "removed",
        "All {count} plain requests on the backend side state clients that connect with TLS on "
        "the client side, {client} among them."
        if asked is clients
        else "Clients ask for {host} in TLS, and {count} plain requests on the backend side are "
        "for that host.",
        frames,
        client=shared if asked is clients else None,
        host=None if asked is clients else shared,
        count=len(same),
    )
    proto = field_values(comparison, X_FORWARDED_PROTO)
    secure = np.array([(text or "").lower() == "https" for text in proto.texts], bool)
    https = rows[secure[proto.backend[rows]]]
    client = rows[
        backend.requests.heads.having(backend.words.fields_named(CLIENT_OR_PROXY.__contains__))[
            rows
        ]
    ]
    if len(https) or len(client) == len(same):
        shown = https if len(https) else client
        yield Observation.of(
            "forwarding-fields",
            "state-https" if len(https) else "state-client",
            "{count} of these requests state https in X-Forwarded-Proto."
            if len(https)
            else "All {count} of these requests state a client or a proxy.",
            (
                comparison.request_frame(Side.BACKEND, backend.ref(e))
                for e in shown[:FRAMES_PER_SIDE].tolist()
            ),
            count=len(shown),
        )


def _in_tls(comparison: Comparison) -> tuple[dict[str, FrameRef], dict[str, FrameRef]]:
    """(server names that clients ask for in TLS, addresses of clients that speak TLS), each with
    the first ClientHello.
    """
    names: dict[str, FrameRef] = {}
    clients: dict[str, FrameRef] = {}
    for trace, connections in zip(comparison.clients, comparison.sides[0].connections, strict=True):
        for number, application in enumerate(trace.applications):
            if application.tls is None:
                continue
            name, address = (
                (application.tls.server_name or "").lower(),
                connections.addresses[connections.client[number]],
            )
            if address not in clients or (name and name not in names):
                frame = _first_payload(trace, trace.connections[number])
                clients.setdefault(address, frame)
                if name:
                    names.setdefault(name, frame)
    return names, clients


def _naming(
    comparison: Comparison,
    requests: Column,
    fields: Set[str],
    read: Callable[[str, str], Iterable[str]],
    known: Collection[str],
) -> dict[int, str]:
    """The numbers of the backend requests whose fields name something that is known → the first of
    it in alphabetical order. `read`: name and value of a field → what it names.
    """
    columns = [(name, field_values(comparison, name)) for name in present(comparison, fields)]
    if not columns:
        return {}
    first, which = first_met(joint(*(column.backend[requests] for _, column in columns)))
    named_by = [
        {
            named
            for name, column in columns
            for named in read(name, column.texts[column.backend[e]] or "")
        }.intersection(known)
        for e in requests[first].tolist()
    ]
    return {
        e: min(named_by[i])
        for e, i in zip(requests.tolist(), which.tolist(), strict=True)
        if named_by[i]
    }


def _hosts(name: str, value: str) -> Iterator[str]:
    """The hosts a field names, in lower case and without port: of Host, or as a proxy states the
    host that the client asked for.
    """
    for host in stated_hosts(value) if name == FORWARDED else (value,):
        if host:
            yield host.lower().partition(":")[0].strip()


def _apart(comparison: Comparison, times: Column) -> bool:
    """Whether requests were sent long before the first of the clients' connections, or long after
    the last.
    """
    client = comparison.sides[0]
    first, last = (
        int(client.of_connections("first_ns").min()),
        int(client.of_connections("last_ns").max()),
    )
    return int(times.max()) < first - APART_NS or int(times.min()) > last + APART_NS
