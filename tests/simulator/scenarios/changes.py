"""What a balancer rewrites: targets, heads, bodies, framing."""

from __future__ import annotations

from tests.simulator.roles import Balancer, Simulation
from tests.simulator.scenarios.base import TWO, XFF, mixed, scenario


@scenario()
def rewriting() -> Simulation:
    """Prefix stripped, Host replaced, fields re-cased, dropped and re-ordered"""
    return mixed(
        Balancer(
            strip="/api",
            host="backend:8080",
            recase=True,
            drop=["Cookie", "User-Agent"],
            reorder=True,
            add=[XFF],
        )
    )


@scenario()
def gzip_added() -> Simulation:
    """gzip added by the balancer, Content-Length to chunked"""
    return mixed(Balancer(gzip=True, chunk=True, add=[XFF]))


@scenario()
def http_1_0() -> Simulation:
    """HTTP/1.1 in front, HTTP/1.0 behind, a connection each"""
    return mixed(Balancer(version="HTTP/1.0", keep_alive=False, drop=["Connection"]))


@scenario()
def own_date_and_server() -> Simulation:
    """The balancer writes its own Server and a fresh id into each answer"""
    return mixed(Balancer(respond=[("Server", "nginx"), ("X-Request-Id", "{fresh}")]))


@scenario()
def gzip_removed() -> Simulation:
    """The balancer asks backends for gzip, which no client did, and unpacks the answers"""
    return mixed(Balancer(gunzip=True, add=[XFF]))


@scenario()
def fields_merged() -> Simulation:
    """Lines of one name are merged, and X-Forwarded-For becomes one chain of proxies"""
    simulation = Simulation(
        seed=24, balancer=Balancer(merge=True, second_line=True, recase=True, add=[XFF])
    )
    client = simulation.client("192.168.0.5", "198.51.100.7")
    for i in range(40):
        chain = [
            ("Accept", "text/html"),
            ("Cookie", f"a={i % 3}"),
            ("Cookie", "b=2"),
            ("X-Forwarded-For", "203.0.113.9, 10.0.0.7"),
        ]
        client.asks(
            "GET",
            f"/page/{i % 9}",
            at_ms=120 * i + (i * 31) % 17,
            headers=chain,
            answer=b"page %d" % (i % 9),
        )
    return simulation


@scenario()
def xff_second_line() -> Simulation:
    """The client's X-Forwarded-For stays, and the balancer's is a second line"""
    simulation = Simulation(seed=25, balancer=Balancer(second_line=True, add=[XFF]))
    client = simulation.client("192.168.0.5", "198.51.100.7")
    for i in range(30):
        client.asks(
            "GET",
            f"/{i % 4}",
            at_ms=200 * i + (i * 31) % 17,
            headers=[("X-Forwarded-For", "10.9.8.7")],
        )
    return simulation


@scenario()
def xff_replaced() -> Simulation:
    """The client's X-Forwarded-For is replaced"""
    simulation = Simulation(seed=26, balancer=Balancer(add=[XFF]))
    client = simulation.client("192.168.0.5", "198.51.100.7")
    for i in range(30):
        client.asks(
            "GET",
            f"/{i % 4}",
            at_ms=200 * i + (i * 31) % 17,
            headers=[("X-Forwarded-For", "10.9.8.7")],
        )
    return simulation


ODD = (
    "/a%7Eb/{}",
    "/x/../y/./{}",
    "//double//slash/{}",
    "/sp%20ace/{}?q=%41",
    "/plain/{}",
    "/%e2%82%ac/{}/",
    "/up/../../{}",
)


@scenario()
def target_normalised() -> Simulation:
    """Targets percent-decoded, dot segments resolved, slashes merged"""
    simulation = Simulation(seed=27, balancer=Balancer(normalise=True, add=[XFF]))
    client = simulation.client("192.168.0.5", "198.51.100.7")
    for i in range(70):
        client.asks(
            "GET",
            ODD[i % 7].format(i // 7),
            at_ms=150 * i + (i * 31) % 17,
            connection=f"c{i % 4}",
            answer=b"page %d" % i,
        )
    return simulation


@scenario()
def target_normalised_identical() -> Simulation:
    """The same odd target again and again, normalised; nothing else tells the requests apart"""
    simulation = Simulation(seed=28, balancer=Balancer(normalise=True))
    for i in range(40):
        (simulation.clients or [simulation.client("192.168.0.5")])[0].asks(
            "GET", "/x/../y//%7Eme", at_ms=90 * i + (i * 31) % 17
        )
    return simulation


@scenario()
def continued() -> Simulation:
    """Clients wait for 100 Continue, which the balancer gives itself, and takes the Expect off"""
    simulation = Simulation(seed=29, balancer=Balancer(add=[XFF]), backends=TWO)
    client = simulation.client("192.168.0.5", "198.51.100.7")
    for i in range(40):
        body = b"name=%d&" % (i % 3) * 400
        client.asks(
            "POST",
            "/upload",
            body=body,
            waits=i % 2 == 0,
            at_ms=100 * i + (i * 31) % 17,
            connection=f"c{i % 3}",
            answer=b"stored",
        )
    return simulation


@scenario()
def head_as_get() -> Simulation:
    """A cache asks with GET for what it was asked with HEAD"""
    simulation = Simulation(seed=51, balancer=Balancer(in_full=True, add=[XFF]))
    for k in range(3):
        client = simulation.client(f"192.168.0.{5 + k}")
        for i in range(12):
            at_ms = 40 * i + 13 * k
            client.asks("HEAD", f"/page/{i % 4}", at_ms=at_ms, answer=b"page %d" % (i % 4))
    return simulation


@scenario()
def bodies_unpacked() -> Simulation:
    """Clients send bodies in gzip, and the balancer unpacks them"""
    simulation = Simulation(seed=52, balancer=Balancer(unpack=True, add=[XFF]))
    client = simulation.client("192.168.0.5")
    for i in range(30):
        body = b"name=value&n=%d&" % i * 20
        client.asks("POST", "/form", at_ms=20 * i, body=body, zipped=True, connection=f"k{i % 4}")
    return simulation


@scenario()
def bodies_unpacked_identical() -> Simulation:
    """Clients send the same body in gzip again and again, and the balancer unpacks it"""
    simulation = Simulation(seed=53, balancer=Balancer(unpack=True))
    client = simulation.client("192.168.0.5")
    for i in range(20):
        client.asks("POST", "/form", at_ms=70 * i, body=b"name=value&" * 20, zipped=True)
    return simulation


@scenario()
def http2_in_front() -> Simulation:
    """HTTP/2 in front, HTTP/1.1 behind: `:authority` becomes Host"""
    simulation = Simulation(seed=54, balancer=Balancer(http2=True, add=[XFF]))
    for k in range(3):
        client = simulation.client(f"192.168.0.{5 + k}")
        for i in range(12):
            client.asks("GET", f"/item/{i % 3}", at_ms=45 * i + 11 * k, connection="kept")
    return simulation


def _with_trailers(passes: bool, seed: int) -> Simulation:
    simulation = Simulation(seed=seed, balancer=Balancer(trailers=passes, add=[XFF]))
    client = simulation.client("192.168.0.5")
    for i in range(24):
        trailers = [("grpc-status", "0"), ("x-digest", f"{i * 7919:016x}")]
        client.asks("POST", "/shop.Cart/Get", at_ms=60 * i, body=b"\0call", trailers=trailers)
    return simulation


@scenario()
def trailers_passed_on() -> Simulation:
    """Responses have trailers"""
    return _with_trailers(passes=True, seed=55)


@scenario()
def trailers_dropped() -> Simulation:
    """Responses have trailers, which the balancer drops"""
    return _with_trailers(passes=False, seed=56)
