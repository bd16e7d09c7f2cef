"""What the balancer did to a head, line by line, and how it behaves over all pairs."""

import dataclasses
from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.correlate import correlate
from lbtrace.explain.header_changes import (
    Difference,
    Tally,
    _Compared,
    _of_all,
    _tallies,
    change,
    changes,
    differences,
)
from lbtrace.model.http import HeaderLine
from lbtrace.model.pairing import ChangeKind, Confidence, HeaderChange, Pattern
from lbtrace.options import DEFAULT
from lbtrace.tables.columns import running
from lbtrace.tables.messages import Heads
from lbtrace.tables.pairs import PairTable
from lbtrace.tables.sides import both_sides
from lbtrace.tables.words import Words, numbers
from tests.simulator import Balancer, Simulation


def head(*lines: str) -> tuple[HeaderLine, ...]:
    return tuple(HeaderLine(*(part.strip() for part in line.split(":", 1)), line) for line in lines)  # type: ignore[call-arg]


def kinds(
    before: tuple[HeaderLine, ...], after: tuple[HeaderLine, ...], converted: bool = False
) -> list[tuple[ChangeKind, str]]:
    words = Words()
    one, other = (
        Heads(np.array([0, len(lines)]), numbers(words.lines, lines)) for lines in (before, after)
    )
    nothing = np.zeros(1, np.int64)
    compared = _Compared(nothing, one, other, nothing, np.array([converted]))
    return list(_tallies(compared, words, set()))


def test_each_kind() -> None:
    assert kinds(head("A: 1"), head("A: 1", "B: 2")) == [(ChangeKind.ADDED, "b")]
    assert kinds(head("A: 1", "B: 2"), head("A: 1")) == [(ChangeKind.REMOVED, "b")]
    assert kinds(head("A: 1"), head("A: 2")) == [(ChangeKind.CHANGED, "a")]
    assert kinds(head("Host: x"), head("host: x")) == [(ChangeKind.RECASED, "host")]
    assert kinds(head("A: 1", "B: 2"), head("B: 2", "A: 1")) == [(ChangeKind.REORDERED, "")]
    assert kinds(head("X-Forwarded-For: 1"), head("X-Forwarded-For: 1", "X-Forwarded-For: 2")) == [
        (ChangeKind.DUPLICATED, "x-forwarded-for")
    ]


def test_authority_and_host_are_one_field() -> None:
    """HTTP/2 in front, HTTP/1 behind, and the other way round (RFC 9113 §8.3.1)."""
    authority = HeaderLine(":authority", "shop.test", ":authority: shop.test")
    assert kinds((authority,), head("Host: shop.test")) == []
    assert kinds(head("Host: shop.test"), (authority,)) == []
    assert kinds((authority,), head("Host: 10.0.0.7:8080")) == [(ChangeKind.CHANGED, "host")]
    assert kinds((authority,), ()) == [(ChangeKind.REMOVED, ":authority")]


def test_letter_case_is_no_change_between_http2_and_http1() -> None:
    """HTTP/2 has names in lower case only (RFC 9113 §8.2.1); a value that differs is a change."""
    assert kinds(head("Host: x"), head("host: x"), converted=True) == []
    assert kinds(head("host: x"), head("Host: y"), converted=True) == [(ChangeKind.CHANGED, "host")]


def test_cookies_in_several_lines_are_those_in_one() -> None:
    """RFC 9113 §8.2.3: browsers send them so in HTTP/2; a proxy joins them for HTTP/1.1."""
    crumbs = head("cookie: a=1", "cookie: b=2", "cookie: c=3")
    assert kinds(crumbs, head("Cookie: a=1; b=2; c=3"), converted=True) == []
    assert kinds(head("cookie: a=1; b=2; c=3"), crumbs) == []
    for other in ("Cookie: a=1; b=2; c=3; s=web1", "Cookie: a=1; c=3"):
        assert kinds(crumbs, head(other), converted=True) == [(ChangeKind.CHANGED, "cookie")]


lines = st.lists(st.sampled_from(["A: 1", "A: 2", "B: 1", "b: 1", "C: 3", "D: 4"]), max_size=6)


@given(lines)
def test_a_head_does_not_differ_from_itself(lines: list[str]) -> None:
    assert kinds(head(*lines), head(*lines)) == []


@given(lines, lines)
def test_what_does_not_differ_has_the_same_lines(before: list[str], after: list[str]) -> None:
    if kinds(head(*before), head(*after)) == []:
        assert sorted(before) == sorted(after)


two_of_each = st.lists(
    st.sampled_from(["A: 1", "a: 1", "A: 2", "B: 1", "b: 2", "C: 3", "Host: x", "host: x"]),
    max_size=5,
)


@given(st.lists(st.tuples(two_of_each, two_of_each), min_size=1, max_size=4))
def test_columns_tell_of_many_pairs_what_differences_tells_of_one(
    pairs: list[tuple[list[str], list[str]]],
) -> None:
    """Field by field and pair by pair: how often, in which pair first, of which lines."""
    words = Words()
    lists = [[head(*lines) for lines in side] for side in zip(*pairs, strict=True)]
    before, after = (
        Heads(running(np.array(list(map(len, side)))), numbers(words.lines, chain(*side)))
        for side in lists
    )
    nothing = np.zeros(len(pairs), np.int64)
    compared = _Compared(np.arange(len(pairs)), before, after, nothing, nothing > 0)
    told = _tallies(compared, words, set())
    expected: dict[tuple[ChangeKind, str], list[tuple[int, str, str]]] = {}
    for place, both in enumerate(zip(*lists, strict=True)):
        for name in sorted({line.name.lower() for lines in both for line in lines}):
            of = [[x for x in lines if x.name.lower() == name] for lines in both]
            for kind, one, other in differences(*of):
                shown = place, one.raw if one else "", other.raw if other else ""
                expected.setdefault((kind, name), []).append(shown)
    told.pop((ChangeKind.REORDERED, ""), None)
    assert {c: (t.count, t.example, t.before, t.after) for c, t in told.items()} == {
        change: (len(each), *each[0]) for change, each in expected.items()
    }


def of_play(
    balancer: Balancer, sent: list[tuple[str, str]]
) -> dict[tuple[bool, ChangeKind, str], HeaderChange]:
    simulation = Simulation(balancer=balancer)
    for k in range(2):
        client = simulation.client(f"192.168.0.{5 + k}", f"198.51.100.{k}")
        for i in range(6):
            client.asks("GET", f"/{k}/{i}", at_ms=100 * i + k, headers=sent)
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    return {(c.request, c.kind, c.name.lower()): c for c in found.changes}


def test_behaviours() -> None:
    added = [
        ("X-Forwarded-For", "{client}"),
        ("X-Forwarded-Proto", "http"),
        ("X-Amzn-Trace-Id", "Root=1-{fresh}"),
    ]
    found = of_play(
        Balancer(add=added, host="backend:8080", drop=["Accept"], respond=[("Via", "1.1 lb")]), []
    )
    assert found[True, ChangeKind.ADDED, "x-forwarded-for"].behaviour is Pattern.CLIENT_ADDRESS
    assert found[True, ChangeKind.ADDED, "x-forwarded-proto"].behaviour is Pattern.CONSTANT
    assert found[True, ChangeKind.ADDED, "x-amzn-trace-id"].behaviour is Pattern.FRESH
    assert found[True, ChangeKind.CHANGED, "host"].behaviour is Pattern.REPLACED
    assert found[True, ChangeKind.REMOVED, "accept"].behaviour is Pattern.REMOVED
    assert found[False, ChangeKind.ADDED, "via"].behaviour is Pattern.CONSTANT
    assert all(c.count == c.of == 12 for c in found.values())


def test_a_client_that_sends_x_forwarded_for_itself() -> None:
    sent = [("X-Forwarded-For", "6.6.6.6")]
    joined = of_play(Balancer(add=[("X-Forwarded-For", "{old}, {client}")]), sent)
    assert joined[True, ChangeKind.CHANGED, "x-forwarded-for"].behaviour is Pattern.APPENDED
    second = of_play(Balancer(add=[("X-Forwarded-For", "{client}")], second_line=True), sent)
    assert (
        second[True, ChangeKind.DUPLICATED, "x-forwarded-for"].behaviour is Pattern.CLIENT_ADDRESS
    )
    replaced = of_play(Balancer(add=[("X-Forwarded-For", "{client}")]), sent)
    assert replaced[True, ChangeKind.CHANGED, "x-forwarded-for"].behaviour is Pattern.CLIENT_ADDRESS


def test_one_address_for_every_client_is_no_clients() -> None:
    """A fixed X-Real-IP; and one that is the balancer's own is not even a single client's."""
    fixed = of_play(Balancer(add=[("X-Real-IP", "203.0.113.77"), ("X-Client-IP", "{front}")]), [])
    assert fixed[True, ChangeKind.ADDED, "x-real-ip"].behaviour is Pattern.CONSTANT
    assert fixed[True, ChangeKind.ADDED, "x-client-ip"].behaviour is Pattern.CONSTANT
    simulation = Simulation(
        balancer=Balancer(add=[("X-Real-IP", "172.31.42.119"), ("X-Forwarded-For", "{client}")])
    )
    for i in range(6):
        simulation.client("192.168.0.5", "198.51.100.1").asks("GET", f"/{i}", at_ms=100 * i)
    recorded = simulation.run()
    said = {
        c.name: c.behaviour for c in correlate(recorded.clients, recorded.backends, DEFAULT).changes
    }
    assert said == {"X-Real-IP": Pattern.CONSTANT, "X-Forwarded-For": Pattern.CLIENT_ADDRESS}


def test_an_address_that_begins_like_the_clients_is_not_the_clients() -> None:
    simulation = Simulation(balancer=Balancer(add=[("X-Backend", "192.168.0.50")]))
    for i in range(6):
        simulation.client("192.168.0.5", "198.51.100.1").asks("GET", f"/{i}", at_ms=100 * i)
    recorded = simulation.run()
    (change,) = correlate(recorded.clients, recorded.backends, DEFAULT).changes
    assert (change.name, change.behaviour) == ("X-Backend", Pattern.CONSTANT)


@pytest.mark.parametrize("stated", ["for={client}", 'for="{client}:4711";by=172.31.42.119'])
def test_any_spelling_of_the_clients_address_is_its_address(stated: str) -> None:
    found = of_play(Balancer(add=[("Forwarded", stated), ("X-Real-IP", "::FFFF:{client}")]), [])
    for name in ("forwarded", "x-real-ip"):
        assert found[True, ChangeKind.ADDED, name].behaviour is Pattern.CLIENT_ADDRESS


def test_pairs_of_low_confidence_say_nothing_of_what_is_changed() -> None:
    simulation, other = (
        Simulation(seed=6, balancer=Balancer(add=[("X-Forwarded-For", "{client}")])),
        Simulation(seed=7),
    )
    simulation.client("192.168.0.5").asks("GET", "/")
    other.client("192.168.0.6").asks("GET", "/")
    found = correlate(other.run().clients, simulation.run().backends, DEFAULT)
    assert {p.confidence for p in found.pairs} == {Confidence.LOW}
    assert found.changes == ()


def test_of_a_set_only_what_befell_all_of_it_is_told() -> None:
    """Three requests in an order that may be wrong: a line that one lacks and another has more was
    not moved by the balancer.
    """
    pairs = [
        (head("A: 1", "X-Id: 7"), head("A: 1", "Via: lb")),
        (head("A: 2"), head("A: 2", "X-Id: 7", "Via: lb")),
        (head("A: 3", "Odd: 1"), head("A: 3", "Via: lb")),
    ]
    sent = Counter(line.name.lower() for before, _ in pairs for line in before)
    counts = Counter(change for before, after in pairs for change in kinds(before, after))
    tallies = {
        change: Tally(count=n, pairs=n, example=0, before="", after="", name=change[1])
        for change, n in counts.items()
    }
    assert set(_of_all(tallies, sent, len(pairs))) == {
        (ChangeKind.ADDED, "via"),
        (ChangeKind.REMOVED, "odd"),
    }


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [(["a", "a"], ["x", "x"], True), (["a", "a"], ["x", "y"], True),
     (["a", "b"], ["x", "x"], True), (["a", "b"], ["b", "a"], False)],
)  # fmt: skip
def test_of_a_set_what_became_of_several_values_is_not_known(
    before: list[str], after: list[str], told: bool
) -> None:
    """Each of them may have become any of the others, or none changed at all."""
    sent, arrived = (head(*(f"X-Id: {value}" for value in values)) for values in (before, after))
    lines = [
        Difference(place, one, other, "192.0.2.1")
        for place, (one, other) in enumerate(zip(sent, arrived, strict=True))
    ]
    tallies = {(ChangeKind.CHANGED, "x-id"): Tally.of(lines, frozenset())}
    assert bool(_of_all(tallies, Counter({"x-id": 2}), 2)) == told


def test_a_response_of_another_status_is_not_compared() -> None:
    """304 from a copy for the backend's 200 lacks most of its fields, and nothing was removed on
    the way.
    """
    simulation = Simulation(seed=5, balancer=Balancer())
    client = simulation.client("192.168.0.5")
    for i in range(6):
        client.asks(
            "GET",
            f"/item/{i}",
            at_ms=100 * i,
            answer=b"item %d" % i,
            answer_headers=[("X-Origin", "one")],
        )
    recorded = simulation.run()
    (front,) = recorded.clients
    first = front.exchanges[0]
    assert first.response is not None
    kept = tuple(x for x in first.response.lines if x.name != "X-Origin")
    other = first._replace(response=first.response._replace(status=304, lines=kept))
    pairs = PairTable.of(correlate(recorded.clients, recorded.backends, DEFAULT).pairs)
    changed = dataclasses.replace(front, exchanges=[other, *front.exchanges[1:]])
    assert not [
        c for c in changes(*both_sides([changed], recorded.backends), pairs) if not c.request
    ]


@pytest.mark.parametrize(
    ("after", "pattern"),
    [
        ("X-Via: a, b", Pattern.APPENDED),
        ("X-Via: a , b", Pattern.APPENDED),
        ("X-Via: a; b", Pattern.APPENDED),
        ("X-Via: a b", Pattern.REPLACED),
        ("X-Via: ab", Pattern.REPLACED),
        ("X-Via: b, a", Pattern.REPLACED),
    ],
)
def test_what_stands_behind_a_comma_was_appended(after: str, pattern: Pattern) -> None:
    (old,), (new,) = head("X-Via: a"), head(after)
    tally = Tally.of([Difference(0, old, new, "192.0.2.1")], frozenset())
    found = change(True, ChangeKind.CHANGED, "x-via", tally, 1)
    assert (found.behaviour, found.before, found.after) == (pattern, "X-Via: a", after)
