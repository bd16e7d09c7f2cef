"""Work that several processes do side by side: the results, the order and the errors are those of
working one by one.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from random import Random

import numpy as np
import pytest

from lbtrace import pipeline, side_by_side
from lbtrace.errors import InputError
from lbtrace.options import Options, Progress, quiet
from lbtrace.render import View, get_format
from lbtrace.render.json import row_files, rows
from lbtrace.side_by_side import WORTH, results
from tests.bench.generate import write
from tests.golden import SAMPLES

pytestmark = pytest.mark.skipif(
    not hasattr(os, "memfd_create"), reason="only Linux has files in memory that processes share"
)
PARENT = os.getpid()


def test_each_result_stands_where_it_stands_one_by_one() -> None:
    sizes = [3 * WORTH, WORTH, 5 * WORTH, 4 * WORTH, 1, 0, WORTH]
    found = results(lambda k, _: (k, os.getpid()), sizes, 3, quiet)
    assert [k for k, _ in found] == list(range(len(sizes)))
    assert len({pid for _, pid in found}) == 3
    assert {found[k][1] for k in (4, 5)} == {PARENT}  # not worth a process


def test_no_more_processes_than_pieces() -> None:
    found = results(lambda _k, _: os.getpid(), [WORTH] * 3, 10**20, quiet)
    assert len(set(found)) == 3
    assert results(lambda _k, _: os.getpid(), [], 10**20, quiet) == []


def test_one_job_is_one_process() -> None:
    assert results(lambda k, _: os.getpid(), [WORTH] * 3, 1, quiet) == [PARENT] * 3


def test_arrays_come_back_as_they_are_and_may_be_changed() -> None:
    made = [np.arange(5), np.array([b"ab", b"c"]), np.zeros((0, 3), "u1"), np.ones((2, 3)).T]
    views = np.arange(3).data, memoryview(b"abc")
    found = results(lambda k, _: (os.getpid(), made, views), [WORTH, WORTH], 2, quiet)
    assert len({pid for pid, *_ in found}) == 2
    for _, arrays, seen in found:
        assert [view.tolist() for view in seen] == [[0, 1, 2], [97, 98, 99]]
        for one, other in zip(arrays, made, strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert one.tolist() == other.tolist()
        arrays[0][0] = 7
        made[0][0] = 0


def test_the_error_is_the_first_one_of_working_one_by_one() -> None:
    def work(k: int, _: Progress) -> int:
        if k:
            raise InputError("no-capture", f"capture {k}")
        return k

    for sizes in ([WORTH, 2 * WORTH, 3 * WORTH], [3 * WORTH, 2 * WORTH, WORTH]):
        with pytest.raises(InputError, match="capture 1"):
            results(work, sizes, 3, quiet)


def test_a_process_that_ends_too_early_is_not_missed() -> None:
    def work(k: int, _: Progress) -> int:
        if os.getpid() != PARENT:
            os.kill(os.getpid(), signal.SIGKILL)
        return k

    assert results(work, [WORTH] * 4, 3, quiet) == [0, 1, 2, 3]


def children() -> set[str]:
    """The processes that this one has started and not yet waited for."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_no_process_is_left_behind() -> None:
    def work(k: int, _: Progress) -> int:
        if os.getpid() == PARENT:
            raise KeyboardInterrupt
        signal.pause()
        return k

    before = children()
    with pytest.raises(KeyboardInterrupt):
        results(work, [WORTH] * 2, 2, quiet)
    assert children() <= before


def test_what_the_others_say_of_their_progress_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(side_by_side, "_TELL_S", -1)
    told: list[tuple[str, float]] = []

    def work(k: int, progress: Progress) -> int:
        progress(f"reading {k}\n한 " + "x" * 9999 * k, 0.25)
        return k

    results(work, [2 * WORTH, WORTH], 2, lambda what, fraction: told.append((what, fraction)))
    assert [(what[:12], fraction) for what, fraction in told] == [
        ("reading 0\n한 ", 0.25),
        ("reading 1 한 ", 0.25),
    ]


def test_beside_a_thread_no_process_is_forked() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert results(lambda k, _: os.getpid(), [WORTH] * 2, 2, quiet) == [PARENT] * 2
    finally:
        done.set()
        thread.join()


def document(files: list[str], jobs: int) -> str:
    out = StringIO()
    found = pipeline.show([files], Options(jobs=jobs))
    get_format("json").write_trace(found, out, View(jobs=jobs))
    return out.getvalue()


@pytest.mark.parametrize("sample", sorted(p.name for p in SAMPLES.iterdir() if p.is_dir()))
def test_a_capture_read_in_shards_gives_the_same_document(
    sample: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "WORTH", 0)
    monkeypatch.setattr(row_files, "WORTH", 0)
    for capture in sorted(SAMPLES.glob(f"{sample}/*.pcap*")):
        assert document([str(capture)], 3) == document([str(capture)], 1)


@pytest.mark.parametrize("kind", ["lossy", "short"])
def test_a_damaged_capture_read_in_shards_gives_the_same_document(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "WORTH", 1)
    monkeypatch.setattr(row_files, "WORTH", 1)
    monkeypatch.setattr(rows, "are_cheap", lambda _trace: False)  # none is made by the core alone
    whole = tmp_path / "whole.pcap"
    write(whole, kind, 4000)
    data = whole.read_bytes()
    random = Random(kind)
    damaged = bytearray(data)
    for _ in range(300):
        damaged[random.randrange(1000, len(data))] = random.randrange(256)
    for name, content in (("flipped", damaged), ("cut", data[: len(data) * 2 // 3])):
        path = tmp_path / name
        path.write_bytes(content)
        alone = document([str(path)], 1)
        forked: list[int] = []
        fork = os.fork

        def counted(fork: Callable[[], int] = fork, forked: list[int] = forked) -> int:
            forked.append(0)
            return fork()

        with monkeypatch.context() as patched:
            patched.setattr(os, "fork", counted)
            assert document([str(path)], 2) == alone
        assert forked == [0, 0]  # one to read, one to write
