"""Compressed bodies for clients that did not ask for them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lbtrace.findings.messages.unasked_coding import _refused
from lbtrace.model.report import Finding, Severity
from lbtrace.pipeline import show
from tests.findings.simulated import values
from tests.simulator.script import Script

PACKED = gzip.compress(b"<html>" * 40, mtime=0)


def answer(coding: str, body: bytes = PACKED) -> bytes:
    """A response with a body."""
    field = f"Content-Encoding: {coding}\r\n" if coding else ""
    return f"HTTP/1.1 200 OK\r\n{field}Content-Length: {len(body)}\r\n\r\n".encode() + body


def ask(n: int, accepts: str, name: str = "Accept-Encoding") -> bytes:
    """A request that names codings."""
    field = f"{name}: {accepts}\r\n" if accepts else ""
    return f"GET /page/{n} HTTP/1.1\r\nHost: a\r\n{field}\r\n".encode()


def played(front: bytes, behind: bytes, given: bytes, got: bytes) -> Script:
    """Two pages through a balancer; %d is their number."""
    play = Script()
    for n in range(2):
        client = play.front().asks(front.replace(b"/0", b"/%d" % n))
        play.back().asks(behind.replace(b"/0", b"/%d" % n)).answers(given).closes()
        client.answers(got).leaves()
    return play


def told(play: Script, folder: Path) -> list[Finding]:
    found = play.report(folder).findings
    return [f for f in found if f.slug.startswith("unasked-coding")]


@pytest.mark.parametrize(
    ("accepts", "behind", "name", "who"),
    [
        ("", "gzip", "Accept-Encoding", "asked the backend for it"),
        ("", "", "", ""),  # the backend sent it unasked
        ("br", "gzip", "Accept-Encoding", "asked the backend for it"),
        ("br", "br", "accept-encoding", ""),  # the name in another case is no change
    ],
)
def test_a_coding_that_the_client_did_not_name(
    accepts: str, behind: str, name: str, who: str, tmp_path: Path
) -> None:
    packed = answer("gzip")
    (said,) = told(played(ask(0, accepts), ask(0, behind, name), packed, packed), tmp_path)
    assert said.slug == ("unasked-coding.named" if accepts else "unasked-coding")
    assert said.severity is (Severity.MEDIUM if accepts else Severity.LOW)
    assert (values(said)["count"], values(said)["codings"]) == (2, "gzip ×2")
    assert who in said.statement
    assert (" The balancer" in said.statement) == bool(who)


def test_the_balancer_that_packs_is_named(tmp_path: Path) -> None:
    plain = answer("", b"<html>" * 40)
    (said,) = told(played(ask(0, ""), ask(0, ""), plain, answer("gzip")), tmp_path)
    assert "The balancer encoded it" in said.statement


def test_one_capture_tells_it_too(tmp_path: Path) -> None:
    played(ask(0, ""), ask(0, ""), answer("gzip"), answer("gzip")).write(tmp_path)
    (alone,) = show([[str(tmp_path / "backend.pcap")]]).captures
    assert "unasked-coding.seen" in {f.slug for f in alone.findings}


@pytest.mark.parametrize(
    ("coding", "wanted", "said"),
    [
        ("gzip", "gzip, br", None),
        ("gzip", "GZIP;q=0.5", None),
        ("x-gzip", "gzip", None),
        ("gzip", "*", None),
        ("identity", "", None),
        ("gzip", "", ("gzip", False)),
        ("gzip", "br", ("gzip", True)),
        ("gzip", "gzip;q=0, br", ("gzip", True)),
        ("gzip", "gzip; Q=0.0", ("gzip", True)),
        ("br, gzip", "gzip", ("br", True)),
    ],
)
def test_what_accept_encoding_names(
    coding: str, wanted: str, said: tuple[str, bool] | None
) -> None:
    """RFC 9110 §12.5.3; a name is written in any case."""
    assert _refused(coding, wanted) == said


def test_a_head_that_was_cut_may_name_it(tmp_path: Path) -> None:
    play = played(ask(0, ""), ask(0, ""), answer("gzip"), answer("gzip"))
    report = play.report(tmp_path, snaplen=70)
    assert not [f for f in report.findings if f.slug.startswith("unasked-coding")]
