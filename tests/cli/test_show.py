"""`show`: one capture point."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lbtrace.cli import run
from tests.cli.captures import SAMPLES

CLIENT, BACKEND = (
    str(SAMPLES / "alb-like" / "client.pcap"),
    str(SAMPLES / "alb-like" / "backend.pcap"),
)


def test_show_counts_syns_and_requests(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", CLIENT]) == 0
    assert "4 SYNs : 4 requests = 1 : 1" in capsys.readouterr().out


def test_a_time_of_day_and_the_answers_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", CLIENT]) == 0
    out = capsys.readouterr().out
    assert " answers: 200 ×4\n" in out
    assert "17:51:2" in out.partition("HTTP exchanges")[2]


def test_the_command_names_what_was_taken_in_front_of_the_balancer_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The requests of the backend capture bear X-Forwarded-For, whichever is given first."""
    assert run(["show", BACKEND, CLIENT, "--width", "200"]) == 0
    assert f"   lbtrace compare {CLIENT} {BACKEND}\n" in capsys.readouterr().out


def test_what_came_through_a_proxy_was_taken_in_front_of_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The responses of the client capture have Via; the backend capture shows no side."""
    front, behind = (str(SAMPLES / "varnish" / f"{side}.pcap") for side in ("client", "backend"))
    assert run(["show", behind, front, "--width", "200"]) == 0
    assert f"   lbtrace compare {front} {behind}\n" in capsys.readouterr().out


def test_both_sides_are_two_captures_and_the_way_to_compare_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["show", CLIENT, BACKEND, "--width", "200"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(" No problems found in 2 captures\n")
    assert f"   lbtrace compare {CLIENT} {BACKEND}\n" in out
    assert f"\nCapture 1: {CLIENT}\n No problems found in 4 requests" in out
    assert f"\nCapture 2: {BACKEND}\n No problems found in 7 requests" in out
    assert "\n 1:1 " in out
    assert "\n 2:1 " in out


@pytest.mark.parametrize(("order", "point"), [((0, 1), 1), ((1, 0), 0)])
def test_a_problem_is_told_with_its_capture(
    order: tuple[int, int], point: int, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = SAMPLES / "nginx-race"
    both = str(folder / "client.pcap"), str(folder / "backend.pcap")
    files = [both[i] for i in order]
    assert run(["show", *files]) == 0
    assert f"· capture {point + 1} #10 #12 ·" in capsys.readouterr().out
    assert run(["show", *files, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [c["files"][0]["path"] for c in document["captures"]] == files
    assert {f["point"] for p in document["problems"] for f in p["frames"]} == {point}
    assert run(["show", *files, "--zoom", f"{point + 1}:2"]) == 0
    assert f"Exchange {point + 1}:2: GET /divide/50 → none" in capsys.readouterr().out
    assert run(["show", *files, "--zoom", "P1"]) == 0
    assert f"Exchange {point + 1}:2: GET /divide/50 → none" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["2", "0:1", "3:1", "1:9", ":1", "1:", "P9"])
def test_of_several_captures_an_exchange_is_named_with_its_capture(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", CLIENT, BACKEND, "--zoom", name]) == 2
    assert "There is 1:1 to 1:4, 2:1 to 2:7." in capsys.readouterr().err


def test_of_one_capture_the_ladder_is_drawn_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", CLIENT, "--zoom", "1", "--ladder", "mermaid"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "sequenceDiagram\n    participant C as client\n    participant L as server"
    )
    assert "participant B" not in out
    timeout = str(SAMPLES / "nginx-timeout" / "client.pcap")
    assert run(["show", timeout, "--zoom", "P1", "--ladder", "text"]) == 0
    assert "GET /slow?ms=2000" in capsys.readouterr().out


def test_a_file_that_is_given_twice_is_one_capture(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", CLIENT, CLIENT]) == 0
    assert capsys.readouterr().out.startswith(" No problems found in 4 requests")


def test_standard_input_is_one_of_the_captures_at_most(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["show", "-", CLIENT, "-"]) == 2
    assert "can be only one of the captures" in capsys.readouterr().err


def test_one_capture_is_shown_without_what_pairs_two() -> None:
    code = (
        f"import sys; from lbtrace.cli import run; run(['show', {CLIENT!r}, '--format', 'json']); "
        "sys.exit(str(sorted({'lbtrace.match', 'lbtrace.verdict'} & {*sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"
