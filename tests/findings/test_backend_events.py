"""What happened behind the balancer when it answered with an error of its own: told with its
packets, and never one event for another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.findings._backend_events import TEXT, failing_checks
from lbtrace.model.report import Finding
from lbtrace.options import DEFAULT
from tests.findings.files import of
from tests.findings.simulated import values
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.script import ACK, FIN, Script, Spoken

ASK = b"GET /%d HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b8%d\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nServer: app\r\nContent-Length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 502 Bad Gateway\r\nServer: awselb/2.0\r\nContent-Length: 0\r\n\r\n"
LATE = BAD.replace(b"502 Bad Gateway", b"504 Gateway Timeout")
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nServer: app\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n"
)


def said(folder: Path, fails: Callable[[Spoken, Spoken], None]) -> Finding:
    """Two exchanges that work, one on a connection that is kept; then one that fails."""
    play = Script()
    kept = play.back()
    for n, back in enumerate((kept, play.back())):
        front = play.front().asks(ASK % (n, n))
        back.asks(ASK % (n, n)).answers(ANSWER, pause_ms=5)
        front.answers(ANSWER, pause_ms=5).leaves()
        play.wait(50)
    front = play.front().asks(ASK % (7, 7))
    play.wait(1)
    fails(front, kept)
    play.wait(3000)
    play.front().leaves()
    (found,) = of(play.report(folder), "answered-by-balancer")
    return found


def reset(front: Spoken, back: Spoken) -> None:
    back.asks(ASK % (7, 7)).closes(reset=True)
    front.answers(BAD, pause_ms=5).leaves()


def closed(front: Spoken, back: Spoken) -> None:
    back.asks(ASK % (7, 7)).closes()
    front.answers(BAD, pause_ms=5).leaves()


def raced(front: Spoken, back: Spoken) -> None:
    back._send(1, FIN | ACK)
    back.asks(ASK % (7, 7))
    front.answers(BAD, pause_ms=5).leaves()


def silent(front: Spoken, back: Spoken) -> None:
    back.asks(ASK % (7, 7))
    front.answers(LATE, pause_ms=2000)
    back.leaves()
    front.leaves()


def replaced(front: Spoken, back: Spoken) -> None:
    back.asks(ASK % (7, 7)).answers(ANSWER, pause_ms=5)
    front.answers(BAD, pause_ms=5).leaves()


def malformed(front: Spoken, back: Spoken) -> None:
    back.asks(ASK % (7, 7)).answers(CHUNKED, pause_ms=5)
    front.answers(BAD, pause_ms=5).leaves()


def left(front: Spoken, back: Spoken) -> None:
    """The balancer hangs up on the backend, which only follows it."""
    front._send(0, FIN | ACK)
    back.asks(ASK % (7, 7)).leaves()
    front.answers(BAD, pause_ms=5)


@pytest.mark.parametrize(
    ("fails", "event", "behind"),
    [
        (reset, "reset", 2),
        (closed, "closed", 2),
        (raced, "keep-alive-race", 2),
        (silent, "timeout", 1),
        (replaced, "replaced", 1),
        (malformed, "malformed", 1),
        (left, "client-left", 1),
    ],
)
def test_an_error_of_the_balancers_names_what_happened_behind_it(
    tmp_path: Path, fails: Callable[[Spoken, Spoken], None], event: str, behind: int
) -> None:
    """`behind`: how many frames of the backend capture show it."""
    found = said(tmp_path, fails)
    assert found.slug == "answered-by-balancer.error"
    assert values(found)["event"] == TEXT[event]
    shown = [f.side.value for e in found.evidence for f in e.frames]
    assert shown.count("backend") == behind
    assert found.remedy


POST = b"POST /%d HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b8%d\r\nContent-Length: 3\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "ends", "event"),
    [
        (b"", "balancer", "half-sent"),
        (b"p", "balancer", "half-sent"),
        (b"pay", "balancer", "timeout"),
        (b"", "backend", "closed"),
    ],
)
def test_a_request_that_the_balancer_cut_is_no_backend_that_was_slow(
    sent: bytes, ends: str, event: str, tmp_path: Path
) -> None:
    """A proxy that has read a body for one server may have nothing left for the next one."""
    play = Script()
    for n in range(2):
        front = play.front().asks(POST % (n, n) + b"pay")
        play.back().asks(POST % (n, n) + b"pay").answers(ANSWER).closes()
        front.answers(ANSWER).leaves()
        play.wait(50)
    front = play.front().asks(POST % (7, 7) + b"pay")
    back = play.back().asks(POST % (7, 7) + sent)
    if ends == "balancer":
        back.leaves()
    else:
        back.closes()
    front.answers(BAD, pause_ms=5).leaves()
    play.wait(3000)
    play.back().leaves()
    report = play.report(tmp_path)
    (found,) = of(report, "answered-by-balancer")
    assert values(found)["event"] == TEXT[event]
    outcomes = [pair.attempts[0].outcome.value for pair in report.correlation.pairs]
    assert outcomes[-1] == ("timeout" if event == "timeout" else "closed")


@pytest.mark.parametrize(
    ("statuses", "every"),
    [
        ((503, 503), True),
        ((503, 404, 500), True),
        ((503,), False),  # one may be the only one that failed
        ((503, 200), False),
        ((399, 399), False),
        ((400, 400), True),
    ],
)
def test_checks_fail_when_two_or_more_were_seen_and_none_passed(
    statuses: tuple[int, ...], every: bool
) -> None:
    recorded = SCENARIOS["founding-alb"]().run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    (check, *_) = found.health_checks
    trace = recorded.backends[check.point]
    exchanges = list(trace.exchanges)
    for number, status in zip(check.exchanges, statuses, strict=False):
        response = exchanges[number].response
        assert response is not None
        exchanges[number] = exchanges[number]._replace(response=response._replace(status=status))
    few = replace(check, exchanges=check.exchanges[: len(statuses)])
    backends = [
        replace(t, exchanges=exchanges) if n == check.point else t
        for n, t in enumerate(recorded.backends)
    ]
    comparison = Comparison(recorded.clients, backends, replace(found, health_checks=(few,)))
    assert len(failing_checks(comparison)) == (len(statuses) if every else 0)
