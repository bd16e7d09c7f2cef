"""Whose hand an answer shows: never the balancer's where a backend answers so, too."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match.balancer_signature import OWN_STATUS, Manner, Signs, hand, manner
from lbtrace.match.exchange_times import Facts
from lbtrace.match.model import match
from lbtrace.model.http import Exchange, HeaderLine, Mark, Response
from lbtrace.model.pairing import Confidence, UnpairedDetail
from lbtrace.model.trace import Trace
from lbtrace.options import DEFAULT
from tests.findings.through import exchange, message, request
from tests.simulator import Balancer, Simulation
from tests.simulator.script import Script

PLAIN = Manner(got={"gunicorn"}, sent={"gunicorn"}, given={"gunicorn"}, dated=True, keep=False)
DATED = "Date: Sun, 29 Nov 2026 08:00:00 GMT"


def line(raw: str) -> HeaderLine:
    name, _, value = raw.partition(": ")
    return HeaderLine(name, value, raw)


def said(status: int, *raw: str) -> Response:
    """An answer with these fields, of a simulated exchange."""
    simulation = Simulation(seed=1)
    simulation.client("192.168.0.5").asks("GET", "/", status=f"{status} Some")
    answer = simulation.run().clients[0].exchanges[0].response
    assert answer is not None
    return answer._replace(lines=tuple(map(line, raw)))


@given(st.sampled_from(sorted(OWN_STATUS | {200, 301, 404})))
def test_an_answer_that_looks_like_the_backends_is_nobodys_for_sure(status: int) -> None:
    sign = hand(said(status, "Server: gunicorn", DATED), PLAIN, 1000)
    assert sign is None or (
        sign.detail is UnpairedDetail.GATEWAY_ERROR and sign.confidence is Confidence.LOW
    )


def test_a_date_that_every_backend_sends_and_this_answer_lacks_is_a_sign() -> None:
    sign = hand(said(502, "Server: awselb/2.0"), PLAIN, 1000)
    assert sign is not None
    assert (sign.detail, sign.confidence) == (UnpairedDetail.NO_DATE, Confidence.HIGH)
    nameless = hand(said(502), PLAIN, 1000)
    assert nameless is not None
    assert nameless.confidence is Confidence.MEDIUM
    strange = hand(said(502, "Server: my-own-backend"), PLAIN, 1000)
    assert strange is None or strange.detail is not UnpairedDetail.NO_DATE


def test_a_server_field_that_no_backend_sends_is_a_sign_if_it_names_a_balancer() -> None:
    known = hand(said(403, "Server: nginx", DATED), PLAIN, 1000)
    assert known is not None
    assert (known.detail, known.value) == (UnpairedDetail.OTHER_SERVER, "nginx")
    assert hand(said(403, "Server: my-other-backend", DATED), PLAIN, 1000) is None
    fixed = hand(said(200, "Server: nginx", DATED), PLAIN, 1000)
    assert fixed is not None
    assert fixed.confidence is Confidence.MEDIUM


def test_a_head_that_was_cut_says_nothing_by_what_it_lacks() -> None:
    cut = said(502)._replace(marks=(Mark.HEAD_TRUNCATED,))
    assert hand(cut, PLAIN, 1000) is None
    assert hand(None, PLAIN, 1000) is None


def test_the_mark_of_a_cache_is_the_backends_where_backends_are_caches() -> None:
    hit = said(200, "Server: gunicorn", DATED, "X-Cache: HIT")
    sign = hand(hit, PLAIN, 1000)
    assert sign is not None
    assert (sign.detail, sign.confidence) == (UnpairedDetail.CACHE_HIT, Confidence.HIGH)
    theirs = hand(hit, PLAIN._replace(keep=True), 1000)
    assert theirs is not None
    assert theirs.confidence is Confidence.LOW


def test_an_age_that_the_exchange_itself_lasted_is_less_sure() -> None:
    aged = said(200, "Server: gunicorn", DATED, "Age: 3")
    quick, slow = hand(aged, PLAIN, 1000), hand(aged, PLAIN, 60_000_000_000)
    assert quick is not None
    assert slow is not None
    assert (quick.confidence, slow.confidence) == (Confidence.HIGH, Confidence.MEDIUM)


def test_the_manner_of_backends_is_what_their_answers_have_in_common() -> None:
    simulation = Simulation(seed=2, balancer=Balancer(refuse=0.3))
    client = simulation.client("192.168.0.5")
    for i in range(20):
        client.asks("GET", f"/{i}", at_ms=60 * i, answer_headers=[("Date", DATED[6:])])
    recorded = simulation.run()
    seen = manner(match(recorded.clients, recorded.backends, DEFAULT).pairs)
    assert seen._replace(pages=frozenset()) == PLAIN


@pytest.mark.parametrize(
    ("status", "own"),
    [(401, True), (404, True), (407, True), (402, False), (406, False), (409, False), (200, False)],
)
def test_only_answers_that_balancers_give_are_theirs_by_what_they_lack(
    status: int, own: bool
) -> None:
    """An application's error has no Date either, if the application forgets it."""
    sign = hand(said(status, "Server: awselb/2.0"), PLAIN, 1000)
    assert (sign is not None and sign.detail is UnpairedDetail.NO_DATE) == own


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_error_that_a_balancer_says_of_its_backends_may_be_a_backends(status: int) -> None:
    """What a backend that was not captured sends is passed on with its own name."""
    theirs = hand(said(status, "Server: gunicorn", DATED), PLAIN, 1000)
    assert theirs == (UnpairedDetail.GATEWAY_ERROR, Confidence.LOW, str(status))
    nameless = PLAIN._replace(got={""}, sent={""}, given={""})
    sign = hand(said(status, DATED), nameless, 1000)
    assert sign == (UnpairedDetail.GATEWAY_ERROR, Confidence.HIGH, str(status))
    # backends that were captured send it, and no client gets it from them
    silent = PLAIN._replace(sent={"gunicorn", "node"}, given={"gunicorn", "node"})
    assert hand(said(status, "Server: node", DATED), silent, 1000) is None


@pytest.mark.parametrize(
    ("status", "own"),
    [
        *((status, True) for status in (400, 411, 413, 414, 417, 431, 494, 497)),
        *((status, False) for status in (401, 403, 404, 405, 412, 415, 416, 418, 500)),
    ],
)
def test_a_balancer_that_signs_every_answer_refuses_by_what_is_about_the_request(
    status: int, own: bool
) -> None:
    signed = Manner({"nginx"}, {"nginx", "gunicorn"}, {"gunicorn"}, dated=True, keep=False)
    sign = hand(said(status, "Server: nginx", DATED), signed, 1000)
    assert (sign is not None) is own
    if sign is not None:
        assert sign == (UnpairedDetail.REFUSED_REQUEST, Confidence.MEDIUM, str(status))
    # a backend that says so itself
    both = signed._replace(given={"nginx", "gunicorn"})
    assert hand(said(status, "Server: nginx", DATED), both, 1000) is None


@pytest.mark.parametrize(
    ("status", "own"), [(301, True), (308, True), (403, True), (500, True), (404, False)]
)
def test_where_no_client_got_a_backends_answer_the_status_is_a_sign(status: int, own: bool) -> None:
    nothing = Manner(set(), set(), set(), dated=False, keep=False)
    sign = hand(said(status, "Server: x", DATED), nothing, 1000)
    expected = (UnpairedDetail.UNPASSED_STATUS, Confidence.MEDIUM, str(status)) if own else None
    assert sign == expected


def without(trace: Trace, *names: str) -> Trace:
    """The same trace, and no answer in it has these fields."""
    exchanges = list(trace.exchanges)
    for n, each in enumerate(exchanges):
        answer = each.response
        if answer is not None:
            kept = tuple(x for x in answer.lines if x.name.lower() not in names)
            exchanges[n] = each._replace(response=answer._replace(lines=kept))
    return replace(trace, exchanges=exchanges)


@pytest.mark.parametrize("dates", [0, 4, 7, 8])
def test_backends_without_a_name_and_perhaps_without_a_clock(dates: int) -> None:
    """What lacks a Server field is no sign then, and a Date only where every answer has one."""
    simulation = Simulation(seed=2, balancer=Balancer())
    client = simulation.client("192.168.0.5")
    for i in range(8):
        given = [("Date", DATED[6:])] if i < dates else []
        client.asks("GET", f"/{i}", at_ms=60 * i, answer_headers=given)
    recorded = simulation.run()
    front, back = ([without(t, "server") for t in r] for r in (recorded.clients, recorded.backends))
    seen = manner(match(front, back, DEFAULT).pairs)
    assert seen == Manner({""}, {""}, {""}, dated=dates == 8, keep=False)


@pytest.mark.parametrize("seed", range(12))
def test_answers_of_one_kind_show_one_hand(seed: int) -> None:
    """Asked for exchange by exchange, the sign is that of the answer itself."""
    dice = random.Random(seed)
    simulation = Simulation(seed=seed, balancer=Balancer(refuse=0.2, redirect=0.1, cache=0.2))
    client = simulation.client("192.168.0.5")
    given = [
        ("Date", ""),
        ("Date", DATED[6:]),
        ("Age", "0"),
        ("Age", "2"),
        ("age", "90"),
        ("X-Cache", "HIT"),
        ("X-Cache", "MISS"),
        ("CF-Cache-Status", "HIT"),
        ("Server", "nginx"),
    ]
    for i in range(40):
        fields = [dice.choice(given) for _ in range(dice.randrange(4))]
        client.asks("GET", f"/{i % 9}", at_ms=60 * i, answer_headers=fields)
    recorded = simulation.run()
    pairs = match(recorded.clients, recorded.backends, DEFAULT).pairs
    backends = manner(pairs)._replace(dated=dice.random() < 0.5, keep=dice.random() < 0.3)
    facts = pairs.client
    signs = Signs(facts, backends)
    for n in range(len(facts)):
        took = int(facts.reply[n] - facts.start[n])
        assert signs.of(n) == hand(facts.exchange(n).response, backends, took)


def test_one_answer_of_a_kind_is_made_as_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(seed=1)
    client = simulation.client("192.168.0.5")
    for i in range(30):
        client.asks("GET", f"/{i}", at_ms=60 * i, answer_headers=[("Date", DATED[6:])])
    recorded = simulation.run()
    pairs = match(recorded.clients, recorded.backends, DEFAULT).pairs
    made: list[int] = []
    once = pairs.client.exchange

    def counted(_facts: Facts, number: int) -> Exchange:
        made.append(number)
        return once(number)

    signs = Signs(pairs.client, manner(pairs))
    monkeypatch.setattr(Facts, "exchange", counted)
    assert {signs.of(n) for n in range(30)} == {None}
    assert len(made) == 1


@pytest.mark.parametrize("several", [2, 3])
def test_a_balancer_that_writes_names_in_lower_case_wrote_the_others_itself(
    several: int, tmp_path: Path
) -> None:
    """Four answers show the habit."""
    play = Script()
    for n in range(several):
        given = message("200 OK", f"{n}")
        exchange(play, f"/{n}", given=given, got=given.replace(b"Content-L", b"content-l"))
    refused = b"HTTP/1.1 403 No\r\nContent-length: 2\r\n\r\nno"
    play.front().asks(request("/secret")).answers(refused).leaves()
    play.wait(100)
    given = message("204 No", "")
    exchange(play, "/last", given=given, got=given.replace(b"Content-L", b"content-l"))
    (own,) = (u for u in play.report(tmp_path).correlation.unpaired if u.side == "client")
    assert (own.detail is UnpairedDetail.OWN_CASE) == (several + 1 >= 4)


TIMED = b"x-envoy-upstream-service-time: 3\r\n"


@pytest.mark.parametrize(
    ("several", "last", "backends_too", "own"),
    [
        (3, TIMED, False, True),
        (1, TIMED, False, False),  # three answers show no habit
        (3, b"", False, False),  # an answer of a backend without it
        (3, TIMED, True, False),  # the field may come from a backend
    ],
)
def test_a_proxy_that_tells_how_long_a_backend_took_made_the_others_itself(
    several: int, last: bytes, backends_too: bool, own: bool, tmp_path: Path
) -> None:
    play = Script()
    for n in range(several + 1):
        given = message("200 OK", f"{n}")
        mark = TIMED if n < several else last
        got = given.replace(b"Content-L", mark + b"Content-L")
        exchange(play, f"/{n}", given=got if backends_too else given, got=got)
    none = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
    play.front().asks(request("/nowhere")).answers(none).leaves()
    play.wait(100)
    given = message("204 No", "")
    exchange(play, "/last", given=given, got=given.replace(b"Content-L", last + b"Content-L"))
    (unpaired,) = (u for u in play.report(tmp_path).correlation.unpaired if u.side == "client")
    assert (unpaired.detail is UnpairedDetail.NO_UPSTREAM_FIELD) == own
    assert not own or unpaired.value == "x-envoy-upstream-service-time"
