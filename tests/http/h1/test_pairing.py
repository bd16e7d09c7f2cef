"""Any conversation, any loss: no request is ever paired with another's response, and whatever start
line is in the capture is reported.
"""

from __future__ import annotations

from operator import itemgetter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from lbtrace import pipeline
from lbtrace.model.http import Exchange
from tests.http.packets import Wire
from tests.http.streams import Talk, get, hear, ok, story
from tests.laws import examples

SIZE = 120  # bytes of a segment: messages take one to several


def request(i: int, kind: int) -> bytes:
    method = ("GET", "GET", "POST", "HEAD")[kind % 4]
    body = b"b" * (kind * 37) if method == "POST" else b""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} /item/{i:03} HTTP/1.1\r\nHost: shop.example\r\n{length}\r\n".encode() + body


def response(i: int, asked: int, kind: int) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nX-Item: {i:03}\r\n"
    body = (f"{i:03}-" * 100)[: kind * 61 % 400].encode()
    if asked % 4 == 3:
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode()
    if kind % 5 == 1:
        return f"{head.replace('200 OK', '304 Not Modified')}\r\n".encode()
    if kind % 5 == 2:
        parts = b"".join(
            b"%x\r\n%s\r\n" % (len(p), p)
            for p in (body[k : k + 50] for k in range(0, len(body), 50))
        )
        return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + parts + b"0\r\n\r\n"
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" if kind % 5 == 3 else b""
    return interim + f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


_kinds = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9)), min_size=1, max_size=9)


def conversation(kinds: list[tuple[int, int]], depth: int) -> Wire:
    wire = Wire().open()
    for low in range(0, len(kinds), depth):
        burst = range(low, min(low + depth, len(kinds)))
        for i in burst:
            wire.say(0, request(i, kinds[i][0]), f"q{i}", SIZE)
        for i in burst:
            wire.say(1, response(i, *kinds[i]), f"a{i}", SIZE)
        wire.acknowledge(0)
    return wire.close()


def item(exchange: Exchange) -> tuple[str | None, str | None]:
    asked = exchange.request.target[-3:] if exchange.request else None
    answered = (
        next((line.value for line in exchange.response.lines if line.name == "X-Item"), "")
        if exchange.response
        else None
    )
    return asked, answered


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    _kinds,
    st.sampled_from([1, 1, 1, 2, 3, 9]),
    st.sets(st.integers(0, 80), max_size=12),
    st.integers(0, 20),
    st.booleans(),
)
def test_never_a_wrong_pair(
    tmp_path: Path,
    kinds: list[tuple[int, int]],
    depth: int,
    lost: set[int],
    cut: int,
    from_the_middle: bool,
) -> None:
    wire = conversation(kinds, depth)
    wire.packets = [
        p for i, p in enumerate(wire.packets) if i not in lost or (i < 3 and not from_the_middle)
    ]
    if from_the_middle:
        wire.packets = wire.packets[cut:]
    path = tmp_path / "lossy.pcap"
    path.write_bytes(wire.pcap())
    found = [item(e) for e in pipeline.inspect([str(path)]).exchanges]
    assert all(asked == answered for asked, answered in found if asked and answered), found
    heads = {p.label for p in wire.packets if p.label.endswith(".0")}
    if not from_the_middle and {"q0.0", "a0.0"} <= heads:
        assert {f"q{int(asked)}.0" for asked, _ in found if asked} == {
            x for x in heads if x[0] == "q"
        }, found


def pipelined_by(depth: int, answers: range) -> Wire:
    """So many requests at once, each answered but for those that are not in `answers`."""
    wire = Wire().open()
    for i in range(depth):
        wire.say(0, request(i, 0), f"q{i}", 1448)
    for i in answers:
        wire.say(1, response(i, 0, 5), f"a{i}", 1448)
    return wire.acknowledge(0).close()


def read(wire: Wire, folder: Path) -> list[Exchange]:
    path = folder / "lossy.pcap"
    path.write_bytes(wire.pcap())
    return list(pipeline.inspect([str(path)]).exchanges)


def test_a_request_lost_of_eight_pipelined_costs_its_own_exchange_only(tmp_path: Path) -> None:
    for lost in range(8):
        found = read(pipelined_by(8, range(8)).drop(f"q{lost}"), tmp_path)
        assert sorted(map(item, found), key=itemgetter(1)) == [
            (None if i == lost else f"{i:03}", f"{i:03}") for i in range(8)
        ]


def test_two_lost_together_too_but_not_in_two_places_of_which_one_is_at_the_end(
    tmp_path: Path,
) -> None:
    found = read(pipelined_by(8, range(8)).drop("q2", "q3"), tmp_path)
    assert [item(e)[0] for e in found if e.request and e.response] == [
        "000",
        "001",
        "004",
        "005",
        "006",
        "007",
    ]
    found = read(pipelined_by(8, range(8)).drop("q2", "q7"), tmp_path)
    assert [item(e) for e in found if e.request and e.response] == [("000", "000"), ("001", "001")]


def test_answers_that_never_came_leave_what_follows_a_lost_request_unpaired(tmp_path: Path) -> None:
    found = read(pipelined_by(8, range(6)).drop("q1", "q2", "q3"), tmp_path)
    assert [item(e) for e in found if e.request and e.response] == [("000", "000")]


def test_a_timeout_on_an_idle_connection_is_no_pipelining() -> None:
    talk = Talk(syn=False)
    for target in ("/a", "/b"):
        talk.client(get(target)).server(ok(b"x"))
    talk.server(ok(b"", status="408 Request Timeout")).fin()
    assert story(hear(talk)) == [("/a", 200), ("/b", 200), (None, 408)]
    twice = Talk(syn=False).client(get("/a")).server(ok(b"x")).client(get("/b")).server(ok(b"x"))
    assert story(hear(twice.server(ok(b"y")).fin())) != [("/a", 200), ("/b", 200), (None, 200)]


def test_a_response_without_acknowledgement_names_no_request() -> None:
    talk = Talk(syn=False).server(ok(b"before"), ack=0).client(get("/a"), ack=-1)
    assert story(hear(talk)) == [(None, 200), ("/a", None)]
    talk = Talk(syn=False).client(get("/a"), ack=-1).server(ok(b"a"), ack=-1)
    assert story(hear(talk)) == [("/a", 200)]


def ahead(lost: int) -> dict[str, int | None]:
    """Five requests of 100 bytes at once, of which the third is lost and has `lost` bytes; all are
    answered, by as many bytes as their number. For each request the bytes of its response.
    """
    talk = Talk()
    for k in range(5):
        size = lost if k == 2 else 100
        filler = "y" * (size - len(get(f"/{k}", "X: ")))
        talk.client(get(f"/{k}", "X: " + filler), lost=k == 2, ack=0)
    for k in range(5):
        talk.server(ok(b"x" * k))
    return {
        e.request.target: e.response.body.length if e.response else None
        for e in hear(talk.fin()).exchanges
        if e.request
    }


def test_a_gap_has_about_the_size_of_the_requests_that_are_missing() -> None:
    for size in (50, 60, 100, 200):
        assert ahead(size) == {"/0": 0, "/1": 1, "/3": 3, "/4": 4}
    for size in (49, 201):
        assert ahead(size) == {"/0": 0, "/1": 1, "/3": None, "/4": None}


@pytest.mark.parametrize("between", [True, False])
def test_requests_that_are_pipelined_after_an_offer_to_upgrade(between: bool) -> None:
    """What the server had when it answered the request before it names HEAD /h: nobody claims that
    bytes stand where none belong. `between`: the offer was answered before.
    """
    talk = Talk().client(get("/lost"), lost=True).server(ok(b"lost"))
    talk.client(get("/u", "Upgrade: foo"))
    if between:
        talk.server(ok(b"no")).client(get("/g"))
    talk.client(get("/h", method="HEAD")).server(ok(b"hello")).server(ok(b"hello")[:-5])
    heard = hear(talk)
    answers = [e.response for e in heard.exchanges if e.response is not None]
    assert [answer.body.length for answer in answers] == ([4, 2, 5, 0] if between else [4, 5, 0])
    assert not any(answer.marks for answer in answers)
    assert heard.slugs == {"pairing-in-doubt"}
