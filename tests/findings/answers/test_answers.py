"""Who answered: retries, errors, caches, races, and the desync that must never be missed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.findings._backend_events import TEXT
from lbtrace.findings.answers.answered_by_balancer import _time_behind
from lbtrace.model.http import Body, Exchange, Framing, HeaderLine, Mark
from lbtrace.model.pairing import (
    AttemptOutcome,
    Clock,
    Confidence,
    Correlation,
    Unpaired,
    UnpairedReason,
)
from lbtrace.model.report import Severity
from lbtrace.options import Options
from lbtrace.pipeline import show
from tests.findings.files import of
from tests.findings.simulated import (
    Judged,
    four,
    judge_recording,
    judge_simulation,
    values,
    with_exchanges,
)
from tests.findings.through import exchange, message, request, told
from tests.simulator import Balancer, Simulation
from tests.simulator.scenarios.base import TWO
from tests.simulator.script import Script


def posting(balancer: Balancer, method: str = "POST", count: int = 6) -> Judged:
    simulation = Simulation(seed=11, balancer=balancer)
    client = simulation.client("192.168.0.5")
    for n in range(count):
        client.asks(
            method, f"/order/{n}", at_ms=100 * n, body=b"item=%d" % n, answer=b"done %d" % n
        )
    return judge_simulation(simulation)


def test_a_post_sent_twice_is_high() -> None:
    said = posting(Balancer(retry=1.0)).one("retries")
    assert said.slug == "retries.not-idempotent"
    assert said.severity is Severity.HIGH
    assert values(said)["count"] == 6


def test_a_post_that_a_mirror_gets_is_no_duplicate() -> None:
    """Both backends answer the same: nothing shows which answer the client got."""
    simulation = Simulation(seed=12, balancer=Balancer(mirror="same"), backends=TWO)
    client = simulation.client("192.168.0.5")
    for n in range(8):
        client.asks("POST", f"/order/{n}", at_ms=100 * n, body=b"item=%d" % n)
    slugs = {f.slug for f in judge_simulation(simulation).of("retries")}
    assert slugs == {"retries.mirrored"}


def test_a_copy_that_was_dropped_beside_many_is_no_duplicate() -> None:
    """The balancer closed the connection of one copy when the client had its answer. Beside seven
    copies that were answered, nothing shows that it was sent again.
    """
    simulation = Simulation(seed=12, balancer=Balancer(mirror="same"), backends=TWO)
    client = simulation.client("192.168.0.5")
    for n in range(8):
        client.asks("POST", f"/order/{n}", at_ms=100 * n, body=b"item=%d" % n)
    told = judge_simulation(simulation)
    pairs = list(told.correlation.pairs)
    one, other = pairs[3].attempts
    pairs[3] = pairs[3]._replace(
        attempts=(
            one._replace(outcome=AttemptOutcome.TIMEOUT),
            other._replace(outcome=AttemptOutcome.ANSWERED),
        )
    )
    again = judge_recording(told.recorded, replace(told.correlation, pairs=pairs))
    assert {f.slug for f in again.of("retries")} == {"retries.mirrored"}
    assert values(again.one("retries"))["count"] == 7


def test_a_get_sent_twice_is_not() -> None:
    said = posting(Balancer(retry=1.0), method="GET").one("retries")
    assert said.slug == "retries.repeated"
    assert said.severity is Severity.LOW


def test_a_failed_attempt_is_named_as_what_came_before_the_error() -> None:
    spoken = posting(Balancer(give_up=1.0))
    said = spoken.one("answered-by-balancer")
    assert said.slug == "answered-by-balancer.error"
    assert values(said)["status"] == "502"
    assert "reset" in str(values(said)["event"])
    assert values(spoken.one("errors.balancer"))["statuses"] == "502 ×6"


def test_an_error_out_of_a_cache_is_no_matter_of_routes(tmp_path: Path) -> None:
    """The backend said it once; the cache repeats it."""
    play = Script()
    missing = message("404 Not Found", "not yet")
    exchange(play, "/a.png", given=missing, got=missing)
    for _ in range(2):
        kept = message("404 Not Found", "not yet", "X-Cache: HIT")
        play.front().asks(request("/a.png")).answers(kept).leaves()
        play.wait(100)
    exchange(play, "/b.png")
    (said,) = told(play, tmp_path, "answered-by-balancer.cache-hit")
    assert "keep errors for less long" in said.remedy


def test_a_cache_hit_says_so() -> None:
    simulation = Simulation(seed=4, balancer=Balancer(cache=0.6))
    client = simulation.client("192.168.0.5")
    for n in range(12):
        client.asks("GET", "/logo", at_ms=40 * n, answer=b"logo")
    assert {f.slug for f in judge_simulation(simulation).of("answered-by-balancer")} == {
        "answered-by-balancer.cache-hit"
    }


def test_errors_of_the_backend_are_the_backends() -> None:
    simulation = Simulation(seed=4, balancer=Balancer())
    client = simulation.client("192.168.0.5")
    for n in range(4):
        client.asks("GET", f"/{n}", at_ms=40 * n, status="500 Oops", answer=b"%d" % n)
    spoken = judge_simulation(simulation)
    assert values(spoken.one("errors.backend"))["statuses"] == "500 ×4"
    assert spoken.of("errors.balancer") == []


def late_request(spoken: Judged, at_once: bool = False) -> Judged:
    """The same, but the backend's FIN came before the last request on its connection, which got no
    answer: just before, or `at_once` after the answer before it.
    """
    back = spoken.recorded.backends[0]
    last = back.exchanges[-1]
    before = back.exchanges[-2].response
    assert last.request is not None
    assert before is not None
    fin_ns = before.last_ns + 1_000 if at_once else last.request.first_ns - 1_000_000
    server = back.connections[last.connection].from_server._replace(
        fins=1, fin_frame=last.request.first_frame - 1, fin_ns=fin_ns
    )
    connections = list(back.connections)
    connections[last.connection] = connections[last.connection]._replace(from_server=server)
    changed = replace(
        with_exchanges(back, **{f"e{last.id}": last._replace(response=None, marks=(Mark.RESET,))}),
        connections=connections,
    )
    spoken.recorded.backends[0] = changed
    return judge_recording(spoken.recorded, spoken.correlation)


def test_a_request_after_the_fin_is_a_keep_alive_race() -> None:
    spoken = late_request(judge_simulation(four(Balancer())))
    said = spoken.one("keep-alive-race")
    assert said.slug == "keep-alive-race.backend"
    assert said.severity is Severity.HIGH
    assert values(said)["count"] == 1
    assert int(values(said)["closed_after"]) < int(values(said)["shortest"])


def test_a_close_after_less_silence_than_others_survived_is_no_idle_limit() -> None:
    spoken = late_request(judge_simulation(four(Balancer())), at_once=True)
    said = spoken.one("keep-alive-race")
    assert int(values(said)["closed_after"]) < int(values(said)["longest"])
    assert "no idle time limit" in said.statement
    assert "restart" in said.remedy


def test_a_server_that_answered_before_it_was_asked_was_not_idle() -> None:
    """It says 400 to the PROXY header before the request, which it does not understand, and
    closes.
    """
    spoken = late_request(judge_simulation(four(Balancer())))
    (back,) = spoken.recorded.backends
    last, before = back.exchanges[-1], back.exchanges[-2]
    assert last.connection == before.connection
    spoken.recorded.backends[0] = with_exchanges(
        back, **{f"e{before.id}": before._replace(request=None)}
    )
    assert judge_recording(spoken.recorded, spoken.correlation).of("keep-alive-race") == []


def test_an_ordinary_close_is_no_race() -> None:
    assert judge_simulation(four(Balancer(keep_alive=False))).of("keep-alive-race") == []


def smuggling(
    follower: bool,
    mark: tuple[Mark, ...] = (Mark.AMBIGUOUS_FRAMING,),
    behind: tuple[Mark, ...] | None = None,
) -> Judged:
    """A request with two lengths: the client sent 30 bytes of body, the backend took 4 of them for
    it, and the rest for a request.
    """
    spoken = judge_simulation(four(Balancer()))
    front, back = spoken.recorded.clients[0], spoken.recorded.backends[0]
    sent, got = front.exchanges[2], back.exchanges[2]
    lines = (
        HeaderLine("Content-Length", "30", "Content-Length: 30"),
        HeaderLine("Transfer-Encoding", "chunked", "Transfer-Encoding: chunked"),
    )

    def doubtful(e: Exchange, length: int, marks: tuple[Mark, ...]) -> Exchange:
        assert e.request is not None
        body = Body(Framing.CONTENT_LENGTH, length, length, True, f"{length:032x}")
        return e._replace(
            request=e.request._replace(lines=(*e.request.lines, *lines), body=body, marks=marks)
        )

    spoken.recorded.clients[0] = with_exchanges(front, e2=doubtful(sent, 30, mark))
    spoken.recorded.backends[0] = with_exchanges(
        back, e2=doubtful(got, 4, mark if behind is None else behind)
    )
    kept = (
        [p for p in spoken.correlation.pairs if p.attempts[-1].backend.id != 3]
        if follower
        else list(spoken.correlation.pairs)
    )
    lonely = (
        Unpaired("backend", p.attempts[-1].backend, UnpairedReason.OTHER_CLIENT, Confidence.HIGH)
        for p in spoken.correlation.pairs
        if p not in kept
    )
    changed: Correlation = replace(spoken.correlation, pairs=tuple(kept), unpaired=tuple(lonely))
    return judge_recording(spoken.recorded, changed)


def test_one_request_that_becomes_two_is_critical_and_said_first() -> None:
    spoken = smuggling(follower=True)
    first = spoken.findings[0]
    assert first.slug == "framing-desync.smuggled"
    assert first.severity is Severity.CRITICAL
    assert (values(first)["front"], values(first)["back"]) == (30, 4)
    assert values(first)["smuggled"] == "GET /divide/4"
    assert "Transfer-Encoding: chunked" in first.evidence[0].note


def test_a_body_that_shrank_before_a_strangers_request_is_no_smuggling() -> None:
    assert smuggling(follower=True, mark=()).of("framing-desync") == []


def test_what_the_balancer_made_ambiguous_is_not_said_to_have_been_so() -> None:
    assert (
        smuggling(follower=False, mark=(), behind=(Mark.AMBIGUOUS_FRAMING,))
        .one("framing-desync")
        .slug
        == "framing-desync.made"
    )


def test_without_a_second_request_it_is_ambiguous_only() -> None:
    spoken = smuggling(follower=False)
    assert spoken.of("framing-desync.smuggled") == []
    found = spoken.one("framing-desync")
    assert (found.slug, found.severity) == ("framing-desync.let-through", Severity.HIGH)


def test_what_the_balancer_wrote_anew_is_less_bad_than_what_is_still_ambiguous() -> None:
    found = smuggling(follower=False, behind=()).one("framing-desync")
    assert (found.slug, found.severity) == ("framing-desync.let-through", Severity.MEDIUM)
    assert "behind it they are not ambiguous" in found.statement


def test_a_superscript_is_a_digit_and_no_number() -> None:
    """Latin-1 has three of them, and a number may be longer than any that Python reads: neither is
    an Age, a length or a port.
    """
    strange = ("\u00b2", "9" * 5000)
    for text in strange:
        stating = [
            ("X-Forwarded-For", f"192.0.2.1:{text}"),
            ("Forwarded", f'for="[2001:db8::1]:{text}"'),
        ]
        simulation = Simulation(seed=4, balancer=Balancer(cache=0.6, add=stating))
        client = simulation.client("192.168.0.5")
        for n in range(12):
            client.asks(
                "GET", "/logo", at_ms=40 * n, answer=b"logo", answer_headers=[("Age", text)]
            )
        assert judge_simulation(simulation).findings
    for length in strange:
        spoken = smuggling(follower=False)
        front = spoken.recorded.clients[0]
        request = front.exchanges[2].request
        assert request is not None
        lines = tuple(line for line in request.lines if line.name != "Content-Length")
        said = request._replace(
            lines=(*lines, HeaderLine("Content-Length", length, f"Content-Length: {length}"))
        )
        spoken.recorded.clients[0] = with_exchanges(
            front, e2=front.exchanges[2]._replace(request=said)
        )
        assert judge_recording(spoken.recorded, spoken.correlation).one("framing-desync")


class Counted(list[Exchange]):
    """Exchanges that count how often one is asked for."""

    asked = 0

    def __getitem__(self, index: Any) -> Any:
        type(self).asked += 1
        return super().__getitem__(index)


def orders(count: int, every_ms: int) -> Judged:
    """Requests with bodies, all on one connection of the client's."""
    simulation = Simulation(seed=3, balancer=Balancer())
    client = simulation.client("192.168.0.5")
    for n in range(count):
        client.asks(
            "POST",
            f"/order/{n}",
            at_ms=every_ms * n,
            connection="kept",
            body=b"item=%d" % n,
            answer=b"done %d" % n,
        )
    return judge_simulation(simulation)


def looked_at(count: int) -> int:
    """How often an exchange is looked at when so many requests of one connection can be read in two
    ways, and every other one is another answer behind the balancer.
    """
    spoken = orders(count, 5)
    for traces in (spoken.recorded.clients, spoken.recorded.backends):
        (trace,) = traces
        doubtful = [
            e._replace(request=e.request._replace(marks=(Mark.AMBIGUOUS_FRAMING,)))
            for e in trace.exchanges
            if e.request
        ]
        traces[0] = replace(trace, exchanges=Counted(doubtful))
    back = spoken.recorded.backends[0]
    extra = Counted(e if e.id % 2 == 0 else e._replace(request=None) for e in back.exchanges)
    spoken.recorded.backends[0] = replace(back, exchanges=extra)
    Counted.asked = 0
    assert judge_recording(spoken.recorded, spoken.correlation).of("framing-desync.smuggled")
    return Counted.asked


def test_many_ambiguous_requests_on_one_connection_are_looked_at_once_each() -> None:
    assert looked_at(120) < 2.5 * looked_at(60)


def test_an_answer_after_an_attempt_that_failed_is_not_the_balancers_if_it_is_no_error() -> None:
    """The second attempt, which was answered, is not in the capture."""
    simulation = Simulation(seed=11, balancer=Balancer(retry=1.0))
    client = simulation.client("192.168.0.5")
    for n in range(6):
        client.asks("POST", f"/order/{n}", at_ms=100 * n, body=b"n=%d" % n, answer=b"done %d" % n)
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, Options())
    assert {len(p.attempts) for p in found.pairs} == {2}
    alone = replace(
        found, pairs=tuple(p._replace(attempts=p.attempts[:1]) for p in found.pairs), changes=()
    )
    unseen = {p.attempts[1].backend.id for p in found.pairs}
    (back,) = recorded.backends
    lost = [e._replace(response=None) if e.id in unseen else e for e in back.exchanges]
    told = judge_recording(replace(recorded, backends=[replace(back, exchanges=lost)]), alone)
    assert not told.of("answered-by-balancer")


CHECK = b"GET /health HTTP/1.0\r\nUser-Agent: checker-probe\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("last", [UNAVAILABLE, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
def test_a_balancer_whose_checks_all_fail_has_no_server(last: bytes, tmp_path: Path) -> None:
    """One problem, and the checks are its cause; one check that worked is enough for a server."""
    play = Script()
    for n in range(5):
        play.back().asks(CHECK).answers(last if n == 4 else UNAVAILABLE).closes()
        play.front().asks(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n).answers(UNAVAILABLE).leaves()
        play.wait(1000)
    report = play.report(tmp_path)
    (own,) = (f for f in report.findings if f.slug == "answered-by-balancer.error")
    failing = last is UNAVAILABLE
    assert ("health checks" in str(values(own).get("event"))) == failing
    assert (report.problems[0].cause.slug == "health-checks.failing") == failing
    assert ("answered-by-balancer.error" in report.problems[0].slugs) or not failing


def test_an_answer_before_the_end_of_the_request_may_be_replaced(tmp_path: Path) -> None:
    """The backend refuses an upload and closes; the balancer, still sending, says 502."""
    play = Script()
    for n in range(2):
        asked = b"POST /upload/%d HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n" % n
        front = play.front().asks(asked + b"x" * 5000)
        back = play.back().asks(asked + b"x" * 2000)
        back.answers(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").closes()
        answer = b"413 Too Large" if n == 0 else b"502 Bad Gateway"
        front.answers(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % answer).closes()
    report = play.report(tmp_path)
    assert [a.outcome.value for p in report.correlation.pairs for a in p.attempts] == [
        "answered",
        "superseded",
    ]
    assert "errors.open" not in {f.slug for f in report.findings}


@pytest.mark.parametrize(("check", "blamed"), [(UNAVAILABLE, True), (FINE, False)])
def test_the_last_checks_before_a_503_tell_whether_there_was_a_server(
    check: bytes, blamed: bool, tmp_path: Path
) -> None:
    """Checks worked, and then they did not, or did: clocks are known by the requests before."""
    play = Script()
    for n in range(4):
        play.back().asks(CHECK).answers(FINE).closes()
        ask = b"GET /%d HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b8%d\r\n\r\n" % (n, n)
        front = play.front().asks(ask)
        play.back().asks(ask).answers(FINE).closes()
        front.answers(FINE).leaves()
        play.wait(1000)
    play.back().asks(CHECK).answers(check).closes()
    play.wait(500)
    for n in range(2):
        play.front().asks(b"GET /late/%d HTTP/1.1\r\nHost: a\r\n\r\n" % n).answers(
            UNAVAILABLE
        ).leaves()
    play.wait(500)
    play.back().asks(CHECK).answers(FINE).closes()
    report = play.report(tmp_path)
    (own,) = (f for f in report.findings if f.slug == "answered-by-balancer.error")
    assert ("health checks" in str(values(own).get("event"))) == blamed
    assert ("health-checks.failing" in report.problems[0].slugs) == blamed


def test_one_check_that_worked_does_not_bring_a_server_back(tmp_path: Path) -> None:
    """HAProxy wants two (rise 2): the 503 between the first and the second is for the same cause
    as those before.
    """
    play = Script()

    def asks(name: bytes, answer: bytes) -> None:
        ask = b"GET /%s HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b8%s\r\n\r\n" % (name, name)
        front = play.front().asks(ask)
        if answer is FINE:
            play.back().asks(ask).answers(FINE).closes()
        front.answers(answer).leaves()
        play.wait(400)

    def check(answer: bytes) -> None:
        play.back().asks(CHECK).answers(answer).closes()
        play.wait(400)

    for n in range(4):
        check(FINE)
        asks(b"early%d" % n, FINE)
    for n in range(3):
        check(UNAVAILABLE)
        asks(b"none%d" % n, UNAVAILABLE)
    check(FINE)
    asks(b"between", UNAVAILABLE)
    check(FINE)
    asks(b"late", FINE)
    (own,) = of(play.report(tmp_path), "answered-by-balancer.error")
    assert (values(own)["count"], values(own)["event"]) == (4, TEXT["checks"])


@pytest.mark.parametrize(
    ("page", "told_of"),
    [
        (b"no healthy upstream", "outlier_detection"),
        (
            b"upstream connect error or disconnect/reset before headers. reset reason: overflow",
            "circuit_breakers",
        ),
    ],
)
def test_what_the_page_of_an_error_says_decides_what_to_do(
    page: bytes, told_of: str, tmp_path: Path
) -> None:
    """Whether the balancer is known to have made it, or the capture behind it had ended."""
    error = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page)
    play = Script()
    for n in range(6):
        ask = b"GET /%d HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b8%d\r\n\r\n" % (n, n)
        front = play.front().asks(ask)
        if n in (0, 1, 3):
            play.back().asks(ask).answers(FINE).closes()
        front.answers(FINE if n in (0, 1, 3) else error).leaves()
        play.wait(400)
    report = play.report(tmp_path)
    for slug in ("answered-by-balancer.error", "errors.open"):
        (said,) = of(report, slug)
        assert values(said)["reason"] == page.decode()
        assert told_of in said.remedy


@pytest.mark.parametrize(
    ("status", "here", "alone"),
    [
        (b"429 Too Many Requests", "limit_req", "limit_req"),
        (b"404 Not Found", "routes", "which field"),
        (b"403 Forbidden", "access lists", "which field"),
    ],
)
def test_what_the_status_of_an_error_says_decides_what_to_do(
    status: bytes, here: str, alone: str, tmp_path: Path
) -> None:
    """Only the backends give a date."""
    date = b"Date: Mon, 30 Nov 2026 08:00:00 GMT\r\n"
    play = Script()
    for n in range(6):
        ask = b"GET /%d HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b8%d\r\n\r\n" % (n, n)
        answer = b"HTTP/1.1 %s\r\n%sContent-Length: 0\r\n\r\n"
        answer %= (status, b"") if n == 2 else (b"200 OK", date)
        front = play.front().asks(ask)
        if n != 2:
            play.back().asks(ask).answers(answer).closes()
        front.answers(answer).leaves()
        play.wait(400)
    (own,) = of(play.report(tmp_path), "answered-by-balancer.error")
    (captured,) = show([[str(tmp_path / "client.pcap")]]).captures
    (seen,) = [f for f in captured.findings if f.slug == "errors.seen"]
    assert (here in own.remedy, bool(own.remedy)) == (True, bool(here))
    assert alone in seen.remedy


@pytest.mark.parametrize(
    ("waits_ms", "said"),
    [
        ([2000, 2000], " after {shortest}"),
        ([2000, 3000], " after {shortest} to {longest}"),
        ([500, 3000], ""),
    ],
)
def test_how_long_the_balancer_waited_before_its_error(
    waits_ms: list[float], said: str, tmp_path: Path
) -> None:
    play = Script()
    for n, ms in enumerate(waits_ms):
        front = play.front().asks(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n)
        front.answers(UNAVAILABLE, pause_ms=ms).leaves()
    play.back().asks(CHECK).answers(FINE).closes()
    (own,) = (f for f in play.report(tmp_path).findings if f.slug == "answered-by-balancer.error")
    assert own.statement.partition(")")[2].startswith(f"{said}.")
    assert own.text.endswith("The captured backends answered their health checks with 200 ×1.")
    assert (values(own).get("shortest") == 2_000_200_000) == bool(said)


def test_an_answer_whose_request_was_not_captured_is_of_no_number_of_requests(
    tmp_path: Path,
) -> None:
    """The capture began too late for it, so it is not among the requests that are counted."""
    play = Script()
    front = play.front().asks(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    play.client.clear()
    front.answers(UNAVAILABLE).asks(b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n").answers(UNAVAILABLE)
    play.back().asks(CHECK).answers(FINE).closes()
    (own,) = (f for f in play.report(tmp_path).findings if f.slug == "answered-by-balancer.error")
    assert own.text.startswith("The balancer itself sent 2 responses with 503")


@pytest.mark.parametrize("lost", [False, True])
def test_who_gave_up_made_the_error_though_the_backends_fin_was_not_captured(
    lost: bool, tmp_path: Path
) -> None:
    """That the backend closed, too, is shown by an acknowledgement alone: it may have been first.
    An answer there was none, so the 504 is the balancer's.
    """
    play = Script()
    ask = b"GET /slow HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b8\r\n\r\n"
    front, back = play.front().asks(ask), play.back().asks(ask)
    play.wait(3000)
    back.leaves()
    if lost:
        play.backend.pop(-2)
    front.answers(b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 4\r\n\r\nlate").leaves()
    report = play.report(tmp_path)
    (pair,) = report.correlation.pairs
    assert [a.outcome.value for a in pair.attempts] == ["unknown" if lost else "timeout"]
    slugs = {f.slug for f in report.findings}
    assert {"answered-by-balancer.error", "errors.balancer"} <= slugs
    assert "errors.open" not in slugs


RECORDED = judge_simulation(four(Balancer()))


@given(st.integers(0, 10**9), st.integers(0, 10**6))
def test_a_clock_that_is_known_less_well_widens_the_time_behind_on_both_ends(
    low_ns: int, half_ns: int
) -> None:
    spoken = RECORDED
    found = []
    for half in (0, half_ns):
        clock = Clock(0, 0, low_ns - half, low_ns + half)
        comparison = Comparison(
            spoken.recorded.clients,
            spoken.recorded.backends,
            replace(spoken.correlation, clocks=(clock,)),
        )
        found.append(_time_behind(comparison, 0, 0))
    (begin, end), (earliest, latest) = found
    asked, answered = (
        int(comparison.sides[0].requests.first_ns[0]),
        int(comparison.sides[0].responses.first_ns[0]),
    )
    assert (begin, end) == (asked - low_ns, answered - low_ns)
    assert (begin - earliest, latest - end) == (half_ns, half_ns)


@pytest.mark.parametrize("taken_for_body", [True, False])
def test_a_request_inside_a_body_is_one_that_only_the_backend_answered(
    taken_for_body: bool,
) -> None:
    """The next request begins where the doubtful one says that its body is. Its answer came to the
    client, too: so neither side took it for a part of a body.
    """
    spoken = orders(2, 50)
    for traces in (spoken.recorded.clients, spoken.recorded.backends):
        (trace,) = traces
        first, second = trace.exchanges
        assert first.request is not None
        lines = [line for line in first.request.lines if line.name.lower() != "content-length"]
        lines.append(HeaderLine("Content-Length", "900", "Content-Length: 900"))
        doubtful = first.request._replace(lines=tuple(lines), marks=(Mark.AMBIGUOUS_FRAMING,))
        if taken_for_body and traces is spoken.recorded.clients:
            second = second._replace(response=None)
        traces[0] = with_exchanges(trace, e0=first._replace(request=doubtful), e1=second)
    told = judge_recording(spoken.recorded, spoken.correlation).one("framing-desync")
    assert told.slug == (
        "framing-desync.smuggled" if taken_for_body else "framing-desync.let-through"
    )


@pytest.mark.parametrize(
    "told", ["No required SSL certificate was sent", "503 Service Unavailable"]
)
def test_what_the_answer_says_is_told_where_it_says_more_than_its_status(
    told: str, tmp_path: Path
) -> None:
    page = f"<html><head><title>{told}</title></head></html>".encode()
    answer = (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"
        % len(page)
    )
    play = Script()
    for n in range(2):
        play.front().asks(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n).answers(
            answer + page
        ).leaves()
    play.back().asks(CHECK).answers(FINE).closes()
    (own,) = (f for f in play.report(tmp_path).findings if f.slug == "answered-by-balancer.error")
    assert (f'The answer says "{told}".' in own.text) == (not told.startswith("503"))


@pytest.mark.parametrize(("together", "limit"), [(True, 2), (False, None)])
def test_errors_that_come_only_while_a_limit_is_reached(
    together: bool, limit: int | None, tmp_path: Path
) -> None:
    """Two requests are open behind the balancer when others are turned away; or they are over."""
    play = Script()
    busy = message("502 Bad Gateway", "<title>502 Bad Gateway</title>")
    for turn in range(2):
        asks = [request(f"/{turn}/{n}", f"X-Id: 7f3a9c0d51e24b8{turn}{n}") for n in range(4)]
        pages = [message("200 OK", f"page {turn} {n}") for n in range(2)]
        fronts = [play.front().asks(ask) for ask in asks[:2]]
        backs = [play.back().asks(ask) for ask in asks[:2]]
        play.wait(100)
        if not together:
            for front, back, page in zip(fronts, backs, pages, strict=True):
                back.answers(page)
                front.answers(page).leaves()
        for ask in asks[2:]:
            play.front().asks(ask).answers(busy).leaves()
        if together:
            for front, back, page in zip(fronts, backs, pages, strict=True):
                back.answers(page)
                front.answers(page).leaves()
        play.wait(300)
    (said,) = of(play.report(tmp_path), "answered-by-balancer.error")
    assert not together or values(said)["count"] == 4
    assert values(said).get("busy") == limit
    assert ("max_conns" in said.remedy) is together
    assert ("Nothing was seen to happen" in said.remedy) is not together
