"""Each command does what its help says; wrong use is exit 2."""

from __future__ import annotations

import json

import pytest

from lbtrace.cli import run
from lbtrace.cli.compare import parse_offset, sides
from lbtrace.cli.demo import sample_names, samples_folder
from lbtrace.errors import OptionError
from tests.cli.captures import SAMPLES
from tests.render.documents import check

CLIENT, BACKEND = (
    str(SAMPLES / "alb-like" / "client.pcap"),
    str(SAMPLES / "alb-like" / "backend.pcap"),
)


def test_compare_tells_the_founding_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", CLIENT, BACKEND]) == 0
    out = capsys.readouterr().out
    for told in ("L7 proxy", "172.31.42.119", "1.240.235.98", "1 : 4", "X-Amzn-Trace-Id"):
        assert told in out


def test_demo_is_compare_on_the_first_sample(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--format", "json"]) == 0
    demo = json.loads(capsys.readouterr().out)
    assert run(["compare", CLIENT, BACKEND, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == demo["verdict"]


def test_every_sample_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    names = sample_names(samples_folder())
    assert names[0] == "alb-like"
    for name in names:
        assert run(["demo", name, "--format", "json"]) == 0
        check(json.loads(capsys.readouterr().out))


def test_show_counts_syns_and_requests(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", CLIENT]) == 0
    assert "4 SYNs : 4 requests = 1 : 1" in capsys.readouterr().out


def test_profiles_lists_and_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profiles"]) == 0
    assert "aws-alb" in capsys.readouterr().out
    assert run(["profiles", "aws-alb"]) == 0
    assert "X-Amzn-Trace-Id" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["show"],
        ["compare"],
        ["compare", CLIENT],
        ["compare", "-", "-"],
        ["compare", CLIENT, BACKEND, "--clock-offset", "soon"],
        ["compare", CLIENT, BACKEND, "--format", "poem"],
        ["show", CLIENT, "--width", "3"],
        ["demo", "bogus"],
        ["profiles", "bogus"],
        ["lab", "bogus"],
        ["lab", "run"],
        ["show", "--bogus"],
        ["demo", "alb-like", "bogus"],
        ["compare", "--lb", CLIENT, "--lb-address", "bogus"],
        ["compare", CLIENT, BACKEND, "--lb-address", "192.0.2.1"],
        ["compare", "--lb", CLIENT, CLIENT],
    ],
)
def test_what_cannot_be_meant_is_one_line_and_exit_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lbtrace: ")
    assert err.count("\n") == 1


def test_the_list_of_samples_says_what_each_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--list"]) == 0
    listed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in listed] == sample_names(samples_folder())
    assert dict(listed)["varnish"] == "cache hits in Varnish"


def test_a_demo_names_its_sample_apart_from_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "direct"]) == 0
    out, err = capsys.readouterr()
    assert err == "Sample direct: no balancer at all\n"
    assert out.startswith(" No balancer in between")


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
    assert sides(("b1",), ("c1", "c2"), ()) == ([["c1", "c2"]], [["b1"]])
    assert sides(("c",), (), ("b1", "b2")) == ([["c"]], [["b1", "b2"]])
    assert sides((), ("c1",), ("b1", "b2")) == ([["c1"]], [["b1", "b2"]])
