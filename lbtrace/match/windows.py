"""Clocks → when the other side's captures ran, on the clock of each point."""

from __future__ import annotations

from dataclasses import dataclass

from lbtrace.match.clock import Clocks
from lbtrace.match.pairing import Pairing


@dataclass(slots=True)
class Window:
    """When a capture of the other side ran, by the clock of a point of this side: it shows nothing
    before `first` and nothing after `last`, wherever in its interval the difference of the clocks
    is.
    """

    first: int
    last: int


def windows(state: Pairing, clocks: Clocks, of_client: bool) -> list[list[Window]]:
    """Per point of this side, the windows of the other side's points whose clock is known."""
    this, other = (state.client, state.backend) if of_client else (state.backend, state.client)
    out: list[list[Window]] = []
    for point in range(len(this.traces)):
        known = []
        for there, trace in enumerate(other.traces):
            clock = clocks.get((point, there) if of_client else (there, point))
            if clock is None or clock.refused or not trace.last_ns:
                continue
            low, high = clock.low_ns, clock.high_ns
            shift = (low, high) if of_client else (-high, -low)
            known.append(Window(trace.first_ns + shift[0], trace.last_ns + shift[1]))
        out.append(known)
    return out
