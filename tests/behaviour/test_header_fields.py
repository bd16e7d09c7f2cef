"""Fields of the heads as facts, at the edges of what is kept."""

from __future__ import annotations

from collections import Counter

import pytest

from lbtrace import behaviour
from lbtrace.comparison import Comparison
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.net import Side
from lbtrace.model.pairing import Correlation
from tests.behaviour.samples import behaviour_of, samples
from tests.behaviour.test_facts import told
from tests.simulator import Balancer
from tests.simulator.scenarios import SCENARIOS
from tests.verdict.recorded import XFF, compared, simulation


def behind(balancer: Balancer, *sent: list[tuple[str, str]]) -> Behaviour:
    """What is told of a balancer; each request has these lines."""
    made = simulation(balancer, count=0)
    client = made.client("192.168.0.5")
    for n, lines in enumerate(sent):
        client.asks("GET", f"/{n}", at_ms=60 * n, headers=lines, answer=b"answer %d" % n)
    facts, _ = told(compared(made.run()))
    return facts


@pytest.mark.parametrize(("names", "whole"), [(200, "complete"), (201, "partial")])
def test_two_hundred_fields_are_told_and_no_more(names: int, whole: str) -> None:
    ordinary = len(list(behind(Balancer(), [], []).under("request.headers")))
    more = [(f"X-Part-{n:03}", "a") for n in range(names - ordinary)]
    facts = behind(Balancer(), more, more)
    heads = facts.fact("request.headers")
    assert heads is not None
    assert (heads.value, heads.seen) == (whole, "2 pairs of heads")
    assert len(list(facts.under("request.headers"))) == 200


@pytest.mark.parametrize("values", [1, 5, 6])
def test_five_values_of_a_field_are_kept_and_of_more_none(values: int) -> None:
    lines = [[("X-Shop", f"shop {n % values}")] for n in range(8)]
    fact = behind(Balancer(), *lines).fact("request.headers.x-shop")
    assert fact is not None
    kept = tuple(f"shop {n}" for n in range(values))
    assert tuple(sorted(fact.values)) == (kept if values <= 5 else ())


def test_the_fields_that_most_requests_have_come_first_and_then_by_name() -> None:
    often = [("X-B", "b"), ("X-C", "c")]
    facts = behind(Balancer(), [*often, ("X-A", "a")], often, often)
    names = [f.name.rpartition(".")[2] for f in facts.under("request.headers")]
    own = [name for name in names if name.startswith("x-")]
    assert own == ["x-b", "x-c", "x-a"]


def test_a_change_is_told_before_another_spelling() -> None:
    """The balancer writes names in lower case, and replaces what a client claims."""
    facts = behind(Balancer(add=XFF, recase=True), *[[("X-Forwarded-For", "8.8.8.8")]] * 3)
    host, claim = (facts.fact(f"request.headers.{n}") for n in ("host", "x-forwarded-for"))
    assert host is not None
    assert claim is not None
    assert str(claim.value).startswith("changed")
    assert str(host.value).startswith("re-cased")
    assert (host.seen.partition(":")[0], claim.seen.partition(":")[0].lower()) == (
        "host",
        "x-forwarded-for",
    )


def test_a_field_is_spelled_as_it_was_sent_or_as_it_is_known() -> None:
    facts = behind(
        Balancer(add=[("x-MINE", "a")]), [("X-unheard-Of", "b")], [("X-unheard-Of", "b")]
    )
    seen = [f.seen.partition(":")[0] for f in facts.under("request.headers")]
    assert {"Host", "User-Agent", "x-MINE", "x-unheard-of"} <= set(seen)


def test_of_one_side_without_a_whole_head_no_field_is_told() -> None:
    recorded = SCENARIOS["tls-passed-on"]().run()
    alone = Comparison((), recorded.backends, Correlation())
    facts = behaviour.behaviour_of_one_side(alone, ())
    heads = facts.fact("request.headers")
    assert heads is not None
    assert (heads.value, heads.unknown) == (None, "no whole request head was captured")
    assert not list(facts.under("request.headers"))


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(("names", "whole"), [(200, "complete"), (201, "partial")])
def test_two_hundred_fields_of_one_side_are_told_and_no_more(
    side: Side, names: int, whole: str
) -> None:
    direction = "request" if side is Side.BACKEND else "response"

    def of_one_side(more: int) -> Behaviour:
        made = simulation(Balancer(), count=0)
        lines = [(f"X-Part-{n:03}", "a") for n in range(more)]
        made.client("192.168.0.5").asks(
            "GET", "/", answer=b"a", headers=lines, answer_headers=lines
        )
        recorded = made.run()
        alone = (
            Comparison(recorded.clients, (), Correlation())
            if side is Side.CLIENT
            else Comparison((), recorded.backends, Correlation())
        )
        return behaviour.behaviour_of_one_side(alone, ())

    ordinary = len(list(of_one_side(0).under(f"{direction}.headers")))
    facts = of_one_side(names - ordinary)
    heads = facts.fact(f"{direction}.headers")
    assert heads is not None
    assert (heads.value, heads.seen) == (whole, "1 heads")
    assert len(list(facts.under(f"{direction}.headers"))) == 200


@pytest.mark.parametrize("sample", samples())
def test_a_field_is_shown_by_two_pairs_in_which_happened_what_is_said(sample: str) -> None:
    """The packets of a field are those of what became of it, where something did; and of what is
    counted in pairs, no more than two on a side.
    """
    for direction in ("request", "response"):
        for fact in behaviour_of(sample).under(f"{direction}.headers"):
            for share in fact.shares:
                sides = Counter(f.side for e in share.evidence for f in e.frames)
                assert share.name == "statement" or all(n <= 2 for n in sides.values())
            told_of = {share.name: share.evidence for share in fact.shares}
            kind = str(fact.value).partition(",")[0]
            if kind in told_of:
                assert fact.evidence == told_of[kind]
            elif "statement" not in told_of:
                assert fact.evidence == told_of["unique"]
