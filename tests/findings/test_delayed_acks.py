"""Small segments that wait for late acknowledgements."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding
from tests.findings.files import ANSWER, ASK, Talk, of, report
from tests.findings.simulated import values

MS = 1_000_000


def told(folder: Path, *talks: Talk) -> list[Finding]:
    return of(report(folder, [t.front for t in talks], [t.behind for t in talks]), "delayed-acks")


def in_two_pieces(talk: Talk, count: int) -> None:
    """Each answer is sent in two pieces, the second when the first is acknowledged."""
    for n in range(count):
        at = (10 + 100 * n) * MS
        talk.says(True, ASK % b"x%d" % n, at)
        talk.says(False, ANSWER[:-2], at + MS, acked=False)
        talk.sent[False] += len(ANSWER) - 2
        talk.says(True, b"", at + 41 * MS, acked=False, flags="ACK")
        talk.says(False, ANSWER[-2:], at + 41 * MS + 1000)


@pytest.mark.parametrize(("count", "said"), [(2, 0), (3, 1)])
def test_three_times_are_no_chance(tmp_path: Path, count: int, said: int) -> None:
    talk = Talk(40_001)
    in_two_pieces(talk, count)
    assert len(told(tmp_path, talk)) == said


def test_packets_that_are_passed_on_are_told_of_once(tmp_path: Path) -> None:
    talk, other = Talk(40_001), Talk(40_002)
    in_two_pieces(talk, 2)
    in_two_pieces(other, 1)
    (said,) = told(tmp_path, talk, other)
    got = values(said)
    assert said.slug == "delayed-acks.from-server-client"
    assert (got["sender"], got["receiver"]) == ("backend", "client")
    assert (got["count"], got["connections"], got["longest"]) == (3, 2, 40 * MS - 1000)
