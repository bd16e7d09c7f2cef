"""Without pairs: what is said, and that nothing is said which a cut or a short capture explains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.comparison import Comparison
from lbtrace.model.http import Application, Body, Protocol
from lbtrace.model.net import Side
from lbtrace.model.pairing import (
    ClockRefusal,
    Confidence,
    Correlation,
    HealthCheck,
    Ref,
    Tier,
    Unpaired,
    UnpairedReason,
)
from lbtrace.model.report import Kind
from lbtrace.model.trace import Trace
from lbtrace.verdict.nothing import (
    as_a_set,
    belong_together,
    mostly_elsewhere,
    without_pairs,
)
from tests.findings.through import message, request
from tests.simulator import Balancer, Simulation
from tests.simulator.script import Script
from tests.verdict.recorded import XFF, compared, simulation

FRONT = [("GET", f"/front/{n}", b"front %d" % n) for n in range(4)]
BEHIND = [("POST", f"/behind/{n}", b"behind %d" % n) for n in range(5)]
Asked = list[tuple[str, str, bytes]]


def side(asked: Asked, seed: int) -> tuple[Trace, Trace]:
    """What both captures of one conversation show. Each asks its backends for another service."""
    made = Simulation(seed=seed, balancer=Balancer(keep_alive=False, host=f"app{seed}.example"))
    client = made.client("192.168.0.5")
    for n, (method, target, answer) in enumerate(asked):
        client.asks(method, target, at_ms=60 * n, answer=answer)
    recorded = made.run()
    return recorded.clients[0], recorded.backends[0]


def said(
    front: Trace, back: Trace, found: Correlation | None = None
) -> tuple[Kind, Confidence, str]:
    made = without_pairs(Comparison([front], [back], found or Correlation()))
    return made.kind, made.confidence, made.reason


def strangers(front: Asked = FRONT, behind: Asked = BEHIND) -> tuple[Trace, Trace]:
    return side(front, 1)[0], side(behind, 2)[1]


def test_captures_without_anything_in_common_are_unrelated() -> None:
    kind, confidence, reason = said(*strangers())
    assert (kind, confidence) == (Kind.UNRELATED, Confidence.MEDIUM)
    assert reason.startswith(
        "No client request (of 4) could be paired with a backend request (of 5), and no target "
        "(but perhaps /) or body is on both sides. Looked for: equal sequence numbers"
    )


@pytest.mark.parametrize(
    ("fronts", "backs", "kind"),
    [
        (3, 3, Kind.UNRELATED),
        (2, 5, Kind.INCONCLUSIVE),
        (4, 2, Kind.INCONCLUSIVE),
    ],
)
def test_a_few_requests_are_too_few(fronts: int, backs: int, kind: Kind) -> None:
    found = said(*strangers(FRONT[:fronts], BEHIND[:backs]))
    assert found[0] is kind
    assert ("That shows little" in found[2]) == (kind is Kind.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("front", "behind", "shown"),
    [
        # a body that is on both sides
        (("GET", "/front/9", b"same body"), ("POST", "/behind/9", b"same body"), "GET …/9"),
        # the last two parts of a path, whatever stands before them and behind them
        (("GET", "/a/shop/cart?x=1", b"1"), ("PUT", "/shop/cart?y=2", b"2"), "…/shop/cart"),
        (("GET", "/a/b", b"1"), ("PUT", "/a/b", b"2"), ""),
        # a whole target
        (("GET", "/same", b"1"), ("GET", "/same", b"2"), "GET /same"),
        (("GET", "/", b"1"), ("GET", "/", b"2"), ""),
        (("GET", "/same", b"1"), ("PUT", "/same", b"2"), ""),
        # method and last part, when the answer of one has no body to compare
        (("GET", "/x/end", b""), ("GET", "/longer/path/end", b"2"), "GET …/end"),
        (("GET", "/x/end", b"1"), ("GET", "/longer/path/end", b"2"), ""),
    ],
)
def test_what_is_alike_on_both_sides_is_named(
    front: tuple[str, str, bytes], behind: tuple[str, str, bytes], shown: str
) -> None:
    kind, _, reason = said(*strangers([*FRONT, front], [*BEHIND, behind]))
    assert kind is (Kind.INCONCLUSIVE if shown else Kind.UNRELATED)
    if shown:
        assert reason.endswith(f"though both sides have requests like {shown}.")


def test_a_side_without_connections() -> None:
    front, back = strangers()
    empty = Simulation().run()
    kind, confidence, reason = said(empty.clients[0], back)
    assert (kind, confidence) == (Kind.INCONCLUSIVE, Confidence.LOW)
    assert reason == "The client capture holds no TCP connection."
    assert said(front, empty.backends[0])[2] == (
        "The backend capture holds no TCP connection: if it ran all the time, and there is no "
        "other backend, the balancer itself answered every request."
    )
    silent = replace(front, exchanges=[], applications=[Application(Protocol.NONE)] * 4)
    assert said(silent, empty.backends[0])[2] == "The backend capture holds no TCP connection."


def hidden(trace: Trace, count: int) -> Trace:
    """The same, but TLS hides what the first connections carry."""
    gone = {c.id for c in trace.connections[:count]}
    kept = [e for e in trace.exchanges if e.connection not in gone]
    return replace(
        trace,
        applications=[
            Application(Protocol.TLS) if n in gone else a for n, a in enumerate(trace.applications)
        ],
        exchanges=[e._replace(id=n) for n, e in enumerate(kept)],
    )


def test_tls_hides_what_a_side_carries() -> None:
    front, back = strangers()
    assert said(hidden(front, 4), back)[2] == (
        "TLS hides the exchanges of 4 connections on the client side; no connection corresponds "
        "either."
    )
    assert said(front, hidden(back, 5))[2] == (
        "The backend capture holds no request of a client. TLS hides the exchanges of 5 "
        "connections on the backend side; no connection corresponds either."
    )
    for one, other in ((hidden(front, 1), back), (front, hidden(back, 1))):
        kind, _, reason = said(one, other)
        assert kind is Kind.INCONCLUSIVE
        assert "TLS hides what 1 connection of a side carried" in reason


def test_a_client_side_that_speaks_something_else() -> None:
    front, back = strangers()
    other = replace(front, exchanges=[], applications=[Application(Protocol.OTHER)] * 4)
    assert said(other, back)[2].startswith("No HTTP request was found in the client capture.")


def test_what_a_web_server_speaks_with_an_application_server_is_named() -> None:
    front, back = strangers()
    spoken = [Application(Protocol.OTHER, name) for name in ("fastcgi", "fastcgi", "ajp", "dns")]
    assert said(front, replace(back, exchanges=[], applications=spoken))[2] == (
        "The backend capture holds no request of a client. FastCGI, which lbtrace does not read, "
        "is spoken on 2 connections of it. AJP, which lbtrace does not read, is spoken on 1 "
        "connection of it."
    )


def checks(back: Trace, count: int) -> Correlation:
    """The first of the backend's requests are health checks."""
    numbers = tuple(range(count))
    found = HealthCheck(
        "10.0.0.1", back.connections[0].server, 0, "POST", "/", "", None, numbers, numbers
    )
    return Correlation(health_checks=(found,))


def test_health_checks_are_no_requests_of_clients() -> None:
    front, back = strangers()
    assert said(front, back, checks(back, 5))[2] == (
        "The backend capture holds no request of a client, only health checks."
    )
    assert "backend request (of 4)" in said(front, back, checks(back, 1))[2]


def outside(reason: UnpairedReason) -> Unpaired:
    return Unpaired(Side.CLIENT, Ref(0, 0), reason, Confidence.HIGH)


def test_captures_of_different_times() -> None:
    apart = outside(UnpairedReason.OUTSIDE_OTHER_CAPTURE)
    checked = outside(UnpairedReason.HEALTH_CHECK)
    own = outside(UnpairedReason.ANSWERED_BY_BALANCER)
    for unpaired, says in (
        ((apart,), True),
        ((apart, checked), True),
        ((apart, own), False),
        ((checked,), False),
    ):
        reason = said(*strangers(), Correlation(unpaired=unpaired))[2]
        assert ("do not overlap in time" in reason) == says


def test_packets_that_were_cut() -> None:
    front, back = strangers()
    for trace in (front, back):
        cut = replace(trace, packets=replace(trace.packets, truncated=1))
        sides = (cut, back) if trace is front else (front, cut)
        kind, _, reason = said(*sides)
        assert kind is Kind.INCONCLUSIVE
        assert "cut by the snapshot length" in reason


def test_a_request_that_was_not_captured() -> None:
    for lacking in (0, 1):
        traces = list(strangers())
        first, *rest = traces[lacking].exchanges
        traces[lacking] = replace(traces[lacking], exchanges=[first._replace(request=None), *rest])
        kind, _, reason = said(traces[0], traces[1])
        assert kind is Kind.INCONCLUSIVE
        assert "lacks requests that were answered in it" in reason


# what shows that captures with pairs belong together


def unsure(whole: Comparison, **changes: object) -> Comparison:
    """The same pairs, on less evidence: no pair of connections, no topology, no clock."""
    bare = replace(
        whole.correlation,
        connection_pairs=(),
        clocks=(),
        topology=Correlation().topology,
    )
    return Comparison(whole.clients, whole.backends, replace(bare, **changes))  # type: ignore[arg-type]


def whole(count: int = 6) -> Comparison:
    return compared(simulation(Balancer(add=XFF), count=count).run())


def shaped(given: Comparison, count: int) -> tuple[object, ...]:
    """The first pairs, as if only their shape had decided."""
    return tuple(p._replace(tier=Tier.SHAPE) for p in given.correlation.pairs[:count])


@pytest.mark.parametrize(("telling", "shown"), [(0, False), (1, False), (2, True), (4, True)])
def test_two_long_targets_with_equal_bodies_show_it(telling: int, shown: bool) -> None:
    """Of four pairs that only their shape has made, a half must tell."""
    made = Simulation(seed=7, balancer=Balancer(add=XFF))
    client = made.client("192.168.0.5")
    for n in range(4):
        target = f"/divide/{n}" if n < telling else f"/{n}"
        client.asks("GET", target, at_ms=60 * n, answer=b"answer %d" % n)
    given = compared(made.run())
    assert len(given.pairs) == 4
    assert belong_together(unsure(given, pairs=shaped(given, 4))) == shown


def test_a_body_or_a_target_alone_tells_nothing() -> None:
    made = Simulation(seed=7, balancer=Balancer(add=XFF))
    client = made.client("192.168.0.5")
    for n in range(4):
        client.asks("GET", f"/divide/{n}", at_ms=60 * n, answer=b"")
    given = compared(made.run())
    assert not belong_together(unsure(given, pairs=shaped(given, 4)))


@pytest.mark.parametrize(
    ("tokens", "others", "shown"), [(2, 2, True), (2, 3, False), (1, 1, False), (3, 3, True)]
)
def test_rare_values_in_half_of_the_pairs_show_it(tokens: int, others: int, shown: bool) -> None:
    """Though they are no more than MEDIUM, and their targets tell nothing."""
    made = Simulation(seed=7, balancer=Balancer(add=XFF))
    client = made.client("192.168.0.5")
    for n in range(tokens + others):
        client.asks("GET", f"/{n}", at_ms=60 * n, answer=b"answer %d" % n)
    given = compared(made.run())
    pairs = tuple(
        p._replace(tier=Tier.RARE_TOKEN if n < tokens else Tier.SHAPE, confidence=Confidence.MEDIUM)
        for n, p in enumerate(given.correlation.pairs)
    )
    assert len(pairs) == tokens + others
    assert belong_together(unsure(given, pairs=pairs)) == shown


def test_one_sure_pair_is_enough_where_no_more_is_possible() -> None:
    assert belong_together(unsure(whole(1)))


def test_other_bodies_tell_nothing() -> None:
    given = whole(4)
    (back,) = given.backends
    other = [
        e._replace(
            response=e.response
            and e.response._replace(body=replace_digest(e.response.body, f"{e.id:032x}"))
        )
        for e in back.exchanges
    ]
    made = Comparison(given.clients, [replace(back, exchanges=other)], given.correlation)
    assert not belong_together(unsure(made, pairs=shaped(given, 4)))


def replace_digest(body: Body, digest: str) -> Body:
    return body._replace(digest=digest)


def test_a_clock_that_three_pairs_agree_on() -> None:
    given = whole()
    (clock,) = given.correlation.clocks
    pairs = shaped(given, 1)
    for agreed, refused, shown in ((3, None, True), (2, None, False), (3, SCRIPT, False)):
        clocks = (replace(clock, pairs=agreed, outliers=0, refused=refused),)
        assert belong_together(unsure(given, pairs=pairs, clocks=clocks)) == shown


SCRIPT = next(r for r in ClockRefusal if r is not ClockRefusal.CLOCK_SET)


@pytest.mark.parametrize(
    ("outliers", "refused", "shown"),
    [
        (39, SCRIPT, True),
        (40, SCRIPT, False),
        (40, ClockRefusal.CLOCK_SET, True),
        (100, None, True),
    ],
)
def test_pairs_that_contradict_each_others_times(
    outliers: int, refused: ClockRefusal | None, shown: bool
) -> None:
    given = whole()
    (clock,) = given.correlation.clocks
    contradicted = replace(clock, pairs=100, outliers=outliers, refused=refused)
    assert belong_together(unsure(given, clocks=(contradicted,))) == shown
    few = replace(contradicted, pairs=2, outliers=2)
    assert belong_together(unsure(given, clocks=(few,)))


@pytest.mark.parametrize(
    ("paired", "alone", "shown"),
    [(2, 18, True), (2, 19, False), (12, 108, True), (12, 109, False)],
)
def test_a_tenth_of_the_requests_must_be_paired(paired: int, alone: int, shown: bool) -> None:
    """Of the side with fewer that could have had a partner."""
    given = whole(paired + alone)
    left = tuple(
        outside(UnpairedReason.OTHER_CLIENT)._replace(side=of, ref=Ref(0, n))
        for of in Side
        for n in range(paired, paired + alone)
    )
    (clock,) = given.correlation.clocks
    agreed = (replace(clock, pairs=3, outliers=0, refused=None),)
    pairs = given.correlation.pairs[:paired]
    assert belong_together(unsure(given, pairs=pairs, unpaired=left, clocks=agreed)) == shown
    checked = tuple(u._replace(reason=UnpairedReason.HEALTH_CHECK) for u in left)
    assert belong_together(unsure(given, pairs=pairs, unpaired=checked, clocks=agreed))


# connections that went elsewhere


@pytest.mark.parametrize(("elsewhere", "told"), [(0, False), (3, False), (4, True)])
def test_most_requests_went_to_other_servers(elsewhere: int, told: bool) -> None:
    given = compared(simulation(Balancer(kind="direct")).run())
    (front,) = given.clients
    moved = [
        c._replace(server=c.server._replace(port=81)) if c.id < elsewhere else c
        for c in front.connections
    ]
    pairs = given.correlation.connection_pairs[elsewhere:]
    reason = mostly_elsewhere(
        Comparison(
            [replace(front, connections=moved)],
            given.backends,
            replace(given.correlation, connection_pairs=pairs),
        )
    )
    assert (f"{elsewhere} of 6 requests went to other servers" in reason) == told


# many doubtful pairs as one set


def doubtful(given: Comparison, count: int) -> Comparison:
    pairs = tuple(p._replace(confidence=Confidence.LOW) for p in given.correlation.pairs[:count])
    return Comparison(
        given.clients, given.backends, replace(given.correlation, pairs=pairs, unpaired=())
    )


@pytest.mark.parametrize(("count", "testify"), [(2, False), (3, True), (6, True)])
def test_doubtful_pairs_testify_as_a_set_when_three_tell(count: int, testify: bool) -> None:
    found = as_a_set(doubtful(whole(), count))
    assert len(found.pairs) == (count if testify else 0)
    assert not found.pairs.alone.any()
    assert all(p.found.confidence is Confidence.MEDIUM for p in found.pairs)


@pytest.mark.parametrize(("alone", "testify"), [(0, True), (1, True), (2, False)])
def test_nine_of_ten_exchanges_of_one_side_must_have_one(alone: int, testify: bool) -> None:
    given = whole(9 + alone)
    left = tuple(
        outside(UnpairedReason.OTHER_CLIENT)._replace(ref=Ref(0, n)) for n in range(9, 9 + alone)
    )
    behind = tuple(u._replace(side=Side.BACKEND) for u in left)
    some = doubtful(given, 9)
    for unpaired, enough in ((left + behind, testify), (left, True)):
        found = as_a_set(
            Comparison(given.clients, given.backends, replace(some.correlation, unpaired=unpaired))
        )
        assert bool(found.pairs) == enough
    own = tuple(u._replace(reason=UnpairedReason.ANSWERED_BY_BALANCER) for u in left)
    found = as_a_set(
        Comparison(given.clients, given.backends, replace(some.correlation, unpaired=own))
    )
    assert found.pairs, "what the balancer answered itself has no partner to be found"


@pytest.mark.parametrize(
    ("front", "behind", "words"),
    [
        (1, 1, "whether the only request behind is the client's"),
        (2, 1, "to which of 2 client requests the only backend request belongs"),
        (1, 2, "which of 2 backend requests belongs to the only client request"),
        (2, 2, "which of 2 backend requests belong to which of 2 client requests"),
    ],
)
def test_a_few_that_are_alike_are_counted_in_words_that_fit(
    front: int, behind: int, words: str, tmp_path: Path
) -> None:
    play = Script()
    for n in range(max(front, behind)):
        asked = play.front().asks(request("/a")) if n < front else None
        if n < behind:
            play.back().asks(request("/a")).answers(message("204 No Content"), 5)
        if asked:
            asked.answers(message("204 No Content")).leaves()
        play.wait(50)
    verdict = play.report(tmp_path).verdict
    assert f"Too little tells {words}" in verdict.reason
