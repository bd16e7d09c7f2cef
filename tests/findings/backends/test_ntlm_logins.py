"""NTLM logs a connection in: what a balancer makes of it that shares and changes connections."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from lbtrace.findings.backends.ntlm_logins import is_answer
from lbtrace.model.report import Finding, Severity
from lbtrace.pipeline import show
from tests.findings.files import of
from tests.findings.simulated import values
from tests.simulator.script import Packet, Script, Spoken

REFUSED = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM%s\r\nContent-Length: 0\r\n\r\n"
WELCOME = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nwelcome %s"


def token(number: int) -> bytes:
    """An NTLM message of that type, after a space."""
    return b" " + b64encode(b"NTLMSSP\0" + bytes((number,)) + bytes(23))


def asks(name: bytes, login: bytes = b"") -> bytes:
    """A request, with Authorization."""
    line = b"Authorization: NTLM%s\r\n" % login if login else b""
    return b"GET /files/%s HTTP/1.1\r\nHost: shop.example\r\n%s\r\n" % (name, line)


def through(front: Spoken, back: Spoken, request: bytes, answer: bytes) -> None:
    """A request and its answer, as they are on both sides."""
    front.asks(request)
    back.asks(request).answers(answer)
    front.answers(answer)


def alone(path: Path) -> list[Finding]:
    """What one capture tells of it."""
    (captured,) = show([[str(path)]]).captures
    return [f for f in captured.findings if f.slug.startswith("ntlm-logins")]


def welcome(name: bytes) -> bytes:
    return WELCOME % (8 + len(name), name)


def logs_in(play: Script, name: bytes, front: Spoken, one: Spoken, other: Spoken) -> None:
    """The steps of a login: the challenge comes over one backend connection, its answer goes over
    the other.
    """
    through(front, one, asks(name, token(1)), REFUSED % token(2))
    through(front, other, asks(name, token(3)), welcome(name) if one is other else REFUSED % b"")


def test_a_login_whose_steps_go_over_two_connections_is_split(tmp_path: Path) -> None:
    play = Script()
    for name in (b"a1", b"b2", b"c3"):
        logs_in(play, name, play.front(), play.back(), play.back())
    (said,) = of(play.report(tmp_path), "ntlm-logins")
    got = values(said)
    assert said.slug == "ntlm-logins.split"
    assert (got["count"], got["of"], got["refused"]) == (3, 3, 3)


def test_a_login_on_one_connection_is_none(tmp_path: Path) -> None:
    play = Script()
    for name in (b"a1", b"b2", b"c3"):
        front, back = play.front(), play.back()
        logs_in(play, name, front, back, back)
        through(front, back, asks(name + b"x"), welcome(name + b"x"))
    assert of(play.report(tmp_path), "ntlm-logins") == []


@pytest.mark.parametrize(("own", "said"), [(b"", 1), (b" bm90IE5UTE0=", 0)])
def test_a_request_of_another_on_a_connection_that_is_logged_in(
    tmp_path: Path, own: bytes, said: int
) -> None:
    """One that logs in itself is taken for itself."""
    play = Script()
    back = play.back()
    for name in (b"a1", b"b2"):
        logs_in(play, name, play.front(), back, back)
    through(play.front(), back, asks(b"c3", own), welcome(b"c3"))
    found = of(play.report(tmp_path), "ntlm-logins")
    assert [(f.slug, f.severity, values(f)["count"]) for f in found] == [
        ("ntlm-logins.shared", Severity.HIGH, 1)
    ] * said


def without(packets: list[Packet], *said: bytes) -> None:
    """The capture lost the last packet in which each of that was said."""
    for one in said:
        del packets[max(n for n, p in enumerate(packets) if one in p.data)]


@pytest.mark.parametrize("lost", [True, False])
def test_a_challenge_that_came_in_lost_packets_is_the_one_that_counts(
    tmp_path: Path, lost: bool
) -> None:
    """Of two challenges, the first came over another backend connection than the answer."""
    play = Script()
    front, one, other = play.front(), play.back(), play.back()
    through(front, one, asks(b"a1", token(1)), REFUSED % token(2))
    logs_in(play, b"b2", front, other, other)
    for name in (b"c3", b"d4", b"e5", b"f6"):
        through(play.front(), play.back(), asks(name), welcome(name))
    if lost:
        without(play.client, token(1), token(2))
    assert of(play.report(tmp_path), "ntlm-logins") == []


@pytest.mark.parametrize("lost", [True, False])
def test_a_login_in_lost_packets_is_the_one_that_counts(tmp_path: Path, lost: bool) -> None:
    """The second client logged in, too, on the backend connection that the first one had."""
    play = Script()
    back = play.back()
    logs_in(play, b"a1", play.front(), back, back)
    other = play.front()
    logs_in(play, b"b2", other, back, back)
    for name in (b"c3", b"d4", b"e5", b"f6"):
        through(other, back, asks(name), welcome(name))
    if lost:
        without(play.backend, token(1), token(2), token(3), welcome(b"b2"))
    assert of(play.report(tmp_path), "ntlm-logins") == []


@pytest.mark.parametrize("split", [True, False])
def test_one_capture_shows_answers_where_no_challenge_was(tmp_path: Path, split: bool) -> None:
    play = Script()
    for name in (b"a1", b"b2"):
        one = play.back()
        logs_in(play, name, play.front(), one, play.back() if split else one)
    _, path = play.write(tmp_path)
    found = alone(path)
    assert [(f.slug, values(f)["count"]) for f in found] == [("ntlm-logins.split", 2)] * split


def test_a_connection_whose_start_is_not_in_the_capture_may_have_given_the_challenge(
    tmp_path: Path,
) -> None:
    play = Script()
    one = play.back()
    logs_in(play, b"a1", play.front(), one, one)
    cut = next(n for n, p in enumerate(play.backend) if token(3) in p.data)
    del play.backend[:cut]
    _, path = play.write(tmp_path)
    assert alone(path) == []


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ("NTLM" + token(3).decode(), True),
        ("ntlm " + token(3).decode(), True),
        ("Negotiate" + token(3).decode(), True),
        ("Negotiate " + b64encode(b"\xa1\x81\xd2").decode(), True),
        ("Negotiate " + b64encode(b"\x60\x82\x06\xb1").decode(), False),  # Kerberos, in one step
        ("NTLM" + token(1).decode(), False),
        ("NTLM", False),
        ("NTLM ?", False),
        ("Basic dXNlcjpwYXNz", False),
        ("Bearer" + token(3).decode(), False),
    ],
)
def test_what_answers_a_challenge(value: str, answer: bool) -> None:
    assert is_answer(value) is answer
