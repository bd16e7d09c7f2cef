"""Comparison → whether both sides of the balancer have the same HTTP/2 SETTINGS.

SETTINGS are a matter of each connection (RFC 9113 §6.5): whoever ends HTTP/2 and begins it anew
sends its own. Programs send a few of them, in an order of their own. So different ones show two
speakers. The same ones show nothing: the same library may speak on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.model.http2 import ControlKind, setting_name
from lbtrace.model.net import FrameRef, Side
from lbtrace.tables.columns import Column, among, first_met, group_starts
from lbtrace.tables.connections import NEVER
from lbtrace.tables.control_frames import NONE, ControlFrames
from lbtrace.tables.words import joint
from lbtrace.verdict.weigh import Observation

MOST_COMPARED = 1000  # pairs of connections
Setting = tuple[int, int]  # its number and its value, NONE both in a frame that holds none


class _Said(NamedTuple):
    """All settings that an end of a connection sent, in order, and the first frame. `over`: the end
    closed the connection, so that these are all.
    """

    settings: tuple[Setting, ...]
    frame: FrameRef
    over: bool

    def differs(self, other: _Said) -> bool:
        """Whether these are known to be other settings: a capture that ends sooner shows fewer."""
        size = min(len(self.settings), len(other.settings))
        if self.settings[:size] != other.settings[:size]:
            return True
        return self.over and other.over and self.settings != other.settings


Ends = dict[bool, _Said]  # by whether the client sent them


def settings(comparison: Comparison) -> Iterator[Observation]:
    """Whether the SETTINGS are the same on both sides, of connections that carried the same
    requests.
    """
    alone = comparison.distinct_pairs
    begins, _ = first_met(joint(alone.client_connection, alone.backend_connection))
    begins = begins[:: len(begins) // MOST_COMPARED + 1]
    fronts, backs = alone.client_connection[begins], alone.backend_connection[begins]
    front = _settings(comparison, Side.CLIENT, fronts)
    behind = _settings(comparison, Side.BACKEND, backs) if front else {}
    connections = zip(fronts.tolist(), backs.tolist(), strict=True)
    known = [(front[c], behind[b]) for c, b in connections if c in front and b in behind]
    if not known:
        return
    differ = [
        (one[end], other[end])
        for one, other in known
        for end in [next((e for e in one if one[e].differs(other[e])), None)]
        if end is not None
    ]
    if not differ:
        yield Observation.of(
            "settings",
            "same",
            "Both ends send the same SETTINGS of HTTP/2 in front of the balancer and behind it, in "
            "{count} pairs of connections.",
            _frames([(one[end], other[end]) for one, other in known for end in one]),
            count=len(known),
        )
        return
    before, after = differ[0]
    yield Observation.of(
        "settings",
        "different" if 2 * len(differ) >= len(known) else "different-in-some",
        "The SETTINGS of HTTP/2 differ on the two sides of the balancer in {count} of {of} pairs "
        "of connections, for example {before} → {after}.",
        _frames(differ),
        count=len(differ),
        of=len(known),
        before=_told(before),
        after=_told(after),
    )


def _settings(comparison: Comparison, side: Side, wanted: Column) -> dict[int, Ends]:
    """By the number of its connection what both ends of it sent: of those connections that were
    captured from their SYN on without a gap.
    """
    table = comparison.table(side)
    whole = table.whole_connections & (table.of_connections("syns") > 0)
    closed = {
        from_client: table.of_ends("fin_ns", not from_client) != NEVER
        for from_client in (True, False)
    }
    found: dict[int, Ends] = {}
    for trace, first in zip(comparison.traces(side), table.first_connection, strict=True):
        frames = ControlFrames.of(trace.control).of_kind(ControlKind.SETTINGS)
        number = first + frames.connection.astype(np.int64)
        frames = frames.where(~frames.ack & whole[number] & among(number, wanted))
        begins = group_starts(frames.connection.astype(np.int64) * 2 + frames.from_client)
        sent = list(zip(frames.code.tolist(), frames.value.tolist(), strict=True))
        for begin, end in pairwise([*begins.tolist(), len(frames)]):
            row, from_client = first + int(frames.connection[begin]), frames.from_client[begin]
            found.setdefault(row, {})[bool(from_client)] = _Said(
                tuple(sent[begin:end]),
                trace.ref(int(frames.frame[begin]), int(frames.time_ns[begin])),
                bool(closed[bool(from_client)][row]),
            )
    return {row: ends for row, ends in found.items() if len(ends) == len(closed)}


def _told(said: _Said) -> str:
    """Settings as a sentence names them: "ENABLE_PUSH 0, INITIAL_WINDOW_SIZE 65535"."""
    named = (f"{setting_name(code)} {value}" for code, value in said.settings if code != NONE)
    return ", ".join(named) or "none"


def _frames(pairs: list[tuple[_Said, _Said]]) -> list[FrameRef]:
    """The frames of the first few of these, on both sides."""
    return [said.frame for pair in pairs[:FRAMES_PER_SIDE] for said in pair]
