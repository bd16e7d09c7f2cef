"""Ctrl-C ends lbtrace with 130, also while it is loaded."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from lbtrace import __main__


class Loaded(ModuleType):
    """A command line that writes down who answers Ctrl-C when it is loaded and when it runs."""

    def __init__(self) -> None:
        super().__init__("lbtrace.cli")
        self.seen: list[object] = []

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name != "main":
            raise AttributeError(name)
        self._note()
        return self._note

    def _note(self) -> None:
        self.seen.append(signal.getsignal(signal.SIGINT))


@pytest.fixture
def given() -> Iterator[None]:
    """Whoever answers Ctrl-C before answers it after."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize(
    ("before", "seen"),
    [
        (signal.default_int_handler, [signal.SIG_DFL, signal.default_int_handler]),
        (signal.SIG_IGN, [signal.SIG_IGN, signal.SIG_IGN]),  # started in the background
    ],
)
def test_ctrl_c_is_answered_at_any_moment(
    before: signal.Handlers, seen: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = Loaded()
    monkeypatch.setitem(sys.modules, "lbtrace.cli", loaded)
    signal.signal(signal.SIGINT, before)
    __main__.main()
    assert loaded.seen == seen


INTERRUPTS = """
import lbtrace.cli
from lbtrace.__main__ import main

def interrupted(*_given):
    raise KeyboardInterrupt

setattr(lbtrace.cli, "{place}", interrupted)
main()
"""


@pytest.mark.parametrize("place", ["_lenient_output", "tell_truncation", "_sane_size", "_leave"])
def test_ctrl_c_before_and_behind_a_command_is_no_traceback(place: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTS.format(place=place), "profiles"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "")
