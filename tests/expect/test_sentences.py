"""Every expectation as a sentence, and what was seen where it was held against made-up facts."""

from __future__ import annotations

import pytest

from lbtrace.expect import observed
from lbtrace.model.behaviour import Behaviour, Fact, Share
from lbtrace.model.expectation import Fulfilment
from tests.expect.files import outcomes

HOLDS, FAILED, OPEN = Fulfilment.HOLDS, Fulfilment.FAILED, Fulfilment.INCONCLUSIVE
MS, S = 10**6, 10**9

SAID = [
    ("balancer.kind", '"l7-proxy"', "the balancer is of kind l7-proxy"),
    ("balancer.looks_like", '"nginx"', "looks like nginx"),
    ("source.address", '"kept"', "the client's address is kept"),
    ("source.stated_in", '"X-Real-IP"', "the client's address is stated in X-Real-IP"),
    ("protocol.client", '"HTTP/2"', "the client side speaks HTTP/2"),
    ("protocol.backend", '"HTTP/1.0"', "the backend side speaks HTTP/1.0"),
    (
        "reuse.requests_per_backend_connection",
        '">= 3"',
        "requests per backend connection, as a mean: >= 3",
    ),
    (
        "reuse.requests_per_client_connection",
        "1",
        "requests per client connection, as a mean: 1",
    ),
    ("errors.made_by_balancer", "0", "errors of the balancer's own making: 0"),
    ("errors.made_by_backend", '"<= 2"', "errors made by a backend: <= 2"),
    (
        "errors.duplicate_unsafe_requests",
        "0",
        "requests sent twice though not idempotent: 0",
    ),
    ("health_checks.request", '"GET /health"', "health checks ask GET /health"),
    ("health_checks.period", '"<= 15s"', "period of health checks: <= 15s"),
    ("latency.added_median", '"<= 5ms"', "median of what the balancer adds: <= 5ms"),
    ("latency.added_p95", '"<= 5ms"', "p95 of what the balancer adds: <= 5ms"),
    ("distribution.backends", "2", "backends that get requests: 2"),
    ("distribution.largest_share", '"<= 60%"', "share of the busiest backend: <= 60%"),
    ("findings.fail_on", '"high"', "no finding of severity high or above"),
    ("idle_limits.backends", '">= 65s"', "backends close idle connections after >= 65s"),
    (
        "trust.client_sent_forwarded",
        '["append", "keep"]',
        "forwarding fields that a client sends: append or keep",
    ),
    ("request.headers.X-A", '"present"', "X-A is in every message"),
    ("request.headers.X-A", "{ present = false }", "X-A is in no message"),
    (
        "request.headers.X-Forwarded-For",
        '"client-address"',
        "X-Forwarded-For states the client's address",
    ),
    (
        "request.headers.X-A",
        '{ present = true, equals = "b" }',
        'X-A is in every message and is always "b"',
    ),
]


@pytest.mark.parametrize(("key", "value", "sentence"), SAID)
def test_an_expectation_is_a_sentence(key: str, value: str, sentence: str) -> None:
    table, _, name = key.rpartition(".")
    (outcome,) = outcomes(f"[{table}]\n{name} = {value}\n", Behaviour())
    assert outcome.expected == sentence


@pytest.mark.parametrize(
    ("fact", "key", "value", "answer", "seen", "reason"),
    [
        (
            Fact("latency.added-p95", 6 * MS, "in 20 pairs", "ns"),
            "latency.added_p95",
            '"<= 5ms"',
            FAILED,
            "6 ms in 20 pairs",
            "",
        ),
        (
            Fact("latency.added-p95", 6 * MS, "in 20 pairs", "ns", low=4 * MS, high=8 * MS),
            "latency.added_p95",
            '"<= 5ms"',
            OPEN,
            "6 ms in 20 pairs",
            "it lies between 4 and 8 ms",
        ),
        (
            Fact("health-checks.period", 5 * S, "", "ns", low=5 * S, high=5 * S),
            "health_checks.period",
            '"<= 10s"',
            HOLDS,
            "every 5 s",
            "",
        ),
        (
            Fact("health-checks.period", 5 * S, "", "ns", low=5 * S, high=20 * S),
            "health_checks.period",
            '"<= 10s"',
            OPEN,
            "every 5 s to 20 s",
            "not the same for all backends",
        ),
        (
            Fact("distribution.backends", 2, "", shares=(Share("a", 1, 4), Share("b", 3, 4))),
            "distribution.largest_share",
            '"<= 60%"',
            FAILED,
            "b got 3 of 4",
            "",
        ),
        (
            Fact(
                "connections.backend.requests",
                4,
                "4 over 3",
                shares=(Share("per-connection", 4, 3),),
            ),
            "reuse.requests_per_backend_connection",
            '">= 2"',
            FAILED,
            "1.33 (4 over 3)",
            "",
        ),
        (
            Fact("idle-limits.backend.backend", 50 * S, "2 closed", "ns", low=45 * S, high=55 * S),
            "idle_limits.backends",
            '"<= 50s"',
            OPEN,
            "after 50 s (2 closed)",
            "it lies between 45 s and 55 s",
        ),
        (
            Fact("idle-limits.backend.backend", 50 * S, "2 closed", "ns"),
            "idle_limits.backends",
            '"<= 49s"',
            FAILED,
            "after 50 s (2 closed)",
            "",
        ),
        (
            Fact("idle-limits.backend.forgotten", 50 * S, "2 forgotten", "ns", low=0, high=50 * S),
            "idle_limits.forgotten_behind",
            '">= 1s"',
            OPEN,
            "after 50 s (2 forgotten)",
            "it lies between 0 s and 50 s",
        ),
    ],
)
def test_what_was_seen(
    fact: Fact, key: str, value: str, answer: Fulfilment, seen: str, reason: str
) -> None:
    table, _, name = key.rpartition(".")
    (outcome,) = outcomes(f"[{table}]\n{name} = {value}\n", Behaviour((fact,), 20))
    assert (outcome.answer, outcome.seen, outcome.reason) == (answer, seen, reason)


def test_what_a_good_run_shows_is_written_down() -> None:
    """A share of one fate is a word, of several a list; what is unknown in part is not written."""

    def trusted(*fates: str) -> object:
        shares = tuple(Share(fate, 1, len(fates)) for fate in fates)
        facts = (Fact("trust.x-forwarded-for", " and ".join(fates), "seen", shares=shares),)
        written = {key: value for key, value, _ in observed(Behaviour(facts, 4))}
        return written.get("trust.client_sent_forwarded")

    assert trusted("append") == "append"
    assert trusted("replace", "append") == ["append", "replace"]
    assert trusted() is None

    def reused(requests: int, connections: int) -> object:
        share = Share("per-connection", requests, connections)
        facts = (Fact("connections.backend.requests", "several", "seen", shares=(share,)),)
        written = {key: value for key, value, _ in observed(Behaviour(facts, 4))}
        return written["reuse.requests_per_backend_connection"]

    assert (reused(4, 4), reused(5, 4), reused(3, 4)) == (1, "> 1", "< 1")


@pytest.mark.parametrize(("value", "written"), [("unchanged", "unchanged"), ("re-cased", None)])
def test_host_is_pinned_where_it_is_left_alone(value: str, written: str | None) -> None:
    shares = Share("present", 3, 3), Share("sent", 3, 3)
    facts = (
        Fact("request.headers", "complete", "3 pairs of heads"),
        Fact("request.headers.host", value, "Host: unchanged in 3 of 3", shares=shares),
        Fact("request.headers.accept", value, "Accept: unchanged in 3 of 3", shares=shares),
    )
    found = {key: told for key, told, _ in observed(Behaviour(facts, 3))}
    assert found.get("request.headers.Host") == written
    assert "request.headers.Accept" not in found


def test_why_the_absence_of_errors_is_open_says_how_much_is_known() -> None:
    facts = (
        Fact("errors.balancer", 0, "none", "count"),
        Fact("exchanges.explained", 3, "", "count", (Share("requests", 3, 4),)),
    )
    (outcome,) = outcomes("[errors]\nmade_by_balancer = 0\n", Behaviour(facts, 4))
    assert outcome.answer is OPEN
    known = "it is not known what became of every request (known: 3 of 4)"
    assert outcome.reason == known


@pytest.mark.parametrize(
    ("asked", "pinned"), [("GET /health", "GET /health"), ("GET /a, GET /b", None), (None, None)]
)
def test_what_health_checks_ask_is_pinned_where_they_all_ask_the_same(
    asked: str | None, pinned: str | None
) -> None:
    fact = Fact("health-checks.request", asked, "seen", unknown="" if asked else "none was seen")
    found = {key: told for key, told, _ in observed(Behaviour((fact,), 3))}
    assert found.get("health_checks.request") == pinned


@pytest.mark.parametrize(
    ("direction", "name", "value", "stated", "pinned"),
    [
        ("request", "X-Forwarded-For", "added, client-address", True, "client-address"),
        ("request", "X-Forwarded-For", "changed, appended", True, "client-address"),
        ("request", "X-Forwarded-For", "added, constant", False, "added"),
        ("request", "X-Forwarded-For", "changed, constant", False, "replaced"),
        ("response", "X-Forwarded-For", "added, constant", True, "added"),
        ("request", "X-Id", "added, fresh", False, {"present": True, "unique": True}),
        ("request", "X-Id", "removed", False, "removed"),
        ("request", "X-Id", "unchanged", False, None),
        ("request", "Connection", "added, constant", False, None),
    ],
)
def test_what_is_pinned_of_a_field_is_what_the_balancer_does_to_it(
    direction: str, name: str, value: str, stated: bool, pinned: object
) -> None:
    change = value.partition(",")[0]
    sent = 0 if change == "added" else 3
    behind = 0 if change == "removed" else 3
    shares = [Share("present", behind, 3), Share("sent", sent, 3), Share("unique", behind, behind)]
    if change != "unchanged":
        shares.append(Share(change, 3, 3))
    if stated:
        shares.append(Share("statement", 3, 3))
    facts = (
        Fact(f"{direction}.headers", "complete", "3 pairs of heads"),
        Fact(
            f"{direction}.headers.{name.lower()}",
            value,
            f"{name}: {change} in 3 of 3",
            shares=tuple(shares),
        ),
    )
    found = {key: told for key, told, _ in observed(Behaviour(facts, 3))}
    assert found.get(f"{direction}.headers.{name}") == pinned
