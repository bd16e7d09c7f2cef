"""One or two exchanges that anybody could have: enough where the captures show one proxy on both
sides, and never sure.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Kind, Report
from tests.simulator.script import Script, Spoken

INSIDE, OUTSIDE = "10.1.1.1", "203.0.113.10"
VIA = "Via: 1.1 edge7\r\n"


def played(
    folder: Path,
    front: str = OUTSIDE,
    back: str = INSIDE,
    count: int = 1,
    asks: str = "",
    answers: str = "",
    client_asks: str = "",
    backend_answers: str = "",
    answer_in_front: str = "hello, visitor",
) -> Report:
    """`count` requests for "/" from a client to `front`, and from `back` to a backend, with what
    the proxy adds.
    """
    play = Script()
    for i in range(count):
        ends = (("10.9.0.7", 41000 + i), (front, 80))
        asking = Spoken(play, play.client, ends, [1009 * i + 5, 5003 * i + 77]).opens()
        asking.asks(f"GET / HTTP/1.1\r\nHost: a\r\n{client_asks}\r\n".encode())
        ends = ((back, 30000 + i), ("10.50.0.4", 8080))
        behind = Spoken(play, play.backend, ends, [3001 * i + 11, 7001 * i + 99]).opens()
        behind.asks(f"GET / HTTP/1.1\r\nHost: a\r\n{client_asks}{asks}\r\n".encode())
        play.wait(20)
        behind.answers(answer(backend_answers, "hello, visitor"))
        asking.answers(answer(backend_answers + answers, answer_in_front)).leaves()
        behind.closes()
        play.wait(500)
    return play.report(folder)


def answer(more: str, body: str) -> bytes:
    """What everybody gets."""
    return f"HTTP/1.1 200 OK\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("address", [INSIDE, OUTSIDE])
@pytest.mark.parametrize("added", ["X-Forwarded-For: 192.0.2.33\r\n", VIA, "X-Edge: 1\r\n"])
def test_the_host_that_clients_ask_asks_the_backends(
    added: str, address: str, count: int, tmp_path: Path
) -> None:
    said = played(tmp_path, address, address, count, asks=added).verdict
    assert (said.kind, said.confidence) == (Kind.L7_PROXY, Confidence.MEDIUM)


@pytest.mark.parametrize("count", [1, 2])
def test_a_proxy_that_names_itself_on_both_sides(count: int, tmp_path: Path) -> None:
    said = played(tmp_path, count=count, asks=VIA, answers=VIA).verdict
    assert (said.kind, said.confidence) == (Kind.L7_PROXY, Confidence.MEDIUM)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("field", ["X-Forwarded-For", "X-Real-IP"])
def test_a_proxy_that_states_the_clients_address(field: str, count: int, tmp_path: Path) -> None:
    said = played(tmp_path, count=count, asks=f"{field}: 10.9.0.7\r\n").verdict
    assert (said.kind, said.confidence) == (Kind.L7_PROXY, Confidence.MEDIUM)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"asks": "X-Forwarded-For: 192.0.2.33\r\n"},  # somebody else
        {"asks": VIA},  # a proxy, but whose?
        {"answers": VIA},
        {"client_asks": VIA, "answers": VIA},  # the client's own proxy
        {"asks": VIA, "backend_answers": VIA},  # the backend's own
        {"front": "127.0.0.1", "back": "127.0.0.1"},  # each machine has that
    ],
)
def test_likeness_alone_shows_nothing(more: dict[str, str], count: int, tmp_path: Path) -> None:
    said = played(tmp_path, count=count, **more).verdict
    assert (said.kind, said.confidence) == (Kind.INCONCLUSIVE, Confidence.LOW)


def test_a_private_address_is_not_enough_where_the_answers_differ(tmp_path: Path) -> None:
    """Two networks that both have 10.1.1.1."""
    report = played(tmp_path, INSIDE, INSIDE, 2, asks=VIA, answer_in_front="another site, it is")
    assert report.verdict.kind is Kind.INCONCLUSIVE
