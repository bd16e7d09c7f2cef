"""Case → what became of the connections' bytes: passed on, with a PROXY header before them, in TLS or out of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lbtrace.case import FRAMES_PER_SIDE, Case, ConnectionMatch, evidence
from lbtrace.fields import addresses_in, field_lines, field_value
from lbtrace.model.http import Protocol, Request
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import ConnectionBasis, Ref
from lbtrace.model.report import Value
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.verdict.weigh import Observation

APART_NS = 60_000_000_000  # more than this no two machines' clocks that anybody sets are apart
FORWARDING = ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP")
_FORWARDED_HOST = re.compile(r'(?i)\bhost="?([^";,\s]+)')  # RFC 7239 §5.3


def proxy_header(case: Case) -> Iterator[Observation]:
    """PROXY headers that only the backend side has, where something shows that it is the same traffic."""
    if not (case.matches or case.connection_matches) or any(a.proxy for trace in case.clients for a in trace.applications):
        return
    frames: list[FrameRef] = []
    versions: set[int] = set()
    count = 0
    for trace in case.backends:
        for connection, application in zip(trace.connections, trace.applications, strict=True):
            if not application.proxy:
                continue
            count += 1
            versions.add(application.proxy[0].version)
            if len(frames) < FRAMES_PER_SIDE:
                frames.append(_first_payload(trace, connection))
    if frames:
        yield Observation(
            "proxy-header",
            "added",
            "{count} backend connections begin with a PROXY header of version {version}, no client connection does.",
            (Value("count", count, "count"), Value("version", " and ".join(str(v) for v in sorted(versions)))),
            evidence(frames),
        )


def _first_payload(trace: Trace, connection: Connection) -> FrameRef:
    """The frame a client's bytes begin in: there a PROXY header or a ClientHello begins."""
    client = connection.from_client
    if client.first_payload_frame is None or client.first_payload_ns is None:
        return trace.ref(connection.first_frame, connection.first_ns)
    return trace.ref(client.first_payload_frame, client.first_payload_ns)


def byte_streams(case: Case) -> Iterator[Observation]:
    """Connections that carried the same bytes though their packets differ."""
    same = [c for c in case.connection_matches if c.pair.basis is ConnectionBasis.SAME_BYTES or _copied(case, c)]
    if same:
        yield Observation(
            "byte-streams",
            "same",
            "{count} pairs of connections carried the same bytes.",
            (Value("count", len(same), "count"),),
            evidence(case.connection_frames(same)),
        )


def _copied(case: Case, c: ConnectionMatch) -> bool:
    """Whether the bytes of a connection that the balancer named are known, and the same."""
    sent = case.clients[c.pair.client.point].applications[c.front.id].digests
    return (
        c.pair.basis is ConnectionBasis.STATED_ADDRESS
        and None not in sent
        and sent == case.backends[c.pair.backend.point].applications[c.back.id].digests
    )


def tls(case: Case) -> Iterator[Observation]:
    """What became of TLS."""
    hello = [c for c in case.connection_matches if c.pair.basis is ConnectionBasis.TLS_CLIENT_HELLO]
    if hello:
        yield Observation(
            "tls",
            "passed",
            "{count} pairs of connections carry the same TLS ClientHello: the balancer passes TLS on.",
            (Value("count", len(hello), "count"),),
            evidence(case.connection_frames(hello)),
        )
        return
    removed, renewed = [], []
    for c in case.connection_matches:
        front = case.clients[c.pair.client.point].applications[c.front.id]
        back = case.backends[c.pair.backend.point].applications[c.back.id]
        if front.protocol is Protocol.TLS and back.protocol in (Protocol.HTTP1, Protocol.HTTP2, Protocol.OTHER):
            removed.append(c)
        elif front.tls is not None and back.tls is not None and front.tls.random != back.tls.random:
            renewed.append(c)
    for variant, matches, statement in (
        ("removed", removed, "{count} connections are encrypted in front of the balancer and plain behind it."),
        ("renewed", renewed, "{count} pairs of connections are encrypted on both sides with different ClientHellos."),
    ):
        if matches:
            yield _tls(case, variant, matches, statement)


def _tls(case: Case, variant: str, matches: list[ConnectionMatch], statement: str) -> Observation:
    return Observation("tls", variant, statement, (Value("count", len(matches), "count"),), evidence(case.connection_frames(matches)))


def server_name(case: Case) -> Iterator[Observation]:
    """Without any pair, because the client side is encrypted: the server name that clients ask for in TLS is the host that plain
    requests behind name, or these state addresses of clients that speak TLS.

    Then TLS ends between the captures, unless these are of different times. Forwarding fields in those requests are written by
    who reads HTTP; a client in TLS hardly sends them."""
    if case.matches or case.connection_matches:
        return
    asked: dict[str, FrameRef] = {}
    clients: dict[str, FrameRef] = {}
    for trace in case.clients:
        for connection, application in zip(trace.connections, trace.applications, strict=True):
            if application.tls is not None:
                frame = _first_payload(trace, connection)
                clients.setdefault(connection.client.address, frame)
                if application.tls.server_name:
                    asked.setdefault(application.tls.server_name.lower(), frame)
    plain = [
        (Ref(point, e.id), e.request)
        for point, trace in enumerate(case.backends)
        for e in trace.exchanges
        if e.request is not None and Ref(point, e.id) not in case.check_exchanges
    ]
    same = [(ref, request, told) for ref, request in plain if (told := _hosts(request) & asked.keys())]
    if not same:
        asked = clients
        same = [(ref, request, told) for ref, request in plain if (told := _stated(request) & asked.keys())]
        if len(same) < len(plain):
            return
    if not same or _apart(case, [request for _, request, _ in same]):
        return
    shared = min(same[0][2])
    frames = [asked[shared], *(case.request_frame(Side.BACKEND, ref) for ref, _, _ in same[:5])]
    yield Observation(
        "tls",
        "removed",
        "All {count} plain requests on the backend side state clients that connect with TLS on the client side, {client} among them."
        if asked is clients
        else "Clients ask for {host} in TLS, and {count} plain requests on the backend side are for that host.",
        (Value("client" if asked is clients else "host", shared), Value("count", len(same), "count")),
        evidence(frames),
    )
    https = [ref for ref, request, _ in same if (field_value(request, "X-Forwarded-Proto") or "").lower() == "https"]
    client = [ref for ref, request, _ in same if any(field_lines(request, name) for name in FORWARDING)]
    if https or len(client) == len(same):
        yield Observation(
            "forwarding-fields",
            "state-https" if https else "state-client",
            "{count} of these requests state https in X-Forwarded-Proto."
            if https
            else "All {count} of these requests state a client or a proxy.",
            (Value("count", len(https or client), "count"),),
            evidence(case.request_frame(Side.BACKEND, ref) for ref in (https or client)[:5]),
        )


def _hosts(request: Request) -> set[str]:
    """The hosts a request is for, as it says itself and as a proxy says that it was."""
    said = [field_value(request, "Host"), field_value(request, "X-Forwarded-Host")]
    said += _FORWARDED_HOST.findall(field_value(request, "Forwarded") or "")
    return {host.lower().partition(":")[0].strip() for host in said if host}


def _stated(request: Request) -> set[str]:
    """The addresses that its forwarding fields name."""
    return {address for name in FORWARDING if name != "Via" for address in addresses_in(field_value(request, name) or "")}


def _apart(case: Case, requests: list[Request]) -> bool:
    """Whether the requests were sent long before the first of the clients' connections, or long after the last."""
    opened = [c for trace in case.clients for c in trace.connections]
    first, last = min(c.first_ns for c in opened), max(c.last_ns for c in opened)
    times = [request.first_ns for request in requests]
    return max(times) < first - APART_NS or min(times) > last + APART_NS
