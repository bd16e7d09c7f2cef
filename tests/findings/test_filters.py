"""The display filters can be pasted: Wireshark's own dissector accepts them and finds just these
frames.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lbtrace.comparison import frame_filter
from lbtrace.model.net import FrameRef, Side
from tests.findings.simulated import ALB, four


def test_a_filter_names_each_frame_once() -> None:
    frames = [FrameRef(Side.CLIENT, 0, 0, n, 0) for n in (9, 4, 9)]
    assert frame_filter(frames) == "frame.number in {4, 9}"
    assert frame_filter(frames[:1]) == "frame.number == 9"
    assert frame_filter([]) == ""


@pytest.mark.tshark
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("numbers", [(3,), (1, 4, 6)])
def test_tshark_finds_these_frames(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    recorded = four(ALB).run(pcaps=True)
    path = tmp_path / "client.pcap"
    path.write_bytes(recorded.client_pcaps[0])
    text = frame_filter([FrameRef(Side.CLIENT, 0, 0, n, 0) for n in numbers])
    command = ["tshark", "-r", str(path), "-Y", text, "-T", "fields", "-e", "frame.number"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert found == [str(n) for n in numbers]
