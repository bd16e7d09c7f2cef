"""The progress bar: only for people, only when it takes long, gone when it is done."""

from __future__ import annotations

import io

import pytest

from lbtrace.cli import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, *seconds: float) -> str:
    clock = iter([0.0, *seconds])
    monkeypatch.setattr("lbtrace.cli.progress.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("lbtrace.cli.progress.sys.stderr", stream)
    with progress.ProgressBar() as bar:
        for number in range(len(seconds)):
            bar("reading \x1b[2Jcapture.pcap", (number + 1) / len(seconds))
    return stream.getvalue()


def test_quick_work_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, Terminal(), 0.2, 0.9) == ""


def test_a_pipe_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, io.StringIO(), 2, 3) == ""


def test_long_work_draws_and_cleans_up(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(monkeypatch, Terminal(), 1.5, 1.55, 2)
    assert text.count("[") == 2 + text.count("[2J")
    assert "############" in text
    assert "\x1b" not in text
    assert text.endswith(" \r")
