"""Pieces of payload → how often each stream had paused, by frame.

    frame     4    5    6         9
    payload   ▇▇   ▇▇   ▇▇  0.5 s ▇▇     pauses[4] = pauses[5] = pauses[6] = 0, pauses[9] = 1

A message that begins in frame a and ends in frame b, on one stream, came in 1 + pauses[b] −
pauses[a] parts. The number belongs to a frame, so it stays right when a capture is divided into
sides.
"""

from __future__ import annotations

import numpy as np

from lbtrace.tables.pace import PAUSE_NS
from lbtrace.tables.packets import Column, StreamTable


def pauses(streams: StreamTable, of_others: Column | None = None) -> Column:
    """Per frame, up to the last one with payload, how many pauses its stream had made when it came;
    0 for a frame without payload. `of_others`: the column of all frames, into which those of these
    streams are written.
    """
    frame, time_ns = streams.frame, streams.time_ns
    out = of_others
    if out is None:
        out = np.zeros(int(frame.max(initial=0)) + 1, np.uint32)
    late = np.zeros(len(frame), np.uint32)
    late[1:] = np.diff(time_ns) >= PAUSE_NS
    begins = streams.first[:-1]
    late[begins[begins < len(late)]] = 0
    so_far = np.cumsum(late, dtype=np.uint32)
    before = np.concatenate((np.zeros(1, np.uint32), so_far))[begins]
    sizes = np.diff(streams.first)
    # of the pieces of one frame the last in the stream counts
    out[frame] = so_far - np.repeat(before, sizes)
    return out
