"""Three logs → truth: who caused what."""

from __future__ import annotations

from lbtrace.lab.ground_truth import BackendLine, CheckLine, ClientLine
from lbtrace.lab.join import join, split_checks
from lbtrace.lab.plan import BalancerLine

LAPTOP, ROUTER, NODE, APP = "192.168.0.5", "1.240.235.98", "172.31.42.119", "172.31.11.95:8080"
POINTS = {"172.31.11.95": 0, "172.31.22.80": 1}


def asked(
    port: int, target: str, time_ns: int, ordinal: int = 1, status: int | None = 200
) -> ClientLine:
    return {
        "time_ns": time_ns,
        "local": f"{LAPTOP}:{port}",
        "remote": "3.35.166.21:80",
        "ordinal": ordinal,
        "method": "GET",
        "target": target,
        "status": status,
    }


def passed(
    port: int, target: str, time_ns: int, request_id: str = "", from_: str = ""
) -> BalancerLine:
    return BalancerLine(
        f"{ROUTER}:{port}", time_ns, "GET" if target else "", target, 200, request_id, from_, APP
    )


def answered(
    peer: str,
    target: str,
    time_ns: int,
    ordinal: int = 1,
    status: int | None = 200,
    request_id: str = "",
    local: str = APP,
) -> BackendLine:
    return {
        "time_ns": time_ns,
        "peer": peer,
        "local": local,
        "ordinal": ordinal,
        "method": "GET" if target else "",
        "target": target,
        "status": status,
        "user_agent": "",
        "request_ids": [request_id] if request_id else [],
        "proxied": None,
    }


def test_the_home_router_and_the_request_id_lead_from_client_to_backend() -> None:
    seen_as = {f"{LAPTOP}:1000": f"{ROUTER}:61000", f"{LAPTOP}:1001": f"{ROUTER}:61001"}
    balancer = [passed(61001, "/same", 5, "b"), passed(61000, "/same", 6, "a")]
    backend = [
        answered(f"{NODE}:7", "/same", 5, 1, request_id="a"),
        answered(f"{NODE}:7", "/same", 6, 2, request_id="b"),
    ]

    requests, others = join(
        [asked(1000, "/same", 1), asked(1001, "/same", 2)], seen_as, balancer, backend, POINTS
    )

    assert [[a.ordinal for a in r.attempts] for r in requests] == [[1], [2]]
    assert [r.answered_by for r in requests] == ["backend", "backend"]
    assert others == ()


def test_a_retry_has_every_attempt_with_its_id_and_an_uncaptured_client_is_an_other() -> None:
    backend = [
        answered(f"{NODE}:7", "/flaky", 5, status=503, request_id="a"),
        answered(f"{NODE}:8", "/flaky", 6, request_id="a", local="172.31.22.80:8080"),
        answered(f"{NODE}:8", "/flaky", 7, 2, request_id="z", local="172.31.22.80:8080"),
    ]

    requests, others = join(
        [asked(1000, "/flaky", 1)],
        {f"{LAPTOP}:1000": f"{ROUTER}:1000"},
        [passed(1000, "/flaky", 5, "a")],
        backend,
        POINTS,
    )

    assert [(a.point, a.status) for a in requests[0].attempts] == [(0, 503), (1, 200)]
    assert [(o.point, o.ordinal) for o in others] == [(1, 2)]


def test_an_answer_no_backend_gave_is_the_balancers_and_no_answer_is_nobodys() -> None:
    clients = [
        asked(1000, "/slow", 1, 1, 504),
        asked(1000, "/fixed", 2, 2),
        asked(1000, "/gone", 3, 3, None),
    ]
    balancer = [
        passed(1000, "/slow", 1, "a"),
        passed(1000, "/fixed", 2, "b"),
        passed(1000, "/gone", 3, "c"),
    ]
    backend = [answered(f"{NODE}:7", "/slow", 1, status=None, request_id="a")]

    requests, _ = join(clients, {f"{LAPTOP}:1000": f"{ROUTER}:1000"}, balancer, backend, POINTS)

    assert [(r.answered_by, len(r.attempts)) for r in requests] == [
        ("balancer", 1),
        ("balancer", 0),
        ("nobody", 0),
    ]


def test_a_balancer_that_reads_no_http_keeps_the_place_on_the_connection() -> None:
    clients = [asked(1000, "/a", 1, 1), asked(1000, "/b", 2, 2), asked(1001, "/c", 3, 1)]
    balancer = [passed(1000, "", 0, from_=f"{NODE}:70"), passed(1001, "", 0, from_=f"{NODE}:71")]
    backend = [
        answered(f"{NODE}:70", "/a", 1, 1),
        answered(f"{NODE}:70", "/b", 2, 2),
        answered(f"{NODE}:71", "/c", 3, 1),
    ]

    requests, others = join(
        clients, {f"{LAPTOP}:{p}": f"{ROUTER}:{p}" for p in (1000, 1001)}, balancer, backend, POINTS
    )

    assert [r.attempts[0].client for r in requests] == [f"{NODE}:70", f"{NODE}:70", f"{NODE}:71"]
    assert [r.attempts[0].ordinal for r in requests] == [1, 2, 1]
    assert others == ()


def test_logs_may_write_an_ipv6_address_with_brackets_or_without() -> None:
    """nginx and HAProxy write the client's without, and the backend's with them."""
    node, app = "[2001:db8:172:42::119]:7", "[2001:db8:172:11::95]:8080"
    client = {**asked(1000, "/a", 1), "local": "[2001:db8:5::5]:1000"}
    balancer = BalancerLine(
        "2001:db8:5:0::5:1000", 5, "GET", "/a", 200, "", "2001:db8:172:42::119:7", app
    )
    backend = answered(node, "/a", 6, local=app)
    (request,), others = join(
        [client],  # type: ignore[list-item]
        {},
        [balancer],
        [backend],
        {"2001:db8:172:11::95": 0},
    )
    assert [(a.client, a.server, a.point) for a in request.attempts] == [(node, app, 0)]
    assert others == ()


def test_checks_are_taken_out_of_the_traffic() -> None:
    check: CheckLine = {
        "time_ns": 1,
        "end_ns": 2,
        "kind": "http",
        "local": f"{NODE}:9",
        "peer": APP,
        "status": 200,
    }
    backend = [
        answered(f"{NODE}:9", "/health", 1),  # the lab's own, known from its own log
        answered(f"{NODE}:10", "/health", 3),  # the balancer's own
        answered(
            f"{NODE}:11", "", 4, 0, None
        ),  # connected and left: a check, when TCP checks were asked for
        answered(f"{NODE}:12", "/divide/4", 5),
    ]

    traffic, checks = split_checks(backend, [check], POINTS, tcp_checks=True)
    assert [line["target"] for line in traffic] == ["/divide/4"]
    assert [(c.client, c.kind) for c in checks] == [
        (f"{NODE}:9", "http"),
        (f"{NODE}:10", "http"),
        (f"{NODE}:11", "tcp"),
    ]

    _, without = split_checks(backend, [check], POINTS, tcp_checks=False)
    assert [c.kind for c in without] == ["http", "http"]


def test_a_client_that_was_not_captured_uses_the_same_port_of_the_balancer() -> None:
    balancer = [
        BalancerLine("203.0.113.7:500", 5, "GET", "/same", 200, "", f"{NODE}:7", APP),
        passed(1000, "/same", 6, from_=f"{NODE}:7"),
    ]
    backend = [answered(f"{NODE}:7", "/same", 5, 1), answered(f"{NODE}:7", "/same", 6, 2)]

    requests, others = join(
        [asked(1000, "/same", 1)], {f"{LAPTOP}:1000": f"{ROUTER}:1000"}, balancer, backend, POINTS
    )

    assert [[a.ordinal for a in r.attempts] for r in requests] == [[2]]
    assert [o.ordinal for o in others] == [1]


def test_what_a_mirror_got_is_a_copy_and_answers_nobody() -> None:
    """It answers last, and otherwise."""
    balancer = [passed(1000, "/a", 5, "a")]
    mirror = "172.31.22.80"
    backend = [
        answered("172.31.42.119:1", "/a", 6, request_id="a"),
        answered("172.31.42.119:2", "/a", 7, request_id="a", status=404, local=f"{mirror}:8080"),
    ]
    clients = [asked(500, "/a", 4)]
    seen_as = {f"{LAPTOP}:500": f"{ROUTER}:1000"}
    (request,), others = join(clients, seen_as, balancer, backend, POINTS, mirror)
    assert [(a.point, a.copy) for a in request.attempts] == [(0, False), (1, True)]
    assert request.answered_by == "backend"
    assert others == ()
