"""What the balancer passes on is learned: the form of targets, and the fields that are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match import match
from lbtrace.match.fingerprint import (
    FORMS,
    WithoutPrefix,
    _bodies,
    _normal,
    _tail,
    conflicts,
    cut,
    kept_fields,
    may_conflict,
    request_keys,
    target_form,
)
from lbtrace.match.pairing import Pairing
from lbtrace.model.http import Mark
from lbtrace.options import DEFAULT
from lbtrace.tables.words import MARKS
from tests.simulator import Balancer, Simulation

segment = st.text("abc09-_", min_size=1, max_size=5)
WHOLE, NORMAL, TAIL = FORMS


def learned(balancer: Balancer, targets: list[str]) -> Pairing:
    """The pairs of requests with ids of their own."""
    simulation = Simulation(seed=9, balancer=balancer)
    client = simulation.client("192.168.0.5")
    for i, target in enumerate(targets):
        ids = [("X-Request-Id", f"{i * 7919 + 104729:032x}")]
        client.asks("GET", target, at_ms=60 * i, headers=ids)
    recorded = simulation.run()
    return match(recorded.clients, recorded.backends, DEFAULT).pairs


@pytest.mark.parametrize(
    ("balancer", "form"),
    [
        (Balancer(), WHOLE),
        (Balancer(normalise=True), NORMAL),
        (Balancer(strip="/api"), WithoutPrefix("/api")),
        (Balancer(strip="/api", normalise=True), TAIL),
    ],
    ids=["whole", "normal", "without a prefix", "tail"],
)
def test_the_strictest_form_that_survives_is_the_form(balancer: Balancer, form: object) -> None:
    targets = [f"/api/a/..//%7Ex/{i}?q={i}" for i in range(8)]
    assert target_form(learned(balancer, targets)) == form


@given(st.lists(segment, min_size=1, max_size=4), st.text("ab=&", max_size=5))
def test_a_normal_form_does_not_depend_on_how_a_target_is_written(
    segments: list[str], query: str
) -> None:
    path = "/" + "/".join(segments)
    odd = "/./" + "//".join(segments).replace("a", "%61")
    up = f"/{segments[0]}/..{path}"
    for written in (path, odd, up, "http://shop.test" + path):
        assert _normal(f"{written}?{query}") == _normal(f"{path}?{query}")


@given(st.lists(segment, min_size=1, max_size=4), st.lists(segment, max_size=3), segment)
def test_the_tail_of_a_target_does_not_depend_on_its_prefix(
    segments: list[str], prefix: list[str], query: str
) -> None:
    path = "/" + "/".join(segments)
    longer = "".join(f"/{part}" for part in prefix) + path
    assert _tail(f"{longer}?{query}") == _tail(f"{path}?{query}")


@given(st.lists(segment, max_size=4), segment, st.sampled_from(["", "/", "?a=b"]))
def test_a_target_without_its_prefix_is_what_the_other_side_has(
    segments: list[str], prefix: str, end: str
) -> None:
    form = WithoutPrefix(f"/{prefix}")
    path = "".join(f"/{part}" for part in segments) + end
    behind = path if path.startswith("/") else f"/{path}"
    assert form(f"/{prefix}{path}") == behind
    if not segments or segments[0] != prefix:
        assert form(behind) == behind
    assert form(f"/{prefix}x{path}") == f"/{prefix}x{path}"


def test_the_root_behind_a_prefix_is_paired() -> None:
    """/app/ goes to / behind the balancer: only a prefix that is known shows that."""
    simulation = Simulation(seed=9, balancer=Balancer(strip="/app"))
    client = simulation.client("192.168.0.5")
    for n in range(4):
        client.asks("GET", f"/app/page/{n}", at_ms=100 * n, answer=b"page %d" % n)
        client.asks("GET", "/app/", at_ms=100 * n + 50, status="302 Found")
    recorded = simulation.run()
    found = match(recorded.clients, recorded.backends, DEFAULT).pairs
    assert len(found.caused) == 8


def test_a_field_that_the_balancer_drops_is_no_part_of_the_shape() -> None:
    pairs = learned(Balancer(drop=["User-Agent"]), [f"/{i}" for i in range(8)])
    kept = kept_fields(pairs, request=True)
    keys = [
        request_keys(facts, range(len(facts)), target_form(pairs), kept)
        for facts in (pairs.client, pairs.backend)
    ]
    for c, (b,) in pairs.caused.items():
        assert keys[0][c] == keys[1][b]
    assert len(set(keys[0])) == len(keys[0]) == 8


@pytest.mark.parametrize(("heads", "believed"), [(0, True), (1, True), (2, False)])
def test_a_few_heads_that_were_cut_leave_the_others_to_tell(heads: int, believed: bool) -> None:
    """Two of a hundred are too many."""
    pairs = learned(Balancer(), [f"/{i}" for i in range(37)])
    marks = pairs.client.table.requests.marks
    marks[:heads] |= MARKS[Mark.HEAD_TRUNCATED]
    assert int(pairs.backend.table.requests.there.sum()) == 37
    assert cut(pairs) is not believed


def test_requests_that_differ_in_a_field_may_conflict_and_others_do_not() -> None:
    """Pair by pair, what may conflict is what does, or more; what is equal does not."""
    pairs = learned(Balancer(), ["/same"] * 5)
    mates = {(c, b) for c, (b,) in pairs.caused.items()}
    every = [(c, b) for c in range(5) for b in range(5)]
    cs, bs = (np.array(column) for column in zip(*every, strict=True))
    may = may_conflict(pairs, cs, bs, frozenset()).tolist()
    assert may == [pair not in mates for pair in every]
    assert [bool(conflicts(pairs, c, b)) for c, b in every] == may
    assert not may_conflict(pairs, cs, bs, {"x-request-id"}).any()


def test_an_empty_body_is_known_and_one_that_was_cut_is_not() -> None:
    pairs = learned(Balancer(), ["/a", "/b"])
    asked, answered = pairs.client.table.requests, pairs.client.table.responses
    assert _bodies(asked).tolist() == [0, 0]
    assert (_bodies(answered) > 0).all()
    answered.complete[0] = False
    assert _bodies(answered)[0] == -1


def test_what_is_meant_for_one_hop_tells_nothing_though_it_arrives_the_same() -> None:
    """RFC 9110 §7.6.1: the balancer's Connection is its own, also where it says the same."""
    simulation = Simulation(seed=9)
    client = simulation.client("192.168.0.5")
    for i in range(8):
        said = [("Connection", "keep-alive"), ("X-Request-Id", f"{i * 7919 + 104729:032x}")]
        client.asks("GET", f"/{i}", at_ms=60 * i, headers=said)
    recorded = simulation.run()
    pairs = match(recorded.clients, recorded.backends, DEFAULT).pairs
    kept, words = kept_fields(pairs, request=True), pairs.client.table.words
    names = list(words.fields)
    told = {names[f] for f in words.field_of[kept[words.field_value_of]]}
    assert "x-request-id" in told
    assert "connection" not in told
    asked = [e.request for e in recorded.backends[0].exchanges if e.request]
    assert sum(x.name == "Connection" for q in asked for x in q.lines) == 8
