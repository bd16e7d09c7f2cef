"""What became of the bytes of connections: held against a reader of one connection at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given

from lbtrace.comparison import Comparison
from lbtrace.model.http import Application, ClientHello, Protocol
from lbtrace.model.net import Side
from lbtrace.model.pairing import ConnectionBasis, Correlation
from lbtrace.model.tls_session import TlsSession
from lbtrace.model.trace import Trace
from lbtrace.verdict.weigh import Observation
from lbtrace.verdict.witnesses.streams import byte_streams, proxy_header, server_name, tls
from tests.laws import examples
from tests.simulator import Balancer, Simulation
from tests.verdict.recorded import XFF, compared, comparisons, frames, simulation, told


@examples(60)
@given(comparisons())
def test_proxy_headers_behind_the_balancer(comparison: Comparison) -> None:
    headers = [
        (c, a.proxy[0].version)
        for trace in comparison.backends
        for c, a in zip(trace.connections, trace.applications, strict=True)
        if a.proxy
    ]
    found = list(proxy_header(comparison))
    if not headers or not (comparison.pairs or comparison.connection_pairs):
        assert found == []
        return
    versions = " and ".join(str(v) for v in sorted({version for _, version in headers}))
    assert told(iter(found)) == {
        ("proxy-header", "added"): {"count": len(headers), "version": versions}
    }
    first = [c.from_client.first_payload_frame or c.first_frame for c, _ in headers[:5]]
    assert frames(found[0], Side.BACKEND) == set(first)


def test_a_proxy_header_that_clients_send_too_is_not_the_balancers() -> None:
    comparison = compared(simulation(Balancer(kind="l4-proxy", proxy=1)).run())
    assert list(proxy_header(comparison))
    header = comparison.backends[0].applications[0].proxy
    (front,) = comparison.clients
    sent = [front.applications[0]._replace(proxy=header), *list(front.applications)[1:]]
    clients = [replace(front, applications=sent)]
    assert not list(proxy_header(Comparison(clients, comparison.backends, comparison.correlation)))


def test_a_connection_without_proxy_header_is_passed_over() -> None:
    comparison = compared(simulation(Balancer(kind="l4-proxy", proxy=1)).run())
    (back,) = comparison.backends
    bare = [back.applications[0]._replace(proxy=()), *list(back.applications)[1:]]
    found = proxy_header(
        Comparison(comparison.clients, [replace(back, applications=bare)], comparison.correlation)
    )
    assert told(found) == {("proxy-header", "added"): {"count": 5, "version": "1"}}


def carried(comparison: Comparison) -> list[tuple[ConnectionBasis, Application, Application]]:
    """Of each pair of connections that counts, why it is one, and what both carried."""
    known = [p for p in comparison.correlation.connection_pairs if p.confidence.rank > 0]
    return [
        (
            p.basis,
            comparison.clients[p.client.point].applications[p.client.id],
            comparison.backends[p.backend.point].applications[p.backend.id],
        )
        for p in known
    ]


@examples(60)
@given(comparisons())
def test_what_became_of_tls(comparison: Comparison) -> None:
    pairs = carried(comparison)
    found = told(tls(comparison))
    passed = [p for p in pairs if p[0] is ConnectionBasis.TLS_CLIENT_HELLO]
    if passed:
        assert found == {("tls", "passed"): {"count": len(passed)}}
        return
    removed = [a for _, a, b in pairs if a.protocol is Protocol.TLS and b.protocol in PLAIN]
    expected = {("tls", "removed"): {"count": len(removed)}} if removed else {}
    assert found == expected


PLAIN = (Protocol.HTTP1, Protocol.HTTP2, Protocol.OTHER)


@examples(60)
@given(comparisons())
def test_the_same_bytes(comparison: Comparison) -> None:
    same = [
        basis
        for basis, a, b in carried(comparison)
        if basis is ConnectionBasis.SAME_BYTES
        or (
            basis is ConnectionBasis.STATED_ADDRESS
            and None not in a.digests
            and a.digests == b.digests
        )
    ]
    expected = {("byte-streams", "same"): {"count": len(same)}} if same else {}
    assert told(byte_streams(comparison)) == expected


def in_tls(change: int) -> dict[tuple[str, str], dict[str, object]]:
    """Connections in TLS on both sides, paired by an address; `change` of them have another
    ClientHello behind the balancer.
    """
    comparison = compared(simulation(Balancer(kind="tls-pass")).run())
    (back,) = comparison.backends
    applications = [
        a._replace(tls=a.tls and a.tls._replace(random="other")) if n < change else a
        for n, a in enumerate(back.applications)
    ]
    pairs = tuple(
        p._replace(basis=ConnectionBasis.STATED_ADDRESS)
        for p in comparison.correlation.connection_pairs
    )
    assert len(pairs) == 6
    return told(
        tls(
            Comparison(
                comparison.clients,
                [replace(back, applications=applications)],
                replace(comparison.correlation, connection_pairs=pairs),
            )
        )
    )


def test_the_same_client_hello_passed_however_the_connections_were_paired() -> None:
    assert in_tls(0) == {("tls", "passed"): {"count": 6}}


def test_another_client_hello_is_the_balancers() -> None:
    assert in_tls(4) == {("tls", "renewed"): {"count": 4}}


Line = tuple[str, str]
MINUTE = 60_000_000_000


def behind_tls(
    *lines: Line,
    asked: str = "Shop.example",
    host: str = "shop.example:81",
    also: Sequence[Line] = (),
    later_ns: int = 0,
) -> list[Observation]:
    """TLS in front for a name, plain requests with these lines behind, and no pair."""
    front = simulation(Balancer(kind="tls"), seed=3).run()
    made = Simulation(seed=4, balancer=Balancer(add=lines, host=host))
    client = made.client("10.0.0.1")
    for n in range(4):
        client.asks("GET", f"/{n}", at_ms=60 * n, headers=also if n == 1 else ())
    back = made.run()
    (trace,) = front.clients
    named = [
        a._replace(tls=a.tls and a.tls._replace(server_name=asked)) for a in trace.applications
    ]
    begun = [
        c._replace(first_ns=c.first_ns + later_ns, last_ns=c.last_ns + later_ns)
        for c in trace.connections
    ]
    clients = [replace(trace, applications=named, connections=begun)]
    return list(server_name(Comparison(clients, back.backends, Correlation())))


def test_a_name_asked_for_in_tls_is_the_host_of_plain_requests() -> None:
    """Whatever case it is in, and whatever the port."""
    found = behind_tls()
    assert told(iter(found)) == {("tls", "removed"): {"host": "shop.example", "count": 4}}
    assert frames(found[0], Side.CLIENT)
    assert len(frames(found[0], Side.BACKEND)) == 4
    assert behind_tls(host="other.example") == []
    assert behind_tls(asked="") == []


@pytest.mark.parametrize(
    ("lines", "also", "variant", "count"),
    [
        ([("X-Forwarded-Proto", "HTTPS")], [], "state-https", 4),
        ([("X-Forwarded-Proto", "http")], [], "", 0),
        ([], [("X-Forwarded-Proto", "https")], "state-https", 1),
        ([("X-Forwarded-For", "192.0.2.1")], [], "state-client", 4),
        ([("Via", "1.1 lb")], [], "state-client", 4),
        ([], [("Via", "1.1 lb")], "", 0),
    ],
)
def test_what_requests_behind_tls_state(
    lines: list[Line], also: list[Line], variant: str, count: int
) -> None:
    stated = {k: v for k, v in told(iter(behind_tls(*lines, also=also))).items() if k[0] != "tls"}
    assert stated == ({("forwarding-fields", variant): {"count": count}} if variant else {})


@pytest.mark.parametrize(
    ("later_ns", "says"),
    [
        (0, True),
        (MINUTE // 2, True),
        (2 * MINUTE, False),
        (-MINUTE // 2, True),
        (-2 * MINUTE, False),
    ],
)
def test_clocks_are_not_minutes_apart(later_ns: int, says: bool) -> None:
    assert bool(behind_tls(later_ns=later_ns)) == says


def test_all_plain_requests_must_state_clients_in_tls() -> None:
    (front,) = simulation(Balancer(kind="tls"), seed=3).run().clients
    address = front.connections[0].client.address
    found = told(iter(behind_tls(("X-Forwarded-For", address), host="inner")))
    assert found["tls", "removed"] == {"client": address, "count": 4}
    some = behind_tls(host="inner", also=[("X-Forwarded-For", address)])
    assert some == [], "one of four says nothing of the others"


def test_with_pairs_names_say_nothing() -> None:
    assert not list(server_name(compared(simulation(Balancer(kind="tls")).run())))


@pytest.mark.parametrize(
    ("front", "behind", "variant"),
    [
        ("a", None, "removed"),
        ("a", "b", "renewed"),
        ("a", "a", ""),
        (None, "b", ""),
        (None, None, ""),
    ],
)
def test_tls_that_was_opened_is_told_by_the_requests_in_it(
    front: str | None, behind: str | None, variant: str
) -> None:
    """A random of the ClientHello on each side, none in the clear. No pair of connections is
    known, only pairs of requests.
    """
    whole = compared(simulation(Balancer(add=XFF)).run())

    def spoken(traces: Sequence[Trace], hello: str | None) -> list[Trace]:
        (trace,) = traces
        opened = TlsSession(records=9)
        tls_of = ClientHello(hello, "", None, (), (), 1, opened) if hello else None
        return [replace(trace, applications=[a._replace(tls=tls_of) for a in trace.applications])]

    found = told(
        tls(
            Comparison(
                spoken(whole.clients, front),
                spoken(whole.backends, behind),
                replace(whole.correlation, connection_pairs=()),
            )
        )
    )
    assert found == ({("tls", variant): {"count": 6}} if variant else {})
