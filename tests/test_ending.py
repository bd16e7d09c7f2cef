"""Being told to end is an exception, while somebody has to clean up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from lbtrace.ending import Ended, told_to_end

BOTH = (signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in BOTH}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", BOTH)
def test_it_raises_and_what_was_before_is_restored(number: signal.Signals) -> None:
    heard: list[int] = []
    signal.signal(number, lambda heard_of, _frame: heard.append(heard_of))
    with pytest.raises(Ended), told_to_end():
        signal.raise_signal(number)
    signal.raise_signal(number)
    assert heard == [number]


def test_under_nohup_the_end_of_the_terminal_is_none() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with told_to_end():
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_in_another_thread_nothing_is_changed() -> None:
    before = {number: signal.getsignal(number) for number in BOTH}
    during: list[dict[signal.Signals, object]] = []

    def work() -> None:
        with told_to_end():
            during.append({number: signal.getsignal(number) for number in BOTH})

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert during == [before]
