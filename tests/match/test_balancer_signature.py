"""Whose hand an answer shows: never the balancer's where a backend answers so, too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match.balancer_signature import OWN_STATUS, Manner, hand, manner
from lbtrace.match.model import match
from lbtrace.model.http import HeaderLine, Mark, Response
from lbtrace.model.pairing import Confidence, UnpairedDetail
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Simulation

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
    assert seen == Manner({"gunicorn"}, {"gunicorn"}, {"gunicorn"}, dated=True, keep=False)


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
