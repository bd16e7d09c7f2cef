"""Where the two sides speak differently: connections that leave HTTP, interim responses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.findings.protocols.test_upgrades import OPTION, SWITCHED, answer, passed, request
from tests.findings.simulated import values
from tests.findings.through import told
from tests.simulator.script import Script

ASKED = ("Upgrade: websocket\r\n", OPTION)
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"


def test_connections_that_leave_http_for_a_websocket(tmp_path: Path) -> None:
    (finding,) = told(passed(ASKED, ASKED, SWITCHED), tmp_path, "protocol-changes")
    assert finding.slug == "protocol-changes.upgrade"
    assert (values(finding)["count"], values(finding)["names"]) == (3, "websocket")


@pytest.mark.parametrize(
    ("behind", "in_front", "variant", "statuses"),
    [
        ((EARLY,), (), "interim-kept", "103"),
        ((PROCESSING, EARLY), (), "interim-kept", "102, 103"),
        ((), (EARLY,), "interim-own", "103"),
        ((EARLY,), (EARLY,), "", ""),
    ],
)
def test_interim_responses_of_one_side(
    behind: tuple[bytes, ...],
    in_front: tuple[bytes, ...],
    variant: str,
    statuses: str,
    tmp_path: Path,
) -> None:
    """An interim response is kept, or made, by the balancer (RFC 9110 §15.2)."""
    play = Script()
    for n in range(2):
        final = answer("200 OK", f"page {n}")
        front = play.front().asks(request(n))
        back = play.back().asks(request(n, "X-Real-IP: 198.51.100.10\r\n"))
        for early in behind:
            back.answers(early)
        back.answers(final).closes()
        for early in in_front:
            front.answers(early)
        front.answers(final).leaves()
    found = told(play, tmp_path, "protocol-changes")
    assert [f.slug for f in found] == ([f"protocol-changes.{variant}"] if variant else [])
    assert [(values(f)["count"], values(f)["statuses"]) for f in found] == [
        (2, statuses) for _ in found
    ]
