"""Frames of a capture go to shards: each flow to one, if nothing joins the flows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from lbtrace import capture, decode
from lbtrace.decode.shards import divisible, shard_of_frames
from lbtrace.options import quiet
from lbtrace.tables.packets import SegmentTable

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def segments_of(path: Path) -> tuple[SegmentTable, int]:
    recording = capture.read([str(path)], quiet)
    return decode.segments(recording, quiet, copies=True), len(recording.records)


def test_all_frames_of_a_flow_are_in_one_shard() -> None:
    table, frames = segments_of(SAMPLES / "alb-like/backend.pcap")
    of = shard_of_frames(table, frames, 5)
    assert len(of) == frames
    shards = [set(of[table.frame[table.flow == flow] - 1].tolist()) for flow in set(table.flow)]
    assert {len(found) for found in shards} == {1}
    assert len(set.union(*shards)) > 1


def test_frames_that_are_no_segment_are_in_the_first() -> None:
    table, frames = segments_of(SAMPLES / "alb-like/backend.pcap")
    of = shard_of_frames(table, frames + 3, 5)
    assert of[-3:].tolist() == [0, 0, 0]


def test_a_capture_in_order_of_time_is_divisible() -> None:
    table, _ = segments_of(SAMPLES / "alb-like/backend.pcap")
    assert divisible(table)
    back = np.array(table.time_ns)
    back[-1] -= 2_000_000_000
    late = table.with_columns(time_ns=back)
    assert divisible(late) == bool((np.diff(back) >= -1_000_000_000).all())
    assert not divisible(late)


def test_fragments_join_flows() -> None:
    table, _ = segments_of(SAMPLES / "alb-like/backend.pcap")
    counts = replace(table.counts, skipped=(("ip-fragment", 1),))
    assert not divisible(table.with_columns(counts=counts))
