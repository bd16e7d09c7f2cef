"""Short labels of frames."""

from __future__ import annotations

import dataclasses
import re

from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import (
    Ref,
)
from lbtrace.render.terminal.labels import Labels
from tests.render import founding
from tests.render.documents import page

replace = dataclasses.replace


def test_several_points_and_files_are_told_apart() -> None:
    report = founding.report()
    second = replace(
        founding.backend_trace(),
        point=1,
        files=(founding.file("b.pcap", 15), founding.file("c.pcap", 9, first_frame=16)),
    )
    text = page(replace(report, backends=(report.backends[0], second)))
    assert "#14 ↔ B1 #16" in text
    assert re.search(r"B2\.2 +c\.pcap", text)


def labels(files: int, points: int = 1) -> Labels:
    captures = tuple(founding.file(f"{n}.pcap", 10, 1 + 10 * n) for n in range(files))
    traces = [replace(founding.backend_trace(), files=captures, point=p) for p in range(points)]
    return Labels([founding.client_trace()], traces)


def test_a_frame_names_its_capture_only_when_there_are_several() -> None:
    frame = FrameRef(Side.BACKEND, 0, 0, 4, 0)
    assert labels(1).frame(frame) == "#4"
    assert labels(1, points=2).frame(frame) == "B1 #4"
    assert labels(2).frame(frame) == "B1.1 #4"
    assert labels(2).frame_of(Side.BACKEND, 0, 14) == "B1.2 #4"
    assert labels(2).frame(FrameRef(Side.CLIENT, 0, 0, 4, 0)) == "#4"


def test_frames_are_named_once_and_the_rest_are_counted() -> None:
    client = [FrameRef(Side.CLIENT, 0, 0, n, 0) for n in (1, 2, 2, 3)]
    backend = [FrameRef(Side.BACKEND, 0, 0, 9, 0)]
    assert labels(1).frames([*backend, *client]) == "client #1 #2 #3 ↔ backend #9"
    assert labels(1).frames(client, most=2) == "client #1 #2 +1 more"
    assert labels(1).frames(client, most=3) == "client #1 #2 #3"
    assert labels(1).frames([]) == ""


def test_an_exchange_has_the_label_of_its_first_frame() -> None:
    assert labels(1).begin(Side.CLIENT, Ref(0, 1)) == "#14"
    assert labels(1).connection(Side.CLIENT, Ref(0, 1)).id == 1
