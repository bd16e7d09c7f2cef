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


def test_a_proxy_that_got_the_pieces_so_late_did_not_hold_them_back(tmp_path: Path) -> None:
    """A piece that comes late is sent on late, and meets the late acknowledgement of its own side
    by chance; of a connection that is not known to belong to another, nobody knows.
    """
    front, behind = Talk(40_001, at=1000), Talk(40_001, begins=5000)
    in_two_pieces(front, 3)
    in_two_pieces(behind, 3)
    found = of(report(tmp_path, [front.front], [behind.behind]), "delayed-acks")
    assert [(f.slug, values(f)["sender"]) for f in found] == [
        ("delayed-acks.from-server-backend", "backend")
    ]


def test_a_proxy_that_got_whole_answers_held_its_own_pieces_back(tmp_path: Path) -> None:
    front, behind = Talk(40_001), Talk(40_001, at=1000, begins=5000)
    in_two_pieces(front, 3)
    for n in range(3):
        behind.says(True, ASK % b"x%d" % n, (10 + 100 * n) * MS + 1000)
        behind.says(False, ANSWER, (10 + 100 * n) * MS + 5000)
    (said,) = of(report(tmp_path, [front.front], [behind.behind]), "delayed-acks")
    assert (said.slug, values(said)["sender"]) == ("delayed-acks.from-server-client", "balancer")


def test_where_only_one_direction_shows_what_came_nobody_is_blamed(tmp_path: Path) -> None:
    """Without acknowledgements nothing waits for them."""
    front, behind = Talk(40_001, at=1000), Talk(40_001, begins=5000)
    for talk in (front, behind):
        for n in range(3):
            at = (10 + 100 * n) * MS
            request = ASK % b"x%d" % n
            talk.says(True, request[:-2], at, acked=False)
            talk.sent[True] += len(request) - 2
            talk.says(False, b"", at + 41 * MS, acked=False, flags="ACK")
            talk.says(True, request[-2:], at + 41 * MS + 1000)
            talk.says(False, ANSWER, at + 42 * MS)
    both = of(report(tmp_path, [front.front], [behind.behind]), "delayed-acks")
    assert [f.slug for f in both] == ["delayed-acks.from-client-client"]
    wire = front.front
    wire.segments[:] = [s for s in wire.segments if s.flow[0] == wire.client]
    assert of(report(tmp_path, [front.front], [behind.behind]), "delayed-acks") == []


def test_packets_that_are_passed_on_are_told_of_once(tmp_path: Path) -> None:
    talk, other = Talk(40_001), Talk(40_002)
    in_two_pieces(talk, 2)
    in_two_pieces(other, 1)
    (said,) = told(tmp_path, talk, other)
    got = values(said)
    assert said.slug == "delayed-acks.from-server-client"
    assert (got["sender"], got["receiver"]) == ("backend", "client")
    assert (got["count"], got["connections"], got["longest"]) == (3, 2, 40 * MS - 1000)
