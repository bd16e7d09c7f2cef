"""Exchanges through a proxy, word for word, one after the other.

play = Script()
exchange(play, "/a")                                  passed on as it is, with X-Forwarded-For
exchange(play, "/b", added=("X-Real-IP: 192.0.2.9",)) … with another field
exchange(play, "/c", given=message("500 Oops"))       the backend's answer reaches the client
exchange(play, "/d", got=message("404 Not Found"))    the client gets another one
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lbtrace.model.report import Finding
from tests.simulator.script import CLIENT, Script, Spoken

STATED = f"X-Forwarded-For: {CLIENT}"


def request(target: str, *lines: str, method: str = "GET", host: str = "a.example") -> bytes:
    """A request without a body."""
    head = (f"{method} {target} HTTP/1.1", f"Host: {host}", *lines)
    return "".join(f"{line}\r\n" for line in (*head, "")).encode("latin-1")


def message(status: str, body: str = "", *lines: str) -> bytes:
    """An answer."""
    head = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines)
    return ("".join(f"{line}\r\n" for line in (*head, "")) + body).encode("latin-1")


def exchange(
    play: Script,
    target: str,
    *lines: str,
    added: Sequence[str] = (STATED,),
    host: str = "a.example",
    sent_host: str | None = None,
    given: bytes | None = None,
    got: bytes | None = None,
    late_ms: float = 0.0,
    front: Spoken | None = None,
) -> None:
    """A request that is passed on with more lines, on connections of its own, and the answer."""
    answer = message("200 OK", f"page {target}") if given is None else given
    asking = (front or play.front()).asks(request(target, *lines, host=host))
    passed = request(target, *lines, *added, host=host if sent_host is None else sent_host)
    play.back().asks(passed).answers(answer, 5)
    asking.answers(answer if got is None else got, late_ms).leaves()
    play.wait(200)


def told(play: Script, folder: Path, slug: str) -> list[Finding]:
    """The findings of a slug, or of one of its variants."""
    found = play.report(folder).findings
    return [f for f in found if f.slug == slug or f.slug.startswith(f"{slug}.")]
