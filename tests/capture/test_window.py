"""The window a capture covers, with times that are impossible beside the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace import pipeline
from lbtrace.capture.window import TimeSpan, window
from tests.capture.files import pcap
from tests.laws import examples

S, DAY, YEAR = 1_000_000_000, 86_400, 366 * 86_400
NOW = 1_700_000_000


def seen(*seconds: int) -> TimeSpan | None:
    return window(np.array(seconds, dtype=np.int64) * S)


BUSY = tuple(range(NOW, NOW + 100))


@pytest.mark.parametrize("wrong", [0, 761_195_582, NOW + 3 * DAY, NOW + 80 * YEAR, -9_000_000_000])
@pytest.mark.parametrize("place", [1, 50, 99])
def test_one_impossible_time_does_not_stretch_the_window(wrong: int, place: int) -> None:
    assert seen(*BUSY[:place], wrong, *BUSY[place:]) == TimeSpan(NOW * S, (NOW + 99) * S, (place,))


def test_a_clock_that_is_set_while_capturing() -> None:
    assert seen(3, 4, *BUSY) == TimeSpan(NOW * S, (NOW + 99) * S, (0, 1))


def test_one_of_few_records() -> None:
    assert seen(NOW, 761_195_582, NOW, NOW + 2) == TimeSpan(NOW * S, (NOW + 2) * S, (1,))
    assert seen(NOW, 761_195_582, NOW) == TimeSpan(761_195_582 * S, NOW * S)


def test_pauses_are_no_jumps() -> None:
    quiet = tuple(NOW + 3 * DAY * i for i in range(20))
    assert seen(*quiet) == TimeSpan(quiet[0] * S, quiet[-1] * S)
    assert seen(NOW - 3 * DAY, *BUSY, NOW + 9 * DAY) == TimeSpan(
        (NOW - 3 * DAY) * S, (NOW + 9 * DAY) * S
    )


def test_captures_put_together_from_older_ones() -> None:
    older = tuple(n - 2 * YEAR for n in BUSY)
    assert seen(*BUSY, *older) == TimeSpan(older[0] * S, BUSY[-1] * S)
    assert seen(*BUSY[:50], *older[:6], *BUSY[50:]) == TimeSpan(older[0] * S, BUSY[-1] * S)


def test_no_records() -> None:
    assert seen() is None


@examples(40)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=50))
def test_any_times_give_a_window_of_what_is_there(times: list[int]) -> None:
    found = window(np.array(times, dtype=np.int64))
    assert found is not None
    kept = [t for i, t in enumerate(times) if i not in found.impossible]
    assert (found.first_ns, found.last_ns) == (min(kept), max(kept))
    assert len(found.impossible) * 20 <= max(len(times), 20)


def test_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(
        pcap([((761_195_582 if i == 7 else NOW + i) * S, bytes(60)) for i in range(40)])
    )
    trace = pipeline.inspect([str(path)])
    assert (trace.first_ns, trace.last_ns) == (NOW * S, (NOW + 39) * S)
    assert (trace.files[0].first_ns, trace.files[0].last_ns) == (NOW * S, (NOW + 39) * S)
    [said] = [d for d in trace.diagnostics if d.slug == "time-jump"]
    assert (said.count, said.frame) == (1, 8)
    assert "1994-02-14" in said.text
