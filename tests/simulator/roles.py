"""The roles: clients that ask, a balancer with its settings, backends that answer; simulated in
true time, with both sides written down.

    simulation = Simulation(
        seed=1, balancer=Balancer(kind="l7", add=[("X-Forwarded-For", "{client}")])
    )
    alice = simulation.client("192.168.0.5", seen_as="1.240.235.98")
    alice.asks("GET", "/divide/25", at_ms=0)
    # requests with the same connection name go over one connection, one after another
    alice.asks("GET", "/divide/50", at_ms=20, connection="kept")
    recorded = simulation.run()
    recorded.clients, recorded.backends  # Trace objects
    recorded.truth  # {client Ref: (backend Ref, …)}: attempts in order, the answered one last

`engine` runs it, `rewriting` is what a balancer does to a message, `wire` and `packets` write the
captures. Placeholders in header values: {client} the address the balancer sees, {clientport} its
port, {fresh} a new random id, {old} what the client sent, {front} the balancer's front address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import Ref
from lbtrace.model.trace import Trace
from tests.simulator.wire import EPOCH_NS, Clockwork, Message

MS = 1_000_000
FRONT = Endpoint("3.35.166.21", 80)
CURL = [("Host", "lb.example.com"), ("User-Agent", "curl/7.64.1"), ("Accept", "*/*")]
SERVED = [("Server", "gunicorn"), ("Content-Type", "text/plain")]
PACKETS_PASS = ("dnat", "snat", "dsr", "direct")  # kinds that hand packets on
BYTES_PASS = ("l4-proxy", "tls-pass", "bytes")  # kinds that hand bytes on


@dataclass(slots=True)
class Balancer:
    """A balancer's settings. `kind`: "l7", "l4-proxy", "dnat" (source kept), "snat", "dsr",
    "direct", "tls" (TLS in front, plain HTTP behind it), "tls-pass" (TLS in front and, the same,
    behind it), "bytes" (a layer 4 proxy of another protocol than HTTP).
    """

    kind: str = "l7"
    front: Endpoint = FRONT
    nodes: Sequence[
        Endpoint
    ] = ()  # its front addresses, when it has several: each connection goes to one of them in turn
    backs: Sequence[str] = ("172.31.42.119",)
    legs: Mapping[int, str] = field(
        default_factory=dict
    )  # backend → the address it is spoken to from, where that is another one
    add: Sequence[tuple[str, str]] = ()
    second_line: bool = (
        False  # an added header the client also sent becomes a second line, else it replaces
    )
    host: str | None = None
    strip: str = ""
    # percent-decodes unreserved characters, resolves dot segments, merges slashes (RFC 3986 §6.2.2)
    normalise: bool = False
    merge: bool = False  # lines of one name become one line
    recase: bool = False
    drop: Sequence[str] = ()
    reorder: bool = False
    version: str = "HTTP/1.1"
    gzip: bool = False
    gunzip: bool = False  # asks backends for gzip and unpacks it for clients
    chunk: bool = False
    respond: Sequence[tuple[str, str]] = ()  # lines added to (or replaced in) every response
    # a field that it writes into each request and, with the same value, into its answer (CF-Ray)
    mint: str = ""
    in_full: bool = False  # asks with GET for what it was asked with HEAD, as a cache does
    unpack: bool = False  # takes the content coding off the bodies of requests
    trailers: bool = True  # passes trailers on
    http2: bool = False  # clients speak HTTP/2 to it
    keep_alive: bool = True
    cache: float = 0.0
    refuse: float = 0.0  # share of requests it answers itself with 503
    redirect: float = 0.0  # share of requests it answers itself with 301
    fixed: float = 0.0  # share of requests it answers itself with 200 and a fixed body
    server: str = "awselb/2.0"  # the Server field of its own answers
    retry: float = 0.0  # share of requests whose first attempt fails and is sent again
    fail: str = "reset"  # how a first attempt fails: "reset", "closed", "500"
    give_up: float = 0.0  # share of requests whose only attempt fails: the balancer answers 502
    race: float = (
        0.0  # share of requests on a kept backend connection that meet the backend's FIN there
    )
    # share of backend connections whose first SYN nobody captures: the second comes a second later
    syn_lost: float = 0.0
    hedge: float = 0.0
    # a copy of every request goes to the last backend, whose answers nobody gets: "same", "other"
    # (what it answers)
    mirror: str = ""
    preserve_source: bool = False
    proxy: int = 0  # version of the PROXY header it sends
    tlvs: Sequence[
        tuple[int, bytes]
    ] = ()  # … with these TLVs in version 2; one with a CRC32c gets the right one
    check_ms: int = 0  # health check period
    check: str = "GET /health"  # "" for connect and close
    check_agent: str = "ELB-HealthChecker/2.0"
    forward_us: tuple[int, int] = (100, 600)
    # passes bodies on as they come; without, it asks, and answers, when it has all of a body
    streams: bool = False
    wander: bool = True  # pick backends at random, else in turn


@dataclass(slots=True)
class Ask:
    """One request a client means to send."""

    at_ns: int
    message: Message
    connection: str
    answer: Message
    think_ns: int
    abandon: bool = False  # the client closes before the answer
    # for 100 Continue, which the balancer gives, before it sends the body (RFC 9110 §10.1.1)
    waits: bool = False
    upload_ns: int = 0  # the client sends for so long
    serving_ns: int = 0  # the backend sends for so long …
    parts: int = 1  # … in so many parts
    elsewhere: Endpoint | None = None  # another server, which has nothing to do with the balancer


@dataclass(slots=True)
class Client:
    """A client host. `point`: which client capture shows it."""

    address: str
    seen_as: str
    simulation: Simulation
    point: int = 0
    asked: list[Ask] = field(default_factory=list)

    def asks(
        self,
        method: str,
        target: str,
        *,
        at_ms: float = 0,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        answer: bytes = b"ok",
        status: str = "200 OK",
        answer_headers: Sequence[tuple[str, str]] = (),
        connection: str = "",
        think_ms: float = 20.0,
        abandon: bool = False,
        waits: bool = False,
        upload_ms: float = 0,
        serving_ms: float = 0,
        parts: int = 1,
        zipped: bool = False,
        trailers: Sequence[tuple[str, str]] = (),
        elsewhere: Endpoint | None = None,
    ) -> None:
        """Ask once; without a connection name on a new connection that is closed after. `zipped`:
        the body of the request has the content coding gzip. `trailers`: of the answer. `elsewhere`:
        ask another server.
        """
        request = Message((method, target), [*CURL, *headers], body, coding="gzip" * zipped)
        if zipped:
            request.lines.append(("Content-Encoding", "gzip"))
        if body:
            request.lines.append(("Content-Length", str(len(request.coded()))))
        request.lines += [("Expect", "100-continue")] if waits else []
        framing = ("Transfer-Encoding", "chunked")
        length = ("Content-Length", str(len(answer)))
        replies = [*SERVED, *answer_headers, framing if trailers else length]
        code, _, reason = status.partition(" ")
        self.asked.append(
            Ask(
                EPOCH_NS + int(at_ms * MS),
                request,
                connection,
                Message(
                    (code, reason),
                    replies,
                    answer,
                    chunked=bool(trailers),
                    trailers=list(trailers),
                ),
                int(think_ms * MS),
                abandon,
                waits,
                int(upload_ms * MS),
                int(serving_ms * MS),
                parts,
                elsewhere,
            )
        )


@dataclass(slots=True)
class Recording:
    """What the run left: both sides' captures, and the truth.

    `checks`: the balancer's own backend exchanges, `own`: what it answered, `copies`: backend
    exchanges whose answer nobody got, `carried`: client connection → the backend connections that
    carried its bytes or its requests, `clocks`: per pair of points, δ = client clock − backend
    clock at the start and at the end.
    """

    clients: list[Trace]
    backends: list[Trace]
    truth: dict[Ref, tuple[Ref, ...]]
    checks: set[Ref]
    own: set[Ref]
    copies: set[Ref]
    carried: dict[Ref, set[Ref]]
    clocks: dict[tuple[int, int], tuple[int, int]]
    client_pcaps: list[bytes] = field(default_factory=list)
    backend_pcaps: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class Simulation:
    """Everything that decides a run. `loss` is the share of messages a capture misses; windows are
    in ms since the start, None: everything.
    """

    seed: int = 0
    balancer: Balancer = field(default_factory=Balancer)
    backends: Sequence[Endpoint] = (Endpoint("172.31.11.95", 8080),)
    separate_points: bool = False  # one capture point per backend
    uncaptured: int = 0  # so many of the last backends have no capture
    uncaptured_clients: int = 0  # so many of the last clients are not in the client capture
    client_clock: Clockwork = field(default_factory=Clockwork)
    other_clocks: Sequence[
        Clockwork
    ] = ()  # of client captures beside the first; without one a capture has the first one's
    backend_clock: Clockwork = field(default_factory=Clockwork)
    client_loss: float = 0.0
    backend_loss: float = 0.0
    client_window: tuple[int, int] | None = None
    backend_window: tuple[int, int] | None = None
    serve_us: tuple[int, int] = (500, 5000)
    path_us: tuple[int, int] = (200, 3000)  # client to balancer, one way
    fresh_answers: bool = False  # every answer differs
    clients: list[Client] = field(default_factory=list)

    def client(self, address: str, seen_as: str = "", point: int = 0) -> Client:
        """A client host; `seen_as` is the address behind its NAT, `point` the client
        capture that shows it.
        """
        self.clients.append(Client(address, seen_as or address, self, point))
        return self.clients[-1]

    def run(self, pcaps: bool = False) -> Recording:
        """Run it."""
        from tests.simulator.engine import Engine

        return Engine(self).run(pcaps)
