"""What a whole correlation says of simulations whose truth is known."""

import dataclasses

import pytest

from lbtrace.correlate import correlate, split
from lbtrace.model.http import HeaderLine
from lbtrace.model.net import Endpoint, Side
from lbtrace.model.pairing import (
    AttemptOutcome,
    ChangeKind,
    Confidence,
    ConnectionBasis,
    Correlation,
    Ref,
    Tier,
    UnpairedReason,
)
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Clockwork, Recording, Simulation
from tests.simulator.scenarios import SCENARIOS


def seen(name: str) -> tuple[Recording, Correlation]:
    recorded = SCENARIOS[name]().run()
    return recorded, correlate(recorded.clients, recorded.backends, DEFAULT)


def test_the_founding_alb() -> None:
    _, found = seen("founding-alb")
    assert {(p.tier, p.confidence) for p in found.pairs} == {
        (Tier.SHAPE, Confidence.HIGH)
    }  # the target tells them apart
    assert found.topology.clients == ("192.168.0.5",)
    assert found.topology.balancer_back == ("172.31.42.119",)
    (mapping,) = found.topology.mappings
    assert (mapping.client, mapping.seen_as, mapping.stated_by, mapping.count) == (
        "192.168.0.5",
        "1.240.235.98",
        "X-Forwarded-For",
        4,
    )
    (check,) = found.health_checks
    assert (check.path, check.source, check.confidence) == (
        "/health",
        "172.31.42.119",
        Confidence.HIGH,
    )
    assert {u.reason for u in found.unpaired} == {UnpairedReason.HEALTH_CHECK}
    assert not found.swapped


def test_the_founding_nlb_passes_packets_on() -> None:
    for name in ("founding-nlb", "founding-nlb-snat"):
        recorded, found = seen(name)
        assert {p.tier for p in found.pairs} == {Tier.SAME_PACKETS}
        assert {p.confidence for p in found.pairs} == {Confidence.CERTAIN}
        assert {p.client: {p.backend} for p in found.connection_pairs} == recorded.carried
        assert {p.basis for p in found.connection_pairs} == {ConnectionBasis.SAME_PACKETS}
        (check,) = found.health_checks
        assert not check.exchanges
        assert check.method == ""


def test_a_failed_attempt_is_an_attempt_of_the_request_that_was_tried_again() -> None:
    for name, outcome in (
        ("retry-reset", AttemptOutcome.RESET),
        ("retry-500", AttemptOutcome.SUPERSEDED),
    ):
        recorded, found = seen(name)
        tried = [p for p in found.pairs if len(p.attempts) == 2]
        assert len(tried) == sum(len(bs) == 2 for bs in recorded.truth.values())
        for p in tried:
            assert tuple(a.backend for a in p.attempts) == recorded.truth[p.client]
            assert [a.outcome for a in p.attempts] == [outcome, AttemptOutcome.ANSWERED]


def test_a_502_names_the_attempt_that_failed() -> None:
    recorded, found = seen("bad-gateway")
    failed = [p for p in found.pairs if p.attempts[-1].outcome is not AttemptOutcome.ANSWERED]
    assert {p.client for p in failed} == recorded.own
    assert {p.attempts[0].outcome for p in failed} == {AttemptOutcome.RESET}


def test_what_the_balancer_answered_itself() -> None:
    for name in ("cache", "refusals"):
        recorded, found = seen(name)
        said = {
            u.ref
            for u in found.unpaired
            if u.side == "client" and u.reason is UnpairedReason.ANSWERED_BY_BALANCER
        }
        assert said == recorded.own


def test_polling_is_no_health_check() -> None:
    recorded, found = seen("polling-client")
    checked = {(k.point, i) for k in found.health_checks for i in k.exchanges}
    assert checked == recorded.checks


def test_captures_that_do_not_overlap_pair_nothing() -> None:
    _, found = seen("apart")
    assert not [p for p in found.pairs if p.confidence is not Confidence.LOW]


def test_outside_the_other_capture() -> None:
    simulation = Simulation(backend_window=(-9999, 20_000))
    client = simulation.client("192.168.0.5")
    for i in range(60):
        client.asks("GET", f"/{i}", at_ms=1000 * i + i * i % 37)
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    outside = {u.ref.id for u in found.unpaired if u.reason is UnpairedReason.OUTSIDE_OTHER_CAPTURE}
    assert outside >= set(range(26, 60))
    assert min(outside) >= 20


def test_with_one_backend_uncaptured_nothing_is_said_to_be_answered_by_the_balancer() -> None:
    _, found = seen("one-backend-uncaptured")
    assert not [u for u in found.unpaired if u.reason is UnpairedReason.ANSWERED_BY_BALANCER]


def test_swapped_captures() -> None:
    for name in ("founding-alb", "gzip-added", "founding-nlb"):
        recorded = SCENARIOS[name]().run()
        front = [dataclasses.replace(t, side=Side.CLIENT) for t in recorded.backends]
        back = [dataclasses.replace(t, side=Side.BACKEND) for t in recorded.clients]
        assert correlate(front, back, DEFAULT).swapped
        assert not correlate(recorded.clients, recorded.backends, DEFAULT).swapped


def test_the_same_capture_twice_is_direct() -> None:
    recorded = SCENARIOS["direct"]().run()
    found = correlate(
        recorded.clients, [dataclasses.replace(recorded.clients[0], side=Side.BACKEND)], DEFAULT
    )
    assert {p.tier for p in found.pairs} == {Tier.SAME_PACKETS}
    assert all(p.client == p.attempts[0].backend for p in found.pairs)


def test_unrelated_captures_pair_nothing_with_confidence() -> None:
    one, other = SCENARIOS["founding-alb"]().run(), SCENARIOS["cache"]().run()
    found = correlate(one.clients, other.backends, DEFAULT)
    assert not [p for p in found.pairs if p.confidence is not Confidence.LOW]
    assert found.clocks[0].refused


def test_empty_sides() -> None:
    recorded = SCENARIOS["founding-alb"]().run()
    nothing = dataclasses.replace(
        recorded.clients[0], connections=[], applications=[], exchanges=[], first_ns=0, last_ns=0
    )
    for front, back in (
        ([nothing], recorded.backends),
        (recorded.clients, [dataclasses.replace(nothing, side=Side.BACKEND)]),
        ([], []),
    ):
        assert correlate(front, back, DEFAULT).pairs == ()


def test_a_capture_taken_on_the_balancer_is_split() -> None:
    """Both sides in one capture: the balancer is whom some connect to and who connects to
    others.
    """
    simulation = Simulation(
        balancer=Balancer(front=Endpoint("172.31.42.119", 80), backs=("172.31.42.119",))
    )
    client = simulation.client("192.168.0.5")
    for i in range(5):
        client.asks("GET", f"/{i}", at_ms=100 * i)
    recorded = simulation.run()
    front, back = recorded.clients[0], recorded.backends[0]
    n, m = len(front.connections), len(front.exchanges)
    both = dataclasses.replace(
        front,
        connections=[*front.connections, *(c._replace(id=c.id + n) for c in back.connections)],
        applications=[*front.applications, *back.applications],
        exchanges=[
            *front.exchanges,
            *(e._replace(id=e.id + m, connection=e.connection + n) for e in back.exchanges),
        ],
    )
    for balancer in ((), ("172.31.42.119",)):
        parts = split(both, balancer)
        assert parts is not None
        assert list(parts[0].exchanges) == list(front.exchanges)
        assert list(parts[1].exchanges) == list(back.exchanges)
        assert len(correlate([parts[0]], [parts[1]], DEFAULT).pairs) == 5
    assert split(front) is None


def test_points_with_clocks_of_their_own() -> None:
    """Two backends captured apart: each has its clock, and one that shares nothing has none."""
    simulation = Simulation(
        backends=(Endpoint("10.0.0.1", 80), Endpoint("10.0.0.2", 80)),
        separate_points=True,
        backend_clock=Clockwork(77_000_000_000),
    )
    client = simulation.client("192.168.0.5")
    for i in range(30):
        client.asks("GET", f"/{i}", at_ms=50 * i)
    recorded = simulation.run()
    clocks = correlate(recorded.clients, recorded.backends, DEFAULT).clocks
    assert [(k.client_point, k.backend_point) for k in clocks] == [(0, 0), (0, 1)]
    assert all(k.low_ns <= -77_000_000_000 <= k.high_ns for k in clocks)


def test_equal_sequence_numbers_do_not_pair_connections_that_say_different_things() -> None:
    recorded = SCENARIOS["founding-nlb"]().run()
    (back,) = recorded.backends
    first = back.exchanges[0]
    assert first.request is not None
    other = first._replace(request=first.request._replace(target="/something/else"))
    changed = dataclasses.replace(back, exchanges=[other, *back.exchanges[1:]])
    found = correlate(recorded.clients, [changed], DEFAULT)
    assert first.connection not in {p.backend.id for p in found.connection_pairs}
    assert len(found.connection_pairs) == 3


def test_tries_at_two_points_bound_both_clocks() -> None:
    """No client exchange has all its attempts in one capture: each capture's own attempts bound its
    clock.
    """
    recorded, found = seen("retry-across-captures")
    assert {len(p.attempts) for p in found.pairs} == {2}
    assert [k.refused for k in found.clocks] == [None, None]
    for k in found.clocks:
        assert k.low_ns <= recorded.clocks[0, k.backend_point][0] <= k.high_ns


def test_an_error_page_of_the_balancers_is_not_the_backends_answer() -> None:
    """Both say 503, in other words; a page that was only written into keeps the backend's
    fields.
    """
    backends = [("X-Zr", "zr-31"), ("X-App", "own")]
    for respond, outcome in (([], AttemptOutcome.SUPERSEDED), (backends, AttemptOutcome.ANSWERED)):
        simulation = Simulation(seed=3)
        for i in range(5):
            (simulation.clients or [simulation.client("192.168.0.5")])[0].asks(
                "GET",
                f"/{i}",
                at_ms=100 * i,
                status="503 Unavailable" if i == 3 else "200 OK",
                answer=b"down %d" % i,
                answer_headers=backends,
            )
        recorded = simulation.run()
        (front,) = recorded.clients
        answer = front.exchanges[3].response
        assert answer is not None
        lines = tuple(
            HeaderLine(n, v, f"{n}: {v}")
            for n, v in (("Server", "Varnish"), ("Content-Type", "text/html"), *respond)
        )
        other = front.exchanges[3]._replace(
            response=answer._replace(lines=lines, body=answer.body._replace(digest="0" * 32))
        )
        changed = dataclasses.replace(
            front, exchanges=[*front.exchanges[:3], other, *front.exchanges[4:]]
        )
        found = correlate([changed], recorded.backends, DEFAULT)
        (pair,) = (p for p in found.pairs if p.client.id == 3)
        assert [a.outcome for a in pair.attempts] == [outcome]


def test_some_go_straight_to_the_backend_and_others_through_the_balancer() -> None:
    """Equal packets on some connections say nothing of those to another address."""
    through = Simulation(seed=3, balancer=Balancer(add=[("X-Forwarded-For", "{client}")]))
    straight = Simulation(seed=4, balancer=Balancer(kind="direct"))
    for i in range(12):
        (through.clients or [through.client("192.168.0.5")])[0].asks(
            "GET", f"/item/{i}", at_ms=100 * i, answer=b"item %d" % i
        )
        (straight.clients or [straight.client("192.168.0.6")])[0].asks(
            "GET", f"/status/{i}", at_ms=100 * i + 40, answer=b"up %d" % i
        )
    one, other = through.run(), straight.run()
    found = correlate([*one.clients, *other.clients], [*one.backends, *other.backends], DEFAULT)
    assert len(found.pairs) == 24
    assert {p.tier for p in found.pairs if p.client.point == 1} == {Tier.SAME_PACKETS}
    assert all(
        p.client.point == p.attempts[-1].backend.point and p.client.id == p.attempts[-1].backend.id
        for p in found.pairs
    )


def test_what_goes_straight_does_not_show_what_the_balancer_keeps() -> None:
    """The same request, straight and through a balancer that names another Host: what arrives
    unchanged on one way tells nothing of the other.
    """
    through = Simulation(
        seed=3, balancer=Balancer(host="upstream", add=[("X-Forwarded-Proto", "http")])
    )
    straight = Simulation(seed=4, balancer=Balancer(kind="direct"))
    for i in range(12):
        (through.clients or [through.client("192.168.0.5")])[0].asks("GET", "/same", at_ms=100 * i)
        (straight.clients or [straight.client("192.168.0.6")])[0].asks(
            "GET", "/same", at_ms=100 * i + 40
        )
    one, other = through.run(), straight.run()
    found = correlate([*one.clients, *other.clients], [*one.backends, *other.backends], DEFAULT)
    assert len(found.pairs) == 24
    assert not found.unpaired
    assert {(c.kind, c.name, c.count, c.of) for c in found.changes} == {
        (ChangeKind.ADDED, "X-Forwarded-Proto", 12, 12),
        (ChangeKind.CHANGED, "Host", 12, 12),
    }


def test_nobody_answered_by_itself_what_a_backend_was_asked_for() -> None:
    """Requests and backend exchanges that look alike are left on both sides: whatever the Server
    field says, a backend was asked.
    """
    apart = Clockwork(77_000_000_000)  # where clocks agree, time tells whose they are
    through = Simulation(
        seed=3, balancer=Balancer(respond=[("Server", "nginx/1.22.1")]), backend_clock=apart
    )
    straight = Simulation(seed=4, balancer=Balancer(kind="direct"), backend_clock=apart)
    for i in range(8):
        (through.clients or [through.client("192.168.0.5")])[0].asks("GET", "/same", at_ms=100 * i)
        (straight.clients or [straight.client("192.168.0.6")])[0].asks(
            "GET", f"/status/{i}", at_ms=100 * i + 40
        )
    one, other = through.run(), straight.run()
    (back,) = one.backends  # answered otherwise than the clients were: nothing pairs them
    items = [
        e._replace(response=e.response._replace(status=418)) if e.response else e
        for e in back.exchanges
    ]
    backs = [dataclasses.replace(back, exchanges=items), *other.backends]
    found = correlate([*one.clients, *other.clients], backs, DEFAULT)
    left = [u for u in found.unpaired if u.side == "client"]
    assert len(left) == 8
    assert {u.reason for u in left} == {UnpairedReason.UNKNOWN}


@pytest.mark.parametrize(("every_ms", "found"), [(100, True), (10, False)])
def test_many_connections_without_a_byte_are_checks_however_fast(
    every_ms: int, found: bool
) -> None:
    simulation = Simulation(seed=2, balancer=Balancer(check_ms=every_ms, check=""))
    client = simulation.client("192.168.0.5")
    for i in range(20):
        client.asks("GET", f"/item/{i}", at_ms=100 * i)
    recorded = simulation.run()
    checks = correlate(recorded.clients, recorded.backends, DEFAULT).health_checks
    assert bool(checks) is found
    if found:
        (check,) = checks
        assert check.period_ns == pytest.approx(every_ms * 1_000_000, rel=0.1)
        assert len(check.connections) > 15


def test_a_cache_answers_where_the_backend_failed() -> None:
    """A stale answer is from the cache, and names the attempts that failed before it (RFC 9111
    §4.2.4).
    """
    simulation = Simulation(seed=5, balancer=Balancer(give_up=1.0, add=[("Via", "1.1 sq")]))
    client = simulation.client("192.168.0.5")
    for i in range(6):
        client.asks(
            "GET", "/r", at_ms=100 * i, headers=[("X-Request-Id", f"7f3a9c{i}e5b1d2{i}84c6a0")]
        )
    recorded = simulation.run()
    (front,) = recorded.clients
    stale = HeaderLine("Age", "61", "Age: 61")
    kept = [
        e._replace(
            response=e.response._replace(status=200, reason="OK", lines=(*e.response.lines, stale))
        )
        for e in front.exchanges
        if e.response is not None
    ]
    found = correlate([dataclasses.replace(front, exchanges=kept)], recorded.backends, DEFAULT)
    assert [[a.outcome for a in p.attempts] for p in found.pairs] == [[AttemptOutcome.RESET]] * 6


@pytest.mark.parametrize("named", [True, False])
def test_a_cache_that_asked_whether_its_copy_holds_did_ask_a_backend(named: bool) -> None:
    """The answer says HIT, and yet a backend was asked for this request and said 304: where an id
    tells so it is a pair, else unknown.
    """
    simulation = Simulation(seed=5, balancer=Balancer())
    client = simulation.client("192.168.0.5")
    for i in range(8):
        ids = [("X-Request-Id", f"7f3a9c0d51e24b{i:02x}")] if named else []
        client.asks(
            "GET",
            "/same" if i == 5 else f"/item/{i}",
            at_ms=100 * i,
            headers=ids,
            answer=b"item %d" % i,
        )
    recorded = simulation.run()
    (front,), (back,) = recorded.clients, recorded.backends
    got = front.exchanges[5]
    (ref,) = recorded.truth[Ref(0, 5)]
    gave = back.exchanges[ref.id]
    assert got.response is not None
    assert gave.response is not None
    hit = (*got.response.lines, HeaderLine("X-Cache", "HIT from lb", "X-Cache: HIT from lb"))
    body = gave.response.body._replace(length=0, digest=None, content_length=None)
    kept = [
        e._replace(response=got.response._replace(lines=hit)) if e is got else e
        for e in front.exchanges
    ]
    unchanged = [
        e._replace(response=gave.response._replace(status=304, body=body)) if e is gave else e
        for e in back.exchanges
    ]
    found = correlate(
        [dataclasses.replace(front, exchanges=kept)],
        [dataclasses.replace(back, exchanges=unchanged)],
        DEFAULT,
    )
    pairs = [p for p in found.pairs if p.client.id == 5]
    assert [(a.backend, a.outcome) for p in pairs for a in p.attempts] == (
        [(ref, AttemptOutcome.ANSWERED)] if named else []
    )
    assert not [u for u in found.unpaired if u.reason is UnpairedReason.ANSWERED_BY_BALANCER]


def test_connections_without_a_byte_that_clients_open_are_no_checks() -> None:
    """A port check goes through the balancer: there are as many empty connections in front as
    behind.
    """
    simulation = Simulation(seed=2, balancer=Balancer(check_ms=100, check=""))
    client = simulation.client("192.168.0.5")
    for i in range(20):
        client.asks("GET", f"/item/{i}", at_ms=100 * i)
    recorded = simulation.run()
    (front,), (back,) = recorded.clients, recorded.backends
    empty = [c for c in back.connections if not c.from_client.bytes and not c.from_server.bytes]
    assert len(empty) > 15
    asked = [
        c._replace(id=len(front.connections) + n, client=front.connections[0].client)
        for n, c in enumerate(empty)
    ]
    applications = [back.applications[c.id] for c in empty]
    seen_in_front = dataclasses.replace(
        front,
        connections=[*front.connections, *asked],
        applications=[*front.applications, *applications],
    )
    assert not correlate([seen_in_front], recorded.backends, DEFAULT).health_checks
