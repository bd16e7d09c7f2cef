"""Requests with If-None-Match that bring a server an ETag which it never gave."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding, Severity
from lbtrace.pipeline import show
from tests.findings.simulated import values
from tests.findings.through import STATED, message, request, told
from tests.simulator.script import Script

BODY = "body { color: red }"


def whole(tag: str, body: str = BODY) -> bytes:
    return message("200 OK", body, f"ETag: {tag}")


def asks(
    play: Script, tag: str, given: bytes, got: bytes | None = None, port: int = 8080, n: int = 0
) -> None:
    """A request, with a tag or without, and the answers on both sides."""
    lines = (f"If-None-Match: {tag}", f"X-Id: {n}") if tag else (f"X-Id: {n}",)
    front = play.front().asks(request("/app.css", *lines))
    play.back(port).asks(request("/app.css", STATED, *lines)).answers(given, 5).closes()
    front.answers(given if got is None else got).leaves()
    play.wait(100)


def found(play: Script, folder: Path) -> list[Finding]:
    return told(play, folder, "lost-validators")


def compressed(now: str = '"v1"', back: str = '"v1-gzip"') -> Script:
    play = Script()
    asks(play, "", whole('"v1"'), whole('"v1-gzip"'))
    for n in (1, 2):
        asks(play, back, whole(now), whole(f'{now[:-1]}-gzip"'), n=n)
    return play


def test_a_balancer_that_writes_another_tag(tmp_path: Path) -> None:
    (said,) = found(compressed(), tmp_path)
    assert (said.slug, said.severity) == ("lost-validators.changed", Severity.LOW)
    assert (values(said)["count"], values(said)["of"]) == (2, 2)
    assert (values(said)["before"], values(said)["after"]) == ('"v1"', '"v1-gzip"')
    assert "DeflateAlterETag" in said.remedy


@pytest.mark.parametrize(
    ("now", "back"),
    [
        ('"v2"', '"v1-gzip"'),  # another version by now: 200 is right
        ('"v1"', 'W/"v1"'),  # the server's own, in its weak form
        ('"v1"', '"v1-gzip", "v1"'),  # one of several is
        ('"v1"', '"old"'),  # of a time before the capture
        ('"v1"', "*"),
    ],
)
def test_a_tag_that_the_server_may_know(now: str, back: str, tmp_path: Path) -> None:
    assert found(compressed(now, back), tmp_path) == []


@pytest.mark.parametrize(("body", "told_of_it"), [(BODY, True), ("another version", False)])
def test_servers_with_tags_of_their_own(body: str, told_of_it: bool, tmp_path: Path) -> None:
    play = Script()
    asks(play, "", whole('"1a-5f"'))
    asks(play, '"1a-5f"', whole('"9c-5f"', body), port=8081, n=1)
    said = found(play, tmp_path)
    assert [f.slug for f in said] == ["lost-validators.other-server"] * told_of_it
    if told_of_it:
        (alone,) = show([[str(tmp_path / "backend.pcap")]]).captures
        slugs = [f.slug for f in alone.findings if f.slug.startswith("lost-val")]
        assert slugs == ["lost-validators.other-server"]


def test_what_is_not_modified_needs_no_word(tmp_path: Path) -> None:
    play = Script()
    asks(play, "", whole('"v1"'))
    asks(play, '"v1"', b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n', n=1)
    assert found(play, tmp_path) == []
