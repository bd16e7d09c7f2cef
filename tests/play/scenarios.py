"""Every case the pairing must handle, as a play: the scenarios of docs/accuracy.md and of tests/correlate.

Each is a function without arguments that makes a Play; the first line of its docstring is what stands in the table.
`LEAST[name]` is the share of client exchanges with a partner that must be paired rightly and alone, or be in a declared
interchangeable set.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from lbtrace.model.net import Endpoint
from tests.play.cast import MS, Balancer, Client, Play
from tests.play.wire import Clockwork

XFF = ("X-Forwarded-For", "{client}")
ALB = [("X-Forwarded-For", "{client}"), ("X-Forwarded-Proto", "http"), ("X-Amzn-Trace-Id", "Root=1-{fresh}")]
TWO = (Endpoint("172.31.11.95", 8080), Endpoint("172.31.11.96", 8080))
FOUR = tuple(Endpoint(f"172.31.11.{95 + i}", 8080) for i in range(4))

SCENARIOS: dict[str, Callable[[], Play]] = {}
LEAST: dict[str, float] = {}


def scenario(least: float = 1.0) -> Callable[[Callable[[], Play]], Callable[[], Play]]:
    """Register a scenario."""

    def register(make: Callable[[], Play]) -> Callable[[], Play]:
        name = make.__name__.replace("_", "-")
        SCENARIOS[name] = make
        LEAST[name] = least
        return make

    return register


def curls(client: Client, targets: Sequence[str], every_ms: float = 500, answers: Sequence[bytes] = (b"ok",)) -> None:
    """One curl after another, each on its own connection, at the uneven pace of a person."""
    for i, target in enumerate(targets):
        client.asks("GET", target, at_ms=every_ms * i + (i * 37) % 23, answer=answers[i % len(answers)])


def crowd(play: Play, clients: int, requests: int, target: str = "/", think_ms: float = 5.0, connections: int = 1) -> None:
    """Connections that each ask the same again and again."""
    dice = random.Random(play.seed + 1)
    for k in range(clients):
        client = play.client(f"192.168.0.{5 + k % 200}", f"198.51.100.{1 + k % 200}")
        for c in range(connections):
            for _ in range(requests):
                client.asks("GET", target, connection=f"c{c}", think_ms=dice.random() * think_ms, at_ms=dice.random())


def four(balancer: Balancer, **stage: object) -> Play:
    """The founding four curls."""
    play = Play(seed=1, balancer=balancer, **stage)  # type: ignore[arg-type]
    curls(
        play.client("192.168.0.5", "1.240.235.98"),
        ["/divide/25", "/divide/50", "/divide/10", "/divide/4"],
        3000,
        [b"4", b"2", b"10", b"25"],
    )
    return play


def mixed(balancer: Balancer, n: int = 200, connections: int = 8, **stage: object) -> Play:
    """Many targets over kept connections, some POSTs."""
    play = Play(seed=3, balancer=balancer, **stage)  # type: ignore[arg-type]
    dice = random.Random(7)
    for i in range(n):
        client = play.clients[i % 3] if len(play.clients) == 3 else play.client(f"192.168.0.{5 + i % 3}", f"198.51.100.{1 + i % 3}")
        post = i % 10 == 0
        client.asks(
            "POST" if post else "GET",
            f"/api/item/{i}?page={i % 7}",
            body=b"name=%d" % i if post else b"",
            answer=b"item %d " % i * (1 + i % 40),
            connection=f"c{i % connections}",
            think_ms=dice.random() * 40,
            at_ms=dice.random() * 50,
            headers=[("Accept-Encoding", "gzip"), ("Cookie", f"session={i % 5:020d}")],
        )
    return play


@scenario()
def founding_alb() -> Play:
    """ALB-like: four curls, one backend connection, checks every 10 s"""
    return four(Balancer(add=ALB, check_ms=10_000))


@scenario()
def founding_nlb() -> Play:
    """NLB-like: four curls, destination rewritten"""
    return four(Balancer(kind="dnat", check="", check_ms=10_000))


@scenario()
def founding_nlb_snat() -> Play:
    """NLB-like with source NAT"""
    return four(Balancer(kind="snat", check="", check_ms=10_000))


@scenario()
def identical_curls() -> Play:
    """Ten identical curls, nothing that tells them apart"""
    play = Play(seed=2)
    curls(play.client("192.168.0.5"), ["/"] * 10, 1000)
    return play


@scenario()
def crowd_8() -> Play:
    """8 connections × 100 identical GETs, four backends, XFF"""
    play = Play(seed=4, balancer=Balancer(add=[XFF]), backends=FOUR, separate_points=True)
    crowd(play, 8, 100)
    return play


@scenario()
def crowd_64_one_client() -> Play:
    """64 connections of one client × 50 identical GETs, no marker anywhere"""
    play = Play(seed=5)
    crowd(play, 1, 50, connections=64)
    return play


@scenario()
def shared_backend_connection() -> Play:
    """One backend connection carries three clients' requests in turn"""
    return mixed(Balancer(add=[XFF]), n=60, connections=1)


@scenario()
def rewriting() -> Play:
    """Prefix stripped, Host replaced, fields re-cased, dropped and re-ordered"""
    return mixed(Balancer(strip="/api", host="backend:8080", recase=True, drop=["Cookie", "User-Agent"], reorder=True, add=[XFF]))


@scenario()
def gzip_added() -> Play:
    """gzip added by the balancer, Content-Length to chunked"""
    return mixed(Balancer(gzip=True, chunk=True, add=[XFF]))


@scenario()
def http_1_0() -> Play:
    """HTTP/1.1 in front, HTTP/1.0 behind, a connection each"""
    return mixed(Balancer(version="HTTP/1.0", keep_alive=False, drop=["Connection"]))


@scenario()
def own_date_and_server() -> Play:
    """The balancer writes its own Server and a fresh id into each answer"""
    return mixed(Balancer(respond=[("Server", "nginx"), ("X-Request-Id", "{fresh}")]))


@scenario(0.95)
def retry_reset() -> Play:
    """15 % of requests reset by the first backend and tried again"""
    return mixed(Balancer(retry=0.15, fail="reset", add=[XFF]), backends=TWO)


@scenario(0.95)
def retry_500() -> Play:
    """15 % of requests answered 500 and tried again"""
    return mixed(Balancer(retry=0.15, fail="500"), backends=TWO)


@scenario(0.9)
def retry_identical() -> Play:
    """Identical GETs one after another, 20 % tried twice"""
    play = Play(seed=6, balancer=Balancer(retry=0.2, fail="closed"), backends=TWO)
    curls(play.client("192.168.0.5"), ["/"] * 60, 100)
    return play


@scenario(0.9)
def bad_gateway() -> Play:
    """10 % fail for good: the balancer answers 502"""
    return mixed(Balancer(give_up=0.1, add=[XFF]))


@scenario(0.9)
def hedged() -> Play:
    """5 % of requests are sent twice and both are answered"""
    return mixed(Balancer(hedge=0.05), backends=TWO)


@scenario()
def posted_twice() -> Play:
    """A tenth of POSTs with bodies of their own reach two backends, and both answer"""
    play = Play(seed=21, balancer=Balancer(hedge=0.1, add=[XFF]), backends=TWO)
    client = play.client("192.168.0.5", "198.51.100.5")
    for i in range(60):
        client.asks(
            "POST", "/orders", body=b'{"order": "%08d", "sum": %d}' % (i * 7919, i), at_ms=150 * i + (i * 31) % 17, answer=b"stored"
        )
    return play


@scenario()
def cache() -> Play:
    """A third of the repeated requests are answered from the cache"""
    play = Play(seed=8, balancer=Balancer(cache=0.4, add=[XFF]))
    curls(play.client("192.168.0.5"), [f"/page/{i % 6}" for i in range(60)], 80, [b"one", b"two", b"three"])
    return play


@scenario()
def refusals() -> Play:
    """10 % of requests are answered 503 by the balancer itself"""
    return mixed(Balancer(refuse=0.1))


@scenario()
def checks_like_clients() -> Play:
    """Health checks ask the same path with the same User-Agent as clients"""
    play = Play(seed=9, balancer=Balancer(check="GET /", check_agent="curl/7.64.1", check_ms=2000, add=[XFF]))
    curls(play.client("192.168.0.5"), ["/"] * 20, 700)
    return play


@scenario()
def polling_client() -> Play:
    """A client polls at an even pace: no health check"""
    play = Play(seed=10, balancer=Balancer(add=[XFF], check_ms=5000))
    for i in range(30):
        play.client("192.168.0.5") if not play.clients else None
        play.clients[0].asks("GET", "/status", at_ms=1000 * i, answer=b"state %d" % i)
    return play


@scenario()
def client_behind_nat() -> Play:
    """XFF with port, clients behind a NAT that keeps ports"""
    return mixed(Balancer(add=[("X-Forwarded-For", "{client}:{clientport}")]))


@scenario(0.8)
def two_behind_nat() -> Play:
    """Two offices ask the same at the same time, one is captured; the balancer names both by addresses nobody else knows"""
    play = Play(seed=22, balancer=Balancer(add=[XFF]), client_clock=Clockwork(-7 * MS), uncaptured_clients=1)
    dice = random.Random(23)
    for address in ("198.51.100.1", "198.51.100.2"):
        client = play.client("192.168.0.5", address)
        for k in range(16):
            client.asks("GET", "/", connection=f"c{k % 4}", think_ms=dice.random() * 20, at_ms=dice.random())
    return play


@scenario()
def spoofed_xff() -> Play:
    """Clients send X-Forwarded-For themselves; the balancer appends"""
    play = Play(seed=11, balancer=Balancer(add=[("X-Forwarded-For", "{old}, {client}")]))
    client = play.client("192.168.0.5", "198.51.100.7")
    for i in range(30):
        client.asks("GET", f"/{i % 4}", at_ms=200 * i + (i * 31) % 17, headers=[("X-Forwarded-For", "10.9.8.7:20003")])
    return play


@scenario()
def proxy_protocol() -> Play:
    """Layer 4 proxy with a PROXY header"""
    return mixed(Balancer(kind="l4-proxy", proxy=1))


@scenario()
def tcp_proxy() -> Play:
    """Layer 4 proxy, one backend connection for each client connection"""
    return mixed(Balancer(kind="l4-proxy"))


@scenario()
def source_kept_by_proxy() -> Play:
    """Layer 4 proxy that keeps the client's address (TPROXY)"""
    return mixed(Balancer(kind="l4-proxy", preserve_source=True))


@scenario()
def dsr() -> Play:
    """Direct server return: same destination on both sides"""
    return mixed(Balancer(kind="dsr"))


@scenario()
def direct() -> Play:
    """No balancer between"""
    return mixed(Balancer(kind="direct"))


@scenario()
def ipv6_front() -> Play:
    """IPv6 in front, IPv4 behind"""
    play = Play(seed=12, balancer=Balancer(front=Endpoint("2001:db8::1", 80), add=[("X-Forwarded-For", "[{client}]:{clientport}")]))
    curls(play.client("2001:db8::5"), [f"/{i}" for i in range(20)], 300)
    return play


@scenario()
def hour_offset() -> Play:
    """Clocks an hour apart"""
    return mixed(Balancer(add=[XFF]), client_clock=Clockwork(3_600_000 * MS + 12_345))


@scenario()
def hour_offset_identical() -> Play:
    """Clocks an hour apart and identical requests"""
    play = Play(seed=13, client_clock=Clockwork(-3_600_000 * MS + 777))
    curls(play.client("192.168.0.5"), ["/"] * 40, 500)
    return play


@scenario()
def drift() -> Play:
    """Clocks drift by 100 ppm over ten minutes"""
    play = Play(seed=14, client_clock=Clockwork(5 * MS, 100_000))
    curls(play.client("192.168.0.5"), [f"/item/{i}" for i in range(300)], 2000)
    return play


@scenario(0.8)
def step() -> Play:
    """The backend's clock is set forward by 2 s half-way"""
    from tests.play.wire import EPOCH_NS

    play = Play(seed=15, backend_clock=Clockwork(0, 0, EPOCH_NS + 30_000 * MS, 2000 * MS))
    curls(play.client("192.168.0.5"), [f"/item/{i}" for i in range(100)], 600)
    return play


@scenario(0.8)
def loss_2() -> Play:
    """Both captures miss 2 % of messages"""
    return mixed(Balancer(add=[XFF]), client_loss=0.02, backend_loss=0.02)


@scenario(0.0)
def loss_identical() -> Play:
    """Both captures miss 5 %, identical requests: nothing can be sure"""
    play = Play(seed=16, client_loss=0.05, backend_loss=0.05)
    curls(play.client("192.168.0.5"), ["/"] * 100, 100)
    return play


@scenario()
def client_stopped_early() -> Play:
    """The client capture stopped half-way"""
    return mixed(Balancer(add=[XFF]), client_window=(-9999, 200))


@scenario()
def backend_started_late() -> Play:
    """The backend capture began mid-connection"""
    return mixed(Balancer(add=[XFF]), backend_window=(120, 99_999_999))


def _late(kind: str) -> Play:
    play = Play(seed=20, balancer=Balancer(kind=kind), backend_window=(40, 99_999_999))
    crowd(play, 1, 12, connections=8)
    return play


@scenario()
def nat_started_late() -> Play:
    """Destination NAT, identical requests, the backend capture began mid-connection"""
    return _late("dnat")


@scenario()
def snat_started_late() -> Play:
    """Source NAT, identical requests, the backend capture began mid-connection"""
    return _late("snat")


@scenario()
def apart() -> Play:
    """The captures do not overlap in time"""
    return mixed(Balancer(add=[XFF]), client_window=(-9999, 100), backend_window=(200, 99_999_999))


@scenario(0.0)
def one_backend_uncaptured() -> Play:
    """Two backends, one captured, identical requests"""
    play = Play(seed=17, backends=TWO, uncaptured=1)
    curls(play.client("192.168.0.5"), ["/"] * 60, 200)
    return play


@scenario()
def two_points_identical() -> Play:
    """Two backends captured apart, identical requests, clocks 40 ms apart"""
    play = Play(seed=18, balancer=Balancer(), backends=TWO, separate_points=True, client_clock=Clockwork(40 * MS + 321))
    crowd(play, 1, 10, connections=8)
    return play


@scenario()
def two_nodes() -> Play:
    """A balancer with two node addresses, backends captured apart"""
    return mixed(Balancer(backs=("172.31.42.119", "172.31.7.20"), add=ALB, check_ms=5000), backends=TWO, separate_points=True)


@scenario(0.9)
def large() -> Play:
    """2000 exchanges over 32 connections, unique ids"""
    return mixed(Balancer(add=ALB), n=2000, connections=32, backends=FOUR)
