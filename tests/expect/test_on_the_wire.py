"""Expectations held against conversations: what the outcome says was seen."""

from __future__ import annotations

from pathlib import Path

from lbtrace.model.behaviour import Behaviour
from lbtrace.model.expectation import Fulfilment, Outcome
from tests.expect.files import outcomes
from tests.simulator.script import Script

GET = b"GET /%d HTTP/1.1\r\nHost: a.example\r\nX-Id: 7f3a9c0d51e24b8%d\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\nok"
GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"


def told(text: str, folder: Path, failing: int = 0) -> tuple[Outcome, ...]:
    """A balancer that adds Server to what its backend answers, and answers some requests itself,
    because the backend closes.
    """
    play = Script()
    for n in range(4):
        front = play.front().asks(GET % (n, n))
        play.back().asks(GET % (n, n)).answers(OK % b"").leaves()
        front.answers(OK % b"Server: nginx\r\n").leaves()
    for n in range(4, 4 + failing):
        front = play.front().asks(GET % (n, n))
        play.back().asks(GET % (n, n)).closes()
        front.answers(GATEWAY).leaves()
    return outcomes(text, play.report(folder).behaviour or Behaviour())


def test_a_finding_that_fails_says_what_was_found_not_only_its_title(tmp_path: Path) -> None:
    found = told('[findings]\nfail_on = "medium"\n', tmp_path, failing=2)
    seen = {o.key: o.seen for o in found}
    assert seen["findings.answered-by-balancer.error"].startswith(
        "medium: The balancer itself answered 2 of 6 requests with 502"
    )
    assert {o.answer for o in found} == {Fulfilment.FAILED}


def test_a_field_that_the_balancer_adds_is_not_said_to_be_in_no_message(tmp_path: Path) -> None:
    (outcome,) = told('[response.headers]\nServer = "replaced"\n', tmp_path)
    assert outcome.answer is Fulfilment.INCONCLUSIVE
    assert outcome.reason == (
        "no message had Server before the balancer, which added it: nothing could show it"
    )
    (outcome,) = told('[response.headers]\nX-None = "replaced"\n', tmp_path)
    assert outcome.reason == "no message had X-None: nothing could show it"
