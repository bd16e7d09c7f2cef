"""What is expected of a header field, held against a walk over the messages of each pair."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace import behaviour, verdict
from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.expect import Expectation, Expectations, judge, observed
from lbtrace.expect.header_fields import Wanted
from lbtrace.http_fields.lines import field_value
from lbtrace.model.behaviour import Behaviour, Fact, Share
from lbtrace.model.expectation import Fulfilment, Place
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.report import Evidence
from lbtrace.options import DEFAULT
from tests.laws import examples
from tests.simulator import Balancer, Simulation

HOLDS, FAILED, OPEN = Fulfilment.HOLDS, Fulfilment.FAILED, Fulfilment.INCONCLUSIVE
NAMES = ("X-A", "X-B", "X-C", "X-None")
WORDS = ("present", "absent", "unchanged", "added", "removed", "replaced", "unique")
PLACE = Place("lb.toml", 1)
XFF = "X-Forwarded-For"
Seen = list[tuple[str | None, str | None]]  # what a field said before the balancer, and behind it


@st.composite
def recordings(draw: st.DrawFn) -> Comparison:
    """Clients that send some fields in some requests, and a balancer that adds, takes off and
    replaces some.
    """
    added = st.tuples(st.sampled_from(NAMES[:3]), st.sampled_from(["own", "{fresh}"]))
    balancer = Balancer(
        add=draw(st.lists(added, max_size=2, unique_by=lambda line: line[0])),
        drop=draw(st.lists(st.sampled_from(NAMES[:3]), max_size=1)),
        second_line=draw(st.booleans()),
    )
    simulation = Simulation(seed=draw(st.integers(0, 99)), balancer=balancer)
    client = simulation.client("192.168.0.5")
    for n in range(draw(st.integers(1, 5))):
        sent = draw(st.lists(st.sampled_from(NAMES[:3]), max_size=2, unique=True))
        value = draw(st.sampled_from(["one", "own", f"v{n}"]))
        client.asks("GET", f"/{n}", at_ms=50 * n, headers=[(name, value) for name in sent])
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    return Comparison(recorded.clients, recorded.backends, found)


def walked(comparison: Comparison, name: str) -> Seen:
    """What the two requests of each pair say."""
    return [
        (field_value(before, name), field_value(after, name))
        for before, after in (pair.requests for pair in comparison.request_heads)
    ]


def expected(word: str, seen: Seen) -> Fulfilment:
    """By the words of docs/check.md, message by message."""
    before, after = [b for b, _ in seen], [a for _, a in seen]
    sent, arrived = [b for b in before if b is not None], [a for a in after if a is not None]

    def of_those(could: Seen, fine: bool) -> Fulfilment:
        return (HOLDS if fine else FAILED) if could else OPEN

    had: Seen = [(b, a) for b, a in seen if b is not None]
    had_not: Seen = [(b, a) for b, a in seen if b is None]
    if not sent and not arrived:
        return HOLDS if word == "absent" else FAILED if word in ("present", "added") else OPEN
    match word:
        case "present":
            return HOLDS if None not in after else FAILED
        case "absent":
            return HOLDS if not arrived else FAILED
        case "unchanged":
            if not sent:
                return FAILED if arrived else OPEN
            return HOLDS if before == after else FAILED
        case "added":
            fine = bool(had_not) and all(a is not None for _, a in had_not)
            return HOLDS if fine else FAILED
        case "removed":
            return of_those(had, all(a is None for _, a in had))
        case "replaced":
            kept = any(a in (None, b) or str(a).startswith(f"{b}, ") for b, a in had)
            return of_those(had, not kept)  # a value that another one is added to is kept
    return OPEN if len(arrived) < 2 else HOLDS if len(set(arrived)) == len(arrived) else FAILED


def judged(key: str, wanted: Wanted, facts: Behaviour) -> Fulfilment:
    """What becomes of one expectation."""
    asked = Expectation(key, wanted, warns=False, place=PLACE)
    (outcome,) = judge(Expectations("lb.toml", (asked,), ()), facts)
    assert outcome.evidence or outcome.answer is not FAILED, (key, wanted, outcome.seen)
    return outcome.answer


@examples(60)
@given(recordings())
def test_a_field_is_what_the_messages_show(comparison: Comparison) -> None:
    told = behaviour.behaviour(comparison, (), verdict.judge(comparison))
    told = Behaviour(told.facts, told.exchanges)  # whatever the kind of balancer is
    for name in NAMES:
        seen = walked(comparison, name)
        if not seen:
            return
        for word in WORDS:
            found = judged(f"request.headers.{name}", Wanted((word,)), told)
            assert found is expected(word, seen), (name, word, seen)
        values = {a for _, a in seen}
        for value in ("one", "own"):
            found = judged(f"request.headers.{name}", Wanted((), value), told)
            assert found is (HOLDS if values == {value} else FAILED), (name, value, seen)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("present", "unchanged"), FAILED),
        (("present", "unique"), HOLDS),
        (("unchanged", "unique"), FAILED),
        (("present", "removed"), OPEN),
        (("absent",), FAILED),
    ],
)
def test_of_several_properties_the_worst_decides(
    words: tuple[str, ...], answer: Fulfilment
) -> None:
    told = behind(Balancer(add=[("X-A", "{fresh}")]))
    assert judged("request.headers.X-A", Wanted(words), told) is answer


def behind(balancer: Balancer, *sent: tuple[str, str]) -> Behaviour:
    """What this balancer does to three requests with these lines, whatever its kind is."""
    simulation = Simulation(seed=1, balancer=balancer)
    client = simulation.client("192.168.0.5")
    for n in range(3):
        client.asks("GET", f"/{n}", at_ms=50 * n, headers=list(sent))
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    comparison = Comparison(recorded.clients, recorded.backends, found)
    told = behaviour.behaviour(comparison, (), verdict.judge(comparison))
    return Behaviour(told.facts, 3)


@pytest.mark.parametrize(
    ("added", "sent", "answer"),
    [
        ("", (), FAILED),  # it is in no message
        ("", ("8.8.8.8",), FAILED),  # it is what the client claims
        ("10.0.0.4", ("8.8.8.8",), OPEN),  # so may a NAT in front show the client
        ("_hidden", (), OPEN),  # no address
    ],
)
def test_a_field_that_must_state_the_client(
    added: str, sent: tuple[str, ...], answer: Fulfilment
) -> None:
    name = "X-Forwarded-For"
    balancer = Balancer(add=[(name, added)] if added else [])
    told = behind(balancer, *((name, value) for value in sent))
    assert judged(f"request.headers.{name}", Wanted(("client-address",)), told) is answer


def test_a_value_with_colons_is_pinned_under_the_name_of_its_field() -> None:
    told = behind(Balancer(add=[("X-Asked-At", "http://a.example:80/")]))
    assert ("request.headers.X-Asked-At", "added") in [(k, v) for k, v, _ in observed(told)]


@pytest.mark.parametrize(
    ("present", "stated", "changed", "answer", "seen"),
    [
        (3, (3, 3), True, HOLDS, "right in 3 of 3 requests"),
        (3, (2, 3), True, FAILED, "X-Forwarded-For is right in 2 of 3 requests"),
        (3, (2, 2), True, OPEN, "only 2 of 3 values could be checked"),
        (2, (2, 2), True, FAILED, "X-Forwarded-For is in 2 of 3 requests"),
        (
            3,
            None,
            False,
            FAILED,
            f"{XFF} passes as the client sent it, in 3 of 3 requests",
        ),
        (3, None, True, OPEN, "only 0 of 3 values could be checked"),
    ],
)
def test_each_request_must_state_the_client_and_each_statement_be_right(
    present: int, stated: tuple[int, int] | None, changed: bool, answer: Fulfilment, seen: str
) -> None:
    name = XFF
    shares = [Share("present", present, 3), Share("sent", 3, 3)]
    if changed:
        shares.append(Share("changed", present, 3))
    if stated:
        shares.append(Share("statement", *stated, example="10.0.0.1"))
    facts = (
        Fact("request.headers", "complete", "3 pairs of heads"),
        Fact(f"request.headers.{name.lower()}", "changed", "seen", shares=tuple(shares)),
    )
    asked = Expectation(f"request.headers.{name}", Wanted(("client-address",)), False, PLACE)
    (outcome,) = judge(Expectations("lb.toml", (asked,), ()), Behaviour(facts, 3))
    assert (outcome.answer, outcome.seen) == (answer, seen)
    if stated and stated[0] < stated[1]:
        assert outcome.example == f"{name}: 10.0.0.1"


@pytest.mark.parametrize(
    ("heads", "field", "answer"),
    [
        ("complete", False, FAILED),
        ("partial", False, OPEN),  # it may be one of those that are not counted
        ("complete", True, HOLDS),
        ("partial", True, HOLDS),
        (None, False, OPEN),
    ],
)
def test_a_field_that_is_not_told_is_absent_only_if_all_are_told(
    heads: str | None, field: bool, answer: Fulfilment
) -> None:
    facts = [Fact("request.headers", heads, "3 pairs of heads", unknown="" if heads else "none")]
    if field:
        shares = (Share("present", 3, 3), Share("sent", 3, 3))
        facts.append(Fact("request.headers.x-a", "unchanged", "seen", shares=shares))
    told = Behaviour(tuple(facts), 3)
    assert judged("request.headers.X-A", Wanted(("present",)), with_packets(told)) is answer


def with_packets(told: Behaviour) -> Behaviour:
    """With packets behind each fact and share."""
    shown = (Evidence((FrameRef(Side.CLIENT, 0, 0, 1, 0),)),)
    facts = (
        replace(f, evidence=shown, shares=tuple(replace(s, evidence=shown) for s in f.shares))
        for f in told.facts
    )
    return Behaviour(tuple(facts), told.exchanges)
