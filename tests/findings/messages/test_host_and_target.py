"""What becomes of Host and of the target."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.findings.simulated import values
from tests.findings.through import STATED, exchange, message, request, told
from tests.simulator.script import BACKEND, Script


@pytest.mark.parametrize(
    ("before", "after", "note"),
    [
        ("a.example", BACKEND, ", the backend's own address"),
        ("a.example", f"{BACKEND}:8080", ", the backend's own address"),
        ("A.example", "a.example", ", in lower case"),
        ("a.example", "A.example", ", in other letter case"),
        ("a.example:8080", "a.example", ", the port apart"),
        ("a.example", "a.example:8080", ", the port apart"),
        ("a.example", "b.example", ""),
        ("a.example:80", "b.example:80", ""),
    ],
)
def test_how_host_is_changed(before: str, after: str, note: str, tmp_path: Path) -> None:
    play = Script()
    for n in range(3):
        exchange(play, f"/{n}", host=before, sent_host=after)
    (finding,) = told(play, tmp_path, "host-and-target.host-changed")
    said = values(finding)
    assert (said["count"], said["of"], said["before"], said["after"]) == (3, 3, before, after)
    assert finding.statement.partition("{after}")[2] == f"{note}."


@pytest.mark.parametrize(("statuses", "refused"), [(("421", "404"), True), (("404", "200"), False)])
def test_a_backend_may_not_serve_the_name_that_it_gets(
    statuses: tuple[str, str], refused: bool, tmp_path: Path
) -> None:
    play = Script()
    for n, status in enumerate(statuses):
        exchange(play, f"/{n}", sent_host="inner.example", given=message(f"{status} x", f"{n}"))
    found = told(play, tmp_path, "host-and-target.host-refused")
    assert [values(f)["count"] for f in found] == [2] * refused


@pytest.mark.parametrize("sent_host", ["a.example", "inner.example"])
@pytest.mark.parametrize("status", ["404 Not Found", "200 OK"])
def test_a_backend_may_not_have_the_target_it_is_asked_for(
    status: str, sent_host: str, tmp_path: Path
) -> None:
    play = Script()
    for n in range(3):
        front = play.front().asks(request(f"/api%2F{n}"))
        answer = message(status, f"{n}")
        play.back().asks(request(f"/api/{n}", STATED, host=sent_host)).answers(answer, 5)
        front.answers(answer).leaves()
        play.wait(200)
    refused = told(play, tmp_path, "host-and-target.target-refused")
    assert [values(f)["count"] for f in refused] == [3] * (status[0] == "4")
    assert all(("another Host" in f.text) == (sent_host != "a.example") for f in refused)
    # one cause is told: another Host may be as harmless here as it is elsewhere
    assert not told(play, tmp_path, "host-and-target.host-refused")
