"""Whether heads are the same bytes on both sides: held against a reader of one pair at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from lbtrace.comparison import Comparison
from lbtrace.model.http import Exchange, Mark, Request, Response
from lbtrace.verdict.witnesses.heads import head_differences
from tests.laws import examples
from tests.simulator import Balancer, Simulation
from tests.verdict.recorded import XFF, compared, comparisons, told


def head(message: Request | Response | None) -> tuple[str, ...] | None:
    """The lines of a head, as they were sent."""
    if message is None:
        return None
    start = (
        (message.method, message.target, message.version)
        if isinstance(message, Request)
        else (message.version, str(message.status), message.reason)
    )
    return (*start, *(line.raw for line in message.lines))


def is_cut(exchange: Exchange) -> bool:
    return any(
        m is not None and Mark.HEAD_TRUNCATED in m.marks
        for m in (exchange.request, exchange.response)
    )


@examples(80)
@given(comparisons())
def test_heads_are_compared_pair_by_pair(comparison: Comparison) -> None:
    whole = [
        p
        for p in comparison.distinct_pairs
        if p.client.request and p.backend.request and not is_cut(p.client) and not is_cut(p.backend)
    ]
    found = told(head_differences(comparison))
    if not whole:
        return
    answered = [
        p for p in whole if p.outcome == "answered" and p.client.response and p.backend.response
    ]
    changed = [
        p
        for p in whole
        if head(p.client.request) != head(p.backend.request)
        or (p in answered and head(p.client.response) != head(p.backend.response))
    ]
    if changed:
        variant = "changed" if len(changed) * 2 >= len(whole) else "changed-in-some"
        [(key, values)] = found.items()
        assert key == ("head-differences", variant)
        assert (values["count"], values["of"]) == (len(changed), len(whole))
        lines = {
            line
            for p in changed
            for m in (p.client.request, p.backend.request, p.client.response, p.backend.response)
            for line in _shown(m)
        }
        assert {values["before"], values["after"]} <= {*lines, "(no such line)"}
        assert values["before"] != values["after"]
    elif answered:
        [(key, values)] = found.items()
        assert key[1] in ("identical", "identical-hop-fields")
        assert values == {"count": len(answered)}
    else:
        assert found == {}


def _shown(message: Request | Response | None) -> list[str]:
    if message is None:
        return []
    start = (
        f"{message.method} {message.target} {message.version}"
        if isinstance(message, Request)
        else f"{message.version} {message.status} {message.reason}".rstrip()
    )
    return [start, *(line.raw for line in message.lines)]


def heads(balancer: Balancer, *headers: tuple[str, str], count: int = 3) -> Comparison:
    made = Simulation(seed=7, balancer=balancer)
    client = made.client("192.168.0.5")
    for n in range(count):
        client.asks("GET", f"/divide/{n}", at_ms=60 * n, headers=headers, answer=b"answer %d" % n)
    return compared(made.run())


@pytest.mark.parametrize(
    ("balancer", "before", "after"),
    [
        (Balancer(add=XFF), "(no such line)", "X-Forwarded-For: 192.168.0.5"),
        (Balancer(drop=["Accept"]), "Accept: */*", "(no such line)"),
        (Balancer(host="inner:81"), "Host: {host}", "Host: inner:81"),
        (Balancer(reorder=True), "one order of lines", "another"),
    ],
)
def test_the_first_line_that_differs_is_shown(balancer: Balancer, before: str, after: str) -> None:
    [values] = told(head_differences(heads(balancer))).values()
    comparison = heads(balancer)
    request = comparison.pairs[0].client.request
    assert request is not None
    host = next(line.value for line in request.lines if line.name == "Host")
    assert values == {
        "count": 3,
        "of": 3,
        "before": before.format(host=host),
        "after": after,
    }


def test_a_response_that_differs_is_shown_from_the_backend_to_the_client() -> None:
    [values] = told(head_differences(heads(Balancer(respond=[("Via", "1.1 lb")])))).values()
    assert (values["before"], values["after"]) == ("(no such line)", "Via: 1.1 lb")


@pytest.mark.parametrize(
    ("headers", "count", "variant"),
    [
        ((("Connection", "keep-alive"),), 2, "identical-hop-fields"),
        ((("Connection", "keep-alive"),), 1, "identical"),
        ((("Keep-Alive", "timeout=5"),), 3, "identical-hop-fields"),
        ((("Transfer-Encoding", "identity"),), 3, "identical"),
        ((), 3, "identical"),
    ],
)
def test_a_field_of_the_hop_that_is_passed_on_tells_of_a_proxy_of_bytes(
    headers: tuple[tuple[str, str], ...], count: int, variant: str
) -> None:
    found = told(head_differences(heads(Balancer(kind="l4-proxy"), *headers, count=count)))
    assert found == {("head-differences", variant): {"count": count}}


@pytest.mark.parametrize("name", ["Connection", "Keep-Alive"])
def test_a_field_of_the_hop_in_a_response_tells_too(name: str) -> None:
    made = Simulation(seed=7, balancer=Balancer(kind="l4-proxy"))
    client = made.client("192.168.0.5")
    for n in range(3):
        client.asks("GET", f"/divide/{n}", at_ms=60 * n, answer_headers=[(name, "x")])
    found = told(head_differences(compared(made.run())))
    assert found == {("head-differences", "identical-hop-fields"): {"count": 3}}


def as_sets(whole: Comparison) -> Comparison:
    """The same pairs, of which nobody knows which belongs to which."""
    pairs = tuple(p._replace(group=0) for p in whole.correlation.pairs)
    return Comparison(whole.clients, whole.backends, replace(whole.correlation, pairs=pairs))


def test_sets_of_heads_testify_when_no_head_has_the_names_of_any_other() -> None:
    [(key, values)] = told(head_differences(as_sets(heads(Balancer(add=XFF))))).items()
    assert key == ("head-differences", "changed")
    assert values["count"] == 3
    assert "X-Forwarded-For" in str(values["after"])
    assert "X-Forwarded-For" not in str(values["before"])


def test_sets_of_heads_testify_by_a_line_that_all_behind_have_and_none_in_front() -> None:
    host = as_sets(heads(Balancer(host="inner")))
    assert told(head_differences(host)) == {
        ("head-differences", "changed"): {"count": 3, "after": "Host: inner"}
    }


@pytest.mark.parametrize(
    ("headers", "variant"),
    [((("Connection", "keep-alive"),), "identical-hop-fields"), ((), "identical")],
)
def test_sets_of_equal_heads(headers: tuple[tuple[str, str], ...], variant: str) -> None:
    whole = as_sets(heads(Balancer(kind="l4-proxy"), *headers))
    assert told(head_differences(whole)) == {("head-differences", variant): {"count": 3}}
    rewritten = as_sets(heads(Balancer(respond=[("Server", "lb")])))
    assert told(head_differences(rewritten)) == {}


def test_of_sets_only_what_was_answered_on_both_sides_is_compared() -> None:
    whole = as_sets(heads(Balancer(kind="l4-proxy")))
    (front,), (back,) = whole.clients, whole.backends
    for side in (front, back):
        first, *rest = side.exchanges
        cut = replace(side, exchanges=[first._replace(response=None), *rest])
        clients, backends = ([cut], [back]) if side is front else ([front], [cut])
        found = told(head_differences(Comparison(clients, backends, whole.correlation)))
        assert found in ({}, {("head-differences", "identical"): {"count": 2}})
    assert found


@pytest.mark.parametrize("reason", ["", "Found"])
def test_a_status_line_ends_in_its_last_word(reason: str) -> None:
    """A reason may be empty (RFC 9112 §4): then nothing stands behind the status."""
    whole = heads(Balancer(kind="l4-proxy"))
    (front,) = whole.clients
    other = [
        e._replace(response=e.response and e.response._replace(status=302, reason=reason))
        for e in front.exchanges
    ]
    changed = Comparison([replace(front, exchanges=other)], whole.backends, whole.correlation)
    [values] = told(head_differences(changed)).values()
    assert (values["before"], values["after"]) == (
        "HTTP/1.1 200 OK",
        "HTTP/1.1 302 Found" if reason else "HTTP/1.1 302",
    )
