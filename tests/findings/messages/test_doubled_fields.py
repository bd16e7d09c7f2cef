"""Fields that backend and balancer both write."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Severity
from tests.findings.simulated import values
from tests.findings.through import exchange, message, told
from tests.simulator.script import Script

APP = "Access-Control-Allow-Origin: https://app.example"
ANY = "Access-Control-Allow-Origin: *"


def test_a_browser_refuses_an_answer_with_two_origins(tmp_path: Path) -> None:
    play = Script()
    for n in range(3):
        given, got = message("200 OK", f"{n}", APP), message("200 OK", f"{n}", APP, ANY)
        exchange(play, f"/{n}", given=given, got=got)
    (said,) = told(play, tmp_path, "doubled-fields")
    assert said.severity is Severity.MEDIUM
    assert (values(said)["count"], values(said)["of"]) == (3, 3)
    assert (values(said)["before"], values(said)["after"]) == (APP, ANY)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ((), (ANY,)),  # only the balancer writes it
        ((APP,), (APP,)),  # only the backend
        ((APP,), (ANY,)),  # one in place of the other
        (("X-Tag: a",), ("X-Tag: a", "X-Tag: b")),  # a field that may come twice
    ],
)
def test_what_comes_once_is_fine(
    given: tuple[str, ...], got: tuple[str, ...], tmp_path: Path
) -> None:
    play = Script()
    for n in range(3):
        exchange(
            play,
            f"/{n}",
            given=message("200 OK", f"{n}", *given),
            got=message("200 OK", f"{n}", *got),
        )
    assert not told(play, tmp_path, "doubled-fields")
