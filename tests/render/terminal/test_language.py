"""The page in Korean: the numbers of the English one, and no English where a text is translated."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from rich.cells import cell_len

from lbtrace.cli import run

NAMES = ("alb-like", "envoy", "haproxy", "nginx-race", "nginx-retried-post", "nlb-like-snat")
NUMBER = re.compile(r"#\d+|\d+\.\d+\.\d+\.\d+|\d{2}:\d{2}:\d{2}\.\d{3}|[A-Z]\d+ |--zoom \w+")


def page(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["demo", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", [[], ["-q"]])
def test_what_is_measured_is_the_same_in_both_languages(
    name: str, how: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    english, korean = (
        Counter(
            NUMBER.findall(
                " ".join(page(capsys, name, *how, "--lang", to, "--width", "400").split())
            )
        )
        for to in ("en", "ko")
    )
    assert english == korean


@pytest.mark.parametrize("name", NAMES)
def test_no_line_is_wider_than_the_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for line in page(capsys, name, "--lang", "ko", "--width", "80").splitlines():
        assert cell_len(line) <= 80 or "--zoom" in line, line


@pytest.mark.parametrize("name", ["alb-like", "nginx-race", "nlb-like"])
def test_the_first_screen_is_korean(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = page(capsys, name, "--lang", "ko")
    for english in ("requests", "client", "backend", "balancer", "The ", "confidence", "took"):
        assert english not in re.sub(r"X-\S+|lbtrace demo.*", "", text), english


def test_what_programs_read_is_english(capsys: pytest.CaptureFixture[str]) -> None:
    english, korean = (page(capsys, "--format", "json", "--lang", to) for to in ("en", "ko"))
    assert english == korean


def test_the_environment_asks_for_a_language(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    assert "문제 없음" in page(capsys, "direct")
    assert "No problems found" in page(capsys, "direct", "--lang", "en")
