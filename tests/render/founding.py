"""The founding experiment as a finished Report, made by hand: four curls through an L7 balancer
that reuses one backend connection.

Laptop 192.168.0.5, seen as 1.240.235.98; balancer 3.35.166.21:80, speaking from 172.31.42.119;
backend 172.31.11.95:8080. The laptop's clock is 37.5 s ahead.
"""

from __future__ import annotations

from dataclasses import replace

from lbtrace.comparison import Comparison
from lbtrace.model.http import (
    Application,
    Body,
    Exchange,
    Framing,
    HeaderLine,
    Protocol,
    Request,
    Response,
)
from lbtrace.model.net import Endpoint, FrameRef, Side, SynFingerprint
from lbtrace.model.pairing import (
    AddressMapping,
    Attempt,
    AttemptOutcome,
    ChangeKind,
    Clock,
    Clue,
    Confidence,
    Correlation,
    ExchangePair,
    HeaderChange,
    HealthCheck,
    Pattern,
    Reason,
    Ref,
    Tier,
    Topology,
    Unpaired,
    UnpairedReason,
)
from lbtrace.model.report import (
    Evidence,
    Finding,
    Kind,
    Latency,
    ProfileMatch,
    Report,
    Severity,
    SideCounts,
    Value,
    Verdict,
    Witness,
)
from lbtrace.model.stream import Connection, Direction, RoleSource
from lbtrace.model.trace import CaptureFile, PacketCounts, Trace

MS = 1_000_000
NOON = 1_628_146_869_000_000_000
AHEAD = 37_512_000_000
LAPTOP, FRONT = "192.168.0.5", Endpoint("3.35.166.21", 80)
BALANCER, BACKEND = "172.31.42.119", Endpoint("172.31.11.95", 8080)
NO_BODY = Body(Framing.NONE, 0, None, True, None)


def lines(*pairs: str) -> tuple[HeaderLine, ...]:
    """ "Name: value" texts → header lines."""
    return tuple(HeaderLine(raw.split(": ", 1)[0], raw.split(": ", 1)[1], raw) for raw in pairs)


def request(
    target: str, frame: int, at_ns: int, headers: tuple[HeaderLine, ...], method: str = "GET"
) -> Request:
    return Request(
        method, target, "HTTP/1.1", headers, NO_BODY, frame, frame, frame, at_ns, at_ns, at_ns
    )


def response(body: str, frame: int, at_ns: int, status: int = 200) -> Response:
    content = Body(Framing.CONTENT_LENGTH, len(body), len(body), True, f"{int(body or '0'):032x}")
    headers = lines("Content-Type: text/plain", f"Content-Length: {len(body)}")
    return Response(
        status, "OK", "HTTP/1.1", headers, content, frame, frame, frame, at_ns, at_ns, at_ns
    )


def direction(first_payload: int | None, at_ns: int, isn: int | None = 1000) -> Direction:
    syn = SynFingerprint(64, 64240, 1460, 7, True, 1, (2, 4, 8, 1, 3)) if isn is not None else None
    return Direction(
        4,
        120,
        0,
        0,
        0,
        0,
        0,
        1,
        0,
        isn,
        first_payload,
        at_ns,
        None,
        None,
        first_payload,
        at_ns,
        at_ns,
        syn,
    )


def connection(
    id_: int, client: Endpoint, server: Endpoint, frame: int, at_ns: int, known_start: bool = True
) -> Connection:
    sent = direction(frame + 3, at_ns + 3 * MS, 1000 + id_ if known_start else None)
    answered = direction(frame + 4, at_ns + 9 * MS, 2000 + id_ if known_start else None)
    start = frame if known_start else None
    return Connection(
        id_,
        client,
        server,
        "",
        RoleSource.SYN if known_start else RoleSource.PAYLOAD,
        int(known_start),
        0,
        int(known_start),
        known_start,
        start,
        at_ns if known_start else None,
        at_ns + MS if known_start else None,
        at_ns + 2 * MS if known_start else None,
        frame,
        at_ns,
        frame + 7,
        at_ns + 10 * MS,
        sent,
        answered,
    )


def file(path: str, frames: int, first_frame: int = 1) -> CaptureFile:
    return CaptureFile(
        path,
        "pcap",
        "",
        4321,
        frames,
        first_frame,
        NOON,
        NOON + 4_000 * MS,
        1000,
        ("EN10MB",),
        262144,
        None,
    )


HTTP = Application(Protocol.HTTP1)
ASKED = (("/divide/25", "4"), ("/divide/50", "2"), ("/divide/10", "10"), ("/divide/4", "25"))


def client_trace() -> Trace:
    """Four connections with one exchange each, ten frames apart."""
    start = [NOON + AHEAD + i * 1_000 * MS for i in range(4)]
    connections = [
        connection(i, Endpoint(LAPTOP, 50000 + i), FRONT, 1 + 10 * i, start[i]) for i in range(4)
    ]
    heads = lines("Host: alb.example", "User-Agent: curl/7.64.1", "Accept: */*")
    exchanges = [
        Exchange(
            i,
            i,
            1,
            request(target, 4 + 10 * i, start[i] + 3 * MS, heads),
            response(body, 6 + 10 * i, start[i] + 11 * MS),
        )
        for i, (target, body) in enumerate(ASKED)
    ]  # fmt: skip
    packets = PacketCounts(41, 40, (("not TCP: ARP", 1),))
    files = (file("client.pcap", 41),)
    return Trace(
        Side.CLIENT,
        0,
        files,
        packets,
        start[0],
        start[3] + 12 * MS,
        connections,
        [HTTP] * 4,
        exchanges,
    )


def backend_trace() -> Trace:
    """One connection with the four requests, one with a health check."""
    start = [NOON + i * 1_000 * MS + 4 * MS for i in range(4)]
    connections = [
        connection(0, Endpoint(BALANCER, 40000), BACKEND, 1, NOON - 500 * MS),
        connection(1, Endpoint(BALANCER, 40001), BACKEND, 11, NOON + 2 * MS),
    ]
    check = request(
        "/health",
        4,
        NOON - 400 * MS,
        lines("Host: 172.31.11.95:8080", "User-Agent: ELB-HealthChecker/2.0"),
    )
    exchanges = [Exchange(0, 0, 1, check, response("0", 5, NOON - 399 * MS))]
    for i, (target, body) in enumerate(ASKED):
        heads = lines(
            "X-Forwarded-For: 1.240.235.98",
            "X-Forwarded-Proto: http",
            "X-Forwarded-Port: 80",
            "Host: alb.example",
            f"X-Amzn-Trace-Id: Root=1-610b8{i}00-0123456789abcdef01234567",
            "User-Agent: curl/7.64.1",
            "Accept: */*",
        )
        exchanges.append(
            Exchange(
                i + 1,
                1,
                i + 1,
                request(target, 14 + 2 * i, start[i], heads),
                response(body, 15 + 2 * i, start[i] + 5 * MS),
            )
        )
    files = (file("backend.pcap", 24),)
    packets = PacketCounts(24, 24)
    return Trace(
        Side.BACKEND,
        0,
        files,
        packets,
        NOON - 500 * MS,
        start[3] + 6 * MS,
        connections,
        [HTTP, HTTP],
        exchanges,
    )


def report() -> Report:
    """What `compare` would return."""
    client, backend = client_trace(), backend_trace()
    pairs = tuple(
        ExchangePair(
            Ref(0, i),
            (Attempt(Ref(0, i + 1), AttemptOutcome.ANSWERED),),
            Tier.RARE_TOKEN,
            Confidence.HIGH,
            None,
            (Reason(Clue.TARGET, target), Reason(Clue.RESPONSE_BODY, body)),
        )
        for i, (target, body) in enumerate(ASKED)
    )
    added = [
        HeaderChange(
            True,
            ChangeKind.ADDED,
            name,
            behaviour,
            4,
            4,
            "",
            f"{name}: {value}",
            0,
            values=(value,),
        )
        for name, value, behaviour in (
            ("X-Forwarded-For", "1.240.235.98", Pattern.CLIENT_ADDRESS),
            ("X-Forwarded-Proto", "http", Pattern.CONSTANT),
            ("X-Forwarded-Port", "80", Pattern.CONSTANT),
            ("X-Amzn-Trace-Id", "Root=1-610b8000-0123456789abcdef01234567", Pattern.FRESH),
        )
    ]
    changes = (
        *added,
        HeaderChange(
            False,
            ChangeKind.ADDED,
            "Connection",
            Pattern.CONSTANT,
            4,
            4,
            "",
            "Connection: keep-alive",
            0,
            True,
        ),
    )
    asked = client.exchanges[0].request
    assert asked is not None
    frames = (
        FrameRef(Side.CLIENT, 0, 0, 4, asked.first_ns),
        FrameRef(Side.BACKEND, 0, 0, 14, NOON + 4 * MS),
    )
    evidence = Evidence(frames, "the first request", "frame.number == 4", "frame.number == 14")
    finding = Finding(
        "source-address.rewritten",
        "Source address rewritten",
        Severity.INFO,
        Confidence.CERTAIN,
        "The backend sees {seen}, never {client}; {header} names the client in {count} of 4 "
        "requests.",
        (
            Value("seen", BALANCER),
            Value("client", LAPTOP),
            Value("header", "X-Forwarded-For"),
            Value("count", 4, "count"),
        ),
        (evidence,),
        "Log X-Forwarded-For instead of the peer address.",
    )
    checks = HealthCheck(
        BALANCER,
        BACKEND,
        0,
        "GET",
        "/health",
        "ELB-HealthChecker/2.0",
        10_000 * MS,
        (0,),
        (0,),
        Confidence.HIGH,
        ("same source",),
    )
    correlation = Correlation(
        pairs=pairs,
        unpaired=(Unpaired("backend", Ref(0, 0), UnpairedReason.HEALTH_CHECK, Confidence.HIGH),),
        clocks=(Clock(0, 0, AHEAD - 1 * MS, AHEAD + 2 * MS, 0, NOON, 4),),
        topology=Topology(
            (LAPTOP,),
            (FRONT,),
            (BALANCER,),
            (BACKEND,),
            (AddressMapping(LAPTOP, "1.240.235.98", "X-Forwarded-For", 4, 4),),
        ),
        changes=changes,
        health_checks=(checks,),
    )
    witness = Witness(
        "isn",
        "The initial sequence numbers differ in {count} of 4 connections.",
        (Value("count", 4, "count"),),
        (Kind.L7_PROXY, Kind.L4_PROXY),
        (Kind.L4_PASSTHROUGH,),
        (evidence,),
    )
    made = Report(
        version="0.1.0",
        clients=(client,),
        backends=(backend,),
        correlation=correlation,
        client_counts=SideCounts(Side.CLIENT, 40, 4, 4, 0, 4, 0, 4, 4, 4, ((1, 4),)),
        backend_counts=SideCounts(Side.BACKEND, 24, 1, 1, 0, 1, 0, 4, 4, 1, ((4, 1),), 1, 1),
        latency=Latency(4, 3 * MS, 3 * MS, 3 * MS, 8 * MS, 5 * MS, 1 * MS, 2 * MS, 1_500_000, 0),
        findings=(finding,),
        verdict=Verdict(
            Kind.L7_PROXY,
            Confidence.HIGH,
            (),
            (witness,),
            (
                ProfileMatch(
                    "aws-alb",
                    "AWS ALB",
                    92,
                    True,
                    (("adds X-Amzn-Trace-Id", "X-Amzn-Trace-Id: Root=1-610b8000"),),
                ),
            ),
        ),
    )
    return with_summary(made)


def with_summary(report: Report) -> Report:
    """The report with the summary of its own sides and pairs."""
    comparison = Comparison(report.clients, report.backends, report.correlation)
    return replace(report, summary=comparison.summary)
