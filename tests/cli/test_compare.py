"""`compare`: which captures and times are meant, and `--lb`, one capture that holds both sides."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.cli import run
from lbtrace.cli.compare import CapturesGiven, command, repeated, sides
from lbtrace.errors import OptionError
from lbtrace.model.net import Side
from lbtrace.options import check_lb, parse_offset, quiet
from lbtrace.points import points_of
from tests.cli.captures import HTTP_TURN, SAMPLES, conversation, pcap

CLIENT, BACKEND = (str(SAMPLES / "alb-like" / f"{side}.pcap") for side in ("client", "backend"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lb", CLIENT], "nothing in it tells the two sides of a balancer apart"),
        (["--lb", CLIENT, CLIENT], "give no other captures"),
        (["--lb", "-", "--lb", "-"], "can be only one of the captures"),
        (["-", "-"], "can be only one of the captures"),
        (["--lb-address", "10.0.0.1", CLIENT, CLIENT], "--lb-address needs --lb"),
        (["--lb-port", "80", CLIENT, CLIENT], "--lb-port needs --lb"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_the_files_of_one_capture_on_the_balancer_are_read_as_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend = str(SAMPLES / "alb-like" / "backend.pcap")
    assert run(["compare", "--lb", CLIENT, "--lb", backend, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"]["kind"] == "l7-proxy"
    assert [told["counts"][side]["syns"] for side in ("client", "backend")] == [4, 1]


def test_a_port_that_changed_is_no_direct_server_return(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same packets, but for the client's port: something rewrote it, so the way between is not
    untouched.
    """
    for name, port in (("front.pcap", 4000), ("back.pcap", 4001)):
        (tmp_path / name).write_bytes(
            pcap(*conversation(("10.0.0.1", port), ("10.0.0.2", 80), HTTP_TURN, isn=7_654_321))
        )
    assert (
        run(
            [
                "compare",
                str(tmp_path / "front.pcap"),
                str(tmp_path / "back.pcap"),
                "--format",
                "json",
            ]
        )
        == 0
    )
    verdict = json.loads(capsys.readouterr().out)["verdict"]
    assert verdict["kind"] == "l4-passthrough"
    assert verdict["modifiers"] == []


def test_compare_tells_the_founding_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", CLIENT, BACKEND]) == 0
    out = capsys.readouterr().out
    for told in ("L7 proxy", "172.31.42.119", "1.240.235.98", "1 : 4", "X-Amzn-Trace-Id"):
        assert told in out


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("37.5s", 37_500_000_000),
        ("-250ms", -250_000_000),
        ("1h", 3_600_000_000_000),
        ("+3", 3_000_000_000),
        ("0.000000001s", 1),
        ("2 µs", 2000),
    ],
)
def test_clock_offsets_are_exact(text: str, ns: int) -> None:
    assert parse_offset(text) == ns


@pytest.mark.parametrize("text", ["", "s", "1.s", "1.2.3", "5 parsecs", "1e3"])
def test_clock_offsets_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match="not a time"):
        parse_offset(text)


def test_sides() -> None:
    assert sides(("c", "b1", "b2"), (), ()) == ([["c"]], [["b1"], ["b2"]])
    assert sides((), ("c1", "c2"), ("b1",)) == ([["c1", "c2"]], [["b1"]])
    assert sides((), ("c1",), ("b1", "b2")) == ([["c1"]], [["b1", "b2"]])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--client a b --backend c d", "--client a --client b --backend c --backend d"),
        ("--client a --width 80 b", "--client a --width 80 b"),
        ("--backend - --client -x", "--backend - --client -x"),
        ("a b", "a b"),
        ("--client a -v", "--client a -v"),
        ("--client=a b --backend=c d", "--client=a --client b --backend=c --backend d"),
    ],
)
def test_files_behind_a_side_are_of_that_side(typed: str, meant: str) -> None:
    assert repeated(typed.split()) == meant.split()


@given(st.integers(-(10**18), 10**18))
def test_any_offset_is_read_exactly(ns: int) -> None:
    sign, size = "-" if ns < 0 else "", abs(ns)
    assert parse_offset(f"{ns}ns") == ns
    assert parse_offset(f"{sign}{size // 10**9}.{size % 10**9:09d} s") == ns
    assert parse_offset(f"{sign}{size // 10**6}.{size % 10**6:06d}MS") == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1us", 10**3),
        ("1m", 60 * 10**9),
        ("1min", 60 * 10**9),
        ("1", 10**9),
        ("1.5h", 5400 * 10**9),
    ],
)
def test_every_unit_of_time(text: str, ns: int) -> None:
    assert parse_offset(text) == ns


paths = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3).map(tuple)


@given(paths, paths, paths)
def test_every_file_is_on_one_side(
    captures: tuple[str, ...], clients: tuple[str, ...], backends: tuple[str, ...]
) -> None:
    if captures and (clients or backends):
        with pytest.raises(OptionError, match="of which side"):
            sides(captures, clients, backends)
        return
    first = () if clients else captures[:1]
    of_client, of_backend = (*clients, *first), (*backends, *captures[len(first) :])
    if not of_client or not of_backend:
        with pytest.raises(OptionError, match="needs a"):
            sides(captures, clients, backends)
        return
    client, backend = sides(captures, clients, backends)
    assert client == [list(of_client)]
    assert [path for files in backend for path in files] == list(of_backend)
    assert all(backend)


def test_standard_input_is_one_of_the_captures() -> None:
    assert sides(("-", "b"), (), ()) == ([["-"]], [["b"]])
    with pytest.raises(OptionError, match="only one"):
        sides(("-", "-"), (), ())
    assert points_of([["-", "b"]], Side.BACKEND, quiet) == [["-", "b"]]


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_address_of_the_balancer_goes_with_its_capture(address: str) -> None:
    check_lb(["both.pcap"], [address], [])
    with pytest.raises(OptionError, match="needs --lb"):
        check_lb([], [address], ["a", "b"])
    for wrong in ("192.0.2.1:80", "", "localhost"):
        with pytest.raises(OptionError, match="not an IP address"):
            check_lb(["both.pcap"], [address, wrong], [])


def understood(words: list[str]) -> CapturesGiven:
    """The captures that `compare` takes from these words."""
    told = command.make_context("compare", words).params
    return CapturesGiven(**{f.name: told[f.name] for f in fields(CapturesGiven)})


@pytest.mark.parametrize(
    "words",
    [
        ["a.pcap", "b.pcap", "c.pcap"],
        ["--client", "a.pcap", "b.pcap", "--backend", "c.pcap", "--clock-offset", "-250ms"],
        ["--lb", "a.pcap", "--lb", "b.pcap", "--lb-address", "10.0.0.1", "--lb-port", "80"],
        ["a.pcap", "b.pcap", "--keylog", "one.keys", "--keylog", "two.keys"],
    ],
)
def test_the_words_that_give_the_same_again_do(words: list[str]) -> None:
    assert understood(understood(words).typed) == understood(words)
