"""Twice as many exchanges cost twice as many calls: what Python does for each of them does not grow
with how many there are.

Calls are counted, those of C functions too, so the answer does not depend on the machine. What one
call does is not counted: a pass of numpy over a column is one call, however long the column is.
"""

from __future__ import annotations

import gc
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from io import StringIO
from pathlib import Path
from types import FrameType

import pytest

from lbtrace import pipeline
from lbtrace.correlate import correlate
from lbtrace.model.net import Endpoint
from lbtrace.options import DEFAULT
from lbtrace.render import View, get_format
from tests.bench import generate
from tests.bench.generate import write, write_pair
from tests.http.h2.wire import (
    DATA,
    END_HEADERS,
    HEADERS,
    PREFACE,
    SETTINGS,
    WINDOW,
    End,
    frame,
)
from tests.http.streams import Talk, get, hear, ok
from tests.simulator import Balancer, Simulation

SLACK = 1.15  # a sort, and tables that grow by doubling
FEW = 1600  # exchanges


@pytest.fixture(autouse=True)
def _few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs of as few exchanges as FEW."""
    monkeypatch.setattr(generate, "_BATCH", 16)


def calls(work: Callable[[], object]) -> int:
    """How many functions are called."""
    count = 0

    def counted(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()  # what is cleared away is called, too
    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def per_exchange(small: int, large: int, times: int = 2) -> float:
    """How much more each exchange costs in `times` as many."""
    return large / (times * small)


def compared(folder: Path, pair: str, exchanges: int) -> None:
    front, back = folder / f"{pair}-{exchanges}-c.pcap", folder / f"{pair}-{exchanges}-b.pcap"
    if not front.exists():
        write_pair(front, back, pair, exchanges)
    report = pipeline.compare([[str(front)]], [[str(back)]])
    get_format("json").write_report(report, StringIO(), View(width=100))


@pytest.mark.parametrize("pair", ["strangers", "names"])
def test_compare(pair: str, tmp_path: Path) -> None:
    """Nothing has a partner; each request has a field with a name of its own."""
    compared(tmp_path, pair, FEW)  # what is read and remembered once
    few, many = (calls(partial(compared, tmp_path, pair, n)) for n in (FEW, 2 * FEW))
    assert per_exchange(few, many) < SLACK


@pytest.mark.parametrize("kind", ["lossy"])
def test_show(kind: str, tmp_path: Path) -> None:
    def shown(packets: int) -> None:
        report = pipeline.show([[str(tmp_path / f"{packets}.pcap")]])
        for name in ("json", "terminal"):
            get_format(name).write_trace(report, StringIO(), View(width=100))

    sizes = 5_000, 10_000
    for packets in sizes:
        write(tmp_path / f"{packets}.pcap", kind, packets)
    shown(sizes[0])
    few, many = (calls(partial(shown, packets)) for packets in sizes)
    assert per_exchange(few, many) < SLACK


def test_twenty_backends() -> None:
    def pairs(exchanges: int) -> int:
        backends = [Endpoint(f"172.31.11.{95 + i}", 8080) for i in range(20)]
        added = Balancer(add=[("X-Forwarded-For", "{client}")])
        simulation = Simulation(
            seed=1, balancer=added, backends=backends, separate_points=True, fresh_answers=True
        )
        client = simulation.client("192.168.0.5", "198.51.100.1")
        for i in range(exchanges):
            client.asks("GET", f"/x/{i}", connection=f"k{i % 64}", think_ms=3)
        recorded = simulation.run()
        return calls(lambda: correlate(recorded.clients, recorded.backends, DEFAULT))

    pairs(200)
    assert per_exchange(pairs(200), pairs(400)) < SLACK


def test_a_connection_that_lost_every_other_request() -> None:
    def heard(requests: int) -> int:
        talk = Talk()
        for i in range(requests):
            talk.client(get(f"/{i:04}"), lost=i % 2 == 0).server(ok(b"x"))
        talk.fin()
        return calls(lambda: hear(talk))

    heard(50)
    assert per_exchange(heard(200), heard(400)) < SLACK


def test_streams_that_wait_while_windows_change() -> None:
    """Each stream used up its window; then it gets a byte, and the settings change as often."""

    def heard(streams: int) -> int:
        end, talk = End(), Talk()
        numbers = range(1, 2 * streams, 2)
        asked = b"".join(end.ask(n, "/") for n in numbers)
        talk.client(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1)) + asked)
        end = End()
        head = end.block((":status", "200"))
        answers = (frame(HEADERS, END_HEADERS, n, head) + frame(DATA, 0, n, b"x") for n in numbers)
        talk.server(frame(SETTINGS, 0, 0) + b"".join(answers))
        for n in numbers:
            sizes = struct.pack(">HIHI", 4, 0, 4, 1)
            talk.client(frame(WINDOW, 0, n, struct.pack(">I", 1)) + frame(SETTINGS, 0, 0, sizes))
        return calls(lambda: hear(talk))

    heard(100)
    assert per_exchange(heard(200), heard(400)) < SLACK


def test_showing_a_capture_does_not_load_masked_arrays(tmp_path: Path) -> None:
    """numpy loads them, in a sixth of the time of its own start, for some functions that `among`
    and `distinct` take the place of. numpy 1.26 always loads them.
    """
    write(tmp_path / "a.pcap", "lossy", 2000)
    code = (
        "import io, sys, numpy; own = 'numpy.ma' in sys.modules;"
        "from lbtrace import pipeline; from lbtrace.render import View, get_format;"
        "shown = pipeline.show([[sys.argv[1]]]);"
        "get_format('json').write_trace(shown, io.StringIO(), View());"
        "print('numpy.ma' in sys.modules and not own)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.pcap")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
