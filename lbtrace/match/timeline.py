"""Everything on one clock: that of the first client point."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from lbtrace.match import clock
from lbtrace.match.clock import Clocks
from lbtrace.match.exchange_times import FAR
from lbtrace.match.pairing import Pairing
from lbtrace.tables.packets import Column


class Times(NamedTuple):
    """The columns of a Timeline: one entry per exchange of that side.

    `client_captured` and `backend_captured`: when the request was captured, which may be its second
    transmission.
    """

    client_asked: Column  # the request, at the earliest
    client_answered: Column  # the answer, at the latest
    backend_asked: Column  # the request, at the latest
    backend_answered: Column  # the answer, at the earliest
    backend_began: Column  # the request, at the earliest
    client_captured: Column
    backend_captured: Column


@dataclass(eq=False)
class Timeline:
    """Times that allow for what the clocks and the captures leave open: a client exchange is as
    long as it may have been, a backend exchange as short.

    Each of the Times is there as a list, too, for who asks exchange by exchange. It is made when
    somebody does: 40 bytes for each.
    """

    columns: Times
    known: bool  # False: no clock, and nothing is excluded by time

    @cached_property
    def client_asked(self) -> list[int]:
        """See Times."""
        return _listed(self.columns.client_asked)

    @cached_property
    def client_answered(self) -> list[int]:
        """See Times."""
        return _listed(self.columns.client_answered)

    @cached_property
    def backend_asked(self) -> list[int]:
        """See Times."""
        return _listed(self.columns.backend_asked)

    @cached_property
    def backend_answered(self) -> list[int]:
        """See Times."""
        return _listed(self.columns.backend_answered)

    @cached_property
    def backend_began(self) -> list[int]:
        """See Times."""
        return _listed(self.columns.backend_began)

    @cached_property
    def client_captured(self) -> list[int]:
        """See Times."""
        times = self.columns
        captured = times.client_captured
        if np.array_equal(captured, times.client_asked):  # nearly always
            return self.client_asked
        return _listed(captured)

    @cached_property
    def backend_captured(self) -> list[int]:
        """See Times."""
        times = self.columns
        captured = times.backend_captured
        if np.array_equal(captured, times.backend_asked):
            return self.backend_asked
        return _listed(captured)

    def inside(self, c: int, b: int) -> bool:
        """Whether b can lie inside c."""
        return (
            self.client_asked[c] <= self.backend_asked[b]
            and self.backend_answered[b] <= self.client_answered[c]
        )

    def timed(self, c: int, b: int) -> bool:
        """Whether the clocks of their points are known: else nothing is excluded by time, and
        nothing shown by it.
        """
        return self.known and self.backend_asked[b] < FAR and self.client_asked[c] > -FAR

    def began_inside(self, c: int, b: int) -> bool:
        """Whether b can have begun inside c, whenever it ended."""
        return (
            self.client_asked[c] <= self.backend_asked[b]
            and self.backend_began[b] <= self.client_answered[c]
        )


def _listed(column: Column) -> list[int]:
    found: list[int] = column.tolist()
    return found


def timeline(state: Pairing, known: Clocks) -> Timeline:
    """All times on the clock of the first client point."""
    client, backend = state.client, state.backend
    asked, answered = client.start.copy(), client.reply.copy()
    shifts = clock.common(known, len(client.traces), len(backend.traces))
    for i, shift in enumerate(shifts.clients):
        here = client.point == i
        asked[here] = asked[here] + shift[0] if shift else -FAR
        answered[here] = answered[here] + shift[1] if shift else FAR
    latest, earliest, began = backend.start.copy(), backend.reply.copy(), backend.start.copy()
    for j, drifting in enumerate(shifts.backends):
        here = backend.point == j
        if drifting is None:
            latest[here], earliest[here], began[here] = FAR, -FAR, -FAR
        else:
            frame = backend.table.requests.first_frame[here]
            low, high = clock.spans_of(drifting, backend.start[here], frame)
            latest[here] += high
            began[here] += low
            earliest[here] += clock.spans_of(drifting, backend.reply[here], frame)[0]
    times = Times(
        asked,
        answered,
        latest,
        earliest,
        began,
        asked + _late(state, of_client=True),
        latest + _late(state, of_client=False),
    )
    return Timeline(times, any(shifts.clients) and any(shifts.backends))


def _late(state: Pairing, of_client: bool) -> Column:
    """How much later than its bound a request was captured."""
    facts = state.client if of_client else state.backend
    asked = facts.table.requests
    return np.where(asked.there, asked.first_ns - facts.start, 0)


def long_enough(state: Pairing, c: int, b: int, slack: int = 0) -> bool:
    """Whether the client waited at least as long as the backend took: that needs no clock between
    the two.
    """
    mine, theirs = state.client, state.backend
    return bool(mine.reply[c] - mine.start[c] + slack >= theirs.reply[b] - theirs.start[b])
