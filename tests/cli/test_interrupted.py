"""Ctrl-C ends lbtrace with 130, also while it is loaded."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from lbtrace import __main__
from lbtrace.cli.interrupted import is_interrupt
from tests.golden import SAMPLES


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
        (signal.default_int_handler, [__main__._end, signal.default_int_handler]),
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


SAID = "lbtrace: interrupted.\n"


def ended(program: str, *words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("place", ["_lenient_output", "tell_truncation", "_sane_size", "_leave"])
def test_ctrl_c_before_and_behind_a_command_is_no_traceback(place: str) -> None:
    code, _, said = ended(INTERRUPTS.format(place=place), "profiles")
    assert (code, said) == (130, SAID)


LOADS = """
import signal, sys

class Asked:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "{module}":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Asked)
from lbtrace.__main__ import main
main()
"""
LATE = ("numpy", "lbtrace.findings", "lbtrace.verdict", "lbtrace.render.terminal")


@pytest.mark.parametrize("module", ["lbtrace.cli", "click", "ctypes", "lbtrace.cli.compare", *LATE])
def test_ctrl_c_while_a_module_is_loaded_is_one_line(module: str) -> None:
    sample = SAMPLES / "nginx-race"
    words = ("compare", str(sample / "client.pcap"), str(sample / "backend.pcap"))
    assert ended(LOADS.format(module=module), *words) == (130, "", SAID)


MEETS = """
import signal
import lbtrace.cli
from lbtrace.__main__ import main

class Named:
    def __set_name__(self, owner, name):
        signal.raise_signal(signal.SIGINT)

class Dies:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def in_a_class_body():
    class Owner:
        name = Named()

def in_a_finalizer():
    import time
    one = Dies()
    del one
    time.sleep(60)

lbtrace.cli._sane_size = lambda: None
lbtrace.cli.Commands.get_command = lambda *_given: {place}()
main()
"""


@pytest.mark.parametrize("place", ["in_a_class_body", "in_a_finalizer"])
def test_ctrl_c_that_python_hides_is_heard(place: str) -> None:
    assert ended(MEETS.format(place=place), "profiles") == (130, "", SAID)


def test_a_bug_is_no_ctrl_c() -> None:
    assert is_interrupt(KeyboardInterrupt())
    assert not is_interrupt(ValueError())
