"""Which exchanges a lost segment delayed, and what is no loss."""

from __future__ import annotations

from pathlib import Path

from lbtrace.model.report import Finding
from tests.findings.files import ANSWER, ASK, SECOND, Talk, of, report
from tests.findings.simulated import values

MS = 1_000_000


def told(folder: Path, *talks: Talk) -> list[Finding]:
    return of(report(folder, [t.front for t in talks], [t.behind for t in talks]), "lost-segments")


def test_an_answer_that_was_sent_again(tmp_path: Path) -> None:
    """The first copy is lost in front of the balancer: behind it both are seen."""
    talk, other = Talk(40_001), Talk(40_002)
    other.asks(1 * MS)
    talk.says(True, ASK % b"x", 2 * MS)
    talk.says(False, ANSWER, 3 * MS, acked=False, front=False)
    talk.says(False, ANSWER, 223 * MS)
    (said,) = told(tmp_path, talk, other)
    got = values(said)
    assert said.slug == "lost-segments.from-server-backend"
    assert (got["count"], got["longest"], got["exchanges"], got["of"]) == (1, 220 * MS, 1, 2)


def test_a_request_whose_first_half_came_late(tmp_path: Path) -> None:
    """Lost before the client capture: there it comes after what follows it."""
    talk = Talk(40_001)
    ask = ASK % b"long"
    start = talk.sent[True]
    talk.sent[True] = start + 10
    talk.says(True, ask[10:], 2 * MS, acked=False)
    talk.sent[True] = start
    talk.says(True, ask[:10], 402 * MS, acked=False)
    talk.sent[True] = start + len(ask)
    talk.says(False, ANSWER, 404 * MS)
    slugs = {f.slug: values(f) for f in told(tmp_path, talk)}
    assert set(slugs) == {"lost-segments.from-client-client", "lost-segments.from-client-backend"}
    assert all(got["longest"] == 400 * MS for got in slugs.values())


def test_a_short_delay_is_not_told(tmp_path: Path) -> None:
    talk = Talk(40_001)
    talk.says(True, ASK % b"x", 2 * MS)
    talk.says(False, ANSWER, 3 * MS, acked=False, front=False)
    talk.says(False, ANSWER, 53 * MS)
    assert not told(tmp_path, talk)


def test_a_flow_that_was_forgotten_is_no_loss(tmp_path: Path) -> None:
    talk = Talk(40_001)
    talk.asks(1 * MS)
    for n in range(4):
        at = 8 * SECOND + n * SECOND
        talk.says(True, ASK % b"lost", at, acked=False, behind=False)
    assert not told(tmp_path, talk)
