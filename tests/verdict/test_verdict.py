"""What kind of balancer it is: right where the packets tell, and never sure where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.model.net import Endpoint, Side
from lbtrace.model.pairing import Confidence, ConnectionBasis, ConnectionPair, Correlation, Ref
from lbtrace.model.report import Evidence, Kind, Value, Verdict
from lbtrace.model.trace import Trace
from lbtrace.options import Options
from lbtrace.verdict import judge
from tests.laws import examples
from tests.simulator import Balancer, Recording, Simulation
from tests.simulator.scenarios import SCENARIOS

TRUTH = {
    "l7": Kind.L7_PROXY,
    "l4-proxy": Kind.L4_PROXY,
    "dnat": Kind.L4_PASSTHROUGH,
    "snat": Kind.L4_PASSTHROUGH,
    "direct": Kind.DIRECT,
}
XFF = [("X-Forwarded-For", "{client}")]
UNDECIDED = (Kind.AMBIGUOUS, Kind.INCONCLUSIVE)


def simulation(balancer: Balancer, seed: int = 7, count: int = 6, seen_as: str = "") -> Simulation:
    made = Simulation(seed=seed, balancer=balancer)
    laptop = made.client("192.168.0.5", seen_as=seen_as)
    for n in range(count):
        laptop.asks("GET", f"/divide/{n}", at_ms=60 * n, answer=b"answer %d" % n)
    return made


def verdict(recorded: Recording) -> Verdict:
    return judge(
        Comparison(
            recorded.clients,
            recorded.backends,
            correlate(recorded.clients, recorded.backends, Options()),
        )
    )


@pytest.mark.parametrize("kind", TRUTH)
def test_each_kind_is_recognised(kind: str) -> None:
    said = verdict(simulation(Balancer(kind=kind, add=XFF)).run())
    assert said.kind is TRUTH[kind]
    assert said.confidence is not Confidence.LOW
    assert said.reason.endswith(".")
    assert any(said.kind in w.speaks_for for w in said.witnesses)


@pytest.mark.parametrize(
    ("kind", "seen_as", "modifiers"),
    [
        ("dnat", "", ("dnat",)),
        ("dnat", "1.240.235.98", ("dnat",)),
        ("snat", "", ("snat", "dnat")),
        ("snat", "1.240.235.98", ("snat", "dnat")),
        ("direct", "", ()),
    ],
)
def test_what_was_rewritten_refines_the_kind(
    kind: str, seen_as: str, modifiers: tuple[str, ...]
) -> None:
    """A NAT before the balancer rewrites the source too, and is not the balancer's doing."""
    assert verdict(simulation(Balancer(kind=kind), seen_as=seen_as).run()).modifiers == modifiers


def test_a_proxy_header_is_a_modifier() -> None:
    said = verdict(simulation(Balancer(kind="l4-proxy", proxy=1)).run())
    assert (said.kind, said.modifiers) == (Kind.L4_PROXY, ("proxy-protocol",))


def test_preserving_the_source_does_not_decide() -> None:
    said = verdict(simulation(Balancer(kind="l7", add=XFF, preserve_source=True)).run())
    assert said.kind is Kind.L7_PROXY


def test_a_proxy_that_opens_a_connection_for_each_request_is_still_one_of_requests() -> None:
    said = verdict(simulation(Balancer(kind="l7", add=XFF, keep_alive=False)).run())
    assert said.kind is Kind.L7_PROXY


def test_an_http_proxy_that_changes_nothing_is_never_named_for_sure() -> None:
    """One connection each, no header touched: nothing separates it from a proxy of bytes."""
    said = verdict(simulation(Balancer(kind="l7", keep_alive=False)).run())
    assert said.kind in (Kind.L4_PROXY, *UNDECIDED)
    assert said.confidence in (Confidence.LOW, Confidence.MEDIUM)


def test_direct_says_what_would_look_the_same() -> None:
    assert "look the same" in verdict(simulation(Balancer(kind="direct")).run()).reason


def hops(traces: Sequence[Trace], client_ttl: int, server_ttl: int) -> list[Trace]:
    made = []
    for trace in traces:
        connections = [
            c._replace(
                from_client=c.from_client._replace(
                    syn=c.from_client.syn and c.from_client.syn._replace(ttl=client_ttl)
                ),
                from_server=c.from_server._replace(
                    syn=c.from_server.syn and c.from_server.syn._replace(ttl=server_ttl)
                ),
            )
            for c in trace.connections
        ]
        made.append(replace(trace, connections=connections))
    return made


@pytest.mark.parametrize(
    ("there", "back", "kinds"),
    [(2, 2, {Kind.DIRECT}), (1, 0, {Kind.L4_PASSTHROUGH}), (4, 3, set(UNDECIDED))],
)
def test_a_longer_way_there_than_back_speaks_for_direct_server_return(
    there: int, back: int, kinds: set[Kind]
) -> None:
    recorded = simulation(Balancer(kind="dsr")).run()
    recorded.clients[:] = hops(recorded.clients, 64, 64 - back)
    recorded.backends[:] = hops(recorded.backends, 64 - there, 64)
    said = verdict(recorded)
    assert said.kind in kinds
    assert said.modifiers == (("dsr",) if said.kind is Kind.L4_PASSTHROUGH else ())


def test_two_backends_that_answer_for_one_address_are_behind_a_balancer() -> None:
    made = simulation(Balancer(kind="dsr", wander=False), count=8)
    made.backends = (Endpoint("172.31.11.95", 80), Endpoint("172.31.11.96", 80))
    made.separate_points = True
    said = verdict(made.run())
    assert (said.kind, said.modifiers) == (Kind.L4_PASSTHROUGH, ("dsr",))


def test_unrelated_captures_say_what_was_looked_for() -> None:
    one = simulation(Balancer(), seed=1).run()
    other = Simulation(seed=2, balancer=Balancer(host="api.example.net"))
    stranger = other.client("10.1.1.1")
    for n in range(6):
        stranger.asks("POST", f"/api/{n}", at_ms=60 * n, body=b"%d" % n, answer=b"{}%d" % n)
    two = other.run()
    said = judge(
        Comparison(one.clients, two.backends, correlate(one.clients, two.backends, Options()))
    )
    assert said.kind is Kind.UNRELATED
    assert "Looked for" in said.reason
    assert said.profiles == ()


def strangers(*front: tuple[str, str, bytes]) -> Verdict:
    """Client requests (method, target, answer), held against a backend capture that has none of
    their answers.
    """
    one, other = Simulation(seed=1), Simulation(seed=2, balancer=Balancer(host="be.example"))
    for n, (method, target, answer) in enumerate(front):
        one.client("192.168.0.5").asks(method, target, at_ms=70 * n, answer=answer)
    for n in range(6):
        target = "/same" if n % 2 else f"/same/{n}"
        other.client("10.1.1.1").asks("GET", target, at_ms=60 * n, answer=b"<p>%d" % n)
    clients, backends = one.run().clients, other.run().backends
    return judge(Comparison(clients, backends, correlate(clients, backends, Options())))


def test_the_same_requests_with_other_answers_are_not_unrelated() -> None:
    """A balancer may write into every response."""
    assert (
        strangers(*(("GET", "/same", b"<p>%d<!-- added -->" % n) for n in range(6))).kind
        is Kind.INCONCLUSIVE
    )


def test_one_or_two_requests_are_too_few_to_be_unrelated() -> None:
    asked = [
        ("GET", "/old/other", b"moved"),
        ("GET", "/fixed", b"answer"),
        ("GET", "/third", b"more"),
    ]
    assert strangers(*asked).kind is Kind.UNRELATED
    for n in (1, 2):
        said = strangers(*asked[:n])
        assert (said.kind, said.confidence) == (Kind.INCONCLUSIVE, Confidence.LOW)
        assert f"{n} on the client side, 4 on the backend side" in said.reason


def test_a_script_that_ran_twice_is_not_one_run() -> None:
    """The same requests with the same ids, at other distances: no offset of the clocks makes them
    one; a clock that was set does.
    """
    runs = []
    for seed, pauses in ((1, 400), (2, 230)):
        one = Simulation(seed=seed, balancer=Balancer(add=XFF))
        for n in range(8):
            headers = [("X-Id", f"id-{n:06d}")]
            one.client("192.168.0.5").asks(
                "GET", f"/item/{n}", at_ms=pauses * n, headers=headers, answer=b"item %d" % n
            )
        runs.append(one.run())
    clients, backends = runs[0].clients, runs[1].backends
    said = judge(Comparison(clients, backends, correlate(clients, backends, Options())))
    assert (said.kind, said.confidence) == (Kind.INCONCLUSIVE, Confidence.LOW)
    stepping = SCENARIOS["step"]().run()
    found = correlate(stepping.clients, stepping.backends, Options())
    assert all(known.refused for known in found.clocks)
    assert (
        judge(Comparison(stepping.clients, stepping.backends, found)).kind is not Kind.INCONCLUSIVE
    )


def test_a_proxy_header_alone_is_no_sign_of_a_proxy_of_bytes() -> None:
    """Requests that cannot be paired for certain, over connections that a PROXY header names: a
    proxy that reads HTTP does the same.
    """
    made = Simulation(seed=1, balancer=Balancer(proxy=2, keep_alive=False, recase=True))
    for n in range(6):
        made.client("192.168.0.5").asks("GET", "/same", at_ms=50 * n, connection="kept")
    recorded = made.run()
    found = correlate(recorded.clients, recorded.backends, Options())
    unsure = replace(
        found, pairs=tuple(p._replace(confidence=Confidence.LOW) for p in found.pairs), clocks=()
    )
    said = judge(Comparison(recorded.clients, recorded.backends, unsure))
    assert said.kind is not Kind.L4_PROXY or said.confidence is Confidence.LOW


def test_an_empty_side_is_inconclusive() -> None:
    recorded = simulation(Balancer()).run()
    empty = Simulation().run().backends
    said = judge(Comparison(recorded.clients, empty, correlate(recorded.clients, empty, Options())))
    assert said.kind is Kind.INCONCLUSIVE
    assert "backend" in said.reason


def test_only_health_checks_behind_is_inconclusive() -> None:
    made = simulation(Balancer(refuse=1.0, check_ms=50), count=10)
    assert verdict(made.run()).kind is Kind.INCONCLUSIVE


def test_nothing_was_paired_but_much_is_alike_is_not_unrelated() -> None:
    recorded = simulation(Balancer()).run()
    assert (
        judge(Comparison(recorded.clients, recorded.backends, Correlation())).kind
        is Kind.INCONCLUSIVE
    )


@given(
    kind=st.sampled_from(sorted(TRUTH)),
    seed=st.integers(0, 10_000),
    clients=st.integers(1, 3),
    same=st.booleans(),
    kept=st.booleans(),
    loss=st.sampled_from([0.0, 0.1, 0.4]),
    uncaptured=st.booleans(),
)
@examples(60)
def test_never_sure_and_wrong(
    kind: str, seed: int, clients: int, same: bool, kept: bool, loss: float, uncaptured: bool
) -> None:
    """Whatever the traffic and whatever was lost: right, or undecided, or said to be LOW."""
    made = Simulation(
        seed=seed, balancer=Balancer(kind=kind, add=XFF), client_loss=loss, backend_loss=loss
    )
    if uncaptured:
        made.backends = (Endpoint("172.31.11.95", 8080), Endpoint("172.31.11.96", 8080))
        made.separate_points, made.uncaptured = True, 1
    for c in range(clients):
        client = made.client(f"192.168.0.{c + 5}")
        for n in range(4):
            client.asks(
                "GET",
                "/same" if same else f"/{c}/{n}",
                at_ms=7 * n,
                connection="kept" if kept else "",
            )
    said = verdict(made.run())
    assert said.kind in (TRUTH[kind], *UNDECIDED) or said.confidence is Confidence.LOW


def test_every_witness_shows_its_frames() -> None:
    for kind in TRUTH:
        for witness in verdict(simulation(Balancer(kind=kind, add=XFF)).run()).witnesses:
            assert witness.evidence
            assert all(isinstance(e, Evidence) for e in witness.evidence)


def ended_tls(
    lines: Sequence[tuple[str, str]],
    later_ns: int = 0,
    host: str | None = None,
    kept: bool = False,
) -> Verdict:
    """TLS in front for a name, plain requests for that name (or `host`) behind, and no pair."""
    front = simulation(Balancer(kind="tls"), seed=3).run()
    behind = Simulation(seed=4, balancer=Balancer(add=lines, host=host, keep_alive=kept))
    client = behind.client("10.0.0.1")
    for n in range(4):
        client.asks("GET", f"/{n}", at_ms=60 * n)
    back = behind.run()
    hello = front.clients[0].applications[0].tls
    assert hello is not None
    named = [
        a._replace(tls=hello._replace(server_name="lb.example.com"))
        for a in front.clients[0].applications
    ]
    begun = [
        c._replace(first_ns=c.first_ns - later_ns, last_ns=c.last_ns - later_ns)
        for c in front.clients[0].connections
    ]
    clients = [replace(front.clients[0], applications=named, connections=begun)]
    return judge(Comparison(clients, back.backends, Correlation()))


def test_tls_that_ends_at_the_balancer_is_known_by_the_server_name() -> None:
    told = ended_tls([("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https")])
    assert (told.kind, told.confidence, told.modifiers) == (
        Kind.L7_PROXY,
        Confidence.MEDIUM,
        ("tls-terminating",),
    )
    untold = ended_tls([])
    assert (untold.kind, untold.modifiers) == (Kind.AMBIGUOUS, ("tls-terminating",))
    # one connection behind for the requests of four
    assert ended_tls([], kept=True).kind is Kind.L7_PROXY


def test_where_the_host_is_replaced_the_one_that_was_asked_for_may_be_stated() -> None:
    for line in (
        ("X-Forwarded-Host", "lb.example.com"),
        ("Forwarded", 'for=1.2.3.4;host="LB.example.com:443"'),
    ):
        told = ended_tls([line, ("X-Forwarded-For", "1.2.3.4")], host="backend:8080")
        assert (told.kind, told.modifiers) == (Kind.L7_PROXY, ("tls-terminating",))
    assert (
        ended_tls([("X-Forwarded-For", "1.2.3.4")], host="backend:8080").kind is Kind.INCONCLUSIVE
    )


def test_plain_requests_that_all_state_clients_in_tls_are_theirs() -> None:
    address = (
        simulation(Balancer(kind="tls"), seed=3).run().clients[0].connections[0].client.address
    )
    told = ended_tls([("X-Forwarded-For", address)], host="backend:8080")
    assert (told.kind, told.modifiers) == (Kind.L7_PROXY, ("tls-terminating",))
    assert Value("client", address) in told.witnesses[0].values


def test_tls_of_another_hour_is_no_witness() -> None:
    """The same name in front and behind, and nothing else in common: perhaps the wrong file."""
    told = ended_tls(
        [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https")], later_ns=1_200_000_000_000
    )
    assert told.kind is Kind.INCONCLUSIVE


def test_a_capture_taken_on_the_balancer_is_no_direct_connection() -> None:
    """It holds what the client sent and what the balancer made of it."""
    recorded = simulation(Balancer(add=XFF)).run()
    front, back = recorded.clients[0], recorded.backends[0]
    shift, past = len(front.connections), len(front.exchanges)
    both = replace(
        back,
        connections=[*front.connections, *(c._replace(id=c.id + shift) for c in back.connections)],
        applications=[*front.applications, *back.applications],
        exchanges=[
            *front.exchanges,
            *(e._replace(id=e.id + past, connection=e.connection + shift) for e in back.exchanges),
        ],
    )
    pairs = tuple(
        ConnectionPair(Ref(0, n), Ref(0, n), ConnectionBasis.SAME_PACKETS, Confidence.CERTAIN)
        for n in range(shift)
    )
    said = judge(Comparison([front], [both], Correlation(connection_pairs=pairs)))
    assert said.kind is Kind.INCONCLUSIVE
    assert "on the balancer" in said.reason
    assert "lbtrace compare --lb" in said.next_step
    assert "tcpdump" not in said.next_step


def test_some_straight_connections_say_nothing_of_the_rest() -> None:
    """Two of six requests go straight to the backend, the others to a server that the backend
    capture does not show.
    """
    recorded = simulation(Balancer(kind="direct")).run()
    front = recorded.clients[0]
    moved = [
        c if c.id < 2 else c._replace(server=Endpoint("10.0.0.99", 80)) for c in front.connections
    ]
    pairs = tuple(
        ConnectionPair(Ref(0, n), Ref(0, n), ConnectionBasis.SAME_PACKETS, Confidence.CERTAIN)
        for n in range(2)
    )
    said = judge(
        Comparison(
            [replace(front, connections=moved)],
            recorded.backends,
            Correlation(connection_pairs=pairs),
        )
    )
    assert said.kind is Kind.AMBIGUOUS
    assert "4 of 6 requests" in said.reason


def test_doubtful_pairs_among_cache_hits_still_testify_as_a_set() -> None:
    """Who is whose may be open while it is plain what the balancer does to all of them: hits have
    no partner to be found.
    """
    simulation = Simulation(
        seed=11, balancer=Balancer(add=[("X-Forwarded-For", "{client}")], cache=0.5)
    )
    client = simulation.client("192.168.0.5")
    for i in range(24):
        client.asks("GET", f"/page/{i % 12}", at_ms=60 * i, answer=b"page", connection=f"c{i % 3}")
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, Options())
    doubtful = replace(
        found,
        pairs=tuple(p._replace(confidence=Confidence.LOW) for p in found.pairs),
        connection_pairs=(),
    )
    assert judge(Comparison(recorded.clients, recorded.backends, doubtful)).kind is Kind.L7_PROXY


def test_an_empty_backend_capture_may_mean_that_the_balancer_answered_everything() -> None:
    recorded = simulation(Balancer(refuse=1.0)).run()
    (back,) = recorded.backends
    assert not back.connections
    said = verdict(recorded)
    assert said.kind is Kind.INCONCLUSIVE
    assert "the balancer itself answered every request" in said.reason


def test_one_request_whose_client_the_balancer_names_is_enough() -> None:
    """By an address of its own that no other network has."""
    named = Simulation(
        seed=3, balancer=Balancer(add=[("X-Forwarded-For", "{client}")], keep_alive=False)
    )
    named.client("198.51.100.9").asks("GET", "/")
    assert verdict(named.run()).kind is Kind.L7_PROXY


def without_syns(traces: Sequence[Trace]) -> list[Trace]:
    """The same captures, begun when all connections were open."""
    return [
        replace(
            trace,
            connections=[
                c._replace(
                    syns=0,
                    from_client=c.from_client._replace(isn=None),
                    from_server=c.from_server._replace(isn=None),
                )
                for c in trace.connections
            ],
        )
        for trace in traces
    ]


def test_without_syns_the_numbers_of_the_requests_exclude_pass_through() -> None:
    recorded = simulation(Balancer(add=[("X-Request-Id", "{fresh}")])).run()
    recorded.clients, recorded.backends = map(without_syns, (recorded.clients, recorded.backends))
    judged = verdict(recorded)
    assert judged.kind is Kind.L7_PROXY
    [isn] = [w for w in judged.witnesses if w.name == "isn"]
    assert Kind.L4_PASSTHROUGH in isn.speaks_against


def test_pairs_that_are_known_keep_their_confidence() -> None:
    """They need not testify as a set."""
    assert verdict(simulation(Balancer(add=XFF)).run()).confidence is Confidence.HIGH


def test_the_same_capture_given_twice_says_nothing_of_a_balancer() -> None:
    (front,) = simulation(Balancer(kind="tls-pass")).run().clients
    back = replace(front, side=Side.BACKEND)
    said = judge(Comparison([front], [back], correlate([front], [back], Options())))
    assert (said.kind, said.modifiers, said.profiles) == (Kind.INCONCLUSIVE, (), ())
    assert "given twice" in said.reason
    assert said.witnesses, "what was seen is shown all the same"
