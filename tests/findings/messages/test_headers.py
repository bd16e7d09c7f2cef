"""What becomes of heads: fields, Host, target, style, and the forwarding fields held against the
truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lbtrace.findings.messages.header_style import _style
from lbtrace.model.report import Severity
from tests.findings.simulated import (
    ALB,
    Judged,
    four,
    judge_recording,
    judge_simulation,
    values,
    with_exchanges,
)
from tests.simulator import Balancer, Simulation


def names(spoken: Judged, slug: str) -> set[str]:
    return {str(values(f)["field"]) for f in spoken.of(slug)}


def test_every_added_field_is_named() -> None:
    spoken = judge_simulation(four(ALB, seen_as="1.240.235.98"))
    assert names(spoken, "request-headers.added") == {
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Amzn-Trace-Id",
    }
    assert spoken.of("request-headers.removed") == []


def test_what_happens_most_often_is_told_first() -> None:
    spoken = judge_simulation(four(ALB, seen_as="1.240.235.98"))
    changes = [replace(change, count=n) for n, change in enumerate(spoken.correlation.changes, 1)]
    told = judge_recording(spoken.recorded, replace(spoken.correlation, changes=tuple(changes)))
    counts = [values(f)["count"] for f in told.of("request-headers.added")]
    assert len(set(counts)) == len(counts) == 4
    assert counts == sorted(counts, reverse=True)


def test_nothing_touched_is_said_too() -> None:
    spoken = judge_simulation(four(Balancer(kind="dnat")))
    assert [f.slug for f in spoken.of("request-headers")] == ["request-headers.unchanged"]
    assert [f.slug for f in spoken.of("response-headers")] == ["response-headers.unchanged"]


def test_forwarding_fields_are_right() -> None:
    spoken = judge_simulation(four(ALB, seen_as="1.240.235.98"))
    assert names(spoken, "forwarded-fields.right") == {
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
    }
    assert spoken.of("forwarded-fields.wrong") == []


def test_https_stated_for_a_plain_client_is_wrong() -> None:
    said = judge_simulation(
        four(Balancer(add=[("X-Forwarded-Proto", "https"), ("X-Forwarded-Port", "443")]))
    ).of("forwarded-fields.wrong")
    assert {values(f)["field"] for f in said} == {"X-Forwarded-Proto", "X-Forwarded-Port"}
    assert all(f.severity is Severity.MEDIUM for f in said)


def test_another_clients_address_is_wrong() -> None:
    said = judge_simulation(
        four(Balancer(add=[("X-Real-IP", "10.9.9.9")], preserve_source=True))
    ).of("forwarded-fields.wrong")
    assert {values(f)["field"] for f in said} == {"X-Real-IP"}


def test_a_field_of_any_vendor_is_checked() -> None:
    added = [("x-envoy-external-address", "{client}"), ("X-Forwarded-Scheme", "https")]
    spoken = judge_simulation(four(Balancer(add=added)))
    assert names(spoken, "forwarded-fields.right") == {"x-envoy-external-address"}
    assert names(spoken, "forwarded-fields.wrong") == {"X-Forwarded-Scheme"}


def test_a_proxy_that_names_itself_does_not_name_the_client() -> None:
    spoken = judge_simulation(four(Balancer(add=[("Forwarded", "for=_hidden;by=203.0.113.43")])))
    assert not spoken.of("forwarded-fields")


def test_a_replaced_host_names_the_backend() -> None:
    said = judge_simulation(four(Balancer(host="172.31.11.95:8080"))).one(
        "host-and-target.host-changed"
    )
    assert "the backend's own address" in said.statement


@pytest.mark.parametrize("host", [None, "inner.test"])
def test_the_host_of_http2_is_its_authority(host: str | None) -> None:
    """It becomes Host in front of a backend that speaks HTTP/1, and is the same or another one."""
    spoken = judge_simulation(four(Balancer(http2=True, host=host)))
    (said,) = spoken.of("host-and-target.host-kept" if not host else "host-and-target.host-changed")
    if host:
        assert (values(said)["before"], values(said)["after"]) == ("lb.example.com", host)


def test_a_stripped_prefix_changes_the_target() -> None:
    said = judge_simulation(four(Balancer(strip="/divide"))).one("host-and-target.target-changed")
    assert (values(said)["before"], values(said)["after"]) == ("/divide/25", "/25")


def test_the_lower_case_of_http2_is_no_style() -> None:
    spoken = judge_simulation(four(Balancer(http2=True)))
    assert not spoken.of("header-style")
    assert not spoken.of("request-headers.re-cased")


def test_lower_case_names_are_a_style() -> None:
    said = judge_simulation(four(Balancer(recase=True))).one("header-style")
    assert values(said)["after"] == "in lower case"


@pytest.mark.parametrize(
    ("head", "is_sorted"),
    [
        ("Host User-Agent Content-Length Accept X-Forwarded-For X-Real-Ip Accept-Encoding", True),
        ("Host Accept X-Forwarded-For X-Real-Ip Zone", True),
        ("Host X-Forwarded-For User-Agent Zone Accept", False),  # nginx: its own fields first
    ],
)
def test_names_are_sorted_as_go_sorts_them(head: str, is_sorted: bool) -> None:
    assert _style([tuple(head.split())]).endswith(", sorted") is is_sorted


def forged(balancer: Balancer) -> Judged:
    simulation = Simulation(seed=2, balancer=balancer)
    client = simulation.client("192.168.0.5")
    for n in range(3):
        client.asks(
            "GET", f"/{n}", at_ms=50 * n, headers=[("X-Forwarded-For", "8.8.8.8")], answer=b"%d" % n
        )
    return judge_simulation(simulation)


def test_what_a_client_claims_about_itself() -> None:
    appends = Balancer(add=[("X-Forwarded-For", "{old}, {client}")])
    replaces = Balancer(add=[("X-Forwarded-For", "{client}")])
    second = Balancer(add=[("X-Forwarded-For", "{client}")], second_line=True)
    assert forged(appends).one("xff-trust").slug == "xff-trust.appended"
    assert forged(second).one("xff-trust").slug == "xff-trust.appended"
    assert forged(replaces).one("xff-trust").slug == "xff-trust.replaced"
    assert forged(Balancer()).one("xff-trust").slug == "xff-trust.passed-on"
    assert forged(Balancer(drop=["X-Forwarded-For"])).one("xff-trust").slug == "xff-trust.removed"


def test_http_1_0_towards_the_backend() -> None:
    said = judge_simulation(four(Balancer(version="HTTP/1.0"))).one("protocol-changes.version")
    assert (values(said)["before"], values(said)["after"]) == ("HTTP/1.1", "HTTP/1.0")


def test_compressing_is_a_coding_not_another_body() -> None:
    spoken = judge_simulation(four(Balancer(gzip=True)))
    assert spoken.of("responses.body") == []
    assert values(spoken.one("protocol-changes.coding"))["after"] == "gzip"


@pytest.mark.parametrize(("got", "gave"), [(304, 200), (200, 304), (206, 200), (200, 206)])
def test_a_part_or_not_modified_is_no_rewritten_response(got: int, gave: int) -> None:
    spoken = judge_simulation(four(Balancer()))
    front, back = spoken.recorded.clients[0], spoken.recorded.backends[0]
    before, behind = front.exchanges[1], back.exchanges[1]
    assert before.response is not None
    assert behind.response is not None
    other = before.response.body._replace(digest="0" * 32)
    spoken.recorded.clients[0] = with_exchanges(
        front, e1=before._replace(response=before.response._replace(status=got, body=other))
    )
    spoken.recorded.backends[0] = with_exchanges(
        back, e1=behind._replace(response=behind.response._replace(status=gave))
    )
    spoken = judge_recording(spoken.recorded, spoken.correlation)
    said = spoken.one("responses.from-copy")
    assert (values(said)["client_status"], values(said)["backend_status"]) == (str(got), str(gave))
    assert spoken.of("responses.status") == spoken.of("responses.body") == []


@pytest.mark.parametrize(
    ("host", "statuses", "told"),
    [
        ("up", ("404 Not Found", "404 Not Found", "421 Misdirected Request"), True),
        ("up", ("404 Not Found", "200 OK", "404 Not Found"), False),  # it serves that name
        ("up", ("500 Oops", "500 Oops", "500 Oops"), False),  # not because of the name
        ("LB.EXAMPLE.COM", ("404 Not Found",) * 3, False),  # the same name
        ("", ("404 Not Found",) * 3, False),
    ],
)
def test_a_host_that_the_backend_refuses(host: str, statuses: Sequence[str], told: bool) -> None:
    simulation = Simulation(seed=7, balancer=Balancer(host=host))
    laptop = simulation.client("192.168.0.5")
    for n, status in enumerate(statuses):
        laptop.asks("GET", f"/{n}", at_ms=100 * n, status=status)
    found = judge_simulation(simulation).of("host-and-target.host-refused")
    assert [values(f)["statuses"] for f in found] == ["404 ×2, 421 ×1"] * told
