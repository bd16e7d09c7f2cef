"""The options that choose which exchanges are listed."""

from __future__ import annotations

import re

import pytest

from lbtrace.cli import run
from lbtrace.model.selection import At, Moment, Statuses
from tests.cli.captures import SAMPLES

S = 1_000_000_000
BACKEND = str(SAMPLES / "alb-like" / "backend.pcap")


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The numbers in the list of exchanges."""
    assert run(list(arguments)) == 0
    text = re.split(r"^(?:HTTP e|E)xchanges", capsys.readouterr().out, maxsplit=1, flags=re.M)[-1]
    return re.findall(r"^ +(u?\d+)  ", text.partition("\n\n")[0], re.M)


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (["--status", "5xx"], ["2"]),
        (["--status", "504,404"], ["2"]),
        (["--status", "504", "--status", "2XX"], ["2", "1", "3"]),
        (["--status", "4xx"], []),
        (["--method", "get", "--path", "/divide/*"], ["1", "3"]),
        (["--since", "18:21:06"], ["3"]),
        (["--until", "18:21:05"], ["2", "1"]),
        (["--since", "2026-11-22T18:21:05.230", "--until", "18:21:05.3"], ["2"]),
        (["--tz", "Asia/Seoul", "--since", "03:21:06"], ["3"]),
        (["--tz", "Asia/Seoul", "--since", "2026-11-22T18:21:06Z"], ["3"]),
        (["--from", "192.168.0.5"], ["2", "1", "3"]),
        (["--to", "172.31.11.95:8080", "--problems"], ["2"]),
        (["--problems", "-v"], ["2"]),
    ],
)
def test_what_is_asked_for_is_listed(
    options: list[str], numbers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert listed(capsys, "demo", "nginx-timeout", *options) == numbers


def test_it_says_how_many_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "nginx-timeout", "--status", "5xx"]) == 0
    out = capsys.readouterr().out
    assert "Exchanges   1 of 1, problems first, 2 hidden by what you asked for\n" in out
    assert "1 problem in 3 requests" in out
    assert run(["demo", "--status", "5xx"]) == 0
    assert "Exchanges   none of 7 is what you asked for\n" in capsys.readouterr().out


def test_one_capture(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys, "show", BACKEND, "--path", "/health") == ["1", "5", "7"]
    assert run(["show", BACKEND, "--path", "/health"]) == 0
    assert "HTTP exchanges   3 of 3, 4 hidden by what you asked for\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--status", "6"], "no status"),
        (["--status", "5xx,"], "no status"),
        (["--status", "0xx"], "no status"),  # 0 is no answer, which is called "none"
        (["--status", "000"], "no status"),
        (["--from", "192.0.2.1:"], "not an address"),
        (["--from", "192.0.2.1:0000080"], "not an address"),
        (["--to", "[2001:db8::1]80"], "not an address"),
        (["--to", "[2001:db8::1"], "not an address"),
        (["--to", "[192.0.2.1:80"], "not an address"),
        (["--to", ""], "not an address"),
        (["--from", "example.com"], "not an address"),
        (["--from", "192.0.2.1:http"], "not an address"),
        (["--to", "[2001:db8::1]:99999"], "not an address"),
        (["--since", "25:00"], "not a time"),
        (["--until", "soon"], "not a time"),
        (["--problems", "--format", "json"], "is for people"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert told in err


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("192.0.2.1", At("192.0.2.1", None)),
        ("192.0.2.1:80", At("192.0.2.1", 80)),
        ("2001:DB8:0::1", At("2001:db8::1", None)),
        ("[2001:db8::1]:80", At("2001:db8::1", 80)),
        ("[2001:db8::1]", At("2001:db8::1", None)),
        ("::1", At("::1", None)),
        ("1::2", At("1::2", None)),
    ],
)
def test_an_address_with_or_without_a_port(text: str, at: At) -> None:
    from lbtrace.cli.selecting import endpoint

    assert endpoint("--from", text) == at


def test_a_time_stands_for_its_whole_second() -> None:
    from datetime import UTC

    from lbtrace.cli.selecting import moment, statuses

    assert moment("--since", "07:21", UTC, rounded_up=False) == Moment(26_460 * S, True)
    assert moment("--until", "07:21:10", UTC, rounded_up=True) == Moment(26_471 * S - 1, True)
    assert moment("--until", "07:21:10.5", UTC, rounded_up=True) == Moment(26_470_500_000_000, True)
    assert moment("--until", "1970-01-02T00:00:00", UTC, True) == Moment(86_401 * S - 1, False)
    assert statuses("none, 502,4xx") == [Statuses(0, 0), Statuses(502, 502), Statuses(400, 499)]
