"""Ids that the balancer draws and writes into both its request and its answer: by what name, in
what form, and with whatever is missing. Everything else of the exchanges is equal.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lbtrace import compare
from lbtrace.correlate import correlate
from lbtrace.model.pairing import Clue, Confidence
from lbtrace.model.report import Kind, Report
from lbtrace.options import DEFAULT
from tests.http.h2.wire import frame
from tests.simulator import Balancer, Simulation
from tests.simulator.score import score
from tests.simulator.script import Script, Spoken

COUNT = 6
ORDER = (3, 0, 5, 1, 4, 2)  # in which the backend gets the requests
CLIENT_PORT, BACKEND_PORT = 41000, 30000
BODY = b"hello, visitor\n"
HEADERS, DATA, SETTINGS = 1, 0, 4
NAMES = (
    "CF-Ray", "X-Request-Id", "X-Amz-Cf-Id", "X-Amzn-Trace-Id", "x-b3-traceid", "X-Correlation-ID",
    "Fly-Request-Id", "X-Edge-Ref", "Foo",
)  # fmt: skip


def hexadecimal(dice: random.Random) -> str:
    """Sixteen digits."""
    return f"{dice.getrandbits(64):016x}"


def uuid(dice: random.Random) -> str:
    """A random UUID (RFC 9562 §5.4)."""
    d = f"{dice.getrandbits(128):032x}"
    return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-a{d[17:20]}-{d[20:]}"


def letters(dice: random.Random) -> str:
    """Letters and digits, as in Base64."""
    return "".join(dice.choices("ABCDEFGHJKabcdefghjk0123456789", k=32))


@dataclass
class Minting:
    """Concurrent requests that are equal; the answers come when all have been asked."""

    asks: str = "X-Edge-Ref"  # the field of the request
    answers: str = "X-Edge-Ref"  # the field of the answer
    request_form: str = "{}"
    response_form: str = "{}"
    draw: Callable[[random.Random], str] = hexadecimal
    count: int = COUNT
    http2: bool = False
    clients_send: str = ""  # a field that clients send, with {} for the id of another exchange
    unanswered: tuple[int, ...] = ()  # whose answers the client capture lacks
    unanswered_behind: tuple[int, ...] = ()
    alike: int = 0  # so many have the id of the last one

    def report(self, folder: Path) -> Report:
        """What is told of it."""
        play, dice = Script(), random.Random(7)
        ids = [self.draw(dice) for _ in range(self.count)]
        ids[: self.alike] = [ids[-1]] * self.alike
        fronts = [self._front(play, i, ids) for i in range(self.count)]
        play.wait(20)
        order = [i for i in ORDER if i < self.count]
        backs = {i: self._back(play, place, ids[i]) for place, i in enumerate(order)}
        play.wait(300)
        for i in order:
            if i not in self.unanswered_behind:
                backs[i].answers(answer("app", ""))
        play.wait(100)
        for i, front in enumerate(fronts):
            if i not in self.unanswered:
                line = f"{self.answers}: {self.response_form.format(ids[i])}\r\n"
                front.answers(answer_of_http2(line) if self.http2 else answer("edge", line))
        client, backend = play.write(folder)
        return compare(client, backend)

    def _front(self, play: Script, i: int, ids: list[str]) -> Spoken:
        ends = ((f"10.9.0.{7 + i}", CLIENT_PORT + i), ("203.0.113.10", 80))
        spoken = Spoken(play, play.client, ends, [1009 * i + 5, 5003 * i + 77]).opens()
        if self.http2:
            return spoken.asks(request_of_http2())
        line = self.clients_send.format(ids[i - 1])
        return spoken.asks(request(f"{line}\r\n" if line else ""))

    def _back(self, play: Script, place: int, id_: str) -> Spoken:
        ends = (("198.51.100.77", BACKEND_PORT + place), ("10.50.0.4", 8080))
        spoken = Spoken(play, play.backend, ends, [3001 * place + 11, 7001 * place + 99]).opens()
        return spoken.asks(request(f"{self.asks}: {self.request_form.format(id_)}\r\n"))


def request(more: str) -> bytes:
    """What everybody asks."""
    return f"GET / HTTP/1.1\r\nHost: site.test\r\nUser-Agent: probe/2\r\n{more}\r\n".encode()


def answer(server: str, more: str) -> bytes:
    """What everybody gets."""
    head = f"HTTP/1.1 200 OK\r\nServer: {server}\r\n{more}Content-Length: {len(BODY)}\r\n\r\n"
    return head.encode() + BODY


def literal(name: str, value: str) -> bytes:
    """A field line of HPACK that is not indexed (RFC 7541 §6.2.2)."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def request_of_http2() -> bytes:
    """The same in HTTP/2: GET, /, http are in the static table."""
    fields = literal(":authority", "site.test") + literal("user-agent", "probe/2")
    begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)
    return begin + frame(HEADERS, 5, 1, b"\x82\x84\x86" + fields)


def answer_of_http2(line: str) -> bytes:
    """The same in HTTP/2."""
    name, _, value = line.strip().partition(": ")
    fields = b"\x88" + literal("server", "edge") + literal(name.lower(), value)
    return frame(SETTINGS, 0, 0) + frame(HEADERS, 4, 1, fields) + frame(DATA, 1, 1, BODY)


def told(report: Report) -> list[tuple[bool, bool, Confidence]]:
    """Per attempt: whether it is right, whether it is said to stand alone, and how surely."""
    ports = [
        [trace.connections[e.connection].client.port for e in trace.exchanges]
        for trace in (report.clients[0], report.backends[0])
    ]
    return [
        (
            ORDER[ports[1][attempt.backend.id] - BACKEND_PORT]
            == ports[0][pair.client.id] - CLIENT_PORT,
            pair.group is None,
            pair.confidence,
        )
        for pair in report.correlation.pairs
        for attempt in pair.attempts
    ]


ALL_RIGHT = [(True, True, Confidence.HIGH)] * COUNT


def by_id(report: Report) -> bool:
    """Whether each pair names the balancer's id."""
    return all(p.reasons[0].clue is Clue.BALANCER_ID for p in report.correlation.pairs)


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("draw", [hexadecimal, uuid, letters])
def test_whatever_the_field_is_called(
    draw: Callable[[random.Random], str], http2: bool, tmp_path: Path
) -> None:
    for name in NAMES:
        report = Minting(name, name, draw=draw, http2=http2).report(tmp_path)
        assert told(report) == ALL_RIGHT
        assert by_id(report)


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize(
    ("asks", "answers"),
    [("X-Up", "X-Down"), ("X-Request-Id", "X-Trace-Ref"), ("traceparent", "Server-Timing")],
)
def test_under_one_name_behind_and_another_in_front(
    asks: str, answers: str, http2: bool, tmp_path: Path
) -> None:
    report = Minting(asks, answers, http2=http2).report(tmp_path)
    assert told(report) == ALL_RIGHT
    assert by_id(report)


@pytest.mark.parametrize("draw", [hexadecimal, uuid, letters])
@pytest.mark.parametrize(
    ("request_form", "response_form"),
    [
        ("{}", "edge-{}"),
        ("{}", '"{}"'),
        ("{}", "{}-LHR"),
        ("Root=1-67891234;{}", "{}"),
        ("00-{}-01", 'traceparent;desc="00-{}-01"'),
        ("id={}, hop=2", "trace={}"),
    ],
)
def test_in_whatever_form(
    request_form: str, response_form: str, draw: Callable[[random.Random], str], tmp_path: Path
) -> None:
    report = Minting(request_form=request_form, response_form=response_form, draw=draw)
    assert told(report.report(tmp_path)) == ALL_RIGHT


class Uuid(str):
    """An UUID, which has its other forms."""

    @property
    def bare(self) -> str:
        return self.replace("-", "")

    @property
    def capital(self) -> str:
        return self.upper()


@pytest.mark.parametrize("name", ["X-Edge-Ref", "X-Other"])
@pytest.mark.parametrize(
    ("request_form", "response_form"),
    [
        ("{0.bare}", "{}"),
        ("{}", "{0.bare}"),
        ("{}", "{0.capital}"),
        ("id={0.bare}", "{0.capital}-LHR"),
    ],
)
def test_an_uuid_with_and_without_hyphens_is_one_id(
    request_form: str, response_form: str, name: str, tmp_path: Path
) -> None:
    minting = Minting(answers=name, request_form=request_form, response_form=response_form)
    minting.draw = lambda dice: Uuid(uuid(dice))
    report = minting.report(tmp_path)
    assert told(report) == ALL_RIGHT
    assert by_id(report)


def test_letters_of_another_case_are_another_id(tmp_path: Path) -> None:
    minting = Minting(response_form="{0.capital}", draw=lambda dice: Uuid(letters(dice)))
    assert not any(alone for _, alone, _ in told(minting.report(tmp_path)))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("answers", ["X-Edge-Ref", "X-Other"])
def test_one_or_two_exchanges_show_a_proxy(
    answers: str, http2: bool, count: int, tmp_path: Path
) -> None:
    report = Minting(answers=answers, http2=http2, count=count).report(tmp_path)
    assert report.verdict.kind is Kind.L7_PROXY
    assert report.verdict.confidence is Confidence.HIGH
    assert len(report.correlation.pairs) == count


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize(
    ("unanswered", "behind"), [((1,), ()), ((), (0, 2)), ((2,), (4,)), ((0, 1), (3,))]
)
def test_an_answer_that_is_missing_makes_no_other_pair_wrong(
    unanswered: tuple[int, ...], behind: tuple[int, ...], http2: bool, tmp_path: Path
) -> None:
    minting = Minting(unanswered=unanswered, unanswered_behind=behind, http2=http2)
    found = told(minting.report(tmp_path))
    assert sum(right for right, *_ in found) >= COUNT - len(unanswered)
    assert all(right for right, alone, _ in found if alone)


@pytest.mark.parametrize("alike", [1, 2, 4, 5])
def test_an_id_that_several_have_tells_only_that_they_are_a_set(alike: int, tmp_path: Path) -> None:
    """The others are told apart; of those with one id nothing says which is whose."""
    found = told(Minting(alike=alike).report(tmp_path))
    assert all(right and alone for right, alone, sure in found if sure is Confidence.HIGH)
    assert sum(sure is Confidence.HIGH for *_, sure in found) == COUNT - alike - 1
    assert all(right for right, alone, _ in found if alone)


@pytest.mark.parametrize("draw", [hexadecimal, uuid, letters])
@pytest.mark.parametrize("field", ["X-Edge-Ref", "Cookie", "Referer", "If-None-Match"])
def test_what_a_client_sent_is_not_the_balancers(
    field: str, draw: Callable[[random.Random], str], tmp_path: Path
) -> None:
    """Each client sends what another got before: the id comes back in other exchanges."""
    report = Minting(clients_send=f"{field}: {{}}", draw=draw).report(tmp_path)
    assert not any(
        p.reasons and p.reasons[0].clue is Clue.BALANCER_ID for p in report.correlation.pairs
    )


@pytest.mark.parametrize(
    ("asks", "answers"), [("Cookie", "Set-Cookie"), ("X-Auth-Token", "X-Session-Id")]
)
def test_a_credential_is_no_id_of_the_balancer(asks: str, answers: str, tmp_path: Path) -> None:
    """A session's id comes back in another exchange, which need not have been captured."""
    report = Minting(asks, answers, "s={}", "s={}; Path=/").report(tmp_path)
    assert not any(alone for _, alone, _ in told(report))


@pytest.mark.parametrize("word", ["edge-eu-west", "miss", "12", "cache-lhr7324"])
def test_a_word_is_no_id(word: str, tmp_path: Path) -> None:
    report = Minting(draw=lambda _: word).report(tmp_path)
    assert not any(alone for _, alone, _ in told(report))


def six_at_once(field: str) -> Simulation:
    simulation = Simulation(seed=3, balancer=Balancer(mint=field))
    for k in range(6):
        simulation.client(f"192.168.0.{5 + k}").asks("GET", "/", at_ms=k / 10)
    return simulation


def test_an_id_that_the_balancer_wrote_into_request_and_answer_pairs_them() -> None:
    recorded = six_at_once("X-Edge-Ref").run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    counted, said = score(recorded, found)
    assert (counted.right, said) == (6, [])
    assert all(p.confidence is Confidence.HIGH for p in found.pairs)
    assert {p.reasons[0].clue for p in found.pairs} == {Clue.BALANCER_ID}


def test_a_session_id_that_comes_back_later_is_no_id_of_a_request() -> None:
    """A sticky cookie is set in one answer and comes with the next request."""
    recorded = six_at_once("Set-Cookie").run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    assert Clue.BALANCER_ID not in {p.reasons[0].clue for p in found.pairs}


def test_an_id_that_the_backend_answered_may_be_of_another_exchange() -> None:
    """The backends' answers hold the ids of other requests."""
    recorded = six_at_once("X-Edge-Ref").run()
    back = recorded.backends[0]
    ids = [
        line for e in back.exchanges if e.request for line in e.request.lines if "LHR" in line.value
    ]
    exchanges = [
        e._replace(response=e.response._replace(lines=(*e.response.lines, line)))
        for e, line in zip(back.exchanges, ids[1:] + ids[:1], strict=True)
        if e.response is not None
    ]
    found = correlate(recorded.clients, [replace(back, exchanges=exchanges)], DEFAULT)
    assert Clue.BALANCER_ID not in {p.reasons[0].clue for p in found.pairs}
