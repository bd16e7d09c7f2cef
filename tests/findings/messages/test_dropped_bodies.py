"""Requests with GET that lose their body at the balancer."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Severity
from tests.findings.simulated import values
from tests.findings.through import STATED, message, request, told
from tests.simulator.script import Script

BODY = b'{"query":1}'


def asks(play: Script, target: str, body: bytes, passed: bytes, status: str, method: str) -> None:
    answer = message(status, f"page {target}")
    sizes = [(f"Content-Length: {len(b)}",) if b else () for b in (body, passed)]
    front = play.front().asks(request(target, *sizes[0], method=method) + body)
    play.back().asks(request(target, *sizes[1], STATED, method=method) + passed).answers(answer)
    front.answers(answer).leaves()
    play.wait(100)


@pytest.mark.parametrize(
    ("status", "severity"), [("400 Bad Request", Severity.MEDIUM), ("200 OK", Severity.LOW)]
)
def test_a_body_that_the_balancer_drops(status: str, severity: Severity, tmp_path: Path) -> None:
    play = Script()
    asks(play, "/fine", b"", b"", "200 OK", "GET")
    for n in range(2):
        asks(play, f"/{n}/_search", BODY, b"", status, "GET")
    (said,) = told(play, tmp_path, "dropped-bodies")
    assert said.severity is severity
    assert (values(said)["count"], values(said)["methods"]) == (2, "GET")
    assert ("400 ×2" in said.text) is (severity is Severity.MEDIUM)
    assert {f.side.value for e in said.evidence for f in e.frames} == {"client", "backend"}


@pytest.mark.parametrize(
    ("body", "passed", "method"), [(BODY, BODY, "GET"), (b"", b"", "GET"), (BODY, b"", "POST")]
)
def test_what_arrives_or_is_no_get_is_not_told(
    body: bytes, passed: bytes, method: str, tmp_path: Path
) -> None:
    """A POST without its body is another matter: it changes what is asked."""
    play = Script()
    asks(play, "/fine", b"", b"", "200 OK", "GET")
    asks(play, "/a", body, passed, "200 OK", method)
    assert not told(play, tmp_path, "dropped-bodies")


def test_a_target_that_is_asked_with_and_without_a_body_tells_nothing(tmp_path: Path) -> None:
    play = Script()
    asks(play, "/a", b"", b"", "200 OK", "GET")
    asks(play, "/a", BODY, b"", "200 OK", "GET")
    assert not told(play, tmp_path, "dropped-bodies")
