"""How attempts ended: as the packets show, and never as a retry what was a copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from lbtrace.correlate import correlate
from lbtrace.explain.outcomes import _outcome
from lbtrace.match.exchange_times import Facts
from lbtrace.model.http import Mark
from lbtrace.model.pairing import AttemptOutcome, Correlation
from lbtrace.options import DEFAULT
from tests.findings.files import ANSWER, ASK, SECOND, Talk, report
from tests.simulator import Balancer, Recording, Simulation
from tests.simulator.random_simulations import random_simulation
from tests.simulator.scenarios.base import TWO
from tests.simulator.script import Script


def direction(
    fin_ns: int | None = None, fin_frame: int | None = 1, answers_fin: bool = False
) -> SimpleNamespace:
    """What an end sent, as far as its end is concerned."""
    ended = None if fin_ns is None else (fin_ns, fin_frame)
    return SimpleNamespace(ended=ended, answers_fin=answers_fin)


def posted(balancer: Balancer, seed: int = 6, requests: int = 16) -> Recording:
    """Requests with bodies of their own to two backends."""
    simulation = Simulation(seed=seed, balancer=balancer, backends=TWO)
    client = simulation.client("192.168.0.5")
    for i in range(requests):
        client.asks("POST", "/", at_ms=70 * i, body=b"order %d" % (i * 7919), answer=b"%d" % i)
    return simulation.run()


def told(recorded: Recording) -> Correlation:
    return correlate(recorded.clients, recorded.backends, DEFAULT)


def test_copies_that_are_answered_otherwise_are_copies_in_every_pair() -> None:
    recorded = posted(Balancer(mirror="other"))
    for p in told(recorded).pairs:
        for a in p.attempts:
            expected = a.backend in recorded.copies
            assert (a.outcome is AttemptOutcome.COPY) is expected
            assert (a.outcome is AttemptOutcome.ANSWERED) is not expected


def test_of_copies_that_are_answered_alike_the_true_one_is_never_said_to_be_unused() -> None:
    """Where times do not tell whose answer the client got, it is either's. Three copies whose
    answers came too late show a mirror.
    """
    recorded = posted(Balancer(mirror="same"), requests=40)
    late = [AttemptOutcome.EITHER, AttemptOutcome.COPY]
    for p in told(recorded).pairs:
        for a in p.attempts:
            if a.backend not in recorded.copies:
                assert a.outcome in (AttemptOutcome.EITHER, AttemptOutcome.ANSWERED)
            else:
                assert a.outcome in late


def test_two_copies_are_no_habit() -> None:
    """An answer that nobody got, of two requests: perhaps a hedge that lost."""
    recorded = posted(Balancer(mirror="other"), requests=2)
    outcomes = {a.outcome for p in told(recorded).pairs for a in p.attempts}
    assert AttemptOutcome.COPY not in outcomes


@pytest.mark.parametrize("seed", range(30))
def test_the_answered_attempt_is_the_last_and_there_is_one_at_most(seed: int) -> None:
    recorded = random_simulation(seed, most=60).run()
    for p in told(recorded).pairs:
        ends = [a.outcome for a in p.attempts]
        assert ends.count(AttemptOutcome.ANSWERED) <= 1
        if AttemptOutcome.ANSWERED in ends:
            assert ends[-1] is AttemptOutcome.ANSWERED
            assert AttemptOutcome.EITHER not in ends
        first = [end is AttemptOutcome.EITHER for end in ends]
        assert first == sorted(first)


@pytest.mark.parametrize("seed", range(30))
def test_an_attempt_ended_as_its_packets_show(seed: int) -> None:
    recorded = random_simulation(seed, most=60).run()
    for p in told(recorded).pairs:
        for a in p.attempts:
            e = recorded.backends[a.backend.point].exchanges[a.backend.id]
            if a.outcome is AttemptOutcome.RESET:
                assert Mark.RESET in e.marks
            elif a.outcome is AttemptOutcome.CLOSED:
                assert Mark.CLOSED in e.marks
            elif a.outcome in (
                AttemptOutcome.SUPERSEDED,
                AttemptOutcome.ANSWERED,
                AttemptOutcome.EITHER,
            ):
                assert e.response is not None or Mark.LOST in e.marks


def test_an_answer_that_is_not_in_the_capture_is_unknown() -> None:
    recorded = posted(Balancer())
    back = recorded.backends[0]
    cut = [
        e._replace(response=None, marks=(Mark.CAPTURE_ENDED,)) if i == 15 else e
        for i, e in enumerate(back.exchanges)
    ]
    recorded.backends[0] = replace(back, exchanges=cut)
    (last,) = (a for p in told(recorded).pairs for a in p.attempts if a.backend.id == 15)
    assert last.outcome is AttemptOutcome.UNKNOWN


@pytest.mark.parametrize(
    ("closed_ms", "outcome"),
    [
        (15, AttemptOutcome.TIMEOUT),  # before the response began: the balancer had given up
        (16, AttemptOutcome.SUPERSEDED),  # that close together, a packet may be stamped late
        (25, AttemptOutcome.SUPERSEDED),  # in the middle of it: the client had another answer
        (35, AttemptOutcome.SUPERSEDED),
        (None, AttemptOutcome.SUPERSEDED),
    ],
)
def test_a_response_that_had_begun_before_the_balancer_closed_was_not_waited_for_in_vain(
    closed_ms: int | None, outcome: AttemptOutcome
) -> None:
    ms = 1_000_000
    end = direction(None if closed_ms is None else closed_ms * ms)
    backend = SimpleNamespace(
        exchange=lambda _: SimpleNamespace(
            marks=(), response=SimpleNamespace(first_ns=20 * ms, last_ns=30 * ms)
        ),
        connection_of=lambda _: SimpleNamespace(from_client=end, from_server=direction()),
    )
    found = _outcome(
        cast(Facts, backend), 0, answered=False, client_left=False, in_time=False, others=True
    )
    assert found is outcome


ASKED = b"GET /slow HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b86\r\n\r\n"
LATE = b"HTTP/1.1 504 Gateway Timeout\r\nServer: edge\r\nContent-Length: 0\r\n\r\n"
BAD = LATE.replace(b"504 Gateway Timeout", b"502 Bad Gateway")


def ended(play: Script, folder: Path) -> list[AttemptOutcome]:
    (pair,) = play.report(folder).correlation.pairs
    return [a.outcome for a in pair.attempts]


def test_a_client_that_was_answered_before_the_backend_had_answered_waited_in_vain(
    tmp_path: Path,
) -> None:
    play = Script()
    front, back = play.front().asks(ASKED), play.back().asks(ASKED)
    play.wait(1000)
    front.answers(LATE)
    play.wait(500)
    back.answers(ANSWER).closes()
    front.leaves()
    assert ended(play, tmp_path) == [AttemptOutcome.TIMEOUT]


@pytest.mark.parametrize(
    ("who", "reset", "outcome"),
    [
        ("balancer", False, AttemptOutcome.TIMEOUT),
        ("balancer", True, AttemptOutcome.TIMEOUT),
        ("backend", False, AttemptOutcome.CLOSED),
        ("backend", True, AttemptOutcome.RESET),
    ],
)
def test_who_ends_a_connection_without_an_answer_tells_how_the_attempt_ended(
    tmp_path: Path, who: str, reset: bool, outcome: AttemptOutcome
) -> None:
    play = Script()
    front, back = play.front().asks(ASKED), play.back().asks(ASKED)
    play.wait(1000)
    if who == "balancer":
        back.leaves(reset)
    else:
        back.closes(reset)
    front.answers(BAD).leaves()
    assert ended(play, tmp_path) == [outcome]


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_leaves_ends_no_wait_of_the_balancers(tmp_path: Path, reset: bool) -> None:
    play = Script()
    front, back = play.front().asks(ASKED), play.back().asks(ASKED)
    play.wait(1000)
    front.leaves(reset)
    back.leaves(reset)
    assert AttemptOutcome.TIMEOUT not in ended(play, tmp_path)


@pytest.mark.parametrize(
    ("until_s", "outcome"),
    [(2.9, AttemptOutcome.SUPERSEDED), (3.2, AttemptOutcome.NOT_ARRIVED)],
)
def test_an_answer_is_lost_on_its_way_if_the_client_capture_ran_on_for_a_second(
    tmp_path: Path, until_s: float, outcome: AttemptOutcome
) -> None:
    """Packets are passed on, so that nobody in between keeps an answer back. The backend takes a
    second, and a way takes a second at most.
    """
    talk = Talk(40_001)
    talk.says(True, ASK % b"x", SECOND)
    talk.says(False, ANSWER, 2 * SECOND, acked=False, front=False)
    talk.says(True, b"", int(until_s * SECOND), acked=False, flags="ACK")
    (pair,) = report(tmp_path, [talk.front], [talk.behind]).correlation.pairs
    assert [a.outcome for a in pair.attempts] == [outcome]


def status(line: bytes, body: bytes, *fields: bytes) -> bytes:
    """A response with a body and some fields."""
    size = b"Content-Length: %d" % len(body)
    head = [b"HTTP/1.1 " + line, b"Date: Sun, 29 Nov 2026 10:00:00 GMT", *fields, size]
    return b"\r\n".join([*head, b"", body])


APP = b"Server: app"
SAID = (b"X-Trace: 77aa", b"X-Shop: nine", b"Cache-Control: no-store")


@pytest.mark.parametrize(
    ("gave", "got", "outcome"),
    [
        # the client's answer was made from the backend's: most of what it said arrived
        (status(b"500 A", b"one", *SAID), status(b"500 A", b"two", *SAID), "answered"),
        (status(b"500 A", b"one", *SAID), status(b"500 A", b"two", *SAID[:1]), "superseded"),
        # what any answer has says nothing of a server error: it may be a page of the balancer's
        (status(b"500 A", b"one", APP), status(b"500 A", b"two", APP), "superseded"),
        (status(b"499 A", b"one", APP), status(b"499 A", b"two", APP), "answered"),
        # another status is made from it, but for a server error in its place
        (status(b"200 A", b"one"), status(b"403 A", b"two"), "answered"),
        (status(b"499 A", b"one"), status(b"403 A", b"two"), "answered"),
        (status(b"200 A", b"one"), status(b"502 A", b"two"), "superseded"),
        (status(b"200 A", b"one"), status(b"500 A", b"two"), "superseded"),
        # after some statuses balancers try again, perhaps where no capture was taken
        (status(b"503 A", b"one", APP), status(b"200 A", b"two", APP), "superseded"),
        (status(b"404 A", b"one", APP), status(b"403 A", b"two", APP), "superseded"),
        (status(b"503 A", b"one", *SAID), status(b"200 A", b"two", *SAID), "answered"),
        (status(b"404 A", b"one", *SAID), status(b"403 A", b"two", *SAID), "answered"),
    ],
)
def test_an_answer_that_was_rewritten_is_the_backends(
    tmp_path: Path, gave: bytes, got: bytes, outcome: str
) -> None:
    """The backend answers at once, the client half a second later."""
    play = Script()
    front, back = play.front().asks(ASKED), play.back().asks(ASKED)
    back.answers(gave, pause_ms=100).closes()
    front.answers(got, pause_ms=500).leaves()
    assert [o.value for o in ended(play, tmp_path)] == [outcome]


@pytest.mark.parametrize("end", [Mark.RESET, Mark.CLOSED, Mark.CAPTURE_ENDED])
def test_an_attempt_whose_answer_was_not_captured_may_have_been_answered(end: Mark) -> None:
    """However its connection ended."""
    silent = direction()
    for lost, outcome in ((False, OF[end]), (True, AttemptOutcome.UNKNOWN)):
        marks = (Mark.LOST, end) if lost else (end,)
        backend = SimpleNamespace(
            exchange=lambda _, marks=marks: SimpleNamespace(
                marks=marks, request=None, response=None
            ),
            connection_of=lambda _: SimpleNamespace(from_client=silent, from_server=silent),
        )
        found = _outcome(
            cast(Facts, backend), 0, answered=False, client_left=False, in_time=True, others=False
        )
        assert found is outcome


@pytest.mark.parametrize(
    ("ours", "theirs", "outcome"),
    [
        ((1, 8), (2, 9), AttemptOutcome.TIMEOUT),
        ((2, 9), (1, 8), AttemptOutcome.CLOSED),
        ((1, 9), (2, 8), AttemptOutcome.UNKNOWN),  # not in that order in the file
        ((1, 9), (None, None), AttemptOutcome.UNKNOWN),
        ((1, 8, True), (2, 9), AttemptOutcome.CLOSED),  # it acknowledges what overtook it
    ],
)
def test_who_ended_first_is_unknown_where_clock_and_file_contradict_each_other(
    ours: tuple[int, int] | tuple[int, int, bool],
    theirs: tuple[int | None, int | None],
    outcome: AttemptOutcome,
) -> None:
    backend = SimpleNamespace(
        exchange=lambda _: SimpleNamespace(marks=(Mark.CLOSED,), request=None, response=None),
        connection_of=lambda _: SimpleNamespace(
            from_client=direction(*ours), from_server=direction(*theirs)
        ),
    )
    found = _outcome(
        cast(Facts, backend), 0, answered=False, client_left=False, in_time=True, others=False
    )
    assert found is outcome


OF = {
    Mark.RESET: AttemptOutcome.RESET,
    Mark.CLOSED: AttemptOutcome.CLOSED,
    Mark.CAPTURE_ENDED: AttemptOutcome.UNKNOWN,
}


def test_an_answer_that_a_backend_gave_after_the_client_had_it_is_not_the_clients(
    tmp_path: Path,
) -> None:
    """A cache answers with its copy, and asks meanwhile whether it still holds. The exchanges
    before show the clock.
    """
    play = Script()
    for n in range(6):
        asked = ASKED.replace(b"24b86", b"24b0%d" % n)
        front, back = play.front().asks(asked), play.back().asks(asked)
        back.answers(ANSWER, pause_ms=3).closes()
        front.answers(ANSWER, pause_ms=3).leaves()
        play.wait(7)
    front, back = play.front().asks(ASKED), play.back().asks(ASKED)
    front.answers(ANSWER, pause_ms=100).leaves()
    back.answers(ANSWER, pause_ms=80).closes()
    pairs = play.report(tmp_path).correlation.pairs
    assert [a.outcome for p in pairs for a in p.attempts] == [AttemptOutcome.ANSWERED] * 6
    assert {p.client.id for p in pairs} == set(range(6)), "what came too late is no pair"
