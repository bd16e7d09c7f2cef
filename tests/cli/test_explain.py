"""`explain`: what a finding means."""

from __future__ import annotations

import pytest

from lbtrace.cli import run
from lbtrace.findings import registry, rooms


def test_without_a_slug_every_finding_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in lines if line.startswith("  ")) == [
        f.slug for f in registry()
    ]
    assert [line for line in lines if line and line[0] != " "] == [room.title for room in rooms()]


@pytest.mark.parametrize("slug", [f.slug for f in registry()])
def test_a_finding_says_what_to_do(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", slug]) == 0
    out = capsys.readouterr().out
    for part in ("Meaning. ", "Decided by. ", "Evidence. ", "Remedy. "):
        assert f"\n{part}" in out


def test_a_variant_says_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "redirects.loop"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("redirects.loop: Redirects and cookies\n")
    assert "Back to the URL that was asked for." in out
    assert "Variants" not in out


@pytest.mark.parametrize(
    ("slug", "near"),
    [
        ("redirect.lop", "redirects.loop"),
        ("eror", "errors"),
        ("MTU", "These speak of it: large-segments"),
        ("idle time-out", "keep-alive-race"),
        ("redirects.", ""),
        ("zzz", "lbtrace explain lists them"),
        ("\x1b[31m", "lists them"),
    ],
)
def test_an_unknown_slug_is_one_line_with_the_nearest(
    slug: str, near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["explain", slug])
    captured = capsys.readouterr()
    if not near:
        assert code == 0  # nothing stands behind the dot
        return
    assert (code, captured.out) == (2, "")
    assert near in captured.err
    assert captured.err.count("\n") == 1
    assert "\x1b" not in captured.err


@pytest.mark.parametrize(
    "word",
    [
        *("SYN", "slow reader", "buffering", "hairpin", "MTU", "idle time-out"),
        *(
            "session cookie",
            "another backend",
            "own address",
            "past the balancer",
            "half-closed client",
        ),
        *("redirect loop", "SNI", "TLS alert"),
    ],
)
def test_the_words_that_people_search_for_lead_to_findings(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", word]) == 2
    assert "These speak of it: " in capsys.readouterr().err
