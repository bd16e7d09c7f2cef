"""Segments that do not fit through the path, and those that are only lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.findings.connections.large_segments import UNHEARD
from lbtrace.model.report import Finding, Severity
from lbtrace.pipeline import show
from tests.findings.files import ANSWER, ASK, SECOND, Talk, of, report
from tests.findings.simulated import values
from tests.simulator.script import Script

BIG = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + b"x" * 1400


def told(folder: Path, *talks: Talk) -> list[Finding]:
    every = report(folder, [t.front for t in talks], [t.behind for t in talks])
    assert not of(every, "tcp-facts.loss-backend") or not of(every, "large-segments")
    return of(every, "large-segments")


def small(port: int) -> Talk:
    """A connection on which all is well."""
    talk = Talk(port)
    talk.asks(1_000_000)
    return talk


def vanishing(
    port: int,
    tries: int = 4,
    size: int = len(BIG),
    leaves: bool = True,
    first_ns: int = 200_000_000,
) -> Talk:
    """A large answer that is sent again and again; the client gives up after six seconds."""
    talk = Talk(port, at=SECOND)
    talk.says(True, ASK % b"big", SECOND + 10_000)
    for n in range(tries):
        at = SECOND + 20_000 + (2**n - 1) * first_ns
        talk.says(False, BIG[:size], at, acked=False, front=False)
    if leaves:
        talk.says(True, b"", 7 * SECOND, flags="FIN")
    return talk


def test_every_large_segment_is_missing_and_small_ones_pass(tmp_path: Path) -> None:
    (said,) = told(tmp_path, small(40_001), vanishing(40_002))
    got = values(said)
    assert (said.slug, said.severity) == ("large-segments.from-server-backend", Severity.HIGH)
    assert (got["least"], got["passed"]) == (len(BIG), len(ANSWER))
    assert (got["tries"], got["count"], got["sender"]) == (4, 1, "backend")
    assert "None of them is in the {other} capture." in said.statement
    assert got["other"] == "client"


@pytest.mark.parametrize(("size", "large"), [(500, True), (499, False)])
def test_a_segment_that_fits_through_any_path_is_not_large(
    tmp_path: Path, size: int, large: bool
) -> None:
    """Every path carries 576 bytes with the headers (RFC 791 §3.1), options of TCP among them."""
    assert bool(told(tmp_path, small(40_001), vanishing(40_002, size=size))) == large


def test_the_answer_did_not_arrive(tmp_path: Path) -> None:
    talks = [small(40_001), vanishing(40_002)]
    every = report(tmp_path, [t.front for t in talks], [t.behind for t in talks])
    outcomes = [a.outcome.value for p in every.correlation.pairs for a in p.attempts]
    assert outcomes == ["answered", "not-arrived"]


@pytest.mark.parametrize(
    "talks",
    [
        [vanishing(40_002)],  # nothing smaller was acknowledged either
        [small(40_001), vanishing(40_002, tries=2)],  # two sendings: an acknowledgement was late
        [small(40_001), vanishing(40_002, size=300)],  # it would fit through any path
        [small(40_001), vanishing(40_002, leaves=False)],  # the client may be gone
        [small(40_001), vanishing(40_002, first_ns=10_000_000)],  # nobody waited for an answer
    ],
)
def test_what_is_no_black_hole(tmp_path: Path, talks: list[Talk]) -> None:
    assert not told(tmp_path, *talks)


def test_two_connections_that_both_stay_silent_show_it_too(tmp_path: Path) -> None:
    silent = [vanishing(40_000 + n, leaves=False) for n in (2, 3)]
    (said,) = told(tmp_path, small(40_001), *silent)
    assert values(said)["count"] == 2


@pytest.mark.parametrize("told", [True, False])
def test_an_icmp_message_states_the_size_that_fits(told: bool, tmp_path: Path) -> None:
    play = Script()
    for _ in range(2):
        front = play.front().asks(ASK % b"small").answers(ANSWER)
        front.asks_in_vain(b"x" * 1400, times=4)
        if told:
            front.turned_away(3, 4, mtu=1280, sender="10.0.0.254")
    play.write(tmp_path)
    (alone,) = show([[str(tmp_path / "client.pcap")]]).captures
    (said,) = (f for f in alone.findings if f.slug.startswith("large-segments"))
    assert ("No ICMP message" in said.statement) == (not told)
    assert values(said).get("mtu") == (1280 if told else None)
    assert values(said).get("said") == ("fragmentation needed from 10.0.0.254 ×2" if told else None)
    assert (said.remedy == UNHEARD) == told
