"""The progress bar: only for people, only when it takes long, gone when it is done."""

from __future__ import annotations

import io
import os
import re
import threading
import time

import pytest

from lbtrace import side_by_side
from lbtrace.cli import progress
from lbtrace.options import UNKNOWN, Options, Progress
from lbtrace.pipeline import compare, show
from tests.cli.captures import SAMPLES

WHAT = "reading \x1b[2Jcapture.pcap"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that stands still between two drawings."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("lbtrace.cli.progress.time.monotonic", made)
    return made


def drawn(
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    stream: io.StringIO,
    *seconds: float,
    fraction: float | None = None,
) -> str:
    """What is drawn at these times."""
    monkeypatch.setattr("lbtrace.cli.progress.sys.stderr", stream)
    monkeypatch.setattr("lbtrace.cli.progress._EVERY_S", 10.0)  # the thread never comes first
    bar = progress.ProgressBar()
    with bar:
        for number, now in enumerate(seconds):
            bar(WHAT, (number + 1) / len(seconds) if fraction is None else fraction)
            clock.now = now
            if stream.isatty():
                bar.draw()
    return stream.getvalue()


def test_quick_work_draws_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(clock, monkeypatch, Terminal(), 0.2, 0.9) == ""


def test_a_pipe_gets_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(clock, monkeypatch, io.StringIO(), 2, 3) == ""


def test_long_work_draws_and_cleans_up(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(clock, monkeypatch, Terminal(), 0.5, 1.5, 2)
    assert text.count("[") == 2 + text.count("[2J")
    assert "############" in text
    assert "\x1b" not in text
    assert text.endswith(" \r")


def test_what_is_not_known_moves_to_and_fro(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(clock, monkeypatch, Terminal(), *range(2, 60), fraction=UNKNOWN)
    bars = re.findall(r" \[([#.]+)\]", text)
    assert {bar.count("#") for bar in bars} == {progress._BLOCK}
    assert all(len(bar) == progress._WIDTH for bar in bars)
    assert len(set(bars)) > 5


def test_it_moves_while_a_step_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("lbtrace.cli.progress.sys.stderr", stream)
    monkeypatch.setattr("lbtrace.cli.progress._PATIENCE_S", 0.0)
    monkeypatch.setattr("lbtrace.cli.progress._EVERY_S", 0.001)
    with progress.ProgressBar() as bar:
        bar("pairing", UNKNOWN)
        while stream.getvalue().count("\r") < 3:  # a step that says nothing
            time.sleep(0.001)
    assert stream.getvalue().startswith("\rpairing ")


def stages(run: object) -> list[str]:
    """What a run says it does, each once, in order."""
    said: list[str] = []
    assert callable(run)
    run(lambda what, _fraction: said.append(what))
    return list(dict.fromkeys(said))


def test_every_stage_has_a_bar_of_its_own() -> None:
    sides = [[str(SAMPLES / "nginx-race" / f"{side}.pcap")] for side in ("client", "backend")]
    told = stages(lambda tell: compare([sides[0]], [sides[1]], Options(), tell))
    assert told == [
        "decoding",
        "following connections",
        "reading HTTP",
        "pairing",
        "explaining",
        "looking for problems",
        "judging the balancer",
    ]
    told = stages(lambda tell: show([sides[0]], Options(), tell))
    assert told == ["decoding", "following connections", "reading HTTP", "looking for problems"]


@pytest.mark.parametrize("drawing", [False, True])
def test_processes_work_side_by_side_at_a_terminal_too(
    drawing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process with threads is not forked: the bar's comes later, or ends for the time."""
    monkeypatch.setattr("lbtrace.cli.progress.sys.stderr", Terminal())

    def work(k: int, progress: Progress) -> int:
        progress(WHAT, 0.5)
        return os.getpid()

    with progress.ProgressBar() as bar:
        if drawing:
            bar(WHAT, 0.1)
        assert threading.active_count() == 1 + drawing
        first, other = side_by_side.results(work, [side_by_side.WORTH] * 2, 2, bar)
        assert {first, other} > {os.getpid()}
        assert threading.active_count() == 2
    assert threading.active_count() == 1
